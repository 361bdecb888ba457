//! Work that several processes of one aggregator share: the same bits as one process, whoever does what in
//! which order and how often; and nothing that somebody else put into the shared place.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

mod world;

use std::collections::BTreeSet;

use aggregator_protocol::{AggregatorRequest, RoundId, SealingTerms};
use aggregator_round::{
    AggregatorContext, Ask, BatchError, Input, MemoryUpdates, SharedWork, SharedWorkError,
    UpdateId, Work, Worked,
};
use privacy_identity::Encode as _;
use world::{
    every_mode,
    federation::{Federation, asks_measure, asks_settle, asks_sum},
    rng_for,
};

const MEMBERS: usize = 7;
/// As many updates as there are.
const ALL: u32 = 7;

fn submitted(sealing: SealingTerms) -> Federation {
    let mut federation = Federation::sealed(sealing, 3, MEMBERS);
    federation.open_to_all();
    federation
}

/// What comes of `work` in batches of at most `batch_updates`, done from the last to the first and some twice,
/// each from what a process finds in the shared place.
fn in_batches(
    work: &Work,
    batch_updates: u32,
    context: &AggregatorContext,
    updates: &MemoryUpdates,
) -> Option<Input> {
    let shared = SharedWork::new(context.terms(), work.clone(), batch_updates)?;
    let posted = shared.to_shared(context);
    let mut results = vec![Vec::new(); shared.batch_count() as usize];
    for batch in (0..shared.batch_count()).rev().chain([0]) {
        let found = SharedWork::from_shared(context, &posted).unwrap();
        assert_eq!(found, shared);
        let mut rng = rng_for(&[u64::from(batch)]);
        results[batch as usize] = found.run_batch(context, updates, batch, &mut rng).unwrap();
    }
    let whole = (0..).zip(&results).fold(None, |whole, (batch, bytes)| {
        let next = shared.read_batch(context, batch, bytes).unwrap();
        Some(shared.joined(context, whole, next))
    });
    whole.map(|whole| Input::Worked { round: work.round(), worked: Box::new(whole) })
}

/// The coordinator's own work that is outstanding.
fn own(federation: &Federation) -> Option<Box<Work>> {
    federation.outstanding().into_iter().find_map(|ask| match ask {
        Ask::Own(work) => Some(work),
        _ => None,
    })
}

#[test]
fn in_every_mode_the_coordinators_work_comes_to_the_same_however_it_is_cut() {
    every_mode(|sealing| {
        let mut federation = submitted(sealing);
        let mut shared = 0;
        while !federation.outstanding().iter().any(asks_settle) {
            if let Some(work) = own(&federation) {
                let (context, updates) =
                    (&federation.coordinator.context, &federation.coordinator.updates);
                let alone = work.run(context, updates).unwrap();
                for batch_updates in 0..ALL {
                    let together = in_batches(&work, batch_updates, context, updates).unwrap();
                    assert!(together == alone, "in batches of {batch_updates}");
                    shared += 1;
                }
                assert!(in_batches(&work, ALL, context, updates).is_none());
            }
            let input = federation.next_input().unwrap();
            federation.feed(&input).unwrap();
        }
        // Sums and scalars, and proofs where there are some.
        assert!(shared >= 2 * MEMBERS, "{shared}");
    });
}

#[test]
fn another_aggregator_answers_the_same_with_work_that_was_shared() {
    for sealing in [SealingTerms::Mpc, SealingTerms::MpcVerified] {
        let mut federation = submitted(sealing);
        let mut kinds = 0;
        while !federation.outstanding().iter().any(asks_settle) {
            for ask in federation.outstanding() {
                let Ask::Aggregator(place, request) = ask else { continue };
                let peer = federation.party(place);
                let Some(work) = peer.machine.work(&peer.context, &request) else {
                    assert!(matches!(*request, AggregatorRequest::Prepare { .. }));
                    continue;
                };
                kinds += 1;
                let together = in_batches(&work, 2, &peer.context, &peer.updates).unwrap();
                let Input::Worked { worked, .. } = together else { panic!("not worked") };
                let (machine, updates) = (peer.machine.clone(), MemoryUpdates::default());
                // No update is read any more: the store is empty.
                let (with, shared) = machine.clone().handle_worked(
                    &peer.context,
                    &updates,
                    *request.clone(),
                    Some(*worked),
                );
                let (alone, own) = machine.handle(&peer.context, &peer.updates, *request);
                assert!(with == alone && shared == own, "{}", sealing.name());
            }
            let input = federation.next_input().unwrap();
            federation.feed(&input).unwrap();
        }
        assert!(kinds >= 2, "{kinds}");
    }
}

#[test]
fn promise_2_a_process_that_lacks_an_update_does_not_end_the_round_for_it() {
    every_mode(|sealing| {
        let mut federation = submitted(sealing);
        federation.run_until(|ask| matches!(ask, Ask::Own(_)));
        let work = own(&federation).unwrap();
        let ids: Vec<UpdateId> = federation.coordinator.updates.ids().copied().collect();
        let lost = [ids[1], ids[4]];
        let mut updates = federation.coordinator.updates.clone();
        updates.retain(|id| !lost.contains(id));
        let context = &federation.coordinator.context;
        let shared = SharedWork::new(context.terms(), *work.clone(), 1).unwrap();
        let found = (0..shared.batch_count()).filter_map(|batch| {
            match shared.run_batch(context, &updates, batch, &mut rng_for(&[1])) {
                Ok(_) => None,
                Err(BatchError::Lost { update }) => Some(update),
                Err(other) => panic!("{other}"),
            }
        });
        assert_eq!(found.collect::<BTreeSet<_>>(), lost.map(|id| id.update).into());
        // Whoever was told to keep it says so.
        let Input::Worked { worked, .. } = work.run(context, &updates).unwrap() else {
            panic!("not worked")
        };
        let said = matches!(*worked, Worked::Lost { update, .. } if lost.iter().any(|id| id.update == update));
        assert!(said, "{worked:?}");
    });
}

#[test]
fn what_this_aggregator_did_not_put_into_the_shared_place_is_refused() {
    let mut federation = submitted(SealingTerms::Mpc);
    federation.run_until(|ask| matches!(ask, Ask::Own(_)));
    let terms = federation.world.terms.clone();
    let shared = SharedWork::new(&terms, *own(&federation).unwrap(), 2).unwrap();
    let (context, updates) = (&federation.coordinator.context, &federation.coordinator.updates);
    let mut rng = rng_for(&[1]);
    // Signed by the other aggregator, or altered in any byte.
    let other = shared.to_shared(&federation.peers[0].context);
    assert_eq!(SharedWork::from_shared(context, &other), Err(SharedWorkError::Unsigned));
    let posted = shared.to_shared(context);
    for at in 0..posted.len() {
        let mut altered = posted.clone();
        altered[at] ^= 1;
        assert!(SharedWork::from_shared(context, &altered).is_err(), "byte {at}");
    }
    let result = shared.run_batch(context, updates, 1, &mut rng).unwrap();
    assert!(shared.read_batch(context, 1, &result).is_ok());
    assert_eq!(shared.read_batch(context, 0, &result), Err(SharedWorkError::Misplaced));
    let elsewhere = SharedWork::new(&terms, shared.work().clone(), 3).unwrap();
    assert_eq!(elsewhere.read_batch(context, 1, &result), Err(SharedWorkError::Misplaced));
    for at in 0..result.len() {
        let mut altered = result.clone();
        altered[at] ^= 1;
        assert!(shared.read_batch(context, 1, &altered).is_err(), "byte {at}");
    }
    let none = shared.run_batch(context, updates, shared.batch_count(), &mut rng);
    assert!(none.is_err());
    // What lies there tells nobody anything: the partial sum is not in it.
    let Input::Worked { worked, .. } = shared.work().run(context, updates).unwrap() else {
        panic!("not worked")
    };
    assert!(worked.to_bytes().len() < result.len());
    let again = shared.run_batch(context, updates, 1, &mut rng).unwrap();
    assert_ne!(again, result, "sealed afresh each time");
    assert_eq!(shared.work().round(), RoundId(0));
    federation.run_until(asks_measure);
}

#[test]
fn what_follows_from_the_whole_set_of_a_round_in_groups_is_not_shared() {
    let world = world::World::sealed(SealingTerms::MpcVerified, 3, 2, MEMBERS + 2);
    let mut federation = Federation::of(world.in_groups(3, "median"));
    federation.open_to_all();
    let terms = federation.world.terms.clone();
    federation.run_until(|ask| matches!(ask, Ask::Own(_)));
    // Proofs are each update's own.
    assert!(SharedWork::new(&terms, *own(&federation).unwrap(), 2).is_some());
    federation.run_until(asks_sum);
    assert!(SharedWork::new(&terms, *own(&federation).unwrap(), 2).is_none());
}
