//! Rows that belong together by nature: a person's, a hospital's, a character's of a play.

use std::collections::BTreeMap;

use rand::{Rng, seq::SliceRandom as _};

use crate::ROWS_MAX;

use super::{PartitionError, check_parts, cut::sorted, u32_from_row};

/// One part for each id, in ascending order of the ids.
///
/// * `ids` — `[rows]`, whose each row is; ids need not be consecutive.
///
/// # Errors
/// [`PartitionError::RowsMissing`] or [`PartitionError::RowsTooMany`].
pub fn natural(ids: &[u32]) -> Result<Vec<Vec<u32>>, PartitionError> {
    if ids.is_empty() {
        return Err(PartitionError::RowsMissing);
    }
    if ids.len() > ROWS_MAX {
        return Err(PartitionError::RowsTooMany { got: ids.len() });
    }
    let mut parts: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (row, id) in ids.iter().enumerate() {
        parts.entry(*id).or_default().push(u32_from_row(row));
    }
    Ok(parts.into_values().collect())
}

/// Ids dealt at random to `parts` parts, so evenly in number that they differ by at most one; the
/// rows of an id stay together.
///
/// # Errors
/// As [`natural`], and [`PartitionError::PartsMissing`], or [`PartitionError::RowsTooFew`] if there
/// are fewer ids than parts.
pub fn natural_grouped(
    ids: &[u32],
    parts: usize,
    rng: &mut impl Rng,
) -> Result<Vec<Vec<u32>>, PartitionError> {
    let mut groups = natural(ids)?;
    check_parts(groups.len(), parts)?;
    groups.shuffle(rng);
    let mut dealt = vec![Vec::new(); parts];
    for (at, mut group) in groups.into_iter().enumerate() {
        dealt[at % parts].append(&mut group);
    }
    Ok(sorted(dealt))
}
