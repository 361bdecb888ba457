//! The engine on tfhe's polynomials.

use tfhe::core_crypto::prelude::{
    Polynomial, polynomial_algorithms::polynomial_wrapping_add_mul_assign,
};
use zeroize::Zeroize as _;

use crate::{DEGREE, Engine};

/// tfhe's `core_crypto` polynomials: Karatsuba over wrapping 64-bit integers.
///
/// Its temporaries hold sums of key coefficients and are freed without being wiped; the factor itself
/// is wiped.
#[derive(Debug, Clone, Copy, Default)]
pub struct TfheEngine;

/// A factor of [`TfheEngine`].
pub struct TfheFactor(Polynomial<Vec<u64>>);

impl Drop for TfheFactor {
    fn drop(&mut self) {
        self.0.as_mut().zeroize();
    }
}

impl Engine for TfheEngine {
    type Factor = TfheFactor;

    fn factor(&self, small: &[i32; DEGREE]) -> TfheFactor {
        #[expect(clippy::cast_sign_loss, reason = "two's complement is the ring's representative")]
        let words = small.iter().map(|s| i64::from(*s) as u64).collect();
        TfheFactor(Polynomial::from_container(words))
    }

    fn add_product(
        &self,
        accumulator: &mut [u64; DEGREE],
        mask: &[u64; DEGREE],
        factor: &TfheFactor,
    ) {
        let mut output = Polynomial::from_container(&mut accumulator[..]);
        polynomial_wrapping_add_mul_assign(
            &mut output,
            &Polynomial::from_container(&mask[..]),
            &factor.0,
        );
    }
}
