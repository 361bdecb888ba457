//! Every random choice of a simulation, drawn from its seed and from what the choice is for, never from
//! the order in which threads happen to run.

use privacy_identity::{Digest, Tag, Writer};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

/// What a generator is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Which rows are held out, and who gets the others.
    Data,
    /// Who attacks.
    Attackers,
    /// Who takes part in a round.
    Cohort,
    /// The order of a contributor's examples.
    Training,
    /// The order of examples in training a model of its own.
    Personal,
    /// Which of its rows a contributor is tested on.
    LocalTest,
    /// What an attacker draws.
    Attack,
    /// The stochastic rounding of an update.
    Rounding,
    /// Noise, shares and encryption. Repeatable here and nowhere else: a simulation hides nothing.
    Sealing,
    /// How fast a contributor is.
    Speed,
    /// Who sends nothing.
    Dropout,
    /// Keys of contributors, aggregators and the DAO node.
    Key,
    /// Orders of contributors in sampled values.
    Valuation,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Attackers => "attackers",
            Self::Cohort => "cohort",
            Self::Training => "training",
            Self::Personal => "personal",
            Self::LocalTest => "local test",
            Self::Attack => "attack",
            Self::Rounding => "rounding",
            Self::Sealing => "sealing",
            Self::Speed => "speed",
            Self::Dropout => "dropout",
            Self::Key => "key",
            Self::Valuation => "valuation",
        }
    }
}

/// The generator for `purpose` in the simulation of `seed`, told apart from others by `indices` (round,
/// contributor).
pub(crate) fn generator(seed: u64, purpose: Purpose, indices: &[u64]) -> ChaCha20Rng {
    let mut context = Writer::default();
    context.text("simulation");
    context.text(purpose.name());
    context.u64(seed);
    for index in indices {
        context.u64(*index);
    }
    ChaCha20Rng::from_seed(Digest::of(Tag::KeyDerivation, &context.into_bytes()).0)
}
