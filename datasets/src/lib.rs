//! Tables of examples: readers, schemas, splits; plain batches, no tensors.
//!
//! A [`Table`] is what every contributor holds: numbers and labels that were checked once, where
//! they came in. Everything here is a pure function of its arguments; randomness is passed in, and
//! only [`read_csv`] and [`write_csv`] touch a file.

mod csv_reader;
mod csv_writer;
mod deal;
mod hold_out;
mod schema;
mod standardiser;
mod table;
pub mod wine;

pub use csv_reader::{CSV_BYTES_MAX, CsvReadError, read_csv, table_from_csv};
pub use csv_writer::{CsvWriteError, table_to_csv, write_csv};
pub use deal::{Deal, DealError, SKEW_MAX, deal};
pub use hold_out::{HeldOut, HoldOut, HoldOutError, hold_out};
pub use schema::{CLASSES_MAX, FEATURES_MAX, NAME_BYTES_MAX, Schema, SchemaError};
pub use standardiser::{Standardiser, StandardiserError};
pub use table::{ROWS_MAX, Table, TableError};
