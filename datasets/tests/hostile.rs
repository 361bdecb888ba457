//! Files of a few kilobytes that ask for hundreds of megabytes. A process of its own: peak memory is a process's.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fs, io::Write as _, path::Path};

use datasets::{Profile, open};
use flate2::{
    Compression, Crc,
    write::{GzEncoder, ZlibEncoder},
};

/// What all of them together may take beyond the start.
const PEAK_KIB_MAX: u64 = 32 << 10;

/// What each of them unpacks to.
const BOMB: usize = 64 << 20;

fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn write_zeros(mut to: impl std::io::Write) {
    let zeros = [0; 1 << 16];
    (0..BOMB / zeros.len()).for_each(|_| to.write_all(&zeros).unwrap());
}

#[test]
fn small_files_take_little_memory_whatever_they_promise() {
    let dir = tempfile::tempdir().unwrap();
    let (parquet, pictures) = (dir.path().join("data"), dir.path().join("pictures"));
    let profile = |path: &Path, what: &str| -> Result<Profile, String> {
        let before = peak_kib();
        let read = open(path).and_then(|source| source.profile()).map_err(|e| e.to_string());
        let taken = peak_kib() - before;
        assert!(taken < PEAK_KIB_MAX, "{what}: {taken} KiB");
        read
    };

    // Texts and profiles of 64 MiB beside one pixel: the picture is read, they are not.
    fs::create_dir_all(pictures.join("cat")).unwrap();
    let png = png_bomb();
    assert!(png.len() < 200_000);
    fs::write(pictures.join("cat/a"), png).unwrap();
    let read = profile(&pictures, "PNG").unwrap();
    assert_eq!((read.rows, read.odd), (1, None));

    // 2^24 lengths in 32 KiB of zeros.
    for encoding in [6, 7] {
        let page = delta_page(encoding, 1 << 24);
        fs::write(&parquet, parquet_file(1, 0, &page)).unwrap();
        let read = profile(&parquet, "lengths").unwrap();
        assert_eq!((read.rows, read.preview), (1, vec![vec![String::new()]]));
        fs::write(&parquet, parquet_file(1, 0, &delta_page(encoding, 1))).unwrap();
        let refused = profile(&parquet, "too many lengths").unwrap_err();
        assert!(
            refused.contains("row 1: the file is damaged: more lengths than values"),
            "{refused}"
        );
    }

    // Four columns that are one packed page of 64 MiB.
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    write_zeros(&mut packed);
    let page = page([BOMB, 0], 1, &packed.finish().unwrap());
    fs::write(&parquet, parquet_file(4, 2, &page)).unwrap();
    let refused = profile(&parquet, "one page for all columns").unwrap_err();
    assert!(refused.contains("its columns are longer than the file"), "{refused}");
}

fn png_bomb() -> Vec<u8> {
    let chunk = |kind: &[u8; 4], bytes: &[u8]| {
        let mut crc = Crc::new();
        crc.update(kind);
        crc.update(bytes);
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        [&length, &kind[..], bytes, &crc.sum().to_be_bytes()].concat()
    };
    let mut bomb = ZlibEncoder::new(b"k\0\0".to_vec(), Compression::best());
    write_zeros(&mut bomb);
    let bomb = bomb.finish().unwrap();
    let mut pixel = ZlibEncoder::new(Vec::new(), Compression::best());
    pixel.write_all(&[0, 128]).unwrap();
    // One pixel of eight bits in grey.
    let header = [0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0];
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        chunk(b"iCCP", &bomb),
        chunk(b"zTXt", &bomb),
        chunk(b"IDAT", &pixel.finish().unwrap()),
        chunk(b"IEND", &[]),
    ]
    .concat()
}

/// Seven bits a byte, the lowest first.
fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 127 {
        bytes.push(u8::try_from(value & 127).unwrap() | 128);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

/// A number in Thrift's compact form, after the mark of its field.
fn number(mark: u8, value: usize) -> Vec<u8> {
    [vec![mark], varint(value * 2)].concat()
}

/// 2^24 lengths of zero in blocks of 2^20, of which each takes two bytes; the page says that it has `values`.
fn delta_page(encoding: usize, values: usize) -> Vec<u8> {
    let lengths = [varint(1 << 20), varint(1), varint(1 << 24), vec![0], vec![0; 32]].concat();
    let bytes = [&lengths[..], &lengths, &[0; 32 << 10]].concat();
    page([bytes.len(), encoding], values, &bytes)
}

/// A data page of version 1.
fn page([unpacked, encoding]: [usize; 2], values: usize, packed: &[u8]) -> Vec<u8> {
    let header = [number(0x15, 0), number(0x15, unpacked), number(0x15, packed.len())].concat();
    let values = [vec![0x2c], number(0x15, values), number(0x15, encoding), vec![0, 0]].concat();
    [&header[..], &values, packed].concat()
}

/// One row of `columns` texts, each of which is `page`.
fn parquet_file(columns: usize, codec: usize, page: &[u8]) -> Vec<u8> {
    let list = |items: usize| u8::try_from(items << 4 | 12).unwrap();
    let root = [&[0x48, 1, b'r'][..], &number(0x15, columns), &[0]].concat();
    let column = |at: usize| {
        let name = [0x18, 1, b'a' + u8::try_from(at).unwrap(), 0];
        [&number(0x15, 6)[..], &number(0x25, 0), &name].concat()
    };
    let place = [number(0x45, codec), number(0x36, page.len()), number(0x26, 4)].concat();
    let chunk = [&[0x3c][..], &place, &[0, 0]].concat();
    let footer = [
        vec![0x29, list(columns + 1)],
        root,
        (0..columns).flat_map(column).collect(),
        vec![0x29, list(1), 0x19, list(columns)],
        chunk.repeat(columns),
        number(0x26, 1),
        vec![0, 0],
    ]
    .concat();
    let length = u32::try_from(footer.len()).unwrap().to_le_bytes();
    [b"PAR1", page, &footer, &length, b"PAR1"].concat()
}
