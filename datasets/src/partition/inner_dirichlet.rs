//! Parts of given sizes, each with class proportions of its own.

use rand::{Rng, seq::SliceRandom as _};

use super::{
    ALPHA_MIN, ClassLabels, PartitionError,
    cut::{even_sizes, sorted},
    dirichlet::exponentials,
    gamma::{ln_gamma_variate, uniform},
};

/// Deals the rows one by one: each to a part that is not full yet, in random order, of a class drawn by the part's
/// proportions among the classes that have rows left.
pub(super) fn split(
    labels: ClassLabels<'_>,
    parts: usize,
    alpha: f64,
    rng: &mut impl Rng,
) -> Result<Vec<Vec<u32>>, PartitionError> {
    if alpha.is_nan() || alpha < ALPHA_MIN {
        return Err(PartitionError::AlphaOutOfRange { got: alpha });
    }
    let mut by_class = labels.rows_by_class();
    by_class.iter_mut().for_each(|rows| rows.shuffle(rng));
    let weights: Vec<Vec<f64>> =
        (0..parts).map(|_| proportions(alpha, by_class.len(), rng)).collect();
    let sizes = even_sizes(labels.rows(), parts);
    let turns = sizes.iter().enumerate().flat_map(|(part, size)| std::iter::repeat_n(part, *size));
    let mut turns: Vec<usize> = turns.collect();
    turns.shuffle(rng);
    let mut dealt = vec![Vec::new(); parts];
    for part in turns {
        let class = drawn(&weights[part], &by_class, rng);
        // There are as many turns as rows, and a class that is drawn has one.
        dealt[part].extend(by_class[class].pop());
    }
    Ok(sorted(dealt))
}

fn proportions(alpha: f64, classes: usize, rng: &mut impl Rng) -> Vec<f64> {
    if alpha.is_infinite() {
        return vec![1.0; classes];
    }
    let logarithms: Vec<f64> = (0..classes).map(|_| ln_gamma_variate(alpha, rng)).collect();
    exponentials(&logarithms)
}

/// A class that has rows: by the weights, or that with most rows where the weights of all such vanish.
fn drawn(weights: &[f64], by_class: &[Vec<u32>], rng: &mut impl Rng) -> usize {
    let left =
        || weights.iter().zip(by_class).enumerate().filter(|(_, (_, rows))| !rows.is_empty());
    let total: f64 = left().map(|(_, (weight, _))| weight).sum();
    let mut place = uniform(rng) * total;
    for (class, (weight, _)) in left() {
        place -= weight;
        if place < 0.0 {
            return class;
        }
    }
    let most = by_class.iter().enumerate().max_by_key(|(_, rows)| rows.len());
    most.map_or(0, |(class, _)| class)
}
