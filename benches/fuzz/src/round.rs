//! What a coordinator persists and replays, and what a malicious contributor sends to the other party.

use std::{collections::BTreeMap, sync::OnceLock};

use aggregator_protocol::{
    AcceptedSet, AggregatorReply, AggregatorRequest, Custodian, CustodyKey, Evidence,
    FederationTerms, FetchedReceipt, Refusal, RoundGrant, RoundId, RoundOrder, SealingTerms,
};
use aggregator_round::{AggregatorContext, Ended, Input, PeerAggregator, PeerStep};
use privacy_identity::{Digest, Encode as _, SealingPublicKey, Signed, Tag};
use privacy_pine::{IntegerPine, NONCE_BYTES, Parameters};
use privacy_secagg::{Binding, Payloads, VerifiedUpdate, seal_payloads};
use zeroize::Zeroizing;

use crate::{
    Case, Verdict,
    case::canonical,
    fixtures::{fhe_terms, grant, key, rng, sealed, sealing_key, terms},
    protocol::{commitment, echo, probes, scalars, signed_grant, signed_receipt},
};

/// What the target `round` decodes.
pub const CASES: &[Case] = &[
    Case {
        name: "input",
        seeds: inputs,
        check: |bytes| canonical::<Input>(bytes).is_some().into(),
    },
    Case { name: "ended", seeds: all_ended, check: ended },
    Case { name: "payload", seeds: payloads, check: payload },
];

fn inputs() -> Vec<Vec<u8>> {
    let counts = BTreeMap::from([(Refusal::Oversized, 1), (Refusal::Late, 2)]);
    let inputs = [
        Input::Granted { grant: Box::new(signed_grant()), model: vec![1, 2, 3] },
        Input::NoMoreRounds,
        Input::Submitted { peer: key(3).verifying_key(), update: Box::new(sealed().clone()) },
        Input::Tick,
        Input::Prepared {
            party: 1,
            refused: vec![(key(4).verifying_key(), Refusal::Unopenable)],
            verifiers: vec![vec![1, 2], vec![]],
        },
        Input::Agreed { party: 2, echo: Box::new(echo()) },
        Input::Summed { party: 1, commitment: Box::new(commitment()), share: vec![9; 20] },
        Input::Probed(probes()),
        Input::Scored { party: 1, shares: scalars() },
        Input::Logged,
        Input::Declined { party: 15, refusal: Refusal::NoAgreement },
        Input::StepRefused(Refusal::BadSet),
        Input::Counted(counts),
    ];
    inputs.iter().map(Input::to_bytes).collect()
}

fn all_ended() -> Vec<Vec<u8>> {
    let aborted = Ended::Aborted { round: RoundId(7), reason: "too few".to_owned() };
    vec![Ended::Settled(signed_receipt()).to_bytes(), aborted.to_bytes()]
}

/// Every member of the set is answered with a proof, and nobody else.
fn ended(bytes: &[u8]) -> Verdict {
    let Some(ended) = canonical::<Ended>(bytes) else { return Verdict::Refused };
    let stranger = key(99).verifying_key();
    if let Ended::Settled(receipt) = &ended {
        let set = &receipt.unverified_body().accepted;
        let root = set.tree().root();
        for (member, digest) in set.contributions() {
            let FetchedReceipt::Settled { proof: Some(proof), .. } = ended.fetched(member) else {
                panic!("no proof for a member of the set");
            };
            assert!(proof.verify(&digest.0, &root).is_ok());
        }
        if !set.contributions().iter().any(|(member, _)| *member == stranger) {
            let answer = ended.fetched(&stranger);
            assert!(matches!(answer, FetchedReceipt::Settled { proof: None, .. }));
        }
    }
    Verdict::Taken
}

/// Party 1 of a round: the second aggregator, or the first custodian.
struct Party {
    context: AggregatorContext,
    order: Signed<RoundOrder>,
    recipients: Vec<SealingPublicKey>,
}

/// In the three modes.
fn parties() -> &'static [Party; 3] {
    static PARTIES: OnceLock<[Party; 3]> = OnceLock::new();
    PARTIES
        .get_or_init(|| [SealingTerms::Mpc, SealingTerms::MpcVerified, fhe_terms()].map(Party::new))
}

impl Party {
    fn new(sealing: SealingTerms) -> Self {
        let terms = terms(sealing);
        let grant = grant_of(&terms);
        let custodians = grant.custodians.iter().map(|c| c.key.unverified_body().sealing);
        let recipients =
            terms.aggregators.iter().map(|keys| keys.sealing).chain(custodians).collect();
        let grant = Signed::new(grant, Tag::RoundGrant, &key(9));
        let order = Signed::new(RoundOrder { grant, deadline_ms: 5 }, Tag::RoundOrder, &key(1));
        let context = if terms.sealing.custody().is_some() {
            AggregatorContext::custodian(terms, key(3), sealing_key(3))
        } else {
            AggregatorContext::new(terms, key(2), sealing_key(2)).expect("named in the terms")
        };
        Self { context, order, recipients }
    }

    fn binding(&self) -> Binding {
        let grant = self.order.unverified_body().grant.unverified_body();
        grant.binding(key(3).verifying_key())
    }

    /// Member 3's update whose payload for this party is `plaintext`.
    fn update(&self, plaintext: &[u8]) -> VerifiedUpdate {
        let of = |place| if place == 1 { plaintext.to_vec() } else { Vec::new() };
        let payloads = (0..self.recipients.len()).map(|place| Zeroizing::new(of(place))).collect();
        let (payloads, mut rng) = (Payloads::new(payloads), rng(4));
        let sealed = seal_payloads(&payloads, self.binding(), &self.recipients, &key(3), &mut rng);
        sealed.and_then(|sealed| sealed.verify()).expect("honestly sealed")
    }
}

/// The round of `terms`, all three members of whose cohort are custodians in FHE mode.
fn grant_of(terms: &FederationTerms) -> RoundGrant {
    let federation = terms.id();
    let custodian = |index| {
        let custody = CustodyKey { federation, sealing: sealing_key(index).public() };
        let signed = Signed::new(custody, Tag::CustodyKey, &key(index));
        Custodian { member: key(index).verifying_key(), key: signed }
    };
    let custodians =
        terms.sealing.custody().map_or(Vec::new(), |_| [3, 4, 5].map(custodian).to_vec());
    RoundGrant { federation, custodians, ..grant() }
}

/// The mode in front: a seed, a public and an input share with their proof, a share of a key.
fn payloads() -> Vec<Vec<u8>> {
    let verified = &parties()[1];
    let digest = Digest::of_encoded(Tag::NormProof, &verified.binding());
    let encoding = &verified.context.terms().encoding;
    let bound = encoding.sealed_norm().ceil() as u64;
    let pine = Parameters::integers(encoding.vector_len(), bound, 2, &digest.0)
        .and_then(IntegerPine::new)
        .expect("in range");
    let nonce: [u8; NONCE_BYTES] = digest.0[..NONCE_BYTES].try_into().expect("16 of 32");
    let values = vec![3; encoding.vector_len()];
    let report = pine.shard_integers(&values, &nonce, &mut rng(1)).expect("within the bound");
    let proof = [report.public.to_bytes(), report.inputs[1].to_bytes()].concat();
    vec![[0; 34].to_vec(), [&[1][..], &proof].concat(), [&[2, 0][..], &[9; 32]].concat()]
}

/// The party takes the payload or refuses it by name, says the same when it is asked again, and opens no sum
/// over one contributor; that refusal changes nothing.
fn payload(bytes: &[u8]) -> Verdict {
    let Some((selector, plaintext)) = bytes.split_first() else { return Verdict::Refused };
    let party = &parties()[usize::from(*selector) % 3];
    let update = party.update(plaintext);
    let prepare = AggregatorRequest::Prepare {
        order: Box::new(party.order.clone()),
        deliveries: vec![update.delivery(1).expect("sealed to it")],
        challenge: Digest([8; 32]),
    };
    let (state, step) = PeerAggregator::default().handle(&party.context, prepare.clone());
    let Ok(PeerStep { reply, .. }) = step else { panic!("an honest order is refused: {step:?}") };
    let (again, step) = state.clone().handle(&party.context, prepare);
    assert!(again == state && step.is_ok_and(|step| step.reply == reply), "another answer");
    let set = AcceptedSet::new(vec![(key(3).verifying_key(), update.digest())]).expect("one");
    let sum = AggregatorRequest::Sum { round: RoundId(7), set, evidence: Evidence::None };
    let (after, step) = again.handle(&party.context, sum);
    assert!(step.is_err() && after == state, "a sum over one is opened");
    let AggregatorReply::Prepared { refused, .. } = reply else { panic!("{reply:?}") };
    refused.is_empty().into()
}
