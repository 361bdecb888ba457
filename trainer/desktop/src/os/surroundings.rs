//! The thread that speaks with the session.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use super::Standing;

/// Things to tell that wait: a bus that does not answer costs them, not the window.
const TELLS_MAX: usize = 64;

/// Words that wait for the window: clicks of a person.
const WORDS_MAX: usize = 16;

/// What the session is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Tell {
    /// Show a notification.
    Notify {
        /// Its title.
        summary: String,
        /// Its text.
        body: String,
    },
    /// Show the icon, so.
    Show(Shown),
    /// Show no icon.
    Hide,
}

/// What the icon and its menu show, in the window's language.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    /// How training stands.
    pub standing: Standing,
    /// The same in a line.
    pub line: String,
    /// "Open".
    pub open: String,
    /// "Pause".
    pub pause: String,
    /// "Resume".
    pub resume: String,
    /// "Quit".
    pub quit: String,
    /// Whether it can be paused.
    pub pausable: bool,
    /// Whether it can be resumed.
    pub resumable: bool,
    /// How often the menu changed; counted by the thread.
    pub revision: u32,
}

/// What the session says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// Show the window.
    Open,
    /// Pause training.
    Pause,
    /// Go on.
    Resume,
    /// Quit.
    Quit,
    /// Look at this invitation.
    Invite(String),
}

/// Where words go. Cheap to clone.
#[derive(Clone)]
pub(super) struct Ears {
    words: SyncSender<Word>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Ears {
    /// Passes a word on; one too many is dropped, and can be said again.
    pub(super) fn hear(&self, word: Word) {
        if self.words.try_send(word).is_ok() {
            (self.wake)();
        }
    }
}

/// The session around a window; ended when it is dropped.
pub struct Surroundings {
    tells: SyncSender<Tell>,
    words: Receiver<Word>,
    tray_is_seen: Arc<AtomicBool>,
}

impl Surroundings {
    /// Speaks with the session that this process is in.
    ///
    /// * `home` — the window's folder, by which a second start finds it.
    /// * `wake` — called after each word.
    ///
    /// # Errors
    /// If there is no thread.
    pub fn open(home: &Path, wake: impl Fn() + Send + Sync + 'static) -> std::io::Result<Self> {
        #[cfg(target_os = "linux")]
        let connect = super::session_bus;
        #[cfg(not(target_os = "linux"))]
        let connect = || None::<()>;
        Self::on(connect, home, wake)
    }

    /// Speaks over the connections that `connect` describes.
    ///
    /// # Errors
    /// If there is no thread.
    #[cfg(target_os = "linux")]
    pub fn on(
        connect: impl Fn() -> zbus::Result<zbus::blocking::connection::Builder<'static>>
        + Send
        + 'static,
        home: &Path,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let (tells, told) = sync_channel(TELLS_MAX);
        let (heard, words) = sync_channel(WORDS_MAX);
        let ears = Ears { words: heard, wake: Arc::new(wake) };
        let tray_is_seen = Arc::new(AtomicBool::new(false));
        let speaking = linux::Speaking {
            connect: Box::new(connect),
            name: super::instance::name(home),
            ears,
            tray: None,
            tray_is_seen: Arc::clone(&tray_is_seen),
        };
        let thread = std::thread::Builder::new().name("session".to_owned());
        thread.spawn(move || speaking.run(&told))?;
        Ok(Self { tells, words, tray_is_seen })
    }

    /// Nobody to speak with: the system has no session bus.
    #[cfg(not(target_os = "linux"))]
    fn on(
        _connect: impl Fn() -> Option<()>,
        _home: &Path,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let (tells, _told) = sync_channel(TELLS_MAX);
        let (heard, words) = sync_channel(WORDS_MAX);
        let _ears = Ears { words: heard, wake: Arc::new(wake) };
        Ok(Self { tells, words, tray_is_seen: Arc::new(AtomicBool::new(false)) })
    }

    /// Tells the session; what does not fit any more is dropped.
    pub fn tell(&self, tell: Tell) {
        let _dropped = self.tells.try_send(tell).is_err();
    }

    /// The next word, if there is one.
    #[must_use]
    pub fn word(&self) -> Option<Word> {
        self.words.try_recv().ok()
    }

    /// Whether a panel shows the icon now: without it, a hidden window could not be brought back.
    #[must_use]
    pub fn tray_is_seen(&self) -> bool {
        self.tray_is_seen.load(Ordering::Relaxed)
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
            mpsc::{Receiver, RecvTimeoutError},
        },
        time::Duration,
    };

    use zbus::blocking::connection::Builder;

    use super::{Ears, Shown, Tell};
    use crate::os::{instance, notifier, tray::Tray};

    /// How often is looked whether there is another panel.
    const LOOK_EVERY: Duration = Duration::from_secs(5);

    pub(super) struct Speaking {
        pub(super) connect: Box<dyn Fn() -> zbus::Result<Builder<'static>> + Send>,
        pub(super) name: String,
        pub(super) ears: Ears,
        pub(super) tray: Option<Tray>,
        pub(super) tray_is_seen: Arc<AtomicBool>,
    }

    impl Speaking {
        pub(super) fn run(mut self, told: &Receiver<Tell>) {
            let application = instance::Application(self.ears.clone());
            // By the builder, which serves before it reads: zbus neither hands on nor answers a call that comes before.
            let bus = (self.connect)()
                .and_then(|bus| bus.serve_at(instance::PATH, application)?.build())
                .ok();
            if let Some(bus) = &bus {
                // One that has the name already answers second starts; this window works without.
                let _refused = bus.request_name(self.name.as_str()).is_err();
            }
            loop {
                match told.recv_timeout(LOOK_EVERY) {
                    Ok(Tell::Notify { summary, body }) => {
                        if let Some(bus) = &bus {
                            let _untold = !notifier::notify(bus, &summary, &body);
                        }
                    }
                    Ok(Tell::Show(shown)) => self.show(shown),
                    // Its connection goes, and the icon with it.
                    Ok(Tell::Hide) => self.tray = None,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                let seen = self.tray.as_mut().is_some_and(Tray::announce);
                self.tray_is_seen.store(seen, Ordering::Relaxed);
            }
        }

        fn show(&mut self, shown: Shown) {
            if let Some(tray) = &self.tray {
                tray.show(shown);
            } else if let Ok(bus) = (self.connect)() {
                self.tray = Tray::new(bus, shown, self.ears.clone()).ok();
            }
        }
    }
}
