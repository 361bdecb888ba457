//! How updates are sealed, and by whom: modes, custodians, the aggregators' keys.

use anyhow::Context as _;
use clap::ValueEnum;
use privacy_identity::{SealingPublicKey, VerifyingKey};
use privacy_secagg::AggregatorKeys;
use serde::{Deserialize, Serialize};

/// How updates are sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum SealingMode {
    /// Additive shares among aggregators; reading an update takes all of them
    #[default]
    Mpc,
    /// As mpc, and each update proves that its norm is within bound
    MpcVerified,
    /// Encrypted to keys that custodians among the contributors share; one aggregator
    Fhe,
}

/// How the keys of a round are kept, in mode `fhe`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustodyConfig {
    /// Members drawn for each round: at most the minimum cohort.
    pub custodians: u8,
    /// How many of them open a sum, at least 2. One fewer may collude with the aggregator.
    pub threshold: u8,
}

impl CustodyConfig {
    /// As many custodians as the smallest cohort has members, up to the default.
    #[must_use]
    pub fn among(minimum_cohort: u32) -> Self {
        let usual = Self::default();
        match u8::try_from(minimum_cohort) {
            Ok(fewer) if fewer < usual.custodians => Self { custodians: fewer, threshold: 2 },
            _ => usual,
        }
    }
}

impl Default for CustodyConfig {
    /// 3 of 5 (DESIGN §4): two may collude, one may be away.
    fn default() -> Self {
        Self { custodians: 5, threshold: 3 }
    }
}

/// One aggregator's public keys, as `sahakar key show` prints them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AggregatorConfig {
    /// Ed25519 key in hexadecimal.
    pub verifying: String,
    /// X25519 key in hexadecimal.
    pub sealing: String,
}

impl AggregatorConfig {
    /// The keys, parsed.
    ///
    /// # Errors
    /// If one is no key.
    pub fn keys(&self) -> anyhow::Result<AggregatorKeys> {
        let verifying: VerifyingKey =
            self.verifying.parse().context("federation.aggregators.verifying")?;
        let mut sealing = [0; 32];
        hex::decode_to_slice(&self.sealing, &mut sealing)
            .context("federation.aggregators.sealing: 32 bytes in hexadecimal are needed")?;
        Ok(AggregatorKeys { verifying, sealing: SealingPublicKey(sealing) })
    }
}
