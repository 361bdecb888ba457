//! Requests that peers send in chunks.
//!
//! Threat: peers that announce much and send nothing, or send much and finish nothing. Only bytes
//! that came and were verified count. When they are too many, whoever has been silent for
//! [`IDLE`] makes room first, then whoever has sent least; so the one that is furthest always ends,
//! and what is given up is what cost its sender least.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use crate::{
    assembly::{Assembly, ChunkError, Placed},
    config::Limits,
    decline::{Decline, DeclineReason},
    description::{Description, TransferId},
    payload::Payload,
    peer::PeerKey,
};

/// A transfer without a new chunk for so long makes room for others; also what a peer is told to wait
/// that finds none.
pub(crate) const IDLE: Duration = Duration::from_secs(30);
/// Slowest line that is served, as on the sending side (`transfer.rs`).
const BYTES_PER_SECOND_MIN: u64 = 16 << 10;
/// When to come back if there is no room.
const RETRY: Duration = Duration::from_millis(500);
/// Descriptions at a time, whoever announced them: each is up to 13 KB for a message of 100 MB.
const TRANSFERS_MAX: usize = 1024;

/// The key of a transfer: peers cannot see, continue or spoil each other's.
type Key = (PeerKey, TransferId);

#[derive(Debug)]
struct Upload {
    assembly: Assembly,
    begun: Instant,
    /// When the last new chunk came; at first, when it began.
    touched: Instant,
    /// Handed to the inbox before. It is kept for a peer that lost the answer and asks again, and
    /// makes room first.
    committed: bool,
}

impl Upload {
    /// Whether it takes longer than the slowest line that is served.
    ///
    /// Threat: a peer with many keys that drips a chunk into each of many transfers, none of which ever ends.
    fn is_overdue(&self, now: Instant) -> bool {
        let seconds = u64::from(self.assembly.description().length()) / BYTES_PER_SECOND_MIN;
        now.saturating_duration_since(self.begun) >= IDLE * 2 + Duration::from_secs(seconds)
    }
}

/// The transfers of all peers.
#[derive(Debug)]
pub(crate) struct Uploads {
    bytes_max: u64,
    per_peer_max: usize,
    message_bytes_max: u32,
    expiry: Duration,
    transfers: BTreeMap<Key, Upload>,
    bytes: u64,
    evicted: u64,
}

impl Uploads {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            bytes_max: limits.transfer_bytes_max,
            per_peer_max: limits.transfers_per_peer_max.into(),
            message_bytes_max: limits.request_bytes_max,
            expiry: limits.transfer_expiry,
            transfers: BTreeMap::new(),
            bytes: 0,
            evicted: 0,
        }
    }

    /// Opens a transfer, or finds the one that was interrupted. Returns which chunks are there.
    pub(crate) fn offer(
        &mut self,
        peer: PeerKey,
        description: Description,
        now: Instant,
    ) -> Result<Vec<u8>, Decline> {
        if description.length() > self.message_bytes_max {
            return Err(Decline::too_large(self.message_bytes_max));
        }
        let key = (peer, description.id());
        if !self.transfers.contains_key(&key) {
            self.open(key, Assembly::new(description), now)?;
        }
        // Only chunks count as a sign of life: who offers again and again keeps no place by it.
        let upload = self.transfers.get(&key).ok_or(unknown())?;
        Ok(upload.assembly.bitmap())
    }

    fn open(&mut self, key: Key, assembly: Assembly, now: Instant) -> Result<(), Decline> {
        let of_peer = self.transfers.iter().filter(|((peer, _), _)| *peer == key.0);
        if of_peer.clone().count() >= self.per_peer_max {
            // A peer's own older transfer, rather than another peer's.
            let oldest = of_peer.min_by_key(|(_, upload)| (!upload.committed, upload.touched));
            let oldest = oldest.map(|(key, _)| *key).ok_or(busy())?;
            self.remove(&oldest);
        }
        if self.bytes >= self.bytes_max && !self.make_room(&key, 0, now) {
            return Err(busy());
        }
        // Announcements of which nothing came, the oldest first, keep nobody out.
        if self.transfers.len() >= TRANSFERS_MAX && !self.make_room(&key, 1, now) {
            return Err(busy());
        }
        let upload = Upload { assembly, begun: now, touched: now, committed: false };
        self.transfers.insert(key, upload);
        Ok(())
    }

    /// Whether this transfer was begun before.
    pub(crate) fn is_known(&self, peer: PeerKey, id: TransferId) -> bool {
        self.transfers.contains_key(&(peer, id))
    }

    /// Takes a chunk.
    pub(crate) fn put(
        &mut self,
        peer: PeerKey,
        id: TransferId,
        index: u32,
        chunk: Payload,
        now: Instant,
    ) -> Result<Placed, Decline> {
        let key = (peer, id);
        let upload = self.transfers.get_mut(&key).ok_or(unknown())?;
        let checked = upload.assembly.check(index, chunk.as_slice());
        if checked.map_err(|error| refusal(&error))? == Placed::Duplicate {
            return Ok(Placed::Duplicate);
        }
        let (sent, added) = (upload.assembly.bytes(), chunk.len() as u64);
        while self.bytes > 0 && self.bytes + added > self.bytes_max {
            if !self.make_room(&key, sent, now) {
                return Err(busy());
            }
        }
        let upload = self.transfers.get_mut(&key).ok_or(unknown())?;
        upload.assembly.keep(index, chunk);
        upload.touched = now;
        self.bytes += added;
        Ok(Placed::New)
    }

    /// Gives the whole request out; cheap, the chunks are shared.
    pub(crate) fn commit(
        &mut self,
        peer: PeerKey,
        id: TransferId,
        now: Instant,
    ) -> Result<Assembly, Decline> {
        let upload = self.transfers.get_mut(&(peer, id)).ok_or(unknown())?;
        if !upload.assembly.is_complete() {
            return Err(unknown());
        }
        upload.touched = now;
        upload.committed = true;
        Ok(upload.assembly.clone())
    }

    /// Gives up one other transfer: one that was handed on already, one that is silent, or one with
    /// less than `sent` bytes, in this order. Returns whether there was one.
    fn make_room(&mut self, for_whom: &Key, sent: u64, now: Instant) -> bool {
        let others = self.transfers.iter().filter(|(key, _)| *key != for_whom);
        let idle = |upload: &Upload| {
            now.saturating_duration_since(upload.touched) >= IDLE || upload.is_overdue(now)
        };
        let rank = |upload: &Upload| {
            (!upload.committed, !idle(upload), upload.assembly.bytes(), upload.touched)
        };
        let given_up = others
            .filter(|(_, upload)| {
                upload.committed || idle(upload) || upload.assembly.bytes() < sent
            })
            .min_by_key(|(_, upload)| rank(upload))
            .map(|(key, _)| *key);
        given_up.is_some_and(|key| self.remove(&key))
    }

    /// Forgets what was not touched for long.
    pub(crate) fn expire(&mut self, now: Instant) {
        let age = |upload: &Upload| now.saturating_duration_since(upload.touched);
        let old = self.transfers.iter().filter(|(_, upload)| age(upload) >= self.expiry);
        for key in old.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.remove(&key);
        }
    }

    fn remove(&mut self, key: &Key) -> bool {
        let Some(removed) = self.transfers.remove(key) else { return false };
        self.bytes -= removed.assembly.bytes();
        self.evicted += u64::from(!removed.committed);
        true
    }

    /// Whether a transfer got a chunk within `span`.
    pub(crate) fn is_active(&self, span: Duration, now: Instant) -> bool {
        let active = |upload: &Upload| now.saturating_duration_since(upload.touched) < span;
        self.transfers.values().any(|upload| !upload.committed && active(upload))
    }

    /// Bytes that are kept.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Transfers that were given up before they were whole.
    pub(crate) const fn evicted(&self) -> u64 {
        self.evicted
    }
}

const fn unknown() -> Decline {
    Decline::new(DeclineReason::TransferUnknown)
}

fn busy() -> Decline {
    Decline::until(DeclineReason::Busy, RETRY)
}

const fn refusal(error: &ChunkError) -> Decline {
    Decline::new(match error {
        ChunkError::Corrupt { .. } => DeclineReason::ChunkCorrupt,
        ChunkError::OutOfRange { .. } | ChunkError::Length { .. } => DeclineReason::ChunkMisplaced,
    })
}

#[cfg(test)]
mod tests;
