//! What each recipient of a sealed update is to read, whichever the mode.

use zeroize::Zeroizing;

use crate::Share;

/// One plaintext per recipient, in the order of the recipients. Zeroised on drop, never encoded.
///
/// | mode | recipient 0 | recipients 1 … |
/// |---|---|---|
/// | MPC | explicit share | seeds, to the other aggregators |
/// | verified MPC | share and proof | seeds, to the other aggregators |
/// | FHE | ciphertext, to the aggregator | shares of the key, to the custodians |
pub struct Payloads(Vec<Zeroizing<Vec<u8>>>);

impl Payloads {
    /// The payloads of MPC mode.
    #[must_use]
    pub fn from_shares(shares: Vec<Share>) -> Self {
        Self(shares.into_iter().map(|share| share.0).collect())
    }

    /// The payloads of another mode. For `privacy/pine` and `privacy/fhe` only: whoever calls this
    /// answers for it that no proper subset of the plaintexts tells anything of the update.
    #[must_use]
    pub const fn new(plaintexts: Vec<Zeroizing<Vec<u8>>>) -> Self {
        Self(plaintexts)
    }

    /// The plaintexts, in the order of the recipients: for the update's owner.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.0.iter().map(|plaintext| plaintext.as_slice())
    }

    /// How many recipients they are for.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_plaintexts(self) -> Vec<Zeroizing<Vec<u8>>> {
        self.0
    }
}
