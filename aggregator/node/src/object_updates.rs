//! Sealed updates in an object store: `<prefix>/<round>/<digest>`.
//!
//! An object is there whole once its PUT is answered, or not at all. What an answer says is checked like a
//! file's: against lengths here, against the digest by whoever asked.

use std::sync::{Arc, Mutex};

use aggregator_protocol::RoundId;
use aggregator_round::{KeptUpdate, PartFault, UpdateId, UpdateStore};
use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, PutPayload, path::Path,
};
use privacy_identity::Digest;
use tokio::runtime::Handle;

use crate::{
    update_layout::{FRONT_BYTES_MAX, front, locate},
    updates::Updates,
};

/// Sealed updates under one prefix of an object store. Its methods block on the runtime: they are called where
/// that may be, in `block_in_place` or on a blocking thread.
#[derive(Debug)]
pub(crate) struct ObjectUpdates {
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
    runtime: Handle,
    failure: Mutex<Option<anyhow::Error>>,
}

impl ObjectUpdates {
    /// The updates under `prefix`, which no other aggregator uses.
    pub(crate) fn new(objects: Arc<dyn ObjectStore>, prefix: Path, runtime: Handle) -> Self {
        Self { objects, prefix, runtime, failure: Mutex::new(None) }
    }

    fn location(&self, id: UpdateId) -> Path {
        self.prefix.clone().join(id.round.0.to_string()).join(id.update.to_string())
    }

    /// Which update lies there; none if it is not one.
    fn id_at(&self, location: &Path) -> Option<UpdateId> {
        let mut parts = location.prefix_match(&self.prefix)?;
        let round = RoundId(parts.next()?.as_ref().parse().ok()?);
        let update = parts.next()?.as_ref().parse::<Digest>().ok()?;
        parts.next().is_none().then_some(UpdateId { round, update })
    }

    async fn read(&self, id: UpdateId, index: usize) -> Result<Vec<u8>, Unread> {
        let location = self.location(id);
        let range = GetRange::Bounded(0..FRONT_BYTES_MAX);
        let options = GetOptions { range: Some(range), ..GetOptions::default() };
        let start = self.objects.get_opts(&location, options).await?;
        let whole = start.meta.size;
        let start = start.bytes().await?;
        let range = locate(&start, whole, index).ok_or(Unread::Altered)?;
        // S3 knows no empty range.
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let (from, to) = (usize::try_from(range.start), usize::try_from(range.end));
        let within = from.ok().zip(to.ok()).and_then(|(from, to)| start.get(from..to));
        if let Some(part) = within {
            return Ok(part.to_vec());
        }
        let length = range.end - range.start;
        let part = self.objects.get_range(&location, range).await?;
        if part.len() as u64 == length { Ok(part.to_vec()) } else { Err(Unread::Altered) }
    }

    async fn delete_all(&self, needed: &dyn Fn(&UpdateId) -> bool) -> object_store::Result<()> {
        let mut listed = self.objects.list(Some(&self.prefix));
        let mut garbage = Vec::new();
        while let Some(object) = listed.try_next().await? {
            // What is not one of ours is left alone.
            if self.id_at(&object.location).is_some_and(|id| !needed(&id)) {
                garbage.push(Ok(object.location));
            }
        }
        let locations = futures::stream::iter(garbage).boxed();
        self.objects.delete_stream(locations).try_for_each(|_deleted| async { Ok(()) }).await
    }
}

/// Why a part was not read.
enum Unread {
    Altered,
    Failed(object_store::Error),
}

impl From<object_store::Error> for Unread {
    fn from(error: object_store::Error) -> Self {
        Self::Failed(error)
    }
}

impl UpdateStore for ObjectUpdates {
    fn part(&self, id: UpdateId, index: usize) -> Result<Vec<u8>, PartFault> {
        self.runtime.block_on(self.read(id, index)).map_err(|unread| match unread {
            Unread::Altered => PartFault::Altered,
            Unread::Failed(object_store::Error::NotFound { .. }) => PartFault::Missing,
            Unread::Failed(error) => {
                let what = format!("reading {}", self.location(id));
                let mut failure = self.failure.lock().expect("nothing panics while it is held");
                failure.get_or_insert(anyhow::Error::new(error).context(what));
                PartFault::Unavailable
            }
        })
    }
}

impl Updates for ObjectUpdates {
    fn keep(&self, kept: &KeptUpdate) -> anyhow::Result<()> {
        let location = self.location(kept.id);
        let front = std::iter::once(front(&kept.parts));
        let payload: PutPayload =
            front.chain(kept.parts.iter().cloned()).map(bytes::Bytes::from).collect();
        let put = self.runtime.block_on(self.objects.put(&location, payload));
        put.map(|_result| ()).with_context(|| format!("writing {location}"))
    }

    fn sweep(&self, needed: &dyn Fn(&UpdateId) -> bool) -> anyhow::Result<()> {
        let swept = self.runtime.block_on(self.delete_all(needed));
        swept.with_context(|| format!("deleting old updates under {}", self.prefix))
    }

    fn failure(&self) -> Option<anyhow::Error> {
        self.failure.lock().expect("nothing panics while it is held").take()
    }
}

#[cfg(test)]
mod tests;
