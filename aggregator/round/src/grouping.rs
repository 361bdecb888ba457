//! Who of a set is in which group, where the terms have a rule over groups, and what the rule makes of the opened groups.
//!
//! ```text
//!  accepted set ─in the order that federation, round and model fix─► cut into G groups of almost equal size
//!    group 0: Σ, tag      group 1: Σ, tag      group 2: Σ, tag         one root and one commitment over all
//!        └──────── means ─── rule ────┴──► step s = Σ_g a_g ⊙ Δ̄_g ──► p = −∫∇L(w + t·s)dt ──► probe of g: a_g ⊙ p
//! ```
//!
//! Groups are disjoint parts of one set, and a party answers one set per round, for ever: no two sums that are opened differ by
//! one member's update. The groups follow from the set and the grant, so that no party takes another's word for them.
//!
//! Threats:
//! - *Who chooses the groups* would surround an honest member by puppets, whose updates it could take off the group's sum. The
//!   order is by a hash of federation, round and model ([`RoundGrant::draw`]); who may be invited was a member before that model was
//!   known (of the first round nobody was: its model follows from the terms). No update, challenge or set is in the hash: each could be
//!   tried until it fits. What is left: a coordinator that does not acknowledge some members' updates moves the cuts between groups, not
//!   the order; and it needs all but one of a group to be puppets, as of a round without groups all but one of the cohort.
//! - *A group that is too small.* Nobody opens a set with fewer than the minimum cohort for each group; a group is not left out either, as a
//!   member whose update was acknowledged is in the set, or has proof that it was left out.
//! - *More attackers than the rule withstands.* F attackers are in at most F groups, however they are dealt.

use std::collections::BTreeMap;

use aggregator_protocol::{AcceptedSet, FederationTerms, Refusal, RoundGrant, RoundSum};
use aggregator_strategy::{GroupError, GroupMeans, RobustRule, Taken, draw_groups};
use privacy_identity::VerifyingKey;
use privacy_secagg::{AggregateError, decode_mean};
use thiserror::Error;

/// Why a round's sums make no step.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum StepError {
    /// The sums do not belong to the groups of the set.
    #[error("the sums are not those of the set's groups: {0}")]
    Groups(Refusal),
    /// A group's sum has no mean.
    #[error("a group's sum does not decode: {0}")]
    Decode(#[from] AggregateError),
    /// The rule cannot be taken of the means.
    #[error("the rule cannot be taken: {0}")]
    Rule(#[from] GroupError),
}

/// A set in its groups: one, where the terms have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grouping {
    sets: Vec<AcceptedSet>,
    places: Vec<usize>,
}

impl Grouping {
    /// The groups of `set` in the round of `grant`.
    ///
    /// # Errors
    /// [`Refusal::BadSet`] if a group would be below the minimum cohort.
    pub fn of(
        terms: &FederationTerms,
        grant: &RoundGrant,
        set: &AcceptedSet,
    ) -> Result<Self, Refusal> {
        let contributions = set.contributions();
        let Some(rule) = terms.groups else {
            return Ok(Self { sets: vec![set.clone()], places: vec![0; contributions.len()] });
        };
        let members: Vec<_> = contributions.iter().map(|(member, _)| *member).collect();
        let minimum = terms.minimum_cohort as usize;
        let seed = grant.draw().seed();
        let dealt = draw_groups(&seed, &members, rule.groups(), minimum);
        let dealt = dealt.map_err(|_source| Refusal::BadSet)?;
        let each = dealt.iter().enumerate();
        let place: BTreeMap<&VerifyingKey, usize> =
            each.flat_map(|(group, members)| members.iter().map(move |key| (key, group))).collect();
        let places: Vec<usize> =
            members.iter().filter_map(|member| place.get(member).copied()).collect();
        let of_group = |group| {
            let own = contributions.iter().zip(&places).filter(|(_, place)| **place == group);
            AcceptedSet::new(own.map(|(contribution, _)| *contribution).collect())
        };
        let sets = (0..rule.groups()).map(of_group).collect::<Result<_, _>>();
        Ok(Self { sets: sets.map_err(|_source| Refusal::BadSet)?, places })
    }

    /// The groups in their order: each a part of the set.
    #[must_use]
    pub fn sets(&self) -> &[AcceptedSet] {
        &self.sets
    }

    /// The group of each contribution, 0-based, in the order of the set.
    #[must_use]
    pub fn places(&self) -> &[usize] {
        &self.places
    }
}

/// The opened means of a round's groups.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenedGroups {
    means: GroupMeans,
    rule: RobustRule,
}

impl OpenedGroups {
    /// The means of the groups of `sum`; none where the terms have no groups.
    ///
    /// # Errors
    /// [`StepError`].
    pub fn of(
        terms: &FederationTerms,
        grant: &RoundGrant,
        sum: &RoundSum,
    ) -> Result<Option<Self>, StepError> {
        let Some(rule) = terms.groups else { return Ok(None) };
        let grouping = Grouping::of(terms, grant, &sum.accepted).map_err(StepError::Groups)?;
        let sets = grouping.sets();
        if sets.len() != sum.groups() {
            return Err(StepError::Groups(Refusal::BadSet));
        }
        let rotation = terms.encoding.rotation(&terms.id(), sum.round.0);
        let (mut means, mut sizes) = (Vec::new(), Vec::new());
        for (set, (sum, _)) in sets.iter().zip(sum.sums()) {
            let count = set.contributions().len();
            means.push(decode_mean(sum, count, &rotation, &terms.encoding)?);
            sizes.push(u32::try_from(count).expect("at most CONTRIBUTORS_MAX"));
        }
        let minimum = terms.minimum_cohort as usize;
        let means = GroupMeans::from_means(means, &sizes, minimum)?;
        Ok(Some(Self { means, rule: rule.rule() }))
    }

    /// The step that the rule makes, and by how much each group counts in it.
    ///
    /// # Errors
    /// [`StepError::Rule`].
    pub fn step(&self) -> Result<Taken<'_>, StepError> {
        Ok(self.means.take(&self.rule)?)
    }

    /// The means of the groups: public once they are open, `[groups][dimension]`.
    #[must_use]
    pub fn means(&self) -> &[Vec<f32>] {
        self.means.means()
    }
}

/// What of the sum of a round the model takes, before the server's optimiser: the mean, or what the rule makes of the groups'.
///
/// # Errors
/// [`StepError`].
pub fn step_of(
    terms: &FederationTerms,
    grant: &RoundGrant,
    sum: &RoundSum,
) -> Result<Vec<f32>, StepError> {
    if let Some(groups) = OpenedGroups::of(terms, grant, sum)? {
        return Ok(groups.step()?.update);
    }
    let rotation = terms.encoding.rotation(&terms.id(), sum.round.0);
    let count = sum.accepted.contributions().len();
    Ok(decode_mean(&sum.sum, count, &rotation, &terms.encoding)?)
}
