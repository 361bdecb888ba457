//! What models do on the rows that contributors set aside of their own.

use std::num::NonZeroUsize;

use anyhow::Context as _;
use rand::seq::index;
use trainer_model::{Architecture, ComputeDevice, Parameters, evaluate};

use super::{
    data::SimulationData,
    local_state::LocalTest,
    own_model::OwnModel,
    parallel::in_order,
    population::{Contributor, Kind},
    seeds::{Purpose, generator},
};

/// Takes a share of each part's rows away, at random, or the last ones where neighbouring rows overlap; at least one
/// row of each part is left.
pub(crate) fn set_aside(
    parts: &mut [Vec<u32>],
    share: f64,
    (seed, overlapping): (u64, bool),
) -> Vec<Vec<u32>> {
    let mut aside = Vec::with_capacity(parts.len());
    for (index, part) in parts.iter_mut().enumerate() {
        let count = floor(share * float(part.len())).min(part.len().saturating_sub(1));
        let taken = if overlapping {
            part.split_off(part.len() - count)
        } else {
            let mut rng = generator(seed, Purpose::LocalTest, &[index as u64]);
            let mut chosen = vec![false; part.len()];
            index::sample(&mut rng, part.len(), count).into_iter().for_each(|at| chosen[at] = true);
            let mut chosen = chosen.into_iter();
            part.extract_if(.., |_| chosen.next() == Some(true)).collect()
        };
        aside.push(taken);
    }
    aside
}

#[expect(clippy::cast_precision_loss, reason = "a count of rows")]
const fn float(count: usize) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a count of rows, at least 0"
)]
const fn floor(rows: f64) -> usize {
    rows as usize
}

/// What is tested.
pub(crate) struct LocalTests<'a> {
    pub(crate) data: &'a SimulationData,
    pub(crate) device: &'a ComputeDevice,
    pub(crate) architecture: &'a Architecture,
    pub(crate) model: &'a Parameters,
    pub(crate) own: OwnModel<'a>,
}

impl LocalTests<'_> {
    /// Tests every honest contributor that has set rows aside, in their order.
    pub(crate) fn run(
        &self,
        population: &[Contributor],
        threads: NonZeroUsize,
    ) -> anyhow::Result<Vec<LocalTest>> {
        let has_rows = |contributor: &&Contributor| {
            contributor.kind == Kind::Honest && !self.data.local_tests[contributor.index].is_empty()
        };
        let contributors: Vec<_> = population.iter().filter(has_rows).collect();
        let mut tests = Vec::with_capacity(contributors.len());
        in_order(
            threads,
            &contributors,
            |contributor| self.of(contributor),
            |test| {
                tests.push(test?);
                anyhow::Ok(())
            },
        )?;
        Ok(tests)
    }

    fn of(&self, contributor: &Contributor) -> anyhow::Result<LocalTest> {
        let rows = &self.data.local_tests[contributor.index];
        let examples = self.data.examples(rows, Kind::Honest)?;
        let correct = |model: &Parameters| -> anyhow::Result<u64> {
            let evaluation = evaluate(self.device, self.architecture, model, &examples)?;
            Ok(evaluation.correct as u64)
        };
        let own = self.own.of(contributor.index, self.model)?;
        Ok(LocalTest {
            contributor: contributor.index,
            rows: rows.len() as u64,
            shared: self.own.is_whole_shared().then(|| correct(self.model)).transpose()?,
            personal: own
                .map(|own| correct(&own))
                .transpose()
                .with_context(|| contributor.label())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_every_part_is_set_aside_and_no_row_is_lost() {
        let whole: Vec<Vec<u32>> = vec![(0..10).collect(), (10..14).collect(), vec![14], vec![]];
        for overlapping in [false, true] {
            let mut parts = whole.clone();
            let aside = set_aside(&mut parts, 0.3, (1, overlapping));
            assert_eq!(aside.iter().map(Vec::len).collect::<Vec<_>>(), [3, 1, 0, 0]);
            for ((part, aside), whole) in parts.iter().zip(&aside).zip(&whole) {
                let mut all = [&part[..], aside].concat();
                all.sort_unstable();
                assert_eq!(all, *whole);
                assert!(part.is_sorted() && aside.is_sorted());
            }
            if overlapping {
                assert_eq!(aside[0], [7, 8, 9]);
            }
        }
        let mut untouched = whole.clone();
        assert!(set_aside(&mut untouched, 0.0, (1, false)).iter().all(Vec::is_empty));
        assert_eq!(untouched, whole);
        let mut nearly_all = whole;
        set_aside(&mut nearly_all, 0.999, (1, false));
        assert_eq!(nearly_all.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1, 0]);
    }
}
