//! Who takes part in a round, when somebody else decides: uniform and Poisson cohorts, and public draws.

use privacy_identity::{Digest, VerifyingKey};
use rand::{CryptoRng, RngExt as _};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::SamplingRate;

/// Domain of the ranking hash. Part of what others recompute: append, never change.
const RANK_DOMAIN: &str = "sahakar/public-draw/v1";

/// Why a draw was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CohortError {
    /// More members asked for than there are, or none.
    #[error("a cohort of {wanted} cannot be drawn from {population} members")]
    Size {
        /// Asked for.
        wanted: usize,
        /// There are.
        population: usize,
    },
    /// A factor outside its range.
    #[error("an over-selection must be 1 to 10 in steps of 0.01")]
    OverSelection,
    /// A member that is listed twice.
    #[error("member {member} is listed twice")]
    Twice {
        /// Which.
        member: VerifyingKey,
    },
}

/// Draws `size` of `population` members without replacement, each set with the same probability; returns
/// their indices, ascending.
///
/// # Errors
/// [`CohortError::Size`] unless 1 ≤ size ≤ population.
pub fn uniform_cohort(
    population: usize,
    size: usize,
    rng: &mut impl CryptoRng,
) -> Result<Vec<usize>, CohortError> {
    check_size(size, population)?;
    let mut indices: Vec<_> = (0..population).collect();
    for place in 0..size {
        let from = rng.random_range(place..population);
        indices.swap(place, from);
    }
    indices.truncate(size);
    indices.sort_unstable();
    Ok(indices)
}

/// Draws each of `population` members with probability `rate`, independently; returns the indices of the
/// drawn, ascending. There may be none.
///
/// This is the sampling that the accountants' amplification is for. Whoever draws knows the cohort: for a
/// claim against it see [`Ticket`](super::Ticket).
#[must_use]
pub fn poisson_cohort(
    population: usize,
    rate: SamplingRate,
    rng: &mut impl CryptoRng,
) -> Vec<usize> {
    (0..population).filter(|_| rate.draws(rng.random())).collect()
}

/// Puts `members` into an order that everybody with `seed` recomputes and nobody without it predicts: by
/// SHA-256 of seed and key. A cohort of k is the first k; groups are cut from it
/// ([`draw_groups`](crate::draw_groups)). The order in which members are given does not matter.
///
/// Threat: who chooses the seed after knowing the members, or its key after knowing the seed, chooses its
/// place. The seed is to be fixed by what neither controls: the digest of the accepted set together with the
/// digest of the model, which is older than any member's key of this round.
///
/// # Errors
/// [`CohortError::Size`] without members, [`CohortError::Twice`].
pub fn public_draw(
    seed: &Digest,
    members: &[VerifyingKey],
) -> Result<Vec<VerifyingKey>, CohortError> {
    check_size(1, members.len())?;
    let hash = Sha256::new_with_prefix(RANK_DOMAIN).chain_update(seed.0);
    let rank = |member: &VerifyingKey| -> [u8; 32] {
        hash.clone().chain_update(member.as_bytes()).finalize().into()
    };
    let mut ranked: Vec<_> = members.iter().map(|member| (rank(member), *member)).collect();
    ranked.sort_unstable();
    if let Some(pair) = ranked.windows(2).find(|pair| pair[0].1 == pair[1].1) {
        return Err(CohortError::Twice { member: pair[0].1 });
    }
    Ok(ranked.into_iter().map(|(_, member)| member).collect())
}

const fn check_size(wanted: usize, population: usize) -> Result<(), CohortError> {
    if 1 <= wanted && wanted <= population {
        Ok(())
    } else {
        Err(CohortError::Size { wanted, population })
    }
}

#[cfg(test)]
mod tests {
    use privacy_identity::{SigningKey, Tag};
    use proptest::prelude::*;
    use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

    use super::*;

    /// 20 000 draws of 2 of 5: each of the 10 sets 2000 times, standard deviation 42; off by more than 5 of
    /// them anywhere with a probability below 10⁻⁵, and the seed is fixed.
    #[test]
    fn every_set_is_drawn_equally_often() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..20_000 {
            let cohort = uniform_cohort(5, 2, &mut rng).unwrap();
            assert!(cohort.is_sorted() && cohort[0] != cohort[1]);
            *counts.entry(cohort).or_insert(0_u32) += 1;
        }
        assert_eq!(counts.len(), 10);
        assert!(counts.values().all(|count| count.abs_diff(2000) <= 212), "{counts:?}");
    }

    /// 1000 draws from 100 members with q = 0.1: 10 000 drawn, standard deviation 95.
    #[test]
    fn poisson_cohorts_have_the_rate() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let rate = SamplingRate::new(0.1).unwrap();
        let drawn: usize = (0..1000).map(|_| poisson_cohort(100, rate, &mut rng).len()).sum();
        assert!(drawn.abs_diff(10_000) <= 475, "{drawn}");
        assert_eq!(poisson_cohort(3, SamplingRate::ALL, &mut rng), [0, 1, 2]);
    }

    #[test]
    fn impossible_sizes_are_refused_with_a_sentence() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let refused = uniform_cohort(3, 4, &mut rng).unwrap_err();
        assert_eq!(refused.to_string(), "a cohort of 4 cannot be drawn from 3 members");
        assert!(uniform_cohort(3, 0, &mut rng).is_err());
        assert!(public_draw(&Digest::of(Tag::Model, b""), &[]).is_err());
    }

    #[test]
    fn a_member_listed_twice_is_refused() {
        let member = SigningKey::from_seed(&[1; 32]).verifying_key();
        let refused = public_draw(&Digest::of(Tag::Model, b""), &[member, member]);
        assert_eq!(refused, Err(CohortError::Twice { member }));
    }

    proptest! {
        #[test]
        fn a_public_draw_depends_on_seed_and_members_alone(count in 2_u8..30, turn in 1_usize..30) {
            let members: Vec<_> =
                (0..count).map(|i| SigningKey::from_seed(&[i; 32]).verifying_key()).collect();
            let mut turned = members.clone();
            turned.rotate_left(turn % members.len());
            let seed = Digest::of(Tag::Model, b"seed");
            let drawn = public_draw(&seed, &members).unwrap();
            prop_assert_eq!(&public_draw(&seed, &turned).unwrap(), &drawn);
            let mut sorted = drawn;
            sorted.sort_unstable();
            let mut expected = members;
            expected.sort_unstable();
            prop_assert_eq!(sorted, expected);
        }
    }
}
