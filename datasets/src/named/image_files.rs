//! Image sets published as four IDX files.

use std::path::Path;

use crate::{ImageSet, images_from_idx, labels_from_idx};

use super::{
    DataFile, Dataset, LoadError, Loaded, NamedDataset,
    data_file::{locate, read_checked},
};

/// Training images, training labels, test images, test labels. The MD5 of these files is that of
/// the published archives' content, and several public repositories name the same SHA-256.
pub(super) const FASHION_MNIST: [DataFile; 4] = [
    DataFile {
        name: "train-images-idx3-ubyte",
        sha256: &["c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"],
    },
    DataFile {
        name: "train-labels-idx1-ubyte",
        sha256: &["bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"],
    },
    DataFile {
        name: "t10k-images-idx3-ubyte",
        sha256: &["5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"],
    },
    DataFile {
        name: "t10k-labels-idx1-ubyte",
        sha256: &["0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"],
    },
];

/// As [`FASHION_MNIST`]. Not read here: the digests are those on which public repositories agree.
pub(super) const MNIST: [DataFile; 4] = [
    DataFile {
        name: "train-images-idx3-ubyte",
        sha256: &["ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"],
    },
    DataFile {
        name: "train-labels-idx1-ubyte",
        sha256: &["65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"],
    },
    DataFile {
        name: "t10k-images-idx3-ubyte",
        sha256: &["0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"],
    },
    DataFile {
        name: "t10k-labels-idx1-ubyte",
        sha256: &["ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"],
    },
];

/// The classes of Fashion-MNIST, as its publisher calls them.
pub(super) const CLOTHES: [&str; 10] = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
];

/// The classes of MNIST.
pub(super) const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// Reads the four files, and puts images and labels together.
pub(super) fn load(
    dataset: NamedDataset,
    data_dir: Option<&Path>,
    classes: &[&str],
) -> Result<Loaded, LoadError> {
    let paths = locate(dataset, data_dir)?;
    let mut sets = paths.chunks_exact(2).zip(dataset.files().chunks_exact(2)).map(|pair| {
        let (paths, files) = pair;
        load_set((&files[0], &paths[0]), (&files[1], &paths[1]), classes).map(Dataset::Images)
    });
    let rows = sets.next().transpose()?.expect("each list of files begins with the training set");
    Ok(Loaded { rows, test: sets.next().transpose()? })
}

fn load_set(
    (images_file, images_path): (&DataFile, &Path),
    (labels_file, labels_path): (&DataFile, &Path),
    classes: &[&str],
) -> Result<ImageSet, LoadError> {
    let unfit = |path: &Path| {
        let path = path.to_path_buf();
        move |source| LoadError::Idx { path, source }
    };
    let images = read_checked(images_file, images_path, |source| {
        images_from_idx(source).map_err(unfit(images_path))
    })?;
    let labels = read_checked(labels_file, labels_path, |source| {
        labels_from_idx(source).map_err(unfit(labels_path))
    })?;
    let classes = classes.iter().map(ToString::to_string).collect();
    ImageSet::new(images, &labels, classes).map_err(|source| {
        let folder = images_path.parent().unwrap_or(images_path).to_path_buf();
        LoadError::Images { folder, source }
    })
}
