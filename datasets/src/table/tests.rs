use super::*;

fn schema() -> Schema {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    Schema::new(names(&["a", "b"]), "y".to_string(), names(&["low", "mid", "high"])).unwrap()
}

fn table() -> Table {
    Table::new(schema(), vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], vec![0, 2, 2]).unwrap()
}

fn check_refused(features: &[f32], labels: &[u32], expected: TableError) {
    assert_eq!(
        Table::new(schema(), features.to_vec(), labels.to_vec()).unwrap_err(),
        expected,
        "{features:?} {labels:?}"
    );
}

#[test]
fn an_unfit_table_is_refused_with_what_is_wrong() {
    check_refused(&[], &[], TableError::Empty);
    check_refused(&[1.0, 2.0, 3.0], &[0, 1], TableError::Ragged { expected: 4, got: 3 });
    check_refused(&[1.0, 2.0], &[0, 1], TableError::Ragged { expected: 4, got: 2 });
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let refused = TableError::NotFinite { row: 1, column: "b".to_string() };
        check_refused(&[1.0, 2.0, 3.0, bad], &[0, 1], refused);
    }
    let refused = TableError::LabelOutOfRange { row: 0, label: 3, classes: 3 };
    check_refused(&[1.0, 2.0], &[3], refused);
}

#[test]
fn a_row_is_found_by_its_index() {
    assert_eq!(table().row(1), Some(&[3.0, 4.0][..]));
    assert_eq!(table().row(3), None);
    assert_eq!(table().row(usize::MAX), None);
}

#[test]
fn selected_rows_keep_the_order_asked_for() {
    let selected = table().select(&[2, 0, 2]).unwrap();
    assert_eq!(selected.features(), [5.0, 6.0, 1.0, 2.0, 5.0, 6.0]);
    assert_eq!(selected.labels(), [2, 0, 2]);
    assert_eq!(table().select(&[]).unwrap_err(), TableError::Empty);
    let missing = TableError::RowOutOfRange { row: 3, rows: 3 };
    assert_eq!(table().select(&[0, 3]).unwrap_err(), missing);
}

#[test]
fn tables_of_one_schema_can_be_put_together() {
    let both = table().concat(&table().select(&[1]).unwrap()).unwrap();
    assert_eq!(both.rows(), 4);
    assert_eq!(both.row(3), Some(&[3.0, 4.0][..]));
    assert_eq!(both.label_counts(), [1, 0, 3]);

    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let other = Schema::new(names(&["a", "c"]), "y".to_string(), names(&["low", "mid", "high"]));
    let other = Table::new(other.unwrap(), vec![1.0, 2.0], vec![0]).unwrap();
    assert_eq!(table().concat(&other).unwrap_err(), TableError::SchemaMismatch);
}

#[test]
fn inverted_labels_are_mirrored_and_twice_inverted_are_the_same() {
    let inverted = table().with_inverted_labels();
    assert_eq!(inverted.labels(), [2, 0, 0]);
    assert_eq!(inverted.features(), table().features());
    assert_eq!(inverted.with_inverted_labels(), table());
}

#[test]
fn the_canonical_bytes_are_pinned() {
    let table = table().select(&[1]).unwrap();
    let mut expected = Vec::new();
    for names in [&["a", "b"][..], &["low", "mid", "high"]] {
        expected.extend(u32::try_from(names.len()).unwrap().to_be_bytes());
        for name in names {
            expected.extend(u32::try_from(name.len()).unwrap().to_be_bytes());
            expected.extend(name.as_bytes());
        }
        if names.len() == 2 {
            expected.extend([0, 0, 0, 1, b'y']);
        }
    }
    expected.extend(1_u64.to_be_bytes());
    expected.extend([0x40, 0x40, 0, 0, 0x40, 0x80, 0, 0, 0, 0, 0, 2]);
    assert_eq!(table.canonical_bytes(), expected);
}

#[test]
fn a_digest_tells_any_change_of_a_table() {
    let digest = table().digest();
    assert_eq!(digest, table().digest());
    assert_ne!(digest, table().with_inverted_labels().digest());
    assert_ne!(digest, table().select(&[0, 1]).unwrap().digest());
    assert_ne!(digest, table().select(&[1, 0, 2]).unwrap().digest());
}
