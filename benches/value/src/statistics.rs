//! How two lists of values agree.

/// Spearman's rank correlation, ties by mean ranks; none where one side does not vary.
pub(crate) fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    pearson(&ranks(a), &ranks(b))
}

/// ‖a − b‖ / ‖b‖; none where b is 0.
pub(crate) fn relative_l2(a: &[f64], b: &[f64]) -> Option<f64> {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let whole = norm(&mut b.iter().copied());
    (whole > 0.0).then(|| norm(&mut a.iter().zip(b).map(|(a, b)| a - b)) / whole)
}

/// How often one of `good` has more than one of `bad`, ties counted half: the area under the ROC curve.
#[expect(clippy::cast_precision_loss, reason = "a count of pairs")]
pub(crate) fn auc(good: &[f64], bad: &[f64]) -> f64 {
    let mut above = 0.0;
    for good in good {
        for bad in bad {
            above += match good.total_cmp(bad) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
    }
    above / (good.len() * bad.len()) as f64
}

/// The mean; NaN of nothing.
#[expect(clippy::cast_precision_loss, reason = "a count")]
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The value below which `share` of `values` lie, by nearest rank.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index below a count"
)]
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(at.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

#[expect(clippy::cast_precision_loss, reason = "ranks of a few players")]
fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |value: &f64| {
        let below = values.iter().filter(|other| *other < value).count();
        let ties = values.iter().filter(|other| other.total_cmp(value).is_eq()).count();
        below as f64 + (ties as f64 - 1.0) / 2.0
    };
    values.iter().map(rank).collect()
}

fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        ab += (a - mean_a) * (b - mean_b);
        aa += (a - mean_a).powi(2);
        bb += (b - mean_b).powi(2);
    }
    let scale = (aa * bb).sqrt();
    (scale > 0.0).then(|| ab / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-12, "{got} beside {expected}");
    }

    #[test]
    fn ranks_correlate_as_in_textbooks() {
        near(spearman(&[1.0, 2.0, 3.0], &[10.0, 20.0, 90.0]).unwrap(), 1.0);
        near(spearman(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]).unwrap(), -1.0);
        // Ties: ranks 0.5, 0.5, 2 against 0, 1, 2.
        near(spearman(&[1.0, 1.0, 3.0], &[1.0, 2.0, 3.0]).unwrap(), 0.75_f64.sqrt());
        assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), None);
    }

    #[test]
    fn areas_distances_and_quantiles_are_those_of_their_definitions() {
        near(auc(&[2.0, 3.0], &[1.0, 2.0]), 3.5 / 4.0);
        near(relative_l2(&[3.0, 4.0], &[0.0, 5.0]).unwrap(), 10.0_f64.sqrt() / 5.0);
        assert_eq!(relative_l2(&[3.0], &[0.0]), None);
        near(quantile(&[3.0, 1.0, 2.0, 4.0], 0.5), 2.0);
        near(quantile(&[3.0, 1.0, 2.0], 1.0), 3.0);
    }
}
