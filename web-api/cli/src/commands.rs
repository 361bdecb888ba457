//! What each actor does by hand, over REST or on files.

pub mod audit;
pub mod buy;
pub mod data;
pub mod delegate;
pub mod device;
pub mod dispute;
pub mod federation;
pub mod init;
pub mod key;
pub mod ledger;
pub mod member;
pub(crate) mod name;
mod new_file;
mod output;
pub mod predict;
pub mod privacy;
pub mod proposal;
pub mod receipt;
mod rows;
pub mod sent;
pub(crate) mod signing;
pub mod usage;
pub mod value;
pub mod vote;

use clap::{Args, Subcommand};

use crate::rest::Rest;

/// Which node is asked, and how its answer is shown.
#[derive(Debug, Clone, Args)]
pub struct NodeArgs {
    /// Address of the DAO node's REST interface
    #[arg(long, env = "SAHAKAR_URL", default_value = "http://127.0.0.1:8080", value_name = "URL")]
    pub url: String,
    /// Print the node's answer as JSON
    #[arg(long)]
    pub json: bool,
}

impl NodeArgs {
    /// The node's interface.
    #[must_use]
    pub fn rest(&self) -> Rest {
        Rest::new(&self.url)
    }
}

/// A buyer's secret.
#[derive(Clone, Args)]
pub struct ApiKeyArgs {
    /// The API key, `sk_…`; better given by the environment, which other users cannot see
    #[arg(long, env = "SAHAKAR_API_KEY", hide_env_values = true, value_name = "KEY")]
    pub api_key: String,
}

impl std::fmt::Debug for ApiKeyArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKeyArgs")
    }
}

/// The commands of members, buyers and auditors.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the folder of a co-operative of your own: configuration, keys, and what to start
    Init(Box<init::InitArgs>),
    /// Make and show a member's key; issue, rotate and revoke buyers' API keys
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Look at your data before you train on them
    #[command(subcommand)]
    Data(data::DataCommand),
    /// Compare the devices of this machine: which one learns fastest
    Device(device::DeviceArgs),
    /// Show federations, and invite to them
    #[command(subcommand)]
    Federation(federation::FederationCommand),
    /// Show members; invite, join, leave, agree to a changed policy
    #[command(subcommand)]
    Member(member::MemberCommand),
    /// Make, show and stop proposals
    #[command(subcommand)]
    Proposal(proposal::ProposalCommand),
    /// Show what a trainer sent, the ledger's entries that it led to, and the sealed bytes themselves
    #[command(subcommand)]
    Sent(sent::SentCommand),
    /// Get receipts of the ledger, and check them and those of rounds
    #[command(subcommand)]
    Receipt(receipt::ReceiptCommand),
    /// Vote on a proposal
    Vote(Box<vote::VoteArgs>),
    /// Entrust your vote to another member, or take it back
    Delegate(delegate::DelegateArgs),
    /// Object to what a round is about to pay
    Dispute(dispute::DisputeArgs),
    /// Buy calls of a model, a month of them, or the licence to download it
    Buy(buy::BuyArgs),
    /// Ask a model for predictions; each request costs one call
    Predict(predict::PredictArgs),
    /// Show what your keys did and what it cost
    Usage(usage::UsageArgs),
    /// Compute what noise protects: ε from noise, noise from ε
    #[command(subcommand)]
    Privacy(privacy::PrivacyCommand),
    /// Compute what players of a game are worth
    #[command(subcommand)]
    Value(value::ValueCommand),
    /// Back up and restore a ledger
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    /// Recompute a ledger from its log
    Audit(audit::AuditArgs),
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// What the node or the files refuse, with what to do about it.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Init(args) => args.run(),
            Self::Key(command) => command.run(),
            Self::Data(command) => command.run(),
            Self::Device(args) => args.run(),
            Self::Federation(command) => command.run(),
            Self::Member(command) => command.run(),
            Self::Proposal(command) => command.run(),
            Self::Receipt(command) => command.run(),
            Self::Sent(command) => command.run(),
            Self::Vote(args) => args.run(),
            Self::Delegate(args) => args.run(),
            Self::Dispute(args) => args.run(),
            Self::Buy(args) => args.run(),
            Self::Predict(args) => args.run(),
            Self::Usage(args) => args.run(),
            Self::Privacy(command) => command.run(),
            Self::Value(command) => command.run(),
            Self::Ledger(command) => command.run(),
            Self::Audit(args) => args.run(),
        }
    }
}
