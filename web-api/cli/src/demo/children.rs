//! The processes that a demonstration starts, and ends.
//!
//! Every child reads the standard input that this process holds open: when this process ends, however
//! that comes about, the pipe closes and the child stops by itself. An orderly end closes the pipe
//! first and kills only what does not go.

use std::{
    ffi::OsString,
    fs::File,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdout, Command},
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

/// How long a child may take to stop by itself, in milliseconds.
const STOP_MS_MAX: u64 = 3_000;
/// Events waiting to be read.
const EVENTS_MAX: usize = 4_096;
/// What the children log: our own milestones and whatever goes wrong elsewhere.
const LOG_FILTER: &str = "warn,sahakar=debug,aggregator_node=info,trainer_agent=info";
/// Lines of a child's log that an error quotes.
const LOG_LINES_QUOTED: usize = 12;

/// Something that a child said, or that happened to it.
#[derive(Debug)]
pub struct ChildEvent {
    /// The child's name.
    pub from: String,
    /// Its process id: a name may be started again.
    pub pid: Option<u32>,
    /// What.
    pub what: ChildNews,
}

/// What is new about a child.
#[derive(Debug)]
pub enum ChildNews {
    /// A line of JSON on its standard output.
    Said(Value),
    /// It ended.
    Ended(Option<ExitStatus>),
}

/// How a child is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its input is closed; killed if it does not go in time.
    Orderly,
    /// `kill -9`.
    Kill,
}

/// Starts children of one program.
#[derive(Debug, Clone)]
pub struct Spawner {
    program: PathBuf,
    logs: PathBuf,
    events: mpsc::Sender<ChildEvent>,
}

/// A running child.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: Option<u32>,
    end: Option<oneshot::Sender<End>>,
    watcher: JoinHandle<()>,
}

impl Spawner {
    /// Children of `program`, with one log file each in `logs`; the receiver hears all of them.
    ///
    /// # Errors
    /// If `logs` cannot be created.
    pub fn new(
        program: PathBuf,
        logs: PathBuf,
    ) -> anyhow::Result<(Self, mpsc::Receiver<ChildEvent>)> {
        std::fs::create_dir_all(&logs).with_context(|| format!("creating {}", logs.display()))?;
        let (events, events_in) = mpsc::channel(EVENTS_MAX);
        Ok((Self { program, logs, events }, events_in))
    }

    /// Starts a child.
    ///
    /// # Errors
    /// If its log cannot be written or the program not be started.
    pub fn spawn(&self, name: &str, arguments: &[OsString]) -> anyhow::Result<Process> {
        let path = self.log_path(name);
        let log = File::options().create(true).append(true).open(&path);
        let log = log.with_context(|| format!("writing {}", path.display()))?;
        let mut command = Command::new(&self.program);
        // A group of its own: Ctrl-C reaches this process, which then ends its children in order.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command
            .args(arguments)
            // Events go to standard output as JSON; the log has them in words.
            .env("RUST_LOG", LOG_FILTER)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let pid = child.id();
        let stdout = child.stdout.take().context("the child's output is piped")?;
        let (end, end_in) = oneshot::channel();
        let watcher =
            tokio::spawn(watch(name.to_owned(), child, stdout, self.events.clone(), end_in));
        Ok(Process { name: name.to_owned(), pid, end: Some(end), watcher })
    }

    /// Where a child's log is.
    #[must_use]
    pub fn log_path(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }

    /// The last lines of a child's log, for an error message.
    #[must_use]
    pub fn log_tail(&self, name: &str) -> String {
        let log = std::fs::read_to_string(self.log_path(name)).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let from = lines.len().saturating_sub(LOG_LINES_QUOTED);
        lines[from..].join("\n")
    }
}

async fn watch(
    name: String,
    mut child: Child,
    stdout: ChildStdout,
    events: mpsc::Sender<ChildEvent>,
    mut end: oneshot::Receiver<End>,
) {
    let mut lines = BufReader::new(stdout).lines();
    let pid = child.id();
    let mut open = true;
    let status = loop {
        tokio::select! {
            line = lines.next_line(), if open => match line {
                Ok(Some(line)) => {
                    if let Ok(value) = serde_json::from_str(&line) {
                        let what = ChildNews::Said(value);
                        // Without a listener the demonstration is ending: the child ends with it.
                        drop(events.send(ChildEvent { from: name.clone(), pid, what }).await);
                    }
                }
                _ => open = false,
            },
            status = child.wait(), if !open => break status.ok(),
            how = &mut end => break stop(&mut child, how.unwrap_or(End::Orderly)).await,
        }
    };
    drop(events.send(ChildEvent { from: name, pid, what: ChildNews::Ended(status) }).await);
}

async fn stop(child: &mut Child, how: End) -> Option<ExitStatus> {
    if how == End::Orderly {
        drop(child.stdin.take());
        let patience = Duration::from_millis(STOP_MS_MAX);
        if let Ok(status) = tokio::time::timeout(patience, child.wait()).await {
            return status.ok();
        }
    }
    // An error means that it has ended meanwhile.
    drop(child.start_kill());
    child.wait().await.ok()
}

impl Process {
    /// The child's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    #[must_use]
    pub const fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Ends the child and waits until it is gone.
    pub async fn end(mut self, how: End) {
        if let Some(end) = self.end.take() {
            // Gone already: nobody listens any more.
            let _gone = end.send(how).is_err();
        }
        drop((&mut self.watcher).await);
    }

    /// The largest resident memory that it ever had, in bytes, where the system tells (Linux).
    #[must_use]
    pub fn peak_rss_bytes(&self) -> Option<u64> {
        peak_rss_bytes(format!("/proc/{}/status", self.pid?))
    }
}

/// The largest resident memory of this process itself, in bytes, where the system tells (Linux).
#[must_use]
pub fn own_peak_rss_bytes() -> Option<u64> {
    peak_rss_bytes("/proc/self/status")
}

fn peak_rss_bytes(path: impl AsRef<Path>) -> Option<u64> {
    let status = std::fs::read_to_string(path).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
