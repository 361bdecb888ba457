//! What members can decide, and what no majority can.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod world;

use data_dao_governance::{
    Action, Class, Evidence, GovernanceError, GuardianAcceptance, Parameter, ProposalId,
    ProposalState, Request as _, Role, Veto,
};
use data_dao_journal::{
    Body, GuardianAccepted, PredictionReserved, ProposalMade, ProposalVetoed, Refusal,
    RoundSettled, RoundSettling, Rules, SettledPart,
};
use data_dao_ledger::AccountId;
use privacy_identity::SigningKey;
use world::{World, digest, key, member, members, name, purchase, round_opened};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Whether the actions are refused when they are proposed.
fn refused(world: &mut World, actions: Vec<Action>) -> Refusal {
    let content = world.content(0, actions);
    let signature = content.sign(&members()[0]);
    world.refusal(ProposalMade { content, signature })
}

#[test]
fn a_parameter_changes_for_later_proposals_and_only_within_its_bounds() {
    let mut world = World::after_one_round();
    let set = |parameter, value| vec![Action::SetParameter { parameter, value }];
    for (parameter, value) in [(Parameter::QuorumPercent, 101), (Parameter::VotingPeriodMs, 0)] {
        assert!(matches!(refused(&mut world, set(parameter, value)), Refusal::Charter(_)));
    }
    let earlier = world.propose(0, vec![Action::Text]);
    world.pass(set(Parameter::QuorumPercent, 90));
    assert_eq!(world.state.charter().unwrap().parameters().quorum_percent, 90);
    let later = world.propose(0, vec![Action::Text]);
    let quorum = |id| world.state.proposal(id).unwrap().charter().parameters().quorum_percent;
    assert_eq!((quorum(earlier), quorum(later)), (40, 90));
}

#[test]
fn the_treasury_pays_members_and_waits_until_it_can() {
    let mut world = World::with_a_sale();
    assert_eq!(world.state.treasury(), 25);
    let before = world.state.earnings(&member(2));
    let pay = |to, amount| Action::TreasuryTransfer { to, amount };
    let stranger = refused(&mut world, vec![pay(key(77).verifying_key(), 1)]);
    assert!(matches!(stranger, Refusal::NotAMemberOfTheDao { .. }));
    let nothing = refused(&mut world, vec![pay(member(2), 0)]);
    assert!(matches!(nothing, Refusal::OutOfBounds { .. }));
    // Together more than there is: none is paid, until the next sale.
    let proposal = world.pass(vec![pay(member(2), 20), pay(member(3), 20)]);
    assert!(!world.executed(proposal));
    assert_eq!((world.state.treasury(), world.state.earnings(&member(2))), (25, before));
    world.push(world.reservation(21));
    world.push(world.prediction(21));
    world.tick();
    assert!(world.executed(proposal));
    assert_eq!((world.state.treasury(), world.state.earnings(&member(2))), (10, before + 20));
    world.tick();
    assert_eq!(world.state.treasury(), 10, "once");
}

#[test]
fn actions_are_carried_out_all_or_none() {
    let mut world = World::with_a_sale();
    let pay = Action::TreasuryTransfer { to: member(2), amount: 1_000 };
    let price = Action::SetPredictionPrice { model: "wine-quality".into(), price: 999 };
    let proposal = world.pass(vec![price, pay]);
    assert!(!world.executed(proposal));
    assert_eq!(world.state.model(&name("wine-quality")).unwrap().price(), Some(250));
    // The log goes on, and the proposal ends with its grace.
    world.now_ms += 1_000;
    world.push(purchase("p-2", 1, 250));
    let state = world.state.proposal(proposal).unwrap().state(world.now_ms);
    assert_eq!(state, ProposalState::Expired);
}

#[test]
fn the_royalty_split_of_later_sales_changes() {
    let mut world = World::whole_life();
    let percent = |treasury_percent| vec![Action::SetRoyaltySplit { treasury_percent }];
    assert!(matches!(refused(&mut world, percent(101)), Refusal::OutOfBounds { .. }));
    world.pass(percent(50));
    assert_eq!((world.state.treasury_percent(), world.state.treasury()), (Some(50), 25));
    world.push(world.reservation(21));
    world.push(world.prediction(21));
    assert_eq!(world.state.treasury(), 25 + 125);
}

#[test]
fn a_delisted_model_sells_no_calls_and_keeps_its_promises() {
    let mut world = World::with_paid_calls();
    world.pass(vec![Action::DelistModel { model: "wine-quality".into() }]);
    let buy = world.refusal(purchase("p-2", 1, 250));
    assert!(matches!(buy, Refusal::Delisted { .. }));
    world.push(world.reservation(20));
    world.push(world.prediction(20));
    world.pass(vec![Action::ListModel { model: "wine-quality".into() }]);
    world.push(purchase("p-2", 1, 250));
}

#[test]
fn a_stopped_federation_opens_no_rounds_and_ends_the_open_one() {
    let mut world = World::after_one_round();
    world.open_round(2);
    world.pass(vec![Action::StopFederation { federation: "wine".into() }]);
    let settlement = world.settlement(2, &[(0, 3, 10), (1, 1, 10)]);
    world.push(settlement);
    assert!(matches!(world.refusal(round_opened("wine", 3)), Refusal::Stopped { .. }));
    world.pass(vec![Action::StartFederation { federation: "wine".into() }]);
    world.open_round(3);
}

#[test]
fn the_novelty_that_qualifies_for_pay_changes() {
    let mut world = World::after_one_round();
    let novelty = |percent| vec![Action::SetNovelty { federation: "wine".into(), percent }];
    assert!(matches!(refused(&mut world, novelty(u32::MAX)), Refusal::OutOfBounds { .. }));
    world.pass(novelty(0));
    world.open_round(2);
    let settlement = world.settlement(2, &[(0, 30, 10), (1, 10, 10), (2, 40, 1)]);
    let paid: Vec<_> = settlement.participants.iter().map(|paid| paid.credits > 0).collect();
    assert_eq!(paid, [true, true, true], "who replays is paid now, as members wanted");
    world.push(settlement);
}

#[test]
fn members_are_admitted_suspended_and_reinstated_by_vote() {
    let mut world = World::after_one_round();
    let newcomer = key(60).verifying_key();
    let admit = |roles| Action::AdmitMember { member: newcomer, label: "Depot".into(), roles };
    world.pass(vec![admit(vec![Role::Aggregator])]);
    assert_eq!(world.state.membership(&newcomer).unwrap().roles, [Role::Aggregator]);
    let again = refused(&mut world, vec![admit(vec![Role::Member])]);
    assert!(matches!(again, Refusal::Exists { .. }));

    let votes = |world: &World| world.state.vote_weight(&member(1), world.now_ms);
    assert_eq!(votes(&world), 250);
    let (target, reason) = (member(1), "Sold the cohort's key.".to_owned());
    world.pass(vec![Action::SuspendMember { member: target, reason }]);
    assert_eq!(
        (votes(&world), world.state.contributors(&name("wine")).contains(&target)),
        (0, false)
    );
    // A round that is opened now and settled with it would pay it.
    world.open_round(2);
    let settlement = world.settlement(2, &[(0, 3, 10), (1, 1, 10)]);
    assert!(matches!(world.refusal(settlement), Refusal::MemberIs { state: "suspended", .. }));
    let settlement = world.settlement(2, &[(0, 3, 10), (2, 1, 10)]);
    world.push(settlement);
    let active = refused(&mut world, vec![Action::ReinstateMember { member: member(0) }]);
    assert!(matches!(active, Refusal::MemberIs { state: "active", .. }));
    world.now_ms += 1;
    let proposal = world.propose(0, vec![Action::ReinstateMember { member: target }]);
    world.now_ms += 11;
    world.push(world.ballot(0, proposal, data_dao_governance::Choice::For));
    world.push(world.ballot(2, proposal, data_dao_governance::Choice::For));
    world.now_ms += 100;
    world.tick();
    world.now_ms += 80;
    world.tick();
    assert_eq!(votes(&world), 250);
}

#[test]
fn slashing_needs_evidence_and_takes_credits_and_votes() {
    let mut world = World::after_one_round();
    let slash = |entry, credits| Action::SlashCredit {
        member: member(1),
        credits,
        evidence: Evidence { entry, document: digest(4) },
        reason: "Replayed another member's update.".into(),
    };
    let made_up = refused(&mut world, vec![slash(u64::MAX, 1)]);
    assert!(matches!(made_up, Refusal::OutOfBounds { what: "evidence.entry", .. }));
    let nothing = refused(&mut world, vec![slash(3, 0)]);
    assert!(matches!(nothing, Refusal::OutOfBounds { what: "credits", .. }));
    world.pass(vec![slash(3, 100)]);
    let held = |world: &World| {
        let booked = world.state.accounts().account(&AccountId::vote_member(member(1))).balance();
        let weight = world.state.vote_weight(&member(1), world.now_ms);
        assert_eq!(weight, booked, "nothing has aged: the weight is what the book says");
        (world.state.credits(&member(1)), weight)
    };
    assert_eq!(held(&world), (150, 150));
    // More than there is takes what there is: nobody is saved by having less.
    world.pass(vec![slash(3, 1_000_000)]);
    assert_eq!(held(&world), (0, 0));
    let issued = world.state.accounts().account(&AccountId::credit_issuance());
    assert_eq!(issued.debits_posted - issued.credits_posted, 750);
}

#[test]
fn witnesses_and_their_quorum_are_voted() {
    let mut world = World::after_one_round();
    let vkey = |hash: &str| format!("watch.example+{hash}+AQIDBA==");
    let set = |hash: &str| Action::SetWitness { name: "watch".into(), vkey: vkey(hash) };
    let bad = Action::SetWitness { name: "watch".into(), vkey: "no key".into() };
    assert!(matches!(refused(&mut world, vec![bad]), Refusal::Vkey { .. }));
    let early = refused(&mut world, vec![Action::SetWitnessQuorum { quorum: 1 }]);
    assert!(matches!(early, Refusal::OutOfBounds { .. }));
    world.pass(vec![set("00000001")]);
    world.pass(vec![Action::SetWitnessQuorum { quorum: 1 }]);
    let remove = || vec![Action::RemoveWitness { name: "watch".into() }];
    let needed = refused(&mut world, remove());
    assert!(matches!(needed, Refusal::OutOfBounds { .. }), "the quorum could not be reached");
    world.pass(vec![set("00000002")]);
    let witnesses = world.state.witnesses();
    assert_eq!(
        (witnesses.keys.values().collect::<Vec<_>>(), witnesses.quorum),
        (vec![&vkey("00000002")], 1)
    );
    world.pass(vec![Action::SetWitnessQuorum { quorum: 0 }]);
    world.pass(remove());
    assert!(world.state.witnesses().keys.is_empty());
}

fn acceptance(world: &World, key: &SigningKey) -> GuardianAccepted {
    let guardian = key.verifying_key();
    let (dao, nonce) = (world.state.dao_id().unwrap(), world.nonce(&guardian));
    let acceptance = GuardianAcceptance { dao, guardian, nonce, expires_ms: u64::MAX };
    let signature = acceptance.sign(key);
    GuardianAccepted { acceptance, signature }
}

fn veto(world: &World, key: &SigningKey, proposal: ProposalId) -> ProposalVetoed {
    let guardian = key.verifying_key();
    let (dao, nonce) = (world.state.dao_id().unwrap(), world.nonce(&guardian));
    let reason = "The members were deceived.".to_owned();
    let veto = Veto { dao, proposal, guardian, reason, nonce, expires_ms: u64::MAX };
    let signature = veto.sign(key);
    ProposalVetoed { veto, signature }
}

#[test]
fn a_guardian_serves_after_accepting_stops_others_and_ends_by_itself() {
    let mut world = World::after_one_round();
    let (first, second) = (key(80), key(81));
    let nominate = |of: &SigningKey, term_ms| {
        vec![Action::SetGuardian { guardian: Some(of.verifying_key()), term_ms }]
    };
    let too_long = refused(&mut world, nominate(&first, 366 * DAY_MS));
    assert!(matches!(too_long, Refusal::OutOfBounds { what: "term_ms", .. }));
    world.pass(nominate(&first, 1_000));
    assert_eq!(world.state.guardian(world.now_ms), None, "not before it accepts");
    let early = world.refusal(acceptance(&world, &second));
    assert!(matches!(early, Refusal::Governance(GovernanceError::NotNominated { .. })));
    world.push(acceptance(&world, &first));
    let sunset_ms = world.now_ms + 1_000;
    assert_eq!(world.state.guardian(world.now_ms).map(|g| g.sunset_ms), Some(sunset_ms));

    let proposal = world.propose(0, vec![Action::Text]);
    let stranger = world.refusal(veto(&world, &second, proposal));
    assert!(matches!(stranger, Refusal::Governance(GovernanceError::NotTheGuardian { .. })));
    world.push(veto(&world, &first, proposal));
    assert!(world.state.proposal(proposal).unwrap().state(world.now_ms).is_final());
    let about = world.propose(0, nominate(&second, 1_000));
    let own = world.refusal(veto(&world, &first, about));
    assert!(matches!(own, Refusal::Governance(GovernanceError::AboutTheGuardian)));
    world.now_ms = sunset_ms;
    assert_eq!(world.state.guardian(world.now_ms), None);
    let proposal = world.propose(0, vec![Action::Text]);
    let over = world.refusal(veto(&world, &first, proposal));
    assert!(matches!(over, Refusal::Governance(GovernanceError::NotTheGuardian { .. })));
}

#[test]
fn nothing_falls_due_between_the_parts_of_a_settlement() {
    let mut world = World::after_one_round();
    world.open_round(2);
    let proposal = world.propose(0, vec![Action::Text]);
    let whole = world.settlement(2, &[(0, 30, 10), (1, 10, 10)]);
    let parts: Vec<SettledPart> = (0..)
        .zip(&whole.participants)
        .map(|(part, participation)| SettledPart {
            federation: name("wine"),
            round: 2,
            part,
            participants: vec![participation.clone()],
            dropped: vec![],
        })
        .collect();
    world.push(RoundSettling {
        parts: parts.iter().map(SettledPart::digest).collect(),
        participants: 2,
        dropped: 0,
        settled: RoundSettled { participants: vec![], ..whole },
    });
    // The voting delay ends meanwhile.
    world.now_ms += 11;
    for part in parts {
        assert_eq!(world.state.due(world.now_ms), None);
        world.push(part);
    }
    let due = world.state.due(world.now_ms);
    assert!(matches!(&due, Some(Body::PollOpened(body)) if body.proposal == proposal), "{due:?}");
}

#[test]
fn a_sale_under_way_keeps_its_split_when_another_is_executed_before_it_is_booked() {
    let mut world = World::with_a_sale();
    let wine = name("wine-quality");
    let model = (&wine, 1);
    let reserved = world.reservation(21);
    let (id, before) = (reserved.prediction, world.state.treasury());
    world.push(PredictionReserved { expires_at_ms: u64::MAX, ..reserved });
    let sold = world.state.prediction_lines(&id, model, 250).unwrap();
    world.pass(vec![Action::SetRoyaltySplit { treasury_percent: 100 }]);
    assert_eq!(world.state.treasury_percent(), Some(100));
    // What the vote made of later sales is not what this one was sold under.
    let mut predicted = world.prediction(21);
    assert_ne!(predicted.lines, sold);
    assert!(matches!(world.refusal(predicted.clone()), Refusal::Differs { .. }));
    predicted.lines = sold.clone();
    world.push(predicted);
    assert_eq!(world.state.treasury(), before + 25);
    assert_eq!(world.state.prediction_lines(&id, model, 250).unwrap(), sold, "also afterwards");
    assert!(world.state.prediction_lines(&digest(99), model, 250).is_err());
    world.push(purchase("p-2", 1, 250));
    world.push(world.reservation(22));
    world.push(world.prediction(22));
    assert_eq!(world.state.treasury(), before + 25 + 250);
}

#[test]
fn rules_that_this_program_does_not_have_stop_it_and_are_in_the_log() {
    let mut world = World::after_one_round();
    let upgrade = |rules| vec![Action::UpgradeRules { rules }];
    let same = refused(&mut world, upgrade(Rules::NEWEST.digest()));
    assert!(matches!(same, Refusal::Exists { .. }));
    let content = world.content(0, upgrade(digest(9)));
    assert_eq!(data_dao_governance::Draft::new(content).unwrap().class(), Class::Critical);
    let proposal = world.pass(upgrade(digest(9)));
    assert!(world.executed(proposal));
    assert_eq!(world.state.rules(), digest(9));
    // Nothing more: not even what is due, and nothing of it changes the state.
    let before = world.state.clone();
    let refusal = world.refusal(purchase("p-9", 1, 250));
    assert!(matches!(refusal, Refusal::UnknownRules { rules } if rules == digest(9)));
    assert!(world.state == before);
    // Everything up to here is read by the rules of its time.
    let replay = data_dao_journal::audit(&world.leaves, None).unwrap();
    assert_eq!(replay.entries, world.state.entries());
}
