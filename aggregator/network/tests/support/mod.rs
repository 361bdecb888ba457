//! Links for tests: on loopback, on free ports, with small limits.

use std::time::Duration;

use aggregator_network::{
    Address, Inbox, Limits, Link, LinkConfig, LinkError, ListenAddress, Transport,
};
use tokio::task::JoinHandle;

/// Longer than anything here takes, so that a hang is a failure and not a wait.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Limits that a test can exceed with little.
pub(crate) fn small() -> Limits {
    Limits {
        request_bytes_max: 1000,
        response_bytes_max: 1000,
        inbound_requests_max: 4,
        connections_max: 16,
        connections_per_peer_max: 4,
        request_timeout: Duration::from_secs(20),
        ..Limits::default()
    }
}

/// Starts a link with the identity of seed `[seed; 32]`.
pub(crate) async fn start(
    seed: u8,
    listen: &[ListenAddress],
    limits: Limits,
) -> Result<(Link, Inbox), LinkError> {
    Link::start(LinkConfig { secret: [seed; 32].into(), listen: listen.to_vec(), limits }).await
}

/// Starts a link that only asks.
pub(crate) async fn asker(seed: u8, limits: Limits) -> Link {
    start(seed, &[], limits).await.expect("a link that does not listen starts").0
}

/// Starts a link on a free port.
pub(crate) async fn listener(
    seed: u8,
    transport: Transport,
    limits: Limits,
) -> (Link, Inbox, Address) {
    let listen = ListenAddress::loopback(transport, 0);
    let (link, inbox) = start(seed, &[listen], limits).await.expect("a free port");
    let address = link.address(transport).expect("it listens");
    (link, inbox, address)
}

/// Answers each request with its bytes reversed, until the link ends.
pub(crate) fn answer_reversed(mut inbox: Inbox) -> JoinHandle<()> {
    tokio::spawn(async move {
        while let Some(inbound) = inbox.next_request().await {
            let answer = inbound.body.into_iter().rev().collect();
            // A peer that gave up is that test's concern.
            let _sent = inbound.reply.send(answer).is_ok();
        }
    })
}
