//! A file that must not change while it is read.

use std::{
    fs::{File, Metadata},
    io,
    time::SystemTime,
};

/// What tells that a file was written to: its length and the time of its last change.
///
/// It is not proof: whoever writes can set the time back. It is for owners who save the table while
/// it is being enrolled.
#[derive(PartialEq, Eq)]
pub(crate) struct State {
    len: u64,
    modified: Option<SystemTime>,
}

impl State {
    /// The state of `file` now. A folder is refused, which can be opened but not read.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let metadata: Metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        // Not every file system keeps the time.
        Ok(Self { len: metadata.len(), modified: metadata.modified().ok() })
    }
}
