//! Looking at a long file takes memory for its columns, not for its rows. A process of its own: peak memory is a process's.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
};

use datasets::{ColumnType, open};
use flate2::{Compression, write::GzEncoder};

/// Rows of the file: some 160 MB, all different, so that more rows than digests are kept have to be let go.
const ROWS: u64 = 2_500_000;

/// How long the rows are made instead, in bytes: 10 GB, say, where there is time. They are packed then, so that they need less than
/// half of that on the disk; they are unpacked as they are read.
const LONG: &str = "SAHAKAR_LONG_FILE_BYTES";

/// What it may take beyond the start: digests (2^20 of 32 bytes in a table that doubles), words of columns, buffers. The rows
/// alone would be 160 MB of text, and three times that as strings.
const PEAK_KIB_MAX: u64 = 150 << 10;

fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Rows of the file.
fn rows() -> u64 {
    let Some(bytes) = std::env::var_os(LONG) else { return ROWS };
    let bytes: u64 = bytes.to_str().unwrap().parse().unwrap();
    // A row has 65 bytes and more.
    (bytes / 65).max(ROWS)
}

#[test]
fn a_long_file_is_looked_at_in_bounded_memory() {
    let all = rows();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("long");
    let file = File::create(&path).unwrap();
    let packed = std::env::var_os(LONG).is_some();
    let mut file: BufWriter<Box<dyn Write>> = BufWriter::new(if packed {
        Box::new(GzEncoder::new(file, Compression::fast()))
    } else {
        Box::new(file)
    });
    writeln!(file, "id,word,a,b,c,label").unwrap();
    for row in 0..all {
        let scattered = row.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let label = if row % 3 == 0 { "yes" } else { "no" };
        writeln!(
            file,
            "{row},word-{scattered:016x},{row}.25,{}.125,{},{label}",
            scattered >> 40,
            scattered >> 32
        )
        .unwrap();
    }
    drop(file.into_inner().ok().unwrap());
    let length = fs::metadata(&path).unwrap().len();
    assert!(length > 75_000_000, "{length}");
    let before = peak_kib();
    let profile = open(&path).unwrap().profile().unwrap();
    let taken = peak_kib() - before;
    assert_eq!(profile.rows, all);
    assert!(profile.duplicates.estimated && profile.duplicates.rows == 0);
    assert_eq!(profile.column("word").unwrap().kind, ColumnType::Text);
    assert_eq!(profile.column("label").unwrap().levels.as_ref().unwrap().len(), 2);
    assert!(taken < PEAK_KIB_MAX, "{taken} KiB for a file of {} KiB", length >> 10);
    eprintln!("{taken} KiB for {all} rows in a file of {} KiB", length >> 10);
}
