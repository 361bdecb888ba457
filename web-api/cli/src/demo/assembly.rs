//! The members' assembly of the demonstration: one proposal, three votes, its execution.
//!
//! This process only holds the pen: it signs with the keys that the contributors made on first start,
//! as `sahakar proposal` and `sahakar vote` do for their owners.

use std::time::Duration;

use aggregator_network::load_key;
use anyhow::{Context as _, bail};
use data_dao_governance::{Action, BallotSecrecy, Capacity, Choice, Vote};
use privacy_identity::SigningKey;
use serde_json::Value;

use super::{
    cooperative::Cooperative,
    report::VoteSummary,
    wineries::{Kind, Vintage},
};
use crate::commands::proposal::{self, Motion};
use crate::commands::vote::{Voice, cast};
use crate::rest::Rest;

/// How often the state of the proposal is asked for, in milliseconds.
const POLL_MS: u64 = 50;
/// How long the whole vote may take, in milliseconds.
const VOTE_MS_MAX: u64 = 30_000;
/// The price that is proposed, in 10⁻⁴ of the currency's unit.
const PROPOSED_PRICE: u128 = 200;

/// Makes a proposal in the name of one honest winery, lets three vote, and has it executed.
///
/// # Errors
/// If a member's key cannot be read or the node refuses a step.
pub async fn hold(cooperative: &Cooperative, vintage: &Vintage) -> anyhow::Result<VoteSummary> {
    let keys = honest_keys(cooperative, vintage)?;
    let rest = Rest::new(cooperative.http());
    let vote = tokio::task::spawn_blocking(move || vote(&rest, &voters(&rest, keys)?));
    vote.await.context("the vote")?
}

/// The keys of all honest wineries.
fn honest_keys(cooperative: &Cooperative, vintage: &Vintage) -> anyhow::Result<Vec<SigningKey>> {
    let honest = vintage.wineries.iter().filter(|winery| winery.kind == Kind::Honest);
    let key = |label: &str| {
        let path = cooperative.trainer_dir(label).join("key");
        Ok(SigningKey::from_seed(&*load_key(&path)?))
    };
    honest.map(|winery| key(&winery.label)).collect()
}

/// Those three who have earned the most: without credits there is no vote.
fn voters(rest: &Rest, keys: Vec<SigningKey>) -> anyhow::Result<Vec<SigningKey>> {
    let mut weighted = Vec::new();
    for key in keys {
        let member = rest.get(&format!("/v1/members/{}", key.verifying_key()))?;
        let credits: u128 = text(&member, "credits")?.parse().context("credits")?;
        if credits > 0 {
            weighted.push((credits, key));
        }
    }
    weighted.sort_by_key(|(credits, _)| std::cmp::Reverse(*credits));
    Ok(weighted.into_iter().take(3).map(|(_, key)| key).collect())
}

fn vote(rest: &Rest, voters: &[SigningKey]) -> anyhow::Result<VoteSummary> {
    let proposer = voters.first().context("nobody has earned a vote: try more rounds")?;
    let model = rest.get("/v1/models")?["models"][0]["name"].as_str().map(str::to_owned);
    let model = model.context("the catalogue is empty")?;
    let before = rest.get(&format!("/v1/models/{model}"))?["price"].clone();
    let motion = Motion {
        title: "Make predictions cheaper".to_owned(),
        description: "More buyers at a lower price earn each of us more.".to_owned(),
        actions: vec![Action::SetPredictionPrice { model: model.clone(), price: PROPOSED_PRICE }],
        ballots: BallotSecrecy::Open,
    };
    let made = proposal::create(rest, proposer, motion)?;
    let id = text(&made, "id")?;
    let path = format!("/v1/proposals/{id}");
    await_state(rest, &path, "active")?;
    for (voter, choice) in voters.iter().zip([Choice::For, Choice::For, Choice::Against]) {
        let (proposal, vote) = (id.parse()?, Vote::Whole(choice));
        let voice = Voice { proposal, vote, capacity: Capacity::Entrusted, reason: None };
        cast(rest, voter, &voice)?;
    }
    // Nobody has to do anything for what was decided to happen.
    await_state(rest, &path, "executed")?;
    let executed = rest.get(&path)?;
    let after = rest.get(&format!("/v1/models/{model}"))?["price"].clone();
    vote_report(&executed, &before, &after)
}

fn vote_report(executed: &Value, before: &Value, after: &Value) -> anyhow::Result<VoteSummary> {
    let tally = |choice: &str| text(&executed["tally"], choice)?.parse().context("a tally");
    let state = text(executed, "state")?;
    Ok(VoteSummary {
        proposal: text(executed, "id")?,
        title: text(&executed["content"], "title")?,
        votes_for: tally("for")?,
        votes_against: tally("against")?,
        abstain: tally("abstain")?,
        executed: state == "executed",
        state,
        effect: format!("price of a prediction: {} → {}", money(before), money(after)),
    })
}

/// An amount in 10⁻⁴ of a unit, for people.
#[must_use]
pub fn money(amount: &Value) -> String {
    let amount = amount.as_str().and_then(|text| text.parse::<u128>().ok()).unwrap_or_default();
    format!("€ {}.{:04}", amount / 10_000, amount % 10_000)
}

fn text(value: &Value, key: &str) -> anyhow::Result<String> {
    let text = value[key].as_str();
    Ok(text.with_context(|| format!("the node's answer has no {key:?}"))?.to_owned())
}

fn await_state(rest: &Rest, path: &str, wanted: &str) -> anyhow::Result<()> {
    for _ in 0..VOTE_MS_MAX / POLL_MS {
        let state = text(&rest.get(path)?, "state")?;
        if state == wanted {
            return Ok(());
        }
        if ["defeated", "canceled", "expired", "vetoed"].contains(&state.as_str()) {
            bail!("the proposal is {state}, not {wanted}");
        }
        std::thread::sleep(Duration::from_millis(POLL_MS));
    }
    bail!("the proposal did not become {wanted} within {} s", VOTE_MS_MAX / 1000)
}
