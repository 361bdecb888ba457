//! What all trainers share: one pace by what the person allows this computer, and turns.
//!
//! ```text
//!   Keeper (one, over all processes) ─pace─┐
//!   trainers' events ─────────────────turns┴─► Floor ─hold / release─► each trainer, ─Pace, Turn─► its desk
//! ```
//! Limits are of this computer and not of a federation: memory and load are those of all trainers together, and one of them
//! learns at a time.

use std::{
    collections::BTreeMap,
    io::Write as _,
    process::ChildStdin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;
use trainer_conditions::{Command as PaceCommand, Pace, Pacer, Preferences};
use trainer_machine::{Keeper, Kept, Machine, Processes};

use super::{Teller, home::Home};
use crate::{news::News, seat::Seat, turns::Turns};

/// The trainer's input, shared with who keeps its pace; none once it was told to stop.
pub(super) type Input = Arc<Mutex<Option<ChildStdin>>>;

/// What all trainers share. Cheap to clone; clones are the same.
#[derive(Clone, Default)]
pub(super) struct Floor(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    members: BTreeMap<Seat, Member>,
    processes: Processes,
    turns: Turns,
    preferences: Preferences,
    keeper: Option<Keeper>,
    kept: Option<Kept>,
}

/// A trainer that runs.
struct Member {
    input: Input,
    teller: Teller,
    process: u32,
    /// What it was told last.
    words: String,
    waits_for: Option<Seat>,
}

impl Floor {
    /// What was held while a thread panicked is still what it was.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is, and tells the desks of it when others can change it again, however far behind the window is.
    fn change(&self, change: impl FnOnce(&mut State) -> Vec<(Teller, News)>) {
        let told = change(&mut self.state());
        for (teller, news) in told {
            teller.tell(news);
        }
    }

    /// A trainer begins; with the first the machine is watched.
    pub(super) fn enter(
        &self,
        (seat, process): (Seat, u32),
        home: &Home,
        input: Input,
        teller: Teller,
    ) {
        self.change(|state| {
            state.processes.add(process);
            let member = Member { input, teller, process, words: String::new(), waits_for: None };
            state.members.insert(seat, member);
            let mut told = Vec::new();
            if state.keeper.is_none() {
                let machine = Machine::open(&home.trainer(), state.processes.clone());
                let (pacer, floor) = (Pacer::new(state.preferences.clone()), self.clone());
                state.keeper = Some(Keeper::start(pacer, machine, move |kept| floor.keep(kept)));
            } else if let Some(kept) = &state.kept {
                told = state.pace_told(kept);
            }
            told.extend(state.settle());
            told
        });
    }

    /// The trainer of `seat` has ended; after the last nothing is watched.
    pub(super) fn leave(&self, seat: Seat, process: u32) {
        self.change(|state| {
            state.processes.remove(process);
            // Another one may have begun at this seat since.
            if state.members.get(&seat).is_some_and(|member| member.process == process) {
                state.members.remove(&seat);
                state.turns.end(seat);
            }
            if state.members.is_empty() {
                (state.keeper, state.kept) = (None, None);
            }
            state.settle()
        });
    }

    /// What the trainer of `seat` said.
    pub(super) fn hear(&self, seat: Seat, event: &Value) {
        self.change(|state| {
            let before = state.turns.at();
            state.turns.hear(seat, event["event"].as_str().unwrap_or_default());
            if state.turns.at() == before { Vec::new() } else { state.settle() }
        });
    }

    /// The owner's word about the pace, of all trainers.
    pub(super) fn obey(&self, command: PaceCommand) {
        if let Some(keeper) = &self.state().keeper {
            keeper.obey(command);
        }
    }

    /// What the owner allows, to all of them together.
    pub(super) fn prefer(&self, preferences: Preferences) {
        let mut state = self.state();
        if let Some(keeper) = &state.keeper {
            keeper.prefer(preferences.clone());
        }
        state.preferences = preferences;
    }

    fn keep(&self, kept: &Kept) {
        self.change(|state| {
            if state.members.is_empty() {
                // The keeper of those that are gone.
                return Vec::new();
            }
            state.kept = Some(kept.clone());
            let mut told = state.settle();
            told.extend(state.pace_told(kept));
            told
        });
    }
}

impl State {
    /// Holds each trainer or lets it go on. Returns what its desk is to be told: for whom it waits.
    fn settle(&mut self) -> Vec<(Teller, News)> {
        let mut told = Vec::new();
        // Until the first reading nobody has said that it may train.
        let Some(kept) = &self.kept else { return told };
        for (seat, member) in &mut self.members {
            let waits_for = self.turns.waits_for(*seat);
            let word = match kept.pace {
                Pace::Train if waits_for.is_none() => "release",
                _ => "hold",
            };
            let words = format!("limit {}\n{word}\n", kept.duty);
            if words != member.words {
                member.say(&words);
                member.words = words;
            }
            if waits_for != member.waits_for {
                member.waits_for = waits_for;
                told.push((member.teller.clone(), News::Turn(waits_for)));
            }
        }
        told
    }

    fn pace_told(&self, kept: &Kept) -> Vec<(Teller, News)> {
        let of = |member: &Member| {
            let news = [News::Pace(kept.pace), News::Unwatched(kept.unwatched.clone())];
            news.map(|news| (member.teller.clone(), news))
        };
        self.members.values().flat_map(of).collect()
    }
}

impl Member {
    fn say(&self, words: &str) {
        let Ok(mut input) = self.input.lock() else { return };
        if let Some(input) = input.as_mut() {
            // One that reads no more has ended or is about to; its listener tells.
            let _gone = input.write_all(words.as_bytes()).and_then(|()| input.flush()).is_err();
        }
    }
}

#[cfg(test)]
mod tests;
