//! The explanations of a federation's whole course: settlements in one entry or in parts, and pay that was voided
//! afterwards.

use std::collections::BTreeMap;

use data_dao_ledger::Name;
use privacy_identity::VerifyingKey;

use super::{Explainer, Explanation, Moved, Reason};
use crate::{Accused, Body, Federation, Replay, VoidedPay, parts::settlement_of};

/// What explaining a federation takes of its log, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExplainedStep {
    /// A round was settled by these entries.
    Settled {
        /// The first: the settlement, or the head of its parts.
        first_index: u64,
        /// The last: the settlement, or its last part.
        index: u64,
        /// How much innovation qualified, in parts per hundred of the cohort's median.
        novelty_percent: u32,
    },
    /// Pay was voided.
    Voided(VoidedPay),
}

impl ExplainedStep {
    /// The entry with which it took effect.
    #[must_use]
    pub const fn index(&self) -> u64 {
        match self {
            Self::Settled { index, .. } | Self::Voided(VoidedPay { index, .. }) => *index,
        }
    }
}

impl Federation {
    /// What explaining its first `rounds_max` rounds takes, oldest first.
    #[must_use]
    pub fn explained_steps(&self, rounds_max: usize) -> Vec<ExplainedStep> {
        let rounds = &self.settled()[..self.settled().len().min(rounds_max)];
        let settled = rounds.iter().map(|round| ExplainedStep::Settled {
            first_index: round.first_index,
            index: round.index,
            novelty_percent: round.novelty_percent,
        });
        let known = |voided: &&VoidedPay| rounds.iter().any(|round| round.round == voided.round);
        let voided =
            self.voided().iter().filter(known).map(|voided| ExplainedStep::Voided(*voided));
        let mut steps: Vec<_> = settled.chain(voided).collect();
        steps.sort_by_key(ExplainedStep::index);
        steps
    }
}

/// An explanation, and the entry that settled its round.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The explanation.
    pub explanation: Explanation,
    /// The entry.
    pub index: u64,
}

/// Explanations by contributor, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Course {
    explainer: Explainer,
    by_member: BTreeMap<VerifyingKey, Vec<Explained>>,
    /// Whether each contributor's explanations before its newest are forgotten.
    newest_only: bool,
}

impl Course {
    /// A course that keeps the newest explanation of each contributor alone: one to be kept for long.
    #[must_use]
    pub fn newest_only() -> Self {
        Self { newest_only: true, ..Self::default() }
    }

    /// Explains all of a federation that a log's leaves tell, up to the first that does not replay.
    #[must_use]
    pub fn of_log<'a>(leaves: impl IntoIterator<Item = &'a [u8]>, federation: &Name) -> Self {
        let (mut replay, mut bodies) = (Replay::default(), Vec::new());
        for leaf in leaves {
            let Ok(entry) = replay.push(leaf) else { break };
            bodies.push(entry.body);
        }
        let (state, _) = replay.into_parts();
        let mut course = Self::default();
        let steps = state.federation(federation).map(|found| found.explained_steps(usize::MAX));
        for step in steps.unwrap_or_default() {
            course.take(&step, |index| {
                let index = usize::try_from(index).ok()?;
                bodies.get(index).cloned()
            });
        }
        course
    }

    /// Takes the next step.
    ///
    /// * `body` — of the entry with that index; none where it cannot be read, and then the step explains nothing.
    pub fn take(&mut self, step: &ExplainedStep, body: impl FnMut(u64) -> Option<Body>) {
        match step {
            ExplainedStep::Settled { first_index, index, novelty_percent } => {
                let bodies: Option<Vec<Body>> = (*first_index..=*index).map(body).collect();
                let Some(settled) = bodies.and_then(settlement_of) else { return };
                self.explainer.novelty_percent = *novelty_percent;
                for (member, explanation) in self.explainer.settle(&settled) {
                    let explained = Explained { explanation, index: *index };
                    let own = self.by_member.entry(member).or_default();
                    if self.newest_only {
                        own.clear();
                    }
                    own.push(explained);
                }
            }
            ExplainedStep::Voided(voided) => self.void(voided),
        }
    }

    fn void(&mut self, voided: &VoidedPay) {
        for member in self.explainer.void(voided.round, &voided.accused) {
            let rounds = self.by_member.get_mut(&member).into_iter().flatten();
            for explained in rounds.filter(|own| own.explanation.round == voided.round) {
                let explanation = &mut explained.explanation;
                (explanation.credits, explanation.share) = (0, 0.0);
                (explanation.reason, explanation.moved) = (Reason::Voided, Moved::Objection);
            }
        }
    }

    /// The explanations of one contributor, oldest first.
    #[must_use]
    pub fn of(&self, member: &VerifyingKey) -> &[Explained] {
        self.by_member.get(member).map_or(&[], Vec::as_slice)
    }

    /// All explanations, by contributor.
    #[must_use]
    pub const fn by_member(&self) -> &BTreeMap<VerifyingKey, Vec<Explained>> {
        &self.by_member
    }
}

impl Explainer {
    /// Takes voided pay out of what later rounds are explained by, as the ledger does; returns whose it was.
    pub(super) fn void(&mut self, round: u64, accused: &Accused) -> Vec<VerifyingKey> {
        let Some(pays) = self.settled.get_mut(&round) else { return Vec::new() };
        let is_accused = |member: &VerifyingKey| match accused {
            Accused::Round => true,
            Accused::Member(accused) => accused == member,
        };
        let voided: Vec<_> = pays.extract_if(.., |pay| is_accused(&pay.member)).collect();
        for pay in &voided {
            if let Some(before) = self.before.get_mut(&pay.member) {
                let standing = std::mem::take(&mut before.standing);
                before.standing = standing.without_round(round, pay);
            }
        }
        voided.into_iter().map(|pay| pay.member).collect()
    }
}
