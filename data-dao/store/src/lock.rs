//! One process at a time on a ledger's directory.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// The file that is locked. It is empty, and stays.
const LOCK_FILE: &str = "ledger.lock";

/// A directory that no other store uses until this value is dropped; the operating system frees it with the process,
/// however that ends.
#[derive(Debug)]
pub(crate) struct DirectoryLock(File);

impl DirectoryLock {
    /// Makes the directory if it is not there, and locks it.
    pub(crate) fn take(dir: &Path) -> Result<Self, StoreError> {
        let at = |path: &Path| {
            let path = PathBuf::from(path);
            move |source| StoreError::Directory { path, source }
        };
        fs::create_dir_all(dir).map_err(at(dir))?;
        let path = dir.join(LOCK_FILE);
        let file = File::create(&path).map_err(at(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: dir.to_owned() }),
            Err(TryLockError::Error(source)) => Err(at(&path)(source)),
        }
    }
}

impl Drop for DirectoryLock {
    /// Said, not left to closing the file: a child that another thread has just forked shares the lock until it has
    /// become its program, and who opens the directory again in between would be refused.
    fn drop(&mut self) {
        // Closing frees it as well, only later.
        let _later = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_dropped_is_free_though_a_copy_of_its_file_is_open() {
        let dir = tempfile::tempdir().unwrap();
        let lock = DirectoryLock::take(dir.path()).unwrap();
        assert!(matches!(DirectoryLock::take(dir.path()), Err(StoreError::InUse { .. })));
        // What a forked child holds until it runs its program.
        let _copy = lock.0.try_clone().unwrap();
        drop(lock);
        DirectoryLock::take(dir.path()).unwrap();
    }
}
