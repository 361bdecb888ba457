//! Who takes part, and the updates they seal.

use privacy_dp::{ClipNorm, ClippedUpdate, LocalUpdate};
use privacy_identity::{Digest, Encode as _, SealingKey, SealingPublicKey, SigningKey};
use privacy_secagg::{
    Binding, EncodingParameters, NoisyUpdate, Payloads, QuantizedUpdate, Rotation, SealedUpdate,
    seal_payloads,
};
use rand::Rng as _;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng as _};

use crate::stopwatch::least;

/// Distinct contributors that are kept in memory; the sums cycle through them.
pub(crate) const CONTRIBUTORS_DISTINCT: u8 = 3;
/// One aggregator and five custodians, or two aggregators.
const RECIPIENTS: u8 = 6;
const ROTATION_SEED: [u8; 32] = [3; 32];

/// One cell of the grid: its keys and its randomness.
pub(crate) struct World {
    pub(crate) dimension: u32,
    pub(crate) contributors: u32,
    pub(crate) rng: ChaCha20Rng,
    recipients: Vec<SealingKey>,
}

impl World {
    pub(crate) fn new(dimension: u32, contributors: u32) -> Self {
        let recipients = (1..=RECIPIENTS).map(|seed| SealingKey::from_seed(&[seed; 32])).collect();
        Self { dimension, contributors, rng: ChaCha20Rng::seed_from_u64(1), recipients }
    }

    pub(crate) fn clip_norm() -> anyhow::Result<ClipNorm> {
        Ok(ClipNorm::new(1.0)?)
    }

    /// The signing key of one contributor.
    pub(crate) fn member(index: u8) -> SigningKey {
        SigningKey::from_seed(&[100 + index; 32])
    }

    pub(crate) fn binding(index: u8) -> Binding {
        let member = Self::member(index).verifying_key();
        let digest = Digest([1; 32]);
        Binding { dao: digest, federation: digest, round: 0, model: digest, member }
    }

    fn local_update(&mut self) -> anyhow::Result<LocalUpdate> {
        let mut bytes = vec![0_u8; self.dimension as usize];
        self.rng.fill_bytes(&mut bytes);
        let scale = 0.02 / (self.dimension as f32).sqrt();
        let delta = bytes.iter().map(|&byte| (f32::from(byte) - 127.5) * scale).collect();
        Ok(LocalUpdate::new(delta)?)
    }

    fn quantised(
        &mut self,
        clipped: &ClippedUpdate,
        parameters: &EncodingParameters,
    ) -> anyhow::Result<QuantizedUpdate> {
        let rotation = Rotation::new(ROTATION_SEED, self.dimension as usize);
        Ok(QuantizedUpdate::quantise(clipped, &rotation, parameters, &mut self.rng)?)
    }

    /// What each distinct contributor seals under `parameters`.
    pub(crate) fn updates(
        &mut self,
        parameters: &EncodingParameters,
    ) -> anyhow::Result<Vec<NoisyUpdate>> {
        let one = |_| {
            let clipped = self.local_update()?.clip(parameters.clip_norm());
            Ok(NoisyUpdate::without_noise(&self.quantised(&clipped, parameters)?))
        };
        (0..CONTRIBUTORS_DISTINCT).map(one).collect()
    }

    /// Milliseconds to rotate and round an update; clipping, one pass, comes before it.
    pub(crate) fn encode_ms(&mut self, parameters: &EncodingParameters) -> anyhow::Result<f64> {
        let clipped = self.local_update()?.clip(parameters.clip_norm());
        Ok(least(|| self.quantised(&clipped, parameters))?.0)
    }

    /// Signed integers of `bits` bits for each distinct contributor.
    pub(crate) fn integers(&mut self, bits: u32) -> Vec<Vec<i32>> {
        let one = |_| {
            let mut bytes = vec![0_u8; 4 * self.dimension as usize];
            self.rng.fill_bytes(&mut bytes);
            let words = bytes.as_chunks::<4>().0.iter();
            // −2^(bits − 1) would exceed the magnitude.
            let bound = 1 - (1 << (bits - 1));
            words.map(|word| (i32::from_le_bytes(*word) >> (32 - bits)).max(bound)).collect()
        };
        (0..CONTRIBUTORS_DISTINCT).map(one).collect()
    }

    pub(crate) fn public_keys(&self, count: usize) -> Vec<SealingPublicKey> {
        self.recipients[..count].iter().map(SealingKey::public).collect()
    }

    /// The last part of sealing, the same in all modes.
    pub(crate) fn sealed(&mut self, payloads: Payloads, index: u8) -> anyhow::Result<SealedUpdate> {
        let recipients = self.public_keys(payloads.len());
        let member = Self::member(index);
        Ok(seal_payloads(payloads, Self::binding(index), &recipients, &member, &mut self.rng)?)
    }

    /// The least milliseconds to check signature and digest of the part of recipient `place`, and to
    /// decrypt it.
    pub(crate) fn receive_ms(
        &self,
        update: &SealedUpdate,
        place: usize,
    ) -> anyhow::Result<(f64, zeroize::Zeroizing<Vec<u8>>)> {
        let delivery = update.clone().verify()?.delivery(place)?;
        let (check_ms, verified) = {
            let mut best = (f64::INFINITY, None);
            // The copy that is consumed is made outside of the time.
            for _ in 0..5 {
                let copy = delivery.clone();
                let (ms, verified) = crate::stopwatch::once(|| copy.verify(place));
                best = (best.0.min(ms), Some(verified?));
            }
            best
        };
        let verified = verified.ok_or_else(|| anyhow::anyhow!("measured at least once"))?;
        let (open_ms, payload) = least(|| Ok(verified.open_payload(&self.recipients[place])?))?;
        Ok((check_ms + open_ms, payload))
    }
}

/// Bytes of the message that leaves the contributor.
pub(crate) fn wire_bytes(update: &SealedUpdate) -> u64 {
    update.to_bytes().len() as u64
}

/// Adds `values` to `sum`: what an opened sum must equal.
pub(crate) fn add_plain(sum: &mut [i64], values: &[i32]) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += i64::from(*value);
    }
}

/// The plain sum of `added` updates, cycling through the distinct ones.
pub(crate) fn plain_sum<'a>(
    len: usize,
    added: usize,
    values: impl Fn(usize) -> &'a [i32],
) -> Vec<i64> {
    let mut sum = vec![0; len];
    for k in 0..added {
        add_plain(&mut sum, values(k % usize::from(CONTRIBUTORS_DISTINCT)));
    }
    sum
}
