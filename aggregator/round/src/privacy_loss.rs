//! What the rounds of a federation reveal about one contributor's data: ε.
//!
//! **What is compared.** Who takes part is public (grants, receipts). So two runs are compared that differ in
//! what one contributor's device trained on, its update x of a round being replaced by zero: a change of L2 norm
//! at most S = [`EncodingParameters::sensitivity_l2`](privacy_secagg::EncodingParameters::sensitivity_l2), which
//! conditional rounding makes certain. That is addition or removal of a contributor's data. For its replacement by other data
//! the change is 2S: ε is that of half the noise.
//!
//! **With value measurement** a round opens, of contributor i, the sum Σ yⱼ and the scalars ⟨yᵢ, p⟩ of yᵢ = xᵢ + νᵢ, νᵢ its own
//! share of the noise, a discrete Gaussian of deviation σ = z·S/√h. The probes p depend on the sum. All that is opened (the
//! tag and, in FHE mode, the forms of the key included) is a function of yᵢ, of other contributors' data and of randomness
//! that is independent of xᵢ. The scalars have no other noise than νᵢ, and with p chosen badly they determine yᵢ in enough
//! directions that nothing less than the loss of **releasing yᵢ itself** is proved: one discrete Gaussian of deviation σ
//! at sensitivity S, so the noise multiplier is z/√h, and Rényi divergence of order α is α·h/(2z²) per round (Canonne, Kamath & Steinke
//! 2020, Theorem 4). The other contributors' noise hides the *sum* better than that; here it counts for nothing.
//!
//! **Without value measurement** only the sum is opened. Of those in it h are honest, so its noise is at least a sum of
//! h discrete Gaussians (their shares are independent of what is opened besides): [`DiscreteMechanism::GaussianSum`]
//! (Kairouz, Liu & Steinke 2021). The sum is also a function of yᵢ, so that the bound of the first kind holds for it
//! too; the smaller of the two is taken.
//!
//! **Over rounds** the same mechanism is composed: orders of Rényi divergence add up, also where a round's update
//! depends on what earlier rounds opened. No amplification by sampling is claimed: cohorts are public. A round
//! counts as soon as it is opened: if it is aborted later, its sum may have been opened.
//!
//! Not covered: what a contributor's own machine shows to who shares it; all aggregators together (or, in FHE
//! mode, the aggregator and a threshold of custodians), who can read yᵢ anyway: against them the bound with value
//! measurement holds as it is, as it is that of yᵢ.

use aggregator_protocol::FederationTerms;
use privacy_dp::{AccountantError, DiscreteMechanism, RdpCurve, default_orders, epsilon_micro};

/// ε of `rounds` opened rounds at the terms' δ; `None`: no noise is added, nothing bounds it.
///
/// # Errors
/// [`AccountantError`] for more than 10^9 rounds, or terms that were not checked.
pub fn privacy_loss(terms: &FederationTerms, rounds: u64) -> Result<Option<f64>, AccountantError> {
    if !terms.noise.is_present() {
        return Ok(None);
    }
    if rounds == 0 {
        return Ok(Some(0.0));
    }
    let mut least = f64::INFINITY;
    for mechanism in mechanisms(terms) {
        let mut curve = RdpCurve::new(&default_orders())?;
        curve.add_discrete(&mechanism, rounds)?;
        least = least.min(curve.epsilon(terms.noise.delta)?.0);
    }
    Ok(Some(least))
}

/// What one more round adds when `opened` have been opened before, in millionths of ε: the loss after it less the
/// loss before it, both rounded up. Over all rounds these add up to the composed loss, rounded up once.
/// `None` without noise.
///
/// Differences of a composed ε are no privacy losses of single rounds: the first round's is the largest.
///
/// # Errors
/// As [`privacy_loss`], and [`AccountantError::Epsilon`] for an ε above 10^12.
pub fn round_loss_micro(
    terms: &FederationTerms,
    opened: u64,
) -> Result<Option<u64>, AccountantError> {
    let micro = |rounds| privacy_loss(terms, rounds)?.map(epsilon_micro).transpose();
    let (before, after) = (micro(opened)?, micro(opened + 1)?);
    Ok(after.map(|after| after.saturating_sub(before.unwrap_or(0))))
}

/// Mechanisms of which each bounds what a round reveals.
fn mechanisms(terms: &FederationTerms) -> Vec<DiscreteMechanism> {
    let encoding = &terms.encoding;
    let (std, l2) = (encoding.options().noise_deviation, encoding.sensitivity_l2());
    let alone = DiscreteMechanism::Gaussian { std, l2 };
    if encoding.is_valued() {
        return vec![alone];
    }
    let sum = DiscreteMechanism::GaussianSum {
        share_std: std,
        contributors: terms.noise.honest_minimum,
        l2,
        dimension: encoding.vector_len() as u64,
    };
    vec![alone, sum]
}
