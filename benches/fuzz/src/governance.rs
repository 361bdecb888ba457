//! What members sign and what the log keeps of it: JSON with one form, on a DAO that is under way.

use std::sync::OnceLock;

use data_dao_governance::{
    Action, Ballot, BallotSecrecy, Capacity, CharterParameters, Choice, Delegation, Draft,
    Opening, ProposalContent, Request, Role, Vote,
};
use data_dao_journal::{
    BallotCast, Body, BoundsKind, Entry, Founder, Genesis, MembersFounded, ProposalMade, State,
    VoteDelegated,
};
use privacy_identity::{Digest, Encode as _, Signature, SigningKey};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Case, Verdict, fixtures::key};

/// What the target `governance` decodes.
pub const CASES: &[Case] = &[
    Case { name: "leaf", seeds: leaves, check: leaf },
    Case { name: "content", seeds: contents, check: content },
    Case { name: "ballot", seeds: ballots, check: ballot },
    Case { name: "opening", seeds: openings, check: opening },
    Case { name: "delegation", seeds: delegations, check: delegation },
];

const NOW_MS: u64 = 1_000;

/// A DAO with two founders.
fn dao() -> &'static State {
    static DAO: OnceLock<State> = OnceLock::new();
    DAO.get_or_init(|| {
        let mut state = State::default();
        for body in founding() {
            state.apply(&Entry { time_ms: NOW_MS, body }).expect("the fixture holds");
        }
        state
    })
}

fn founding() -> [Body; 2] {
    let genesis = Genesis {
        names: data_dao_journal::NamesKind::InTheClear,
        rules: data_dao_journal::Rules::NEWEST,
        dao_name: "Fuzz".to_owned(),
        bounds: BoundsKind::Demonstration,
        charter: CharterParameters::DEMONSTRATION,
        currency: "EUR".parse().expect("three letters"),
        treasury_percent: 10,
        operator: key(9).verifying_key(),
        dao_node: key(9).verifying_key(),
        aggregators: vec![],
    };
    let mut members: Vec<Founder> = (1..3)
        .map(|index| {
            let (member, label) = (key(index).verifying_key(), format!("founder {index}"));
            Founder { member, label, roles: vec![Role::Contributor] }
        })
        .collect();
    members.sort_by_key(|founder| founder.member);
    let founded = MembersFounded { members, guardian: None, guardian_term_ms: 0 };
    [genesis.into(), founded.into()]
}

fn dao_id() -> Digest {
    dao().dao_id().expect("founded")
}

fn proposal(signer: &SigningKey) -> ProposalContent {
    ProposalContent {
        dao: dao_id(),
        title: "Text".to_owned(),
        description: "Why.".to_owned(),
        actions: vec![
            Action::Text,
            Action::SuspendMember { member: key(2).verifying_key(), reason: "x".to_owned() },
        ],
        ballots: BallotSecrecy::Sealed,
        proposer: signer.verifying_key(),
        salt: 1,
    }
}

fn vote(signer: &SigningKey) -> Ballot {
    Ballot {
        dao: dao_id(),
        proposal: proposal(signer).id(),
        vote: Vote::Whole(Choice::For),
        capacity: Capacity::Entrusted,
        voter: signer.verifying_key(),
        reason: Some(Digest([3; 32])),
        nonce: 1,
        expires_ms: u64::MAX,
    }
}

fn entrusting(signer: &SigningKey) -> Delegation {
    Delegation {
        dao: dao_id(),
        delegator: signer.verifying_key(),
        delegate: Some(key(2).verifying_key()),
        until_ms: NOW_MS + 1,
        nonce: 1,
        expires_ms: u64::MAX,
    }
}

fn text(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("no maps, no floats")
}

fn leaves() -> Vec<Vec<u8>> {
    let signer = key(1);
    let (content, ballot, delegation) = (proposal(&signer), vote(&signer), entrusting(&signer));
    let bodies: [Body; 3] = [
        ProposalMade { signature: content.sign(&signer), content }.into(),
        BallotCast { signature: ballot.sign(&signer), ballot }.into(),
        VoteDelegated { signature: delegation.sign(&signer), delegation }.into(),
    ];
    let leaf = |body| Entry { time_ms: NOW_MS, body }.to_leaf().expect("short");
    founding().into_iter().chain(bodies).map(leaf).collect()
}

/// A leaf has one form, and an entry that is refused changes nothing.
fn leaf(bytes: &[u8]) -> Verdict {
    let Ok(entry) = Entry::from_leaf(bytes) else { return Verdict::Refused };
    assert!(entry.to_leaf().is_ok_and(|leaf| leaf == bytes));
    let mut state = dao().clone();
    if state.apply(&entry).is_err() {
        assert!(&state == dao(), "a refused entry changed the state");
    } else {
        assert!(state.entries() == dao().entries() + 1);
    }
    Verdict::Taken
}

/// What is read reads again from what is written of it.
fn stable<T: Serialize + DeserializeOwned + PartialEq>(bytes: &[u8]) -> Option<T> {
    let value: T = serde_json::from_slice(bytes).ok()?;
    assert!(serde_json::from_slice::<T>(&text(&value)).is_ok_and(|again| again == value));
    Some(value)
}

fn contents() -> Vec<Vec<u8>> {
    vec![text(&proposal(&key(1)))]
}

/// A draft keeps its content and its id, and nobody signed it.
fn content(bytes: &[u8]) -> Verdict {
    let Some(content) = stable::<ProposalContent>(bytes) else { return Verdict::Refused };
    assert!(content.verify_by(&content.proposer, &Signature([0; 64])).is_err());
    if let Ok(draft) = Draft::new(content.clone()) {
        assert!(draft.id() == content.id() && draft.content() == &content);
    }
    Verdict::Taken
}

fn ballots() -> Vec<Vec<u8>> {
    vec![text(&vote(&key(1)))]
}

/// Different ballots have different bytes to sign.
fn ballot(bytes: &[u8]) -> Verdict {
    let Some(ballot) = stable::<Ballot>(bytes) else { return Verdict::Refused };
    let honest = vote(&key(1));
    assert!((ballot == honest) == (ballot.to_bytes() == honest.to_bytes()));
    assert!(ballot == honest || ballot.verify(&honest.sign(&key(1))).is_err());
    Verdict::Taken
}

fn openings() -> Vec<Vec<u8>> {
    vec![text(&honest_opening())]
}

fn honest_opening() -> Opening {
    let ballot = vote(&key(1));
    Opening { signature: ballot.sign(&key(1)), ballot, blinding: Digest([4; 32]) }
}

/// Nothing but the opening opens a commitment.
fn opening(bytes: &[u8]) -> Verdict {
    let Some(opening) = stable::<Opening>(bytes) else { return Verdict::Refused };
    let honest = honest_opening();
    assert!((opening == honest) == (opening.commitment() == honest.commitment()));
    assert!(opening.sealed().voter == opening.ballot.voter);
    Verdict::Taken
}

fn delegations() -> Vec<Vec<u8>> {
    vec![text(&entrusting(&key(1)))]
}

/// Different delegations have different bytes to sign.
fn delegation(bytes: &[u8]) -> Verdict {
    let Some(delegation) = stable::<Delegation>(bytes) else { return Verdict::Refused };
    let honest = entrusting(&key(1));
    assert!((delegation == honest) == (delegation.to_bytes() == honest.to_bytes()));
    Verdict::Taken
}
