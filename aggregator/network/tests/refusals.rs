//! What a link refuses, counts, and outlives.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what failed by where it failed"
)]

mod hostile;
mod support;

use std::time::Duration;

use aggregator_network::{
    Counters, DeclineReason, Limits, Link, ReplyError, RequestError, Transport,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use crate::support::{TEST_TIMEOUT, answer_reversed, asker, listener, small};

/// Opens one stream for each of `frames` at `address`, one after the other, and writes it.
///
/// Returns the bytes that came back on each, `None` if the stream ended or broke without any.
async fn send_raw(address: &str, frames: &[&[u8]]) -> Vec<Option<Vec<u8>>> {
    let mut peer = hostile::RawPeer::connect(address, "/sahakar/round/2").await;
    let mut answers = Vec::new();
    for frame in frames {
        answers.push(peer.send(frame).await);
    }
    answers
}

/// Yields until the counters are as they have to become.
async fn until(link: &Link, done: impl Fn(Counters) -> bool) {
    let waiting = async {
        while !done(link.counters()) {
            tokio::task::yield_now().await;
        }
    };
    if timeout(TEST_TIMEOUT, waiting).await.is_err() {
        panic!("the counters stay at {:?}", link.counters());
    }
}

#[tokio::test]
async fn request_over_the_own_limit_is_not_sent() {
    let (_server, inbox, address) = listener(1, Transport::Tcp, small()).await;
    answer_reversed(inbox);
    let client = asker(2, small()).await;
    let refused = client.request(&address, vec![0; 1001]).await;
    assert!(matches!(refused, Err(RequestError::RequestTooLarge { length: 1001, limit: 1000 })));
    assert_eq!(client.counters(), Counters::default());
}

async fn check_oversized_request(transport: Transport) {
    let (server, inbox, address) = listener(1, transport, small()).await;
    answer_reversed(inbox);
    let client = asker(2, Limits { request_bytes_max: 2 << 20, ..small() }).await;
    for sent in [1001, 2 << 20] {
        let refused = client.request(&address, vec![0; sent]).await;
        let Err(RequestError::RequestTooLarge { length, limit: 1000 }) = refused else {
            panic!("the peer did not say its limit: {refused:?}")
        };
        assert_eq!(length, sent as u64);
    }
    assert_eq!((server.counters().oversized, server.counters().requests_in), (2, 0));
    assert_eq!(client.request(&address, vec![1, 2]).await.unwrap(), [2, 1]);
}

#[tokio::test]
async fn oversized_request_is_refused_with_the_limit_and_the_next_one_is_answered() {
    timeout(TEST_TIMEOUT, check_oversized_request(Transport::Tcp)).await.unwrap();
    timeout(TEST_TIMEOUT, check_oversized_request(Transport::Quic)).await.unwrap();
}

#[tokio::test]
async fn oversized_answer_is_refused_by_the_requester() {
    let (_server, inbox, address) = listener(1, Transport::Tcp, small()).await;
    answer_reversed(inbox);
    let client = asker(2, Limits { response_bytes_max: 10, ..small() }).await;
    let refused = client.request(&address, vec![0; 11]).await;
    assert!(matches!(refused, Err(RequestError::ResponseTooLarge { length: 11, limit: 10 })));
    assert_eq!(client.counters().oversized, 1);
    assert_eq!(client.request(&address, vec![1, 2]).await.unwrap(), [2, 1]);
}

#[tokio::test]
async fn oversized_answer_is_not_sent() {
    let (_server, mut inbox, address) = listener(1, Transport::Tcp, small()).await;
    let client = asker(2, small()).await;
    let asked = tokio::spawn(async move { client.request(&address, vec![5]).await });
    let inbound = inbox.next_request().await.unwrap();
    let refused = inbound.reply.send(vec![0; 1001]);
    assert_eq!(refused, Err(ReplyError::TooLarge { length: 1001, limit: 1000 }));
    assert!(matches!(asked.await.unwrap(), Err(RequestError::Refused { cause: None })));
}

#[tokio::test]
async fn request_that_is_not_answered_is_refused_at_once() {
    let (_server, mut inbox, address) = listener(1, Transport::Tcp, small()).await;
    let client = asker(2, small()).await;
    let asked = tokio::spawn(async move { client.request(&address, vec![5]).await });
    drop(inbox.next_request().await.unwrap());
    assert!(matches!(asked.await.unwrap(), Err(RequestError::Refused { cause: None })));
}

#[tokio::test]
async fn requests_beyond_the_limit_come_back_until_there_is_a_place() {
    let (server, mut inbox, address) = listener(1, Transport::Tcp, small()).await;
    let client = asker(2, small()).await;
    let ask = |i| {
        let client = client.clone();
        tokio::spawn(async move { client.request(&address, vec![i]).await })
    };
    let waiting: Vec<_> = (0..4).map(ask).collect();
    until(&server, |counters| counters.requests_in == 4).await;
    let beyond = ask(4);
    until(&server, |counters| counters.dropped >= 2).await;
    assert_eq!(server.counters().requests_in, 4);
    assert!(server.metrics().declined(DeclineReason::Busy) >= 2);
    for _ in 0..5 {
        inbox.next_request().await.unwrap().reply.send(vec![]).unwrap();
    }
    for asked in waiting.into_iter().chain([beyond]) {
        assert!(asked.await.unwrap().is_ok());
    }
}

#[tokio::test]
async fn request_that_finds_no_place_says_so_and_when_to_come_back() {
    let (server, mut inbox, address) = listener(1, Transport::Tcp, small()).await;
    let limits = Limits { request_timeout: Duration::from_millis(400), ..small() };
    let (holder, client) = (asker(2, small()).await, asker(3, limits).await);
    for i in 0..4 {
        let holder = holder.clone();
        tokio::spawn(async move { holder.request(&address, vec![i]).await });
    }
    until(&server, |counters| counters.requests_in == 4).await;
    let refused = client.request(&address, vec![4]).await;
    let Err(RequestError::Deferred { reason: DeclineReason::Busy, retry_after }) = refused else {
        panic!("it was not told why: {refused:?}")
    };
    assert!(!retry_after.is_zero());
    drop(inbox.next_request().await);
}

#[tokio::test]
async fn requests_to_a_dropped_inbox_are_refused_and_counted() {
    let (server, inbox, address) = listener(1, Transport::Tcp, small()).await;
    drop(inbox);
    let client = asker(2, small()).await;
    let refused = client.request(&address, vec![1]).await;
    assert!(matches!(refused, Err(RequestError::Refused { .. })), "{refused:?}");
    assert_eq!((server.counters().requests_in, server.counters().dropped), (0, 1));
}

#[tokio::test]
async fn answer_that_comes_too_late_is_a_timeout_and_the_link_goes_on() {
    let (_server, mut inbox, address) = listener(1, Transport::Tcp, small()).await;
    let limit = Duration::from_millis(200);
    let client = asker(2, Limits { request_timeout: limit, ..small() }).await;
    let refused = client.request(&address, vec![1]).await;
    assert!(matches!(refused, Err(RequestError::Timeout { limit: l }) if l == limit));
    let late = inbox.next_request().await.unwrap();
    drop(late);
    answer_reversed(inbox);
    let patient = asker(3, small()).await;
    assert_eq!(patient.request(&address, vec![1, 2]).await.unwrap(), [2, 1]);
}

#[tokio::test]
async fn frames_of_a_hostile_peer_are_refused_and_counted() {
    let (server, inbox, address) = listener(1, Transport::Tcp, small()).await;
    answer_reversed(inbox);
    // Each is all that the peer writes before it ends its side of the stream.
    let frames: &[&[u8]] = &[
        &[0, 0, 0, 9, 0, 2, 3],    // truncated body
        &[0, 0],                   // truncated length
        &[0, 0, 0, 0],             // no kind
        &[0xff; 64],               // oversized
        b"GET / HTTP/1.1\r\n\r\n", // another protocol; "GET " is a length over the limit
        &[],                       // nothing
    ];
    let answers = send_raw(&address.to_string(), frames).await;
    assert!(answers.iter().all(Option::is_none), "{answers:?}");
    let counters = server.counters();
    assert_eq!((counters.truncated, counters.oversized, counters.requests_in), (3, 2, 0));

    // What can be read as far as that is refused in words: of an unknown kind, over the limit.
    let long = [&[0, 0, 3, 0xea, 0][..], &[7; 1001]].concat();
    let answers = send_raw(&address.to_string(), &[&[0, 0, 0, 1, 99], &long]).await;
    let malformed = vec![0, 0, 0, 10, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    let too_large = vec![0, 0, 0, 10, 4, 4, 0, 0, 0, 0, 0, 0, 3, 0xe8];
    assert_eq!(answers, [Some(malformed), Some(too_large)]);

    // The same peer is answered when it behaves; what follows a frame is not read.
    let answers = send_raw(&address.to_string(), &[&[0, 0, 0, 3, 0, 8, 9, 77]]).await;
    assert_eq!(answers, [Some(vec![0, 0, 0, 3, 0, 9, 8])]);
    let client = asker(2, small()).await;
    assert_eq!(client.request(&address, vec![1, 2]).await.unwrap(), [2, 1]);
}

#[tokio::test]
async fn bytes_that_are_not_libp2p_disturb_nobody() {
    let (server, inbox, address) = listener(1, Transport::Tcp, small()).await;
    answer_reversed(inbox);
    let client = asker(2, small()).await;
    assert_eq!(client.request(&address, vec![1, 2]).await.unwrap(), [2, 1]);
    for garbage in [&b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..], &[0; 4096], &[0xff; 4096]] {
        let mut stream = tokio::net::TcpStream::connect(address.listen().socket()).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = Vec::new();
        // Whether it is closed or reset is the kernel's choice; that it ends is ours.
        let ended = timeout(TEST_TIMEOUT, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok());
    }
    until(&server, |counters| counters.connections_refused == 3).await;
    assert_eq!(client.request(&address, vec![3, 4]).await.unwrap(), [4, 3]);
    let newcomer = asker(3, small()).await;
    assert_eq!(newcomer.request(&address, vec![5, 6]).await.unwrap(), [6, 5]);
}

#[tokio::test]
async fn connections_over_the_limit_are_refused_and_the_others_stay() {
    let limits = Limits { connections_max: 1, ..small() };
    let (server, inbox, address) = listener(1, Transport::Tcp, limits).await;
    answer_reversed(inbox);
    let first = asker(2, small()).await;
    assert_eq!(first.request(&address, vec![1, 2]).await.unwrap(), [2, 1]);
    let second = asker(3, small()).await;
    let refused = second.request(&address, vec![1, 2]).await;
    assert!(refused.is_err());
    until(&server, |counters| counters.connections_refused == 1).await;
    assert_eq!(first.request(&address, vec![3, 4]).await.unwrap(), [4, 3]);

    // A place is free again once the first has left.
    first.shutdown().await;
    let asking = async {
        while second.request(&address, vec![1, 2]).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(TEST_TIMEOUT, asking).await.unwrap();
}
