//! What a contributor trained before there was a round for it.
//!
//! ```text
//!   offered ─trained→ trained.bin ─order of the same model→ sealed, and trained.bin is deleted
//!                          └ too old → deleted
//! ```
//!
//! Threat: one training that counts in two rounds, by a crash in between. What was sealed is stored before this is deleted, and
//! whoever takes up a stored update deletes this first.

use privacy_dp::{ClipNorm, LocalUpdate};
use privacy_identity::{DecodeError, Digest};
use zeroize::Zeroizing;

/// Bytes in front of the numbers.
const HEAD_BYTES: usize = 8 + Digest::LEN;

/// An update in the clear, and the model from which it was trained. Never leaves the machine, never printed.
pub(crate) struct Trained {
    /// The version of the model.
    pub(crate) version: u64,
    /// Its digest.
    pub(crate) model: Digest,
    /// The clipped change of the shared parameters.
    delta: Zeroizing<Vec<f32>>,
}

impl Trained {
    /// What `update` is once it is clipped, as it will be sealed.
    pub(crate) fn new(
        (version, model): (u64, Digest),
        update: LocalUpdate,
        clip_norm: ClipNorm,
    ) -> Self {
        let delta = Zeroizing::new(update.clip(clip_norm).delta().to_vec());
        Self { version, model, delta }
    }

    /// The update, to be sealed.
    pub(crate) fn update(&self) -> LocalUpdate {
        LocalUpdate::new(self.delta.to_vec()).expect("it was one before, or was read as one")
    }

    /// For the owner's disk. No [`privacy_identity::Encode`]: nothing in the clear has a wire form.
    pub(crate) fn to_disk(&self) -> Zeroizing<Vec<u8>> {
        let head = self.version.to_be_bytes().into_iter().chain(self.model.0);
        // Of the right length at once: a vector that grows leaves copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(HEAD_BYTES + 4 * self.delta.len()));
        bytes.extend(head);
        bytes.extend(self.delta.iter().flat_map(|value| value.to_le_bytes()));
        bytes
    }

    /// Reads what [`Self::to_disk`] wrote.
    pub(crate) fn from_disk(bytes: &[u8]) -> Result<Self, DecodeError> {
        let left = bytes.len();
        let short = || DecodeError::Truncated { needed: HEAD_BYTES, left };
        let (version, rest) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
        let (model, rest) = rest.split_first_chunk::<{ Digest::LEN }>().ok_or_else(short)?;
        let (words, rest) = rest.as_chunks::<4>();
        let delta: Vec<f32> = words.iter().map(|word| f32::from_le_bytes(*word)).collect();
        let delta = Zeroizing::new(delta);
        if delta.is_empty() || !rest.is_empty() || !delta.iter().all(|value| value.is_finite()) {
            return Err(DecodeError::invalid("trained update", "no finite numbers"));
        }
        Ok(Self { version: u64::from_be_bytes(*version), model: Digest(*model), delta })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_kept_is_what_will_be_sealed() {
        let clip = ClipNorm::new(1.0).unwrap();
        let update = LocalUpdate::new(vec![3.0, -4.0, 0.0]).unwrap();
        let trained = Trained::new((7, Digest([1; 32])), update.clone(), clip);
        let read = Trained::from_disk(&trained.to_disk()).unwrap();
        assert_eq!((read.version, read.model), (7, Digest([1; 32])));
        let (kept, now) = (read.update().clip(clip), update.clip(clip));
        let apart = kept.delta().iter().zip(now.delta()).map(|(a, b)| (a - b).abs());
        assert!(apart.fold(0.0, f32::max) < 1e-6);
        assert!(Trained::from_disk(&trained.to_disk()[..40]).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(trained) = Trained::from_disk(&bytes) {
                prop_assert_eq!(&trained.to_disk()[..], &bytes[..]);
                let _update = trained.update();
            }
        }
    }
}
