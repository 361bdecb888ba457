//! What the operator decides about the interface: who may ask how often, from where, and whom a proxy may speak for.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
    time::Duration,
};

use thiserror::Error;

use crate::REQUEST_SECONDS_MAX;

/// How often somebody may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests that fit one window; as many may come at once.
    pub requests: u32,
    /// Length of the window, in seconds, at least 1.
    pub window_s: u32,
}

/// What the operator decides about the interface. The default lets everybody ask as often as they like, lets no page of
/// another site read answers, and believes no proxy.
#[derive(Debug, Clone)]
pub struct HttpPolicy {
    /// How often one address may ask; for IPv6 one network of 64 bits, which one customer has. Not counted for the
    /// machine itself.
    pub per_address: Option<Quota>,
    /// How often one API key may ask.
    pub per_key: Option<Quota>,
    /// Origins (`https://shop.example`) whose pages may read answers; `*` is all.
    pub cors_origins: Vec<String>,
    /// Networks of proxies that may say for whom they ask, by `X-Forwarded-For`.
    pub trusted_proxies: Vec<Network>,
    /// Names under which this node is asked (`dao.example`, `dao.example:8443`): what a signed request has to be addressed
    /// to. Empty: whatever the request names, so that a request for one node could be sent to another of the same DAO.
    pub authorities: Vec<String>,
    /// What payment providers sign with: none, and no webhook is taken; several while one is replaced.
    pub webhook_secrets: Vec<WebhookSecret>,
    /// How long a request may take, its body included: [`crate::REQUEST_SECONDS_MAX`].
    pub request_time: Duration,
}

impl Default for HttpPolicy {
    fn default() -> Self {
        Self {
            per_address: None,
            per_key: None,
            cors_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            authorities: Vec::new(),
            webhook_secrets: Vec::new(),
            request_time: Duration::from_secs(REQUEST_SECONDS_MAX),
        }
    }
}

/// What a payment provider signs with, `whsec_…`.
#[derive(Clone)]
pub struct WebhookSecret(pub(crate) zeroize::Zeroizing<String>);

impl WebhookSecret {
    /// Takes a secret of at least 16 bytes: a shorter one could be guessed.
    #[must_use]
    pub fn new(secret: String) -> Option<Self> {
        (secret.len() >= 16).then(|| Self(zeroize::Zeroizing::new(secret)))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret")
    }
}

/// A network: an address and how many of its leading bits count (RFC 4632).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// Why a text is no network.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{got:?} is no network: an address, or an address with its leading bits like 10.0.0.0/8")]
pub struct NetworkError {
    /// The text.
    pub got: String,
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let error = || NetworkError { got: text.to_owned() };
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_source| error())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_source| error()))?;
        if bits <= most { Ok(Self { address, bits }) } else { Err(error()) }
    }
}

impl Network {
    /// Whether the address belongs to it. An IPv4 address in IPv6's clothes is the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.bits.min(32));
                u64::from(u32::from(own)) >> shift == u64::from(u32::from(other)) >> shift
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                leading(own, self.bits) == leading(other, self.bits)
            }
            _ => false,
        }
    }
}

fn leading(address: Ipv6Addr, bits: u8) -> u128 {
    u128::from(address).checked_shr(128 - u32::from(bits.min(128))).unwrap_or(0)
}

impl HttpPolicy {
    /// Who asks: the peer, or whom a trusted proxy names. The list grows to the right with each proxy, so that the first
    /// untrusted address from the right is the client, and what stands left of it is the client's own invention.
    ///
    /// * `forwarded` — the values of `X-Forwarded-For`, in their order.
    #[must_use]
    pub fn client<'a>(&self, peer: IpAddr, forwarded: impl Iterator<Item = &'a str>) -> IpAddr {
        let trusted = |address: IpAddr| self.trusted_proxies.iter().any(|n| n.contains(address));
        if !trusted(peer) {
            return peer.to_canonical();
        }
        let named: Vec<&str> =
            forwarded.flat_map(|value| value.split(',')).map(str::trim).collect();
        let mut client = peer;
        for text in named.into_iter().rev() {
            let Ok(address) = text.parse::<IpAddr>() else { break };
            client = address;
            if !trusted(address) {
                break;
            }
        }
        client.to_canonical()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(proxies: &[&str]) -> HttpPolicy {
        let trusted_proxies = proxies.iter().map(|text| text.parse().unwrap()).collect();
        HttpPolicy { trusted_proxies, ..HttpPolicy::default() }
    }

    #[test]
    fn networks_contain_their_addresses_and_no_others() {
        let contains = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse().unwrap())
        };
        assert!(contains("10.0.0.0/8", "10.255.0.1") && !contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("0.0.0.0/0", "203.0.113.9") && contains("::/0", "2001:db8::1"));
        assert!(
            contains("2001:db8::/32", "2001:db8:9::1") && !contains("2001:db8::/32", "2001:db9::")
        );
        assert!(contains("127.0.0.1", "::ffff:127.0.0.1") && !contains("127.0.0.1", "127.0.0.2"));
        for text in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "a", "10.0.0.0/", "10.0.0.0/-1"] {
            assert!(text.parse::<Network>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_speaks_for_others_and_no_client_for_itself() {
        let client = |policy: &HttpPolicy, peer: &str, forwarded: &[&str]| {
            policy.client(peer.parse().unwrap(), forwarded.iter().copied()).to_string()
        };
        let none = policy(&[]);
        assert_eq!(client(&none, "198.51.100.1", &["203.0.113.9"]), "198.51.100.1");
        let proxy = policy(&["127.0.0.1", "10.0.0.0/8"]);
        assert_eq!(client(&proxy, "127.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        // The client wrote the left one itself; two proxies added the others.
        let list = ["1.2.3.4, 203.0.113.9", "10.0.0.7"];
        assert_eq!(client(&proxy, "127.0.0.1", &list), "203.0.113.9");
        assert_eq!(client(&proxy, "127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(client(&proxy, "127.0.0.1", &["unknown"]), "127.0.0.1");
        assert_eq!(client(&proxy, "203.0.113.1", &["9.9.9.9"]), "203.0.113.1");
    }
}
