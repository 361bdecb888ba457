//! One request of this process, its transfers included.
//!
//! ```text
//!   small request ─────────────────────────────► whole ─► answer
//!   large request ─► offer ─► put … ─► commit ─┘      └─► described ─► get … ─► answer
//!                      ▲        │         │
//!                      └────────┴─────────┘ the peer does not know the transfer any more
//! ```

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt as _, stream::FuturesUnordered};
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use crate::{
    address::Address,
    assembly::{self, Assembly, ChunkError},
    backoff::{Backoff, jittered},
    decline::DeclineReason,
    description::{CHUNK_BYTES, Description, TransferId},
    driver::lock,
    link::Link,
    payload::Payload,
    request::{self, RequestError},
    wire::{Answer, Ask},
};

/// Chunks under way at a time: see [`CHUNK_BYTES`] for what that costs and brings.
const CHUNKS_UNDER_WAY: usize = 4;
/// How often a chunk is asked for that comes corrupted. Below noise and TLS it is not the line's doing.
const CORRUPT_MAX: u32 = 3;
/// The slowest transfer that is waited for, in bytes a second.
const BYTES_PER_SECOND_MIN: u64 = 16 << 10;
/// How often a request is offered anew to a peer that forgets it.
const OFFERS_MAX: usize = 5;

/// Which way a message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The request, to the peer.
    Upload,
    /// The answer, from the peer.
    Download,
}

/// How far a message in chunks is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Which way it travels.
    pub direction: Direction,
    /// Bytes that have arrived.
    pub bytes_done: u64,
    /// Bytes of the message.
    pub bytes_total: u64,
}

/// Why a transfer did not go on.
enum Halt {
    /// The peer does not know it, or not any more.
    Unknown,
    Failed(RequestError),
}

impl From<RequestError> for Halt {
    fn from(error: RequestError) -> Self {
        Self::Failed(error)
    }
}

/// What an answer was to a transfer.
enum Taken {
    /// So many bytes arrived.
    Bytes(u64),
    /// The chunk has to be asked for again.
    Again,
}

/// A request on its way.
pub(crate) struct Request<'a, P> {
    link: &'a Link,
    address: Address,
    progress: P,
    /// When anything arrived last.
    moved_at: Instant,
    /// When even the slowest transfer has ended.
    deadline: Option<Instant>,
    backoff: Backoff,
}

impl<'a, P: FnMut(Progress) + Send> Request<'a, P> {
    pub(crate) fn new(link: &'a Link, address: Address, progress: P) -> Self {
        let (moved_at, deadline) = (Instant::now(), None);
        Self { link, address, progress, moved_at, deadline, backoff: Backoff::default() }
    }

    /// Brings the request to the peer and its answer back.
    pub(crate) async fn run(mut self, body: Vec<u8>) -> Result<Vec<u8>, RequestError> {
        let length = body.len() as u64;
        let answer = if length <= CHUNK_BYTES.into() {
            self.ask(Ask::Whole(body.into()), length).await?
        } else {
            self.upload(Arc::new(body)).await?
        };
        match answer {
            Answer::Whole(answer) => Ok(answer.into_vec()),
            Answer::Described(description) => self.download(description).await,
            _ => Err(self.misbehaved()),
        }
    }

    /// Asks until the peer does not put it off, for `request_timeout` at most.
    async fn ask(&self, ask: Ask, length: u64) -> Result<Answer, RequestError> {
        let until = Instant::now() + self.link.limits.request_timeout;
        loop {
            match self.link.exchange(self.address, ask.clone()).await? {
                Answer::Declined(decline) => {
                    let pause = later(decline.retry_ms);
                    if !decline.reason.passes() || Instant::now() + pause >= until {
                        return Err(request::declined(decline, length));
                    }
                    sleep(pause).await;
                }
                answer => return Ok(answer),
            }
        }
    }

    async fn upload(&mut self, body: Arc<Vec<u8>>) -> Result<Answer, RequestError> {
        let length = body.len() as u64;
        let description = described(&body)
            .await
            .ok_or(RequestError::RequestTooLarge { length, limit: u32::MAX })?;
        self.begin(length);
        for _ in 0..OFFERS_MAX {
            let outcome = match self.offer(&description).await {
                Ok(missing) => self.put(&description, &body, missing).await,
                Err(halt) => Err(halt),
            };
            match outcome {
                Ok(()) => {}
                Err(Halt::Unknown) => continue,
                Err(Halt::Failed(error)) => return Err(error),
            }
            match self.ask(Ask::Commit(description.id()), length).await {
                Err(RequestError::Declined { reason: DeclineReason::TransferUnknown }) => {}
                outcome => return outcome,
            }
        }
        Err(RequestError::Declined { reason: DeclineReason::TransferUnknown })
    }

    /// Asks which chunks the peer has already.
    async fn offer(&mut self, description: &Description) -> Result<Vec<u32>, Halt> {
        let length = description.length().into();
        loop {
            match self.ask(Ask::Offer(description.clone()), length).await {
                Ok(Answer::Have(bitmap)) => {
                    let missing = assembly::missing_by(&bitmap, description);
                    return missing.ok_or_else(|| self.misbehaved().into());
                }
                Ok(_) => return Err(self.misbehaved().into()),
                Err(error) => self.interrupted(error).await?,
            }
        }
    }

    async fn put(
        &mut self,
        description: &Description,
        body: &Arc<Vec<u8>>,
        missing: Vec<u32>,
    ) -> Result<(), Halt> {
        let (id, total) = (description.id(), u64::from(description.length()));
        let bytes_of = |index| description.chunk_range(index).map_or(0, |range| range.len() as u64);
        let mut done = total - missing.iter().map(|index| bytes_of(*index)).sum::<u64>();
        let resumed = u64::from(description.chunk_count()) - missing.len() as u64;
        self.link.shared.tally.chunks_resumed.add(resumed);
        let ask = |index| {
            let range = description.chunk_range(index).unwrap_or_default();
            Ask::Put { id, index, chunk: Payload::part(Arc::clone(body), range) }
        };
        let tally = Arc::clone(&self.link.shared.tally);
        self.each(missing, ask, Direction::Upload, (&mut done, total), |index, answer| match answer
        {
            Answer::Done => {
                tally.chunks_out.add_one();
                Some(Taken::Bytes(bytes_of(index)))
            }
            _ => None,
        })
        .await
    }

    /// Fetches an answer; what has come of it is kept if that fails.
    async fn download(&mut self, description: Description) -> Result<Vec<u8>, RequestError> {
        let (length, limit) = (description.length(), self.link.limits.response_bytes_max);
        if length > limit {
            self.link.shared.tally.oversized.add_one();
            return Err(RequestError::ResponseTooLarge { length: length.into(), limit });
        }
        self.begin(length.into());
        let (peer, id) = (self.address.peer(), description.id());
        let shared = Arc::clone(&self.link.shared);
        let assembly = lock(&shared.downloads).take(peer, &description);
        shared.tally.chunks_resumed.add(assembly.chunks_held());
        // Back among the kept ones when it is dropped, at whatever point that is.
        let mut kept = Kept { link: self.link, address: self.address, assembly: Some(assembly) };
        match self.get(id, &mut kept).await {
            Ok(()) => {}
            Err(Halt::Unknown) => return Err(RequestError::AnswerGone),
            Err(Halt::Failed(error)) => return Err(error),
        }
        let message = kept.assembly.take().and_then(|assembly| assembly.message());
        // The peer may forget it now; if this is lost, it will by itself.
        drop(self.link.exchange(self.address, Ask::Done(id)).await);
        message.ok_or_else(|| self.misbehaved())
    }

    async fn get(&mut self, id: TransferId, kept: &mut Kept<'_>) -> Result<(), Halt> {
        let Some(assembly) = &mut kept.assembly else { return Ok(()) };
        let (missing, total) = (assembly.missing(), u64::from(assembly.description().length()));
        let mut done = assembly.bytes();
        let (peer, tally) = (self.address.peer(), Arc::clone(&self.link.shared.tally));
        let (corrupt, corrupt_index) = (AtomicU32::new(0), AtomicU32::new(0));
        let assembly = Mutex::new(assembly);
        let ask = |index| Ask::Get { id, index };
        let take = |index, answer| {
            let Answer::Chunk(chunk) = answer else { return None };
            let bytes = chunk.len() as u64;
            match lock(&assembly).place(index, chunk) {
                Ok(_) => {
                    tally.chunks_in.add_one();
                    Some(Taken::Bytes(bytes))
                }
                Err(ChunkError::OutOfRange { .. }) => None,
                Err(error) => {
                    tally.chunks_corrupt.add_one();
                    warn!(peer.id = %peer, "{peer} sent {error}");
                    corrupt_index.store(index, Ordering::Relaxed);
                    let count = corrupt.fetch_add(1, Ordering::Relaxed) + 1;
                    (count < CORRUPT_MAX).then_some(Taken::Again)
                }
            }
        };
        let outcome = self.each(missing, ask, Direction::Download, (&mut done, total), take).await;
        let attempts = corrupt.into_inner();
        if outcome.is_err() && attempts >= CORRUPT_MAX {
            let index = corrupt_index.into_inner();
            return Err(RequestError::ChunkCorrupt { peer, index, attempts }.into());
        }
        outcome
    }

    /// Asks for each of `missing`, some at a time, until all were taken.
    ///
    /// * `take` — what an answer was; `None` for one that ends the transfer.
    async fn each(
        &mut self,
        missing: Vec<u32>,
        ask: impl Fn(u32) -> Ask + Send,
        direction: Direction,
        (done, bytes_total): (&mut u64, u64),
        take: impl Fn(u32, Answer) -> Option<Taken> + Send,
    ) -> Result<(), Halt> {
        let (link, address) = (self.link, self.address);
        let mut queue = VecDeque::from(missing);
        let mut under_way = FuturesUnordered::new();
        let mut interruption = None;
        loop {
            // After an interruption all that is under way comes back first: it failed as one.
            while interruption.is_none() && under_way.len() < CHUNKS_UNDER_WAY {
                let Some(index) = queue.pop_front() else { break };
                let exchange = link.exchange(address, ask(index));
                under_way.push(async move { (index, exchange.await) });
            }
            let Some((index, outcome)) = under_way.next().await else {
                match interruption.take() {
                    Some(error) => self.interrupted(error).await?,
                    None if queue.is_empty() => return Ok(()),
                    None => {}
                }
                continue;
            };
            match outcome {
                Ok(Answer::Declined(decline)) if decline.reason.passes() => {
                    queue.push_front(index);
                    sleep(later(decline.retry_ms)).await;
                    self.check_time(|| request::declined(decline, bytes_total))?;
                }
                Ok(Answer::Declined(decline))
                    if decline.reason == DeclineReason::TransferUnknown =>
                {
                    return Err(Halt::Unknown);
                }
                Ok(Answer::Declined(decline)) => {
                    return Err(request::declined(decline, bytes_total).into());
                }
                Ok(answer) => match take(index, answer).ok_or_else(|| self.misbehaved())? {
                    Taken::Bytes(bytes) => {
                        *done += bytes;
                        self.moved(Progress { direction, bytes_done: *done, bytes_total })?;
                    }
                    Taken::Again => queue.push_back(index),
                },
                Err(error) if error.is_interruption() => {
                    queue.push_front(index);
                    interruption = Some(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn begin(&mut self, length: u64) {
        self.moved_at = Instant::now();
        let slowest = Duration::from_secs(length / BYTES_PER_SECOND_MIN);
        self.deadline = self.moved_at.checked_add(slowest + self.link.limits.request_timeout);
    }

    fn moved(&mut self, progress: Progress) -> Result<(), Halt> {
        self.moved_at = Instant::now();
        self.backoff.reset();
        (self.progress)(progress);
        let limit = self.link.limits.request_timeout;
        match self.deadline {
            Some(deadline) if self.moved_at > deadline => {
                Err(RequestError::Timeout { limit }.into())
            }
            _ => Ok(()),
        }
    }

    /// Pauses after a lost connection, or gives up if nothing has moved for too long.
    async fn interrupted(&mut self, error: RequestError) -> Result<(), Halt> {
        if !error.is_interruption() {
            return Err(error.into());
        }
        debug!(%error, "a transfer was interrupted: {error}");
        self.check_time(|| error)?;
        self.link.shared.tally.transfers_interrupted.add_one();
        sleep(self.backoff.pause()).await;
        Ok(())
    }

    fn check_time(&self, error: impl FnOnce() -> RequestError) -> Result<(), Halt> {
        if self.moved_at.elapsed() < self.link.limits.request_timeout {
            return Ok(());
        }
        Err(error().into())
    }

    const fn misbehaved(&self) -> RequestError {
        RequestError::Misbehaved { peer: self.address.peer() }
    }
}

/// What has come of an answer, kept for the next time unless it was taken out.
struct Kept<'a> {
    link: &'a Link,
    address: Address,
    assembly: Option<Assembly>,
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        if let Some(assembly) = self.assembly.take() {
            let bytes_max = self.link.limits.transfer_bytes_max;
            let mut downloads = lock(&self.link.shared.downloads);
            downloads.keep(self.address.peer(), assembly, bytes_max, Instant::now());
        }
    }
}

/// As long as a peer asked for and up to a quarter more, and no longer than anything here waits.
fn later(retry_ms: u32) -> Duration {
    let least = Duration::from_millis(retry_ms.into()).min(Duration::from_secs(60));
    least + jittered(least / 4)
}

/// Describes a message away from the tasks of the network.
async fn described(body: &Arc<Vec<u8>>) -> Option<Description> {
    let body = Arc::clone(body);
    tokio::task::spawn_blocking(move || Description::of(&body)).await.ok()?
}
