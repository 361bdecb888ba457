//! Updates as no honest device seals them: its payloads are altered, sealed again and signed.

use std::sync::Arc;

use aggregator_protocol::RoundOrder;
use aggregator_round::Sealed;
use privacy_identity::{SealingKey, Signed, VerifyingKey};
use privacy_secagg::{Payloads, seal_payloads};
use zeroize::Zeroizing;

use super::{Contribution, World, rng_for};

/// The modulus of the field in which verified shares are (Field64 of VDAF).
pub(crate) const MODULUS: u64 = 0xFFFF_FFFF_0000_0001;

/// The sealing keys of the parties of a round, in their order.
fn keys(world: &World, order: &Signed<RoundOrder>) -> Vec<SealingKey> {
    let grant = order.unverified_body().grant.unverified_body();
    let index = |member: &VerifyingKey| {
        (0..world.members.len()).find(|&index| world.member(index) == *member).unwrap()
    };
    let aggregators = (0..world.terms.aggregators.len())
        .map(|index| SealingKey::derived_from(&world.aggregator_key(index)));
    let custodians = grant.custodians.iter().map(|custodian| index(&custodian.member));
    aggregators
        .chain(custodians.map(|index| SealingKey::derived_from(&world.members[index])))
        .collect()
}

/// What each party reads in an update.
pub(crate) fn payloads(
    world: &World,
    order: &Signed<RoundOrder>,
    contribution: &Contribution,
) -> Vec<Vec<u8>> {
    let verified = contribution.sealed.update().clone().verify().unwrap();
    let opened = keys(world, order).into_iter().enumerate().map(|(place, key)| {
        let delivery = verified.delivery(place).unwrap().verify(place).unwrap();
        delivery.open_payload(&key).unwrap().to_vec()
    });
    opened.collect()
}

/// `honest` with other payloads, as its owner could seal them.
pub(crate) fn with_payloads(
    world: &World,
    index: usize,
    order: &Signed<RoundOrder>,
    honest: &Contribution,
    payloads: Vec<Vec<u8>>,
) -> Contribution {
    let key = &world.members[index];
    let grant = order.unverified_body().grant.unverified_body();
    let recipients: Vec<_> = keys(world, order).iter().map(SealingKey::public).collect();
    let payloads = Payloads::new(payloads.into_iter().map(Zeroizing::new).collect());
    let binding = grant.binding(key.verifying_key());
    let mut rng = rng_for(&[world.seed, 9, binding.round, index as u64]);
    let update = seal_payloads(payloads, binding, &recipients, key, &mut rng).unwrap();
    let sealed = Sealed::resume(update, &world.terms, key).unwrap();
    Contribution { sealed, values: honest.values.clone(), own: Arc::clone(&honest.own) }
}

/// Adds `amount` to element `index` of a vector of the field.
pub(crate) fn add_to_element(vector: &mut [u8], index: usize, amount: i64) {
    let bytes: &mut [u8; 8] = (&mut vector[8 * index..8 * index + 8]).try_into().unwrap();
    let sum = i128::from(u64::from_le_bytes(*bytes)) + i128::from(amount);
    let sum = sum.rem_euclid(i128::from(MODULUS));
    *bytes = u64::try_from(sum).unwrap().to_le_bytes();
}
