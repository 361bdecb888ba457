//! `/events`: tells pages that the log has grown (server-sent events, WHATWG HTML §9.2).
//!
//! Only how many entries are published, nothing of what they say: a page that shows something else than before fetches
//! itself anew. So a client that was away has missed nothing, and the stream needs neither a history nor ids.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::{Extension, State},
    http::header,
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::{Stream, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Interval, MissedTickBehavior};

use crate::ApiState;
use crate::api_error::ApiError;

/// Most streams at a time: each costs a connection and a look at a number twice a second.
const STREAMS_MAX: usize = 256;
/// How often a stream looks whether the log has grown: the store publishes to readers, and calls nobody.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Proxies drop connections on which nothing comes for a minute.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);
/// A stream ends after so many looks, ten minutes, and its page asks for another one: a client that is gone without a
/// word does not keep its place for ever. A node that is to stop ends all of them, or each open page would hold its end up.
const LOOKS_MAX: u32 = 1200;
/// What a refused page waits before it asks again, in seconds.
const RETRY_AFTER_SECONDS: u32 = 30;

/// The places for streams. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Streams(Arc<Semaphore>);

impl Streams {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(STREAMS_MAX)))
    }
}

/// One page's stream.
struct Watcher {
    state: ApiState,
    told: Option<u64>,
    looks: u32,
    clock: Interval,
    _place: OwnedSemaphorePermit,
}

impl Watcher {
    /// The next growth of the log; nothing when the stream has lasted long enough, or the node is to stop. May be dropped.
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        while self.looks < LOOKS_MAX {
            self.clock.tick().await;
            if self.state.is_stopping() {
                return None;
            }
            self.looks += 1;
            let size = self.state.store().size();
            if self.told != Some(size) {
                self.told = Some(size);
                return Some((Ok(Event::default().event("entries").data(size.to_string())), self));
            }
        }
        None
    }
}

fn watch(
    state: ApiState,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let mut clock = tokio::time::interval(LOOK_EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let watcher = Watcher { state, told: None, looks: 0, clock, _place: place };
    stream::unfold(watcher, Watcher::next)
}

/// The growth of the log as a stream of events
pub(super) async fn events(
    State(state): State<ApiState>,
    Extension(Streams(places)): Extension<Streams>,
) -> Response {
    let Ok(place) = places.try_acquire_owned() else {
        let refused =
            ApiError::Unavailable("too many pages are watching; they still work, reload them");
        return ([(header::RETRY_AFTER, RETRY_AFTER_SECONDS.to_string())], refused).into_response();
    };
    let heartbeat = KeepAlive::new().interval(HEARTBEAT_EVERY);
    // Buffering proxies (nginx) would keep events back.
    let unbuffered = [(header::HeaderName::from_static("x-accel-buffering"), "no")];
    (unbuffered, Sse::new(watch(state, place)).keep_alive(heartbeat)).into_response()
}
