//! All machines of a federation, driven by hand without faults: the straight way through its rounds.

use std::collections::BTreeMap;

use aggregator_protocol::{
    AcceptedSet, AggregatorReply, AggregatorRequest, ContributorReply, DaoRequest, Refusal,
    RoundId, RoundOrder, RoundSum, SealingTerms,
};
use aggregator_round::{Ask, Input, Output};
use privacy_identity::{Digest, Signed, VerifyingKey};

use super::{
    Contribution, World,
    dao::{Dao, Logged},
    shell::{ALL, CoordinatorShell, PeerShell, input_from_dao},
};

pub(crate) struct Federation {
    pub(crate) world: World,
    pub(crate) dao: Dao,
    pub(crate) coordinator: CoordinatorShell,
    /// The aggregators with index 1 and above.
    pub(crate) peers: Vec<PeerShell>,
    /// The members as custodians, in the order of the members.
    pub(crate) custodians: Vec<PeerShell>,
    pub(crate) now_ms: u64,
    /// Members that send nothing where the others are enough.
    pub(crate) silent: Vec<usize>,
    /// The answers that contributors got, by round and member.
    pub(crate) answered: BTreeMap<(RoundId, VerifyingKey), Result<Digest, Refusal>>,
}

impl Federation {
    pub(crate) fn new(seed: u64, aggregators: usize, members: usize) -> Self {
        Self::of(World::new(seed, aggregators, members))
    }

    pub(crate) fn of(world: World) -> Self {
        let aggregators = world.terms.aggregators.len();
        let peers = (1..aggregators).map(|index| PeerShell::new(world.context(index))).collect();
        let custodian = |index| PeerShell::new(world.custodian_context(index));
        let custodians = (0..world.members.len()).map(custodian).collect();
        Self {
            custodians,
            coordinator: CoordinatorShell::new(world.context(0)),
            dao: Dao::default(),
            peers,
            now_ms: 1_000,
            silent: Vec::new(),
            answered: BTreeMap::new(),
            world,
        }
    }

    /// A federation in this mode: one coordinator, and one other aggregator where there are others.
    pub(crate) fn sealed(sealing: SealingTerms, seed: u64, members: usize) -> Self {
        let aggregators = if sealing.custody().is_some() { 1 } else { 2 };
        Self::of(World::sealed(sealing, seed, aggregators, members))
    }

    /// A federation whose first round collects, with all members invited.
    pub(crate) fn collecting(seed: u64, aggregators: usize, members: usize) -> Self {
        Self::new(seed, aggregators, members).granted()
    }

    /// As [`Self::sealed`], and its first round collects, with all members invited.
    pub(crate) fn sealed_collecting(sealing: SealingTerms, seed: u64, members: usize) -> Self {
        Self::sealed(sealing, seed, members).granted()
    }

    fn granted(mut self) -> Self {
        self.grant(0);
        self
    }

    /// Grants `round` to all members behind the DAO node's back.
    pub(crate) fn grant(&mut self, round: u64) {
        let cohort: Vec<_> = (0..self.world.members.len()).collect();
        let grant = Box::new(self.world.grant(round, &cohort));
        self.feed(&Input::Granted { grant, model: self.world.model(round) }).unwrap();
    }

    /// Lets the DAO node grant the next round.
    pub(crate) fn grant_through_dao(&mut self) {
        let asked = self.outstanding().remove(0);
        let granted = self.answer(&asked);
        self.feed(&granted).unwrap();
    }

    /// The order under way, if updates are taken.
    pub(crate) fn order(&self) -> Option<Signed<RoundOrder>> {
        let offered = |index| {
            let reply = self.coordinator.machine.order_for(&self.world.member(index), None);
            match reply {
                ContributorReply::Order { order, .. } => Some(*order),
                _ => None,
            }
        };
        (0..self.world.members.len()).find_map(offered)
    }

    /// An update of member `index` for the order under way.
    pub(crate) fn contribution(&self, index: usize) -> Contribution {
        self.world.contribution(index, &self.order().unwrap(), 0)
    }

    /// The update as the coordinator's input, sent by its owner.
    pub(crate) fn submission(&self, index: usize, contribution: &Contribution) -> Input {
        let update = Box::new(contribution.sealed.update().clone());
        let ticket = contribution.sealed.ticket();
        Input::Submitted { peer: self.world.member(index), update, ticket }
    }

    /// Hands in the updates of these members and returns them.
    pub(crate) fn submit(&mut self, members: &[usize]) -> Vec<Contribution> {
        // Before the first goes in: the last one may close the collection.
        let contributions: Vec<_> = members.iter().map(|&m| self.contribution(m)).collect();
        for (&index, contribution) in members.iter().zip(&contributions) {
            self.feed(&self.submission(index, contribution)).unwrap();
        }
        contributions
    }

    pub(crate) fn feed(&mut self, input: &Input) -> Result<Vec<Output>, Refusal> {
        self.feed_until(input, ALL)
    }

    /// Feeds an input of which only the first `outputs_max` outputs are performed.
    pub(crate) fn feed_until(
        &mut self,
        input: &Input,
        outputs_max: usize,
    ) -> Result<Vec<Output>, Refusal> {
        let result = self.coordinator.input(input, self.now_ms, outputs_max);
        if let Input::Submitted { peer, update, .. } = input {
            let round = RoundId(update.claimed_binding().round);
            let acknowledged = result.as_ref().map_err(|refusal| *refusal).map(|outputs| {
                outputs.iter().find_map(|output| match output {
                    Output::Acknowledge(promise) => Some(promise.unverified_body().update),
                    _ => None,
                })
            });
            // An answer that was cut off by a crash is no answer.
            if let Some(answer) = acknowledged.transpose() {
                self.answered.insert((round, *peer), answer);
            }
        }
        result
    }

    /// Closes the collection by its deadline.
    pub(crate) fn pass_deadline(&mut self) {
        self.now_ms = self.order().unwrap().unverified_body().deadline_ms + 1;
        self.feed(&Input::Tick).unwrap();
    }

    /// What is outstanding, with the parts that requests carry.
    pub(crate) fn outstanding(&self) -> Vec<Ask> {
        let asks = self.coordinator.machine.outstanding(&self.coordinator.context);
        asks.into_iter().filter_map(|ask| self.coordinator.whole(ask).ok()).collect()
    }

    /// What is outstanding and asked of others.
    pub(crate) fn asked(&self) -> Vec<Ask> {
        let asks = self.outstanding();
        asks.into_iter().filter(|ask| !matches!(ask, Ask::Own(_))).collect()
    }

    /// Tells the machine of updates that it cannot send, as they are lost.
    pub(crate) fn lost(&self) -> Option<Input> {
        let asks = self.coordinator.machine.outstanding(&self.coordinator.context);
        asks.into_iter().find_map(|ask| self.coordinator.whole(ask).err()).map(|input| *input)
    }

    /// What the first outstanding request to another aggregator is.
    pub(crate) fn asked_of_peer(&self) -> AggregatorRequest {
        let asked = self.outstanding().into_iter().find_map(|ask| match ask {
            Ask::Aggregator(_, request) | Ask::Custodian(_, request) => Some(*request),
            Ask::Dao(_) | Ask::Parts(..) | Ask::Own(_) => None,
        });
        asked.unwrap()
    }

    /// The set over which the coordinator asks for a sum.
    pub(crate) fn asked_set(&self) -> AcceptedSet {
        match self.asked_of_peer() {
            AggregatorRequest::Sum { set, .. } => set,
            other => panic!("asked for {other:?}"),
        }
    }

    /// The set whose sum the coordinator asks to measure.
    pub(crate) fn measured_set(&self) -> AcceptedSet {
        self.measured().accepted
    }

    /// The sum that the coordinator asks to measure.
    pub(crate) fn measured(&self) -> RoundSum {
        let sum = self.outstanding().into_iter().find_map(|ask| match ask {
            Ask::Dao(request) => match *request {
                DaoRequest::Measure(sum) => Some(sum),
                _ => None,
            },
            _ => None,
        });
        sum.unwrap().unverified_body().clone()
    }

    /// Lets whoever is asked answer, and returns the answer as the coordinator's input.
    pub(crate) fn answer(&mut self, ask: &Ask) -> Input {
        match ask {
            Ask::Dao(request) => {
                let reply = self.dao.handle(&self.world, request.as_ref().clone());
                input_from_dao(reply).unwrap()
            }
            Ask::Aggregator(place, request) | Ask::Custodian(place, request) => {
                let reply = self.party(*place).request(request, true);
                Input::from_party(*place, replied(request, reply))
            }
            Ask::Own(_) => self.coordinator.work(ask).unwrap(),
            Ask::Parts(..) => panic!("made whole before"),
        }
    }

    /// The other party at `place` of the round under way.
    pub(crate) fn party(&mut self, place: usize) -> &mut PeerShell {
        if self.world.terms.sealing.custody().is_none() {
            return &mut self.peers[place - 1];
        }
        let index = self.custodian(place);
        &mut self.custodians[index]
    }

    /// The member that is the custodian at `place` of the round under way.
    pub(crate) fn custodian(&self, place: usize) -> usize {
        let at = |index: &usize| {
            let CoordinatorShell { machine, context, .. } = &self.coordinator;
            machine.custodian(context, &self.world.member(*index)) == Some(place)
        };
        (0..self.world.members.len()).find(at).unwrap()
    }

    /// What happens next on the straight way; nothing once all rounds were run.
    pub(crate) fn next_input(&mut self) -> Option<Input> {
        self.now_ms += 5;
        if self.coordinator.machine.finished() {
            return None;
        }
        if let Some(index) = self.unanswered() {
            let round = self.dao.open_round().unwrap();
            let invited = self.dao.cohort();
            let cohort: Vec<_> = (0..self.world.members.len())
                .filter(|&index| invited.contains(&self.world.member(index)))
                .collect();
            let order = self.world.order(round.0, &cohort);
            let contribution = self.world.contribution(index, &order, 0);
            return Some(self.submission(index, &contribution));
        }
        if let Some(lost) = self.lost() {
            return Some(lost);
        }
        if let Some(ask) = self.outstanding().first() {
            return Some(self.answer(ask));
        }
        self.now_ms = self.order().unwrap().unverified_body().deadline_ms + 1;
        Some(Input::Tick)
    }

    /// Grants the next round to all members, who send their updates.
    pub(crate) fn open_to_all(&mut self) -> Vec<Contribution> {
        let everybody: Vec<_> = (0..self.world.members.len()).collect();
        let round = self.dao.log.len() as u64;
        self.dao.open(self.world.grant(round, &everybody));
        self.run_grant();
        self.submit(&everybody)
    }

    /// Lets the coordinator have the round that the DAO node opened.
    pub(crate) fn run_grant(&mut self) {
        let grant = self.answer(&Ask::Dao(Box::new(DaoRequest::Grant)));
        self.feed(&grant).unwrap();
    }

    /// Runs a round to its end where the other parties answer what `conduct` makes of the honest reply;
    /// time passes where nobody does.
    pub(crate) fn end_round(
        &mut self,
        mut conduct: impl FnMut(
            &World,
            usize,
            &AggregatorRequest,
            AggregatorReply,
        ) -> Option<AggregatorReply>,
    ) -> Logged {
        let round = self.coordinator.machine.current_round().unwrap();
        while !self.dao.log.contains_key(&round) {
            let mut answered = false;
            for ask in self.outstanding() {
                // An answer before may have ended the step.
                if !self.outstanding().contains(&ask) {
                    break;
                }
                let input = match &ask {
                    Ask::Dao(_) | Ask::Own(_) | Ask::Parts(..) => Some(self.answer(&ask)),
                    Ask::Aggregator(place, request) | Ask::Custodian(place, request) => {
                        let reply = self.party(*place).request(request, true);
                        let reply = replied(request, reply);
                        let reply = conduct(&self.world, *place, request, reply);
                        reply.map(|reply| Input::from_party(*place, reply))
                    }
                };
                // An answer that is refused is none.
                answered |= input.is_some_and(|input| self.feed(&input).is_ok());
            }
            if !answered {
                self.now_ms += 20;
                self.feed(&Input::Tick).unwrap();
            }
        }
        self.dao.log[&round].clone()
    }

    /// The first invited member that still waits for an answer to its update.
    fn unanswered(&self) -> Option<usize> {
        let round = self.coordinator.machine.current_round()?;
        let cohort = self.dao.cohort();
        // Nobody is silent in a cohort that could not do without.
        let needed = cohort.len() <= self.world.minimum();
        let invited = |index: &usize| {
            let speaks = needed || !self.silent.contains(index);
            cohort.contains(&self.world.member(*index)) && speaks
        };
        let waits =
            |index: &usize| !self.answered.contains_key(&(round, self.world.member(*index)));
        (0..self.world.members.len()).filter(invited).find(waits)
    }

    /// Goes the straight way until the coordinator waits for something of which `here` holds.
    pub(crate) fn run_until(&mut self, here: impl Fn(&Ask) -> bool) {
        while !self.outstanding().iter().any(&here) {
            let input = self.next_input().expect("not reached before the end");
            self.feed(&input).unwrap();
        }
    }

    /// Goes the straight way to the end.
    pub(crate) fn run(&mut self) {
        while let Some(input) = self.next_input() {
            self.feed(&input).unwrap();
        }
    }
}

/// What a party says that was asked `request`.
pub(crate) fn replied(
    request: &AggregatorRequest,
    reply: Result<AggregatorReply, Refusal>,
) -> AggregatorReply {
    let refused = |refusal| AggregatorReply::Refused { round: Some(request.round()), refusal };
    reply.unwrap_or_else(refused)
}

pub(crate) fn asks_prepare(ask: &Ask) -> bool {
    matches!(ask, Ask::Aggregator(_, request) | Ask::Custodian(_, request) if matches!(**request, AggregatorRequest::Prepare { .. }))
}

pub(crate) fn asks_agree(ask: &Ask) -> bool {
    matches!(ask, Ask::Custodian(_, request) if matches!(**request, AggregatorRequest::Agree { .. }))
}

pub(crate) fn asks_sum(ask: &Ask) -> bool {
    matches!(ask, Ask::Aggregator(_, request) | Ask::Custodian(_, request) if matches!(**request, AggregatorRequest::Sum { .. }))
}

pub(crate) fn asks_score(ask: &Ask) -> bool {
    matches!(ask, Ask::Aggregator(_, request) | Ask::Custodian(_, request) if matches!(**request, AggregatorRequest::Score(_)))
}

pub(crate) fn asks_measure(ask: &Ask) -> bool {
    matches!(ask, Ask::Dao(request) if matches!(**request, DaoRequest::Measure(_)))
}

pub(crate) fn asks_settle(ask: &Ask) -> bool {
    matches!(ask, Ask::Dao(request) if matches!(**request, DaoRequest::Settle { .. }))
}
