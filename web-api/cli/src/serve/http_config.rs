//! What the operator decides about the REST interface: `[http]` of the configuration.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use web_api::{ConnectionLimits, HttpPolicy, Quota, Tls, WebhookSecret};

/// Requests of one address in a minute by default: a hundred each second, far more than a person and less than a flood.
const ADDRESS_PER_MINUTE_DEFAULT: u32 = 6_000;
/// The window of all limits, in seconds.
const WINDOW_S: u32 = 60;

/// The REST interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// The node's certificate with those above it (PEM): the interface speaks TLS itself. Absent: a proxy in front does, or
    /// nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_certificate: Option<PathBuf>,
    /// The certificate's private key (PEM).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
    /// Proxies that may say for whom they ask (`X-Forwarded-For`): addresses or networks like `10.0.0.0/8`.
    pub trusted_proxies: Vec<String>,
    /// Names under which the node is asked, with the port if it is not the usual one: signed requests have to be addressed to
    /// one of them. Empty: to any.
    pub authorities: Vec<String>,
    /// Origins whose pages may read answers, `https://shop.example`; `*` is all.
    pub cors_origins: Vec<String>,
    /// Most requests of one address in a minute; 0: no bound. The machine itself is not counted.
    pub address_requests_per_minute: u32,
    /// Most requests with one API key in a minute; 0: no bound.
    pub key_requests_per_minute: u32,
    /// Most connections at once; more wait.
    pub connections_max: usize,
    /// Most connections of one address; more are closed. If absent 256, and as many as in all where proxies are trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_per_address_max: Option<usize>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        let ConnectionLimits { connections_max, .. } = ConnectionLimits::default();
        Self {
            tls_certificate: None,
            tls_key: None,
            trusted_proxies: Vec::new(),
            authorities: Vec::new(),
            cors_origins: Vec::new(),
            address_requests_per_minute: ADDRESS_PER_MINUTE_DEFAULT,
            key_requests_per_minute: 0,
            connections_max,
            connections_per_address_max: None,
        }
    }
}

impl HttpConfig {
    /// What the interface goes by.
    ///
    /// * `webhook_secrets` — what payment providers sign with.
    ///
    /// # Errors
    /// A network that is none, a secret that could be guessed.
    pub fn policy(&self, webhook_secrets: &[String]) -> anyhow::Result<HttpPolicy> {
        let quota =
            |requests: u32| (requests > 0).then_some(Quota { requests, window_s: WINDOW_S });
        let trusted = self.trusted_proxies.iter().map(|text| text.parse());
        let secrets = webhook_secrets.iter().map(|secret| WebhookSecret::new(secret.clone()));
        let webhook_secrets: Option<Vec<_>> = secrets.collect();
        Ok(HttpPolicy {
            per_address: quota(self.address_requests_per_minute),
            per_key: quota(self.key_requests_per_minute),
            cors_origins: self.cors_origins.clone(),
            trusted_proxies: trusted.collect::<Result<_, _>>().context("http.trusted_proxies")?,
            authorities: self.authorities.iter().map(|name| name.to_ascii_lowercase()).collect(),
            webhook_secrets: webhook_secrets
                .context("secrets.payment_webhooks: at least 16 characters each")?,
            ..HttpPolicy::default()
        })
    }

    /// How many connections there may be.
    #[must_use]
    pub fn limits(&self) -> ConnectionLimits {
        let limits = ConnectionLimits::default();
        let of_all = if self.trusted_proxies.is_empty() {
            limits.per_address_max
        } else {
            self.connections_max
        };
        ConnectionLimits {
            connections_max: self.connections_max,
            per_address_max: self.connections_per_address_max.unwrap_or(of_all),
            ..limits
        }
    }

    /// The certificate and its key, if the node speaks TLS itself.
    ///
    /// # Errors
    /// One without the other, or files that are not what they are said to be.
    pub fn tls(&self) -> anyhow::Result<Option<Tls>> {
        let (certificate, key) = (self.tls_certificate.as_ref(), self.tls_key.as_ref());
        ensure!(
            certificate.is_some() == key.is_some(),
            "http.tls_certificate and http.tls_key go together"
        );
        let files = certificate.zip(key);
        let read = files.map(|(certificate, key)| {
            Tls::read(certificate, key).with_context(|| {
                format!(
                    "http.tls_certificate {}, http.tls_key {}",
                    certificate.display(),
                    key.display()
                )
            })
        });
        read.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused_at_the_start() {
        let sound = HttpConfig::default();
        assert!(sound.policy(&["whsec_0123456789".to_owned()]).is_ok());
        assert!(sound.policy(&["short".to_owned()]).is_err());
        let networks =
            HttpConfig { trusted_proxies: vec!["10.0.0.0/33".to_owned()], ..sound.clone() };
        assert!(networks.policy(&[]).is_err());
        let half = HttpConfig { tls_key: Some("key.pem".into()), ..sound.clone() };
        assert!(half.tls().is_err());
        assert!(sound.tls().unwrap().is_none());
        let missing = PathBuf::from("not-there.pem");
        let (tls_certificate, tls_key) = (Some(missing.clone()), Some(missing));
        assert!(HttpConfig { tls_certificate, tls_key, ..sound }.tls().is_err());
    }
}
