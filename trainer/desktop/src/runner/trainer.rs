//! The trainer as a process: events come by its output, it is held and stopped by its input.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read, Write as _},
    process::{Child, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::Context as _;

use super::{
    Teller,
    floor::{Floor, Input},
    home::Home,
    program::{Program, last_line},
};
use crate::{effect::Run, news::News};

/// How long it may take to stop by itself.
const STOP_MS_MAX: u64 = 5_000;

/// How often is looked whether it stopped, in milliseconds.
const POLL_MS: u64 = 20;

/// Longest line of an event, in bytes.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// Lines of its log that are kept for the reason of an end.
const LOG_LINES_MAX: usize = 20;

/// A running trainer. Dropped, it stops: its input closes.
pub(super) struct Trainer {
    input: Input,
    child: Arc<Mutex<Child>>,
    ended: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl Trainer {
    /// Starts it, and has it take its turns with the others on `floor`.
    pub(super) fn start(
        program: &Program,
        home: &Home,
        run: &Run,
        floor: &Floor,
        teller: Teller,
    ) -> anyhow::Result<Self> {
        let (mut call, passphrase) = program.unlocked();
        call.args(["trainer", "--json", "--obey", "--state"]).arg(home.trainer());
        call.arg("--data").arg(&run.data).args(["--label", &run.label, "--device", &run.device]);
        call.arg("--mapping").arg(home.write_mapping(&run.mapping)?);
        call.args(["--hold-out", &run.hold_out_percent.to_string()]);
        call.env("SAHAKAR_JOIN", &run.invitation);
        call.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = call.spawn().context("cannot start the trainer")?;
        if let Some(input) = &mut child.stdin {
            // One that reads nothing has ended or is about to; the listener tells.
            let _gone = input.write_all(passphrase.as_bytes()).is_err();
        }
        let (input, output) = (Arc::new(Mutex::new(child.stdin.take())), child.stdout.take());
        let log = follow(child.stderr.take());
        let (seat, process) = (teller.seat, child.id());
        let child = Arc::new(Mutex::new(child));
        let ended = Arc::new(AtomicBool::new(false));
        let (its, over) = (Arc::clone(&child), Arc::clone(&ended));
        floor.enter((seat, process), home, Arc::clone(&input), teller.clone());
        let floor = floor.clone();
        let listener = std::thread::spawn(move || {
            listen(output, |event| {
                floor.hear(seat, &event);
                teller.tell(News::Trainer(event));
            });
            floor.leave(seat, process);
            let error = end(&its).err().map(|error| {
                let log = log.join().unwrap_or_default();
                if log.is_empty() { format!("{error:#}") } else { last_line(&log) }
            });
            over.store(true, Ordering::Release);
            teller.tell(News::TrainerEnded { error });
        });
        Ok(Self { input, child, ended, listener: Some(listener) })
    }

    /// Tells it to stop; ends it by force if it does not.
    pub(super) fn stop(&mut self) {
        match self.input.lock() {
            Ok(mut input) if input.is_some() => drop(input.take()),
            _ => return,
        }
        let (child, ended) = (Arc::clone(&self.child), Arc::clone(&self.ended));
        drop(std::thread::spawn(move || {
            for _ in 0..STOP_MS_MAX / POLL_MS {
                if ended.load(Ordering::Acquire) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(POLL_MS));
            }
            if let Ok(mut child) = child.lock() {
                // It may have ended meanwhile.
                let _gone = child.kill().is_err();
            }
        }));
    }

    /// Waits until it is gone; it was told to stop.
    pub(super) fn wait(&mut self) {
        if let Some(listener) = self.listener.take() {
            // A listener that panicked has told nothing more; the process is looked at by nobody then.
            let _panicked = listener.join().is_err();
        }
    }
}

impl Drop for Trainer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn listen(output: Option<impl Read>, hear: impl Fn(serde_json::Value)) {
    let Some(output) = output else { return };
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                if let Ok(event) = serde_json::from_slice(&line) {
                    hear(event);
                }
            }
        }
    }
}

/// Takes leave of a process whose output has closed.
fn end(child: &Mutex<Child>) -> anyhow::Result<()> {
    loop {
        let status = match child.lock() {
            Ok(mut child) => child.try_wait().context("waiting for the trainer")?,
            Err(_) => anyhow::bail!("the trainer was lost"),
        };
        match status {
            Some(status) if status.success() => return Ok(()),
            Some(status) => anyhow::bail!("the trainer ended with {status}"),
            // The lock is not held while waiting: `stop` may have to end it.
            None => std::thread::sleep(Duration::from_millis(POLL_MS)),
        }
    }
}

/// Keeps the last lines of a log.
fn follow(log: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut kept = VecDeque::new();
        for line in log.into_iter().flat_map(|log| BufReader::new(log).lines()) {
            let Ok(line) = line else { break };
            if kept.len() == LOG_LINES_MAX {
                kept.pop_front();
            }
            kept.push_back(line);
        }
        Vec::from(kept).join("\n")
    })
}
