//! Why rows cannot be dealt.

use crate::ROWS_MAX;

use super::ALPHA_MIN;

/// Why rows cannot be dealt by a rule.
#[derive(Debug, Clone, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum PartitionError {
    /// There is no row.
    #[error("there are no rows to deal")]
    RowsMissing,
    /// There are more rows than [`ROWS_MAX`].
    #[error("{got} rows are more than {ROWS_MAX}")]
    RowsTooMany {
        /// The rows given.
        got: usize,
    },
    /// A label is not below the number of classes.
    #[error("the label {label} of row {row} is not below the number of classes, {classes}")]
    LabelOutOfRange {
        /// 0-based row.
        row: usize,
        /// The label.
        label: u32,
        /// The number of classes.
        classes: usize,
    },
    /// There is nobody to deal to.
    #[error("rows cannot be dealt to zero parts")]
    PartsMissing,
    /// A part would be left without rows.
    #[error("{rows} rows are too few for {parts} parts with at least one each")]
    RowsTooFew {
        /// The rows.
        rows: usize,
        /// The parts.
        parts: usize,
    },
    /// The parts cannot all have the minimum.
    #[error("{rows} rows are too few for {parts} parts with at least {minimum_rows} each")]
    MinimumImpossible {
        /// The rows.
        rows: usize,
        /// The parts.
        parts: usize,
        /// The fewest rows of any part.
        minimum_rows: usize,
    },
    /// The minimum is zero, so that a part might be left without rows.
    #[error("the minimum number of rows must be at least 1")]
    MinimumZero,
    /// No draw gave every part the minimum.
    #[error(
        "in {attempts} draws the smallest part never had {minimum_rows} rows, at best {best}; \
         lower the minimum, raise alpha, take fewer parts, or have small parts topped up"
    )]
    MinimumUnreached {
        /// The fewest rows of any part.
        minimum_rows: usize,
        /// How often it was drawn.
        attempts: u32,
        /// The smallest part of the best draw.
        best: usize,
    },
    /// There is no draw to be made.
    #[error("at least one draw has to be allowed")]
    AttemptsZero,
    /// A concentration is not a number above zero.
    #[error("alpha must be at least {ALPHA_MIN:e}, got {got}")]
    AlphaOutOfRange {
        /// The concentration given.
        got: f64,
    },
    /// A list of concentrations has the wrong length.
    #[error("expected one alpha for each of {expected} {what}, got {got}")]
    AlphaCount {
        /// `classes` or `parts`.
        what: &'static str,
        /// How many there are.
        expected: usize,
        /// The concentrations given.
        got: usize,
    },
    /// A part cannot hold so many classes.
    #[error("a part can hold 1 to {present} classes, asked for {got}")]
    ClassesPerPart {
        /// The classes that have rows.
        present: usize,
        /// The classes asked for.
        got: usize,
    },
    /// A class would be held by nobody, so that its rows would be lost.
    #[error("no part holds class {class}: take more parts or more classes each")]
    ClassUnheld {
        /// The class.
        class: usize,
    },
    /// A class has fewer rows than parts that hold it.
    #[error("class {class} has {rows} rows for the {holders} parts that hold it")]
    ClassTooSmall {
        /// The class.
        class: usize,
        /// Its rows.
        rows: usize,
        /// The parts that hold it.
        holders: usize,
    },
    /// There are not enough rows for the shards.
    #[error("{rows} rows cannot be cut into {parts} x {per_part} shards of at least one row")]
    ShardsTooMany {
        /// The rows.
        rows: usize,
        /// The parts.
        parts: usize,
        /// The shards of each part.
        per_part: usize,
    },
    /// There is not one size for each part.
    #[error("expected {expected} sizes, one a part, got {got}")]
    SizeCount {
        /// The parts.
        expected: usize,
        /// The sizes given.
        got: usize,
    },
    /// A size is zero.
    #[error("the size of part {part} is zero")]
    SizeZero {
        /// 0-based part.
        part: usize,
    },
    /// The sizes do not add up to the rows, so that rows would be lost or missing.
    #[error("the sizes add up to {got}, expected {expected}, the number of rows")]
    SizeSum {
        /// The rows.
        expected: usize,
        /// The sum of the sizes.
        got: usize,
    },
    /// A rule is not known by this text.
    #[error(
        "expected iid, dirichlet:ALPHA[:MINIMUM], dirichlet-balanced:ALPHA[:MINIMUM], \
         inner-dirichlet:ALPHA, \
         pathological:CLASSES, shards:PER_PART, linear, square or exponential, got {got:?}"
    )]
    RuleUnknown {
        /// The text.
        got: String,
    },
}
