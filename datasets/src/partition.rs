//! Rows dealt to contributors by a rule, as federated learning is measured on one data set.
//!
//! Every rule deals **every row to exactly one part**, leaves no part empty, and is a function of
//! its arguments and the generator alone: the same seed gives the same parts on every machine
//! (logarithms and exponentials come from `libm`). Only labels and counts are looked at. Parts hold
//! row indices in ascending order.
//!
//! The rules are those of the literature and of `flwr-datasets`, so that a run can be compared; a
//! partition made elsewhere is read with [`partition_from_json`](crate::partition_from_json).

use std::{fmt, str::FromStr};

use rand::Rng;

use crate::{ROWS_MAX, schema::u32_from_count};

mod class_labels;
mod cut;
mod dirichlet;
mod gamma;
mod inner_dirichlet;
mod natural;
mod partition_error;
mod partition_file;
mod pathological;
mod shards;
mod sizes;
mod skew_summary;

pub use class_labels::ClassLabels;
pub use dirichlet::{ALPHA_MIN, Alpha, Dirichlet, Shortfall};
pub use natural::{natural, natural_grouped};
pub use partition_error::PartitionError;
pub use partition_file::{PartitionFileError, partition_from_json, partition_to_json};
pub use pathological::ClassChoice;
pub use skew_summary::SkewSummary;

use cut::cut_shuffled;

/// A rule by which rows are dealt.
///
/// As text: `iid`, `dirichlet:0.5`, `inner-dirichlet:0.5`, `pathological:2`, `shards:2`, `linear`, `square`, `exponential`;
/// `dirichlet-balanced:0.5` for NIID-Bench's self-balancing form; and either with a minimum,
/// `dirichlet:0.5:3`, for parts that are topped up to three rows, where there are too many parts for
/// drawing anew. The others have no short form.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Partitioner {
    /// Shuffled and cut evenly; sizes differ by at most one row.
    Iid,
    /// Each class is dealt in proportions drawn from a Dirichlet distribution (Hsu, Qi & Brown 2019,
    /// "Measuring the Effects of Non-Identical Data Distribution", arXiv 1909.06335; per class as in
    /// Yurochkin et al. 2019, arXiv 1905.12022).
    Dirichlet(Dirichlet),
    /// Parts of even size, each with class proportions of its own drawn from a Dirichlet distribution of this concentration (at
    /// least [`ALPHA_MIN`]); where a class runs out, of the others (Acar et al. 2021, "Federated Learning Based on Dynamic
    /// Regularization", arXiv 2111.04263, section 4; `InnerDirichletPartitioner` of `flwr-datasets`).
    InnerDirichlet {
        /// How uneven the classes of a part are.
        alpha: f64,
    },
    /// Each part holds rows of `classes` classes only; a class is dealt evenly to those who hold it
    /// ("#C = k" of Li, Diao, Chen & He 2022, "Federated Learning on Non-IID Data Silos",
    /// arXiv 2102.02079, section 4.1).
    Pathological {
        /// The classes of each part, at least 1.
        classes: usize,
        /// How they are chosen.
        choice: ClassChoice,
    },
    /// Rows are sorted by class and cut into even shards, of which each part draws `per_part`
    /// (`McMahan` et al. 2017, "Communication-Efficient Learning of Deep Networks from Decentralized
    /// Data", arXiv 1602.05629, section 3: two shards each).
    Shards {
        /// The shards of each part, at least 1.
        per_part: usize,
    },
    /// Shuffled and cut; past the first row, part `i` (from 1) gets a share in proportion to `i`.
    Linear,
    /// As [`Partitioner::Linear`], in proportion to `i²`.
    Square,
    /// As [`Partitioner::Linear`], in proportion to `eⁱ`.
    Exponential,
    /// Shuffled and cut to exactly these sizes, one for each part, which add up to the rows.
    Sizes(Vec<usize>),
}

impl Partitioner {
    /// Deals every row to exactly one of `parts` parts.
    ///
    /// Returns the row indices of each part, ascending, `parts` lists of at least one row.
    ///
    /// # Errors
    /// [`PartitionError`] if there are no parts, more parts than rows, a parameter out of range, or
    /// the rule would leave a part below its minimum.
    pub fn split(
        &self,
        labels: ClassLabels<'_>,
        parts: usize,
        rng: &mut impl Rng,
    ) -> Result<Vec<Vec<u32>>, PartitionError> {
        let rows = labels.rows();
        check_parts(rows, parts)?;
        match self {
            Self::Iid => Ok(cut_shuffled(rows, &cut::even_sizes(rows, parts), rng)),
            Self::Dirichlet(rule) => dirichlet::split(labels, parts, rule, rng),
            Self::InnerDirichlet { alpha } => inner_dirichlet::split(labels, parts, *alpha, rng),
            Self::Pathological { classes, choice } => {
                pathological::split(labels, parts, *classes, *choice, rng)
            }
            Self::Shards { per_part } => shards::split(labels, parts, *per_part, rng),
            Self::Linear => Ok(cut_shuffled(rows, &sizes::linear(rows, parts), rng)),
            Self::Square => Ok(cut_shuffled(rows, &sizes::square(rows, parts), rng)),
            Self::Exponential => Ok(cut_shuffled(rows, &sizes::exponential(rows, parts), rng)),
            Self::Sizes(given) => {
                sizes::check(rows, parts, given)?;
                Ok(cut_shuffled(rows, given, rng))
            }
        }
    }
}

impl FromStr for Partitioner {
    type Err = PartitionError;

    fn from_str(text: &str) -> Result<Self, PartitionError> {
        let unknown = || PartitionError::RuleUnknown { got: text.to_string() };
        let number = |value: &str| value.parse().map_err(|_not_a_number| unknown());
        match text.split_once(':') {
            None => match text {
                "iid" => Ok(Self::Iid),
                "linear" => Ok(Self::Linear),
                "square" => Ok(Self::Square),
                "exponential" => Ok(Self::Exponential),
                _ => Err(unknown()),
            },
            Some((name @ ("dirichlet" | "dirichlet-balanced"), rest)) => {
                let (alpha, minimum) = rest.split_once(':').unzip();
                let alpha = alpha.unwrap_or(rest).parse().map_err(|_not_a_number| unknown())?;
                let mut rule = Dirichlet::new(Alpha::One(alpha));
                rule.self_balancing = name == "dirichlet-balanced";
                if let Some(minimum) = minimum {
                    rule.minimum_rows = number(minimum)?;
                    rule.shortfall = Shortfall::TopUp;
                }
                Ok(Self::Dirichlet(rule))
            }
            Some(("inner-dirichlet", alpha)) => {
                let alpha = alpha.parse().map_err(|_not_a_number| unknown())?;
                Ok(Self::InnerDirichlet { alpha })
            }
            Some(("pathological", classes)) => {
                let choice = ClassChoice::FirstByIndex;
                Ok(Self::Pathological { classes: number(classes)?, choice })
            }
            Some(("shards", per_part)) => Ok(Self::Shards { per_part: number(per_part)? }),
            Some(_) => Err(unknown()),
        }
    }
}

/// The short form, where there is one; otherwise the name of the rule.
impl fmt::Display for Partitioner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Iid => f.write_str("iid"),
            Self::Dirichlet(Dirichlet {
                alpha: Alpha::One(alpha),
                minimum_rows,
                shortfall,
                self_balancing,
            }) => {
                let balanced = if *self_balancing { "-balanced" } else { "" };
                write!(f, "dirichlet{balanced}:{alpha}")?;
                match shortfall {
                    Shortfall::TopUp => write!(f, ":{minimum_rows}"),
                    Shortfall::Redraw { .. } => Ok(()),
                }
            }
            Self::Dirichlet(_) => f.write_str("dirichlet"),
            Self::InnerDirichlet { alpha } => write!(f, "inner-dirichlet:{alpha}"),
            Self::Pathological { classes, .. } => write!(f, "pathological:{classes}"),
            Self::Shards { per_part } => write!(f, "shards:{per_part}"),
            Self::Linear => f.write_str("linear"),
            Self::Square => f.write_str("square"),
            Self::Exponential => f.write_str("exponential"),
            Self::Sizes(_) => f.write_str("sizes"),
        }
    }
}

/// 1 to `rows` parts, so that none has to be empty.
const fn check_parts(rows: usize, parts: usize) -> Result<(), PartitionError> {
    if parts == 0 {
        return Err(PartitionError::PartsMissing);
    }
    if parts > rows {
        return Err(PartitionError::RowsTooFew { rows, parts });
    }
    Ok(())
}

/// The index of a row.
pub(crate) fn u32_from_row(row: usize) -> u32 {
    debug_assert!(row < ROWS_MAX, "row {row}");
    u32_from_count(row)
}

#[cfg(test)]
mod tests;
