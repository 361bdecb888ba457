//! What a key may do, as the interface reads and shows it.

use data_dao_journal::{KeyGrant, Scope};
use data_dao_ledger::Name;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::amount;
use crate::api_error::ApiError;

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ScopeView {
    /// Act for the operator.
    Admin,
    /// Buy, and give back.
    Buy,
    /// Download what is licensed.
    Download,
    /// Ask models.
    Infer,
    /// Make and revoke keys that spend the same money.
    Keys,
    /// See balance and usage.
    Usage,
}

impl ScopeView {
    const fn scope(self) -> Scope {
        match self {
            Self::Admin => Scope::Admin,
            Self::Buy => Scope::Buy,
            Self::Download => Scope::Download,
            Self::Infer => Scope::Infer,
            Self::Keys => Scope::Keys,
            Self::Usage => Scope::Usage,
        }
    }

    const fn of(scope: Scope) -> Self {
        match scope {
            Scope::Admin => Self::Admin,
            Scope::Buy => Self::Buy,
            Scope::Download => Self::Download,
            Scope::Infer => Self::Infer,
            Scope::Keys => Self::Keys,
            Scope::Usage => Self::Usage,
        }
    }
}

/// What a key may do, until when, and how much it may spend.
#[derive(Debug, Default, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GrantView {
    /// What it may do; if absent, everything that a buyer may.
    scopes: Option<Vec<ScopeView>>,
    /// From when on it is refused, in milliseconds since 1970.
    expires_at_ms: Option<u64>,
    /// Most that it spends on one day of UTC, in 10⁻⁴ of the currency's unit.
    #[schema(example = "50000", pattern = "^[0-9]{1,39}$")]
    limit_day: Option<String>,
    /// Most that it ever spends.
    #[schema(example = "1000000", pattern = "^[0-9]{1,39}$")]
    limit_total: Option<String>,
    /// Whether calls are paid from the balance when none bought in advance is left; false if absent.
    pay_as_you_go: Option<bool>,
}

impl GrantView {
    /// The grant in the journal's form.
    ///
    /// * `account` — whose money it spends, if not its own.
    pub(super) fn grant(&self, account: Option<Name>) -> Result<KeyGrant, ApiError> {
        let default = || {
            let own = |scope: &Scope| account.is_none() || *scope != Scope::Keys;
            Scope::BUYER.into_iter().filter(own).collect::<Vec<_>>()
        };
        let scopes = self.scopes.as_ref().map_or_else(default, |scopes| {
            let mut scopes: Vec<_> = scopes.iter().map(|scope| scope.scope()).collect();
            scopes.sort_unstable();
            scopes.dedup();
            scopes
        });
        Ok(KeyGrant {
            scopes,
            account,
            expires_at_ms: self.expires_at_ms,
            limit_day: self
                .limit_day
                .as_deref()
                .map(|text| limit("limit_day", text))
                .transpose()?,
            limit_total: self
                .limit_total
                .as_deref()
                .map(|text| limit("limit_total", text))
                .transpose()?,
            pay_as_you_go: self.pay_as_you_go.unwrap_or(false),
        })
    }

    pub(super) fn of(grant: &KeyGrant) -> Self {
        Self {
            scopes: Some(grant.scopes.iter().map(|scope| ScopeView::of(*scope)).collect()),
            expires_at_ms: grant.expires_at_ms,
            limit_day: grant.limit_day.map(amount::text),
            limit_total: grant.limit_total.map(amount::text),
            pay_as_you_go: Some(grant.pay_as_you_go),
        }
    }
}

fn limit(what: &str, text: &str) -> Result<u128, ApiError> {
    text.parse().map_err(|_source| ApiError::Invalid(format!("{what}: expected a decimal number")))
}
