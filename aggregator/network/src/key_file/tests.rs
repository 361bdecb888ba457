use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
use tempfile::tempdir;

use super::*;

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

#[test]
fn a_created_key_is_loaded_again_and_never_overwritten() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("key");
    let created = load_or_create_key(&path, &mut rng(1)).unwrap();
    assert_eq!(*load_key(&path).unwrap(), *created);
    assert_eq!(*load_or_create_key(&path, &mut rng(2)).unwrap(), *created);
    let refused = create_key(&path, KeyProtection::Clear, &mut rng(3));
    assert!(matches!(refused, Err(KeyFileError::Exists { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", hex::encode(*created)));
}

#[test]
fn a_missing_key_is_not_made_by_loading() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("key");
    assert!(matches!(load_key(&path), Err(KeyFileError::Read { .. })));
    assert!(!path.exists());
}

#[cfg(unix)]
#[test]
fn a_key_open_to_others_is_refused_with_the_remedy() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempdir().unwrap();
    let path = dir.path().join("key");
    create_key(&path, KeyProtection::Clear, &mut rng(1)).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    for mode in [0o640, 0o604, 0o620] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let refused = load_or_create_key(&path, &mut rng(2)).unwrap_err().to_string();
        assert!(refused.contains(&format!("mode {mode:o}")), "{refused}");
        assert!(refused.contains("chmod 600"), "{refused}");
    }
}

/// A stick's file system knows no owners: every file on it is everybody's.
#[cfg(unix)]
#[test]
fn a_key_under_a_passphrase_may_be_open_to_others_and_one_in_the_clear_may_not() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempdir().unwrap();
    let (path, right) = (dir.path().join("key"), passphrase("five words of a list"));
    let made = create_key(&path, KeyProtection::Passphrase(&right, work()), &mut rng(1)).unwrap();
    let opened = || fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    opened();
    assert!(is_key_encrypted(&path).unwrap());
    assert_eq!(*unlock_key(&path, Some(&right)).unwrap(), *made);
    // Taken out of it, it is everybody's.
    fs::write(&path, format!("{}\n", hex::encode(*made))).unwrap();
    opened();
    for refused in [is_key_encrypted(&path).err(), unlock_key(&path, Some(&right)).err()] {
        assert!(matches!(refused, Some(KeyFileError::OpenToOthers { mode: 0o777, .. })));
    }
}

#[test]
fn other_contents_are_refused_and_not_repeated() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("key");
    create_key(&path, KeyProtection::Clear, &mut rng(1)).unwrap();
    let good = hex::encode([0xab; SEED_BYTES]);
    for text in ["", "\n", &good[1..], &format!("{good}0"), &format!("{good}\n\n")] {
        fs::write(&path, text).unwrap();
        let refused = load_key(&path).unwrap_err();
        assert!(matches!(refused, KeyFileError::Malformed { .. }), "{text:?}");
        assert!(!refused.to_string().contains("abab"));
    }
    fs::write(&path, &good).unwrap();
    assert_eq!(*load_key(&path).unwrap(), [0xab; SEED_BYTES]);
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.to_owned())).unwrap()
}

/// Cheap: these tests are about files.
fn work() -> WorkFactor {
    WorkFactor::from_log2(2).unwrap()
}

#[test]
fn a_key_under_a_passphrase_is_unlocked_by_it_alone() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("key");
    let right = passphrase("five words of a list");
    let made = create_key(&path, KeyProtection::Passphrase(&right, work()), &mut rng(1)).unwrap();
    assert!(is_key_encrypted(&path).unwrap());
    let file = fs::read(&path).unwrap();
    assert!(!String::from_utf8_lossy(&file).contains(&hex::encode(*made)));
    assert_eq!(*unlock_key(&path, Some(&right)).unwrap(), *made);
    assert_eq!(*unlock_or_create_key(&path, Some(&right), &mut rng(2)).unwrap(), *made);

    let refused = load_or_create_key(&path, &mut rng(2)).unwrap_err();
    assert!(matches!(refused, KeyFileError::Locked { .. }), "{refused}");
    let refused = unlock_key(&path, Some(&passphrase("four words of a list"))).unwrap_err();
    assert!(matches!(refused, KeyFileError::WrongPassphrase { .. }), "{refused}");
    assert!(!refused.to_string().contains("four words"));
    assert_eq!(fs::read(&path).unwrap(), file, "what was tried changes nothing");
}

#[test]
fn a_key_in_the_clear_is_read_whether_there_is_a_passphrase_or_not() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("key");
    let made = create_key(&path, KeyProtection::Clear, &mut rng(1)).unwrap();
    assert_eq!(*unlock_key(&path, Some(&passphrase("any"))).unwrap(), *made);
    assert!(!is_key_encrypted(&path).unwrap());
}

#[test]
fn a_cut_or_altered_file_under_a_passphrase_is_told_apart_from_a_wrong_passphrase() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("key");
    let right = passphrase("five words of a list");
    create_key(&path, KeyProtection::Passphrase(&right, work()), &mut rng(1)).unwrap();
    let file = fs::read(&path).unwrap();
    for length in [file.len() - 1, file.len() - 65, 60] {
        fs::write(&path, &file[..length]).unwrap();
        let refused = unlock_key(&path, Some(&right)).unwrap_err();
        assert!(matches!(refused, KeyFileError::Damaged { .. }), "{length}: {refused}");
    }
    // Cut so short that nothing says what it was.
    fs::write(&path, &file[..10]).unwrap();
    let refused = unlock_key(&path, Some(&right)).unwrap_err();
    assert!(matches!(refused, KeyFileError::Malformed { .. }), "{refused}");
    fs::write(&path, [file, vec![0; AGE_FILE_BYTES_MAX]].concat()).unwrap();
    assert!(unlock_key(&path, Some(&right)).is_err());
}
