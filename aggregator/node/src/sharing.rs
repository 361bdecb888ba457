//! Doing work together with other processes: a batch at a time, each under a lease.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aggregator_round::{AggregatorContext, BatchError, SharedWork, Work, Worked};
use anyhow::{Context as _, anyhow, bail};
use privacy_identity::Digest;
use tokio::sync::Mutex;
use tracing::{error, warn};

use crate::{
    NodeEvent,
    ask::unavailable,
    board::{Board, Changes, Leased},
    store::Store,
    updates::Updates,
};

/// How often a process looks for expired leases while it waits, in parts of a lease.
const LOOKS_PER_LEASE: u32 = 4;
/// How often a lease is renewed while its batch is worked on, in parts of a lease: two may be lost.
const RENEWALS_PER_LEASE: u32 = 3;

/// Where an aggregator's own process keeps what it was told, and with whom it shares work.
pub(crate) type Stores = (Store, Arc<dyn Updates>, Option<Sharing>);

/// What a process needs to do its part. Clones share it.
#[derive(Clone)]
pub(crate) struct Sharing {
    pub(crate) board: Board,
    pub(crate) context: Arc<AggregatorContext>,
    pub(crate) updates: Arc<dyn Updates>,
    pub(crate) events: Arc<dyn Fn(NodeEvent) + Send + Sync>,
    /// Most updates of a batch.
    pub(crate) batch_updates: u32,
    /// The work under way, read and checked once.
    pub(crate) known: Arc<Mutex<BTreeMap<Digest, Arc<SharedWork>>>>,
}

/// What became of a batch.
pub(crate) enum Done {
    /// It was handed in.
    Submitted,
    /// Its work was taken away meanwhile, or another process was first.
    Late,
    /// An update is not in this process's store.
    Lost,
}

impl Sharing {
    /// What comes of `work`, done together with whoever else is there. None if it is too little to share.
    ///
    /// Dropped or killed and asked again, it goes on with the batches that are done.
    pub(crate) async fn worked(&self, work: Work) -> anyhow::Result<Option<Worked>> {
        let shared = SharedWork::new(self.context.terms(), work, self.batch_updates);
        let Some(shared) = shared else { return Ok(None) };
        let (id, round) = (shared.id(), shared.work().round().0);
        let mut changes = self.board.changes().await?;
        let posted = shared.to_shared(&self.context);
        let batches = shared.batch_count();
        self.board.post(id, &posted, batches).await?;
        (self.events)(NodeEvent::WorkShared { round, batches });
        let shared = Arc::new(shared);
        *self.known.lock().await = BTreeMap::from([(id, Arc::clone(&shared))]);
        loop {
            match self.next().await? {
                // Only this process may say so, of the whole: the machine decides what follows.
                Some(Done::Lost) => return Ok(None),
                Some(_) => {}
                None if self.board.unfinished(id).await? == 0 => {
                    if let Some(whole) = self.joined(&shared).await? {
                        return Ok(Some(whole));
                    }
                    // Some of it has to be done again, or somebody took it away.
                    self.board.post(id, &posted, batches).await?;
                }
                None => changes.wait(self.look()).await?,
            }
        }
    }

    /// Waits for something to do.
    pub(crate) async fn wait(&self, changes: &mut Changes) -> anyhow::Result<()> {
        changes.wait(self.look()).await
    }

    fn look(&self) -> Duration {
        self.board.lease_time() / LOOKS_PER_LEASE
    }

    /// Does the next free batch, if there is one.
    pub(crate) async fn next(&self) -> anyhow::Result<Option<Done>> {
        let Some(leased) = self.board.lease().await? else { return Ok(None) };
        let Some(shared) = self.shared(leased.work).await? else { return Ok(Some(Done::Late)) };
        let (round, batch) = (shared.work().round().0, leased.batch);
        (self.events)(NodeEvent::BatchLeased { round, batch, attempt: leased.attempt });
        let result = match self.run(&shared, &leased).await {
            Ok(result) => result,
            Err(BatchError::Unavailable) => return Err(unavailable(self.updates.as_ref())),
            Err(BatchError::Lost { update }) => {
                error!("update {update} is not where this process looks for updates");
                self.board.decline(&leased).await?;
                return Ok(Some(Done::Lost));
            }
            Err(other) => return Err(anyhow!(other).context("working on a batch")),
        };
        let first = self.board.submit(&leased, &result).await?;
        if first {
            (self.events)(NodeEvent::BatchDone { round, batch });
        }
        Ok(Some(if first { Done::Submitted } else { Done::Late }))
    }

    /// Does a batch on a thread of its own, and renews its lease meanwhile.
    async fn run(&self, shared: &Arc<SharedWork>, leased: &Leased) -> Result<Vec<u8>, BatchError> {
        let (shared, context, updates) =
            (Arc::clone(shared), Arc::clone(&self.context), Arc::clone(&self.updates));
        let batch = leased.batch;
        let work = move || shared.run_batch(&context, updates.as_ref(), batch, &mut rand::rng());
        let mut running = tokio::task::spawn_blocking(work);
        let mut renewal = tokio::time::interval(self.board.lease_time() / RENEWALS_PER_LEASE);
        renewal.tick().await;
        loop {
            tokio::select! {
                // It does not panic; a runtime that is shut down ends the process anyway.
                result = &mut running => return result.unwrap_or(Err(BatchError::Unavailable)),
                _ = renewal.tick() => {
                    // Without a lease another does the same: no harm but the time.
                    if let Err(error) = self.board.renew(leased).await {
                        warn!("a lease was not renewed: {error:#}");
                    }
                }
            }
        }
    }

    /// The work that was put up as `id`; none if it was taken away.
    async fn shared(&self, id: Digest) -> anyhow::Result<Option<Arc<SharedWork>>> {
        let mut known = self.known.lock().await;
        if let Some(shared) = known.get(&id) {
            return Ok(Some(Arc::clone(shared)));
        }
        let Some(bytes) = self.board.work(id).await? else { return Ok(None) };
        let shared =
            SharedWork::from_shared(&self.context, &bytes).context("reading shared work")?;
        if shared.id() != id {
            bail!("shared work stands under another name: the database was altered");
        }
        let shared = Arc::new(shared);
        *known = BTreeMap::from([(id, Arc::clone(&shared))]);
        Ok(Some(shared))
    }

    /// What comes of the batches, one at a time in memory; none if one has to be done again.
    async fn joined(&self, shared: &Arc<SharedWork>) -> anyhow::Result<Option<Worked>> {
        let id = shared.id();
        let mut whole = None;
        for batch in 0..shared.batch_count() {
            let Some(bytes) = self.board.result(id, batch).await? else { return Ok(None) };
            let (of, context) = (Arc::clone(shared), Arc::clone(&self.context));
            let join = move || {
                let next = of.read_batch(&context, batch, &bytes)?;
                Ok(of.joined(&context, whole, next))
            };
            let joined: Result<_, aggregator_round::SharedWorkError> =
                tokio::task::spawn_blocking(join).await.context("joining batches")?;
            match joined {
                Ok(joined) => whole = Some(joined),
                Err(error) => {
                    error!("batch {batch} is done again, its result was altered: {error}");
                    self.board.reject(id, batch).await?;
                    return Ok(None);
                }
            }
        }
        Ok(whole)
    }
}
