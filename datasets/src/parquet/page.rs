//! A data page: which values are missing, and the others in one of the encodings.
//!
//! Source: Apache Parquet, "Encodings".

use super::{
    ParquetError,
    footer::{Column, Physical},
    levels::{Delta, Hybrid},
};

/// Values of a dictionary, PLAIN.
#[derive(Default)]
pub(super) struct Dictionary {
    bytes: Vec<u8>,
    /// Where each begins and ends.
    entries: Vec<(usize, usize)>,
}

impl Dictionary {
    /// The most that a dictionary of `count` values in `bytes` bytes takes.
    pub(super) const fn size(bytes: usize, count: usize) -> usize {
        bytes.saturating_add(count.saturating_mul(size_of::<(usize, usize)>()))
    }

    pub(super) fn new(column: &Column, bytes: Vec<u8>, count: usize) -> Result<Self, ParquetError> {
        // To the value: a list that grows takes twice as much, which nobody counted.
        let (mut entries, mut at) = (Vec::with_capacity(count), 0);
        for _ in 0..count {
            let entry = plain(column.physical, &bytes, &mut at)?;
            entries.push(entry);
        }
        Ok(Self { bytes, entries })
    }

    pub(super) const fn len(&self) -> usize {
        Self::size(self.bytes.len(), self.entries.len())
    }
}

/// Where the next PLAIN value of `bytes` is; truth values are bits and not read so.
fn plain(physical: Physical, bytes: &[u8], at: &mut usize) -> Result<(usize, usize), ParquetError> {
    let width = match physical {
        Physical::Boolean => return Err(ParquetError::Damaged("truth values in a dictionary")),
        Physical::Bytes => {
            let prefix = bytes.get(*at..).and_then(|rest| rest.first_chunk());
            *at += 4;
            u32::from_le_bytes(*prefix.ok_or(ParquetError::Short)?) as usize
        }
        other => fixed_width(other),
    };
    let start = *at;
    *at = start.checked_add(width).filter(|end| *end <= bytes.len()).ok_or(ParquetError::Short)?;
    Ok((start, *at))
}

/// The least bytes of a value in a dictionary.
pub(super) const fn least_width(physical: Physical) -> usize {
    if let Physical::Bytes = physical { 4 } else { fixed_width(physical) }
}

const fn fixed_width(physical: Physical) -> usize {
    match physical {
        Physical::Boolean | Physical::Bytes => 1,
        Physical::Int32 | Physical::Float => 4,
        Physical::Int64 | Physical::Double => 8,
        Physical::Int96 => 12,
        Physical::Fixed(width) => width,
    }
}

/// How values follow each other.
enum Values {
    Plain {
        at: usize,
    },
    Bits {
        bit: usize,
    },
    Runs(Hybrid),
    Indices(Hybrid),
    Numbers(Delta),
    /// Lengths are read one by one: gathered, they would take eight bytes each, and a thousand of them one byte here.
    Lengths {
        lengths: Delta,
        at: usize,
    },
    Prefixes {
        prefixes: Delta,
        suffixes: Delta,
        at: usize,
    },
    Split {
        next: usize,
        count: usize,
        start: usize,
    },
}

/// A data page that is being read.
pub(super) struct Page {
    bytes: Vec<u8>,
    levels: Option<Hybrid>,
    values: Values,
    left: u64,
    /// The value that was read last; in `bytes` or the dictionary if it is a place in them.
    current: Current,
    scratch: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Current {
    Missing,
    Bytes(usize, usize),
    Entry(usize, usize),
    Scratch,
}

/// What a page's header says of its values.
pub(super) struct Layout {
    /// Values, the missing ones included.
    pub(super) values: u64,
    pub(super) encoding: i64,
    /// Where the levels begin and end, if there are any, and where the values begin.
    pub(super) levels: Option<(usize, usize)>,
    pub(super) start: usize,
}

impl Page {
    pub(super) fn new(
        column: &Column,
        bytes: Vec<u8>,
        layout: &Layout,
    ) -> Result<Self, ParquetError> {
        let Layout { values: left, start, .. } = *layout;
        let levels =
            layout.levels.map(|(at, end)| Hybrid::new(at, end.min(bytes.len()), 1)).transpose()?;
        if start > bytes.len() {
            return Err(ParquetError::Short);
        }
        let values = values(column.physical, layout, &bytes)?;
        let current = Current::Missing;
        Ok(Self { bytes, levels, values, left, current, scratch: Vec::new() })
    }

    pub(super) const fn is_done(&self) -> bool {
        self.left == 0
    }

    pub(super) const fn len(&self) -> usize {
        self.bytes.len() + self.scratch.capacity()
    }

    /// Goes on to the next value.
    pub(super) fn advance(
        &mut self,
        physical: Physical,
        dictionary: &Dictionary,
    ) -> Result<(), ParquetError> {
        self.left -= 1;
        if let Some(levels) = &mut self.levels
            && levels.next(&self.bytes)? == 0
        {
            self.current = Current::Missing;
            return Ok(());
        }
        let (bytes, scratch) = (&self.bytes, &mut self.scratch);
        self.current = match &mut self.values {
            Values::Plain { at } => {
                let (start, end) = plain(physical, bytes, at)?;
                Current::Bytes(start, end)
            }
            Values::Bits { bit } => {
                let byte = bytes.get(*bit / 8).ok_or(ParquetError::Short)?;
                let value = byte >> (*bit % 8) & 1;
                *bit += 1;
                set(scratch, &[value])
            }
            Values::Runs(runs) => set(scratch, &[u8::from(runs.next(bytes)? != 0)]),
            Values::Indices(indices) => {
                let index = usize::try_from(indices.next(bytes)?).unwrap_or(usize::MAX);
                let entry = dictionary.entries.get(index).copied();
                let (start, end) =
                    entry.ok_or(ParquetError::Damaged("an index past the dictionary"))?;
                Current::Entry(start, end)
            }
            Values::Numbers(delta) => {
                let number = delta.next(bytes)?;
                // Four bytes of an i32 are the low ones.
                set(scratch, &number.to_le_bytes()[..fixed_width(physical).min(8)])
            }
            Values::Lengths { lengths, at } => {
                let (start, end) = stretch(bytes, at, length(lengths.next(bytes)?)?)?;
                Current::Bytes(start, end)
            }
            Values::Prefixes { prefixes, suffixes, at } => {
                let prefix = length(prefixes.next(bytes)?)?;
                let (start, end) = stretch(bytes, at, length(suffixes.next(bytes)?)?)?;
                if prefix > scratch.len() {
                    return Err(ParquetError::Damaged("a prefix longer than the value before"));
                }
                scratch.truncate(prefix);
                scratch.extend_from_slice(&bytes[start..end]);
                Current::Scratch
            }
            Values::Split { next, count, start } => {
                if *next >= *count {
                    return Err(ParquetError::Short);
                }
                scratch.clear();
                let places =
                    (0..fixed_width(physical)).map(|plane| *start + plane * *count + *next);
                scratch.extend(places.map(|at| bytes[at]));
                *next += 1;
                Current::Scratch
            }
        };
        Ok(())
    }

    /// The bytes of the current value; none if it is missing.
    pub(super) fn current<'a>(&'a self, dictionary: &'a Dictionary) -> Option<&'a [u8]> {
        match self.current {
            Current::Missing => None,
            Current::Bytes(start, end) => Some(&self.bytes[start..end]),
            Current::Entry(start, end) => Some(&dictionary.bytes[start..end]),
            Current::Scratch => Some(&self.scratch),
        }
    }
}

fn set(scratch: &mut Vec<u8>, bytes: &[u8]) -> Current {
    scratch.clear();
    scratch.extend_from_slice(bytes);
    Current::Scratch
}

fn stretch(bytes: &[u8], at: &mut usize, length: usize) -> Result<(usize, usize), ParquetError> {
    let start = *at;
    let end = start.checked_add(length).filter(|end| *end <= bytes.len());
    *at = end.ok_or(ParquetError::Short)?;
    Ok((start, *at))
}

fn values(physical: Physical, layout: &Layout, bytes: &[u8]) -> Result<Values, ParquetError> {
    let Layout { values: count, encoding, start, .. } = *layout;
    let rest = bytes.len() - start;
    match (encoding, physical) {
        (0, Physical::Boolean) => Ok(Values::Bits { bit: start * 8 }),
        (0, _) => Ok(Values::Plain { at: start }),
        (2 | 8, _) => {
            // No bytes at all where every value is missing.
            let width = bytes.get(start).copied().map_or(0, u32::from);
            let at = (start + 1).min(bytes.len());
            Ok(Values::Indices(Hybrid::new(at, bytes.len(), width)?))
        }
        (3, Physical::Boolean) => {
            let length =
                bytes[start..].first_chunk().map_or(0, |l| u32::from_le_bytes(*l) as usize);
            let at = (start + 4).min(bytes.len());
            Ok(Values::Runs(Hybrid::new(at, at.saturating_add(length).min(bytes.len()), 1)?))
        }
        (5, Physical::Int32 | Physical::Int64) => Ok(Values::Numbers(Delta::new(bytes, start)?)),
        (6, Physical::Bytes) => {
            let (lengths, at) = lengths(bytes, start, count)?;
            Ok(Values::Lengths { lengths, at })
        }
        (7, Physical::Bytes | Physical::Fixed(_)) => {
            let (prefixes, at) = lengths(bytes, start, count)?;
            let (suffixes, at) = lengths(bytes, at, count)?;
            Ok(Values::Prefixes { prefixes, suffixes, at })
        }
        (
            9,
            Physical::Int32
            | Physical::Int64
            | Physical::Float
            | Physical::Double
            | Physical::Fixed(_),
        ) => Ok(Values::Split { next: 0, count: rest / fixed_width(physical), start }),
        (encoding, _) => Err(ParquetError::Unsupported(format!(
            "values in the encoding {encoding}, which is not read here"
        ))),
    }
}

/// Lengths as differences, of at most `count` values, and where the bytes after them begin.
fn lengths(bytes: &[u8], start: usize, count: u64) -> Result<(Delta, usize), ParquetError> {
    let delta = Delta::new(bytes, start)?;
    if delta.left() > count {
        return Err(ParquetError::Damaged("more lengths than values"));
    }
    let end = delta.end(bytes)?;
    Ok((delta, end))
}

fn length(number: i64) -> Result<usize, ParquetError> {
    usize::try_from(number).map_err(|_negative| ParquetError::Damaged("a negative length"))
}
