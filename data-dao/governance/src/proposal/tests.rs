//! A proposal with voters 1, 2, … of given weights, whose clock starts at 0.

mod adversarial;
mod properties;
mod reachable;
mod sealed;
mod vectors;

use privacy_identity::SigningKey;

use super::*;
use crate::{
    Bounds, CharterParameters, Choice, LogPosition, Parameter, Request as _, SealedBallot, Split,
    Vote, Weights,
};
use Choice::{Abstain, Against, For};
use ProposalState::{Active, Canceled, Defeated, Executed, Expired, Pending, Succeeded, Vetoed};

const HOUR_MS: u64 = 3_600_000;

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

fn voter(number: u8) -> VerifyingKey {
    key(number).verifying_key()
}

/// Delay 4, period 16: proposed at 0, the snapshot is 4 and the deadline 20.
fn parameters(quorum_percent: u8) -> CharterParameters {
    CharterParameters {
        voting_delay_ms: 4,
        voting_period_ms: 16,
        quorum_percent,
        proposal_threshold_per_mille: 0,
        timelock_ms: HOUR_MS,
        critical_timelock_ms: 7 * HOUR_MS,
        reveal_period_ms: 8,
        ..CharterParameters::DEMONSTRATION
    }
}

fn charter(parameters: CharterParameters) -> Charter {
    Charter::new(parameters, Bounds::Demonstration).unwrap()
}

fn content() -> ProposalContent {
    ProposalContent {
        dao: Digest([1; 32]),
        title: "Price".into(),
        description: "Predictions cost more than they earn.".into(),
        actions: vec![Action::SetPredictionPrice { model: "wine".into(), price: 7 }],
        ballots: BallotSecrecy::Open,
        proposer: voter(1),
        salt: 0,
    }
}

fn critical() -> ProposalContent {
    let actions = vec![Action::TreasuryTransfer { to: voter(1), amount: 1 }];
    ProposalContent { actions, ..content() }
}

/// Weights of voters 1, 2, …; what is missing to `supply` belongs to voter 99.
fn weights(given: &[u128], supply: u128) -> Weights {
    let mut weights: Weights = (1..).zip(given).map(|(n, weight)| (voter(n), *weight)).collect();
    let rest = supply - given.iter().sum::<u128>();
    if rest > 0 {
        weights.insert(voter(99), rest);
    }
    weights
}

fn position() -> LogPosition {
    LogPosition { tree_size: 1, root: Digest([0; 32]) }
}

fn electorate(weights: Weights, delegations: &[(u8, u8)]) -> Electorate {
    let delegations = delegations.iter().map(|(from, to)| (voter(*from), voter(*to)));
    Electorate::new(weights, delegations, position()).unwrap()
}

fn submitted(content: ProposalContent, parameters: CharterParameters) -> Proposal {
    let draft = Draft::new(content).unwrap();
    Proposal::submit(draft, &weights(&[10], 100), charter(parameters), 0).unwrap()
}

/// Proposed at 0, opened at 5.
fn opened(
    content: ProposalContent,
    parameters: CharterParameters,
    electorate: Electorate,
) -> Proposal {
    let mut proposal = submitted(content, parameters);
    proposal.open(electorate, 5).unwrap();
    proposal
}

fn proposal(given: &[u128], supply: u128, quorum_percent: u8) -> Proposal {
    opened(content(), parameters(quorum_percent), electorate(weights(given, supply), &[]))
}

fn base(quorum_percent: u8) -> Proposal {
    proposal(&[10, 7, 5, 2], 100, quorum_percent)
}

fn ballot(p: &Proposal, number: u8, capacity: Capacity, vote: Vote) -> Ballot {
    Ballot {
        dao: p.content().dao,
        proposal: p.id(),
        vote,
        capacity,
        voter: voter(number),
        reason: None,
        nonce: 1,
        expires_ms: u64::MAX,
    }
}

fn cast(p: &mut Proposal, number: u8, choice: Choice, now: u64) -> Result<u128, GovernanceError> {
    let ballot = ballot(p, number, Capacity::Entrusted, Vote::Whole(choice));
    p.cast(&ballot, now)
}

fn override_(p: &mut Proposal, number: u8, choice: Choice) -> Result<u128, GovernanceError> {
    let ballot = ballot(p, number, Capacity::Override, Vote::Whole(choice));
    p.cast(&ballot, 10)
}

fn split(p: &mut Proposal, number: u8, parts: [u128; 3]) -> Result<u128, GovernanceError> {
    let [against, in_favour, abstain] = parts;
    let vote = Vote::Split(Split { against, in_favour, abstain });
    let ballot = ballot(p, number, Capacity::Entrusted, vote);
    p.cast(&ballot, 10)
}

fn vote(proposal: &mut Proposal, number: u8, choice: Choice) {
    cast(proposal, number, choice, 10).unwrap();
}

fn sums(p: &Proposal) -> [u128; 3] {
    let tally = p.tally();
    [tally.against, tally.in_favour, tally.abstain]
}

fn state_of<T: std::fmt::Debug>(refused: Result<T, GovernanceError>) -> ProposalState {
    match refused {
        Err(GovernanceError::WrongState { state, .. }) => state,
        other => panic!("{other:?}"),
    }
}

fn guardian() -> Option<Guardian> {
    Some(Guardian { key: voter(80), sunset_ms: u64::MAX })
}

fn veto(p: &Proposal, by: u8) -> Veto {
    Veto {
        dao: p.content().dao,
        proposal: p.id(),
        guardian: voter(by),
        reason: "The key of member 7 was stolen.".into(),
        nonce: 1,
        expires_ms: u64::MAX,
    }
}
