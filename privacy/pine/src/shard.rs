//! The client: encodes a vector, proves its norm, and shares both.

use rand::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    circuit::JOINT_LEN,
    derive::{EncodedShare, Usage},
    field::{PineField, push_bits, sub_assign},
    flp::prove,
    pine::Pine,
    secret::{SecretVector, Seed},
    shares::{Blinds, InputShare, InputShareKind, NONCE_BYTES, PublicShare, Report},
    wraparound::wraparound_results,
    xof::Xof,
};

/// Fresh coins that a client tries before it gives up. One attempt fails with probability
/// ≤ `checks`·2e^(−α²) = 2^−101, so the second is never needed by an honest client.
const ATTEMPTS_MAX: usize = 4;

/// Why a vector is not shared.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ShardError {
    /// The vector has another length.
    #[error("expected {expected} coordinates, got {got}")]
    Dimension {
        /// The instance's dimension.
        expected: usize,
        /// The vector's.
        got: usize,
    },
    /// A coordinate is NaN, infinite, subnormal, or too large to encode.
    #[error("coordinate {index} is not a number that can be encoded")]
    NotEncodable {
        /// Its index.
        index: usize,
    },
    /// The vector is longer than the norm bound: the aggregators would refuse it.
    #[error("squared norm {got} exceeds the squared bound {bound}")]
    NormExceeded {
        /// The vector's squared norm.
        got: u128,
        /// The squared bound.
        bound: u128,
    },
    /// Too few wraparound checks succeeded; other coins have to be tried.
    #[error("only {got} of {expected} wraparound checks succeeded")]
    WraparoundChecks {
        /// Successes required.
        expected: usize,
        /// Successes found.
        got: usize,
    },
    /// The coins have another length.
    #[error("expected {expected} bytes of coins, got {got}")]
    Coins {
        /// The length required.
        expected: usize,
        /// The length found.
        got: usize,
    },
}

/// What is done about a vector that must be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// It is an error.
    Honest,
    /// Successes are claimed although there are none; numbers lose the bits that do not fit.
    #[cfg(test)]
    Cheating,
    /// As `Cheating`, and the norm is claimed by "bits" that are none but add up.
    #[cfg(test)]
    CheatingWithFalseBits,
    /// As `Cheating`, but no success is claimed.
    #[cfg(test)]
    CheatingWithoutSuccess,
    /// As `Cheating`, and all successes are claimed by one "bit" where a check did succeed.
    #[cfg(test)]
    CheatingWithFalseSuccess,
}

/// The seeds that a report's coins consist of.
struct Coins {
    /// By helper: measurement seed, proof seed, blinds.
    helpers: Vec<(Seed, Seed, Blinds)>,
    leader: Blinds,
    prover: Seed,
}

impl<F: PineField, X: Xof> Pine<F, X> {
    /// Shares a vector of integers; `fraction_bits` plays no part.
    ///
    /// * `values` — `[dimension]`, in units in which the L2 norm is at most `norm_bound`.
    /// * `nonce` — unique per report under one verify key.
    ///
    /// # Errors
    /// [`ShardError::Dimension`], [`ShardError::NormExceeded`]; [`ShardError::WraparoundChecks`]
    /// with probability below 2^−400.
    pub fn shard_integers(
        &self,
        values: &[i32],
        nonce: &[u8; NONCE_BYTES],
        rng: &mut impl CryptoRng,
    ) -> Result<Report<F>, ShardError> {
        let values = Zeroizing::new(values.iter().copied().map(i64::from).collect::<Vec<_>>());
        self.shard_random(&values, nonce, rng)
    }

    /// Shares a vector of reals, each rounded to `fraction_bits` (nearest, ties to even).
    ///
    /// # Errors
    /// As [`Pine::shard_integers`], and [`ShardError::NotEncodable`].
    pub fn shard(
        &self,
        values: &[f64],
        nonce: &[u8; NONCE_BYTES],
        rng: &mut impl CryptoRng,
    ) -> Result<Report<F>, ShardError> {
        self.shard_random(&self.encode_floats(values)?, nonce, rng)
    }

    /// As [`Pine::shard`], with given coins; for test vectors.
    ///
    /// # Errors
    /// As [`Pine::shard`], and [`ShardError::Coins`].
    pub fn shard_with_coins(
        &self,
        values: &[f64],
        nonce: &[u8; NONCE_BYTES],
        coins: &[u8],
    ) -> Result<Report<F>, ShardError> {
        self.shard_encoded(&self.encode_floats(values)?, nonce, coins, Conduct::Honest)
    }

    /// Draws coins until the wraparound checks succeed, which is at once.
    fn shard_random(
        &self,
        values: &[i64],
        nonce: &[u8; NONCE_BYTES],
        rng: &mut impl CryptoRng,
    ) -> Result<Report<F>, ShardError> {
        let mut coins = Zeroizing::new(vec![0; self.coins_bytes()]);
        let mut attempt = 1;
        loop {
            rng.fill_bytes(&mut coins);
            match self.shard_encoded(values, nonce, &coins, Conduct::Honest) {
                Err(ShardError::WraparoundChecks { .. }) if attempt < ATTEMPTS_MAX => attempt += 1,
                result => return result,
            }
        }
    }

    /// Shares and proves.
    pub(crate) fn shard_encoded(
        &self,
        values: &[i64],
        nonce: &[u8; NONCE_BYTES],
        coins: &[u8],
        conduct: Conduct,
    ) -> Result<Report<F>, ShardError> {
        let mut measurement = self.encode_norm(values, conduct)?;
        let coins = self.parse_coins(coins)?;
        let helpers: Vec<SecretVector<F>> = (1..)
            .zip(&coins.helpers)
            .map(|(aggregator, (seed, ..))| SecretVector(self.helper_measurement(aggregator, seed)))
            .collect();
        let encoded: Vec<EncodedShare> =
            helpers.iter().map(|share| EncodedShare::new(&share.0)).collect();
        let subtract = |target: &mut [F], range: std::ops::Range<usize>| {
            for helper in &helpers {
                sub_assign(target, &helper.0[range.clone()]);
            }
        };

        // The wraparound randomness binds the gradient and its norm; only then are the checks run.
        let norm_len = self.layout().norm_len();
        let mut leader = SecretVector(Vec::with_capacity(self.layout().measurement_len()));
        leader.0.extend_from_slice(&measurement.0);
        subtract(&mut leader.0, 0..norm_len);
        let wraparound_parts = self.parts(Usage::WraparoundPart, &coins, nonce, &leader, &encoded);
        let seed = self.seed_of_parts(Usage::WraparoundSeed, &wraparound_parts);
        let results = SecretVector(wraparound_results(
            &measurement.0[..self.layout().dimension],
            self.layout().checks,
            &mut self.wraparound_stream(&seed),
        ));
        self.encode_checks(&results.0, &mut measurement, conduct)?;

        // The verification randomness binds everything that is shared.
        leader.0.extend_from_slice(&measurement.0[norm_len..]);
        subtract(&mut leader.0[norm_len..], norm_len..self.layout().measurement_len());
        let verification_parts =
            self.parts(Usage::JointRandomnessPart, &coins, nonce, &leader, &encoded);
        let seed = self.seed_of_parts(Usage::JointRandomnessSeed, &verification_parts);

        measurement.0.extend_from_slice(&results.0);
        let proofs = self.prove_all(&measurement.0, &coins, &self.joint_randomness(&seed));
        Ok(Report {
            public: PublicShare { wraparound_parts, verification_parts },
            inputs: input_shares(leader, proofs, coins),
        })
    }

    /// Every aggregator's part of joint randomness, the leader's first.
    fn parts(
        &self,
        usage: Usage,
        coins: &Coins,
        nonce: &[u8; NONCE_BYTES],
        leader: &SecretVector<F>,
        helpers: &[EncodedShare],
    ) -> Vec<Seed> {
        let blind = |blinds: &Blinds| match usage {
            Usage::WraparoundPart => blinds.wraparound.clone(),
            _ => blinds.verification.clone(),
        };
        let leader_share = EncodedShare::new(&leader.0);
        let own = self.part(usage, &blind(&coins.leader), 0, nonce, leader_share.all());
        let others =
            (1..).zip(&coins.helpers).zip(helpers).map(|((aggregator, (.., blinds)), share)| {
                let share = share.prefix::<F>(leader.0.len());
                self.part(usage, &blind(blinds), aggregator, nonce, share)
            });
        std::iter::once(own).chain(others).collect()
    }

    /// The leader's share of all proofs.
    fn prove_all(&self, input: &[F], coins: &Coins, joint: &[F]) -> SecretVector<F> {
        let [norm_gadget, gadget] = self.gadgets();
        let randomness = SecretVector(self.prove_randomness(&coins.prover));
        let norm_seeds = norm_gadget.arity * usize::from(self.proof_counts()[0]);
        let (norm_seeds, seeds) = randomness.0.split_at(norm_seeds);
        let mut proofs = SecretVector(Vec::with_capacity(self.proofs_len()));
        for seeds in norm_seeds.chunks_exact(norm_gadget.arity) {
            proofs.0.append(&mut prove(&self.norm_equality, input, seeds, &[]));
        }
        for (seeds, joint) in seeds.chunks_exact(gadget.arity).zip(joint.chunks_exact(JOINT_LEN)) {
            proofs.0.append(&mut prove(&self.validity, input, seeds, joint));
        }
        for (aggregator, (_, seed, _)) in (1..).zip(&coins.helpers) {
            sub_assign(&mut proofs.0, &self.helper_proofs(aggregator, seed));
        }
        proofs
    }

    /// The field elements of the vector, and the bits of its squared norm and of what is left to
    /// the bound.
    fn encode_norm(&self, values: &[i64], conduct: Conduct) -> Result<SecretVector<F>, ShardError> {
        let layout = self.layout();
        if values.len() != layout.dimension {
            return Err(ShardError::Dimension { expected: layout.dimension, got: values.len() });
        }
        let square = |value: &i64| u128::from(value.unsigned_abs()).pow(2);
        let norm = values.iter().map(square).fold(0, u128::saturating_add);
        if norm > layout.square_bound && conduct == Conduct::Honest {
            return Err(ShardError::NormExceeded { got: norm, bound: layout.square_bound });
        }
        let mut measurement =
            SecretVector(Vec::with_capacity(layout.measurement_len() + layout.checks));
        measurement.0.extend(values.iter().copied().map(F::from_signed));
        let claimed = measurement.0.iter().fold(F::zero(), |sum, value| sum + *value * *value);
        let rest = F::from_unsigned(layout.square_bound) - claimed;
        for number in [claimed, rest] {
            push_bits(number.to_unsigned(), layout.norm_bits, &mut measurement.0);
            #[cfg(test)]
            if conduct == Conduct::CheatingWithFalseBits {
                let start = measurement.0.len() - layout.norm_bits;
                measurement.0[start..].fill(F::zero());
                measurement.0[start] = number;
            }
        }
        Ok(measurement)
    }

    /// Appends the bits and the success of every wraparound check. Exactly `successes` are claimed,
    /// the first ones.
    fn encode_checks(
        &self,
        results: &[F],
        measurement: &mut SecretVector<F>,
        conduct: Conduct,
    ) -> Result<(), ShardError> {
        let layout = self.layout();
        let offset = F::from_unsigned(layout.wraparound_bound - 1);
        let mut claimed = 0;
        for result in results {
            let shifted = (*result + offset).to_unsigned();
            let inside = shifted < 2 * layout.wraparound_bound || conduct != Conduct::Honest;
            let success = inside && claimed < layout.successes;
            claimed += usize::from(success);
            #[cfg(test)]
            let success = success && conduct != Conduct::CheatingWithoutSuccess;
            push_bits(shifted, layout.check_bits, &mut measurement.0);
            push_bits(u128::from(success), 1, &mut measurement.0);
        }
        #[cfg(test)]
        if conduct == Conduct::CheatingWithFalseSuccess {
            let width = layout.check_bits + 1;
            let rows = measurement.0[layout.norm_len()..].chunks_exact_mut(width);
            let mut left = F::from_unsigned(layout.successes as u128);
            for (row, result) in rows.zip(results) {
                let inside = (*result + offset).to_unsigned() < 2 * layout.wraparound_bound;
                row[width - 1] = if inside { left } else { F::zero() };
                left = if inside { F::zero() } else { left };
            }
        }
        if claimed < layout.successes {
            return Err(ShardError::WraparoundChecks { expected: layout.successes, got: claimed });
        }
        Ok(())
    }

    /// Rounds to integers in units of 2^−`fraction_bits` (draft, `encode_float`).
    fn encode_floats(&self, values: &[f64]) -> Result<Zeroizing<Vec<i64>>, ShardError> {
        // Powers of two up to 2^127 are exact.
        let scale = f64::from(self.parameters().fraction_bits).exp2();
        // A magnitude below 2^62 is exact as an integer and cannot overflow.
        let limit = 62f64.exp2();
        let encode = |(index, value): (usize, &f64)| {
            let scaled = (value * scale).round_ties_even();
            let encodable = *value == 0.0 || value.is_normal();
            if !encodable || scaled.abs() >= limit {
                return Err(ShardError::NotEncodable { index });
            }
            #[expect(clippy::cast_possible_truncation, reason = "an integer below 2^62")]
            let integer = scaled as i64;
            Ok(integer)
        };
        values.iter().enumerate().map(encode).collect::<Result<Vec<_>, _>>().map(Zeroizing::new)
    }

    /// Splits coins in the draft's order: all helpers', the leader's, the prover's.
    fn parse_coins(&self, coins: &[u8]) -> Result<Coins, ShardError> {
        let expected = self.coins_bytes();
        if coins.len() != expected {
            return Err(ShardError::Coins { expected, got: coins.len() });
        }
        let mut seeds = coins.chunks_exact(X::SEED_BYTES).map(Seed::new);
        let mut next = || seeds.next().expect("the length was checked");
        let helpers = (1..self.parameters().aggregators)
            .map(|_| (next(), next(), Blinds { wraparound: next(), verification: next() }))
            .collect();
        let leader = Blinds { wraparound: next(), verification: next() };
        Ok(Coins { helpers, leader, prover: next() })
    }
}

/// The explicit share of the leader and the seeds of the helpers.
fn input_shares<F: PineField>(
    measurement: SecretVector<F>,
    proofs: SecretVector<F>,
    coins: Coins,
) -> Vec<InputShare<F>> {
    let leader = InputShareKind::Leader { measurement, proofs, blinds: coins.leader };
    let helpers = coins.helpers.into_iter().map(|(measurement, proofs, blinds)| {
        InputShareKind::Helper { measurement, proofs, blinds }
    });
    std::iter::once(leader).chain(helpers).map(InputShare).collect()
}
