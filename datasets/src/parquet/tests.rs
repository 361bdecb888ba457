use std::io::{Seek as _, SeekFrom, Write as _};

use flate2::{Compression, write::GzEncoder};

use super::{
    footer::{Chunk, Column, Group, Meaning, Physical},
    *,
};

const GZIP: i64 = 2;
const DATA: i64 = 0;
const DICTIONARY: i64 = 2;

fn column() -> Column {
    let (physical, meaning) = (Physical::Int32, Meaning::Plain);
    Column { name: "n".to_owned(), physical, meaning, optional: false }
}

/// A page of four-byte values that says that it unpacks to `size` bytes.
fn page(kind: i64, size: i64, packed: &[u8]) -> Vec<u8> {
    let number = |mark: u8, value: i64| {
        let mut bytes = vec![mark];
        let mut rest = value * 2;
        while rest > 127 {
            bytes.push(u8::try_from(rest & 127).unwrap() | 128);
            rest >>= 7;
        }
        bytes.push(u8::try_from(rest).unwrap());
        bytes
    };
    let values = if kind == DATA { [0x2c] } else { [0x4c] };
    [
        &number(0x15, kind)[..],
        &number(0x15, size),
        &number(0x15, packed.len() as i64),
        &values,
        &number(0x15, size / 4),
        &number(0x15, 0),
        &[0, 0],
        packed,
    ]
    .concat()
}

fn file(pages: &[Vec<u8>]) -> (File, Vec<Chunk>) {
    let mut file = tempfile::tempfile().unwrap();
    let chunks = pages.iter().map(|page| {
        let start = file.seek(SeekFrom::End(0)).unwrap();
        file.write_all(page).unwrap();
        Chunk { codec: GZIP, start, bytes: page.len() as u64 }
    });
    let chunks = chunks.collect();
    (file, chunks)
}

fn zeros(size: usize) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&vec![0; size]).unwrap();
    page(DATA, size as i64, &packed.finish().unwrap())
}

#[test]
fn a_page_for_which_there_is_no_room_is_refused_before_it_is_unpacked() {
    // Three bytes that cannot be unpacked: who says that has tried. An entry of a dictionary takes 16 bytes besides.
    for (kind, takes) in [(DATA, 1_000), (DICTIONARY, 1_000 + 250 * 16)] {
        let (file, chunks) = file(&[page(kind, 1_000, b"xyz")]);
        let column = column();
        let said = |room| {
            let mut reader = ColumnReader::new(&column, chunks[0]);
            let error = reader.advance(&file, room).unwrap_err().to_string();
            assert_eq!(reader.open_bytes(), 0);
            error
        };
        assert_eq!(said(takes - 1), TOO_MUCH_OPEN, "{kind}");
        assert_eq!(said(takes), "the file is damaged: a page cannot be unpacked", "{kind}");
    }
}

#[test]
fn a_dictionary_has_no_more_values_than_its_bytes_are() {
    let mut bytes = page(DICTIONARY, 1_000, b"xyz");
    // 251 values of four bytes; 250 are 0xf4 0x03.
    let at = bytes.windows(2).position(|pair| pair == [0xf4, 0x03]).unwrap();
    bytes[at] = 0xf6;
    let (file, chunks) = file(&[bytes]);
    let column = column();
    let error = ColumnReader::new(&column, chunks[0]).advance(&file, 1 << 20).unwrap_err();
    assert!(error.to_string().contains("more values than bytes"), "{error}");
}

#[test]
fn the_room_is_one_for_all_columns() {
    const SIZE: usize = 1 << 16;
    let (file, chunks) = file(&vec![zeros(SIZE); 8]);
    let rows = (SIZE / 4) as u64;
    let footer = Footer { columns: vec![column(); 8], groups: vec![Group { rows, chunks }] };
    let read = |room: usize| {
        let mut seen = Count(0);
        let read = scan_within(room, Path::new("data"), &file, &footer, &mut seen);
        (read.map_err(|error| error.to_string()), seen.0)
    };
    assert_eq!(read(8 * SIZE), (Ok(()), rows));
    let (refused, seen) = read(8 * SIZE - 1);
    let refused = refused.unwrap_err();
    assert!(refused.contains(TOO_MUCH_OPEN) && refused.contains("or as CSV"), "{refused}");
    assert_eq!(seen, 0);
}

struct Count(u64);

impl Visit for Count {
    fn record(&mut self, _: &Place, _: &[Cell<'_>]) -> Result<(), SourceError> {
        self.0 += 1;
        Ok(())
    }

    fn picture(&mut self, _: &Place, _: &[Cell<'_>], _: &[u8; 32]) -> Result<(), SourceError> {
        unreachable!("a table")
    }

    fn ragged(&mut self, _: Place, _: usize, _: usize) -> Result<(), SourceError> {
        unreachable!("rows of one length")
    }

    fn unreadable(&mut self, _: Place, _: &str) -> Result<(), SourceError> {
        unreachable!("a table")
    }
}
