//! What is said about a contributor's data, and what can be done about it.

use std::fmt;

use crate::Says;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// The data cannot be trained on as they are.
    Blocks,
    /// They can, but the owner should know.
    Warns,
    /// Good to know.
    Notes,
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blocks => "to fix",
            Self::Warns => "to look at",
            Self::Notes => "to know",
        })
    }
}

/// Something about the data, and what to do about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// How much it matters.
    pub weight: Weight,
    /// What is so, and what to do about it by hand or at the command line.
    pub says: Says,
    /// What to do about the mapping, for programs that offer it.
    pub remedy: Option<Remedy>,
}

/// What in a [`Mapping`](crate::Mapping) would remedy a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// Say which column of the file is this one of the federation.
    Name {
        /// The federation's column.
        theirs: String,
        /// The column of the file that it likely is.
        likely: Option<String>,
    },
    /// Leave out this column of the file.
    Ignore {
        /// The column of the file.
        column: String,
    },
    /// Say which class a word is.
    Class {
        /// The word of the label column.
        word: String,
        /// The class that it likely is.
        likely: Option<String>,
    },
    /// Say what is done about missing values.
    Missing,
}
