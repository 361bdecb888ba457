//! Federations: terms, rounds, members.

use std::ops::Bound;

use axum::{Json, extract::State, response::IntoResponse};
use data_dao_governance::PrivacyPolicy;
use data_dao_journal::{Federation, OpenRound, PayProgress, SettledRound, Standing};
use data_dao_ledger::Name;
use data_dao_store::Store;
use privacy_identity::VerifyingKey;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{disclosures::FaultView, names};
use crate::amount::{count, in_units, share, text};
use crate::api_error::ApiError;
use crate::cursor::{Page, behind, link_to_next, page_of};
use crate::extract::{PathPart, QueryPart};
use crate::licence::LicenceView;
use crate::problem::Problem;
use crate::{ApiState, amount};

/// A page of the federations.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FederationList {
    /// By name.
    federations: Vec<FederationSummary>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
}

/// A federation in short.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FederationSummary {
    /// Its name.
    name: String,
    /// The digest of the terms in force, that contributors sign up to.
    terms_digest: String,
    /// Members admitted.
    members: u64,
    /// Rounds that its terms allow.
    rounds: u64,
    /// Rounds that ended with a model.
    rounds_settled: u64,
    /// Accuracy of its newest model on the test set, 0 to 1.
    test_accuracy: Option<f64>,
}

/// A federation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FederationView {
    #[serde(flatten)]
    summary: FederationSummary,
    /// The text of the terms with which it was opened.
    #[schema(value_type = Object)]
    terms: Value,
    /// The digest of that text: another than `terms_digest` after a vote put other terms in force, of which the ledger has the
    /// digest alone.
    terms_text_digest: String,
    /// Credits of the next round.
    round_budget: String,
    /// Fewest contributions with which a round settles.
    minimum_cohort: u32,
    /// What protects the members' data: `terms`, `minimum_cohort`, `epsilon_micro_max`.
    #[schema(value_type = Object)]
    policy: PrivacyPolicy,
    /// What a device signs when it agrees to the policy.
    policy_digest: String,
    /// Whether a vote stopped it.
    stopped: bool,
    /// After how many settled rounds the validation set has to be shown, if there is such a rule.
    reveal_by_rounds: Option<u64>,
    /// Whether it should have been shown by now and was not: rounds and pay wait.
    reveal_overdue: bool,
    /// Where it is shown, if it is.
    revealed_at: Option<String>,
    /// Under which licence versions of its model are sold that are released from now on; absent if none was named.
    licence: Option<LicenceView>,
    /// Lies of parties about members' updates that were proven: each stopped the federation until a vote starts it again.
    faults: Vec<FaultView>,
    /// Why no more rounds are run, if none are: all were, the model no longer gets better, or the next would exceed the
    /// privacy budget. Of the last a vote can make it go on, and only the node that grants rounds says it.
    ended: Option<String>,
    /// The round whose model is for sale, or will be: the last settled one, or the best one if the terms ended the
    /// federation early.
    offered_round: Option<u64>,
    /// Digest of the newest model.
    model: Option<String>,
    /// The round in progress.
    open_round: Option<OpenRoundView>,
    /// Rounds that ended with a model, oldest first.
    settled: Vec<RoundView>,
    /// Rounds that ended without.
    rounds_aborted: u64,
    /// Who takes part, the highest credits first.
    contributors: Vec<ContributorView>,
    /// The entry that opened the federation.
    ledger_index: u64,
}

/// A round in progress.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OpenRoundView {
    /// The round's number.
    round: u64,
    /// Digest of the model that it starts from.
    model: String,
    /// How many contributors are invited.
    cohort_size: u32,
}

/// A round that ended with a model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RoundView {
    /// The round's number.
    pub(crate) round: u64,
    /// Digest of the new model.
    pub(crate) model: String,
    /// Accuracy on the test set, 0 to 1.
    pub(crate) test_accuracy: Option<f64>,
    /// Loss on the test set.
    pub(crate) test_loss: f64,
    /// How many took part.
    pub(crate) participants: u32,
    /// How many were invited and did not deliver.
    pub(crate) dropped: u32,
    /// Credits announced; paid once they are final.
    pub(crate) credits: String,
    /// What became of them: `challenged` while objections are taken or open, `posted`, `voided`.
    pub(crate) pay: &'static str,
    /// The entry that settled it.
    pub(crate) ledger_index: u64,
}

/// A member's part in a federation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ContributorView {
    /// The member's pseudonym.
    pub(crate) member: String,
    /// What the member wants to be called.
    pub(crate) label: String,
    #[serde(flatten)]
    pub(crate) standing: StandingView,
}

/// What a member contributed to a federation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StandingView {
    /// In how many rounds the member took part.
    pub(crate) rounds: u64,
    /// Measured value so far: validation loss won (the ledger has it in whole `value_unit`s of the
    /// federation's terms).
    pub(crate) value: f64,
    /// Lower bound of the value's 95 % interval; absent after less than two rounds.
    pub(crate) value_low: Option<f64>,
    /// Upper bound.
    pub(crate) value_high: Option<f64>,
    /// Credits earned.
    pub(crate) credits: String,
}

impl StandingView {
    pub(crate) fn new(standing: &Standing, federation: &Federation) -> Self {
        let unit = value_unit(federation);
        let in_loss = |value: i128| in_units(value, unit);
        let interval = standing.interval();
        Self {
            rounds: standing.rounds(),
            value: in_loss(standing.value_sum()),
            value_low: interval.map(|interval| in_loss(interval.low)),
            value_high: interval.map(|interval| in_loss(interval.high)),
            credits: text(standing.credits()),
        }
    }
}

/// What one unit of a value scalar is worth in validation loss, as the terms say it; 1 if they do not.
pub(crate) fn value_unit(federation: &Federation) -> f64 {
    let terms = serde_json::from_str::<Value>(&federation.opened().terms);
    terms.ok().and_then(|terms| terms["value_unit"].as_f64()).unwrap_or(1.0)
}

impl FederationSummary {
    fn new(federation: &Federation) -> Self {
        let last = federation.settled().last();
        Self {
            name: federation.opened().federation.to_string(),
            terms_digest: federation.policy().terms.to_string(),
            members: count(federation.members().len()),
            rounds: federation.opened().rounds,
            rounds_settled: count(federation.settled().len()),
            test_accuracy: last.and_then(|round| round.test_accuracy_ppm).map(share),
        }
    }
}

impl FederationView {
    fn new(federation: &Federation, store: &Store) -> Self {
        let opened = federation.opened();
        let terms = serde_json::from_str(&opened.terms);
        Self {
            summary: FederationSummary::new(federation),
            // Terms are opaque to the ledger: what is no JSON is shown as text.
            terms: terms.unwrap_or_else(|_source| Value::String(opened.terms.clone())),
            terms_text_digest: opened.terms_digest.to_string(),
            round_budget: text(federation.round_budget()),
            minimum_cohort: opened.minimum_cohort,
            policy: federation.policy().clone(),
            policy_digest: federation.policy().digest().to_string(),
            stopped: federation.is_stopped(),
            reveal_by_rounds: federation.reveal_by(),
            reveal_overdue: federation.is_reveal_overdue(),
            revealed_at: federation.revealed().map(|revealed| revealed.url.clone()),
            licence: federation.licence().map(LicenceView::new),
            faults: federation.faults().iter().map(FaultView::new).collect(),
            ended: ended(federation),
            offered_round: federation.offered().map(|round| round.round),
            model: federation.model().map(|model| model.to_string()),
            open_round: federation.open_round().map(OpenRoundView::new),
            settled: federation.settled().iter().map(RoundView::new).collect(),
            rounds_aborted: federation.aborted(),
            contributors: contributors(federation, store),
            ledger_index: federation.index(),
        }
    }
}

/// Why a federation runs no more rounds, as far as the ledger says it.
pub(crate) fn ended(federation: &Federation) -> Option<String> {
    let all = count(federation.settled().len()) >= federation.opened().rounds;
    let ending = federation.ending().map(|ending| ending.reason.clone());
    ending.or_else(|| all.then(|| "all rounds were run".to_owned()))
}

impl OpenRoundView {
    fn new(round: &OpenRound) -> Self {
        let (model, cohort_size) = (round.model.to_string(), round.cohort_size);
        Self { round: round.round, model, cohort_size }
    }
}

impl RoundView {
    pub(crate) fn new(round: &SettledRound) -> Self {
        Self {
            round: round.round,
            model: round.model_after.to_string(),
            test_accuracy: round.test_accuracy_ppm.map(share),
            test_loss: amount::millionths(round.test_loss_micro),
            participants: round.participants,
            dropped: round.dropped,
            credits: text(round.credits),
            pay: match round.pay {
                PayProgress::Challenged => "challenged",
                PayProgress::Posted { .. } => "posted",
                PayProgress::Voided { .. } => "voided",
            },
            ledger_index: round.index,
        }
    }
}

/// The members of a federation, the highest credits first.
pub(crate) fn contributors(federation: &Federation, store: &Store) -> Vec<ContributorView> {
    let none = Standing::default();
    let standing = |key: &VerifyingKey| federation.standings().get(key).unwrap_or(&none);
    let mut members: Vec<_> = federation.members().iter().collect();
    members.sort_by_key(|(key, _)| std::cmp::Reverse(standing(key).credits()));
    let view = |(key, member): (&VerifyingKey, &data_dao_journal::Member)| ContributorView {
        member: key.to_string(),
        label: names::shown(store, key, &member.label),
        standing: StandingView::new(standing(key), federation),
    };
    members.into_iter().map(view).collect()
}

/// All federations
#[utoipa::path(get, path = "/v1/federations", tag = "federations", params(Page),
    responses((status = 200, body = FederationList,
        headers(("Link" = String, description = "The next page (RFC 8288)"))),
        (status = 400, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    QueryPart(page): QueryPart<Page>,
) -> Result<impl IntoResponse, ApiError> {
    let (limit, after) = (page.limit()?, page.after_a::<Name>()?);
    let (federations, next) = state.store().view(|state| {
        let rest = state.federations().range((behind(after), Bound::Unbounded));
        let (page, next) = page_of(rest, limit, |(name, _)| name.to_string());
        let view = |(_, federation)| FederationSummary::new(federation);
        (page.into_iter().map(view).collect(), next)
    });
    let link = link_to_next("/v1/federations", next.as_deref(), limit);
    Ok((link, Json(FederationList { federations, next })))
}

/// A federation
#[utoipa::path(get, path = "/v1/federations/{name}", tag = "federations",
    params(("name" = String, Path, description = "The federation's name")),
    responses((status = 200, body = FederationView), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(state): State<ApiState>,
    PathPart(name): PathPart<String>,
) -> Result<Json<FederationView>, ApiError> {
    let view = Name::new(name.as_str()).ok().and_then(|name| {
        let store = state.store();
        let view = |ledger: &data_dao_journal::State| {
            ledger.federation(&name).map(|found| FederationView::new(found, store))
        };
        let mut view = store.view(view)?;
        view.ended = view.ended.or_else(|| state.standstill().of(&name));
        Some(view)
    });
    view.map(Json).ok_or_else(|| ApiError::not_found("federation", name))
}
