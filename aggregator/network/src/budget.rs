//! What each peer may ask for per second and at once.
//!
//! Threat: one peer that floods, or holds places and sends slowly, keeps all others out. Keys cost
//! nothing, so that against many peers of one adversary only the limits on the whole help:
//! connections, places, bytes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use crate::{
    config::Limits,
    decline::{Decline, DeclineReason},
    peer::PeerKey,
};

/// How much of a rate may be used at once: polls and chunks come in bursts after a pause.
const BURST: Duration = Duration::from_secs(2);
/// Refusals in words a second for one peer; beyond them its streams are dropped unread. A peer that
/// comes back when it was told to needs two a second.
const DECLINES_PER_SECOND_MAX: u64 = 32;
/// When to come back if all places are taken. Most requests are answered within milliseconds.
const CROWDED_RETRY: Duration = Duration::from_millis(50);
/// Peers whose rates are remembered beyond those that are connected.
const PEERS_MAX: usize = 4096;

/// A rate with a burst: the generic cell rate algorithm in its virtual scheduling form.
///
/// Source: ITU-T I.371 (2004), annex A.
#[derive(Debug, Clone, Copy)]
struct Rate {
    per_second: u64,
    /// When all that was taken is paid for.
    paid_at: Instant,
}

impl Rate {
    const fn new(per_second: u64, now: Instant) -> Self {
        Self { per_second, paid_at: now }
    }

    /// Takes `amount`, or says how long to wait until it can be taken; then nothing was taken.
    ///
    /// More than a burst at once is let through when nothing is owed, and paid for afterwards.
    fn take(&mut self, amount: u64, now: Instant) -> Result<(), Duration> {
        let start = self.paid_at.max(now);
        let nanos = u128::from(amount) * 1_000_000_000 / u128::from(self.per_second.max(1));
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let owed = start.saturating_duration_since(now);
        let allowed = BURST.max(cost);
        match (owed + cost).checked_sub(allowed) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                self.paid_at = start.checked_add(cost).unwrap_or(start);
                Ok(())
            }
        }
    }

    fn is_paid(&self, now: Instant) -> bool {
        self.paid_at <= now
    }
}

#[derive(Debug)]
struct Account {
    requests: Rate,
    bytes: Rate,
    declines: Rate,
    places: u16,
}

/// The accounts of all peers, and the places of requests in work.
#[derive(Debug)]
pub(crate) struct Budgets {
    requests_per_second: u64,
    bytes_per_second: u64,
    places_per_peer: u16,
    places: Arc<Semaphore>,
    accounts: Mutex<BTreeMap<PeerKey, Account>>,
}

/// Why a request was not admitted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotAdmitted {
    /// To be told in words.
    Told(Decline),
    /// It was told often enough.
    Untold,
}

/// The place of one request in work; free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    peer: PeerKey,
    budgets: Arc<Budgets>,
    _permit: OwnedSemaphorePermit,
}

impl Budgets {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            requests_per_second: limits.requests_per_second_max.into(),
            bytes_per_second: limits.bytes_per_second_max,
            places_per_peer: limits.inbound_requests_per_peer_max,
            places: Arc::new(Semaphore::new(limits.inbound_requests_max.into())),
            accounts: Mutex::default(),
        })
    }

    /// Gives a request its place, or says when to come back.
    ///
    /// * `bytes` — what the request and its answer move, as far as it is known.
    pub(crate) fn admit(
        self: &Arc<Self>,
        peer: PeerKey,
        bytes: u64,
        now: Instant,
    ) -> Result<Place, NotAdmitted> {
        self.with(peer, now, |account| {
            let place = self.place(peer, account);
            let admitted = place.and_then(|place| {
                let late = |reason| move |wait| Decline::until(reason, wait);
                account.requests.take(1, now).map_err(late(DeclineReason::RequestRate))?;
                account.bytes.take(bytes, now).map_err(late(DeclineReason::ByteRate))?;
                Ok(place)
            });
            admitted.inspect(|_| account.places += 1).map_err(|decline| told(account, decline, now))
        })
        .map(|permit| Place { peer, budgets: Arc::clone(self), _permit: permit })
    }

    /// A refusal that was found later, told in words unless there were too many.
    pub(crate) fn decline(&self, peer: PeerKey, decline: Decline, now: Instant) -> NotAdmitted {
        self.with(peer, now, |account| told(account, decline, now))
    }

    fn place(&self, _: PeerKey, account: &Account) -> Result<OwnedSemaphorePermit, Decline> {
        let crowded = Decline::until(DeclineReason::Busy, CROWDED_RETRY);
        if account.places >= self.places_per_peer {
            return Err(crowded);
        }
        Arc::clone(&self.places).try_acquire_owned().map_err(|_none_left| crowded)
    }

    fn with<T>(&self, peer: PeerKey, now: Instant, act: impl FnOnce(&mut Account) -> T) -> T {
        // Whole after any panic: each account is changed field by field.
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= PEERS_MAX && !accounts.contains_key(&peer) {
            accounts.retain(|_, account| {
                account.places > 0 || !(account.requests.is_paid(now) && account.bytes.is_paid(now))
            });
        }
        act(accounts.entry(peer).or_insert_with(|| Account {
            requests: Rate::new(self.requests_per_second, now),
            bytes: Rate::new(self.bytes_per_second, now),
            declines: Rate::new(DECLINES_PER_SECOND_MAX, now),
            places: 0,
        }))
    }

    /// Requests in work.
    pub(crate) fn in_work(&self, limits: &Limits) -> usize {
        usize::from(limits.inbound_requests_max) - self.places.available_permits()
    }
}

fn told(account: &mut Account, decline: Decline, now: Instant) -> NotAdmitted {
    match account.declines.take(1, now) {
        Ok(()) => NotAdmitted::Told(decline),
        Err(_wait) => NotAdmitted::Untold,
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut accounts = self.budgets.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = accounts.get_mut(&self.peer) {
            account.places = account.places.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: PeerKey = PeerKey::from_bytes([1; 32]);
    const OTHER: PeerKey = PeerKey::from_bytes([2; 32]);

    fn budgets() -> Arc<Budgets> {
        Budgets::new(&Limits {
            inbound_requests_max: 3,
            inbound_requests_per_peer_max: 2,
            requests_per_second_max: 10,
            bytes_per_second_max: 1000,
            ..Limits::default()
        })
    }

    fn decline(outcome: Result<Place, NotAdmitted>) -> Decline {
        match outcome.map(|_| ()) {
            Err(NotAdmitted::Told(decline)) => decline,
            other => unreachable!("not told: {other:?}"),
        }
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let (budgets, now) = (budgets(), Instant::now());
        for _ in 0..20 {
            assert!(budgets.admit(PEER, 0, now).is_ok());
        }
        let refused = decline(budgets.admit(PEER, 0, now));
        assert_eq!((refused.reason, refused.retry_ms), (DeclineReason::RequestRate, 100));
        assert!(budgets.admit(OTHER, 0, now).is_ok());
        // Exactly when it was told to come back.
        assert!(budgets.admit(PEER, 0, now + Duration::from_millis(99)).is_err());
        assert!(budgets.admit(PEER, 0, now + Duration::from_millis(100)).is_ok());
    }

    #[test]
    fn bytes_are_limited_and_one_that_is_larger_than_a_burst_passes_alone() {
        let (budgets, now) = (budgets(), Instant::now());
        assert!(budgets.admit(PEER, 5000, now).is_ok());
        let refused = decline(budgets.admit(PEER, 1000, now));
        assert_eq!((refused.reason, refused.retry_ms), (DeclineReason::ByteRate, 4000));
        assert!(budgets.admit(PEER, 1000, now + Duration::from_secs(4)).is_ok());
    }

    #[test]
    fn one_peer_leaves_places_for_others() {
        let (budgets, now) = (budgets(), Instant::now());
        let first = budgets.admit(PEER, 0, now).unwrap();
        let _second = budgets.admit(PEER, 0, now).unwrap();
        assert_eq!(decline(budgets.admit(PEER, 0, now)).reason, DeclineReason::Busy);
        let _other = budgets.admit(OTHER, 0, now).unwrap();
        assert_eq!(decline(budgets.admit(OTHER, 0, now)).reason, DeclineReason::Busy);
        drop(first);
        assert!(budgets.admit(PEER, 0, now).is_ok());
    }

    #[test]
    fn a_flood_is_told_a_few_times_and_then_dropped() {
        let (budgets, now) = (budgets(), Instant::now());
        let outcomes = (0..200).map(|_| budgets.admit(PEER, 0, now));
        let untold = outcomes.filter(|o| matches!(o, Err(NotAdmitted::Untold))).count();
        assert_eq!(untold, 200 - 20 - 64);
    }

    #[test]
    fn accounts_of_many_peers_are_forgotten_once_they_are_paid() {
        let (budgets, now) = (budgets(), Instant::now());
        let later = now + Duration::from_secs(60);
        for (at, tag) in [(now, 1), (later, 2)] {
            for i in 0..u16::try_from(PEERS_MAX).unwrap() {
                let mut key = [tag; 32];
                key[..2].copy_from_slice(&i.to_be_bytes());
                drop(budgets.admit(PeerKey::from_bytes(key), 1, at).unwrap());
            }
        }
        assert_eq!(budgets.accounts.lock().unwrap().len(), PEERS_MAX);
    }
}
