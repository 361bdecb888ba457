//! Rounds whose settlement does not fit one leaf.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use data_dao_governance::CharterParameters;
use data_dao_journal::{
    Body, BoundsKind, Entry, FederationOpened, Genesis, LIST_MAX, MemberAdmitted, ModelReleased,
    Participation, Refusal, RoundAborted, RoundOpened, RoundSettled, RoundSettling, State,
    settlement_bodies,
};
use data_dao_ledger::Name;
use privacy_identity::{Digest, SigningKey, Tag, VerifyingKey};

/// The target for one round.
const MEMBERS: u32 = 10_000;

fn name() -> Name {
    Name::new("wine").unwrap()
}

fn digest(number: u32) -> Digest {
    Digest::of(Tag::Dataset, &number.to_be_bytes())
}

fn keys(count: u32) -> Vec<VerifyingKey> {
    let key = |number: u32| {
        let seed = digest(number).0;
        SigningKey::from_seed(&seed).verifying_key()
    };
    let mut keys: Vec<VerifyingKey> = (0..count).map(key).collect();
    keys.sort_unstable();
    keys
}

fn apply(state: &mut State, body: impl Into<Body>) -> Result<(), Refusal> {
    let entry = Entry { time_ms: 1_000, body: body.into() };
    let leaf = entry.to_leaf().unwrap();
    assert_eq!(Entry::from_leaf(&leaf).unwrap(), entry);
    state.apply(&entry)
}

/// A DAO with one federation, `members` and an open round.
fn open(members: &[VerifyingKey]) -> State {
    let operator = members[0];
    let mut state = State::default();
    let genesis = Genesis {
        names: data_dao_journal::NamesKind::InTheClear,
        rules: data_dao_journal::Rules::NEWEST,
        dao_name: "Many".into(),
        bounds: BoundsKind::Demonstration,
        charter: CharterParameters::STANDARD,
        currency: "EUR".parse().unwrap(),
        treasury_percent: 10,
        operator,
        dao_node: operator,
        aggregators: vec![operator],
    };
    apply(&mut state, genesis).unwrap();
    let opened = FederationOpened {
        federation: name(),
        terms_digest: digest(0),
        terms: "{}".into(),
        rounds: 5,
        round_budget: 1_000_000,
        minimum_cohort: 2,
        novelty_percent: 0,
        validation_commitment: digest(0),
    };
    apply(&mut state, opened).unwrap();
    for member in members {
        let admitted = MemberAdmitted { federation: name(), member: *member, label: "m".into() };
        apply(&mut state, admitted).unwrap();
    }
    let opened = RoundOpened {
        federation: name(),
        round: 1,
        model: digest(1),
        cohort_size: u32::try_from(members.len()).unwrap(),
        epsilon_micro: None,
    };
    apply(&mut state, opened).unwrap();
    state
}

/// Every tenth member dropped out.
fn settlement(state: &State, members: &[VerifyingKey]) -> RoundSettled {
    let (mut scalars, mut dropped) = (Vec::new(), Vec::new());
    for (place, member) in (0_i64..).zip(members) {
        if place % 10 == 3 {
            dropped.push(*member);
        } else {
            scalars.push((*member, place % 97 - 5, 10 - place % 7));
        }
    }
    let credits = state.round_credits(&name(), &scalars).unwrap();
    let participant = |(place, ((member, value, innovation), credits)): (u32, _)| Participation {
        member,
        value,
        innovation,
        contrast: None,
        credits,
        update: digest(1_000_000 + place),
    };
    let participants = (0..).zip(scalars.into_iter().zip(credits)).map(participant).collect();
    RoundSettled {
        federation: name(),
        round: 1,
        model_before: digest(1),
        model_after: digest(2),
        receipt: digest(7),
        test_accuracy_ppm: Some(700_000),
        test_loss_micro: 600_000,
        participants,
        refused: vec![],
        dropped,
    }
}

fn bodies(state: &State, members: &[VerifyingKey]) -> Vec<Body> {
    settlement_bodies(settlement(state, members)).unwrap()
}

#[test]
fn a_round_of_ten_thousand_settles_and_its_model_is_released() {
    let members = keys(MEMBERS);
    let mut state = open(&members);
    let bodies = bodies(&state, &members);
    assert!(bodies.len() > 25, "{} entries", bodies.len());
    for body in bodies {
        apply(&mut state, body).unwrap();
    }
    let federation = state.federation(&name()).unwrap();
    let settled = federation.settled()[0];
    assert_eq!((settled.participants, settled.dropped), (9_000, 1_000));
    assert_eq!(state.counts().credits_issued, 1_000_000);
    assert_eq!(federation.open_round(), None);
    // What everybody recomputes is left out where it does not fit; a part of it is refused.
    let weights = state.release_weights(&name()).unwrap();
    assert!(weights.len() > LIST_MAX);
    let release = |weights| ModelReleased {
        model: Name::new("wine-quality").unwrap(),
        version: 1,
        digest: digest(2),
        federation: name(),
        rounds: 1,
        test_accuracy_ppm: None,
        weights,
    };
    let part = release(weights[..LIST_MAX].to_vec());
    assert!(matches!(apply(&mut state, part), Err(Refusal::Differs { .. })));
    apply(&mut state, release(Vec::new())).unwrap();
    let model = state.model(&Name::new("wine-quality").unwrap()).unwrap();
    assert_eq!(model.latest().weights, weights);
}

#[test]
fn a_small_settlement_is_one_entry_and_the_largest_bounded() {
    let members = keys(500);
    let state = open(&members);
    let few = settlement(&state, &members[..150]);
    assert!(matches!(settlement_bodies(few).unwrap()[..], [Body::RoundSettled(_)]));
    let mut many = settlement(&state, &members);
    let bodies = settlement_bodies(many.clone()).unwrap();
    assert!(matches!(bodies[..], [Body::RoundSettling(_), Body::SettledPart(_), ..]));
    many.dropped = vec![members[0]; (1 << 16) + 1];
    let refusal = settlement_bodies(many).unwrap_err();
    assert!(matches!(refusal, Refusal::OutOfBounds { what: "members of a settlement", .. }));
}

/// Round 1 of 900 members, and the entries that settle it.
fn in_parts() -> (State, Vec<Body>) {
    let members = keys(900);
    let state = open(&members);
    let bodies = bodies(&state, &members);
    assert!(bodies.len() >= 4, "{} entries", bodies.len());
    (state, bodies)
}

fn refused(state: &mut State, body: impl Into<Body>) -> Refusal {
    let before = state.clone();
    let refusal = apply(state, body).unwrap_err();
    assert_eq!(*state, before, "a refused entry changed the state");
    refusal
}

#[test]
fn gaps_repetitions_and_strangers_between_parts_are_refused() {
    let (mut state, bodies) = in_parts();
    assert!(matches!(refused(&mut state, bodies[1].clone()), Refusal::Unknown { .. }));
    apply(&mut state, bodies[0].clone()).unwrap();
    assert!(matches!(refused(&mut state, bodies[2].clone()), Refusal::Differs { .. }));
    apply(&mut state, bodies[1].clone()).unwrap();
    assert!(matches!(refused(&mut state, bodies[1].clone()), Refusal::Differs { .. }));
    let head = refused(&mut state, bodies[0].clone());
    assert!(matches!(head, Refusal::SettlementIncomplete { round: 1, expected: 1, .. }));
    let label = "late".to_owned();
    let member = SigningKey::from_seed(&[200; 32]).verifying_key();
    let other = MemberAdmitted { federation: name(), member, label };
    let between = refused(&mut state, other.clone());
    assert!(matches!(between, Refusal::SettlementIncomplete { got: "member_admitted", .. }));
    // Nothing of it counts before the last part.
    assert_eq!(state.counts().rounds_settled, 0);
    for body in &bodies[2..] {
        apply(&mut state, body.clone()).unwrap();
    }
    assert_eq!(state.counts().rounds_settled, 1);
    apply(&mut state, other).unwrap();
}

#[test]
fn a_changed_part_is_refused_where_it_stands() {
    let (mut state, bodies) = in_parts();
    apply(&mut state, bodies[0].clone()).unwrap();
    let Body::SettledPart(part) = &bodies[1] else { panic!() };
    let mut greedy = part.clone();
    greedy.participants[0].credits += 1;
    let Refusal::Differs { what, .. } = refused(&mut state, greedy) else { panic!() };
    assert_eq!(what, "digest of part 0");
    let mut elsewhere = part.clone();
    elsewhere.round = 2;
    assert!(matches!(refused(&mut state, elsewhere), Refusal::Differs { .. }));
}

/// The head commits to parts that pay wrongly: they are read, and then refused as a whole.
#[test]
fn parts_that_pay_wrongly_are_refused_at_the_last_and_the_round_can_be_aborted() {
    let members = keys(900);
    let mut state = open(&members);
    let mut wrong = settlement(&state, &members);
    wrong.participants[17].credits += 1;
    let bodies = settlement_bodies(wrong).unwrap();
    let (last, first) = bodies.split_last().unwrap();
    for body in first {
        apply(&mut state, body.clone()).unwrap();
    }
    let Refusal::Differs { what, .. } = refused(&mut state, last.clone()) else { panic!() };
    assert!(what.starts_with("credits of "), "{what}");
    let abort = RoundAborted { federation: name(), round: 1, reason: "paid wrongly".into() };
    apply(&mut state, abort).unwrap();
    assert_eq!((state.counts().rounds_settled, state.counts().rounds_aborted), (0, 1));
    let opened = RoundOpened {
        federation: name(),
        round: 2,
        model: digest(1),
        cohort_size: 900,
        epsilon_micro: None,
    };
    apply(&mut state, opened).unwrap();
}

#[test]
fn a_head_with_lists_or_without_parts_is_refused() {
    let (mut state, bodies) = in_parts();
    let Body::RoundSettling(head) = &bodies[0] else { panic!() };
    let Body::SettledPart(part) = &bodies[1] else { panic!() };
    let mut listed = head.clone();
    listed.settled.participants = part.participants[..1].to_vec();
    assert!(matches!(refused(&mut state, listed), Refusal::OutOfBounds { .. }));
    let empty = RoundSettling { parts: vec![], ..head.clone() };
    assert!(matches!(refused(&mut state, empty), Refusal::OutOfBounds { what: "parts", .. }));
    let many = RoundSettling { participants: u32::MAX, ..head.clone() };
    assert!(matches!(refused(&mut state, many), Refusal::OutOfBounds { .. }));
    // Fewer members than the parts name.
    let short = RoundSettling { participants: 1, ..head.clone() };
    apply(&mut state, short).unwrap();
    assert!(matches!(refused(&mut state, part.clone()), Refusal::OutOfBounds { .. }));
}
