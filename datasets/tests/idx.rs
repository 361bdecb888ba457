//! Images and labels as IDX files: read plain and gzipped; what is not one is refused by name.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{self, Read, Write as _};

use datasets::{
    IdxError, ImageSet, ImageSetError, ImageShape, RowOutOfRange, RowSource as _, images_from_idx,
    labels_from_idx,
};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;

fn images_file(count: u32, height: u32, width: u32, pixels: &[u8]) -> Vec<u8> {
    let dimensions = [count, height, width].map(u32::to_be_bytes).concat();
    [&[0, 0, 8, 3], &dimensions[..], pixels].concat()
}

fn labels_file(count: u32, labels: &[u8]) -> Vec<u8> {
    [&[0, 0, 8, 1], &count.to_be_bytes()[..], labels].concat()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn two_images() -> Vec<u8> {
    images_file(2, 2, 3, &[0, 51, 102, 153, 204, 255, 1, 2, 3, 4, 5, 6])
}

#[track_caller]
fn check_images_refused(file: &[u8], expected: &str) {
    assert_eq!(images_from_idx(file).unwrap_err().to_string(), expected);
}

#[test]
fn plain_and_gzipped_files_read_the_same() {
    let plain = images_from_idx(&two_images()[..]).unwrap();
    assert_eq!((plain.shape.height(), plain.shape.width()), (2, 3));
    assert_eq!(plain.pixels, &two_images()[16..]);
    assert_eq!(images_from_idx(&gzipped(&two_images())[..]).unwrap(), plain);

    let file = labels_file(3, &[2, 0, 1]);
    assert_eq!(labels_from_idx(&file[..]).unwrap(), [2, 0, 1]);
    assert_eq!(labels_from_idx(&gzipped(&file)[..]).unwrap(), [2, 0, 1]);
}

#[test]
fn an_archive_of_several_members_is_read_to_its_end() {
    let file = two_images();
    let (start, end) = file.split_at(20);
    let archive = [gzipped(start), gzipped(end)].concat();
    assert_eq!(images_from_idx(&archive[..]).unwrap().pixels, &two_images()[16..]);
}

#[test]
fn a_source_that_gives_single_bytes_is_read() {
    struct Single<'a>(&'a [u8]);
    impl Read for Single<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let end = buffer.len().min(1);
            self.0.read(&mut buffer[..end])
        }
    }
    let archive = gzipped(&two_images());
    assert_eq!(images_from_idx(Single(&archive)).unwrap().pixels, &two_images()[16..]);
}

#[test]
fn another_kind_of_file_is_refused() {
    let expected = "expected the file to begin with the bytes [0, 0, 8, 3], got [0, 0, 8, 1]";
    check_images_refused(&labels_file(3, &[2, 0, 1]), expected);
    let expected =
        "expected the file to begin with the bytes [0, 0, 8, 3], got [60, 104, 116, 109]";
    check_images_refused(b"<html>not found</html>", expected);
    let error = labels_from_idx(&two_images()[..]).unwrap_err();
    assert!(matches!(error, IdxError::MagicMismatch { got: [0, 0, 8, 3], .. }), "{error}");
}

#[test]
fn a_file_that_is_cut_off_is_refused_at_every_length() {
    let file = two_images();
    for len in 0..file.len() {
        let error = images_from_idx(&file[..len]).unwrap_err();
        assert!(matches!(error, IdxError::Truncated { .. }), "{len}: {error}");
    }
    let expected = "the file is cut off: expected 12 bytes of values, got 11";
    check_images_refused(&file[..file.len() - 1], expected);
    check_images_refused(&[], "the file is cut off: expected 16 bytes of header, got 0");
}

#[test]
fn an_archive_that_is_cut_off_is_refused_at_every_length() {
    let archive = gzipped(&two_images());
    for len in 2..archive.len() {
        let error = images_from_idx(&archive[..len]).unwrap_err();
        assert!(matches!(error, IdxError::ArchiveTruncated { .. }), "{len}: {error:?}");
    }
    let cut = &archive[..archive.len() - 4];
    let expected = "the gzip archive is cut off: it gives 12 bytes of values and then ends";
    check_images_refused(cut, expected);
}

#[test]
fn a_damaged_archive_is_refused() {
    let archive = gzipped(&two_images());
    for at in archive.len() - 8..archive.len() {
        let mut damaged = archive.clone();
        damaged[at] ^= 1;
        let error = images_from_idx(&damaged[..]).unwrap_err();
        assert!(matches!(error, IdxError::Read { part: "values", .. }), "{at}: {error:?}");
    }
}

#[test]
fn bytes_behind_the_end_are_refused() {
    let mut file = two_images();
    file.push(0);
    let expected = "the file goes on after the 12 bytes of values that its header announces";
    check_images_refused(&file, expected);
    check_images_refused(&gzipped(&file), expected);
    let mut archive = gzipped(&two_images());
    archive.extend(b"more");
    assert!(images_from_idx(&archive[..]).is_err(), "behind the archive");
}

#[test]
fn what_a_header_cannot_ask_for_is_refused_before_it_is_read() {
    check_images_refused(&images_file(0, 2, 2, &[]), "the file has no rows");
    let too_many = (1 << 24) + 1;
    let expected = "the header announces 16777217 rows, at most 16777216 are read";
    check_images_refused(&images_file(too_many, 1, 1, &[]), expected);
    for (height, width) in [(0, 5), (5, 0), (257, 256), (u32::MAX, u32::MAX)] {
        let expected = format!(
            "the header announces images of {height} x {width}, expected 1 to 65536 pixels"
        );
        check_images_refused(&images_file(1, height, width, &[]), &expected);
    }
    let expected = "the header announces 17179869184 bytes of pixels, at most 8589934592 are read";
    check_images_refused(&images_file(1 << 18, 256, 256, &[]), expected);
    // As much as is allowed is not taken before it is there.
    let expected = "the file is cut off: expected 8589934592 bytes of values, got 0";
    check_images_refused(&images_file(1 << 17, 256, 256, &[]), expected);
}

#[test]
fn a_small_archive_cannot_unpack_to_more_than_its_header_says() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&images_file(1, 1, 1, &[7])).unwrap();
    let zeros = vec![0; 1 << 20];
    (0..64).for_each(|_| encoder.write_all(&zeros).unwrap());
    let archive = encoder.finish().unwrap();
    let error = images_from_idx(&archive[..]).unwrap_err();
    assert!(matches!(error, IdxError::Trailing { expected: 1 }), "{error}");
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|class| class.to_string()).collect()
}

fn set() -> ImageSet {
    ImageSet::new(images_from_idx(&two_images()[..]).unwrap(), &[1, 0], names(2)).unwrap()
}

#[test]
fn rows_are_taken_in_the_order_asked_for_from_0_to_1() {
    let taken = set().take(&[1, 0, 1]).unwrap();
    assert_eq!(taken.labels, [0, 1, 0]);
    assert_eq!(taken.values.len(), 18);
    assert_eq!(&taken.values[6..12], [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
    assert_eq!(taken.values[0].to_bits(), (1.0_f32 / 255.0).to_bits());
    assert_eq!(set().take(&[]).unwrap().labels, [0_u32; 0]);
    assert_eq!(set().take(&[0, 2]).unwrap_err(), RowOutOfRange { row: 2, rows: 2 });
    assert_eq!((set().rows(), set().width(), set().classes()), (2, 6, 2));
}

#[test]
fn images_make_a_table_of_named_pixels() {
    let table = set().table(&[1]).unwrap();
    assert_eq!(table.schema().features(), ["p0.0", "p0.1", "p0.2", "p1.0", "p1.1", "p1.2"]);
    assert_eq!(table.labels(), [0]);
    assert_eq!(table.take(&[0]).unwrap(), set().take(&[1]).unwrap());
    assert_eq!(set().table(&[]).unwrap_err().to_string(), "the images do not make a table");
}

#[test]
fn images_and_labels_that_do_not_belong_together_are_refused() {
    let refused = |labels: &[u8], classes| {
        ImageSet::new(images_from_idx(&two_images()[..]).unwrap(), labels, names(classes))
            .unwrap_err()
    };
    assert_eq!(refused(&[], 2), ImageSetError::Empty);
    assert_eq!(refused(&[0], 2), ImageSetError::PixelCount { expected: 6, got: 12 });
    assert_eq!(refused(&[0, 0, 0], 2), ImageSetError::PixelCount { expected: 18, got: 12 });
    assert_eq!(refused(&[0, 0], 1), ImageSetError::ClassCount { got: 1 });
    let out_of_range = ImageSetError::LabelOutOfRange { row: 1, label: 2, classes: 2 };
    assert_eq!(refused(&[0, 2], 2), out_of_range);
}

#[test]
fn a_log_shows_no_pixel() {
    let shown = format!("{:?} {:?}", set(), set().take(&[0]).unwrap());
    assert!(!shown.contains("51") && !shown.contains("0.2"), "{shown}");
}

#[test]
fn a_shape_has_a_pixel_and_not_too_many() {
    assert_eq!(ImageShape::new(28, 28).unwrap().values(), 784);
    assert!(ImageShape::new(256, 256).is_some());
    for (height, width) in [(0, 1), (1, 0), (257, 256), (usize::MAX, 2)] {
        assert_eq!(ImageShape::new(height, width), None);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_readers_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        for magic in [&[][..], &[0, 0, 8, 3, 0, 0, 0], &[0, 0, 8, 1, 0, 0, 0], &[0x1f, 0x8b, 8]] {
            let file = [magic, &bytes].concat();
            if let Ok(images) = images_from_idx(&file[..]) {
                prop_assert!(images.pixels.len().is_multiple_of(images.shape.values()));
            }
            if let Ok(labels) = labels_from_idx(&file[..]) {
                prop_assert!(!labels.is_empty());
            }
        }
    }

    #[test]
    fn whole_files_are_read_back(
        height in 1_u32..5,
        width in 1_u32..5,
        seed in proptest::collection::vec(any::<u8>(), 1..8),
    ) {
        let count = u32::try_from(seed.len()).unwrap();
        let pixels: Vec<u8> =
            seed.iter().cycle().take((count * height * width) as usize).copied().collect();
        let file = images_file(count, height, width, &pixels);
        prop_assert_eq!(images_from_idx(&file[..]).unwrap().pixels, pixels);
    }
}
