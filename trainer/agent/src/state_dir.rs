//! The directory that an agent owns.
//!
//! ```text
//!   lock         held while an agent runs on this directory
//!   key          the identity, readable by its owner alone
//!   terms.bin    the signed terms that the owner agreed to
//!   next-terms.bin  those that the owner agrees to now, while the directory moves to them
//!   terms/<digest>/  what belonged to terms that the owner left for others
//!   round.bin    how far the last round got
//!   custody.bin  what this member answered as a custodian in the newest such round
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
//! ```

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use aggregator_network::load_or_create_key;
use aggregator_protocol::{FederationTerms, RoundId};
use aggregator_round::{ContributorReceipt, OwnShares, RoundSecret, ShareDisclosure};
use privacy_identity::{Decode, Digest, Encode, Signed};
use trainer_model::{Parameters, UpdateLayout};
use zeroize::Zeroizing;

use crate::{
    AgentError, control::Control, custody::StoredCustody, lock::DirectoryLock, randomness,
    sent_log::SentLog, stored_round::StoredRound, trained::Trained,
};

const LOCK: &str = "lock";
const KEY: &str = "key";
const TERMS: &str = "terms.bin";
const NEXT_TERMS: &str = "next-terms.bin";
const FORMER: &str = "terms";
const ROUND: &str = "round.bin";
const CUSTODY: &str = "custody.bin";
const COHORT: &str = "cohort.bin";
const TAG: &str = "tag.bin";
const SHARES: &str = "shares.bin";
const PERSONAL: &str = "personal.safetensors";
const PERSONAL_BEFORE: &str = "personal-before.safetensors";
const PERSONAL_ROUND: &str = "personal-round.bin";
const CONTROL: &str = "control.bin";
const TRAINED: &str = "trained.bin";
const RECEIPTS: &str = "receipts";
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

    /// The seed of the identity, drawn at the first start.
    pub(crate) fn key(&self) -> Result<Zeroizing<[u8; 32]>, AgentError> {
        Ok(load_or_create_key(&self.path.join(KEY), &mut randomness::key())?)
    }

    /// The log of what left this machine.
    pub(crate) fn sent_log(&self) -> Result<SentLog, AgentError> {
        SentLog::open(self.path.join(SENT))
    }

    /// The terms that the owner agreed to earlier.
    pub(crate) fn agreed_terms(&self) -> Result<Option<Signed<FederationTerms>>, AgentError> {
        self.load(TERMS)
    }

    /// Stores the terms that the owner agrees to.
    pub(crate) fn agree(&self, terms: &Signed<FederationTerms>) -> Result<(), AgentError> {
        self.store(TERMS, terms)
    }

    /// Puts other terms, which the owner agrees to, in the place of those agreed to before. What belonged to those is set
    /// aside, and the secrets of a round under way under them are deleted. When this returns, a crash does not undo it.
    pub(crate) fn change_terms(&self, terms: &Signed<FederationTerms>) -> Result<(), AgentError> {
        self.store(NEXT_TERMS, terms)?;
        self.finish_change()
    }

    /// Whether the owner once agreed to the terms with this digest, and left them for others.
    pub(crate) fn left(&self, terms: &Digest) -> bool {
        self.former(terms).join(TERMS).exists()
    }

    fn former(&self, terms: &Digest) -> PathBuf {
        self.path.join(FORMER).join(terms.to_string())
    }

    /// Ends a change of terms, also one that a crash cut off. Each step may happen again.
    fn finish_change(&self) -> Result<(), AgentError> {
        let Some(next): Option<Signed<FederationTerms>> = self.load(NEXT_TERMS)? else {
            return Ok(());
        };
        let (path, next) = (self.path.join(NEXT_TERMS), next.unverified_body());
        if let Some(agreed) = self.agreed_terms()?
            && agreed.unverified_body().id() != next.id()
        {
            self.forget_round()?;
            self.forget_trained()?;
            let agreed = agreed.unverified_body();
            let same_model = agreed.architecture == next.architecture
                && agreed.training.personal.layers() == next.training.personal.layers();
            let own = if same_model { None } else { Some(PERSONAL) };
            // The terms last: they say what the rest belongs to.
            let names = [ROUND, CUSTODY, COHORT, CONTROL, PERSONAL_ROUND, PERSONAL_BEFORE];
            let names = names.into_iter().chain(own).chain([TERMS]);
            self.set_aside(&self.former(&agreed.id()), names)?;
        }
        let renamed = fs::rename(&path, self.path.join(TERMS));
        renamed.and_then(|()| sync_dir(&self.path)).map_err(AgentError::state(&path))
    }

    fn set_aside(
        &self,
        dir: &Path,
        names: impl Iterator<Item = &'static str>,
    ) -> Result<(), AgentError> {
        create_dir(dir).map_err(AgentError::state(dir))?;
        for name in names {
            let path = self.path.join(name);
            match fs::rename(&path, dir.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(AgentError::state(&path)(error));
                }
                _ => {}
            }
            sync_dir(dir).and_then(|()| sync_dir(&self.path)).map_err(AgentError::state(&path))?;
        }
        Ok(())
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

    /// This member's state in its cohort, encrypted.
    pub(crate) fn cohort(&self) -> Result<Option<Vec<u8>>, AgentError> {
        self.bytes(COHORT)
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

    /// The cohort's secret of `round`, if it is the one that is kept.
    pub(crate) fn round_secret(&self, round: RoundId) -> Result<Option<RoundSecret>, AgentError> {
        let bytes = self.bytes(TAG)?.map(Zeroizing::new);
        let Some((number, secret)) = bytes.as_ref().and_then(|bytes| bytes.split_first_chunk())
        else {
            return Ok(None);
        };
        let secret: Option<&[u8; 32]> = secret.try_into().ok();
        let same = u64::from_be_bytes(*number) == round.0;
        Ok(secret.filter(|_| same).map(RoundSecret::from_bytes))
    }

    /// Keeps the cohort's secret of `round` until its sum was checked. The directory is its owner's alone.
    pub(crate) fn store_round_secret(
        &self,
        round: RoundId,
        secret: &RoundSecret,
    ) -> Result<(), AgentError> {
        let mut bytes = Zeroizing::new(round.0.to_be_bytes().to_vec());
        bytes.extend_from_slice(secret.expose());
        let path = self.path.join(TAG);
        replace(&self.path, &path, &bytes).map_err(AgentError::state(&path))
    }

    /// Deletes what was kept of a round that ended: its secret, and the parts of the update.
    pub(crate) fn forget_round(&self) -> Result<(), AgentError> {
        [TAG, SHARES].into_iter().try_for_each(|name| self.remove(name))
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

    /// The parts of the update of `round`, if they are kept: where they are until its values were checked, or set aside as
    /// disputed, after a crash before that was told.
    pub(crate) fn own_shares(&self, round: RoundId) -> Result<Option<OwnShares>, AgentError> {
        let of_round = |own: &OwnShares| own.binding().round == round.0;
        let own: Option<OwnShares> = self.load(SHARES)?;
        match own.filter(of_round) {
            Some(own) => Ok(Some(own)),
            None => {
                let disputed: Option<OwnShares> = self.load(&disputed_shares(round))?;
                Ok(disputed.filter(of_round))
            }
        }
    }

    /// Keeps the parts of an update until its values were checked. The directory is its owner's alone.
    pub(crate) fn store_own_shares(&self, own: &OwnShares) -> Result<(), AgentError> {
        let path = self.path.join(SHARES);
        let bytes = Zeroizing::new(own.to_bytes());
        replace(&self.path, &path, &bytes).map_err(AgentError::state(&path))
    }

    /// Keeps the parts of an update whose values are disputed, for the day on which a judge asks for one.
    pub(crate) fn keep_disputed_shares(&self, round: RoundId) -> Result<(), AgentError> {
        let dir = self.path.join(RECEIPTS);
        create_dir(&dir).map_err(AgentError::state(&dir))?;
        let path = self.path.join(SHARES);
        let kept = match fs::rename(&path, self.path.join(disputed_shares(round))) {
            // Set aside before, by a run that a crash ended.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            kept => kept,
        };
        kept.and_then(|()| sync_dir(&dir)).map_err(AgentError::state(&path))
    }

    /// Keeps what proves to the DAO node that a party lied about this member's update: `receipts/<round>.disclosure`, for
    /// its eyes alone. Whoever has it and all other parts has the update.
    pub(crate) fn keep_disclosure(
        &self,
        round: RoundId,
        disclosure: &ShareDisclosure,
    ) -> Result<(), AgentError> {
        let dir = self.path.join(RECEIPTS);
        create_dir(&dir).map_err(AgentError::state(&dir))?;
        let path = dir.join(format!("{round}.disclosure"));
        let bytes = Zeroizing::new(disclosure.to_bytes());
        replace(&dir, &path, &bytes).map_err(AgentError::state(&path))
    }

    /// The contributor's own model as it was before `round`: a round that is trained again after a crash starts from what it
    /// started from before it.
    pub(crate) fn personal(
        &self,
        round: RoundId,
        layout: &UpdateLayout,
    ) -> Result<Option<Parameters>, AgentError> {
        let again = self.load(PERSONAL_ROUND)? == Some(round);
        let name = if again { PERSONAL_BEFORE } else { PERSONAL };
        let read = |bytes: Vec<u8>| {
            let path = self.path.join(name);
            Parameters::from_safetensors(layout, &bytes).map_err(AgentError::damaged(&path))
        };
        self.bytes(name)?.map(read).transpose()
    }

    /// Keeps the contributor's own model after `round`, and the one before it beside it.
    pub(crate) fn store_personal(
        &self,
        round: RoundId,
        layout: &UpdateLayout,
        model: &Parameters,
    ) -> Result<(), AgentError> {
        if self.load(PERSONAL_ROUND)? != Some(round) {
            let before = self.path.join(PERSONAL_BEFORE);
            match self.bytes(PERSONAL)? {
                Some(bytes) => {
                    replace(&self.path, &before, &bytes).map_err(AgentError::state(&before))?;
                }
                None => self.remove(PERSONAL_BEFORE)?,
            }
            // From here on the one before is the one to start from, until another round begins.
            self.store(PERSONAL_ROUND, &round)?;
        }
        let path = self.path.join(PERSONAL);
        let bytes = model.to_safetensors(layout).map_err(AgentError::damaged(&path))?;
        replace(&self.path, &path, &bytes).map_err(AgentError::state(&path))
    }

    /// The contributor's control variate.
    pub(crate) fn control(&self) -> Result<Option<Control>, AgentError> {
        self.load(CONTROL)
    }

    /// Keeps the contributor's control variate.
    pub(crate) fn store_control(&self, control: &Control) -> Result<(), AgentError> {
        self.store(CONTROL, control)
    }

    /// What was trained and waits for its round.
    pub(crate) fn trained(&self) -> Result<Option<Trained>, AgentError> {
        let read = |bytes: Vec<u8>| {
            let bytes = Zeroizing::new(bytes);
            Trained::from_disk(&bytes).map_err(AgentError::damaged(&self.path.join(TRAINED)))
        };
        self.bytes(TRAINED)?.map(read).transpose()
    }

    /// Keeps what was trained until its round comes. The directory is its owner's alone.
    pub(crate) fn store_trained(&self, trained: &Trained) -> Result<(), AgentError> {
        let path = self.path.join(TRAINED);
        replace(&self.path, &path, &trained.to_disk()).map_err(AgentError::state(&path))
    }

    /// Deletes it: it was sealed, or is too old.
    pub(crate) fn forget_trained(&self) -> Result<(), AgentError> {
        self.remove(TRAINED)
    }

    /// Keeps the record of a counted round.
    pub(crate) fn store_receipt(
        &self,
        round: RoundId,
        receipt: &ContributorReceipt,
    ) -> Result<(), AgentError> {
        let dir = self.path.join(RECEIPTS);
        create_dir(&dir).map_err(AgentError::state(&dir))?;
        let path = dir.join(format!("{round}.bin"));
        replace(&dir, &path, &receipt.to_bytes()).map_err(AgentError::state(&path))
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
        let decode = |bytes: Vec<u8>| {
            T::from_bytes(&bytes).map_err(AgentError::damaged(&self.path.join(name)))
        };
        self.bytes(name)?.map(decode).transpose()
    }

    fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, AgentError> {
        let path = self.path.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(AgentError::state(&path)(error)),
        }
    }

    fn store(&self, name: &str, value: &impl Encode) -> Result<(), AgentError> {
        let path = self.path.join(name);
        replace(&self.path, &path, &value.to_bytes()).map_err(AgentError::state(&path))
    }
}

/// Puts `bytes` in the place of the file at `path`, wholly or not at all, for its owner alone to read: the directory may have
/// been there before, open to others.
fn replace(dir: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private().write(true).create_new(true).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    sync_dir(dir)
}

/// Makes a renaming durable: it is the directory that changed.
#[cfg(unix)]
fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Directories cannot be opened as files elsewhere; renaming is journalled there.
#[cfg(not(unix))]
fn sync_dir(_dir: &Path) -> io::Result<()> {
    Ok(())
}

/// Where the parts of an update lie whose values are disputed.
fn disputed_shares(round: RoundId) -> String {
    format!("{RECEIPTS}/{round}.shares")
}

/// Files that are made by these are their owner's alone.
pub(crate) fn private() -> OpenOptions {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "other systems have other rights"))]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

fn create_dir(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)
}

#[cfg(test)]
mod tests {
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
        assert_eq!(*state.key().unwrap(), *state.key().unwrap());
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
        use trainer_model::{Architecture, MlpShape};
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
        drop(state.sent_log().unwrap());
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
}
