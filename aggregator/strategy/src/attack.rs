//! Attacks, for `sahakar simulate`: what lying contributors send.
//!
//! An attack is either on the data (label flip, backdoor: the liar trains honestly on spoilt examples, see
//! [`LabelFlip`] and [`Backdoor`]) or on the update. The attackers on updates are omniscient: they
//! see every honest update of the round before they choose, which no sealed round would let them. A rule that
//! withstands them withstands weaker ones.

mod craft;
mod data;

#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

pub use craft::{AttackError, HonestRound};
pub use data::{Backdoor, DataAttackError, ImageShape, LabelFlip};

use crate::{NotationError, Positive, notation::Notation};

/// What a lying contributor does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Attack {
    /// Trains on wrong labels.
    LabelFlip {
        /// Which label becomes which.
        flip: LabelFlip,
    },
    /// Trains on images with a trigger and the attacker's label, and may scale what comes out (Bagdasaryan et
    /// al. 2020, "How To Backdoor Federated Learning").
    Backdoor {
        /// The label that the trigger shall call.
        target: u32,
        /// The factor on its update; n replaces the model by the attacker's.
        scale: Positive,
    },
    /// Sends minus `scale` times its honest update.
    SignFlip {
        /// The factor.
        scale: Positive,
    },
    /// Sends `scale` times its honest update.
    Scale {
        /// The factor.
        scale: Positive,
    },
    /// Sends independent normal noise instead of an update (Blanchard et al. 2017, §6).
    Gaussian {
        /// Standard deviation of each coordinate, in parameter units.
        deviation: Positive,
    },
    /// Inner-product manipulation: all liars send -ε times the mean of the honest updates (Xie, Koyejo & Gupta
    /// 2020, "Fall of Empires").
    Ipm {
        /// ε; without it 2(n - f)/f, with which the mean of all is minus (n - f)/n of the honest mean.
        epsilon: Option<Positive>,
    },
    /// "A Little Is Enough": all liars send mean - z·deviation of the honest updates, coordinate by coordinate
    /// (Baruch, Baruch & Goldberg 2019, Algorithm 3).
    Alie {
        /// z; without it the largest that hides among the honest, from n and f.
        z: Option<Positive>,
    },
    /// Sends zeros: a free-rider.
    Zero,
    /// Sends the last round's mean update: a free-rider that looks busy.
    Replay,
}

impl Attack {
    const NAMES: &'static str =
        "labelflip, backdoor, signflip, scale, gaussian, ipm, alie, zero, replay";

    /// Its name as on the command line.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::LabelFlip { .. } => "labelflip",
            Self::Backdoor { .. } => "backdoor",
            Self::SignFlip { .. } => "signflip",
            Self::Scale { .. } => "scale",
            Self::Gaussian { .. } => "gaussian",
            Self::Ipm { .. } => "ipm",
            Self::Alie { .. } => "alie",
            Self::Zero => "zero",
            Self::Replay => "replay",
        }
    }

    /// Whether the liar has to train, on data of whatever kind, before it can send.
    #[must_use]
    pub const fn trains(&self) -> bool {
        matches!(
            self,
            Self::LabelFlip { .. }
                | Self::Backdoor { .. }
                | Self::SignFlip { .. }
                | Self::Scale { .. }
        )
    }
}

/// An attack and how many contributors carry it out.
///
/// Written `KIND:COUNT`, then `,key=value…`: `to` (labelflip; without it c becomes classes - 1 - c), `target`
/// and `scale` (backdoor), `scale` (signflip, scale), `deviation` (gaussian), `epsilon` (ipm), `z` (alie).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttackPlan {
    /// What they do.
    pub attack: Attack,
    /// How many do it, f.
    pub count: usize,
}

impl FromStr for AttackPlan {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Self, NotationError> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        // The count is the one value that is written without its key.
        let written = format!("{kind}:{}{rest}", if rest.is_empty() { "" } else { "count=" });
        let mut read = Notation::parse(&written)?;
        let attack = attack(&mut read)?;
        let count = read.need("count")?;
        read.finish(Self { attack, count })
    }
}

fn attack(read: &mut Notation<'_>) -> Result<Attack, NotationError> {
    Ok(match read.name {
        "labelflip" => Attack::LabelFlip {
            flip: read.take("to")?.map_or(LabelFlip::Mirror, |class| LabelFlip::To { class }),
        },
        "backdoor" => Attack::Backdoor {
            scale: read.positive("scale")?.unwrap_or(Positive::ONE),
            target: read.take("target")?.unwrap_or(0),
        },
        // Three times, as in most evaluations of robust rules.
        "signflip" => Attack::SignFlip { scale: read.positive("scale")?.unwrap_or(Positive(3.0)) },
        "scale" => Attack::Scale { scale: read.positive("scale")?.unwrap_or(Positive(10.0)) },
        "gaussian" => {
            Attack::Gaussian { deviation: read.positive("deviation")?.unwrap_or(Positive::ONE) }
        }
        "ipm" => Attack::Ipm { epsilon: read.positive("epsilon")? },
        "alie" => Attack::Alie { z: read.positive("z")? },
        "zero" => Attack::Zero,
        "replay" => Attack::Replay,
        _ => return Err(read.unknown(Attack::NAMES)),
    })
}

impl fmt::Display for AttackPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.attack.name(), self.count)?;
        match self.attack {
            Attack::LabelFlip { flip: LabelFlip::To { class } } => write!(f, ",to={class}"),
            Attack::Backdoor { target, scale } => {
                write!(f, ",target={target},scale={}", scale.0)
            }
            Attack::SignFlip { scale } | Attack::Scale { scale } => write!(f, ",scale={}", scale.0),
            Attack::Gaussian { deviation } => write!(f, ",deviation={}", deviation.0),
            Attack::Ipm { epsilon: Some(epsilon) } => write!(f, ",epsilon={}", epsilon.0),
            Attack::Alie { z: Some(z) } => write!(f, ",z={}", z.0),
            Attack::LabelFlip { flip: LabelFlip::Mirror }
            | Attack::Ipm { epsilon: None }
            | Attack::Alie { z: None }
            | Attack::Zero
            | Attack::Replay => Ok(()),
        }
    }
}
