//! A folder with a log's tiles on a disk that may lose power: what a checkpoint covers is there before the checkpoint is.
//!
//! ```text
//!  tile.new ─ written ─ fsync ─ renamed to tile ─┐
//!  …                                             ├─ fsync of every folder with a new name ─► checkpoint.new ─ fsync ─ renamed ─ fsync
//!  tile.new ─ written ─ fsync ─ renamed to tile ─┘
//! ```
//! Threat: a file that was renamed into place and whose bytes were not on disk is empty after a power loss, under a checkpoint that
//! covers it; and as the log only grows, nobody would ever write it again. So each file is on disk before its name is, and a
//! process that finds a folder looks at every file in it once.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use privacy_identity::leaf_hash;

use crate::TilesError;

/// Bytes of a hash in a tile.
const HASH_BYTES: usize = 32;

/// Files that are being written, and folders whose names are not on disk yet.
#[derive(Debug)]
pub(crate) struct TileFolder {
    root: PathBuf,
    unsynced: BTreeSet<PathBuf>,
}

impl TileFolder {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), unsynced: BTreeSet::new() }
    }

    /// Writes a file so that it is never seen half written, and its bytes are on disk before it has its name. The name is
    /// after [`TileFolder::sync`].
    pub(crate) fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), TilesError> {
        let path = self.root.join(name);
        let failed = |source| TilesError::File { path: path.clone(), source };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
            // A new folder's name stands in the one above.
            let above = parent.ancestors().take_while(|folder| folder.starts_with(&self.root));
            self.unsynced.extend(above.map(Path::to_owned));
        }
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".new");
        write_synced(Path::new(&temporary), bytes).map_err(failed)?;
        fs::rename(&temporary, &path).map_err(failed)
    }

    /// Brings the names of all files written so far to disk.
    pub(crate) fn sync(&mut self) -> Result<(), TilesError> {
        for path in std::mem::take(&mut self.unsynced) {
            sync_folder(&path).map_err(|source| TilesError::File { path, source })?;
        }
        Ok(())
    }

    /// A file's bytes; nothing if it is not there.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, TilesError> {
        let path = self.root.join(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(TilesError::File { path, source }),
        }
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()
}

/// Folders are files on Unix; elsewhere they cannot be opened, and renaming is what the system makes of it.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Whether a bundle has exactly the entries with these hashes: those of its tile of level 0.
pub(crate) fn is_bundle_of(mut bytes: &[u8], hashes: &[u8]) -> bool {
    let (hashes, rest) = hashes.as_chunks::<HASH_BYTES>();
    for hash in hashes {
        let Some((length, after)) = bytes.split_first_chunk::<2>() else { return false };
        let Some((leaf, after)) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))
        else {
            return false;
        };
        if leaf_hash(leaf).0 != *hash {
            return false;
        }
        bytes = after;
    }
    bytes.is_empty() && rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiles::bundle;

    #[test]
    fn a_bundle_is_held_against_every_hash() {
        let leaves: [&[u8]; 3] = [b"one", b"", b"three"];
        let hashes: Vec<u8> = leaves.iter().flat_map(|leaf| leaf_hash(leaf).0).collect();
        let whole = bundle(leaves);
        assert!(is_bundle_of(&whole, &hashes) && is_bundle_of(&[], &[]));
        for cut in 0..whole.len() {
            assert!(!is_bundle_of(&whole[..cut], &hashes), "cut at {cut}");
        }
        let mut zeroed = whole.clone();
        zeroed[4] = 0;
        assert!(!is_bundle_of(&zeroed, &hashes));
        assert!(!is_bundle_of(&vec![0; whole.len()], &hashes));
        assert!(!is_bundle_of(&[whole.clone(), vec![0]].concat(), &hashes), "bytes left over");
        assert!(!is_bundle_of(&whole, &hashes[..64]), "an entry too many");
        assert!(!is_bundle_of(&whole, &hashes[..95]), "half a hash");
    }

    #[test]
    fn a_file_replaces_another_whole_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = TileFolder::new(dir.path());
        folder.write("tile/entries/000", b"first").unwrap();
        assert!(folder.unsynced.contains(&dir.path().join("tile/entries")));
        assert!(folder.unsynced.contains(dir.path()), "the new folder's own name, too");
        folder.sync().unwrap();
        assert!(folder.unsynced.is_empty());
        folder.write("tile/entries/000", b"second").unwrap();
        assert_eq!(folder.read("tile/entries/000").unwrap().unwrap(), b"second");
        assert_eq!(folder.read("tile/entries/001").unwrap(), None);
        assert_eq!(fs::read_dir(dir.path().join("tile/entries")).unwrap().count(), 1);
    }
}
