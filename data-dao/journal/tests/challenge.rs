//! What a round pays is announced, can be challenged, and is then final.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "each test file uses its part of the shared world")]

mod world;

use data_dao_governance::{Action, Choice, ProposalState};
use data_dao_journal::{
    Accused, BoundsKind, Dispute, Entry, PayProgress, ProposalMade, Refusal, RoundDisputed,
    RoundPosted, SafeguardsSet, State,
};
use data_dao_ledger::{AccountId, Name};
use privacy_identity::SigningKey;
use world::{World, digest, genesis, member, members, name};

const WINDOW_MS: u64 = 300;
/// As the world's charter: voting delay, period, reveal period, critical timelock and grace.
const DECISION_MS: u64 = 10 + 100 + 40 + 80 + 1_000;

fn safeguards(window_ms: u64) -> SafeguardsSet {
    SafeguardsSet {
        federation: name("wine"),
        epsilon_micro_max: None,
        challenge_window_ms: window_ms,
        reveal_by_rounds: None,
    }
}

/// Round 1 is settled: 750 and 250 are announced, the window is open.
fn announced() -> World {
    let mut world = World::founded();
    world.push(safeguards(WINDOW_MS));
    world.open_round(1);
    let settlement = world.settlement(1, &[(0, 30, 10), (1, 10, 10), (2, 50, 0)]);
    world.push(settlement);
    world
}

fn posted(credits: u128) -> RoundPosted {
    RoundPosted { federation: name("wine"), round: 1, credits }
}

fn dispute_by(world: &World, key: &SigningKey, accused: Accused) -> RoundDisputed {
    let dispute = Dispute {
        dao: world.state.dao_id().unwrap(),
        federation: name("wine"),
        round: 1,
        accused,
        complainant: key.verifying_key(),
        evidence: digest(77),
        reason: "the values were made up".into(),
    };
    let signature = dispute.sign(key);
    RoundDisputed { dispute, signature }
}

fn dispute(world: &World, position: usize, accused: Accused) -> RoundDisputed {
    dispute_by(world, &members()[position], accused)
}

fn credits(world: &World) -> Vec<u128> {
    (0..3).map(|position| world.state.credits(&member(position))).collect()
}

fn pending(world: &World) -> Vec<u128> {
    (0..3).map(|position| world.state.credits_pending(&member(position))).collect()
}

fn progress(world: &World) -> PayProgress {
    world.state.federation(&name("wine")).unwrap().settled()[0].pay
}

/// Members with votes of an earlier federation decide; the action is carried out.
fn decide(world: &mut World, actions: Vec<Action>) {
    let proposal = world.pass(actions);
    let state = world.state.proposal(proposal).unwrap().state(world.now_ms);
    assert_eq!(state, ProposalState::Executed);
}

/// As [`announced`], but members 0 and 1 have votes: from round 1 of `beer`, paid at once.
fn announced_with_votes() -> World {
    let mut world = World::founded();
    world.push(world::round_opened("beer", 1));
    let mut earlier = settlement_of(&world, "beer", 1);
    earlier.receipt = digest(199);
    for (place, participation) in (0_u8..).zip(&mut earlier.participants) {
        participation.update = digest(150 + place);
    }
    world.push(earlier);
    world.push(safeguards(WINDOW_MS));
    world.open_round(1);
    let settlement = world.settlement(1, &[(0, 30, 10), (1, 10, 10), (2, 50, 0)]);
    world.push(settlement);
    world
}

/// A settlement that pays members 0 and 1 in another federation than `wine`.
fn settlement_of(world: &World, text: &str, round: u64) -> data_dao_journal::RoundSettled {
    let mut twin = World { state: world.state.clone(), leaves: vec![], now_ms: world.now_ms };
    twin.open_round(round);
    let mut settlement = twin.settlement(round, &[(0, 10, 10), (1, 10, 10)]);
    settlement.federation = name(text);
    settlement
}

#[test]
fn pay_is_pending_until_the_window_has_ended() {
    let mut world = announced();
    assert_eq!((credits(&world), pending(&world)), (vec![0; 3], vec![750, 250, 0]));
    assert_eq!(world.state.counts().credits_issued, 0);
    assert!(world.state.vote_weights().is_empty(), "what is not final does not vote");
    world.now_ms += WINDOW_MS - 1;
    let early = world.refusal(posted(1_000));
    let Refusal::UnderChallenge { until_ms, now_ms, .. } = early else { panic!("{early:?}") };
    assert_eq!(until_ms, now_ms + 1);
    world.now_ms += 1;
    assert!(matches!(world.refusal(posted(999)), Refusal::Differs { .. }));
    world.push(posted(1_000));
    assert_eq!((credits(&world), pending(&world)), (vec![750, 250, 0], vec![0; 3]));
    assert_eq!(world.state.counts().credits_issued, 1_000);
    assert_eq!(world.state.vote_weights()[&member(0)], 750);
    assert!(matches!(progress(&world), PayProgress::Posted { .. }));
    assert!(matches!(world.refusal(posted(1_000)), Refusal::NotUnderChallenge { .. }));
}

#[test]
fn votes_are_booked_with_the_credits_and_are_nobodys_to_give_away() {
    let mut world = announced();
    world.now_ms += WINDOW_MS;
    world.push(posted(1_000));
    let votes = |position| AccountId::vote_member(member(position));
    assert_eq!(world.state.accounts().account(&votes(0)).balance(), 750);
    assert!(!votes(0).may_pay(&votes(1)));
}

#[test]
fn a_model_is_not_released_while_its_shares_can_be_challenged() {
    let mut world = announced();
    assert!(matches!(world.refusal(world.release()), Refusal::UnderChallenge { .. }));
    world.now_ms += WINDOW_MS;
    world.push(posted(1_000));
    world.push(world.release());
    let model = world.state.model(&name("wine-quality")).unwrap();
    assert_eq!(model.latest().weights.len(), 2);
}

#[test]
fn later_rounds_go_on_meanwhile() {
    let mut world = announced();
    world.open_round(2);
    let second = world.settlement(2, &[(0, 30, 10), (1, 10, 10)]);
    world.push(second);
    assert_eq!(pending(&world), [1_500, 500, 0]);
    let due =
        |world: &World, now_ms| world.state.federation(&name("wine")).unwrap().due(now_ms).count();
    assert_eq!((due(&world, world.now_ms), due(&world, world.now_ms + WINDOW_MS)), (0, 2));
}

#[test]
fn an_objection_holds_the_pay_back_and_lapses() {
    let mut world = announced();
    let objection = dispute(&world, 3, Accused::Member(member(0)));
    world.push(objection.clone());
    assert!(matches!(world.refusal(objection), Refusal::Exists { .. }));
    // However early it came, there is the time of a decision after the window: evidence may come late.
    world.now_ms += WINDOW_MS + DECISION_MS - 1;
    assert!(matches!(world.refusal(posted(1_000)), Refusal::UnderChallenge { .. }));
    world.now_ms += 1;
    world.push(posted(1_000));
    assert_eq!(credits(&world), [750, 250, 0]);
}

#[test]
fn objections_are_members_signed_in_time_and_one_at_a_time() {
    let mut world = announced();
    let stranger = dispute_by(&world, &world::key(99), Accused::Round);
    assert!(matches!(world.refusal(stranger), Refusal::NotAMember { .. }));
    let mut forged = dispute(&world, 3, Accused::Round);
    forged.dispute.complainant = member(2);
    assert!(matches!(world.refusal(forged), Refusal::Signature(_)));
    let nobody = dispute(&world, 3, Accused::Member(world::key(99).verifying_key()));
    assert!(matches!(world.refusal(nobody), Refusal::Unknown { .. }));
    world.push(dispute(&world, 3, Accused::Round));
    let second = dispute(&world, 3, Accused::Member(member(0)));
    assert!(matches!(world.refusal(second), Refusal::DisputeOpen { round: 1, .. }));
    world.now_ms += WINDOW_MS;
    let late = dispute(&world, 2, Accused::Member(member(0)));
    assert!(matches!(world.refusal(late), Refusal::ChallengeOver { .. }));
}

#[test]
fn an_upheld_objection_voids_what_it_accuses_and_nothing_else() {
    let mut world = announced_with_votes();
    let before = credits(&world);
    let accused = Accused::Member(member(0));
    let uphold = Action::UpholdDispute { federation: "wine".into(), round: 1, accused };
    let unheard = world.content(0, vec![uphold.clone()]);
    let signature = unheard.sign(&members()[0]);
    let made = ProposalMade { content: unheard, signature };
    assert!(matches!(world.refusal(made), Refusal::Unknown { .. }), "there is no dispute yet");
    world.push(dispute(&world, 3, accused));
    decide(&mut world, vec![uphold]);
    assert_eq!(pending(&world), [0, 250, 0]);
    world.now_ms += WINDOW_MS;
    world.push(posted(250));
    assert_eq!(credits(&world), [before[0], before[1] + 250, 0]);
    // The value that was made up does not earn in the next round either.
    let standing = &world.state.federation(&name("wine")).unwrap().standings()[&member(0)];
    assert_eq!((standing.value_sum(), standing.rounds(), standing.credits()), (0, 0, 0));
}

#[test]
fn an_upheld_objection_to_a_round_pays_nobody() {
    let mut world = announced_with_votes();
    let before = credits(&world);
    world.push(dispute(&world, 3, Accused::Round));
    world.push(dispute(&world, 2, Accused::Member(member(1))));
    let uphold = |accused| Action::UpholdDispute { federation: "wine".into(), round: 1, accused };
    let both = vec![uphold(Accused::Round), uphold(Accused::Member(member(1)))];
    let content = world.content(0, both);
    let signature = content.sign(&members()[0]);
    let refused = world.refusal(ProposalMade { content, signature });
    assert!(matches!(refused, Refusal::Governance(_)), "the second has nothing left to void");
    decide(&mut world, vec![uphold(Accused::Round)]);
    assert_eq!((credits(&world), pending(&world)), (before, vec![0; 3]));
    assert!(matches!(progress(&world), PayProgress::Voided { .. }));
    assert!(matches!(world.refusal(posted(0)), Refusal::NotUnderChallenge { .. }));
    assert_eq!(world.state.accounts().pending_count(), 0);
}

#[test]
fn who_is_suspended_holds_nobodys_pay_back() {
    let mut world = announced_with_votes();
    let suspend = Action::SuspendMember { member: member(3), reason: "objects to all".into() };
    decide(&mut world, vec![suspend]);
    let objection = dispute(&world, 3, Accused::Round);
    assert!(matches!(world.refusal(objection), Refusal::MemberIs { state: "suspended", .. }));
    world.push(dispute(&world, 2, Accused::Round));
}

#[test]
fn a_decision_that_is_queued_late_still_holds_the_pay_back() {
    let mut world = announced_with_votes();
    let accused = Accused::Member(member(0));
    world.push(dispute(&world, 3, accused));
    let federation = "wine".to_owned();
    let upheld = world.propose(0, vec![Action::UpholdDispute { federation, round: 1, accused }]);
    world.now_ms += 11;
    for position in 0..2 {
        world.push(world.ballot(position, upheld, Choice::For));
    }
    // Nothing is appended until the objection would lapse: then the queueing comes first.
    world.now_ms += DECISION_MS;
    assert!(matches!(world.refusal(posted(1_000)), Refusal::UnderChallenge { .. }));
    world.now_ms += 80;
    world.push(posted(250));
    assert_eq!(world.state.proposal(upheld).unwrap().state(world.now_ms), ProposalState::Executed);
}

#[test]
fn safeguards_are_set_once_before_the_first_round_and_within_bounds() {
    let mut world = World::founded();
    assert!(matches!(world.refusal(safeguards(0)), Refusal::OutOfBounds { .. }));
    let month_ms = 30 * 24 * 60 * 60 * 1000;
    assert!(matches!(world.refusal(safeguards(month_ms + 1)), Refusal::OutOfBounds { .. }));
    world.push(safeguards(1));
    assert!(matches!(world.refusal(safeguards(2)), Refusal::SafeguardsStand { .. }));
    let mut world = World::founded();
    world.open_round(1);
    assert!(matches!(world.refusal(safeguards(1)), Refusal::SafeguardsStand { .. }));
    // A DAO that is no demonstration gives at least an hour.
    let mut state = State::default();
    let mut earnest = genesis();
    earnest.bounds = BoundsKind::Standard;
    earnest.charter = data_dao_governance::CharterParameters::STANDARD;
    let mut apply = |body: data_dao_journal::Body| state.apply(&Entry { time_ms: 1, body });
    apply(earnest.into()).unwrap();
    apply(world::federation("wine").into()).unwrap();
    let hour_ms = 60 * 60 * 1000;
    let short = apply(safeguards(hour_ms - 1).into()).unwrap_err();
    assert!(matches!(short, Refusal::OutOfBounds { what: "challenge_window_ms", .. }));
    apply(safeguards(hour_ms).into()).unwrap();
}

#[test]
fn a_federation_without_safeguards_pays_at_once_as_the_first_logs_did() {
    let world = World::after_one_round();
    assert_eq!(credits(&world), [750, 250, 0]);
    assert!(matches!(progress(&world), PayProgress::Posted { .. }));
    let federation: Name = name("wine");
    assert!(world.state.federation(&federation).unwrap().challenges().is_empty());
}
