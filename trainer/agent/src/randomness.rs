//! Where a contributor's randomness comes from.

use aggregator_protocol::RoundId;
use privacy_identity::{Digest, Tag, Writer};
use rand::{CryptoRng, SeedableRng as _, rand_core::UnwrapErr, rngs::SysRng};
use rand_chacha::ChaCha20Rng;

/// The generators of one contributor.
///
/// With a seed, what is *learned* is repeatable: the order of the examples and the rounding to fixed
/// point. What *hides* it never is: see [`sealing`].
pub(crate) struct Randomness {
    seed: Option<u64>,
    label: String,
}

impl Randomness {
    /// * `seed` — none: the operating system's randomness.
    /// * `label` — the contributor's name, so that those of one seed differ.
    pub(crate) fn new(seed: Option<u64>, label: &str) -> Self {
        Self { seed, label: label.to_owned() }
    }

    /// For the order of the examples, or for the direction of noise.
    pub(crate) fn training(&self, round: RoundId) -> ChaCha20Rng {
        self.stream("training", round)
    }

    /// For training a model of one's own.
    pub(crate) fn personal(&self, round: RoundId) -> ChaCha20Rng {
        self.stream("personal", round)
    }

    /// For the stochastic rounding of the update.
    pub(crate) fn rounding(&self, round: RoundId) -> ChaCha20Rng {
        self.stream("rounding", round)
    }

    fn stream(&self, purpose: &str, round: RoundId) -> ChaCha20Rng {
        let Some(seed) = self.seed else {
            return ChaCha20Rng::from_rng(&mut system());
        };
        let mut context = Writer::default();
        context.text("contributor");
        context.text(purpose);
        context.u64(seed);
        context.text(&self.label);
        context.u64(round.0);
        ChaCha20Rng::from_seed(Digest::of(Tag::KeyDerivation, &context.into_bytes()).0)
    }
}

/// For shares and envelopes, whatever the seed: always the operating system's.
///
/// Threat: a seed of a demonstration is a small number that anybody can guess, and with it the
/// shares' seeds and the ephemeral keys could be drawn again and the update read. What hides an
/// update must not be repeatable by anybody, its owner included.
pub(crate) fn sealing() -> impl CryptoRng {
    system()
}

/// For a new key.
pub(crate) fn key() -> impl CryptoRng {
    system()
}

/// The operating system's generator. A machine without one stops here: nothing on it can be kept
/// secret.
const fn system() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

#[cfg(test)]
mod tests {
    use rand::Rng as _;

    use super::*;

    fn draw(mut rng: ChaCha20Rng) -> u64 {
        rng.next_u64()
    }

    #[test]
    fn a_seed_repeats_and_everything_else_differs() {
        let randomness = |seed, label| Randomness::new(seed, label);
        let first = draw(randomness(Some(1), "a").training(RoundId(0)));
        assert_eq!(first, draw(randomness(Some(1), "a").training(RoundId(0))));
        assert_ne!(first, draw(randomness(Some(2), "a").training(RoundId(0))));
        assert_ne!(first, draw(randomness(Some(1), "b").training(RoundId(0))));
        assert_ne!(first, draw(randomness(Some(1), "a").training(RoundId(1))));
        assert_ne!(first, draw(randomness(Some(1), "a").rounding(RoundId(0))));
    }

    #[test]
    fn without_a_seed_nothing_repeats() {
        let draw = || draw(Randomness::new(None, "a").training(RoundId(0)));
        assert_ne!(draw(), draw());
    }
}
