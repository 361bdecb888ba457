//! Group commit: entries of concurrent requests are appended together.
//!
//! ```text
//!  append ─► queue ─► one task takes all that wait ─► Store::append, one signature, one commit ─► each gets its part
//! ```
//! A commit waits for the disk; who comes meanwhile shares the next one. If the journal refuses one of a group, nothing of
//! the group happened: that one is set aside, and appended alone when the rest has been, since it may be refused for what
//! another in its group did.
//!
//! Threat: entries that are bound to be refused, sent by anybody, make others wait for a commit each. So only they do.

use std::sync::{Arc, Mutex, PoisonError};

use data_dao_journal::Body;
use data_dao_store::{AppendError, Appended, Store};
use tokio::sync::oneshot;

use crate::Clock;
use crate::metrics::Metrics;

/// Most entries of one group: a tile of the log.
const GROUP_ENTRIES_MAX: usize = 256;

/// Most that are set aside before the rest of a group is appended one by one: each costs another check of those that remain.
const SET_ASIDE_MAX: usize = 8;

/// Appends for all requests. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Appender(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    clock: Clock,
    metrics: Arc<Metrics>,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Waiting>,
    /// Whether a task is taking them.
    taken: bool,
}

#[derive(Debug)]
struct Waiting {
    bodies: Vec<Body>,
    reply: oneshot::Sender<Result<Appended, AppendError>>,
}

/// Whose body stands at `position` of all bodies of a group; the first's if nobody's does.
fn place_of(group: &[Waiting], position: usize) -> usize {
    let mut before = 0;
    let holds = |waiting: &Waiting| {
        before += waiting.bodies.len();
        position < before
    };
    group.iter().position(holds).unwrap_or(0)
}

impl Appender {
    pub(crate) fn new(store: Store, clock: Clock, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Inner { store, clock, metrics, queue: Mutex::default() }))
    }

    /// As [`Store::append`], now, perhaps together with what others append. The future may be dropped: the append goes on.
    pub(crate) async fn append(&self, bodies: Vec<Body>) -> Result<Appended, AppendError> {
        let (reply, answer) = oneshot::channel();
        let leads = {
            let mut queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.waiting.push(Waiting { bodies, reply });
            !std::mem::replace(&mut queue.taken, true)
        };
        if leads {
            tokio::spawn(Arc::clone(&self.0).take_all());
        }
        answer.await.expect("the task answers all that it takes, and takes all")
    }
}

impl Inner {
    async fn take_all(self: Arc<Self>) {
        while let Some(group) = self.next_group() {
            self.append(group).await;
        }
    }

    /// What waits, in its order; none, and then somebody else has to begin.
    fn next_group(&self) -> Option<Vec<Waiting>> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries = 0;
        let fits = queue.waiting.iter().take_while(|waiting| {
            entries += waiting.bodies.len();
            entries <= GROUP_ENTRIES_MAX
        });
        let count = fits.count().max(1).min(queue.waiting.len());
        queue.taken = count > 0;
        (count > 0).then(|| queue.waiting.drain(..count).collect())
    }

    async fn append(&self, mut group: Vec<Waiting>) {
        self.metrics.group(group.len());
        let mut alone = Vec::new();
        while group.len() > 1 && alone.len() < SET_ASIDE_MAX {
            let bodies = group.iter().flat_map(|waiting| waiting.bodies.clone()).collect();
            match self.store.append(self.clock.now_ms(), bodies).await {
                Ok(appended) => {
                    self.answer(std::mem::take(&mut group), appended).await;
                }
                Err(AppendError::Refused { position, .. }) => {
                    alone.push(group.remove(place_of(&group, position)));
                }
                Err(error) => {
                    // A failing disk has to be told as what it is, once; the others learn from the store what they may do.
                    // Whatever did happen is refused when it comes again: ids are used once.
                    drop(group.remove(0).reply.send(Err(error)));
                    alone.append(&mut group);
                }
            }
        }
        for Waiting { bodies, reply } in group.into_iter().chain(alone) {
            let appended = self.store.append(self.clock.now_ms(), bodies).await;
            // Who went away needs no answer.
            drop(reply.send(appended));
        }
    }

    /// Tells each its part of a group.
    async fn answer(&self, group: Vec<Waiting>, appended: Appended) {
        let own: usize = group.iter().map(|waiting| waiting.bodies.len()).sum();
        // What fell due in between stands among them.
        let indices = if u64::try_from(own) == Ok(appended.count) {
            (appended.index..appended.index + appended.count).collect()
        } else {
            self.find(&group, appended).await
        };
        let mut indices = indices.into_iter();
        for Waiting { bodies, reply } in group {
            let index = indices.next().unwrap_or(appended.index);
            let count = u64::try_from(bodies.len()).unwrap_or(u64::MAX);
            let _others = indices.by_ref().take(bodies.len().saturating_sub(1)).count();
            drop(reply.send(Ok(Appended { index, count, ..appended })));
        }
    }

    /// Where the bodies of a group stand.
    async fn find(&self, group: &[Waiting], appended: Appended) -> Vec<u64> {
        let limit = u32::try_from(appended.count).unwrap_or(u32::MAX);
        let entries = self.store.entries(appended.index, limit).await.unwrap_or_default();
        let mut entries = entries.into_iter();
        let bodies = group.iter().flat_map(|waiting| &waiting.bodies);
        let place =
            |body: &Body| entries.find(|stored| stored.entry.body == *body).map(|s| s.index);
        bodies.map(place).map(|index| index.unwrap_or(appended.index)).collect()
    }
}

#[cfg(test)]
mod tests;
