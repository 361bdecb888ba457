//! What drawing functions are given.

use crate::{command::Command, desk::Desk, words::Words};

/// What is to be drawn, in which words, and where commands go.
pub(super) struct View<'a> {
    pub(super) desk: &'a Desk,
    pub(super) words: &'a Words,
    commands: std::cell::RefCell<Vec<Command>>,
}

impl<'a> View<'a> {
    pub(super) const fn new(desk: &'a Desk, words: &'a Words) -> Self {
        Self { desk, words, commands: std::cell::RefCell::new(Vec::new()) }
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
