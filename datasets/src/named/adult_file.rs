//! The Adult table, published as a file of lines.

use std::path::Path;

use crate::adult_from_csv;

use super::{
    DataFile, Dataset, LoadError, Loaded, NamedDataset,
    data_file::{locate, read_checked},
};

/// 32 561 lines. The first digest is that of the published file, which has an empty line at its end,
/// the second that of the same file without it, as some copy it.
pub(super) const FILES: [DataFile; 1] = [DataFile {
    name: "adult.data",
    sha256: &[
        "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
        "df25a4e32ed6f1bd4b3910d21a7bd661a09061eced7cb45555a519d9667cc87b",
    ],
}];

pub(super) fn load(data_dir: Option<&Path>) -> Result<Loaded, LoadError> {
    let paths = locate(NamedDataset::Adult, data_dir)?;
    let path = &paths[0];
    let table = read_checked(&FILES[0], path, |source| {
        adult_from_csv(source)
            .map_err(|source| LoadError::Adult { path: path.to_path_buf(), source })
    })?;
    Ok(Loaded { rows: Dataset::Categorical(table), test: None })
}
