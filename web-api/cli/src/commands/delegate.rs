//! Votes entrusted to another member.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{ArgGroup, Args};
use data_dao_governance::{Delegation, Request as _};
use privacy_identity::{SigningKey, VerifyingKey};
use serde::Deserialize;
use serde_json::{Value, json};

use super::NodeArgs;
use super::key::read_key_file;
use super::output::{moment, print_json, print_table, short, typed};
use super::signing::{Stamp, stamp};
use crate::process::now_ms;
use crate::rest::Rest;

/// Milliseconds of a day.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// `sahakar delegate`.
///
/// One level: what is entrusted is not handed on. In each proposal you can override it
/// (`sahakar vote --override`). It ends by itself.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["to", "revoke", "list"]))]
#[command(after_help = "Examples:
  sahakar delegate --to KEY --days 90 --key my.key
  sahakar delegate --revoke --key my.key
  sahakar delegate --list")]
pub struct DelegateArgs {
    /// Who votes for you: a member's public key
    #[arg(long, value_name = "KEY", requires = "key")]
    pub to: Option<VerifyingKey>,
    /// For how many days; the charter has a limit (`GET /v1/governance`)
    #[arg(long, default_value_t = 90)]
    pub days: u64,
    /// Take the delegation back
    #[arg(long, requires = "key")]
    pub revoke: bool,
    /// List the delegations that hold now
    #[arg(long)]
    pub list: bool,
    /// Your key file (`sahakar key new`)
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// The node
    #[command(flatten)]
    pub node: NodeArgs,
}

#[derive(Debug, Deserialize)]
struct List {
    delegations: Vec<View>,
}

#[derive(Debug, Deserialize)]
struct View {
    delegator: String,
    delegate: String,
    until_ms: u64,
    weight: String,
}

impl DelegateArgs {
    /// Does it.
    ///
    /// # Errors
    /// What the node or the key file refuses.
    pub fn run(self) -> anyhow::Result<()> {
        let rest = self.node.rest();
        let answer = if self.list {
            rest.get_all("/v1/delegations", "delegations")?
        } else {
            let key = read_key_file(self.key.as_deref().context("--key FILE is needed")?)?;
            let until_ms = now_ms().saturating_add(self.days.saturating_mul(DAY_MS));
            delegate(&rest, &key, self.to.map(|to| (to, until_ms)))?
        };
        if self.node.json {
            return print_json(&answer);
        }
        let list: List = typed(&answer)?;
        let row = |view: &View| {
            let until = moment(view.until_ms);
            vec![short(&view.delegator), short(&view.delegate), until, view.weight.clone()]
        };
        let header = ["from", "to", "until", "weight"];
        print_table(&header, 2, list.delegations.iter().map(row).collect())
    }
}

/// Entrusts the vote of `key`'s owner to somebody until a time, or takes it back. Returns the
/// delegation that holds now, if one does, as the node answers.
///
/// # Errors
/// What the node refuses.
pub fn delegate(
    rest: &Rest,
    key: &SigningKey,
    to: Option<(VerifyingKey, u64)>,
) -> anyhow::Result<Value> {
    let Stamp { dao, member: delegator, nonce, expires_ms } = stamp(rest, key)?;
    let (delegate, until_ms) = (to.map(|(key, _)| key), to.map_or(0, |(_, until_ms)| until_ms));
    let delegation = Delegation { dao, delegator, delegate, until_ms, nonce, expires_ms };
    let body = json!({"delegation": delegation, "signature": delegation.sign(key).to_string()});
    rest.post("/v1/delegations", None, &body).context("the delegation was not taken")
}
