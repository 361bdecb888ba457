use std::fs;

use aggregator_protocol::RoundId;
use tempfile::tempdir;

use super::*;

#[test]
fn a_directory_has_one_owner_at_a_time() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("deeper/state");
    let first = StateDir::open(&path).unwrap();
    let refused = StateDir::open(&path).err().unwrap();
    assert!(matches!(refused, AgentError::StateInUse { .. }));
    assert!(refused.to_string().contains(&path.display().to_string()));
    drop(first);
    assert!(StateDir::open(&path).is_ok());
}

#[test]
fn the_identity_stays_the_same() {
    let dir = tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    assert_eq!(*state.key(None).unwrap(), *state.key(None).unwrap());
}

#[test]
fn a_key_under_a_passphrase_stays_so_and_a_cut_off_change_is_cleared_away() {
    let passphrase = |text: &str| Passphrase::new(text.to_owned().into()).unwrap();
    let (right, wrong) = (passphrase("five words of a list"), passphrase("five words of it"));
    let dir = tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let key = state.key(Some(&right)).unwrap();
    let left = dir.path().join("key.new");
    fs::write(&left, "the key in the clear").unwrap();
    assert_eq!(*state.key(Some(&right)).unwrap(), *key);
    assert!(!left.exists());
    let file = fs::read(dir.path().join(KEY)).unwrap();
    for other in [None, Some(&wrong)] {
        let refused = state.key(other).unwrap_err();
        assert!(matches!(refused, AgentError::Key(_)), "{refused}");
    }
    assert_eq!(fs::read(dir.path().join(KEY)).unwrap(), file, "nothing is lost by a wrong one");
}

#[test]
fn another_key_leaves_behind_what_belonged_to_the_former_and_a_crash_in_between_is_made_good() {
    let dir = tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let (path, old) = (|name: &str| dir.path().join(name), state.key(None).unwrap());
    let fill = || [ROUND, COHORT, PERSONAL].iter().for_each(|n| fs::write(path(n), n).unwrap());
    fill();
    let first = fs::read(path(KEY)).unwrap();
    let second = format!("{}\n", "07".repeat(32)).into_bytes();
    let former = state.adopt_key(&second).unwrap().unwrap();
    assert_eq!(former, path("keys/1"));
    assert_eq!(
        (fs::read(path(KEY)).unwrap(), *state.key(None).unwrap()),
        (second.clone(), [7; 32])
    );
    assert_eq!(fs::read(former.join(KEY)).unwrap(), first);
    assert!(former.join(COHORT).exists() && !path(COHORT).exists() && !path(ROUND).exists());
    assert!(path(PERSONAL).exists(), "what was learned stays");
    assert_eq!(state.adopt_key(&second).unwrap(), None, "a repetition changes nothing");
    drop(state);
    // Cut off after a part was moved, and after the key was.
    for (number, moved) in [(2, &[ROUND][..]), (3, &[ROUND, COHORT, KEY][..])] {
        fill();
        replace(dir.path(), &path(KEY), &second).unwrap();
        let former = path(&format!("keys/{number}"));
        fs::create_dir_all(&former).unwrap();
        moved.iter().for_each(|name| fs::rename(path(name), former.join(name)).unwrap());
        replace(dir.path(), &path("next-key"), &first).unwrap();
        let state = StateDir::open(dir.path()).unwrap();
        assert_eq!(*state.key(None).unwrap(), *old);
        assert_eq!(fs::read(former.join(KEY)).unwrap(), second);
        assert!(former.join(COHORT).exists() && former.join(ROUND).exists());
        assert!(!path(COHORT).exists() && !path(ROUND).exists() && !path("next-key").exists());
    }
}

#[test]
fn the_last_stored_round_is_read_back() {
    let dir = tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    assert_eq!(state.stored_round().unwrap(), None);
    for round in [RoundId(1), RoundId(2)] {
        let stored = StoredRound::Ended { round };
        state.store_round(&stored).unwrap();
        assert_eq!(state.stored_round().unwrap(), Some(stored));
    }
}

#[test]
fn a_damaged_file_is_named() {
    let dir = tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    fs::write(dir.path().join(ROUND), [9, 9]).unwrap();
    let refused = state.stored_round().unwrap_err();
    assert!(refused.to_string().ends_with("round.bin is damaged"), "{refused}");
}

#[test]
fn a_round_that_is_trained_again_starts_from_the_same_own_model() {
    use trainer_model::{Architecture, MlpShape, Parameters};
    let dir = tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let shape = MlpShape { inputs: 1, hidden: Vec::new(), classes: 2 };
    let layout = Architecture::mlp(shape).unwrap().layout();
    let model =
        |value: f32| Parameters::new(&layout, vec![value; layout.parameter_count()]).unwrap();
    let before = |round| state.personal(RoundId(round), &layout).unwrap();
    assert_eq!(before(1), None);
    state.store_personal(RoundId(1), &layout, &model(1.0)).unwrap();
    // A crash: the first round again, from nothing.
    assert_eq!(before(1), None);
    state.store_personal(RoundId(1), &layout, &model(1.5)).unwrap();
    assert_eq!(before(2), Some(model(1.5)));
    state.store_personal(RoundId(2), &layout, &model(2.0)).unwrap();
    assert_eq!(before(2), Some(model(1.5)));
    assert_eq!(before(3), Some(model(2.0)));
}

#[cfg(unix)]
#[test]
fn what_is_stored_is_its_owners_alone_in_a_directory_that_was_there_before() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    fs::write(dir.path().join("round.new"), "left by a crash, open to all").unwrap();
    state.store_round(&StoredRound::Ended { round: RoundId(1) }).unwrap();
    drop(state.sent_log(0).unwrap());
    for name in [ROUND, SENT] {
        let mode = fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = StateDir::open(&file.join("state")).err().unwrap().to_string();
    assert!(refused.starts_with("cannot use "), "{refused}");
}

/// Terms that are voted out and in again have the same digest: what was answered under them stays answered.
#[test]
fn the_newest_round_that_was_answered_as_a_custodian_outlives_the_terms() {
    use aggregator_protocol::AcceptedSet;
    use aggregator_round::PeerInput;
    use privacy_identity::{Digest, SigningKey};
    let dir = tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    state.remember_answered().unwrap();
    assert_eq!(state.answered_before().unwrap(), None);
    let member = SigningKey::from_seed(&[1; 32]).verifying_key();
    let set = AcceptedSet::new(vec![(member, Digest([2; 32]))]).unwrap();
    for (round, newest) in [(7, 7), (3, 7), (9, 9)] {
        let input = PeerInput::Agreed { round: RoundId(round), set: set.clone() };
        state.store_custody(&StoredCustody::of(input)).unwrap();
        state.remember_answered().unwrap();
        fs::remove_file(dir.path().join(CUSTODY)).unwrap();
        state.remember_answered().unwrap();
        assert_eq!(state.answered_before().unwrap(), Some(RoundId(newest)));
    }
}

/// By its type: what is read of a secret is zeroised on drop.
#[test]
fn what_is_read_of_a_file_is_zeroised_on_drop() {
    let dir = tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    fs::write(dir.path().join("shares.bin"), [1, 2]).unwrap();
    let read: Option<Zeroizing<Vec<u8>>> = state.bytes("shares.bin").unwrap();
    assert_eq!(*read.unwrap(), [1, 2]);
}
