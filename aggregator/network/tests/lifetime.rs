//! How a link ends, and how its peers find it again.

#![expect(clippy::unwrap_used, reason = "a test says what failed by where it failed")]

mod support;

use aggregator_network::{Inbox, Link, LinkError, ListenAddress, RequestError, Transport};
use tokio::time::timeout;

use crate::support::{TEST_TIMEOUT, answer_reversed, asker, listener, small, start};

/// Starts again where the link before may still be letting go of its port.
async fn restart(seed: u8, listen: ListenAddress) -> (Link, Inbox) {
    let starting = async {
        loop {
            match start(seed, &[listen], small()).await {
                Err(LinkError::AddressInUse { .. }) => tokio::task::yield_now().await,
                started => break started.unwrap(),
            }
        }
    };
    timeout(TEST_TIMEOUT, starting).await.unwrap()
}

/// Asks until there is an answer; each attempt may find what is left of the connection before.
async fn ask_until_answered(client: &Link, address: &aggregator_network::Address) {
    const ATTEMPTS_MAX: usize = 3;
    for attempt in 1..=ATTEMPTS_MAX {
        let outcome = timeout(TEST_TIMEOUT, client.request(address, vec![1, 2])).await.unwrap();
        match outcome {
            Ok(answer) => return assert_eq!(answer, [2, 1]),
            Err(error) => assert!(attempt < ATTEMPTS_MAX, "no answer: {error:?}"),
        }
    }
}

async fn check_restart(transport: Transport) {
    let (server, inbox, address) = listener(1, transport, small()).await;
    answer_reversed(inbox);
    let client = asker(2, small()).await;
    assert_eq!(client.request(&address, vec![1, 2]).await.unwrap(), [2, 1]);
    server.shutdown().await;
    for _ in 0..3 {
        let (server, inbox) = restart(1, address.listen()).await;
        assert_eq!(server.addresses(), [address]);
        answer_reversed(inbox);
        ask_until_answered(&client, &address).await;
        server.shutdown().await;
    }
}

#[tokio::test]
async fn peer_that_restarts_on_its_port_is_reached_again() {
    check_restart(Transport::Tcp).await;
    check_restart(Transport::Quic).await;
}

#[tokio::test]
async fn peer_killed_without_a_word_is_reached_again() {
    for transport in [Transport::Tcp, Transport::Quic] {
        // A runtime of its own stands for a process: it ends without closing anything orderly.
        let process = tokio::runtime::Runtime::new().unwrap();
        let started = process.spawn(listener(1, transport, small())).await.unwrap();
        let (server, inbox, address) = started;
        let client = asker(2, small()).await;
        process.spawn(async move { answer_reversed(inbox).await });
        assert_eq!(client.request(&address, vec![1, 2]).await.unwrap(), [2, 1]);
        process.shutdown_background();
        drop(server);
        let (_server, inbox) = restart(1, address.listen()).await;
        answer_reversed(inbox);
        ask_until_answered(&client, &address).await;
    }
}

#[tokio::test]
async fn shutdown_ends_the_inbox_and_all_handles() {
    let (link, mut inbox, address) = listener(1, Transport::Tcp, small()).await;
    let handle = link.clone();
    link.shutdown().await;
    assert!(inbox.next_request().await.is_none());
    let refused = handle.request(&address, vec![1]).await;
    assert!(matches!(refused, Err(RequestError::Stopped)));
    handle.shutdown().await;
}

#[tokio::test]
async fn link_ends_with_its_last_handle() {
    let (link, mut inbox, address) = listener(1, Transport::Tcp, small()).await;
    let handle = link.clone();
    drop(link);
    drop(handle);
    assert!(timeout(TEST_TIMEOUT, inbox.next_request()).await.unwrap().is_none());
    restart(2, address.listen()).await;
}

#[tokio::test]
async fn request_in_work_fails_when_the_peer_ends() {
    let (server, mut inbox, address) = listener(1, Transport::Tcp, small()).await;
    let client = asker(2, small()).await;
    let asked = tokio::spawn(async move { client.request(&address, vec![1]).await });
    let inbound = inbox.next_request().await.unwrap();
    server.shutdown().await;
    let refused = timeout(TEST_TIMEOUT, asked).await.unwrap().unwrap();
    assert!(
        matches!(refused, Err(RequestError::Disconnected | RequestError::Refused { .. })),
        "{refused:?}"
    );
    assert!(inbound.reply.send(vec![]).is_err());
}
