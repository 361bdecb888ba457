//! Why a contributor's data cannot be read, in sentences that say what to do.

use std::{io, path::Path};

use crate::{Place, TableError};

/// Why data cannot be read. Each names the file, where in it, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The file or folder could not be opened.
    #[error("cannot open {path}: {advice}")]
    Open {
        /// The path, as given.
        path: String,
        /// What to do.
        advice: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The bytes could not be read, or the archive around them is damaged.
    #[error("cannot read {path} past {place}: {advice}")]
    Read {
        /// The path, as given.
        path: String,
        /// How far it could be read.
        place: Place,
        /// What to do.
        advice: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It was written to while it was read, so that its rows may be of two versions.
    #[error("{path} changed while it was read: try again when nobody writes to it")]
    Changed {
        /// The path, as given.
        path: String,
    },
    /// It is no format that is read.
    #[error("{path} is {what}: {advice}")]
    Format {
        /// The path, as given.
        path: String,
        /// What it is instead.
        what: String,
        /// What to do.
        advice: String,
    },
    /// Something is wrong with the whole of it.
    #[error("{path}: {what}; {advice}")]
    Whole {
        /// The path, as given.
        path: String,
        /// What is wrong.
        what: String,
        /// What to do.
        advice: String,
    },
    /// Something is wrong with a record.
    #[error("{path}, {place}: {what}; {advice}")]
    Record {
        /// The path, as given.
        path: String,
        /// Where.
        place: Place,
        /// What is wrong.
        what: String,
        /// What to do.
        advice: String,
    },
    /// Something is wrong with a value.
    #[error("{path}, {place}, column {column:?}: {what}; {advice}")]
    Value {
        /// The path, as given.
        path: String,
        /// Where.
        place: Place,
        /// The column, as the file calls it.
        column: String,
        /// What is wrong.
        what: String,
        /// What to do.
        advice: String,
    },
    /// What was read makes no table.
    #[error("the rows of {path} do not make a table")]
    Table {
        /// The path, as given.
        path: String,
        /// Why.
        #[source]
        source: TableError,
    },
}

impl SourceError {
    pub(crate) fn open(path: &Path) -> impl Fn(io::Error) -> Self + '_ {
        |source| Self::Open { path: shown(path), advice: open_advice(&source), source }
    }

    pub(crate) fn read(path: &Path, place: Place, source: io::Error) -> Self {
        let advice = match source.kind() {
            io::ErrorKind::UnexpectedEof => "the file is cut off; copy or download it again",
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                "the file is damaged; copy or download it again"
            }
            _ => "check the disk, or copy the file to another one",
        };
        Self::Read { path: shown(path), place, advice, source }
    }

    pub(crate) fn changed(path: &Path) -> Self {
        Self::Changed { path: shown(path) }
    }

    pub(crate) fn format(path: &Path, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Format { path: shown(path), what: what.into(), advice: advice.into() }
    }

    pub(crate) fn whole(path: &Path, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Whole { path: shown(path), what: what.into(), advice: advice.into() }
    }

    pub(crate) fn record(
        path: &Path,
        place: Place,
        what: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::Record { path: shown(path), place, what: what.into(), advice: advice.into() }
    }

    pub(crate) fn value(
        path: &Path,
        (place, column): (Place, &str),
        what: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        let (what, advice) = (what.into(), advice.into());
        Self::Value { path: shown(path), place, column: column.to_owned(), what, advice }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn open_advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file or folder; check the path",
        io::ErrorKind::PermissionDenied => "you may not read it; ask its owner, or copy it",
        _ if is_link_loop(error) => "its links lead in a circle; name the file itself",
        _ => "check the path and the disk",
    }
}

/// ELOOP, which the standard library has no stable name for: 40 on Linux, 62 on macOS.
fn is_link_loop(error: &io::Error) -> bool {
    let code = if cfg!(target_os = "linux") { 40 } else { 62 };
    cfg!(unix) && error.raw_os_error() == Some(code)
}
