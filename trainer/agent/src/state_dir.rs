//! The directory that an agent owns.
//!
//! ```text
//!   lock         held while an agent runs on this directory
//!   key          the identity, readable by its owner alone
//!   next-key     the key that takes its place, while the directory moves to it
//!   keys/<n>/    former keys, each with what was sealed to it or signed by it
//!   terms.bin    the signed terms that the owner agreed to
//!   next-terms.bin  those that the owner agrees to now, while the directory moves to them
//!   terms/<digest>/  what belonged to terms that the owner left for others
//!   round.bin    how far the last round got
//!   custody.bin  what this member answered as a custodian in the newest such round
//!   answered.bin  the newest round that it answered as a custodian under terms that it left
//!   cohort.bin   this member's state in its cohort, encrypted
//!   tag.bin      the cohort's secret of the round under way, until its sum was checked
//!   shares.bin   the parts of one's own update of the round under way, until its values were checked
//!   personal.safetensors  the contributor's own model, or the one whose last layers are its own
//!   personal-before.safetensors, personal-round.bin  the same before the last round, and which that was
//!   trained.bin  what was trained at its own pace and waits for its round, in the clear
//!   control.bin  its control variate (SCAFFOLD), and how it changes if the update under way counts
//!   receipts/    of each counted round: receipt, proof and sum, for whoever checks later
//!                (`<round>.shares`: one's own parts of a disputed round, to show a judge one of them)
//!   sent.jsonl   what left this machine
//!   sent/        the newest sealed messages, as they left
//! ```

mod agreed_terms;
mod other_key;
mod own_model;
mod round_secrets;

use std::{
    fs::{self, TryLockError},
    io,
    path::{Path, PathBuf},
};

use aggregator_network::{forget_unfinished_change, unlock_or_create_key};
use aggregator_protocol::RoundId;
use privacy_identity::{Decode, Encode, Passphrase};
use zeroize::Zeroizing;

use crate::{
    AgentError, SentCopies,
    custody::StoredCustody,
    lock::DirectoryLock,
    private_file::{create_dir, replace},
    randomness,
    sent_log::SentLog,
    stored_round::StoredRound,
};

const LOCK: &str = "lock";
const KEY: &str = "key";
const ROUND: &str = "round.bin";
const CUSTODY: &str = "custody.bin";
const ANSWERED: &str = "answered.bin";
const COHORT: &str = "cohort.bin";
const PERSONAL: &str = "personal.safetensors";
const PERSONAL_BEFORE: &str = "personal-before.safetensors";
const PERSONAL_ROUND: &str = "personal-round.bin";
const CONTROL: &str = "control.bin";
const SENT: &str = "sent.jsonl";

/// An agent's directory, which no other agent uses until this value is dropped.
pub(crate) struct StateDir {
    path: PathBuf,
    _lock: DirectoryLock,
}

impl StateDir {
    /// Makes the directory if it is not there, and locks it.
    pub(crate) fn open(path: &Path) -> Result<Self, AgentError> {
        create_dir(path).map_err(AgentError::state(path))?;
        let lock = path.join(LOCK);
        match DirectoryLock::take(&lock) {
            Ok(held) => {
                let state = Self { path: path.to_owned(), _lock: held };
                state.finish_change()?;
                state.finish_key()?;
                Ok(state)
            }
            Err(TryLockError::WouldBlock) => {
                Err(AgentError::StateInUse { path: path.display().to_string() })
            }
            Err(TryLockError::Error(source)) => Err(AgentError::state(&lock)(source)),
        }
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The seed of the identity, drawn at the first start: under `passphrase`, if there is one.
    pub(crate) fn key(
        &self,
        passphrase: Option<&Passphrase>,
    ) -> Result<Zeroizing<[u8; 32]>, AgentError> {
        let path = self.path.join(KEY);
        // The directory is locked: nobody is changing it.
        forget_unfinished_change(&path)?;
        Ok(unlock_or_create_key(&path, passphrase, &mut randomness::key())?)
    }

    /// The log of what left this machine.
    ///
    /// * `copies_bytes_max` — how much of what was sealed is kept to be looked at, in bytes.
    pub(crate) fn sent_log(&self, copies_bytes_max: u64) -> Result<SentLog, AgentError> {
        SentLog::open(self.path.join(SENT), SentCopies::of(&self.path, copies_bytes_max))
    }

    /// How far the last round got.
    pub(crate) fn stored_round(&self) -> Result<Option<StoredRound>, AgentError> {
        self.load(ROUND)
    }

    /// Stores how far a round got: when this returns, a crash does not undo it.
    pub(crate) fn store_round(&self, round: &StoredRound) -> Result<(), AgentError> {
        self.store(ROUND, round)
    }

    /// What this member was asked as a custodian.
    pub(crate) fn custody(&self) -> Result<Option<StoredCustody>, AgentError> {
        self.load(CUSTODY)
    }

    /// Stores what this member was asked as a custodian, before it answers.
    pub(crate) fn store_custody(&self, custody: &StoredCustody) -> Result<(), AgentError> {
        self.store(CUSTODY, custody)
    }

    /// The newest round that it answered as a custodian under terms that it left: nothing at or below it is answered again, as terms
    /// that are voted out and in again have the same digest.
    pub(crate) fn answered_before(&self) -> Result<Option<RoundId>, AgentError> {
        self.load(ANSWERED)
    }

    /// Remembers the newest round that is answered, before what says so is set aside. May happen again.
    fn remember_answered(&self) -> Result<(), AgentError> {
        let newest = self.custody()?.and_then(|custody| custody.round());
        match newest.max(self.answered_before()?) {
            Some(round) => self.store(ANSWERED, &round),
            None => Ok(()),
        }
    }

    /// This member's state in its cohort, encrypted.
    pub(crate) fn cohort(&self) -> Result<Option<Vec<u8>>, AgentError> {
        Ok(self.bytes(COHORT)?.map(|bytes| bytes.to_vec()))
    }

    /// Stores this member's state in its cohort, before anything that it justifies leaves.
    pub(crate) fn store_cohort(&self, bytes: &[u8]) -> Result<(), AgentError> {
        let path = self.path.join(COHORT);
        replace(&self.path, &path, bytes).map_err(AgentError::state(&path))
    }

    /// Says that the stored cohort is not what an agent stores.
    pub(crate) fn cohort_damaged<E>(&self) -> impl FnOnce(E) -> AgentError + use<E>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        AgentError::damaged(&self.path.join(COHORT))
    }

    /// Says that what is stored of custody is not what an agent stores.
    pub(crate) fn custody_damaged<E>(&self) -> impl FnOnce(E) -> AgentError + use<E>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        AgentError::damaged(&self.path.join(CUSTODY))
    }

    /// Says that the stored round is not what an agent stores.
    pub(crate) fn round_damaged<E>(&self) -> impl FnOnce(E) -> AgentError + use<E>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        AgentError::damaged(&self.path.join(ROUND))
    }

    fn load<T: Decode>(&self, name: &str) -> Result<Option<T>, AgentError> {
        let decode = |bytes: Zeroizing<Vec<u8>>| {
            T::from_bytes(&bytes).map_err(AgentError::damaged(&self.path.join(name)))
        };
        self.bytes(name)?.map(decode).transpose()
    }

    fn remove(&self, name: &str) -> Result<(), AgentError> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(AgentError::state(&path)(error))
            }
            _ => Ok(()),
        }
    }

    /// What is in a file: zeroised on drop, as it may be a secret.
    fn bytes(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, AgentError> {
        let path = self.path.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(AgentError::state(&path)(error)),
        }
    }

    fn store(&self, name: &str, value: &impl Encode) -> Result<(), AgentError> {
        let path = self.path.join(name);
        replace(&self.path, &path, &value.to_bytes()).map_err(AgentError::state(&path))
    }
}

#[cfg(test)]
mod tests;
