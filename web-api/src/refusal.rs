//! What a refusal of the journal is in HTTP.

use data_dao_governance::GovernanceError;
use data_dao_journal::Refusal;

use crate::problem::ProblemKind;

/// Status, type and title of a refusal: 402 for money, 404 and 409 for the state of things, 422
/// for the request's own fault.
pub(crate) const fn problem_from_refusal(refusal: &Refusal) -> ProblemKind {
    use ProblemKind as K;
    match refusal {
        Refusal::Unknown { .. } => const { K::of("not-found") },
        Refusal::Exists { .. } => const { K::of("exists") },
        Refusal::NotFounded { .. } => const { K::of("not-founded") },
        Refusal::NoCallsLeft { .. } => const { K::of("no-calls-left") },
        Refusal::PriceNeedsVote { .. } => const { K::of("price-needs-vote") },
        Refusal::NoPrice { .. } => const { K::of("no-price") },
        Refusal::AlreadyBooked { .. } => const { K::of("already-booked") },
        Refusal::NotUnderChallenge { .. }
        | Refusal::ChallengeOver { .. }
        | Refusal::UnderChallenge { .. }
        | Refusal::DisputeOpen { .. } => const { K::of("challenge") },
        Refusal::PredictionResolved { .. } => const { K::of("prediction-resolved") },
        Refusal::Differs { .. } => const { K::of("differs") },
        Refusal::OutOfBounds { .. } | Refusal::Charter(_) => const { K::of("out-of-bounds") },
        Refusal::Entry(_) => const { K::of("too-long") },
        Refusal::Signature(_) => const { K::of("signature") },
        Refusal::Delisted { .. } => const { K::of("delisted") },
        Refusal::MemberIs { .. } => const { K::of("member-state") },
        Refusal::NotAMemberOfTheDao { .. } | Refusal::NotAMember { .. } => {
            const { K::of("not-a-member") }
        }
        Refusal::KeyOfAMember { .. } => const { K::of("key-of-a-member") },
        Refusal::KeyTaken { .. } => const { K::of("key-taken") },
        Refusal::TooManyProposals { .. } => const { K::of("too-many-proposals") },
        Refusal::Governance(error) => problem_from_governance(error),
        Refusal::Ledger(error) => problem_from_ledger(error),
        Refusal::OutOfScope { .. } => const { K::of("forbidden") },
        Refusal::KeyUnusable { .. } => const { K::of("unauthorized") },
        Refusal::SpendingLimit { .. } => const { K::of("spending-limit") },
        Refusal::Scopes => const { K::of("invalid") },
        Refusal::InDebt { .. } => const { K::of("in-debt") },
        Refusal::RefundExceedsPayment { .. } => const { K::of("refund-exceeds-payment") },
        Refusal::LicenceNeedsVote { .. } => const { K::of("licence-needs-vote") },
        Refusal::NotForSale { .. } => const { K::of("not-for-sale") },
        Refusal::Purchase(_) | Refusal::Split(_) => const { K::of("purchase") },
        _ => const { K::of("refused") },
    }
}

const fn problem_from_governance(error: &GovernanceError) -> ProblemKind {
    use ProblemKind as K;
    match error {
        GovernanceError::WrongState { .. } => const { K::of("wrong-state") },
        GovernanceError::AlreadyVoted { .. } => const { K::of("already-voted") },
        GovernanceError::NoWeight { .. } | GovernanceError::BelowThreshold { .. } => {
            const { K::of("weight") }
        }
        GovernanceError::NotTheProposer { .. } => const { K::of("not-the-proposer") },
        GovernanceError::NotTheGuardian { .. } | GovernanceError::NotNominated { .. } => {
            const { K::of("not-the-guardian") }
        }
        GovernanceError::AboutTheGuardian => const { K::of("about-the-guardian") },
        GovernanceError::NonceUsed { .. } => const { K::of("nonce-used") },
        GovernanceError::RequestExpired { .. } => const { K::of("request-expired") },
        GovernanceError::OnlyAgainst
        | GovernanceError::BallotsAreSealed
        | GovernanceError::BallotsAreOpen
        | GovernanceError::CommittingIsOver { .. }
        | GovernanceError::TooEarlyToReveal { .. }
        | GovernanceError::NothingSealed { .. }
        | GovernanceError::NotDelegated { .. } => const { K::of("not-this-ballot") },
        _ => const { K::of("proposal") },
    }
}

const fn problem_from_ledger(error: &data_dao_ledger::Refusal) -> ProblemKind {
    use ProblemKind as K;
    match error {
        data_dao_ledger::Refusal::Insufficient { .. } => const { K::of("insufficient-balance") },
        data_dao_ledger::Refusal::ZeroAmount { .. } | data_dao_ledger::Refusal::Overflow { .. } => {
            const { K::of("amount") }
        }
        _ => const { K::of("transfer") },
    }
}
