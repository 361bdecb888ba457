//! From an opened sum back to parameter units.

use crate::{AggregateError, EncodingParameters, Rotation};

/// The mean update in parameter units, `[parameter_count]`: the opened sum, rotated back and divided by
/// the number of updates, or by the sum of their weights in a federation with weights.
///
/// * `sum` — `[vector_len]`, as opened.
/// * `count` — how many updates it covers, > 0.
/// * `rotation` — of the round.
///
/// The same integers give the same f32 on every machine: all operations are IEEE 754 in a fixed order.
///
/// # Errors
/// [`AggregateError::Length`] for another length, [`AggregateError::Contributors`] for a count of zero,
/// [`AggregateError::Weights`] if noise drowned the weights, or they are not what so many can weigh together.
///
/// # Panics
/// If `rotation` has another dimension than `parameters`.
pub fn decode_mean(
    sum: &[i64],
    count: usize,
    rotation: &Rotation,
    parameters: &EncodingParameters,
) -> Result<Vec<f32>, AggregateError> {
    let divisor = divisor(sum, count, parameters)? * parameters.update_scale();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "|sum| < 2^32 is exact in f64; the mean is at most the clip norm"
    )]
    let mean = |&value: &i64| (value as f64 / divisor) as f32;
    let mut mean: Vec<f32> = sum[..parameters.dimension()].iter().map(mean).collect();
    rotation.invert(&mut mean);
    Ok(mean)
}

/// The share of contributors whose update was within the clip norm, estimated from the clip indicator:
/// what adaptive clipping steers by. `None` without an indicator. Noise may push it outside 0..=1.
///
/// Source: Andrew et al. 2021, "Differentially Private Learning with Adaptive Clipping", Algorithm 1.
///
/// # Errors
/// [`AggregateError::Length`] or [`AggregateError::Contributors`].
pub fn decode_clip_fraction(
    sum: &[i64],
    count: usize,
    parameters: &EncodingParameters,
) -> Result<Option<f64>, AggregateError> {
    check(sum, count, parameters)?;
    let indicator = parameters.options().clip_indicator;
    if indicator == 0 {
        return Ok(None);
    }
    #[expect(clippy::cast_precision_loss, reason = "below 2^33")]
    let fraction = |last: i64| last as f64 / (f64::from(indicator) * count as f64);
    Ok(sum.last().copied().map(fraction))
}

/// Σ `w_i` / W: the count, if all weigh the same.
fn divisor(
    sum: &[i64],
    count: usize,
    parameters: &EncodingParameters,
) -> Result<f64, AggregateError> {
    check(sum, count, parameters)?;
    if !parameters.is_weighted() {
        #[expect(clippy::cast_precision_loss, reason = "at most CONTRIBUTORS_MAX")]
        return Ok(count as f64);
    }
    let weights = sum[parameters.dimension()];
    let (least, most) = weight_bounds(count, parameters);
    if weights <= 0 || weights < least || weights > most {
        return Err(AggregateError::Weights { least, most, got: weights });
    }
    #[expect(clippy::cast_precision_loss, reason = "below 2^32")]
    let weights = weights as f64;
    Ok(weights / f64::from(parameters.options().weight_max))
}

/// What the weights of `count` honest contributors, each in 1..=W, can add up to; with noise, up to eight of its
/// standard deviations more or less (2^−49 of honest rounds are refused).
///
/// Threat: a contributor that seals a weight beyond W, and so outweighs everybody; or one below zero, so that the mean of the
/// others is blown up. One that stays within what the others leave of the bound is not seen: without a proof of each
/// weight a lie of up to (count − 1)·(W − 1) is left.
fn weight_bounds(count: usize, parameters: &EncodingParameters) -> (i64, i64) {
    let options = parameters.options();
    #[expect(clippy::cast_precision_loss, reason = "at most CONTRIBUTORS_MAX")]
    let noise = 8.0 * options.noise_deviation * (count as f64).sqrt();
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and then bounds nothing")]
    let noise = noise.ceil() as i64;
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let most = count.saturating_mul(i64::from(options.weight_max));
    (count.saturating_sub(noise), most.saturating_add(noise))
}

fn check(sum: &[i64], count: usize, parameters: &EncodingParameters) -> Result<(), AggregateError> {
    let (expected, got) = (parameters.vector_len(), sum.len());
    if expected != got {
        return Err(AggregateError::Length { expected, got });
    }
    let max = parameters.contributors_max();
    if count == 0 || count > max {
        return Err(AggregateError::Contributors { max, got: count });
    }
    Ok(())
}
