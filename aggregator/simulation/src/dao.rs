//! A DAO node: grants rounds, names probes, logs how rounds ended. Never lost, and idempotent, as the
//! real one must be.

use std::collections::BTreeMap;

use aggregator_protocol::{
    DaoReply, DaoRequest, ProbeOrder, Refusal, RoundGrant, RoundId, RoundReceipt, RoundSum,
};
use privacy_identity::{Signed, Tag};

use crate::{witness::Witness, world::World};

/// What the log says of a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Logged {
    Settled(Box<Signed<RoundReceipt>>),
    Aborted(String),
}

#[derive(Debug, Default)]
pub(crate) struct Dao {
    open: Option<Signed<RoundGrant>>,
    granted: u64,
    pub(crate) log: BTreeMap<RoundId, Logged>,
    /// The signed sum of each round that was measured.
    pub(crate) sums: BTreeMap<RoundId, RoundSum>,
    pub(crate) probes: BTreeMap<RoundId, Signed<ProbeOrder>>,
}

impl Dao {
    pub(crate) fn handle(
        &mut self,
        world: &World,
        request: DaoRequest,
        witness: &mut Witness,
    ) -> DaoReply {
        match request {
            DaoRequest::Terms
            | DaoRequest::Join(_)
            | DaoRequest::Roster
            | DaoRequest::HandKey(_)
            | DaoRequest::Model
            | DaoRequest::Trained(_)
            | DaoRequest::Voted { .. } => DaoReply::Refused(Refusal::Unexpected),
            DaoRequest::Grant => self.grant(world),
            DaoRequest::Measure(sum) => self.measure(world, *sum, witness),
            DaoRequest::Settle { receipt, .. } => {
                let key = &world.terms.coordinator().verifying;
                if receipt.clone().verify_by(Tag::RoundReceipt, key).is_err() {
                    return DaoReply::Refused(Refusal::BadSignature);
                }
                let round = receipt.unverified_body().round;
                self.end(round, Logged::Settled(receipt), witness)
            }
            DaoRequest::Abort { round, reason } => {
                self.end(round, Logged::Aborted(reason), witness)
            }
        }
    }

    fn grant(&mut self, world: &World) -> DaoReply {
        let open = match &self.open {
            Some(open) => open.clone(),
            None if self.granted == u64::from(world.terms.rounds) => {
                return DaoReply::Finished(Box::new(world.end(self.granted)));
            }
            None => {
                let grant = world.grant(self.granted);
                self.granted += 1;
                self.open.insert(grant).clone()
            }
        };
        let model = world.model(open.unverified_body().round.0);
        DaoReply::Granted { grant: Box::new(open), model }
    }

    fn measure(&mut self, world: &World, sum: Signed<RoundSum>, witness: &mut Witness) -> DaoReply {
        let Ok(sum) = sum.verify_by(Tag::RoundSum, &world.terms.coordinator().verifying) else {
            return DaoReply::Refused(Refusal::BadSignature);
        };
        let sum = sum.body();
        let (round, set_root) = (sum.round, sum.accepted.tree().root());
        if self.open_round() != Some(round) {
            return DaoReply::Refused(Refusal::WrongRound);
        }
        match self.sums.get(&round) {
            Some(measured) if measured == sum => {}
            Some(_) => {
                witness.contradicted(format!("round {round} was measured with another sum"));
                return DaoReply::Refused(Refusal::AlreadyAnswered);
            }
            None => {
                let groups = if sum.groups() > 1 { sum.groups() } else { 0 };
                witness.seen.add("groups opened", groups as u64);
                self.sums.insert(round, sum.clone());
                witness.news.measured = Some(round);
            }
        }
        let probes = self.probes.entry(round).or_insert_with(|| world.probes(round, set_root, 0));
        DaoReply::Probes(Box::new(probes.clone()))
    }

    fn end(&mut self, round: RoundId, ended: Logged, witness: &mut Witness) -> DaoReply {
        if let Some(logged) = self.log.get(&round) {
            if *logged == ended {
                return DaoReply::Settled { entry: round.0 };
            }
            witness.contradicted(format!("round {round} was logged as {logged:?}, not {ended:?}"));
            return DaoReply::Refused(Refusal::AlreadyAnswered);
        }
        if self.open_round() != Some(round) {
            return DaoReply::Refused(Refusal::WrongRound);
        }
        self.open = None;
        if let Logged::Settled(receipt) = &ended {
            let refused = &receipt.unverified_body().refused;
            let unproven = refused.iter().filter(|(why, _)| *why == Refusal::BadProof);
            witness.seen.add("proofs refused", unproven.map(|(_, count)| count).sum());
        }
        self.log.insert(round, ended);
        witness.news.ended = Some(round);
        witness.seen.add("rounds", 1);
        DaoReply::Settled { entry: round.0 }
    }

    pub(crate) fn open_round(&self) -> Option<RoundId> {
        self.open.as_ref().map(|grant| grant.unverified_body().round)
    }
}
