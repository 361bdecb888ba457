//! The heart disease table of Cleveland, published as a file of lines without a header.

use std::{io::Read as _, path::Path};

use crate::{Schema, Table};

use super::{
    DataFile, Dataset, LoadError, Loaded, NamedDataset,
    data_file::{locate, read_checked},
};

/// 303 lines, 18 461 bytes: the file on which public repositories that did not edit it agree.
pub(super) const FILES: [DataFile; 1] = [DataFile {
    name: "processed.cleveland.data",
    sha256: &["a74b7efa387bc9d108d7d0115d831fe9b414b29ae7124f331b622b4efa0427c8"],
}];

/// The columns before the last, as the publisher calls them; the last is `num`, 0 for healthy and 1 to 4 for narrowed vessels.
const COLUMNS: [&str; 13] = [
    "age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalach", "exang", "oldpeak",
    "slope", "ca", "thal",
];

const CLASSES: [&str; 2] = ["healthy", "diseased"];

/// The most that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

pub(super) fn load(data_dir: Option<&Path>) -> Result<Loaded, LoadError> {
    let paths = locate(NamedDataset::Heart, data_dir)?;
    let path = &paths[0];
    let text = read_checked(&FILES[0], path, |source| {
        let mut text = String::new();
        match source.take(FILE_BYTES_MAX).read_to_string(&mut text) {
            Ok(_) => Ok(text),
            Err(source) => Err(LoadError::Open { path: path.clone(), source }),
        }
    })?;
    Ok(Loaded { rows: Dataset::Table(table(&text)), test: None })
}

/// The whole rows; six lack a value. The digest was checked: every other field is a number.
fn table(text: &str) -> Table {
    let (mut values, mut labels) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let row: Option<Vec<f32>> = line.split(',').map(|field| field.parse().ok()).collect();
        if let Some((label, features)) = row.as_deref().and_then(<[f32]>::split_last) {
            values.extend_from_slice(features);
            labels.push(u32::from(*label > 0.0));
        }
    }
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let schema = Schema::new(names(&COLUMNS), "num".to_owned(), names(&CLASSES));
    let schema = schema.expect("distinct names");
    Table::new(schema, values, labels).expect("the published file has whole rows of numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_lack_a_value_are_left_out() {
        let text = "63.0,1.0,1.0,145.0,233.0,1.0,2.0,150.0,0.0,2.3,3.0,0.0,6.0,0\n\
            53.0,0.0,3.0,128.0,216.0,0.0,2.0,115.0,0.0,0.0,1.0,0.0,?,0\n\
            67.0,1.0,4.0,160.0,286.0,0.0,2.0,108.0,1.0,1.5,2.0,3.0,3.0,2\n";
        let table = table(text);
        assert_eq!((table.rows(), table.labels()), (2, &[0, 1][..]));
        assert_eq!(table.row(1).unwrap()[0].to_bits(), 67_f32.to_bits());
    }
}
