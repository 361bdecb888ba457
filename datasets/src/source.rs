//! A contributor's data: recognised by what they hold, looked at, and made a table of a federation's schema.
//!
//! ```text
//! open ─▶ DataSource ─profile─▶ Profile ─check_fit─▶ findings in plain words
//!             └─────────table(schema, mapping)─────▶ Table
//! ```
//!
//! Nothing is ever written, nothing is copied: each call reads the files anew, in one pass. A file that changes while it is
//! read is refused.

use std::{
    fs::{self, File},
    io::{BufReader, Read},
    path::{Path, PathBuf},
};

use crate::{
    parquet::{self, Footer},
    plain::plain,
    watched_file::State,
};

mod cell;
mod csv_rows;
mod dialect;
mod encoding;
mod fault;
mod idx_pair;
mod image_folder;
mod json_rows;
mod picture;
mod place;
mod png_chunks;
mod source_error;

pub use cell::Cell;
pub use dialect::CsvDialect;
pub use encoding::TextEncoding;
pub use fault::{Fault, OtherFormat};
pub use image_folder::{PICTURE_BYTES_MAX, PICTURES_MAX};
pub use picture::PICTURE_PIXELS_MAX;
pub use place::Place;
pub use source_error::{Refusal, SourceError};

pub(crate) use idx_pair::IdxPair;
pub(crate) use image_folder::ImageFolder;

use encoding::Utf8;
use idx_pair::IdxHead;
use picture::PictureFormat;

/// How much of a file is looked at to recognise it.
const HEAD_BYTES: u64 = 256 << 10;

/// Enough that reading is not by single pages.
const BUFFER_BYTES: usize = 1 << 18;

/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What a record of pictures has.
const PICTURE_COLUMNS: [&str; 4] = ["picture", "size", "colours", "class"];

/// What a contributor's data are.
#[derive(Debug, Clone)]
pub struct DataSource {
    path: PathBuf,
    columns: Vec<String>,
    pub(crate) kind: SourceKind,
}

#[derive(Debug, Clone)]
pub(crate) enum SourceKind {
    Csv(TextEncoding, CsvDialect),
    JsonLines(TextEncoding),
    Parquet(Box<Footer>),
    Idx(IdxPair),
    Pictures(ImageFolder),
}

/// Who looks at records, one after the other.
pub(crate) trait Visit {
    /// A record: a cell for each column.
    fn record(&mut self, place: &Place, cells: &[Cell<'_>]) -> Result<(), SourceError>;

    /// A picture as a record, and the digest of its bytes.
    fn picture(
        &mut self,
        place: &Place,
        cells: &[Cell<'_>],
        digest: &[u8; 32],
    ) -> Result<(), SourceError>;

    /// A record with more or fewer cells than there are columns.
    fn ragged(&mut self, place: Place, expected: usize, got: usize) -> Result<(), SourceError>;

    /// A picture that cannot be read.
    fn unreadable(&mut self, place: Place, what: &str) -> Result<(), SourceError>;
}

/// Opens a file or folder, and tells what it is from its content, whatever it is called.
///
/// # Errors
/// [`SourceError`] if it cannot be read, or is nothing that is read here.
pub fn open(path: &Path) -> Result<DataSource, SourceError> {
    let metadata = fs::metadata(path).map_err(SourceError::open(path))?;
    let (kind, columns) = if metadata.is_dir() {
        (of_folder(path)?, Vec::new())
    } else if metadata.is_file() {
        of_file(path)?
    } else {
        return Err(SourceError::format(path, Fault::NoFile));
    };
    let columns = match kind {
        SourceKind::Idx(_) | SourceKind::Pictures(_) => PICTURE_COLUMNS.map(str::to_owned).to_vec(),
        _ => columns,
    };
    Ok(DataSource { path: path.to_owned(), columns, kind })
}

impl DataSource {
    /// Where it is, as given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The columns, as the file calls them; of pictures their name, size, colours and class.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Whether its rows are pictures.
    #[must_use]
    pub const fn is_pictures(&self) -> bool {
        matches!(self.kind, SourceKind::Idx(_) | SourceKind::Pictures(_))
    }

    /// What it is, in words.
    #[must_use]
    pub fn format(&self) -> String {
        match &self.kind {
            SourceKind::Csv(encoding, dialect) => {
                let header = if dialect.header { "" } else { ", without a header" };
                let comma = if dialect.decimal_comma { ", with decimal commas" } else { "" };
                format!("CSV, separated by {}{header}{comma}, {encoding}", dialect.delimiter_name())
            }
            SourceKind::JsonLines(encoding) => format!("JSON lines, {encoding}"),
            SourceKind::Parquet(_) => "Parquet".to_owned(),
            SourceKind::Idx(pair) => format!("IDX images, labels in {}", pair.labels.display()),
            SourceKind::Pictures(folder) => {
                format!("pictures in {} class folders", folder.classes.len())
            }
        }
    }

    /// Whether numbers have a decimal comma.
    pub(crate) const fn decimal_comma(&self) -> bool {
        matches!(self.kind, SourceKind::Csv(_, CsvDialect { decimal_comma: true, .. }))
    }

    /// Gives each record to `visit`, in the order of the file.
    pub(crate) fn scan(&self, visit: &mut impl Visit) -> Result<(), SourceError> {
        let path = &self.path;
        match &self.kind {
            SourceKind::Csv(encoding, dialect) => text(path, *encoding, |source| {
                csv_rows::scan(path, source, *dialect, self.columns.len(), visit)
            }),
            SourceKind::JsonLines(encoding) => {
                text(path, *encoding, |source| json_rows::scan(path, source, &self.columns, visit))
            }
            SourceKind::Parquet(footer) => {
                unchanged(path, |file| parquet::scan(path, file, footer, visit))
            }
            SourceKind::Idx(pair) => pair.scan(visit),
            SourceKind::Pictures(folder) => folder.scan(path, visit),
        }
    }
}

fn of_folder(path: &Path) -> Result<SourceKind, SourceError> {
    if let Some(pair) = IdxPair::of_folder(path)? {
        return Ok(SourceKind::Idx(pair));
    }
    match ImageFolder::list(path)? {
        Some(folder) if folder.counts().values().any(|count| *count > 0) => {
            Ok(SourceKind::Pictures(folder))
        }
        Some(_) => Err(SourceError::format(path, Fault::EmptyClassFolders)),
        None => Err(SourceError::format(path, Fault::NoClassFolders)),
    }
}

fn of_file(path: &Path) -> Result<(SourceKind, Vec<String>), SourceError> {
    let head = unchanged(path, |file| {
        let mut head = Vec::new();
        let read = plain(file).and_then(|plain| plain.take(HEAD_BYTES).read_to_end(&mut head));
        read.map_err(|error| SourceError::read(path, Place::Line(1), error))?;
        Ok(head)
    })?;
    let whole = (head.len() as u64) < HEAD_BYTES;
    if head.is_empty() {
        return Err(SourceError::format(path, Fault::Empty));
    }
    if head.starts_with(b"PAR1") {
        let read = |file: &File| Footer::read(file).map_err(|e| e.refused(path, Place::Row(1)));
        let footer = unchanged(path, read)?;
        let columns = footer.names();
        return Ok((SourceKind::Parquet(Box::new(footer)), columns));
    }
    if let Some(idx) = IdxHead::of(&head) {
        return Ok((SourceKind::Idx(IdxPair::of_file(path, idx)?), Vec::new()));
    }
    if PictureFormat::of(&head).is_some() {
        return Err(SourceError::format(path, Fault::SinglePicture));
    }
    if let Some(format) = OtherFormat::of(&head) {
        return Err(SourceError::format(path, Fault::Other(format)));
    }
    let Some(encoding) = TextEncoding::of(&head, whole) else {
        return Err(SourceError::format(path, Fault::Unknown));
    };
    of_text(path, encoding, &head, whole)
}

fn of_text(
    path: &Path,
    encoding: TextEncoding,
    head: &[u8],
    whole: bool,
) -> Result<(SourceKind, Vec<String>), SourceError> {
    let mut decoded = Vec::new();
    // From memory: nothing can fail.
    let _read = Utf8::new(head, encoding).read_to_end(&mut decoded);
    let decoded = String::from_utf8_lossy(&decoded);
    let start = decoded.trim_start_matches('\u{feff}').trim_start();
    match start.chars().next() {
        None => Err(SourceError::format(path, Fault::Blank)),
        Some('{') => {
            let columns = text(path, encoding, |source| json_rows::columns(path, source))?;
            Ok((SourceKind::JsonLines(encoding), columns))
        }
        Some('[') if start.trim_start_matches(['[', ' ', '\n', '\r']).starts_with(['{', '[']) => {
            Err(SourceError::format(path, Fault::JsonArray))
        }
        Some('<') => Err(SourceError::format(path, Fault::Other(OtherFormat::Markup))),
        Some(_) => {
            let dialect = CsvDialect::of(&decoded, whole);
            let columns = text(path, encoding, |source| csv_rows::columns(path, source, dialect))?;
            Ok((SourceKind::Csv(encoding, dialect), columns))
        }
    }
}

/// Reads a text, unpacked, as UTF-8 and without a byte-order mark, and refuses what comes of it if the file changed
/// meanwhile.
fn text<T>(
    path: &Path,
    encoding: TextEncoding,
    read: impl FnOnce(&mut dyn Read) -> Result<T, SourceError>,
) -> Result<T, SourceError> {
    unchanged(path, |file| {
        let damaged = |error| SourceError::read(path, Place::Line(1), error);
        let source = plain(BufReader::with_capacity(BUFFER_BYTES, file)).map_err(damaged)?;
        let mut source = Utf8::new(source, encoding);
        let mut start = Vec::new();
        source
            .by_ref()
            .take(BYTE_ORDER_MARK.len() as u64)
            .read_to_end(&mut start)
            .map_err(damaged)?;
        if start == BYTE_ORDER_MARK {
            start.clear();
        }
        read(&mut start.as_slice().chain(source))
    })
}

/// Reads a file, and refuses what comes of it if the file changed meanwhile.
pub(crate) fn unchanged<T>(
    path: &Path,
    read: impl FnOnce(&File) -> Result<T, SourceError>,
) -> Result<T, SourceError> {
    let refused = SourceError::open(path);
    let file = File::open(path).map_err(&refused)?;
    let before = State::of(&file).map_err(&refused)?;
    let read = read(&file);
    // Looked at first: a line that was half written is not the owner's mistake.
    if State::of(&file).map_err(&refused)? != before {
        return Err(SourceError::changed(path));
    }
    read
}
