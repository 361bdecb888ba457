//! Work on several threads whose results come back one by one, in the order of the items.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    panic::{self, AssertUnwindSafe},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

/// Results that may wait per thread until earlier ones are taken: enough to keep threads busy when items
/// take unequal time, few enough to bound memory.
const AHEAD_PER_THREAD: usize = 4;

/// Does `work` on each of `items` on up to `threads` threads and gives the results to `take` in the order
/// of the items. At most [`AHEAD_PER_THREAD`] results per thread exist at any time.
///
/// Stops early at the first error of `take` and returns it; work that began is finished, unused.
pub(crate) fn in_order<T: Sync, R: Send, E>(
    threads: NonZeroUsize,
    items: &[T],
    work: impl Fn(&T) -> R + Sync,
    mut take: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    if threads.get() == 1 || items.len() <= 1 {
        return items.iter().try_for_each(|item| take(work(item)));
    }
    let threads = threads.get().min(items.len());
    let next = AtomicUsize::new(0);
    let (results, received) = mpsc::channel();
    // A permit is a place among the results that may exist.
    let (permits, permit) = mpsc::channel();
    for _ in 0..threads * AHEAD_PER_THREAD {
        let _open = permits.send(()).is_ok();
    }
    let permit = Mutex::new(permit);
    thread::scope(|scope| {
        for _ in 0..threads {
            let (results, next, permit, work) = (results.clone(), &next, &permit, &work);
            scope.spawn(move || {
                // The item is chosen while the permit is held, so that the earliest items have places.
                while let Some((index, item)) = claim(permit, next, items) {
                    // A panic travels as a result: nobody waits for one that never comes.
                    let result = panic::catch_unwind(AssertUnwindSafe(|| work(item)));
                    if results.send((index, result)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(results);
        let taken = take_in_order(&received, &permits, items.len(), &mut take);
        // Threads that wait for a permit end.
        drop(permits);
        drop(received);
        taken
    })
}

fn claim<'a, T>(
    permit: &Mutex<mpsc::Receiver<()>>,
    next: &AtomicUsize,
    items: &'a [T],
) -> Option<(usize, &'a T)> {
    let permit = permit.lock().unwrap_or_else(PoisonError::into_inner);
    permit.recv().ok()?;
    let index = next.fetch_add(1, Ordering::Relaxed);
    items.get(index).map(|item| (index, item))
}

fn take_in_order<R, E>(
    received: &mpsc::Receiver<(usize, thread::Result<R>)>,
    permits: &mpsc::Sender<()>,
    count: usize,
    take: &mut impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let mut waiting = BTreeMap::new();
    let mut expected = 0;
    while expected < count {
        let Ok((index, result)) = received.recv() else { return Ok(()) };
        match result {
            Ok(result) => waiting.insert(index, result),
            Err(panic) => panic::resume_unwind(panic),
        };
        while let Some(result) = waiting.remove(&expected) {
            expected += 1;
            take(result)?;
            let _open = permits.send(()).is_ok();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    fn threads(count: usize) -> NonZeroUsize {
        NonZeroUsize::new(count).unwrap()
    }

    #[test]
    fn results_come_in_order_at_any_number_of_threads() {
        let items: Vec<u64> = (0..1_000).collect();
        for count in [1, 2, 7, 64] {
            let mut taken = Vec::new();
            // Early items take longest, so that later ones are done first.
            let work =
                |item: &u64| (0..(1_000 - item) * 20).fold(*item, |a, b| a ^ (b & 1) ^ (b & 1));
            let done: Result<(), Infallible> = in_order(threads(count), &items, work, |result| {
                taken.push(result);
                Ok(())
            });
            done.unwrap();
            assert_eq!(taken, items, "{count} threads");
        }
    }

    #[test]
    fn results_that_wait_are_bounded() {
        let items: Vec<usize> = (0..500).collect();
        let (begun, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = |_: &usize| {
            let ahead = begun.fetch_add(1, Ordering::SeqCst) - taken.load(Ordering::SeqCst);
            assert!(ahead <= 4 * AHEAD_PER_THREAD, "{ahead}");
        };
        let done: Result<(), Infallible> = in_order(threads(4), &items, work, |()| {
            taken.fetch_add(1, Ordering::SeqCst);
            Ok(())
        });
        done.unwrap();
        assert_eq!(taken.load(Ordering::SeqCst), 500);
    }

    #[test]
    fn the_first_error_ends_the_work() {
        let items: Vec<usize> = (0..100_000).collect();
        let begun = AtomicUsize::new(0);
        let work = |item: &usize| {
            begun.fetch_add(1, Ordering::SeqCst);
            *item
        };
        let refused =
            in_order(threads(3), &items, work, |item| if item == 10 { Err(item) } else { Ok(()) });
        assert_eq!(refused, Err(10));
        assert!(begun.load(Ordering::SeqCst) < 100);
    }
}
