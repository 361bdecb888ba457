//! What a link does when all is well.

#![expect(clippy::unwrap_used, reason = "a test says what failed by where it failed")]

mod support;

use aggregator_network::{Counters, PeerKey, Transport};
use tokio::time::timeout;

use crate::support::{TEST_TIMEOUT, answer_reversed, asker, listener, small};

async fn check_round_trip(transport: Transport) {
    let (server, inbox, address) = listener(1, transport, small()).await;
    let served = answer_reversed(inbox);
    let client = asker(2, small()).await;
    for body in [vec![], vec![1, 2, 3], vec![7; 1000]] {
        let expected: Vec<u8> = body.iter().rev().copied().collect();
        assert_eq!(client.request(&address, body).await.unwrap(), expected);
    }
    let sent = Counters {
        requests_out: 3,
        responses_in: 3,
        bytes_out: 1003 + 15,
        bytes_in: 1003 + 15,
        ..Counters::default()
    };
    assert_eq!(client.counters(), sent);
    assert_eq!((server.counters().requests_in, server.counters().bytes_in), (3, 1018));
    server.shutdown().await;
    served.await.unwrap();
}

#[tokio::test]
async fn request_is_answered_over_tcp() {
    timeout(TEST_TIMEOUT, check_round_trip(Transport::Tcp)).await.unwrap();
}

#[tokio::test]
async fn request_is_answered_over_quic() {
    timeout(TEST_TIMEOUT, check_round_trip(Transport::Quic)).await.unwrap();
}

async fn check_peer_keys(transport: Transport) {
    let (_server, mut inbox, address) = listener(1, transport, small()).await;
    assert_eq!(address.peer(), PeerKey::from_secret(&[1; 32]));
    let client = asker(2, small()).await;
    let asked = tokio::spawn({
        let client = client.clone();
        async move { client.request(&address, vec![5]).await }
    });
    let inbound = inbox.next_request().await.unwrap();
    assert_eq!(inbound.peer, client.peer());
    assert_eq!(inbound.peer, PeerKey::from_secret(&[2; 32]));
    inbound.reply.send(vec![6]).unwrap();
    assert_eq!(asked.await.unwrap().unwrap(), [6]);
}

#[tokio::test]
async fn responder_sees_the_key_of_the_requester() {
    timeout(TEST_TIMEOUT, check_peer_keys(Transport::Tcp)).await.unwrap();
    timeout(TEST_TIMEOUT, check_peer_keys(Transport::Quic)).await.unwrap();
}

#[tokio::test]
async fn many_requests_at_once_are_answered_each_with_its_own() {
    let limits = aggregator_network::Limits {
        inbound_requests_max: 40,
        inbound_requests_per_peer_max: 40,
        ..small()
    };
    let (_server, inbox, address) = listener(1, Transport::Tcp, limits.clone()).await;
    answer_reversed(inbox);
    let client = asker(2, limits).await;
    let asked: Vec<_> = (0..40_u8)
        .map(|i| {
            let client = client.clone();
            tokio::spawn(async move { client.request(&address, vec![i, 0]).await })
        })
        .collect();
    for (i, asked) in (0_u8..).zip(asked) {
        let answer = timeout(TEST_TIMEOUT, asked).await.unwrap().unwrap().unwrap();
        assert_eq!(answer, [0, i]);
    }
}

#[tokio::test]
async fn both_ends_ask_over_one_connection() {
    let (left, left_inbox, left_address) = listener(1, Transport::Tcp, small()).await;
    let (right, right_inbox, right_address) = listener(2, Transport::Tcp, small()).await;
    answer_reversed(left_inbox);
    answer_reversed(right_inbox);
    assert_eq!(left.request(&right_address, vec![1, 2]).await.unwrap(), [2, 1]);
    assert_eq!(right.request(&left_address, vec![3, 4]).await.unwrap(), [4, 3]);
}

#[tokio::test]
async fn large_bodies_pass_both_ways() {
    let limits = aggregator_network::Limits {
        request_bytes_max: 8 << 20,
        response_bytes_max: 8 << 20,
        ..small()
    };
    for transport in [Transport::Tcp, Transport::Quic] {
        let (_server, inbox, address) = listener(1, transport, limits.clone()).await;
        answer_reversed(inbox);
        let client = asker(2, limits.clone()).await;
        let body: Vec<u8> = (0..=255_u8).cycle().take(8 << 20).collect();
        let expected: Vec<u8> = body.iter().rev().copied().collect();
        let answer = timeout(TEST_TIMEOUT, client.request(&address, body)).await.unwrap().unwrap();
        assert!(answer == expected);
    }
}
