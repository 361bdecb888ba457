//! What is wrong with data that cannot be read: a sentence for the command line, and its parts for programs that have other words.

use std::fmt;

use crate::{CLASSES_MAX, CSV_LINE_BYTES_MAX, FEATURES_MAX, PICTURE_BYTES_MAX, PICTURES_MAX};

/// What is wrong with data. [`fmt::Display`] says it in English, [`Fault::advice`] what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// There is no such file or folder.
    NotThere,
    /// It may not be read.
    Forbidden,
    /// Its links lead in a circle.
    LinkLoop,
    /// It cannot be opened for another reason.
    NotOpened,
    /// It, or the archive around it, ends too early.
    CutOff,
    /// It, or the archive around it, is damaged; what of it, if that is known.
    Damaged(Option<String>),
    /// The disk does not give it.
    Disk,
    /// It was written to while it was read.
    Changed,
    /// It is neither a file nor a folder.
    NoFile,
    /// It has no byte.
    Empty,
    /// It has nothing but blanks.
    Blank,
    /// It is another format, which is named in English.
    Other(OtherFormat),
    /// It is neither text nor any format that is known.
    Unknown,
    /// It is one picture.
    SinglePicture,
    /// It is one JSON array.
    JsonArray,
    /// Its class folders have no pictures.
    EmptyClassFolders,
    /// It is a folder without class folders.
    NoClassFolders,
    /// More folders than classes are taken.
    TooManyClasses,
    /// A class folder's name is too long.
    LongClassName,
    /// There is a folder within the folder of a class.
    NestedFolder,
    /// More pictures, or other files, than are taken.
    TooManyPictures,
    /// A file's name is not UTF-8.
    OddName,
    /// A picture's file is too long.
    LongPicture,
    /// More columns than are taken.
    TooManyColumns,
    /// A line is too long.
    LongLine,
    /// A value is not UTF-8.
    NotUtf8 {
        /// Which value of the line, from 1.
        value: usize,
    },
    /// A line is no CSV; why, in English.
    NoCsv(String),
    /// A line is no JSON object; why, in English.
    NoJsonObject(String),
    /// A key is not among those of the first lines.
    LateKey {
        /// The key.
        key: String,
    },
    /// A value is a list or an object.
    Nested,
    /// The IDX file that belongs to it is not there.
    NoPartner {
        /// Whether images are missing, and not labels.
        images: bool,
        /// Where they were looked for.
        folder: String,
    },
    /// Several IDX files of images.
    SeveralImages {
        /// The names of two.
        names: [String; 2],
    },
    /// Images and labels are not of the same rows.
    CountsDiffer {
        /// Images.
        images: usize,
        /// Labels.
        labels: usize,
        /// The file of the labels.
        file: String,
    },
    /// It is Parquet, but more than is read here; what, in English.
    ParquetUnread(String),
    /// It does not fit the federation: told by who holds it against that.
    Unfit {
        /// What is wrong, in English.
        what: String,
        /// What to do about it, in English.
        advice: String,
    },
}

/// Formats that are often taken for data that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OtherFormat {
    /// A ZIP archive, or an Excel workbook, which is one.
    Zip,
    /// An Excel workbook of before.
    OldExcel,
    /// A PDF document.
    Pdf,
    /// An SQLite database.
    Sqlite,
    /// An Arrow file.
    Arrow,
    /// Packed with zstd.
    Zstd,
    /// Packed with bzip2.
    Bzip2,
    /// HTML or XML.
    Markup,
}

impl OtherFormat {
    /// By how a file begins.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        const BEGINNINGS: [(&[u8], OtherFormat); 7] = [
            (b"PK\x03\x04", OtherFormat::Zip),
            (b"\xd0\xcf\x11\xe0", OtherFormat::OldExcel),
            (b"%PDF", OtherFormat::Pdf),
            (b"SQLite format 3", OtherFormat::Sqlite),
            (b"ARROW1", OtherFormat::Arrow),
            (b"\x28\xb5\x2f\xfd", OtherFormat::Zstd),
            (b"BZh", OtherFormat::Bzip2),
        ];
        BEGINNINGS.iter().find(|(begin, _)| head.starts_with(begin)).map(|(_, format)| *format)
    }

    const fn advice(self) -> &'static str {
        match self {
            Self::Zip => "unpack it, or save the sheet as CSV",
            Self::OldExcel => "save the sheet as CSV",
            Self::Pdf | Self::Sqlite => "export the table as CSV",
            Self::Arrow => "save it as Parquet or CSV",
            Self::Zstd | Self::Bzip2 => "unpack it, or pack it with gzip",
            Self::Markup => "save the table as CSV",
        }
    }
}

impl fmt::Display for OtherFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zip => "a ZIP archive or an Excel workbook",
            Self::OldExcel => "an old Excel workbook",
            Self::Pdf => "a PDF document",
            Self::Sqlite => "an SQLite database",
            Self::Arrow => "an Arrow file",
            Self::Zstd => "packed with zstd",
            Self::Bzip2 => "packed with bzip2",
            Self::Markup => "HTML or XML",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other(format) => write!(f, "{format}"),
            Self::Damaged(Some(what))
            | Self::NoCsv(what)
            | Self::NoJsonObject(what)
            | Self::ParquetUnread(what)
            | Self::Unfit { what, .. } => f.write_str(what),
            Self::TooManyClasses => write!(f, "more than {CLASSES_MAX} folders"),
            Self::TooManyPictures => write!(f, "more than {PICTURES_MAX} files"),
            Self::LongPicture => write!(f, "longer than {PICTURE_BYTES_MAX} bytes"),
            Self::TooManyColumns => write!(f, "more than {FEATURES_MAX} columns"),
            Self::LongLine => write!(f, "the line is longer than {CSV_LINE_BYTES_MAX} bytes"),
            Self::NotUtf8 { value } => write!(f, "value {value} is not UTF-8 text"),
            Self::LateKey { key } => {
                write!(f, "the key {key:?} is in no object of the first 1000 lines")
            }
            Self::NoPartner { images, folder } => {
                write!(f, "there are no {} for it in {folder}", part(*images))
            }
            Self::SeveralImages { names: [first, second] } => {
                write!(f, "several IDX files of images ({first}, {second} …)")
            }
            Self::CountsDiffer { images, labels, file } => {
                write!(f, "{images} images, but {labels} labels in {file}")
            }
            other => f.write_str(other.plainly()),
        }
    }
}

const fn part(images: bool) -> &'static str {
    if images { "images" } else { "labels" }
}

impl Fault {
    /// What does not fit a federation.
    pub(crate) fn unfit(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Unfit { what: what.into(), advice: advice.into() }
    }

    /// What has no parameters.
    const fn plainly(&self) -> &'static str {
        match self {
            Self::NotThere => "there is no such file or folder",
            Self::Forbidden => "you may not read it",
            Self::LinkLoop => "its links lead in a circle",
            Self::CutOff => "the file is cut off",
            Self::Damaged(_) => "the file is damaged",
            Self::Disk => "the disk does not give it",
            Self::Changed => "it changed while it was read",
            Self::NoFile => "no file",
            Self::Empty => "empty",
            Self::Blank => "blank",
            Self::Unknown => "neither text nor any format that is known",
            Self::SinglePicture => "a single picture",
            Self::JsonArray => "one JSON array",
            Self::EmptyClassFolders => "a folder whose folders are empty",
            Self::NoClassFolders => "a folder without class folders",
            Self::LongClassName => "the name is too long for a class",
            Self::NestedFolder => "a folder within the folder of a class",
            Self::OddName => "the name is not UTF-8",
            Self::Nested => "holds a list or an object",
            // The others have parameters.
            _ => "it cannot be opened",
        }
    }

    /// What to do about it by hand.
    #[must_use]
    pub fn advice(&self) -> String {
        let advice = match self {
            Self::Unfit { advice, .. } => advice,
            Self::NoPartner { images, .. } => {
                return format!("put the IDX file of the {} beside it", part(*images));
            }
            Self::Other(format) => format.advice(),
            Self::NotThere => "check the path",
            Self::Forbidden => "ask its owner, or copy it",
            Self::LinkLoop => "name the file itself",
            Self::NotOpened => "check the path and the disk",
            Self::CutOff | Self::Damaged(_) => "copy or download it again",
            Self::Disk => "check the disk, or copy the file to another one",
            Self::Changed => "try again when nobody writes to it",
            Self::NoFile => "choose a file or a folder",
            Self::Empty | Self::Blank => "choose a file with rows",
            Self::Unknown => "choose CSV, JSON lines, Parquet, IDX, or a folder of pictures",
            Self::SinglePicture => "choose the folder that has a folder of pictures for each class",
            Self::JsonArray => "write each of its objects into a line of its own (jq -c '.[]')",
            Self::EmptyClassFolders => {
                "choose the folder whose folders, one for each class, hold the pictures"
            }
            Self::NoClassFolders => {
                "choose a file, or a folder that has a folder of pictures for each class"
            }
            Self::TooManyClasses => "choose the folder whose folders are the classes",
            Self::LongClassName => "rename the folder",
            Self::NestedFolder => "put the pictures of a class into one folder",
            Self::TooManyPictures => "choose fewer",
            Self::OddName => "rename it",
            Self::LongPicture => "make the picture smaller",
            Self::TooManyColumns => "leave out what is not trained on",
            Self::LongLine => {
                "write one record per line; look for a quotation mark that is never closed"
            }
            Self::NotUtf8 { .. } => "save the file as UTF-8",
            Self::NoCsv(_) => "correct the line",
            Self::NoJsonObject(_) => "write one JSON object per line",
            Self::LateKey { .. } => "name it in the first object, as null if need be",
            Self::Nested => "write each of its values into a column of its own",
            Self::SeveralImages { .. } => "choose the file, not the folder",
            Self::CountsDiffer { .. } => "choose files that belong together",
            Self::ParquetUnread(_) => "save it anew with plain columns and Snappy, or as CSV",
        };
        advice.to_owned()
    }
}
