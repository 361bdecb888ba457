//! How long something took: on the clock, and on the processors.

use std::{fmt, fs, path::Path, time::Instant};

use anyhow::Context as _;

/// Both kinds of time, in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Taken {
    /// On the clock: what a machine that does nothing else needs, and more on one that does.
    pub(crate) wall: f64,
    /// Of all threads of this process together: what can be compared between machines that do other things, too.
    pub(crate) cpu: f64,
}

/// Runs.
pub(crate) struct Timer {
    began: Instant,
    cpu: f64,
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

impl Timer {
    pub(crate) fn start() -> anyhow::Result<Self> {
        Ok(Self { cpu: cpu_seconds()?, began: now() })
    }

    pub(crate) fn taken(&self) -> anyhow::Result<Taken> {
        let wall = self.began.elapsed().as_secs_f64();
        Ok(Taken { wall, cpu: cpu_seconds()? - self.cpu })
    }
}

impl std::ops::AddAssign for Taken {
    fn add_assign(&mut self, more: Self) {
        self.wall += more.wall;
        self.cpu += more.cpu;
    }
}

impl Taken {
    /// What was done to `count` entries, as a line of the report.
    pub(crate) fn report(self, what: &str, count: u64) -> anyhow::Result<()> {
        println!("{what}: {count} entries in {self}, {}; {}", Rates(self, count), memory()?);
        Ok(())
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s (CPU {:.2} s)", self.wall, self.cpu)
    }
}

struct Rates(Taken, u64);

impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(taken, count) = self;
        let count = *count as f64;
        write!(
            f,
            "{:.0} per second, CPU {:.1} µs each",
            count / taken.wall,
            taken.cpu * 1e6 / count
        )
    }
}

/// Of all threads that are alive, in nanoseconds by the kernel's scheduler.
fn cpu_seconds() -> anyhow::Result<f64> {
    let mut total = 0;
    for task in fs::read_dir("/proc/self/task")? {
        // A thread may end meanwhile.
        let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
        let spent = text.split_whitespace().next().context("schedstat is empty")?;
        total += spent.parse::<u64>()?;
    }
    Ok(total as f64 / 1e9)
}

/// What the kernel says of this process.
pub(crate) fn memory() -> anyhow::Result<String> {
    let status = fs::read_to_string(Path::new("/proc/self/status"))?;
    let of = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").trim().to_owned()
    };
    Ok(format!("memory {}, at most {}", of("VmRSS:"), of("VmHWM:")))
}
