//! A contributor, honest or not, that asks until it is answered.

use aggregator_protocol::{
    ContributorReply, ContributorRequest, CustodyTerms, Refusal, RoundId, SealingTerms, to_wire,
};
use aggregator_round::{Acknowledged, Outcome, ReceiptError};
use privacy_identity::{Digest, SealingKey};
use rand::{CryptoRng, RngExt as _};

use crate::world::{
    Contribution, World,
    dishonest::{payloads, with_payloads},
};

/// What a contributor does besides what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Honest,
    /// Sends a second, different update.
    Doubles,
    /// Sends its update of an earlier round again.
    Replays,
    /// Makes the part of the party at this place such that it does not open.
    Spoils(usize),
    /// Verified mode: its proof does not hold.
    Forges,
    Silent,
}

/// How far it is.
#[derive(Debug)]
enum Step {
    Asking,
    Sealed(Box<Contribution>),
    Waiting(Box<Acknowledged>, Digest),
    Finished,
}

#[derive(Debug)]
pub(crate) struct Contributor {
    pub(crate) index: usize,
    behaviour: Behaviour,
    last: Option<RoundId>,
    step: Step,
    earlier: Vec<ContributorRequest>,
    second: Option<(RoundId, Contribution)>,
    /// How rounds ended for it, as it proved to itself.
    pub(crate) outcomes: Vec<(RoundId, Digest, Result<Outcome, ReceiptError>)>,
}

impl Contributor {
    pub(crate) fn new(world: &World, index: usize, rng: &mut impl CryptoRng) -> Self {
        let behaviour = match rng.random_range(0..12) {
            0 => Behaviour::Doubles,
            1 => Behaviour::Replays,
            2 | 3 => {
                let custodians = world.terms.sealing.custody().map_or(0, CustodyTerms::custodians);
                let parties = world.terms.aggregators.len() + custodians;
                Behaviour::Spoils(rng.random_range(0..parties))
            }
            4 => Behaviour::Silent,
            5 | 6 if world.terms.sealing == SealingTerms::MpcVerified => Behaviour::Forges,
            _ => Behaviour::Honest,
        };
        let (earlier, outcomes) = (Vec::new(), Vec::new());
        let (last, second) = (None, None);
        Self { index, behaviour, last, step: Step::Asking, earlier, second, outcomes }
    }

    pub(crate) fn forges(&self) -> bool {
        self.behaviour == Behaviour::Forges
    }

    pub(crate) const fn finished(&self) -> bool {
        matches!(self.step, Step::Finished)
    }

    /// What it asks now, and what it asks besides.
    pub(crate) fn requests(&mut self, rng: &mut impl CryptoRng) -> Vec<ContributorRequest> {
        let mut requests = vec![match &self.step {
            Step::Asking | Step::Finished => ContributorRequest::Fetch { known: self.last },
            Step::Sealed(mine) => {
                ContributorRequest::Submit(Box::new(mine.sealed.update().clone()))
            }
            Step::Waiting(promised, _) => ContributorRequest::Receipt { round: promised.round() },
        }];
        if self.behaviour == Behaviour::Replays && !self.earlier.is_empty() {
            requests.push(self.earlier[rng.random_range(0..self.earlier.len())].clone());
        }
        requests
    }

    /// Takes the answer to `request`. Returns an update that it has just sealed.
    pub(crate) fn answered(
        &mut self,
        world: &World,
        request: &[u8],
        reply: ContributorReply,
    ) -> Option<(Digest, Contribution)> {
        let current = match &self.step {
            Step::Asking => to_wire(&ContributorRequest::Fetch { known: self.last }),
            Step::Sealed(mine) => {
                to_wire(&ContributorRequest::Submit(Box::new(mine.sealed.update().clone())))
            }
            Step::Waiting(promised, _) => {
                to_wire(&ContributorRequest::Receipt { round: promised.round() })
            }
            Step::Finished => return None,
        };
        // An answer to something that it no longer asks.
        if current != request {
            return None;
        }
        match (&self.step, reply) {
            (Step::Asking, ContributorReply::Finished) => self.step = Step::Finished,
            (Step::Asking, ContributorReply::Order { order, .. }) => {
                return self.ordered(world, &order);
            }
            (Step::Sealed(mine), ContributorReply::Acknowledged(promise)) => {
                let promised = mine.sealed.clone().acknowledged(&world.terms, promise).unwrap();
                self.step = Step::Waiting(Box::new(promised), *mine.sealed.digest());
            }
            // Garbled on the way: it tries again. Anything else will not change.
            (Step::Sealed(_), ContributorReply::Refused(Refusal::Malformed)) => {}
            (Step::Sealed(_), ContributorReply::Refused(_)) => self.step = Step::Asking,
            (Step::Waiting(promised, digest), ContributorReply::Receipt(fetched)) => {
                let round = promised.round();
                let outcome = promised.check(&world.terms, fetched);
                if outcome != Ok(Outcome::Pending) {
                    self.outcomes.push((round, *digest, outcome));
                    self.step = Step::Asking;
                }
            }
            _ => {}
        }
        None
    }

    fn ordered(
        &mut self,
        world: &World,
        order: &privacy_identity::Signed<aggregator_protocol::RoundOrder>,
    ) -> Option<(Digest, Contribution)> {
        self.last = Some(order.unverified_body().grant.unverified_body().round);
        let mut terms = world.terms.clone();
        let altered: Option<fn(&mut Vec<u8>)> = match self.behaviour {
            Behaviour::Silent => return None,
            Behaviour::Spoils(place) if place < terms.aggregators.len() => {
                terms.aggregators[place].sealing = SealingKey::from_seed(&[9; 32]).public();
                None
            }
            Behaviour::Spoils(_) => Some(|payload| payload.truncate(20)),
            // A blind: the share opens, and proves nothing.
            Behaviour::Forges => Some(|payload| *payload.last_mut().unwrap() ^= 1),
            Behaviour::Honest | Behaviour::Doubles | Behaviour::Replays => None,
        };
        let mut mine = world.contribution_to(&terms, self.index, order, 0);
        if let Some(alter) = altered {
            let mut payloads = payloads(world, order, &mine);
            let place = if let Behaviour::Spoils(place) = self.behaviour { place } else { 0 };
            alter(&mut payloads[place]);
            mine = with_payloads(world, self.index, order, &mine, payloads);
        }
        let update = |contribution: &Contribution| {
            ContributorRequest::Submit(Box::new(contribution.sealed.update().clone()))
        };
        if self.behaviour == Behaviour::Replays {
            self.earlier.push(update(&mine));
        }
        self.step = Step::Sealed(Box::new(mine.clone()));
        Some((*mine.sealed.digest(), mine))
    }

    /// A second update for the round under way, from one that doubles. Sealed once.
    pub(crate) fn second(&mut self, world: &World) -> Option<Contribution> {
        let round = match (&self.step, self.behaviour) {
            (Step::Waiting(promised, _), Behaviour::Doubles) => promised.round(),
            _ => return None,
        };
        if let Some((_, second)) = self.second.as_ref().filter(|(of, _)| *of == round) {
            return Some(second.clone());
        }
        let everybody: Vec<_> = (0..world.members.len()).collect();
        let second = world.contribution(self.index, &world.order(round.0, &everybody), 1);
        self.second = Some((round, second.clone()));
        Some(second)
    }

    /// Loses what is in memory; the last round that it trained for is stored.
    pub(crate) fn crash(&mut self) {
        if !self.finished() {
            self.step = Step::Asking;
        }
    }
}
