//! The state that the log makes, and the one step that changes it.

mod access;
mod actions;
mod challenge;
mod faults;
mod founding;
mod governing;
mod keys;
mod licensing;
mod membership;
mod parts;
mod payments;
mod plans;
mod privacy;
mod queries;
mod revealing;
mod rounds;
mod sales;
mod settlement;
mod steps;
mod suspension;
mod voting;

use std::collections::{BTreeMap, BTreeSet};

use data_dao_governance::{Charter, Proposal, ProposalId};
use data_dao_ledger::{Accounts, Cause, Name, Runs, Shared, SharedMap};
use privacy_identity::{Digest, Frontier, leaf_hash};

pub use access::OVERLAP_MS_MAX;
pub use payments::{Payment, PaymentRefund};
pub use plans::MONTH_MS;

use crate::membership::Assembly;
use crate::{
    ApiKey, Body, Entry, Federation, Genesis, Leaf, Model, Refusal, Reservation,
    ResolvedPrediction, Rules,
};

/// Longest label, name or reason, in bytes.
pub(crate) const LABEL_BYTES_MAX: i128 = 200;

/// The founded DAO.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Dao {
    id: Digest,
    genesis: Genesis,
    /// As votes have made it.
    charter: Charter,
    /// The DAO's part of each sale, as votes have made it.
    treasury_percent: u8,
    /// By which rules the next entry is read.
    rules: Digest,
}

/// How much of what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Rounds that ended with a model.
    pub rounds_settled: u64,
    /// Rounds that ended without.
    pub rounds_aborted: u64,
    /// Credits paid, finally.
    pub credits_issued: u128,
    /// Proposals made.
    pub proposals: u64,
    /// Proposals executed.
    pub proposals_executed: u64,
    /// Ballots counted.
    pub ballots: u64,
    /// Predictions made and paid.
    pub predictions: u64,
    /// Money paid for predictions, in 10⁻⁴ of the currency's unit.
    pub revenue: u128,
}

/// All that the log says, recomputed.
///
/// A clone shares with the original what neither changes afterwards ([`Shared`], [`SharedMap`], [`Runs`]): it costs the
/// counters of the parts, whatever the length of the log. So a writer's state and the snapshot that readers see are one
/// in memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    dao: Option<Shared<Dao>>,
    time_ms: u64,
    entries: u64,
    /// The right edge of the log: proposals name its root at their snapshot.
    log: Frontier,
    counts: Counts,
    accounts: Accounts,
    federations: Shared<BTreeMap<Name, Federation>>,
    models: Shared<BTreeMap<Name, Model>>,
    keys: SharedMap<Name, ApiKey>,
    key_hashes: Shared<BTreeMap<Digest, Name>>,
    reservations: SharedMap<Digest, Reservation>,
    /// The predictions that were made or failed, by the names of their ids.
    resolved: Runs<Cause, ResolvedPrediction>,
    /// The reservations by the time at which they expire.
    expiring: BTreeSet<(u64, Digest)>,
    /// Months that have not ended: by end, whose, which model, which purchase.
    months: Shared<BTreeSet<(u64, Name, Name, u32)>>,
    /// Who may download which version of which model.
    licences: Shared<BTreeSet<(Name, Name, u32)>>,
    /// The entries that say what was done at the node.
    acts: Shared<Vec<u64>>,
    /// Each deposit and purchase by its API key and idempotency key, and the entry that booked it.
    requests: Runs<Cause, u64>,
    payments: payments::Payments,
    proposals: SharedMap<ProposalId, Shared<Proposal>>,
    assembly: Assembly,
    /// Every sealed update that was paid, whatever its federation and round.
    updates: Runs<Digest, ()>,
    /// Every receipt that settled a round.
    receipts: Shared<BTreeSet<Digest>>,
    /// The settlement whose parts are being read.
    settling: Option<Shared<parts::Settling>>,
}

impl State {
    /// Takes the next entry of the log.
    ///
    /// Everything the entry claims is recomputed first; then the ledger takes the transfers, all
    /// or none; only then does the rest change, and nothing of that can fail. What falls due by
    /// itself ([`State::due`]) has to be in the log before anything else is taken.
    ///
    /// # Errors
    /// [`Refusal`], with the state unchanged.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), Refusal> {
        self.apply_hashed(entry, &leaf_hash(&entry.to_leaf()?))
    }

    /// [`Self::apply`] of a leaf: what it says was read and hashed once.
    ///
    /// # Errors
    /// As [`Self::apply`].
    pub fn apply_leaf(&mut self, leaf: &Leaf) -> Result<(), Refusal> {
        self.apply_hashed(leaf.entry(), leaf.hash())
    }

    fn apply_hashed(&mut self, entry: &Entry, hash: &Digest) -> Result<(), Refusal> {
        let (last_ms, got_ms) = (self.time_ms, entry.time_ms);
        if got_ms < last_ms {
            return Err(Refusal::TimeBackwards { last_ms, got_ms });
        }
        match &entry.body {
            Body::Genesis(body) => self.found(*hash, body)?,
            body if self.dao.is_none() => {
                return Err(Refusal::NotFounded { got: body.kind() });
            }
            body => {
                Rules::of(self.rules())?;
                self.check_due(body, got_ms)?;
                self.apply_founded(body, got_ms)?;
            }
        }
        self.time_ms = got_ms;
        self.entries += 1;
        self.log.push_hash(hash);
        self.forget_what_is_over();
        self.expire_reservations();
        Ok(())
    }

    fn apply_founded(&mut self, body: &Body, now_ms: u64) -> Result<(), Refusal> {
        self.check_settling(body)?;
        match body {
            Body::Genesis(_) => Err(Refusal::FoundedTwice),
            Body::FederationOpened(body) => self.open_federation(body),
            Body::MemberAdmitted(body) => self.admit_member(body),
            Body::RoundOpened(body) => self.open_round(body, now_ms),
            Body::RoundSettled(body) => self.settle_round(body, now_ms),
            Body::RoundAborted(body) => self.abort_round(body),
            Body::RoundsEnded(body) => self.end_rounds(body),
            Body::BufferSet(body) => self.set_buffer(body),
            Body::SafeguardsSet(body) => self.set_safeguards(body, now_ms),
            Body::RoundPosted(body) => self.post_round(body, now_ms),
            Body::RoundDisputed(body) => self.dispute_round(body, now_ms),
            Body::FaultProven(body) => self.prove_fault(body, now_ms),
            Body::RoundSettling(body) => self.begin_settlement(body),
            Body::SettledPart(body) => self.take_part(body, now_ms),
            Body::ValidationRevealed(body) => self.reveal_validation(body),
            Body::ModelReleased(body) => self.release_model(body, now_ms),
            Body::PriceSet(body) => self.set_first_price(body),
            Body::KeyIssued(body) => self.issue_key(body),
            Body::Deposited(body) => self.deposit(body, now_ms),
            Body::Purchased(body) => self.purchase(body, now_ms),
            Body::PredictionReserved(body) => self.reserve_prediction(body, now_ms),
            Body::Predicted(body) => self.settle_prediction(body, now_ms),
            Body::PredictionVoided(body) => self.void_prediction(body, now_ms),
            body => self.apply_access(body, now_ms),
        }
    }

    /// Keys, plans, and money on its way back.
    fn apply_access(&mut self, body: &Body, now_ms: u64) -> Result<(), Refusal> {
        match body {
            Body::Administered(body) => self.administer(body),
            Body::KeyGranted(body) => self.grant_key(body, now_ms),
            Body::KeyAmended(body) => self.amend_key(body, now_ms),
            Body::KeyRotated(body) => self.rotate_key(body, now_ms),
            Body::KeyRevoked(body) => self.revoke_key(body),
            Body::PricePolicySet(body) => self.set_first_policy(body),
            Body::MonthBought(body) => self.buy_month(body, now_ms),
            Body::MonthEnded(body) => self.end_month(body, now_ms),
            Body::CallsRefunded(body) => self.refund_calls(body, now_ms),
            Body::Withdrawn(body) => self.withdraw(body, now_ms),
            Body::LicenceBought(body) => self.buy_licence(body, now_ms),
            Body::PaymentRefunded(body) => self.refund_payment(body, now_ms),
            Body::PaymentReinstated(body) => self.reinstate_payment(body, now_ms),
            Body::PaymentRefundFailed(body) => self.fail_refund(body),
            Body::LicenceSet(body) => self.set_first_licence(body),
            body => self.apply_decision(body, now_ms),
        }
    }

    /// What members decide.
    fn apply_decision(&mut self, body: &Body, now_ms: u64) -> Result<(), Refusal> {
        match body {
            Body::ProposalMade(body) => self.make_proposal(body, now_ms),
            Body::PollOpened(body) => self.open_poll(body, now_ms),
            Body::BallotCast(body) => self.cast_ballot(body, now_ms),
            Body::BallotSealed(body) => self.seal_ballot(body, now_ms),
            Body::BallotRevealed(body) => self.reveal_ballot(body, now_ms),
            Body::ProposalQueued(body) => self.queue_proposal(body, now_ms),
            Body::ProposalExecuted(body) => self.execute_proposal(body, now_ms),
            Body::ProposalCanceled(body) => self.cancel_proposal(body, now_ms),
            Body::ProposalVetoed(body) => self.veto_proposal(body, now_ms),
            Body::VoteDelegated(body) => self.delegate_vote(body, now_ms),
            Body::GuardianAccepted(body) => self.accept_guardian(body, now_ms),
            Body::MembersFounded(body) => self.found_members(body),
            Body::MemberJoined(body) => self.join_member(body, now_ms),
            Body::MemberLeft(body) => self.leave_member(body, now_ms),
            Body::ConsentGiven(body) => self.give_consent(body, now_ms),
            Body::MemberKeyRotated(body) => self.rotate_member_key(body, now_ms),
            body => unreachable!("{} is no decision: the caller saw to it", body.kind()),
        }
    }

    /// The founded DAO. Handlers of every entry but the first may rely on it.
    fn dao(&self) -> &Dao {
        self.dao.as_ref().expect("apply refuses other entries before the genesis")
    }
}
