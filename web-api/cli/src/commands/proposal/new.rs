//! `sahakar proposal new`: actions from flags, drafts in files.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, bail};
use clap::Args;
use data_dao_governance::{
    Action, BallotSecrecy, Class, Draft, Licence, Parameter, ProposalContent, Role,
};
use privacy_identity::{Digest, VerifyingKey};
use rand::RngExt as _;
use serde_json::json;

use super::{Concealed, ModelPrices, print_answer, send};
use crate::commands::NodeArgs;
use crate::commands::key::read_key_file;
use crate::commands::member::read_claim;
use crate::commands::output::{print, print_json};
use crate::commands::signing::{dao_id, member_of};
use crate::licence::spdx_licence;

/// The flags that a draft has instead.
const WHAT_IS_PROPOSED: [&str; 20] = [
    "title",
    "description",
    "set_price",
    "set_prices",
    "set_licence",
    "set_budget",
    "set_parameter",
    "pay",
    "royalty",
    "delist",
    "list",
    "stop",
    "start",
    "admit",
    "suspend",
    "reinstate",
    "rotate",
    "guardian",
    "action",
    "sealed",
];

/// `sahakar proposal new`.
///
/// Your key signs here and never leaves this machine. Without an action the words are the decision.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sahakar proposal new --title Cheaper --description Why --set-price wine=150 --key my.key
  sahakar proposal new --title Plans --description Why --set-prices wine,low=100,high=400,calls-high=1000,month-calls=500,month-price=80 --key my.key
  sahakar proposal new --title Pay --description Why --pay KEY=50000 --key my.key
  sahakar proposal new --title Longer --description Why --set-parameter voting_period_ms=864000000 --key my.key
  sahakar proposal new --title Stop --description Why --action '{\"stop_federation\":{\"federation\":\"wine\"}}' --key my.key
  sahakar proposal new --title Later --description Why --draft draft.json --key my.key
  sahakar proposal new --from draft.json --key my.key
Other actions, as JSON: set_licence, set_novelty, set_suspension, set_privacy_policy, slash_credit, set_witness, remove_witness, set_witness_quorum, upgrade_rules.")]
pub struct NewArgs {
    /// One line
    #[arg(long, required_unless_present = "from")]
    pub title: Option<String>,
    /// Why
    #[arg(long, required_unless_present = "from")]
    pub description: Option<String>,
    /// Set what one call of a model costs, in 10⁻⁴ of the currency's unit
    #[arg(long, value_name = "MODEL=PRICE", value_parser = pair::<String, u128>)]
    pub set_price: Vec<(String, u128)>,
    /// Set all prices of a model, in 10⁻⁴ of the currency's unit: of a call by demand, of a month, of a version's licence
    #[arg(
        long,
        value_name = "MODEL,low=PRICE[,high=PRICE,calls-low=N,calls-high=N,window-minutes=N,month-calls=N,month-price=PRICE,download=PRICE]"
    )]
    pub set_prices: Vec<ModelPrices>,
    /// Set under which licence a federation's later versions are sold, as an SPDX expression; another one by --action
    #[arg(long, value_name = "FEDERATION=LICENCE", value_parser = pair::<String, SpdxLicence>)]
    pub set_licence: Vec<(String, SpdxLicence)>,
    /// Set the credits of a federation's later rounds
    #[arg(long, value_name = "FEDERATION=CREDITS", value_parser = pair::<String, u128>)]
    pub set_budget: Vec<(String, u128)>,
    /// Set a parameter of the charter
    #[arg(long, value_name = "PARAMETER=VALUE", value_parser = pair::<Parameter, u64>)]
    pub set_parameter: Vec<(Parameter, u64)>,
    /// Pay a member from the treasury, in 10⁻⁴ of the currency's unit
    #[arg(long, value_name = "KEY=AMOUNT", value_parser = pair::<VerifyingKey, u128>)]
    pub pay: Vec<(VerifyingKey, u128)>,
    /// Set the DAO's part of later sales, in parts per hundred
    #[arg(long, value_name = "PERCENT")]
    pub royalty: Option<u8>,
    /// Sell no more calls of a model
    #[arg(long, value_name = "MODEL")]
    pub delist: Vec<String>,
    /// Sell a model again
    #[arg(long, value_name = "MODEL")]
    pub list: Vec<String>,
    /// Let a federation open no more rounds
    #[arg(long, value_name = "FEDERATION")]
    pub stop: Vec<String>,
    /// Let a stopped federation open rounds again
    #[arg(long, value_name = "FEDERATION")]
    pub start: Vec<String>,
    /// Take somebody in as a member
    #[arg(long, value_name = "KEY=LABEL", value_parser = pair::<VerifyingKey, String>)]
    pub admit: Vec<(VerifyingKey, String)>,
    /// Take a member's rights away
    #[arg(long, value_name = "KEY=REASON", value_parser = pair::<VerifyingKey, String>)]
    pub suspend: Vec<(VerifyingKey, String)>,
    /// Give a suspended member its rights back
    #[arg(long, value_name = "KEY")]
    pub reinstate: Vec<VerifyingKey>,
    /// Give a member that lost its key the one that it claims (`sahakar member claim` writes the file), and say why
    #[arg(long, value_name = "FILE=REASON", value_parser = pair::<PathBuf, String>)]
    pub rotate: Vec<(PathBuf, String)>,
    /// Nominate a guardian, for so many milliseconds
    #[arg(long, value_name = "KEY=TERM_MS", value_parser = pair::<VerifyingKey, u64>)]
    pub guardian: Option<(VerifyingKey, u64)>,
    /// Any action as JSON, as `proposal show --json` prints it
    #[arg(long, value_name = "JSON", value_parser = action_from_text)]
    pub action: Vec<Action>,
    /// Tell no choice before the vote is over (`sahakar vote --seal`)
    #[arg(long)]
    pub sealed: bool,
    /// Write the proposal here instead of making it
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    pub draft: Option<PathBuf>,
    /// Make the proposal that was written here
    #[arg(long, value_name = "FILE", conflicts_with_all = WHAT_IS_PROPOSED)]
    pub from: Option<PathBuf>,
    /// Your key file (`sahakar key new`)
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The node
    #[command(flatten)]
    pub node: NodeArgs,
}

/// A licence of the SPDX list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpdxLicence(Licence);

impl FromStr for SpdxLicence {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, anyhow::Error> {
        spdx_licence(text).map(Self)
    }
}

/// What a member wants to propose.
#[derive(Debug, Clone)]
pub struct Motion {
    /// One line.
    pub title: String,
    /// Why.
    pub description: String,
    /// What happens on execution.
    pub actions: Vec<Action>,
    /// When choices become known.
    pub ballots: BallotSecrecy,
}

impl Motion {
    /// The content, with a salt of its own.
    pub(super) fn content(self, dao: Digest, proposer: VerifyingKey) -> ProposalContent {
        let Self { title, description, actions, ballots } = self;
        let salt = rand::rng().random();
        ProposalContent { dao, title, description, actions, ballots, proposer, salt }
    }
}

impl NewArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let (node, rest, key) = (self.node.clone(), self.node.rest(), read_key_file(&self.key)?);
        let (draft_to, owner) = (self.draft.clone(), member_of(&rest, &key.verifying_key()));
        let proposed = match &self.from {
            Some(file) => read_draft(file)?,
            None => self.motion()?.content(dao_id(&rest)?, owner).into(),
        };
        let content = &proposed.content;
        if content.proposer != owner {
            let proposer = content.proposer;
            bail!("the draft is of {proposer}, this key is {owner}");
        }
        match draft_to {
            Some(file) => write_draft(&node, &file, proposed),
            None => print_answer(&node, &send(&rest, &key, proposed)?),
        }
    }

    fn motion(self) -> anyhow::Result<Motion> {
        let ballots = if self.sealed { BallotSecrecy::Sealed } else { BallotSecrecy::Open };
        let title = self.title.clone().context("--title is needed")?;
        let description = self.description.clone().context("--description is needed")?;
        Ok(Motion { title, description, actions: self.actions()?, ballots })
    }

    fn actions(self) -> anyhow::Result<Vec<Action>> {
        let mut actions = Vec::new();
        let prices = self.set_price.into_iter();
        actions.extend(prices.map(|(model, price)| Action::SetPredictionPrice { model, price }));
        let policies = self.set_prices.into_iter();
        actions.extend(
            policies.map(|ModelPrices { model, policy }| Action::SetPricePolicy { model, policy }),
        );
        let licences = self.set_licence.into_iter();
        actions.extend(
            licences.map(|(federation, SpdxLicence(licence))| Action::SetLicence {
                federation,
                licence,
            }),
        );
        let budgets = self.set_budget.into_iter();
        actions.extend(
            budgets.map(|(federation, credits)| Action::SetRoundBudget { federation, credits }),
        );
        let parameters = self.set_parameter.into_iter();
        actions
            .extend(parameters.map(|(parameter, value)| Action::SetParameter { parameter, value }));
        let payments = self.pay.into_iter();
        actions.extend(payments.map(|(to, amount)| Action::TreasuryTransfer { to, amount }));
        let split = |treasury_percent| Action::SetRoyaltySplit { treasury_percent };
        actions.extend(self.royalty.map(split));
        actions.extend(self.delist.into_iter().map(|model| Action::DelistModel { model }));
        actions.extend(self.list.into_iter().map(|model| Action::ListModel { model }));
        let stopped = self.stop.into_iter();
        actions.extend(stopped.map(|federation| Action::StopFederation { federation }));
        let started = self.start.into_iter();
        actions.extend(started.map(|federation| Action::StartFederation { federation }));
        let admitted = self.admit.into_iter();
        actions.extend(admitted.map(|(member, label)| {
            let roles = vec![Role::Member];
            Action::AdmitMember { member, label, roles }
        }));
        let suspended = self.suspend.into_iter();
        actions.extend(suspended.map(|(member, reason)| Action::SuspendMember { member, reason }));
        let back = self.reinstate.into_iter();
        actions.extend(back.map(|member| Action::ReinstateMember { member }));
        for (file, reason) in self.rotate {
            let claimed = Box::new(read_claim(&file)?);
            actions.push(Action::RotateKey { claimed, reason });
        }
        actions.extend(
            self.guardian.map(|(guardian, term_ms)| Action::SetGuardian {
                guardian: Some(guardian),
                term_ms,
            }),
        );
        actions.extend(self.action);
        if actions.is_empty() {
            actions.push(Action::Text);
        }
        Ok(actions)
    }
}

/// Writes a draft with the names that it commits to: without them nobody could be told who is to be admitted.
fn write_draft(node: &NodeArgs, file: &Path, proposed: Concealed) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(&proposed).context("writing the draft")?;
    let draft = Draft::new(proposed.content).context("the proposal cannot stand")?;
    std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
    let class = match draft.class() {
        Class::Ordinary => "ordinary",
        Class::Critical => "critical",
    };
    let id = draft.id().to_string();
    if node.json {
        let draft = json!({"id": id, "state": "draft", "class": class, "content": draft.content()});
        return print_json(&draft);
    }
    let file = file.display();
    print(format!(
        "{id}\ndraft ({class}) in {file}; make it with: sahakar proposal new --from {file} --key FILE"
    ))
}

/// Reads a draft, or content alone, as drafts were before they had names.
fn read_draft(file: &Path) -> anyhow::Result<Concealed> {
    let unfit = || format!("{} is no draft", file.display());
    let text = std::fs::read_to_string(file);
    let text = text.with_context(|| format!("reading {}", file.display()))?;
    let draft: serde_json::Value = serde_json::from_str(&text).with_context(unfit)?;
    if draft.get("content").is_some() {
        return serde_json::from_value(draft).with_context(unfit);
    }
    serde_json::from_value::<ProposalContent>(draft).map(Concealed::from).with_context(unfit)
}

fn action_from_text(text: &str) -> Result<Action, String> {
    serde_json::from_str(text).map_err(|error| format!("no action: {error}"))
}

fn pair<A, B>(text: &str) -> Result<(A, B), String>
where
    A: FromStr<Err: ToString>,
    B: FromStr<Err: ToString>,
{
    let (left, right) = text.split_once('=').ok_or_else(|| "expected NAME=VALUE".to_owned())?;
    let left = left.parse().map_err(|error: A::Err| error.to_string())?;
    let right = right.parse().map_err(|error: B::Err| error.to_string())?;
    Ok((left, right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_values_are_read() {
        assert_eq!(pair::<String, u128>("wine=250"), Ok(("wine".to_owned(), 250)));
        for bad in ["wine", "wine=", "wine=-1", "wine=2.5"] {
            assert!(pair::<String, u128>(bad).is_err(), "{bad}");
        }
        let named = pair::<Parameter, u64>("grace_ms=5");
        assert_eq!(named, Ok((Parameter::GraceMs, 5)));
        let licensed = pair::<String, SpdxLicence>("wine=CC-BY-4.0").unwrap().1;
        assert_eq!(licensed.0, Licence::Spdx("CC-BY-4.0".to_owned()));
        assert!(pair::<String, SpdxLicence>("wine=free").unwrap_err().contains("SPDX"));
        let unknown = pair::<Parameter, u64>("grace=5").unwrap_err();
        assert!(unknown.contains("grace_ms"), "what there is: {unknown}");
    }

    #[test]
    fn unknown_actions_are_refused_with_what_there_is() {
        let refused = action_from_text(r#"{"mint":{}}"#).unwrap_err();
        assert!(refused.contains("unknown variant") && refused.contains("slash_credit"));
    }
}
