//! Published data sets by name: what they consist of, and where.
//!
//! Nothing is downloaded here: the files are looked for in a folder that the caller names, which
//! the feature `download` can fill. A file is known by the SHA-256 of what it holds once unpacked, so that a copy that was compressed anew is
//! still the same file.

use std::{fmt, path::Path, str::FromStr};

use crate::{
    CategoricalTable, CharacterWindows, ImageSet, RowOutOfRange, RowSource, Table, TakenRows,
    Windowing, wine,
};

mod adult_file;
mod cifar_files;
mod data_file;
mod heart_file;
mod image_files;
mod load_error;
mod play_file;

pub use data_file::DataFile;
pub use load_error::LoadError;

/// A data set that is known by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum NamedDataset {
    /// `wine`: 1 599 wines, eleven measurements, two classes; see [`wine`]. Part of the program.
    Wine,
    /// `fashion-mnist`: 60 000 and 10 000 grey images of clothes, 28 × 28, ten classes (Xiao, Rasul
    /// & Vollgraf 2017, arXiv 1708.07747).
    FashionMnist,
    /// `mnist`: 60 000 and 10 000 grey images of digits, 28 × 28, ten classes (Lecun, Cortes &
    /// Burges 1998).
    Mnist,
    /// `adult`: 32 561 people of the 1994 census of the United States, 14 columns of which eight are
    /// categories, two classes; see [`adult_from_csv`](crate::adult_from_csv). The published test
    /// rows are not part of it.
    Adult,
    /// `cifar-10`: 50 000 and 10 000 coloured images, 32 × 32, ten classes (Krizhevsky 2009, "Learning Multiple Layers of
    /// Features from Tiny Images").
    Cifar10,
    /// `heart`: 297 patients of the Cleveland Clinic whose rows are whole, 13 measurements, two classes (Detrano et al. 1989,
    /// "International application of a new probability algorithm for the diagnosis of coronary artery disease").
    Heart,
    /// `shakespeare`: 1 115 394 characters of plays, 65 of them different; see [`CharacterWindows`].
    Shakespeare,
}

/// A text is not the name of a data set.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("expected a data set among {}, got {got:?}", NamedDataset::names())]
pub struct NamedDatasetUnknown {
    /// The text.
    pub got: String,
}

impl NamedDataset {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Wine,
        Self::FashionMnist,
        Self::Mnist,
        Self::Cifar10,
        Self::Adult,
        Self::Heart,
        Self::Shakespeare,
    ];

    /// The name, by which it is asked for and by which its folder is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wine => "wine",
            Self::FashionMnist => "fashion-mnist",
            Self::Mnist => "mnist",
            Self::Cifar10 => "cifar-10",
            Self::Adult => "adult",
            Self::Heart => "heart",
            Self::Shakespeare => "shakespeare",
        }
    }

    /// The licence under which it is published.
    #[must_use]
    pub const fn licence(self) -> &'static str {
        match self {
            Self::Wine | Self::Adult | Self::Heart => "CC BY 4.0",
            // Its page asks for the report to be cited, and says nothing else.
            Self::Cifar10 => "none stated",
            Self::FashionMnist => "MIT",
            Self::Mnist => "CC BY-SA 3.0",
            Self::Shakespeare => "public domain",
        }
    }

    /// Where it is published, in words for a person who has to fetch it.
    #[must_use]
    pub const fn origin(self) -> &'static str {
        match self {
            Self::Wine => "part of this program; UCI Machine Learning Repository, Wine Quality",
            Self::FashionMnist => {
                "https://github.com/zalandoresearch/fashion-mnist, folder data/fashion"
            }
            Self::Cifar10 => "https://www.cs.toronto.edu/~kriz/cifar.html, binary version",
            Self::Adult => "https://archive.ics.uci.edu/dataset/2/adult",
            Self::Heart => "https://archive.ics.uci.edu/dataset/45/heart+disease",
            Self::Shakespeare => {
                "https://github.com/karpathy/char-rnn, folder data/tinyshakespeare"
            }
            Self::Mnist => "https://storage.googleapis.com/cvdf-datasets/mnist/",
        }
    }

    /// The files that it consists of; none if it is part of the program.
    #[must_use]
    pub const fn files(self) -> &'static [DataFile] {
        match self {
            Self::Wine => &[],
            Self::FashionMnist => &image_files::FASHION_MNIST,
            Self::Mnist => &image_files::MNIST,
            Self::Cifar10 => &cifar_files::FILES,
            Self::Adult => &adult_file::FILES,
            Self::Heart => &heart_file::FILES,
            Self::Shakespeare => &play_file::FILES,
        }
    }

    /// Reads it from the folder `data_dir/<name>`, or else from `data_dir` itself.
    ///
    /// * `data_dir` — may be left out for a set that is part of the program.
    ///
    /// # Errors
    /// [`LoadError`]: which files are missing and where to get them, or what is wrong with one.
    pub fn load(self, data_dir: Option<&Path>) -> Result<Loaded, LoadError> {
        match self {
            Self::Wine => Ok(Loaded { rows: Dataset::Table(wine::table()), test: None }),
            Self::FashionMnist => image_files::load(self, data_dir, &image_files::CLOTHES),
            Self::Mnist => image_files::load(self, data_dir, &image_files::DIGITS),
            Self::Cifar10 => cifar_files::load(data_dir),
            Self::Adult => adult_file::load(data_dir),
            Self::Heart => heart_file::load(data_dir),
            Self::Shakespeare => Self::load_plays(data_dir, Windowing::LEAF),
        }
    }

    /// Reads `shakespeare` with other windows than LEAF's, which are one at each character.
    ///
    /// # Errors
    /// As [`NamedDataset::load`].
    pub fn load_plays(data_dir: Option<&Path>, windowing: Windowing) -> Result<Loaded, LoadError> {
        play_file::load(data_dir, windowing)
    }

    fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

impl fmt::Display for NamedDataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for NamedDataset {
    type Err = NamedDatasetUnknown;

    fn from_str(text: &str) -> Result<Self, NamedDatasetUnknown> {
        let found = Self::ALL.into_iter().find(|dataset| dataset.name() == text);
        found.ok_or_else(|| NamedDatasetUnknown { got: text.to_string() })
    }
}

/// A data set as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The rows to train on; all rows if `test` is `None`: then the caller sets some aside
    /// ([`hold_out`](crate::hold_out)).
    pub rows: Dataset,
    /// The published test rows, where the publisher has set some aside.
    pub test: Option<Dataset>,
}

/// Examples of one kind or another; [`RowSource`] is what they have in common.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Dataset {
    /// Rows of numbers.
    Table(Table),
    /// Rows of numbers and categories.
    Categorical(CategoricalTable),
    /// Grey images.
    Images(ImageSet),
    /// Windows of characters.
    Text(CharacterWindows),
}

impl Dataset {
    fn source(&self) -> &dyn RowSource {
        match self {
            Self::Table(table) => table,
            Self::Categorical(table) => table,
            Self::Images(images) => images,
            Self::Text(windows) => windows,
        }
    }
}

impl RowSource for Dataset {
    fn labels(&self) -> &[u32] {
        self.source().labels()
    }

    fn classes(&self) -> usize {
        self.source().classes()
    }

    fn width(&self) -> usize {
        self.source().width()
    }

    fn take(&self, indices: &[u32]) -> Result<TakenRows, RowOutOfRange> {
        self.source().take(indices)
    }
}
