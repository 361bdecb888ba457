//! Why each contributor of a simulation earned what it did: from the ledger, if there is one, and in a sentence
//! otherwise.

use std::collections::BTreeMap;

use data_dao_journal::{Course, Explanation, IntervalFrom, VALUE_METHOD, effect_on_loss};
use data_dao_ledger::Name;
use privacy_identity::VerifyingKey;
use serde_json::{Value, json};

use super::{
    args::{SealKind, ValueKind},
    plan::Plan,
    simulation::Simulation,
    state::ValueRecord,
};

/// Explanations of all rounds by contributor, oldest first.
pub(crate) struct Explained {
    rounds: BTreeMap<VerifyingKey, Vec<Explanation>>,
    /// Loss per unit of a scalar.
    unit: f64,
    method: &'static str,
    /// Whether the row's value is what the ledger pays by, and not an oracle's.
    paid_value: bool,
    /// Why nobody is paid; none if there is a ledger.
    unpaid: Option<&'static str>,
}

impl Explained {
    /// Replays the settlements of the simulation's ledger.
    pub(crate) fn of(simulation: &Simulation) -> Self {
        let mut explained = Self {
            rounds: BTreeMap::new(),
            unit: simulation.value_unit().unwrap_or(1.0),
            method: method(&simulation.bench.plan),
            paid_value: simulation.bench.plan.value == ValueKind::Probe,
            unpaid: None,
        };
        let Some(leaves) = simulation.leaves() else {
            explained.unpaid = Some(match simulation.bench.plan.seal {
                SealKind::None => "updates in the clear have no ledger",
                _ => {
                    "contributions that weigh differently, and rounds of more than 1000, have no ledger here"
                }
            });
            return explained;
        };
        let Ok(federation) = Name::new(super::ledger::FEDERATION) else { return explained };
        let course = Course::of_log(leaves.iter().map(Vec::as_slice), &federation);
        explained.rounds = course
            .by_member()
            .iter()
            .map(|(member, rounds)| {
                (*member, rounds.iter().map(|own| own.explanation.clone()).collect())
            })
            .collect();
        explained
    }

    /// What a contributor's row has beside its numbers.
    pub(crate) fn row(&self, member: &VerifyingKey, record: &ValueRecord) -> Value {
        let rounds = self.rounds.get(member).map_or(&[][..], Vec::as_slice);
        let last = rounds.last();
        let credits: u128 = rounds.iter().map(|round| round.credits).sum();
        let mut row = json!({
            "method": self.method,
            "reason": last.map(|last| last.reason.name()),
            "in_short": self.in_short(record, last, credits),
            "moved": last.map(|last| last.moved.name()),
            "explanation": match last {
                Some(last) => format!("Last round: {} What moved it: {}.", last.sentence(self.unit), last.moved),
                None => self.unpaid_sentence(record),
            },
            "explained": rounds.iter().map(|round| self.round(round)).collect::<Vec<_>>(),
        });
        if let (Some(last), Some(row)) = (last.filter(|_| self.paid_value), row.as_object_mut()) {
            row.extend(self.interval(last));
        }
        row
    }

    /// The ledger's interval in place of the spread over rounds, and what it says.
    #[expect(clippy::cast_precision_loss, reason = "for people; the ledger has integers")]
    fn interval(&self, last: &Explanation) -> Vec<(String, Value)> {
        let Some(interval) = last.interval.filter(|_| last.interval_from == IntervalFrom::Shards)
        else {
            return Vec::new();
        };
        let in_loss = |value: i128| json!(value as f64 * self.unit);
        vec![
            ("value_low".to_owned(), in_loss(interval.low)),
            ("value_high".to_owned(), in_loss(interval.high)),
            ("interval_from".to_owned(), json!(last.interval_from.name())),
            ("beside_zero".to_owned(), json!(last.beside_zero.name())),
            ("beside_median".to_owned(), json!(last.beside_median.name())),
            ("interval_sentence".to_owned(), json!(last.interval_sentence(self.unit))),
        ]
    }

    fn in_short(
        &self,
        record: &ValueRecord,
        last: Option<&Explanation>,
        credits: u128,
    ) -> &'static str {
        match last {
            // Paid in earlier rounds, and not in the last: both are true.
            Some(last) if credits > 0 && last.credits == 0 => "paid before; at last not",
            Some(last) => last.reason.in_short(),
            None if record.rounds == 0 => "never took part",
            None => "no ledger",
        }
    }

    fn unpaid_sentence(&self, record: &ValueRecord) -> String {
        if record.rounds == 0 {
            return "It took part in no round, so that there is nothing to pay.".to_owned();
        }
        let measured = if record.values.is_empty() {
            "was not measured".to_owned()
        } else {
            format!("{} ({})", effect_on_loss(record.values.iter().sum()), self.method)
        };
        let why = self.unpaid.unwrap_or("no round was settled with it");
        format!("In {} rounds it {measured}. It is not paid: {why}.", record.rounds)
    }

    fn round(&self, round: &Explanation) -> Value {
        #[expect(clippy::cast_precision_loss, reason = "for people; the ledger has integers")]
        let value = round.value as f64 * self.unit;
        json!({
            "round": round.round,
            "value": value,
            "novelty": round.novelty,
            "share": round.share,
            "credits": u64::try_from(round.credits).unwrap_or(u64::MAX),
            "reason": round.reason.name(),
            "moved": round.moved.name(),
            "sentence": round.sentence(self.unit),
        })
    }
}

/// How values were measured, for people.
fn method(plan: &Plan) -> &'static str {
    match plan.value {
        ValueKind::None => "not measured",
        ValueKind::Probe if plan.seal == SealKind::None => {
            "linear probe in the clear (Aumann–Shapley value)"
        }
        ValueKind::Probe => VALUE_METHOD,
        ValueKind::Shapley => "exact Shapley values of coalition models; paid by the sealed probe",
        ValueKind::Tmc => "Shapley values by truncated Monte-Carlo; paid by the sealed probe",
        ValueKind::Loo => "leave-one-out; paid by the sealed probe",
    }
}
