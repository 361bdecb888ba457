//! Files that a contributor downloads or is given: what is read of them is in range, or they are refused
//! with a sentence.

use datasets::{
    CharacterWindows, IdxImages, Mapping, RowSource as _, Schema, Table, Windowing, adult_from_csv,
    Weight, images_from_idx, labels_from_idx, open, partition_from_json, partition_to_json, table_from_csv,
    table_to_csv,
};

use crate::{Case, Verdict};

/// What the target `datasets` reads.
pub const CASES: &[Case] = &[
    Case { name: "idx-images", seeds: all_images, check: images },
    Case { name: "idx-labels", seeds: all_labels, check: labels },
    Case { name: "partition", seeds: partitions, check: partition },
    Case { name: "adult", seeds: adults, check: adult },
    Case { name: "play", seeds: plays, check: play },
    Case { name: "csv", seeds: csvs, check: csv },
    Case { name: "own-data", seeds: own_data, check: opened },
];

/// Of a gzipped file as many bytes as keep what comes out of it within the bounds of a run (at most 1032
/// times as much).
const GZIP_BYTES_MAX: usize = 4 << 10;

/// Tells whether reading `bytes` would take more memory than a run has.
fn inflates(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b]) && bytes.len() > GZIP_BYTES_MAX
}

/// What was read, or that a sentence says why not.
fn told<T, E: std::error::Error>(read: Result<T, E>) -> Option<T> {
    let error = match read {
        Ok(value) => return Some(value),
        Err(error) => error,
    };
    let sentence = error.to_string();
    assert!(!sentence.is_empty() && sentence.len() < 1024, "{sentence}");
    None
}

/// `bytes` in a gzip archive, not compressed.
fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    let len = u16::try_from(bytes.len()).expect("a short seed");
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    let [len_le, not_len] = [len.to_le_bytes(), (!len).to_le_bytes()];
    let trailer = [(!crc).to_le_bytes(), u32::from(len).to_le_bytes()].concat();
    [&header[..], &len_le, &not_len, bytes, &trailer].concat()
}

fn both(plain: Vec<u8>) -> Vec<Vec<u8>> {
    vec![gzipped(&plain), plain]
}

fn idx_of(images: &IdxImages) -> Vec<u8> {
    let (shape, pixels) = (images.shape, &images.pixels);
    let dimensions = [pixels.len() / shape.values(), shape.height(), shape.width()];
    let dimensions = dimensions.map(|dimension| u32::try_from(dimension).expect("as read"));
    [&[0, 0, 8, 3][..], dimensions.map(u32::to_be_bytes).as_flattened(), pixels].concat()
}

fn all_images() -> Vec<Vec<u8>> {
    let header = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 2];
    both([&header[..], &[7, 0, 255, 1, 2, 3, 4, 5, 6, 7, 8, 9]].concat())
}

/// Whole images, of the bytes that are in the file.
fn images(bytes: &[u8]) -> Verdict {
    if inflates(bytes) {
        return Verdict::Refused;
    }
    let Some(images) = told(images_from_idx(bytes)) else { return Verdict::Refused };
    assert!(!images.pixels.is_empty() && images.pixels.len() % images.shape.values() == 0);
    assert!(bytes.starts_with(&[0x1f, 0x8b]) || idx_of(&images) == bytes);
    Verdict::Taken
}

fn all_labels() -> Vec<Vec<u8>> {
    both(vec![0, 0, 8, 1, 0, 0, 0, 3, 9, 0, 1])
}

fn labels(bytes: &[u8]) -> Verdict {
    if inflates(bytes) {
        return Verdict::Refused;
    }
    let Some(labels) = told(labels_from_idx(bytes)) else { return Verdict::Refused };
    assert!(bytes.starts_with(&[0x1f, 0x8b]) || bytes[8..] == labels);
    Verdict::Taken
}

const ROWS: usize = 6;

fn partitions() -> Vec<Vec<u8>> {
    vec![b"[[0, 2], [1, 3]]".to_vec(), partition_to_json(&[vec![0, 5], vec![4]]).into_bytes()]
}

/// Each row in at most one part, no part empty; written again, it is the same.
fn partition(bytes: &[u8]) -> Verdict {
    let Some(parts) = told(partition_from_json(bytes, ROWS)) else { return Verdict::Refused };
    let mut rows = parts.concat();
    rows.sort_unstable();
    assert!(rows.is_sorted_by(|a, b| a < b) && rows.iter().all(|row| (*row as usize) < ROWS));
    assert!(!parts.is_empty() && parts.iter().all(|part| !part.is_empty()));
    let again = partition_from_json(partition_to_json(&parts).as_bytes(), ROWS);
    assert!(again.is_ok_and(|again| again == parts));
    Verdict::Taken
}

fn adults() -> Vec<Vec<u8>> {
    let text = "|1x3 Cross validator\n\
        25, Private, 226802, 11th, 7, Never-married, Machine-op-inspct, Own-child, Black, Male, 0, 0, \
        40, United-States, <=50K.\n\
        38, ?, 89814, HS-grad, 9, Married-civ-spouse, ?, Husband, White, Male, 7, 0, 50, ?, >50K\n";
    both(text.as_bytes().to_vec())
}

/// Two classes, finite numbers, categories within their levels; one column for each of them.
fn adult(bytes: &[u8]) -> Verdict {
    if inflates(bytes) {
        return Verdict::Refused;
    }
    let Some(table) = told(adult_from_csv(bytes)) else { return Verdict::Refused };
    check_table(table.table());
    if let Some(table) = told(table.one_hot()) {
        check_table(&table);
    }
    Verdict::Taken
}

fn check_table(table: &Table) {
    let classes = table.schema().classes().len() as u32;
    assert!(table.rows() > 0 && table.labels().iter().all(|label| *label < classes));
    assert!(table.features().len() == table.rows() * table.feature_count());
    assert!(table.features().iter().all(|value| value.is_finite()));
}

fn plays() -> Vec<Vec<u8>> {
    let text = "First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n\n\
        First  Citizen:\nYou are all resolved — rather to die?\n";
    both(text.as_bytes().to_vec())
}

/// Each window can be taken, and its characters and label are of the vocabulary.
fn play(bytes: &[u8]) -> Verdict {
    if inflates(bytes) {
        return Verdict::Refused;
    }
    for windowing in [Windowing { context: 1, stride: 1 }, Windowing { context: 5, stride: 3 }] {
        let read = CharacterWindows::from_play(bytes, windowing);
        let Some(windows) = told(read) else { return Verdict::Refused };
        let (rows, classes) = (windows.labels().len(), windows.classes());
        assert!(rows > 0 && windows.role_ids().len() == rows);
        assert!(windows.labels().iter().all(|label| (*label as usize) < classes));
        let last = rows as u32 - 1;
        assert!(windows.take(&[0, last / 2, last]).is_ok());
        assert!(windows.take(&[last + 1]).is_err());
        let (training, test) = windows.split_by_time(0.2);
        assert!(training.iter().chain(&test).all(|row| *row <= last));
    }
    Verdict::Taken
}

fn schema() -> Schema {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    Schema::new(names(&["a", "b"]), "y".to_owned(), names(&["no", "yes"])).expect("distinct")
}

fn csvs() -> Vec<Vec<u8>> {
    vec![b"a,b,y\n1,2,no\n-3e-5,1e30,yes\n".to_vec(), b"y, b, a\n\"yes\", 2, 0.5\n".to_vec()]
}

/// A table in each format that is recognised by content.
fn own_data() -> Vec<Vec<u8>> {
    let mut seeds = csvs();
    let seed = |text: &str| text.as_bytes().to_vec();
    seeds.push(seed("y;a;b\nno;1,5;2\nyes;NA;4\n"));
    seeds.push(seed("{\"a\": 1, \"b\": 2.5, \"y\": \"no\"}\n{\"a\": null, \"y\": \"yes\"}\n"));
    seeds.push("a,b,y\n1,2,no\n".encode_utf16().flat_map(u16::to_le_bytes).collect());
    let vectors = "../../datasets/test_vectors/v1/";
    for name in ["encodings.parquet", "gzip_v2.parquet"] {
        seeds.extend(std::fs::read(format!("{vectors}{name}")));
    }
    seeds
}

/// A file of any bytes is looked at, or refused with a sentence; what nothing blocks is read.
fn opened(bytes: &[u8]) -> Verdict {
    if inflates(bytes) {
        return Verdict::Refused;
    }
    let path = std::env::temp_dir().join(format!("sahakar-fuzz-{}", std::process::id()));
    std::fs::write(&path, bytes).expect("a temporary folder");
    let Some(source) = told(open(&path)) else { return Verdict::Refused };
    let Some(profile) = told(source.profile()) else { return Verdict::Refused };
    let (schema, mapping) = (schema(), Mapping::default());
    let findings = profile.fit(&source, (&schema, None), &mapping);
    let blocked = findings.iter().any(|finding| finding.weight == Weight::Blocks);
    let read = told(source.table(&schema, &mapping));
    assert!(read.is_some() != blocked, "{findings:?}");
    if let Some(read) = read {
        check_table(&read.table);
    }
    Verdict::Taken
}

/// Written again, it is the same table.
fn csv(bytes: &[u8]) -> Verdict {
    let schema = schema();
    let Some(table) = told(table_from_csv(bytes, &schema)) else { return Verdict::Refused };
    check_table(&table);
    let mut text = Vec::new();
    table_to_csv(&mut text, &table).expect("memory takes everything");
    let again = table_from_csv(text.as_slice(), &schema).expect("as it was written");
    assert!(again.canonical_bytes() == table.canonical_bytes());
    Verdict::Taken
}
