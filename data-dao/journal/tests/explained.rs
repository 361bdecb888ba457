//! Explanations follow the ledger: settlements in parts, pay that was voided, novelty that a vote changed.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "each test file uses its part of the shared world")]

mod world;

use data_dao_governance::Action;
use data_dao_journal::{
    Accused, Beside, Body, Course, Dispute, Explained, IntervalFrom, Reason, RoundDisputed,
    RoundSettled, RoundSettling, SafeguardsSet, SettledPart,
};
use world::{World, digest, member, members, name, round_opened};

fn course(world: &World) -> Course {
    Course::of_log(world.leaves.iter().map(Vec::as_slice), &name("wine"))
}

fn of(course: &Course, position: usize) -> &[Explained] {
    course.of(&member(position))
}

/// The settlement as a head and a part for each member.
fn in_parts(settled: RoundSettled) -> Vec<Body> {
    let part = |(part, participant): (u32, _)| SettledPart {
        federation: settled.federation.clone(),
        round: settled.round,
        part,
        participants: vec![participant],
        dropped: Vec::new(),
    };
    let parts: Vec<_> = (0..).zip(settled.participants.clone()).map(part).collect();
    let head = RoundSettling {
        participants: u32::try_from(parts.len()).unwrap(),
        dropped: 0,
        parts: parts.iter().map(SettledPart::digest).collect(),
        settled: RoundSettled { participants: Vec::new(), ..settled },
    };
    std::iter::once(head.into()).chain(parts.into_iter().map(Body::from)).collect()
}

#[test]
fn a_settlement_in_parts_is_explained_as_a_whole_one() {
    let scalars = &[(0, 30, 10), (1, 10, 10), (2, 50, 0)];
    let (mut whole, mut parted) = (World::founded(), World::founded());
    for world in [&mut whole, &mut parted] {
        world.open_round(1);
    }
    whole.push(whole.settlement(1, scalars));
    in_parts(parted.settlement(1, scalars)).into_iter().for_each(|body| parted.push(body));
    let settled = parted.state.federation(&name("wine")).unwrap().settled()[0];
    assert_eq!(settled.index - settled.first_index, 3, "a head and three parts");
    for position in 0..3 {
        let (expected, got) = (course(&whole), course(&parted));
        let [expected, got] = [of(&expected, position), of(&got, position)];
        assert_eq!((expected.len(), got.len()), (1, 1));
        assert_eq!(expected[0].explanation, got[0].explanation);
        assert_eq!(got[0].index, settled.index);
    }
}

fn dispute(world: &World, accused: Accused) -> RoundDisputed {
    let dispute = Dispute {
        dao: world.state.dao_id().unwrap(),
        federation: name("wine"),
        round: 2,
        accused,
        complainant: member(2),
        evidence: digest(77),
        reason: "made up".into(),
    };
    let signature = dispute.sign(&members()[2]);
    RoundDisputed { dispute, signature }
}

/// Round 1 of `beer` gave members 0 and 1 votes; rounds 1 and 2 of `wine` are settled, 2 is objected to.
fn objected(accused: Accused) -> World {
    let mut world = World::founded();
    world.push(round_opened("beer", 1));
    let mut twin = World { state: world.state.clone(), leaves: vec![], now_ms: world.now_ms };
    twin.open_round(1);
    let mut votes = twin.settlement(1, &[(0, 10, 10), (1, 10, 10)]);
    (votes.federation, votes.receipt) = (name("beer"), digest(199));
    (0..).zip(&mut votes.participants).for_each(|(at, own)| own.update = digest(150 + at));
    world.push(votes);
    let federation = name("wine");
    let (epsilon_micro_max, challenge_window_ms) = (None, 300);
    world.push(SafeguardsSet {
        federation,
        epsilon_micro_max,
        challenge_window_ms,
        reveal_by_rounds: None,
    });
    for round in 1..=2 {
        world.open_round(round);
        let settlement = world.settlement(round, &[(0, 30, 10), (1, 10, 10), (2, 20, 10)]);
        world.push(settlement);
    }
    world.push(dispute(&world, accused));
    let action = Action::UpholdDispute { federation: "wine".into(), round: 2, accused };
    world.pass(vec![action]);
    world
}

/// Promise 4: what is told is what is paid. Before, a voided round was explained as paid, and counted later.
#[test]
fn a_voided_round_is_explained_as_voided_and_does_not_count_later() {
    for accused in [Accused::Round, Accused::Member(member(0))] {
        let mut world = objected(accused);
        let explained = course(&world);
        let last = of(&explained, 0).last().unwrap();
        assert_eq!((last.explanation.reason, last.explanation.credits), (Reason::Voided, 0));
        assert!(last.explanation.sentence(1.0).contains("objection"));
        let other = of(&explained, 1).last().unwrap().explanation.reason;
        assert_eq!(other == Reason::Voided, accused == Accused::Round);
        assert_eq!(of(&explained, 0)[0].explanation.reason, Reason::Paid, "round 1 stands");

        world.open_round(3);
        let settlement = world.settlement(3, &[(0, 5, 10), (1, 10, 10), (2, 20, 10)]);
        world.push(settlement);
        let standings = world.state.federation(&name("wine")).unwrap().standings().clone();
        for position in 0..3 {
            let explained = course(&world);
            let last = &of(&explained, position).last().unwrap().explanation;
            let standing = &standings[&member(position)];
            let told = (last.value_sum, last.rounds, last.interval);
            assert_eq!(told, (standing.value_sum(), standing.rounds(), standing.interval()));
        }
    }
}

#[test]
fn the_novelty_of_the_round_explains_it_not_the_first_ones() {
    let mut world = World::after_one_round();
    world.pass(vec![Action::SetNovelty { federation: "wine".into(), percent: 0 }]);
    world.open_round(2);
    world.push(world.settlement(2, &[(0, 30, 10), (1, 10, 10), (2, 40, 1)]));
    let explained = course(&world);
    let reasons: Vec<_> = of(&explained, 2).iter().map(|own| own.explanation.reason).collect();
    assert_eq!(reasons, [Reason::NotNovel, Reason::Paid]);
}

#[test]
fn contrasts_give_an_interval_and_a_statement_beside_zero_and_the_median() {
    let mut world = World::founded();
    for round in 1..=3 {
        world.open_round(round);
        let mut settlement = world.settlement(round, &[(0, 3000, 10), (1, 1000, 10), (2, 900, 10)]);
        let contrast = if round % 2 == 0 { 40 } else { -50 };
        for (participation, extra) in settlement.participants.iter_mut().zip([0, 0, 150]) {
            participation.contrast = Some(contrast + extra);
        }
        world.push(settlement);
    }
    let explained = course(&world);
    let of = |position| &of(&explained, position).last().unwrap().explanation;
    // √(3·(50² + 40² + 50²)) = 140 and t_3 = 3.182.
    let interval = of(0).interval.unwrap();
    assert_eq!((interval.low, interval.value, interval.high), (9000 - 449, 9000, 9000 + 449));
    assert_eq!(of(0).interval_from, IntervalFrom::Shards);
    assert_eq!((of(0).beside_zero, of(0).beside_median), (Beside::Above, Beside::Above));
    assert_eq!((of(1).beside_zero, of(1).beside_median), (Beside::Above, Beside::Undecided));
    assert_eq!(of(2).beside_median, Beside::Undecided, "3 · 150 apart in contrasts, 300 in value");
    let sentence = of(0).interval_sentence(0.001).unwrap();
    assert!(
        sentence.contains("8.5510") && sentence.contains("more than the cohort's"),
        "{sentence}"
    );
    // A settlement's contrasts are in its leaf; one beyond the bound is refused.
    world.open_round(4);
    let mut settlement = world.settlement(4, &[(0, 1, 10), (1, 1, 10), (2, 1, 10)]);
    settlement.participants[0].contrast = Some((1 << 40) + 1);
    world.refusal(settlement);
}
