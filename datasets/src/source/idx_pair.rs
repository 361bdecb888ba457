//! Images and their labels as two IDX files of one folder.

use std::{
    fs::File,
    io::{BufReader, Read as _},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use crate::{
    Cell, Fault, IdxError, IdxImages, Place, SourceError, images_from_idx, labels_from_idx,
    plain::plain, watched_file::State,
};

use super::{Visit, image_folder::entries};

/// Images and their labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdxPair {
    pub(crate) images: PathBuf,
    pub(crate) labels: PathBuf,
}

/// What an IDX file has, and of how many rows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdxHead {
    Images(u32),
    Labels(u32),
}

impl IdxHead {
    /// By the first eight bytes, unpacked.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        let rows = u32::from_be_bytes(*head.get(4..)?.first_chunk()?);
        match head.first_chunk()? {
            [0, 0, 8, 3] => Some(Self::Images(rows)),
            [0, 0, 8, 1] => Some(Self::Labels(rows)),
            _ => None,
        }
    }
}

impl IdxPair {
    /// Finds what belongs to `chosen`, an IDX file, among its neighbours: with as many rows, and with a name that differs
    /// only in `images-idx3` and `labels-idx1` if several have.
    pub(crate) fn of_file(chosen: &Path, head: IdxHead) -> Result<Self, SourceError> {
        let folder = match chosen.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let (wanted, images) = match head {
            IdxHead::Images(rows) => (IdxHead::Labels(rows), false),
            IdxHead::Labels(rows) => (IdxHead::Images(rows), true),
        };
        let others: Vec<PathBuf> =
            heads(folder)?.into_iter().filter(|(_, h)| *h == wanted).map(|(p, _)| p).collect();
        let stem = |path: &Path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
            name.trim_end_matches(".gz").replace("images", "labels").replace("idx3", "idx1")
        };
        let named = others.iter().find(|path| stem(path) == stem(chosen));
        let other = match (named, &others[..]) {
            (Some(path), _) => path.clone(),
            (None, [only]) => only.clone(),
            (None, _) => {
                let folder = folder.display().to_string();
                return Err(SourceError::whole(chosen, Fault::NoPartner { images, folder }));
            }
        };
        let chosen = chosen.to_owned();
        Ok(match head {
            IdxHead::Images(_) => Self { images: chosen, labels: other },
            IdxHead::Labels(_) => Self { images: other, labels: chosen },
        })
    }

    /// The one pair of a folder; `None` if it has no IDX files.
    pub(crate) fn of_folder(folder: &Path) -> Result<Option<Self>, SourceError> {
        let images = |(path, head)| matches!(head, IdxHead::Images(_)).then_some((path, head));
        let found: Vec<_> = heads(folder)?.into_iter().filter_map(images).collect();
        match &found[..] {
            [] => Ok(None),
            [(path, head)] => Self::of_file(path, *head).map(Some),
            [(first, _), (second, _), ..] => {
                let name = |path: &Path| {
                    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
                };
                let names = [name(first), name(second)];
                Err(SourceError::whole(folder, Fault::SeveralImages { names }))
            }
        }
    }

    /// Reads both, whole.
    pub(crate) fn read(&self) -> Result<(IdxImages, Vec<u8>), SourceError> {
        let images = unchanged(&self.images, |file| images_from_idx(BufReader::new(file)))?;
        let labels = unchanged(&self.labels, |file| labels_from_idx(BufReader::new(file)))?;
        let count = images.pixels.len() / images.shape.values();
        if count != labels.len() {
            let file = self.labels.display().to_string();
            let fault = Fault::CountsDiffer { images: count, labels: labels.len(), file };
            return Err(SourceError::whole(&self.images, fault));
        }
        Ok((images, labels))
    }

    /// Gives each image to `visit` as a record: its size, its colours, its label.
    pub(crate) fn scan(&self, visit: &mut impl Visit) -> Result<(), SourceError> {
        let (images, labels) = self.read()?;
        let size = format!("{} x {}", images.shape.width(), images.shape.height());
        for (row, (image, label)) in
            (1..).zip(images.pixels.chunks_exact(images.shape.values()).zip(labels))
        {
            let cells = [
                Cell::Text(format!("image {row}").into()),
                Cell::Text(size.as_str().into()),
                Cell::Text("grey".into()),
                Cell::Text(label.to_string().into()),
            ];
            let digest = Sha256::new().chain_update(image).chain_update([label]).finalize().into();
            visit.picture(&Place::Row(row), &cells, &digest)?;
        }
        Ok(())
    }
}

fn heads(folder: &Path) -> Result<Vec<(PathBuf, IdxHead)>, SourceError> {
    let mut found = Vec::new();
    for (_, path, is_dir) in entries(folder)? {
        // A neighbour that cannot be read is none of our business.
        if let Some(head) = (!is_dir).then(|| head(&path)).flatten() {
            found.push((path, head));
        }
    }
    Ok(found)
}

fn head(path: &Path) -> Option<IdxHead> {
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let mut head = Vec::new();
    plain(File::open(path).ok()?).ok()?.take(8).read_to_end(&mut head).ok()?;
    IdxHead::of(&head)
}

fn unchanged<T>(
    path: &Path,
    read: impl FnOnce(&File) -> Result<T, IdxError>,
) -> Result<T, SourceError> {
    let refused = SourceError::open(path);
    let file = File::open(path).map_err(&refused)?;
    let before = State::of(&file).map_err(&refused)?;
    let read = read(&file);
    if State::of(&file).map_err(&refused)? != before {
        return Err(SourceError::changed(path));
    }
    read.map_err(|error| match error {
        IdxError::Read { source, .. } => SourceError::read(path, Place::Row(1), source),
        other => SourceError::whole(path, Fault::Damaged(Some(other.to_string()))),
    })
}
