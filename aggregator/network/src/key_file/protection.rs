//! Putting a key under a passphrase, under another one, or in the clear.
//!
//! ```text
//!   key ─read→ seed ─write→ key.new ─read back, same seed?→ key.new ─rename→ key ─→ the old bytes are overwritten
//!    │           │              │                              │               │
//!    └───────────┴──────────────┴── a crash here: key as it was ┘               └── a crash here: key as it shall be
//! ```
//! There is no moment without a file that gives the key.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

use privacy_identity::Passphrase;
use rand::CryptoRng;
use zeroize::Zeroizing;

use super::{
    KeyFileError, KeyProtection, SEED_BYTES, bytes_from_seed, bytes_of, seed_from_bytes,
    unlock_key, write_new,
};

/// The file that a trainer locks in its directory while it runs.
const LOCK: &str = "lock";

/// Writes the key at `path` anew: under `protection`, whatever it was under before. Returns the seed.
///
/// * `now` — the passphrase that it is under, if it is under one.
///
/// What the file held is overwritten once nothing names it any more. That is the best that a program can do, and not much:
/// disks and file systems that copy on write keep old blocks, and so do back-ups.
///
/// # Errors
/// [`KeyFileError`]; then the file is as it was, but for [`KeyFileError::NotOverwritten`].
pub fn change_key_protection(
    path: &Path,
    now: Option<&Passphrase>,
    protection: KeyProtection<'_>,
    rng: &mut impl CryptoRng,
) -> Result<Zeroizing<[u8; SEED_BYTES]>, KeyFileError> {
    let held = Held::take(path)?;
    let seed = seed_from_bytes(path, &bytes_of(path)?, now)?;
    let written = Written::beside(path, &seed, protection, rng)?;
    let proven = written.prove(&seed, protection)?;
    proven.put(held)?;
    Ok(seed)
}

/// Removes what a change that a crash cut off left beside the key at `path`: it may be the key in the clear.
///
/// Nobody may be changing the key: hold the lock of its directory.
///
/// # Errors
/// [`KeyFileError::Write`].
pub fn forget_unfinished_change(path: &Path) -> Result<(), KeyFileError> {
    let new = beside(path);
    match OpenOptions::new().write(true).open(&new) {
        Ok(file) => overwrite(&file)
            .and_then(|()| fs::remove_file(&new))
            .map_err(|source| KeyFileError::Write { path: new.display().to_string(), source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(KeyFileError::Write { path: new.display().to_string(), source }),
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// A key file that nobody else uses or changes until this value is dropped.
struct Held {
    /// The file as it is now.
    old: File,
    _lock: Option<File>,
}

impl Held {
    fn take(path: &Path) -> Result<Self, KeyFileError> {
        let text = || path.display().to_string();
        let read = |source| KeyFileError::Read { path: text(), source };
        let busy = |error| match error {
            TryLockError::WouldBlock => KeyFileError::InUse { path: text() },
            TryLockError::Error(source) => KeyFileError::Read { path: text(), source },
        };
        let lock = match OpenOptions::new().append(true).open(path.with_file_name(LOCK)) {
            Ok(lock) => Some(lock),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(read(source)),
        };
        if let Some(lock) = &lock {
            lock.try_lock().map_err(busy)?;
        }
        let old = OpenOptions::new().read(true).write(true).open(path).map_err(read)?;
        // Elsewhere a locked file cannot be read by its own process through another handle.
        if cfg!(unix) {
            old.try_lock().map_err(busy)?;
        }
        let same = is_at(&old, path).map_err(read)?;
        // Whoever held it before has put another in its place.
        if same { Ok(Self { old, _lock: lock }) } else { Err(KeyFileError::InUse { path: text() }) }
    }
}

/// The new file, beside the one that it shall replace.
struct Written<'a> {
    path: &'a Path,
    new: PathBuf,
}

impl<'a> Written<'a> {
    fn beside(
        path: &'a Path,
        seed: &[u8; SEED_BYTES],
        protection: KeyProtection<'_>,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, KeyFileError> {
        forget_unfinished_change(path)?;
        let new = beside(path);
        write_new(&new, &bytes_from_seed(seed, protection, rng))?;
        Ok(Self { path, new })
    }

    /// Reads it back from the disk.
    fn prove(
        self,
        seed: &[u8; SEED_BYTES],
        protection: KeyProtection<'_>,
    ) -> Result<Proven<'a>, KeyFileError> {
        match unlock_key(&self.new, protection.passphrase()) {
            Ok(again) if *again == *seed => Ok(Proven(self)),
            _ => {
                forget_unfinished_change(self.path)?;
                Err(KeyFileError::Unproven { path: self.path.display().to_string() })
            }
        }
    }
}

/// A new file that was read back and gives the same key.
struct Proven<'a>(Written<'a>);

impl Proven<'_> {
    /// Puts it in the place of the old one.
    fn put(self, held: Held) -> Result<(), KeyFileError> {
        let Written { path, new } = self.0;
        let write = |source| KeyFileError::Write { path: path.display().to_string(), source };
        fs::rename(&new, path).map_err(write)?;
        // From here on the key is under its new protection, whatever fails.
        let left =
            |source| KeyFileError::NotOverwritten { path: path.display().to_string(), source };
        sync_dir(path).map_err(left)?;
        if is_nowhere(&held.old).map_err(left)? {
            overwrite(&held.old).map_err(left)?;
        }
        Ok(())
    }
}

fn overwrite(mut file: &File) -> io::Result<()> {
    use io::{Seek as _, Write as _};
    let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    file.rewind()?;
    file.write_all(&vec![0; length])?;
    file.sync_all()
}

/// Makes a renaming durable: it is the directory that changed.
#[cfg(unix)]
fn sync_dir(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    File::open(dir.unwrap_or(Path::new(".")))?.sync_all()
}

/// Directories cannot be opened as files elsewhere; renaming is journalled there.
#[cfg(not(unix))]
fn sync_dir(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether `path` still names `file`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let (held, named) = (file.metadata()?, fs::metadata(path)?);
    Ok((held.dev(), held.ino()) == (named.dev(), named.ino()))
}

#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> io::Result<bool> {
    Ok(true)
}

/// Whether no name is left for `file`: a second one may be somebody's back-up.
#[cfg(unix)]
fn is_nowhere(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(file.metadata()?.nlink() == 0)
}

/// Not known elsewhere; then nothing is overwritten.
#[cfg(not(unix))]
fn is_nowhere(_file: &File) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use privacy_identity::WorkFactor;
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};
    use tempfile::{TempDir, tempdir};

    use super::*;
    use crate::{create_key, is_key_encrypted, load_key};

    struct Case {
        dir: TempDir,
        path: PathBuf,
        seed: Zeroizing<[u8; SEED_BYTES]>,
        rng: ChaCha20Rng,
    }

    fn case() -> Case {
        let dir = tempdir().unwrap();
        let path = dir.path().join("key");
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let seed = create_key(&path, KeyProtection::Clear, &mut rng).unwrap();
        Case { dir, path, seed, rng }
    }

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(Zeroizing::new(text.to_owned())).unwrap()
    }

    fn under(passphrase: &Passphrase) -> KeyProtection<'_> {
        KeyProtection::Passphrase(passphrase, WorkFactor::from_log2(2).unwrap())
    }

    #[test]
    fn a_key_goes_under_a_passphrase_under_another_and_back() {
        let Case { dir, path, seed, mut rng } = case();
        let (first, second) = (passphrase("the first one"), passphrase("the second one"));
        let mut change = |now, then| change_key_protection(&path, now, then, &mut rng).map(|_| ());
        change(None, under(&first)).unwrap();
        assert!(is_key_encrypted(&path).unwrap());
        assert!(matches!(change(None, under(&second)), Err(KeyFileError::Locked { .. })));
        let wrong = change(Some(&second), under(&second));
        assert!(matches!(wrong, Err(KeyFileError::WrongPassphrase { .. })));
        assert_eq!(*unlock_key(&path, Some(&first)).unwrap(), *seed);
        change(Some(&first), under(&second)).unwrap();
        assert!(unlock_key(&path, Some(&first)).is_err());
        change(Some(&second), KeyProtection::Clear).unwrap();
        assert_eq!(*load_key(&path).unwrap(), *seed);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_crash_between_any_two_steps_loses_no_key_and_the_next_attempt_succeeds() {
        let words = passphrase("the first one");
        for steps in 0..4 {
            let Case { dir: _dir, path, seed, mut rng } = case();
            let clear = fs::read(&path).unwrap();
            // As far as it got, then nothing of the process is left.
            match steps {
                0 => fs::write(beside(&path), b"age-encry").unwrap(),
                1 => drop(Written::beside(&path, &seed, under(&words), &mut rng).unwrap()),
                2 => {
                    let written = Written::beside(&path, &seed, under(&words), &mut rng).unwrap();
                    drop(written.prove(&seed, under(&words)).unwrap());
                }
                _ => fs::rename(
                    Written::beside(&path, &seed, under(&words), &mut rng).unwrap().new,
                    &path,
                )
                .unwrap(),
            }
            if steps < 3 {
                assert_eq!(fs::read(&path).unwrap(), clear, "step {steps}");
            }
            assert_eq!(*unlock_key(&path, Some(&words)).unwrap(), *seed, "step {steps}");
            change_key_protection(&path, Some(&words), under(&words), &mut rng).unwrap();
            assert_eq!(*unlock_key(&path, Some(&words)).unwrap(), *seed, "step {steps}");
            assert!(!beside(&path).exists(), "step {steps}");
        }
    }

    #[test]
    fn a_file_that_does_not_give_the_same_key_never_takes_its_place() {
        let Case { dir: _dir, path, seed, mut rng } = case();
        let words = passphrase("the first one");
        let written = Written::beside(&path, &[9; SEED_BYTES], under(&words), &mut rng).unwrap();
        let refused = written.prove(&seed, under(&words)).err().unwrap();
        assert!(matches!(refused, KeyFileError::Unproven { .. }), "{refused}");
        assert_eq!(*load_key(&path).unwrap(), *seed);
        assert!(!beside(&path).exists());
    }

    #[test]
    fn a_key_in_use_is_not_changed() {
        let Case { dir, path, mut rng, .. } = case();
        let words = passphrase("the first one");
        let lock = File::create(dir.path().join(LOCK)).unwrap();
        lock.lock().unwrap();
        let refused = change_key_protection(&path, None, under(&words), &mut rng).unwrap_err();
        assert!(matches!(refused, KeyFileError::InUse { .. }), "{refused}");
        lock.unlock().unwrap();
        let other = Held::take(&path).unwrap();
        let refused = change_key_protection(&path, None, under(&words), &mut rng).unwrap_err();
        assert!(matches!(refused, KeyFileError::InUse { .. }), "{refused}");
        drop(other);
        change_key_protection(&path, None, under(&words), &mut rng).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn what_the_file_held_is_overwritten_unless_it_has_a_second_name() {
        use std::io::{Read as _, Seek as _};
        let read_again = |file: &mut File| {
            let mut bytes = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut bytes).unwrap();
            bytes
        };
        let words = passphrase("the first one");
        for named_twice in [false, true] {
            let Case { dir, path, mut rng, .. } = case();
            let clear = fs::read(&path).unwrap();
            let mut old = File::open(&path).unwrap();
            if named_twice {
                fs::hard_link(&path, dir.path().join("back-up")).unwrap();
            }
            change_key_protection(&path, None, under(&words), &mut rng).unwrap();
            let expected = if named_twice { clear } else { vec![0; clear.len()] };
            assert_eq!(read_again(&mut old), expected);
        }
    }

    #[test]
    fn what_an_unfinished_change_left_is_removed() {
        let Case { dir: _dir, path, .. } = case();
        fs::write(beside(&path), "a key in the clear").unwrap();
        forget_unfinished_change(&path).unwrap();
        forget_unfinished_change(&path).unwrap();
        assert!(!beside(&path).exists() && path.exists());
    }
}
