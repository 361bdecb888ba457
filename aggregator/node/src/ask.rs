//! Asking the DAO node and the other aggregators, until they answer.

use std::{sync::Arc, time::Duration};

use aggregator_network::{Address, Link};
use aggregator_protocol::to_wire;
use aggregator_round::{AggregatorContext, Answer, Ask, Asked, Batch, Input, Unsendable, Work};
use anyhow::{Context as _, anyhow};
use privacy_identity::{Digest, Tag};

use crate::{sharing::Sharing, updates::Updates};

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
pub(crate) enum Errand {
    /// A request that is sent as it is.
    Request(Address, Vec<u8>, Asked),
    /// A request whose parts are read when it is sent.
    Parts(Address, Box<Batch>, Asked),
    /// Work on this aggregator's own parts.
    Own(Box<Work>),
}

/// What errands need of the process.
#[derive(Clone)]
pub(crate) struct Means {
    pub(crate) context: Arc<AggregatorContext>,
    pub(crate) updates: Arc<dyn Updates>,
    pub(crate) link: Link,
    /// How work is done together with other processes; none if there is only this one.
    pub(crate) sharing: Option<Sharing>,
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
        let Some(asked) = ask.asked() else {
            return Ok(match ask {
                Ask::Own(work) => Some(Self::Own(work)),
                _ => None,
            });
        };
        Ok(match ask {
            Ask::Dao(request) => Some(Self::Request(routes.dao, to_wire(request.as_ref()), asked)),
            Ask::Aggregator(index, request) => {
                Some(Self::Request(aggregator(index)?, to_wire(request.as_ref()), asked))
            }
            Ask::Parts(index, batch) if !batch.custody() => {
                Some(Self::Parts(aggregator(index)?, batch, asked))
            }
            Ask::Parts(..) | Ask::Custodian(..) | Ask::Own(_) => None,
        })
    }

    /// What tells this errand from others.
    pub(crate) fn id(&self) -> Digest {
        let (kind, to, what) = match self {
            Self::Request(address, body, _) => (0, address.peer().to_bytes(), body.clone()),
            Self::Parts(address, batch, _) => (1, address.peer().to_bytes(), batch.name()),
            Self::Own(work) => (2, [0; 32], work.name()),
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
        let (address, body, asked) = match self {
            Self::Request(address, body, asked) => (address, body, asked),
            Self::Parts(address, batch, asked) => match with_parts(&means, batch).await? {
                Ok(body) => (address, body, asked),
                Err(lost) => return Ok(*lost),
            },
            Self::Own(work) => return done(&means, work).await,
        };
        let mut pause = BACKOFF_MS_MIN;
        loop {
            match means.link.request(&address, body.clone()).await {
                Ok(reply) => match asked.read(&reply) {
                    Answer::Input(input) => return Ok(*input),
                    // Whoever names no time is asked again as rarely as one that cannot be reached.
                    Answer::Later { retry_ms } => {
                        pause = retry_ms.unwrap_or(BACKOFF_MS_MAX).clamp(1, BACKOFF_MS_MAX);
                    }
                },
                Err(error) => {
                    unanswered(format!("{asked:?}: {error}"));
                    pause = (pause * 2).min(BACKOFF_MS_MAX);
                }
            }
            tokio::time::sleep(Duration::from_millis(pause)).await;
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
    if let Some(sharing) = &means.sharing
        && let Some(worked) = sharing.worked(work.as_ref().clone()).await?
    {
        return Ok(Input::Worked { round: work.round(), worked: Box::new(worked) });
    }
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
