//! Which transfers happened: what makes them idempotent.

use privacy_identity::{Digest, Encode as _, Tag, Writer};

use crate::{Refusal, Runs, Transfer, TransferId};

/// Every chain that was applied: 32 bytes each, however many transfers it had.
///
/// A chain is remembered as a whole, since it happens as a whole: presented again it is the same
/// chain, or it is another one under ids that are taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct History {
    chains: Runs<TransferId, Chain>,
    transfers: u64,
}

/// About as many bytes as a transfer's encoding has.
const TRANSFER_BYTES: usize = 160;

/// How many transfers follow the first, itself included, and what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chain {
    count: u32,
    /// 8 bytes of a digest: who finds other fields with the same one (2^64 digests) has them
    /// ignored instead of refused.
    fingerprint: [u8; 8],
}

impl Chain {
    /// The chain that `transfers` are.
    ///
    /// # Errors
    /// [`Refusal::BrokenChain`] if they are not of one cause, or leave out or repeat an index.
    pub(crate) fn of(transfers: &[Transfer]) -> Result<Self, Refusal> {
        let mut writer = Writer::with_capacity(transfers.len() * TRANSFER_BYTES);
        let mut expected = transfers.first().map(|transfer| transfer.id);
        for transfer in transfers {
            let got = transfer.id;
            if expected != Some(got) {
                return Err(Refusal::BrokenChain { expected, got });
            }
            transfer.encode(&mut writer);
            // After the greatest index there is no next one.
            expected = got.index.checked_add(1).map(|index| TransferId { index, ..got });
        }
        let digest = Digest::of(Tag::TransferId, &writer.into_bytes());
        let fingerprint = std::array::from_fn(|index| digest.0[index]);
        let count = u32::try_from(transfers.len()).expect("consecutive indices fit 32 bits");
        Ok(Self { count, fingerprint })
    }
}

impl History {
    /// Whether the chain from `first` on happened before, as it is.
    ///
    /// # Errors
    /// [`Refusal::ExistsWithOtherFields`] if any of its ids was used otherwise.
    pub(crate) fn contains(&self, first: TransferId, chain: Chain) -> Result<bool, Refusal> {
        let last = TransferId { index: first.index.saturating_add(chain.count - 1), ..first };
        // The last chain that begins within or before this one: does it reach into it?
        let Some((other, before)) = self.chains.last_up_to(&last) else {
            return Ok(false);
        };
        if other == first && before == chain {
            return Ok(true);
        }
        let end = u64::from(other.index) + u64::from(before.count);
        if other.cause == first.cause && end > u64::from(first.index) {
            return Err(Refusal::ExistsWithOtherFields { id: first.max(other) });
        }
        Ok(false)
    }

    /// Remembers a chain that did not happen before ([`Self::contains`]).
    pub(crate) fn insert(&mut self, first: TransferId, chain: Chain) {
        self.chains.insert_new(first, chain);
        self.transfers += u64::from(chain.count);
    }

    /// How many transfers happened.
    pub(crate) const fn transfers(&self) -> u64 {
        self.transfers
    }
}
