use object_store::memory::InMemory;

use super::*;

fn id(round: u64, update: u8) -> UpdateId {
    UpdateId { round: RoundId(round), update: Digest([update; 32]) }
}

fn kept(round: u64, update: u8) -> KeptUpdate {
    KeptUpdate { id: id(round, update), parts: vec![vec![update; 3], Vec::new(), vec![9; 70_000]] }
}

/// A store of objects in memory, and the runtime on which it is used.
fn opened() -> (tokio::runtime::Runtime, Arc<InMemory>, ObjectUpdates) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let objects = Arc::new(InMemory::new());
    let prefix = Path::from("co-operative/aggregator-0");
    let shared: Arc<dyn ObjectStore> = Arc::<InMemory>::clone(&objects);
    let updates = ObjectUpdates::new(shared, prefix, runtime.handle().clone());
    (runtime, objects, updates)
}

#[test]
fn what_was_kept_is_read_part_by_part() {
    let (_runtime, _objects, updates) = opened();
    updates.keep(&kept(3, 1)).unwrap();
    updates.keep(&kept(3, 1)).unwrap();
    for (index, part) in kept(3, 1).parts.iter().enumerate() {
        assert_eq!(updates.part(id(3, 1), index), Ok(part.clone()));
    }
    assert_eq!(updates.part(id(3, 2), 0), Err(PartFault::Missing));
    assert_eq!(updates.part(id(3, 1), 3), Err(PartFault::Altered));
    assert!(updates.failure().is_none());
}

#[test]
fn an_object_of_another_length_is_seen() {
    let (runtime, objects, updates) = opened();
    updates.keep(&kept(3, 1)).unwrap();
    let location = updates.location(id(3, 1));
    let whole = runtime.block_on(async { objects.get(&location).await?.bytes().await }).unwrap();
    for bytes in [whole.slice(..whole.len() - 1), whole.slice(..10), whole.slice(..0)] {
        runtime.block_on(objects.put(&location, PutPayload::from(bytes))).unwrap();
        for index in 0..3 {
            // A read of nothing is refused by some stores: it is no part either way.
            assert!(updates.part(id(3, 1), index).is_err());
        }
    }
}

#[test]
fn what_nobody_needs_is_swept_and_nothing_else() {
    let (runtime, objects, updates) = opened();
    for (round, update) in [(3, 1), (3, 2), (4, 3)] {
        updates.keep(&kept(round, update)).unwrap();
    }
    let foreign = Path::from("co-operative/aggregator-0/readme");
    let other = Path::from(format!("co-operative/aggregator-1/3/{}", Digest([1; 32])));
    for location in [&foreign, &other] {
        runtime.block_on(objects.put(location, PutPayload::from_static(b"kept"))).unwrap();
    }
    updates.sweep(&|needed| *needed == id(3, 2)).unwrap();
    assert!(updates.part(id(3, 2), 0).is_ok());
    assert_eq!(updates.part(id(3, 1), 0), Err(PartFault::Missing));
    assert_eq!(updates.part(id(4, 3), 0), Err(PartFault::Missing));
    for location in [&foreign, &other] {
        assert!(runtime.block_on(objects.head(location)).is_ok());
    }
}
