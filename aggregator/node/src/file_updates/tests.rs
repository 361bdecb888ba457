use std::path::PathBuf;

use super::*;

fn id(round: u64, update: u8) -> UpdateId {
    UpdateId { round: RoundId(round), update: Digest([update; 32]) }
}

fn kept(round: u64, update: u8) -> KeptUpdate {
    KeptUpdate { id: id(round, update), parts: vec![vec![update; 3], Vec::new(), vec![9; 70_000]] }
}

fn opened() -> (tempfile::TempDir, FileUpdates) {
    let folder = tempfile::tempdir().unwrap();
    let updates = FileUpdates::open(folder.path().join("updates")).unwrap();
    (folder, updates)
}

fn names(updates: &FileUpdates) -> Vec<PathBuf> {
    let mut names = entries(&updates.folder).unwrap();
    names.sort();
    names
}

#[test]
fn what_was_kept_is_read_part_by_part_also_after_a_restart() {
    let (folder, updates) = opened();
    updates.keep(&kept(3, 1)).unwrap();
    updates.keep(&kept(3, 1)).unwrap();
    let again = FileUpdates::open(folder.path().join("updates")).unwrap();
    for (index, part) in kept(3, 1).parts.iter().enumerate() {
        assert_eq!(again.part(id(3, 1), index), Ok(part.clone()));
    }
    assert_eq!(again.part(id(3, 2), 0), Err(PartFault::Missing));
    assert_eq!(again.part(id(4, 1), 0), Err(PartFault::Missing));
    assert_eq!(again.part(id(3, 1), 3), Err(PartFault::Altered));
    assert!(again.failure().is_none());
}

#[test]
fn a_file_of_another_length_is_seen_before_it_is_read() {
    let (_folder, updates) = opened();
    updates.keep(&kept(3, 1)).unwrap();
    let path = updates.path(id(3, 1));
    let whole = fs::read(&path).unwrap();
    for bytes in [&whole[..whole.len() - 1], &whole[..10], &[], &[whole.as_slice(), &[0]].concat()]
    {
        fs::write(&path, bytes).unwrap();
        for index in 0..3 {
            assert_eq!(updates.part(id(3, 1), index), Err(PartFault::Altered));
        }
    }
    // A file that claims to be enormous takes no memory.
    let mut enormous = whole;
    enormous[4..12].copy_from_slice(&u64::MAX.to_be_bytes());
    fs::write(&path, &enormous).unwrap();
    assert_eq!(updates.part(id(3, 1), 0), Err(PartFault::Altered));
}

#[test]
fn a_store_that_cannot_be_read_is_no_lost_update() {
    let (_folder, updates) = opened();
    // A folder where the file should be.
    fs::create_dir_all(updates.path(id(3, 1))).unwrap();
    assert_eq!(updates.part(id(3, 1), 0), Err(PartFault::Unavailable));
    let failure = updates.failure().unwrap().to_string();
    assert!(failure.contains("reading"), "{failure}");
    assert!(updates.failure().is_none());
}

#[test]
fn what_nobody_needs_and_what_a_crash_left_is_swept_and_nothing_else() {
    let (_folder, updates) = opened();
    for (round, update) in [(3, 1), (3, 2), (4, 3)] {
        updates.keep(&kept(round, update)).unwrap();
    }
    let unfinished = updates.path(id(3, 7)).with_extension(UNFINISHED);
    fs::write(&unfinished, b"half").unwrap();
    let foreign = updates.folder.join("lost+found");
    fs::create_dir(&foreign).unwrap();
    updates.sweep(&|needed| *needed == id(3, 2)).unwrap();
    assert!(updates.part(id(3, 2), 0).is_ok());
    assert_eq!(updates.part(id(3, 1), 0), Err(PartFault::Missing));
    assert_eq!(updates.part(id(4, 3), 0), Err(PartFault::Missing));
    assert!(!unfinished.exists());
    assert_eq!(names(&updates), [updates.folder.join("3"), foreign]);
    updates.sweep(&|_| false).unwrap();
    assert_eq!(names(&updates).len(), 1);
}
