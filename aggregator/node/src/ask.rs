//! Asking the DAO node and the other aggregators, until they answer.

use std::time::Duration;

use aggregator_network::{Address, Link};
use aggregator_protocol::{DaoReply, DaoRequest, Refusal, from_wire, to_wire};
use aggregator_round::{Ask, Input};
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
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Grant,
    Measure,
    Settle,
    Abort,
    Aggregator(usize),
}

impl Errand {
    /// The errand of `ask`.
    pub(crate) fn new(ask: &Ask, routes: &Routes) -> anyhow::Result<Self> {
        Ok(match ask {
            Ask::Dao(request) => {
                let kind = match request.as_ref() {
                    DaoRequest::Measure(_) => Kind::Measure,
                    DaoRequest::Settle(_) => Kind::Settle,
                    DaoRequest::Abort { .. } => Kind::Abort,
                    _ => Kind::Grant,
                };
                Self { address: routes.dao, body: to_wire(request.as_ref()), kind }
            }
            Ask::Aggregator(index, request) | Ask::Custodian(index, request) => {
                let address = routes.aggregators.get(*index).copied().flatten();
                let address = address.with_context(|| {
                    format!("no address is known for aggregator {index}: give it with --peer")
                })?;
                Self { address, body: to_wire(request.as_ref()), kind: Kind::Aggregator(*index) }
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
                Ok(reply) => match self.read(&reply) {
                    Answer::Input(input) => return input,
                    Answer::Later { retry_ms } => pause = retry_ms.clamp(1, BACKOFF_MS_MAX),
                },
                Err(error) => {
                    unanswered(format!("{:?}: {error}", self.kind));
                    pause = (pause * 2).min(BACKOFF_MS_MAX);
                }
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    fn read(&self, reply: &[u8]) -> Answer {
        match self.kind {
            Kind::Aggregator(aggregator) => Answer::Input(aggregator_input(aggregator, reply)),
            kind => dao_answer(kind, reply),
        }
    }
}

enum Answer {
    Input(Input),
    Later { retry_ms: u64 },
}

fn aggregator_input(aggregator: usize, reply: &[u8]) -> Input {
    match from_wire(reply) {
        Ok(reply) => Input::from_party(aggregator, reply),
        Err(_) => Input::StepRefused(Refusal::Malformed),
    }
}

fn dao_answer(kind: Kind, reply: &[u8]) -> Answer {
    let input = match (kind, from_wire(reply)) {
        (Kind::Grant, Ok(DaoReply::Granted { grant, model })) => Input::Granted { grant, model },
        (Kind::Grant, Ok(DaoReply::Finished)) => Input::NoMoreRounds,
        (_, Ok(DaoReply::Wait { retry_ms })) => return Answer::Later { retry_ms },
        (Kind::Measure, Ok(DaoReply::Probes(probes))) => Input::Probed(probes),
        (Kind::Settle | Kind::Abort, Ok(DaoReply::Settled { .. })) => Input::Logged,
        // A DAO node that never heard of the round has nothing to log.
        (Kind::Abort, Ok(DaoReply::Refused(_))) => Input::Logged,
        (Kind::Grant, _) => return Answer::Later { retry_ms: BACKOFF_MS_MAX },
        (_, Ok(DaoReply::Refused(refusal))) => Input::StepRefused(refusal),
        _ => Input::StepRefused(Refusal::Malformed),
    };
    Answer::Input(input)
}
