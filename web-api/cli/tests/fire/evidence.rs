//! What the processes said, and what has to follow from it.

use std::{collections::BTreeMap, path::PathBuf};

use sahakar::demo::{
    children::{ChildNews, End},
    cooperative::{AGGREGATOR, COORDINATOR, Cooperative, DAO},
    wineries::Vintage,
};
use serde_json::Value;

use crate::world;

/// A co-operative with all that was heard of it.
pub(crate) struct Fire {
    pub(crate) cooperative: Cooperative,
    pub(crate) vintage: Vintage,
    pub(crate) seen: Vec<(String, Value)>,
}

impl Fire {
    pub(crate) fn new((cooperative, vintage): (Cooperative, Vintage)) -> Self {
        Self { cooperative, vintage, seen: Vec::new() }
    }

    /// The next thing that a process says, which is remembered, or that it ended.
    pub(crate) async fn next(&mut self) -> Heard {
        let news = world::next(&mut self.cooperative).await;
        match news.what {
            ChildNews::Said(value) => {
                self.seen.push((news.from.clone(), value.clone()));
                Heard::Said(news.from, value)
            }
            ChildNews::Ended(status) => {
                Heard::Ended(news.from, status.and_then(|status| status.code()))
            }
        }
    }

    /// Waits until somebody for whom `from` holds says `event`; tells who, and what.
    pub(crate) async fn until(
        &mut self,
        from: impl Fn(&str) -> bool,
        event: &str,
    ) -> (String, Value) {
        loop {
            if let Heard::Said(who, value) = self.next().await
                && from(&who)
                && value["event"] == event
            {
                return (who, value);
            }
        }
    }

    /// Waits until `who` says `event`.
    pub(crate) async fn hear(&mut self, who: &str, event: &str) -> Value {
        self.until(|from| from == who, event).await.1
    }

    /// Waits until `who` has ended by itself; tells its exit code.
    pub(crate) async fn ended(&mut self, who: &str) -> i32 {
        loop {
            // One that was killed has none.
            if let Heard::Ended(name, Some(code)) = self.next().await
                && name == who
            {
                return code;
            }
        }
    }

    /// Kills `who` with `kill -9`.
    pub(crate) async fn kill(&mut self, who: &str) {
        self.cooperative.end(who, End::Kill).await;
    }

    /// Starts `who` again.
    pub(crate) async fn start(&mut self, who: &str) -> anyhow::Result<()> {
        match who {
            DAO => self.cooperative.start_dao_again().await,
            COORDINATOR | AGGREGATOR => self.cooperative.start_aggregator(who).await,
            label => {
                let winery = self.vintage.wineries.iter().find(|winery| winery.label == label);
                self.cooperative.start_trainer(winery.expect("a contributor's label"))
            }
        }
    }

    /// Where `who` keeps its state.
    pub(crate) fn state_dir(&self, who: &str) -> PathBuf {
        let dir = self.cooperative.tiles_dir();
        let root = dir.parent().and_then(|dao| dao.parent()).expect("dir/dao/tiles");
        match who {
            DAO | COORDINATOR | AGGREGATOR => root.join(who),
            label => self.cooperative.trainer_dir(label),
        }
    }

    /// Sends a signal by name to `who`.
    pub(crate) fn signal(&self, who: &str, signal: &str) {
        let pid = self.cooperative.pids().find(|(name, _)| *name == who).expect("it runs").1;
        send_signal(pid, signal);
    }

    pub(crate) fn labels(&self) -> Vec<String> {
        self.vintage.wineries.iter().map(|winery| winery.label.clone()).collect()
    }

    /// The rest of the rounds, and then: every round ended, nothing acknowledged was lost, the ledger audits.
    pub(crate) async fn finish(mut self, rounds: u64) {
        if !self.seen.iter().any(|(who, value)| who == DAO && value["event"] == "released") {
            self.hear(DAO, "released").await;
        }
        for label in self.labels() {
            let finished =
                |(who, value): &(String, Value)| *who == label && value["event"] == "finished";
            if !self.seen.iter().any(finished) {
                self.hear(&label, "finished").await;
            }
        }
        let report = world::audit(&self.cooperative).await;
        assert_eq!(report.rounds_settled, rounds, "{report:?}");
        self.check();
        self.cooperative.end_all().await;
    }

    fn check(&self) {
        let rounds = |who: Option<&str>, event: &str| -> BTreeMap<u64, Value> {
            let of = self.seen.iter().filter(|(from, value)| {
                who.is_none_or(|who| who == from) && value["event"] == event
            });
            of.filter_map(|(_, value)| Some((value["round"].as_u64()?, value.clone()))).collect()
        };
        // Of one that is killed just then, the other tells.
        let either = |dao: &str, coordinator: &str| {
            let mut told = rounds(Some(COORDINATOR), coordinator);
            told.extend(rounds(Some(DAO), dao));
            told
        };
        let settled = either("settled", "round-settled");
        let aborted = either("aborted", "round-aborted");
        for round in rounds(Some(COORDINATOR), "round-started").into_keys() {
            let ended = settled.contains_key(&round) || aborted.contains_key(&round);
            assert!(ended, "round {round} never ended");
        }
        for reason in aborted.values() {
            let reason = reason["reason"].as_str().unwrap_or_default();
            assert!(!reason.is_empty(), "a round was given up without a reason");
        }
        for (who, value) in &self.seen {
            assert_ne!(value["event"], "disputed", "{who}: {value}");
        }
        for label in self.labels() {
            let receipts = self.cooperative.trainer_dir(&label).join("receipts");
            for round in rounds(Some(&label), "submitted").into_keys() {
                // Told of, kept, or the round was given up: what was acknowledged was not lost.
                let kept = receipts.join(format!("{round}.bin")).is_file();
                let told = rounds(Some(&label), "counted").contains_key(&round);
                let given_up = aborted.contains_key(&round);
                assert!(kept || told || given_up, "{label}: round {round} was lost");
            }
        }
    }
}

/// Something about a process.
pub(crate) enum Heard {
    /// It said something.
    Said(String, Value),
    /// It ended, with this exit code; none if it was killed.
    Ended(String, Option<i32>),
}

/// Sends a signal by name to a process of this test.
pub(crate) fn send_signal(pid: u32, signal: &str) {
    let mut kill = std::process::Command::new("kill");
    let sent = kill.arg(format!("-{signal}")).arg(pid.to_string()).status().unwrap();
    assert!(sent.success(), "kill -{signal} {pid}");
}

/// How often something is done: a few times in the test command, more if an environment variable says so.
pub(crate) fn count(variable: &str, by_default: usize) -> usize {
    let named = std::env::var_os(variable).and_then(|text| text.to_str()?.parse().ok());
    named.unwrap_or(by_default)
}
