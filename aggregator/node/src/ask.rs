//! Asking the DAO node and the other aggregators, until they answer.

use std::{sync::Arc, time::Duration};

use aggregator_network::{Address, Link};
use aggregator_protocol::{DaoReply, DaoRequest, Refusal, from_wire, to_wire};
use aggregator_round::{AggregatorContext, Ask, Batch, Input, Unsendable, Work};
use anyhow::{Context as _, anyhow};
use privacy_identity::{Digest, Tag};

use crate::updates::Updates;

/// First pause after a failed request, in milliseconds; doubled up to the longest.
const BACKOFF_MS_MIN: u64 = 50;
/// Longest pause after a failed request, in milliseconds.
const BACKOFF_MS_MAX: u64 = 2_000;
/// Pause before asking again whose answer was refused, in milliseconds: a party that answers wrongly would
/// otherwise be asked as fast as it answers.
const REFUSED_PAUSE_MS: u64 = 250;

/// Where the other parties are.
#[derive(Debug, Clone)]
pub(crate) struct Routes {
    /// The DAO node.
    pub(crate) dao: Address,
    /// The other aggregators by their index in the terms.
    pub(crate) aggregators: Vec<Option<Address>>,
}

/// What is asked of whom, or done by this process itself.
#[derive(Debug, Clone)]
pub(crate) struct Errand {
    task: Task,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Task {
    /// A request that is sent as it is.
    Request(Address, Vec<u8>),
    /// A request whose parts are read when it is sent.
    Parts(Address, Box<Batch>),
    /// Work on this aggregator's own parts.
    Own(Box<Work>),
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Grant,
    Measure,
    Settle,
    Abort,
    Aggregator(usize),
    Own,
}

/// What errands need of the process.
#[derive(Clone)]
pub(crate) struct Means {
    pub(crate) context: Arc<AggregatorContext>,
    pub(crate) updates: Arc<dyn Updates>,
    pub(crate) link: Link,
}

impl Errand {
    /// The errand of `ask`; none if it waits until a custodian comes for it.
    pub(crate) fn new(ask: Ask, routes: &Routes) -> anyhow::Result<Option<Self>> {
        let aggregator = |index: usize| {
            let address = routes.aggregators.get(index).copied().flatten();
            address.with_context(|| {
                format!("no address is known for aggregator {index}: give it with --peer")
            })
        };
        Ok(Some(match ask {
            Ask::Dao(request) => {
                let kind = match request.as_ref() {
                    DaoRequest::Measure(_) => Kind::Measure,
                    DaoRequest::Settle(_) => Kind::Settle,
                    DaoRequest::Abort { .. } => Kind::Abort,
                    _ => Kind::Grant,
                };
                Self { task: Task::Request(routes.dao, to_wire(request.as_ref())), kind }
            }
            Ask::Aggregator(index, request) => {
                let task = Task::Request(aggregator(index)?, to_wire(request.as_ref()));
                Self { task, kind: Kind::Aggregator(index) }
            }
            Ask::Parts(_, batch) if batch.custody() => return Ok(None),
            Ask::Parts(index, batch) => {
                let task = Task::Parts(aggregator(index)?, batch);
                Self { task, kind: Kind::Aggregator(index) }
            }
            Ask::Own(work) => Self { task: Task::Own(work), kind: Kind::Own },
            Ask::Custodian(..) => return Ok(None),
        }))
    }

    /// What tells this errand from others.
    pub(crate) fn id(&self) -> Digest {
        let (kind, to, what) = match &self.task {
            Task::Request(address, body) => (0, address.peer().to_bytes(), body.clone()),
            Task::Parts(address, batch) => (1, address.peer().to_bytes(), batch.name()),
            Task::Own(work) => (2, [0; 32], work.name()),
        };
        Digest::of(Tag::Delivery, &[[kind].as_slice(), &to, &what].concat())
    }

    /// Asks until there is an answer and turns it into the machine's input. May be dropped at any
    /// time: requests are idempotent.
    ///
    /// * `refused` — the answer to the same errand was refused just now: who answers wrongly is not asked
    ///   again at once.
    pub(crate) async fn run(
        self,
        means: Means,
        refused: bool,
        unanswered: impl Fn(String),
    ) -> anyhow::Result<Input> {
        if refused {
            tokio::time::sleep(Duration::from_millis(REFUSED_PAUSE_MS)).await;
        }
        let (address, body) = match self.task.clone() {
            Task::Request(address, body) => (address, body),
            Task::Parts(address, batch) => match with_parts(&means, batch).await? {
                Ok(body) => (address, body),
                Err(lost) => return Ok(*lost),
            },
            Task::Own(work) => return done(&means, work).await,
        };
        let mut pause = BACKOFF_MS_MIN;
        loop {
            match means.link.request(&address, body.clone()).await {
                Ok(reply) => match self.read(&reply) {
                    Answer::Input(input) => return Ok(input),
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

/// The wire form of a request to prepare, with its parts; or which of them is lost.
async fn with_parts(
    means: &Means,
    batch: Box<Batch>,
) -> anyhow::Result<Result<Vec<u8>, Box<Input>>> {
    let updates = Arc::clone(&means.updates);
    let read = move || match batch.request(updates.as_ref()) {
        Ok(request) => Ok(Ok(to_wire(&request))),
        Err(Unsendable::Lost(input)) => Ok(Err(input)),
        Err(Unsendable::Unavailable) => Err(unavailable(updates.as_ref())),
    };
    tokio::task::spawn_blocking(read).await.context("reading parts of updates")?
}

/// What came of the work, which takes a thread of its own.
async fn done(means: &Means, work: Box<Work>) -> anyhow::Result<Input> {
    let Means { context, updates, .. } = means.clone();
    let worked = move || {
        work.run(&context, updates.as_ref()).map_err(|_fault| unavailable(updates.as_ref()))
    };
    tokio::task::spawn_blocking(worked).await.context("working on updates")?
}

/// Why an update cannot be read.
pub(crate) fn unavailable(updates: &dyn Updates) -> anyhow::Error {
    updates.failure().unwrap_or_else(|| anyhow!("the updates cannot be read"))
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
