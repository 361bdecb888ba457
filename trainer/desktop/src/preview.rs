//! The owner's data, before anything is done with them: what they are, and whether they are what a federation learns from.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use datasets::{
    ColumnProfile, ColumnType, DataSource, Duplicates, Finding, ImageShape, Mapping, Numbers,
    Profile, Schema, SchemaError, SourceError, Standardiser, Weight, open,
};

use crate::terms::Terms;

/// Columns that are listed; the rest is counted.
pub const COLUMNS_LISTED_MAX: usize = 60;

/// Words of the label column that are offered to be called something else.
const WORDS_MAX: usize = 24;

/// Frequent values of a column that are named.
const LEVELS_NAMED: usize = 4;

/// The owner's data, looked at once from the first row to the last; held against the terms as often as the mapping changes.
#[derive(Clone)]
pub struct Preview {
    examined: Arc<Examined>,
    /// How columns and words become the federation's.
    pub mapping: Mapping,
    /// What is to be said about them; the worst first.
    pub findings: Vec<Finding>,
    /// The federation's classes, and how many rows each has.
    pub classes: Vec<(String, u64)>,
    /// Words of the label column, most frequent first, at most a few.
    pub words: Vec<(String, u64)>,
}

/// What was found in the data, whatever they are for.
struct Examined {
    source: DataSource,
    profile: Profile,
    schema: Schema,
    scale: Option<Standardiser>,
}

/// What a column of the data is.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// As the data call it.
    pub name: String,
    /// As the federation calls it; none: it is left out, or not known there.
    pub theirs: Option<String>,
    /// What it has.
    pub kind: ColumnType,
    /// Values that are not there.
    pub missing: u64,
    /// Its numbers, if it is one of numbers.
    pub numbers: Option<Numbers>,
    /// Its most frequent values, and how many others there are, if it is none of numbers.
    pub levels: Option<(Vec<(String, u64)>, usize)>,
}

/// Why data cannot be shown at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PreviewError {
    /// They cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The terms have no proper schema.
    #[error("the federation's terms name no proper columns: {0}")]
    Schema(#[from] SchemaError),
}

impl Preview {
    /// Looks at the data at `path`: a table, a folder of pictures, or IDX files. They are only read, once.
    ///
    /// # Errors
    /// [`PreviewError`]: what cannot be shown at all. What can and does not fit has findings that say so.
    pub fn read(path: &Path, terms: &Terms, mapping: Mapping) -> Result<Self, PreviewError> {
        let schema =
            Schema::new(terms.features.clone(), terms.label.clone(), terms.classes.clone())?;
        let source = open(path)?;
        let profile = source.profile()?;
        let examined = Examined { source, profile, schema, scale: terms.scale() };
        Ok(Self::of(Arc::new(examined), mapping))
    }

    fn of(examined: Arc<Examined>, mapping: Mapping) -> Self {
        let Examined { source, profile, schema, scale } = &*examined;
        let findings = profile.fit(source, (schema, scale.as_ref()), &mapping);
        let label = examined.label(&mapping);
        let classes = label.map(|column| balance(column, schema, &mapping)).unwrap_or_default();
        let words = label.map(|column| frequent(column, WORDS_MAX).0).unwrap_or_default();
        Self { findings, classes, words, mapping, examined }
    }

    /// The same data under another mapping; nothing is read again.
    #[must_use]
    pub fn mapped(&self, mapping: Mapping) -> Self {
        Self::of(Arc::clone(&self.examined), mapping)
    }

    /// Where they are.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.examined.source.path().to_owned()
    }

    /// What they are: format, separators, encoding.
    #[must_use]
    pub fn format(&self) -> String {
        self.examined.source.format()
    }

    /// Whether they are pictures.
    #[must_use]
    pub fn is_pictures(&self) -> bool {
        self.examined.source.is_pictures()
    }

    /// Width, height and channels that the federation takes, if it learns from pictures.
    #[must_use]
    pub fn picture_shape(&self) -> Option<ImageShape> {
        ImageShape::of_columns(self.examined.schema.features())
    }

    /// Rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.examined.profile.rows
    }

    /// Rows that are there before.
    #[must_use]
    pub fn duplicates(&self) -> Duplicates {
        self.examined.profile.duplicates
    }

    /// The first rows.
    #[must_use]
    pub fn first_rows(&self) -> &[Vec<String>] {
        &self.examined.profile.preview
    }

    /// How many columns there are.
    #[must_use]
    pub fn column_count(&self) -> usize {
        self.examined.profile.columns.len()
    }

    /// The first columns, at most [`COLUMNS_LISTED_MAX`].
    pub fn columns(&self) -> impl Iterator<Item = Column> {
        let Examined { profile, schema, source, .. } = &*self.examined;
        profile.columns.iter().take(COLUMNS_LISTED_MAX).map(move |column| {
            let name = self.mapping.name(&column.name, schema.label());
            let known = schema.label() == name || schema.features().iter().any(|own| own == name);
            let used = known && !self.mapping.ignores(&column.name, known);
            let counted = column.kind == ColumnType::Number;
            Column {
                name: column.name.clone(),
                theirs: (used && !source.is_pictures()).then(|| name.to_owned()),
                kind: column.kind,
                missing: column.missing,
                numbers: column.numbers.filter(|_| counted),
                levels: (!counted && column.levels.is_some())
                    .then(|| frequent(column, LEVELS_NAMED)),
            }
        })
    }

    /// Rows, if nothing keeps them from being trained on.
    #[must_use]
    pub fn rows_that_fit(&self) -> Option<u64> {
        let blocked = self.findings.iter().any(|finding| finding.weight == Weight::Blocks);
        (!blocked).then(|| self.rows())
    }
}

impl Examined {
    /// The column that has the labels.
    fn label(&self, mapping: &Mapping) -> Option<&ColumnProfile> {
        if self.source.is_pictures() {
            return self.profile.column("class");
        }
        let label = self.schema.label();
        let mut columns = self.profile.columns.iter();
        columns.find(|column| mapping.name(&column.name, label) == label)
    }
}

/// Rows of each of the federation's classes.
fn balance(column: &ColumnProfile, schema: &Schema, mapping: &Mapping) -> Vec<(String, u64)> {
    let mut counts = vec![0; schema.classes().len()];
    for (word, count) in column.levels.iter().flatten() {
        // Labels of IDX files are indices.
        let index = || word.parse().ok().filter(|_| !mapping.words.contains_key(word));
        let class = schema.class_index(mapping.class(word)).map(|class| class as usize);
        if let Some(sum) = class.or_else(index).and_then(|class: usize| counts.get_mut(class)) {
            *sum += count;
        }
    }
    schema.classes().iter().cloned().zip(counts).collect()
}

/// The most frequent values of a column, and how many others there are.
fn frequent(column: &ColumnProfile, most: usize) -> (Vec<(String, u64)>, usize) {
    let mut levels: Vec<(String, u64)> =
        column.levels.iter().flatten().map(|(word, count)| (word.clone(), *count)).collect();
    levels.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let others = levels.len().saturating_sub(most);
    levels.truncate(most);
    (levels, others)
}

#[cfg(test)]
mod tests {
    use datasets::Remedy;

    use super::*;

    fn terms() -> Terms {
        let mut terms: Terms = serde_json::from_str(include_str!("../tests/terms.json")).unwrap();
        terms.features = vec!["acidity".to_owned(), "sugar".to_owned()];
        terms.label = "quality".to_owned();
        terms.classes = vec!["poor".to_owned(), "good".to_owned()];
        terms
    }

    fn preview(text: &[u8], mapping: Mapping) -> Result<Preview, PreviewError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("table");
        std::fs::write(&path, text).unwrap();
        Preview::read(&path, &terms(), mapping)
    }

    #[test]
    fn a_table_that_fits_is_counted_by_class_whatever_its_dialect() {
        let classes = vec![("poor".to_owned(), 1), ("good".to_owned(), 2)];
        for text in [
            "acidity,sugar,quality\n1,2,good\n3,4.5,good\n5,6,poor\n",
            "acidity;sugar;quality\n1;2;good\n3;4,5;good\n5;6;poor\n",
            "{\"acidity\":1,\"sugar\":2,\"quality\":\"good\"}\n{\"acidity\":3,\"sugar\":4.5,\"quality\":\"good\"}\n{\"acidity\":5,\"sugar\":6,\"quality\":\"poor\"}\n",
        ] {
            let preview = preview(text.as_bytes(), Mapping::default()).unwrap();
            assert_eq!((preview.rows_that_fit(), &preview.classes), (Some(3), &classes), "{text}");
            let sugar = preview.columns().find(|column| column.name == "sugar").unwrap();
            assert!((sugar.numbers.unwrap().maximum - 6.0).abs() < 1e-9);
        }
    }

    #[test]
    fn a_mapping_remedies_what_does_not_fit_and_nothing_is_read_again() {
        let text = "Acidity,sugar,note,grade\n1,2,a,gut\n3,,b,gut\n5,6,c,poor\n";
        let raw = preview(text.as_bytes(), Mapping::default()).unwrap();
        assert_eq!(raw.rows_that_fit(), None);
        let remedy = |remedy: &Remedy| {
            raw.findings.iter().any(|finding| finding.remedy.as_ref() == Some(remedy))
        };
        let (theirs, likely) = ("acidity".to_owned(), Some("Acidity".to_owned()));
        assert!(remedy(&Remedy::Name { theirs, likely }));
        assert!(remedy(&Remedy::Ignore { column: "note".to_owned() }));
        assert!(remedy(&Remedy::Missing));
        let pair = |own: &str, theirs: &str| [(own.to_owned(), theirs.to_owned())].into();
        let mapping = Mapping {
            label: Some("grade".to_owned()),
            ignore: vec!["*".to_owned()],
            missing: datasets::MissingRule::Mean,
            columns: pair("Acidity", "acidity"),
            words: pair("gut", "good"),
        };
        let mapped = raw.mapped(mapping);
        assert_eq!(mapped.rows_that_fit(), Some(3), "{:?}", mapped.findings);
        assert_eq!(mapped.classes, [("poor".to_owned(), 1), ("good".to_owned(), 2)]);
        let theirs: Vec<_> = mapped.columns().map(|column| column.theirs).collect();
        let expected = [Some("acidity"), Some("sugar"), None, Some("quality")];
        assert_eq!(theirs, expected.map(|name| name.map(str::to_owned)));
    }

    #[test]
    fn copies_of_rows_are_told() {
        let text = "acidity,sugar,quality\n1,2,good\n1,2,good\n5,6,poor\n";
        let preview = preview(text.as_bytes(), Mapping::default()).unwrap();
        assert_eq!((preview.duplicates().rows, preview.rows_that_fit()), (1, Some(3)));
        assert!(
            preview
                .findings
                .iter()
                .any(|finding| matches!(finding.says, datasets::Says::Copies { .. }))
        );
    }

    #[test]
    fn folders_without_pictures_and_files_of_other_bytes_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Preview::read(dir.path(), &terms(), Mapping::default()).is_err());
        assert!(Preview::read(&dir.path().join("none"), &terms(), Mapping::default()).is_err());
        assert!(preview(&[0, 159, 146, 150], Mapping::default()).is_err());
        assert!(preview(b"", Mapping::default()).is_err());
    }
}
