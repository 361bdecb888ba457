//! A table of a federation's schema out of a contributor's data.

use crate::{
    CSV_VALUES_MAX, Cell, DataSource, Fault, IdxImages, ImageSet, ImageShape, Mapping, MissingRule,
    Place, ROWS_MAX, Says, Schema, SourceError, Table,
    column_plan::{Target, agreed},
    csv_reader::excerpt,
    source::{SourceKind, Visit},
};

/// A table as it was read, and what was done about missing values.
#[derive(Debug, Clone, PartialEq)]
pub struct TableRead {
    /// The rows.
    pub table: Table,
    /// Rows left out because a value is missing.
    pub dropped: u64,
    /// Values that became the mean of their column.
    pub filled: u64,
}

impl DataSource {
    /// Reads the rows as a table of `schema`; pictures, if its features are those of an image
    /// ([`ImageShape::columns`]): brought to its shape, from 0 to 1, the labels by the names of class folders.
    ///
    /// Columns are matched by name, in any order. A column that the federation does not know is refused rather than left
    /// out unseen: it is a misspelt feature, or something that the owner did not mean to enrol.
    ///
    /// # Errors
    /// [`SourceError`] with the place of the first value that does not fit.
    pub fn table(&self, schema: &Schema, mapping: &Mapping) -> Result<TableRead, SourceError> {
        if self.is_pictures() {
            return self.pictures(schema, mapping);
        }
        let targets = agreed(self, schema, mapping)?;
        let mut rows = Rows {
            source: self,
            schema,
            mapping,
            targets,
            row: vec![0.0; schema.features().len()],
            values: Vec::new(),
            labels: Vec::new(),
            dropped: 0,
            gaps: Vec::new(),
        };
        self.scan(&mut rows)?;
        rows.finish()
    }

    fn pictures(&self, schema: &Schema, mapping: &Mapping) -> Result<TableRead, SourceError> {
        let path = self.path();
        let Some(shape) = ImageShape::of_columns(schema.features()) else {
            let advice = "choose a table with the federation's columns";
            let what = "pictures, but the federation learns from tables";
            return Err(SourceError::whole(path, Fault::unfit(what, advice)));
        };
        let (images, labels) = match &self.kind {
            SourceKind::Pictures(folder) => {
                let classes: Vec<Option<u32>> = folder
                    .classes
                    .iter()
                    .map(|word| schema.class_index(mapping.class(word)))
                    .collect();
                if let Some(at) = classes.iter().position(Option::is_none) {
                    return Err(class_unknown(
                        path,
                        Place::File(folder.classes[at].clone().into()),
                        "class",
                        &folder.classes[at],
                        schema,
                    ));
                }
                bounded(path, folder.len(), shape)?;
                let (images, labels) = folder.images(shape)?;
                (images, labels.into_iter().filter_map(|class| classes[class]).collect())
            }
            SourceKind::Idx(pair) => {
                let (images, labels) = pair.read()?;
                bounded(path, labels.len(), images.shape)?;
                let labels = labels.iter().zip(1..).map(|(label, row)| {
                    let word = label.to_string();
                    let class = match mapping.words.get(&word) {
                        Some(class) => schema.class_index(class),
                        // IDX has indices: the class of that place.
                        None => Some(u32::from(*label))
                            .filter(|l| (*l as usize) < schema.classes().len()),
                    };
                    class
                        .ok_or_else(|| class_unknown(path, Place::Row(row), "class", &word, schema))
                });
                let labels = labels.collect::<Result<Vec<_>, _>>()?;
                if images.shape != shape {
                    let (got, wanted) = (images.shape, shape);
                    let what = format!(
                        "images of {} x {} in grey, the federation takes {} x {} with {} channel(s)",
                        got.width(),
                        got.height(),
                        wanted.width(),
                        wanted.height(),
                        wanted.channels().count()
                    );
                    let advice = "save them as PNG in class folders: these are resized";
                    return Err(SourceError::whole(path, Fault::unfit(what, advice)));
                }
                (images, labels)
            }
            _ => unreachable!("only these two are pictures"),
        };
        image_table(self, schema, images, labels)
    }
}

/// Pictures take five bytes a value: as they are, and as numbers. No more of them than of a table's are taken.
fn bounded(path: &std::path::Path, pictures: usize, shape: ImageShape) -> Result<(), SourceError> {
    match too_many_values(pictures, shape) {
        Some(says) => Err(SourceError::whole(path, Fault::unfit(says.to_string(), says.advice()))),
        None => Ok(()),
    }
}

/// What is said of more pictures than are taken.
pub(crate) fn too_many_values(pictures: usize, shape: ImageShape) -> Option<Says> {
    let values = shape.values();
    let most = CSV_VALUES_MAX;
    (pictures.saturating_mul(values) > most).then_some(Says::TooMany { pictures, values, most })
}

fn image_table(
    source: &DataSource,
    schema: &Schema,
    images: IdxImages,
    labels: Vec<u32>,
) -> Result<TableRead, SourceError> {
    let values =
        images.pixels.iter().map(|pixel| f32::from(*pixel) / ImageSet::BRIGHTEST).collect();
    let table = Table::new(schema.clone(), values, labels);
    let path = source.path().display().to_string();
    let table = table.map_err(|source| SourceError::Table { path, source })?;
    Ok(TableRead { table, dropped: 0, filled: 0 })
}

fn class_unknown(
    path: &std::path::Path,
    place: Place,
    column: &str,
    word: &str,
    schema: &Schema,
) -> SourceError {
    let classes: Vec<String> =
        schema.classes().iter().take(10).map(|class| format!("{class:?}")).collect();
    let more = if schema.classes().len() > 10 { " …" } else { "" };
    let what = format!("{:?} is none of the classes {}{more}", excerpt(word), classes.join(", "));
    SourceError::value(path, (place, column), Fault::unfit(what, "map the word to one of them"))
}

/// Rows that are gathered.
struct Rows<'a> {
    source: &'a DataSource,
    schema: &'a Schema,
    mapping: &'a Mapping,
    targets: Vec<Target>,
    row: Vec<f32>,
    values: Vec<f32>,
    labels: Vec<u32>,
    dropped: u64,
    /// Indices of values to be filled.
    gaps: Vec<usize>,
}

impl Rows<'_> {
    /// What the cells of a record are; `None` if the record is left out.
    fn label_of(&mut self, place: &Place, cells: &[Cell<'_>]) -> Result<Option<u32>, SourceError> {
        let (path, names) = (self.source.path(), self.source.columns());
        let decimal_comma = self.source.decimal_comma();
        let mut label = None;
        let mut lacks = false;
        for ((cell, target), name) in cells.iter().zip(&self.targets).zip(names) {
            let at = || (place.clone(), name.as_str());
            match target {
                Target::Ignored => {}
                // A class may be called like a word for nothing.
                Target::Label
                    if self.schema.class_index(self.mapping.class(&cell.word())).is_some() =>
                {
                    label = self.schema.class_index(self.mapping.class(&cell.word()));
                }
                Target::Label | Target::Feature(_) if cell.is_missing() => {
                    match (self.mapping.missing, target) {
                        (MissingRule::Refuse, _) => {
                            let advice = "fill it in, or leave out such rows (missing = drop) or take the mean (missing = mean)";
                            let fault = Fault::unfit("the value is missing", advice);
                            return Err(SourceError::value(path, at(), fault));
                        }
                        (MissingRule::Mean, Target::Feature(feature)) => {
                            self.gaps.push(self.values.len() + *feature as usize);
                            self.row[*feature as usize] = 0.0;
                        }
                        _ => lacks = true,
                    }
                }
                Target::Label => {
                    return Err(class_unknown(
                        path,
                        place.clone(),
                        name,
                        &cell.word(),
                        self.schema,
                    ));
                }
                Target::Feature(feature) => {
                    let Some(value) = cell.single(decimal_comma) else {
                        let word = cell.word();
                        let comma = if decimal_comma && word.contains('.') {
                            " with a point, where other numbers have a decimal comma"
                        } else {
                            ""
                        };
                        let what =
                            format!("expected a finite number, got {:?}{comma}", excerpt(&word));
                        let advice = "correct it, or leave it empty and choose what is done about missing values";
                        return Err(SourceError::value(path, at(), Fault::unfit(what, advice)));
                    };
                    self.row[*feature as usize] = value;
                }
            }
        }
        Ok(label.filter(|_| !lacks))
    }

    /// Puts the mean of the values that are there in the place of those that are not.
    fn fill(&mut self) -> Result<(), SourceError> {
        let width = self.schema.features().len();
        let mut by_column: std::collections::BTreeMap<usize, Vec<usize>> =
            std::collections::BTreeMap::new();
        for gap in &self.gaps {
            by_column.entry(gap % width).or_default().push(*gap);
        }
        for (column, gaps) in by_column {
            let mut missing = gaps.iter().peekable();
            let (mut sum, mut count) = (0.0, 0.0);
            for at in (column..self.values.len()).step_by(width) {
                if missing.next_if(|gap| **gap == at).is_none() {
                    sum += f64::from(self.values[at]);
                    count += 1.0;
                }
            }
            if count == 0.0 {
                let what =
                    format!("the column {:?} has no value at all", self.schema.features()[column]);
                let fault = Fault::unfit(what, "a mean needs one; fill it in");
                return Err(SourceError::whole(self.source.path(), fault));
            }
            gaps.iter().for_each(|gap| self.values[*gap] = mean(sum / count));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<TableRead, SourceError> {
        if self.labels.is_empty() {
            let what = if self.dropped > 0 {
                "every row lacks a value"
            } else {
                "there is a header, but no row"
            };
            let fault = Fault::unfit(what, "at least one whole row is needed");
            return Err(SourceError::whole(self.source.path(), fault));
        }
        self.fill()?;
        let (dropped, filled) = (self.dropped, self.gaps.len() as u64);
        let path = self.source.path().display().to_string();
        let table = Table::new(self.schema.clone(), self.values, self.labels);
        let table = table.map_err(|source| SourceError::Table { path, source })?;
        Ok(TableRead { table, dropped, filled })
    }
}

impl Visit for Rows<'_> {
    fn record(&mut self, place: &Place, cells: &[Cell<'_>]) -> Result<(), SourceError> {
        let gaps = self.gaps.len();
        let Some(label) = self.label_of(place, cells)? else {
            self.gaps.truncate(gaps);
            self.dropped += 1;
            return Ok(());
        };
        self.values.extend_from_slice(&self.row);
        self.labels.push(label);
        if self.labels.len() > ROWS_MAX || self.values.len() > CSV_VALUES_MAX {
            let what = format!("more than {ROWS_MAX} rows or {CSV_VALUES_MAX} values");
            let fault = Fault::unfit(what, "train on a part of them");
            return Err(SourceError::whole(self.source.path(), fault));
        }
        Ok(())
    }

    fn picture(
        &mut self,
        place: &Place,
        cells: &[Cell<'_>],
        _: &[u8; 32],
    ) -> Result<(), SourceError> {
        self.record(place, cells)
    }

    fn ragged(&mut self, place: Place, expected: usize, got: usize) -> Result<(), SourceError> {
        let what = format!("{got} values for {expected} columns");
        let advice = "correct the line; a value with a separator in it needs quotation marks";
        Err(SourceError::record(self.source.path(), place, Fault::unfit(what, advice)))
    }

    fn unreadable(&mut self, place: Place, what: &str) -> Result<(), SourceError> {
        let fault = Fault::unfit(what, "take it out of the folder");
        Err(SourceError::record(self.source.path(), place, fault))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a mean of f32 values lies in their range")]
const fn mean(value: f64) -> f32 {
    value as f32
}
