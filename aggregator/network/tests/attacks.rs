//! Peers that attack transfers, versions and rates.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what failed by where it failed"
)]

mod hostile;
#[path = "hostile/server.rs"]
mod server;
mod support;

use std::time::Duration;

use aggregator_network::{Address, DeclineReason, Inbox, Limits, Link, RequestError, Transport};
use tokio::time::{Instant, timeout};

use crate::{
    hostile::RawPeer,
    server::serve_raw,
    support::{TEST_TIMEOUT, answer_reversed, asker, listener, small},
};

const CHUNK: usize = 256 << 10;
const PROTOCOL: &str = "/sahakar/round/2";
const VERSIONS: &str = "/sahakar/versions/1";

fn limits() -> Limits {
    Limits { request_bytes_max: 4 << 20, response_bytes_max: 4 << 20, ..small() }
}

fn frame(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = u32::try_from(body.len() + 1).unwrap().to_be_bytes();
    [&length[..], &[kind], &body].concat()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}

/// A message of two chunks, the second one of three bytes.
fn message() -> Vec<u8> {
    let mut message = vec![7; CHUNK + 3];
    message[CHUNK] = 8;
    message
}

fn description(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let digests: Vec<u8> = message.chunks(CHUNK).flat_map(sha256).collect();
    [&length[..], &[0, 4, 0, 0], &digests].concat()
}

fn id(description: &[u8]) -> [u8; 32] {
    sha256(&[b"sahakar network transfer 1", description].concat())
}

fn put(id: &[u8], index: u32, chunk: &[u8]) -> Vec<u8> {
    frame(2, &[id, &index.to_be_bytes(), chunk])
}

/// The reason that a peer was told.
fn reason(answer: Option<Vec<u8>>) -> DeclineReason {
    match answer.as_deref() {
        Some([0, 0, 0, 10, 4, code, ..]) => DeclineReason::ALL[usize::from(*code) - 1],
        other => panic!("no refusal: {other:?}"),
    }
}

async fn served() -> (Link, Inbox, Address) {
    listener(1, Transport::Tcp, limits()).await
}

#[tokio::test]
async fn chunks_that_are_wrong_are_refused_by_reason_and_the_right_ones_taken() {
    let (server, inbox, address) = served().await;
    answer_reversed(inbox);
    let mut peer = RawPeer::connect(&address.to_string(), PROTOCOL).await;
    let (message, described) = (message(), description(&message()));
    let id = id(&described);
    let (first, last) = message.split_at(CHUNK);
    assert_eq!(reason(peer.send(&put(&id, 0, first)).await), DeclineReason::TransferUnknown);
    assert_eq!(peer.send(&frame(1, &[&described])).await.unwrap(), frame(2, &[&[0]]));
    for (chunk, expected) in [
        (put(&id, 2, last), DeclineReason::ChunkMisplaced), // out of range
        (put(&id, u32::MAX, last), DeclineReason::ChunkMisplaced), // far out of range
        (put(&id, 0, last), DeclineReason::ChunkMisplaced), // wrong length
        (put(&id, 0, &[]), DeclineReason::ChunkMisplaced),  // nothing
        (put(&id, 1, &[9, 9, 9]), DeclineReason::ChunkCorrupt), // wrong bytes
        (put(&[3; 32], 1, last), DeclineReason::TransferUnknown), // another's digest halfway
    ] {
        assert_eq!(reason(peer.send(&chunk).await), expected);
    }
    // Not whole yet.
    assert_eq!(reason(peer.send(&frame(3, &[&id])).await), DeclineReason::TransferUnknown);
    for chunk in [put(&id, 1, last), put(&id, 1, last), put(&id, 1, last), put(&id, 0, first)] {
        assert_eq!(peer.send(&chunk).await.unwrap(), frame(5, &[]));
    }
    let metrics = server.metrics();
    assert_eq!((metrics.chunks_in, metrics.chunks_corrupt), (2, 1));
    // The answer is as long as the request: it is described, and its chunks are asked for.
    let reversed: Vec<u8> = message.iter().rev().copied().collect();
    let expected = description(&reversed);
    assert_eq!(peer.send(&frame(3, &[&id])).await.unwrap(), frame(1, &[&expected]));
    let id = sha256(&[b"sahakar network transfer 1", &expected[..]].concat());
    let get = |index: u32| frame(4, &[&id, &index.to_be_bytes()]);
    assert_eq!(peer.send(&get(1)).await.unwrap(), frame(3, &[&reversed[CHUNK..]]));
    assert_eq!(reason(peer.send(&get(2)).await), DeclineReason::ChunkMisplaced);
    // Nobody else gets it.
    let mut other = RawPeer::connect(&address.to_string(), PROTOCOL).await;
    assert_eq!(reason(other.send(&get(0)).await), DeclineReason::TransferUnknown);
}

#[tokio::test]
async fn announcements_that_lie_are_refused_and_cost_nothing() {
    let (server, inbox, address) = served().await;
    answer_reversed(inbox);
    let mut peer = RawPeer::connect(&address.to_string(), PROTOCOL).await;
    let good = description(&message());
    let mut longer = good.clone();
    longer[..4].copy_from_slice(&u32::MAX.to_be_bytes());
    let mut small_chunks = good.clone();
    small_chunks[4..8].copy_from_slice(&1_u32.to_be_bytes());
    for lie in [&longer[..], &small_chunks, &good[..good.len() - 1], &[], &good[..8]] {
        assert_eq!(peer.send(&frame(1, &[lie])).await, None);
    }
    // Ten gigabytes cannot even be written down; four are refused with the limit.
    let four = [&u32::MAX.to_be_bytes()[..], &[0, 4, 0, 0], &vec![1; 32 * 16_384]].concat();
    assert_eq!(reason(peer.send(&frame(1, &[&four])).await), DeclineReason::TooLarge);
    // Announced by a hundred peers, and nothing sent.
    for _ in 0..20 {
        let mut peer = RawPeer::connect(&address.to_string(), PROTOCOL).await;
        for fill in 0..5 {
            let described = description(&vec![fill; 4 << 20]);
            assert!(peer.send(&frame(1, &[&described])).await.is_some());
        }
        if server.metrics().connections > 10 {
            break;
        }
    }
    let client = asker(2, limits()).await;
    let answer = timeout(TEST_TIMEOUT, client.request(&address, vec![5; 3 << 20])).await.unwrap();
    assert_eq!(answer.unwrap().len(), 3 << 20);
}

#[tokio::test]
async fn slow_loris_has_its_own_places_only() {
    let (_server, inbox, address) =
        listener(1, Transport::Tcp, Limits { inbound_requests_per_peer_max: 2, ..limits() }).await;
    answer_reversed(inbox);
    let mut loris = RawPeer::connect(&address.to_string(), PROTOCOL).await;
    let described = description(&message());
    assert!(loris.send(&frame(1, &[&described])).await.is_some());
    // Chunks of which only the beginning comes; the raw peer ends its side, so what is missing is
    // known at once. What hangs is tested where the codec is.
    let whole = put(&id(&described), 0, &message()[..CHUNK]);
    for _ in 0..20 {
        loris.begin(&whole[..1000]);
    }
    let client = asker(2, limits()).await;
    let answer = timeout(TEST_TIMEOUT, client.request(&address, vec![1, 2])).await.unwrap();
    assert_eq!(answer.unwrap(), [2, 1]);
    for _ in 0..20 {
        // Cut off, or told that it has no place.
        let answer = timeout(TEST_TIMEOUT, loris.answer()).await.unwrap();
        assert!(answer.is_none() || reason(answer) == DeclineReason::Busy);
    }
}

#[tokio::test]
async fn flood_is_told_to_come_back_and_then_dropped_and_others_are_served() {
    let limits = Limits { requests_per_second_max: 5, inbound_requests_max: 64, ..limits() };
    let (server, inbox, address) = listener(1, Transport::Tcp, limits.clone()).await;
    answer_reversed(inbox);
    let mut flood = RawPeer::connect(&address.to_string(), PROTOCOL).await;
    let (mut served, mut told, mut dropped) = (0, 0, 0);
    for _ in 0..200 {
        match flood.send(&frame(0, &[&[1, 2]])).await.as_deref() {
            Some([0, 0, 0, 3, 0, 2, 1]) => served += 1,
            Some([0, 0, 0, 10, 4, 2, retry @ .., 0, 0, 0, 0]) => {
                assert_ne!(retry, [0; 4], "it is told when");
                told += 1;
            }
            None => dropped += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(served >= 10 && told >= 32 && dropped > 0, "{served} {told} {dropped}");
    assert_eq!(server.metrics().declined(DeclineReason::RequestRate), told);
    let client = asker(2, limits).await;
    assert_eq!(client.request(&address, vec![1, 2]).await.unwrap(), [2, 1]);
}

#[tokio::test]
async fn peer_that_corrupts_chunks_is_named() {
    let (described, mut asked) = (description(&message()), 0);
    let address = serve_raw(&[PROTOCOL], move |ask| match ask[4] {
        0 => frame(1, &[&described]),
        _ if ask[4 + 1 + 32 + 3] == 0 => {
            asked += 1;
            let mut chunk = message()[..CHUNK].to_vec();
            chunk[asked] = 0;
            frame(3, &[&chunk])
        }
        _ => frame(3, &[&message()[CHUNK..]]),
    })
    .await;
    let client = asker(2, limits()).await;
    let address: Address = address.parse().unwrap();
    let refused = timeout(TEST_TIMEOUT, client.request(&address, vec![1])).await.unwrap();
    let Err(RequestError::ChunkCorrupt { peer, index: 0, attempts: 3 }) = refused else {
        panic!("it was not named: {refused:?}")
    };
    assert_eq!(peer, address.peer());
    assert_eq!(client.metrics().chunks_corrupt, 3);
}

#[tokio::test]
async fn chunk_that_is_corrupted_once_is_asked_for_again() {
    let (described, mut is_first) = (description(&message()), true);
    let address = serve_raw(&[PROTOCOL], move |ask| match ask[4] {
        0 => frame(1, &[&described]),
        4 if ask[40] == 0 => {
            let mut chunk = message()[..CHUNK].to_vec();
            chunk[5] ^= u8::from(std::mem::take(&mut is_first));
            frame(3, &[&chunk])
        }
        4 => frame(3, &[&message()[CHUNK..]]),
        _ => frame(5, &[]),
    })
    .await;
    let client = asker(2, limits()).await;
    let address = address.parse().unwrap();
    let answer = client.request(&address, vec![1]);
    assert!(timeout(TEST_TIMEOUT, answer).await.unwrap().unwrap() == message());
    assert_eq!(client.metrics().chunks_corrupt, 1);
}

#[tokio::test]
async fn answers_that_are_none_end_the_request() {
    let four = [&u32::MAX.to_be_bytes()[..], &[0, 4, 0, 0], &vec![1; 32 * 16_384]].concat();
    let lies = [
        frame(5, &[]),                          // acknowledged instead of answered
        frame(3, &[&[1]]),                      // a chunk of nothing
        frame(9, &[]),                          // an unknown kind
        frame(1, &[&[0, 0, 0, 9, 0, 4, 0, 0]]), // a description without digests
        frame(4, &[&[0; 9]]),                   // an unknown reason
    ];
    for lie in lies {
        let address = serve_raw(&[PROTOCOL], move |_| lie.clone()).await.parse().unwrap();
        let client = asker(2, limits()).await;
        let refused = timeout(TEST_TIMEOUT, client.request(&address, vec![1])).await.unwrap();
        assert!(matches!(refused, Err(RequestError::Misbehaved { .. })), "{refused:?}");
    }
    let address = serve_raw(&[PROTOCOL], move |_| frame(1, &[&four])).await.parse().unwrap();
    let client = asker(2, limits()).await;
    let refused = timeout(TEST_TIMEOUT, client.request(&address, vec![1])).await.unwrap();
    let Err(RequestError::ResponseTooLarge { length, limit }) = refused else {
        panic!("it was begun: {refused:?}")
    };
    assert_eq!((length, limit), (u64::from(u32::MAX), 4 << 20));
}

#[tokio::test]
async fn peer_that_never_takes_a_chunk_ends_the_request() {
    let limits = Limits { request_timeout: Duration::from_millis(500), ..limits() };
    let address = serve_raw(&[PROTOCOL], |ask| match ask[4] {
        1 => frame(2, &[&[0]]),
        _ => frame(4, &[&[1, 0, 0, 0, 1, 0, 0, 0, 0]]), // busy, for ever
    })
    .await;
    let client = asker(2, limits).await;
    let begun = Instant::now();
    let address = address.parse().unwrap();
    let refused = client.request(&address, message());
    let refused = timeout(TEST_TIMEOUT, refused).await.unwrap();
    let is_busy =
        matches!(refused, Err(RequestError::Deferred { reason: DeclineReason::Busy, .. }));
    assert!(is_busy && begun.elapsed() < Duration::from_secs(10), "{refused:?}");
}

#[tokio::test]
async fn older_and_newer_peers_tell_each_other_what_they_speak() {
    // We ask a newer one, which tells its versions in the protocol that never changes.
    let told = vec![0, 0, 0, 5, 2, 0, 3, 0, 4];
    let address = serve_raw(&["/sahakar/round/4", VERSIONS], move |ask| {
        assert_eq!(ask, [0, 0, 0, 3, 1, 0, 2], "it is told ours");
        told.clone()
    })
    .await;
    let client = asker(2, limits()).await;
    let refused = client.request(&address.parse().unwrap(), vec![1]).await.unwrap_err();
    let expected =
        "this program speaks version 2 of the protocol, the peer 3, 4: update this program";
    assert_eq!(refused.to_string(), expected);
    assert!(refused.is_final());
    assert_eq!(client.metrics().versions_differing, 1);

    // An older one asks us.
    let (server, _inbox, address) = served().await;
    let mut old = RawPeer::connect(&address.to_string(), VERSIONS).await;
    let answer = old.send(&[0, 0, 0, 3, 1, 0, 1]).await;
    assert_eq!(answer, Some(vec![0, 0, 0, 3, 1, 0, 2]));
    assert_eq!(server.metrics().versions_differing, 1);
    // And nonsense is not answered.
    assert_eq!(old.send(&[0, 0, 0, 3, 9, 0, 1]).await, None);
}

#[tokio::test]
async fn peer_from_before_versions_were_told_is_said_to_be_old() {
    let address = serve_raw(&["/sahakar/round/1"], |_| vec![1]).await;
    let client = asker(2, limits()).await;
    let refused = client.request(&address.parse().unwrap(), vec![1]).await.unwrap_err();
    assert!(matches!(refused, RequestError::UnsupportedProtocol) && refused.is_final());
    assert!(refused.to_string().contains("version 2"), "{refused}");
    // The other way round: it is not served, and others are.
    let (_server, inbox, address) = served().await;
    answer_reversed(inbox);
    let mut old = RawPeer::connect(&address.to_string(), "/sahakar/round/1").await;
    assert_eq!(old.send(&[0, 0, 0, 1, 7]).await, None);
    assert_eq!(client.request(&address, vec![1, 2]).await.unwrap(), [2, 1]);
}
