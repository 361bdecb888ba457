//! The fully linear proof of a circuit that calls one gadget many times.
//!
//! This is the proof system of Boneh et al. 2019 (ia.cr/2019/188, theorem 4.3) in the form of VDAF
//! draft 11, section 7.3: polynomials travel as coefficients. (prio 0.18 implements draft 18,
//! where they travel as values; its proofs have other bytes.)
//!
//! The gadget's wires over all calls are polynomials fᵢ with fᵢ(1) a random seed and fᵢ(αᵏ) the
//! i-th input of call k, α a root of unity of order P > calls. The proof is the seeds and
//! the coefficients of G = gadget(f₁, f₂, …). A verifier holding additive shares of the input
//! and of the proof evaluates its share of everything at a random point t, which is enough to check
//! G = gadget(f) at t and thereby, up to deg G/(q − P), everywhere.

use crate::{
    field::PineField,
    ntt::{Ntt, powers, root_of_unity},
    secret::SecretVector,
};

/// The products that a gadget sums up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Products {
    /// x₁² + x₂² + … (`ParallelSum(PolyEval([0, 0, 1]))`).
    Squares,
    /// x₁x₂ + x₃x₄ + … (`ParallelSum(Mul)`).
    Pairs,
}

impl Products {
    /// The gadget's value.
    fn evaluate<F: PineField>(self, inputs: &[F]) -> F {
        match self {
            Self::Squares => inputs.iter().fold(F::zero(), |sum, input| sum + *input * *input),
            Self::Pairs => {
                inputs.chunks_exact(2).fold(F::zero(), |sum, pair| sum + pair[0] * pair[1])
            }
        }
    }
}

/// A gadget and how often a circuit calls it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gadget {
    pub(crate) products: Products,
    /// Inputs of one call.
    pub(crate) arity: usize,
    /// Calls.
    pub(crate) calls: usize,
}

impl Gadget {
    /// P: the size of a wire's domain, the seed and every call.
    pub(crate) const fn domain(self) -> usize {
        (self.calls + 1).next_power_of_two()
    }

    /// Coefficients of G: its degree is 2(P − 1), both gadgets being quadratic.
    const fn coefficients(self) -> usize {
        2 * (self.domain() - 1) + 1
    }

    /// Field elements of a proof; the wire seeds come first.
    pub(crate) const fn proof_len(self) -> usize {
        self.arity + self.coefficients()
    }

    /// Field elements of a verifier: the circuit's output, the wires at t, and G(t).
    pub(crate) const fn verifier_len(self) -> usize {
        self.arity + 2
    }
}

/// An arithmetic circuit that is affine but for its calls of one gadget; it accepts at zero.
pub(crate) trait Circuit<F: PineField> {
    /// The gadget.
    fn gadget(&self) -> Gadget;

    /// The gadget's inputs on (a share of) `input`: `calls` rows of `arity` elements.
    fn wires(&self, input: &[F], joint: &[F], share: F) -> Vec<F>;

    /// (A share of) the output, given (shares of) the gadget's outputs.
    ///
    /// * `share` — what this party adds of a constant one: 1/shares.
    fn output(&self, input: &[F], joint: &[F], share: F, gadget: &[F]) -> F;
}

/// Columns that are transformed together, so that a cache line of the rows is read once.
const COLUMNS: usize = 8;

/// Proves that `circuit` accepts `input`. `seeds` are the wires' random first values.
pub(crate) fn prove<F: PineField>(
    circuit: &impl Circuit<F>,
    input: &[F],
    seeds: &[F],
    joint: &[F],
) -> Vec<F> {
    let gadget = circuit.gadget();
    let rows = SecretVector(circuit.wires(input, joint, F::one()));
    let (even, odd) = gadget_values(gadget, &rows.0, seeds);
    let mut values: Vec<F> = even.into_iter().zip(odd).flat_map(|(e, o)| [e, o]).collect();
    Ntt::new(2 * gadget.domain()).inverse(&mut values);
    values.truncate(gadget.coefficients());
    let mut proof = Vec::with_capacity(gadget.proof_len());
    proof.extend_from_slice(seeds);
    proof.append(&mut values);
    proof
}

/// G at the even and at the odd powers of a root of unity of order 2P. The even ones are the
/// calls' outputs; for the odd ones the wires are interpolated and moved to the coset.
fn gadget_values<F: PineField>(gadget: Gadget, rows: &[F], seeds: &[F]) -> (Vec<F>, Vec<F>) {
    let domain = gadget.domain();
    let ntt = Ntt::new(domain);
    let shifts = powers(root_of_unity::<F>(2 * domain), domain);
    let mut even = vec![F::zero(); domain];
    even[0] = gadget.products.evaluate(seeds);
    for (value, row) in even[1..].iter_mut().zip(rows.chunks_exact(gadget.arity)) {
        *value = gadget.products.evaluate(row);
    }
    let mut odd = vec![F::zero(); domain];
    let mut columns: Vec<SecretVector<F>> =
        (0..COLUMNS).map(|_| SecretVector(vec![F::zero(); domain])).collect();
    for first in (0..gadget.arity).step_by(COLUMNS) {
        let count = COLUMNS.min(gadget.arity - first);
        for (index, column) in columns[..count].iter_mut().enumerate() {
            column.0.fill(F::zero());
            column.0[0] = seeds[first + index];
        }
        for (call, row) in rows.chunks_exact(gadget.arity).enumerate() {
            for (column, input) in columns.iter_mut().zip(&row[first..first + count]) {
                column.0[call + 1] = *input;
            }
        }
        for column in &mut columns[..count] {
            ntt.inverse(&mut column.0);
            for (coefficient, shift) in column.0.iter_mut().zip(&shifts) {
                *coefficient *= *shift;
            }
            ntt.forward(&mut column.0);
        }
        add_products(gadget.products, &columns[..count], &mut odd);
    }
    (even, odd)
}

/// Adds the products of the columns (of whole pairs, `COLUMNS` being even) to `sums`.
fn add_products<F: PineField>(products: Products, columns: &[SecretVector<F>], sums: &mut [F]) {
    match products {
        Products::Squares => {
            for column in columns {
                for (sum, value) in sums.iter_mut().zip(&column.0) {
                    *sum += *value * *value;
                }
            }
        }
        Products::Pairs => {
            for pair in columns.chunks_exact(2) {
                for ((sum, left), right) in sums.iter_mut().zip(&pair[0].0).zip(&pair[1].0) {
                    *sum += *left * *right;
                }
            }
        }
    }
}

/// The query point is a P-th root of unity, where the proof would reveal an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PointInDomain;

/// A verifier's public inputs to a query.
#[derive(Clone, Copy)]
pub(crate) struct Query<'a, F> {
    /// The joint randomness of the circuit.
    pub(crate) joint: &'a [F],
    /// The point t, unknown to the prover.
    pub(crate) point: F,
    /// 1/shares.
    pub(crate) share: F,
}

/// A party's share of the verifier, from its shares of input and proof.
pub(crate) fn query<F: PineField>(
    circuit: &impl Circuit<F>,
    input: &[F],
    proof: &[F],
    query: Query<'_, F>,
) -> Result<Vec<F>, PointInDomain> {
    let gadget = circuit.gadget();
    let ntt = Ntt::new(gadget.domain());
    let weights = lagrange_weights(&ntt, query.point).ok_or(PointInDomain)?;
    let (seeds, coefficients) = proof.split_at(gadget.arity);

    let mut outputs = vec![F::zero(); ntt.size()];
    for chunk in coefficients.chunks(ntt.size()) {
        for (value, coefficient) in outputs.iter_mut().zip(chunk) {
            *value += *coefficient;
        }
    }
    ntt.forward(&mut outputs);
    let calls = &outputs[1..=gadget.calls];

    let mut verifier = Vec::with_capacity(gadget.verifier_len());
    verifier.push(circuit.output(input, query.joint, query.share, calls));
    verifier.extend(seeds.iter().map(|seed| *seed * weights[0]));
    let rows = SecretVector(circuit.wires(input, query.joint, query.share));
    for (row, weight) in rows.0.chunks_exact(gadget.arity).zip(&weights[1..]) {
        for (value, input) in verifier[1..].iter_mut().zip(row) {
            *value += *input * *weight;
        }
    }
    verifier.push(coefficients.iter().rev().fold(F::zero(), |sum, c| sum * query.point + *c));
    Ok(verifier)
}

/// ℓₖ(t) = αᵏ(t^P − 1)/(P(t − αᵏ)) for every k < P; `None` if t is in the domain.
fn lagrange_weights<F: PineField>(ntt: &Ntt<F>, point: F) -> Option<Vec<F>> {
    let vanishing =
        (0..ntt.size().trailing_zeros()).fold(point, |power, _| power * power) - F::one();
    if vanishing == F::zero() {
        return None;
    }
    // Montgomery's trick: one inversion for all.
    let mut product = F::one();
    let mut weights = Vec::with_capacity(ntt.size());
    for root in ntt.roots() {
        weights.push(product);
        product *= point - *root;
    }
    let mut inverse = product.inv();
    let scale = vanishing * ntt.size_inverse();
    for (weight, root) in weights.iter_mut().zip(ntt.roots()).rev() {
        *weight = *weight * inverse * *root * scale;
        inverse *= point - *root;
    }
    Some(weights)
}

/// Whether the sum of the verifier shares accepts.
pub(crate) fn decide<F: PineField>(gadget: Gadget, verifier: &[F]) -> bool {
    let [output, wires @ .., value] = verifier else {
        return false;
    };
    wires.len() == gadget.arity && *output == F::zero() && gadget.products.evaluate(wires) == *value
}

#[cfg(test)]
mod tests {
    use prio::field::{Field64, FieldElement as _};

    use super::*;

    /// Accepts if x₁² + … + x₅² = 30, two squares per call.
    struct Thirty;

    impl Circuit<Field64> for Thirty {
        fn gadget(&self) -> Gadget {
            Gadget { products: Products::Squares, arity: 2, calls: 3 }
        }

        fn wires(&self, input: &[Field64], _joint: &[Field64], _share: Field64) -> Vec<Field64> {
            let mut wires = input.to_vec();
            wires.resize(6, number(0));
            wires
        }

        fn output(
            &self,
            _input: &[Field64],
            _joint: &[Field64],
            share: Field64,
            gadget: &[Field64],
        ) -> Field64 {
            gadget.iter().fold(-number(30) * share, |sum, call| sum + *call)
        }
    }

    fn number(value: u128) -> Field64 {
        Field64::from_unsigned(value)
    }

    /// Whether two verifiers with additive shares accept `input` with `proof`.
    fn accepted(input: &[Field64], proof: &[Field64]) -> bool {
        let with = Query { joint: &[], point: number(1 << 40), share: number(2).inv() };
        let split = |values: &[Field64]| -> [Vec<Field64>; 2] {
            let first: Vec<_> = (1..).map(|i| number(i * 7_777)).take(values.len()).collect();
            let second = values.iter().zip(&first).map(|(v, f)| *v - *f).collect();
            [first, second]
        };
        let shares = split(input).into_iter().zip(split(proof));
        let verifiers: Vec<_> = shares
            .map(|(input, proof)| query(&Thirty, &input, &proof, with).expect("outside"))
            .collect();
        let sum: Vec<_> =
            verifiers[0].iter().zip(&verifiers[1]).map(|(left, right)| *left + *right).collect();
        decide(Thirty.gadget(), &sum)
    }

    #[test]
    fn true_statement_is_accepted_and_a_false_one_or_another_proof_is_not() {
        let input = |last| [1, 2, 3, 4, last].map(number);
        let seeds = [5, 6].map(number);
        let proof = prove(&Thirty, &input(0), &seeds, &[]);
        assert_eq!(proof.len(), Thirty.gadget().proof_len());
        assert!(accepted(&input(0), &proof));
        assert!(!accepted(&input(1), &prove(&Thirty, &input(1), &seeds, &[])));
        assert!(!accepted(&input(1), &proof));
        for index in 0..proof.len() {
            let mut changed = proof.clone();
            changed[index] += number(1);
            assert!(!accepted(&input(0), &changed), "element {index}");
        }
    }

    #[test]
    fn query_at_a_root_of_unity_where_an_input_would_show_is_refused() {
        let input = [1, 2, 3, 4, 0].map(number);
        let proof = prove(&Thirty, &input, &[5, 6].map(number), &[]);
        for point in powers(root_of_unity::<Field64>(4), 4) {
            let with = Query { joint: &[], point, share: number(1) };
            assert_eq!(query(&Thirty, &input, &proof, with), Err(PointInDomain));
        }
    }

    #[test]
    fn verifier_of_another_length_is_not_accepted() {
        assert!(!decide(Thirty.gadget(), &[number(0); 3]));
        assert!(!decide::<Field64>(Thirty.gadget(), &[]));
    }
}
