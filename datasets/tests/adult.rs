//! The Adult table: missing values have a code of their own, and what is not the table is refused
//! by its line.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{self, Read};

use datasets::{
    AdultReadError, CategoricalTable, CategoricalTableError, ColumnKind, RowSource as _, Schema,
    Table, TableError, adult_from_csv,
};
use proptest::prelude::*;

const ROW: &str = "39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, \
                   Not-in-family, White, Male, 2174, 0, 40, United-States, <=50K\n";

#[track_caller]
fn check_refused(text: &str, expected: &str) {
    assert_eq!(adult_from_csv(text.as_bytes()).unwrap_err().to_string(), expected, "{text:?}");
}

fn replaced(from: &str, to: &str) -> String {
    format!("{ROW}{}", ROW.replacen(from, to, 1))
}

#[test]
fn a_missing_category_is_the_first_level_of_its_column() {
    let read = adult_from_csv(replaced("State-gov", "?").as_bytes()).unwrap();
    let (first, second) = (read.table().row(0).unwrap(), read.table().row(1).unwrap());
    assert_eq!((first[1].to_bits(), second[1].to_bits()), (7.0_f32.to_bits(), 0));
    let ColumnKind::Category { levels } = &read.kinds()[1] else { panic!("a category") };
    assert_eq!((levels[0].as_str(), levels[7].as_str()), ("?", "State-gov"));
}

#[test]
fn the_forms_of_the_test_file_are_read() {
    let row = ROW.replace(", ", ",").replace("<=50K", ">50K.");
    let text = format!("|1x3 Cross validator\n{row}\r\n\n  {ROW}");
    let read = adult_from_csv(text.as_bytes()).unwrap();
    assert_eq!(read.labels(), [1, 0]);
    assert_eq!(read.table().row(0), read.table().row(1));
}

#[test]
fn a_wrong_line_is_refused_with_its_number() {
    check_refused(&replaced(", 2174", ""), "line 2 has 14 fields, expected 15");
    check_refused(&replaced("13", "13, 1"), "line 2 has 16 fields, expected 15");
    for bad in ["?", "", "NaN", "inf", "x"] {
        let expected = format!("line 2, column \"age\": expected a finite number, got {bad:?}");
        check_refused(&replaced("39", bad), &expected);
    }
    let expected = "line 2, column \"sex\": expected a published level or ?, got \"male\"";
    check_refused(&replaced("Male", "male"), expected);
    let expected = "line 2: expected a label among [\"<=50K\", \">50K\"], got \"50K\"";
    check_refused(&replaced("<=50K", "50K"), expected);
}

#[test]
fn a_file_without_rows_is_refused() {
    for text in ["", "\n\n", "|only a comment\n"] {
        let error = adult_from_csv(text.as_bytes()).unwrap_err();
        assert!(matches!(error, AdultReadError::Table(TableError::Empty)), "{text:?}: {error}");
    }
}

#[test]
fn text_that_is_not_utf8_is_refused_with_its_line() {
    let bytes = [ROW.as_bytes(), b"39, \xff\n"].concat();
    let error = adult_from_csv(&bytes[..]).unwrap_err();
    assert!(matches!(error, AdultReadError::Read { line: 2, .. }), "{error:?}");
}

#[test]
fn a_file_of_which_the_end_is_missing_is_refused() {
    for len in 1..ROW.len() - 1 {
        // A label can lose characters and stay one only by losing its full stop.
        assert!(adult_from_csv(&ROW.as_bytes()[..len]).is_err(), "{len}");
    }
}

/// A source that says the same for ever, and counts what was taken.
struct Endless {
    text: &'static [u8],
    taken: usize,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        for byte in &mut *buffer {
            *byte = self.text[self.taken % self.text.len()];
            self.taken += 1;
        }
        Ok(buffer.len())
    }
}

#[test]
fn a_line_without_an_end_is_refused_before_it_fills_the_memory() {
    for text in ["\"39, ", "39, ", "x"] {
        let mut source = Endless { text: text.as_bytes(), taken: 0 };
        let error = adult_from_csv(&mut source).unwrap_err();
        assert!(matches!(error, AdultReadError::LineTooLong { line: 1, .. }), "{text}: {error:?}");
        assert!(source.taken < 200_000, "{}", source.taken);
    }
}

fn kinds_table(values: &[f32]) -> Result<CategoricalTable, CategoricalTableError> {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let schema = Schema::new(names(&["x", "c"]), "y".to_string(), names(&["no", "yes"])).unwrap();
    let table = Table::new(schema, values.to_vec(), vec![0; values.len() / 2]).unwrap();
    let levels = names(&["?", "a", "b"]);
    CategoricalTable::new(table, vec![ColumnKind::Number, ColumnKind::Category { levels }])
}

#[test]
fn a_value_that_is_no_level_is_refused() {
    for bad in [-1.0, 0.5, 3.0, 1e30, f32::MIN_POSITIVE] {
        let refused =
            CategoricalTableError::LevelOutOfRange { row: 1, column: "c".to_string(), levels: 3 };
        assert_eq!(kinds_table(&[0.5, 1.0, 0.5, bad]).unwrap_err(), refused, "{bad}");
    }
    let table = kinds_table(&[0.5, 1.0]).unwrap();
    let refused = CategoricalTableError::KindCount { expected: 2, got: 1 };
    let one = vec![ColumnKind::Number];
    assert_eq!(CategoricalTable::new(table.table().clone(), one).unwrap_err(), refused);
}

#[test]
fn levels_become_columns_of_zero_and_one() {
    let wide = kinds_table(&[0.5, 1.0, 7.0, 2.0, 8.0, 0.0]).unwrap().one_hot().unwrap();
    assert_eq!(wide.schema().features(), ["x", "c=?", "c=a", "c=b"]);
    let expected = [0.5, 0.0, 1.0, 0.0, 7.0, 0.0, 0.0, 1.0, 8.0, 1.0, 0.0, 0.0];
    assert_eq!(wide.features(), expected);
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        at in 0..ROW.len(),
    ) {
        let mut changed = ROW.as_bytes().to_vec();
        changed.splice(at..at, bytes.iter().copied());
        for bytes in [bytes, changed] {
            if let Ok(table) = adult_from_csv(&bytes[..]) {
                prop_assert_eq!(table.width(), 14);
            }
        }
    }
}
