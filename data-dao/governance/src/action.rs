//! What a proposal does when it is executed: a closed list, no code.

use privacy_identity::{Encode, Writer};
use serde::{Deserialize, Serialize};

use crate::{Accused, text};

/// Most actions of one proposal.
pub const ACTIONS_MAX: usize = 16;

/// One thing that a proposal does. Only what is really executed stands here. This is the wire
/// form; whether the model or federation exists is for the journal to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Sets what one prediction of a model costs from now on.
    SetPredictionPrice {
        /// The model's name.
        model: String,
        /// New price in 10⁻⁴ of the currency's unit.
        #[serde(with = "text")]
        price: u128,
    },
    /// Sets the credits of a federation's later rounds.
    SetRoundBudget {
        /// The federation's name.
        federation: String,
        /// Credits of each round.
        #[serde(with = "text")]
        credits: u128,
    },
    /// Decides that an open dispute over the pay of a round is right: what it accuses is not paid.
    UpholdDispute {
        /// The federation's name.
        federation: String,
        /// The round.
        round: u64,
        /// Whom the dispute accuses.
        #[serde(with = "text")]
        accused: Accused,
    },
    /// Changes nothing: the proposal's words are the decision.
    Text,
}

impl Encode for Action {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::SetPredictionPrice { model, price } => {
                writer.u8(1);
                writer.text(model);
                writer.array(&price.to_be_bytes());
            }
            Self::SetRoundBudget { federation, credits } => {
                writer.u8(2);
                writer.text(federation);
                writer.array(&credits.to_be_bytes());
            }
            Self::Text => writer.u8(3),
            Self::UpholdDispute { federation, round, accused } => {
                writer.u8(32);
                writer.text(federation);
                writer.u64(*round);
                accused.encode(writer);
            }
        }
    }
}
