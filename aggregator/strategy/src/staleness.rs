//! How much an update counts that was trained from an older model.

use std::{fmt, str::FromStr};

use privacy_identity::{Decode, DecodeError, Encode, Reader, Writer};

use crate::{NotationError, Positive, notation::Notation};

/// The weight of an update that is s versions old, in (0, 1], 1 at s = 0.
///
/// Written `constant`, `polynomial:exponent=A`, `hinge:slope=A,grace=B`; `fedbuff` is `polynomial:exponent=0.5`.
///
/// `FedBuff` divides Σ weight·update by the number K of updates, not by the sum of the weights: a stale buffer takes
/// a smaller step. That is the weighted mean (`Updates::weighted`) times Σ weight/K, a factor for
/// `OptimizerState::step_scaled`.
///
/// Threat: the staleness is the coordinator's to count, from the round of the order that the update answers;
/// a contributor's own word would be a free choice of weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StalenessWeight {
    /// 1 (Xie et al. 2019, "constant").
    Constant,
    /// (1 + s)^-a. a = ½ is `FedBuff`'s 1/√(1 + s) (Nguyen et al. 2022); Xie et al. 2019 call it
    /// "polynomial".
    Polynomial {
        /// a.
        exponent: Positive,
    },
    /// 1 while s ≤ b, then 1/(a(s - b) + 1) (Xie et al. 2019, "hinge").
    Hinge {
        /// a.
        slope: Positive,
        /// b, in versions.
        grace: u32,
    },
}

impl StalenessWeight {
    /// `FedBuff`'s.
    pub const FED_BUFF: Self = Self::Polynomial { exponent: Positive(0.5) };

    const NAMES: &'static str = "constant, fedbuff, polynomial, hinge";

    /// The weight of an update that is `staleness` versions old. The same bits on every machine.
    #[must_use]
    pub fn weight(&self, staleness: u32) -> Positive {
        let s = f64::from(staleness);
        let weight = match *self {
            Self::Constant => 1.0,
            Self::Polynomial { exponent } => libm::pow(1.0 + s, -exponent.0),
            Self::Hinge { slope, grace } => {
                1.0 / (slope.0 * f64::from(staleness.saturating_sub(grace)) + 1.0)
            }
        };
        Positive(weight.clamp(f64::MIN_POSITIVE, 1.0))
    }
}

impl Default for StalenessWeight {
    fn default() -> Self {
        Self::FED_BUFF
    }
}

impl fmt::Display for StalenessWeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant => f.write_str("constant"),
            Self::Polynomial { exponent } => write!(f, "polynomial:exponent={}", exponent.0),
            Self::Hinge { slope, grace } => write!(f, "hinge:slope={},grace={grace}", slope.0),
        }
    }
}

impl FromStr for StalenessWeight {
    type Err = NotationError;

    fn from_str(text: &str) -> Result<Self, NotationError> {
        let mut read = Notation::parse(text)?;
        let weight = match read.name {
            "constant" => Self::Constant,
            "fedbuff" => Self::FED_BUFF,
            "polynomial" => Self::Polynomial { exponent: read.need_positive("exponent")? },
            "hinge" => {
                Self::Hinge { slope: read.need_positive("slope")?, grace: read.need("grace")? }
            }
            _ => return Err(read.unknown(Self::NAMES)),
        };
        read.finish(weight)
    }
}

impl Encode for StalenessWeight {
    fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Constant => writer.u8(0),
            Self::Polynomial { exponent } => {
                writer.u8(1);
                exponent.encode(writer);
            }
            Self::Hinge { slope, grace } => {
                writer.u8(2);
                slope.encode(writer);
                writer.u32(*grace);
            }
        }
    }
}

impl Decode for StalenessWeight {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8()? {
            0 => Self::Constant,
            1 => Self::Polynomial { exponent: Positive::decode(reader, "exponent")? },
            2 => Self::Hinge { slope: Positive::decode(reader, "slope")?, grace: reader.u32()? },
            other => return Err(DecodeError::invalid("staleness weight", other)),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn weights_are_those_done_by_hand() {
        let check = |text: &str, staleness: u32, expected: f64| {
            let got = text.parse::<StalenessWeight>().unwrap().weight(staleness).get();
            assert!((got - expected).abs() < 1e-15, "{text} at {staleness}: {got}");
        };
        check("constant", 100, 1.0);
        check("fedbuff", 0, 1.0);
        check("fedbuff", 3, 0.5);
        check("fedbuff", 99, 0.1);
        check("polynomial:exponent=1", 9, 0.1);
        check("hinge:slope=10,grace=4", 4, 1.0);
        check("hinge:slope=10,grace=4", 5, 1.0 / 11.0);
    }

    /// A changed byte is a new version of a federation's terms.
    #[test]
    fn bytes_are_pinned() {
        let check = |text: &str, expected: &[u8]| {
            let weight: StalenessWeight = text.parse().unwrap();
            assert_eq!(weight.to_bytes(), expected, "{text}");
            assert_eq!(StalenessWeight::from_bytes(expected).unwrap(), weight);
            assert_eq!(weight.to_string().parse::<StalenessWeight>().unwrap(), weight);
        };
        check("constant", &[0]);
        check("fedbuff", &[1, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0]);
        check("hinge:slope=1,grace=4", &[2, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4]);
    }

    proptest! {
        #[test]
        fn older_updates_never_count_more(a in 0.01_f64..50.0, grace in 0_u32..10, s in 0_u32..u32::MAX) {
            for weight in [
                StalenessWeight::Constant,
                StalenessWeight::Polynomial { exponent: Positive(a) },
                StalenessWeight::Hinge { slope: Positive(a), grace },
            ] {
                let (newer, older) = (weight.weight(s).get(), weight.weight(s + 1).get());
                prop_assert!(0.0 < older && older <= newer && newer <= 1.0);
            }
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            if let Ok(weight) = StalenessWeight::from_bytes(&bytes) {
                prop_assert_eq!(weight.to_bytes(), bytes);
            }
        }
    }
}
