//! Published files by HTTPS: resumed where they broke off, and kept only if they are the published ones.
//!
//! Threat: whoever is on the way, or a mirror, sends other bytes, more bytes, or none. Everything is bounded, and a file gets its
//! name only after the digest that is part of this program.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use flate2::read::MultiGzDecoder;
use sha2::{Digest as _, Sha256};
use ureq::{
    Agent,
    config::AutoHeaderValue,
    tls::{PemItem, RootCerts, TlsConfig, parse_pem},
};

use crate::{DataFile, NamedDataset, plain::plain, tar_members::for_each_file};

mod download_error;
mod origin;

pub use download_error::DownloadError;
use origin::{Origin, origins};

/// The longest published file here is CIFAR-10's archive, 170 MB.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// How often a transfer that breaks off is taken up again.
const ATTEMPTS: u32 = 6;

/// How long the server may take to answer, or be silent.
const SILENCE: Duration = Duration::from_secs(30);

/// The first pause before another attempt; each next one is twice as long.
const PAUSE: Duration = Duration::from_millis(500);

/// How much is read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The file.
    pub file: &'a str,
    /// Bytes on this machine.
    pub bytes: u64,
    /// Bytes in all, if the server says so.
    pub total: Option<u64>,
    /// Whether this is the first word of an attempt that goes on where an earlier one broke off.
    pub resumed: bool,
}

/// Where files are fetched from, and how patiently.
#[derive(Debug, Clone)]
pub struct Downloader {
    agent: Agent,
    mirror: Option<String>,
    pause: Duration,
}

impl Downloader {
    /// A downloader that goes through the proxy that the environment names (`ALL_PROXY`, `HTTPS_PROXY`, `NO_PROXY`).
    ///
    /// * `mirror` — a folder by HTTP that has the files under their names, in place of their publishers'.
    #[must_use]
    pub fn new(mirror: Option<String>) -> Self {
        let agent = agent(mirror.is_none(), RootCerts::WebPki);
        Self { agent, mirror, pause: PAUSE }
    }

    /// As it is, but believing servers only whose certificate one of these authorities signed: for a mirror of one's own.
    ///
    /// * `pem` — their certificates, one after another.
    ///
    /// # Errors
    /// [`DownloadError::NoAuthority`] if there is none in it.
    pub fn trusting(mut self, pem: &[u8]) -> Result<Self, DownloadError> {
        let items = parse_pem(pem).collect::<Result<Vec<_>, _>>();
        let items =
            items.map_err(|source| DownloadError::Authority { source: Box::new(source) })?;
        let certificates: Vec<_> = items
            .into_iter()
            .filter_map(|item| match item {
                PemItem::Certificate(certificate) => Some(certificate),
                _ => None,
            })
            .collect();
        if certificates.is_empty() {
            return Err(DownloadError::NoAuthority);
        }
        self.agent = agent(true, RootCerts::from(certificates));
        Ok(self)
    }

    /// As it is, but with another first pause between attempts.
    #[must_use]
    pub const fn with_pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Puts the files of a set into `data_dir/<name>`, those that are not there yet. Blocks; may be ended at any time, and
    /// goes on where it was.
    ///
    /// # Errors
    /// [`DownloadError`]; what came so far stays for the next time, unless it is wrong.
    pub fn fetch(
        &self,
        dataset: NamedDataset,
        data_dir: &Path,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Vec<PathBuf>, DownloadError> {
        let folder = data_dir.join(dataset.name());
        let disk = |source| DownloadError::Disk { path: folder.clone(), source };
        fs::create_dir_all(&folder).map_err(disk)?;
        for origin in origins(dataset) {
            let needed = match origin {
                Origin::File { file, .. } => file_is_missing(&folder, file),
                Origin::Archive { .. } => {
                    dataset.files().iter().any(|file| file_is_missing(&folder, file))
                }
            };
            if needed {
                self.fetch_one(dataset, &folder, origin, progress)?;
            }
        }
        Ok(dataset.files().iter().map(|file| folder.join(file.name)).collect())
    }

    fn fetch_one(
        &self,
        dataset: NamedDataset,
        folder: &Path,
        origin: &Origin,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), DownloadError> {
        let name = origin.name();
        let part = folder.join(format!("{name}.part"));
        let url = match &self.mirror {
            Some(mirror) => format!("{}/{name}", mirror.trim_end_matches('/')),
            None => origin.url().to_owned(),
        };
        // What came in an earlier run may be of another file: then once more from the beginning.
        let resumed = part.metadata().is_ok_and(|metadata| metadata.len() > 0);
        self.transfer(&url, name, &part, progress)?;
        let kept = keep(dataset, folder, origin, &part);
        match kept {
            Err(DownloadError::DigestMismatch { .. }) if resumed => {
                self.transfer(&url, name, &part, progress)?;
                keep(dataset, folder, origin, &part)
            }
            kept => kept,
        }
    }

    /// Brings all of `url` into the file at `part`, in as many attempts as it takes.
    fn transfer(
        &self,
        url: &str,
        name: &str,
        part: &Path,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), DownloadError> {
        let disk = |source| DownloadError::Disk { path: part.to_owned(), source };
        let mut file =
            OpenOptions::new().create(true).append(true).read(true).open(part).map_err(disk)?;
        file.try_lock().map_err(|_held| DownloadError::InUse { path: part.to_owned() })?;
        let mut pause = self.pause;
        for attempt in 1.. {
            match self.attempt(url, name, &mut file, progress) {
                Ok(()) => return file.sync_all().map_err(disk),
                Err(Broken::Ends(error)) => return Err(error),
                Err(Broken::Disk(source)) => return Err(disk(source)),
                Err(Broken::Again(source)) if attempt >= ATTEMPTS => {
                    let url = url.to_owned();
                    return Err(DownloadError::Broken { url, attempts: attempt, source });
                }
                Err(Broken::Again(_)) => {
                    std::thread::sleep(pause);
                    pause *= 2;
                }
            }
        }
        Ok(())
    }

    fn attempt(
        &self,
        url: &str,
        name: &str,
        file: &mut File,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), Broken> {
        let mut there = file.seek(SeekFrom::End(0)).map_err(Broken::Disk)?;
        let mut request = self.agent.get(url);
        if there > 0 {
            request = request.header("range", format!("bytes={there}-"));
        }
        let mut response = match request.call() {
            Ok(response) => response,
            Err(error) => return Err(broken(url, error)),
        };
        let header =
            |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let length: Option<u64> = header("content-length").and_then(|text| text.parse().ok());
        let range = header("content-range").and_then(content_range);
        let status = response.status().as_u16();
        let total = match (status, range) {
            (206, Some((start, total))) if start == there => total,
            // It starts anew: the server knows no ranges, or the file is shorter than what we have.
            (200 | 206 | 416, _) => {
                file.set_len(0).map_err(Broken::Disk)?;
                if status != 200 {
                    return Err(Broken::Again(
                        io::Error::other("the server's range is another one").into(),
                    ));
                }
                there = 0;
                length
            }
            (500..=599 | 408 | 429, _) => {
                return Err(Broken::Again(
                    io::Error::other(format!("the server answers {status}")).into(),
                ));
            }
            _ => return Err(Broken::Ends(DownloadError::Refused { url: url.to_owned(), status })),
        };
        if total.is_some_and(|total| total > FILE_BYTES_MAX) {
            return Err(Broken::Ends(too_long(url)));
        }
        let resumed = there > 0;
        progress(Progress { file: name, bytes: there, total, resumed });
        let mut body = response.body_mut().with_config().limit(FILE_BYTES_MAX + 1).reader();
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = match body.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) => return Err(Broken::Again(error.into())),
            };
            file.write_all(&chunk[..read]).map_err(Broken::Disk)?;
            there += read as u64;
            if there > FILE_BYTES_MAX {
                file.set_len(0).map_err(Broken::Disk)?;
                return Err(Broken::Ends(too_long(url)));
            }
            progress(Progress { file: name, bytes: there, total, resumed: false });
        }
        match total {
            Some(total) if there < total => {
                Err(Broken::Again(io::Error::from(io::ErrorKind::UnexpectedEof).into()))
            }
            _ => Ok(()),
        }
    }
}

fn agent(https_only: bool, roots: RootCerts) -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .https_only(https_only)
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .timeout_connect(Some(SILENCE))
        .timeout_recv_response(Some(SILENCE))
        .timeout_per_read(Some(SILENCE))
        // Archives are kept as they are published, and lengths have to mean bytes on the wire.
        .accept_encoding(AutoHeaderValue::Provided("identity".to_owned().into()))
        .build()
        .new_agent()
}

/// Why an attempt ended.
enum Broken {
    /// It may go better next time.
    Again(Box<dyn std::error::Error + Send + Sync>),
    /// It will not.
    Ends(DownloadError),
    Disk(io::Error),
}

fn broken(url: &str, error: ureq::Error) -> Broken {
    match error {
        ureq::Error::BadUri(_)
        | ureq::Error::Http(_)
        | ureq::Error::RequireHttpsOnly(_)
        | ureq::Error::InvalidProxyUrl
        | ureq::Error::Tls(_) => {
            Broken::Ends(DownloadError::Unusable { url: url.to_owned(), source: Box::new(error) })
        }
        error => Broken::Again(Box::new(error)),
    }
}

fn too_long(url: &str) -> DownloadError {
    DownloadError::TooLong { url: url.to_owned(), max: FILE_BYTES_MAX }
}

/// `bytes 100-199/200`: where it starts and how long the whole is, if that is said.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split_once('-')?.0.parse().ok()?;
    Some((start, total.parse().ok()))
}

fn file_is_missing(folder: &Path, file: &DataFile) -> bool {
    let there = |name: &str| folder.join(name).is_file();
    !there(file.name) && !there(&format!("{}.gz", file.name))
}

/// Checks what came, and gives it its name; what is wrong is thrown away.
fn keep(
    dataset: NamedDataset,
    folder: &Path,
    origin: &Origin,
    part: &Path,
) -> Result<(), DownloadError> {
    let disk = |source| DownloadError::Disk { path: part.to_owned(), source };
    let opened = || File::open(part).map(BufReader::new).map_err(disk);
    let checked = match origin {
        Origin::File { file, .. } => plain(opened()?)
            .and_then(|mut unpacked| digest_of(&mut unpacked, &mut io::sink()))
            .map_or_else(
                |error| Err(damaged(part, &error)),
                |got| check_digest(part, file.sha256, got),
            ),
        Origin::Archive { sha256, .. } => {
            let got = digest_of(&mut opened()?, &mut io::sink()).map_err(disk)?;
            check_digest(part, &[*sha256], got).and_then(|()| unpack(dataset, folder, opened()?))
        }
    };
    match (checked, origin) {
        (Ok(()), Origin::File { file, url }) => {
            let packed = if url.ends_with(".gz") { ".gz" } else { "" };
            fs::rename(part, folder.join(format!("{}{packed}", file.name))).map_err(disk)
        }
        (Ok(()), Origin::Archive { .. }) => fs::remove_file(part).map_err(disk),
        (Err(error), _) => {
            if matches!(error, DownloadError::DigestMismatch { .. }) {
                fs::remove_file(part).map_err(disk)?;
            }
            Err(error)
        }
    }
}

/// Takes the set's files out of an archive whose digest was checked.
fn unpack(dataset: NamedDataset, folder: &Path, archive: impl Read) -> Result<(), DownloadError> {
    for_each_file(MultiGzDecoder::new(archive), |name, content| {
        let Some(file) = dataset.files().iter().find(|file| file.name == name) else {
            return Ok(());
        };
        let (path, part) = (folder.join(name), folder.join(format!("{name}.part")));
        let mut target = File::create(&part)?;
        let got = digest_of(content, &mut target)?;
        target.sync_all()?;
        check_digest(&part, file.sha256, got)?;
        fs::rename(part, path)?;
        Ok(())
    })
}

fn digest_of(source: &mut dyn Read, copy: &mut dyn io::Write) -> io::Result<String> {
    let (mut hasher, mut chunk) = (Sha256::new(), vec![0; CHUNK_BYTES]);
    loop {
        let read = source.read(&mut chunk)?;
        if read == 0 {
            let digest = hasher.finalize();
            return Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hasher.update(&chunk[..read]);
        copy.write_all(&chunk[..read])?;
    }
}

fn check_digest(path: &Path, expected: &[&'static str], got: String) -> Result<(), DownloadError> {
    if expected.contains(&&*got) {
        return Ok(());
    }
    let (path, expected) = (path.to_owned(), expected.first().copied().unwrap_or_default());
    Err(DownloadError::DigestMismatch { path, expected, got })
}

/// An archive that cannot be unpacked is not the published one.
fn damaged(path: &Path, error: &io::Error) -> DownloadError {
    DownloadError::DigestMismatch {
        path: path.to_owned(),
        expected: "a whole archive",
        got: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_servers_write_them() {
        assert_eq!(content_range("bytes 100-199/200"), Some((100, Some(200))));
        assert_eq!(content_range("bytes 0-1/*"), Some((0, None)));
        for text in ["", "bytes", "bytes */200", "items 0-1/2", "bytes x-1/2"] {
            assert_eq!(content_range(text), None, "{text}");
        }
    }
}
