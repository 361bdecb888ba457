//! Records of a file with a JSON object in each line.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Read},
    path::Path,
};

use serde_json::{Map, Value};

use crate::{
    CSV_LINE_BYTES_MAX, Cell, FEATURES_MAX, Fault, Place, SourceError, csv_reader::excerpt,
};

use super::Visit;

/// Lines whose keys name the columns; [`Fault::LateKey`] says so.
const HEAD_LINES: usize = 1_000;

/// Gives each object to `visit`, its values in the order of `columns`; what an object lacks is missing.
pub(crate) fn scan(
    path: &Path,
    source: impl Read,
    columns: &[String],
    visit: &mut impl Visit,
) -> Result<(), SourceError> {
    let known: BTreeSet<&str> = columns.iter().map(String::as_str).collect();
    objects(path, source, |line, object| {
        let place = Place::Line(line);
        if let Some(key) = object.keys().find(|key| !known.contains(key.as_str())) {
            let key = excerpt(key);
            return Err(SourceError::record(path, place, Fault::LateKey { key }));
        }
        let cells = columns.iter().map(|name| match object.get(name) {
            None | Some(Value::Null) => Ok(Cell::Missing),
            Some(Value::Bool(value)) => Ok(Cell::Boolean(*value)),
            Some(Value::Number(number)) => Ok(number.as_f64().map_or(Cell::Missing, Cell::Number)),
            Some(Value::String(text)) => Ok(Cell::Text(text.trim().into())),
            Some(Value::Array(_) | Value::Object(_)) => {
                Err(SourceError::value(path, (place.clone(), name), Fault::Nested))
            }
        });
        let cells = cells.collect::<Result<Vec<_>, _>>()?;
        visit.record(&place, &cells)?;
        Ok(true)
    })
}

/// The keys of the first thousand objects, in the order in which they appear (of one object: alphabetical).
pub(crate) fn columns(path: &Path, source: impl Read) -> Result<Vec<String>, SourceError> {
    let (mut columns, mut known, mut lines) = (Vec::new(), BTreeSet::new(), 0);
    objects(path, source, |_, object| {
        for (key, _) in object {
            if known.insert(key.clone()) {
                columns.push(key);
            }
        }
        lines += 1;
        Ok(lines < HEAD_LINES && columns.len() <= FEATURES_MAX)
    })?;
    if columns.len() > FEATURES_MAX {
        return Err(SourceError::whole(path, Fault::TooManyColumns));
    }
    Ok(columns)
}

/// Each object with its line, until `take` has enough.
fn objects(
    path: &Path,
    source: impl Read,
    mut take: impl FnMut(u64, Map<String, Value>) -> Result<bool, SourceError>,
) -> Result<(), SourceError> {
    let mut source = BufReader::new(source);
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        let place = || Place::Line(line);
        let read = source.by_ref().take(CSV_LINE_BYTES_MAX + 1).read_until(b'\n', &mut text);
        match read.map_err(|error| SourceError::read(path, place(), error))? {
            0 => break,
            got if got as u64 > CSV_LINE_BYTES_MAX => {
                return Err(SourceError::record(path, place(), Fault::LongLine));
            }
            _ => {}
        }
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let refused = |what: String| SourceError::record(path, place(), Fault::NoJsonObject(what));
        let value = serde_json::from_slice::<Value>(text)
            .map_err(|error| refused(format!("not JSON: {}", excerpt(&error.to_string()))))?;
        let Value::Object(object) = value else {
            return Err(refused("not a JSON object".to_owned()));
        };
        if !take(line, object)? {
            break;
        }
    }
    Ok(())
}
