//! Tables as files: what is written is read back, and what is not a table is refused by its line.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    cell::Cell,
    io::{self, Read},
    path::Path,
};

use datasets::{
    CSV_LINE_BYTES_MAX, CsvReadError, Schema, Table, TableError, read_csv, table_from_csv,
    table_to_csv, wine, write_csv,
};
use proptest::prelude::*;

fn schema() -> Schema {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    Schema::new(names(&["a", "b, c"]), "y".to_string(), names(&["no", "\"yes\""])).unwrap()
}

fn check_refused(text: &str, expected: &str) {
    let error = table_from_csv(text.as_bytes(), &schema()).unwrap_err();
    assert_eq!(error.to_string(), expected, "{text:?}");
}

#[test]
fn columns_are_matched_by_name_in_any_order() {
    let text = "\u{feff} y ,\"b, c\",a\r\nno,2, 1\r\n\r\n\"\"\"yes\"\"\",-4e-1,3\r\n";
    let table = table_from_csv(text.as_bytes(), &schema()).unwrap();
    assert_eq!(table.features(), [1.0, 2.0, 3.0, -0.4]);
    assert_eq!(table.labels(), [0, 1]);
}

#[test]
fn a_wrong_header_is_refused() {
    check_refused("", "the file is empty; expected a header with 3 columns");
    check_refused("a,y\n1,no\n", "the header lacks the column \"b, c\"");
    check_refused("a,\"b, c\"\n1,2\n", "the header lacks the column \"y\"");
    let unknown = "the header has the column \"d\", which the schema does not; remove it";
    check_refused("a,\"b, c\",y,d\n1,2,no,3\n", unknown);
    check_refused("a,\"b, c\",y,a\n1,2,no,3\n", "the header has the column \"a\" twice");
}

#[test]
fn a_wrong_line_is_refused_with_its_number() {
    let header = "a,\"b, c\",y\n1,2,no\n";
    let check = |line: &str, expected: &str| check_refused(&format!("{header}{line}"), expected);
    check("1,2\n", "line 3 has 2 fields, expected 3");
    check("1,2,no,4\n", "line 3 has 4 fields, expected 3");
    for bad in ["x", "", "NaN", "inf", "1e39", "1 2"] {
        let expected = format!("line 3, column \"b, c\": expected a finite number, got {bad:?}");
        check(&format!("1,{bad},no\n"), &expected);
    }
    let expected = "line 3: expected a label among [\"no\", \"\\\"yes\\\"\"], got \"maybe\"";
    check("1,2,maybe\n", expected);
}

#[test]
fn a_header_without_rows_is_refused() {
    let error = table_from_csv("a,\"b, c\",y\n".as_bytes(), &schema()).unwrap_err();
    assert!(matches!(error, CsvReadError::Table(TableError::Empty)), "{error}");
}

#[test]
fn text_that_is_not_utf8_is_refused_with_its_line() {
    let error = table_from_csv(&b"a,\"b, c\",y\n1,\xff,no\n"[..], &schema()).unwrap_err();
    assert!(matches!(error, CsvReadError::Read { line: 2, .. }), "{error:?}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = read_csv(Path::new("no/such/file.csv"), &schema()).unwrap_err();
    assert_eq!(error.to_string(), "cannot open no/such/file.csv");
}

#[test]
fn a_folder_and_a_circle_of_links_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = read_csv(folder.path(), &schema()).unwrap_err();
    assert!(matches!(error, CsvReadError::Open { .. }), "{error:?}");
    #[cfg(unix)]
    {
        let path = folder.path().join("circle.csv");
        std::os::unix::fs::symlink(&path, &path).unwrap();
        let error = read_csv(&path, &schema()).unwrap_err();
        assert!(matches!(error, CsvReadError::Open { .. }), "{error:?}");
    }
}

#[test]
fn the_wine_table_survives_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("wine.csv");
    write_csv(&path, &wine::table()).unwrap();
    assert_eq!(read_csv(&path, wine::table().schema()).unwrap(), wine::table());
}

#[test]
fn a_file_that_is_cut_off_within_a_line_is_refused() {
    let text = "a,\"b, c\",y\n1,2,no\n3,4,no\n";
    for len in 0..text.len() - 1 {
        match table_from_csv(&text.as_bytes()[..len], &schema()) {
            // After a whole line, nothing tells that another should follow.
            Ok(table) => assert_eq!(table.features(), [1.0, 2.0], "{len}"),
            Err(error) => assert!(!error.to_string().is_empty(), "{len}"),
        }
    }
}

#[test]
fn a_table_of_one_class_is_read() {
    let table = table_from_csv("a,\"b, c\",y\n1,2,no\n3,4,no\n".as_bytes(), &schema()).unwrap();
    assert_eq!(table.label_counts(), [2, 0]);
}

#[test]
fn a_line_without_an_end_is_refused_before_it_fills_the_memory() {
    for start in ["\"", "", "1,2,no\n1,\""] {
        let start = format!("a,\"b, c\",y\n{start}");
        let taken = Cell::new(0);
        let source = io::repeat(b'1').take(u64::MAX);
        let source = start.as_bytes().chain(source);
        let error = table_from_csv(Counted { source, taken: &taken }, &schema()).unwrap_err();
        assert!(matches!(error, CsvReadError::LineTooLong { .. }), "{start:?}: {error:?}");
        assert!(taken.get() < CSV_LINE_BYTES_MAX + 200_000, "{}", taken.get());
    }
}

/// Counts what is taken of a source.
struct Counted<'a, R> {
    source: R,
    taken: &'a Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.taken.set(self.taken.get() + read as u64);
        Ok(read)
    }
}

#[test]
fn a_refusal_does_not_repeat_a_long_field() {
    let long = "x".repeat(10_000);
    let error = table_from_csv(format!("a,\"b, c\",y\n1,{long},no\n").as_bytes(), &schema());
    assert!(error.unwrap_err().to_string().len() < 300);
}

fn any_table() -> impl Strategy<Value = Table> {
    let name = "[!-~]([ -~]{0,6}[!-~])?";
    let names = |count| proptest::collection::btree_set(name, count);
    (names(2..6), names(2..4), 1_usize..20).prop_flat_map(|(columns, classes, rows)| {
        let mut columns: Vec<String> = columns.into_iter().collect();
        let label = columns.pop().unwrap();
        let values =
            proptest::num::f32::NORMAL | proptest::num::f32::SUBNORMAL | proptest::num::f32::ZERO;
        let values = proptest::collection::vec(values, rows * columns.len());
        let last = u32::try_from(classes.len()).unwrap();
        let labels = proptest::collection::vec(0..last, rows);
        let schema = Schema::new(columns, label, classes.into_iter().collect()).unwrap();
        (Just(schema), values, labels)
            .prop_map(|(schema, values, labels)| Table::new(schema, values, labels).unwrap())
    })
}

proptest! {
    #[test]
    fn every_table_is_read_back_bit_for_bit(table in any_table()) {
        let mut bytes = Vec::new();
        table_to_csv(&mut bytes, &table).unwrap();
        let read = table_from_csv(bytes.as_slice(), table.schema()).unwrap();
        prop_assert_eq!(read.canonical_bytes(), table.canonical_bytes());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut file = b"a,\"b, c\",y\n".to_vec();
        file.extend(&bytes);
        for bytes in [&bytes, &file] {
            if let Ok(table) = table_from_csv(bytes.as_slice(), &schema()) {
                prop_assert!(table.rows() > 0);
            }
        }
    }
}
