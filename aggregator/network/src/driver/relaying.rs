//! Places at relays, by which a process that cannot be dialled is reached.

use libp2p::core::transport::ListenerId;
use tokio::{sync::oneshot, time::Instant};
use tracing::{debug, info};

use super::Driver;
use crate::{
    address::{Address, relayed},
    backoff::Backoff,
};

/// A place at a relay that this process has or wants.
pub(crate) struct RelayPlace {
    relay: Address,
    listener: Option<ListenerId>,
    /// When it is asked for again, after it was lost.
    retry_at: Instant,
    backoff: Backoff,
    waiting: Vec<oneshot::Sender<()>>,
}

impl Driver {
    pub(super) fn listen_by(&mut self, relay: Address, done: oneshot::Sender<()>) {
        let now = Instant::now();
        self.relays.insert(relay.peer());
        let place = self.places.entry(relay.peer()).or_insert_with(|| RelayPlace {
            relay,
            listener: None,
            retry_at: now,
            backoff: Backoff::default(),
            waiting: Vec::new(),
        });
        place.waiting.push(done);
        self.check_places(now);
    }

    /// Asks for the places that were lost, once their pause is over.
    pub(super) fn check_places(&mut self, now: Instant) {
        if self.ending.is_some() {
            return;
        }
        for place in self.places.values_mut() {
            if place.listener.is_some() || place.retry_at > now {
                continue;
            }
            match self.swarm.listen_on(relayed(place.relay, None)) {
                Ok(listener) => {
                    self.listeners.push(listener);
                    place.listener = Some(listener);
                }
                Err(error) => {
                    debug!(%error, "a relay was not asked");
                    place.retry_at = now + place.backoff.pause();
                }
            }
        }
    }

    /// A listener has an address; if it is that of a place, the relay gave it.
    pub(super) fn on_place(&mut self, listener: ListenerId) {
        let mut places = self.places.values_mut();
        let Some(place) = places.find(|place| place.listener == Some(listener)) else { return };
        place.backoff.reset();
        info!(relay.id = %place.relay.peer(), "this process can be reached by a relay");
        for done in place.waiting.drain(..) {
            // Nobody may wait for it any more.
            let _told = done.send(()).is_ok();
        }
    }

    /// A listener ended. Returns whether it was a place, which is asked for again.
    pub(super) fn on_place_lost(&mut self, listener: ListenerId) -> bool {
        self.listeners.retain(|known| *known != listener);
        let mut places = self.places.values_mut();
        let Some(place) = places.find(|place| place.listener == Some(listener)) else {
            return false;
        };
        place.listener = None;
        place.retry_at = Instant::now() + place.backoff.pause();
        true
    }
}
