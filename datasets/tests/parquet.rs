//! Parquet files by other writers, against the same rows as CSV.
//!
//! `test_vectors/v1/*.parquet` and `rows.csv` were written by pyarrow 26.0.0: 300 rows of fifteen types, some missing.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::PathBuf};

use datasets::{Mapping, MissingRule, Profile, Schema, Table, open};
use proptest::prelude::*;

const FILES: [&str; 6] = ["snappy", "plain", "gzip_v2", "lz4_small_pages", "encodings", "int96"];

fn vector(name: &str) -> PathBuf {
    PathBuf::from("test_vectors/v1").join(name)
}

fn table(path: &std::path::Path) -> Table {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let features = [
        "half", "single", "double", "small", "int", "long", "unsigned", "decimal", "flag",
        "constant",
    ];
    let schema = Schema::new(names(&features), "y".to_string(), names(&["no", "yes"])).unwrap();
    let ignore = names(&["day", "time", "word", "long_word"]);
    let mapping = Mapping { ignore, missing: MissingRule::Mean, ..Mapping::default() };
    open(path).unwrap().table(&schema, &mapping).unwrap().table
}

fn profile(path: &std::path::Path) -> Profile {
    open(path).unwrap().profile().unwrap()
}

#[test]
fn every_encoding_and_codec_gives_the_rows_of_the_csv_file() {
    let expected = table(&vector("rows.csv"));
    let (csv, texts) = (profile(&vector("rows.csv")), ["day", "time", "word", "long_word"]);
    for name in FILES {
        let path = vector(&format!("{name}.parquet"));
        assert_eq!(open(&path).unwrap().format(), "Parquet");
        let got = table(&path);
        assert!(got.canonical_bytes() == expected.canonical_bytes(), "{name}");
        let profile = profile(&path);
        assert_eq!(profile.rows, 300, "{name}");
        for text in texts {
            let (got, expected) = (profile.column(text).unwrap(), csv.column(text).unwrap());
            assert_eq!(got, expected, "{name}");
        }
    }
}

#[test]
fn what_is_not_read_is_said_with_what_to_do() {
    let refused = |name: &str| match open(&vector(name)).and_then(|source| source.profile()) {
        Ok(profile) => format!("read: {profile:?}"),
        Err(error) => error.to_string(),
    };
    let zstd = refused("zstd.parquet");
    assert!(zstd.contains("packed with zstd") && zstd.contains("Snappy, or as CSV"), "{zstd}");
    let nested = refused("nested.parquet");
    assert!(nested.contains("\"a\" holds lists or groups"), "{nested}");
}

#[test]
fn a_file_that_is_cut_off_is_refused_everywhere() {
    let bytes = fs::read(vector("snappy.parquet")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    for cut in (4..bytes.len()).step_by(97) {
        fs::write(&path, &bytes[..cut]).unwrap();
        let error = open(&path).and_then(|source| source.profile()).unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn a_damaged_file_never_panics(
        which in prop::sample::select(FILES.to_vec()),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        footer in any::<bool>(),
    ) {
        let mut bytes = fs::read(vector(&format!("{which}.parquet"))).unwrap();
        let length = bytes.len();
        for (at, byte) in changes {
            // Half of the time in the footer, which decides most.
            let size = if footer { (length / 3).max(1) } else { length };
            bytes[length - 1 - at.index(size)] = byte;
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        fs::write(&path, bytes).unwrap();
        if let Ok(source) = open(&path) {
            let _read = source.profile().is_ok();
        }
    }

    #[test]
    fn arbitrary_bytes_between_the_magics_never_panic(middle in proptest::collection::vec(any::<u8>(), 0..200)) {
        let length = u32::try_from(middle.len()).unwrap().to_le_bytes();
        let bytes = [b"PAR1", &middle[..], &length, b"PAR1"].concat();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        fs::write(&path, bytes).unwrap();
        if let Ok(source) = open(&path) {
            let _read = source.profile().is_ok();
        }
    }
}
