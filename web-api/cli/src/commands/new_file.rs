//! Files that are there whole or not at all, and never in place of others.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context as _, ensure};

/// A file that is being written, under a name of its own until it is whole.
///
/// A copy that was cut by a full disk or a signal must not be taken for a whole one, nor stand in the way of the next try.
#[derive(Debug)]
pub(super) struct NewFile {
    path: PathBuf,
    part: PathBuf,
    file: File,
}

impl NewFile {
    /// Begins one that is to be called `path`.
    ///
    /// # Errors
    /// Something is called so already, or nothing can be written there.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let making = || format!("making {}", path.display());
        ensure_free(path).with_context(making)?;
        let mut part = path.as_os_str().to_owned();
        part.push(format!(".{}.part", process::id()));
        let part = PathBuf::from(part);
        let file = File::create(&part).with_context(making)?;
        Ok(Self { path: path.to_owned(), part, file })
    }

    /// It is whole.
    ///
    /// # Errors
    /// It cannot be kept, or another file has taken its name.
    pub(super) fn keep(self) -> anyhow::Result<()> {
        let keeping = || format!("keeping {}", self.path.display());
        self.file.sync_all().with_context(keeping)?;
        ensure_free(&self.path).with_context(keeping)?;
        fs::rename(&self.part, &self.path).with_context(keeping)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // It is not there any more if it was kept.
        fs::remove_file(&self.part).ok();
    }
}

fn ensure_free(path: &Path) -> anyhow::Result<()> {
    // Not `exists`: a link to nowhere is something, too.
    ensure!(fs::symlink_metadata(path).is_err(), "there is such a file already");
    Ok(())
}
