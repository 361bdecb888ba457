//! One column of a group of rows, page after page.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
};

use crate::Cell;

use super::{
    ParquetError, TOO_MUCH_OPEN,
    footer::{Chunk, Column},
    page::{Dictionary, Layout, Page, least_width},
    thrift::Thrift,
    unpack::{PAGE_BYTES_MAX, unpack},
    value,
};

/// Enough for the header of a page and its statistics; a longer one is read with more.
const HEADER_BYTES: u64 = 8 << 10;
/// The longest header: statistics hold a least and a greatest value, which may be long texts.
const HEADER_BYTES_MAX: u64 = 16 << 20;

/// A column that is read value by value.
pub(super) struct ColumnReader<'a> {
    column: &'a Column,
    codec: i64,
    at: u64,
    end: u64,
    dictionary: Dictionary,
    page: Option<Page>,
}

/// The header of a page.
#[derive(Default)]
struct Header {
    kind: i64,
    unpacked: i64,
    packed: i64,
    values: i64,
    encoding: i64,
    /// Of version 2: bytes of the levels, which are never packed, and whether the values are.
    level_bytes: i64,
    repetition_bytes: i64,
    values_packed: bool,
}

impl<'a> ColumnReader<'a> {
    pub(super) fn new(column: &'a Column, chunk: Chunk) -> Self {
        let Chunk { codec, start: at, bytes } = chunk;
        let end = at.saturating_add(bytes);
        Self { column, codec, at, end, dictionary: Dictionary::default(), page: None }
    }

    /// Goes on to the next value.
    ///
    /// * `room` — the most bytes that this column may have open; a page of more is refused before it is unpacked.
    pub(super) fn advance(&mut self, file: &File, room: usize) -> Result<(), ParquetError> {
        loop {
            if let Some(page) = self.page.as_mut().filter(|page| !page.is_done()) {
                return page.advance(self.column.physical, &self.dictionary);
            }
            self.page = None;
            self.next_page(file, room)?;
        }
    }

    /// The current value.
    pub(super) fn cell(&self) -> Result<Cell<'_>, ParquetError> {
        let page = self.page.as_ref().ok_or(ParquetError::Short)?;
        match page.current(&self.dictionary) {
            Some(bytes) => value::cell(self.column, bytes),
            None => Ok(Cell::Missing),
        }
    }

    /// Bytes in memory.
    pub(super) fn open_bytes(&self) -> usize {
        self.dictionary.len() + self.page.as_ref().map_or(0, Page::len)
    }

    fn next_page(&mut self, file: &File, room: usize) -> Result<(), ParquetError> {
        let header = self.header(file)?;
        let size = |bytes: i64| usize::try_from(bytes).ok().filter(|size| *size <= PAGE_BYTES_MAX);
        let damaged = ParquetError::Damaged("a page of an unfit length");
        let (Some(packed), Some(unpacked)) = (size(header.packed), size(header.unpacked)) else {
            return Err(damaged);
        };
        let takes = match header.kind {
            1 => 0,
            2 => Dictionary::size(unpacked, self.entries(&header, unpacked)?),
            // Version 2 may leave the values as they lie in the file.
            _ => unpacked.max(packed).saturating_add(self.dictionary.len()),
        };
        if takes > room {
            return Err(ParquetError::Unsupported(TOO_MUCH_OPEN.to_owned()));
        }
        let bytes = self.read(file, packed as u64)?;
        if bytes.len() != packed {
            return Err(ParquetError::Short);
        }
        self.at += packed as u64;
        match header.kind {
            0 => self.page = Some(self.page_v1(&header, unpack(self.codec, &bytes, unpacked)?)?),
            1 => {}
            2 => {
                // The one before it is let go first: `room` is for one.
                self.dictionary = Dictionary::default();
                let bytes = unpack(self.codec, &bytes, unpacked)?;
                let count = self.entries(&header, unpacked)?;
                self.dictionary = Dictionary::new(self.column, bytes, count)?;
            }
            3 => self.page = Some(self.page_v2(&header, &bytes, unpacked)?),
            _ => return Err(ParquetError::Damaged("a page of no known kind")),
        }
        Ok(())
    }

    /// How many values a dictionary page of `unpacked` bytes has.
    fn entries(&self, header: &Header, unpacked: usize) -> Result<usize, ParquetError> {
        let most = unpacked / least_width(self.column.physical);
        let count = usize::try_from(header.values).ok().filter(|count| *count <= most);
        count.ok_or(ParquetError::Damaged("a dictionary of more values than bytes"))
    }

    /// Levels with their length before them, then the values.
    fn page_v1(&self, header: &Header, bytes: Vec<u8>) -> Result<Page, ParquetError> {
        let (mut levels, mut start) = (None, 0);
        if self.column.optional {
            let length = bytes.first_chunk().map(|l| u32::from_le_bytes(*l) as usize);
            start = length
                .and_then(|l| l.checked_add(4))
                .filter(|end| *end <= bytes.len())
                .ok_or(ParquetError::Short)?;
            levels = Some((4, start));
        }
        self.page(header, bytes, levels, start)
    }

    /// Levels as they are, then the values, packed or not.
    fn page_v2(
        &self,
        header: &Header,
        bytes: &[u8],
        unpacked: usize,
    ) -> Result<Page, ParquetError> {
        let size = |bytes: i64| {
            usize::try_from(bytes).map_err(|_negative| ParquetError::Damaged("a negative length"))
        };
        let (skipped, length) = (size(header.repetition_bytes)?, size(header.level_bytes)?);
        let start = skipped.checked_add(length).filter(|start| *start <= bytes.len().min(unpacked));
        let start = start.ok_or(ParquetError::Short)?;
        let mut page = bytes[..start].to_vec();
        if header.values_packed && unpacked > start {
            page.extend(unpack(self.codec, &bytes[start..], unpacked - start)?);
        } else {
            page.extend_from_slice(&bytes[start..]);
        }
        let levels = self.column.optional.then_some((skipped, start));
        self.page(header, page, levels, start)
    }

    fn page(
        &self,
        header: &Header,
        bytes: Vec<u8>,
        levels: Option<(usize, usize)>,
        start: usize,
    ) -> Result<Page, ParquetError> {
        // 32 bits in the specification.
        let values = u32::try_from(header.values)
            .map_err(|_unfit| ParquetError::Damaged("an unfit number of values"))?
            .into();
        Page::new(self.column, bytes, &Layout { values, encoding: header.encoding, levels, start })
    }

    /// Reads the header of the next page, and goes past it.
    fn header(&mut self, file: &File) -> Result<Header, ParquetError> {
        if self.at >= self.end {
            return Err(ParquetError::Damaged("a column has fewer values than rows"));
        }
        let mut length = HEADER_BYTES;
        loop {
            let bytes = self.read(file, length)?;
            let mut thrift = Thrift::new(&bytes);
            match header(&mut thrift) {
                Ok(header) => {
                    self.at += thrift.position() as u64;
                    return Ok(header);
                }
                Err(ParquetError::Short)
                    if bytes.len() as u64 == length && length < HEADER_BYTES_MAX =>
                {
                    length *= 16;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// At most `length` bytes of this column.
    fn read(&self, mut file: &File, length: u64) -> Result<Vec<u8>, ParquetError> {
        file.seek(SeekFrom::Start(self.at))?;
        let mut bytes = Vec::new();
        file.take(length.min(self.end.saturating_sub(self.at))).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

fn header(thrift: &mut Thrift<'_>) -> Result<Header, ParquetError> {
    let mut header = Header { values_packed: true, ..Header::default() };
    thrift.structure(|thrift, id, _| {
        match id {
            1 => header.kind = thrift.integer()?,
            2 => header.unpacked = thrift.integer()?,
            3 => header.packed = thrift.integer()?,
            // Of a data page and of a dictionary: values, then encoding.
            5 | 7 => thrift.structure(|thrift, id, _| {
                match id {
                    1 => header.values = thrift.integer()?,
                    2 => header.encoding = thrift.integer()?,
                    _ => return Ok(false),
                }
                Ok(true)
            })?,
            8 => header_v2(thrift, &mut header)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(header)
}

fn header_v2(thrift: &mut Thrift<'_>, header: &mut Header) -> Result<(), ParquetError> {
    thrift.structure(|thrift, id, kind| {
        match id {
            1 => header.values = thrift.integer()?,
            4 => header.encoding = thrift.integer()?,
            5 => header.level_bytes = thrift.integer()?,
            6 => header.repetition_bytes = thrift.integer()?,
            7 => {
                header.values_packed = Thrift::boolean(kind);
                return Ok(false);
            }
            _ => return Ok(false),
        }
        Ok(true)
    })
}
