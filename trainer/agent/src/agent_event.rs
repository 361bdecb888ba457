//! What an agent tells while it runs.

use aggregator_protocol::RoundId;
use aggregator_round::TermsDifference;
use privacy_identity::{Digest, VerifyingKey};
use serde_json::{Value, json};

/// Something that happened, for people and for the process that started the agent.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum AgentEvent {
    /// The key and the link are there.
    Started {
        /// The key under which this contributor is known.
        member: VerifyingKey,
    },
    /// The terms are those agreed to, and the data fit them.
    Ready {
        /// The federation's id.
        federation: Digest,
        /// Rows of the table.
        samples: usize,
        /// What training computes on.
        device: String,
    },
    /// The coordinator admitted this contributor.
    Joined,
    /// The coordinator does not answer; it is asked again and again. Told at the first try that fails, and then ever more rarely,
    /// at least hourly.
    Unreachable {
        /// What it was asked for.
        asked: &'static str,
        /// What the try ended with.
        reason: String,
        /// How long it has been away, in seconds.
        seconds: f64,
        /// In how many seconds the next try is made.
        next_seconds: f64,
        /// What a person can look at.
        advice: &'static str,
    },
    /// The coordinator answers again.
    Reached {
        /// How long it was away, in seconds.
        seconds: f64,
    },
    /// The cohort is in a new state, and this contributor is in it.
    Cohort {
        /// How many changes the cohort has seen.
        epoch: u64,
        /// How many members it has.
        members: usize,
    },
    /// An order came and passed every check.
    Ordered {
        /// The round.
        round: RoundId,
    },
    /// A round began for which this contributor, which draws in secret, was not drawn. It tells nobody.
    NotDrawn {
        /// The round.
        round: RoundId,
    },
    /// A model was offered to train from, where members train at their own pace. Until an order comes the version stands
    /// for the round in what is told.
    Offered {
        /// How many rounds were settled before it.
        version: u64,
    },
    /// What was trained from a version waits for its round.
    Waiting {
        /// The version.
        version: u64,
    },
    /// What was trained from a version is thrown away: it became too old.
    Stale {
        /// The version.
        version: u64,
    },
    /// Training is under way; told a few times a second.
    Training {
        /// The round.
        round: RoundId,
        /// Steps taken.
        step: u64,
        /// Steps that the round takes.
        steps: u64,
        /// Examples that they took, repeated ones counted again.
        examples: u64,
        /// Mean loss of the epoch so far, where it is at hand.
        loss: Option<f64>,
    },
    /// The model that came was tried on the owner's rows that are held out. It is told to nobody else.
    HeldOut {
        /// The round.
        round: RoundId,
        /// The share of rows whose class it predicts, 0 to 1.
        accuracy: f64,
        /// The mean cross-entropy, in nats.
        loss: f64,
        /// The rows.
        rows: usize,
    },
    /// Training is done.
    Trained {
        /// The round.
        round: RoundId,
        /// Mean loss of the last epoch; none if nothing was trained ([`Behaviour`](crate::Behaviour)).
        loss: Option<f64>,
        /// How long it took.
        seconds: f64,
        /// Steps taken.
        steps: u64,
    },
    /// The contributor's own model was tested on rows that it never trains on. Nobody else is told.
    Personal {
        /// The round.
        round: RoundId,
        /// Rows that were set aside.
        rows: usize,
        /// How many of them its own model gets right.
        personal: usize,
        /// How many of them the model that came with the order gets right.
        shared: usize,
    },
    /// The update is sealed and stored.
    Sealed {
        /// The round.
        round: RoundId,
        /// How long it took.
        seconds: f64,
    },
    /// The coordinator promised to hold the update.
    Submitted {
        /// The round.
        round: RoundId,
        /// Bytes of the message that carried it.
        bytes: u64,
        /// Bytes of the plain vector: four for each parameter.
        plain_bytes: u64,
    },
    /// The update is proven to be in the sum.
    Counted {
        /// The round.
        round: RoundId,
        /// What it did to the validation loss, in units of the loss; positive is better.
        value: f64,
        /// How many updates the sum has.
        participants: usize,
    },
    /// The update is proven to be in the set of the sum, as [`Self::Counted`] tells next; the record was not checked in full.
    Unchecked {
        /// The round.
        round: RoundId,
        /// What was not checked, and why.
        reason: String,
    },
    /// The round was given up; nothing was opened.
    Aborted {
        /// The round.
        round: RoundId,
        /// Why.
        reason: String,
    },
    /// The order was refused by this contributor, or its update by the coordinator, or its training
    /// failed: it has no part in the round.
    Refused {
        /// The round.
        round: RoundId,
        /// Why.
        reason: String,
    },
    /// The coordinator promised to hold the update and does not prove that it counted.
    Disputed {
        /// The round.
        round: RoundId,
        /// What is wrong.
        reason: String,
    },
    /// The DAO node signed other terms than those agreed to: the agent stops, and nothing more is trained or sent.
    TermsChanged {
        /// Digest of the terms that the owner agreed to.
        agreed: Digest,
        /// Digest of those that are offered in their place.
        offered: Digest,
        /// What differs: first what protects the data less.
        differences: Vec<TermsDifference>,
    },
    /// No more rounds are run, as the DAO node signed.
    Finished {
        /// How many of them counted an update of this run.
        rounds: u64,
        /// Why there are no more.
        reason: String,
    },
}

impl AgentEvent {
    /// The event as one JSON object: `{"event": "trained", "round": 3, …}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Started { member } => json!({"event": "started", "member": member.to_string()}),
            Self::Ready { federation, samples, device } => json!({
                "event": "ready", "federation": federation.to_string(),
                "samples": samples, "device": device,
            }),
            Self::Joined => json!({"event": "joined"}),
            Self::Unreachable { asked, reason, seconds, next_seconds, advice } => json!({
                "event": "unreachable", "asked": asked, "reason": reason,
                "seconds": seconds, "next_seconds": next_seconds, "advice": advice,
            }),
            Self::Reached { seconds } => json!({"event": "reached", "seconds": seconds}),
            Self::Cohort { epoch, members } => {
                json!({"event": "cohort", "epoch": epoch, "members": members})
            }
            Self::Ordered { round } => json!({"event": "ordered", "round": round.0}),
            Self::Offered { version } => json!({"event": "offered", "version": version}),
            Self::Waiting { version } => json!({"event": "waiting", "version": version}),
            Self::Stale { version } => json!({"event": "stale", "version": version}),
            Self::NotDrawn { round } => json!({"event": "not-drawn", "round": round.0}),
            Self::Training { round, step, steps, examples, loss } => json!({
                "event": "training", "round": round.0, "step": step, "steps": steps,
                "examples": examples, "loss": loss,
            }),
            Self::Trained { round, loss, seconds, steps } => json!({
                "event": "trained", "round": round.0,
                "loss": loss, "seconds": seconds, "steps": steps,
            }),
            Self::Personal { round, rows, personal, shared } => {
                let share = |correct: &usize| *correct as f64 / *rows as f64;
                json!({
                    "event": "personal", "round": round.0, "rows": rows,
                    "accuracy": share(personal), "shared_accuracy": share(shared),
                })
            }
            Self::Sealed { round, seconds } => {
                json!({"event": "sealed", "round": round.0, "seconds": seconds})
            }
            Self::HeldOut { round, accuracy, loss, rows } => json!({
                "event": "held_out", "round": round.0,
                "accuracy": accuracy, "loss": loss, "rows": rows,
            }),
            Self::Submitted { round, bytes, plain_bytes } => json!({
                "event": "submitted", "round": round.0,
                "bytes": bytes, "plain_bytes": plain_bytes,
            }),
            Self::Counted { round, value, participants } => json!({
                "event": "counted", "round": round.0,
                "value": value, "participants": participants,
            }),
            Self::Unchecked { round, reason } => with_reason("unchecked", *round, reason),
            Self::Aborted { round, reason } => with_reason("aborted", *round, reason),
            Self::Refused { round, reason } => with_reason("refused", *round, reason),
            Self::Disputed { round, reason } => with_reason("disputed", *round, reason),
            Self::TermsChanged { agreed, offered, differences } => json!({
                "event": "terms-changed",
                "agreed": agreed.to_string(), "offered": offered.to_string(),
                "changes": differences.iter().map(change_json).collect::<Vec<_>>(),
            }),
            Self::Finished { rounds, reason } => {
                json!({"event": "finished", "rounds": rounds, "reason": reason})
            }
        }
    }
}

fn change_json(difference: &TermsDifference) -> Value {
    let TermsDifference { part, agreed, offered, bearing } = difference;
    json!({"part": part, "agreed": agreed, "offered": offered, "bearing": bearing.name()})
}

fn with_reason(event: &str, round: RoundId, reason: &str) -> Value {
    json!({"event": event, "round": round.0, "reason": reason})
}

#[cfg(test)]
mod tests {
    use aggregator_round::Bearing;
    use privacy_identity::SigningKey;

    use super::*;

    fn check(event: &AgentEvent, expected: &str) {
        assert_eq!(event.to_json(), serde_json::from_str::<Value>(expected).unwrap());
    }

    #[test]
    fn the_json_form_of_an_absence_is_pinned() {
        let unreachable = AgentEvent::Unreachable {
            asked: "terms",
            reason: "no way".to_owned(),
            seconds: 20.5,
            next_seconds: 1.5,
            advice: "look",
        };
        let expected = r#"{"event":"unreachable","asked":"terms","reason":"no way","seconds":20.5,"next_seconds":1.5,"advice":"look"}"#;
        check(&unreachable, expected);
        check(&AgentEvent::Reached { seconds: 0.5 }, r#"{"event":"reached","seconds":0.5}"#);
    }

    #[test]
    fn the_json_form_is_pinned() {
        let round = RoundId(3);
        let member = SigningKey::from_seed(&[1; 32]).verifying_key();
        let started = format!(r#"{{"event":"started","member":"{member}"}}"#);
        check(&AgentEvent::Started { member }, &started);
        check(&AgentEvent::Joined, r#"{"event":"joined"}"#);
        let cohort = r#"{"event":"cohort","epoch":2,"members":8}"#;
        check(&AgentEvent::Cohort { epoch: 2, members: 8 }, cohort);
        for (event, name) in [
            (AgentEvent::Offered { version: 2 }, "offered"),
            (AgentEvent::Waiting { version: 2 }, "waiting"),
            (AgentEvent::Stale { version: 2 }, "stale"),
        ] {
            check(&event, &format!(r#"{{"event":"{name}","version":2}}"#));
        }
        check(&AgentEvent::Ordered { round }, r#"{"event":"ordered","round":3}"#);
        check(
            &AgentEvent::Training { round, step: 2, steps: 7, examples: 64, loss: None },
            r#"{"event":"training","round":3,"step":2,"steps":7,"examples":64,"loss":null}"#,
        );
        check(
            &AgentEvent::HeldOut { round, accuracy: 0.75, loss: 0.5, rows: 8 },
            r#"{"event":"held_out","round":3,"accuracy":0.75,"loss":0.5,"rows":8}"#,
        );
        check(
            &AgentEvent::Trained { round, loss: Some(0.5), seconds: 0.25, steps: 7 },
            r#"{"event":"trained","round":3,"loss":0.5,"seconds":0.25,"steps":7}"#,
        );
        check(
            &AgentEvent::Trained { round, loss: None, seconds: 0.25, steps: 0 },
            r#"{"event":"trained","round":3,"loss":null,"seconds":0.25,"steps":0}"#,
        );
        check(
            &AgentEvent::Submitted { round, bytes: 1_800, plain_bytes: 1_800 },
            r#"{"event":"submitted","round":3,"bytes":1800,"plain_bytes":1800}"#,
        );
        check(
            &AgentEvent::Counted { round, value: -0.5, participants: 8 },
            r#"{"event":"counted","round":3,"value":-0.5,"participants":8}"#,
        );
        check(
            &AgentEvent::Personal { round, rows: 8, personal: 6, shared: 4 },
            r#"{"event":"personal","round":3,"rows":8,"accuracy":0.75,"shared_accuracy":0.5}"#,
        );
        let reason = || "late".to_owned();
        for (event, name) in [
            (AgentEvent::Refused { round, reason: reason() }, "refused"),
            (AgentEvent::Unchecked { round, reason: reason() }, "unchecked"),
            (AgentEvent::Aborted { round, reason: reason() }, "aborted"),
        ] {
            check(&event, &format!(r#"{{"event":"{name}","round":3,"reason":"late"}}"#));
        }
        let difference = TermsDifference {
            part: "rounds",
            agreed: "3".to_owned(),
            offered: "4".to_owned(),
            bearing: Bearing::Weaker,
        };
        let (agreed, offered) = (Digest([1; 32]), Digest([2; 32]));
        let changed = format!(
            r#"{{"event":"terms-changed","agreed":"{agreed}","offered":"{offered}","changes":[{}]}}"#,
            r#"{"part":"rounds","agreed":"3","offered":"4","bearing":"weaker"}"#
        );
        let differences = vec![difference];
        check(&AgentEvent::TermsChanged { agreed, offered, differences }, &changed);
        check(
            &AgentEvent::Finished { rounds: 15, reason: reason() },
            r#"{"event":"finished","rounds":15,"reason":"late"}"#,
        );
    }
}
