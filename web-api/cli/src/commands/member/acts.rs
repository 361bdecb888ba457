//! What a member signs about its membership. Keys stay on this machine.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use data_dao_governance::{
    Consent, Departure, GuardianAcceptance, Invitation, Joining, PrivacyPolicy, Request as _, Role,
    text,
};
use privacy_identity::{Digest, Signature, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::commands::NodeArgs;
use crate::commands::key::read_key_file;
use crate::commands::name::{name_json, salted};
use crate::commands::output::{print, print_json, print_table, short, typed};
use crate::commands::signing::{Stamp, dao_id, member_of, stamp};
use crate::process::now_ms;
use crate::rest::Rest;

/// Milliseconds of a day.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// `sahakar member invite`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  sahakar member invite --member KEY --role contributor --key my.key --out invitation.json
The invited then runs `sahakar member join --invitation invitation.json --label NAME --key THEIR.key`.")]
pub struct InviteArgs {
    /// Whom: a public key (`sahakar key show FILE`); nobody else can use the invitation
    #[arg(long, value_name = "KEY")]
    pub member: VerifyingKey,
    /// As what; may be given several times
    #[arg(long = "role", value_enum, default_value = "member")]
    pub roles: Vec<RoleArg>,
    /// For how many days it can be accepted
    #[arg(long, default_value_t = 14)]
    pub days: u64,
    /// Your key file
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Where the invitation is written
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The node
    #[command(flatten)]
    pub node: NodeArgs,
}

/// `sahakar member join`.
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// The invitation that a member wrote
    #[arg(long, value_name = "FILE")]
    pub invitation: PathBuf,
    /// What you want to be called; public, and for ever
    #[arg(long)]
    pub label: String,
    /// Your key file (`sahakar key new`)
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The node
    #[command(flatten)]
    pub node: NodeArgs,
}

/// `sahakar member leave`.
#[derive(Debug, Args)]
pub struct LeaveArgs {
    /// Your key file
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Yes: your votes end, and coming back takes an invitation
    #[arg(long)]
    pub yes: bool,
    /// The node
    #[command(flatten)]
    pub node: NodeArgs,
}

/// `sahakar member consent`.
#[derive(Debug, Args)]
#[command(after_help = "Shows the policy first; sign it by giving its digest back:
  sahakar member consent --federation wine --key trainer/key
  sahakar member consent --federation wine --key trainer/key --agree DIGEST")]
pub struct ConsentArgs {
    /// The federation
    #[arg(long, value_name = "NAME")]
    pub federation: String,
    /// The device's key file: `key` in the trainer's state directory
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The digest of the policy that you agree to, as this command shows it
    #[arg(long, value_name = "DIGEST")]
    pub agree: Option<Digest>,
    /// The node
    #[command(flatten)]
    pub node: NodeArgs,
}

/// `sahakar member accept-guardian`.
#[derive(Debug, Args)]
pub struct GuardianArgs {
    /// The nominated's key file
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The node
    #[command(flatten)]
    pub node: NodeArgs,
}

/// What a member does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum RoleArg {
    /// Votes with what it has earned
    Member,
    /// Trains on its own data
    Contributor,
    /// Keeps shares of keys
    Custodian,
    /// Buys predictions
    Buyer,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Member => Self::Member,
            RoleArg::Contributor => Self::Contributor,
            RoleArg::Custodian => Self::Custodian,
            RoleArg::Buyer => Self::Buyer,
        }
    }
}

/// A signed invitation, as it is handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvitationFile {
    /// What the inviter signed.
    pub invitation: Invitation,
    /// Its signature.
    #[serde(with = "text")]
    pub invitation_signature: Signature,
}

impl InviteArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let key = read_key_file(&self.key)?;
        let expires_ms = now_ms().saturating_add(self.days.saturating_mul(DAY_MS));
        let roles = self.roles.iter().map(|role| (*role).into()).collect();
        let file = invite(&self.node.rest(), &key, self.member, (roles, expires_ms))?;
        let out = self.out.display();
        let text = serde_json::to_string_pretty(&file).context("writing the invitation")?;
        std::fs::write(&self.out, text).with_context(|| format!("writing {out}"))?;
        print(format!("{out} invites {}; hand it over", self.member))
    }
}

/// An invitation signed by `key`.
///
/// # Errors
/// A node that does not answer.
pub fn invite(
    rest: &Rest,
    key: &SigningKey,
    member: VerifyingKey,
    (mut roles, expires_ms): (Vec<Role>, u64),
) -> anyhow::Result<InvitationFile> {
    roles.sort_unstable();
    roles.dedup();
    let (dao, inviter) = (dao_id(rest)?, member_of(rest, &key.verifying_key()));
    let invitation = Invitation { dao, inviter, member, roles, expires_ms };
    let invitation_signature = invitation.sign(key);
    Ok(InvitationFile { invitation, invitation_signature })
}

impl JoinArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let file = read_invitation(&self.invitation)?;
        let key = read_key_file(&self.key)?;
        let answer = join(&self.node.rest(), &key, &file, self.label)?;
        show(&self.node, &answer, "joined")
    }
}

fn read_invitation(file: &Path) -> anyhow::Result<InvitationFile> {
    let text = std::fs::read_to_string(file);
    let text = text.with_context(|| format!("reading {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no invitation", file.display()))
}

/// Joins at an invitation, as the owner of `key`. Returns the member, as the node answers.
///
/// # Errors
/// An invitation for somebody else, or what the node refuses.
pub fn join(
    rest: &Rest,
    key: &SigningKey,
    file: &InvitationFile,
    label: String,
) -> anyhow::Result<Value> {
    let Stamp { dao, member, nonce, expires_ms } = stamp(rest, key)?;
    let invited = file.invitation.member;
    if invited != member {
        bail!("the invitation is for {invited}, this key is {member}");
    }
    // The log is for ever: it gets a commitment, the name stands beside it, where it can be erased.
    let name = salted(label);
    let joining = Joining { dao, member, label: name.commitment(), nonce, expires_ms };
    let body = json!({
        "name": name_json(&name),
        "invitation": file.invitation,
        "invitation_signature": file.invitation_signature.to_string(),
        "joining": joining,
        "signature": joining.sign(key).to_string(),
    });
    rest.post("/v1/members", None, &body).context("the invitation was not taken")
}

impl LeaveArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if !self.yes {
            bail!("your votes would end, and coming back takes an invitation: add --yes");
        }
        let answer = leave(&self.node.rest(), &read_key_file(&self.key)?)?;
        show(&self.node, &answer, "left")
    }
}

/// Leaves, as the owner of `key`. Returns the member and what is paid out, as the node answers.
///
/// # Errors
/// What the node refuses.
pub fn leave(rest: &Rest, key: &SigningKey) -> anyhow::Result<Value> {
    let Stamp { dao, member, nonce, expires_ms } = stamp(rest, key)?;
    let departure = Departure { dao, member, nonce, expires_ms };
    let body = json!({"departure": departure, "signature": departure.sign(key).to_string()});
    let path = format!("/v1/members/{member}/departure");
    rest.post(&path, None, &body).context("you are still a member")
}

impl ConsentArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let rest = self.node.rest();
        let policy = policy_of(&rest, &self.federation)?;
        let digest = policy.digest();
        let Some(agreed) = self.agree else {
            if self.node.json {
                return print_json(&json!({"policy": policy, "digest": digest.to_string()}));
            }
            let limit = policy.epsilon_micro_max;
            print(format!("policy of {}: {digest}", self.federation))?;
            print(format!("terms                     {}", policy.terms))?;
            print(format!("fewest contributors       {}", policy.minimum_cohort))?;
            print(format!("most ε of all rounds      {}", epsilon(limit)))?;
            return print(
                "agree with --agree and the policy's digest; without it your device stays out",
            );
        };
        if agreed != digest {
            bail!("the policy is {digest} now, not {agreed}: look at it again");
        }
        let answer = consent(&rest, &read_key_file(&self.key)?, &self.federation, agreed)?;
        show(&self.node, &answer, "agreed")
    }
}

fn epsilon(limit_micro: Option<u64>) -> String {
    let limit = |micro: u64| format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000);
    limit_micro.map_or_else(|| "not limited".to_owned(), limit)
}

/// The policy of a federation that is in force.
///
/// # Errors
/// What the node refuses.
pub(crate) fn policy_of(rest: &Rest, federation: &str) -> anyhow::Result<PrivacyPolicy> {
    let shown = rest.get(&format!("/v1/federations/{federation}"))?;
    typed(&shown["policy"])
}

/// Agrees to the policy with this digest, as the owner of `key`. Returns the member.
///
/// # Errors
/// What the node refuses.
pub fn consent(
    rest: &Rest,
    key: &SigningKey,
    federation: &str,
    policy: Digest,
) -> anyhow::Result<Value> {
    let Stamp { dao, member, nonce, expires_ms } = stamp(rest, key)?;
    let federation = federation.to_owned();
    let consent = Consent { dao, federation, policy, member, nonce, expires_ms };
    let body = json!({"consent": consent, "signature": consent.sign(key).to_string()});
    rest.post("/v1/consents", None, &body).context("the consent was not taken")
}

impl GuardianArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let answer = accept_guardian(&self.node.rest(), &read_key_file(&self.key)?)?;
        if self.node.json { print_json(&answer) } else { print("you are guardian now") }
    }
}

/// Accepts the office of guardian, as the owner of `key`. Returns how the DAO decides now.
///
/// # Errors
/// What the node refuses.
pub fn accept_guardian(rest: &Rest, key: &SigningKey) -> anyhow::Result<Value> {
    let Stamp { dao, member: guardian, nonce, expires_ms } = stamp(rest, key)?;
    let acceptance = GuardianAcceptance { dao, guardian, nonce, expires_ms };
    let body = json!({"acceptance": acceptance, "signature": acceptance.sign(key).to_string()});
    rest.post("/v1/guardian", None, &body).context("the office was not taken")
}

#[derive(Debug, Deserialize)]
struct RollList {
    members: Vec<RollView>,
}

#[derive(Debug, Deserialize)]
struct RollView {
    member: String,
    label: String,
    roles: Vec<String>,
    state: String,
    votes: String,
    delegate: Option<String>,
}

/// Lists all members of the DAO.
pub(super) fn roll(node: &NodeArgs) -> anyhow::Result<()> {
    let answer = node.rest().get_all("/v1/members", "members")?;
    if node.json {
        return print_json(&answer);
    }
    let list: RollList = typed(&answer)?;
    let row = |m: &RollView| {
        let delegate = m.delegate.as_deref().map(short).unwrap_or_default();
        let (key, roles) = (short(&m.member), m.roles.join(", "));
        vec![m.label.clone(), key, roles, m.state.clone(), delegate, m.votes.clone()]
    };
    let header = ["called", "key", "roles", "state", "votes through", "votes"];
    print_table(&header, 5, list.members.iter().map(row).collect())
}

pub(super) fn show(node: &NodeArgs, answer: &Value, did: &str) -> anyhow::Result<()> {
    if node.json {
        return print_json(answer);
    }
    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    let paid = match answer["paid_out"].as_str() {
        Some(paid) => format!("; {paid} × 10⁻⁴ of the currency's unit are paid out"),
        None => String::new(),
    };
    print(format!("{} ({}) {did}{paid}", text("label"), short(&text("member"))))
}
