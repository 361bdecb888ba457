//! `sahakar data`: what a contributor has, and published sets.

use clap::Subcommand;

mod check;
mod schema_file;

/// `sahakar data`.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Look at your data, and hold them against a federation: what to fix before you train
    Check(Box<check::CheckArgs>),
}

impl DataCommand {
    /// Does it.
    ///
    /// # Errors
    /// What cannot be read, or does not fit.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Check(args) => args.run(),
        }
    }
}
