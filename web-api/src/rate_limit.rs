//! Token buckets per address and per API key, and the headers that tell of them
//! (draft-ietf-httpapi-ratelimit-headers-11).
//!
//! A bucket holds `requests` tokens and gets them back evenly over `window_s`; a request takes one. Memory is bounded: a full
//! bucket says nothing and is forgotten first.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Mutex, PoisonError},
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use data_dao_ledger::Name;

use crate::ApiState;
use crate::api_error::ApiError;
use crate::auth::{bearer_of, secret_hash};
use crate::http_policy::Quota;
use crate::oip_error::OipError;

/// Most buckets of one kind: some five megabytes. When they are all in use, the oldest half is forgotten, so that a flood of
/// addresses costs no memory; what it gets by that is a second burst each.
const BUCKETS_MAX: usize = 65_536;
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// One bucket: tokens in thousandths, and when that was so.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    thousandths: u64,
    at_ms: u64,
}

/// What a bucket answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Requests that may come now.
    remaining: u64,
    /// Seconds until the bucket is full again.
    full_s: u64,
    /// Seconds until the next request may come; 0: this one may.
    retry_s: u64,
}

/// The buckets of one kind.
#[derive(Debug)]
pub(crate) struct Buckets<K>(Mutex<BTreeMap<K, Bucket>>);

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }
}

impl<K: Ord + Clone> Buckets<K> {
    /// Takes a token of `key`'s bucket, if there is one.
    pub(crate) fn take(&self, key: K, quota: Quota, now_ms: u64) -> Standing {
        let (full, window_ms) =
            (u64::from(quota.requests) * 1_000, u64::from(quota.window_s.max(1)) * 1_000);
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(&key) {
            forget(&mut buckets, full, window_ms, now_ms);
        }
        let bucket = buckets.entry(key).or_insert(Bucket { thousandths: full, at_ms: now_ms });
        let had = refilled(bucket, full, window_ms, now_ms);
        let allowed = had >= 1_000;
        let left = if allowed { had - 1_000 } else { had };
        // A refusal writes nothing: the fraction that each writing rounds away would keep who asks too often out for ever.
        if allowed {
            *bucket = Bucket { thousandths: left, at_ms: now_ms.max(bucket.at_ms) };
        }
        // A quota of none lets nothing through, and is full at once.
        let seconds = |thousandths: u64| {
            (thousandths.saturating_mul(window_ms))
                .checked_div(full)
                .unwrap_or(window_ms)
                .div_ceil(1_000)
        };
        let retry_s = if allowed { 0 } else { seconds(1_000 - left).max(1) };
        Standing { remaining: left / 1_000, full_s: seconds(full - left), retry_s }
    }
}

fn refilled(bucket: &Bucket, full: u64, window_ms: u64, now_ms: u64) -> u64 {
    let elapsed_ms = now_ms.saturating_sub(bucket.at_ms).min(window_ms);
    let back = full.saturating_mul(elapsed_ms) / window_ms;
    bucket.thousandths.saturating_add(back).min(full)
}

/// Forgets full buckets; and where none is full, the older half.
fn forget<K: Ord + Clone>(
    buckets: &mut BTreeMap<K, Bucket>,
    full: u64,
    window_ms: u64,
    now_ms: u64,
) {
    buckets.retain(|_, bucket| refilled(bucket, full, window_ms, now_ms) < full);
    if buckets.len() >= BUCKETS_MAX {
        let mut times: Vec<u64> = buckets.values().map(|bucket| bucket.at_ms).collect();
        times.sort_unstable();
        let middle = times.get(times.len() / 2).copied().unwrap_or(now_ms);
        buckets.retain(|_, bucket| bucket.at_ms > middle);
    }
}

/// All buckets of a node.
#[derive(Debug, Default)]
pub(crate) struct RateLimits {
    addresses: Buckets<IpAddr>,
    keys: Buckets<Name>,
}

/// Who asks, as the log of a request may not tell and a limit has to know.
pub(crate) fn client_address(state: &ApiState, request: &Request) -> Option<IpAddr> {
    let ConnectInfo(peer) = request.extensions().get::<ConnectInfo<SocketAddr>>()?;
    let forwarded = request.headers().get_all("x-forwarded-for").iter();
    let forwarded = forwarded.filter_map(|value| value.to_str().ok());
    Some(state.policy().client(peer.ip(), forwarded))
}

/// The middleware: takes a token from each bucket that the request belongs to, and says how many are left.
pub(crate) async fn limited(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    let now_ms = state.parts().clock.now_ms();
    let mut told: Vec<(&'static str, Quota, Standing)> = Vec::new();
    let address = client_address(&state, &request);
    if let Some((quota, address)) = state.policy().per_address.zip(address)
        && !address.is_loopback()
    {
        let standing = state.rate_limits().addresses.take(network(address), quota, now_ms);
        told.push(("address", quota, standing));
    }
    if let Some(quota) = state.policy().per_key
        && let Some(key_id) = known_key(&state, request.headers(), now_ms)
    {
        told.push(("key", quota, state.rate_limits().keys.take(key_id, quota, now_ms)));
    }
    let exhausted = told.iter().find(|(.., standing)| standing.retry_s > 0).copied();
    let mut response = match exhausted {
        Some((policy, quota, standing)) => {
            let error = ApiError::TooManyRequests {
                policy,
                quota: quota.requests,
                window_s: quota.window_s,
                retry_s: standing.retry_s,
            };
            let of_protocol = request.uri().path().starts_with("/v2");
            if of_protocol { OipError(error).into_response() } else { error.into_response() }
        }
        None => next.run(request).await,
    };
    tell(response.headers_mut(), &told);
    response
}

/// The account whose bucket the request is of: all keys that spend one's money share it, or making keys would be a way around
/// the limit. Only keys that open something have one: others would fill the table.
fn known_key(state: &ApiState, headers: &HeaderMap, now_ms: u64) -> Option<Name> {
    let hash = secret_hash(bearer_of(headers)?);
    state.store().view(|ledger| {
        let key_id = ledger.authenticate(&hash, now_ms).ok()?;
        Some(ledger.account_of(key_id).clone())
    })
}

/// What one customer has: an IPv4 address, or 64 bits of IPv6.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        address @ IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

/// The two fields, each a list of RFC 9651 with one item per limit.
fn tell(headers: &mut HeaderMap, told: &[(&'static str, Quota, Standing)]) {
    if told.is_empty() {
        return;
    }
    let policies = told
        .iter()
        .map(|(name, quota, _)| format!("\"{name}\";q={};w={}", quota.requests, quota.window_s));
    let limits = told.iter().map(|(name, _, standing)| {
        format!("\"{name}\";r={};t={}", standing.remaining, standing.full_s)
    });
    let list = |items: Vec<String>| HeaderValue::from_str(&items.join(", "));
    if let (Ok(policies), Ok(limits)) = (list(policies.collect()), list(limits.collect())) {
        headers.insert(POLICY, policies);
        headers.insert(LIMIT, limits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota { requests: 3, window_s: 60 };

    #[test]
    fn a_burst_empties_the_bucket_and_time_fills_it_evenly() {
        let buckets = Buckets::default();
        let take = |now_ms| buckets.take("a", QUOTA, now_ms);
        assert_eq!(take(0), Standing { remaining: 2, full_s: 20, retry_s: 0 });
        assert_eq!(take(0).remaining, 1);
        assert_eq!(take(0), Standing { remaining: 0, full_s: 60, retry_s: 0 });
        assert_eq!(take(0), Standing { remaining: 0, full_s: 60, retry_s: 20 });
        assert_eq!(take(19_999).retry_s, 1);
        assert_eq!(take(20_000).retry_s, 0);
        assert_eq!(take(3_600_000).remaining, 2);
        // A clock that is set back neither fills nor empties it.
        assert_eq!(take(0).remaining, 1);
        assert_eq!(buckets.take("b", QUOTA, 0).remaining, 2);
    }

    #[test]
    fn what_was_refused_costs_nothing_more() {
        let buckets = Buckets::default();
        for _ in 0..3 {
            buckets.take("a", QUOTA, 0);
        }
        for now_ms in (0..19_000).step_by(1_000) {
            assert!(buckets.take("a", QUOTA, now_ms).retry_s > 0);
        }
        assert_eq!(buckets.take("a", QUOTA, 20_000).retry_s, 0);
    }

    #[test]
    fn memory_is_bounded_whoever_asks() {
        let buckets = Buckets::default();
        for number in 0..(2 * BUCKETS_MAX as u64) {
            buckets.take(number, QUOTA, number / 10);
        }
        assert!(buckets.0.lock().unwrap().len() <= BUCKETS_MAX);
        let none = Quota { requests: 0, window_s: 60 };
        assert!(buckets.take(u64::MAX, none, 0).retry_s > 0);
    }
}
