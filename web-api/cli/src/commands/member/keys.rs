//! Another key for a member: changed by itself, or claimed where the old one is lost. Private keys stay on this machine.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use data_dao_governance::{ClaimedKey, KeyClaim, Request as _, Rotation};
use privacy_identity::{SigningKey, VerifyingKey};
use serde_json::{Value, json};

use super::acts::show;
use crate::commands::NodeArgs;
use crate::commands::key::read_key_file;
use crate::commands::output::{print, typed};
use crate::commands::signing::{Stamp, dao_id, member_of, stamp};
use crate::rest::Rest;

/// `sahakar member rotate`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  sahakar key new --out new.key
  sahakar member rotate --key old.key --new new.key
The old key signs nothing from then on. A trainer takes the new one (sahakar key adopt --state DIR --key new.key), and devices agree
anew: sahakar member consent --federation NAME --key new.key")]
pub struct RotateArgs {
    /// The key file that signs for you now
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The key file that is to (`sahakar key new`)
    #[arg(long, value_name = "FILE")]
    pub new: PathBuf,
    /// The node
    #[command(flatten)]
    pub node: NodeArgs,
}

/// `sahakar member claim`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  sahakar member claim --member KEY --key new.key --out claim.json
A member who knows you then runs `sahakar proposal new --rotate claim.json=REASON …`.")]
pub struct ClaimArgs {
    /// Who you are: any key that you had
    #[arg(long, value_name = "KEY")]
    pub member: VerifyingKey,
    /// Your new key file (`sahakar key new`)
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Where the claim is written
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The node
    #[command(flatten)]
    pub node: NodeArgs,
}

impl RotateArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (old, new) = (read_key_file(&self.key)?, read_key_file(&self.new)?);
        let answer = rotate_key(&self.node.rest(), &old, &new)?;
        show(&self.node, &answer, "signs with the new key from now on")
    }
}

impl ClaimArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let claimed = claim_key(&self.node.rest(), self.member, &read_key_file(&self.key)?)?;
        let (out, new) = (self.out.display(), claimed.claim.new);
        let text = serde_json::to_string_pretty(&claimed).context("writing the claim")?;
        std::fs::write(&self.out, text).with_context(|| format!("writing {out}"))?;
        print(format!(
            "{out} claims that {new} is to sign for {}; hand it over",
            claimed.claim.member
        ))
    }
}

/// What the new key `key` says that wants to sign for `member`.
///
/// # Errors
/// A node that does not know the member.
pub fn claim_key(
    rest: &Rest,
    member: VerifyingKey,
    key: &SigningKey,
) -> anyhow::Result<ClaimedKey> {
    let (dao, member) = (dao_id(rest)?, member_of(rest, &member));
    let shown = rest.get(&format!("/v1/members/{member}")).context("the member is not known")?;
    let membership = &shown["membership"];
    let (old, rotations) =
        (typed::<String>(&membership["signing_key"])?, typed(&membership["rotations"])?);
    let old = old.parse().context("the node names no key of the member")?;
    let claim = KeyClaim { dao, member, old, new: key.verifying_key(), rotations };
    Ok(ClaimedKey::new(claim, key))
}

/// Puts the key `new` in the place of `old`, signed by both. Returns the member, as the node answers.
///
/// # Errors
/// What the node refuses.
pub fn rotate_key(rest: &Rest, old: &SigningKey, new: &SigningKey) -> anyhow::Result<Value> {
    let Stamp { member, nonce, expires_ms, .. } = stamp(rest, old)?;
    let rotation = Rotation { claimed: claim_key(rest, member, new)?, nonce, expires_ms };
    let body = json!({"rotation": rotation, "signature": rotation.sign(old).to_string()});
    let path = format!("/v1/members/{member}/rotation");
    rest.post(&path, None, &body).context("the key was not replaced")
}

/// Reads a claim that somebody wrote.
pub(crate) fn read_claim(file: &Path) -> anyhow::Result<ClaimedKey> {
    let text = std::fs::read_to_string(file);
    let text = text.with_context(|| format!("reading {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no claim of a key", file.display()))
}
