//! Why a named data set could not be read.

use std::{io, path::PathBuf};

use crate::{AdultReadError, IdxError, ImageSetError, WindowsError};

/// Why a named data set could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The set is not part of the program and no folder was given.
    #[error(
        "{dataset} is not part of this program: name the folder that has {}; they are published at \
         {origin}",
        files.join(", ")
    )]
    FolderMissing {
        /// The name of the set.
        dataset: &'static str,
        /// The names of its files.
        files: Vec<&'static str>,
        /// Where they are published.
        origin: &'static str,
    },
    /// Files are not there.
    #[error(
        "{dataset} lacks {}: get them from {origin} and put them, gzipped or not, into {}",
        files.join(", "), folder.display()
    )]
    FilesMissing {
        /// The name of the set.
        dataset: &'static str,
        /// The names of the files that are missing.
        files: Vec<&'static str>,
        /// Where they are published.
        origin: &'static str,
        /// Where they belong.
        folder: PathBuf,
    },
    /// Something other than a file has the name of one.
    #[error("{} is not a file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// A file could not be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not in the IDX format.
    #[error("{} is not an IDX file of the set", path.display())]
    Idx {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: IdxError,
    },
    /// A file is not the Adult table.
    #[error("{} is not the table of the set", path.display())]
    Adult {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: AdultReadError,
    },
    /// A file is not a play.
    #[error("{} is not the text of the set", path.display())]
    Text {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: WindowsError,
    },
    /// A file is well formed, but not the published one.
    #[error(
        "{} is not the published file: the SHA-256 of what it holds is {got}, expected {expected}",
        path.display()
    )]
    DigestMismatch {
        /// The path.
        path: PathBuf,
        /// The digest of the published file, unpacked.
        expected: &'static str,
        /// The digest of this file, unpacked.
        got: String,
    },
    /// Images and labels do not belong together.
    #[error("the images and labels in {} do not belong together", folder.display())]
    Images {
        /// Where they lie.
        folder: PathBuf,
        /// Why.
        #[source]
        source: ImageSetError,
    },
}
