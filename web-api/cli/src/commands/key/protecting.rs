//! Keys under a passphrase: putting them there, changing it, taking them away, and bringing them back.

use std::{io::stdin, path::PathBuf};

use aggregator_network::{KeyProtection, change_key_protection, restore_key, unlock_key};
use clap::{Args, builder::RangedU64ValueParser};
use privacy_identity::{SigningKey, WorkFactor};
use rand::{rand_core::UnwrapErr, rngs::SysRng};

use super::{key_file_from_words, public_keys};
use crate::{
    commands::output::print,
    passphrases::{NewPassphraseArgs, PassphraseArgs},
};

/// `sahakar key encrypt`.
#[derive(Debug, Args)]
pub struct EncryptArgs {
    /// The key file
    file: PathBuf,
    /// Write an encrypted copy here, as a back-up, and leave the key file as it is
    #[arg(long, value_name = "COPY")]
    out: Option<PathBuf>,
    /// What unlocks it now, if it is under a passphrase
    #[command(flatten)]
    passphrase: PassphraseArgs,
    /// The new passphrase
    #[command(flatten)]
    new: NewPassphraseArgs,
    /// A guess costs 2^N blocks of 1 KiB, in memory and in time; so does each start
    #[arg(long, value_name = "N", default_value_t = 18, value_parser = RangedU64ValueParser::<u8>::new().range(14..=20))]
    work_factor: u8,
}

impl EncryptArgs {
    /// Does it. Reads the present passphrase first, then the new one.
    pub(super) fn run(self) -> anyhow::Result<()> {
        let now = self.passphrase.passphrase_for(&self.file)?;
        // Before the new one is asked for: a wrong one is told at once.
        let seed = unlock_key(&self.file, now.as_ref())?;
        let new = self.new.passphrase()?;
        let work = WorkFactor::from_log2(self.work_factor).unwrap_or(WorkFactor::DEFAULT);
        let (protection, rng) = (KeyProtection::Passphrase(&new, work), &mut UnwrapErr(SysRng));
        match &self.out {
            Some(copy) => restore_key(copy, &seed, protection, rng)?,
            None => drop(change_key_protection(&self.file, now.as_ref(), protection, rng)?),
        }
        print(public_keys(&SigningKey::from_seed(&seed)))
    }
}

/// `sahakar key decrypt`.
#[derive(Debug, Args)]
pub struct DecryptArgs {
    /// The key file
    file: PathBuf,
    /// What unlocks it
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl DecryptArgs {
    /// Does it.
    pub(super) fn run(self) -> anyhow::Result<()> {
        let now = self.passphrase.passphrase_for(&self.file)?;
        let rng = &mut UnwrapErr(SysRng);
        let seed = change_key_protection(&self.file, now.as_ref(), KeyProtection::Clear, rng)?;
        print(public_keys(&SigningKey::from_seed(&seed)))
    }
}

/// `sahakar key restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// Where the seed is written; an existing file is never overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// A back-up instead of the words: a key file, or a file of age with a key in it
    #[arg(long, value_name = "BACKUP")]
    from: Option<PathBuf>,
    /// What unlocks the back-up
    #[command(flatten)]
    passphrase: PassphraseArgs,
    /// Under a new passphrase
    #[arg(long)]
    encrypt: bool,
    /// The new passphrase
    #[command(flatten)]
    new: NewPassphraseArgs,
}

impl RestoreArgs {
    /// Does it. Reads the back-up's passphrase first, then the new one, then the words.
    pub(super) fn run(self) -> anyhow::Result<()> {
        let seed = match &self.from {
            Some(backup) => {
                let passphrase = self.passphrase.passphrase_for(backup)?;
                Some(unlock_key(backup, passphrase.as_ref())?)
            }
            None => None,
        };
        let new = self.new.passphrase_if(self.encrypt)?;
        let protection = KeyProtection::under(new.as_ref());
        let key = match seed {
            Some(seed) => {
                restore_key(&self.out, &seed, protection, &mut UnwrapErr(SysRng))?;
                SigningKey::from_seed(&seed)
            }
            None => key_file_from_words(stdin().lock(), &self.out, protection)?,
        };
        print(public_keys(&key))
    }
}
