//! When a server that does not wait for everybody takes a step, and how long a step it is.
//!
//! ```text
//!   newest model ─trained from version v─► waits with those of v ─the buffer is full─► a round of v's own ─► a step
//!                                                └ more than `stale_max` versions old ─► thrown away
//! ```
//!
//! Source: Nguyen et al. 2022, "Federated Learning with Buffered Asynchronous Aggregation", Algorithm 1. The server
//! divides Σ weight·update by the size K of the buffer. Here a full buffer consists of groups, one for each version
//! that its updates were trained from, and every group is a step of its own: of a mean over n updates,
//! weight(staleness) · n/K are taken. The steps of the groups of one buffer are then the paper's step in as many
//! pieces, with two differences: a later piece is one version older for each piece before it, and a group that is
//! larger than the buffer is divided by its own size, so that no step is longer than the mean.

use std::fmt;

use privacy_identity::{Decode, DecodeError, Encode, Reader, Writer};

use crate::{Positive, StalenessWeight};

/// Asynchronous rounds with a buffer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BufferRule {
    /// K: updates of a full buffer, at least 2.
    pub buffer: u32,
    /// What an update weighs by how many versions old it is.
    pub weight: StalenessWeight,
    /// Updates that are older than so many versions are thrown away, 1..=[`BufferRule::STALE_MAX`].
    pub stale_max: u32,
}

impl BufferRule {
    /// The largest [`BufferRule::stale_max`]: so many models a DAO node has to be able to hold grants against.
    pub const STALE_MAX: u32 = 1_000;

    /// What the mean of a group is multiplied by on its way into the model, in (0, 1].
    ///
    /// * `staleness` — how many versions old the model is from which the group trained.
    /// * `count` — updates of the mean, at least 1.
    #[must_use]
    pub fn factor(&self, staleness: u32, count: usize) -> Positive {
        let count = u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        let share = f64::from(count) / f64::from(self.buffer.max(count));
        Positive((self.weight.weight(staleness).0 * share).clamp(f64::MIN_POSITIVE, 1.0))
    }
}

/// As `sahakar simulate --strategy` spells it, as far as it is the federation's and not its contributors'.
impl fmt::Display for BufferRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exponent = match self.weight {
            StalenessWeight::Constant => 0.0,
            StalenessWeight::Polynomial { exponent } => exponent.0,
            StalenessWeight::Hinge { .. } => {
                return write!(
                    f,
                    "fedbuff:buffer={},weight={},stale={}",
                    self.buffer, self.weight, self.stale_max
                );
            }
        };
        write!(f, "fedbuff:buffer={},exponent={exponent},stale={}", self.buffer, self.stale_max)
    }
}

impl Encode for BufferRule {
    fn encode(&self, writer: &mut Writer) {
        writer.u32(self.buffer);
        self.weight.encode(writer);
        writer.u32(self.stale_max);
    }
}

impl Decode for BufferRule {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (buffer, weight) = (reader.u32()?, Decode::decode(reader)?);
        let rule = Self { buffer, weight, stale_max: reader.u32()? };
        if rule.buffer < 2 {
            return Err(DecodeError::invalid("buffer", rule.buffer));
        }
        if !(1..=Self::STALE_MAX).contains(&rule.stale_max) {
            return Err(DecodeError::invalid("stale", rule.stale_max));
        }
        Ok(rule)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULE: BufferRule =
        BufferRule { buffer: 6, weight: StalenessWeight::FED_BUFF, stale_max: 20 };

    /// By hand: 1/√(1 + 3) = ½. Two old updates with mean 8 and four new ones with mean 2 in a buffer of 6: the paper's
    /// step is (½·8 + ½·8 + 2 + 2 + 2 + 2)/6 = 16/6.
    #[test]
    fn the_steps_of_a_full_buffer_are_the_paper_s_step() {
        let step = RULE.factor(3, 2).get() * 8.0 + RULE.factor(0, 4).get() * 2.0;
        assert!((step - 16.0 / 6.0).abs() < 1e-12, "{step}");
        // One group that fills the buffer, or more than fills it: weight · mean.
        for count in [6, 7, 100] {
            assert!((RULE.factor(3, count).get() - 0.5).abs() < 1e-12, "{count}");
        }
    }

    /// A changed byte is a new version of a federation's terms.
    #[test]
    fn bytes_are_pinned_and_rules_that_open_single_updates_do_not_decode() {
        let bytes = [0, 0, 0, 6, 1, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20];
        assert_eq!(RULE.to_bytes(), bytes);
        assert_eq!(BufferRule::from_bytes(&bytes).unwrap(), RULE);
        assert_eq!(RULE.to_string(), "fedbuff:buffer=6,exponent=0.5,stale=20");
        for (buffer, stale_max) in [(1, 20), (6, 0), (6, BufferRule::STALE_MAX + 1)] {
            let bad = BufferRule { buffer, stale_max, ..RULE };
            assert!(BufferRule::from_bytes(&bad.to_bytes()).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_step_is_longer_than_the_mean_or_none_at_all(
            buffer in 2_u32..10_000, count in 1_usize..10_000, staleness in any::<u32>(), a in 0.0_f64..50.0,
        ) {
            let weight = match Positive::new("exponent", a) {
                Ok(exponent) => StalenessWeight::Polynomial { exponent },
                Err(_) => StalenessWeight::Constant,
            };
            let rule = BufferRule { buffer, weight, stale_max: 1 };
            let factor = rule.factor(staleness, count).get();
            prop_assert!(factor > 0.0 && factor <= 1.0);
            prop_assert!(rule.factor(staleness, count + 1).get() >= factor);
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
            if let Ok(rule) = BufferRule::from_bytes(&bytes) {
                prop_assert_eq!(rule.to_bytes(), bytes);
            }
        }
    }
}
