//! Where predictions are computed: a few threads that take together what waits together.
//!
//! ```text
//!  place ─► (the call is reserved) ─► queue ─► a thread takes all that wait for one model ─► one forward pass ─► parts
//! ```
//! A prediction is never made to wait for company: while the threads are busy others gather, and that is the batch. A
//! forward pass of the models here takes microseconds, the commit before it milliseconds. One that takes less than being handed
//! over does (two wake-ups of a thread) is computed where it is asked for.
//!
//! Threat: more requests than can be computed. Who finds no place is told so at once, before anything is booked.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tracing::error;
use trainer_model::{Architecture, ComputeDevice, Features, ModelError, Predictions};

use crate::api_error::ApiError;
use crate::inference::ROWS_MAX;
use crate::metrics::Metrics;
use crate::{INFERENCES_MAX, ShelvedModel};

/// Most predictions that are computed or wait. At ten thousand a second the last one waits a tenth of a second.
pub const QUEUE_MAX: usize = 1_024;

/// Most multiplications of a forward pass that is computed where it is asked for: at one a nanosecond, which the slowest machine
/// does better than, some 30 µs, which is what a hand-over to another thread and back takes on a machine that has much to do.
const INLINE_MULTIPLICATIONS_MAX: usize = 1 << 15;

/// What computes predictions. Its threads end with it, when the queue is empty.
#[derive(Debug)]
pub(crate) struct Batcher {
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
}

/// A place in the queue: whoever has one is computed.
#[derive(Debug)]
pub(crate) struct Place {
    /// Given back when the job is done, or was never handed in.
    _permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
    device: ComputeDevice,
    metrics: Arc<Metrics>,
    /// A thread that cannot be started leaves the node unable to compute.
    started: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: VecDeque<Job>,
    ended: bool,
}

#[derive(Debug)]
struct Job {
    model: Arc<ShelvedModel>,
    features: Features,
    reply: oneshot::Sender<Result<Predictions, ModelError>>,
    _place: Place,
}

impl Batcher {
    /// Starts the threads: as many as there are cores, and at most [`INFERENCES_MAX`].
    pub(crate) fn start(device: ComputeDevice, metrics: Arc<Metrics>) -> Self {
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::with_threads(device, metrics, cores.clamp(1, INFERENCES_MAX))
    }

    fn with_threads(device: ComputeDevice, metrics: Arc<Metrics>, count: usize) -> Self {
        let started = AtomicBool::new(false);
        let queue = Mutex::new(Queue::default());
        let shared = Shared { queue, filled: Condvar::new(), device, metrics, started };
        let shared = Arc::new(shared);
        for number in 0..count {
            let of_thread = Arc::clone(&shared);
            let thread = thread::Builder::new().name(format!("inference-{number}"));
            match thread.spawn(move || of_thread.work()) {
                Ok(_detached) => shared.started.store(true, Ordering::Relaxed),
                Err(cause) => error!(%cause, "a thread for predictions cannot be started"),
            }
        }
        Self { shared, places: Arc::new(Semaphore::new(QUEUE_MAX)) }
    }

    /// Whether anything can be computed.
    pub(crate) fn is_alive(&self) -> bool {
        self.shared.started.load(Ordering::Relaxed)
    }

    /// Predictions that are computed or wait.
    pub(crate) fn waiting(&self) -> usize {
        QUEUE_MAX - self.places.available_permits()
    }

    /// Takes a place in the queue.
    pub(crate) fn place(&self) -> Result<Place, ApiError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.map(|_permit| Place { _permit }).map_err(|_full| {
            ApiError::Unavailable("too many predictions are waiting; try again in a moment")
        })
    }

    /// Whether a forward pass takes less than handing it over, and so is computed where it is asked for. A dense network
    /// multiplies once for each parameter and row; others use a parameter many times, and are handed over.
    pub(crate) fn is_short(&self, model: &ShelvedModel, rows: usize) -> bool {
        let multiplications = model.parameters().count().saturating_mul(rows);
        self.shared.device.is_the_caller()
            && matches!(model.architecture(), Architecture::Mlp(_))
            && multiplications <= INLINE_MULTIPLICATIONS_MAX
    }

    /// Computes a prediction. If the future is dropped, it may be computed all the same.
    pub(crate) async fn predict(
        &self,
        place: Place,
        model: &Arc<ShelvedModel>,
        features: Features,
    ) -> Result<Predictions, ApiError> {
        let (reply, answer) = oneshot::channel();
        let job = Job { model: Arc::clone(model), features, reply, _place: place };
        if self.is_short(model, job.features.rows()) {
            self.shared.take(vec![job]);
            return answer.await.map_err(ApiError::internal)?.map_err(ApiError::internal);
        }
        self.shared.lock().jobs.push_back(job);
        self.shared.filled.notify_one();
        // Nobody answers if the computation panicked.
        answer.await.map_err(ApiError::internal)?.map_err(ApiError::internal)
    }
}

impl Drop for Batcher {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.filled.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // The queue is whole between any two statements of this file.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some(batch) = self.next_batch() {
            self.take(batch);
        }
    }

    fn take(&self, batch: Vec<Job>) {
        self.metrics.batch(batch.len(), rows(&batch));
        // A panic is a bug of the engine: whoever waited gets an error, the thread lives.
        let computed = catch_unwind(AssertUnwindSafe(|| self.compute(batch)));
        if computed.is_err() {
            error!("a prediction panicked: this is a bug");
        }
    }

    /// The job that waits longest, and others for the same model as long as they are few rows together. None when all is
    /// over.
    fn next_batch(&self) -> Option<Vec<Job>> {
        let mut queue = self.lock();
        loop {
            if let Some(first) = queue.jobs.pop_front() {
                let mut batch = vec![first];
                let mut rows = batch[0].features.rows();
                let mut index = 0;
                while index < queue.jobs.len() && rows < ROWS_MAX {
                    let job = &queue.jobs[index];
                    let same = job.model.digest() == batch[0].model.digest();
                    let fits = rows + job.features.rows() <= ROWS_MAX;
                    match (same && fits).then(|| queue.jobs.remove(index)).flatten() {
                        Some(job) => {
                            rows += job.features.rows();
                            batch.push(job);
                        }
                        None => index += 1,
                    }
                }
                return Some(batch);
            }
            if queue.ended {
                return None;
            }
            queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn compute(&self, batch: Vec<Job>) {
        let counts: Vec<usize> = batch.iter().map(|job| job.features.rows()).collect();
        if let [_, _, ..] = batch.as_slice()
            && let Ok(joined) = Features::joined(batch.iter().map(|job| &job.features))
            && let Ok(predictions) = batch[0].model.predict(&self.device, &joined)
        {
            for (job, part) in batch.into_iter().zip(predictions.split(&counts)) {
                // Who went away needs no answer.
                drop(job.reply.send(Ok(part)));
            }
            return;
        }
        // One alone, or one of several fails: it does so alone.
        for job in batch {
            let predictions = job.model.predict(&self.device, &job.features);
            drop(job.reply.send(predictions));
        }
    }
}

fn rows(batch: &[Job]) -> usize {
    batch.iter().map(|job| job.features.rows()).sum()
}

#[cfg(test)]
mod tests;
