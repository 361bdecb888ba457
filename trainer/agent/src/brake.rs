//! Holding training back, from outside.

use std::{
    ops::ControlFlow,
    sync::Mutex,
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, sync::watch};
use trainer_model::{Progress, Watch};

/// The longest rest after one step, so that a step that took long by accident does not stop the work.
const REST_MAX: Duration = Duration::from_secs(2);

/// What holds and limits an agent's training. Cheap to clone; clones are the same brake.
///
/// Held, an agent trains nothing: a step under way ends, the next waits. It goes on to answer as a
/// custodian and to ask for receipts, which cost nothing that a person would feel.
#[derive(Debug, Clone)]
pub struct Brake(watch::Sender<Setting>);

#[derive(Debug, Clone, Copy, PartialEq)]
struct Setting {
    held: bool,
    /// The share of its time that training may work, above 0 and at most 1.
    duty: f64,
}

impl Default for Brake {
    /// Released, without a limit.
    fn default() -> Self {
        Self(watch::Sender::new(Setting { held: false, duty: 1.0 }))
    }
}

impl Brake {
    /// Holds training back from the next step on.
    pub fn hold(&self) {
        self.0.send_modify(|setting| setting.held = true);
    }

    /// Lets it go on.
    pub fn release(&self) {
        self.0.send_modify(|setting| setting.held = false);
    }

    /// Whether it is held.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.0.borrow().held
    }

    /// Limits the share of its time that training works.
    ///
    /// * `duty` — above 0 and at most 1; anything else is taken as the nearest that is, 1 % at least.
    pub fn limit(&self, duty: f64) {
        let duty = if duty.is_nan() { 1.0 } else { duty.clamp(0.01, 1.0) };
        self.0.send_modify(|setting| setting.duty = duty);
    }

    async fn released(&self) {
        // The sender is this brake, so that it is not closed.
        let released = self.0.subscribe().wait_for(|setting| !setting.held).await.is_ok();
        debug_assert!(released, "a brake holds its own sender");
    }
}

/// Between an agent's brake and its training: tells how far that got, and waits.
pub(crate) struct Gate {
    brake: Brake,
    progress: watch::Sender<Option<Progress>>,
    /// When the step under way began.
    began: Mutex<Instant>,
}

impl Gate {
    /// A gate, and what passes it. When the receiver is gone, so is the agent, and training ends.
    pub(crate) fn new(brake: Brake) -> (Self, watch::Receiver<Option<Progress>>) {
        let (progress, told) = watch::channel(None);
        (Self { brake, progress, began: Mutex::new(now()) }, told)
    }

    /// Waits for `rest`, or until the agent is gone.
    async fn wait(&self, rest: impl Future<Output = ()>) -> ControlFlow<()> {
        tokio::select! {
            () = rest => ControlFlow::Continue(()),
            () = self.progress.closed() => ControlFlow::Break(()),
        }
    }

    fn pass(&self) -> ControlFlow<()> {
        if self.progress.is_closed() {
            return ControlFlow::Break(());
        }
        let Setting { held, duty } = *self.brake.0.borrow();
        let worked = self.began.lock().map_or(Duration::ZERO, |began| began.elapsed());
        let rest = worked.mul_f64(1.0 / duty - 1.0).min(REST_MAX);
        if !held && rest.is_zero() {
            return ControlFlow::Continue(());
        }
        // Training runs on a thread that may block, of a runtime that waits for it.
        Handle::current().block_on(async {
            self.wait(tokio::time::sleep(rest)).await?;
            self.wait(self.brake.released()).await
        })
    }
}

impl Watch for Gate {
    fn after_step(&self, progress: &Progress) -> ControlFlow<()> {
        self.progress.send_replace(Some(*progress));
        let passed = self.pass();
        if let Ok(mut began) = self.began.lock() {
            *began = now();
        }
        passed
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a step took decides how long it rests")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const PROGRESS: Progress = Progress { step: 1, steps: 2, examples: 32, loss: Some(0.5) };

    fn step(gate: &Arc<Gate>) -> tokio::task::JoinHandle<ControlFlow<()>> {
        let gate = Arc::clone(gate);
        tokio::task::spawn_blocking(move || gate.after_step(&PROGRESS))
    }

    #[tokio::test]
    async fn a_held_step_waits_until_it_is_released() {
        let brake = Brake::default();
        let (gate, mut told) = Gate::new(brake.clone());
        let gate = Arc::new(gate);
        assert_eq!(step(&gate).await.unwrap(), ControlFlow::Continue(()));
        assert_eq!(*told.borrow_and_update(), Some(PROGRESS));
        brake.hold();
        let held = step(&gate);
        told.changed().await.unwrap();
        assert!(brake.holds() && !held.is_finished());
        brake.release();
        assert_eq!(held.await.unwrap(), ControlFlow::Continue(()));
    }

    #[tokio::test]
    async fn training_ends_with_its_agent_even_while_it_is_held() {
        let brake = Brake::default();
        let (gate, mut told) = Gate::new(brake.clone());
        let gate = Arc::new(gate);
        brake.hold();
        let held = step(&gate);
        told.changed().await.unwrap();
        drop(told);
        assert_eq!(held.await.unwrap(), ControlFlow::Break(()));
        brake.release();
        assert_eq!(step(&gate).await.unwrap(), ControlFlow::Break(()));
    }

    #[tokio::test]
    async fn a_limit_makes_training_rest_as_long_as_it_says() {
        let brake = Brake::default();
        brake.limit(0.25);
        let (gate, _told) = Gate::new(brake);
        let gate = Arc::new(gate);
        *gate.began.lock().unwrap() = now().checked_sub(Duration::from_millis(20)).unwrap();
        let begun = now();
        assert_eq!(step(&gate).await.unwrap(), ControlFlow::Continue(()));
        assert!(begun.elapsed() >= Duration::from_millis(60), "{:?}", begun.elapsed());
    }

    #[test]
    fn a_limit_that_is_none_is_taken_as_the_nearest() {
        let brake = Brake::default();
        for (given, taken) in [(0.0, 0.01), (2.0, 1.0), (f64::NAN, 1.0), (0.5, 0.5)] {
            brake.limit(given);
            assert!((brake.0.borrow().duty - taken).abs() < 1e-12, "{given}");
        }
    }
}
