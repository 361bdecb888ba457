//! The red wine quality table of the UCI repository, carried by the crate `linfa-datasets`.
//!
//! 1 599 wines with eleven measurements each and a quality from 3 to 8, judged by people. The
//! target here is binary: [`QUALITY_GOOD_MIN`] or better is good (855 wines), the rest is ordinary
//! (744).
//!
//! Source: Cortez, Cerdeira, Almeida, Matos & Reis 2009, "Modeling wine preferences by data mining
//! from physicochemical properties", Decision Support Systems 47(4).

use crate::{Schema, Table};

/// The quality from which a wine counts as good.
pub const QUALITY_GOOD_MIN: usize = 6;

/// Classes in the order of their labels.
const CLASSES: [&str; 2] = ["ordinary", "good"];

/// The whole table: 1 599 rows, 11 features, classes `ordinary` and `good`.
///
/// # Panics
/// Never: the data are part of the program, and a test reads them.
#[must_use]
pub fn table() -> Table {
    let source = linfa_datasets::winequality();
    let features = source.records.iter().map(|&value| f32_from_measurement(value)).collect();
    let labels = source.targets.iter().map(|&quality| label_from_quality(quality)).collect();
    Table::new(schema(source.feature_names().to_vec()), features, labels)
        .expect("the embedded table has finite values and two classes")
}

fn schema(features: Vec<String>) -> Schema {
    let classes = CLASSES.map(str::to_string).to_vec();
    Schema::new(features, "quality".to_string(), classes)
        .expect("the embedded table has distinct column names")
}

fn label_from_quality(quality: usize) -> u32 {
    u32::from(quality >= QUALITY_GOOD_MIN)
}

#[expect(clippy::cast_possible_truncation, reason = "measurements have at most six digits")]
const fn f32_from_measurement(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_table_has_the_published_shape() {
        let table = table();
        assert_eq!(table.rows(), 1_599);
        assert_eq!(table.feature_count(), 11);
        assert_eq!(table.label_counts(), [744, 855]);
        assert_eq!(table.schema().features()[0], "fixed acidity");
        assert_eq!(table.schema().features()[10], "alcohol");
    }

    #[test]
    fn the_first_row_is_the_first_of_the_published_file() {
        let expected = [7.4, 0.7, 0.0, 1.9, 0.076, 11.0, 34.0, 0.9978, 3.51, 0.56, 9.4];
        assert_eq!(table().row(0), Some(&expected[..]));
        assert_eq!(table().labels()[0], 0, "its quality is 5");
    }
}
