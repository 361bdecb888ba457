//! A contributor's data: recognised by content, profiled, matched and read; every refusal names file, place and what to do.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fs, io::Write as _, path::PathBuf};

use datasets::{
    ColumnType, DataSource, Mapping, MissingRule, Schema, SourceError, Table, Weight, open,
    table_to_csv, wine,
};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use tempfile::{TempDir, tempdir};

fn schema() -> Schema {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    Schema::new(names(&["a", "b"]), "y".to_string(), names(&["no", "yes"])).unwrap()
}

struct Case {
    _dir: TempDir,
    path: PathBuf,
}

/// A file of a name that says nothing.
fn file(bytes: &[u8]) -> Case {
    let dir = tempdir().unwrap();
    let path = dir.path().join("data");
    fs::write(&path, bytes).unwrap();
    Case { _dir: dir, path }
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn table_of(bytes: &[u8], mapping: &Mapping) -> Result<Table, SourceError> {
    let case = file(bytes);
    Ok(open(&case.path)?.table(&schema(), mapping)?.table)
}

fn check(bytes: &[u8], rows: &[f32], labels: &[u32]) {
    let text = String::from_utf8_lossy(bytes);
    let table = table_of(bytes, &Mapping::default());
    assert!(table.is_ok(), "{text:?}: {:?}", table.err());
    let table = table.unwrap();
    assert_eq!((table.features(), table.labels()), (rows, labels), "{text:?}");
}

/// Refused with a sentence that has all of these, and the file's name.
fn check_refused(bytes: &[u8], mapping: &Mapping, words: &[&str]) {
    let case = file(bytes);
    let read = open(&case.path).and_then(|source| source.table(&schema(), mapping));
    let sentence = read.unwrap_err().to_string();
    let name = case.path.display().to_string();
    for word in words.iter().chain([&name.as_str()]) {
        assert!(sentence.contains(word), "{word:?} is not in {sentence:?}");
    }
}

#[test]
fn a_table_is_known_by_its_content_in_every_dialect_and_encoding() {
    let rows = &[1.5, 2.0, 3.0, 4.0];
    check(b"a,b,y\n1.5,2,no\n3,4,yes\n", rows, &[0, 1]);
    check(b"y;a;b\nno;1,5;2\nyes;3;4\n", rows, &[0, 1]);
    check(b"a\tb\ty\r\n1.5\t2\tno\r\n3\t4\tyes", rows, &[0, 1]);
    check("\u{feff}'a','b','y'\n'1.5','2','no'\n'3','4','yes'\n".as_bytes(), rows, &[0, 1]);
    check(&gzipped(b"a,b,y\n1.5,2,no\n3,4,yes\n"), rows, &[0, 1]);
    let wide: Vec<u8> =
        "a,b,y\n1.5,2,no\n3,4,yes\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    check(&wide, rows, &[0, 1]);
    check(&[&[0xff, 0xfe], &wide[..]].concat(), rows, &[0, 1]);
    let json =
        "{\"a\": 1.5, \"b\": 2, \"y\": \"no\"}\n\n{\"y\": \"yes\", \"b\": \"4\", \"a\": 3}\n";
    check(json.as_bytes(), rows, &[0, 1]);
    check(&gzipped(json.as_bytes()), rows, &[0, 1]);
}

#[test]
fn windows_1252_is_read_and_told() {
    let case = file(b"S\xe4ure,b,y\n1,2,no\n3,4,yes\n");
    let source = open(&case.path).unwrap();
    assert_eq!(source.columns()[0], "Säure");
    assert_eq!(source.format(), "CSV, separated by commas, Windows-1252");
    let mapping = Mapping { columns: [("Säure".into(), "a".into())].into(), ..Mapping::default() };
    assert_eq!(source.table(&schema(), &mapping).unwrap().table.rows(), 2);
}

#[test]
fn columns_and_words_are_mapped_and_others_ignored() {
    let text = b"acid,b,grade,note\n1,2,bad,x\n3,4,good,y\n";
    let mapping = Mapping {
        label: Some("grade".into()),
        ignore: vec!["note".into()],
        columns: [("acid".into(), "a".into())].into(),
        words: [("bad".into(), "no".into()), ("good".into(), "yes".into())].into(),
        ..Mapping::default()
    };
    let table = table_of(text, &mapping).unwrap();
    assert_eq!((table.features(), table.labels()), (&[1.0, 2.0, 3.0, 4.0][..], &[0, 1][..]));
    let all = Mapping { ignore: vec!["*".into()], ..mapping.clone() };
    assert_eq!(table_of(text, &all).unwrap(), table);
    check_refused(text, &Mapping { ignore: vec![], ..mapping.clone() }, &["note", "ignore it"]);
    check_refused(text, &Mapping::default(), &["\"a\"", "missing", "map one of"]);
    let mapping = Mapping { label: Some("nothing".into()), ..mapping };
    check_refused(text, &mapping, &["\"nothing\"", "correct the mapping"]);
}

#[test]
fn without_a_header_columns_have_numbers() {
    let columns = [("column 1".into(), "a".into()), ("column 2".into(), "b".into())].into();
    let mapping = Mapping { columns, label: Some("column 3".into()), ..Mapping::default() };
    let table = table_of(b"1,2,no\n3,4,yes\n", &mapping).unwrap();
    assert_eq!((table.rows(), table.labels()), (2, &[0, 1][..]));
}

#[test]
fn a_header_that_is_blank_over_the_numbers_of_rows_is_one() {
    // As pandas' to_csv() writes it.
    let text = b",a,b,y\n0,1,2,no\n1,3,4,yes\n";
    assert_eq!(open(&file(text).path).unwrap().columns(), ["column 1", "a", "b", "y"]);
    let mapping = Mapping { ignore: vec!["column 1".into()], ..Mapping::default() };
    let table = table_of(text, &mapping).unwrap();
    assert_eq!((table.features(), table.labels()), (&[1.0, 2.0, 3.0, 4.0][..], &[0, 1][..]));
    check_refused(text, &Mapping::default(), &["\"column 1\"", "ignore it"]);
}

#[test]
fn a_point_among_decimal_commas_is_refused_and_not_read_as_a_thousandth() {
    let mut text = b"a;b;y\n1,5;2;no\n3,5;4;yes\n".to_vec();
    // Past what is looked at to tell the dialect.
    text.extend(b"2,5;4;yes\n".repeat(200));
    text.extend(b"1.234;4;yes\n");
    let words = ["line 204", "column \"a\"", "\"1.234\" with a point", "decimal comma"];
    check_refused(&text, &Mapping::default(), &words);
    let found = findings(&text, &Mapping::default());
    let points = |(w, what): &(Weight, String)| *w == Weight::Blocks && what.contains("\"1.234\"");
    assert!(found.iter().any(points), "{found:?}");
    // A day with points does not hide the commas of the numbers.
    let mapping = Mapping { ignore: vec!["d".into()], ..Mapping::default() };
    let table = table_of(b"d;a;b;y\n23.11.2026;1,5;2;no\n", &mapping).unwrap();
    assert_eq!(table.features(), [1.5, 2.0]);
}

#[test]
fn missing_values_are_refused_dropped_or_filled() {
    let text = b"a,b,y\n1,2,no\nNA,4,yes\n3,,no\n5,6,\n";
    check_refused(text, &Mapping::default(), &["line 3", "column \"a\"", "missing = drop"]);
    let drop = Mapping { missing: MissingRule::Drop, ..Mapping::default() };
    let table = table_of(text, &drop).unwrap();
    assert_eq!((table.features(), table.labels()), (&[1.0, 2.0][..], &[0][..]));
    let mean = Mapping { missing: MissingRule::Mean, ..Mapping::default() };
    let case = file(text);
    let read = open(&case.path).unwrap().table(&schema(), &mean).unwrap();
    assert_eq!((read.dropped, read.filled), (1, 2));
    assert_eq!(read.table.features(), [1.0, 2.0, 2.0, 4.0, 3.0, 3.0]);
    check_refused(b"a,b,y\n,2,no\n,3,yes\n", &mean, &["\"a\"", "no value at all"]);
    check_refused(b"a,b,y\n,2,no\n,3,yes\n", &drop, &["every row lacks a value"]);
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let plain = Mapping::default();
    check_refused(b"", &plain, &["empty", "choose a file with rows"]);
    check_refused(b" \n\n", &plain, &["blank"]);
    check_refused(b"a,b,y\n", &plain, &["no row"]);
    check_refused(
        b"a,b,y\n1,2,no\n1,2\n",
        &plain,
        &["line 3", "2 values for 3 columns", "quotation marks"],
    );
    check_refused(b"a,b,y\n1,x,no\n2,3,yes\n", &plain, &["line 2", "column \"b\"", "\"x\""]);
    check_refused(b"a,b,y\n1,inf,no\n", &plain, &["line 2", "column \"b\"", "finite number"]);
    check_refused(b"a,b,y\n1,NaN,no\n", &plain, &["line 2", "column \"b\"", "missing"]);
    check_refused(
        b"a,b,y\n1,2,maybe\n",
        &plain,
        &["line 2", "column \"y\"", "\"maybe\"", "\"no\", \"yes\""],
    );
    check_refused(b"a,a,y\n1,2,no\n", &plain, &["two columns are \"a\""]);
    check_refused(
        b"PK\x03\x04..",
        &plain,
        &["ZIP archive or an Excel workbook", "save the sheet as CSV"],
    );
    check_refused(b"%PDF-1.7", &plain, &["PDF"]);
    check_refused(b"\x00\x01\x02\x03\x04\x05", &plain, &["neither text nor any format"]);
    check_refused(b"[{\"a\": 1}]", &plain, &["one JSON array", "jq"]);
    check_refused(b"<html>", &plain, &["HTML"]);
    check_refused(b"\x89PNG\r\n\x1a\n", &plain, &["single picture", "folder"]);
    check_refused(
        b"{\"a\": [1], \"b\": 2, \"y\": \"no\"}\n",
        &plain,
        &["line 1", "column \"a\"", "list"],
    );
    check_refused(b"{\"a\": 1}\n{\"a\": ", &plain, &["line 2", "not JSON"]);
    check_refused(b"{\"a\": 1}\n3\n", &plain, &["line 2", "not a JSON object"]);
    let cut = gzipped(&b"a,b,y\n1,2,no\n".repeat(1_000));
    check_refused(&cut[..cut.len() - 9], &plain, &["cut off"]);
    let mut damaged =
        gzipped(&(0..9_999).map(|n| format!("{n},")).collect::<String>().into_bytes());
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    check_refused(&damaged, &plain, &["damaged"]);
}

#[test]
fn text_that_is_no_utf_8_past_its_beginning_is_refused_with_the_line() {
    let mut text = b"a,b,y\n".to_vec();
    text.extend(b"1,2,no\n".repeat(50_000));
    text.extend(b"1,\xff,no\n");
    check_refused(
        &text,
        &Mapping::default(),
        &["line 50002", "not UTF-8", "save the file as UTF-8"],
    );
}

#[test]
#[cfg(unix)]
fn links_in_a_circle_folders_and_missing_files_are_told_apart() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("loop");
    std::os::unix::fs::symlink(&path, &path).unwrap();
    let sentence = open(&path).unwrap_err().to_string();
    assert!(sentence.contains("links lead in a circle"), "{sentence}");
    let folder = dir.path().join("class");
    fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink(dir.path().join("class/x"), folder.join("x")).unwrap();
    fs::remove_file(&path).unwrap();
    let sentence = open(dir.path()).unwrap_err().to_string();
    assert!(sentence.contains("class/x") && sentence.contains("circle"), "{sentence}");
    let sentence = open(&dir.path().join("none")).unwrap_err().to_string();
    assert!(sentence.contains("there is no such file"), "{sentence}");
    let empty = tempdir().unwrap();
    let sentence = open(empty.path()).unwrap_err().to_string();
    assert!(sentence.contains("a folder of pictures for each class"), "{sentence}");
}

#[test]
fn reading_leaves_the_file_as_it_is() {
    let case = file(b"a,b,y\n1,2,no\n");
    let before = fs::metadata(&case.path).unwrap().modified().unwrap();
    let source = open(&case.path).unwrap();
    source.profile().unwrap();
    source.table(&schema(), &Mapping::default()).unwrap();
    assert_eq!(fs::read(&case.path).unwrap(), b"a,b,y\n1,2,no\n");
    assert_eq!(fs::metadata(&case.path).unwrap().modified().unwrap(), before);
    let beside = fs::read_dir(case.path.parent().unwrap()).unwrap().count();
    assert_eq!(beside, 1, "nothing is made beside it");
}

fn findings(bytes: &[u8], mapping: &Mapping) -> Vec<(Weight, String)> {
    let case = file(bytes);
    let source = open(&case.path).unwrap();
    let found = source.profile().unwrap().fit(&source, (&schema(), None), mapping);
    found.into_iter().map(|f| (f.weight, format!("{}: {}", f.says, f.says.advice()))).collect()
}

#[test]
fn a_profile_tells_types_missing_values_ranges_balance_and_duplicates() {
    let case = file(b"n,w,d,m,y\n1,x,2026-01-01,,no\n5,x,2026-01-02,,yes\n1,x,2026-01-01,,no\n");
    let profile = open(&case.path).unwrap().profile().unwrap();
    let kinds: Vec<ColumnType> = profile.columns.iter().map(|column| column.kind).collect();
    use ColumnType::{Boolean, Category, Date, Empty, Number};
    assert_eq!(kinds, [Number, Category, Date, Empty, Boolean]);
    assert_eq!((profile.rows, profile.duplicates.rows), (3, 1));
    assert_eq!(profile.column("m").unwrap().missing, 3);
    let numbers = profile.column("n").unwrap().numbers.unwrap();
    assert_eq!(
        (numbers.minimum.to_bits(), numbers.maximum.to_bits()),
        (1_f64.to_bits(), 5_f64.to_bits())
    );
    let balance = profile.column("y").unwrap().levels.clone().unwrap();
    assert_eq!(balance.into_iter().collect::<Vec<_>>(), [("no".into(), 2), ("yes".into(), 1)]);
    assert_eq!(profile.preview[1], ["5", "x", "2026-01-02", "", "yes"]);
}

#[test]
fn what_to_fix_is_said_in_plain_words() {
    let found = |text: &[u8], mapping: &Mapping, weight, words: &[&str]| {
        let found = findings(text, mapping);
        let fits = |(w, sentence): &(Weight, String)| {
            *w == weight && words.iter().all(|word| sentence.contains(word))
        };
        assert!(found.iter().any(fits), "{words:?} are not in {found:?}");
    };
    let plain = Mapping::default();
    use Weight::{Blocks, Notes, Warns};
    found(
        b"A,b,y\n1,2,no\n",
        &plain,
        Blocks,
        &["\"a\" is missing", "is it \"A\"?", "--map \"A=a\""],
    );
    found(
        b"a,b,y,note\n1,2,no,x\n",
        &plain,
        Blocks,
        &["does not know the column \"note\"", "--ignore"],
    );
    found(b"a,b,y\n1,2,Yes!\n2,3,no\n", &plain, Blocks, &["\"Yes!\"", "is it \"yes\"?", "--class"]);
    found(b"a,b,y\n1,,no\n", &plain, Blocks, &["missing", "--missing drop"]);
    found(
        b"a,b,y\n1,2,no\n1,x,no\n2,2,no\n2,2,no\n2,2,no\n2,2,yes\n",
        &plain,
        Blocks,
        &["no number", "\"x\" in line 3"],
    );
    found(b"a,b,y\n1,red,no\n1,red,yes\n", &plain, Blocks, &["words", "takes numbers"]);
    found(b"a,b,y\n1,2,no\n1,2\n", &plain, Blocks, &["too many or too few values", "line 3"]);
    found(b"a,b,y\n", &plain, Blocks, &["no row"]);
    found(b"a,b,y\n1,2,no\n3,4,no\n", &plain, Warns, &["every row is of the class \"no\""]);
    found(b"a,b,y\n1,2,no\n1,2,no\n", &plain, Warns, &["1 of 2 rows are there before"]);
    found(b"a,b,y\n1,2,no\n1,3,yes\n", &plain, Notes, &["\"a\" is 1 in every row"]);
    assert_eq!(findings(b"a,b,y\n1,2,no\n2,3,yes\n", &plain), []);
}

/// Whether something blocks in the findings, and whether reading is refused, is the same question.
fn check_findings_agree(bytes: &[u8]) {
    let case = file(bytes);
    let Ok(source) = open(&case.path) else { return };
    for missing in [MissingRule::Refuse, MissingRule::Drop, MissingRule::Mean] {
        let mapping = Mapping { missing, ..Mapping::default() };
        let Ok(profile) = source.profile() else {
            assert!(source.table(&schema(), &mapping).is_err());
            continue;
        };
        let found = profile.fit(&source, (&schema(), None), &mapping);
        let read = source.table(&schema(), &mapping);
        if found.iter().all(|finding| finding.weight != Weight::Blocks)
            && missing == MissingRule::Refuse
        {
            assert!(read.is_ok(), "{:?}", read.err());
        }
        if read.is_ok() {
            let blocks: Vec<_> = found.iter().filter(|f| f.weight == Weight::Blocks).collect();
            assert!(blocks.is_empty(), "{blocks:?}");
        }
    }
}

fn csv_of(source: &DataSource) -> Vec<u8> {
    let table = source.table(wine::table().schema(), &Mapping::default()).unwrap().table;
    let mut text = Vec::new();
    table_to_csv(&mut text, &table).unwrap();
    text
}

#[test]
fn wine_comes_back_bit_for_bit_from_csv_and_json() {
    let table = wine::table();
    let mut text = Vec::new();
    table_to_csv(&mut text, &table).unwrap();
    assert_eq!(csv_of(&open(&file(&text).path).unwrap()), text);
    let mut lines = String::new();
    for (row, label) in table.iter() {
        let mut object = serde_json::Map::new();
        for (name, value) in table.schema().features().iter().zip(row) {
            object.insert(name.clone(), value.to_string().parse::<f64>().unwrap().into());
        }
        object.insert("quality".into(), table.schema().classes()[label as usize].clone().into());
        lines += &format!("{}\n", serde_json::Value::Object(object));
    }
    let case = file(lines.as_bytes());
    assert_eq!(csv_of(&open(&case.path).unwrap()), text);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        check_findings_agree(&bytes);
    }

    #[test]
    fn arbitrary_tables_never_panic_and_findings_say_what_reading_does(
        rows in proptest::collection::vec(("[0-9]{0,2}|x|NA|1e99|true|2026-01-01", "[0-9,.]{0,3}", "no|yes|maybe||NA"), 0..12),
        separator in "[,;\t|]",
        start in "a,b,y|a;b;y|\\{\"a\"|[ -~]{0,8}",
    ) {
        let mut text = start.replace([',', ';'], &separator) + "\n";
        for (a, b, y) in rows {
            text += &[a, b, y].join(&separator);
            text += "\n";
        }
        check_findings_agree(text.as_bytes());
    }

    #[test]
    fn arbitrary_json_lines_never_panic(
        lines in proptest::collection::vec("\\{(\"[aby]\": ?(1|null|true|\"no\"|\"yes\"|\\[\\]|1e400),?){0,3}\\}?", 1..6),
    ) {
        check_findings_agree(lines.join("\n").as_bytes());
    }

    #[test]
    fn tables_come_back_in_every_dialect(
        rows in proptest::collection::vec((any::<f32>(), -1e30_f32..1e30, 0_u32..2), 1..20),
        delimiter in prop::sample::select(vec![',', ';', '\t', '|']),
    ) {
        let rows: Vec<_> = rows.into_iter().filter(|row| row.0.is_finite()).collect();
        prop_assume!(!rows.is_empty());
        let mut text = ["a", "b", "y"].join(&delimiter.to_string()) + "\n";
        for (a, b, y) in &rows {
            text += &format!("{a}{delimiter}{b:e}{delimiter}{}\n", ["no", "yes"][*y as usize]);
        }
        let table = table_of(text.as_bytes(), &Mapping::default()).unwrap();
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        let expected: Vec<f32> = rows.iter().flat_map(|row| [row.0, row.1]).collect();
        prop_assert_eq!(bits(table.features()), bits(&expected));
    }
}
