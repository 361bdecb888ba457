//! Shells without IO: they keep what the machines ask to have kept, as bytes, and can be killed after
//! any output and started again from those bytes.

use std::{collections::BTreeSet, mem};

use aggregator_protocol::{
    AggregatorReply, AggregatorRequest, ContributorReply, DaoReply, Refusal,
};
use aggregator_round::{
    AggregatorContext, Ask, Coordinator, Ended, Input, MemoryUpdates, Output, PeerAggregator,
    PeerInput, PeerStep, RoundEvent, Unsendable,
};
use privacy_identity::{Decode as _, Digest, Encode as _};

/// No crash: all outputs are performed.
pub(crate) const ALL: usize = usize::MAX;

/// The coordinator with its store.
pub(crate) struct CoordinatorShell {
    pub(crate) context: AggregatorContext,
    pub(crate) machine: Coordinator,
    /// What a restart at this moment would give, kept by feeding it what is stored.
    restored: Coordinator,
    ended: Vec<Vec<u8>>,
    inputs: Vec<(u64, Vec<u8>)>,
    /// Digests of the updates among the stored inputs.
    pub(crate) held: BTreeSet<Digest>,
    /// The bytes of updates: what was kept, taken or not.
    pub(crate) updates: MemoryUpdates,
    pub(crate) reports: Vec<RoundEvent>,
}

impl CoordinatorShell {
    pub(crate) fn new(context: AggregatorContext) -> Self {
        Self {
            context,
            machine: Coordinator::new(Vec::new()),
            restored: Coordinator::new(Vec::new()),
            ended: Vec::new(),
            inputs: Vec::new(),
            held: BTreeSet::new(),
            updates: MemoryUpdates::default(),
            reports: Vec::new(),
        }
    }

    /// Feeds one input and performs the first `outputs_max` outputs: those are returned. If there
    /// were more, the process is dead and has to be restarted before it is used again.
    pub(crate) fn input(
        &mut self,
        input: &Input,
        now_ms: u64,
        outputs_max: usize,
    ) -> Result<Vec<Output>, Refusal> {
        let machine = mem::replace(&mut self.machine, Coordinator::new(Vec::new()));
        let mut before = machine.clone();
        let (machine, result) = machine.handle(&self.context, input.clone(), now_ms);
        self.machine = machine;
        let outputs = match result {
            Ok(outputs) => outputs,
            Err(refusal) => {
                before.count(refusal);
                assert!(self.machine == before, "refused as {refusal}, but something changed");
                return Err(refusal);
            }
        };
        let kept = outputs.iter().position(|output| matches!(output, Output::Keep(_)));
        let stored = outputs
            .iter()
            .position(|output| matches!(output, Output::Persist | Output::PersistInput(_)));
        let told = outputs.iter().position(|output| {
            matches!(output, Output::Acknowledge(_) | Output::Conclude(_) | Output::Report(_))
        });
        if !matches!(input, Input::NoMoreRounds(_)) {
            assert!(stored.is_some() || self.machine == before, "changed, but not to be stored");
            assert!(stored.is_none() || told.is_none() || stored < told, "told before stored");
            assert!(kept.is_none() || kept < stored, "named before kept");
        }
        let performed: Vec<_> = outputs.into_iter().take(outputs_max).collect();
        for output in &performed {
            self.perform(input, now_ms, output);
        }
        Ok(performed)
    }

    fn perform(&mut self, input: &Input, now_ms: u64, output: &Output) {
        match output {
            Output::Persist => self.store(input, now_ms),
            Output::PersistInput(other) => self.store(other, now_ms),
            Output::Keep(kept) => self.updates.keep(kept),
            Output::Conclude(ended) => self.conclude(ended),
            Output::Report(event) => self.reports.push(event.clone()),
            Output::Acknowledge(_) => {}
        }
    }

    fn store(&mut self, input: &Input, now_ms: u64) {
        let bytes = input.to_bytes();
        let decoded = Input::from_bytes(&bytes).unwrap();
        assert_eq!(decoded, *input, "what is stored is not what was handled");
        assert!(!matches!(input, Input::Submitted { .. }), "an update among the inputs");
        if let Input::Held { update, .. } = &decoded {
            self.held.insert(*update);
        }
        self.inputs.push((now_ms, bytes));
        let restored = mem::replace(&mut self.restored, Coordinator::new(Vec::new()));
        let (restored, result) = restored.handle(&self.context, decoded, now_ms);
        assert!(result.is_ok(), "a stored input is refused when it is replayed: {result:?}");
        self.restored = restored;
    }

    /// The request of an ask with the parts that it lacks; how a lost one is told instead.
    pub(crate) fn whole(&self, ask: Ask) -> Result<Ask, Box<Input>> {
        let Ask::Parts(place, batch) = ask else { return Ok(ask) };
        match batch.request(&self.updates) {
            Ok(request) if batch.custody() => Ok(Ask::Custodian(place, Box::new(request))),
            Ok(request) => Ok(Ask::Aggregator(place, Box::new(request))),
            Err(Unsendable::Lost(input)) => Err(input),
            Err(Unsendable::Unavailable) => panic!("memory can be read"),
        }
    }

    /// Does what the machine has to do itself.
    pub(crate) fn work(&self, ask: &Ask) -> Option<Input> {
        let Ask::Own(work) = ask else { return None };
        Some(work.run(&self.context, &self.updates).unwrap())
    }

    fn conclude(&mut self, ended: &Ended) {
        let bytes = ended.to_bytes();
        assert_eq!(Ended::from_bytes(&bytes).unwrap(), *ended);
        self.ended.push(bytes);
        self.inputs.clear();
        self.held.clear();
        self.restored = self.replay().0;
    }

    /// Builds the machine from the store alone; what is left to conclude comes with it.
    fn replay(&self) -> (Coordinator, Option<Box<Ended>>) {
        let ended = self.ended.iter().map(|bytes| Ended::from_bytes(bytes).unwrap()).collect();
        let mut machine = Coordinator::new(ended);
        let mut last = Vec::new();
        for (at_ms, bytes) in &self.inputs {
            let input = Input::from_bytes(bytes).unwrap();
            let (next, result) = machine.handle(&self.context, input, *at_ms);
            (machine, last) = (next, result.unwrap());
        }
        let conclusion = last.into_iter().find_map(|output| match output {
            Output::Conclude(ended) => Some(ended),
            _ => None,
        });
        (machine, conclusion)
    }

    /// A fresh process on the same store.
    pub(crate) fn restart(&mut self) {
        let (machine, conclusion) = self.replay();
        assert!(machine == self.restored, "two replays of one store differ");
        self.machine = machine;
        if let Some(ended) = conclusion {
            self.conclude(&ended);
        }
        let Self { machine, updates, .. } = self;
        updates.retain(|id| machine.needs(id));
    }

    /// What a restart at this moment would give, brought up to what is in memory only: how many
    /// messages were refused, and that there are no more rounds.
    pub(crate) fn restored_now(&self) -> Coordinator {
        let mut restored = self.restored.clone();
        for (refusal, count) in self.machine.refused() {
            while restored.refused().get(refusal).copied().unwrap_or(0) < *count {
                restored.count(*refusal);
            }
        }
        let anybody = self.context.signing().verifying_key();
        if let ContributorReply::Finished(end) = self.machine.order_for(&anybody, None) {
            restored = restored.handle(&self.context, Input::NoMoreRounds(end), 0).0;
        }
        restored
    }
}

/// Another aggregator with its store.
pub(crate) struct PeerShell {
    pub(crate) context: AggregatorContext,
    pub(crate) machine: PeerAggregator,
    /// What a restart at this moment would give, kept by feeding it what is stored.
    restored: PeerAggregator,
    inputs: Vec<Vec<u8>>,
    /// The bytes of its parts: what was kept, taken or not.
    pub(crate) updates: MemoryUpdates,
}

impl PeerShell {
    pub(crate) fn new(context: AggregatorContext) -> Self {
        let (machine, restored) = (PeerAggregator::default(), PeerAggregator::default());
        let updates = MemoryUpdates::default();
        Self { context, machine, restored, inputs: Vec::new(), updates }
    }

    /// Answers a request; without `stored` the process dies before it stores anything but bytes, and has
    /// to be restarted before it is used again.
    pub(crate) fn request(
        &mut self,
        request: &AggregatorRequest,
        stored: bool,
    ) -> Result<AggregatorReply, Refusal> {
        let before = self.machine.clone();
        let machine = mem::take(&mut self.machine);
        let (machine, result) = machine.handle(&self.context, &self.updates, request.clone());
        self.machine = machine;
        if let Err(refusal) = result {
            assert!(self.machine == before, "refused as {refusal}, but something changed");
            return Err(refusal);
        }
        let PeerStep { keep, persist, forget_earlier, reply } = result?;
        assert_eq!(persist.is_some(), self.machine != before, "changed, but not to be stored");
        keep.iter().for_each(|kept| self.updates.keep(kept));
        if let Some(input) = persist.filter(|_| stored) {
            if forget_earlier {
                self.inputs.clear();
            }
            let bytes = input.to_bytes();
            // From the bytes, and for a newer round from nothing: the others were forgotten.
            let restored = mem::take(&mut self.restored);
            let restored = if forget_earlier { PeerAggregator::default() } else { restored };
            self.restored = self.replayed(restored, &bytes);
            self.store(*input);
            assert!(self.machine == self.restored, "a restart would give another machine");
        }
        Ok(reply)
    }

    /// As a custodian's device stores it: parts of one order in one.
    fn store(&mut self, input: PeerInput) {
        let Some(last) = self.inputs.pop() else {
            self.inputs.push(input.to_bytes());
            return;
        };
        let (last, next) = PeerInput::from_bytes(&last).unwrap().followed_by(input);
        self.inputs.push(last.to_bytes());
        self.inputs.extend(next.map(|next| next.to_bytes()));
    }

    /// How many requests are stored.
    pub(crate) fn stored(&self) -> usize {
        self.inputs.len()
    }

    fn replayed(&self, machine: PeerAggregator, bytes: &[u8]) -> PeerAggregator {
        let input = PeerInput::from_bytes(bytes).unwrap();
        let (machine, replayed) = machine.replay(&self.context, input);
        assert_eq!(replayed, Ok(()), "what was stored is refused when it is replayed");
        machine
    }

    /// A fresh process on the same store.
    pub(crate) fn restart(&mut self) {
        let inputs = self.inputs.iter();
        self.machine =
            inputs.fold(PeerAggregator::default(), |machine, bytes| self.replayed(machine, bytes));
        assert!(self.machine == self.restored, "two replays of one store differ");
        let Self { machine, updates, .. } = self;
        updates.retain(|id| machine.needs(id));
    }
}

/// What the DAO node's answer is to the coordinator's machine.
pub(crate) fn input_from_dao(reply: DaoReply) -> Option<Input> {
    match reply {
        DaoReply::Granted { grant, model } => Some(Input::Granted { grant, model }),
        DaoReply::Finished(end) => Some(Input::NoMoreRounds(end)),
        DaoReply::Probes(probes) => Some(Input::Probed(probes)),
        DaoReply::Settled { .. } => Some(Input::Logged),
        DaoReply::Refused(refusal) => Some(Input::StepRefused(refusal)),
        _ => None,
    }
}
