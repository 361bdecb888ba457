//! The seeded network with its processes, one event at a time.

use std::collections::{BTreeMap, BTreeSet};

use aggregator_protocol::{
    AcceptedSet, AggregatorReply, AggregatorRequest, ContributorReply, ContributorRequest,
    CustodyTerms, DaoReply, DaoRequest, Evidence, Refusal, RoundId, ScalarShares, SealingTerms,
    SetEcho, SumCommitment, from_wire, to_wire,
};
use aggregator_round::{Ask, Input, Output};
use privacy_identity::{Digest, Signed, VerifyingKey};
use rand::RngExt as _;
use rand_chacha::ChaCha20Rng;

use crate::{
    Seen,
    contributor::Contributor,
    faults::Faults,
    world::{
        World,
        dao::{Dao, Logged, probe_order},
        federation::replied,
        rng_for,
        shell::{ALL, CoordinatorShell, PeerShell, input_from_dao},
    },
};

/// When faults end, so that every run does too.
const CALM_MS: u64 = 3_000;
/// How often a process looks whether it has something to ask.
const WAKE_MS: u64 = 45;
/// How long it waits for an answer before it asks the same again. Most of the time of a run goes into
/// signatures and decryptions of requests that are repeated: without this, each came four times.
const REPEAT_MS: u64 = 90;

/// Who sends and receives. Aggregator 0 is the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Party {
    Contributor(usize),
    Aggregator(usize),
    Dao,
    /// Somebody with the coordinator's key: it asks peers, and reads their answers.
    Thief,
}

#[derive(Debug, Clone)]
enum Event {
    Wake(Party),
    Restart(usize),
    Request { from: Party, to: Party, bytes: Vec<u8> },
    Reply { to: Party, from: Party, request: Vec<u8>, bytes: Vec<u8> },
}

/// What left the processes: what an observer of all wires, with all keys, would write down.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// The integers behind each sealed update.
    pub(crate) quantised: BTreeMap<Digest, Vec<i64>>,
    pub(crate) acknowledged: BTreeSet<(RoundId, VerifyingKey, Digest)>,
    /// Each aggregator's commitments by round.
    pub(crate) commitments: BTreeMap<(usize, RoundId), Vec<SumCommitment>>,
    /// Each aggregator's answers to probes by round.
    pub(crate) scalars: BTreeMap<(usize, RoundId), Vec<ScalarShares>>,
    /// Digests of updates whose proof does not hold.
    pub(crate) forged: BTreeSet<Digest>,
    /// Roots of the sets that each custodian echoed, by round.
    pub(crate) echoed: BTreeMap<(usize, RoundId), BTreeSet<Digest>>,
    /// The echoes themselves, as a thief would use them.
    echoes: Vec<Signed<SetEcho>>,
    /// The challenges under which each peer showed verifier shares.
    pub(crate) challenges: BTreeMap<(usize, RoundId), BTreeSet<Digest>>,
    /// Members whose part each peer refused.
    pub(crate) refused_by_peers: BTreeSet<(RoundId, VerifyingKey)>,
    crashes: usize,
    refusals: usize,
}

pub(crate) struct Simulation {
    pub(crate) world: World,
    pub(crate) dao: Dao,
    pub(crate) coordinator: CoordinatorShell,
    peers: Vec<PeerShell>,
    /// The members as custodians.
    custodians: Vec<PeerShell>,
    pub(crate) contributors: Vec<Contributor>,
    pub(crate) observed: Observed,
    pub(crate) log: Vec<String>,
    faults: Faults,
    rng: ChaCha20Rng,
    now_ms: u64,
    sequence: u64,
    queue: BTreeMap<(u64, u64), Event>,
    /// When each party last sent what it may have to repeat.
    asked: BTreeMap<(Party, Party), (Vec<u8>, u64)>,
    /// Aggregators that crashed and were not started again yet.
    down: BTreeSet<usize>,
}

impl Simulation {
    pub(crate) fn new(sealing: SealingTerms, seed: u64) -> Self {
        let mut rng = rng_for(&[seed, 8]);
        let aggregators = match sealing {
            SealingTerms::Fhe(_) => 1,
            _ if seed.is_multiple_of(2) => 2,
            _ => 3,
        };
        let fewest = sealing.custody().map_or(3, CustodyTerms::custodians);
        let members = rng.random_range(fewest..=fewest + 3);
        let world = World::sealed(sealing, seed, aggregators, members);
        let contributors = (0..world.members.len())
            .map(|index| Contributor::new(&world, index, &mut rng))
            .collect();
        let peers = (1..aggregators).map(|index| PeerShell::new(world.context(index))).collect();
        let mut simulation = Self {
            coordinator: CoordinatorShell::new(world.context(0)),
            dao: Dao::default(),
            custodians: (0..world.members.len())
                .map(|index| PeerShell::new(world.custodian_context(index)))
                .collect(),
            peers,
            contributors,
            observed: Observed::default(),
            log: Vec::new(),
            faults: Faults::draw(&mut rng),
            rng,
            now_ms: 0,
            sequence: 0,
            queue: BTreeMap::new(),
            asked: BTreeMap::new(),
            down: BTreeSet::new(),
            world,
        };
        for index in 0..simulation.contributors.len() {
            simulation.schedule(Event::Wake(Party::Contributor(index)), WAKE_MS);
        }
        simulation.schedule(Event::Wake(Party::Aggregator(0)), WAKE_MS);
        simulation.schedule(Event::Wake(Party::Thief), WAKE_MS);
        simulation
    }

    pub(crate) fn last_events(&self, count: usize) -> &[String] {
        &self.log[self.log.len().saturating_sub(count)..]
    }

    pub(crate) fn tally(&self, seen: &mut Seen) {
        for ended in self.dao.log.values() {
            match ended {
                Logged::Settled(_) => seen.settled += 1,
                Logged::Aborted(_) => seen.aborted += 1,
            }
        }
        seen.crashes += self.observed.crashes;
        seen.refusals += self.observed.refusals;
        seen.left_out_by_peers += self.observed.refused_by_peers.len();
        seen.forged += self.observed.forged.len();
        seen.echoes += self.observed.echoes.len();
    }

    fn schedule(&mut self, event: Event, delay_ms_max: u64) {
        let at_ms = self.now_ms + self.rng.random_range(1..=delay_ms_max);
        self.sequence += 1;
        self.queue.insert((at_ms, self.sequence), event);
    }

    fn happens(&mut self, odds: f64) -> bool {
        self.rng.random_bool(odds)
    }

    /// One event. Returns whether there was one: there is none when all have finished.
    pub(crate) fn step(&mut self) -> bool {
        let done = self.coordinator.machine.finished()
            && self.contributors.iter().all(Contributor::finished);
        let Some(((at_ms, _), event)) = self.queue.pop_first().filter(|_| !done) else {
            return false;
        };
        self.now_ms = at_ms;
        if at_ms > CALM_MS {
            self.faults = Faults::NONE;
        }
        self.note(&event);
        match event {
            Event::Wake(party) => self.wake(party),
            Event::Restart(index) => self.restart(index),
            Event::Request { from, to, bytes } => self.request(from, to, &bytes),
            Event::Reply { to, from, request, bytes } => self.reply(to, from, &request, &bytes),
        }
        true
    }

    fn note(&mut self, event: &Event) {
        let digest = |bytes: &[u8]| Digest::of(privacy_identity::Tag::Delivery, bytes).to_string();
        let what = match event {
            Event::Wake(party) => format!("{party:?} wakes"),
            Event::Restart(index) => format!("aggregator {index} starts again"),
            Event::Request { from, to, bytes } => {
                format!("{from:?} asks {to:?} kind {} {}", bytes[1], &digest(bytes)[..8])
            }
            Event::Reply { to, from, bytes, .. } => {
                format!("{from:?} answers {to:?} kind {} {}", bytes[1], &digest(bytes)[..8])
            }
        };
        self.log.push(format!("{} {what}", self.now_ms));
    }

    fn send(&mut self, event: Event) {
        if self.happens(self.faults.loss) {
            return;
        }
        let delay_ms_max = self.faults.delay_ms_max;
        if self.happens(self.faults.duplication) {
            self.schedule(event.clone(), delay_ms_max);
        }
        self.schedule(event, delay_ms_max);
    }

    /// Sends a request, unless the same one is on its way.
    fn ask(&mut self, from: Party, to: Party, bytes: Vec<u8>) {
        let last = self.asked.get(&(from, to));
        if last.is_none_or(|(last, at_ms)| *last != bytes || self.now_ms >= at_ms + REPEAT_MS) {
            self.asked.insert((from, to), (bytes.clone(), self.now_ms));
            self.send(Event::Request { from, to, bytes });
        }
    }

    fn wake(&mut self, party: Party) {
        self.schedule(Event::Wake(party), WAKE_MS);
        match party {
            Party::Contributor(index) => {
                if self.happens(self.faults.crash) {
                    self.contributors[index].crash();
                    self.custodians[index].restart();
                }
                let mut requests = self.contributors[index].requests(&mut self.rng);
                if let Some(second) = self.contributors[index].second(&self.world) {
                    let update = second.sealed.update().clone();
                    self.observed.quantised.insert(*second.sealed.digest(), second.values);
                    requests.push(ContributorRequest::Submit(Box::new(update)));
                }
                for request in requests {
                    self.ask(party, Party::Aggregator(0), to_wire(&request));
                }
            }
            Party::Aggregator(_) => self.wake_coordinator(),
            Party::Thief => self.steal(),
            Party::Dao => {}
        }
    }

    fn wake_coordinator(&mut self) {
        if self.down.contains(&0) {
            return;
        }
        self.feed(&Input::Tick).unwrap();
        if self.down.contains(&0) {
            return;
        }
        for ask in self.outstanding() {
            if let Some(worked) = self.coordinator.work(&ask) {
                self.feed(&worked).unwrap();
                return;
            }
            // Custodians ask themselves what is wanted of them.
            let Some((to, bytes)) = addressed(&ask) else { continue };
            self.ask(Party::Aggregator(0), to, bytes);
        }
    }

    fn outstanding(&self) -> Vec<Ask> {
        let asks = self.coordinator.machine.outstanding(&self.coordinator.context);
        asks.into_iter().map(|ask| self.coordinator.whole(ask).unwrap()).collect()
    }

    /// Feeds the coordinator, which may be killed between any two of its outputs.
    fn feed(&mut self, input: &Input) -> Result<Vec<Output>, Refusal> {
        let crash = self.happens(self.faults.crash);
        let outputs_max = if crash { self.rng.random_range(0..=3) } else { ALL };
        let result = self.coordinator.input(input, self.now_ms, outputs_max);
        self.observed.refusals += usize::from(result.is_err());
        if crash {
            self.crash(0);
        }
        result
    }

    fn crash(&mut self, index: usize) {
        self.observed.crashes += 1;
        self.down.insert(index);
        if index == 0 {
            // What is in memory only is gone at once: nothing may look at it meanwhile.
            self.coordinator.restart();
        } else {
            self.peers[index - 1].restart();
        }
        self.schedule(Event::Restart(index), 4 * WAKE_MS);
    }

    fn restart(&mut self, index: usize) {
        self.down.remove(&index);
    }

    fn request(&mut self, from: Party, to: Party, bytes: &[u8]) {
        let reply = match to {
            Party::Aggregator(index) if self.down.contains(&index) => None,
            Party::Aggregator(0) => self.coordinator_answers(from, bytes).map(|r| to_wire(&r)),
            Party::Aggregator(index) => self.peer_answers(index, bytes).map(|r| to_wire(&r)),
            Party::Dao => {
                let request = from_wire::<DaoRequest>(bytes).unwrap();
                Some(to_wire(&self.dao.handle(&self.world, request)))
            }
            // Only a thief asks a custodian; a coordinator waits to be asked.
            Party::Contributor(index) => {
                let request = from_wire::<AggregatorRequest>(bytes).unwrap();
                self.custodian_answers(index, &request).map(|r| to_wire(&r))
            }
            Party::Thief => None,
        };
        if let Some(reply) = reply {
            let request = bytes.to_vec();
            self.send(Event::Reply { to: from, from: to, request, bytes: reply });
        }
    }

    fn coordinator_answers(&mut self, from: Party, bytes: &[u8]) -> Option<ContributorReply> {
        let Party::Contributor(index) = from else { panic!("{from:?} asks the coordinator") };
        let member = self.world.member(index);
        let bytes = self.garbled(bytes);
        let Ok(request) = from_wire::<ContributorRequest>(&bytes) else {
            self.coordinator.machine.count(Refusal::Malformed);
            return Some(ContributorReply::Refused(Refusal::Malformed));
        };
        let CoordinatorShell { machine, context, updates, .. } = &self.coordinator;
        let polls = matches!(
            request,
            ContributorRequest::Fetch { .. } | ContributorRequest::Receipt { .. }
        );
        if let Some(asked) =
            machine.custody_for(context, updates, &member).unwrap().filter(|_| polls)
        {
            return Some(ContributorReply::Custody(asked));
        }
        match request {
            ContributorRequest::Fetch { known } => {
                Some(self.coordinator.machine.order_for(&member, known))
            }
            ContributorRequest::Receipt { round } => {
                let fetched = self.coordinator.machine.receipt_for(round, &member);
                Some(ContributorReply::Receipt(fetched))
            }
            ContributorRequest::Submit(update) => self.submitted(member, update),
            ContributorRequest::Custody(answer) => {
                let Some(place) = machine.custodian(context, &member) else {
                    self.coordinator.machine.count(Refusal::Stranger);
                    return Some(ContributorReply::Refused(Refusal::Stranger));
                };
                // It may be late: the step is over, or the round.
                let taken = self.feed(&Input::from_party(place, *answer));
                taken.err().map(ContributorReply::Refused)
            }
            ContributorRequest::Terms
            | ContributorRequest::Join(_)
            | ContributorRequest::Cohort(_)
            | ContributorRequest::Sum { .. } => None,
        }
    }

    /// A member answers as a custodian; it may be killed before or after it stored that.
    fn custodian_answers(
        &mut self,
        index: usize,
        request: &AggregatorRequest,
    ) -> Option<AggregatorReply> {
        let (crash, stored) = (self.happens(self.faults.crash), self.rng.random_bool(0.5));
        let result = self.custodians[index].request(request, stored || !crash);
        if crash {
            self.observed.crashes += 1;
            self.custodians[index].restart();
            return None;
        }
        let reply = replied(request, result);
        self.observe(index, request, &reply);
        Some(reply)
    }

    fn submitted(
        &mut self,
        peer: VerifyingKey,
        update: Box<privacy_secagg::SealedUpdate>,
    ) -> Option<ContributorReply> {
        let result = self.feed(&Input::Submitted { peer, update });
        let outputs = match result {
            Ok(outputs) => outputs,
            Err(refusal) => return Some(ContributorReply::Refused(refusal)),
        };
        let promise = outputs.into_iter().find_map(|output| match output {
            Output::Acknowledge(promise) => Some(promise),
            _ => None,
        })?;
        let body = promise.unverified_body();
        self.observed.acknowledged.insert((body.round, peer, body.update));
        Some(ContributorReply::Acknowledged(*promise))
    }

    /// What is left of a message that a hostile client cut or changed.
    fn garbled(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        // Kind 3 is an update: the only message whose content is not the sender's own loss.
        if bytes[1] == 3 && self.happens(self.faults.garbling) {
            let at = self.rng.random_range(0..bytes.len());
            if self.rng.random_bool(0.5) {
                bytes.truncate(at);
            } else {
                bytes[at] ^= 1 << self.rng.random_range(0..8);
            }
        }
        bytes
    }

    fn peer_answers(&mut self, index: usize, bytes: &[u8]) -> Option<AggregatorReply> {
        let request = from_wire::<AggregatorRequest>(bytes).unwrap();
        let (crash, stored) = (self.happens(self.faults.crash), self.rng.random_bool(0.5));
        let result = self.peers[index - 1].request(&request, stored || !crash);
        if crash {
            self.crash(index);
            return None;
        }
        let reply = replied(&request, result);
        self.observe(index, &request, &reply);
        Some(reply)
    }

    fn observe(&mut self, index: usize, request: &AggregatorRequest, reply: &AggregatorReply) {
        match reply {
            AggregatorReply::Prepared { round, parts } => {
                let AggregatorRequest::Prepare { challenge, .. } = request else { panic!() };
                self.observed.challenges.entry((index, *round)).or_default().insert(*challenge);
                let refused = parts.iter().filter(|part| part.held.is_err());
                let members = refused.map(|part| (*round, part.member));
                self.observed.refused_by_peers.extend(members);
            }
            AggregatorReply::Sum { commitment, .. } => {
                let body = commitment.unverified_body();
                let signed = self.observed.commitments.entry((index, body.round)).or_default();
                signed.push(body.clone());
                signed.dedup();
            }
            AggregatorReply::Scalars(shares) => {
                let body = shares.unverified_body();
                let signed = self.observed.scalars.entry((index, body.round)).or_default();
                signed.push(body.clone());
                signed.dedup();
            }
            AggregatorReply::Agreed(echo) => {
                let body = echo.unverified_body();
                self.observed.echoed.entry((index, body.round)).or_default().insert(body.set_root);
                if !self.observed.echoes.contains(echo) {
                    self.observed.echoes.push(echo.clone());
                }
            }
            AggregatorReply::Refused { .. } => self.observed.refusals += 1,
        }
    }

    fn reply(&mut self, to: Party, from: Party, request: &[u8], bytes: &[u8]) {
        match to {
            Party::Contributor(index) => {
                let reply = from_wire(bytes);
                // What a thief asked is answered to the thief.
                let reply = reply.unwrap();
                if let ContributorReply::Custody(asked) = reply {
                    if let Some(answer) = self.custodian_answers(index, &asked) {
                        let bytes = to_wire(&ContributorRequest::Custody(Box::new(answer)));
                        self.send(Event::Request { from: to, to: from, bytes });
                    }
                    return;
                }
                let sealed = self.contributors[index].answered(&self.world, request, reply);
                if let Some((digest, contribution)) = sealed {
                    if self.contributors[index].forges() {
                        self.observed.forged.insert(digest);
                    }
                    self.observed.quantised.insert(digest, contribution.values);
                }
            }
            Party::Aggregator(0) if !self.down.contains(&0) => {
                // Only what is still asked: a shell gives up what is no longer outstanding.
                let asked = self.outstanding().iter().any(|ask| {
                    addressed(ask).is_some_and(|(asked, wire)| asked == from && wire == request)
                });
                let input = match from {
                    Party::Dao => input_from_dao(from_wire::<DaoReply>(bytes).unwrap()),
                    Party::Aggregator(index) => {
                        Some(Input::from_party(index, from_wire(bytes).unwrap()))
                    }
                    Party::Contributor(_) | Party::Thief => None,
                };
                if let Some(input) = input.filter(|_| asked) {
                    let taken = self.feed(&input);
                    // The one request that is the same in every round, so that an old answer passes.
                    let old_grant = matches!(input, Input::Granted { .. });
                    let stale = old_grant && taken == Err(Refusal::WrongRound);
                    assert!(taken.is_ok() || stale, "an honest answer is refused: {taken:?}");
                }
            }
            _ => {}
        }
    }

    /// Asks a peer what it must not answer twice: a smaller set, other parts, another probe.
    fn steal(&mut self) {
        let asks = self.outstanding();
        if !self.happens(self.faults.hostile) || asks.is_empty() || self.down.contains(&0) {
            return;
        }
        let requests = asks.iter().filter_map(|ask| match ask {
            Ask::Aggregator(place, request) => {
                Some((Party::Aggregator(*place), request.as_ref().clone()))
            }
            Ask::Custodian(place, request) => {
                let CoordinatorShell { machine, context, .. } = &self.coordinator;
                let at = |index: &usize| {
                    machine.custodian(context, &self.world.member(*index)) == Some(*place)
                };
                let index = (0..self.world.members.len()).find(at).unwrap();
                Some((Party::Contributor(index), request.as_ref().clone()))
            }
            Ask::Dao(_) | Ask::Own(_) | Ask::Parts(..) => None,
        });
        let mut requests: Vec<_> = requests.collect();
        // The other steps are the same for all custodians: those that answered are asked again.
        let same = requests.first().cloned();
        if let Some((Party::Contributor(_), request)) = same
            && !matches!(request, AggregatorRequest::Prepare { .. })
        {
            let CoordinatorShell { machine, context, .. } = &self.coordinator;
            let custodian =
                |index: &usize| machine.custodian(context, &self.world.member(*index)).is_some();
            let indices = (0..self.world.members.len()).filter(custodian);
            requests = indices.map(|index| (Party::Contributor(index), request.clone())).collect();
        }
        for (to, request) in requests {
            let stolen = match request {
                AggregatorRequest::Prepare { order, mut deliveries, mut challenge } => {
                    if self.rng.random_bool(0.5) {
                        deliveries.pop();
                    } else {
                        challenge.0[0] ^= 1;
                    }
                    AggregatorRequest::Prepare { order, deliveries, challenge }
                }
                AggregatorRequest::Agree { round, set } => {
                    // Another set, or a sum at once, with all echoes of it that there are.
                    let set = if self.rng.random_bool(0.5) { self.fewer(&set) } else { set };
                    if self.rng.random_bool(0.5) {
                        AggregatorRequest::Agree { round, set }
                    } else {
                        let evidence = Evidence::Echoes(self.observed.echoes.clone());
                        AggregatorRequest::Sum { round, set, evidence }
                    }
                }
                AggregatorRequest::Sum { round, set, evidence } => {
                    let set = self.fewer(&set);
                    let evidence = match evidence {
                        Evidence::Echoes(_) => Evidence::Echoes(self.observed.echoes.clone()),
                        other => other,
                    };
                    AggregatorRequest::Sum { round, set, evidence }
                }
                AggregatorRequest::Score(probes) => {
                    let body = probes.unverified_body();
                    let second = probe_order(&self.world, body.round, body.set_root, 1);
                    AggregatorRequest::Score(Box::new(second))
                }
            };
            let bytes = to_wire(&stolen);
            self.send(Event::Request { from: Party::Thief, to, bytes });
        }
    }
}

impl Simulation {
    /// The set without one contribution: the difference of the sums would be a person.
    fn fewer(&mut self, set: &AcceptedSet) -> AcceptedSet {
        let mut fewer = set.contributions().to_vec();
        fewer.remove(self.rng.random_range(0..fewer.len()));
        AcceptedSet::new(fewer).unwrap()
    }
}

/// Where a request is sent, if it is not left to be fetched.
fn addressed(ask: &Ask) -> Option<(Party, Vec<u8>)> {
    match ask {
        Ask::Dao(request) => Some((Party::Dao, to_wire(request.as_ref()))),
        Ask::Aggregator(index, request) => {
            Some((Party::Aggregator(*index), to_wire(request.as_ref())))
        }
        Ask::Custodian(..) | Ask::Own(_) | Ask::Parts(..) => None,
    }
}
