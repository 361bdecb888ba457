//! Tables of examples: readers, schemas, splits; plain batches, no tensors.
//!
//! A [`Table`] is what every contributor holds: numbers and labels that were checked once, where
//! they came in. An [`ImageSet`] is the same for images, a byte a pixel, and [`CharacterWindows`] for
//! text; a [`RowSource`] is what they have in common. [`Partitioner`] deals the rows of one set to many contributors. Everything
//! here is a pure function of its arguments; randomness is passed in, and only [`open`], [`read_csv`],
//! [`write_csv`], [`NamedDataset::load`] and the feature `download` touch files.

mod adult;
mod categorical_table;
mod character_windows;
mod column_plan;
mod csv_reader;
mod csv_writer;
mod deal;
#[cfg(feature = "download")]
mod download;
mod finding;
mod fit;
mod hold_out;
mod idx;
mod image_set;
mod mapping;
mod named;
mod parquet;
mod partition;
mod pixel_columns;
mod plain;
mod profile;
mod record_bound;
mod row_source;
mod says;
mod schema;
mod source;
mod standardiser;
mod table;
mod table_source;
#[cfg(feature = "download")]
mod tar_members;
mod watched_file;
pub mod wine;

pub use adult::{ADULT_BYTES_MAX, AdultReadError, adult_from_csv};
pub use categorical_table::{CategoricalTable, CategoricalTableError, ColumnKind, OneHotError};
pub use character_windows::{CharacterWindows, TEXT_BYTES_MAX, Windowing, WindowsError};
pub use csv_reader::{
    CSV_BYTES_MAX, CSV_LINE_BYTES_MAX, CSV_VALUES_MAX, CsvReadError, read_csv, table_from_csv,
};
pub use csv_writer::{CsvWriteError, table_to_csv, write_csv};
pub use deal::{Deal, DealError, SKEW_MAX, deal};
#[cfg(feature = "download")]
pub use download::{DownloadError, Downloader, Progress};
pub use finding::{Finding, Remedy, Weight};
pub use hold_out::{HeldOut, HoldOut, HoldOutError, hold_out};
pub use idx::{
    Channels, IdxError, IdxImages, ImageShape, PIXEL_BYTES_MAX, images_from_idx, labels_from_idx,
};
pub use image_set::{ImageSet, ImageSetError, ImageTableError};
pub use mapping::{Mapping, MissingRule};
pub use named::{DataFile, Dataset, LoadError, Loaded, NamedDataset, NamedDatasetUnknown};
pub use partition::{
    ALPHA_MIN, Alpha, ClassChoice, ClassLabels, Dirichlet, PartitionError, PartitionFileError,
    Partitioner, Shortfall, SkewSummary, natural, natural_grouped, partition_from_json,
    partition_to_json,
};
pub use profile::{ColumnProfile, ColumnType, Duplicates, Numbers, Odd, Oddity, Profile};
pub use row_source::{RowOutOfRange, RowSource, TakenRows};
pub use says::Says;
pub use schema::{CLASSES_MAX, FEATURES_MAX, NAME_BYTES_MAX, Schema, SchemaError};
pub use source::{
    Cell, CsvDialect, DataSource, Fault, OtherFormat, PICTURE_BYTES_MAX, PICTURE_PIXELS_MAX,
    PICTURES_MAX, Place, Refusal, SourceError, TextEncoding, open,
};
pub use standardiser::{Standardiser, StandardiserError};
pub use table::{ROWS_MAX, Table, TableError};
pub use table_source::TableRead;
