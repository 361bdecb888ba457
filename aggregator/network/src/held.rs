//! Answers that peers fetch in chunks, and chunks of answers that this process fetched.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    assembly::Assembly,
    config::Limits,
    decline::{Decline, DeclineReason},
    description::{Description, TransferId},
    payload::Payload,
    peer::PeerKey,
    uploads::IDLE,
};

/// When to come back if there is no room.
const RETRY: Duration = Duration::from_millis(500);

struct Held {
    message: Arc<Vec<u8>>,
    description: Description,
    /// To whom it was an answer, and who has not said that it is done: nobody else may fetch it.
    peers: BTreeSet<PeerKey>,
    touched: Instant,
}

/// Answers that were described and wait to be fetched. Equal answers are kept once, so that a model
/// for a thousand contributors is in memory once.
pub(crate) struct HeldAnswers {
    bytes_max: u64,
    expiry: Duration,
    answers: BTreeMap<TransferId, Held>,
    bytes: u64,
}

impl HeldAnswers {
    pub(crate) const fn new(limits: &Limits) -> Self {
        Self {
            bytes_max: limits.transfer_bytes_max,
            expiry: limits.transfer_expiry,
            answers: BTreeMap::new(),
            bytes: 0,
        }
    }

    /// Keeps an answer for `peer`. If there is no room, answers that nobody fetched for a while go.
    pub(crate) fn hold(
        &mut self,
        peer: PeerKey,
        message: Vec<u8>,
        description: Description,
        now: Instant,
    ) -> Result<(), Decline> {
        if let Some(held) = self.answers.get_mut(&description.id()) {
            held.peers.insert(peer);
            held.touched = now;
            return Ok(());
        }
        let added = message.len() as u64;
        if self.bytes + added > self.bytes_max {
            self.forget(IDLE, now);
        }
        // One answer is kept however large it is: it is in memory already.
        if self.bytes > 0 && self.bytes + added > self.bytes_max {
            // Not `Busy`, after which the peer would ask again without being told that it was heard.
            return Err(Decline::until(DeclineReason::AnswerUnheld, RETRY));
        }
        self.bytes += added;
        let id = description.id();
        let (message, peers) = (Arc::new(message), BTreeSet::from([peer]));
        self.answers.insert(id, Held { message, description, peers, touched: now });
        Ok(())
    }

    /// One chunk of an answer to `peer`.
    pub(crate) fn chunk(
        &mut self,
        peer: PeerKey,
        id: TransferId,
        index: u32,
        now: Instant,
    ) -> Result<Payload, Decline> {
        let held = self.answers.get_mut(&id).filter(|held| held.peers.contains(&peer));
        let held = held.ok_or(Decline::new(DeclineReason::TransferUnknown))?;
        let range = held.description.chunk_range(index);
        let range = range.ok_or(Decline::new(DeclineReason::ChunkMisplaced))?;
        held.touched = now;
        Ok(Payload::part(Arc::clone(&held.message), range))
    }

    /// Forgets an answer that `peer` has whole, once all have.
    pub(crate) fn done(&mut self, peer: PeerKey, id: TransferId) {
        let Some(held) = self.answers.get_mut(&id) else { return };
        held.peers.remove(&peer);
        if held.peers.is_empty() {
            self.bytes -= held.message.len() as u64;
            self.answers.remove(&id);
        }
    }

    /// Forgets what was not touched for long.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.forget(self.expiry, now);
    }

    fn forget(&mut self, age: Duration, now: Instant) {
        self.answers.retain(|_, held| now.saturating_duration_since(held.touched) < age);
        self.bytes = self.answers.values().map(|held| held.message.len() as u64).sum();
    }

    /// Whether an answer was asked for within `span`.
    pub(crate) fn is_active(&self, span: Duration, now: Instant) -> bool {
        self.answers.values().any(|held| now.saturating_duration_since(held.touched) < span)
    }

    /// Bytes that are kept.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Chunks of answers whose transfer was given up, for the case that the same answer is asked for
/// again.
#[derive(Debug, Default)]
pub(crate) struct Downloads {
    kept: BTreeMap<(PeerKey, TransferId), (Assembly, Instant)>,
}

impl Downloads {
    /// What is there of an answer, and of it alone: others of this peer are stale.
    pub(crate) fn take(&mut self, peer: PeerKey, description: &Description) -> Assembly {
        let kept = self.kept.remove(&(peer, description.id()));
        kept.map_or_else(|| Assembly::new(description.clone()), |(assembly, _)| assembly)
    }

    /// Keeps what has come; the oldest make room, beyond `bytes_max` in all.
    pub(crate) fn keep(&mut self, peer: PeerKey, assembly: Assembly, bytes_max: u64, now: Instant) {
        self.kept.insert((peer, assembly.description().id()), (assembly, now));
        while self.bytes() > bytes_max {
            let oldest = self.kept.iter().min_by_key(|(_, (_, at))| *at);
            let Some(oldest) = oldest.map(|(key, _)| *key) else { break };
            self.kept.remove(&oldest);
        }
    }

    /// Forgets what is older than `expiry`.
    pub(crate) fn expire(&mut self, expiry: Duration, now: Instant) {
        self.kept.retain(|_, (_, at)| now.saturating_duration_since(*at) < expiry);
    }

    /// Bytes that are kept.
    pub(crate) fn bytes(&self) -> u64 {
        self.kept.values().map(|(assembly, _)| assembly.bytes()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::CHUNK_BYTES;

    fn peer(seed: u8) -> PeerKey {
        PeerKey::from_bytes([seed; 32])
    }

    fn answers(chunks: u64) -> HeldAnswers {
        HeldAnswers::new(&Limits {
            transfer_bytes_max: chunks * u64::from(CHUNK_BYTES),
            ..Limits::default()
        })
    }

    fn message(fill: u8) -> (Vec<u8>, Description) {
        let message = vec![fill; 2 * CHUNK_BYTES as usize];
        let description = Description::of(&message).unwrap();
        (message, description)
    }

    #[test]
    fn equal_answers_are_kept_once_and_until_all_have_them() {
        let (mut held, now) = (answers(4), Instant::now());
        let (body, description) = message(1);
        let id = description.id();
        for seed in 0..100 {
            held.hold(peer(seed), body.clone(), description.clone(), now).unwrap();
        }
        assert_eq!(held.bytes(), body.len() as u64);
        assert!(held.chunk(peer(3), id, 1, now).unwrap().as_slice() == &body[262_144..]);
        for seed in 0..100 {
            held.done(peer(seed), id);
        }
        assert_eq!(held.bytes(), 0);
    }

    #[test]
    fn nobody_else_fetches_an_answer_and_no_chunk_lies_outside() {
        let (mut held, now) = (answers(4), Instant::now());
        let (body, description) = message(1);
        let id = description.id();
        held.hold(peer(1), body, description, now).unwrap();
        let reason = |chunk: Result<Payload, Decline>| chunk.unwrap_err().reason;
        let stranger = held.chunk(peer(2), id, 0, now);
        assert_eq!(reason(stranger), DeclineReason::TransferUnknown);
        assert_eq!(reason(held.chunk(peer(1), id, 2, now)), DeclineReason::ChunkMisplaced);
        held.done(peer(1), id);
        assert_eq!(reason(held.chunk(peer(1), id, 0, now)), DeclineReason::TransferUnknown);
    }

    #[test]
    fn without_room_an_answer_waits_until_another_is_idle() {
        let (mut held, now) = (answers(3), Instant::now());
        let ((one, first), (two, second)) = (message(1), message(2));
        held.hold(peer(1), one, first, now).unwrap();
        let refused = held.hold(peer(2), two.clone(), second.clone(), now).unwrap_err();
        assert_eq!((refused.reason, refused.retry_ms), (DeclineReason::AnswerUnheld, 500));
        held.hold(peer(2), two, second, now + IDLE).unwrap();
        assert_eq!(held.bytes(), 2 * u64::from(CHUNK_BYTES));
    }

    #[test]
    fn one_answer_is_held_however_large_and_expires() {
        let (mut held, now) = (answers(1), Instant::now());
        let (body, description) = message(1);
        held.hold(peer(1), body, description, now).unwrap();
        held.expire(now + Limits::default().transfer_expiry);
        assert_eq!(held.bytes(), 0);
    }

    #[test]
    fn kept_chunks_serve_the_same_answer_only_and_the_oldest_make_room() {
        let (mut downloads, now) = (Downloads::default(), Instant::now());
        let chunk_bytes = u64::from(CHUNK_BYTES);
        for fill in 1..=3 {
            let (body, description) = message(fill);
            let mut assembly = Assembly::new(description);
            assembly.place(0, Payload::part(Arc::new(body), 0..CHUNK_BYTES as usize)).unwrap();
            let at = now + Duration::from_secs(fill.into());
            downloads.keep(peer(1), assembly, 2 * chunk_bytes, at);
        }
        assert_eq!(downloads.bytes(), 2 * chunk_bytes);
        assert_eq!(downloads.take(peer(1), &message(1).1).bytes(), 0);
        assert_eq!(downloads.take(peer(2), &message(2).1).bytes(), 0);
        assert_eq!(downloads.take(peer(1), &message(2).1).missing(), [1]);
        downloads.expire(Duration::from_secs(10), now + Duration::from_secs(13));
        assert_eq!(downloads.bytes(), 0);
    }
}
