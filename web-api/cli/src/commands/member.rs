//! Members, as the node shows them, and what they do about their membership.

mod acts;
mod keys;

pub(crate) use acts::policy_of;
pub use acts::{InvitationFile, accept_guardian, consent, invite, join, leave};
pub(crate) use keys::read_claim;
pub use keys::{claim_key, rotate_key};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};

use super::NodeArgs;
use super::federation::{self, Contributor};
use super::output::{money, print, print_json, print_table, typed};
use crate::rest::Rest;

/// `sahakar member`.
#[derive(Debug, Subcommand)]
pub enum MemberCommand {
    /// List the members of a federation, or of all
    List(ListArgs),
    /// Show what a member contributed and earned
    Show(ShowArgs),
    /// List all members of the DAO: roles, votes, delegates, also those suspended or gone
    Roll(NodeArgs),
    /// Invite somebody: writes a signed invitation to hand over
    Invite(acts::InviteArgs),
    /// Join at a member's invitation
    Join(acts::JoinArgs),
    /// Leave, and be paid out
    Leave(acts::LeaveArgs),
    /// Agree to a federation's present policy, after a vote changed it
    Consent(acts::ConsentArgs),
    /// Sign with another key from now on: as the same member, with the same votes and money
    Rotate(keys::RotateArgs),
    /// Claim the place of a lost key: writes a file that members vote on (`proposal new --rotate`)
    Claim(keys::ClaimArgs),
    /// Accept the office of guardian
    AcceptGuardian(acts::GuardianArgs),
}

/// `sahakar member list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only this federation
    #[arg(long, value_name = "NAME")]
    pub federation: Option<String>,
    /// The node
    #[command(flatten)]
    pub node: NodeArgs,
}

/// `sahakar member show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The member's public key in hexadecimal
    pub key: String,
    /// The node
    #[command(flatten)]
    pub node: NodeArgs,
}

#[derive(Debug, Deserialize)]
struct Member {
    member: String,
    credits: String,
    earnings: String,
    currency: Option<String>,
    federations: Vec<Membership>,
}

#[derive(Debug, Deserialize)]
struct Membership {
    federation: String,
    label: String,
    rounds: u64,
    value: f64,
    credits: String,
}

impl MemberCommand {
    /// Does it.
    ///
    /// # Errors
    /// What the node refuses.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List(args) => args.run(),
            Self::Show(ShowArgs { key, node }) => {
                let answer = show(&node.rest(), &key)?;
                if node.json {
                    return print_json(&answer);
                }
                let member: Member = typed(&answer)?;
                print_member(&member)?;
                print_explanations(&node.rest(), &member)
            }
            Self::Roll(node) => acts::roll(&node),
            Self::Invite(args) => args.run(),
            Self::Join(args) => args.run(),
            Self::Leave(args) => args.run(),
            Self::Consent(args) => args.run(),
            Self::Rotate(args) => args.run(),
            Self::Claim(args) => args.run(),
            Self::AcceptGuardian(args) => args.run(),
        }
    }
}

impl ListArgs {
    fn run(self) -> anyhow::Result<()> {
        let rest = self.node.rest();
        let names = match self.federation {
            Some(name) => vec![name],
            None => federation::names(&rest)?,
        };
        if self.node.json {
            let mut all = serde_json::Map::new();
            for name in names {
                let contributors = federation::show(&rest, &name)?["contributors"].take();
                all.insert(name, contributors);
            }
            return print_json(&json!({"federations": all}));
        }
        for name in names {
            print(format!("{name}:"))?;
            let contributors = federation::contributors(&rest, &name)?;
            let rows = contributors.iter().map(Contributor::row).collect();
            print_table(&Contributor::HEADER, 2, rows)?;
        }
        Ok(())
    }
}

/// A member, as the node answers.
///
/// # Errors
/// What the node refuses.
pub fn show(rest: &Rest, key: &str) -> anyhow::Result<Value> {
    rest.get(&format!("/v1/members/{key}")).with_context(|| {
        format!("the member {key:?} cannot be shown (`sahakar member list --json` has the keys)")
    })
}

/// Why it earned what it did in its last round of each federation.
fn print_explanations(rest: &Rest, member: &Member) -> anyhow::Result<()> {
    for Membership { federation, .. } in &member.federations {
        let path = format!("/v1/federations/{federation}/contributors/{}/rounds", member.member);
        let explained = rest.get(&path)?;
        let last = explained["rounds"].as_array().and_then(|rounds| rounds.last());
        let sentence = last.and_then(|last| last["sentence"].as_str());
        print(format!(
            "{federation}: {}",
            sentence.unwrap_or("it took part in no settled round yet")
        ))?;
    }
    Ok(())
}

fn print_member(member: &Member) -> anyhow::Result<()> {
    let earnings = money(&member.earnings, member.currency.as_deref());
    let Member { member: key, credits, federations, .. } = member;
    print(format!("{key}: {credits} credits, {earnings} earned"))?;
    let row = |m: &Membership| {
        let (rounds, value) = (m.rounds.to_string(), format!("{:+.1}", 1e3 * m.value));
        vec![m.federation.clone(), m.label.clone(), rounds, value, m.credits.clone()]
    };
    let header = ["federation", "called", "rounds", "value ‰", "credits"];
    print_table(&header, 2, federations.iter().map(row).collect())
}
