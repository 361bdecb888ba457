//! The number-theoretic transform between a polynomial's coefficients and its values at the
//! powers of a root of unity (VDAF draft 11, section 6.1.2). prio keeps its own private.

use crate::field::PineField;

/// Transforms of one size n, a power of two.
pub(crate) struct Ntt<F: PineField> {
    /// ωⁱ for i < n, ω a primitive n-th root of unity.
    roots: Vec<F>,
    size_inverse: F,
}

impl<F: PineField> Ntt<F> {
    /// Transforms of `size`, a power of two for which the field has a root of unity; the
    /// parameters were checked for it.
    pub(crate) fn new(size: usize) -> Self {
        let root = root_of_unity::<F>(size);
        let roots = powers(root, size);
        Self { roots, size_inverse: F::from_unsigned(size as u128).inv() }
    }

    /// n.
    pub(crate) const fn size(&self) -> usize {
        self.roots.len()
    }

    /// ωⁱ for i < n.
    pub(crate) fn roots(&self) -> &[F] {
        &self.roots
    }

    /// 1/n.
    pub(crate) const fn size_inverse(&self) -> F {
        self.size_inverse
    }

    /// Replaces coefficients by the values at ω⁰, ω¹, …
    pub(crate) fn forward(&self, values: &mut [F]) {
        debug_assert_eq!(values.len(), self.size(), "one size per table");
        bit_reverse(values);
        let mut half = 1;
        while half < values.len() {
            let stride = self.size() / (2 * half);
            for block in values.chunks_exact_mut(2 * half) {
                let (low, high) = block.split_at_mut(half);
                for ((left, right), root) in
                    low.iter_mut().zip(high).zip(self.roots.iter().step_by(stride))
                {
                    let product = *right * *root;
                    *right = *left - product;
                    *left += product;
                }
            }
            half *= 2;
        }
    }

    /// Replaces the values at ω⁰, ω¹, … by coefficients.
    pub(crate) fn inverse(&self, values: &mut [F]) {
        self.forward(values);
        values[1..].reverse();
        for value in values {
            *value *= self.size_inverse;
        }
    }
}

/// A primitive root of unity of order `size`, a power of two.
pub(crate) fn root_of_unity<F: PineField>(size: usize) -> F {
    let order_log2 = size.trailing_zeros() as usize;
    F::root(order_log2).expect("the parameters bound the size of every transform")
}

/// `base`⁰, `base`¹, … of which there are `count`.
pub(crate) fn powers<F: PineField>(base: F, count: usize) -> Vec<F> {
    std::iter::successors(Some(F::one()), |power| Some(*power * base)).take(count).collect()
}

/// Permutes by reversing the bits of the index.
fn bit_reverse<F: PineField>(values: &mut [F]) {
    let bits = values.len().trailing_zeros();
    if bits == 0 {
        return;
    }
    for index in 0..values.len() {
        let reversed = index.reverse_bits() >> (usize::BITS - bits);
        if index < reversed {
            values.swap(index, reversed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field32, Field64, Field128};

    fn check<F: PineField>() {
        for size in [1, 2, 4, 8, 64] {
            let ntt = Ntt::<F>::new(size);
            let coefficients: Vec<F> =
                (0..size).map(|i| F::from_unsigned((i * i + 3) as u128)).collect();
            let mut values = coefficients.clone();
            ntt.forward(&mut values);
            for (value, root) in values.iter().zip(ntt.roots()) {
                let horner = coefficients.iter().rev().fold(F::zero(), |sum, c| sum * *root + *c);
                assert_eq!(*value, horner, "size {size}");
            }
            ntt.inverse(&mut values);
            assert_eq!(values, coefficients, "size {size}");
        }
    }

    #[test]
    fn transform_evaluates_at_the_roots_and_its_inverse_interpolates() {
        check::<Field32>();
        check::<Field64>();
        check::<Field128>();
    }
}
