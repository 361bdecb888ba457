//! Records of a CSV file of any dialect.

use std::{io::Read, path::Path};

use csv::StringRecord;

use crate::{
    CSV_LINE_BYTES_MAX, Cell, CsvDialect, FEATURES_MAX, Fault, Place, SourceError,
    csv_reader::excerpt, record_bound::RecordBound,
};

use super::Visit;

/// Gives each record after the header to `visit`; the names of the columns are known already.
pub(crate) fn scan(
    path: &Path,
    source: impl Read,
    dialect: CsvDialect,
    columns: usize,
    visit: &mut impl Visit,
) -> Result<(), SourceError> {
    let (source, bound) = RecordBound::around(source, CSV_LINE_BYTES_MAX);
    let mut reader = dialect.reader(source);
    let mut record = StringRecord::new();
    let mut first = true;
    loop {
        let (begin, line) = (reader.position().byte(), reader.position().line());
        bound.record_begins_at(begin);
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(error) => return Err(refusal(path, error, line, bound.exceeded())),
        }
        if std::mem::take(&mut first) && dialect.header {
            continue;
        }
        let line = record.position().map_or(line, csv::Position::line);
        if record.len() != columns {
            visit.ragged(Place::Line(line), columns, record.len())?;
            continue;
        }
        let cells: Vec<Cell<'_>> = record.iter().map(|field| Cell::Text(field.into())).collect();
        visit.record(&Place::Line(line), &cells)?;
    }
}

/// The names of the columns: of the header, or `column 1`, `column 2` … if there is none, or where it is blank.
pub(crate) fn columns(
    path: &Path,
    source: impl Read,
    dialect: CsvDialect,
) -> Result<Vec<String>, SourceError> {
    let (source, bound) = RecordBound::around(source, CSV_LINE_BYTES_MAX);
    let mut reader = dialect.reader(source);
    let mut record = StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(_) => {}
        Err(error) => return Err(refusal(path, error, 1, bound.exceeded())),
    }
    if record.is_empty() {
        return Err(SourceError::format(path, Fault::Empty));
    }
    if record.len() > FEATURES_MAX + 1 {
        return Err(SourceError::whole(path, Fault::TooManyColumns));
    }
    let name = |(at, field): (usize, &str)| {
        let name = field.trim_start_matches('\u{feff}').trim_matches('"').trim();
        if dialect.header && !name.is_empty() {
            name.to_owned()
        } else {
            format!("column {}", at + 1)
        }
    };
    Ok(record.iter().enumerate().map(name).collect())
}

fn refusal(path: &Path, error: csv::Error, line: u64, too_long: bool) -> SourceError {
    let line = error.position().map_or(line, csv::Position::line);
    if too_long {
        return SourceError::record(path, Place::Line(line), Fault::LongLine);
    }
    match error.into_kind() {
        csv::ErrorKind::Io(source) => SourceError::read(path, Place::Line(line), source),
        csv::ErrorKind::Utf8 { err, .. } => {
            let fault = Fault::NotUtf8 { value: err.field() + 1 };
            SourceError::record(path, Place::Line(line), fault)
        }
        other => {
            let fault = Fault::NoCsv(excerpt(&format!("{other:?}")));
            SourceError::record(path, Place::Line(line), fault)
        }
    }
}
