//! A tree of aggregators for more contributors than one coordinator takes: what each level adds, sends and opens.
//!
//! Two levels. A leaf is a federation's pair of aggregators for its own contributors, as today, up to the sum: instead of
//! opening, the jth aggregator of each leaf hands its summed share to the jth root, which adds them up; the roots open the
//! total alone. Nobody has both shares of a leaf, so that no leaf's sum is opened.
//!
//! Threat: roots that take a leaf in for one opening and leave it out for another; the difference is that leaf's sum. So each
//! leaf answers one set per round, the minimum cohort holds per leaf as well, and the worst that colluding roots get
//! is what a federation of that leaf alone would publish.

use privacy_secagg::{Ring, RingVector};

use crate::random::Draws;

/// The largest rounded norm, and so coordinate, of an update with 12 norm bits at 2·10⁷ parameters
/// (`privacy-secagg`, `EncodingParameters::standard`).
const COORDINATE_MAX: u64 = 4_668;
/// The ring that inner products with probes need, whatever the number of contributors.
const VALUED_BITS: u8 = 26;
/// Bytes of the parts of an update beside its vector: header, signature, envelopes, rounded up.
const CONSTANT_BYTES: f64 = 512.0;

/// Measured costs of MPC mode with values at 10⁶ parameters and 1 000 contributors, in seconds per parameter and
/// contributor: `benches/sealing/RESULTS.md`, columns receive, add, other party and open.
const RECEIVE: f64 = 3.05e-9;
const ADD: f64 = 0.322e-9;
const OTHER: f64 = 0.806e-9;
const OPEN: f64 = 1.59e-9;

/// A tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tree {
    /// Leaves.
    pub leaves: u32,
    /// Contributors of each.
    pub leaf_size: u32,
    /// Parameters of the model.
    pub dimension: u32,
}

/// What one process of a level has to do in a round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Work {
    /// Seconds of one core.
    pub seconds: f64,
    /// Bytes that come in.
    pub bytes_in: f64,
    /// Bytes that go to the level above.
    pub bytes_out: f64,
}

impl Tree {
    /// All contributors.
    #[must_use]
    pub const fn contributors(&self) -> u64 {
        self.leaves as u64 * self.leaf_size as u64
    }

    /// k: bits of the ring in which no sum over all contributors can wrap around, with certainty; none above the 32 that a
    /// ring has. Then leaves have to open their sums, which are added in the clear.
    #[must_use]
    pub fn ring_bits(&self) -> Option<u8> {
        let most = self.contributors() * COORDINATE_MAX;
        // Signed: one bit more than the magnitude has.
        let needed = u8::try_from(u64::BITS - most.leading_zeros() + 1).ok()?;
        Ring::new(needed.max(VALUED_BITS)).ok().map(Ring::bits)
    }

    fn vector_bytes(&self) -> f64 {
        f64::from(self.dimension) * f64::from(self.ring_bits().unwrap_or(VALUED_BITS)) / 8.0
    }

    /// The first aggregator of a leaf: explicit shares.
    #[must_use]
    pub fn leaf_coordinator(&self) -> Work {
        let (size, dimension) = (f64::from(self.leaf_size), f64::from(self.dimension));
        Work {
            seconds: size * dimension * (RECEIVE + ADD),
            bytes_in: size * (self.vector_bytes() + CONSTANT_BYTES),
            bytes_out: self.vector_bytes(),
        }
    }

    /// The other aggregator of a leaf: seeds.
    #[must_use]
    pub fn leaf_other(&self) -> Work {
        let (size, dimension) = (f64::from(self.leaf_size), f64::from(self.dimension));
        Work {
            seconds: size * dimension * OTHER,
            bytes_in: size * CONSTANT_BYTES,
            bytes_out: self.vector_bytes(),
        }
    }

    /// A root: one packed vector per leaf, and the opening.
    #[must_use]
    pub fn root(&self) -> Work {
        let (leaves, dimension) = (f64::from(self.leaves), f64::from(self.dimension));
        Work {
            seconds: dimension * (leaves * ADD + OPEN),
            bytes_in: (leaves + 1.0) * self.vector_bytes(),
            bytes_out: self.vector_bytes(),
        }
    }

    /// One coordinator for everybody instead.
    #[must_use]
    pub fn flat(&self) -> Work {
        let (all, dimension) = (self.contributors() as f64, f64::from(self.dimension));
        Work {
            seconds: dimension * (all * (RECEIVE + ADD) + OPEN),
            bytes_in: all * (self.vector_bytes() + CONSTANT_BYTES),
            bytes_out: self.vector_bytes(),
        }
    }
}

/// A round of a tree with seeded updates: shares in the ring, sums per leaf and root, packed as they travel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeRound {
    /// The sum that the roots open.
    pub opened: Vec<i64>,
    /// The sum of the integers themselves.
    pub plain: Vec<i64>,
    /// Leaves whose set was below their minimum: they took no part.
    pub left_out: u32,
}

impl Tree {
    /// Runs a round in which each contributor drops out with these odds, and leaves with fewer than `leaf_minimum` are left
    /// out; none if the sum does not fit a ring.
    #[must_use]
    pub fn round(&self, seed: u64, drop_out: f64, leaf_minimum: u32) -> Option<TreeRound> {
        let ring = Ring::new(self.ring_bits()?).ok()?;
        let length = self.dimension as usize;
        let mut plain = vec![0_i64; length];
        let mut roots = [RingVector::zero(ring, length), RingVector::zero(ring, length)];
        let mut left_out = 0;
        for leaf in 0..self.leaves {
            let sums = self.leaf(ring, (seed, leaf), drop_out);
            if sums.count < leaf_minimum {
                left_out += 1;
                continue;
            }
            plain.iter_mut().zip(&sums.plain).for_each(|(total, value)| *total += value);
            for (root, share) in roots.iter_mut().zip(&sums.shares) {
                root.add_packed(&share.pack()).ok()?;
            }
        }
        let [mut total, other] = roots;
        total.add(&other).ok()?;
        let opened = total.elements().iter().map(|element| ring.centred(*element)).collect();
        Some(TreeRound { opened, plain, left_out })
    }

    fn leaf(&self, ring: Ring, (seed, leaf): (u64, u32), drop_out: f64) -> LeafSums {
        let length = self.dimension as usize;
        let mut sums = LeafSums {
            count: 0,
            plain: vec![0; length],
            shares: [RingVector::zero(ring, length), RingVector::zero(ring, length)],
        };
        for contributor in 0..self.leaf_size {
            let mut draws = Draws::at(seed, &[11, u64::from(leaf), u64::from(contributor)]);
            if draws.happens(drop_out) {
                continue;
            }
            sums.count += 1;
            let values: Vec<i64> = (0..length)
                .map(|_| {
                    let value = draws.within(0..=2 * COORDINATE_MAX);
                    value.cast_signed() - COORDINATE_MAX.cast_signed()
                })
                .collect();
            // The other aggregator's share is uniform; the first's is the rest.
            let other: Vec<i64> =
                (0..length).map(|_| draws.within(0..=u64::from(u32::MAX)).cast_signed()).collect();
            let first = values.iter().zip(&other).map(|(value, mask)| value - mask);
            let shares = [
                RingVector::from_integers(ring, first),
                RingVector::from_integers(ring, other.iter().copied()),
            ];
            for (sum, share) in sums.shares.iter_mut().zip(&shares) {
                let added = sum.add(share);
                debug_assert!(added.is_ok(), "of one ring and length");
            }
            sums.plain.iter_mut().zip(&values).for_each(|(total, value)| *total += value);
        }
        sums
    }
}

struct LeafSums {
    count: u32,
    plain: Vec<i64>,
    /// Of the two aggregators.
    shares: [RingVector; 2],
}
