//! What members can decide, and what no majority can.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod world;

use data_dao_governance::{
    Action, Consent, Departure, Evidence, GovernanceError, GuardianAcceptance, Invitation, Joining,
    Parameter, PrivacyPolicy, ProposalId, ProposalState, Request as _, Role, Veto,
};
use data_dao_journal::{
    Body, ConsentGiven, Entry, Founder, GuardianAccepted, MemberJoined, MemberLeft, MembersFounded,
    MembershipState, ProposalMade, ProposalVetoed, Refusal, RoundSettled, RoundSettling,
    SettledPart, State,
};
use data_dao_ledger::AccountId;
use privacy_identity::{SigningKey, VerifyingKey};
use world::{World, digest, genesis, key, member, members, name, purchase, round_opened};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Whether the actions are refused when they are proposed.
fn refused(world: &mut World, actions: Vec<Action>) -> Refusal {
    let content = world.content(0, actions);
    let signature = content.sign(&members()[0]);
    world.refusal(ProposalMade { content, signature })
}

fn executed(world: &World, proposal: ProposalId) -> bool {
    world.state.proposal(proposal).unwrap().state(world.now_ms) == ProposalState::Executed
}

/// After a sale of 250: the treasury has 25, members 0 and 1 have 169 and 56.
fn with_a_sale() -> World {
    let mut world = World::with_paid_calls();
    world.push(world.reservation(20));
    world.push(world.prediction(20));
    world
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
    let mut world = with_a_sale();
    assert_eq!(world.state.treasury(), 25);
    let before = world.state.earnings(&member(2));
    let pay = |to, amount| Action::TreasuryTransfer { to, amount };
    let stranger = refused(&mut world, vec![pay(key(77).verifying_key(), 1)]);
    assert!(matches!(stranger, Refusal::NotAMemberOfTheDao { .. }));
    let nothing = refused(&mut world, vec![pay(member(2), 0)]);
    assert!(matches!(nothing, Refusal::OutOfBounds { .. }));
    // Together more than there is: none is paid, until the next sale.
    let proposal = world.pass(vec![pay(member(2), 20), pay(member(3), 20)]);
    assert!(!executed(&world, proposal));
    assert_eq!((world.state.treasury(), world.state.earnings(&member(2))), (25, before));
    world.push(world.reservation(21));
    world.push(world.prediction(21));
    world.tick();
    assert!(executed(&world, proposal));
    assert_eq!((world.state.treasury(), world.state.earnings(&member(2))), (10, before + 20));
    world.tick();
    assert_eq!(world.state.treasury(), 10, "once");
}

#[test]
fn actions_are_carried_out_all_or_none() {
    let mut world = with_a_sale();
    let pay = Action::TreasuryTransfer { to: member(2), amount: 1_000 };
    let price = Action::SetPredictionPrice { model: "wine-quality".into(), price: 999 };
    let proposal = world.pass(vec![price, pay]);
    assert!(!executed(&world, proposal));
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

fn policy(world: &World) -> PrivacyPolicy {
    world.state.federation(&name("wine")).unwrap().policy().clone()
}

fn set_policy(policy: PrivacyPolicy) -> Vec<Action> {
    vec![Action::SetPrivacyPolicy { federation: "wine".into(), policy }]
}

fn consent(world: &World, position: usize, policy: &PrivacyPolicy) -> ConsentGiven {
    let member = member(position);
    let consent = Consent {
        dao: world.state.dao_id().unwrap(),
        federation: "wine".into(),
        policy: policy.digest(),
        member,
        nonce: world.nonce(&member),
        expires_ms: u64::MAX,
    };
    let signature = consent.sign(&members()[position]);
    ConsentGiven { consent, signature }
}

#[test]
fn promise_7_a_vote_that_weakens_privacy_reaches_no_device_that_did_not_sign() {
    for weaker in [
        |now: PrivacyPolicy| PrivacyPolicy { terms: digest(9), ..now },
        |now: PrivacyPolicy| PrivacyPolicy { minimum_cohort: 1, ..now },
    ] {
        let mut world = World::after_one_round();
        let weaker = weaker(policy(&world));
        // All weight there is votes for it.
        let proposal = world.pass(set_policy(weaker.clone()));
        assert!(executed(&world, proposal));
        assert_eq!(
            (policy(&world), world.state.contributors(&name("wine"))),
            (weaker.clone(), vec![])
        );
        world.open_round(2);
        let settlement = world.settlement(2, &[(0, 3, 10), (1, 1, 10)]);
        let without = world.refusal(settlement.clone());
        assert!(matches!(without, Refusal::NoConsent { .. }));
        // A consent during the round does not reach back, and nobody signs for another.
        let mut forged = consent(&world, 1, &weaker);
        forged.signature = forged.consent.sign(&members()[0]);
        assert!(matches!(world.refusal(forged), Refusal::Signature(_)));
        world.push(consent(&world, 0, &weaker));
        assert!(matches!(world.refusal(settlement.clone()), Refusal::NoConsent { .. }));
        world.push(consent(&world, 1, &weaker));
        assert_eq!(world.state.contributors(&name("wine")), [member(0), member(1)]);
        world.push(settlement);
        // Consent to something else is none.
        let other = PrivacyPolicy { terms: digest(8), ..weaker };
        let elsewhere = world.refusal(consent(&world, 2, &other));
        assert!(matches!(elsewhere, Refusal::Differs { .. }));
    }
}

#[test]
fn promise_7_what_strengthens_privacy_holds_at_once_and_taking_it_back_does_not() {
    let mut world = World::after_one_round();
    let stronger = PrivacyPolicy { minimum_cohort: 4, ..policy(&world) };
    let before = policy(&world);
    world.pass(set_policy(stronger));
    assert_eq!(world.state.contributors(&name("wine")).len(), 4, "nobody has to sign for more");
    let small = data_dao_journal::RoundOpened { cohort_size: 3, ..round_opened("wine", 2) };
    assert!(matches!(world.refusal(small), Refusal::OutOfBounds { what: "cohort_size", .. }));
    world.pass(set_policy(before));
    assert_eq!(world.state.contributors(&name("wine")), []);
}

#[test]
fn promise_7_a_bound_on_privacy_loss_stops_rounds() {
    let mut world = World::founded();
    let noisy = |round, epsilon_micro| data_dao_journal::RoundOpened {
        epsilon_micro,
        ..round_opened("wine", round)
    };
    world.push(noisy(1, Some(600_000)));
    let settlement = world.settlement(1, &[(0, 30, 10), (1, 10, 10)]);
    world.push(settlement);
    let bounded = PrivacyPolicy { epsilon_micro_max: Some(1_000_000), ..policy(&world) };
    world.pass(set_policy(bounded));
    let too_much = world.refusal(noisy(2, Some(400_001)));
    assert!(matches!(too_much, Refusal::Ledger(_)), "{too_much:?}");
    let unbounded = world.refusal(noisy(2, None));
    assert!(matches!(unbounded, Refusal::PrivacyUnbounded { max: 1_000_000, .. }));
    world.push(noisy(2, Some(400_000)));
}

#[test]
fn promise_7_a_voted_bound_moves_the_budget_and_gives_nothing_spent_back() {
    let mut world = World::founded();
    let noisy = |round, loss| data_dao_journal::RoundOpened {
        epsilon_micro: Some(loss),
        ..round_opened("wine", round)
    };
    world.push(noisy(1, 600_000));
    let settlement = world.settlement(1, &[(0, 30, 10), (1, 10, 10)]);
    world.push(settlement);
    let left = |world: &World| {
        world.state.epsilon_micro_left(world.state.federation(&name("wine")).unwrap())
    };
    assert_eq!(left(&world), None);
    for (bound, expected) in [
        (Some(1_000_000), Some(400_000)),
        (Some(500_000), Some(0)),
        (Some(600_001), Some(1)),
        (None, None),
        (Some(700_000), Some(100_000)),
    ] {
        let voted = PrivacyPolicy { epsilon_micro_max: bound, ..policy(&world) };
        let proposal = world.pass(set_policy(voted));
        assert!(executed(&world, proposal));
        assert_eq!(left(&world), expected, "{bound:?}");
        let budget = AccountId::privacy_budget(name("wine"));
        let balance = world.state.accounts().account(&budget).balance();
        assert_eq!(balance, u128::from(expected.unwrap_or(0)));
    }
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

fn joined(world: &World, inviter: &SigningKey, newcomer: &SigningKey) -> MemberJoined {
    let (dao, member) = (world.state.dao_id().unwrap(), newcomer.verifying_key());
    let (roles, expires_ms) = (vec![Role::Contributor, Role::Buyer], world.now_ms + 10);
    let invitation =
        Invitation { dao, inviter: inviter.verifying_key(), member, roles, expires_ms };
    let (label, nonce) = ("Newcomer".to_owned(), world.nonce(&member));
    let joining = Joining { dao, member, label, nonce, expires_ms: u64::MAX };
    let (invitation_signature, signature) = (invitation.sign(inviter), joining.sign(newcomer));
    MemberJoined { invitation, invitation_signature, joining, signature }
}

#[test]
fn a_member_invites_and_only_the_invited_joins_in_time() {
    let mut world = World::after_one_round();
    let (newcomer, stranger) = (key(60), key(61));
    let inviter = &members()[0];
    let good = joined(&world, inviter, &newcomer);
    assert!(matches!(
        world.refusal(joined(&world, &stranger, &newcomer)),
        Refusal::NotAMemberOfTheDao { .. }
    ));
    let mut forged = good.clone();
    forged.invitation_signature = good.invitation.sign(&stranger);
    assert!(matches!(world.refusal(forged), Refusal::Signature(_)));
    let mut taken = good.clone();
    taken.joining.member = stranger.verifying_key();
    taken.signature = taken.joining.sign(&stranger);
    assert!(matches!(world.refusal(taken), Refusal::Differs { .. }));
    let mut raised = good.clone();
    raised.invitation.roles = vec![Role::Aggregator];
    raised.invitation_signature = raised.invitation.sign(inviter);
    assert!(matches!(
        world.refusal(raised),
        Refusal::Governance(GovernanceError::RoleNeedsVote { role: Role::Aggregator })
    ));
    let now_ms = world.now_ms;
    world.now_ms += 11;
    assert!(matches!(
        world.refusal(good.clone()),
        Refusal::Governance(GovernanceError::RequestExpired { .. })
    ));
    assert_eq!(world.state.time_ms(), now_ms, "refusals do not move the clock");
    world.now_ms = now_ms;
    world.push(good.clone());
    let found = world.state.membership(&newcomer.verifying_key()).unwrap();
    assert_eq!(
        (found.state, found.inviter),
        (MembershipState::Active, Some(inviter.verifying_key()))
    );
    assert!(matches!(world.refusal(good), Refusal::Governance(GovernanceError::NonceUsed { .. })));
}

fn departure(world: &World, position: usize, paid_out: u128) -> MemberLeft {
    let member = member(position);
    let (dao, nonce) = (world.state.dao_id().unwrap(), world.nonce(&member));
    let departure = Departure { dao, member, nonce, expires_ms: u64::MAX };
    let signature = departure.sign(&members()[position]);
    MemberLeft { departure, signature, paid_out }
}

#[test]
fn who_leaves_is_paid_out_and_votes_no_more() {
    let mut world = with_a_sale();
    let owed = world.state.earnings(&member(0));
    assert!(owed > 0);
    assert!(matches!(world.refusal(departure(&world, 0, owed - 1)), Refusal::Differs { .. }));
    let mut forged = departure(&world, 0, owed);
    forged.signature = forged.departure.sign(&members()[1]);
    assert!(matches!(world.refusal(forged), Refusal::Signature(_)));
    let held = |world: &World| {
        let currency = world.state.genesis().unwrap().currency;
        let outside = world.state.accounts().account(&AccountId::deposits(currency));
        outside.debits_posted - outside.credits_posted
    };
    let before = held(&world);
    world.push(departure(&world, 0, owed));
    assert_eq!((world.state.earnings(&member(0)), before - held(&world)), (0, owed));
    let votes = world.state.accounts().account(&AccountId::vote_member(member(0)));
    assert_eq!(votes.balance(), 0);
    assert_eq!(world.state.vote_weights().keys().collect::<Vec<_>>(), [&member(1)]);
    assert!(matches!(
        world.refusal(departure(&world, 0, 0)),
        Refusal::MemberIs { state: "gone", .. }
    ));
    // Its credits still earn from the models that it made; coming back takes an invitation.
    world.push(joined(&world, &members()[1], &members()[0]));
    assert_eq!(world.state.vote_weight(&member(0), world.now_ms), 0, "votes do not come back");
}

fn founded(members: Vec<Founder>, guardian: Option<VerifyingKey>) -> Result<State, Refusal> {
    let mut state = State::default();
    let entry = |body: Body| Entry { time_ms: 1, body };
    state.apply(&entry(genesis().into())).unwrap();
    let before = state.clone();
    let guardian_term_ms = if guardian.is_some() { DAY_MS } else { 0 };
    let body = MembersFounded { members, guardian, guardian_term_ms };
    match state.apply(&entry(body.clone().into())) {
        Ok(()) => {
            let again = state.apply(&entry(body.into()));
            assert!(matches!(again, Err(Refusal::FoundersTooLate { index: 2 })));
            Ok(state)
        }
        Err(refusal) => {
            assert_eq!(state, before);
            Err(refusal)
        }
    }
}

#[test]
fn founders_stand_in_the_second_entry_in_order_and_once() {
    let founder = |position: usize, roles: Vec<Role>| {
        let (member, label) = (member(position), format!("founder {position}"));
        Founder { member, label, roles }
    };
    let one = || vec![Role::Contributor];
    let both = || vec![founder(0, one()), founder(1, vec![Role::Custodian, Role::Aggregator])];
    let guardian = key(80).verifying_key();
    let state = founded(both(), Some(guardian)).unwrap();
    assert_eq!(state.members().len(), 2);
    assert_eq!(state.nominated_guardian(), Some((guardian, DAY_MS)));
    let backwards = founded(both().into_iter().rev().collect(), None);
    assert!(matches!(backwards, Err(Refusal::NotAscending { .. })));
    let twice = founded(vec![founder(0, one()), founder(0, one())], None);
    assert!(matches!(twice, Err(Refusal::NotAscending { .. })));
    let nothing = founded(vec![founder(0, vec![])], None);
    assert!(matches!(nothing, Err(Refusal::Governance(GovernanceError::Roles))));
}
