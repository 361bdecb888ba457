//! The public mask of a round.

use privacy_identity::Digest;

use crate::{DEGREE, stream::Keystream};

/// The masks of a round: uniform polynomials of `Z_{2^64}[X]/(X^4096 + 1)`, one for each
/// polynomial of an update, the same for every contributor.
///
/// Threat: whoever chooses the mask freely can choose one for which a·s tells s (a = 1, say), or the
/// mask of an earlier round. It is therefore the expansion of a digest of the round's transcript, which
/// every contributor computes itself from what it signs: dao, federation, round and model digest. A
/// coordinator that tries many transcripts gets as many uniform masks and no structure.
///
/// In the analysis it is a random oracle; AES-256-CTR under a hashed key stands in for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoundMask {
    transcript: Digest,
}

impl RoundMask {
    /// The mask of the round whose transcript has digest `transcript`.
    #[must_use]
    pub const fn from_transcript(transcript: Digest) -> Self {
        Self { transcript }
    }

    /// The digest that the mask was expanded from.
    #[must_use]
    pub const fn transcript(&self) -> Digest {
        self.transcript
    }

    /// The masks in order.
    pub(crate) fn polynomials(&self) -> MaskStream {
        MaskStream(Keystream::new("round-mask/v1", &self.transcript.0))
    }
}

/// The masks of a round, one after the other.
pub(crate) struct MaskStream(Keystream);

impl MaskStream {
    /// Overwrites `mask` with the next polynomial.
    pub(crate) fn next_into(&mut self, mask: &mut [u64; DEGREE]) {
        self.0.fill(mask);
    }
}

#[cfg(test)]
mod tests {
    use privacy_identity::Tag;

    use super::*;

    #[test]
    fn another_transcript_gives_another_mask() {
        let polynomial = |text: &[u8]| {
            let mut mask = [0; DEGREE];
            RoundMask::from_transcript(Digest::of(Tag::RoundOrder, text))
                .polynomials()
                .next_into(&mut mask);
            mask
        };
        assert_eq!(polynomial(b"round 1"), polynomial(b"round 1"));
        let equal = polynomial(b"round 1")
            .iter()
            .zip(polynomial(b"round 2"))
            .filter(|(left, right)| **left == *right)
            .count();
        assert_eq!(equal, 0);
    }
}
