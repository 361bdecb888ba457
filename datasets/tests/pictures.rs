//! Folders of pictures and pairs of IDX files as a contributor's data.
//!
//! `test_vectors/v1/*.{png,jpg}` were written by Pillow 13.0.0: 16 x 8 pixels, the left half (10, 10, 250), the right half
//! (200, 40, 40); `i16.png` is 4 x 4 of 40 000 in 16 bits.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fs, path::Path};

use datasets::{Channels, ImageShape, Mapping, Schema, Weight, open};
use proptest::prelude::*;
use tempfile::tempdir;

fn vector(name: &str) -> Vec<u8> {
    fs::read(Path::new("test_vectors/v1").join(name)).unwrap()
}

fn schema(channels: Channels, height: usize, width: usize) -> Schema {
    let shape = ImageShape::with_channels(channels, height, width).unwrap();
    let classes = ["cat", "dog"].map(str::to_owned).to_vec();
    Schema::new(shape.columns(), "class".to_owned(), classes).unwrap()
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempdir().unwrap();
    for (path, from) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vector(from)).unwrap();
    }
    dir
}

fn close(got: &[f32], expected: &[f32]) {
    assert_eq!(got.len(), expected.len());
    for (got, expected) in got.iter().zip(expected) {
        assert!((got * 255.0 - expected).abs() <= 10.0, "{got} is not {expected} / 255");
    }
}

#[test]
fn class_folders_are_read_in_the_shape_of_the_federation() {
    // Names say nothing: a PNG called .jpg, and files that systems leave are passed over.
    let dir = folder(&[("cat/a.jpg", "rgba.png"), ("dog/b", "two.jpg"), ("dog/c.jpg", "two.jpg")]);
    fs::write(dir.path().join("dog/.DS_Store"), b"x").unwrap();
    fs::write(dir.path().join("dog/Thumbs.db"), b"x").unwrap();
    let source = open(dir.path()).unwrap();
    let profile = source.profile().unwrap();
    assert_eq!((profile.rows, profile.duplicates.rows), (3, 1));
    let colour = schema(Channels::Colour, 1, 2);
    let read = source.table(&colour, &Mapping::default()).unwrap();
    assert_eq!(read.table.labels(), [0, 1, 1]);
    for row in 0..3 {
        close(read.table.row(row).unwrap(), &[10.0, 200.0, 10.0, 40.0, 250.0, 40.0]);
    }
    let grey = source.table(&schema(Channels::Grey, 1, 2), &Mapping::default()).unwrap();
    let luma = |r: f32, g: f32, b: f32| 0.299 * r + 0.587 * g + 0.114 * b;
    close(grey.table.row(1).unwrap(), &[luma(10.0, 10.0, 250.0), luma(200.0, 40.0, 40.0)]);
}

#[test]
fn every_kind_of_png_and_jpeg_is_read() {
    let dir = folder(&[("cat/1", "grey.jpg"), ("cat/2", "one.png"), ("dog/3", "i16.png")]);
    let table = open(dir.path()).unwrap().table(&schema(Channels::Grey, 1, 1), &Mapping::default());
    let table = table.unwrap().table;
    close(&table.features()[2..], &[156.0]);
    assert!(table.features().iter().all(|value| (0.0..=1.0).contains(value)));
}

#[test]
fn what_is_wrong_with_pictures_is_said() {
    let dir = folder(&[("cat/a.png", "rgba.png"), ("Dogs/b.jpg", "two.jpg")]);
    let grey = schema(Channels::Grey, 2, 2);
    let refused = |mapping: &Mapping| -> (String, String) {
        let source = open(dir.path()).unwrap();
        let error = source.table(&grey, mapping).unwrap_err().to_string();
        let found = source.profile().unwrap().fit(&source, (&grey, None), mapping);
        assert!(found.iter().any(|f| f.weight == Weight::Blocks), "{error}: {found:?}");
        let said = found.iter().map(|f| format!("{}; {}\n", f.says, f.says.advice()));
        (error, said.collect())
    };
    let (error, found) = refused(&Mapping::default());
    assert!(error.contains("\"Dogs\" is none of the classes \"cat\", \"dog\""), "{error}");
    assert!(found.contains("is it \"dog\"?"), "{found}");
    let mapping = Mapping { words: [("Dogs".into(), "dog".into())].into(), ..Mapping::default() };
    assert_eq!(open(dir.path()).unwrap().table(&grey, &mapping).unwrap().table.labels(), [1, 0]);
    let cut = &vector("two.jpg")[..60];
    fs::write(dir.path().join("cat/z.jpg"), cut).unwrap();
    let (error, found) = refused(&mapping);
    assert!(error.contains("z.jpg") && error.contains("save it as PNG or JPEG"), "{error}");
    assert!(found.contains("z.jpg"), "{found}");
    fs::write(dir.path().join("cat/z.jpg"), b"some notes").unwrap();
    assert!(refused(&mapping).0.contains("neither PNG nor JPEG"));
    fs::remove_file(dir.path().join("cat/z.jpg")).unwrap();
    fs::create_dir(dir.path().join("cat/more")).unwrap();
    let error = open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("cat/more") && error.contains("one folder"), "{error}");
}

#[test]
fn a_header_that_promises_too_many_pixels_is_refused_before_memory_is_taken() {
    // 60 000 x 60 000 pixels: a PNG of 8 + 25 bytes whose checksum is not looked at before the size.
    let mut png = vector("rgba.png");
    png[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
    png[20..24].copy_from_slice(&60_000_u32.to_be_bytes());
    let dir = folder(&[("cat/a", "rgba.png")]);
    fs::write(dir.path().join("cat/b"), png).unwrap();
    let profile = open(dir.path()).unwrap().profile().unwrap();
    let odd = profile.odd.unwrap();
    assert_eq!(odd.count, 1, "{odd:?}");
}

#[test]
fn more_values_than_a_table_takes_are_refused_before_a_picture_is_unpacked() {
    // 2^14 + 1 pictures in a shape of 2^16 pixels; that they are no pictures nobody gets to see.
    let dir = tempdir().unwrap();
    for class in ["cat", "dog"] {
        fs::create_dir(dir.path().join(class)).unwrap();
    }
    for number in 0..1 << 14 {
        fs::write(dir.path().join("cat").join(number.to_string()), b"x").unwrap();
    }
    let wide = schema(Channels::Grey, 256, 256);
    let refused = || {
        let source = open(dir.path()).unwrap();
        source.table(&wide, &Mapping::default()).unwrap_err().to_string()
    };
    assert!(refused().contains("neither PNG nor JPEG"), "{}", refused());
    fs::write(dir.path().join("dog/last"), b"x").unwrap();
    assert!(refused().contains("16385 pictures of 65536 values are more than"), "{}", refused());
}

#[test]
fn more_values_than_a_table_takes_are_found_before_reading() {
    let dir = folder(&[("cat/a", "one.png"), ("dog/b", "one.png")]);
    let source = open(dir.path()).unwrap();
    let mut profile = source.profile().unwrap();
    let blocks = |profile: &datasets::Profile| {
        let found =
            profile.fit(&source, (&schema(Channels::Grey, 256, 256), None), &Mapping::default());
        found.iter().any(|f| {
            f.weight == Weight::Blocks && f.says.to_string().contains("pictures of 65536 values")
        })
    };
    profile.rows = 1 << 14;
    assert!(!blocks(&profile));
    profile.rows += 1;
    assert!(blocks(&profile));
}

fn idx(count: u32, side: u32) -> (Vec<u8>, Vec<u8>) {
    let dimensions = [count, side, side].map(u32::to_be_bytes);
    let pixels = (0..count * side * side).map(|value| (value % 251) as u8);
    let images = [0, 0, 8, 3].into_iter().chain(dimensions.as_flattened().iter().copied());
    let labels = [0, 0, 8, 1].into_iter().chain(count.to_be_bytes());
    (images.chain(pixels).collect(), labels.chain((0..count).map(|row| (row % 2) as u8)).collect())
}

#[test]
fn idx_files_find_each_other() {
    let dir = tempdir().unwrap();
    let (images, labels) = idx(4, 3);
    fs::write(dir.path().join("t10k-images-idx3-ubyte"), &images).unwrap();
    fs::write(dir.path().join("t10k-labels-idx1-ubyte"), &labels).unwrap();
    fs::write(dir.path().join("readme"), b"hello").unwrap();
    let grey = schema(Channels::Grey, 3, 3);
    for chosen in [
        dir.path().to_owned(),
        dir.path().join("t10k-images-idx3-ubyte"),
        dir.path().join("t10k-labels-idx1-ubyte"),
    ] {
        let source = open(&chosen).unwrap();
        assert_eq!(source.profile().unwrap().rows, 4);
        let found = source.profile().unwrap().fit(&source, (&grey, None), &Mapping::default());
        assert_eq!(found, []);
        let table = source.table(&grey, &Mapping::default()).unwrap().table;
        assert_eq!(table.labels(), [0, 1, 0, 1]);
        assert_eq!(table.features()[1].to_bits(), (1.0_f32 / 255.0).to_bits());
    }
    let source = open(dir.path()).unwrap();
    let error = source.table(&schema(Channels::Grey, 2, 2), &Mapping::default()).unwrap_err();
    assert!(error.to_string().contains("images of 3 x 3"), "{error}");
    fs::remove_file(dir.path().join("t10k-labels-idx1-ubyte")).unwrap();
    let error = open(dir.path()).unwrap_err().to_string();
    assert!(error.contains("no labels for it"), "{error}");
}

proptest! {
    #[test]
    fn damaged_pictures_never_panic(
        which in prop::sample::select(vec!["two.jpg", "grey.jpg", "rgba.png", "i16.png", "one.png"]),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = vector(which);
        let place = at.index(bytes.len());
        bytes[place] = byte;
        bytes.truncate(cut.index(bytes.len() * 2) + 1);
        let dir = folder(&[("cat/a", "rgba.png")]);
        fs::write(dir.path().join("cat/b"), &bytes).unwrap();
        let profile = open(dir.path()).unwrap().profile().unwrap();
        prop_assert_eq!(profile.rows + profile.odd.map_or(0, |odd| odd.count), 2);
    }
}
