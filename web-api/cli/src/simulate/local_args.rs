//! Arguments of `sahakar simulate` about what contributors do besides plain local training.

use std::{fmt, str::FromStr};

use aggregator_strategy::{EarlyStopping, NotationError, Schedule, ServerOptimizer};
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

/// The server's step, and whether contributors correct their drift.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Strategy {
    /// What the server does with the mean update.
    pub optimizer: ServerOptimizer,
    /// Whether steps are corrected by SCAFFOLD's control variates.
    pub scaffold: bool,
}

impl Strategy {
    const SCAFFOLD: &'static str = "scaffold";
    /// SCAFFOLD's server takes the mean update times a learning rate, as FedAvg's.
    const FED_AVG: &'static str = "fedavg";
}

impl FromStr for Strategy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = text
            .strip_prefix(Self::SCAFFOLD)
            .filter(|rest| matches!(rest.get(..1), None | Some(":")));
        let read = match rest {
            Some(rest) => format!("{}{rest}", Self::FED_AVG).parse(),
            None => text.parse(),
        };
        match read {
            Ok(optimizer) => Ok(Self { optimizer, scaffold: rest.is_some() }),
            Err(error @ NotationError::Name { .. }) => Err(format!("{error}, {}", Self::SCAFFOLD)),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.optimizer.to_string();
        match text.strip_prefix(Self::FED_AVG) {
            Some(rest) if self.scaffold => write!(f, "{}{rest}", Self::SCAFFOLD),
            _ => f.write_str(&text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaffold_is_a_strategy_beside_the_server_s_steps() {
        for (text, printed, scaffold) in [
            ("scaffold", "scaffold:lr=1", true),
            ("scaffold:lr=0.5", "scaffold:lr=0.5", true),
            ("fedavg", "fedavg:lr=1", false),
            ("fedavgm:lr=1,momentum=0.5", "fedavgm:lr=1,momentum=0.5", false),
        ] {
            let strategy: Strategy = text.parse().unwrap();
            assert_eq!((strategy.to_string().as_str(), strategy.scaffold), (printed, scaffold));
        }
        let refused = "scaffolds".parse::<Strategy>().unwrap_err();
        assert!(refused.ends_with("fedyogi, scaffold"), "{refused}");
        assert!("scaffold:momentum=1".parse::<Strategy>().is_err());
    }
}
