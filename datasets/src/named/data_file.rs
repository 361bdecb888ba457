//! A file of a named data set.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use crate::plain::{Plain, plain};

use super::{LoadError, NamedDataset};

/// Enough that reading is not by single pages.
const BUFFER_BYTES: usize = 1 << 16;

/// A file of a named data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataFile {
    /// Its name, unpacked. It may lie in the folder gzipped, with `.gz` behind its name.
    pub name: &'static str,
    /// The SHA-256 of what it holds, unpacked: 64 hexadecimal digits, lower case. Of the published
    /// file first, then of copies that hold the same rows.
    pub sha256: &'static [&'static str],
}

/// Where each file of `dataset` lies, in the order of its files: all in one folder.
///
/// A folder named after the set comes first, because sets share names of files.
pub(super) fn locate(
    dataset: NamedDataset,
    data_dir: Option<&Path>,
) -> Result<Vec<PathBuf>, LoadError> {
    let names = || dataset.files().iter().map(|file| file.name);
    let (origin, name) = (dataset.origin(), dataset.name());
    let Some(data_dir) = data_dir else {
        return Err(LoadError::FolderMissing { dataset: name, files: names().collect(), origin });
    };
    let own = data_dir.join(name);
    let folder = if own.is_dir() || !holds_any(data_dir, dataset) { &own } else { data_dir };
    let found: Vec<_> = names().map(|file| (file, find(folder, file))).collect();
    let missing: Vec<_> = found.iter().filter(|(_, path)| path.is_none()).map(|f| f.0).collect();
    if !missing.is_empty() {
        let folder = folder.to_path_buf();
        return Err(LoadError::FilesMissing { dataset: name, files: missing, origin, folder });
    }
    Ok(found.into_iter().filter_map(|(_, path)| path).collect())
}

fn holds_any(folder: &Path, dataset: NamedDataset) -> bool {
    dataset.files().iter().any(|file| find(folder, file.name).is_some())
}

/// The file, or its gzipped form. A dangling or circular link counts as found, so that opening it
/// says what is wrong with it.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let there = |path: &PathBuf| fs::symlink_metadata(path).is_ok();
    [folder.join(name), folder.join(format!("{name}.gz"))].into_iter().find(there)
}

/// Reads the file at `path` with `parse`, which reads to its end, and checks what was read against
/// the published digest.
///
/// The digest is of the very bytes that were parsed: a file that changes meanwhile is refused.
pub(super) fn read_checked<T>(
    file: &DataFile,
    path: &Path,
    parse: impl FnOnce(&mut Hashed<Plain<BufReader<File>>>) -> Result<T, LoadError>,
) -> Result<T, LoadError> {
    let open_error = |source| LoadError::Open { path: path.to_path_buf(), source };
    // Before it is opened: opening a pipe would wait for somebody to write into it.
    if !fs::metadata(path).map_err(open_error)?.is_file() {
        return Err(LoadError::NotAFile { path: path.to_path_buf() });
    }
    let opened = BufReader::with_capacity(BUFFER_BYTES, File::open(path).map_err(open_error)?);
    let inner = plain(opened).map_err(open_error)?;
    let mut source = Hashed { inner, hasher: Sha256::new() };
    let parsed = parse(&mut source)?;
    let digest = source.hasher.finalize();
    let got: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    if file.sha256.contains(&got.as_str()) {
        return Ok(parsed);
    }
    let (path, expected) = (path.to_path_buf(), file.sha256.first().copied().unwrap_or(""));
    Err(LoadError::DigestMismatch { path, expected, got })
}

/// Hashes what is read through it.
pub(super) struct Hashed<R> {
    inner: R,
    hasher: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}
