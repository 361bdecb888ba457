//! The catalogue.

use std::ops::Bound;

use axum::{Json, extract::State, response::IntoResponse};
use data_dao_journal::{Model, ModelReleased, State as Ledger};
use data_dao_ledger::Name;
use data_dao_store::Store;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{names, receipts::epsilon};
use crate::amount::{count, share, text};
use crate::api_error::ApiError;
use crate::cursor::{Page, behind, link_to_next, page_of, query_text};
use crate::extract::{PathPart, QueryPart};
use crate::licence::LicenceView;
use crate::problem::Problem;
use crate::{ApiState, ModelShelf};

/// Longest search, in bytes: it stands in the link to the next page.
const QUERY_BYTES_MAX: usize = 256;

/// A page of the catalogue.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelList {
    /// By name.
    models: Vec<ModelSummary>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
}

/// A model in short.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelSummary {
    /// Its name.
    name: String,
    /// Its newest version.
    version: u32,
    /// The federation that trains it.
    federation: String,
    /// Accuracy of the newest version on the test set, 0 to 1.
    test_accuracy: Option<f64>,
    /// Price of one call in 10⁻⁴ of the currency's unit; absent if it cannot be bought yet.
    price: Option<String>,
    /// The currency.
    currency: Option<String>,
    /// The licence of the newest version; absent if none was named when it was released.
    licence: Option<LicenceView>,
}

/// A model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelView {
    #[serde(flatten)]
    summary: ModelSummary,
    /// What it takes and gives; absent if it is not loaded on this node.
    signature: Option<SignatureView>,
    /// Its versions, oldest first.
    versions: Vec<VersionView>,
}

/// What a model takes and gives.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignatureView {
    /// The features of a row, in order.
    features: Vec<String>,
    /// The classes, in the order of the probabilities.
    classes: Vec<String>,
    /// Numbers in the model.
    parameters: u64,
}

/// A version and where it comes from.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionView {
    /// The version.
    version: u32,
    /// Digest of the model.
    digest: String,
    /// The federation that trained it.
    federation: String,
    /// How many rounds were settled then.
    rounds: u64,
    /// Accuracy on the test set, 0 to 1.
    test_accuracy: Option<f64>,
    /// Privacy loss of a contributor's data, over the rounds that made it, at the terms' δ; null: no bound is guaranteed.
    epsilon: Option<f64>,
    /// The licence under which it was released, which never changes; absent if none was named.
    licence: Option<LicenceView>,
    /// Who earns from its sales, with their weights.
    contributors: Vec<WeightView>,
}

/// A contributor's weight in a version's sales.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WeightView {
    /// The member's pseudonym.
    member: String,
    /// What the member wants to be called.
    label: Option<String>,
    /// Credits earned when the version was released.
    weight: String,
}

impl ModelSummary {
    fn new(name: &Name, model: &Model, state: &Ledger) -> Self {
        let latest = model.latest();
        Self {
            name: name.to_string(),
            version: latest.version,
            federation: latest.federation.to_string(),
            test_accuracy: latest.test_accuracy_ppm.map(share),
            price: model.price().map(text),
            currency: state.genesis().map(|genesis| genesis.currency.to_string()),
            licence: model.licence(latest.version).map(LicenceView::new),
        }
    }
}

impl ModelView {
    fn new(
        name: &Name,
        model: &Model,
        (state, store): (&Ledger, &Store),
        shelf: &ModelShelf,
    ) -> Self {
        let signature = shelf.get(&model.latest().digest).map(|shelved| SignatureView {
            features: shelved.schema().features().to_vec(),
            classes: shelved.schema().classes().to_vec(),
            parameters: count(shelved.parameters().count()),
        });
        let versions =
            model.releases().iter().map(|release| VersionView::new(release, (state, store)));
        Self {
            summary: ModelSummary::new(name, model, state),
            signature,
            versions: versions.collect(),
        }
    }
}

impl VersionView {
    fn new(release: &ModelReleased, (state, store): (&Ledger, &Store)) -> Self {
        let federation = state.federation(&release.federation);
        let contributor = |weight: &data_dao_journal::ValueWeight| WeightView {
            member: weight.member.to_string(),
            label: federation
                .and_then(|federation| federation.members().get(&weight.member))
                .map(|member| names::shown(store, &weight.member, &member.label)),
            weight: text(weight.weight),
        };
        Self {
            version: release.version,
            digest: release.digest.to_string(),
            federation: release.federation.to_string(),
            rounds: release.rounds,
            test_accuracy: release.test_accuracy_ppm.map(share),
            epsilon: epsilon(state, release),
            licence: state
                .model(&release.model)
                .and_then(|model| model.licence(release.version))
                .map(LicenceView::new),
            contributors: release.weights.iter().map(contributor).collect(),
        }
    }
}

/// What is looked for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Search {
    /// Words that are all in the model's name, its federation's name, purpose, features, classes or licence, whatever their case.
    query: Option<String>,
    /// Where to go on: the `next` of the page before.
    cursor: Option<String>,
    /// How many models, 1 to 200; 50 if absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// The catalogue
#[utoipa::path(get, path = "/v1/models", tag = "market", params(Search),
    responses((status = 200, body = ModelList,
        headers(("Link" = String, description = "The next page (RFC 8288)"))),
        (status = 400, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    QueryPart(Search { query, cursor, limit }): QueryPart<Search>,
) -> Result<impl IntoResponse, ApiError> {
    let page = Page { cursor, limit };
    let (limit, after) = (page.limit()?, page.after_a::<Name>()?);
    let query = query.unwrap_or_default();
    if query.len() > QUERY_BYTES_MAX {
        return Err(ApiError::Invalid(format!("query is longer than {QUERY_BYTES_MAX} bytes")));
    }
    let lower = query.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let (models, next) = state.store().view(|state| {
        let rest = state.models().range((behind(after), Bound::Unbounded));
        let found = rest.filter(|(name, model)| {
            let text = if words.is_empty() { String::new() } else { about(name, model, state) };
            words.iter().all(|word| text.contains(word))
        });
        let (page, next) = page_of(found, limit, |(name, _)| name.to_string());
        let view = |(name, model)| ModelSummary::new(name, model, state);
        (page.into_iter().map(view).collect(), next)
    });
    let path = match query.as_str() {
        "" => "/v1/models".to_owned(),
        query => format!("/v1/models?query={}", query_text(query)),
    };
    let link = link_to_next(&path, next.as_deref(), limit);
    Ok((link, Json(ModelList { models, next })))
}

/// What a model can be found by, in lower case.
fn about(name: &Name, model: &Model, state: &Ledger) -> String {
    let federation = &model.latest().federation;
    let terms = state.federation(federation).map(|f| f.opened().terms.as_str());
    let terms: Value = terms.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let mut text = format!("{name}\n{federation}");
    for field in ["purpose", "features", "label", "classes"] {
        match &terms[field] {
            Value::Array(texts) => {
                texts
                    .iter()
                    .filter_map(Value::as_str)
                    .for_each(|item| text += &format!("\n{item}"));
            }
            field => text += &format!("\n{}", field.as_str().unwrap_or_default()),
        }
    }
    if let Some(licence) = model.licence(model.latest().version) {
        text += &format!("\n{}", licence.name());
    }
    text.to_lowercase()
}

/// A model
#[utoipa::path(get, path = "/v1/models/{name}", tag = "market",
    params(("name" = String, Path, description = "The model's name")),
    responses((status = 200, body = ModelView), (status = 404, body = Problem)))]
pub(crate) async fn show(
    State(state): State<ApiState>,
    PathPart(name): PathPart<String>,
) -> Result<Json<ModelView>, ApiError> {
    let name_of_model = Name::new(name.as_str()).ok();
    let latest = name_of_model
        .as_ref()
        .and_then(|name| state.store().view(|ledger| Some(ledger.model(name)?.latest().digest)));
    if let Some(digest) = latest
        && let Err(error) = state.shelf().fetch(&digest).await
    {
        // It is described without its signature.
        tracing::warn!("a model for sale cannot be computed here: {error}");
    }
    let view = name_of_model.and_then(|name| {
        state.store().view(|ledger| {
            let model = ledger.model(&name)?;
            Some(ModelView::new(&name, model, (ledger, state.store()), state.shelf()))
        })
    });
    view.map(Json).ok_or_else(|| ApiError::not_found("model", name))
}
