//! How a federation chooses who takes part in a round: part of its terms.

use std::{fmt, str::FromStr};

use privacy_identity::{Decode, DecodeError, Encode, Reader, VerifyingKey, Writer};

use super::{CohortError, Draw, SamplingRate, public_draw};
use crate::{NotationError, notation::Notation};

/// Least and most that a round invites for each that it wants, in per cent.
const OVER_PERCENT_MIN: u16 = 100;
const OVER_PERCENT_MAX: u16 = 1000;

/// How many are invited for each that is wanted, 1 to 10, in steps of a hundredth so that everybody counts
/// the same: ⌈size · factor⌉ by integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OverSelection {
    percent: u16,
}

impl OverSelection {
    /// Exactly as many as are wanted.
    pub const NONE: Self = Self { percent: OVER_PERCENT_MIN };

    /// Takes a factor in per cent.
    ///
    /// # Errors
    /// [`CohortError::OverSelection`] unless it is 100 to 1000.
    pub const fn from_percent(percent: u16) -> Result<Self, CohortError> {
        if OVER_PERCENT_MIN <= percent && percent <= OVER_PERCENT_MAX {
            Ok(Self { percent })
        } else {
            Err(CohortError::OverSelection)
        }
    }

    /// The factor in per cent.
    #[must_use]
    pub const fn percent(self) -> u16 {
        self.percent
    }

    /// ⌈`wanted` · factor⌉.
    #[must_use]
    pub const fn invited(self, wanted: u32) -> u64 {
        (wanted as u64 * self.percent as u64).div_ceil(OVER_PERCENT_MIN as u64)
    }
}

impl fmt::Display for OverSelection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", f64::from(self.percent) / f64::from(OVER_PERCENT_MIN))
    }
}

impl FromStr for OverSelection {
    type Err = CohortError;

    /// Reads a factor with at most two digits behind the point: `1`, `1.3`, `1.25`.
    fn from_str(text: &str) -> Result<Self, CohortError> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || whole.len() > 2 || part.len() > 2 || !digits(whole) || !digits(part)
        {
            return Err(CohortError::OverSelection);
        }
        let number = format!("{whole}{part:0<2}").parse::<u16>();
        Self::from_percent(number.map_err(|_too_long| CohortError::OverSelection)?)
    }
}

/// How a round's cohort is chosen. Part of the signed terms.
///
/// Written `everybody`, `uniform:size=K,over=F` (F is 1 unless given) or `secret:rate=Q`.
///
/// Threats:
/// - *Uniform*: the draw is by a hash of federation, round and model ([`public_draw`]), so that everybody with
///   the list of members recomputes it; a member that joins after the model became known could try keys until
///   one is drawn, so who joins is drawn from the next model on. A coordinator that gives a round up gets
///   another draw: rounds that were given up are in the log.
/// - *Over-selection* counts those who are first: it prefers members with fast machines and little data, and
///   whoever accepts updates decides who was first. What the others trained is lost.
/// - *Secret*: see [`Ticket`](super::Ticket). There is no over-selection with it: who is counted would then depend on
///   who else was drawn, and members would no longer take part independently.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum CohortRule {
    /// Every member is invited, and all are waited for.
    #[default]
    Everybody,
    /// ⌈size · over-selection⌉ members are drawn in public and invited; the round takes the first `size`.
    Uniform {
        /// How many updates are wanted, at least 2.
        size: u32,
        /// How many are invited for each.
        over: OverSelection,
    },
    /// Each member draws for itself, in secret, and shows its ticket with its update.
    Secret {
        /// The probability of being drawn.
        rate: SamplingRate,
    },
}

/// Fewest updates of a uniform cohort: the sum of one is that one.
const SIZE_MIN: u32 = 2;

impl CohortRule {
    const NAMES: &'static str = "everybody, uniform, secret";

    /// How many updates are enough; none if all who are invited are waited for.
    #[must_use]
    pub const fn enough(&self) -> Option<usize> {
        match self {
            Self::Uniform { size, .. } => Some(*size as usize),
            Self::Everybody | Self::Secret { .. } => None,
        }
    }

    /// Most members that are invited to a round; none if that is all there are.
    #[must_use]
    pub const fn invited_max(&self) -> Option<u64> {
        match self {
            Self::Uniform { size, over } => Some(over.invited(*size)),
            Self::Everybody | Self::Secret { .. } => None,
        }
    }

    /// The rate at which members draw for themselves, where they do.
    #[must_use]
    pub const fn secret_rate(&self) -> Option<SamplingRate> {
        match self {
            Self::Secret { rate } => Some(*rate),
            Self::Everybody | Self::Uniform { .. } => None,
        }
    }

    /// Who of `members` is invited to the round of `draw`, in increasing order: of fewer members than are to be
    /// invited all of them.
    ///
    /// # Errors
    /// [`CohortError`] without members, or with one that is listed twice.
    pub fn invited(
        &self,
        draw: &Draw,
        members: &[VerifyingKey],
    ) -> Result<Vec<VerifyingKey>, CohortError> {
        let mut drawn = public_draw(&draw.seed(), members)?;
        if let Some(most) = self.invited_max() {
            drawn.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        }
        drawn.sort_unstable();
        Ok(drawn)
    }
}

impl fmt::Display for CohortRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everybody => f.write_str("everybody"),
            Self::Uniform { size, over } => write!(f, "uniform:size={size},over={over}"),
            Self::Secret { rate } => write!(f, "secret:rate={}", rate.get()),
        }
    }
}

impl FromStr for CohortRule {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Self, NotationError> {
        let mut read = Notation::parse(text)?;
        let rule = match read.name {
            "everybody" => Self::Everybody,
            "uniform" => {
                let over = read.take("over")?.unwrap_or(OverSelection::NONE);
                Self::Uniform { size: read.need::<Size>("size")?.0, over }
            }
            "secret" => Self::Secret { rate: read.need("rate")? },
            _ => return Err(read.unknown(Self::NAMES)),
        };
        read.finish(rule)
    }
}

/// A size that is at least [`SIZE_MIN`].
struct Size(u32);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size = text.parse().map_err(|error: std::num::ParseIntError| error.to_string())?;
        if size < SIZE_MIN {
            return Err(format!("must be at least {SIZE_MIN}, got {size}"));
        }
        Ok(Self(size))
    }
}

impl Encode for CohortRule {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Everybody => writer.u8(0),
            Self::Uniform { size, over } => {
                writer.u8(1);
                writer.u32(*size);
                writer.u32(u32::from(over.percent));
            }
            Self::Secret { rate } => {
                writer.u8(2);
                rate.encode(writer);
            }
        }
    }
}

impl Decode for CohortRule {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            0 => Self::Everybody,
            1 => {
                let size = reader.u32()?;
                if size < SIZE_MIN {
                    return Err(DecodeError::invalid("size of a cohort", size));
                }
                let percent = u16::try_from(reader.u32()?).unwrap_or(u16::MAX);
                let over = OverSelection::from_percent(percent)
                    .map_err(|e| DecodeError::invalid("over-selection", e))?;
                Self::Uniform { size, over }
            }
            2 => Self::Secret { rate: Decode::decode(reader)? },
            other => return Err(DecodeError::invalid("cohort rule", other)),
        })
    }
}

#[cfg(test)]
mod tests {
    use privacy_identity::{Digest, SigningKey, Tag};
    use proptest::prelude::*;

    use super::*;

    fn members(count: u8) -> Vec<VerifyingKey> {
        (0..count).map(|i| SigningKey::from_seed(&[i; 32]).verifying_key()).collect()
    }

    fn draw(round: u64) -> Draw {
        let (federation, beacon) = (Digest::of(Tag::Terms, b"f"), Digest::of(Tag::Model, b"m"));
        Draw { federation, round, beacon }
    }

    fn rule(text: &str) -> CohortRule {
        text.parse().unwrap()
    }

    /// A changed byte is a new version of a federation's terms.
    #[test]
    fn bytes_are_pinned() {
        let check = |text: &str, expected: &[u8]| {
            assert_eq!(rule(text).to_bytes(), expected, "{text}");
            assert_eq!(CohortRule::from_bytes(expected).unwrap(), rule(text));
            assert_eq!(rule(&rule(text).to_string()), rule(text));
        };
        check("everybody", &[0]);
        check("uniform:size=8", &[1, 0, 0, 0, 8, 0, 0, 0, 100]);
        check("uniform:size=8,over=1.3", &[1, 0, 0, 0, 8, 0, 0, 0, 130]);
        check("uniform:size=2,over=10", &[1, 0, 0, 0, 2, 0, 0, 0x03, 0xe8]);
        check("secret:rate=0.5", &[2, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn rules_that_cannot_be_followed_are_refused_with_a_sentence() {
        let check = |text: &str, expected: &str| {
            let refused = text.parse::<CohortRule>().unwrap_err().to_string();
            assert!(refused.contains(expected), "{text}: {refused}");
        };
        check("uniform", "needs size=VALUE");
        check("uniform:size=1", "at least 2, got 1");
        check("uniform:size=8,over=0.9", "1 to 10 in steps of 0.01");
        check("uniform:size=8,over=1.234", "1 to 10 in steps of 0.01");
        check("uniform:size=8,over=11", "1 to 10 in steps of 0.01");
        check("uniform:size=8,over=-1", "1 to 10 in steps of 0.01");
        check("secret:rate=0", "above 0 and at most 1");
        check("secret", "needs rate=VALUE");
        check("lottery", "everybody, uniform, secret");
        assert!(CohortRule::from_bytes(&[1, 0, 0, 0, 1, 0, 0, 0, 100]).is_err());
        assert!(CohortRule::from_bytes(&[1, 0, 0, 0, 8, 0, 0, 0, 99]).is_err());
    }

    #[test]
    fn invitations_are_rounded_up() {
        let check = |over: &str, wanted, expected| {
            assert_eq!(over.parse::<OverSelection>().unwrap().invited(wanted), expected, "{over}");
        };
        check("1", 7, 7);
        check("1.3", 10, 13);
        check("1.3", 8, 11);
        check("1.01", 10, 11);
        check("10", u32::MAX, 42_949_672_950);
    }

    #[test]
    fn a_public_cohort_is_that_of_its_round() {
        let all = members(20);
        let invited = |round| rule("uniform:size=8,over=1.5").invited(&draw(round), &all).unwrap();
        assert_eq!(invited(3).len(), 12);
        assert!(invited(3).is_sorted());
        assert_eq!(invited(3), invited(3));
        assert_ne!(invited(3), invited(4));
        let mut everybody = all.clone();
        everybody.sort_unstable();
        for text in ["everybody", "secret:rate=0.1", "uniform:size=20,over=2"] {
            assert_eq!(rule(text).invited(&draw(3), &all).unwrap(), everybody, "{text}");
        }
        assert!(rule("everybody").invited(&draw(3), &[]).is_err());
    }

    /// 2000 rounds of 5 of 10 members: each is drawn 1000 times, standard deviation 22; off by more than 5 of
    /// them anywhere with a probability below 10⁻⁵, and the seeds are fixed.
    #[test]
    fn every_member_is_drawn_equally_often() {
        let all = members(10);
        let mut counts = std::collections::BTreeMap::<_, u32>::new();
        for round in 0..2000 {
            for member in rule("uniform:size=5").invited(&draw(round), &all).unwrap() {
                *counts.entry(member).or_default() += 1;
            }
        }
        assert!(counts.values().all(|count| count.abs_diff(1000) <= 112), "{counts:?}");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            if let Ok(rule) = CohortRule::from_bytes(&bytes) {
                prop_assert_eq!(rule.to_bytes(), bytes);
            }
        }

        #[test]
        fn what_is_written_is_read(size in 2_u32..5000, percent in 100_u16..=1000, rate in 1e-6_f64..=1.0) {
            let over = OverSelection::from_percent(percent).unwrap();
            for rule in [
                CohortRule::Uniform { size, over },
                CohortRule::Secret { rate: SamplingRate::new(rate).unwrap() },
            ] {
                prop_assert_eq!(rule.to_string().parse::<CohortRule>().unwrap(), rule);
            }
        }
    }
}
