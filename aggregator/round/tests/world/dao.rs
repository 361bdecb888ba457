//! A DAO node: grants rounds, names probes, logs how rounds ended. Never lost, and idempotent, as the
//! real one must be.

use std::collections::BTreeMap;

use aggregator_protocol::{
    DaoReply, DaoRequest, GroupProbes, ProbeOrder, Refusal, RoundGrant, RoundId, RoundReceipt,
    RoundSum,
};
use privacy_dp::ClipNorm;
use privacy_identity::{
    Decode as _, Digest, Encode as _, Signed, SigningKey, Tag, VerifyingKey, Writer,
};
use privacy_secagg::{EncodingParameters, QuantizedProbe};
use rand::RngExt as _;

use super::{World, rng_for};

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
    /// Every signed sum that ever came.
    pub(crate) sums: Vec<RoundSum>,
    pub(crate) probes: BTreeMap<RoundId, Signed<ProbeOrder>>,
    /// Requests that contradict what is logged or measured: an honest coordinator makes none.
    pub(crate) contradicted: Vec<String>,
}

impl Dao {
    pub(crate) fn handle(&mut self, world: &World, request: DaoRequest) -> DaoReply {
        match request {
            DaoRequest::Terms
            | DaoRequest::Join(_)
            | DaoRequest::Roster
            | DaoRequest::HandKey(_)
            | DaoRequest::Model
            | DaoRequest::Trained(_)
            | DaoRequest::Voted { .. } => DaoReply::Refused(Refusal::Unexpected),
            DaoRequest::Grant => self.grant(world),
            DaoRequest::Measure(sum) => self.measure(world, *sum),
            DaoRequest::Settle { receipt, .. } => {
                let key = &world.terms.coordinator().verifying;
                if receipt.clone().verify_by(Tag::RoundReceipt, key).is_err() {
                    return DaoReply::Refused(Refusal::BadSignature);
                }
                let round = receipt.unverified_body().round;
                self.end(round, Logged::Settled(receipt))
            }
            DaoRequest::Abort { round, reason } => self.end(round, Logged::Aborted(reason)),
        }
    }

    fn grant(&mut self, world: &World) -> DaoReply {
        if self.open.is_none() {
            if self.granted == u64::from(world.terms.rounds) {
                return DaoReply::Finished(Box::new(world.end(self.granted)));
            }
            self.open = Some(world.grant(self.granted, &cohort(world, self.granted)));
            self.granted += 1;
        }
        let grant = self.open.clone().unwrap();
        let model = world.model(grant.unverified_body().round.0);
        DaoReply::Granted { grant: Box::new(grant), model }
    }

    fn measure(&mut self, world: &World, sum: Signed<RoundSum>) -> DaoReply {
        let Ok(sum) = sum.verify_by(Tag::RoundSum, &world.terms.coordinator().verifying) else {
            return DaoReply::Refused(Refusal::BadSignature);
        };
        let sum = sum.body().clone();
        let (round, set_root) = (sum.round, sum.accepted.tree().root());
        if self.open_round() != Some(round) {
            return DaoReply::Refused(Refusal::WrongRound);
        }
        if !self.sums.contains(&sum) {
            self.sums.push(sum);
        }
        let probes = || probe_order(world, round, set_root, 0);
        let probes = self.probes.entry(round).or_insert_with(probes).clone();
        if probes.unverified_body().set_root != set_root {
            self.contradicted.push(format!("round {round} was measured over another set"));
            return DaoReply::Refused(Refusal::AlreadyAnswered);
        }
        DaoReply::Probes(Box::new(probes))
    }

    fn end(&mut self, round: RoundId, ended: Logged) -> DaoReply {
        if let Some(logged) = self.log.get(&round) {
            if *logged == ended {
                return DaoReply::Settled { entry: round.0 };
            }
            self.contradicted
                .push(format!("round {round} was logged as {logged:?}, not {ended:?}"));
            return DaoReply::Refused(Refusal::AlreadyAnswered);
        }
        if self.open_round() != Some(round) {
            return DaoReply::Refused(Refusal::WrongRound);
        }
        self.open = None;
        self.log.insert(round, ended);
        DaoReply::Settled { entry: round.0 }
    }

    /// Opens a round by this grant: the next that is asked for gets it.
    pub(crate) fn open(&mut self, grant: Signed<RoundGrant>) {
        self.granted = grant.unverified_body().round.0 + 1;
        self.open = Some(grant);
    }

    /// Who is invited to the round under way.
    pub(crate) fn cohort(&self) -> &[VerifyingKey] {
        self.open.as_ref().map_or(&[], |grant| &grant.unverified_body().cohort)
    }

    pub(crate) fn open_round(&self) -> Option<RoundId> {
        self.open.as_ref().map(|grant| grant.unverified_body().round)
    }
}

/// A seeded cohort of the minimum size or more.
fn cohort(world: &World, round: u64) -> Vec<usize> {
    let mut rng = rng_for(&[world.seed, 6, round]);
    let mut cohort: Vec<_> = (0..world.members.len()).collect();
    while cohort.len() > world.minimum() && rng.random_bool(0.3) {
        let out = rng.random_range(0..cohort.len());
        cohort.remove(out);
    }
    cohort
}

/// Seeded probes for a set; `draw` tells apart several for one round.
pub(crate) fn probe_body(world: &World, round: RoundId, set_root: Digest, draw: u64) -> ProbeOrder {
    let mut rng = rng_for(&[world.seed, 7, round.0, draw]);
    let rotation = world.terms.encoding.rotation(&world.terms.id(), round.0);
    let mut probe = || {
        let values: Vec<f64> =
            (0..world.terms.encoding.dimension()).map(|_| rng.random_range(-0.5..0.5)).collect();
        QuantizedProbe::quantise(&values, &rotation, &world.terms.encoding).unwrap()
    };
    ProbeOrder {
        federation: world.terms.id(),
        round,
        set_root,
        model_after: Digest::of(Tag::Model, &world.model(round.0 + 1)),
        value: probe(),
        innovation: probe(),
        contrast: probe(),
        others: (1..world.terms.group_count())
            .map(|_| GroupProbes { value: probe(), contrast: probe() })
            .collect(),
    }
}

pub(crate) fn probe_order(
    world: &World,
    round: RoundId,
    set_root: Digest,
    draw: u64,
) -> Signed<ProbeOrder> {
    Signed::new(probe_body(world, round, set_root, draw), Tag::Probe, &world.dao_key)
}

/// Probe orders for `round` and a set with this root, each wrong in one way.
pub(crate) fn wrong_probes(
    world: &World,
    round: RoundId,
    root: Digest,
) -> Vec<(Signed<ProbeOrder>, Refusal)> {
    let body = probe_body(world, round, root, 0);
    let signed = |body, key: &SigningKey| Signed::new(body, Tag::Probe, key);
    let other = Digest([7; 32]);
    let loud = loud_probe(body.value.values().len());
    let encoding = EncodingParameters::standard(ClipNorm::new(2.0).unwrap(), 2, 16).unwrap();
    let rotation = encoding.rotation(&other, 0);
    let short = QuantizedProbe::quantise(&[0.1, 0.2], &rotation, &encoding).unwrap();
    let (dao, coordinator) = (&world.dao_key, world.aggregator_key(0));
    let mut orders = Vec::new();
    orders.push((signed(body.clone(), &world.members[0]), Refusal::BadSignature));
    orders.push((signed(body.clone(), &coordinator), Refusal::BadSignature));
    let mut wrong = |alter: &dyn Fn(&mut ProbeOrder), refusal| {
        let mut body = body.clone();
        alter(&mut body);
        orders.push((signed(body, dao), refusal));
    };
    wrong(&|body| body.set_root = other, Refusal::BadSet);
    wrong(&|body| body.federation = other, Refusal::WrongFederation);
    wrong(&|body| body.round = RoundId(round.0 + 1), Refusal::WrongRound);
    wrong(&|body| body.value = loud.clone(), Refusal::Malformed);
    wrong(&|body| body.innovation = loud.clone(), Refusal::Malformed);
    wrong(&|body| body.contrast = loud.clone(), Refusal::Malformed);
    wrong(&|body| body.value = short.clone(), Refusal::Malformed);
    orders
}

/// A probe of one huge coordinate, written bit by bit in its pinned wire form.
fn loud_probe(dimension: usize) -> QuantizedProbe {
    let written = |k: u8| {
        let one = |code: usize| {
            let low = (0..k).map(move |bit| code >> bit & 1 == 1);
            std::iter::repeat_n(true, code >> k).chain([false]).chain(low)
        };
        let codes = std::iter::once(60_000).chain(std::iter::repeat_n(0, dimension - 1));
        let bits: Vec<bool> = codes.flat_map(one).collect();
        let byte =
            |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
        let packed: Vec<u8> = bits.chunks(8).map(byte).collect();
        let mut writer = Writer::default();
        writer.i64(1);
        writer.u32(u32::try_from(dimension).unwrap());
        writer.u8(k);
        writer.bytes(&packed);
        writer.into_bytes()
    };
    (0..32).find_map(|k| QuantizedProbe::from_bytes(&written(k)).ok()).unwrap()
}

/// A probe's integers and exponent, read from its pinned wire form: no method of its own is trusted.
pub(crate) fn probe_in_the_clear(probe: &QuantizedProbe) -> (Vec<i64>, i64) {
    let bytes = probe.to_bytes();
    let (exponent, rest) = bytes.split_first_chunk::<8>().unwrap();
    let (count, rest) = rest.split_first_chunk::<4>().unwrap();
    let (k, packed) = (rest[0], &rest[5..]);
    let mut bits = packed.iter().flat_map(|byte| (0..8).map(move |bit| i64::from(byte >> bit & 1)));
    let value = |_| {
        let quotient = i64::try_from(bits.by_ref().take_while(|bit| *bit == 1).count()).unwrap();
        let code = (0..k).fold(quotient << k, |code, bit| code | bits.next().unwrap() << bit);
        if code % 2 == 0 { code / 2 } else { -(code + 1) / 2 }
    };
    let values = (0..u32::from_be_bytes(*count)).map(value).collect();
    (values, i64::from_be_bytes(*exponent))
}
