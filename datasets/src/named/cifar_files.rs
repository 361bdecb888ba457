//! CIFAR-10 in its binary form: records of a label and three planes of 32 x 32.

use std::{io::Read as _, path::Path};

use crate::{Channels, IdxImages, ImageSet, ImageShape};

use super::{
    DataFile, Dataset, LoadError, Loaded, NamedDataset,
    data_file::{locate, read_checked},
};

/// Five files of 10 000 training images, then one of test images. The digests are those that public repositories name for the
/// members of the published archive, whose own digest many name.
pub(super) const FILES: [DataFile; 6] = [
    DataFile {
        name: "data_batch_1.bin",
        sha256: &["cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"],
    },
    DataFile {
        name: "data_batch_2.bin",
        sha256: &["a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"],
    },
    DataFile {
        name: "data_batch_3.bin",
        sha256: &["bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"],
    },
    DataFile {
        name: "data_batch_4.bin",
        sha256: &["014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"],
    },
    DataFile {
        name: "data_batch_5.bin",
        sha256: &["755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"],
    },
    DataFile {
        name: "test_batch.bin",
        sha256: &["8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"],
    },
];

const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Pixels to a side.
const SIDE: usize = 32;

/// A label and three planes.
const RECORD_BYTES: usize = 1 + 3 * SIDE * SIDE;

/// The most that is read of one file; a published one has 30 730 000 bytes.
const FILE_BYTES_MAX: u64 = 256 << 20;

pub(super) fn load(data_dir: Option<&Path>) -> Result<Loaded, LoadError> {
    let paths = locate(NamedDataset::Cifar10, data_dir)?;
    let (training, test) = FILES.split_at(FILES.len() - 1);
    let rows = load_set(training, &paths[..training.len()])?;
    let test = load_set(test, &paths[training.len()..])?;
    Ok(Loaded { rows: Dataset::Images(rows), test: Some(Dataset::Images(test)) })
}

fn load_set(files: &[DataFile], paths: &[std::path::PathBuf]) -> Result<ImageSet, LoadError> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for (file, path) in files.iter().zip(paths) {
        let records = read_checked(file, path, |source| {
            let mut records = Vec::new();
            match source.take(FILE_BYTES_MAX).read_to_end(&mut records) {
                Ok(_) => Ok(records),
                Err(source) => Err(LoadError::Open { path: path.clone(), source }),
            }
        })?;
        append(&records, &mut pixels, &mut labels);
    }
    let shape = ImageShape::with_channels(Channels::Colour, SIDE, SIDE).expect("3 072 values");
    let classes = CLASSES.map(str::to_owned).to_vec();
    ImageSet::new(IdxImages { shape, pixels }, &labels, classes).map_err(|source| {
        let folder = paths.first().and_then(|path| path.parent()).unwrap_or(Path::new(""));
        LoadError::Images { folder: folder.to_path_buf(), source }
    })
}

/// The digest says that there are only whole records.
fn append(records: &[u8], pixels: &mut Vec<u8>, labels: &mut Vec<u8>) {
    for record in records.chunks_exact(RECORD_BYTES) {
        labels.push(record[0]);
        pixels.extend_from_slice(&record[1..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_a_label_and_three_planes() {
        let records = [&[3][..], &[7; 1024], &[8; 1024], &[9; 1024], &[9], &[1; 3072]].concat();
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        append(&records, &mut pixels, &mut labels);
        assert_eq!(labels, [3, 9]);
        assert_eq!([pixels[0], pixels[1024], pixels[2048], pixels[3072]], [7, 8, 9, 1]);
        assert_eq!(pixels.len(), 2 * 3072);
    }
}
