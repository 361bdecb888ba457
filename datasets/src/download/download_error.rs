//! Why a download ended.

use std::{error::Error, io, path::PathBuf};

/// Why a download ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// It broke off each time; what came stays, and the next run goes on there.
    #[error(
        "the download of {url} broke off {attempts} times; start it again to go on where it was"
    )]
    Broken {
        /// The address.
        url: String,
        /// How often it was tried.
        attempts: u32,
        /// Why, the last time.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server has no such file, or does not give it.
    #[error(
        "{url} is refused with the status {status}; name another --mirror, or get the files by hand"
    )]
    Refused {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The address, the proxy or the server's certificate cannot be used.
    #[error("{url} cannot be asked")]
    Unusable {
        /// The address.
        url: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// What should be certificates of authorities is something else.
    #[error("the authorities' certificates cannot be read")]
    Authority {
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// There is no certificate of an authority.
    #[error("there is no certificate of an authority: expected PEM, `-----BEGIN CERTIFICATE-----`")]
    NoAuthority,
    /// More comes than any published file has.
    #[error("{url} is longer than {max} bytes, which is not the published file")]
    TooLong {
        /// The address.
        url: String,
        /// The bound.
        max: u64,
    },
    /// It came whole and is not the published file; it was thrown away.
    #[error("what came for {} is not the published file: its SHA-256 is {got}, expected {expected}", path.display())]
    DigestMismatch {
        /// Where it was.
        path: PathBuf,
        /// The digest of the published file.
        expected: &'static str,
        /// The digest of what came.
        got: String,
    },
    /// Another download of the same file is running.
    #[error("{} is being downloaded already", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The disk.
    #[error("cannot write {}", path.display())]
    Disk {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An archive cannot be unpacked.
    #[error("cannot unpack the archive")]
    Archive(#[from] io::Error),
}
