//! Interpolation of shared vectors when custodians may lie.

use thiserror::Error;

use crate::{Custody, field};

/// Why replies do not determine what was shared.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ShareError {
    /// Fewer replies than the threshold.
    #[error("{got} custodians replied, {threshold} are needed")]
    TooFewReplies {
        /// Needed.
        threshold: u8,
        /// Replies.
        got: usize,
    },
    /// No such custodian, or two replies of one.
    #[error("reply of custodian {custodian}, who is not one of {custodians} or replied before")]
    Custodian {
        /// The index of the reply.
        custodian: u8,
        /// How many custodians there are.
        custodians: u8,
    },
    /// The replies contradict each other, and no threshold of them gives an acceptable result: too many
    /// of these custodians lied.
    #[error("replies of custodians {custodians:?} contradict each other")]
    Contradiction {
        /// Who replied.
        custodians: Vec<u8>,
    },
    /// The replies agree, but what they give is not acceptable. With exactly threshold replies agreement
    /// says nothing: one of these custodians may have lied. With more, all of them would have had to
    /// agree on the lie; then it was a contributor who shared another key than it encrypted under.
    #[error(
        "replies of custodians {custodians:?} give no acceptable result ({spare_replies} to spare)"
    )]
    Unacceptable {
        /// Who replied.
        custodians: Vec<u8>,
        /// Replies beyond the threshold.
        spare_replies: usize,
    },
}

/// A vector that some threshold of replies gives.
pub(crate) struct Candidate {
    pub(crate) values: Vec<i64>,
    /// Custodians whose replies are not on its polynomials, ascending.
    pub(crate) deviating: Vec<u8>,
}

/// Finds the vector that `replies` are shares of.
///
/// Tries the subsets of threshold replies until one is `plausible` (a cheap test of its values) and
/// `acceptable`. If none of the repliers lies the first is. At most C(16, 8) subsets are tried.
pub(crate) fn search(
    custody: Custody,
    replies: &[(u8, &[u64])],
    mut plausible: impl FnMut(&[i64]) -> bool,
    mut acceptable: impl FnMut(&Candidate) -> bool,
) -> Result<Candidate, ShareError> {
    let mut replies = replies.to_vec();
    replies.sort_unstable_by_key(|reply| reply.0);
    check(custody, &replies)?;
    let threshold = usize::from(custody.threshold());
    let mut agree = false;
    let mut subset: Vec<usize> = (0..threshold).collect();
    loop {
        let values = interpolated(&replies, &subset);
        if plausible(&values) {
            let deviating = deviating(&replies, &subset);
            let candidate = Candidate { values, deviating };
            if acceptable(&candidate) {
                return Ok(candidate);
            }
            agree |= candidate.deviating.is_empty();
        } else {
            agree |= !agree && deviating(&replies, &subset).is_empty();
        }
        if agree || !next_subset(&mut subset, replies.len()) {
            break;
        }
    }
    let custodians = replies.iter().map(|reply| reply.0).collect();
    let spare_replies = replies.len() - threshold;
    Err(if agree {
        ShareError::Unacceptable { custodians, spare_replies }
    } else {
        ShareError::Contradiction { custodians }
    })
}

fn check(custody: Custody, replies: &[(u8, &[u64])]) -> Result<(), ShareError> {
    let (threshold, custodians) = (custody.threshold(), custody.custodians());
    let twice = replies.windows(2).find(|pair| pair[0].0 == pair[1].0).map(|pair| pair[0].0);
    let unknown =
        replies.iter().map(|reply| reply.0).find(|index| *index == 0 || *index > custodians);
    if let Some(custodian) = twice.or(unknown) {
        return Err(ShareError::Custodian { custodian, custodians });
    }
    if replies.len() < threshold.into() {
        return Err(ShareError::TooFewReplies { threshold, got: replies.len() });
    }
    Ok(())
}

/// The values at zero of the polynomials through the replies of `subset`.
fn interpolated(replies: &[(u8, &[u64])], subset: &[usize]) -> Vec<i64> {
    at(replies, subset, 0).map(field::centred).collect()
}

/// The values at `point` of the polynomials through the replies of `subset`.
fn at<'a>(
    replies: &'a [(u8, &'a [u64])],
    subset: &'a [usize],
    point: u64,
) -> impl Iterator<Item = u64> + 'a {
    let nodes: Vec<u64> = subset.iter().map(|index| replies[*index].0.into()).collect();
    let weights = field::lagrange_weights(&nodes, point);
    let length = replies.first().map_or(0, |reply| reply.1.len());
    (0..length).map(move |k| {
        let terms = subset.iter().zip(&weights);
        terms.fold(0, |sum, (index, weight)| {
            field::add(sum, field::multiply(*weight, replies[*index].1[k]))
        })
    })
}

fn deviating(replies: &[(u8, &[u64])], subset: &[usize]) -> Vec<u8> {
    let others = replies.iter().enumerate().filter(|(index, _)| !subset.contains(index));
    others
        .filter(|(_, (custodian, elements))| {
            let expected = at(replies, subset, u64::from(*custodian));
            !expected.eq(elements.iter().copied())
        })
        .map(|(_, (custodian, _))| *custodian)
        .collect()
}

/// The next subset of `0..count` in lexicographic order.
fn next_subset(subset: &mut [usize], count: usize) -> bool {
    let size = subset.len();
    let Some(last) = (0..size).rev().find(|i| subset[*i] < count - size + i) else {
        return false;
    };
    subset[last] += 1;
    for i in last + 1..size {
        subset[i] = subset[i - 1] + 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Replies of custodians 1..=count to f(x) = 7 + 3x + x² (threshold 3).
    fn replies(count: u8) -> Vec<(u8, Vec<u64>)> {
        let value = |x: u64| 7 + 3 * x + x * x;
        (1..=count).map(|custodian| (custodian, vec![value(custodian.into())])).collect()
    }

    fn found(custodians: u8, replies: &[(u8, Vec<u64>)]) -> Result<Candidate, ShareError> {
        let custody = Custody::new(3, custodians).unwrap();
        let spare = replies.len().saturating_sub(3);
        let replies: Vec<_> = replies.iter().map(|(c, e)| (*c, &e[..])).collect();
        search(custody, &replies, |_| true, |found| 2 * found.deviating.len() <= spare)
    }

    #[test]
    fn a_liar_among_threshold_plus_two_replies_is_named_and_outvoted() {
        for liar in 0..5 {
            let mut lying = replies(5);
            lying[liar].1[0] += 1;
            let found = found(5, &lying).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(found.values, [7]);
            assert_eq!(found.deviating, [lying[liar].0]);
        }
    }

    #[test]
    fn a_liar_among_threshold_plus_one_replies_is_detected_but_not_named() {
        let mut lying = replies(4);
        lying[2].1[0] += 1;
        let error = found(5, &lying).err().unwrap();
        assert_eq!(error, ShareError::Contradiction { custodians: vec![1, 2, 3, 4] });
    }

    #[test]
    fn missing_custodians_are_tolerated_down_to_the_threshold() {
        let all = replies(5);
        assert_eq!(found(5, &all[2..]).ok().unwrap().values, [7]);
        let error = found(5, &all[3..]).err().unwrap();
        assert_eq!(error, ShareError::TooFewReplies { threshold: 3, got: 2 });
    }

    #[test]
    fn unknown_and_repeated_custodians_are_refused() {
        let mut twice = replies(5);
        twice[4] = twice[3].clone();
        let error = found(5, &twice).err().unwrap();
        assert_eq!(error, ShareError::Custodian { custodian: 4, custodians: 5 });
        let error = found(4, &replies(5)).err().unwrap();
        assert_eq!(error, ShareError::Custodian { custodian: 5, custodians: 4 });
    }

    #[test]
    fn all_subsets_are_visited_once() {
        let mut subset = vec![0, 1, 2];
        let mut count = 1;
        while next_subset(&mut subset, 6) {
            count += 1;
        }
        assert_eq!((count, subset), (20, vec![3, 4, 5]));
    }
}
