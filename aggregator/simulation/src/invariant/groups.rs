//! What holds of the groups into which a round's contributors are dealt. Nobody's word is taken for who is in which: the
//! observer knows what everybody sealed, and looks for the members whose plain sum each opened sum is.

use aggregator_protocol::{RoundId, RoundSum};
use aggregator_round::Grouping;
use privacy_identity::Reader;

use super::{Check, check};
use crate::{simulation::Simulation, witness::Answered, world::World};

/// Each opened sum is the plain sum over some members of the accepted set, the minimum or more; no member is in two, each is in
/// one; who is in which group, and that they are of almost equal size, follows from federation, round and model. Every party
/// answers as many sums as there are groups, of a set that is large enough for all of them.
pub(super) fn invariant_groups_are_disjoint_parts_of_the_set(simulation: &Simulation) -> Check {
    let world = &simulation.world;
    for answered in &simulation.witness.news.answered {
        check_answer(world, answered)?;
    }
    let Some(round) = simulation.witness.news.measured else { return Ok(()) };
    let sum = &simulation.processes.dao.sums[&round];
    check(sum.groups() == world.groups, || {
        format!("round {round} has {} sums, not {}", sum.groups(), world.groups)
    })?;
    if world.groups == 1 {
        return Ok(());
    }
    let found = members_of_sums(simulation, round, sum)?;
    let dealt = Grouping::of(&world.terms, world.grant(round.0).unverified_body(), &sum.accepted);
    let dealt = dealt.map_err(|refusal| format!("round {round} has no groups: {refusal}"))?;
    check(dealt.places() == found, || {
        format!("round {round}: members are in groups {found:?}, dealt were {:?}", dealt.places())
    })
}

fn check_answer(world: &World, answered: &Answered) -> Check {
    let Answered { party, round, set, share } = answered;
    let (got, least) = (set.contributions().len(), world.minimum * world.groups);
    check(got >= least, || format!("{party:?} answered {got} of {least} in round {round}"))?;
    if world.groups == 1 {
        return Ok(());
    }
    let mut reader = Reader::new(share);
    let entries = (0..world.groups).all(|_| reader.bytes("a group's entry", share.len()).is_ok());
    check(entries && reader.finish().is_ok(), || {
        format!("{party:?} did not answer {} sums in round {round}", world.groups)
    })
}

/// The group of each member of the set: of the only members whose updates add up to its sum.
fn members_of_sums(
    simulation: &Simulation,
    round: RoundId,
    sum: &RoundSum,
) -> Result<Vec<usize>, String> {
    let sealed = &simulation.witness.sealed;
    let facts = sum.accepted.contributions().iter().map(|(_, digest)| sealed.get(digest));
    let facts: Option<Vec<_>> = facts.map(|fact| Some(fact?.values.as_slice())).collect();
    let facts = facts.ok_or_else(|| format!("round {round} sums what nobody sealed"))?;
    let mut places = vec![None; facts.len()];
    for (group, (values, _)) in sum.sums().enumerate() {
        let members = adding_up_to(&facts, values)
            .ok_or_else(|| format!("round {round}: sum {group} is of no members of the set"))?;
        let (got, least) = (members.len(), simulation.world.minimum);
        check(got >= least, || format!("round {round}: sum {group} is of {got} of {least}"))?;
        let (size, groups) = (facts.len(), simulation.world.groups);
        check(got == size / groups || got == size.div_ceil(groups), || {
            format!("round {round}: sum {group} is of {got} members, {size} in {groups} groups")
        })?;
        for member in members {
            check(places[member].is_none(), || {
                format!(
                    "round {round}: member {member} is in sums {:?} and {group}",
                    places[member]
                )
            })?;
            places[member] = Some(group);
        }
    }
    let all: Option<Vec<_>> = places.iter().copied().collect();
    all.ok_or_else(|| format!("round {round}: somebody is in no group: {places:?}"))
}

/// The first members, by index, whose values add up to `sum`: of at most 16, so that all 2^16 sets of them can be tried.
fn adding_up_to(values: &[&[i64]], sum: &[i64]) -> Option<Vec<usize>> {
    let members = |mask: u32| (0..values.len()).filter(move |member| mask >> member & 1 == 1);
    let adds_up = |mask: &u32| {
        let total = |at: usize| members(*mask).map(|member| values[member][at]).sum::<i64>();
        sum.iter().enumerate().all(|(at, value)| total(at) == *value)
    };
    let mask = (1..1_u32 << values.len()).find(adds_up)?;
    Some(members(mask).collect())
}
