//! Shards of rows sorted by class.

use rand::{Rng, seq::SliceRandom as _};

use super::{
    ClassLabels, PartitionError,
    cut::{append_cut, even_sizes, sorted},
};

/// Sorts by class, cuts into `parts · per_part` shards, and deals `per_part` random ones to each.
///
/// Rows of one class are shuffled first: files are often sorted within a class, too.
pub(super) fn split(
    labels: ClassLabels<'_>,
    parts: usize,
    per_part: usize,
    rng: &mut impl Rng,
) -> Result<Vec<Vec<u32>>, PartitionError> {
    let rows = labels.rows();
    let count = parts.saturating_mul(per_part);
    if count == 0 || count > rows {
        return Err(PartitionError::ShardsTooMany { rows, parts, per_part });
    }
    let mut order = Vec::with_capacity(rows);
    for mut of_class in labels.rows_by_class() {
        of_class.shuffle(rng);
        order.append(&mut of_class);
    }
    let mut shards = vec![Vec::new(); count];
    append_cut(&order, &even_sizes(rows, count), &mut shards);
    shards.shuffle(rng);
    Ok(sorted(shards.chunks(per_part).map(<[Vec<u32>]>::concat).collect()))
}
