//! A folder with a folder of pictures for each class.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use crate::{
    CLASSES_MAX, Cell, Fault, IdxImages, ImageShape, NAME_BYTES_MAX, Place, SourceError,
    watched_file::State,
};

use super::{Visit, picture::Picture};

/// The most pictures of a folder: as many as ILSVRC has. Their paths take 200 MB.
pub const PICTURES_MAX: usize = 1_300_000;

/// The largest file of a picture.
pub const PICTURE_BYTES_MAX: u64 = 256 << 20;

/// What cameras and systems leave beside pictures.
const BESIDE: [&str; 3] = ["thumbs.db", "desktop.ini", "icon\r"];

/// A folder of pictures as it was found.
#[derive(Debug, Clone)]
pub(crate) struct ImageFolder {
    /// Class folders, in alphabetical order.
    pub(crate) classes: Vec<String>,
    /// Each file and the index of its class, by class and then by name.
    files: Vec<(PathBuf, usize)>,
}

impl ImageFolder {
    /// Lists the pictures of `root`; `None` if it has no folders. Links are followed; what they lead to is looked at no
    /// deeper than one folder, so that a circle of links ends.
    pub(crate) fn list(root: &Path) -> Result<Option<Self>, SourceError> {
        let (mut classes, mut files) = (Vec::new(), Vec::new());
        for (name, path, is_dir) in entries(root)? {
            if !is_dir {
                continue;
            }
            if classes.len() == CLASSES_MAX {
                return Err(SourceError::whole(root, Fault::TooManyClasses));
            }
            if name.len() > NAME_BYTES_MAX {
                return Err(SourceError::whole(&path, Fault::LongClassName));
            }
            for (_, file, is_dir) in entries(&path)? {
                if is_dir {
                    return Err(SourceError::whole(&file, Fault::NestedFolder));
                }
                if files.len() == PICTURES_MAX {
                    return Err(SourceError::whole(root, Fault::TooManyPictures));
                }
                files.push((file, classes.len()));
            }
            classes.push(name);
        }
        Ok((!classes.is_empty()).then_some(Self { classes, files }))
    }

    /// Gives each picture to `visit` as a record: its name, its size, its colours, its class.
    pub(crate) fn scan(&self, root: &Path, visit: &mut impl Visit) -> Result<(), SourceError> {
        for (path, class) in &self.files {
            let place = Place::File(path.strip_prefix(root).unwrap_or(path).to_owned());
            let bytes = read(path)?;
            let picture = match Picture::decode(&bytes) {
                Ok(picture) => picture,
                Err(what) => {
                    visit.unreadable(place, &what)?;
                    continue;
                }
            };
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let size = format!("{} x {}", picture.width, picture.height);
            let colours = if picture.coloured { "colour" } else { "grey" };
            let class = self.classes[*class].as_str();
            let cells = [
                Cell::Text(name),
                Cell::Text(size.into()),
                Cell::Text(colours.into()),
                Cell::Text(class.into()),
            ];
            let digest: [u8; 32] = Sha256::digest(&bytes).into();
            visit.picture(&place, &cells, &digest)?;
        }
        Ok(())
    }

    /// How many pictures there are.
    pub(crate) const fn len(&self) -> usize {
        self.files.len()
    }

    /// The pictures in one shape, and the index of each one's class folder. The caller bounds how many values these are.
    pub(crate) fn images(&self, shape: ImageShape) -> Result<(IdxImages, Vec<usize>), SourceError> {
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for (path, class) in &self.files {
            let picture = Picture::decode(&read(path)?).map_err(|what| {
                let advice = "take the file out of the folder, or save it as PNG or JPEG";
                SourceError::whole(path, Fault::unfit(what, advice))
            })?;
            pixels.extend(picture.in_shape(shape));
            labels.push(*class);
        }
        Ok((IdxImages { shape, pixels }, labels))
    }

    /// How many pictures each class has.
    pub(crate) fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts: BTreeMap<&str, usize> =
            self.classes.iter().map(|c| (c.as_str(), 0)).collect();
        for (_, class) in &self.files {
            *counts.entry(&self.classes[*class]).or_default() += 1;
        }
        counts
    }
}

/// Name, path and whether it is a folder, in the order of names; hidden ones left out.
pub(crate) fn entries(folder: &Path) -> Result<Vec<(String, PathBuf, bool)>, SourceError> {
    let refused = SourceError::open(folder);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(&refused)? {
        let entry = entry.map_err(&refused)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return Err(SourceError::whole(&entry.path(), Fault::OddName));
        };
        if name.starts_with('.') || BESIDE.contains(&name.to_lowercase().as_str()) {
            continue;
        }
        let path = entry.path();
        // Follows links: one that leads in a circle is refused here, by name.
        let is_dir = fs::metadata(&path).map_err(SourceError::open(&path))?.is_dir();
        found.push((name.to_owned(), path, is_dir));
        if found.len() > PICTURES_MAX {
            return Err(SourceError::whole(folder, Fault::TooManyPictures));
        }
    }
    found.sort();
    Ok(found)
}

/// A whole file, which did not change meanwhile.
fn read(path: &Path) -> Result<Vec<u8>, SourceError> {
    let refused = SourceError::open(path);
    let file = File::open(path).map_err(&refused)?;
    let before = State::of(&file).map_err(&refused)?;
    let mut bytes = Vec::new();
    (&file).take(PICTURE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(&refused)?;
    if State::of(&file).map_err(&refused)? != before {
        return Err(SourceError::changed(path));
    }
    if bytes.len() as u64 > PICTURE_BYTES_MAX {
        return Err(SourceError::whole(path, Fault::LongPicture));
    }
    Ok(bytes)
}
