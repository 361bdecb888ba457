//! How large a sealed vector can be: what the other modes of sealing are laid out for.

use super::EncodingParameters;

/// Standard deviations by which the norm of a contributor's noise may exceed its root mean square σ√d
/// before the bound fails an honest update: a tail of e^(−10²/2) < 2^−72, as the norm is a 1-Lipschitz
/// function of d independent draws that are at most as spread as Gaussians of deviation σ.
const NOISE_SLACK: f64 = 10.0;

impl EncodingParameters {
    /// Largest L2 norm of what one contributor seals, in integer units: the sensitivity, and room for its
    /// noise, which it exceeds with probability below 2^−72. Without noise: certain.
    #[must_use]
    pub fn sealed_norm(&self) -> f64 {
        let deviation = self.options.noise_deviation;
        if deviation > 0.0 {
            #[expect(clippy::cast_precision_loss, reason = "at most 2·10^7 coordinates")]
            let root = (self.vector_len() as f64).sqrt();
            self.sensitivity_l2() + deviation * (root + NOISE_SLACK)
        } else {
            self.sensitivity_l2()
        }
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

    /// N with |⟨x, p⟩| ≤ N · ‖p‖ for what one contributor seals and any probe p; exceeded with
    /// probability below 2^−40 per round, without noise never. Far below [`Self::sealed_norm`]: noise is
    /// hardly ever parallel to a probe.
    #[must_use]
    pub fn value_norm(&self) -> f64 {
        self.rounded_norm() + self.reach().noise_along_probe()
    }
}
