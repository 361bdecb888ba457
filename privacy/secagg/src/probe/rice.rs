//! Small signed integers as bits: a Rice code, in exactly one form.
//!
//! ```text
//! u = 2·|v| − [v < 0]        (zigzag; 0 has one form)        q = u >> k
//! q ones ‖ a zero ‖ the k low bits of u, least significant first
//! ```
//! Coordinates of a rotated probe are nearly Gaussian. At a deviation of 4 (norm 2^12, 10^6 coordinates) they have 4.1 bits
//! of entropy each and take 4.3 here; 32 in fixed width before, 6 in the width of the largest. Source: Rice & Plaunt 1971,
//! "Adaptive Variable-Length Coding"; the choice of k from Golomb 1966.
//!
//! **One form.** A probe order is signed and named by its digest, so that a second form of the same probe would be a
//! second digest. k is the smallest that gives the fewest bits, the last byte is padded with zeros, no byte
//! follows, and every other form is refused.

use privacy_identity::DecodeError;

/// Largest k: that of 32-bit integers.
const PARAMETER_MAX: u32 = 31;

/// The smallest k with the fewest bits for these integers.
///
/// Bits as a function of k are n·(k + 1) + Σ(u >> k); the second differences of Σ(u >> k) are not negative, as its
/// differences are Σ⌈(u >> k)/2⌉. So k grows while that exceeds n.
pub(super) fn parameter(values: &[i32]) -> u32 {
    (0..PARAMETER_MAX).find(|&k| saved(values, k) <= values.len() as u64).unwrap_or(PARAMETER_MAX)
}

/// Σ⌈(u >> k)/2⌉: the bits of quotients that k + 1 saves, before its own n.
fn saved(values: &[i32], k: u32) -> u64 {
    values.iter().map(|value| u64::from((zigzag(*value) >> k).div_ceil(2))).sum()
}

const fn zigzag(value: i32) -> u32 {
    (value << 1).cast_unsigned() ^ (value >> 31).cast_unsigned()
}

const fn unzigzag(code: u32) -> i32 {
    (code >> 1).cast_signed() ^ -(code & 1).cast_signed()
}

/// The bits of `values` under `k`.
pub(super) fn pack(values: &[i32], k: u32) -> Vec<u8> {
    let mut bits = BitWriter { bytes: Vec::with_capacity(values.len()), word: 0, held: 0 };
    for value in values {
        let code = u64::from(zigzag(*value));
        let mut quotient = code >> k;
        while quotient >= 32 {
            bits.put(u64::from(u32::MAX), 32);
            quotient -= 32;
        }
        // `quotient` ones and a zero.
        bits.put((1 << quotient) - 1, u32::try_from(quotient).expect("below 32") + 1);
        bits.put(code & ((1 << k) - 1), k);
    }
    bits.finish()
}

struct BitWriter {
    bytes: Vec<u8>,
    word: u64,
    /// Bits of `word` in use; below 32 between calls.
    held: u32,
}

impl BitWriter {
    /// * `count` — at most 32; the bits of `bits` above it are zero.
    fn put(&mut self, bits: u64, count: u32) {
        self.word |= bits << self.held;
        self.held += count;
        if self.held >= 32 {
            let bytes = self.word.to_le_bytes();
            self.bytes.extend_from_slice(&bytes[..4]);
            self.word >>= 32;
            self.held -= 32;
        }
    }

    fn finish(mut self) -> Vec<u8> {
        let left = usize::try_from(self.held.div_ceil(8)).expect("at most four");
        self.bytes.extend_from_slice(&self.word.to_le_bytes()[..left]);
        self.bytes
    }
}

/// Reads `count` integers, which must be all that `bytes` holds, in the one form of these integers.
///
/// # Errors
/// [`DecodeError::Invalid`] of the field `probe`. Memory is taken for at most eight integers per byte.
pub(super) fn unpack(bytes: &[u8], count: usize, k: u32) -> Result<Vec<i32>, DecodeError> {
    let invalid = |reason| DecodeError::invalid("probe", reason);
    if k > PARAMETER_MAX {
        return Err(invalid("a parameter above 31"));
    }
    // Each takes k bits and the zero.
    let least = (count as u64).saturating_mul(u64::from(k) + 1);
    if least > 8 * bytes.len() as u64 {
        return Err(invalid("fewer bits than coordinates"));
    }
    let mut values = Vec::with_capacity(count);
    let mut bits = BitReader { bytes, position: 0 };
    for _ in 0..count {
        let code = match bits.short_code(k) {
            Some(code) => code,
            None => bits.code(k).ok_or_else(|| invalid("the bits end"))?,
        };
        let code = u32::try_from(code).map_err(|_e| invalid("a coordinate beyond 32 bits"))?;
        values.push(unzigzag(code));
    }
    if !bits.is_over() {
        return Err(invalid("bits behind the last coordinate"));
    }
    let enough = |k| k == PARAMETER_MAX || saved(&values, k) <= values.len() as u64;
    if !enough(k) || (k > 0 && enough(k - 1)) {
        return Err(invalid("not the shortest parameter"));
    }
    Ok(values)
}

struct BitReader<'a> {
    bytes: &'a [u8],
    /// In bits.
    position: usize,
}

impl BitReader<'_> {
    /// The next code, if it lies in the next 56 bits and eight bytes are left: nearly always, and then without a
    /// branch that depends on it.
    #[inline]
    fn short_code(&mut self, k: u32) -> Option<u64> {
        let eight = self.bytes.get(self.position / 8..)?.first_chunk::<8>()?;
        let word = u64::from_le_bytes(*eight) >> (self.position % 8);
        let ones = word.trailing_ones();
        if ones + 1 + k > 56 {
            return None;
        }
        self.position += (ones + 1 + k) as usize;
        Some((u64::from(ones) << k) | ((word >> (ones + 1)) & ((1 << k) - 1)))
    }

    /// The next code, bit by bit; none if the bits end.
    fn code(&mut self, k: u32) -> Option<u64> {
        let mut ones = 0_u64;
        while self.bit()? {
            ones += 1;
        }
        let low = (0..k).try_fold(0, |low, place| Some(low | u64::from(self.bit()?) << place))?;
        // At most 2^31 bits fit a message: no overflow.
        Some(ones << k | low)
    }

    fn bit(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.position / 8)?;
        let bit = byte >> (self.position % 8) & 1 == 1;
        self.position += 1;
        Some(bit)
    }

    /// Whether nothing is left but zeros that fill the last byte.
    fn is_over(&self) -> bool {
        let rest = self.bytes.get(self.position / 8..).unwrap_or_default();
        match (self.position % 8, rest) {
            (_, []) => true,
            (0, _) => false,
            (used, [last]) => last >> used == 0,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trip(values: &[i32]) -> usize {
        let k = parameter(values);
        let bytes = pack(values, k);
        assert_eq!(unpack(&bytes, values.len(), k).unwrap(), values);
        bytes.len()
    }

    #[test]
    fn known_bits_are_what_the_format_says() {
        // u = 0, 1, 2, 3, 8 under k = 1: 0·0, 0·1, 10·0, 10·1, 11110·0; the first bit is the lowest.
        assert_eq!(pack(&[0, -1, 1, -2, 4], 1), [0b1001_1000, 0b0011_1110]);
    }

    #[test]
    fn extremes_are_held() {
        round_trip(&[]);
        for value in [0, 1, -1, 4096, -4096, i32::MAX, i32::MIN, i32::MIN + 1] {
            round_trip(&[value]);
            round_trip(&[value; 9]);
        }
        // One large coordinate among many zeros: a unit vector that was not rotated.
        let mut values = vec![0; 10_000];
        values[77] = -4096;
        assert!(round_trip(&values) < 10_000 / 8 + 8192 / 8 + 2);
    }

    #[test]
    fn the_parameter_is_the_smallest_of_the_shortest() {
        for values in [&[0, 0, 0][..], &[1, -3, 9, 2], &[100, -200, 3000], &[i32::MIN, i32::MAX, 5]]
        {
            let bits = |k: u32| {
                let quotients = values.iter().map(|value| u64::from(zigzag(*value) >> k));
                values.len() as u64 * u64::from(k + 1) + quotients.sum::<u64>()
            };
            let best = (0..=PARAMETER_MAX).min_by_key(|k| bits(*k)).unwrap();
            assert_eq!(parameter(values), best, "{values:?}");
        }
    }

    #[test]
    fn every_other_form_is_refused() {
        let values = [3, -5, 0, 7, -1, 2];
        let k = parameter(&values);
        let bytes = pack(&values, k);
        for other in (0..=PARAMETER_MAX + 3).filter(|other| *other != k) {
            let other_form = pack(&values, other.min(PARAMETER_MAX));
            assert!(unpack(&other_form, values.len(), other).is_err(), "k = {other}");
        }
        let mut padded = bytes.clone();
        *padded.last_mut().unwrap() |= 0x80;
        assert!(unpack(&padded, values.len(), k).is_err());
        assert!(unpack(&[&bytes[..], &[0]].concat(), values.len(), k).is_err());
        assert!(unpack(&bytes[..bytes.len() - 1], values.len(), k).is_err());
        assert!(unpack(&bytes, values.len() - 1, k).is_err());
        assert!(unpack(&[0xff; 4096], 1, 0).is_err());
        assert!(unpack(&[], usize::MAX, 0).is_err());
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(
            values in prop::collection::vec(-3000_i32..3000, 0..200),
            large in prop::collection::vec(any::<i32>(), 0..20),
        ) {
            round_trip(&values);
            round_trip(&large);
        }

        #[test]
        fn arbitrary_bytes_never_panic_and_have_one_form(
            bytes in prop::collection::vec(any::<u8>(), 0..64), count in 0_usize..200, k in 0_u32..34,
        ) {
            if let Ok(values) = unpack(&bytes, count, k) {
                prop_assert_eq!(pack(&values, k), bytes);
            }
        }
    }
}
