use super::*;
use crate::description::CHUNK_BYTES;

const CHUNK: usize = CHUNK_BYTES as usize;

fn peer(seed: u8) -> PeerKey {
    PeerKey::from_bytes([seed; 32])
}

/// A message of four chunks, another one for each `fill`.
fn message(fill: u8) -> Vec<u8> {
    let mut message = vec![fill; 4 * CHUNK];
    for index in 0..4 {
        message[index * CHUNK] = u8::try_from(index).unwrap();
    }
    message
}

fn chunk(message: &[u8], index: u32) -> Payload {
    message.chunks(CHUNK).nth(index as usize).unwrap().to_vec().into()
}

/// Room for six chunks.
fn uploads() -> Uploads {
    Uploads::new(&Limits {
        request_bytes_max: 8 << 20,
        transfer_bytes_max: 6 * u64::from(CHUNK_BYTES),
        transfers_per_peer_max: 2,
        transfer_expiry: Duration::from_secs(600),
        ..Limits::default()
    })
}

struct Sender {
    peer: PeerKey,
    message: Vec<u8>,
    id: TransferId,
}

impl Sender {
    fn open(uploads: &mut Uploads, seed: u8, now: Instant) -> Self {
        let message = message(seed);
        let description = Description::of(&message).unwrap();
        let id = description.id();
        uploads.offer(peer(seed), description, now).unwrap();
        Self { peer: peer(seed), message, id }
    }

    fn put(&self, uploads: &mut Uploads, index: u32, now: Instant) -> Result<Placed, Decline> {
        uploads.put(self.peer, self.id, index, chunk(&self.message, index), now)
    }
}

#[test]
fn announcements_cost_nothing_of_the_bytes() {
    let (mut uploads, now) = (uploads(), Instant::now());
    for seed in 0..200 {
        Sender::open(&mut uploads, seed, now);
    }
    assert_eq!(uploads.bytes(), 0);
    let sender = Sender::open(&mut uploads, 201, now);
    for index in 0..4 {
        assert_eq!(sender.put(&mut uploads, index, now), Ok(Placed::New));
    }
    assert!(uploads.commit(sender.peer, sender.id, now).unwrap().message() == Some(message(201)));
}

#[test]
fn announcements_of_many_keep_nobody_out() {
    let (mut uploads, now) = (uploads(), Instant::now());
    let description = Description::of(&message(1)).unwrap();
    for i in 0..3 * u32::try_from(TRANSFERS_MAX).unwrap() {
        let mut key = [9; 32];
        key[..4].copy_from_slice(&i.to_be_bytes());
        uploads.offer(PeerKey::from_bytes(key), description.clone(), now).unwrap();
    }
    assert_eq!(uploads.transfers.len(), TRANSFERS_MAX);
    let sender = Sender::open(&mut uploads, 2, now);
    assert_eq!(sender.put(&mut uploads, 0, now), Ok(Placed::New));
}

#[test]
fn request_over_the_limit_is_refused_with_the_limit() {
    let description = Description::of(&vec![1; (8 << 20) + 1]).unwrap();
    let refused = uploads().offer(peer(1), description, Instant::now());
    assert_eq!(refused, Err(Decline::too_large(8 << 20)));
}

#[test]
fn interrupted_transfer_is_found_again_by_its_peer_alone() {
    let (mut uploads, now) = (uploads(), Instant::now());
    let sender = Sender::open(&mut uploads, 1, now);
    sender.put(&mut uploads, 2, now).unwrap();
    let description = Description::of(&sender.message).unwrap();
    assert_eq!(uploads.offer(peer(1), description.clone(), now), Ok(vec![0b0100]));
    assert_eq!(uploads.offer(peer(2), description, now), Ok(vec![0]));
    let spoilt = uploads.put(peer(3), sender.id, 0, chunk(&sender.message, 0), now);
    assert_eq!(spoilt, Err(unknown()));
}

#[test]
fn whoever_sent_least_makes_room_and_the_furthest_one_ends() {
    let (mut uploads, now) = (uploads(), Instant::now());
    let (near, far) = (Sender::open(&mut uploads, 1, now), Sender::open(&mut uploads, 2, now));
    for index in 0..3 {
        far.put(&mut uploads, index, now).unwrap();
        near.put(&mut uploads, index, now).unwrap();
    }
    // Six chunks are kept. Both sent as much: nobody makes room, both come back later.
    assert_eq!(far.put(&mut uploads, 3, now).unwrap_err().reason, DeclineReason::Busy);
    // After a while of silence one of them does.
    assert_eq!(far.put(&mut uploads, 3, now + IDLE), Ok(Placed::New));
    assert_eq!(near.put(&mut uploads, 3, now + IDLE), Err(unknown()));
    assert_eq!((uploads.bytes(), uploads.evicted()), (4 * u64::from(CHUNK_BYTES), 1));
    assert!(uploads.commit(far.peer, far.id, now + IDLE).is_ok());
}

#[test]
fn one_who_sent_less_makes_room_at_once() {
    let (mut uploads, now) = (uploads(), Instant::now());
    let (a, b) = (Sender::open(&mut uploads, 1, now), Sender::open(&mut uploads, 2, now));
    let c = Sender::open(&mut uploads, 3, now);
    for (sender, count) in [(&a, 1), (&b, 2), (&c, 3)] {
        for index in 0..count {
            sender.put(&mut uploads, index, now).unwrap();
        }
    }
    assert_eq!(a.put(&mut uploads, 3, now).unwrap_err().reason, DeclineReason::Busy);
    assert_eq!(c.put(&mut uploads, 3, now), Ok(Placed::New));
    assert_eq!(a.put(&mut uploads, 3, now), Err(unknown()));
}

#[test]
fn request_is_kept_after_its_answer_was_lost_until_others_need_the_room() {
    let (mut uploads, now) = (uploads(), Instant::now());
    let first = Sender::open(&mut uploads, 1, now);
    for index in 0..4 {
        first.put(&mut uploads, index, now).unwrap();
    }
    uploads.commit(first.peer, first.id, now).unwrap();
    let description = Description::of(&first.message).unwrap();
    assert_eq!(uploads.offer(first.peer, description, now), Ok(vec![0b1111]));
    assert!(uploads.commit(first.peer, first.id, now).is_ok());
    let second = Sender::open(&mut uploads, 2, now);
    for index in 0..4 {
        assert_eq!(second.put(&mut uploads, index, now), Ok(Placed::New));
    }
    // It was handed on: nothing was lost.
    assert_eq!(uploads.evicted(), 0);
}

#[test]
fn third_transfer_of_a_peer_replaces_its_oldest() {
    let (mut uploads, now) = (uploads(), Instant::now());
    let later = now + Duration::from_secs(1);
    let ids = [(1, now), (2, later), (3, later)].map(|(fill, at)| {
        let description = Description::of(&message(fill)).unwrap();
        let id = description.id();
        uploads.offer(peer(9), description, at).unwrap();
        id
    });
    let put = uploads.put(peer(9), ids[0], 0, chunk(&message(1), 0), later);
    assert_eq!(put, Err(unknown()));
    assert!(uploads.put(peer(9), ids[1], 0, chunk(&message(2), 0), later).is_ok());
}

#[test]
fn forgotten_transfers_expire_with_their_bytes() {
    let (mut uploads, now) = (uploads(), Instant::now());
    let sender = Sender::open(&mut uploads, 1, now);
    sender.put(&mut uploads, 0, now).unwrap();
    uploads.expire(now + Duration::from_secs(599));
    assert_eq!(uploads.bytes(), u64::from(CHUNK_BYTES));
    uploads.expire(now + Duration::from_secs(600));
    assert_eq!(uploads.bytes(), 0);
    assert_eq!(sender.put(&mut uploads, 1, now), Err(unknown()));
}

#[test]
fn wrong_chunks_are_refused_by_name_and_an_incomplete_request_is_not_handed_on() {
    let (mut uploads, now) = (uploads(), Instant::now());
    let sender = Sender::open(&mut uploads, 1, now);
    let mut put =
        |index, chunk| uploads.put(sender.peer, sender.id, index, chunk, now).unwrap_err().reason;
    assert_eq!(put(0, chunk(&sender.message, 1)), DeclineReason::ChunkCorrupt);
    assert_eq!(put(4, chunk(&sender.message, 0)), DeclineReason::ChunkMisplaced);
    assert_eq!(put(0, Payload::from(vec![0; 7])), DeclineReason::ChunkMisplaced);
    assert_eq!(uploads.bytes(), 0);
    assert!(uploads.commit(sender.peer, sender.id, now).is_err());
}
