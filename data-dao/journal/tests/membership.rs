//! Who is a member, and how one joins and leaves.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "each test file uses its part of the shared world")]

mod world;

use data_dao_governance::{
    Action, Departure, GovernanceError, Invitation, Joining, Request as _, Role,
};
use data_dao_journal::{
    Body, Entry, Founder, MemberJoined, MemberLeft, MembersFounded, MembershipState, Refusal, State,
};
use data_dao_ledger::AccountId;
use privacy_identity::{SigningKey, VerifyingKey};
use world::{World, genesis, key, member, members};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
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

/// The money in the books.
fn held_outside(world: &World) -> u128 {
    let currency = world.state.genesis().unwrap().currency;
    let outside = world.state.accounts().account(&AccountId::deposits(currency));
    outside.debits_posted - outside.credits_posted
}

#[test]
fn who_leaves_is_paid_out_and_votes_no_more() {
    let mut world = World::with_a_sale();
    let owed = world.state.earnings(&member(0));
    assert!(owed > 0);
    assert!(matches!(world.refusal(departure(&world, 0, owed - 1)), Refusal::Differs { .. }));
    let mut forged = departure(&world, 0, owed);
    forged.signature = forged.departure.sign(&members()[1]);
    assert!(matches!(world.refusal(forged), Refusal::Signature(_)));
    let before = held_outside(&world);
    world.push(departure(&world, 0, owed));
    assert_eq!((world.state.earnings(&member(0)), before - held_outside(&world)), (0, owed));
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

#[test]
fn who_left_is_paid_out_what_its_models_earn_afterwards() {
    let mut world = World::with_a_sale();
    world.push(departure(&world, 0, world.state.earnings(&member(0))));
    let left = world.state.membership(&member(0)).unwrap().clone();
    world.push(world.reservation(21));
    world.push(world.prediction(21));
    let owed = world.state.earnings(&member(0));
    assert!(owed > 0, "its model goes on selling");
    assert!(matches!(world.refusal(departure(&world, 0, owed - 1)), Refusal::Differs { .. }));
    let before = held_outside(&world);
    let paid = departure(&world, 0, owed);
    world.push(paid.clone());
    assert_eq!((world.state.earnings(&member(0)), before - held_outside(&world)), (0, owed));
    assert_eq!(world.state.membership(&member(0)), Some(&left), "it left when it left");
    let replayed = world.refusal(paid);
    assert!(matches!(replayed, Refusal::Governance(GovernanceError::NonceUsed { .. })));
    let nothing = world.refusal(departure(&world, 0, 0));
    assert!(matches!(nothing, Refusal::MemberIs { state: "gone", .. }));
    let stranger =
        Departure { member: key(60).verifying_key(), ..departure(&world, 0, 0).departure };
    let signature = stranger.sign(&key(60));
    let stranger = MemberLeft { departure: stranger, signature, paid_out: 0 };
    assert!(matches!(world.refusal(stranger), Refusal::NotAMemberOfTheDao { .. }));
}

#[test]
fn who_is_suspended_is_paid_out_and_stays_suspended_with_its_votes() {
    let mut world = World::with_a_sale();
    let reason = "It sold its key.".to_owned();
    world.pass(vec![Action::SuspendMember { member: member(1), reason }]);
    let suspended = world.state.membership(&member(1)).unwrap().clone();
    assert!(matches!(suspended.state, MembershipState::Suspended { .. }));
    let votes = |world: &World| {
        world.state.accounts().account(&AccountId::vote_member(member(1))).balance()
    };
    let (owed, before) = (world.state.earnings(&member(1)), votes(&world));
    assert!(owed > 0 && before > 0);
    world.push(departure(&world, 1, owed));
    assert_eq!((world.state.earnings(&member(1)), votes(&world)), (0, before));
    assert_eq!(world.state.membership(&member(1)), Some(&suspended));
    let back = joined(&world, &members()[0], &members()[1]);
    assert!(matches!(world.refusal(back), Refusal::MemberIs { state: "suspended", .. }));
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
