//! The books: every account with its sums.

use std::fmt::{self, Write as _};

use axum::{Json, extract::State, response::IntoResponse};
use data_dao_ledger::{Account, AccountId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ApiState;
use crate::amount::text;
use crate::api_error::ApiError;
use crate::cursor::{Page, link_to_next, page_of, query_text};
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
    let after: Option<AccountId> = page.after_a()?;
    let (accounts, next) = state.store().view(|state| {
        let rest = state.accounts().iter();
        let rest = rest.filter(|(id, _)| after.as_ref().is_none_or(|after| *id > after));
        // Nothing becomes a text before it is known to be on the page: a prefix that few have is asked of all accounts.
        let rest = rest.filter(|(id, _)| begins_with(id, &prefix));
        let (page, next) = page_of(rest, limit, |(id, _)| id.to_string());
        let views = page.into_iter().map(|(id, account)| AccountView::new(id, account));
        (views.collect(), next)
    });
    let path = format!("/v1/ledger/accounts?prefix={}", query_text(&prefix));
    let link = link_to_next(&path, next.as_deref(), limit);
    Ok((link, Json(AccountList { accounts, next })))
}

/// Whether what `value` is shown as begins with `prefix`: shown no further than that takes, and kept nowhere.
fn begins_with(value: &impl fmt::Display, prefix: &str) -> bool {
    let mut comparison = Comparison { rest: prefix.as_bytes(), differs: false };
    // It fails as soon as the answer is known.
    let shown = write!(comparison, "{value}");
    !comparison.differs && (shown.is_err() || comparison.rest.is_empty())
}

/// What is left of a prefix to be found.
struct Comparison<'a> {
    rest: &'a [u8],
    differs: bool,
}

impl fmt::Write for Comparison<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let common = self.rest.len().min(part.len());
        self.differs = self.rest[..common] != part.as_bytes()[..common];
        self.rest = &self.rest[common..];
        if self.differs || self.rest.is_empty() { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows itself in parts.
    struct Parts;

    impl fmt::Display for Parts {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("money")?;
            f.write_str("/")?;
            f.write_str("EUR")
        }
    }

    #[test]
    fn a_beginning_is_found_part_by_part() {
        let shown = format_args!("{}/{}/{}", "money", "EUR", "treasury").to_string();
        for end in 0..=shown.len() {
            assert!(begins_with(&shown, &shown[..end]), "{end}");
        }
        for (prefix, expected) in [
            ("", true),
            ("mon", true),
            ("money", true),
            ("money/", true),
            ("money/E", true),
            ("money/EUR", true),
            ("money/EUR/", false),
            ("money/U", false),
            ("moneY", false),
            ("x", false),
            ("money/EURx", false),
        ] {
            assert_eq!(begins_with(&Parts, prefix), expected, "{prefix}");
        }
    }
}
