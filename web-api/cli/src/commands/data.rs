//! `sahakar data`: what a contributor has, and published sets.

use clap::Subcommand;

mod check;
mod published;
mod schema_file;

/// `sahakar data`.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Look at your data, and hold them against a federation: what to fix before you train
    Check(Box<check::CheckArgs>),
    /// List published data sets, with their licences
    List(published::ListArgs),
    /// Download a published data set, and check that it is the published one
    Fetch(published::FetchArgs),
}

impl DataCommand {
    /// Does it.
    ///
    /// # Errors
    /// What cannot be read, or does not fit.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Check(args) => args.run(),
            Self::List(args) => args.run(),
            Self::Fetch(args) => args.run(),
        }
    }
}
