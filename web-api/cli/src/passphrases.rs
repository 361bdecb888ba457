//! Where passphrases of key files come from.
//!
//! ```text
//!   --passphrase-file FILE, SAHAKAR_PASSPHRASE_FILE   a file; `-`: a line of standard input
//!   SAHAKAR_PASSPHRASE                                the passphrase itself
//!   $CREDENTIALS_DIRECTORY/passphrase                 a credential that systemd hands to a service
//!   a terminal                                        typed, and not shown
//! ```
//! The first that is there counts. Never an argument: those are shown to every user of the machine.
//!
//! Threat: whoever reads where a passphrase lies has the key. A file that all may read is refused; the environment of a
//! process is read by its user (and by whoever is root) alone.

use std::{
    env,
    fs::File,
    io::{self, IsTerminal as _, Read, stdin},
    path::{Path, PathBuf},
};

use aggregator_network::{KeyFileError, is_key_encrypted, unlock_key};
use anyhow::{Context as _, ensure};
use clap::Args;
use privacy_identity::{Passphrase, SigningKey};
use zeroize::Zeroizing;

/// A file's name that stands for standard input.
const INPUT: &str = "-";

/// The longest line that is read, in bytes: the longest passphrase, and its end.
const LINE_BYTES_MAX: usize = 1_026;

/// What a credential of systemd has to be called.
const CREDENTIAL: &str = "passphrase";

/// Where the passphrase of a key comes from.
#[derive(Debug, Clone, Default, Args)]
pub struct PassphraseArgs {
    /// A file with the key's passphrase in one line; `-` reads a line of standard input. Without it: `SAHAKAR_PASSPHRASE`, a
    /// credential of systemd called `passphrase`, or the terminal
    #[arg(long, env = "SAHAKAR_PASSPHRASE_FILE", value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

impl PassphraseArgs {
    /// What the environment says, for commands without this flag.
    fn from_environment() -> Self {
        let file = env::var_os("SAHAKAR_PASSPHRASE_FILE").filter(|file| !file.is_empty());
        Self { passphrase_file: file.map(PathBuf::from) }
    }

    /// The passphrase for the key in `path`, if there is one: asked for at a terminal only where the key is under one.
    ///
    /// # Errors
    /// A source that is named and has none.
    pub fn passphrase_for(&self, path: &Path) -> anyhow::Result<Option<Passphrase>> {
        match self.given()? {
            None if needs_one(path) && is_attended() => {
                prompted("Passphrase of the key: ").map(Some)
            }
            given => Ok(given),
        }
    }

    /// The passphrase that is given without a question.
    fn given(&self) -> anyhow::Result<Option<Passphrase>> {
        if let Some(file) = &self.passphrase_file {
            return from_file(file).map(Some);
        }
        if let Some(text) = env::var_os("SAHAKAR_PASSPHRASE").filter(|text| !text.is_empty()) {
            let text = text.into_string().ok().context("SAHAKAR_PASSPHRASE is no text")?;
            let text = Zeroizing::new(text);
            return Passphrase::new(text).context("SAHAKAR_PASSPHRASE").map(Some);
        }
        let credential = env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let credential = credential.map(|folder| folder.join(CREDENTIAL));
        credential.filter(|file| file.exists()).map(|file| from_file(&file)).transpose()
    }

    /// The key in `path`, unlocked if it has to be.
    ///
    /// # Errors
    /// As [`unlock_key`], and a source that is named and has no passphrase.
    pub fn key(&self, path: &Path) -> anyhow::Result<SigningKey> {
        let passphrase = if is_key_encrypted(path)? { self.passphrase_for(path)? } else { None };
        Ok(SigningKey::from_seed(&*unlock_key(path, passphrase.as_ref())?))
    }
}

/// Where a new passphrase comes from.
#[derive(Debug, Clone, Default, Args)]
pub struct NewPassphraseArgs {
    /// A file with the new passphrase in one line; `-` reads a line of standard input. Without it: the terminal, twice
    #[arg(long, env = "SAHAKAR_NEW_PASSPHRASE_FILE", value_name = "FILE")]
    pub new_passphrase_file: Option<PathBuf>,
}

impl NewPassphraseArgs {
    /// A new passphrase if one is wanted; whoever names a file wants one.
    ///
    /// # Errors
    /// As [`NewPassphraseArgs::passphrase`].
    pub fn passphrase_if(&self, wanted: bool) -> anyhow::Result<Option<Passphrase>> {
        let wanted = wanted || self.new_passphrase_file.is_some();
        wanted.then(|| self.passphrase()).transpose()
    }

    /// A passphrase that is long enough for a new file.
    ///
    /// # Errors
    /// None given; too short; not the same when it is typed again.
    pub fn passphrase(&self) -> anyhow::Result<Passphrase> {
        let new = match &self.new_passphrase_file {
            Some(file) => from_file(file)?,
            None => {
                ensure!(is_attended(), "a new passphrase is needed: --new-passphrase-file FILE");
                let new = typed("New passphrase (five words or more): ")?;
                let again = typed("Again: ")?;
                ensure!(
                    *new == *again,
                    "these were two different passphrases; nothing was changed"
                );
                Passphrase::new(new)?
            }
        };
        Ok(new.for_new_file()?)
    }
}

/// Reads the key in `path`; what unlocks it is taken from the environment or asked for.
///
/// # Errors
/// If the file cannot be read, is open to others, or holds no seed; if it is under a passphrase that is not given.
pub fn read_key_file(path: &Path) -> anyhow::Result<SigningKey> {
    PassphraseArgs::from_environment().key(path)
}

/// Whether `error` is about a passphrase: asking again for one would help.
pub(crate) fn is_about_passphrase(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let cause = cause.downcast_ref::<KeyFileError>();
        matches!(cause, Some(KeyFileError::Locked { .. } | KeyFileError::WrongPassphrase { .. }))
    })
}

/// What is wrong with a key that cannot be read is told by who reads it.
fn needs_one(path: &Path) -> bool {
    is_key_encrypted(path).unwrap_or(false)
}

fn is_attended() -> bool {
    stdin().is_terminal() && io::stderr().is_terminal()
}

fn prompted(prompt: &str) -> anyhow::Result<Passphrase> {
    Ok(Passphrase::new(typed(prompt)?)?)
}

fn typed(prompt: &str) -> anyhow::Result<Zeroizing<String>> {
    let typed = rpassword::prompt_password(prompt).context("reading the passphrase")?;
    Ok(Zeroizing::new(typed))
}

fn from_file(path: &Path) -> anyhow::Result<Passphrase> {
    if path.as_os_str() == INPUT {
        let line = line_of(input()?).context("reading the passphrase on standard input")?;
        return Ok(Passphrase::new(line)?);
    }
    let about = || format!("reading the passphrase in {}", path.display());
    let file = File::open(path).with_context(about)?;
    check_not_open_to_all(path, &file)?;
    Passphrase::new(line_of(file).with_context(about)?).with_context(about)
}

/// Standard input as a file: nothing is read ahead, so that neither does what follows the line get lost, nor does the line stay
/// in a buffer.
fn input() -> io::Result<File> {
    #[cfg(unix)]
    let own = std::os::fd::AsFd::as_fd(&stdin()).try_clone_to_owned()?;
    #[cfg(windows)]
    let own = std::os::windows::io::AsHandle::as_handle(&stdin()).try_clone_to_owned()?;
    Ok(File::from(own))
}

/// A line without its end.
fn line_of(mut from: impl Read) -> io::Result<Zeroizing<String>> {
    // Room from the start: a buffer that grows would leave the passphrase behind.
    let mut line = Zeroizing::new(Vec::with_capacity(LINE_BYTES_MAX));
    let mut byte = Zeroizing::new([0]);
    while line.len() < LINE_BYTES_MAX {
        match from.read(byte.as_mut()) {
            Ok(0) => break,
            Ok(_) if byte[0] == b'\n' => break,
            Ok(_) => line.push(byte[0]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let text = line.strip_suffix(b"\r").unwrap_or(&line);
    let text =
        str::from_utf8(text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Of a credential of systemd, group bits are the mask of an access list: who else may read it, nobody can tell by them.
#[cfg(unix)]
fn check_not_open_to_all(path: &Path, file: &File) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    let path = path.display();
    ensure!(mode & 0o007 == 0, "{path} is open to all (mode {mode:o}): run `chmod 600 {path}`");
    Ok(())
}

#[cfg(not(unix))]
fn check_not_open_to_all(_path: &Path, _file: &File) -> anyhow::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_taken_and_what_follows_is_left() {
        let mut input = &b"correct horse\r\nhold\n"[..];
        assert_eq!(*line_of(&mut input).unwrap(), "correct horse");
        assert_eq!(input, b"hold\n");
        assert_eq!(*line_of(&b" spaces stay "[..]).unwrap(), " spaces stay ");
        assert!(line_of(&b"\xff\n"[..]).is_err());
        let long = vec![b'a'; 2 * LINE_BYTES_MAX];
        assert!(Passphrase::new(line_of(&*long).unwrap()).is_err(), "not cut to a shorter one");
    }

    #[cfg(unix)]
    #[test]
    fn a_passphrase_that_all_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("passphrase");
        std::fs::write(&path, "correct horse battery\n").unwrap();
        let set = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode));
        set(0o644).unwrap();
        let refused = from_file(&path).unwrap_err().to_string();
        assert!(refused.contains("open to all (mode 644)"), "{refused}");
        set(0o440).unwrap();
        assert!(from_file(&path).is_ok());
    }
}
