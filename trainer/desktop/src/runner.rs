//! What is done outside of the window: files, the trainer's process, the co-operative's REST interface.
//!
//! One thread takes effects in order, and has a runner for each federation; what may take long (a coordinator that does not answer, a large table) has a thread of
//! its own, of which there are at most [`SLOW_MAX`].

mod floor;
mod home;
mod keys;
mod ledger;
mod node;
mod program;
mod runners;
mod trainer;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
    mpsc::SyncSender,
};

use crate::{
    command::Browsed,
    effect::Effect,
    news::{Failure, News},
    preview::{Preview, PreviewError},
    seat::Seat,
    sent::Sent,
};
use floor::Floor;
pub use home::{Home, HomeError};
use program::Program;
pub use runners::Runners;
use trainer::Trainer;

/// Most long tasks at a time: at the start each federation has its key read, and what left.
const SLOW_MAX: usize = 2 * Seat::MOST;

/// Where news of one federation go, and what wakes the window for them. Cheap to clone.
#[derive(Clone)]
struct Teller {
    seat: Seat,
    news: SyncSender<(Seat, News)>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Teller {
    /// Waits while the window is behind. A window that is gone needs no news.
    fn tell(&self, news: News) {
        if self.news.send((self.seat, news)).is_ok() {
            (self.wake)();
        }
    }

    fn failed(&self, what: Failure, error: &anyhow::Error) {
        self.tell(News::Failed { what, reason: format!("{error:#}") });
    }
}

/// Does what the desk of one federation wants done.
struct Runner {
    home: Arc<Home>,
    program: Program,
    teller: Teller,
    slow: Arc<AtomicUsize>,
    trainer: Option<Trainer>,
    floor: Floor,
}

impl Runner {
    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::ReadKey { with_words } => self
                .about_key(Failure::Key, move |home, program, teller| {
                    keys::look(home, program, teller, with_words)
                }),
            Effect::MakeKey(_)
            | Effect::RestoreKey { .. }
            | Effect::Unlock { .. }
            | Effect::Protect { .. }
            | Effect::BackUp(..) => self.work_on_key(effect),
            Effect::AskTerms(invitation) => self.slowly(Failure::Terms, move |home, program| {
                Ok(match program.terms(home, &invitation) {
                    Ok(terms) => News::Terms { invitation, terms: Box::new(terms) },
                    Err(error) => News::NoTerms { invitation, reason: format!("{error:#}") },
                })
            }),
            Effect::Consent { invitation, node, terms } => {
                self.slowly(Failure::Consent, move |home, program| {
                    let terms = program.consent(home, &invitation, (&node, &terms))?;
                    Ok(News::Consented(Box::new(terms)))
                });
            }
            Effect::Browse(what) => self.browse(what),
            Effect::Preview { path, terms, mapping } => self.slowly(Failure::Table, move |_, _| {
                looked_at(Preview::read(&path, &terms, mapping))
            }),
            Effect::Start(run) => self.start_trainer(&run),
            Effect::Stop => {
                if let Some(trainer) = &mut self.trainer {
                    trainer.stop();
                }
            }
            Effect::Pace(command) => self.floor.obey(command),
            Effect::Prefer(preferences) => self.floor.prefer(*preferences),
            Effect::Autostart(on) => {
                if let Err(error) = self.home.set_autostart(on) {
                    self.teller.failed(Failure::Settings, &error);
                }
            }
            Effect::ReadSent => self.slowly(Failure::Sent, |home, _| {
                let Sent { lines, messages, bytes } = home.sent()?;
                Ok(News::Sent { lines, messages, bytes })
            }),
            Effect::Export(path) => {
                self.slowly(Failure::Sent, move |home, _| Ok(News::Exported(home.export(&path)?)))
            }
            Effect::ReadSealed(digest) => self.slowly(Failure::Sent, move |home, program| {
                Ok(News::Sealed(Box::new(program.sealed(home, &digest)?)))
            }),
            Effect::ExportSealed(digest, path) => {
                self.slowly(Failure::Sent, move |home, program| {
                    Ok(News::Exported(program.export_sealed(home, &digest, &path)?))
                })
            }
            Effect::Ask { .. }
            | Effect::Vote { .. }
            | Effect::Delegate { .. }
            | Effect::Check { .. } => self.turn_to_node(effect),
            Effect::CompareDevices => self.slowly(Failure::Devices, |home, program| {
                Ok(News::Devices(program.compare_devices(home)?))
            }),
            Effect::Save(settings) => {
                if let Err(error) = self.home.save(&settings) {
                    self.teller.failed(Failure::Settings, &error);
                }
            }
            Effect::Erase => self.erase(),
        }
    }

    /// What makes, unlocks and protects the key.
    fn work_on_key(&self, effect: Effect) {
        let locked = self.home.key().exists();
        let failure = if locked { Failure::Passphrase } else { Failure::Key };
        self.about_key(failure, move |home, program, teller| match effect {
            Effect::MakeKey(passphrase) => keys::make(home, program, teller, passphrase),
            Effect::RestoreKey { backup, passphrase, member } => {
                keys::restore(home, program, teller, (&backup, passphrase, member))
            }
            Effect::Unlock { passphrase, with_words } => {
                keys::unlock(home, program, teller, (passphrase, with_words))
            }
            Effect::Protect { now, new } => keys::protect(home, program, now, new),
            Effect::BackUp(path, passphrase) => keys::back_up(home, program, &path, &passphrase),
            // Everything else is done elsewhere.
            _ => keys::look(home, program, teller, false),
        });
    }

    /// Does `task`, which may tell something before its end, on a thread of its own.
    fn about_key(
        &self,
        what: Failure,
        task: impl FnOnce(&Home, &Program, &Teller) -> anyhow::Result<News> + Send + 'static,
    ) {
        let teller = self.teller.clone();
        self.slowly(what, move |home, program| task(home, program, &teller));
    }

    /// What asks the co-operative, or tells it something.
    fn turn_to_node(&self, effect: Effect) {
        match effect {
            Effect::Ask { node, federation, member } => {
                self.slowly(Failure::CoOperative, move |_, _| {
                    Ok(News::CoOperative(Box::new(node::ask(&node, &federation, &member)?)))
                });
            }
            Effect::Vote { node, proposal, choice } => {
                self.slowly(Failure::Vote, move |home, program| {
                    program.vote(home, &node, &proposal, choice)?;
                    Ok(News::Voted { proposal })
                });
            }
            Effect::Delegate { node, to } => {
                self.slowly(Failure::Delegation, move |home, program| {
                    program.delegate(home, &node, to.as_ref())?;
                    Ok(News::Delegated)
                })
            }
            Effect::Check { node, log_key, claims } => {
                self.slowly(Failure::Check, move |home, _| {
                    let checked = ledger::check(home, &node, log_key.as_deref(), &claims)?;
                    Ok(News::Checked(Box::new(checked)))
                });
            }
            // Everything else is done elsewhere.
            _ => {}
        }
    }

    /// Does `task` on a thread of its own.
    fn slowly(
        &self,
        what: Failure,
        task: impl FnOnce(&Home, &Program) -> anyhow::Result<News> + Send + 'static,
    ) {
        let (home, program, teller) =
            (Arc::clone(&self.home), self.program.clone(), self.teller.clone());
        let slow = Arc::clone(&self.slow);
        if slow.fetch_add(1, Ordering::Relaxed) >= SLOW_MAX {
            slow.fetch_sub(1, Ordering::Relaxed);
            teller.failed(what, &anyhow::anyhow!("too much is under way; try again in a moment"));
            return;
        }
        let work = move || {
            match task(&home, &program) {
                Ok(news) => teller.tell(news),
                Err(error) => teller.failed(what, &error),
            }
            slow.fetch_sub(1, Ordering::Relaxed);
        };
        // The handle is let go: the task ends by itself, its time is bounded, and the window is told.
        drop(std::thread::spawn(work));
    }

    /// The dialog may stay open for as long as the person likes: it counts as no task.
    fn browse(&self, what: Browsed) {
        let teller = self.teller.clone();
        let work = move || {
            // Without a filter: what a file is, its content tells, whatever it is called.
            let dialog = rfd::FileDialog::new();
            let picked = match what {
                Browsed::File => dialog.pick_file(),
                Browsed::Folder => dialog.pick_folder(),
            };
            if let Some(path) = picked {
                teller.tell(News::Picked(path));
            }
        };
        drop(std::thread::spawn(work));
    }

    fn start_trainer(&mut self, run: &crate::effect::Run) {
        let teller = self.teller.clone();
        match Trainer::start(&self.program, &self.home, run, &self.floor, teller) {
            Ok(trainer) => self.trainer = Some(trainer),
            Err(error) => self.teller.failed(Failure::Trainer, &error),
        }
    }

    /// Stops the trainer, waits until it is gone, and erases: it would write again otherwise.
    fn erase(&mut self) {
        if let Some(mut trainer) = self.trainer.take() {
            trainer.stop();
            trainer.wait();
        }
        match self.home.erase() {
            Ok(()) => {
                self.program.unlock(None);
                self.teller.tell(News::Erased);
            }
            Err(error) => self.teller.failed(Failure::Erase, &error),
        }
    }
}

/// Why data cannot be read is told in parts: the window has its own words for it.
fn looked_at(read: Result<Preview, PreviewError>) -> anyhow::Result<News> {
    match read {
        Ok(preview) => Ok(News::Table(Box::new(preview))),
        Err(PreviewError::Source(error)) => Ok(News::Unreadable(Box::new(error.refusal()))),
        Err(error) => Err(error.into()),
    }
}
