//! Asking the DAO node and the other aggregators, until they answer.

use std::time::Duration;

use aggregator_network::{Address, Link};
use aggregator_protocol::to_wire;
use aggregator_round::{Answer, Ask, Asked, Input};
use anyhow::Context as _;
use privacy_identity::{Digest, Tag};

/// First pause after a failed request, in milliseconds; doubled up to the longest.
const BACKOFF_MS_MIN: u64 = 50;
/// Longest pause after a failed request, in milliseconds.
const BACKOFF_MS_MAX: u64 = 2_000;

/// Where the other parties are.
#[derive(Debug, Clone)]
pub(crate) struct Routes {
    /// The DAO node.
    pub(crate) dao: Address,
    /// The other aggregators by their index in the terms.
    pub(crate) aggregators: Vec<Option<Address>>,
}

/// A request on its way: who is asked, what, and how the answer is read.
#[derive(Debug, Clone)]
pub(crate) struct Errand {
    address: Address,
    body: Vec<u8>,
    asked: Asked,
}

impl Errand {
    /// The errand of `ask`.
    pub(crate) fn new(ask: &Ask, routes: &Routes) -> anyhow::Result<Self> {
        let asked = ask.asked();
        Ok(match ask {
            Ask::Dao(request) => {
                Self { address: routes.dao, body: to_wire(request.as_ref()), asked }
            }
            Ask::Aggregator(index, request) | Ask::Custodian(index, request) => {
                let address = routes.aggregators.get(*index).copied().flatten();
                let address = address.with_context(|| {
                    format!("no address is known for aggregator {index}: give it with --peer")
                })?;
                Self { address, body: to_wire(request.as_ref()), asked }
            }
        })
    }

    /// What tells this errand from others.
    pub(crate) fn id(&self) -> Digest {
        let mut bytes = self.address.peer().to_bytes().to_vec();
        bytes.extend_from_slice(&self.body);
        Digest::of(Tag::Delivery, &bytes)
    }

    /// Asks until there is an answer and turns it into the machine's input. May be dropped at any
    /// time: requests are idempotent.
    pub(crate) async fn run(self, link: Link, unanswered: impl Fn(String)) -> Input {
        let mut pause = BACKOFF_MS_MIN;
        loop {
            match link.request(&self.address, self.body.clone()).await {
                Ok(reply) => match self.asked.read(&reply) {
                    Answer::Input(input) => return *input,
                    // Whoever names no time is asked again as rarely as one that cannot be reached.
                    Answer::Later { retry_ms } => {
                        pause = retry_ms.unwrap_or(BACKOFF_MS_MAX).clamp(1, BACKOFF_MS_MAX);
                    }
                },
                Err(error) => {
                    unanswered(format!("{:?}: {error}", self.asked));
                    pause = (pause * 2).min(BACKOFF_MS_MAX);
                }
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }
}
