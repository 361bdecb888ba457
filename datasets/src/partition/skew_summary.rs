//! What a partition is like, for a report.

use super::{ClassLabels, PartitionError};

/// How many rows of each class each part has, and how far the parts are from one another.
#[derive(Debug, Clone, PartialEq)]
pub struct SkewSummary {
    /// `[parts][classes]`, rows.
    pub class_counts: Vec<Vec<u32>>,
    /// The rows of the smallest part.
    pub smallest: usize,
    /// The rows of the largest part.
    pub largest: usize,
    /// The mean over parts, weighted by rows, of the total variation distance between a part's
    /// classes and those of all parts together: 0 is IID, and one class a part is 1 less the sum of
    /// the squared shares of the classes.
    pub label_distance: f64,
}

impl SkewSummary {
    /// Counts the classes of each part.
    ///
    /// # Errors
    /// [`PartitionError::RowsTooFew`] if a part names a row that there is not,
    /// [`PartitionError::RowsMissing`] if no part has a row.
    pub fn of(labels: ClassLabels<'_>, parts: &[Vec<u32>]) -> Result<Self, PartitionError> {
        let rows = labels.rows();
        let last = parts.iter().flatten().max().ok_or(PartitionError::RowsMissing)?;
        if usize::try_from(*last).map_or(true, |last| last >= rows) {
            return Err(PartitionError::RowsTooFew { rows, parts: parts.len() });
        }
        let class_counts: Vec<Vec<u32>> =
            parts.iter().map(|part| count_classes(labels, part)).collect();
        let sizes = || parts.iter().map(Vec::len);
        Ok(Self {
            smallest: sizes().min().unwrap_or(0),
            largest: sizes().max().unwrap_or(0),
            label_distance: label_distance(&class_counts),
            class_counts,
        })
    }
}

fn count_classes(labels: ClassLabels<'_>, part: &[u32]) -> Vec<u32> {
    let mut counts = vec![0; labels.classes()];
    for &row in part {
        counts[labels.class(row)] += 1;
    }
    counts
}

fn label_distance(class_counts: &[Vec<u32>]) -> f64 {
    let classes = class_counts.first().map_or(0, Vec::len);
    let rows_of = |counts: &[u32]| counts.iter().copied().map(f64::from).sum::<f64>();
    let totals: Vec<f64> = (0..classes)
        .map(|class| class_counts.iter().map(|counts| f64::from(counts[class])).sum())
        .collect();
    let rows: f64 = totals.iter().sum();
    // A part's distance times its rows: half of Σ |count - rows of the part · share of the class|.
    let weighted = class_counts.iter().map(|counts| {
        let size = rows_of(counts);
        let off = |(count, total): (&u32, &f64)| (f64::from(*count) - size * total / rows).abs();
        counts.iter().zip(&totals).map(off).sum::<f64>() / 2.0
    });
    weighted.sum::<f64>() / rows
}
