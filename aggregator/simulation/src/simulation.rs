//! The seeded network with its processes, one event at a time.

use std::collections::{BTreeMap, BTreeSet};

use aggregator_protocol::{DaoReply, DaoRequest, Refusal, from_wire, to_wire};
use aggregator_round::UpdateId;
use privacy_identity::{Digest, Tag};

use crate::{
    channel::rests_on_the_channel,
    coordinator::Process,
    dao::Dao,
    fault::{Fault, Harm, Party, Site, Theft},
    member::{Habits, Member},
    peer::Peer,
    plan::{Nature, Plan, Stake},
    random::Draws,
    scenario::Scenario,
    theft::{Loot, stolen},
    turn::{Outgoing, Turn},
    updates::Updates,
    witness::Witness,
    world::World,
};

/// How often a process looks whether it has something to do, in milliseconds.
const WAKE_MS: u64 = 50;

/// A message on its way.
#[derive(Debug, Clone)]
struct Message {
    from: Party,
    to: Party,
    id: u64,
    reply: bool,
    bytes: Vec<u8>,
    garbled: bool,
}

#[derive(Debug, Clone)]
enum Event {
    Wake(Party),
    Restart(Party),
    Deliver(Message),
    /// The coordinator is done with work of its own.
    Worked(u64),
    /// Bytes that a party holds are struck.
    Rot(Party, UpdateId, Harm),
    /// They can be read again.
    Heal(Party, UpdateId),
}

/// Everybody.
pub(crate) struct Processes {
    pub(crate) dao: Dao,
    pub(crate) coordinator: Process,
    /// The aggregators with place 1 and above.
    pub(crate) peers: Vec<Peer>,
    pub(crate) members: Vec<Member>,
}

/// A federation under a plan of faults.
pub(crate) struct Simulation {
    pub(crate) scenario: Scenario,
    pub(crate) world: World,
    pub(crate) processes: Processes,
    pub(crate) witness: Witness,
    pub(crate) plan: Plan,
    pub(crate) now_ms: u64,
    pub(crate) events: u64,
    pub(crate) log: Digest,
    last_lines: Vec<String>,
    /// Whether lines are kept for people.
    verbose: bool,
    pub(crate) seed: u64,
    sequence: u64,
    queue: BTreeMap<(u64, u64), Event>,
    sent: BTreeMap<(Party, Party), u32>,
    steps: BTreeMap<Party, u32>,
    pub(crate) down: BTreeSet<Party>,
    /// Milliseconds for which the coordinator was down, for what began before.
    pub(crate) outages: Vec<(u64, u64)>,
    loot: Loot,
}

impl Simulation {
    pub(crate) fn new(seed: u64, scenario: &Scenario, plan: Plan, verbose: bool) -> Self {
        let world = World::new(scenario, seed);
        let peers = (1..scenario.aggregators)
            .map(|index| Peer::new(Party::Aggregator(index), world.context(index)))
            .collect();
        let members = (0..scenario.members).map(|index| Member::new(&world, index)).collect();
        let coordinator = Process::new(world.context(0));
        let mut simulation = Self {
            scenario: scenario.clone(),
            processes: Processes { dao: Dao::default(), coordinator, peers, members },
            world,
            witness: Witness::default(),
            plan,
            now_ms: 0,
            events: 0,
            log: Digest([0; 32]),
            last_lines: Vec::new(),
            verbose,
            seed,
            sequence: 0,
            queue: BTreeMap::new(),
            sent: BTreeMap::new(),
            steps: BTreeMap::new(),
            down: BTreeSet::new(),
            outages: Vec::new(),
            loot: Loot::default(),
        };
        simulation.schedule(1, Event::Wake(Party::Aggregator(0)));
        for index in 0..scenario.members {
            let at_ms = Draws::at(seed, &[8, index as u64]).within(1..=WAKE_MS);
            simulation.schedule(at_ms, Event::Wake(Party::Member(index)));
        }
        simulation
    }

    /// Whether all rounds were run and everybody knows how they ended.
    pub(crate) fn done(&self) -> bool {
        self.processes.coordinator.machine.finished()
            && self.processes.members.iter().all(Member::finished)
    }

    pub(crate) fn last_lines(&self) -> &[String] {
        &self.last_lines[self.last_lines.len().saturating_sub(40)..]
    }

    fn schedule(&mut self, after_ms: u64, event: Event) {
        self.sequence += 1;
        self.queue.insert((self.now_ms + after_ms, self.sequence), event);
    }

    /// One event. Returns whether there was one.
    pub(crate) fn step(&mut self) -> bool {
        let Some(((at_ms, _), event)) = self.queue.pop_first().filter(|_| !self.done()) else {
            return false;
        };
        self.now_ms = at_ms;
        self.events += 1;
        self.note(&event);
        match event {
            Event::Wake(party) => {
                self.schedule(WAKE_MS, Event::Wake(party));
                self.wake(party);
            }
            Event::Restart(party) => {
                self.down.remove(&party);
            }
            Event::Deliver(message) => self.deliver(&message),
            Event::Worked(id) => self.worked(id),
            Event::Rot(party, id, harm) => self.rot(party, &id, harm),
            Event::Heal(party, id) => {
                self.processes.updates(party).into_iter().for_each(|updates| updates.heal(&id));
            }
        }
        true
    }

    /// Chains the event into the log's digest.
    fn note(&mut self, event: &Event) {
        let mut bytes = self.log.0.to_vec();
        bytes.extend(self.now_ms.to_be_bytes());
        let line = |what: String| format!("{:>6} {:>6} ms  {what}", self.events, self.now_ms);
        let text = match event {
            Event::Wake(party) => {
                bytes.extend(party.word().to_be_bytes());
                self.verbose.then(|| line(format!("{party:?} wakes")))
            }
            Event::Restart(party) => {
                bytes.extend((party.word() << 32).to_be_bytes());
                self.verbose.then(|| line(format!("{party:?} is up again")))
            }
            Event::Worked(id) => {
                bytes.extend(id.to_be_bytes());
                self.verbose.then(|| line(format!("own work #{id} is done")))
            }
            Event::Rot(party, id, harm) => {
                bytes.extend(id.update.0);
                self.verbose.then(|| line(format!("{party:?} has {id:?} {harm:?}")))
            }
            Event::Heal(party, id) => {
                bytes.extend(id.update.0);
                self.verbose.then(|| line(format!("{party:?} can read {id:?} again")))
            }
            Event::Deliver(message) => {
                for word in [message.from.word(), message.to.word(), message.id] {
                    bytes.extend(word.to_be_bytes());
                }
                // An oversized message is long, and nobody reads it.
                bytes.extend(&message.bytes[..message.bytes.len().min(1 << 16)]);
                self.verbose.then(|| {
                    let Message { from, to, id, reply, garbled, bytes } = message;
                    let what = if *reply { "answers" } else { "asks" };
                    let kind = bytes.get(1).copied().unwrap_or(0);
                    let garbled = if *garbled { ", garbled" } else { "" };
                    let length = bytes.len();
                    line(format!("{from:?} {what} {to:?} #{id} kind {kind}, {length} B{garbled}"))
                })
            }
        };
        self.log = Digest::of(Tag::Delivery, &bytes);
        self.last_lines.extend(text);
    }

    /// One step of one process, which may die in it.
    fn turn(
        &mut self,
        (party, stake): (Party, Stake),
        act: impl FnOnce(&mut Processes, &mut Turn<'_>, &Plan),
    ) {
        let step = self.steps.entry(party).or_default();
        let crash = match party {
            Party::Dao | Party::Thief => None,
            _ => self.plan.at_step((party, stake), *step, self.now_ms),
        };
        *step += 1;
        let clock_ms = self.plan.clock(party, self.now_ms);
        let clocks = (clock_ms, self.now_ms);
        let kept = crash.map(|(kept, _)| kept);
        let mut turn =
            Turn::new(&self.world, &mut self.witness, clocks, kept, self.scenario.mutant);
        act(&mut self.processes, &mut turn, &self.plan);
        let sent = std::mem::take(&mut turn.sent);
        let mut begun = std::mem::take(&mut turn.begun);
        let mut named = std::mem::take(&mut turn.named);
        if crash.is_some() {
            // What is in memory only is gone at once: nothing may look at it meanwhile.
            let mut fresh =
                Turn::new(&self.world, &mut self.witness, clocks, None, self.scenario.mutant);
            self.processes.restart(party, &mut fresh);
            // Work that was under way is done again.
            begun = std::mem::take(&mut fresh.begun);
            named.append(&mut fresh.named);
            self.witness.seen.add("crashes", 1);
        } else if self.scenario.audit {
            self.processes.audit(party, &mut turn);
        }
        for message in sent {
            self.send(party, message);
        }
        for id in begun {
            let after_ms = Draws::at(self.seed, &[11, id]).within(1..=self.scenario.delay_ms_max);
            self.schedule(after_ms, Event::Worked(id));
        }
        for (id, nth) in named {
            if let Some((late_ms, harm)) = self.plan.at_naming(party, nth, self.now_ms) {
                self.schedule(late_ms, Event::Rot(party, id, harm));
            }
        }
        if let Some((_, down_ms)) = crash {
            self.down.insert(party);
            self.schedule(down_ms, Event::Restart(party));
            if party == Party::Aggregator(0) {
                self.outages.push((self.now_ms, self.now_ms + down_ms));
            }
        }
    }

    fn is_up(&self, party: Party) -> bool {
        !self.down.contains(&party) && !self.plan.is_away(party, self.now_ms)
    }

    fn wake(&mut self, party: Party) {
        if !self.is_up(party) {
            return;
        }
        self.turn((party, Stake::Low), |processes, turn, plan| match party {
            Party::Aggregator(0) => processes.coordinator.wake(turn),
            Party::Member(index) => processes.members[index].wake(turn, plan.standing()),
            _ => {}
        });
    }

    /// Work that a crash interrupted comes to nothing: the process does it again under another number.
    fn worked(&mut self, id: u64) {
        let party = Party::Aggregator(0);
        if self.is_up(party) {
            self.turn((party, Stake::High), |processes, turn, _| {
                processes.coordinator.worked(turn, id);
            });
        } else {
            self.schedule(WAKE_MS, Event::Worked(id));
        }
    }

    fn rot(&mut self, party: Party, id: &UpdateId, harm: Harm) {
        let struck = self.processes.updates(party).is_some_and(|updates| updates.strike(id, harm));
        if !struck {
            return;
        }
        let fault = Fault::Rot { party, nth: 0, late_ms: 0, harm };
        self.witness.seen.add(fault.name(), 1);
        if let Harm::Unreadable(for_ms) = harm {
            self.schedule(for_ms, Event::Heal(party, *id));
        }
    }

    fn deliver(&mut self, message: &Message) {
        let Message { from, to, .. } = *message;
        let stake = match nature(from, to, &message.bytes) {
            Nature::Submission | Nature::Question => Stake::High,
            Nature::Other => Stake::Low,
        };
        if !self.is_up(to) || !self.plan.connects(from, to, self.now_ms) {
            return;
        }
        self.turn((to, stake), |processes, turn, plan| match (to, from, message.reply) {
            (Party::Dao, _, false) => processes.dao_hears(turn, message),
            (Party::Aggregator(0), _, true) => {
                processes.coordinator.hear(turn, message.id, &message.bytes);
            }
            (Party::Aggregator(0), Party::Member(index), false) => {
                processes.coordinator_hears(turn, index, message);
            }
            (Party::Aggregator(place), _, false) => {
                if let Some(peer) = processes.peers.get_mut(place - 1)
                    && let Some(reply) = peer.answer(turn, &message.bytes)
                {
                    turn.hand(from, message.id, to_wire(&reply));
                }
            }
            (Party::Member(index), Party::Thief, false) => {
                if let Some(reply) = processes.members[index].custodian.answer(turn, &message.bytes)
                {
                    turn.hand(from, message.id, to_wire(&reply));
                }
            }
            (Party::Member(index), _, true) => {
                let training_ms = (!plan.is_silent(index)).then(|| plan.training_ms(index));
                let habits = Habits { training_ms, greedy: plan.is_greedy(index) };
                let heard = (message.id, message.garbled);
                processes.members[index].hear(turn, habits, heard, &message.bytes);
            }
            _ => {}
        });
    }

    fn send(&mut self, from: Party, message: Outgoing) {
        let Outgoing { to, id, reply, .. } = message;
        let nature = nature(from, to, &message.bytes);
        let nth = self.sent.entry((from, to)).or_default();
        let site = Site { from, to, nth: *nth };
        *nth += 1;
        let faults = match (from, to) {
            (Party::Thief, _) | (_, Party::Thief) => Vec::new(),
            _ => self.plan.at_message(site, nature, self.now_ms),
        };
        let mut delay_ms = Draws::at(self.seed, &[5, from.word(), to.word(), u64::from(site.nth)])
            .within(1..=self.scenario.delay_ms_max);
        let mut bytes = message.bytes;
        if nature == Nature::Question {
            self.loot.see(to, &bytes);
        }
        let (mut lost, mut garbled, mut again) = (false, false, None);
        for fault in faults {
            self.witness.seen.add(fault.name(), 1);
            match fault {
                Fault::Lose(_) => lost = true,
                Fault::Delay(_, late_ms) => delay_ms += late_ms,
                Fault::Double(_, later_ms) => again = Some(later_ms),
                Fault::Flip(_, bit) => {
                    garbled = true;
                    // What no signature covers rests on the channel's own integrity, which drops it.
                    lost |= rests_on_the_channel(from, to, reply, &bytes);
                    let bit = bit as usize % (8 * bytes.len().max(1));
                    if let Some(byte) = bytes.get_mut(bit / 8) {
                        *byte ^= 1 << (bit % 8);
                    }
                }
                Fault::Cut(_, length) => {
                    garbled = true;
                    bytes.truncate(length as usize % bytes.len().max(1));
                }
                Fault::Forge(_, forgery) => self.forge(from, forgery),
                Fault::Steal(_, theft) => self.steal(to, theft),
                _ => {}
            }
        }
        if lost {
            return;
        }
        let message = Message { from, to, id, reply, bytes, garbled };
        if let Some(later_ms) = again {
            self.schedule(delay_ms + later_ms, Event::Deliver(message.clone()));
        }
        self.schedule(delay_ms, Event::Deliver(message));
    }

    /// Sends what a member should not send.
    fn forge(&mut self, from: Party, forgery: crate::fault::Forgery) {
        let Party::Member(index) = from else { return };
        let others = self.processes.members.iter().filter(|member| member.index != index);
        let seen = others.filter_map(Member::update).next().cloned();
        let clocks = (self.now_ms, self.now_ms);
        let mut turn = Turn::new(&self.world, &mut self.witness, clocks, None, None);
        let Some(bytes) = self.processes.members[index].forged(&mut turn, forgery, seen.as_ref())
        else {
            return;
        };
        let delay_ms = 1 + self.events % self.scenario.delay_ms_max;
        // Nobody waits for the answer.
        let (to, id, reply, garbled) = (Party::Aggregator(0), u64::MAX, false, false);
        let message = Message { from, to, id, reply, bytes, garbled };
        self.schedule(delay_ms, Event::Deliver(message));
    }

    /// Sends what somebody with the coordinator's key should not ask.
    fn steal(&mut self, to: Party, theft: Theft) {
        let echoes = &self.witness.echoes;
        let Some(request) = stolen(&self.world, &self.loot, to, theft, echoes) else { return };
        self.witness.seen.add("asked for one group", u64::from(theft == Theft::OneGroup));
        let delay_ms = 1 + self.events % self.scenario.delay_ms_max;
        let (from, id, reply, garbled) = (Party::Thief, 0, false, false);
        let message = Message { from, to, id, reply, bytes: to_wire(&request), garbled };
        self.schedule(delay_ms, Event::Deliver(message));
    }
}

/// What a message is to a fault.
fn nature(from: Party, to: Party, bytes: &[u8]) -> Nature {
    /// Kinds on the wire (`aggregator-protocol`): an update; a question to a custodian.
    const SUBMIT: u8 = 3;
    const CUSTODY: u8 = 8;
    let kind = bytes.get(1).copied();
    match (from, to) {
        (Party::Member(_), Party::Aggregator(0)) if kind == Some(SUBMIT) => Nature::Submission,
        (Party::Aggregator(0), Party::Aggregator(_)) => Nature::Question,
        (Party::Aggregator(0), Party::Member(_)) if kind == Some(CUSTODY) => Nature::Question,
        _ => Nature::Other,
    }
}

impl Processes {
    fn dao_hears(&mut self, turn: &mut Turn<'_>, message: &Message) {
        let reply = match from_wire::<DaoRequest>(&message.bytes) {
            Ok(request) => self.dao.handle(turn.world, request, turn.witness),
            Err(_) => DaoReply::Refused(Refusal::Malformed),
        };
        turn.hand(message.from, message.id, to_wire(&reply));
    }

    /// What the link refuses before it is a message is counted, and not answered.
    fn coordinator_hears(&mut self, turn: &mut Turn<'_>, index: usize, message: &Message) {
        if message.bytes.len() > aggregator_round::message_bytes_max(&turn.world.terms) {
            turn.witness.refusal(Refusal::Oversized);
            return self.coordinator.count(Refusal::Oversized);
        }
        self.coordinator.answer(turn, (index, message.id), &message.bytes);
    }

    /// The store of a process that has one.
    fn updates(&mut self, party: Party) -> Option<&mut Updates> {
        match party {
            Party::Aggregator(0) => Some(&mut self.coordinator.updates),
            Party::Aggregator(place) => self.peers.get_mut(place - 1).map(|peer| &mut peer.updates),
            Party::Member(index) => Some(&mut self.members[index].custodian.updates),
            Party::Dao | Party::Thief => None,
        }
    }

    fn restart(&mut self, party: Party, turn: &mut Turn<'_>) {
        match party {
            Party::Aggregator(0) => self.coordinator.restart(turn),
            Party::Aggregator(place) => self.peers[place - 1].restart(turn),
            Party::Member(index) => self.members[index].restart(turn),
            Party::Dao | Party::Thief => {}
        }
    }

    /// Tries what a restart would give, and goes on as if nothing had happened.
    fn audit(&mut self, party: Party, turn: &mut Turn<'_>) {
        match party {
            Party::Aggregator(0) => drop(self.coordinator.replayed(turn.witness)),
            Party::Aggregator(place) => drop(self.peers[place - 1].replayed(turn)),
            Party::Member(index) => drop(self.members[index].custodian.replayed(turn)),
            Party::Dao | Party::Thief => {}
        }
    }
}
