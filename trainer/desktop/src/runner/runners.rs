//! A runner for each federation, and the thread that gives each what its desk wants done.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::AtomicUsize,
        mpsc::{Receiver, SyncSender},
    },
    thread::JoinHandle,
};

use super::{Home, Runner, Teller, floor::Floor, program::Program};
use crate::{effect::Effect, news::News, seat::Seat};

/// Runners of all federations: each has a folder and a trainer of its own; what is common is the floor on which trainers take
/// turns, and how many long tasks are under way.
pub struct Runners {
    home: Home,
    program: Program,
    news: SyncSender<(Seat, News)>,
    wake: Arc<dyn Fn() + Send + Sync>,
    slow: Arc<AtomicUsize>,
    floor: Floor,
    runners: BTreeMap<Seat, Runner>,
}

impl Runners {
    /// Starts a thread that does what comes by `effects`, until that closes; then all trainers are stopped.
    ///
    /// * `wake` — called after each piece of news.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(
        home: Home,
        program: Option<PathBuf>,
        effects: Receiver<(Seat, Effect)>,
        news: SyncSender<(Seat, News)>,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        let runners = Self {
            home,
            program: Program::new(program),
            news,
            wake: Arc::new(wake),
            slow: Arc::default(),
            floor: Floor::default(),
            runners: BTreeMap::new(),
        };
        std::thread::Builder::new().name("runner".to_owned()).spawn(move || runners.run(&effects))
    }

    fn run(mut self, effects: &Receiver<(Seat, Effect)>) {
        while let Ok((seat, effect)) = effects.recv() {
            let erases = matches!(effect, Effect::Erase);
            self.runner(seat).perform(effect);
            if erases && seat != Seat::FIRST {
                self.runners.remove(&seat);
            }
        }
        // Dropping a trainer closes its input, which it takes as the word to stop.
    }

    fn runner(&mut self, seat: Seat) -> &mut Runner {
        self.runners.entry(seat).or_insert_with(|| Runner {
            home: Arc::new(self.home.at(seat)),
            program: self.program.for_another_key(),
            teller: Teller { seat, news: self.news.clone(), wake: Arc::clone(&self.wake) },
            slow: Arc::clone(&self.slow),
            trainer: None,
            floor: self.floor.clone(),
        })
    }
}
