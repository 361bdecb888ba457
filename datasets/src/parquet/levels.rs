//! Small whole numbers in runs and packed bits, and differences in packed bits.
//!
//! Source: Apache Parquet, "Encodings": RLE/bit-packing hybrid and `DELTA_BINARY_PACKED`.

use super::{
    ParquetError,
    thrift::{varint, zigzag},
};

/// Bits of a number at a bit position; bytes past the end are zero.
fn bits(bytes: &[u8], at: usize, width: u32) -> u64 {
    let (first, shift) = (at / 8, at % 8);
    let mut value = 0_u128;
    for (index, byte) in bytes.iter().skip(first).take(9).enumerate() {
        value |= u128::from(*byte) << (8 * index);
    }
    let mask = if width >= 64 { u128::from(u64::MAX) } else { (1 << width) - 1 };
    #[expect(clippy::cast_possible_truncation, reason = "masked to 64 bits")]
    let value = ((value >> shift) & mask) as u64;
    value
}

/// Numbers of one width, as runs of one number or packed eight by eight.
#[derive(Debug, Clone)]
pub(super) struct Hybrid {
    at: usize,
    end: usize,
    width: u32,
    left: u64,
    /// The number of a run, or the bit at which packed ones go on.
    run: Result<u64, usize>,
}

impl Hybrid {
    /// Of `bytes[at..end]`.
    pub(super) fn new(at: usize, end: usize, width: u32) -> Result<Self, ParquetError> {
        if width > 32 || at > end {
            return Err(ParquetError::Damaged("levels of an unfit width"));
        }
        Ok(Self { at, end, width, left: 0, run: Ok(0) })
    }

    pub(super) fn next(&mut self, bytes: &[u8]) -> Result<u64, ParquetError> {
        let bytes = bytes.get(..self.end).ok_or(ParquetError::Short)?;
        while self.left == 0 {
            let header = varint(bytes, &mut self.at)?;
            let size = self.width.div_ceil(8) as usize;
            if header & 1 == 1 {
                let groups = header >> 1;
                let packed =
                    groups.checked_mul(u64::from(self.width)).and_then(|b| usize::try_from(b).ok());
                self.run = Err(self.at * 8);
                self.at = self
                    .at
                    .checked_add(packed.ok_or(ParquetError::Short)?)
                    .ok_or(ParquetError::Short)?;
                // The last group may be cut short where the numbers end.
                self.left = groups.checked_mul(8).ok_or(ParquetError::Short)?;
            } else {
                let value = bytes
                    .get(self.at..)
                    .and_then(|rest| rest.get(..size))
                    .ok_or(ParquetError::Short)?;
                self.run = Ok(value.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
                self.at += size;
                self.left = header >> 1;
            }
        }
        self.left -= 1;
        match &mut self.run {
            Ok(value) => Ok(*value),
            Err(bit) => {
                let value = bits(bytes, *bit, self.width);
                if *bit / 8 >= bytes.len() && self.width > 0 {
                    return Err(ParquetError::Short);
                }
                *bit += self.width as usize;
                Ok(value)
            }
        }
    }
}

/// Whole numbers as differences, in blocks.
#[derive(Debug, Clone)]
pub(super) struct Delta {
    at: usize,
    last: i64,
    /// Numbers that are still to come, the first included.
    left: u64,
    first: bool,
    miniblocks: usize,
    per_miniblock: usize,
    least: i64,
    /// Where the widths of the current block's miniblocks stand, a byte each.
    widths: usize,
    /// Of the current block: miniblocks begun, and numbers left in the current one.
    begun: usize,
    within: usize,
    bit: usize,
}

impl Delta {
    pub(super) fn new(bytes: &[u8], mut at: usize) -> Result<Self, ParquetError> {
        let small = |value: u64| usize::try_from(value).ok().filter(|v| *v <= 1 << 20);
        let block = small(varint(bytes, &mut at)?);
        let miniblocks = small(varint(bytes, &mut at)?);
        let left = varint(bytes, &mut at)?;
        let last = zigzag(varint(bytes, &mut at)?);
        match (block, miniblocks) {
            (Some(block), Some(miniblocks @ 1..)) if block > 0 && block % (miniblocks * 8) == 0 => {
                Ok(Self {
                    at,
                    last,
                    left,
                    first: true,
                    miniblocks,
                    per_miniblock: block / miniblocks,
                    least: 0,
                    widths: at,
                    begun: miniblocks,
                    within: 0,
                    bit: 0,
                })
            }
            _ => Err(ParquetError::Damaged("differences in unfit blocks")),
        }
    }

    /// How many numbers are still to come.
    pub(super) const fn left(&self) -> u64 {
        self.left
    }

    /// The byte after the last number. It steps over whole miniblocks, of which each has a byte for its width: it takes no
    /// longer than there are bytes, however many numbers they are.
    pub(super) fn end(&self, bytes: &[u8]) -> Result<usize, ParquetError> {
        let mut ahead = self.clone();
        // The first number stands before the blocks.
        let mut left = ahead.left.saturating_sub(1);
        while left > 0 {
            ahead.begin(bytes)?;
            left = left.saturating_sub(ahead.per_miniblock as u64);
        }
        Ok(ahead.at)
    }

    pub(super) fn next(&mut self, bytes: &[u8]) -> Result<i64, ParquetError> {
        self.left = self.left.checked_sub(1).ok_or(ParquetError::Short)?;
        if std::mem::take(&mut self.first) {
            return Ok(self.last);
        }
        if self.within == 0 {
            self.begin(bytes)?;
        }
        let width = u32::from(bytes[self.widths + self.begun - 1]);
        let difference = bits(bytes, self.bit, width).cast_signed();
        self.bit += width as usize;
        self.within -= 1;
        self.last = self.last.wrapping_add(self.least).wrapping_add(difference);
        Ok(self.last)
    }

    /// The next miniblock, of the next block if need be.
    fn begin(&mut self, bytes: &[u8]) -> Result<(), ParquetError> {
        if self.begun == self.miniblocks {
            self.least = zigzag(varint(bytes, &mut self.at)?);
            self.widths = self.at;
            self.at += self.miniblocks;
            if self.at > bytes.len() {
                return Err(ParquetError::Short);
            }
            self.begun = 0;
        }
        let width = usize::from(bytes[self.widths + self.begun]);
        if width > 64 {
            return Err(ParquetError::Damaged("differences of more than 64 bits"));
        }
        self.bit = self.at * 8;
        self.at += width * self.per_miniblock / 8;
        if self.at > bytes.len() {
            return Err(ParquetError::Short);
        }
        self.begun += 1;
        self.within = self.per_miniblock;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification: 0 to 7 in three bits are 88 C6 FA.
    #[test]
    fn packed_bits_are_those_of_the_specification() {
        let bytes = [0b0000_0011, 0x88, 0xc6, 0xfa];
        let mut hybrid = Hybrid::new(0, bytes.len(), 3).unwrap();
        let read: Vec<u64> = (0..8).map(|_| hybrid.next(&bytes).unwrap()).collect();
        assert_eq!(read, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert!(hybrid.next(&bytes).is_err());
        let run = [0b0000_1000, 5];
        let mut hybrid = Hybrid::new(0, 2, 3).unwrap();
        assert_eq!([(); 4].map(|()| hybrid.next(&run).unwrap()), [5; 4]);
    }

    /// The first example of the specification: 1 to 5; a block of 128 in four miniblocks.
    #[test]
    fn differences_are_those_of_the_specification() {
        let bytes = [&[0x80, 0x01, 4, 5, 2, 2, 0, 0, 0, 0][..]].concat();
        let mut delta = Delta::new(&bytes, 0).unwrap();
        let read: Vec<i64> = (0..5).map(|_| delta.next(&bytes).unwrap()).collect();
        assert_eq!(read, [1, 2, 3, 4, 5]);
        assert!(delta.next(&bytes).is_err());
        // Widths of zero: the miniblocks take no bytes, and only the widths of the block are stepped over.
        assert_eq!(Delta::new(&bytes, 0).unwrap().end(&bytes).unwrap(), 6 + 4);
    }
}
