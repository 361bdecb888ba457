//! What differs between the modes of sealing: payloads, partial sums, scalars and their opening.
//!
//! Where the terms have groups ([`Grouping`]), each group is summed, opened and read as a set of its own, by the same functions of the
//! mode: what a party answers is then a list, one entry for each group. The parties of MPC modes alone are asked so: terms with groups
//! and custodians do not exist.
//!
//! The machines of this crate are the same in all modes; here, and only here, is asked which one it is.
//!
//! ```text
//!                MPC                        verified MPC                  FHE
//!  payload 0     packed ring vector         PINE leader share             ciphertext
//!  payload j     seed                       PINE helper share             share j of the key
//!  partial sum   ring vector                field vector                  sum of key shares
//!  opened        Σ of all                   Σ of all                      with t key shares
//!  scalar        inner product in the ring  inner product in the field    ⟨body, p⟩ and forms of the key
//! ```

mod fhe;
mod mpc;
mod verified;

use std::collections::BTreeMap;

use aggregator_protocol::{
    AcceptedSet, FederationTerms, GroupSum, MESSAGE_BYTES_MAX, ProbeOrder, Refusal, RoundGrant,
    SCALARS, SealingTerms,
};
use privacy_identity::{Digest, Reader, SealingPublicKey, SigningKey, Writer};
use privacy_secagg::{
    Binding, NoisyUpdate, Payloads, QuantizedProbe, SealedUpdate, VerifiedDelivery, seal_payloads,
    seal_payloads_seeded,
};
use rand::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    AggregatorContext, Grouping, OwnShares,
    context::recipients,
    parts::{PartError, Parts},
};

/// In FHE mode nothing is proved before the sum: custodians agree instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unsupported;

/// Why shares do not open.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum OpenError {
    /// The coordinator's own part.
    #[error("the coordinator's own part does not open")]
    Own,
    /// The shares of the others.
    #[error("{reason}")]
    Shares {
        /// What is wrong, with the places of those who are to blame, where that can be told.
        reason: String,
    },
}

impl OpenError {
    pub(crate) fn shares(reason: impl ToString) -> Self {
        Self::Shares { reason: reason.to_string() }
    }
}

/// The opened sum of one set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opened {
    /// As signed integers, `[vector_len]`.
    pub(crate) sum: Vec<i64>,
    /// The sum of the linear tags.
    pub(crate) tag: Option<[u64; 2]>,
    /// Places of custodians whose shares contradict the others'.
    pub(crate) liars: Vec<usize>,
}

/// The opened sums of a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenedSums {
    /// Of the first group, or of all.
    pub(crate) first: GroupSum,
    /// Of the other groups.
    pub(crate) others: Vec<GroupSum>,
    /// Places of custodians whose shares contradict the others'.
    pub(crate) liars: Vec<usize>,
}

/// Whether updates carry a proof of their norm.
pub(crate) const fn proves(terms: &FederationTerms) -> Result<bool, Unsupported> {
    match terms.sealing {
        SealingTerms::Mpc => Ok(false),
        SealingTerms::MpcVerified => Ok(true),
        SealingTerms::Fhe(_) => Err(Unsupported),
    }
}

/// Bytes of payloads and evidence, for limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PayloadSizes {
    /// The coordinator's payload.
    pub(crate) first: usize,
    /// The largest of any other party.
    pub(crate) other: usize,
    /// What one contributor adds to the evidence of a set.
    pub(crate) evidence: usize,
}

/// The sizes under `terms`.
pub(crate) fn payload_sizes(terms: &FederationTerms) -> PayloadSizes {
    match terms.sealing {
        SealingTerms::Mpc => mpc::payload_sizes(terms),
        SealingTerms::MpcVerified => verified::payload_sizes(terms),
        SealingTerms::Fhe(_) => fhe::payload_sizes(terms),
    }
}

/// Seals `update` to the parties of the round of `grant`.
pub(crate) fn seal(
    update: &NoisyUpdate,
    terms: &FederationTerms,
    grant: &RoundGrant,
    key: &SigningKey,
    rng: &mut impl CryptoRng,
) -> Result<SealedUpdate, String> {
    let (binding, recipients) = (grant.binding(key.verifying_key()), sealing_keys(terms, grant)?);
    let payloads = payloads(update, terms, grant, &binding, rng)?;
    seal_payloads(payloads, binding, &recipients, key, rng).map_err(|error| error.to_string())
}

/// As [`seal`], with what the owner keeps of it: a copy of every part.
pub(crate) fn seal_kept(
    update: &NoisyUpdate,
    terms: &FederationTerms,
    grant: &RoundGrant,
    key: &SigningKey,
    rng: &mut impl CryptoRng,
) -> Result<(SealedUpdate, OwnShares), String> {
    let (binding, recipients) = (grant.binding(key.verifying_key()), sealing_keys(terms, grant)?);
    let payloads = payloads(update, terms, grant, &binding, rng)?;
    let own = OwnShares::of(&payloads, binding, rng);
    seal_payloads_seeded(payloads, binding, &recipients, key, own.seeds())
        .map(|sealed| (sealed, own))
        .map_err(|error| error.to_string())
}

fn sealing_keys(
    terms: &FederationTerms,
    grant: &RoundGrant,
) -> Result<Vec<SealingPublicKey>, String> {
    recipients(terms, grant).map_err(|refusal| refusal.to_string())
}

fn payloads(
    update: &NoisyUpdate,
    terms: &FederationTerms,
    grant: &RoundGrant,
    binding: &Binding,
    rng: &mut impl CryptoRng,
) -> Result<Payloads, String> {
    // The aggregators of MPC modes; in FHE mode custodians are told by the terms.
    let aggregators = terms.aggregators.len();
    match terms.sealing {
        SealingTerms::Mpc => Ok(mpc::payloads(update, terms, binding, aggregators, rng)),
        SealingTerms::MpcVerified => verified::payloads(update, terms, binding, aggregators, rng),
        SealingTerms::Fhe(custody) => fhe::payloads(update, terms, grant, custody, rng),
    }
}

/// Decrypts a party's part.
fn payload(
    context: &AggregatorContext,
    delivery: &VerifiedDelivery,
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    delivery.open_payload(context.sealing()).map_err(|_source| Refusal::Unopenable)
}

/// Checks that a party's part opens to something of the right form.
pub(crate) fn check_payload(
    context: &AggregatorContext,
    place: usize,
    delivery: &VerifiedDelivery,
) -> Result<(), Refusal> {
    match context.terms().sealing {
        SealingTerms::Mpc => mpc::check(context, delivery),
        SealingTerms::MpcVerified => verified::check(context, place, delivery),
        SealingTerms::Fhe(_) => fhe::check(context, place, delivery),
    }
}

/// What a party keeps of the proof in its part, so that it is queried once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Proof {
    /// Its verifier share, which the other parties are shown.
    pub(crate) verifier: Vec<u8>,
    /// What must come of the verifier shares of all.
    pub(crate) message: Vec<u8>,
}

/// Checks a part and queries its proof: both need it decrypted. Empty where nothing is proved; in FHE mode the digest of what
/// shows that the shares of a key belong together, which has to be the same for all custodians.
pub(crate) fn prepare(
    context: &AggregatorContext,
    place: usize,
    delivery: &VerifiedDelivery,
    challenge: &Digest,
) -> Result<Proof, Refusal> {
    match context.terms().sealing {
        SealingTerms::MpcVerified => verified::prepare(context, place, delivery, challenge),
        SealingTerms::Fhe(custody) if place > 0 => fhe::prepare(context, custody, place, delivery),
        SealingTerms::Mpc | SealingTerms::Fhe(_) => {
            check_payload(context, place, delivery).map(|()| Proof::default())
        }
    }
}

/// Whether the parties' verifier shares, in their order, show that the norm of the update of `member` is
/// within bound, to a party that kept `message`. That its own share is among them is the caller's to see
/// to.
pub(crate) fn proof_holds(
    terms: &FederationTerms,
    binding: &Binding,
    message: &[u8],
    shares: &[Vec<u8>],
) -> bool {
    shares.len() == terms.aggregators.len() && verified::holds(terms, binding, message, shares)
}

/// What a party contributes to the opening of the sum over these parts: of all, or of each group.
///
/// * `parts` — of the whole set.
pub(crate) fn partial_sum(parts: &Parts<'_>) -> Result<Vec<u8>, PartError> {
    let terms = parts.context.terms();
    if terms.groups.is_none() {
        return partial_sum_of(parts);
    }
    let set = AcceptedSet::new(parts.set.to_vec()).map_err(|_source| Refusal::BadSet)?;
    let grouping = Grouping::of(terms, parts.grant, &set)?;
    let mut writer = Writer::default();
    for set in grouping.sets() {
        writer.bytes(&partial_sum_of(&Parts { set: set.contributions(), ..*parts })?);
    }
    Ok(writer.into_bytes())
}

/// The entries of what [`partial_sum`] made, one for each group.
fn of_groups<'a>(terms: &FederationTerms, share: &'a [u8]) -> Result<Vec<&'a [u8]>, Refusal> {
    if terms.groups.is_none() {
        return Ok(vec![share]);
    }
    let mut reader = Reader::new(share);
    let entry = |_| reader.bytes("partial sum of a group", MESSAGE_BYTES_MAX);
    let entries = (0..terms.group_count()).map(entry).collect::<Result<Vec<_>, _>>();
    let entries = entries.map_err(|_source| Refusal::Malformed)?;
    reader.finish().map_err(|_source| Refusal::Malformed)?;
    Ok(entries)
}

fn partial_sum_of(parts: &Parts<'_>) -> Result<Vec<u8>, PartError> {
    match parts.context.terms().sealing {
        SealingTerms::Mpc => mpc::partial_sum(parts),
        SealingTerms::MpcVerified => verified::partial_sum(parts),
        SealingTerms::Fhe(custody) => fhe::partial_sum(parts, custody),
    }
}

/// The sum of two partial sums of one party, over different updates: what [`partial_sum`] makes of all of them. Not of
/// groups, whose work is not shared ([`crate::SharedWork`]).
pub(crate) fn merged_sums(
    context: &AggregatorContext,
    grant: &RoundGrant,
    one: &[u8],
    other: &[u8],
) -> Result<Vec<u8>, Refusal> {
    match context.terms().sealing {
        SealingTerms::Mpc => mpc::merged_sums(context.terms(), one, other),
        SealingTerms::MpcVerified => verified::merged_sums(context.terms(), grant, one, other),
        SealingTerms::Fhe(_) => fhe::merged_sums(context.terms(), one, other),
    }
}

/// Checks the form of another party's partial sum.
pub(crate) fn check_partial_sum(
    context: &AggregatorContext,
    grant: &RoundGrant,
    share: &[u8],
) -> Result<(), Refusal> {
    let terms = context.terms();
    of_groups(terms, share)?.into_iter().try_for_each(|share| match terms.sealing {
        SealingTerms::Mpc => mpc::check_partial_sum(terms, grant, share),
        SealingTerms::MpcVerified => verified::check_partial_sum(terms, grant, share),
        SealingTerms::Fhe(_) => fhe::check_partial_sum(share),
    })
}

/// Opens the sums over the groups of `set`: the coordinator's own partial sum and the others' by place.
pub(crate) fn open_sums(
    context: &AggregatorContext,
    grant: &RoundGrant,
    set: &AcceptedSet,
    own: &[u8],
    others: &BTreeMap<usize, &[u8]>,
) -> Result<OpenedSums, OpenError> {
    let terms = context.terms();
    let grouping = Grouping::of(terms, grant, set).map_err(OpenError::shares)?;
    let own = of_groups(terms, own).map_err(|_refusal| OpenError::Own)?;
    let mut entries = BTreeMap::new();
    for (&place, share) in others {
        entries.insert(place, of_groups(terms, share).map_err(OpenError::shares)?);
    }
    let (mut sums, mut liars) = (Vec::new(), Vec::new());
    for (group, (set, own)) in grouping.sets().iter().zip(own).enumerate() {
        let others = entries.iter().map(|(&place, entries)| (place, entries[group])).collect();
        let opened = open_sum(context, grant, set, own, &others)?;
        sums.push(GroupSum { sum: opened.sum, tag: opened.tag });
        liars.extend(opened.liars);
    }
    let mut sums = sums.into_iter();
    let first = sums.next().ok_or(OpenError::Own)?;
    Ok(OpenedSums { first, others: sums.collect(), liars })
}

fn open_sum(
    context: &AggregatorContext,
    grant: &RoundGrant,
    set: &AcceptedSet,
    own: &[u8],
    others: &BTreeMap<usize, &[u8]>,
) -> Result<Opened, OpenError> {
    let terms = context.terms();
    let count = set.contributions().len();
    match terms.sealing {
        SealingTerms::Mpc => mpc::open_sum(terms, count, own, others),
        SealingTerms::MpcVerified => verified::open_sum(terms, grant, count, own, others),
        SealingTerms::Fhe(custody) => fhe::open_sum(terms, grant, custody, set, own, others),
    }
}

/// A party's shares of the scalars of each part, in their order: of value, innovation and contrast, by the probes of its group.
///
/// * `parts` — of the whole set.
pub(crate) fn scalar_shares(
    parts: &Parts<'_>,
    order: &ProbeOrder,
) -> Result<Vec<[u64; SCALARS]>, PartError> {
    let context = parts.context;
    if let SealingTerms::Fhe(custody) = context.terms().sealing {
        return if parts.place == 0 {
            fhe::body_products(parts, order)
        } else {
            fhe::scalar_shares(parts, custody, order)
        };
    }
    let set = AcceptedSet::new(parts.set.to_vec()).map_err(|_source| Refusal::BadSet)?;
    let grouping = Grouping::of(context.terms(), parts.grant, &set)?;
    let each = parts.each().zip(grouping.places());
    each.map(|(part, group)| {
        let (part, probes) = (part?, order.probes_of(*group).ok_or(Refusal::BadSet)?);
        Ok(match context.terms().sealing {
            SealingTerms::Mpc => mpc::scalars(context, &part, probes)?,
            _ => verified::scalars(context, parts.place, &part, probes)?,
        })
    })
    .collect()
}

/// Opens the scalars of each contributor of `set`, in their order; also the places of custodians whose
/// shares contradict the others'.
///
/// * `own` — the coordinator's [`scalar_shares`], of the same set.
pub(crate) fn open_scalars(
    terms: &FederationTerms,
    grant: &RoundGrant,
    order: &ProbeOrder,
    set: &AcceptedSet,
    own: &[[u64; SCALARS]],
    others: &BTreeMap<usize, &[[u64; SCALARS]]>,
) -> Result<(Vec<[i64; SCALARS]>, Vec<usize>), OpenError> {
    if own.len() != set.contributions().len() {
        return Err(OpenError::Own);
    }
    if let SealingTerms::Fhe(custody) = terms.sealing {
        return fhe::open_scalars(&fhe::Setting { terms, grant, custody, set }, order, own, others);
    }
    let opened = own.iter().enumerate().map(|(position, own)| {
        let all = std::iter::once(own).chain(others.values().map(|shares| &shares[position]));
        match terms.sealing {
            SealingTerms::Mpc => mpc::open_scalars(terms, all),
            _ => verified::open_scalars(all),
        }
    });
    Ok((opened.collect(), Vec::new()))
}

/// What the parties at these places have to answer to `order` of one update, whose parts for them are
/// `payloads`: the same as [`scalar_shares`] at that update.
pub(crate) fn scalars_of_payloads(
    terms: &FederationTerms,
    grant: &RoundGrant,
    set: &AcceptedSet,
    order: &ProbeOrder,
    (binding, payloads): (&Binding, &[(usize, &[u8])]),
) -> Result<Vec<[u64; SCALARS]>, Refusal> {
    let grouping = Grouping::of(terms, grant, set)?;
    let contributions = set.contributions();
    let place = contributions.binary_search_by_key(&binding.member, |(member, _)| *member);
    let group = place.ok().and_then(|place| grouping.places().get(place));
    let probes = group.and_then(|group| order.probes_of(*group)).ok_or(Refusal::BadSet)?;
    let each = payloads.iter();
    match terms.sealing {
        SealingTerms::Mpc => each
            .map(|(place, payload)| mpc::scalars_of(terms, binding, *place, payload, probes))
            .collect(),
        SealingTerms::MpcVerified => each
            .map(|(place, payload)| verified::scalars_of(terms, binding, *place, payload, probes))
            .collect(),
        SealingTerms::Fhe(_) => fhe::scalars_of(terms, grant, set, order, payloads),
    }
}

/// Whether the scalars of `count` contributions add up to what the sum's inner product is, which is public.
///
/// In MPC mode up to a multiple of the ring, in FHE mode of the lane: there a dishonest contributor's may have
/// wrapped around, and nobody else shall lose the round for it. In FHE mode also up to the errors of readings.
pub(crate) fn adds_up(
    terms: &FederationTerms,
    probe: &QuantizedProbe,
    readings: impl ExactSizeIterator<Item = i64>,
    product: i64,
) -> Result<bool, Refusal> {
    let count = readings.len();
    let total: i128 = readings.map(i128::from).sum();
    let difference = total - i128::from(product);
    Ok(match terms.sealing {
        SealingTerms::Mpc => difference % (1 << terms.encoding.ring().bits()) == 0,
        SealingTerms::MpcVerified => difference == 0,
        SealingTerms::Fhe(_) => {
            let (error_max, lane) = fhe::reading_error(&terms.encoding, probe)?;
            let count = i128::try_from(count).expect("at most CONTRIBUTORS_MAX");
            // The distance to the nearest multiple of the lane.
            let rest = difference.rem_euclid(lane);
            rest.min(lane - rest) <= count * error_max
        }
    })
}
