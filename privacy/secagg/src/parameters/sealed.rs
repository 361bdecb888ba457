//! How large a sealed vector can be: what the other modes of sealing are laid out for.

use super::EncodingParameters;

impl EncodingParameters {
    /// Largest L2 norm of what one contributor seals, in integer units: the sensitivity, and room for its
    /// noise, which it exceeds with probability below 2^−72 (derivation in [`crate::wrap`]). Without
    /// noise: certain.
    ///
    /// It is what a norm proof can ask for, since the noise is part of what is proved: with noise of
    /// deviation σ a dishonest contributor may use σ·√d of it for something else.
    #[must_use]
    pub fn sealed_norm(&self) -> f64 {
        self.sensitivity_l2() + self.reach().noise_norm()
    }

    /// Largest magnitude of a coordinate of what one contributor seals; exceeded with probability below
    /// 2^−40 per round, without noise never.
    #[must_use]
    pub fn coordinate_max(&self) -> u32 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive; a sum of such coordinates fits a ring of 32 bits"
        )]
        let most = (self.sensitivity_l2() + self.reach().noise_of_one()).ceil() as u32;
        most
    }

    /// N with |⟨x, p⟩| ≤ N · ‖p‖ for what one contributor seals and any probe p, be it made from that very
    /// noise; exceeded with probability below 2^−60 per round, without noise never.
    #[must_use]
    pub fn value_norm(&self) -> f64 {
        self.rounded_norm() + self.reach().noise_norm()
    }
}
