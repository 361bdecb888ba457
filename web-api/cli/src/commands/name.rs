//! What people are called, salted before it is sent.

use data_dao_store::SaltedName;
use privacy_identity::Digest;
use rand::Rng as _;
use serde_json::{Value, json};

/// A name with a new salt.
pub(crate) fn salted(name: String) -> SaltedName {
    let mut salt = [0; Digest::LEN];
    rand::rng().fill_bytes(&mut salt);
    SaltedName::new(name, salt)
}

/// A name as the node takes it, beside what commits to it.
pub(super) fn name_json(name: &SaltedName) -> Value {
    json!({"name": name.name(), "salt": Digest(*name.salt()).to_string()})
}
