//! The routes, one resource a file.

mod accounts;
mod acts;
mod artefacts;
mod assembly;
mod balance;
mod ballots;
mod consistency;
mod deposits;
mod disclosures;
mod disputes;
mod docs;
mod entries;
mod explanations;
mod federations;
mod health;
mod issued_once;
mod keys;
mod ledger;
mod me;
mod members;
mod membership;
mod models;
pub(crate) mod names;
mod oip;
mod openapi_json;
mod payments;
mod plans;
mod prices;
mod problems;
mod proposal_steps;
mod proposal_view;
mod proposals;
mod purchases;
mod receipts;
mod tiles;
mod usage;

use axum::{extract::DefaultBodyLimit, routing::get};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) use explanations::{ExplainedRound, ROUNDS_EXPLAINED_MAX, explained, take_step};
pub(crate) use federations::{ended, value_unit};
pub(crate) use proposals::{ProposalPlace, newest_first};

use crate::ApiState;
use crate::router::INFER_BODY_BYTES_MAX;

/// All routes with their descriptions.
pub(crate) fn all() -> OpenApiRouter<ApiState> {
    let inference = OpenApiRouter::new()
        .routes(routes!(oip::infer::infer))
        .routes(routes!(oip::infer::infer_version))
        .layer(DefaultBodyLimit::max(INFER_BODY_BYTES_MAX));
    OpenApiRouter::new()
        .merge(co_operative())
        .merge(market())
        .merge(governance())
        .merge(ledger())
        .merge(model_server())
        .merge(inference)
        .merge(tiles::documented().route("/tile/{*path}", get(tiles::tile)))
}

fn co_operative() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(openapi_json::openapi_json))
        .routes(routes!(docs::docs))
        .routes(routes!(problems::list))
        .routes(routes!(problems::show))
        .routes(routes!(health::health))
        .routes(routes!(federations::list))
        .routes(routes!(federations::show))
        .routes(routes!(explanations::list))
        .routes(routes!(members::show))
        .routes(routes!(me::show))
        .routes(routes!(acts::list))
}

fn market() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(models::list))
        .routes(routes!(models::show))
        .routes(routes!(artefacts::file))
        .routes(routes!(artefacts::signing_key))
        .routes(routes!(keys::list, keys::issue))
        .routes(routes!(keys::show, keys::revoke))
        .routes(routes!(keys::amend))
        .routes(routes!(keys::rotate))
        .routes(routes!(deposits::deposit))
        .routes(routes!(deposits::withdraw))
        .routes(routes!(payments::announce))
        .routes(routes!(plans::list, plans::set))
        .routes(routes!(usage::list))
        .routes(routes!(usage::focus))
        .routes(routes!(keys::erase_buyer))
        .routes(routes!(balance::balance))
        .routes(routes!(prices::set))
        .routes(routes!(purchases::purchase))
        .routes(routes!(purchases::refund))
        .routes(routes!(receipts::show))
}

fn governance() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(proposals::list, proposals::make))
        .routes(routes!(proposals::show))
        .routes(routes!(ballots::cast))
        .routes(routes!(disputes::file))
        .routes(routes!(disclosures::disclose))
        .routes(routes!(ballots::seal))
        .routes(routes!(ballots::reveal))
        .routes(routes!(proposal_steps::cancel))
        .routes(routes!(proposal_steps::veto))
        .routes(routes!(assembly::show))
        .routes(routes!(assembly::delegations, assembly::delegate))
        .routes(routes!(assembly::accept))
        .routes(routes!(membership::list, membership::join))
        .routes(routes!(membership::leave))
        .routes(routes!(membership::rotate))
        .routes(routes!(names::erase))
        .routes(routes!(membership::consent))
}

fn ledger() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(ledger::show))
        .routes(routes!(consistency::show))
        .routes(routes!(entries::list))
        .routes(routes!(entries::show))
        .routes(routes!(accounts::list))
}

fn model_server() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(oip::server::metadata))
        .routes(routes!(oip::server::live))
        .routes(routes!(oip::server::ready))
        .routes(routes!(oip::models::model))
        .routes(routes!(oip::models::model_ready))
        .routes(routes!(oip::models::model_version))
        .routes(routes!(oip::models::model_version_ready))
}
