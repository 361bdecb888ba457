//! API keys: what the operator, and buyers for their own tills, do with them.

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::commands::NodeArgs;
use crate::commands::buy::random_name;
use crate::commands::output::{money, print, print_json, print_table, typed};
use crate::rest::Rest;

/// Which node, and who asks.
#[derive(Clone, Args)]
pub(super) struct HolderArgs {
    /// The operator's token, or an API key with the scope `keys`; better given by the environment, which other users
    /// cannot see
    #[arg(long, env = "SAHAKAR_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: String,
    #[command(flatten)]
    node: NodeArgs,
}

impl std::fmt::Debug for HolderArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HolderArgs")
    }
}

impl HolderArgs {
    fn rest(&self) -> Rest {
        self.node.rest().with_bearer(&self.token)
    }
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ScopeArg {
    /// Act for the operator
    Admin,
    /// Buy, and give calls back
    Buy,
    /// Download what is licensed
    Download,
    /// Ask models
    Infer,
    /// Make and revoke keys that spend the same money
    Keys,
    /// See balance and usage
    Usage,
}

/// `sahakar key issue`.
#[derive(Debug, Args)]
pub struct IssueArgs {
    /// What the buyer wants to be called
    #[arg(long)]
    buyer: String,
    /// Money that arrived with the order, in 10⁻⁴ of the currency's unit (operator only)
    #[arg(long, value_name = "AMOUNT")]
    deposit: Option<u128>,
    /// What it may do; by default everything that a buyer may
    #[arg(long, value_enum, value_delimiter = ',')]
    scopes: Vec<ScopeArg>,
    /// From when on it is refused, in milliseconds since 1970
    #[arg(long, value_name = "MS")]
    expires_at_ms: Option<u64>,
    /// Most that it spends on one day of UTC
    #[arg(long, value_name = "AMOUNT")]
    limit_day: Option<u128>,
    /// Most that it ever spends
    #[arg(long, value_name = "AMOUNT")]
    limit_total: Option<u128>,
    /// Pay calls from the balance when none bought in advance is left
    #[arg(long)]
    pay_as_you_go: bool,
    /// The order's own name: the same one issues one key, and books one deposit; random if absent
    #[arg(long, value_name = "TEXT")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    holder: HolderArgs,
}

/// `sahakar key rotate`.
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// The key's public name, `k-…`
    key_id: String,
    /// How long the secret before holds beside the new one, in seconds; at most thirty days
    #[arg(long, default_value_t = 86_400, value_name = "SECONDS")]
    overlap: u64,
    #[command(flatten)]
    holder: HolderArgs,
}

/// `sahakar key revoke`.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// The key's public name, `k-…`
    key_id: String,
    #[command(flatten)]
    holder: HolderArgs,
}

/// `sahakar key list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    holder: HolderArgs,
}

#[derive(Debug, Deserialize)]
struct NewKey {
    key_id: String,
    api_key: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Key {
    key_id: String,
    account: String,
    state: String,
    spent_day: String,
    spent_total: String,
    grant: Grant,
}

#[derive(Debug, Deserialize)]
struct Grant {
    scopes: Vec<String>,
    limit_day: Option<String>,
    limit_total: Option<String>,
}

impl IssueArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let text = |amount: Option<u128>| amount.map(|amount| amount.to_string());
        let name =
            |scope: &ScopeArg| scope.to_possible_value().map(|value| value.get_name().to_owned());
        let scopes: Vec<_> = self.scopes.iter().filter_map(name).collect();
        let grant = json!({
            "scopes": (!scopes.is_empty()).then_some(scopes),
            "expires_at_ms": self.expires_at_ms,
            "limit_day": text(self.limit_day),
            "limit_total": text(self.limit_total),
            "pay_as_you_go": self.pay_as_you_go,
        });
        let order = json!({"buyer": self.buyer, "deposit": text(self.deposit), "grant": grant});
        let name = self.idempotency_key.unwrap_or_else(random_name);
        let answer = self.holder.rest().post("/v1/keys", Some(&name), &order).with_context(|| {
            format!("no key was issued that is known of; with --idempotency-key {name} a second try books nothing twice")
        })?;
        show_new(&self.holder, &answer)
    }
}

impl RotateArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let path = format!("/v1/keys/{}/rotation", self.key_id);
        let answer = self.holder.rest().post(&path, None, &json!({"overlap_s": self.overlap}))?;
        show_new(&self.holder, &answer)
    }
}

impl RevokeArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        self.holder.rest().delete(&format!("/v1/keys/{}", self.key_id))?;
        print(format!("{} is revoked, and so are the keys that spend its money", self.key_id))
    }
}

impl ListArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let rest = self.holder.rest();
        let mut keys: Vec<Value> = Vec::new();
        let mut path = "/v1/keys?limit=200".to_owned();
        loop {
            let page = rest.get(&path)?;
            keys.extend(page["keys"].as_array().into_iter().flatten().cloned());
            let Some(next) = page["next"].as_str() else { break };
            path = format!("/v1/keys?limit=200&cursor={next}");
        }
        if self.holder.node.json {
            return print_json(&keys);
        }
        let limit =
            |limit: Option<&String>| limit.map_or_else(|| "–".to_owned(), |l| money(l, None));
        let row = |key: &Value| {
            let key: Key = typed(key)?;
            Ok(vec![
                key.key_id,
                key.account,
                key.state,
                key.grant.scopes.join(","),
                money(&key.spent_day, None),
                limit(key.grant.limit_day.as_ref()),
                money(&key.spent_total, None),
                limit(key.grant.limit_total.as_ref()),
            ])
        };
        let rows = keys.iter().map(row).collect::<anyhow::Result<Vec<_>>>()?;
        let header = ["key", "account", "state", "scopes", "today", "of", "in all", "of"];
        print_table(&header, 4, rows)
    }
}

fn show_new(holder: &HolderArgs, answer: &Value) -> anyhow::Result<()> {
    if holder.node.json {
        return print_json(answer);
    }
    let NewKey { key_id, api_key } = typed(answer)?;
    let Some(api_key) = api_key else {
        let told = "it was issued by the same order before, and its secret shown then";
        return print(format!("{key_id}\n{told}; `sahakar key rotate {key_id}` gives another one"));
    };
    print(format!("{key_id}\n{api_key}"))?;
    print("The second line is the key itself: it is shown this once.")
}
