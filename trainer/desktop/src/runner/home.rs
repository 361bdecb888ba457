//! The folder in which everything is kept.
//!
//! ```text
//!   lock            held while a window is open on this folder
//!   settings.toml   what the window remembers, readable by its owner alone
//!   log.checkpoint  the last checkpoint of the co-operative's log that was believed here
//!   mapping.toml    how columns and words of the data become the federation's, as the trainer reads it
//!   trainer/        the trainer's state directory: key, terms, receipts, sent.jsonl …
//!   federations/2/  the same files of the second federation, /3/ of the third …
//! ```
//! The files beside `lock` are those of the first federation, as they were when there was only one; its settings have what is
//! common to all.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use datasets::Mapping;

use crate::{os::Autostart, seat::Seat, sent::Sent, settings::Settings};

/// How a key's file begins that is under a passphrase: a file of age.
const KEY_UNDER_PASSPHRASE: &[u8] = b"age-encryption.org/v1\n";

/// Where the folders of all federations but the first are.
const FEDERATIONS: &str = "federations";

/// A folder that no other window uses until this value and all that came of it are dropped.
#[derive(Debug, Clone)]
pub struct Home {
    /// The window's folder.
    root: PathBuf,
    /// The folder of this federation.
    path: PathBuf,
    /// What starts a window on it with the session, where something can.
    autostart: Option<Autostart>,
    /// Locked; the operating system frees it with the process, however that ends.
    _lock: Arc<File>,
}

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HomeError {
    /// Another window is open on it.
    #[error("Sahakar is open already on {path}: look for its window, or name another folder")]
    InUse {
        /// The folder.
        path: String,
    },
    /// It cannot be made or written.
    #[error("cannot use {path}: {source}")]
    Unusable {
        /// The folder.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl Home {
    /// Makes the folder if it is not there, and locks it.
    ///
    /// # Errors
    /// [`HomeError`].
    pub fn open(path: &Path) -> Result<Self, HomeError> {
        let text = || path.display().to_string();
        let unusable = |source| HomeError::Unusable { path: text(), source };
        create_dir(path).map_err(unusable)?;
        let lock = OpenOptions::new().create(true).append(true).open(path.join("lock"));
        let lock = lock.map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {
                let (root, lock) = (path.to_owned(), Arc::new(lock));
                Ok(Self { path: root.clone(), root, autostart: None, _lock: lock })
            }
            Err(TryLockError::WouldBlock) => Err(HomeError::InUse { path: text() }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    /// With what starts a window on it with the session.
    #[must_use]
    pub fn with_autostart(mut self, autostart: Option<Autostart>) -> Self {
        self.autostart = autostart;
        self
    }

    /// The folder of another federation.
    #[must_use]
    pub fn at(&self, seat: Seat) -> Self {
        let path = if seat == Seat::FIRST {
            self.root.clone()
        } else {
            self.root.join(FEDERATIONS).join(seat.0.to_string())
        };
        Self { path, ..self.clone() }
    }

    /// Seats other than the first that something is kept of.
    fn other_seats(&self) -> io::Result<Vec<Seat>> {
        let entries = match fs::read_dir(self.root.join(FEDERATIONS)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut seats = Vec::new();
        for entry in entries {
            let number = entry?.file_name().to_str().and_then(|name| name.parse().ok());
            let seat = number.map(Seat).filter(|seat| *seat > Seat::FIRST);
            let kept = |seat: &Seat| {
                let home = self.at(*seat);
                home.settings_path().exists() || home.key().exists()
            };
            seats.extend(seat.filter(kept));
        }
        seats.sort_unstable();
        seats.truncate(Seat::MOST - 1);
        Ok(seats)
    }

    /// What the window remembers of each federation; there is always the first.
    ///
    /// # Errors
    /// A folder or file that cannot be read, or holds something else.
    pub fn all_settings(&self) -> anyhow::Result<Vec<(Seat, Settings)>> {
        let others = self.other_seats().context("reading the folders of federations")?;
        let seats = std::iter::once(Seat::FIRST).chain(others);
        seats.map(|seat| Ok((seat, self.at(seat).settings()?))).collect()
    }

    /// Starts a window with the session, or not.
    pub(super) fn set_autostart(&self, on: bool) -> anyhow::Result<()> {
        let autostart = self.autostart.as_ref().context("no start with the session here")?;
        autostart.set(on).with_context(|| format!("writing {}", autostart.file().display()))
    }

    /// The trainer's state directory.
    #[must_use]
    pub fn trainer(&self) -> PathBuf {
        self.path.join("trainer")
    }

    /// The key's file.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.trainer().join("key")
    }

    /// Whether the key is under a passphrase.
    pub(super) fn is_key_encrypted(&self) -> anyhow::Result<bool> {
        let mut begin = Vec::with_capacity(KEY_UNDER_PASSPHRASE.len());
        let file = File::open(self.key()).context("reading the key")?;
        file.take(KEY_UNDER_PASSPHRASE.len() as u64)
            .read_to_end(&mut begin)
            .context("reading the key")?;
        Ok(begin == KEY_UNDER_PASSPHRASE)
    }

    /// Makes the trainer's directory, so that a key can be written there.
    pub(super) fn make_trainer(&self) -> anyhow::Result<()> {
        create_dir(&self.trainer()).context("making the folder of the trainer")
    }

    /// What the window remembers; the defaults at the first start.
    ///
    /// # Errors
    /// A file that cannot be read, or holds something else.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let path = self.settings_path();
        match fs::read_to_string(&path) {
            Ok(text) => {
                Settings::from_text(&text).with_context(|| format!("reading {}", path.display()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Settings::default()),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }

    /// Writes the settings, wholly or not at all.
    pub(super) fn save(&self, settings: &Settings) -> anyhow::Result<()> {
        let path = self.settings_path();
        let new = path.with_extension("new");
        let write = || {
            create_dir(&self.path)?;
            let mut options = OpenOptions::new();
            options.create(true).write(true).truncate(true);
            // The invitation in it holds a secret.
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&new)?;
            file.write_all(settings.to_text().as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &path)
        };
        write().with_context(|| format!("writing {}", path.display()))
    }

    /// Writes how the data become the federation's, for the trainer to read. Returns where.
    pub(super) fn write_mapping(&self, mapping: &Mapping) -> anyhow::Result<PathBuf> {
        let path = self.path.join("mapping.toml");
        let text = toml::to_string(mapping).context("writing how columns are called")?;
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }

    fn settings_path(&self) -> PathBuf {
        self.path.join("settings.toml")
    }

    /// What left this computer.
    pub(super) fn sent(&self) -> anyhow::Result<Sent> {
        match File::open(self.sent_path()) {
            Ok(file) => Sent::read(BufReader::new(file)).context("reading what left"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Sent::default()),
            Err(error) => Err(error).context("reading what left"),
        }
    }

    /// Copies what left this computer to a new file.
    pub(super) fn export(&self, path: &Path) -> anyhow::Result<PathBuf> {
        let target = || format!("writing {}", path.display());
        let mut new = File::create_new(path).with_context(target)?;
        // The earlier part of a long log is set aside by the trainer.
        for part in [self.trainer().join("sent.1.jsonl"), self.sent_path()] {
            match File::open(&part) {
                Ok(mut part) => drop(io::copy(&mut part, &mut new).with_context(target)?),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(target),
            }
        }
        new.sync_all().with_context(target)?;
        Ok(fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()))
    }

    /// The last checkpoint of the co-operative's log that was believed here.
    pub(super) fn checkpoint(&self) -> anyhow::Result<Option<String>> {
        match fs::read_to_string(self.checkpoint_path()) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context("reading the checkpoint seen before"),
        }
    }

    /// Keeps a checkpoint that was believed.
    pub(super) fn keep_checkpoint(&self, text: &str) -> anyhow::Result<()> {
        let new = self.path.join("log.checkpoint.new");
        let write = || {
            fs::write(&new, text)?;
            File::open(&new)?.sync_all()?;
            fs::rename(&new, self.checkpoint_path())
        };
        write().context("keeping the checkpoint")
    }

    fn checkpoint_path(&self) -> PathBuf {
        self.path.join("log.checkpoint")
    }

    fn sent_path(&self) -> PathBuf {
        self.trainer().join("sent.jsonl")
    }

    /// Erases the trainer's state, the key in it, and the settings.
    pub(super) fn erase(&self) -> anyhow::Result<()> {
        let erasing = || format!("erasing {}", self.path.display());
        if self.path != self.root {
            return match fs::remove_dir_all(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(error).with_context(erasing)
                }
                _ => Ok(()),
            };
        }
        let alone = self.other_seats().with_context(erasing)?.is_empty();
        if let Some(autostart) = self.autostart.as_ref().filter(|_| alone) {
            autostart.set(false).context("removing the start with the session")?;
        }
        let files = [self.settings_path(), self.path.join("mapping.toml"), self.checkpoint_path()];
        let files = files.map(fs::remove_file);
        for gone in files.into_iter().chain([fs::remove_dir_all(self.trainer())]) {
            match gone {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).with_context(erasing);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn create_dir(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_window_on_the_same_folder_is_refused_politely() {
        let dir = tempfile::tempdir().unwrap();
        let first = Home::open(dir.path()).unwrap();
        let refused = Home::open(dir.path()).unwrap_err().to_string();
        assert!(refused.starts_with("Sahakar is open already on "), "{refused}");
        drop(first);
        assert!(Home::open(dir.path()).is_ok());
    }

    #[test]
    fn settings_are_kept_for_their_owner_alone_and_damaged_ones_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        assert!(home.settings().unwrap() == Settings::default());
        let settings = Settings { label: "kamala".to_owned(), ..Settings::default() };
        home.save(&settings).unwrap();
        assert!(home.settings().unwrap() == settings);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(home.settings_path()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::write(home.settings_path(), "label = 3").unwrap();
        assert!(home.settings().is_err());
    }

    #[test]
    fn an_export_has_everything_and_overwrites_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        home.make_trainer().unwrap();
        fs::write(home.trainer().join("sent.1.jsonl"), "a\n").unwrap();
        fs::write(home.sent_path(), "b\n").unwrap();
        let target = dir.path().join("out.jsonl");
        home.export(&target).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "a\nb\n");
        assert!(home.export(&target).is_err());
    }

    #[test]
    fn each_federation_has_a_folder_and_the_first_is_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        let named = |label: &str| Settings { label: label.to_owned(), ..Settings::default() };
        for (seat, label) in [(Seat::FIRST, "one"), (Seat(3), "three"), (Seat(12), "twelve")] {
            home.at(seat).save(&named(label)).unwrap();
        }
        assert!(dir.path().join("settings.toml").exists());
        // What is no seat is none.
        fs::create_dir_all(dir.path().join("federations/7/trainer")).unwrap();
        fs::create_dir_all(dir.path().join("federations/1/trainer")).unwrap();
        fs::write(dir.path().join("federations/notes"), "").unwrap();
        let labels = |home: &Home| -> Vec<(u32, String)> {
            let all = home.all_settings().unwrap().into_iter();
            all.map(|(seat, settings)| (seat.0, settings.label)).collect()
        };
        let of = |number: u32, label: &str| (number, label.to_owned());
        assert_eq!(labels(&home), [of(1, "one"), of(3, "three"), of(12, "twelve")]);
        // One is left, and the others stay.
        home.at(Seat(3)).make_trainer().unwrap();
        fs::write(home.at(Seat(3)).key(), "secret").unwrap();
        home.at(Seat(3)).erase().unwrap();
        assert_eq!(labels(&home), [of(1, "one"), of(12, "twelve")]);
        home.erase().unwrap();
        assert_eq!(labels(&home), [of(1, "contributor"), of(12, "twelve")]);
    }

    #[test]
    fn erasing_leaves_no_key_and_no_settings() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        home.make_trainer().unwrap();
        fs::write(home.key(), "secret").unwrap();
        home.save(&Settings::default()).unwrap();
        home.erase().unwrap();
        assert!(!home.key().exists() && !home.settings_path().exists());
        home.erase().unwrap();
    }
}
