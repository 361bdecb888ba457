//! The DAO node of a simulation: grants, measures and settles as `sahakar serve` does, without network and
//! disk, with the log in memory.

use std::collections::VecDeque;

use aggregator_protocol::{
    Custodian, DaoReply, DaoRequest, FederationTerms, ProbeOrder, Refusal, RoundGrant, RoundId,
    RoundReceipt, RoundSum, ScalarOpening, ValueRecord,
};
use aggregator_round::{OpenedGroups, PAST_UPDATES_MAX, SumProducts, check_tickets, check_values};
use aggregator_strategy::{OptimizerState, Positive, VrfPublicKey};
use privacy_identity::{Digest, Signed, SigningKey, Tag, VerifyingKey};
use trainer_model::{Evaluation, Parameters};

use super::ledger::SimulatedLedger;
use crate::{
    measure::{Evaluator, Measured},
    serve::draw_custodians,
};

/// What a round's sum led to.
#[derive(Debug, Clone)]
pub(crate) struct Stepped {
    /// The mean update, `[parameter_count]`, or what a rule made of the groups' means.
    pub(crate) mean_update: Vec<f32>,
    /// What the round made public of its updates, the mean update last.
    pub(crate) public: Vec<Vec<f32>>,
    /// The model after the server's step.
    pub(crate) after: Parameters,
    pub(crate) optimizer: OptimizerState,
}

/// How the round under way stands.
#[derive(Debug)]
enum Progress {
    Granted,
    Measured { stepped: Stepped, probes: Box<Signed<ProbeOrder>>, products: SumProducts },
    Settled { stepped: Stepped, receipt: Box<RoundReceipt>, test: Evaluation },
    Aborted(String),
}

/// A round as the DAO node has it.
#[derive(Debug)]
struct OpenRound {
    grant: Signed<RoundGrant>,
    wire: Vec<u8>,
    before: Parameters,
    optimizer: OptimizerState,
    past: Vec<Vec<f32>>,
    staleness: u32,
    progress: Progress,
}

/// How a round ended.
pub(crate) enum Ended {
    /// With a new model, and its quality.
    Settled { stepped: Stepped, receipt: Box<RoundReceipt>, test: Evaluation },
    /// Without.
    Aborted(String),
}

/// The DAO node.
pub(crate) struct SimulatedDao {
    key: SigningKey,
    terms: FederationTerms,
    evaluator: Evaluator,
    ledger: Option<SimulatedLedger>,
    open: Option<OpenRound>,
}

/// What a round starts from.
pub(crate) struct RoundStart<'a> {
    pub(crate) round: RoundId,
    /// From which contributors train.
    pub(crate) model: &'a Parameters,
    /// The newest, which is moved; the same, but in a buffer.
    pub(crate) newest: &'a Parameters,
    /// How many versions older the first is than the second.
    pub(crate) staleness: u32,
    pub(crate) optimizer: &'a OptimizerState,
    /// In increasing order.
    pub(crate) cohort: Vec<VerifyingKey>,
    /// The keys by which they draw, in their order; none where nobody draws in secret.
    pub(crate) draw_keys: Vec<VrfPublicKey>,
    /// Who could keep keys.
    pub(crate) custodians: Vec<Custodian>,
    /// What earlier rounds made public, the newest first.
    pub(crate) past: &'a VecDeque<Vec<Vec<f32>>>,
    pub(crate) now_ms: u64,
}

impl SimulatedDao {
    /// * `ledger` — none if there is none of such a cohort.
    pub(crate) const fn new(
        key: SigningKey,
        terms: FederationTerms,
        evaluator: Evaluator,
        ledger: Option<SimulatedLedger>,
    ) -> Self {
        Self { key, terms, evaluator, ledger, open: None }
    }

    /// The judge that it measures with.
    pub(crate) const fn evaluator(&self) -> &Evaluator {
        &self.evaluator
    }

    pub(crate) const fn ledger(&self) -> Option<&SimulatedLedger> {
        self.ledger.as_ref()
    }

    /// Opens a round.
    pub(crate) fn open(&mut self, start: RoundStart<'_>) -> anyhow::Result<()> {
        let wire = trainer_model::model_to_wire(self.evaluator.architecture(), start.model);
        let model = Digest::of(Tag::Model, &wire);
        let of_round = (start.round.0, &model);
        let grant = RoundGrant {
            dao: self.terms.dao,
            federation: self.terms.id(),
            round: start.round,
            model,
            custodians: draw_custodians(start.custodians, &self.terms, of_round),
            cohort: start.cohort,
            draw_keys: start.draw_keys,
            cohort_epoch: None,
            control: None,
        };
        if let Some(ledger) = &mut self.ledger {
            ledger.opened(&self.terms, &grant, start.now_ms)?;
        }
        let grant = Signed::new(grant, Tag::RoundGrant, &self.key);
        let past = start.past.iter().take(PAST_UPDATES_MAX).flatten().cloned().collect();
        let (before, optimizer) = (start.newest.clone(), start.optimizer.clone());
        // In a buffer members have the model that they trained from.
        let wire = if self.terms.buffer.is_some() { Vec::new() } else { wire };
        let (staleness, progress) = (start.staleness, Progress::Granted);
        self.open = Some(OpenRound { grant, wire, before, optimizer, past, staleness, progress });
        Ok(())
    }

    /// Answers the coordinator.
    pub(crate) fn answer(&mut self, request: DaoRequest, now_ms: u64) -> anyhow::Result<DaoReply> {
        match request {
            DaoRequest::Grant => Ok(self.granted()),
            DaoRequest::Measure(sum) => self.measure(&sum),
            DaoRequest::Settle { receipt, opening } => self.settle(&receipt, *opening, now_ms),
            DaoRequest::Abort { round, reason } => self.abort(round, reason, now_ms),
            _ => Ok(DaoReply::Refused(Refusal::Unexpected)),
        }
    }

    /// How the round ended, once it has; it is closed by that.
    pub(crate) fn take_ended(&mut self) -> Option<Ended> {
        let open = self.open.take_if(|open| {
            matches!(open.progress, Progress::Settled { .. } | Progress::Aborted(_))
        })?;
        match open.progress {
            Progress::Settled { stepped, receipt, test } => {
                Some(Ended::Settled { stepped, receipt, test })
            }
            Progress::Aborted(reason) => Some(Ended::Aborted(reason)),
            Progress::Granted | Progress::Measured { .. } => None,
        }
    }

    /// The round under way, as the coordinator asks for it.
    pub(crate) fn granted(&self) -> DaoReply {
        match &self.open {
            Some(OpenRound { grant, wire, progress: Progress::Granted, .. }) => {
                DaoReply::Granted { grant: Box::new(grant.clone()), model: wire.clone() }
            }
            // Nothing of the kind is asked for between rounds.
            _ => DaoReply::Refused(Refusal::Unexpected),
        }
    }

    fn measure(&mut self, sum: &Signed<RoundSum>) -> anyhow::Result<DaoReply> {
        let Some(open) = &mut self.open else {
            return Ok(DaoReply::Refused(Refusal::WrongRound));
        };
        if let Progress::Measured { probes, .. } = &open.progress {
            return Ok(DaoReply::Probes(probes.clone()));
        }
        let coordinator = &self.terms.coordinator().verifying;
        let Ok(sum) = sum.clone().verify_by(Tag::RoundSum, coordinator) else {
            return Ok(DaoReply::Refused(Refusal::BadSignature));
        };
        let sum = sum.body();
        let grant = open.grant.unverified_body();
        if let Err(refusal) = check_tickets(&self.terms, grant, &sum.accepted, &sum.tickets) {
            return Ok(DaoReply::Refused(refusal));
        }
        let rotation = self.terms.encoding.rotation(&self.terms.id(), sum.round.0);
        let count = sum.accepted.contributions().len();
        let before = (&open.before, &open.optimizer);
        let round = (sum.round.0, &rotation);
        let measured = match OpenedGroups::of(&self.terms, grant, sum)? {
            Some(groups) => self.evaluator.measure_groups(before, &groups, round, &open.past)?,
            None => {
                let buffer = self.terms.buffer;
                let factor =
                    buffer.map_or(Positive::ONE, |rule| rule.factor(open.staleness, count));
                let taken = (count, factor);
                self.evaluator.measure_scaled(before, &sum.sum, taken, round, &open.past)?
            }
        };
        let order = ProbeOrder {
            federation: sum.federation,
            round: sum.round,
            set_root: sum.accepted.tree().root(),
            model_after: trainer_model::model_digest(
                self.evaluator.architecture(),
                &measured.after,
            ),
            value: measured.value_probe.clone(),
            innovation: measured.innovation_probe.clone(),
            contrast: measured.contrast_probe.clone(),
            others: measured.other_probes.clone(),
        };
        let Ok(products) = SumProducts::of(&self.terms, grant, sum, &order) else {
            return Ok(DaoReply::Refused(Refusal::BadSet));
        };
        let probes = Box::new(Signed::new(order, Tag::Probe, &self.key));
        let public = measured.public();
        let Measured { mean_update, after, optimizer, .. } = measured;
        let stepped = Stepped { mean_update, public, after, optimizer };
        open.progress = Progress::Measured { stepped, probes: probes.clone(), products };
        Ok(DaoReply::Probes(probes))
    }

    fn settle(
        &mut self,
        receipt: &Signed<RoundReceipt>,
        opening: ScalarOpening,
        now_ms: u64,
    ) -> anyhow::Result<DaoReply> {
        let coordinator = &self.terms.coordinator().verifying;
        if receipt.clone().verify_by(Tag::RoundReceipt, coordinator).is_err() {
            return Ok(DaoReply::Refused(Refusal::BadSignature));
        }
        let Some(open) = &mut self.open else {
            return Ok(DaoReply::Refused(Refusal::WrongRound));
        };
        let Progress::Measured { stepped, probes, products } = &open.progress else {
            return Ok(DaoReply::Refused(Refusal::Unexpected));
        };
        let record = ValueRecord { probes: probes.as_ref().clone(), opening };
        check_values(&self.terms, receipt.unverified_body(), &record, products)?;
        let stepped = stepped.clone();
        let test = self.evaluator.test(&stepped.after)?;
        if let Some(ledger) = &mut self.ledger {
            ledger.settled(receipt, &test, now_ms)?;
        }
        let receipt = Box::new(receipt.unverified_body().clone());
        open.progress = Progress::Settled { stepped, receipt, test };
        Ok(DaoReply::Settled { entry: 0 })
    }

    fn abort(&mut self, round: RoundId, reason: String, now_ms: u64) -> anyhow::Result<DaoReply> {
        let Some(open) = &mut self.open else {
            return Ok(DaoReply::Refused(Refusal::WrongRound));
        };
        if let Some(ledger) = &mut self.ledger {
            ledger.aborted(round, reason.clone(), now_ms)?;
        }
        open.progress = Progress::Aborted(reason);
        Ok(DaoReply::Settled { entry: 0 })
    }
}
