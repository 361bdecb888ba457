//! The books: every account with its sums.

use axum::{Json, extract::State, response::IntoResponse};
use data_dao_ledger::{Account, AccountId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ApiState;
use crate::amount::text;
use crate::api_error::ApiError;
use crate::cursor::{Page, bad_cursor, cursor_from_text, link_to_next};
use crate::extract::QueryPart;
use crate::problem::Problem;

/// Longer prefixes match no account.
const PREFIX_BYTES_MAX: usize = 256;

/// Which accounts.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AccountQuery {
    /// How the accounts' names begin: `credit/member/`, `money/EUR/`.
    prefix: Option<String>,
    /// Where to go on: the `next` of the page before.
    cursor: Option<String>,
    /// How many, 1 to 200; 50 if absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// A page of accounts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccountList {
    /// By book and owner.
    accounts: Vec<AccountView>,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
}

/// An account. Amounts of money are in 10⁻⁴ of the currency's unit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccountView {
    /// Its name; it begins with the book.
    id: String,
    /// Credits less debits that happened; 0 for an account below zero.
    balance: String,
    /// The balance less what pending debits reserve.
    available: String,
    /// Debits that happened.
    debits_posted: String,
    /// Debits reserved.
    debits_pending: String,
    /// Credits that happened.
    credits_posted: String,
    /// Credits announced.
    credits_pending: String,
}

impl AccountView {
    fn new(id: &AccountId, account: &Account) -> Self {
        Self {
            id: id.to_string(),
            balance: text(account.balance()),
            available: text(account.available()),
            debits_posted: text(account.debits_posted),
            debits_pending: text(account.debits_pending),
            credits_posted: text(account.credits_posted),
            credits_pending: text(account.credits_pending),
        }
    }
}

/// The books
#[utoipa::path(get, path = "/v1/ledger/accounts", tag = "ledger", params(AccountQuery),
    responses((status = 200, body = AccountList,
        headers(("Link" = String, description = "The next page (RFC 8288)"))),
        (status = 400, body = Problem), (status = 422, body = Problem)))]
pub(crate) async fn list(
    State(state): State<ApiState>,
    QueryPart(query): QueryPart<AccountQuery>,
) -> Result<impl IntoResponse, ApiError> {
    let prefix = query.prefix.unwrap_or_default();
    if prefix.len() > PREFIX_BYTES_MAX {
        return Err(ApiError::Invalid(format!("prefix is longer than {PREFIX_BYTES_MAX} bytes")));
    }
    let page = Page { cursor: query.cursor, limit: query.limit };
    let limit = page.limit()?;
    let after: Option<AccountId> =
        page.after()?.map(|text| text.parse().map_err(|_source| bad_cursor())).transpose()?;
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    // One more than a page holds tells whether there is a next one.
    let mut accounts: Vec<AccountView> = state.store().view(|state| {
        let accounts = state.accounts().iter();
        accounts
            .filter(|(id, _)| after.as_ref().is_none_or(|after| *id > after))
            // Before the amounts become texts: a prefix that few have is asked of all accounts.
            .filter(|(id, _)| prefix.is_empty() || id.to_string().starts_with(&prefix))
            .map(|(id, account)| AccountView::new(id, account))
            .take(wanted + 1)
            .collect()
    });
    let more = accounts.len() > wanted;
    accounts.truncate(wanted);
    let last = accounts.last().filter(|_| more);
    let next = last.map(|account| cursor_from_text(&account.id));
    let path = format!("/v1/ledger/accounts?prefix={}", query_text(&prefix));
    let link = link_to_next(&path, next.as_deref(), limit);
    Ok((link.map(axum::response::AppendHeaders), Json(AccountList { accounts, next })))
}

/// Percent-encodes all but unreserved characters and the slash (RFC 3986 §3.4).
fn query_text(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
