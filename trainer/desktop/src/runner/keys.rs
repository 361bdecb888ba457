//! The key: made, unlocked, protected and restored by the command line.
//!
//! Threat: whoever can read the disk. A new key is written under its passphrase from the start, and a passphrase goes to
//! the command line by its input alone: arguments are shown to every user, and the environment of a process to all others of the
//! same user.

use std::{fs, path::Path};

use anyhow::{Context as _, bail, ensure};

use super::{
    Teller,
    home::Home,
    program::{Program, is_locked},
};
use crate::{command::Backup, news::News, secret::Secret};

/// The key, as far as it can be shown.
pub(super) fn look(
    home: &Home,
    program: &Program,
    teller: &Teller,
    with_words: bool,
) -> anyhow::Result<News> {
    if !home.key().exists() {
        return Ok(News::KeyMissing);
    }
    let protected = home.is_key_encrypted()?;
    teller.tell(News::Protection(protected));
    if protected && !program.is_unlocked() {
        return Ok(News::KeyLocked { wrong: false });
    }
    shown(home, program, with_words)
}

fn shown(home: &Home, program: &Program, with_words: bool) -> anyhow::Result<News> {
    let member = program.member(&home.key())?;
    let words = if with_words { Some(program.words(home)?) } else { None };
    Ok(News::Key { member, words })
}

pub(super) fn make(
    home: &Home,
    program: &Program,
    teller: &Teller,
    passphrase: Option<Secret>,
) -> anyhow::Result<News> {
    home.make_trainer()?;
    program.new_key(home, passphrase.as_ref())?;
    program.unlock(passphrase);
    look(home, program, teller, true)
}

/// Tries a passphrase; only the right one is remembered.
pub(super) fn unlock(
    home: &Home,
    program: &Program,
    teller: &Teller,
    (passphrase, with_words): (Secret, bool),
) -> anyhow::Result<News> {
    program.unlock(Some(passphrase));
    match shown(home, program, with_words) {
        Ok(news) => {
            teller.tell(News::Protection(true));
            Ok(news)
        }
        Err(error) => {
            program.unlock(None);
            if is_locked(&error) { Ok(News::KeyLocked { wrong: true }) } else { Err(error) }
        }
    }
}

/// Writes the key of a back-up. One that is there, and that nobody can unlock, is kept beside it as `key.forgotten`.
pub(super) fn restore(
    home: &Home,
    program: &Program,
    teller: &Teller,
    (backup, passphrase, member): (&Backup, Option<Secret>, Option<String>),
) -> anyhow::Result<News> {
    home.make_trainer()?;
    let key = home.key();
    if !key.exists() {
        program.restore_key(&key, backup, passphrase.as_ref())?;
    } else {
        let restored = key.with_file_name("key.restored");
        remove(&restored)?;
        let is = program.restore_key(&restored, backup, passphrase.as_ref())?;
        if member.is_some_and(|member| member != is) {
            remove(&restored)?;
            bail!("this is a back-up of another key ({is}); nothing was changed");
        }
        // The copy first: there is no moment without the key that was there.
        set_aside(&key)?;
        fs::rename(&restored, &key).with_context(|| format!("writing {}", key.display()))?;
    }
    program.unlock(passphrase);
    // Asked for nevertheless: who typed them has them, and proves it once.
    look(home, program, teller, true)
}

/// Keeps a copy of a key that nobody can unlock, beside those that were kept before.
fn set_aside(key: &Path) -> anyhow::Result<()> {
    let names = (1..).map(|number: u32| match number {
        1 => "key.forgotten".to_owned(),
        number => format!("key.forgotten.{number}"),
    });
    let mut paths = names.map(|name| key.with_file_name(name));
    let path = paths.find(|path| !path.exists()).context("a name for it")?;
    let kept = fs::copy(key, &path).and_then(|_| fs::File::open(&path)?.sync_all());
    kept.with_context(|| format!("keeping {}", path.display()))
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

pub(super) fn protect(
    home: &Home,
    program: &Program,
    now: Option<Secret>,
    new: Option<Secret>,
) -> anyhow::Result<News> {
    let protected = new.is_some();
    program.protect_key(&home.key(), now.as_ref(), new.as_ref())?;
    program.unlock(new);
    Ok(News::Protected(protected))
}

pub(super) fn back_up(
    home: &Home,
    program: &Program,
    path: &Path,
    passphrase: &Secret,
) -> anyhow::Result<News> {
    ensure!(!path.exists(), "{} exists already", path.display());
    program.copy_key(&home.key(), path, passphrase)?;
    // Proven while the key is still here.
    let (own, copy) = (program.member(&home.key())?, program.member_of_backup(path, passphrase)?);
    ensure!(own == copy, "the copy does not give the same key");
    Ok(News::Exported(fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())))
}
