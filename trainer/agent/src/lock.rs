//! One process at a time on a directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

/// A directory that nobody else uses until this value is dropped; the operating system frees it with the process,
/// however that ends.
#[derive(Debug)]
pub(crate) struct DirectoryLock(File);

impl DirectoryLock {
    /// Locks `file`, which is made if it is not there and stays.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] while another holds it, [`TryLockError::Error`] when it cannot be made or locked.
    pub(crate) fn take(file: &Path) -> Result<Self, TryLockError> {
        let file = OpenOptions::new().create(true).append(true).open(file);
        let file = file.map_err(TryLockError::Error)?;
        file.try_lock()?;
        Ok(Self(file))
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
        let file = dir.path().join("lock");
        let lock = DirectoryLock::take(&file).unwrap();
        assert!(matches!(DirectoryLock::take(&file), Err(TryLockError::WouldBlock)));
        // What a forked child holds until it runs its program.
        let _copy = lock.0.try_clone().unwrap();
        drop(lock);
        DirectoryLock::take(&file).unwrap();
    }
}
