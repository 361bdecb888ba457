//! A small co-operative of real processes for tests.

use std::{path::Path, time::Duration};

use rand::{rand_core::UnwrapErr, rngs::SysRng};
use sahakar::{
    demo::{
        children::{ChildEvent, ChildNews},
        cooperative::{Cooperative, CooperativePlan},
        wineries::{Vintage, VintagePlan},
    },
    serve::SealingMode,
};
use serde_json::Value;
use trainer_model::DeviceChoice;

/// Longest wait for any one event: far above what a loaded machine needs.
const EVENT_MS_MAX: u64 = 60_000;

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
    let plan = VintagePlan { dataset: "wine".to_owned(), data_dir: None, contributors, seed: 3 };
    let vintage = Vintage::prepare(&plan, dir).unwrap();
    let plan = CooperativePlan {
        program: env!("CARGO_BIN_EXE_sahakar").into(),
        dir: dir.to_owned(),
        rounds,
        mode,
        device: DeviceChoice::Cpu,
        seed: 3,
        round_deadline_ms: 4_000,
        noise_multiplier: 0.0,
        validation: vintage.validation.clone(),
        test: vintage.test.clone(),
        schema: vintage.schema.clone(),
        wineries: vintage.wineries.clone(),
    };
    (Cooperative::start(plan, &mut UnwrapErr(SysRng)).await.unwrap(), vintage)
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
