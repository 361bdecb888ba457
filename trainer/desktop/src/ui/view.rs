//! What drawing functions are given.

use crate::{command::Command, desk::Desk, seats::Seats, words::Words};

/// What is to be drawn, in which words, and where commands go.
pub(super) struct View<'a> {
    pub(super) desk: &'a Desk,
    pub(super) seats: &'a Seats,
    pub(super) words: &'a Words,
    commands: std::cell::RefCell<Vec<Command>>,
}

impl<'a> View<'a> {
    pub(super) fn new(seats: &'a Seats, words: &'a Words) -> Self {
        Self { desk: seats.desk(), seats, words, commands: std::cell::RefCell::new(Vec::new()) }
    }

    /// The text called `key`.
    pub(super) fn t(&self, key: &'static str) -> &'a str {
        self.words.text(key)
    }

    /// The text called `key`, with its holes filled.
    pub(super) fn fill(&self, key: &str, values: &[(&str, &str)]) -> String {
        self.words.fill(key, values)
    }

    /// Sends a command; it is applied after the frame.
    pub(super) fn send(&self, command: Command) {
        self.commands.borrow_mut().push(command);
    }

    /// The commands that were sent.
    pub(super) fn into_commands(self) -> Vec<Command> {
        self.commands.into_inner()
    }
}
