//! Why a contributor's data cannot be read, in sentences that say what to do.

use std::{io, path::Path};

use crate::{Fault, Place, TableError};

/// Why data cannot be read. Each names the file, where in it, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The file or folder could not be opened.
    #[error("cannot open {path}: {fault}; {}", fault.advice())]
    Open {
        /// The path, as given.
        path: String,
        /// What is wrong.
        fault: Box<Fault>,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The bytes could not be read, or the archive around them is damaged.
    #[error("cannot read {path} past {place}: {fault}; {}", fault.advice())]
    Read {
        /// The path, as given.
        path: String,
        /// How far it could be read.
        place: Place,
        /// What is wrong.
        fault: Box<Fault>,
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
    #[error("{path} is {fault}: {}", fault.advice())]
    Format {
        /// The path, as given.
        path: String,
        /// What it is instead.
        fault: Box<Fault>,
    },
    /// Something is wrong with the whole of it.
    #[error("{path}: {fault}; {}", fault.advice())]
    Whole {
        /// The path, as given.
        path: String,
        /// What is wrong.
        fault: Box<Fault>,
    },
    /// Something is wrong with a record.
    #[error("{path}, {place}: {fault}; {}", fault.advice())]
    Record {
        /// The path, as given.
        path: String,
        /// Where.
        place: Place,
        /// What is wrong.
        fault: Box<Fault>,
    },
    /// Something is wrong with a value.
    #[error("{path}, {place}, column {column:?}: {fault}; {}", fault.advice())]
    Value {
        /// The path, as given.
        path: String,
        /// Where.
        place: Place,
        /// The column, as the file calls it.
        column: String,
        /// What is wrong.
        fault: Box<Fault>,
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

/// Where what is wrong with data stands: what an error says, in parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The file or folder, as given.
    pub path: String,
    /// Where in it.
    pub place: Option<Place>,
    /// In which column, as the file calls it.
    pub column: Option<String>,
    /// What is wrong.
    pub fault: Fault,
}

impl SourceError {
    /// The same in parts, for programs that have other words than these.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        let (place, column) = match self {
            Self::Read { place, .. } | Self::Record { place, .. } => (Some(place), None),
            Self::Value { place, column, .. } => (Some(place), Some(column)),
            _ => (None, None),
        };
        let (path, fault) = match self {
            Self::Open { path, fault, .. }
            | Self::Read { path, fault, .. }
            | Self::Format { path, fault }
            | Self::Whole { path, fault }
            | Self::Record { path, fault, .. }
            | Self::Value { path, fault, .. } => (path, (**fault).clone()),
            Self::Changed { path } => (path, Fault::Changed),
            Self::Table { path, source } => {
                (path, Fault::Unfit { what: source.to_string(), advice: String::new() })
            }
        };
        Refusal { path: path.clone(), place: place.cloned(), column: column.cloned(), fault }
    }

    pub(crate) fn open(path: &Path) -> impl Fn(io::Error) -> Self + '_ {
        |source| Self::Open { path: shown(path), fault: Box::new(open_fault(&source)), source }
    }

    pub(crate) fn read(path: &Path, place: Place, source: io::Error) -> Self {
        let fault = match source.kind() {
            io::ErrorKind::UnexpectedEof => Fault::CutOff,
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Fault::Damaged(None),
            _ => Fault::Disk,
        };
        Self::Read { path: shown(path), place, fault: Box::new(fault), source }
    }

    pub(crate) fn changed(path: &Path) -> Self {
        Self::Changed { path: shown(path) }
    }

    pub(crate) fn format(path: &Path, fault: Fault) -> Self {
        Self::Format { path: shown(path), fault: Box::new(fault) }
    }

    pub(crate) fn whole(path: &Path, fault: Fault) -> Self {
        Self::Whole { path: shown(path), fault: Box::new(fault) }
    }

    pub(crate) fn record(path: &Path, place: Place, fault: Fault) -> Self {
        Self::Record { path: shown(path), place, fault: Box::new(fault) }
    }

    pub(crate) fn value(path: &Path, (place, column): (Place, &str), fault: Fault) -> Self {
        let (fault, column) = (Box::new(fault), column.to_owned());
        Self::Value { path: shown(path), place, column, fault }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn open_fault(error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::NotFound => Fault::NotThere,
        io::ErrorKind::PermissionDenied => Fault::Forbidden,
        _ if is_link_loop(error) => Fault::LinkLoop,
        _ => Fault::NotOpened,
    }
}

/// ELOOP, which the standard library has no stable name for: 40 on Linux, 62 on macOS.
fn is_link_loop(error: &io::Error) -> bool {
    let code = if cfg!(target_os = "linux") { 40 } else { 62 };
    cfg!(unix) && error.raw_os_error() == Some(code)
}
