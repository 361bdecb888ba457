//! What an auditor remembers of a log: the last checkpoint, and the proof that it forked.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use data_dao_log::{Checkpoint, ForkProof, origin_digest};
use thiserror::Error;

const CHECKPOINT_FILE: &str = "checkpoint";

/// A folder with a folder for each log, named after the SHA-256 of its verifier key: a log with another key is another log.
#[derive(Debug, Clone)]
pub struct Seen {
    dir: PathBuf,
}

/// Why what is remembered cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SeenError {
    /// A file cannot be read or written.
    #[error("{path} cannot be read or written", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What is remembered is not what was written.
    #[error("{path} is not what was written there", path = path.display())]
    Altered {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: data_dao_log::CheckpointError,
    },
}

impl Seen {
    /// What is remembered below `dir` of the log with this key. Nothing is written yet.
    #[must_use]
    pub fn of(dir: &Path, vkey: &str) -> Self {
        Self { dir: dir.join(origin_digest(vkey.trim()).to_string()) }
    }

    /// The last checkpoint, if the log was seen before.
    ///
    /// # Errors
    /// [`SeenError`].
    pub fn last(&self) -> Result<Option<Checkpoint>, SeenError> {
        let path = self.dir.join(CHECKPOINT_FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SeenError::File { path, source }),
        };
        let parsed = Checkpoint::parse(&text).map(Some);
        parsed.map_err(|source| SeenError::Altered { path, source })
    }

    /// Remembers a checkpoint that was audited.
    ///
    /// # Errors
    /// [`SeenError::File`].
    pub fn remember(&self, checkpoint: &Checkpoint) -> Result<(), SeenError> {
        write(&self.dir.join(CHECKPOINT_FILE), checkpoint.as_str())
    }

    /// Keeps the proof that the log forked, and says where.
    ///
    /// # Errors
    /// [`SeenError::File`].
    pub fn keep_fork(&self, fork: &ForkProof) -> Result<PathBuf, SeenError> {
        let sizes = (fork.first().head().size, fork.second().head().size);
        let path = self.dir.join(format!("fork-{}-{}", sizes.0, sizes.1));
        write(&path, &fork.to_string())?;
        Ok(path)
    }
}

/// Writes a file so that it is never seen half written, and is there after a crash.
fn write(path: &Path, text: &str) -> Result<(), SeenError> {
    let partial = path.with_extension("partial");
    let written = || {
        let parent = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent)?;
        let mut file = File::create(&partial)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&partial, path)?;
        File::open(parent)?.sync_all()
    };
    written().map_err(|source| SeenError::File { path: path.to_owned(), source })
}
