//! Why an entry was refused.

mod checks;

use data_dao_governance::{CharterError, GovernanceError, ProposalId};
use data_dao_ledger::SplitError;
use data_dao_market::PurchaseError;
use privacy_identity::{Digest, KeyError, VerifyingKey};
use thiserror::Error;

use crate::EntryError;
pub(crate) use checks::{same, same_list, text_within, within};

/// Why an entry was refused. The state is unchanged.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The first entry must found the DAO.
    #[error("the log does not begin with a genesis entry but with {got}")]
    NotFounded {
        /// The kind of the entry.
        got: &'static str,
    },
    /// Only the first entry founds the DAO.
    #[error("the DAO is founded already")]
    FoundedTwice,
    /// Time went backwards.
    #[error("the entry's time {got_ms} is before the last entry's {last_ms}")]
    TimeBackwards {
        /// Time of the last entry.
        last_ms: u64,
        /// Time of this one.
        got_ms: u64,
    },
    /// The entry does not fit a leaf.
    #[error("the entry is not a leaf")]
    Entry(#[from] EntryError),
    /// The entry names something that does not exist.
    #[error("there is no {what} {id}")]
    Unknown {
        /// The kind of thing.
        what: &'static str,
        /// Its name.
        id: String,
    },
    /// The entry makes something that exists.
    #[error("{what} {id} exists already")]
    Exists {
        /// The kind of thing.
        what: &'static str,
        /// Its name.
        id: String,
    },
    /// A list of scopes is empty, or not in ascending order without repetition.
    #[error("the scopes of a key are a list of at least one, ascending")]
    Scopes,
    /// The key opens nothing any more.
    #[error("the key {key_id} {fault}")]
    KeyUnusable {
        /// The key.
        key_id: String,
        /// Why.
        fault: crate::KeyFault,
    },
    /// The key may do other things, but not this.
    #[error("the key {key_id} has no scope {scope} to give or to use here")]
    OutOfScope {
        /// The key.
        key_id: String,
        /// What it would need.
        scope: crate::Scope,
    },
    /// The key would spend more than it may.
    #[error(
        "the key {key_id} may spend {limit} per {period}, has spent {spent}, and this takes {needed}"
    )]
    SpendingLimit {
        /// The key whose limit it is.
        key_id: String,
        /// `day` or `lifetime`.
        period: &'static str,
        /// The limit.
        limit: u128,
        /// What counts against it.
        spent: u128,
        /// What this would add.
        needed: u128,
    },
    /// A payment was taken back outside of which not all was left: nothing is sold before it is paid.
    #[error("{key_id} owes {owed} after a payment was taken back: pay that in first")]
    InDebt {
        /// Whose account.
        key_id: String,
        /// How much, in 10⁻⁴ of the currency's unit.
        owed: u128,
    },
    /// More would be taken back than was paid and not taken back yet.
    #[error("{amount} of payment {payment} cannot be taken back: {left} of it are left to be")]
    RefundExceedsPayment {
        /// The provider's id of the payment.
        payment: String,
        /// What is left of it.
        left: u128,
        /// What was to be taken back.
        amount: u128,
    },
    /// The licence was set before: now it takes a vote.
    #[error("the licence of {federation} is set; a vote may change it")]
    LicenceNeedsVote {
        /// The federation.
        federation: String,
    },
    /// The model's policy does not sell this.
    #[error("there is no {what} of {model} for sale")]
    NotForSale {
        /// The model.
        model: String,
        /// What was asked for.
        what: &'static str,
    },
    /// The entry claims something else than what was recomputed or agreed.
    #[error("{what} is {got}, expected {expected}")]
    Differs {
        /// What was compared.
        what: String,
        /// What it had to be.
        expected: String,
        /// What the entry says.
        got: String,
    },
    /// Members voted for rules that this program does not have: another program goes on from here.
    #[error(
        "members voted for the rules {rules}, which this program does not have: it takes no more entries"
    )]
    UnknownRules {
        /// Digest of the rules' name.
        rules: Digest,
    },
    /// Votes do not go back to older rules: what they allowed could not be undone.
    #[error("the rules {asked} are older than {present}, by which the log is read")]
    OlderRules {
        /// The rules asked for.
        asked: &'static str,
        /// The rules in force.
        present: &'static str,
    },
    /// A number or length is out of its bounds.
    #[error("{what} is {got}, allowed are {low} to {high}")]
    OutOfBounds {
        /// Which number.
        what: &'static str,
        /// Its value.
        got: i128,
        /// Least allowed value.
        low: i128,
        /// Greatest allowed value.
        high: i128,
    },
    /// A list is not strictly ascending by key.
    #[error("{what} are not strictly ascending by key at {member}")]
    NotAscending {
        /// Which list.
        what: &'static str,
        /// The first key out of order.
        member: VerifyingKey,
    },
    /// The key does not belong to a member of the federation.
    #[error("{member} is not a member of {federation}")]
    NotAMember {
        /// The key.
        member: VerifyingKey,
        /// The federation.
        federation: String,
    },
    /// Another round of the federation is open.
    #[error("round {open} of {federation} is still open")]
    RoundStillOpen {
        /// The federation.
        federation: String,
        /// The open round.
        open: u64,
    },
    /// The round is not open: never opened, aborted, or another one is.
    #[error("round {round} of {federation} is not open")]
    RoundNotOpen {
        /// The federation.
        federation: String,
        /// The round.
        round: u64,
    },
    /// The round was settled before: its contributions are paid.
    #[error("round {round} of {federation} is settled already")]
    RoundAlreadySettled {
        /// The federation.
        federation: String,
        /// The round.
        round: u64,
    },
    /// The federation has had all its rounds.
    #[error("{federation} has settled all its {rounds} rounds")]
    RoundsUsedUp {
        /// The federation.
        federation: String,
        /// How many rounds its terms allow.
        rounds: u64,
    },
    /// A criterion of its terms ended the federation.
    #[error("federation {federation} ended with entry {index}")]
    RoundsEnded {
        /// The federation.
        federation: String,
        /// The entry that ended it.
        index: u64,
    },
    /// The federation has begun, or has said it before.
    #[error("{federation} said before from which models its rounds start, or has opened one")]
    BufferStands {
        /// The federation.
        federation: String,
    },
    /// More rounds were settled since the model than may be.
    #[error(
        "the model of round {round} of {federation} is {staleness} versions old, at most {stale_max} are allowed"
    )]
    ModelTooOld {
        /// The federation.
        federation: String,
        /// The round that was to start from it.
        round: u64,
        /// How many rounds were settled since.
        staleness: u64,
        /// How many may be.
        stale_max: u32,
    },
    /// The update was paid before, in whatever federation and round.
    #[error("update {update} was paid already")]
    UpdateAlreadyPaid {
        /// Digest of the update.
        update: Digest,
    },
    /// The receipt settled another round before, in whatever federation.
    #[error("receipt {receipt} has settled a round already")]
    ReceiptAlreadyUsed {
        /// Digest of the receipt.
        receipt: Digest,
    },
    /// The federation has begun: its safeguards stand.
    #[error("{federation} has its safeguards already, or has opened a round without")]
    SafeguardsStand {
        /// The federation.
        federation: String,
    },
    /// A round without noise would spend what no budget bounds.
    #[error(
        "round {round} of {federation} adds no noise, but its privacy loss is bounded to {max} millionths of ε"
    )]
    PrivacyUnbounded {
        /// The federation.
        federation: String,
        /// The round.
        round: u64,
        /// The bound, in millionths of ε.
        max: u64,
    },
    /// The round's pay is not waiting for the end of a challenge window.
    #[error("the pay of round {round} of {federation} is not under challenge")]
    NotUnderChallenge {
        /// The federation.
        federation: String,
        /// The round.
        round: u64,
    },
    /// The round's pay can still be challenged, or an objection holds it back.
    #[error(
        "the pay of round {round} of {federation} can be challenged until {until_ms}, now is {now_ms}"
    )]
    UnderChallenge {
        /// The federation.
        federation: String,
        /// The round.
        round: u64,
        /// From when on it can be posted, if nobody objects any more.
        until_ms: u64,
        /// The entry's time.
        now_ms: u64,
    },
    /// The objection comes after the challenge window.
    #[error("round {round} of {federation} could be challenged until {until_ms}, now is {now_ms}")]
    ChallengeOver {
        /// The federation.
        federation: String,
        /// The round.
        round: u64,
        /// When the window ended.
        until_ms: u64,
        /// The entry's time.
        now_ms: u64,
    },
    /// The complainant has an objection before the members already.
    #[error("{complainant} has an open dispute in {federation} already, over round {round}")]
    DisputeOpen {
        /// Who objects.
        complainant: VerifyingKey,
        /// The federation.
        federation: String,
        /// The round of the open one.
        round: u64,
    },
    /// A settlement in parts has begun: nothing but its next part may follow.
    #[error("part {expected} of the settlement of round {round} must follow, not {got}")]
    SettlementIncomplete {
        /// The round.
        round: u64,
        /// The part that must follow.
        expected: u32,
        /// The kind of entry that came.
        got: &'static str,
    },
    /// A member is named both as participant and as dropped.
    #[error("{member} both took part and dropped out")]
    TookPartAndDropped {
        /// The member.
        member: VerifyingKey,
    },
    /// The price was set before: now it takes a vote.
    #[error("the price of {model} is set; a vote may change it")]
    PriceNeedsVote {
        /// The model.
        model: String,
    },
    /// The model has no price yet.
    #[error("{model} has no price")]
    NoPrice {
        /// The model.
        model: String,
    },
    /// The buyer has no paid call left.
    #[error("key {key_id} has no call of {model} left")]
    NoCallsLeft {
        /// The buyer's key.
        key_id: String,
        /// The model.
        model: String,
    },
    /// The request was booked before.
    #[error("the request {idempotency_key:?} of key {key_id} was booked as entry {index}")]
    AlreadyBooked {
        /// The buyer's key.
        key_id: String,
        /// The request's own id.
        idempotency_key: String,
        /// The entry that booked it.
        index: u64,
    },
    /// The prediction is no longer pending.
    #[error("prediction {prediction} was already {state}")]
    PredictionResolved {
        /// The prediction.
        prediction: Digest,
        /// What became of it.
        state: &'static str,
    },
    /// Something falls due first: nothing else is taken before it is in the log.
    #[error("{kind} of proposal {proposal} is due since {due_ms}, before anything else")]
    DueFirst {
        /// The kind of the entry that is due.
        kind: &'static str,
        /// Which proposal.
        proposal: ProposalId,
        /// Since when, in ledger time.
        due_ms: u64,
    },
    /// The validation set should have been shown by now.
    #[error(
        "{federation} has {settled} settled rounds, and its validation set had to be shown by {by_rounds} or by the end: no \
         round starts and no pay is final before"
    )]
    RevealOverdue {
        /// The federation.
        federation: String,
        /// The rule.
        by_rounds: u64,
        /// Rounds settled.
        settled: usize,
    },
    /// Not an address in the web.
    #[error("{got:?} is no address that begins with https:// or http:// and is printable")]
    NoUrl {
        /// The text.
        got: String,
    },
    /// Somebody would be named in the clear, in a log that is for ever. What the name is, is not repeated here.
    #[error("this ledger names people by salted commitments alone, and {what} is none")]
    NameInTheClear {
        /// Whose name: `label` or `buyer`.
        what: &'static str,
    },
    /// A vote stopped the federation.
    #[error("a vote stopped {federation}: only a vote starts it again")]
    Stopped {
        /// The federation.
        federation: String,
    },
    /// A vote took the model off the market.
    #[error("a vote took {model} off the market")]
    Delisted {
        /// The model.
        model: String,
    },
    /// The member's state forbids it.
    #[error("member {member} is {state}")]
    MemberIs {
        /// The member.
        member: VerifyingKey,
        /// What it is.
        state: &'static str,
    },
    /// The key does not belong to a member of the DAO.
    #[error("{key} is no member of the DAO: ask a member for an invitation")]
    NotAMemberOfTheDao {
        /// The key.
        key: VerifyingKey,
    },
    /// The key belongs to a member under another name: to the key with which it joined.
    #[error("{key} is or was the key of member {member}: name the member by that")]
    KeyOfAMember {
        /// The key.
        key: VerifyingKey,
        /// Whose it is.
        member: VerifyingKey,
    },
    /// The key cannot become a member's: it is somebody's already, or has an office.
    #[error("{key} cannot become the key of {member}: it is {holder}")]
    KeyTaken {
        /// The key.
        key: VerifyingKey,
        /// Who was to get it.
        member: VerifyingKey,
        /// What it is.
        holder: &'static str,
    },
    /// The federation's protection was weakened, and the member's device did not agree (promise 7).
    #[error("{member} did not agree to the present policy of {federation}: its device has to sign")]
    NoConsent {
        /// The member.
        member: VerifyingKey,
        /// The federation.
        federation: String,
    },
    /// The member has too many proposals under way.
    #[error("{proposer} has {count} proposals under way: wait until one is over, or cancel one")]
    TooManyProposals {
        /// Who proposes.
        proposer: VerifyingKey,
        /// How many.
        count: usize,
    },
    /// Founders stand in the second entry.
    #[error("founders are named by the second entry, this is entry {index}")]
    FoundersTooLate {
        /// Which entry.
        index: u64,
    },
    /// A witness's verifier key is not one.
    #[error("{got:?} is no verifier key of {name}: NAME+HASH+KEY is expected")]
    Vkey {
        /// The witness.
        name: String,
        /// The text.
        got: String,
    },
    /// A key or signature was refused.
    #[error("a signature does not hold")]
    Signature(#[from] KeyError),
    /// The charter was refused.
    #[error("the charter is out of bounds")]
    Charter(#[from] CharterError),
    /// Governance refused the step.
    #[error("governance refused")]
    Governance(#[from] GovernanceError),
    /// The ledger refused the transfers.
    #[error("the ledger refused")]
    Ledger(#[from] data_dao_ledger::Refusal),
    /// The purchase was refused.
    #[error("the purchase was refused")]
    Purchase(#[from] PurchaseError),
    /// An amount could not be split.
    #[error("the amount cannot be split")]
    Split(#[from] SplitError),
}
