//! The configuration of the DAO node: one TOML file, overridden by `SAHAKAR__SECTION__KEY`.

mod dao;
mod federation;
mod sealing;

use std::{collections::HashMap, net::SocketAddr, path::PathBuf};

use aggregator_network::ListenAddress;
use anyhow::Context as _;
use serde::{Deserialize, Serialize};

pub(crate) use dao::guardian_term_by_default;
pub use dao::{DaoConfig, FounderConfig};
pub use federation::FederationConfig;
pub(crate) use federation::{
    delta_by_default, optimizer_by_default, sampling_by_default, schedule_by_default,
};
pub use sealing::{AggregatorConfig, CustodyConfig, SealingMode};

use super::http_config::HttpConfig;

/// Everything that `sahakar serve` needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServeConfig {
    /// Where the node keeps its key, its ledger and its models.
    pub state_dir: PathBuf,
    /// Where it listens.
    pub listen: ListenConfig,
    /// How the DAO is founded at the first start. Later starts take it from the ledger.
    pub dao: DaoConfig,
    /// The federation.
    pub federation: FederationConfig,
    /// The REST interface: TLS, proxies, limits.
    #[serde(default)]
    pub http: HttpConfig,
    /// Secrets. Better given by the environment than by the file.
    pub secrets: SecretsConfig,
}

/// Where the node listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenConfig {
    /// REST, for example `127.0.0.1:8080`; port 0 takes a free one.
    pub http: SocketAddr,
    /// The aggregators' link, for example `/ip4/127.0.0.1/udp/0/quic-v1`.
    pub link: Vec<String>,
}

impl ListenConfig {
    /// The link's addresses, parsed.
    ///
    /// # Errors
    /// If one is no address.
    pub fn link_addresses(&self) -> anyhow::Result<Vec<ListenAddress>> {
        let parse = |text: &String| text.parse().with_context(|| format!("listen.link {text:?}"));
        self.link.iter().map(parse).collect()
    }
}

/// Secrets of the node.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretsConfig {
    /// Bearer token of the operator's REST calls.
    pub operator_token: String,
    /// What an invitation must carry for its owner to be admitted.
    pub invitation_token: String,
    /// What payment providers sign their webhooks with, at least 16 characters each; two while one replaces the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payment_webhooks: Vec<String>,
}

impl std::fmt::Debug for SecretsConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretsConfig(hidden)")
    }
}

impl ServeConfig {
    /// Reads `path` and the environment.
    ///
    /// # Errors
    /// An unreadable file, an unknown or missing key, a value of another type.
    pub fn load(path: &std::path::Path) -> anyhow::Result<Self> {
        Self::load_with(path, None)
    }

    /// As [`ServeConfig::load`], with `environment` in place of the process's.
    ///
    /// # Errors
    /// As [`ServeConfig::load`].
    pub fn load_with(
        path: &std::path::Path,
        environment: Option<HashMap<String, String>>,
    ) -> anyhow::Result<Self> {
        // Each value stays text until it is known what is to be read from it. Guessed at before, a token of digits would
        // be a number, and lose its leading zeros and all beyond the sixteenth digit.
        let environment = config::Environment::with_prefix("SAHAKAR")
            .prefix_separator("__")
            .separator("__")
            .source(environment);
        let settings = config::Config::builder()
            .add_source(config::File::from(path).format(config::FileFormat::Toml))
            .add_source(environment)
            .build()
            .with_context(|| format!("reading the configuration {}", path.display()))?;
        let understanding = || format!("understanding the configuration {}", path.display());
        let config: Self = settings.try_deserialize().with_context(understanding)?;
        if let Some(prices) = &config.federation.prices {
            // Now, and not when the model is trained.
            prices.policy(config.federation.price).with_context(understanding)?;
        }
        if let Some(licence) = &config.federation.licence {
            licence.licence().context("federation.licence").with_context(understanding)?;
        }
        Ok(config)
    }
}
