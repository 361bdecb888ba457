//! Where the files of published sets are.

use crate::{DataFile, NamedDataset};

/// Where something is published.
#[derive(Debug)]
pub(super) enum Origin {
    /// One file of a set, gzipped if the address ends so.
    File { url: &'static str, file: &'static DataFile },
    /// All files of a set in a gzipped tar archive, and its SHA-256 as it is.
    Archive { url: &'static str, sha256: &'static str },
}

impl Origin {
    pub(super) const fn url(&self) -> &'static str {
        match self {
            Self::File { url, .. } | Self::Archive { url, .. } => url,
        }
    }

    /// The last part of the address.
    pub(super) fn name(&self) -> &'static str {
        self.url().rsplit('/').next().unwrap_or_default()
    }
}

/// What a set is fetched from.
pub(super) fn origins(dataset: NamedDataset) -> &'static [Origin] {
    match dataset {
        NamedDataset::Wine => &[],
        NamedDataset::FashionMnist => &FASHION_MNIST,
        NamedDataset::Mnist => &MNIST,
        NamedDataset::Adult => &ADULT,
        NamedDataset::Shakespeare => &SHAKESPEARE,
        NamedDataset::Cifar10 => &CIFAR_10,
        NamedDataset::Heart => &HEART,
    }
}

macro_rules! files {
    ($base:literal, $packed:literal, $dataset:expr; $($name:literal $index:literal),+) => {
        [$(Origin::File {
            url: concat!($base, $name, $packed),
            file: &$dataset.files()[$index],
        }),+]
    };
}

static FASHION_MNIST: [Origin; 4] = files!(
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/", ".gz",
    NamedDataset::FashionMnist;
    "train-images-idx3-ubyte" 0, "train-labels-idx1-ubyte" 1, "t10k-images-idx3-ubyte" 2, "t10k-labels-idx1-ubyte" 3
);

static MNIST: [Origin; 4] = files!(
    "https://storage.googleapis.com/cvdf-datasets/mnist/", ".gz", NamedDataset::Mnist;
    "train-images-idx3-ubyte" 0, "train-labels-idx1-ubyte" 1, "t10k-images-idx3-ubyte" 2, "t10k-labels-idx1-ubyte" 3
);

static ADULT: [Origin; 1] = files!(
    "https://archive.ics.uci.edu/ml/machine-learning-databases/adult/", "", NamedDataset::Adult;
    "adult.data" 0
);

static SHAKESPEARE: [Origin; 1] = files!(
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/", "",
    NamedDataset::Shakespeare; "input.txt" 0
);

static HEART: [Origin; 1] = files!(
    "https://archive.ics.uci.edu/ml/machine-learning-databases/heart-disease/", "",
    NamedDataset::Heart; "processed.cleveland.data" 0
);

static CIFAR_10: [Origin; 1] = [Origin::Archive {
    url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
}];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_every_set_has_an_origin_of_its_name() {
        for dataset in NamedDataset::ALL {
            let origins = origins(dataset);
            for (at, file) in dataset.files().iter().enumerate() {
                let found = origins.iter().any(|origin| match origin {
                    Origin::File { file: of, url } => {
                        of.name == file.name && url.trim_end_matches(".gz").ends_with(file.name)
                    }
                    Origin::Archive { .. } => true,
                });
                assert!(
                    found && origins.iter().all(|o| o.url().starts_with("https://")),
                    "{dataset} {at}"
                );
            }
        }
    }
}
