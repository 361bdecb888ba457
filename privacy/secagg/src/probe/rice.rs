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
    let mut values = Vec::with_capacity(count + Several::CODES_MAX);
    let mut bits = BitReader { bytes, position: 0 };
    if let Some(table) = Several::table(count, k) {
        bits.several(&table, k, &mut values, count);
    }
    while values.len() < count {
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

/// The whole codes at the beginning of [`Several::WINDOW`] bits, looked up at once: with one code at a time each waits for
/// the length of the one before, which was half of what a device spends on a round's values.
#[derive(Debug, Clone, Copy)]
struct Several {
    /// The integers; those from `count` on are nothing.
    values: [i16; Self::CODES_MAX],
    count: u8,
    /// How long they are together.
    bits: u8,
}

impl Several {
    /// Of 8 bytes each: 16 KiB, half of a processor's first cache.
    const WINDOW: u32 = 11;
    /// At 4.3 bits a code two and a half fit the window.
    const CODES_MAX: usize = 3;
    /// The table is made in the time of some thousand codes.
    const WORTH_IT: usize = 32 * 1024;

    /// What each window begins with; none where it would not pay: few integers, or codes that seldom fit.
    fn table(count: usize, k: u32) -> Option<Vec<Self>> {
        let fits = 2 * (k + 1) <= Self::WINDOW;
        (count >= Self::WORTH_IT && fits)
            .then(|| (0..1 << Self::WINDOW).map(|window| Self::of(window, k)).collect())
    }

    fn of(window: u32, k: u32) -> Self {
        let mut several = Self { values: [0; Self::CODES_MAX], count: 0, bits: 0 };
        let mut used = 0;
        while usize::from(several.count) < Self::CODES_MAX {
            let rest = window >> used;
            let ones = rest.trailing_ones();
            if used + ones + 1 + k > Self::WINDOW {
                break;
            }
            let code = ones << k | (rest >> (ones + 1)) & ((1 << k) - 1);
            let value = i16::try_from(unzigzag(code)).expect("ones and low bits fit the window");
            several.values[usize::from(several.count)] = value;
            several.count += 1;
            used += ones + 1 + k;
        }
        several.bits = u8::try_from(used).expect("at most the window");
        several
    }
}

struct BitReader<'a> {
    bytes: &'a [u8],
    /// In bits.
    position: usize,
}

impl BitReader<'_> {
    /// Codes by the table, to `values`, until `count` is near, or eight bytes are not left.
    #[inline(never)]
    fn several(&mut self, table: &[Several], k: u32, values: &mut Vec<i32>, count: usize) {
        values.resize(count, 0);
        let mut done = 0;
        while let Some(eight) =
            self.bytes.get(self.position / 8..).and_then(|rest| rest.first_chunk::<8>())
        {
            // 57 bits of it hold, which is five windows.
            let mut word = u64::from_le_bytes(*eight) >> (self.position % 8);
            let Some(room) = values.get_mut(done..done + 5 * Several::CODES_MAX) else { break };
            let (mut filled, mut used) = (0, 0);
            for _ in 0..5 {
                let found = table[(word & ((1 << Several::WINDOW) - 1)) as usize];
                for (place, value) in
                    room[filled..filled + Several::CODES_MAX].iter_mut().zip(found.values)
                {
                    *place = i32::from(value);
                }
                filled += usize::from(found.count);
                used += usize::from(found.bits);
                word >>= found.bits;
            }
            done += filled;
            self.position += used;
            if used == 0 {
                // Longer than the window, or the bits end.
                let Some(code) = self.short_code(k).and_then(|code| u32::try_from(code).ok())
                else {
                    break;
                };
                values[done] = unzigzag(code);
                done += 1;
            }
        }
        values.truncate(done);
    }

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

    /// Deviations around and far beyond what the window holds, so that all ways of reading alternate.
    #[test]
    fn long_vectors_are_read_as_short_ones_are() {
        let mut state = 7_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            i32::try_from(state >> 40).unwrap()
        };
        for spread in [1, 2, 9, 40, 5000] {
            let count = Several::WORTH_IT + 13;
            let mut values: Vec<i32> = (0..count).map(|_| next() % spread - spread / 2).collect();
            round_trip(&values);
            for _ in 0..300 {
                let place = usize::try_from(next()).unwrap() % count;
                values[place] = next() % 3000;
            }
            round_trip(&values);
            let k = parameter(&values);
            let bytes = pack(&values, k);
            assert!(unpack(&bytes[..bytes.len() - 1], count, k).is_err(), "cut off");
            assert!(unpack(&[&bytes[..], &[0]].concat(), count, k).is_err(), "a byte more");
            assert!(unpack(&bytes, count - 1, k).is_err(), "a coordinate less");
        }
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
