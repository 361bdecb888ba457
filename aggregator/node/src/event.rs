//! What an aggregator tells the people who run it.

use aggregator_network::Address;
use aggregator_round::RoundEvent;
use privacy_identity::{Digest, VerifyingKey};
use serde_json::{Value, json};

/// Something worth telling, in logs and as a line of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeEvent {
    /// The aggregator listens.
    Listening {
        /// Where, with its identity.
        addresses: Vec<Address>,
    },
    /// It knows its federation and its place in it.
    Ready {
        /// Its index in the terms; 0 is the coordinator.
        index: usize,
        /// The round that it resumed after a restart, if any.
        resumed: Option<u64>,
    },
    /// A round went on.
    Round(RoundEvent),
    /// A message was refused.
    Refused {
        /// Whose.
        peer: VerifyingKey,
        /// Why.
        reason: &'static str,
    },
    /// Work on the updates of a round was put up for all processes of this aggregator.
    WorkShared {
        /// The round.
        round: u64,
        /// In how many batches.
        batches: u32,
    },
    /// This process took a batch.
    BatchLeased {
        /// The round.
        round: u64,
        /// Which.
        batch: u32,
        /// How often it was taken, this time included: more than once if somebody did not finish it.
        attempt: u32,
    },
    /// This process handed in what came of a batch, before anybody else.
    BatchDone {
        /// The round.
        round: u64,
        /// Which.
        batch: u32,
    },
    /// A worker waits for batches.
    WorkerReady {
        /// How many it does at a time.
        threads: usize,
    },
    /// It went over to terms that members voted for.
    TermsFollowed {
        /// The digest of those that it served before.
        former: Digest,
        /// The digest of those that it serves now.
        terms: Digest,
        /// The entry of the ledger that put them in force.
        entry: u64,
    },
    /// Other terms are offered, and it serves on under those that it has: its operator has to decide.
    TermsNotFollowed {
        /// Their digest.
        offered: Digest,
        /// Why not.
        reason: String,
    },
    /// Another party does not answer; it is asked again.
    Unanswered {
        /// What was asked, and why there is no answer.
        cause: String,
    },
}

impl NodeEvent {
    /// The event as JSON, for programs.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Listening { addresses } => {
                let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
                json!({"event": "listening", "addresses": addresses})
            }
            Self::Ready { index, resumed } => {
                json!({"event": "ready", "index": index, "resumed": resumed})
            }
            Self::Round(event) => round_json(event),
            Self::Refused { peer, reason } => {
                json!({"event": "refused", "peer": peer.to_string(), "reason": reason})
            }
            Self::WorkShared { round, batches } => {
                json!({"event": "work-shared", "round": round, "batches": batches})
            }
            Self::BatchLeased { round, batch, attempt } => json!({
                "event": "batch-leased", "round": round, "batch": batch, "attempt": attempt,
            }),
            Self::BatchDone { round, batch } => {
                json!({"event": "batch-done", "round": round, "batch": batch})
            }
            Self::WorkerReady { threads } => json!({"event": "worker-ready", "threads": threads}),
            Self::TermsFollowed { former, terms, entry } => json!({
                "event": "terms-followed", "former": former.to_string(), "terms": terms.to_string(),
                "entry": entry,
            }),
            Self::TermsNotFollowed { offered, reason } => json!({
                "event": "terms-not-followed", "offered": offered.to_string(), "reason": reason,
            }),
            Self::Unanswered { cause } => json!({"event": "unanswered", "cause": cause}),
        }
    }
}

fn round_json(event: &RoundEvent) -> Value {
    let keys = |keys: &[VerifyingKey]| keys.iter().map(ToString::to_string).collect::<Vec<_>>();
    match event {
        RoundEvent::Started { round, cohort } => {
            json!({"event": "round-started", "round": round.0, "cohort": cohort})
        }
        RoundEvent::Collected { round, accepted, dropped } => json!({
            "event": "round-collected", "round": round.0, "accepted": accepted,
            "dropped": keys(dropped),
        }),
        RoundEvent::Opened { round } => json!({"event": "round-opened", "round": round.0}),
        RoundEvent::Lied { round, custodians } => json!({
            "event": "custodians-lied", "round": round.0, "custodians": keys(custodians),
        }),
        RoundEvent::Settled { round, participants, dropped } => json!({
            "event": "round-settled", "round": round.0, "participants": participants,
            "dropped": keys(dropped),
        }),
        RoundEvent::Aborted { round, reason } => {
            json!({"event": "round-aborted", "round": round.0, "reason": reason})
        }
        RoundEvent::Finished { reason } => {
            json!({"event": "finished", "reason": reason.to_string()})
        }
        _ => json!({"event": "other"}),
    }
}
