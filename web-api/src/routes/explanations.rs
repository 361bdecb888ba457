//! Why a contributor earned what it did, round for round: recomputed from the log.

use axum::{Json, extract::State};
use data_dao_journal::{Body, Course, ExplainedStep, Explanation, VALUE_METHOD};
use data_dao_ledger::Name;
use privacy_identity::VerifyingKey;
use serde::Serialize;
use utoipa::ToSchema;

use super::federations::value_unit;
use crate::ApiState;
use crate::amount::{in_units, text};
use crate::api_error::ApiError;
use crate::courses::Courses;
use crate::extract::PathPart;
use crate::problem::Problem;

/// Most rounds that are explained; of a federation with more, the log itself tells (`sahakar audit`).
pub(crate) const ROUNDS_EXPLAINED_MAX: usize = 1_000;

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
    /// Lower bound of that with 95 % confidence; absent where there is no interval.
    value_low: Option<f64>,
    /// Upper bound.
    value_high: Option<f64>,
    /// What the interval rests on: `validation-shards` (the validation set is a sample), or `rounds`, their spread.
    interval_from: &'static str,
    /// What it says of the value so far beside zero: `above`, `below`, `undecided`, `unknown`.
    beside_zero: &'static str,
    /// The same beside the median of the cohort.
    beside_median: &'static str,
    /// The same for people; absent where no shards were measured.
    interval_sentence: Option<String>,
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
    /// Which step of the pay rule decided: `paid`, `below-one-credit`, `no-effect`, `not-novel`, `not-above-zero`,
    /// `voided`.
    reason: &'static str,
    /// What changed most since its round before: `first-round`, `qualified`, `disqualified`, `grouped`, `own-value`,
    /// `others`, `objection`.
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
            interval_from: explanation.interval_from.name(),
            beside_zero: explanation.beside_zero.name(),
            beside_median: explanation.beside_median.name(),
            interval_sentence: explanation.interval_sentence(unit),
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

/// A federation's rounds, explained for one contributor; nothing if it is no member of it.
pub(crate) async fn explained(
    state: &ApiState,
    federation: &Name,
    member: &VerifyingKey,
) -> Result<Option<Explained>, ApiError> {
    let found = state.store().view(|state| {
        let federation = state.federation(federation)?;
        federation.members().get(member)?;
        Some((value_unit(federation), federation.settled().len().min(ROUNDS_EXPLAINED_MAX)))
    });
    let Some((unit, rounds)) = found else { return Ok(None) };
    let Some(replayed) = Courses::of(state, federation).await? else { return Ok(None) };
    let own = replayed.course.of(member).iter().cloned();
    let explained = |own: data_dao_journal::Explained| ExplainedRound {
        explanation: own.explanation,
        index: own.index,
    };
    let looked_at = crate::amount::count(rounds);
    Ok(Some(Explained { rounds: own.map(explained).collect(), looked_at, unit }))
}

/// Takes the next step of a federation's course, whose entries are read from the database.
///
/// # Errors
/// The database fails; the course is lost then.
pub(crate) async fn take_step(
    state: &ApiState,
    mut course: Course,
    step: &ExplainedStep,
) -> Result<Course, ApiError> {
    let mut bodies: Vec<Option<Body>> = Vec::new();
    let first = match step {
        ExplainedStep::Settled { first_index, index, .. } => {
            for index in *first_index..=*index {
                bodies.push(state.store().entry(index).await?.map(|stored| stored.entry.body));
            }
            *first_index
        }
        ExplainedStep::Voided(voided) => voided.index,
    };
    let step = *step;
    // Each compares every two contributors.
    let taking = tokio::task::spawn_blocking(move || {
        course.take(&step, |index| {
            bodies.get_mut(usize::try_from(index - first).ok()?).and_then(Option::take)
        });
        course
    });
    taking.await.map_err(ApiError::internal)
}
