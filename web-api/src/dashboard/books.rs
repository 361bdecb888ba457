//! The books: every account with its sums, and the treasury.

use axum::{extract::State, response::Response};
use data_dao_ledger::{Account, AccountId, Owner};
use maud::{Markup, html};
use serde::Deserialize;

use super::error_page::PageError;
use super::format::{grouped, label, money, plural};
use super::layout::{Masthead, Page, Section, nothing, scrolling, tile, trail};
use super::reading::{Reading, read};
use crate::ApiState;
use crate::api_error::ApiError;
use crate::cursor::query_text;
use crate::extract::QueryPart;

/// Accounts on a page.
const SHOWN: usize = 100;

/// From where on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BooksQuery {
    /// The last account of the page before.
    after: Option<String>,
}

/// The books
pub(super) async fn page(
    State(state): State<ApiState>,
    QueryPart(query): QueryPart<BooksQuery>,
) -> Result<Response, PageError> {
    let after: Option<AccountId> = query
        .after
        .map(|text| text.parse().map_err(|_source| ApiError::not_found("account", text)))
        .transpose()?;
    let masthead = Masthead::of(&state);
    let content = read(&state, |ledger| content(ledger, after.as_ref()));
    Ok(Page { title: "Books", section: Some(Section::Ledger), scripts: &[], content }
        .respond(&masthead))
}

fn content(ledger: &Reading<'_>, after: Option<&AccountId>) -> Markup {
    let currency = ledger.genesis().map_or_else(String::new, |g| g.currency.to_string());
    let rest = ledger.accounts().iter().filter(|(id, _)| after.is_none_or(|after| *id > after));
    let mut accounts: Vec<_> = rest.take(SHOWN + 1).collect();
    let more = accounts.len() > SHOWN;
    accounts.truncate(SHOWN);
    let last = accounts.last().filter(|_| more).map(|(id, _)| id.to_string());
    let table = html! {
        table {
            thead { tr { th scope="col" { "Account" } th scope="col" class="num desk" { "Debits" } th scope="col" class="num desk" { "Credits" } th scope="col" class="num desk" { "Pending" } th scope="col" class="num" { "Balance" } } }
            tbody { @for (id, account) in &accounts { (row(ledger, id, account)) } }
        }
    };
    html! {
        (trail(&[("/ledger", "Ledger")]))
        h1 { "Books" }
        p class="lead" { "Double entry: what one account gains, another has lost. Debits equal credits in every book, after every entry." }
        dl class="tiles" data-live="figures" id="figures" {
            (tile("Treasury", money(ledger.treasury(), &currency), "the co-operative's own money"))
            (tile("Sold so far", money(ledger.counts().revenue, &currency), plural(ledger.counts().predictions, "prediction", "predictions")))
            (tile("Credits earned", grouped(ledger.counts().credits_issued), "in all federations"))
            (tile("Transfers", grouped(ledger.accounts().transfer_count()), "none of them ever changed"))
        }
        section data-live="accounts" id="accounts" {
            h2 { "Accounts" }
            p class="soft" { "Money in 10⁻⁴ " (currency) ", privacy in millionths of ε; credits and votes are whole." }
            @if accounts.is_empty() { (nothing("No account was used yet.")) } @else { (scrolling("Accounts", &table)) }
            @if let Some(last) = last { p class="pages" { a class="button" href={"/books?after=" (query_text(&last))} { "More accounts" } } }
        }
    }
}

fn row(ledger: &Reading<'_>, id: &AccountId, account: &Account) -> Markup {
    let pending = account.debits_pending.saturating_add(account.credits_pending);
    html! {
        tr {
            th scope="row" class="account" {
                @match id.owner() {
                    Owner::Member(key) => { (book(id)) "member/" a href={"/members/" (key)} { (label(ledger, key)) } }
                    _ => (id),
                }
            }
            td class="num desk" { (grouped(account.debits_posted)) } td class="num desk" { (grouped(account.credits_posted)) }
            td class="num desk" { (grouped(pending)) } td class="num" { strong { (grouped(account.balance())) } }
        }
    }
}

/// The beginning of an account's name: its book.
fn book(id: &AccountId) -> String {
    let text = id.to_string();
    text.split("member/").next().unwrap_or_default().to_owned()
}
