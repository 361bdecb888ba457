//! Large messages over lines that break.

#![expect(clippy::unwrap_used, reason = "a test says what failed by where it failed")]

#[path = "support/proxy.rs"]
mod proxy;
mod support;

use std::time::Duration;

use aggregator_network::{Direction, Inbox, Limits, Link, Progress, RequestError, Transport};
use tokio::{task::JoinHandle, time::timeout};

use crate::{
    proxy::Proxy,
    support::{TEST_TIMEOUT, answer_reversed, asker, listener, small},
};

const MEGABYTE: usize = 1_000_000;

/// Limits under which 100 MB pass as fast as they can.
fn large() -> Limits {
    Limits {
        request_bytes_max: 128 << 20,
        response_bytes_max: 128 << 20,
        bytes_per_second_max: 4 << 30,
        requests_per_second_max: 1 << 20,
        ..small()
    }
}

/// Bytes that differ from chunk to chunk.
fn message(length: usize) -> Vec<u8> {
    (0_u32..).flat_map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()).take(length).collect()
}

/// Answers each request with a message of as many bytes as its first four say, and its last byte.
fn answer_with_length(mut inbox: Inbox) -> JoinHandle<()> {
    tokio::spawn(async move {
        while let Some(inbound) = inbox.next_request().await {
            let length = u32::from_be_bytes(inbound.body[..4].try_into().unwrap());
            let _sent = inbound.reply.send(message(length as usize)).is_ok();
        }
    })
}

fn ask_for(length: usize) -> Vec<u8> {
    u32::try_from(length).unwrap().to_be_bytes().to_vec()
}

/// What a transfer of 100 MB sent more than its bytes, in thousandths.
fn overhead_per_mille(proxy: &Proxy) -> u64 {
    let sent = proxy.bytes();
    (sent - 100_000_000) / 100_000
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_of_100_mb_arrives_over_a_line_that_is_cut_every_10_mb() {
    let (_server, inbox, address) = listener(1, Transport::Tcp, large()).await;
    answer_with_length(inbox);
    let proxy = Proxy::start(address, 10_000_000).await;
    let client = asker(2, large()).await;
    let mut last = None;
    let asked = client.request_with_progress(&proxy.address, ask_for(100 * MEGABYTE), |progress| {
        last = Some(progress);
    });
    let answer = timeout(TEST_TIMEOUT, asked).await.unwrap().unwrap();
    assert!(answer == message(100 * MEGABYTE));
    let whole = Progress {
        direction: Direction::Download,
        bytes_done: 100_000_000,
        bytes_total: 100_000_000,
    };
    assert_eq!(last, Some(whole));
    let (overhead, metrics) = (overhead_per_mille(&proxy), client.metrics());
    eprintln!("down: {overhead} ‰ more, {} connections", proxy.connections());
    assert!(overhead <= 100, "{overhead} ‰ more than the message were sent");
    assert!(proxy.connections() >= 11 && metrics.reconnects >= 10, "{metrics:?}");
    assert!(metrics.transfers_interrupted >= 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn request_of_100_mb_arrives_over_a_line_that_is_cut_every_10_mb() {
    let (server, mut inbox, address) = listener(1, Transport::Tcp, large()).await;
    let proxy = Proxy::start(address, 10_000_000).await;
    let client = asker(2, large()).await;
    let to = proxy.address;
    let asked = tokio::spawn(async move {
        let answer = client.request(&to, message(100 * MEGABYTE)).await;
        (client, answer)
    });
    let inbound = timeout(TEST_TIMEOUT, inbox.next_request()).await.unwrap().unwrap();
    assert!(inbound.body == message(100 * MEGABYTE));
    inbound.reply.send(vec![1, 2, 3]).unwrap();
    let (client, answer) = timeout(TEST_TIMEOUT, asked).await.unwrap().unwrap();
    assert_eq!(answer.unwrap(), [1, 2, 3]);
    let overhead = overhead_per_mille(&proxy);
    eprintln!("up: {overhead} ‰ more, {} connections", proxy.connections());
    assert!(overhead <= 100, "{overhead} ‰ more than the message were sent");
    assert!(proxy.connections() >= 11 && client.metrics().reconnects >= 10);
    assert_eq!(server.metrics().chunks_in, 382);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_pass_over_quic() {
    let (_server, inbox, address) = listener(1, Transport::Quic, large()).await;
    answer_reversed(inbox);
    let client = asker(2, large()).await;
    let answer = timeout(TEST_TIMEOUT, client.request(&address, message(5 * MEGABYTE))).await;
    let expected: Vec<_> = message(5 * MEGABYTE).into_iter().rev().collect();
    assert!(answer.unwrap().unwrap() == expected);
}

/// Asks through a line that falls silent when half of the answer has come, until the request fails.
///
/// On a busy machine it may fail before, and goes on.
async fn fail_halfway(client: &Link, proxy: &Proxy, length: usize) -> RequestError {
    let half = length as u64 / 2;
    let mut is_silent = false;
    let failing = async {
        loop {
            let asked = client.request_with_progress(&proxy.address, ask_for(length), |progress| {
                if progress.bytes_done >= half {
                    is_silent = true;
                    proxy.fall_silent(true);
                }
            });
            let outcome = asked.await;
            if is_silent {
                return outcome.unwrap_err();
            }
        }
    };
    timeout(TEST_TIMEOUT, failing).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_goes_on_where_a_failed_request_left_it() {
    let (server, inbox, address) = listener(1, Transport::Tcp, large()).await;
    answer_with_length(inbox);
    let proxy = Proxy::start(address, u64::MAX).await;
    let limits = Limits { request_timeout: Duration::from_secs(1), ..large() };
    let client = asker(2, limits).await;
    fail_halfway(&client, &proxy, 20 * MEGABYTE).await;
    proxy.fall_silent(false);
    let sent_before = server.metrics().chunks_out;
    let ask = async {
        loop {
            if let Ok(answer) = client.request(&proxy.address, ask_for(20 * MEGABYTE)).await {
                break answer;
            }
        }
    };
    let answer = timeout(TEST_TIMEOUT, ask).await.unwrap();
    assert!(answer == message(20 * MEGABYTE));
    let resumed = client.metrics().chunks_resumed;
    assert!(resumed >= 38, "{resumed} of 77 chunks were there");
    // Some of the rest twice, if an attempt meets what is left of the silence.
    assert!(server.metrics().chunks_out - sent_before < 77);
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_goes_on_after_its_sender_was_restarted() {
    let (server, inbox, address) = listener(1, Transport::Tcp, large()).await;
    answer_with_length(inbox);
    let proxy = Proxy::start(address, u64::MAX).await;
    let limits = Limits { request_timeout: Duration::from_secs(1), ..large() };
    let client = asker(2, limits).await;
    fail_halfway(&client, &proxy, 20 * MEGABYTE).await;
    server.shutdown().await;

    let (server, inbox, address) = listener(1, Transport::Tcp, large()).await;
    answer_with_length(inbox);
    let patient = async {
        loop {
            if let Ok(answer) = client.request(&address, ask_for(20 * MEGABYTE)).await {
                break answer;
            }
        }
    };
    assert!(timeout(TEST_TIMEOUT, patient).await.unwrap() == message(20 * MEGABYTE));
    // Some of the rest twice, if an attempt takes too long.
    assert!(server.metrics().chunks_out < 77);
}

#[tokio::test(flavor = "multi_thread")]
async fn request_whose_answer_was_lost_is_not_sent_twice() {
    let (server, mut inbox, address) = listener(1, Transport::Tcp, large()).await;
    let limits = Limits { request_timeout: Duration::from_secs(2), ..large() };
    let client = asker(2, limits).await;
    let ask = || {
        let client = client.clone();
        tokio::spawn(async move { client.request(&address, message(4 * MEGABYTE)).await })
    };
    let first = ask();
    let inbound = timeout(TEST_TIMEOUT, inbox.next_request()).await.unwrap().unwrap();
    assert!(first.await.unwrap().is_err());
    drop(inbound);
    let second = ask();
    let inbound = timeout(TEST_TIMEOUT, inbox.next_request()).await.unwrap().unwrap();
    assert!(inbound.body == message(4 * MEGABYTE));
    inbound.reply.send(vec![9]).unwrap();
    assert_eq!(second.await.unwrap().unwrap(), [9]);
    assert_eq!(server.metrics().chunks_in, 16);
    assert_eq!(client.metrics().chunks_resumed, 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_of_a_fetched_answer_is_given_back() {
    let (server, inbox, address) = listener(1, Transport::Tcp, large()).await;
    answer_with_length(inbox);
    for seed in 2..5 {
        let client = asker(seed, large()).await;
        let answer = client.request(&address, ask_for(2 * MEGABYTE)).await.unwrap();
        assert_eq!(answer.len(), 2 * MEGABYTE);
    }
    let given_back = async {
        while server.metrics().transfer_bytes_held > 0 || server.metrics().chunks_out < 24 {
            tokio::task::yield_now().await;
        }
    };
    timeout(TEST_TIMEOUT, given_back).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rates_slow_a_transfer_down_and_do_not_break_it() {
    let limits = Limits { bytes_per_second_max: 2 << 20, ..large() };
    let (server, inbox, address) = listener(1, Transport::Tcp, limits).await;
    answer_reversed(inbox);
    let client = asker(2, large()).await;
    let answer = timeout(TEST_TIMEOUT, client.request(&address, message(5 * MEGABYTE)));
    assert_eq!(answer.await.unwrap().unwrap().len(), 5 * MEGABYTE);
    let declined = server.metrics().declined(aggregator_network::DeclineReason::ByteRate);
    assert!(declined > 0);
}
