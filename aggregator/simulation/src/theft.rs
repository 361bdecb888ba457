//! What somebody with the coordinator's key asks: each of these questions must not be answered.

use std::collections::BTreeMap;

use aggregator_protocol::{
    AcceptedSet, AggregatorRequest, ContributorReply, Evidence, RoundId, SetEcho, from_wire,
};
use aggregator_round::Grouping;
use privacy_identity::Signed;

use crate::{
    fault::{Party, Theft},
    world::World,
};

/// Questions that a thief saw, of each party: enough for the last two rounds.
const SEEN_MAX: usize = 8;

/// What a thief saw on the wires.
#[derive(Debug, Default)]
pub(crate) struct Loot(BTreeMap<Party, Vec<Vec<u8>>>);

impl Loot {
    pub(crate) fn see(&mut self, to: Party, bytes: &[u8]) {
        let seen = self.0.entry(to).or_default();
        if seen.last().is_none_or(|last| last != bytes) {
            if seen.len() == SEEN_MAX {
                seen.remove(0);
            }
            seen.push(bytes.to_vec());
        }
    }

    /// What `to` was asked, the latest last.
    fn asked(&self, to: Party) -> Vec<AggregatorRequest> {
        let read = |bytes: &Vec<u8>| match to {
            Party::Member(_) => match from_wire(bytes) {
                Ok(ContributorReply::Custody(request)) => Some(*request),
                _ => None,
            },
            _ => from_wire(bytes).ok(),
        };
        self.0.get(&to).map(|seen| seen.iter().filter_map(read).collect()).unwrap_or_default()
    }
}

/// The question, if what is under way gives rise to it.
pub(crate) fn stolen(
    world: &World,
    loot: &Loot,
    to: Party,
    theft: Theft,
    echoes: &[Signed<SetEcho>],
) -> Option<AggregatorRequest> {
    let mut asked = loot.asked(to);
    let latest = asked.last().cloned()?;
    let all = || Evidence::Echoes(echoes.to_vec());
    let evidence = |honest: &Evidence| match honest {
        Evidence::Echoes(_) => all(),
        other => other.clone(),
    };
    match (theft, latest) {
        (Theft::OlderRound, _) => Some(asked.swap_remove(0)),
        (Theft::FewerParts, AggregatorRequest::Prepare { order, mut deliveries, challenge }) => {
            deliveries.pop();
            Some(AggregatorRequest::Prepare { order, deliveries, challenge })
        }
        (
            Theft::OtherChallenge,
            AggregatorRequest::Prepare { order, deliveries, mut challenge },
        ) => {
            challenge.0[0] ^= 1;
            Some(AggregatorRequest::Prepare { order, deliveries, challenge })
        }
        (Theft::SmallerSet, AggregatorRequest::Sum { round, set, evidence: honest }) => {
            let set = without_last(&set)?;
            Some(AggregatorRequest::Sum { round, set, evidence: evidence(&honest) })
        }
        (Theft::SmallerSet, AggregatorRequest::Agree { round, set }) => {
            Some(AggregatorRequest::Agree { round, set: without_last(&set)? })
        }
        (Theft::OnePerson, AggregatorRequest::Sum { round, set, evidence: honest }) => {
            let set = AcceptedSet::new(set.contributions().get(..1)?.to_vec()).ok()?;
            Some(AggregatorRequest::Sum { round, set, evidence: evidence(&honest) })
        }
        (Theft::OnePerson, AggregatorRequest::Agree { round, set }) => {
            let set = AcceptedSet::new(set.contributions().get(..1)?.to_vec()).ok()?;
            Some(AggregatorRequest::Agree { round, set })
        }
        (Theft::OneGroup, AggregatorRequest::Sum { round, set, evidence: honest }) => {
            let grant = world.grant(round.0);
            let groups = Grouping::of(&world.terms, grant.unverified_body(), &set).ok()?;
            let set = groups.sets().get(1)?.clone();
            Some(AggregatorRequest::Sum { round, set, evidence: evidence(&honest) })
        }
        (Theft::EarlySum, AggregatorRequest::Agree { round, set }) => {
            Some(AggregatorRequest::Sum { round, set, evidence: all() })
        }
        (Theft::OtherProbe, AggregatorRequest::Score(probes)) => {
            let body = probes.unverified_body();
            let (round, root): (RoundId, _) = (body.round, body.set_root);
            Some(AggregatorRequest::Score(Box::new(world.probes(round, root, 1))))
        }
        _ => None,
    }
}

/// The set without one contribution: the difference of the sums would be a person.
fn without_last(set: &AcceptedSet) -> Option<AcceptedSet> {
    let (_, fewer) = set.contributions().split_last()?;
    AcceptedSet::new(fewer.to_vec()).ok()
}
