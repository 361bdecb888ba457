//! What a coordinator persists and replays, and what a malicious contributor sends to the other party.

use std::{collections::BTreeMap, sync::OnceLock};

use aggregator_protocol::{
    AcceptedSet, AggregatorReply, AggregatorRequest, Custodian, CustodyKey, Evidence,
    FederationTerms, FetchedReceipt, Refusal, RoundGrant, RoundId, RoundOrder, SealingTerms,
};
use aggregator_round::{
    AggregatorContext, ContributorReceipt, Ended, HeldPart, Input, KeptUpdate, Mailbox,
    MemoryUpdates, OwnProof, PartFault, PeerAggregator, PeerInput, PeerStep, UpdateId,
    UpdateStore as _, Worked,
};
use privacy_identity::{Decode, Digest, Encode as _, SealingPublicKey, Signed, Tag, Writer};
use privacy_pine::{IntegerPine, NONCE_BYTES, Parameters};
use privacy_secagg::{Binding, Payloads, VerifiedUpdate, seal_payloads};
use zeroize::Zeroizing;

use crate::{
    Case, Verdict, protocol::{federation_end, round_abort},
    case::canonical,
    fhe::key_shares,
    fixtures::{fhe_terms, grant, key, rng, sealed, sealing_key, terms},
    protocol::{
        commitment, echo, order, prepared_parts, probes, roster, round_sum, scalars, set,
        signed_grant, signed_receipt, value_record, welcome,
    },
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
    Case { name: "peer-input", seeds: peer_inputs, check: peer_input },
    Case { name: "kept-updates", seeds: all_kept, check: kept_updates },
    Case { name: "mailbox", seeds: mailboxes, check: mailbox },
    Case { name: "contributor-receipt", seeds: contributor_receipts, check: contributor_receipt },
];

const ROUND: RoundId = RoundId(7);

/// A value whose fields are private, from its parts.
fn made<T: Decode>(write: impl FnOnce(&mut Writer)) -> T {
    let mut writer = Writer::default();
    write(&mut writer);
    T::from_bytes(&writer.into_bytes()).expect("of the form that is documented")
}

fn own_proofs() -> Vec<OwnProof> {
    let of = |index, held: Option<(&[u8], &[u8])>| {
        made(|writer| {
            key(index).verifying_key().encode(writer);
            Digest([index; 32]).encode(writer);
            writer.u8(u8::from(held.is_some()));
            if let Some((verifier, message)) = held {
                writer.bytes(verifier);
                writer.bytes(message);
            }
        })
    };
    vec![of(3, Some((&[1; 40], &[2; 32]))), of(4, None)]
}

fn held_parts(all_held: bool) -> Vec<HeldPart> {
    let of = |index, held: Result<&[u8], Refusal>| {
        made(|writer| {
            key(index).verifying_key().encode(writer);
            Digest([index; 32]).encode(writer);
            writer.u8(u8::from(held.is_err()));
            match held {
                Ok(message) => {
                    Digest([9; 32]).encode(writer);
                    writer.bytes(message);
                }
                Err(refusal) => refusal.encode(writer),
            }
        })
    };
    let refused = Err(Refusal::Unopenable);
    let third = if all_held { Ok(&[][..]) } else { refused };
    vec![of(3, Ok(&[2; 32])), of(4, Ok(&[])), of(5, third)]
}

/// Of all three members' parts.
fn held_set() -> AcceptedSet {
    let mut members = [3, 4, 5].map(|index| (key(index).verifying_key(), Digest([index; 32])));
    members.sort();
    AcceptedSet::new(members.to_vec()).expect("sorted")
}

fn worked() -> Vec<Input> {
    let all = [
        Worked::Prepared(own_proofs()),
        Worked::Summed(vec![4; 20]),
        Worked::Scored(vec![[1, 2, 3], [4, 5, u64::MAX]]),
        Worked::Lost { update: Digest([3; 32]), altered: true },
        Worked::Failed(Refusal::BadProof),
    ];
    all.map(|worked| Input::Worked { round: ROUND, worked: Box::new(worked) }).to_vec()
}

fn inputs() -> Vec<Vec<u8>> {
    let counts = BTreeMap::from([(Refusal::Oversized, 1), (Refusal::Late, 2)]);
    let inputs = [
        Input::Granted { grant: Box::new(signed_grant()), model: vec![1, 2, 3] },
        Input::NoMoreRounds(federation_end()),
        Input::Submitted {
            peer: key(3).verifying_key(),
            update: Box::new(sealed().clone()),
            ticket: None,
        },
        Input::Tick,
        Input::Held {
            round: ROUND,
            peer: key(3).verifying_key(),
            update: Digest([2; 32]),
            ticket: None,
        },
        Input::Prepared { party: 1, round: ROUND, parts: prepared_parts() },
        Input::Agreed { party: 2, echo: Box::new(echo()) },
        Input::Summed { party: 1, commitment: Box::new(commitment()), share: vec![9; 20] },
        Input::Probed(probes()),
        Input::Scored { party: 1, shares: scalars() },
        Input::Logged,
        Input::Declined { party: 15, round: None, refusal: Refusal::NoAgreement },
        Input::Declined { party: 1, round: Some(ROUND), refusal: Refusal::Busy },
        Input::StepRefused(Refusal::BadSet),
        Input::Counted(counts),
    ];
    inputs.iter().chain(&worked()).map(Input::to_bytes).collect()
}

fn all_ended() -> Vec<Vec<u8>> {
    let aborted = Ended::Aborted(round_abort());
    let settled =
        |sum, values| Ended::Settled { receipt: signed_receipt(), sum, values }.to_bytes();
    let record = || Some(Box::new(value_record()));
    vec![settled(None, None), settled(Some(round_sum()), record()), aborted.to_bytes()]
}

/// Every member of the set is answered with a proof, and nobody else.
fn ended(bytes: &[u8]) -> Verdict {
    let Some(ended) = canonical::<Ended>(bytes) else { return Verdict::Refused };
    let stranger = key(99).verifying_key();
    if let Ended::Settled { receipt, .. } = &ended {
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
        let sealed = seal_payloads(payloads, self.binding(), &self.recipients, &key(3), &mut rng);
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
    // An epoch only where the terms have a cohort, keys only where members draw.
    RoundGrant { federation, custodians, cohort_epoch: None, draw_keys: Vec::new(), ..grant() }
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
    let share = key_shares().swap_remove(0);
    vec![[0; 34].to_vec(), [&[1][..], &proof].concat(), [&[2][..], &share].concat()]
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
    let mut store = MemoryUpdates::default();
    let (state, step) = PeerAggregator::default().handle(&party.context, &store, prepare.clone());
    let Ok(PeerStep { reply, keep, persist, .. }) = step else {
        panic!("an honest order is refused: {step:?}")
    };
    keep.iter().for_each(|kept| store.keep(kept));
    let replayed = PeerAggregator::default().replay(&party.context, *persist.expect("news"));
    assert!(replayed == (state.clone(), Ok(())), "what is persisted gives another state");
    let (again, step) = state.clone().handle(&party.context, &store, prepare);
    assert!(again == state && step.is_ok_and(|step| step.reply == reply), "another answer");
    let set = AcceptedSet::new(vec![(key(3).verifying_key(), update.digest())]).expect("one");
    let sum = AggregatorRequest::Sum { round: ROUND, set, evidence: Evidence::None };
    let (after, step) = again.handle(&party.context, &store, sum);
    assert!(step.is_err() && after == state, "a sum over one is opened");
    let AggregatorReply::Prepared { parts, .. } = reply else { panic!("{reply:?}") };
    let [part] = &parts[..] else { panic!("{parts:?}") };
    // Kept if and only if it may be asked for.
    let id = UpdateId { round: ROUND, update: update.digest() };
    assert!(part.update == id.update && part.held.is_ok() == state.needs(&id));
    assert!(part.held.is_ok() == store.part(id, 0).is_ok());
    part.held.is_ok().into()
}

fn peer_inputs() -> Vec<Vec<u8>> {
    let of = |order, all_held| PeerInput::Prepared {
        order: Box::new(order),
        challenge: Digest([8; 32]),
        parts: held_parts(all_held),
    };
    let mut inputs: Vec<_> = parties().iter().map(|party| of(party.order.clone(), true)).collect();
    inputs.extend([
        of(*order(), false),
        PeerInput::Agreed { round: ROUND, set: set() },
        PeerInput::Summed { round: ROUND, set: set() },
        PeerInput::Scored(probes()),
    ]);
    inputs.iter().map(PeerInput::to_bytes).collect()
}

/// What lies on a party's disk: replayed in its order or refused, without a change. Parts that are not in
/// the store are never summed.
fn peer_input(bytes: &[u8]) -> Verdict {
    let Some(input) = canonical::<PeerInput>(bytes) else { return Verdict::Refused };
    for party in parties() {
        let fresh = PeerAggregator::default();
        let (state, taken) = fresh.clone().replay(&party.context, input.clone());
        assert!(taken.is_ok() || state == fresh, "a refused input changed the state");
        let evidence = Evidence::None;
        let sum = AggregatorRequest::Sum { round: ROUND, set: held_set(), evidence };
        let nothing = MemoryUpdates::default();
        let (after, step) = state.clone().handle(&party.context, &nothing, sum);
        assert!(step.is_err() && after == state, "a sum of nothing");
    }
    Verdict::Taken
}

fn all_kept() -> Vec<Vec<u8>> {
    let mut store = MemoryUpdates::default();
    let empty = store.to_bytes();
    for (index, parts) in [(3, vec![]), (4, vec![vec![1; 9], vec![]])] {
        let id = UpdateId { round: ROUND, update: Digest([index; 32]) };
        store.keep(&KeptUpdate { id, parts });
    }
    vec![empty, store.to_bytes()]
}

/// Gives each part that it lists, and none behind; to keep the same again changes nothing.
fn kept_updates(bytes: &[u8]) -> Verdict {
    let Some(mut store) = canonical::<MemoryUpdates>(bytes) else { return Verdict::Refused };
    let before = store.clone();
    for id in before.ids().copied() {
        let parts = store.parts_mut(&id).expect("listed").clone();
        for (index, part) in parts.iter().enumerate() {
            assert!(before.part(id, index).as_ref() == Ok(part));
        }
        assert!(before.part(id, parts.len()) == Err(PartFault::Missing));
        store.keep(&KeptUpdate { id, parts });
    }
    assert!(store == before);
    Verdict::Taken
}

fn mailboxes() -> Vec<Vec<u8>> {
    let (roster, mut filled) = (roster(), Mailbox::default());
    let roster = roster.unverified_body();
    filled.offer(key(5).verifying_key(), roster, vec![1; 20]).expect("listed");
    filled.offer(key(4).verifying_key(), roster, vec![2; 9]).expect("listed");
    let founder = key(3).verifying_key();
    filled.commit(founder, roster, 0, vec![3; 30], Some(welcome())).expect("the first");
    filled.commit(founder, roster, 1, vec![4; 3], None).expect("the next");
    filled.handed(1);
    vec![Mailbox::default().to_bytes(), filled.to_bytes()]
}

/// Members are told what is there, nobody else is told anything, and a refused commit changes nothing.
fn mailbox(bytes: &[u8]) -> Verdict {
    let Some(mailbox) = canonical::<Mailbox>(bytes) else { return Verdict::Refused };
    let (member, roster) = (key(4).verifying_key(), roster());
    let epoch = mailbox.epoch();
    for since in [None, Some(0), Some(epoch.saturating_sub(1)), Some(epoch), Some(u64::MAX)] {
        let news = mailbox.sync(&member, &roster, since).expect("listed");
        assert!(news.epoch == epoch && news.commits.len() as u64 <= epoch);
        assert!(since != Some(epoch) || news.commits.is_empty());
        assert!(mailbox.sync(&key(99).verifying_key(), &roster, since) == Err(Refusal::Stranger));
    }
    let mut after = mailbox.clone();
    let late = after.commit(member, roster.unverified_body(), epoch.wrapping_add(1), vec![1], None);
    assert!(epoch == u64::MAX || (late == Err(Refusal::WrongRound) && after == mailbox));
    Verdict::Taken
}

fn contributor_receipts() -> Vec<Vec<u8>> {
    let accepted = set();
    let of = |sum| ContributorReceipt {
        federation: grant().federation,
        member: accepted.contributions()[1].0,
        update: accepted.contributions()[1].1,
        receipt: *signed_receipt(),
        proof: accepted.tree().prove(1).expect("in range"),
        sum,
    };
    vec![of(None).to_bytes(), of(Some(*round_sum())).to_bytes()]
}

/// The seeds name another sum than they hold, and nobody can sign one that fits: no receipt passes.
fn contributor_receipt(bytes: &[u8]) -> Verdict {
    let Some(receipt) = canonical::<ContributorReceipt>(bytes) else { return Verdict::Refused };
    let terms = Signed::new(terms(SealingTerms::Mpc), Tag::Terms, &key(9));
    let checks = receipt.checks(&terms);
    let failed = checks.iter().position(|(_, result)| result.is_err());
    assert!(failed.is_some_and(|index| index + 1 == checks.len()), "forged: {checks:?}");
    Verdict::Taken
}
