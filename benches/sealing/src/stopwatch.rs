//! CPU time of this thread: other work on the machine costs cache and bandwidth, but is not counted.

use std::hint::black_box;

use cpu_time::ThreadTime;

/// Milliseconds that are spent on one measurement at least; tests do not measure.
const BUDGET_MS: f64 = if cfg!(test) { 0.0 } else { 250.0 };
const REPETITIONS_MIN: usize = 3;
const REPETITIONS_MAX: usize = 200;

/// Milliseconds that this thread has computed.
fn thread_ms() -> f64 {
    ThreadTime::now().as_duration().as_secs_f64() * 1e3
}

/// What `work` returns, and the milliseconds it took.
pub(crate) fn once<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = thread_ms();
    let result = black_box(work());
    (thread_ms() - start, result)
}

/// The least milliseconds of several runs of `work`, and the last result.
pub(crate) fn least<T>(mut work: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<(f64, T)> {
    let (mut best, result) = once(&mut work);
    let (mut result, mut spent) = (result?, best);
    for repetition in 1..REPETITIONS_MAX {
        if spent > BUDGET_MS && repetition >= REPETITIONS_MIN {
            break;
        }
        drop(result);
        let (ms, next) = once(&mut work);
        result = next?;
        best = best.min(ms);
        spent += ms;
    }
    Ok((best, result))
}

/// The least milliseconds of `add(k)` for k in 0..`count`, and how many were done: at least `REPETITIONS_MIN`,
/// and no more than what a second allows.
pub(crate) fn least_of_each(
    count: usize,
    mut add: impl FnMut(usize) -> anyhow::Result<()>,
) -> anyhow::Result<(f64, usize)> {
    let (mut best, mut spent) = (f64::INFINITY, 0.0);
    for done in 0..count {
        if spent > 4.0 * BUDGET_MS && done >= REPETITIONS_MIN {
            return Ok((best, done));
        }
        let (ms, result) = once(|| add(done));
        result?;
        best = best.min(ms);
        spent += ms;
    }
    Ok((best, count))
}
