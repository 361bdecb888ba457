//! Arguments of `sahakar simulate` about what contributors do besides plain local training.

use aggregator_strategy::{EarlyStopping, Schedule};
use clap::Args;

/// What contributors do besides plain local training, and for how long.
#[derive(Debug, Clone, Args)]
pub struct LocalArgs {
    /// What --lr is multiplied by in each round: constant, step:every=K,factor=G, exponential:factor=G or
    /// cosine:rounds=R,floor=F, each with warmup=W
    #[arg(long, default_value = "constant", value_name = "SHAPE")]
    pub schedule: Schedule,
    /// Ends when the validation rows show no improvement for P rounds: loss:patience=P or accuracy:patience=P, with
    /// improvement=X for the least that counts
    #[arg(long, value_name = "MEASURE:…")]
    pub early_stopping: Option<EarlyStopping>,
    /// The last N dense layers are each contributor's own and never uploaded (personalisation layers); with --seal none and
    /// --value none, as nobody can measure a model without its last layers
    #[arg(long, value_name = "N")]
    pub personal_layers: Option<usize>,
    /// Each contributor also trains a model of its own that is drawn to the shared one with this weight (Ditto), and
    /// keeps it to itself; inf makes it the shared one. Training takes twice as long, uploads stay the same
    #[arg(long, value_name = "LAMBDA")]
    pub ditto_lambda: Option<f32>,
    /// Share of its rows that each contributor sets aside to be tested on; 0.2 with --personal-layers or
    /// --ditto-lambda, else none
    #[arg(long, value_name = "SHARE")]
    pub local_test: Option<f64>,
}
