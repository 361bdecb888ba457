//! How long the sealed updates of a round are kept after it ended.

use std::collections::{BTreeMap, BTreeSet};

use aggregator_protocol::{FetchedReceipt, RoundId};
use aggregator_round::{Coordinator, UpdateId};
use privacy_identity::VerifyingKey;

/// Who fetched which receipt: an update is of no use once everybody in the set has the receipt. In memory
/// only; after a restart the machine's own bound ([`Coordinator::needs`]) holds.
#[derive(Debug, Default)]
pub(crate) struct Retention {
    fetched: BTreeMap<RoundId, BTreeSet<VerifyingKey>>,
    complete: BTreeSet<RoundId>,
}

impl Retention {
    /// Notes what `member` was answered. Returns whether it was the last of its round.
    pub(crate) fn fetched(&mut self, member: VerifyingKey, answer: &FetchedReceipt) -> bool {
        // Members of the set have a proof in their answer.
        let FetchedReceipt::Settled { receipt, proof: Some(_) } = answer else { return false };
        let body = receipt.unverified_body();
        if self.complete.contains(&body.round) {
            return false;
        }
        let fetched = self.fetched.entry(body.round).or_default();
        fetched.insert(member);
        let last = fetched.len() == body.accepted.contributions().len();
        if last {
            self.fetched.remove(&body.round);
            self.complete.insert(body.round);
        }
        last
    }

    /// Whether the bytes under `id` are still of use to `machine` or to a member.
    pub(crate) fn needs(&self, machine: &Coordinator, id: &UpdateId) -> bool {
        !self.complete.contains(&id.round) && machine.needs(id)
    }

    /// Forgets rounds of which nothing is kept any more.
    pub(crate) fn forget_before(&mut self, round: RoundId) {
        self.fetched = self.fetched.split_off(&round);
        self.complete = self.complete.split_off(&round);
    }
}
