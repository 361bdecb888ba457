//! Apache Thrift's compact protocol, as much of it as Parquet's metadata need.
//!
//! Source: Apache Thrift, "Thrift Compact protocol encoding".

use super::ParquetError;

/// How deep structures may lie in each other; Parquet's lie four deep.
const DEPTH_MAX: usize = 16;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind(u8);

impl Kind {
    const TRUE: Self = Self(1);
    const FALSE: Self = Self(2);
}

/// Reads values from bytes; whatever they are, it ends.
pub(super) struct Thrift<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Thrift<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were read.
    pub(super) const fn position(&self) -> usize {
        self.at
    }

    fn byte(&mut self) -> Result<u8, ParquetError> {
        let byte = self.bytes.get(self.at).copied().ok_or(ParquetError::Short)?;
        self.at += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64, ParquetError> {
        varint(self.bytes, &mut self.at)
    }

    fn zigzag(&mut self) -> Result<i64, ParquetError> {
        Ok(zigzag(self.varint()?))
    }

    /// Gives each field of a structure to `take`, by number; `take` says whether it read it. Others are skipped.
    pub(super) fn structure(
        &mut self,
        mut take: impl FnMut(&mut Self, i64, Kind) -> Result<bool, ParquetError>,
    ) -> Result<(), ParquetError> {
        let mut id = 0_i64;
        loop {
            let header = self.byte()?;
            if header == 0 {
                return Ok(());
            }
            id = match header >> 4 {
                0 => self.zigzag()?,
                delta => id.saturating_add(i64::from(delta)),
            };
            let kind = Kind(header & 15);
            if !take(self, id, kind)? {
                self.skip(kind, 0)?;
            }
        }
    }

    /// Reads a list; `item` reads one of it. At least a byte is read for each, so that the list is no longer than the bytes.
    pub(super) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, ParquetError>,
    ) -> Result<Vec<T>, ParquetError> {
        let (count, _) = self.list_header()?;
        let mut items = Vec::new();
        for _ in 0..count {
            let before = self.at;
            items.push(item(self)?);
            if self.at == before {
                return Err(ParquetError::Damaged("a list without items"));
            }
        }
        Ok(items)
    }

    fn list_header(&mut self) -> Result<(u64, Kind), ParquetError> {
        let header = self.byte()?;
        let count = if header >> 4 == 15 { self.varint()? } else { u64::from(header >> 4) };
        if count > self.bytes.len() as u64 {
            return Err(ParquetError::Damaged("a list longer than the file"));
        }
        Ok((count, Kind(header & 15)))
    }

    /// A whole number of any size.
    pub(super) fn integer(&mut self) -> Result<i64, ParquetError> {
        self.zigzag()
    }

    /// A truth value, which a field's kind is.
    pub(super) fn boolean(kind: Kind) -> bool {
        kind == Kind::TRUE
    }

    /// Bytes with their length before them.
    pub(super) fn binary(&mut self) -> Result<&'a [u8], ParquetError> {
        let length = usize::try_from(self.varint()?).map_err(|_too_long| ParquetError::Short)?;
        let bytes = self.bytes.get(self.at..).and_then(|rest| rest.get(..length));
        self.at = self.at.saturating_add(length);
        bytes.ok_or(ParquetError::Short)
    }

    fn skip(&mut self, kind: Kind, depth: usize) -> Result<(), ParquetError> {
        if depth > DEPTH_MAX {
            return Err(ParquetError::Damaged("structures too deep in each other"));
        }
        match kind {
            Kind::TRUE | Kind::FALSE => Ok(()),
            Kind(3) => self.byte().map(drop),
            Kind(4..=6) => self.varint().map(drop),
            Kind(7) => (0..8).try_for_each(|_| self.byte().map(drop)),
            Kind(8) => self.binary().map(drop),
            Kind(9 | 10) => {
                let (count, kind) = self.list_header()?;
                // In a list a truth value is a byte of its own.
                let kind = if kind == Kind::TRUE || kind == Kind::FALSE { Kind(3) } else { kind };
                (0..count).try_for_each(|_| self.skip(kind, depth + 1))
            }
            Kind(12) => loop {
                let header = self.byte()?;
                if header == 0 {
                    return Ok(());
                }
                if header >> 4 == 0 {
                    self.varint()?;
                }
                self.skip(Kind(header & 15), depth + 1)?;
            },
            // A map: Parquet has none.
            _ => Err(ParquetError::Damaged("a field of no known kind")),
        }
    }
}

/// An unsigned number, seven bits a byte, the lowest first.
pub(super) fn varint(bytes: &[u8], at: &mut usize) -> Result<u64, ParquetError> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes.get(*at).copied().ok_or(ParquetError::Short)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(ParquetError::Damaged("a number of more than 64 bits"))
}

/// 0, −1, 1, −2, 2 … for 0, 1, 2, 3, 4 …
pub(super) const fn zigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}
