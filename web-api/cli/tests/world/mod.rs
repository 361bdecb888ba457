//! A small co-operative of real processes for tests.

use std::{path::Path, time::Duration};

use rand::{rand_core::UnwrapErr, rngs::SysRng};
use sahakar::{
    demo::{
        children::{ChildEvent, ChildNews},
        cooperative::{Cooperative, CooperativePlan},
        wineries::{Vintage, VintagePlan, Winery},
    },
    serve::{DaoConfig, FederationConfig, SealingMode},
};
use serde_json::Value;
use trainer_model::DeviceChoice;

/// Longest wait for any one event: far above what a loaded machine needs.
const EVENT_MS_MAX: u64 = 60_000;

/// How long a round waits for a contributor that does not come, in milliseconds.
const ROUND_DEADLINE_MS: u64 = 4_000;

/// A co-operative that is not the usual one.
pub(crate) struct Setup<'a> {
    /// What to start as the program.
    pub(crate) program: &'a Path,
    pub(crate) mode: SealingMode,
    pub(crate) dir: &'a Path,
    pub(crate) contributors: usize,
    pub(crate) rounds: u32,
    pub(crate) round_deadline_ms: u64,
    /// How many of the contributors are started as processes; by default all.
    pub(crate) processes: usize,
    /// What the contributors are to be like, once their tables are dealt.
    pub(crate) recruit: fn(&mut [Winery]),
    /// What else the federation is to be like.
    pub(crate) adjust: fn(&mut FederationConfig),
    /// How else the DAO is to be founded.
    pub(crate) found: fn(&mut DaoConfig),
}

impl<'a> Setup<'a> {
    /// The program itself.
    pub(crate) fn new(mode: SealingMode, dir: &'a Path, contributors: usize, rounds: u32) -> Self {
        let program = env!("CARGO_BIN_EXE_sahakar").as_ref();
        let round_deadline_ms = ROUND_DEADLINE_MS;
        Self {
            program,
            mode,
            dir,
            contributors,
            rounds,
            round_deadline_ms,
            processes: contributors,
            recruit: |_| {},
            adjust: |_| {},
            found: |_| {},
        }
    }

    /// The contributors with their tables.
    pub(crate) fn vintage(&self) -> Vintage {
        let contributors = self.contributors;
        let plan =
            VintagePlan { dataset: "wine".to_owned(), data_dir: None, contributors, seed: 3 };
        Vintage::prepare(&plan, self.dir).unwrap()
    }

    /// Starts all processes.
    pub(crate) async fn start(self) -> (Cooperative, Vintage) {
        let mut vintage = self.vintage();
        (self.recruit)(&mut vintage.wineries);
        let plan = CooperativePlan {
            program: self.program.to_owned(),
            dir: self.dir.to_owned(),
            rounds: self.rounds,
            adjust: self.adjust,
            found: self.found,
            mode: self.mode,
            device: DeviceChoice::Cpu,
            seed: 3,
            round_deadline_ms: self.round_deadline_ms,
            noise_multiplier: 0.0,
            validation: vintage.validation.clone(),
            test: vintage.test.clone(),
            schema: vintage.schema.clone(),
            wineries: vintage.wineries[..self.processes].to_vec(),
        };
        (Cooperative::start(plan, &mut UnwrapErr(SysRng)).await.unwrap(), vintage)
    }
}

/// Starts `contributors` wineries for `rounds` rounds.
pub(crate) async fn start(dir: &Path, contributors: usize, rounds: u32) -> (Cooperative, Vintage) {
    start_in(SealingMode::Mpc, dir, contributors, rounds).await
}

/// As [`start`], in another mode of sealing.
pub(crate) async fn start_in(
    mode: SealingMode,
    dir: &Path,
    contributors: usize,
    rounds: u32,
) -> (Cooperative, Vintage) {
    Setup::new(mode, dir, contributors, rounds).start().await
}

/// The next event of any process.
pub(crate) async fn next(cooperative: &mut Cooperative) -> ChildEvent {
    let patience = Duration::from_millis(EVENT_MS_MAX);
    let event = tokio::time::timeout(patience, cooperative.next_event()).await;
    event.expect("something happens within a minute").expect("a process runs")
}

/// Waits until `from` says `event`, and returns it; `seen` gets everything on the way.
pub(crate) async fn until(
    cooperative: &mut Cooperative,
    from: &str,
    event: &str,
    seen: &mut Vec<(String, Value)>,
) -> Value {
    loop {
        let news = next(cooperative).await;
        if let ChildNews::Said(value) = news.what {
            seen.push((news.from.clone(), value.clone()));
            if news.from == from && value["event"] == event {
                return value;
            }
        }
    }
}

/// Recomputes the whole ledger from its tiles.
pub(crate) async fn audit(cooperative: &Cooperative) -> data_dao_journal::AuditReport {
    // The tiles follow the log within half a second: two looks at the same size are enough.
    let mut look = tokio::time::interval(Duration::from_millis(700));
    let mut last = None;
    loop {
        look.tick().await;
        if let Ok(report) = data_dao_store::audit_tiles(&cooperative.tiles_dir(), None) {
            if last == Some(report.entries) {
                return report;
            }
            last = Some(report.entries);
        }
    }
}
