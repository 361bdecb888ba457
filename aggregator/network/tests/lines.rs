//! Which way a peer is reached, and how a line that died is noticed.

#![expect(clippy::unwrap_used, reason = "a test says what failed by where it failed")]

#[path = "support/proxy.rs"]
mod proxy;
mod support;

use std::time::Duration;

use aggregator_network::{Address, DeclineReason, Limits, ListenAddress, RequestError, Transport};
use tokio::{
    net::UdpSocket,
    time::{Instant, timeout},
};

use crate::{
    proxy::Proxy,
    support::{TEST_TIMEOUT, answer_reversed, asker, listener, small, start},
};

/// A socket that takes packets and never answers: a network that drops UDP.
async fn black_hole(peer: Address) -> (UdpSocket, Address) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let listen = ListenAddress::new(socket.local_addr().unwrap(), Transport::Quic);
    (socket, listen.with_peer(peer.peer()))
}

#[tokio::test]
async fn quic_is_taken_where_both_answer() {
    let listen =
        [ListenAddress::loopback(Transport::Tcp, 0), ListenAddress::loopback(Transport::Quic, 0)];
    let (server, inbox) = start(1, &listen, small()).await.unwrap();
    answer_reversed(inbox);
    let tcp = server.address(Transport::Tcp).unwrap();
    let proxy = Proxy::start(tcp, u64::MAX).await;
    let client = asker(2, small()).await;
    client.add_address(server.address(Transport::Quic).unwrap()).await;
    assert_eq!(client.request(&proxy.address, vec![1, 2]).await.unwrap(), [2, 1]);
    assert_eq!(proxy.connections(), 0, "TCP was not needed");
}

#[tokio::test]
async fn network_that_drops_udp_costs_a_head_start_once() {
    let (_server, inbox, tcp) = listener(1, Transport::Tcp, small()).await;
    answer_reversed(inbox);
    let (hole, quic) = black_hole(tcp).await;
    let client = asker(2, small()).await;
    client.add_address(quic).await;
    let begun = Instant::now();
    assert_eq!(client.request(&tcp, vec![1, 2]).await.unwrap(), [2, 1]);
    assert!(begun.elapsed() >= Duration::from_millis(250));
    let mut packet = [0; 2048];
    assert!(timeout(TEST_TIMEOUT, hole.recv(&mut packet)).await.unwrap().unwrap() > 0);
}

#[tokio::test]
async fn address_that_refuses_is_followed_by_the_next_at_once() {
    let (gone, _inbox, dead) = listener(1, Transport::Tcp, small()).await;
    gone.shutdown().await;
    let (_server, inbox, alive) = listener(1, Transport::Tcp, small()).await;
    answer_reversed(inbox);
    let client = asker(2, small()).await;
    client.add_address(dead).await;
    assert_eq!(client.request(&alive, vec![1, 2]).await.unwrap(), [2, 1]);
    assert_eq!(client.metrics().dials_failed, 1);
}

#[tokio::test]
async fn caller_in_a_hurry_does_not_dial_in_a_loop() {
    let (gone, _inbox, dead) = listener(1, Transport::Tcp, small()).await;
    gone.shutdown().await;
    let client = asker(2, Limits { request_timeout: Duration::from_millis(300), ..small() }).await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        assert!(client.request(&dead, vec![1]).await.is_err());
    }
    // Pauses of 25, 50, 100, 200, 400, 800 ms and more at the least.
    let dials = client.metrics().dials_failed;
    assert!((2..=8).contains(&dials), "{dials} attempts in two seconds");
}

#[tokio::test]
async fn silent_line_is_found_dead_in_the_stated_time_and_the_next_request_passes() {
    let (_server, inbox, address) = listener(1, Transport::Tcp, small()).await;
    answer_reversed(inbox);
    let proxy = Proxy::start(address, u64::MAX).await;
    let limits = Limits {
        keep_alive: Duration::from_millis(200),
        silence_max: Duration::from_millis(400),
        ..small()
    };
    let client = asker(2, limits).await;
    assert_eq!(client.request(&proxy.address, vec![1, 2]).await.unwrap(), [2, 1]);
    proxy.fall_silent(true);
    let begun = Instant::now();
    let lost = timeout(TEST_TIMEOUT, client.request(&proxy.address, vec![1])).await.unwrap();
    assert!(matches!(lost, Err(RequestError::Disconnected)), "{lost:?}");
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(600), "{took:?}");
    // Far from the 20 s after which any request ends.
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(client.metrics().connections_silent, 1);
    proxy.fall_silent(false);
    assert_eq!(client.request(&proxy.address, vec![1, 2]).await.unwrap(), [2, 1]);
}

#[tokio::test]
async fn peer_that_thinks_long_is_not_taken_for_dead_and_asking_it_costs_little() {
    let (_server, mut inbox, address) = listener(1, Transport::Tcp, small()).await;
    let proxy = Proxy::start(address, u64::MAX).await;
    let limits = Limits {
        keep_alive: Duration::from_millis(40),
        silence_max: Duration::from_secs(20),
        ..small()
    };
    let client = asker(2, limits).await;
    let to = proxy.address;
    let asked = tokio::spawn({
        let client = client.clone();
        async move { client.request(&to, vec![1]).await }
    });
    let inbound = inbox.next_request().await.unwrap();
    let (before, sent_before) = (proxy.bytes(), client.counters().bytes_out);
    let pings = || (client.counters().bytes_out - sent_before) / 5;
    let waiting = async {
        while pings() < 20 {
            tokio::task::yield_now().await;
        }
    };
    timeout(TEST_TIMEOUT, waiting).await.unwrap();
    let each = (proxy.bytes() - before) / pings();
    eprintln!("a keep-alive costs {each} bytes, both ways, encryption included");
    assert!(each < 600, "{each} bytes for each keep-alive");
    inbound.reply.send(vec![2]).unwrap();
    assert_eq!(asked.await.unwrap().unwrap(), [2]);
    let metrics = client.metrics();
    assert_eq!(metrics.connections_silent, 0);
    assert!(metrics.round_trip.is_some());
}

#[tokio::test]
async fn ending_link_finishes_what_it_took_and_tells_others_to_come_back() {
    let (server, mut inbox, address) = listener(1, Transport::Tcp, small()).await;
    let client = asker(2, small()).await;
    let ask = |body| {
        let client = client.clone();
        tokio::spawn(async move { client.request(&address, body).await })
    };
    let first = ask(vec![1]);
    let inbound = inbox.next_request().await.unwrap();
    let handle = server.clone();
    let ended = tokio::spawn(server.shutdown_within(TEST_TIMEOUT));
    // Its own requests are the first to know.
    let knows = async {
        while !matches!(handle.request(&address, vec![]).await, Err(RequestError::Stopped)) {}
    };
    timeout(TEST_TIMEOUT, knows).await.unwrap();
    let told = timeout(TEST_TIMEOUT, ask(vec![2])).await.unwrap().unwrap();
    let Err(RequestError::Deferred { reason: DeclineReason::ShuttingDown, retry_after }) = told
    else {
        unreachable!("it was not told: {told:?}")
    };
    assert_eq!(retry_after, Duration::from_secs(1));
    assert!(!ended.is_finished());
    inbound.reply.send(vec![9]).unwrap();
    assert_eq!(first.await.unwrap().unwrap(), [9]);
    timeout(TEST_TIMEOUT, ended).await.unwrap().unwrap();
    assert!(inbox.next_request().await.is_none());
    let newcomer = asker(3, small()).await;
    let refused = newcomer.request(&address, vec![1]).await;
    assert!(matches!(refused, Err(RequestError::Unreachable { .. })));
}

#[tokio::test]
async fn ending_link_cuts_off_what_is_not_finished_in_time() {
    let (server, mut inbox, address) = listener(1, Transport::Tcp, small()).await;
    let client = asker(2, small()).await;
    let asked = tokio::spawn(async move { client.request(&address, vec![1]).await });
    let _never_answered = inbox.next_request().await.unwrap();
    let begun = Instant::now();
    server.shutdown_within(Duration::from_millis(300)).await;
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert!(asked.await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn ending_link_lets_a_transfer_end() {
    let limits = Limits { response_bytes_max: 16 << 20, ..small() };
    let (server, inbox, address) = listener(1, Transport::Tcp, limits.clone()).await;
    let mut inbox = inbox;
    let client = asker(2, limits).await;
    let (seen, seen_in) = tokio::sync::oneshot::channel();
    let asked = tokio::spawn(async move {
        let mut seen = Some(seen);
        client
            .request_with_progress(&address, vec![1], |_| {
                if let Some(seen) = seen.take() {
                    let _heard = seen.send(()).is_ok();
                }
            })
            .await
    });
    inbox.next_request().await.unwrap().reply.send(vec![3; 16 << 20]).unwrap();
    seen_in.await.unwrap();
    timeout(TEST_TIMEOUT, server.shutdown_within(TEST_TIMEOUT)).await.unwrap();
    assert_eq!(asked.await.unwrap().unwrap().len(), 16 << 20);
}
