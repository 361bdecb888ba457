//! What a refusal of the journal is in HTTP.

use axum::http::StatusCode;
use data_dao_governance::GovernanceError;
use data_dao_journal::Refusal;

use crate::problem::ProblemKind;

/// Status, type and title of a refusal: 402 for money, 404 and 409 for the state of things, 422
/// for the request's own fault.
pub(crate) const fn problem_from_refusal(refusal: &Refusal) -> ProblemKind {
    use StatusCode as S;
    let (status, slug, title) = match refusal {
        Refusal::Unknown { .. } => (S::NOT_FOUND, "not-found", "Not found"),
        Refusal::Exists { .. } => (S::CONFLICT, "exists", "Exists already"),
        Refusal::NotFounded { .. } => {
            (S::SERVICE_UNAVAILABLE, "not-founded", "The DAO is not founded yet")
        }
        Refusal::NoCallsLeft { .. } => {
            (S::PAYMENT_REQUIRED, "no-calls-left", "No paid calls are left")
        }
        Refusal::PriceNeedsVote { .. } => {
            (S::CONFLICT, "price-needs-vote", "A set price is changed by vote")
        }
        Refusal::NoPrice { .. } => (S::CONFLICT, "no-price", "The model has no price"),
        Refusal::AlreadyBooked { .. } => {
            (S::CONFLICT, "already-booked", "The request is booked already")
        }
        Refusal::NotUnderChallenge { .. }
        | Refusal::ChallengeOver { .. }
        | Refusal::UnderChallenge { .. }
        | Refusal::DisputeOpen { .. } => {
            (S::CONFLICT, "challenge", "The round's pay is not at that stage")
        }
        Refusal::NotAMember { .. } => {
            (S::UNPROCESSABLE_ENTITY, "not-a-member", "The key is no member's")
        }
        Refusal::PredictionResolved { .. } => {
            (S::CONFLICT, "prediction-resolved", "The prediction is settled")
        }
        Refusal::Differs { .. } => {
            (S::UNPROCESSABLE_ENTITY, "differs", "A value is not what it has to be")
        }
        Refusal::OutOfBounds { .. } | Refusal::Charter(_) => {
            (S::UNPROCESSABLE_ENTITY, "out-of-bounds", "A value is out of bounds")
        }
        Refusal::Entry(_) => (S::UNPROCESSABLE_ENTITY, "too-long", "The request is too long"),
        Refusal::Signature(_) => {
            (S::UNPROCESSABLE_ENTITY, "signature", "A signature does not hold")
        }
        Refusal::Governance(error) => return problem_from_governance(error),
        Refusal::Ledger(error) => return problem_from_ledger(error),
        Refusal::Purchase(_) | Refusal::Split(_) => {
            (S::UNPROCESSABLE_ENTITY, "purchase", "The purchase makes no sense")
        }
        _ => (S::CONFLICT, "refused", "The journal refused"),
    };
    ProblemKind::new(status, slug, title)
}

const fn problem_from_governance(error: &GovernanceError) -> ProblemKind {
    use StatusCode as S;
    let (status, slug, title) = match error {
        GovernanceError::WrongState { .. } => {
            (S::CONFLICT, "wrong-state", "The proposal is in another state")
        }
        GovernanceError::TimelockRuns { .. } => {
            (S::CONFLICT, "timelock-runs", "The timelock still runs")
        }
        GovernanceError::AlreadyVoted { .. } => {
            (S::CONFLICT, "already-voted", "The member has voted already")
        }
        GovernanceError::NoWeight { .. } | GovernanceError::BelowThreshold { .. } => {
            (S::UNPROCESSABLE_ENTITY, "weight", "The member has too little weight")
        }
        GovernanceError::NotTheProposer { .. } => {
            (S::UNPROCESSABLE_ENTITY, "not-the-proposer", "Only the proposer may do this")
        }
        _ => (S::UNPROCESSABLE_ENTITY, "proposal", "The proposal is not acceptable"),
    };
    ProblemKind::new(status, slug, title)
}

const fn problem_from_ledger(error: &data_dao_ledger::Refusal) -> ProblemKind {
    use StatusCode as S;
    let (status, slug, title) = match error {
        data_dao_ledger::Refusal::Insufficient { .. } => {
            (S::PAYMENT_REQUIRED, "insufficient-balance", "The balance does not suffice")
        }
        data_dao_ledger::Refusal::ZeroAmount { .. } | data_dao_ledger::Refusal::Overflow { .. } => {
            (S::UNPROCESSABLE_ENTITY, "amount", "The amount is not acceptable")
        }
        _ => (S::CONFLICT, "transfer", "The ledger refused the transfer"),
    };
    ProblemKind::new(status, slug, title)
}
