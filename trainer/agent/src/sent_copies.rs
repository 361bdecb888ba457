//! The sealed messages themselves, as they left: for their owner to look at.
//!
//! ```text
//!   sent/<time>-<digest>.bin    the bytes of one message; the digest is the one in sent.jsonl
//! ```
//! Only what carries a sealed update is kept: it can be read by nobody, its owner included, and it was on its way over the
//! network. What it was made of is never kept here.
//!
//! Threat: a copy on the disk is ciphertext for as long as its parts are sealed to aggregators that do not all collude. Whoever
//! breaks the encryption in years to come needs the bytes: they were on the wire, and here they are on the disk, too. So only as many
//! are kept as the owner wants to look at.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use privacy_identity::{Digest, Tag};

use crate::private_file::{create_dir, private};

/// Its folder in the state directory.
const FOLDER: &str = "sent";

/// Most copies that are kept, whatever they weigh: one for each of a thousand rounds.
const COPIES_MAX: usize = 1_000;

/// Digits of the time that a name begins with: milliseconds until the year 2286.
const TIME_DIGITS: usize = 13;

/// The copies of sealed messages, of which the newest are kept.
#[derive(Debug, Clone)]
pub struct SentCopies {
    folder: PathBuf,
    bytes_max: u64,
}

/// Why a copy cannot be shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SentCopyError {
    /// It is none of those kept: too old, or not a message with a sealed update.
    #[error("no copy of the message {digest} is kept: only the newest sealed ones are")]
    Gone {
        /// Its digest.
        digest: Digest,
    },
    /// What is kept is not what left.
    #[error("{path} was altered: its digest is {got}, the message that left has {digest}")]
    Altered {
        /// The file.
        path: String,
        /// The digest of what left.
        digest: Digest,
        /// That of the file.
        got: Digest,
    },
    /// It cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file or folder.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl SentCopies {
    /// How much is kept unless the owner says otherwise, in bytes: dozens of rounds of a small model, two of a model of four million
    /// parameters.
    pub const BYTES_MAX_DEFAULT: u64 = 64 << 20;

    /// Those of a state directory.
    ///
    /// * `bytes_max` — how much is kept, in bytes; 0: nothing.
    #[must_use]
    pub fn of(state_dir: &Path, bytes_max: u64) -> Self {
        Self { folder: state_dir.join(FOLDER), bytes_max }
    }

    /// The digest under which the log of what left and these copies know a message.
    #[must_use]
    pub fn digest(message: &[u8]) -> Digest {
        Digest::of(Tag::MemberRequest, message)
    }

    /// Keeps a message that leaves now, and as many of those before it as there is room for. One that is kept already is
    /// not written again: after a crash the very same bytes are sent.
    pub(crate) fn keep(&self, time_ms: u64, message: &[u8]) -> io::Result<()> {
        let bytes = message.len() as u64;
        self.make_room(self.bytes_max.saturating_sub(bytes))?;
        let digest = Self::digest(message);
        if bytes > self.bytes_max || self.path_of(&digest)?.is_some() {
            return Ok(());
        }
        create_dir(&self.folder)?;
        let path = self.folder.join(format!("{time_ms:0TIME_DIGITS$}-{digest}.bin"));
        let mut file = private().write(true).create_new(true).open(&path)?;
        // Not synchronised: what is lost with the power is a copy, and its digest would tell.
        io::Write::write_all(&mut file, message).inspect_err(|_| {
            // A full disk: half a copy shows nothing.
            let _stays = fs::remove_file(&path).is_err();
        })
    }

    /// The message with this digest, as it left.
    ///
    /// # Errors
    /// [`SentCopyError`]: it is not kept, or what is kept is another one.
    pub fn message(&self, digest: &Digest) -> Result<Vec<u8>, SentCopyError> {
        let read = |path: &Path| {
            let path = path.display().to_string();
            move |source| SentCopyError::Read { path, source }
        };
        let found = self.path_of(digest).map_err(read(&self.folder))?;
        let path = found.ok_or(SentCopyError::Gone { digest: *digest })?;
        let message = fs::read(&path).map_err(read(&path))?;
        match Self::digest(&message) {
            got if got == *digest => Ok(message),
            got => {
                let path = path.display().to_string();
                Err(SentCopyError::Altered { path, digest: *digest, got })
            }
        }
    }

    fn path_of(&self, digest: &Digest) -> io::Result<Option<PathBuf>> {
        let end = format!("-{digest}.bin");
        Ok(self.oldest_first()?.into_iter().find(|path| name_of(path).ends_with(&end)))
    }

    /// Removes the oldest until those that stay weigh at most `bytes`.
    fn make_room(&self, bytes: u64) -> io::Result<()> {
        let (mut room, mut kept) = (bytes, 0);
        for path in self.oldest_first()?.iter().rev() {
            let weight = fs::metadata(path)?.len();
            // Once one does not fit, all older ones go: what is kept has no gaps.
            match room.checked_sub(weight).filter(|_| kept + 1 < COPIES_MAX) {
                Some(left) => (room, kept) = (left, kept + 1),
                None => {
                    room = 0;
                    kept = COPIES_MAX;
                    fs::remove_file(path)?;
                }
            }
        }
        Ok(())
    }

    fn oldest_first(&self) -> io::Result<Vec<PathBuf>> {
        let listed = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed?,
        };
        let mut paths = listed.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        paths.retain(|path| name_of(path).ends_with(".bin"));
        paths.sort();
        Ok(paths)
    }
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(std::ffi::OsStr::to_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    fn message(byte: u8, length: usize) -> Vec<u8> {
        vec![byte; length]
    }

    #[test]
    fn what_left_is_shown_again_byte_for_byte() {
        let dir = tempdir().unwrap();
        let copies = SentCopies::of(dir.path(), 1_000);
        let sent = message(7, 300);
        copies.keep(5, &sent).unwrap();
        copies.keep(6, &sent).unwrap();
        assert_eq!(copies.message(&SentCopies::digest(&sent)).unwrap(), sent);
        assert_eq!(copies.oldest_first().unwrap().len(), 1, "the same bytes are kept once");
        let other = SentCopies::digest(b"other");
        assert!(matches!(copies.message(&other), Err(SentCopyError::Gone { .. })));
    }

    #[test]
    fn the_newest_are_kept_in_the_room_that_there_is() {
        let dir = tempdir().unwrap();
        let copies = SentCopies::of(dir.path(), 1_000);
        for byte in 0..10 {
            copies.keep(u64::from(byte), &message(byte, 300)).unwrap();
        }
        let kept: Vec<u8> = (0..10)
            .filter(|byte| copies.message(&SentCopies::digest(&message(*byte, 300))).is_ok())
            .collect();
        assert_eq!(kept, [7, 8, 9]);
        // One that is larger than all the room leaves none: older ones would look like the newest.
        copies.keep(11, &message(11, 1_001)).unwrap();
        assert!(copies.oldest_first().unwrap().is_empty());
        SentCopies::of(dir.path(), 0).keep(12, &message(12, 1)).unwrap();
        assert!(copies.oldest_first().unwrap().is_empty());
    }

    #[test]
    fn an_altered_or_cut_copy_is_not_shown_as_what_left() {
        let dir = tempdir().unwrap();
        let copies = SentCopies::of(dir.path(), 1_000);
        let sent = message(7, 300);
        copies.keep(5, &sent).unwrap();
        let path = copies.oldest_first().unwrap().remove(0);
        for altered in [&sent[..299], &[&sent[..], &[7]].concat(), &[8; 300]] {
            fs::write(&path, altered).unwrap();
            let refused = copies.message(&SentCopies::digest(&sent)).unwrap_err();
            assert!(matches!(refused, SentCopyError::Altered { .. }), "{refused}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn copies_are_their_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempdir().unwrap();
        let copies = SentCopies::of(dir.path(), 1_000);
        copies.keep(5, &message(7, 3)).unwrap();
        let path = copies.oldest_first().unwrap().remove(0);
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&copies.folder).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
