//! Personal data beside the log: the log has a salted commitment, this table what it commits to, until it is erased.
//!
//! Threat: a name in an append-only log that others copy could never be erased. A digest without a salt would not help: names are few,
//! and whoever has the log could try them all. With the salt gone, a commitment says nothing about what it was.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
};

use privacy_identity::Digest;
use sha2::Digest as _;

use crate::StoreError;
use crate::database::Database;

/// How a commitment begins where a name stood before.
const PREFIX: &str = "salted:";
/// Bytes of a salt: as many as the digest has.
const SALT_BYTES: usize = 32;

/// What somebody is called, and the salt with which the log commits to it.
///
/// Who signs what names itself salts its own name and hands both over; everybody else's name the node salts.
#[derive(Clone)]
pub struct SaltedName {
    name: String,
    salt: [u8; SALT_BYTES],
}

impl SaltedName {
    /// * `salt` — random, secret, and used once.
    #[must_use]
    pub const fn new(name: String, salt: [u8; SALT_BYTES]) -> Self {
        Self { name, salt }
    }

    /// What somebody is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The salt, to be handed over with the name.
    #[must_use]
    pub const fn salt(&self) -> &[u8; SALT_BYTES] {
        &self.salt
    }

    /// What stands in the log instead of the name.
    #[must_use]
    pub fn commitment(&self) -> String {
        format!("{PREFIX}{}", commitment(&self.salt, &self.name))
    }
}

/// Whether a text of the log stands for a name instead of being one.
#[must_use]
pub fn is_commitment(text: &str) -> bool {
    commitment_from_text(text).is_some_and(|digest| format!("{PREFIX}{digest}") == text)
}

/// What is known of the names that the log commits to.
#[derive(Debug, Default)]
pub(crate) struct Names(RwLock<BTreeMap<Digest, String>>);

/// The digest of a salted name: SHA-256 of a header that nothing else is hashed under, the salt in hexadecimal, and the name.
fn commitment(salt: &[u8; SALT_BYTES], content: &str) -> Digest {
    let salted = sha2::Sha256::new()
        .chain_update("sahakar/personal-data/v1\n")
        .chain_update(hex::encode(salt))
        .chain_update("\n")
        .chain_update(content);
    Digest(salted.finalize().into())
}

/// The commitment that stands where a name would, if it is one.
fn commitment_from_text(text: &str) -> Option<Digest> {
    text.strip_prefix(PREFIX)?.parse().ok()
}

impl Names {
    /// Reads those that the database has, each held against its commitment.
    pub(crate) async fn read(database: &Database) -> Result<Self, StoreError> {
        let names = Self::default();
        names.refresh(database).await?;
        Ok(names)
    }

    /// Reads them again: another process may have added or erased some.
    pub(crate) async fn refresh(&self, database: &Database) -> Result<(), StoreError> {
        let mut known = BTreeMap::new();
        for (digest, salt, content) in database.personal_data().await? {
            let salt: Option<[u8; SALT_BYTES]> = salt.try_into().ok();
            let (Some(salt), Ok(content)) = (salt, String::from_utf8(content)) else { continue };
            // What was changed behind the store's back is not what the log commits to: it is not shown.
            if commitment(&salt, &content) == digest {
                known.insert(digest, content);
            }
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = known;
        Ok(())
    }

    /// Keeps a name with its salt, durably, and returns what is to stand in the log.
    pub(crate) async fn conceal(
        &self,
        database: &Database,
        SaltedName { name, salt }: &SaltedName,
    ) -> Result<String, StoreError> {
        let digest = commitment(salt, name);
        database.keep_personal_data(&digest, salt, name.as_bytes()).await?;
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(digest, name.clone());
        Ok(format!("{PREFIX}{digest}"))
    }

    /// What a text of the log stands for: itself if it is no commitment, none if it was erased.
    pub(crate) fn reveal(&self, text: &str) -> Option<String> {
        let Some(digest) = commitment_from_text(text) else { return Some(text.to_owned()) };
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&digest).cloned()
    }

    /// Erases salt and content, and returns whether there was anything.
    pub(crate) async fn erase(&self, database: &Database, text: &str) -> Result<bool, StoreError> {
        let Some(digest) = commitment_from_text(text) else { return Ok(false) };
        let erased = database.erase_personal_data(&digest).await?;
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&digest);
        Ok(erased)
    }
}
