//! What a Parquet file consists of, by the metadata at its end.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
};

use crate::FEATURES_MAX;

use super::{ParquetError, thrift::Thrift};

/// The longest footer that is read: some hundred bytes for each column of each group of rows.
const FOOTER_BYTES_MAX: u32 = 256 << 20;

/// At both ends of every file.
const MAGIC: [u8; 4] = *b"PAR1";

/// How values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Physical {
    Boolean,
    Int32,
    Int64,
    Int96,
    Float,
    Double,
    Bytes,
    /// Of so many bytes.
    Fixed(usize),
}

/// What values mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Plain,
    Unsigned,
    /// A whole number of 10^-scale.
    Decimal(i32),
    /// Days since 1970.
    Date,
    /// Units since 1970, of which a second has so many.
    Timestamp(i64),
    /// IEEE 754 with 16 bits.
    Half,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) physical: Physical,
    pub(super) meaning: Meaning,
    /// Whether values may be missing.
    pub(super) optional: bool,
}

/// The values of one column in one group of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) codec: i64,
    pub(super) start: u64,
    pub(super) bytes: u64,
}

/// Rows that are stored together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) rows: u64,
    /// One for each column.
    pub(super) chunks: Vec<Chunk>,
}

/// The metadata of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(super) columns: Vec<Column>,
    pub(super) groups: Vec<Group>,
}

/// An element of the schema, before it is known to be a plain column.
#[derive(Default)]
struct Element {
    name: String,
    physical: Option<i64>,
    length: i64,
    repetition: i64,
    children: i64,
    converted: Option<i64>,
    scale: i64,
    logical: Option<Meaning>,
}

impl Footer {
    pub(crate) fn read(mut file: &File) -> Result<Self, ParquetError> {
        let length = file.seek(SeekFrom::End(0))?;
        let tail_at = length.checked_sub(8).filter(|at| *at >= 4).ok_or(ParquetError::Short)?;
        file.seek(SeekFrom::Start(tail_at))?;
        let mut tail = [0; 8];
        file.read_exact(&mut tail)?;
        let [size, magic] =
            [tail[..4].try_into(), tail[4..].try_into()].map(|part| part.unwrap_or([0; 4]));
        if magic == *b"PARE" {
            return Err(ParquetError::Unsupported("it is encrypted".to_owned()));
        }
        if magic != MAGIC {
            return Err(ParquetError::Short);
        }
        let size = u32::from_le_bytes(size);
        let start = tail_at.checked_sub(u64::from(size)).filter(|_| size <= FOOTER_BYTES_MAX);
        let start = start.ok_or(ParquetError::Damaged("a footer longer than the file"))?;
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(u64::from(size)).read_to_end(&mut bytes)?;
        let footer = Self::parse(&bytes)?;
        // Columns never share bytes. If they did, a few bytes of the footer could have one packed page unpacked a million times.
        let chunks = footer.groups.iter().flat_map(|group| &group.chunks);
        if chunks.fold(0, |sum: u64, chunk| sum.saturating_add(chunk.bytes)) > length {
            return Err(ParquetError::Damaged("its columns are longer than the file"));
        }
        Ok(footer)
    }

    fn parse(bytes: &[u8]) -> Result<Self, ParquetError> {
        let (mut schema, mut groups) = (Vec::new(), Vec::new());
        Thrift::new(bytes).structure(|thrift, id, _| {
            match id {
                2 => schema = thrift.list(element)?,
                4 => groups = thrift.list(group)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let columns = columns(schema)?;
        if groups.iter().any(|group: &Group| group.chunks.len() != columns.len()) {
            return Err(ParquetError::Damaged("a group of rows lacks a column"));
        }
        Ok(Self { columns, groups })
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }
}

fn columns(schema: Vec<Element>) -> Result<Vec<Column>, ParquetError> {
    let mut elements = schema.into_iter();
    let root = elements.next().ok_or(ParquetError::Damaged("no schema"))?;
    let columns = elements.map(column).collect::<Result<Vec<_>, _>>()?;
    if columns.is_empty() || usize::try_from(root.children) != Ok(columns.len()) {
        return Err(ParquetError::Damaged("the schema is not that of a table"));
    }
    if columns.len() > FEATURES_MAX + 1 {
        return Err(ParquetError::Unsupported(format!(
            "it has {} columns, at most {FEATURES_MAX} are read",
            columns.len()
        )));
    }
    Ok(columns)
}

fn column(element: Element) -> Result<Column, ParquetError> {
    let Element { name, physical, length, repetition, children, converted, scale, logical } =
        element;
    if children != 0 || repetition == 2 {
        return Err(ParquetError::Unsupported(format!(
            "the column {name:?} holds lists or groups; write each of their values into a column of its own"
        )));
    }
    let physical = match physical {
        Some(0) => Physical::Boolean,
        Some(1) => Physical::Int32,
        Some(2) => Physical::Int64,
        Some(3) => Physical::Int96,
        Some(4) => Physical::Float,
        Some(5) => Physical::Double,
        Some(6) => Physical::Bytes,
        Some(7) => match usize::try_from(length) {
            Ok(length @ 1..=4_096) => Physical::Fixed(length),
            _ => return Err(ParquetError::Damaged("values of an unfit length")),
        },
        _ => return Err(ParquetError::Damaged("a column of no known type")),
    };
    let scale = i32::try_from(scale).unwrap_or_default().clamp(0, 40);
    let meaning = match (logical, converted) {
        // The scale stands beside the old form, too.
        (Some(meaning), _) => meaning,
        (None, Some(5)) => Meaning::Decimal(scale),
        (None, Some(6)) => Meaning::Date,
        (None, Some(9)) => Meaning::Timestamp(1_000),
        (None, Some(10)) => Meaning::Timestamp(1_000_000),
        (None, Some(11..=14)) => Meaning::Unsigned,
        _ => Meaning::Plain,
    };
    Ok(Column { name, physical, meaning, optional: repetition == 1 })
}

fn text(bytes: &[u8]) -> Result<String, ParquetError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_not_utf8| ParquetError::Damaged("a name that is not UTF-8"));
    text.map(str::to_owned)
}

fn element(thrift: &mut Thrift<'_>) -> Result<Element, ParquetError> {
    let mut element = Element::default();
    thrift.structure(|thrift, id, _| {
        match id {
            1 => element.physical = Some(thrift.integer()?),
            2 => element.length = thrift.integer()?,
            3 => element.repetition = thrift.integer()?,
            4 => element.name = text(thrift.binary()?)?,
            5 => element.children = thrift.integer()?,
            6 => element.converted = Some(thrift.integer()?),
            7 => element.scale = thrift.integer()?,
            10 => element.logical = logical(thrift)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(element)
}

fn logical(thrift: &mut Thrift<'_>) -> Result<Option<Meaning>, ParquetError> {
    let mut meaning = None;
    thrift.structure(|thrift, id, _| {
        match id {
            5 => meaning = Some(Meaning::Decimal(decimal_scale(thrift)?)),
            6 => meaning = Some(Meaning::Date),
            8 => meaning = Some(Meaning::Timestamp(ticks_per_second(thrift)?)),
            10 => meaning = if signed(thrift)? { None } else { Some(Meaning::Unsigned) },
            15 => meaning = Some(Meaning::Half),
            _ => return Ok(false),
        }
        Ok(!matches!(id, 6 | 15))
    })?;
    Ok(meaning)
}

fn decimal_scale(thrift: &mut Thrift<'_>) -> Result<i32, ParquetError> {
    let mut scale = 0;
    thrift.structure(|thrift, id, _| {
        if id == 1 {
            scale = i32::try_from(thrift.integer()?).unwrap_or_default().clamp(0, 40);
        }
        Ok(id == 1)
    })?;
    Ok(scale)
}

fn ticks_per_second(thrift: &mut Thrift<'_>) -> Result<i64, ParquetError> {
    let mut ticks = 1_000;
    thrift.structure(|thrift, id, _| {
        if id != 2 {
            return Ok(false);
        }
        thrift.structure(|_, unit, _| {
            ticks = match unit {
                1 => 1_000,
                2 => 1_000_000,
                _ => 1_000_000_000,
            };
            Ok(false)
        })?;
        Ok(true)
    })?;
    Ok(ticks)
}

fn signed(thrift: &mut Thrift<'_>) -> Result<bool, ParquetError> {
    let mut signed = true;
    thrift.structure(|_, id, kind| {
        if id == 2 {
            signed = Thrift::boolean(kind);
        }
        Ok(false)
    })?;
    Ok(signed)
}

fn group(thrift: &mut Thrift<'_>) -> Result<Group, ParquetError> {
    let mut group = Group { rows: 0, chunks: Vec::new() };
    thrift.structure(|thrift, id, _| {
        match id {
            1 => group.chunks = thrift.list(chunk)?,
            3 => group.rows = count(thrift.integer()?)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    Ok(group)
}

fn count(value: i64) -> Result<u64, ParquetError> {
    u64::try_from(value)
        .map_err(|_negative| ParquetError::Damaged("a negative number of rows or bytes"))
}

fn chunk(thrift: &mut Thrift<'_>) -> Result<Chunk, ParquetError> {
    let (mut codec, mut bytes, mut data, mut dictionary) = (0, 0, 0, None);
    thrift.structure(|thrift, id, _| {
        match id {
            1 => return Err(ParquetError::Unsupported("a column lies in another file".to_owned())),
            3 => thrift.structure(|thrift, id, _| {
                match id {
                    4 => codec = thrift.integer()?,
                    7 => bytes = count(thrift.integer()?)?,
                    9 => data = count(thrift.integer()?)?,
                    11 => dictionary = Some(count(thrift.integer()?)?),
                    _ => return Ok(false),
                }
                Ok(true)
            })?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let start = dictionary.filter(|at| *at > 0 && *at < data).unwrap_or(data);
    Ok(Chunk { codec, start, bytes })
}
