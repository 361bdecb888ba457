//! Why a contributor earned what it did, round for round: recomputed from the log.

use axum::{Json, extract::State};
use data_dao_journal::{Body, Explainer, Explanation, Federation, VALUE_METHOD};
use data_dao_ledger::Name;
use privacy_identity::VerifyingKey;
use serde::Serialize;
use utoipa::ToSchema;

use super::federations::value_unit;
use crate::ApiState;
use crate::amount::{in_units, text};
use crate::api_error::ApiError;
use crate::extract::PathPart;
use crate::problem::Problem;

/// Most rounds that a request replays; of a federation with more, the log itself tells (`sahakar audit`).
const ROUNDS_EXPLAINED_MAX: usize = 1_000;

/// What a contributor earned in a federation, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExplanationList {
    /// The federation.
    federation: String,
    /// The contributor's public key.
    member: String,
    /// How contributions are measured.
    method: &'static str,
    /// Its rounds, oldest first.
    rounds: Vec<ExplanationView>,
    /// How many of the federation's first rounds were looked at; more than these are left to an audit.
    rounds_explained: u64,
}

/// What a contributor earned in a round, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExplanationView {
    /// The round's number.
    round: u64,
    /// Validation loss that its update took off in this round.
    value: f64,
    /// Validation loss that its updates took off so far: what it is paid by.
    value_so_far: f64,
    /// Lower bound of that with 95 % confidence; absent after less than two rounds.
    value_low: Option<f64>,
    /// Upper bound.
    value_high: Option<f64>,
    /// How many of its rounds so far had a value below zero.
    rounds_below_zero: u64,
    /// How new its updates are, over the median of the cohort; absent where the median is nothing.
    novelty: Option<f64>,
    /// How new they have to be, on the same scale.
    novelty_needed: f64,
    /// With how many it is paid as one, itself included: their values are the same round for round.
    paid_as_one_of: String,
    /// Its part of all that counted in the round, 0 to 1.
    share: f64,
    /// Credits of the round.
    credits: String,
    /// Which step of the pay rule decided: `paid`, `below-one-credit`, `no-effect`, `not-novel`, `not-above-zero`.
    reason: &'static str,
    /// What changed most since its round before: `first-round`, `qualified`, `disqualified`, `grouped`, `own-value`,
    /// `others`.
    moved: &'static str,
    /// The same for people.
    sentence: String,
    /// The entry that settled the round.
    ledger_index: u64,
}

impl ExplanationView {
    fn new(explanation: &Explanation, unit: f64, ledger_index: u64) -> Self {
        let in_loss = |value: i128| in_units(value, unit);
        let interval = explanation.interval;
        Self {
            round: explanation.round,
            value: in_loss(explanation.value.into()),
            value_so_far: in_loss(explanation.value_sum),
            value_low: interval.map(|interval| in_loss(interval.low)),
            value_high: interval.map(|interval| in_loss(interval.high)),
            rounds_below_zero: crate::amount::count(explanation.rounds_below_zero),
            novelty: explanation.novelty,
            novelty_needed: explanation.novelty_needed,
            paid_as_one_of: text(explanation.paid_as_one_of),
            share: explanation.share,
            credits: text(explanation.credits),
            reason: explanation.reason.name(),
            moved: explanation.moved.name(),
            sentence: explanation.sentence(unit),
            ledger_index,
        }
    }
}

/// A contributor's rounds, explained.
pub(crate) struct Explained {
    /// Those that it took part in, oldest first.
    pub(crate) rounds: Vec<ExplainedRound>,
    /// How many of the federation's first rounds were looked at.
    looked_at: u64,
    unit: f64,
}

/// One of them.
pub(crate) struct ExplainedRound {
    /// Why it was paid what it was.
    pub(crate) explanation: Explanation,
    /// The entry that settled it.
    pub(crate) index: u64,
}

/// What replaying takes of a federation.
struct Replayed {
    novelty_percent: u32,
    unit: f64,
    /// Entries that settled its first rounds.
    settled: Vec<u64>,
}

impl Replayed {
    /// None if the key is no member's.
    fn of(federation: &Federation, member: &VerifyingKey) -> Option<Self> {
        federation.members().get(member)?;
        let settled = federation.settled().iter().take(ROUNDS_EXPLAINED_MAX);
        Some(Self {
            novelty_percent: federation.opened().novelty_percent,
            unit: value_unit(federation),
            settled: settled.map(|round| round.index).collect(),
        })
    }
}

/// Why a contributor earned what it did
#[utoipa::path(get, path = "/v1/federations/{name}/contributors/{key}/rounds", tag = "federations",
    params(("name" = String, Path, description = "The federation's name"),
        ("key" = String, Path, description = "The contributor's public key in hexadecimal")),
    responses((status = 200, body = ExplanationList), (status = 404, body = Problem)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    PathPart((name, key)): PathPart<(String, String)>,
) -> Result<Json<ExplanationList>, ApiError> {
    let known = Name::new(name.as_str()).ok().zip(key.parse::<VerifyingKey>().ok());
    let missing = || ApiError::not_found("contributor", &key);
    let (federation, member) = known.ok_or_else(missing)?;
    let explained = explained(&state, &federation, &member).await?.ok_or_else(missing)?;
    let view = |round: &ExplainedRound| {
        ExplanationView::new(&round.explanation, explained.unit, round.index)
    };
    Ok(Json(ExplanationList {
        federation: name,
        member: member.to_string(),
        method: VALUE_METHOD,
        rounds: explained.rounds.iter().map(view).collect(),
        rounds_explained: explained.looked_at,
    }))
}

/// Replays a federation's rounds for one contributor; nothing if it is no member of it.
pub(crate) async fn explained(
    state: &ApiState,
    federation: &Name,
    member: &VerifyingKey,
) -> Result<Option<Explained>, ApiError> {
    let replayed = state.store().view(|state| Replayed::of(state.federation(federation)?, member));
    let Some(replayed) = replayed else { return Ok(None) };
    let mut explainer = Explainer::new(replayed.novelty_percent);
    let mut rounds = Vec::new();
    for index in &replayed.settled {
        let Some(stored) = state.store().entry(*index).await? else { continue };
        let Body::RoundSettled(settled) = &stored.entry.body else { continue };
        let explained = explainer.settle(settled);
        let own = explained.into_iter().filter(|(other, _)| other == member);
        rounds.extend(own.map(|(_, explanation)| ExplainedRound { explanation, index: *index }));
    }
    let looked_at = crate::amount::count(replayed.settled.len());
    Ok(Some(Explained { rounds, looked_at, unit: replayed.unit }))
}
