//! Peers that cannot be dialled: relays, and the way past them.

#![expect(clippy::unwrap_used, reason = "a test says what failed by where it failed")]

#[cfg(target_os = "linux")]
mod punching;
#[path = "../support/mod.rs"]
mod support;

use aggregator_network::{Address, Inbox, Limits, Link, ListenAddress, RequestError, Transport};
use tokio::time::timeout;

use crate::support::{TEST_TIMEOUT, answer_reversed, asker, listener, small, start};

/// Where nobody listens: the address of a process behind a router, as others see it.
async fn unreachable_address(of: &Link) -> Address {
    let (gone, _inbox, dead) = listener(99, Transport::Tcp, small()).await;
    gone.shutdown().await;
    dead.listen().with_peer(of.peer())
}

fn large() -> Limits {
    Limits { request_bytes_max: 8 << 20, response_bytes_max: 8 << 20, ..small() }
}

async fn hidden(relay: Address) -> (Link, Inbox) {
    let (link, inbox) = start(1, &[], large()).await.unwrap();
    timeout(TEST_TIMEOUT, link.listen_by(relay)).await.unwrap().unwrap();
    (link, inbox)
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_that_cannot_be_dialled_is_reached_by_a_relay() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let limits = Limits { relayed_circuits_max: 4, ..small() };
        let (relay, _inbox, relay_address) = listener(7, transport, limits).await;
        let (hidden, inbox) = hidden(relay_address).await;
        answer_reversed(inbox);
        let client = asker(2, large()).await;
        let address = unreachable_address(&hidden).await;
        client.add_relay(hidden.peer(), relay_address).await;
        let asked = timeout(TEST_TIMEOUT, client.request(&address, vec![1, 2])).await.unwrap();
        assert_eq!(asked.unwrap(), [2, 1]);
        // In chunks as well.
        let asked = client.request(&address, vec![5; 3 << 20]);
        assert_eq!(timeout(TEST_TIMEOUT, asked).await.unwrap().unwrap().len(), 3 << 20);
        // The relay saw nothing of it.
        assert_eq!(relay.counters().requests_in, 0);
    }
}

#[tokio::test]
async fn link_is_no_relay_unless_it_is_told_to_be() {
    let (_relay, _inbox, relay_address) = listener(7, Transport::Tcp, small()).await;
    let (hidden, _inbox) = start(1, &[], large()).await.unwrap();
    let client = asker(2, large()).await;
    let address = unreachable_address(&hidden).await;
    client.add_relay(hidden.peer(), relay_address).await;
    let refused = timeout(TEST_TIMEOUT, client.request(&address, vec![1])).await.unwrap();
    assert!(matches!(refused, Err(RequestError::Unreachable { .. })), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn place_at_a_relay_is_taken_again_after_the_relay_was_restarted() {
    let limits = Limits { relayed_circuits_max: 4, ..small() };
    let (relay, _inbox, relay_address) = listener(7, Transport::Tcp, limits.clone()).await;
    let (hidden, inbox) = hidden(relay_address).await;
    answer_reversed(inbox);
    relay.shutdown().await;
    let listen: ListenAddress = relay_address.listen();
    let (_relay, _inbox) = start(7, &[listen], limits).await.unwrap();
    let client = asker(2, large()).await;
    let address = unreachable_address(&hidden).await;
    client.add_relay(hidden.peer(), relay_address).await;
    let asking = async {
        while client.request(&address, vec![1, 2]).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(TEST_TIMEOUT, asking).await.unwrap();
}
