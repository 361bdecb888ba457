//! Suspension by the DAO's rule: who did harm in too many of its last rounds, once their pay is final.

use data_dao_ledger::Name;
use privacy_identity::VerifyingKey;

use super::State;
use crate::refusal::within;
use crate::{MembershipState, Pay, Refusal, Standing, SuspensionRule, pay::ROUNDS_MAX};

impl State {
    /// Checks the rule that a vote wants: none (0 of 0), or at least 1 of at least as many rounds.
    pub(super) fn check_suspension(below_zero: u32, of_rounds: u32) -> Result<(), Refusal> {
        let least = i128::from(of_rounds > 0);
        within("of_rounds", of_rounds, 0, i128::from(ROUNDS_MAX))?;
        within("below_zero", below_zero, least, i128::from(of_rounds))
    }

    /// Suspends those of `paid` whom the federation's rule suspends now. A vote reinstates them, and then what they were
    /// suspended for does not count again.
    ///
    /// Counted are measured rounds that were not voided; some of the last may still be open to objection.
    pub(super) fn suspend_by_rule(&mut self, federation: &Name, paid: &[Pay]) {
        let Some(found) = self.federations.get(federation) else { return };
        let Some(rule) = found.suspension else { return };
        let harmful: Vec<VerifyingKey> = paid
            .iter()
            .map(|pay| pay.member)
            .filter(|member| found.standings.get(member).is_some_and(|own| rule.suspends(own)))
            .filter(|member| self.is_active(member))
            .collect();
        let index = self.entries;
        for member in harmful {
            if let Some(membership) = self.assembly.members.get_mut(&member) {
                membership.state = MembershipState::Suspended { index };
            }
            let found = self.federations.get_mut(federation);
            if let Some(standing) = found.and_then(|found| found.standings.get_mut(&member)) {
                *standing = std::mem::take(standing).judged();
            }
        }
    }
}

impl SuspensionRule {
    /// Nothing for 0 of 0.
    pub(super) fn new(below_zero: u32, of_rounds: u32) -> Option<Self> {
        (of_rounds > 0).then_some(Self { below_zero, of_rounds })
    }

    fn suspends(self, standing: &Standing) -> bool {
        let of = usize::try_from(self.of_rounds).unwrap_or(usize::MAX);
        let below = standing.below_zero_of_last(of);
        below.is_some_and(|below| below >= usize::try_from(self.below_zero).unwrap_or(usize::MAX))
    }
}
