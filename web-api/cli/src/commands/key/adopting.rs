//! A trainer goes on with the key that its member has now.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::Args;
use trainer_agent::Agent;

use super::{print, read_key_file};
use crate::commands::NodeArgs;

/// `sahakar key adopt`.
#[derive(Debug, Args)]
#[command(after_help = "Example, with the trainer stopped:
  sahakar key new --out new.key
  sahakar member rotate --key mine/key --new new.key
  sahakar key adopt --state mine --key new.key
  sahakar member consent --federation NAME --key mine/key              # the new device agrees anew
Then start the trainer as before.")]
pub struct AdoptArgs {
    /// The trainer's state directory
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
    /// The key file that signs for the member now; it is copied, under its passphrase if it has one
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The node
    #[command(flatten)]
    pub node: NodeArgs,
}

impl AdoptArgs {
    /// Does it, once the ledger says that the key is a member's.
    ///
    /// Threat: a trainer that is given a key of nobody joins with it as somebody else, and the member's place can never be given to
    /// that key any more.
    pub(super) fn run(self) -> anyhow::Result<()> {
        let key = read_key_file(&self.key)?.verifying_key().to_string();
        let shown = self.node.rest().get(&format!("/v1/members/{key}"));
        let shown = shown.with_context(|| format!("{key} is no member's key: {FIRST}"))?;
        let signs = shown["membership"]["signing_key"].as_str();
        ensure!(signs == Some(&*key), "{key} does not sign for its member any more: {FIRST}");
        let member = shown["member"].as_str().context("the node names no member")?;
        let state = self.state.display();
        match Agent::adopt_key(&self.state, &self.key)? {
            Some(former) => print(format!(
                "{state} signs with {key} from now on, for the member {member}; the former key is in {}",
                former.display()
            )),
            None => print(format!("{state} has this key already")),
        }
    }
}

/// What comes before.
const FIRST: &str = "give it to the member first (sahakar member rotate)";
