//! Plays of Shakespeare, published as one text.

use std::path::Path;

use crate::{CharacterWindows, Windowing};

use super::{
    DataFile, Dataset, LoadError, Loaded, NamedDataset,
    data_file::{locate, read_checked},
};

/// 1 115 394 bytes.
pub(super) const FILES: [DataFile; 1] = [DataFile {
    name: "input.txt",
    sha256: &["86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"],
}];

pub(super) fn load(data_dir: Option<&Path>, windowing: Windowing) -> Result<Loaded, LoadError> {
    let paths = locate(NamedDataset::Shakespeare, data_dir)?;
    let path = &paths[0];
    let windows = read_checked(&FILES[0], path, |source| {
        CharacterWindows::from_play(source, windowing)
            .map_err(|source| LoadError::Text { path: path.to_path_buf(), source })
    })?;
    Ok(Loaded { rows: Dataset::Text(windows), test: None })
}
