//! The polynomial kernel, behind a trait so that another can stand beside tfhe's.

/// Coefficients of a polynomial: the ring is `Z_{2^64}[X]/(X^4096 + 1)`.
///
/// The lattice-estimator gives 223 bits and more at this degree with a 64-bit modulus (the crate's
/// documentation); 2048 would leave 113.
pub const DEGREE: usize = 4096;

/// Largest magnitude of a coefficient that an engine is given: keys have at most 58, sums of keys of the
/// largest round 14 667, probes 2^15.
pub const FACTOR_COEFFICIENT_MAX: i32 = 1 << 17;

/// Products in `Z_{2^64}[X]/(X^4096 + 1)`: all that sealing, opening and probing need of a kernel.
///
/// Every engine gives the same bits for the same input, so that contributors, aggregators and
/// custodians may run different ones.
pub trait Engine {
    /// A polynomial of small coefficients, prepared for many products. Zeroised on drop: it may be a
    /// key.
    type Factor;

    /// Prepares the polynomial with the coefficients `small`, each of magnitude at most
    /// [`FACTOR_COEFFICIENT_MAX`].
    fn factor(&self, small: &[i32; DEGREE]) -> Self::Factor;

    /// Adds `mask · factor` to `accumulator`, modulo 2^64 and X^4096 + 1.
    fn add_product(
        &self,
        accumulator: &mut [u64; DEGREE],
        mask: &[u64; DEGREE],
        factor: &Self::Factor,
    );
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha20Rng;

    use super::*;
    use crate::NttEngine;

    #[test]
    fn products_are_negacyclic() {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let mut mask = [0_u64; DEGREE];
        mask.iter_mut().for_each(|word| *word = rng.next_u64());
        let mut small = [0; DEGREE];
        small[0] = 3;
        small[DEGREE - 1] = -2;
        let mut product = [1_u64; DEGREE];
        let engine = NttEngine::new();
        engine.add_product(&mut product, &mask, &engine.factor(&small));
        for k in 0..DEGREE {
            // −2·X^4095 · a = 2·X^(−1) · a: coefficient k takes a_(k+1), the last one −a_0.
            let shifted = if k + 1 < DEGREE { mask[k + 1] } else { mask[0].wrapping_neg() };
            let expected = mask[k].wrapping_mul(3).wrapping_add(shifted.wrapping_mul(2));
            assert_eq!(product[k], expected.wrapping_add(1), "coefficient {k}");
        }
    }
}
