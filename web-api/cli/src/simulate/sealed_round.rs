//! A sealed round in one process: the machines of `aggregator/round`, all of them, without a network.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    num::NonZeroUsize,
    thread,
};

use super::{
    clock::Stopwatch,
    dao::{Ended, RoundStart, SimulatedDao},
    learning::{Learned, TrainingRound},
    local_state::Retained,
    parallel::in_order,
    population::Contributor,
    seeds::{Purpose, generator},
    terms::weight,
};
use aggregator_protocol::{
    AggregatorReply, ContributorReply, Custodian, DaoReply, FederationTerms, Refusal, RoundId,
    SealingTerms,
};
use aggregator_round::{
    Acknowledged, AggregatorContext, Ask, CheckedOrder, Coordinator, Input, MemoryUpdates,
    OrderRefusal, Outcome, Output, PeerAggregator, Sealed,
};
use aggregator_strategy::{OptimizerState, VrfPublicKey, participation_key};
use anyhow::{Context as _, bail};
use privacy_dp::LocalUpdate;
use privacy_identity::{Encode as _, SealingKey, SigningKey, VerifyingKey};
use trainer_model::{Parameters, model_to_wire};

/// Milliseconds of virtual time between two events: far below any deadline.
const STEP_MS: u64 = 1;
/// Virtual time between the starts of two rounds: more than any round takes. So time follows from the round,
/// also after an interruption.
const ROUND_MS: u64 = 24 * 3_600 * 1_000;

/// A party other than the coordinator, with the parts that it holds.
struct Party {
    context: AggregatorContext,
    machine: PeerAggregator,
    updates: MemoryUpdates,
}

/// Aggregators, their stores left out: nothing crashes here (`aggregator/simulation` is for that).
pub(crate) struct SealedFederation {
    terms: FederationTerms,
    context: AggregatorContext,
    coordinator: Coordinator,
    /// The coordinator's sealed updates of the round under way.
    updates: MemoryUpdates,
    peers: Vec<Party>,
    seed: u64,
    /// Rows of the largest contributor, if contributions weigh by rows.
    most_rows: Option<usize>,
    now_ms: u64,
}

/// What a sealed round needs beside the federation.
pub(crate) struct RoundTask<'a> {
    /// Its number, above that of every round before.
    pub(crate) id: RoundId,
    pub(crate) training: TrainingRound<'a>,
    /// The newest model, which is moved: in a buffer not always the one that is trained from.
    pub(crate) newest: &'a Parameters,
    /// How many versions lie between them.
    pub(crate) staleness: u32,
    /// What earlier rounds made public, the newest first.
    pub(crate) past: &'a VecDeque<Vec<Vec<f32>>>,
    /// Who is invited, in increasing order of keys.
    pub(crate) cohort: &'a [&'a Contributor],
    /// Who of them comes.
    pub(crate) coming: &'a [&'a Contributor],
    pub(crate) optimizer: &'a OptimizerState,
    /// Whether updates are kept in the clear for an oracle.
    pub(crate) keeps_clear: bool,
}

/// What came of a sealed round.
pub(crate) struct SealedOutcome {
    pub(crate) ended: Ended,
    pub(crate) collected: Collected,
    pub(crate) refused: u64,
}

/// What was collected.
#[derive(Default)]
pub(crate) struct Collected {
    /// Members that could not send an update, each with the reason.
    pub(crate) dropped: Vec<(usize, String)>,
    pub(crate) upload_bytes: u64,
    pub(crate) train_seconds: Vec<f64>,
    pub(crate) train_losses: Vec<f64>,
    pub(crate) seal_seconds: Vec<f64>,
    pub(crate) aggregate_seconds: f64,
    /// Clipped updates before encoding and noise, by contributor: none unless they were to be kept.
    pub(crate) clear: Vec<(usize, Vec<f32>)>,
    /// What contributors keep to themselves.
    pub(crate) retained: Retained,
    /// One of those that were acknowledged: its receipt is checked.
    first: Option<(VerifyingKey, Acknowledged)>,
}

/// One contributor's part, as its thread left it.
struct Contribution {
    index: usize,
    member: VerifyingKey,
    result: anyhow::Result<(Sealed, Learned)>,
    seal_seconds: f64,
}

impl SealedFederation {
    /// * `aggregators` — their keys, the coordinator's first.
    pub(crate) fn new(
        terms: &FederationTerms,
        aggregators: &[SigningKey],
        seed: u64,
        most_rows: Option<usize>,
    ) -> anyhow::Result<Self> {
        let context = |key: &SigningKey| {
            let key = SigningKey::from_seed(&key.seed());
            let sealing = SealingKey::derived_from(&key);
            AggregatorContext::new(terms.clone(), key, sealing)
        };
        let (first, others) = aggregators.split_first().context("a federation has aggregators")?;
        let peer = |key| Ok(Party::new(context(key)?));
        Ok(Self {
            terms: terms.clone(),
            context: context(first)?,
            coordinator: Coordinator::new(Vec::new()),
            updates: MemoryUpdates::default(),
            peers: others.iter().map(peer).collect::<anyhow::Result<_>>()?,
            seed,
            most_rows,
            now_ms: 0,
        })
    }

    pub(crate) const fn terms(&self) -> &FederationTerms {
        &self.terms
    }

    /// Runs one round from the grant to the settlement.
    pub(crate) fn run(
        &mut self,
        dao: &mut SimulatedDao,
        task: &RoundTask<'_>,
    ) -> anyhow::Result<SealedOutcome> {
        self.now_ms = (task.id.0 + 1) * ROUND_MS;
        let custodians = self.open(dao, task)?;
        let mut collected = self.collect(task)?;
        let watch = Stopwatch::start();
        let ended = self.finish(dao, custodians, task.training.threads)?;
        if let Ended::Settled { .. } = ended {
            self.check_receipt(task.id, collected.first.take())?;
        }
        collected.aggregate_seconds += watch.seconds();
        let refused = self.coordinator.refused().values().sum();
        // Nothing is asked about a round that has ended.
        self.updates = MemoryUpdates::default();
        self.peers.iter_mut().for_each(|peer| peer.updates = MemoryUpdates::default());
        Ok(SealedOutcome { ended, collected, refused })
    }

    /// A contributor checks its receipt: signed, every party committed to the same set, its own update in it.
    fn check_receipt(
        &self,
        round: RoundId,
        contributor: Option<(VerifyingKey, Acknowledged)>,
    ) -> anyhow::Result<()> {
        let Some((member, acknowledged)) = contributor else { return Ok(()) };
        let fetched = self.coordinator.receipt_for(round, &member);
        match acknowledged.check(&self.terms, fetched)? {
            Outcome::Counted(_) => Ok(()),
            other => bail!("an update that was acknowledged is not in its receipt: {other:?}"),
        }
    }

    /// Opens the round; returns its custodians, none where there are none.
    fn open(&mut self, dao: &mut SimulatedDao, task: &RoundTask<'_>) -> anyhow::Result<Vec<Party>> {
        let candidates = match self.terms.sealing {
            SealingTerms::Fhe(_) => task.cohort.iter().map(|c| c.custodian(&self.terms)).collect(),
            SealingTerms::Mpc | SealingTerms::MpcVerified => Vec::new(),
        };
        dao.open(RoundStart {
            round: task.id,
            model: task.training.model,
            newest: task.newest,
            staleness: task.staleness,
            optimizer: task.optimizer,
            cohort: task.cohort.iter().map(|contributor| contributor.member()).collect(),
            draw_keys: self.draw_keys(task),
            custodians: candidates,
            past: task.past,
            now_ms: self.now_ms,
        })?;
        let granted = input_from_dao(dao.granted())?;
        let custodians = match &granted {
            Input::Granted { grant, .. } => {
                self.custodians(&grant.unverified_body().custodians, task.cohort)
            }
            _ => Vec::new(),
        };
        self.feed(granted)?;
        Ok(custodians)
    }

    /// The keys by which the cohort draws, where it does.
    fn draw_keys(&self, task: &RoundTask<'_>) -> Vec<VrfPublicKey> {
        let key = |contributor: &&Contributor| participation_key(&contributor.key).public_key();
        let secret = self.terms.sampling.secret_rate();
        secret.map_or_else(Vec::new, |_| task.cohort.iter().map(key).collect())
    }

    /// Who of those who come was drawn: each draws for itself.
    fn drawn<'a>(
        &self,
        checked: &CheckedOrder,
        task: &RoundTask<'a>,
    ) -> anyhow::Result<Vec<&'a Contributor>> {
        if self.terms.sampling.secret_rate().is_none() {
            return Ok(task.coming.to_vec());
        }
        let mut drawn = Vec::new();
        let draw = |contributor: &&'a Contributor| {
            (*contributor, checked.for_member(&contributor.key, None).err())
        };
        in_order(
            task.training.threads,
            task.coming,
            draw,
            |(contributor, refused)| match refused {
                None => {
                    drawn.push(contributor);
                    Ok(())
                }
                Some(OrderRefusal::NotDrawn) => Ok(()),
                Some(other) => Err(anyhow::Error::from(other)),
            },
        )?;
        Ok(drawn)
    }

    /// Lets everybody train and seal, on all threads, and hands in what comes, in the cohort's order.
    fn collect(&mut self, task: &RoundTask<'_>) -> anyhow::Result<Collected> {
        let first = task.cohort.first().context("an empty cohort")?;
        let ContributorReply::Order { order, model } =
            self.coordinator.order_for(&first.member(), None)
        else {
            bail!("the coordinator gives no order");
        };
        let (terms, seed, most_rows) = (self.terms.clone(), self.seed, self.most_rows);
        // An order of a buffer carries no model: contributors have the one that they trained from.
        let model = match self.terms.buffer {
            Some(_) => model_to_wire(task.training.trainer.architecture, task.training.model),
            None => model,
        };
        let checked = CheckedOrder::new(&self.terms, &order, &model)?;
        let (round, keeps_clear) = (task.training.round, task.keeps_clear);
        let clip = self.terms.encoding.clip_norm();
        let finish = |contributor: &Contributor, learned: anyhow::Result<Learned>| {
            let mut seal_seconds = 0.0;
            let mut contribute = |mut learned: Learned| {
                let ordered = checked.for_member(&contributor.key, None)?;
                let watch = Stopwatch::start();
                let update = LocalUpdate::new(mem::take(&mut learned.delta))?;
                if keeps_clear {
                    learned.delta = update.clone().clip(clip).delta().to_vec();
                }
                if task.training.trainer.scaffold.is_some() {
                    // Of what counts: of the update as sealing will clip it.
                    let sent = update.clone().clip(terms.encoding.clip_norm());
                    learned.control =
                        task.training.trainer.change_control(contributor, sent.delta());
                }
                let update = match most_rows {
                    Some(most) => update.weighing(weight(contributor.rows.len(), most)),
                    None => update,
                };
                let of = |purpose| generator(seed, purpose, &[round, contributor.index as u64]);
                let (mut rounding, mut sealing) = (of(Purpose::Rounding), of(Purpose::Sealing));
                let sealed =
                    ordered.seal(update, &terms, &contributor.key, &mut rounding, &mut sealing)?;
                seal_seconds = watch.seconds();
                Ok((sealed, learned))
            };
            let result = learned.and_then(&mut contribute);
            let member = contributor.member();
            Contribution { index: contributor.index, member, result, seal_seconds }
        };
        let mut collected = Collected::default();
        let drawn = self.drawn(&checked, task)?;
        task.training
            .run(&drawn, finish, |contribution| self.submit(contribution, &mut collected))?;
        Ok(collected)
    }

    fn submit(
        &mut self,
        contribution: Contribution,
        collected: &mut Collected,
    ) -> anyhow::Result<()> {
        let Contribution { index, member, result, seal_seconds } = contribution;
        let (sealed, learned) = match result {
            Ok(sealed) => sealed,
            Err(error) => {
                collected.dropped.push((index, format!("{error:#}")));
                return Ok(());
            }
        };
        if collected.upload_bytes == 0 {
            collected.upload_bytes = sealed.update().to_bytes().len() as u64;
        }
        if !learned.delta.is_empty() {
            collected.clear.push((index, learned.delta));
        }
        collected.train_seconds.push(learned.seconds);
        collected.train_losses.extend(learned.loss);
        collected.seal_seconds.push(seal_seconds);
        collected.retained.personal.extend(learned.own.map(|own| (index, own)));
        collected.retained.control.own.extend(learned.control.map(|change| (index, change)));
        let watch = Stopwatch::start();
        let (update, ticket) = (Box::new(sealed.update().clone()), sealed.ticket());
        let outputs = self.feed(Input::Submitted { peer: member, update, ticket })?;
        let promise = outputs.into_iter().find_map(|output| match output {
            Output::Acknowledge(promise) => Some(*promise),
            _ => None,
        });
        let promise = promise.context("an update was taken and not acknowledged")?;
        let acknowledged = sealed.acknowledged(&self.terms, promise)?;
        collected.first.get_or_insert((member, acknowledged));
        collected.aggregate_seconds += watch.seconds();
        Ok(())
    }

    /// Passes questions and answers between the parties until the DAO node has logged the round.
    fn finish(
        &mut self,
        dao: &mut SimulatedDao,
        mut custodians: Vec<Party>,
        threads: NonZeroUsize,
    ) -> anyhow::Result<Ended> {
        loop {
            let mut answered = false;
            for input in self.answers(dao, &mut custodians, threads)? {
                self.now_ms += STEP_MS;
                // An answer to a step that an answer before has ended is refused; nothing is lost.
                answered |= self.handle(input).is_ok();
                if let Some(ended) = dao.take_ended() {
                    return Ok(ended);
                }
            }
            if !answered {
                self.now_ms += self.terms.step_deadline_ms.max(self.terms.round_deadline_ms) + 1;
                self.feed(Input::Tick)?;
            }
        }
    }

    /// What everybody answers who is asked, in the order of the questions. Parties work at the same time, each on
    /// a thread of its own, and the coordinator on its own parts.
    fn answers(
        &mut self,
        dao: &mut SimulatedDao,
        custodians: &mut [Party],
        threads: NonZeroUsize,
    ) -> anyhow::Result<Vec<Input>> {
        let mut answers = Vec::new();
        let (mut own, mut asked) = (Vec::new(), BTreeMap::<usize, Vec<(usize, Ask)>>::new());
        for (order, ask) in self.coordinator.outstanding(&self.context).into_iter().enumerate() {
            match ask {
                Ask::Dao(request) => {
                    answers.push((order, input_from_dao(dao.answer(*request, self.now_ms)?)?));
                }
                Ask::Own(work) => own.push((order, work)),
                Ask::Aggregator(place, _) | Ask::Custodian(place, _) | Ask::Parts(place, _) => {
                    asked.entry(place).or_default().push((order, ask));
                }
            }
        }
        let parties = if custodians.is_empty() { &mut self.peers[..] } else { custodians };
        let (context, updates) = (&self.context, &self.updates);
        let work = || -> anyhow::Result<Vec<(usize, Input)>> {
            own.into_iter().map(|(order, work)| Ok((order, work.run(context, updates)?))).collect()
        };
        let asked = parties.iter_mut().zip(1..).filter_map(|(party, place)| {
            let asks = asked.remove(&place)?;
            Some(move || party.answers(place, asks, updates))
        });
        if threads.get() == 1 {
            for party in asked {
                answers.extend(party()?);
            }
            answers.extend(work()?);
        } else {
            thread::scope(|scope| {
                let parties: Vec<_> = asked.map(|party| scope.spawn(party)).collect();
                answers.extend(work()?);
                for party in parties {
                    match party.join() {
                        Ok(joined) => answers.extend(joined?),
                        Err(panic) => std::panic::resume_unwind(panic),
                    }
                }
                anyhow::Ok(())
            })?;
        }
        answers.sort_by_key(|(order, _)| *order);
        Ok(answers.into_iter().map(|(_, input)| input).collect())
    }

    /// These custodians, in their order.
    fn custodians(&self, chosen: &[Custodian], cohort: &[&Contributor]) -> Vec<Party> {
        let party = |custodian: &Custodian| {
            let member = cohort.iter().find(|c| c.member() == custodian.member)?;
            let key = SigningKey::from_seed(&member.key.seed());
            let sealing = SealingKey::derived_from(&key);
            let context = AggregatorContext::custodian(self.terms.clone(), key, sealing);
            Some(Party::new(context))
        };
        chosen.iter().filter_map(party).collect()
    }

    fn feed(&mut self, input: Input) -> anyhow::Result<Vec<Output>> {
        self.now_ms += STEP_MS;
        self.handle(input).map_err(|refusal| anyhow::anyhow!("the coordinator refuses: {refusal}"))
    }

    fn handle(&mut self, input: Input) -> Result<Vec<Output>, Refusal> {
        let machine = mem::replace(&mut self.coordinator, Coordinator::new(Vec::new()));
        let (machine, result) = machine.handle(&self.context, input, self.now_ms);
        self.coordinator = machine;
        let outputs = result?;
        for output in &outputs {
            if let Output::Keep(kept) = output {
                self.updates.keep(kept);
            }
        }
        Ok(outputs)
    }
}

impl Party {
    fn new(context: AggregatorContext) -> Self {
        let (machine, updates) = (PeerAggregator::default(), MemoryUpdates::default());
        Self { context, machine, updates }
    }

    /// What it answers to these questions.
    ///
    /// * `sent` — the coordinator's updates, of which it is sent its parts.
    fn answers(
        &mut self,
        place: usize,
        asks: Vec<(usize, Ask)>,
        sent: &MemoryUpdates,
    ) -> anyhow::Result<Vec<(usize, Input)>> {
        let mut answers = Vec::new();
        for (order, ask) in asks {
            let request = match ask {
                Ask::Aggregator(_, request) | Ask::Custodian(_, request) => *request,
                Ask::Parts(_, batch) => match batch.request(sent) {
                    Ok(request) => request,
                    Err(error) => bail!("parts of updates are gone: {error:?}"),
                },
                Ask::Dao(_) | Ask::Own(_) => continue,
            };
            let round = Some(request.round());
            let (next, result) =
                mem::take(&mut self.machine).handle(&self.context, &self.updates, request);
            self.machine = next;
            let reply = match result {
                Ok(step) => {
                    step.keep.iter().for_each(|kept| self.updates.keep(kept));
                    step.reply
                }
                Err(refusal) => AggregatorReply::Refused { round, refusal },
            };
            answers.push((order, Input::from_party(place, reply)));
        }
        Ok(answers)
    }
}

/// What the DAO node's answer is to the coordinator's machine.
fn input_from_dao(reply: DaoReply) -> anyhow::Result<Input> {
    Ok(match reply {
        DaoReply::Granted { grant, model } => Input::Granted { grant, model },
        DaoReply::Finished(end) => Input::NoMoreRounds(end),
        DaoReply::Probes(probes) => Input::Probed(probes),
        DaoReply::Settled { .. } => Input::Logged,
        DaoReply::Refused(refusal) => Input::StepRefused(refusal),
        other => bail!("the DAO node answers {other:?}"),
    })
}
