//! Where in a source something stands.

use std::{fmt, path::PathBuf};

/// Where in a source something stands, as people count: from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A line of a text file; the header is line 1.
    Line(u64),
    /// A row of a file that has no lines.
    Row(u64),
    /// A file of a folder.
    File(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}
