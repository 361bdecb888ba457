//! Sealed updates in files: `updates/<round>/<digest>`.
//!
//! A file is written under another name, made durable, renamed, and its folder made durable: under its own
//! name there is a whole update or none.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::Mutex,
};

use aggregator_protocol::RoundId;
use aggregator_round::{KeptUpdate, PartFault, UpdateId, UpdateStore};
use anyhow::Context as _;
use privacy_identity::Digest;

use crate::{
    update_layout::{FRONT_BYTES_MAX, front, locate},
    updates::Updates,
};

/// What half-written files are called until they are renamed.
const UNFINISHED: &str = "unfinished";

/// A folder of sealed updates.
#[derive(Debug)]
pub(crate) struct FileUpdates {
    folder: PathBuf,
    failure: Mutex<Option<anyhow::Error>>,
}

impl FileUpdates {
    /// Opens `folder`, or creates it.
    pub(crate) fn open(folder: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        Ok(Self { folder, failure: Mutex::new(None) })
    }

    fn round_folder(&self, round: RoundId) -> PathBuf {
        self.folder.join(round.0.to_string())
    }

    fn path(&self, id: UpdateId) -> PathBuf {
        self.round_folder(id.round).join(id.update.to_string())
    }

    fn write(&self, kept: &KeptUpdate) -> io::Result<()> {
        let (folder, path) = (self.round_folder(kept.id.round), self.path(kept.id));
        if !folder.is_dir() {
            fs::create_dir_all(&folder)?;
            File::open(&self.folder)?.sync_all()?;
        }
        let unfinished = path.with_extension(UNFINISHED);
        let mut file = File::create(&unfinished)?;
        file.write_all(&front(&kept.parts))?;
        for part in &kept.parts {
            file.write_all(part)?;
        }
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        File::open(&folder)?.sync_all()
    }

    fn read(&self, id: UpdateId, index: usize) -> Result<Vec<u8>, Unread> {
        let mut file = File::open(self.path(id))?;
        let whole = file.metadata()?.len();
        let mut start = Vec::new();
        (&mut file).take(FRONT_BYTES_MAX).read_to_end(&mut start)?;
        let range = locate(&start, whole, index).ok_or(Unread::Altered)?;
        file.seek(SeekFrom::Start(range.start))?;
        // At most the length of the file, which is there.
        let length = usize::try_from(range.end - range.start).map_err(|_source| Unread::Altered)?;
        let mut part = vec![0; length];
        file.read_exact(&mut part)?;
        Ok(part)
    }
}

/// Why a part was not read.
enum Unread {
    Missing,
    Altered,
    Failed(io::Error),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            io::ErrorKind::UnexpectedEof => Self::Altered,
            _ => Self::Failed(error),
        }
    }
}

impl UpdateStore for FileUpdates {
    fn part(&self, id: UpdateId, index: usize) -> Result<Vec<u8>, PartFault> {
        self.read(id, index).map_err(|unread| match unread {
            Unread::Missing => PartFault::Missing,
            Unread::Altered => PartFault::Altered,
            Unread::Failed(error) => {
                let what = format!("reading {}", self.path(id).display());
                let mut failure = self.failure.lock().expect("nothing panics while it is held");
                failure.get_or_insert(anyhow::Error::new(error).context(what));
                PartFault::Unavailable
            }
        })
    }
}

impl Updates for FileUpdates {
    fn keep(&self, kept: &KeptUpdate) -> anyhow::Result<()> {
        self.write(kept).with_context(|| format!("writing {}", self.path(kept.id).display()))
    }

    fn sweep(&self, needed: &dyn Fn(&UpdateId) -> bool) -> anyhow::Result<()> {
        for folder in entries(&self.folder)? {
            let round = name_of(&folder).and_then(|name| name.parse().ok()).map(RoundId);
            // Not one of ours: it is left alone.
            let Some(round) = round else { continue };
            let mut left = 0;
            for path in entries(&folder)? {
                let update = name_of(&path).and_then(|name| name.parse::<Digest>().ok());
                if update.is_some_and(|update| needed(&UpdateId { round, update })) {
                    left += 1;
                } else {
                    remove(fs::remove_file(&path), &path)?;
                }
            }
            if left == 0 {
                remove(fs::remove_dir(&folder), &folder)?;
            }
        }
        Ok(())
    }

    fn failure(&self) -> Option<anyhow::Error> {
        self.failure.lock().expect("nothing panics while it is held").take()
    }
}

fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listing = || format!("listing {}", folder.display());
    let entries = fs::read_dir(folder).with_context(listing)?;
    entries.map(|entry| Ok(entry.with_context(listing)?.path())).collect()
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| name.to_str())
}

fn remove(removed: io::Result<()>, path: &Path) -> anyhow::Result<()> {
    removed.with_context(|| format!("deleting {}", path.display()))
}

#[cfg(test)]
mod tests;
