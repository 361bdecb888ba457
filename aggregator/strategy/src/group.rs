//! Robustness for sealed rounds: rules over the means of groups.
//!
//! A sealed round opens one sum. If the members are cut into m groups, each with a sum of its own, m sums are
//! opened, and a robust rule can be applied to their means: f liars spoil at most f groups.
//!
//! Threats, and what this costs:
//! - Each group's sum is opened, so an update hides among its group alone. Groups have at least the
//!   federation's minimum cohort.
//! - Noise for privacy is then accounted for each group's sum, not for the sum of all.
//! - Who could choose the groups would put an honest member among puppets, or liars into every group. They
//!   are cut from an order that round and model fix, and whoever is in it was a member before that model was known
//!   ([`draw_groups`]). What is left: whoever decides whose updates come in time moves the cuts, not the order.
//! - A group's mean has 1/√size of an update's spread, so liars stand out more, but m must be above 2f.

use privacy_identity::{Digest, VerifyingKey};
use thiserror::Error;

use crate::{
    CohortError, RobustError, RobustRule, Taken, Updates, UpdatesError, number::single, public_draw,
};

/// Smallest group of any federation: the sum of one update is that update.
const GROUP_MEMBERS_MIN: usize = 2;

/// Why groups or their sums were refused.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum GroupError {
    /// Groups that would be smaller than allowed.
    #[error("{members} members in {groups} groups make groups below the minimum of {minimum}")]
    TooSmall {
        /// Members.
        members: usize,
        /// Groups.
        groups: usize,
        /// Fewest members of a group.
        minimum: usize,
    },
    /// The sum of a group that is smaller than allowed.
    #[error("group {index} has {got} members, the minimum is {minimum}")]
    Size {
        /// Which, 0-based.
        index: usize,
        /// Its members.
        got: usize,
        /// Fewest members of a group.
        minimum: usize,
    },
    /// Another number of sizes than of sums.
    #[error("{got} sizes for {expected} group sums")]
    SizeCount {
        /// Sums.
        expected: usize,
        /// Sizes.
        got: usize,
    },
    /// Members that cannot be drawn.
    #[error(transparent)]
    Draw(#[from] CohortError),
    /// Means that are no updates.
    #[error(transparent)]
    Updates(#[from] UpdatesError),
    /// A rule that does not withstand what it should.
    #[error(transparent)]
    Rule(#[from] RobustError),
}

/// Cuts `members` into `groups` groups of ⌊n/m⌋ or ⌈n/m⌉ members, at random by `seed`: everybody with
/// the seed recomputes them, and the order in which members are given does not matter.
///
/// * `group_members_min` — the federation's minimum cohort; at least 2 holds whatever is given.
///
/// Each group is sorted by key. The seed has to be fixed after the members: see [`public_draw`]. It is best the same for every
/// set of a round: a seed with something in it that a contributor or an aggregator makes could be tried until it fits.
///
/// # Errors
/// [`GroupError::TooSmall`] or [`GroupError::Draw`].
pub fn draw_groups(
    seed: &Digest,
    members: &[VerifyingKey],
    groups: usize,
    group_members_min: usize,
) -> Result<Vec<Vec<VerifyingKey>>, GroupError> {
    let minimum = group_members_min.max(GROUP_MEMBERS_MIN);
    let count = members.len();
    if groups == 0 || count / groups < minimum {
        return Err(GroupError::TooSmall { members: count, groups, minimum });
    }
    let ranked = public_draw(seed, members)?;
    let bounds = (0..=groups).map(|group| group * count / groups).collect::<Vec<_>>();
    let mut drawn: Vec<_> =
        bounds.windows(2).map(|bound| ranked[bound[0]..bound[1]].to_vec()).collect();
    drawn.iter_mut().for_each(|group| group.sort_unstable());
    Ok(drawn)
}

/// The means of the groups of a sealed round, with their sizes, which are public.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupMeans {
    means: Vec<Vec<f32>>,
    sizes: Vec<f64>,
}

impl GroupMeans {
    /// Takes the opened sums of m groups, `[m][d]`, and how many updates each is the sum of, `[m]`.
    ///
    /// # Errors
    /// [`GroupError::SizeCount`], [`GroupError::Size`], or [`GroupError::Updates`] for no sums, uneven lengths and
    /// numbers that are not finite.
    pub fn from_sums(
        sums: Vec<Vec<f32>>,
        sizes: &[u32],
        group_members_min: usize,
    ) -> Result<Self, GroupError> {
        let mut means = sums;
        for (mean, &size) in means.iter_mut().zip(sizes) {
            mean.iter_mut().for_each(|v| *v = single(f64::from(*v) / f64::from(size)));
        }
        Self::from_means(means, sizes, group_members_min)
    }

    /// As [`GroupMeans::from_sums`] for sums that were divided already.
    ///
    /// # Errors
    /// As [`GroupMeans::from_sums`].
    pub fn from_means(
        means: Vec<Vec<f32>>,
        sizes: &[u32],
        group_members_min: usize,
    ) -> Result<Self, GroupError> {
        let (expected, got) = (means.len(), sizes.len());
        if expected != got {
            return Err(GroupError::SizeCount { expected, got });
        }
        let minimum = group_members_min.max(GROUP_MEMBERS_MIN);
        let small = |size: &u32| (*size as usize) < minimum;
        if let Some(index) = sizes.iter().position(small) {
            return Err(GroupError::Size { index, got: sizes[index] as usize, minimum });
        }
        let means = Self { means, sizes: sizes.iter().map(|size| f64::from(*size)).collect() };
        means.updates()?;
        Ok(means)
    }

    /// Applies `rule` to the means of the groups, so that `byzantine` lying contributors are withstood
    /// wherever they are: each spoils its group, so the rule has to withstand as many groups.
    ///
    /// Weights are the groups' sizes where the rule is weighted ([`RobustRule`] says which); the mean of the
    /// groups is then the mean of all updates.
    ///
    /// # Errors
    /// [`GroupError::Rule`] if the rule does not withstand `byzantine` groups of this many.
    pub fn aggregate(&self, rule: &RobustRule, byzantine: usize) -> Result<Vec<f32>, GroupError> {
        let got = self.means.len();
        let outweighed =
            matches!(rule, RobustRule::GeometricMedian(_)) && !self.minority(byzantine);
        if byzantine > rule.withstands(got) || outweighed {
            let needed = byzantine.saturating_mul(2).saturating_add(1);
            let rule = rule.name();
            return Err(RobustError::TooManyByzantine { rule, byzantine, needed, got }.into());
        }
        Ok(rule.aggregate(&self.updates()?)?)
    }

    /// What `rule` makes of the means, as [`GroupMeans::aggregate`] does, with by how much each group counts in it.
    ///
    /// # Errors
    /// [`GroupError::Rule`] for a rule that cannot be taken of this many groups.
    pub fn take(&self, rule: &RobustRule) -> Result<Taken<'_>, GroupError> {
        Ok(rule.take(&self.updates()?)?)
    }

    /// The means of the groups, `[m][d]`.
    #[must_use]
    pub fn means(&self) -> &[Vec<f32>] {
        &self.means
    }

    /// Tells whether the `byzantine` largest groups have less than half of all members.
    fn minority(&self, byzantine: usize) -> bool {
        let mut sizes = self.sizes.clone();
        sizes.sort_unstable_by(|a, b| b.total_cmp(a));
        let largest: f64 = sizes.iter().take(byzantine).sum();
        2.0 * largest < sizes.iter().sum()
    }

    fn updates(&self) -> Result<Updates<'_>, UpdatesError> {
        let means: Vec<_> = self.means.iter().map(Vec::as_slice).collect();
        Updates::weighted(&means, &self.sizes)
    }
}

#[cfg(test)]
mod tests {
    use privacy_identity::{SigningKey, Tag};
    use proptest::prelude::*;

    use super::*;

    fn members(count: u8) -> Vec<VerifyingKey> {
        (0..count).map(|i| SigningKey::from_seed(&[i; 32]).verifying_key()).collect()
    }

    fn seed(text: &[u8]) -> Digest {
        Digest::of(Tag::AcceptedSet, text)
    }

    #[test]
    fn groups_are_those_of_the_seed() {
        let all = members(20);
        let a = draw_groups(&seed(b"a"), &all, 4, 2).unwrap();
        assert_eq!(draw_groups(&seed(b"a"), &all, 4, 2).unwrap(), a);
        assert_ne!(draw_groups(&seed(b"b"), &all, 4, 2).unwrap(), a);
    }

    #[test]
    fn groups_below_the_minimum_are_refused() {
        let check = |groups, minimum, expected: &str| {
            let refused = draw_groups(&seed(b""), &members(9), groups, minimum).unwrap_err();
            assert_eq!(refused.to_string(), expected);
        };
        check(5, 1, "9 members in 5 groups make groups below the minimum of 2");
        check(3, 4, "9 members in 3 groups make groups below the minimum of 4");
        check(0, 1, "9 members in 0 groups make groups below the minimum of 2");
        let refused = GroupMeans::from_sums(vec![vec![1.0]; 2], &[2, 1], 2).unwrap_err();
        assert_eq!(refused.to_string(), "group 1 has 1 members, the minimum is 2");
    }

    #[test]
    fn sums_that_are_none_are_refused() {
        let check = |sums: Vec<Vec<f32>>, sizes: &[u32], expected: &str| {
            let refused = GroupMeans::from_sums(sums, sizes, 2).unwrap_err();
            assert_eq!(refused.to_string(), expected);
        };
        check(vec![], &[], "a rule takes 1..=4096 updates, got 0");
        check(vec![vec![1.0]], &[2, 2], "2 sizes for 1 group sums");
        check(
            vec![vec![1.0], vec![f32::NAN]],
            &[2, 2],
            "coordinate 0 of update 1 is not a finite number",
        );
    }

    /// Nine honest members around 1, one that sends 10⁶, in five groups of two.
    #[test]
    fn one_liar_spoils_one_group_and_not_the_result() {
        let mut sums = vec![vec![2.0_f32]; 4];
        sums.push(vec![1e6]);
        let groups = GroupMeans::from_sums(sums, &[2; 5], 2).unwrap();
        for rule in ["median", "trimmed-mean:beta=0.2", "geometric-median", "multi-krum:f=1,m=2"] {
            let got = groups.aggregate(&rule.parse().unwrap(), 1).unwrap();
            assert!((got[0] - 1.0).abs() < 1e-3, "{rule}: {got:?}");
        }
    }

    #[test]
    fn rules_that_do_not_withstand_the_liars_are_refused() {
        let groups = GroupMeans::from_sums(vec![vec![2.0]; 5], &[2; 5], 2).unwrap();
        let refused = groups.aggregate(&RobustRule::Median, 3).unwrap_err();
        let expected = "median needs at least 7 updates to withstand 3 liars, got 5";
        assert_eq!(refused.to_string(), expected);
        assert!(groups.aggregate(&RobustRule::Mean, 1).is_err());
        assert!(groups.aggregate(&"trimmed-mean:beta=0.2".parse().unwrap(), 2).is_err());
    }

    #[test]
    fn two_larger_groups_may_be_half_of_the_members() {
        let groups = GroupMeans::from_sums(vec![vec![2.0]; 5], &[2, 2, 2, 3, 3], 2).unwrap();
        let rule = "geometric-median".parse().unwrap();
        assert!(groups.aggregate(&rule, 1).is_ok());
        assert!(groups.aggregate(&rule, 2).is_err());
    }

    #[test]
    fn the_mean_of_groups_is_the_mean_of_all() {
        let groups = GroupMeans::from_sums(vec![vec![6.0], vec![4.0]], &[3, 2], 2).unwrap();
        assert_eq!(groups.aggregate(&RobustRule::Mean, 0).unwrap(), [2.0]);
    }

    proptest! {
        #[test]
        fn every_member_is_in_one_group_of_almost_equal_size(count in 4_u8..60, groups in 1_usize..10) {
            let all = members(count);
            prop_assume!(all.len() / groups >= 2);
            let drawn = draw_groups(&seed(b"s"), &all, groups, 2).unwrap();
            prop_assert_eq!(drawn.len(), groups);
            let (least, most) = (all.len() / groups, all.len().div_ceil(groups));
            prop_assert!(drawn.iter().all(|g| (least..=most).contains(&g.len())));
            let mut together = drawn.concat();
            together.sort_unstable();
            let mut expected = all;
            expected.sort_unstable();
            prop_assert_eq!(together, expected);
        }
    }
}
