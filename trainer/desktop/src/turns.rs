//! Who trains now: several federations, one at a time, in the order in which their rounds came.
//!
//! Threat: limits that hold for each federation by itself. Two that train at once would take twice the share of the processor
//! that the person allowed. So one has the turn for what it learns in one round; the others keep in touch with their
//! federations and are held before their next step.

use std::collections::VecDeque;

use crate::seat::Seat;

/// Who trains, and who waits for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Turns {
    at: Option<Seat>,
    waiting: VecDeque<Seat>,
}

impl Turns {
    /// Whose turn it is, if somebody trains.
    #[must_use]
    pub const fn at(&self) -> Option<Seat> {
        self.at
    }

    /// For whom `seat` is held; none: it may train.
    #[must_use]
    pub fn waits_for(&self, seat: Seat) -> Option<Seat> {
        self.at.filter(|at| *at != seat)
    }

    /// Takes note of what the trainer of `seat` says (trainer/agent/EVENTS.md).
    pub fn hear(&mut self, seat: Seat, event: &str) {
        match event {
            // There is something to learn, or it is learnt already.
            "ordered" | "offered" | "training" => self.begin(seat),
            // It is learnt, or there is nothing to learn any more.
            "trained" | "waiting" | "stale" | "sealed" | "submitted" | "counted" | "not-drawn"
            | "aborted" | "refused" | "disputed" | "finished" | "terms-changed" | "stopped"
            | "failed" => self.end(seat),
            _ => {}
        }
    }

    fn begin(&mut self, seat: Seat) {
        match self.at {
            None => self.at = Some(seat),
            Some(at) if at == seat || self.waiting.contains(&seat) => {}
            Some(_) => self.waiting.push_back(seat),
        }
    }

    /// `seat` has nothing to learn: the next one has the turn.
    pub fn end(&mut self, seat: Seat) {
        self.waiting.retain(|waiting| *waiting != seat);
        if self.at == Some(seat) {
            self.at = self.waiting.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEATS: [Seat; 3] = [Seat(1), Seat(2), Seat(7)];

    #[test]
    fn one_trains_and_the_others_wait_in_the_order_in_which_their_rounds_came() {
        let [first, second, third] = SEATS;
        let mut turns = Turns::default();
        for (seat, event) in [(second, "ordered"), (third, "offered"), (first, "ordered")] {
            turns.hear(seat, event);
        }
        assert_eq!(SEATS.map(|seat| turns.waits_for(seat)), [Some(second), None, Some(second)]);
        // While it trains it says so many times.
        turns.hear(second, "training");
        turns.hear(second, "trained");
        assert_eq!(turns.at(), Some(third));
        turns.hear(second, "sealed");
        turns.hear(third, "waiting");
        assert_eq!(turns.at(), Some(first));
        turns.hear(first, "trained");
        assert_eq!(SEATS.map(|seat| turns.waits_for(seat)), [None; 3]);
    }

    #[test]
    fn who_leaves_holds_nobody_up() {
        let [first, second, third] = SEATS;
        for gone in ["refused", "stopped", "failed", "terms-changed"] {
            let mut turns = Turns::default();
            SEATS.into_iter().for_each(|seat| turns.hear(seat, "ordered"));
            turns.hear(second, gone);
            assert_eq!(turns.at(), Some(first));
            turns.hear(first, gone);
            assert_eq!(turns.at(), Some(third), "the second has left");
            turns.end(third);
            assert_eq!(turns, Turns::default());
        }
    }
}
