//! Cohorts that are drawn: over-selection closes a round at as many as it wants, and where members draw in secret nobody
//! takes part without a ticket that holds.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

mod world;

use aggregator_protocol::{ContributorReply, FederationTerms, Refusal, RoundGrant, RoundOrder};
use aggregator_round::{
    Input, OrderRefusal, Ordered, check_ticket, check_tickets, round_loss_micro,
};
use aggregator_strategy::{SamplingRate, Ticket, participation_key};
use privacy_identity::{Signed, Tag};

use crate::world::{
    World,
    dao::Logged,
    every_mode,
    federation::{Federation, asks_measure, asks_sum},
    modes,
};

const MEMBERS: usize = 6;

fn world(sealing: aggregator_protocol::SealingTerms, seed: u64, sampling: &str) -> World {
    let aggregators = if sealing.custody().is_some() { 1 } else { 2 };
    let mut world = World::sealed(sealing, seed, aggregators, MEMBERS);
    let sampling = sampling.parse().unwrap();
    world.terms = FederationTerms { sampling, ..world.terms }.checked().unwrap();
    world
}

/// A federation whose first round collects, with all members invited.
fn collecting(sealing: aggregator_protocol::SealingTerms, seed: u64, sampling: &str) -> Federation {
    let mut federation = Federation::of(world(sealing, seed, sampling));
    let everybody: Vec<_> = (0..MEMBERS).collect();
    federation.dao.open(federation.world.grant(0, &everybody));
    federation.run_grant();
    federation
}

/// Whether member `index` accepts the order under way, or why not.
fn accepts(federation: &Federation, index: usize) -> Result<Ordered, OrderRefusal> {
    let (world, order) = (&federation.world, federation.order().unwrap());
    let model = world.model(order.unverified_body().grant.unverified_body().round.0);
    Ordered::accept(&world.terms, &world.members[index], None, &order, &model)
}

#[test]
fn a_round_closes_with_as_many_as_it_wants_and_refuses_the_rest_by_name() {
    every_mode(|sealing| {
        let mut federation = collecting(sealing, 1, "uniform:size=4,over=1.5");
        let late = federation.contribution(5);
        federation.submit(&[0, 2, 3]);
        let held = federation.contribution(1);
        assert!(federation.coordinator.machine.collecting());
        federation.feed(&federation.submission(1, &held)).unwrap();
        assert!(!federation.coordinator.machine.collecting());
        federation.coordinator.restart();
        // No order for those who come now, and no place.
        let reply = federation.coordinator.machine.order_for(&federation.world.member(4), None);
        assert!(matches!(reply, ContributorReply::Wait { .. }));
        let refused = federation.feed(&federation.submission(5, &late));
        assert_eq!(refused.unwrap_err(), Refusal::Enough);
        // Who is in is acknowledged again.
        federation.feed(&federation.submission(1, &held)).unwrap();
        let Logged::Settled(receipt) = federation.end_round(|_, _, _, reply| Some(reply)) else {
            panic!("given up");
        };
        let receipt = receipt.unverified_body();
        assert_eq!(receipt.accepted.contributions().len(), 4);
        let world = &federation.world;
        assert_eq!(receipt.dropped, [world.member(4), world.member(5)]);
        assert!(receipt.refused.contains(&(Refusal::Enough, 1)), "{:?}", receipt.refused);
    });
}

#[test]
fn fewer_than_are_wanted_are_enough_at_the_deadline_if_they_are_a_minimum_cohort() {
    let check = |members: &[usize], settles: bool| {
        let mut federation = collecting(modes()[0], 2, "uniform:size=5,over=1.2");
        federation.submit(members);
        federation.pass_deadline();
        let late =
            federation.submission(5, &federation.world.contribution(5, &order(&federation), 0));
        assert_ne!(federation.feed(&late).unwrap_err(), Refusal::Enough);
        let ended = federation.end_round(|_, _, _, reply| Some(reply));
        assert_eq!(matches!(ended, Logged::Settled(_)), settles, "{members:?}");
    };
    check(&[0, 1, 2, 3], true);
    check(&[0, 1, 2], true);
    check(&[0, 1], false);
}

fn order(federation: &Federation) -> Signed<RoundOrder> {
    let everybody: Vec<_> = (0..MEMBERS).collect();
    federation.world.order(0, &everybody)
}

#[test]
fn a_grant_that_invites_more_than_its_rule_is_refused_by_coordinator_and_device() {
    let mut federation = Federation::of(world(modes()[0], 3, "uniform:size=4,over=1.25"));
    let world = &federation.world;
    let (five, six) = (world.grant(0, &[0, 1, 2, 3, 4]), world.grant(0, &[0, 1, 2, 3, 4, 5]));
    let accepts = |grant: &Signed<RoundGrant>| {
        let body = RoundOrder { grant: grant.clone(), deadline_ms: 9 };
        let order = Signed::new(body, Tag::RoundOrder, &world.aggregator_key(0));
        Ordered::accept(&world.terms, &world.members[0], None, &order, &world.model(0)).err()
    };
    assert_eq!(accepts(&six), Some(OrderRefusal::Invited));
    assert_eq!(accepts(&five), None);
    let model = world.model(0);
    let granted = |grant| Input::Granted { grant: Box::new(grant), model: model.clone() };
    assert_eq!(federation.feed(&granted(six)).unwrap_err(), Refusal::BadSet);
    federation.feed(&granted(five)).unwrap();
}

/// In a federation at a rate of one half, of six members: who was drawn, and who was not.
fn drawn(federation: &Federation) -> (Vec<usize>, Vec<usize>) {
    let refused = |index: &usize| match accepts(federation, *index) {
        Ok(_) => false,
        Err(OrderRefusal::NotDrawn) => true,
        Err(other) => panic!("{other}"),
    };
    let (not, drawn) = (0..MEMBERS).partition(refused);
    (drawn, not)
}

/// The first seed from `from` of which at least `least` members are drawn, and at least one is not.
fn secret(sealing: aggregator_protocol::SealingTerms, from: u64, least: usize) -> Federation {
    let federations = (from..).map(|seed| collecting(sealing, seed, "secret:rate=0.5"));
    let mut fitting = federations.filter(|federation| {
        let (drawn, not) = drawn(federation);
        drawn.len() >= least && !not.is_empty()
    });
    fitting.next().unwrap()
}

#[test]
fn who_was_drawn_takes_part_and_the_sum_shows_the_tickets() {
    every_mode(|sealing| {
        let mut federation = secret(sealing, 10, 3);
        let (drawn, _) = drawn(&federation);
        federation.submit(&drawn);
        // Somebody who was drawn may still come: nobody but it knows.
        assert!(federation.coordinator.machine.collecting());
        federation.coordinator.restart();
        federation.pass_deadline();
        while !federation.outstanding().iter().any(asks_measure) {
            let ask = federation.outstanding().remove(0);
            let input = federation.answer(&ask);
            federation.feed(&input).unwrap();
        }
        let sum = federation.measured();
        let (world, order) = (&federation.world, order(&federation));
        let grant = order.unverified_body().grant.unverified_body();
        assert_eq!(sum.tickets.len(), drawn.len());
        let check = |tickets: &[Ticket]| check_tickets(&world.terms, grant, &sum.accepted, tickets);
        assert_eq!(check(&sum.tickets), Ok(()));
        let mut turned = sum.tickets.clone();
        turned.rotate_left(1);
        assert_eq!(check(&turned), Err(Refusal::NotDrawn));
        assert_eq!(check(&sum.tickets[1..]), Err(Refusal::Malformed));
        assert_eq!(check(&[]), Err(Refusal::Malformed));
        let Logged::Settled(receipt) = federation.end_round(|_, _, _, reply| Some(reply)) else {
            panic!("given up");
        };
        // Who was not drawn did not drop out; who did cannot be told from it.
        assert_eq!(receipt.unverified_body().dropped, []);
    });
}

#[test]
fn tickets_that_do_not_hold_are_refused_and_change_nothing() {
    let mut federation = secret(modes()[0], 20, 2);
    let (drawn, not) = drawn(&federation);
    let contribution = federation.contribution(drawn[0]);
    let update = || Box::new(contribution.sealed.update().clone());
    let peer = federation.world.member(drawn[0]);
    let own = contribution.sealed.ticket();
    let other = federation.contribution(drawn[1]).sealed.ticket();
    assert!(own.is_some() && other.is_some() && own != other);
    let grant = order(&federation).unverified_body().grant.unverified_body().clone();
    // A true ticket, of the round before.
    let key = participation_key(&federation.world.members[drawn[0]]);
    let mut earlier = grant.draw();
    earlier.round += 1;
    let earlier = Ticket::draw(&key, &earlier, SamplingRate::ALL);
    for ticket in [None, other, earlier] {
        let before = federation.coordinator.machine.clone();
        let refused = federation.feed(&Input::Submitted { peer, update: update(), ticket });
        assert_eq!(refused.unwrap_err(), Refusal::NotDrawn);
        let mut counted = before;
        counted.count(Refusal::NotDrawn);
        assert!(counted == federation.coordinator.machine);
    }
    federation.feed(&Input::Submitted { peer, update: update(), ticket: own }).unwrap();
    // A true ticket that did not win.
    let loser = &federation.world.members[not[0]];
    let lost = Ticket::draw(&participation_key(loser), &grant.draw(), SamplingRate::ALL);
    let terms = &federation.world.terms;
    let checked = check_ticket(terms, &grant, &loser.verifying_key(), lost.as_ref());
    assert_eq!(checked, Err(Refusal::NotDrawn));
}

#[test]
fn a_ticket_where_nobody_draws_is_refused() {
    let mut federation = collecting(modes()[0], 30, "everybody");
    let contribution = federation.contribution(0);
    let (peer, world) = (federation.world.member(0), &federation.world);
    let draw = order(&federation).unverified_body().grant.unverified_body().draw();
    let ticket = Ticket::draw(&participation_key(&world.members[0]), &draw, SamplingRate::ALL);
    let update = || Box::new(contribution.sealed.update().clone());
    let refused = federation.feed(&Input::Submitted { peer, update: update(), ticket });
    assert_eq!(refused.unwrap_err(), Refusal::Malformed);
    federation.feed(&Input::Submitted { peer, update: update(), ticket: None }).unwrap();
}

#[test]
fn a_member_does_not_train_for_a_grant_that_names_another_key_for_its_draw() {
    let world = world(modes()[0], 40, "secret:rate=1");
    let everybody: Vec<_> = (0..MEMBERS).collect();
    let honest = world.grant_body(0, &everybody);
    let accepts = |grant: RoundGrant| {
        let grant = Signed::new(grant, Tag::RoundGrant, &world.dao_key);
        let body = RoundOrder { grant, deadline_ms: 9 };
        let order = Signed::new(body, Tag::RoundOrder, &world.aggregator_key(0));
        Ordered::accept(&world.terms, &world.members[0], None, &order, &world.model(0)).err()
    };
    assert_eq!(accepts(honest.clone()), None);
    let mut swapped = honest.clone();
    swapped.draw_keys.swap(0, 1);
    assert_eq!(accepts(swapped), Some(OrderRefusal::DrawKey));
    let without = RoundGrant { draw_keys: Vec::new(), ..honest };
    assert_eq!(accepts(without), Some(OrderRefusal::Invited));
}

/// A set below the minimum is not opened, whoever was drawn.
#[test]
fn a_draw_of_too_few_gives_the_round_up() {
    let mut federation = secret(modes()[0], 50, 2);
    let (drawn, _) = drawn(&federation);
    federation.submit(&drawn[..2]);
    federation.pass_deadline();
    assert!(!federation.outstanding().iter().any(asks_sum));
    assert!(matches!(federation.end_round(|_, _, _, reply| Some(reply)), Logged::Aborted(_)));
}

/// Receipts list who took part, so that the secrecy of a draw is worth nothing to who reads them.
#[test]
fn no_privacy_is_claimed_for_a_draw() {
    use aggregator_protocol::NoiseTerms;
    use privacy_secagg::{EncodingOptions, EncodingParameters};
    let noise = NoiseTerms { multiplier: 2.0, honest_minimum: 2, delta: 1e-5 };
    let terms = World::new(60, 2, MEMBERS).terms;
    let (clip, plan) = (terms.encoding.clip_norm(), noise.plan().unwrap());
    let options = EncodingOptions::default();
    let encoding = EncodingParameters::valued_with_noise(clip, world::DIMENSION, 16, options, plan);
    let terms = FederationTerms { noise, encoding: encoding.unwrap(), ..terms };
    let loss = |sampling: &str| {
        let sampling = sampling.parse().unwrap();
        let terms = FederationTerms { sampling, ..terms.clone() }.checked().unwrap();
        round_loss_micro(&terms, 3).unwrap().unwrap()
    };
    assert!(loss("everybody") > 0);
    for rule in ["secret:rate=0.01", "uniform:size=3,over=2"] {
        assert_eq!(loss(rule), loss("everybody"), "{rule}");
    }
}
