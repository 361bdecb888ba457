//! Rounds of those who are done: which models a device trains from, and which round takes what it trained.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

mod world;

use aggregator_protocol::{DaoRequest, ModelOffer, Refusal, RoundId, RoundOrder};
use aggregator_round::{
    Ask, Input, OrderRefusal, Ordered, check_offered, checked_offer, trained_from,
};
use aggregator_strategy::{BufferRule, StalenessWeight};
use privacy_dp::LocalUpdate;
use privacy_identity::{Digest, Signed, SigningKey, Tag};

use crate::world::{World, federation::Federation, rng_for};

const RULE: BufferRule = BufferRule { buffer: 4, weight: StalenessWeight::FED_BUFF, stale_max: 2 };

fn world() -> World {
    let mut world = World::new(1, 2, 5);
    world.terms.buffer = Some(RULE);
    world.terms = world.terms.checked().unwrap();
    world
}

/// The offer of a version, whose model is that of the round with its number.
fn offer(world: &World, version: u64) -> ModelOffer {
    ModelOffer {
        dao: world.terms.dao,
        federation: world.terms.id(),
        version,
        model: Digest::of(Tag::Model, &world.model(version)),
        cohort_epoch: None,
    }
}

fn signed(world: &World, offer: ModelOffer) -> Signed<ModelOffer> {
    Signed::new(offer, Tag::ModelOffer, &world.dao_key)
}

#[test]
fn a_device_trains_from_nothing_that_the_dao_node_does_not_offer_now() {
    let world = world();
    let sound = offer(&world, 3);
    let accept = |offer: &Signed<ModelOffer>, newest| checked_offer(&world.terms, offer, newest);
    assert_eq!(accept(&signed(&world, sound.clone()), Some(3)), Ok(sound.clone()));
    assert_eq!(check_offered(&sound, &world.model(3)), Ok(()));
    let swapped = check_offered(&sound, &world.model(4)).unwrap_err();
    assert!(matches!(swapped, OrderRefusal::WrongModel { .. }), "{swapped}");
    // The coordinator's own, or an older one brought again.
    let forged = Signed::new(sound.clone(), Tag::ModelOffer, &world.aggregator_key(0));
    assert_eq!(accept(&forged, None), Err(OrderRefusal::Unsigned));
    let older = accept(&signed(&world, sound.clone()), Some(4));
    assert_eq!(older, Err(OrderRefusal::OldOffer { newest: 4, got: 3 }));
    let other = ModelOffer { federation: Digest([9; 32]), ..sound.clone() };
    assert_eq!(accept(&signed(&world, other), None), Err(OrderRefusal::WrongFederation));
    // What was signed as a grant is no offer.
    let retagged = Signed::new(sound, Tag::RoundGrant, &world.dao_key);
    assert_eq!(accept(&retagged, None), Err(OrderRefusal::Unsigned));
}

#[test]
fn an_update_is_sealed_only_to_a_round_of_the_model_that_it_was_trained_from() {
    let world = world();
    let (key, order) = (&world.members[0], world.order(2, &[0, 1, 2]));
    let model = Digest::of(Tag::Model, &world.model(2));
    let accept = |order, trained: &Digest, last| {
        Ordered::accept_trained(&world.terms, key, last, order, trained)
    };
    assert_eq!(accept(&order, &model, None).unwrap().round().0, 2);
    let newer = Digest::of(Tag::Model, &world.model(3));
    let refused = accept(&order, &newer, None).unwrap_err();
    assert_eq!(refused, OrderRefusal::WrongModel { expected: model, got: newer });
    let round = Some(RoundId(2));
    assert!(matches!(accept(&order, &model, round), Err(OrderRefusal::Replayed { .. })));
    let stranger = world.order(2, &[1, 2, 3]);
    assert_eq!(accept(&stranger, &model, None), Err(OrderRefusal::NotInvited));
    let word = trained_from(&world.terms, (2, model), key).verify(Tag::ModelTrained).unwrap();
    assert_eq!((word.body().version, *word.signer()), (2, key.verifying_key()));
}

#[test]
fn nobody_takes_part_in_a_buffer_below_the_minimum_cohort() {
    let world = world();
    let few: Vec<usize> = (0..world.minimum() - 1).collect();
    let order = world.order(1, &few);
    let model = Digest::of(Tag::Model, &world.model(1));
    let refused =
        Ordered::accept_trained(&world.terms, &world.members[0], None, &order, &model).unwrap_err();
    assert_eq!(refused, OrderRefusal::Invited);
    let mut federation = Federation::of(world);
    let grant = Box::new(federation.world.grant(1, &few));
    let refused = federation.feed(&Input::Granted { grant, model: Vec::new() });
    assert_eq!(refused, Err(Refusal::BadSet));
}

/// Opens a round of the first three for the coordinator: members have the model.
fn granted(federation: &mut Federation, round: u64) {
    let grant = federation.world.grant(round, &[0, 1, 2]);
    federation.dao.open(grant.clone());
    let grant = Box::new(grant);
    federation.feed(&Input::Granted { grant, model: Vec::new() }).unwrap();
}

#[test]
fn a_round_of_a_buffer_carries_no_model() {
    let mut federation = Federation::of(world());
    let grant = Box::new(federation.world.grant(0, &[0, 1, 2]));
    let model = federation.world.model(0);
    assert_eq!(federation.feed(&Input::Granted { grant, model }), Err(Refusal::WrongModel));
    granted(&mut federation, 0);
    assert!(federation.order().is_some());
}

#[test]
fn an_update_sealed_to_another_version_or_to_an_earlier_buffer_is_refused() {
    let mut federation = Federation::of(world());
    granted(&mut federation, 0);
    let earlier = federation.contribution(0);
    // The owner seals to the right round, but to another version's model.
    let lying = {
        let mut grant = federation.world.grant_body(0, &[0, 1, 2]);
        grant.model = Digest::of(Tag::Model, &federation.world.model(7));
        let key: &SigningKey = &federation.world.dao_key;
        let grant = Signed::new(grant, Tag::RoundGrant, key);
        let body = RoundOrder { grant, deadline_ms: u64::MAX };
        let order = Signed::new(body, Tag::RoundOrder, &federation.world.aggregator_key(0));
        let model = Digest::of(Tag::Model, &federation.world.model(7));
        let (terms, key) = (&federation.world.terms, &federation.world.members[1]);
        let ordered = Ordered::accept_trained(terms, key, None, &order, &model).unwrap();
        let mut rng = rng_for(&[1]);
        let update = LocalUpdate::new(vec![0.1; terms.encoding.dimension()]).unwrap();
        let mut rounding = rng_for(&[2]);
        ordered.seal(update, terms, key, &mut rounding, &mut rng).unwrap()
    };
    let peer = federation.world.member(1);
    let update = Box::new(lying.update().clone());
    let input = Input::Submitted { peer, update, ticket: None };
    assert_eq!(federation.feed(&input), Err(Refusal::WrongModel));
    // The first buffer is opened with what was sealed to it; the very same bytes do not count in the second.
    let input = federation.submission(0, &earlier);
    federation.feed(&input).unwrap();
    federation.submit(&[1, 2]);
    federation.run_until(|ask| *ask == Ask::Dao(Box::new(DaoRequest::Grant)));
    granted(&mut federation, 1);
    assert_eq!(federation.feed(&input), Err(Refusal::WrongRound));
}
