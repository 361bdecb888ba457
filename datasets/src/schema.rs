//! What the columns of a table mean.

use std::collections::BTreeSet;

use privacy_identity::{Encode, Writer};

/// The most feature columns a schema may have.
///
/// A flattened 256 × 256 image; wider data wants another reader than a table of text.
pub const FEATURES_MAX: usize = 65_536;

/// The most classes a label may have: the first power of two above the 3 755 characters of HWDB,
/// one of the largest label sets in use.
pub const CLASSES_MAX: usize = 4_096;

/// The longest name of a column or class, in bytes of UTF-8.
pub const NAME_BYTES_MAX: usize = 256;

/// Why a schema was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaError {
    /// There is no feature column.
    #[error("a schema needs at least one feature column")]
    FeaturesMissing,
    /// There are fewer than two classes, so that nothing can be learned.
    #[error("a schema needs at least two classes, got {got}")]
    ClassesTooFew {
        /// The classes given.
        got: usize,
    },
    /// There are more columns or classes than the bound.
    #[error("too many {what}: {got}, at most {max}")]
    TooMany {
        /// `features` or `classes`.
        what: &'static str,
        /// How many were given.
        got: usize,
        /// The bound.
        max: usize,
    },
    /// A name cannot be written to a file and read back unchanged.
    #[error(
        "the name {name:?} is empty, longer than {NAME_BYTES_MAX} bytes, starts or ends with \
         white space, or contains a control character"
    )]
    NameInvalid {
        /// The name.
        name: String,
    },
    /// Two columns, or two classes, have the same name.
    #[error("the name {name:?} is used twice")]
    NameTwice {
        /// The name.
        name: String,
    },
}

/// The names of a table's columns and classes, in order.
///
/// A label is stored as the index of its class. Column names are unique, and so are classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    features: Vec<String>,
    label: String,
    classes: Vec<String>,
}

impl Schema {
    /// Checks the names of a table.
    ///
    /// * `features` — the feature columns, in the order of the model's inputs.
    /// * `label` — the label column.
    /// * `classes` — the values of the label column, in the order of the model's outputs.
    ///
    /// # Errors
    /// [`SchemaError`] if there is no feature, fewer than two classes, more than
    /// [`FEATURES_MAX`] or [`CLASSES_MAX`], or a name that is unfit or used twice.
    pub fn new(
        features: Vec<String>,
        label: String,
        classes: Vec<String>,
    ) -> Result<Self, SchemaError> {
        if features.is_empty() {
            return Err(SchemaError::FeaturesMissing);
        }
        if classes.len() < 2 {
            return Err(SchemaError::ClassesTooFew { got: classes.len() });
        }
        check_count("features", features.len(), FEATURES_MAX)?;
        check_count("classes", classes.len(), CLASSES_MAX)?;
        check_names(features.iter().chain([&label]))?;
        check_names(classes.iter())?;
        Ok(Self { features, label, classes })
    }

    /// The feature columns, in the order of a row.
    #[must_use]
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// The label column.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The classes; a label is an index into them.
    #[must_use]
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The index of the class called `name`.
    #[must_use]
    pub fn class_index(&self, name: &str) -> Option<u32> {
        self.classes.iter().position(|class| class == name).map(u32_from_count)
    }
}

impl Encode for Schema {
    fn encode(&self, writer: &mut Writer) {
        write_names(&self.features, writer);
        writer.text(&self.label);
        write_names(&self.classes, writer);
    }
}

fn write_names(names: &[String], writer: &mut Writer) {
    writer.u32(u32_from_count(names.len()));
    for name in names {
        writer.text(name);
    }
}

/// A number, or an index, of columns or classes.
pub(crate) fn u32_from_count(count: usize) -> u32 {
    u32::try_from(count).expect("FEATURES_MAX and CLASSES_MAX fit in u32")
}

fn check_count(what: &'static str, got: usize, max: usize) -> Result<(), SchemaError> {
    if got > max { Err(SchemaError::TooMany { what, got, max }) } else { Ok(()) }
}

fn check_names<'a>(names: impl Iterator<Item = &'a String>) -> Result<(), SchemaError> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !is_fit(name) {
            return Err(SchemaError::NameInvalid { name: name.clone() });
        }
        if !seen.insert(name) {
            return Err(SchemaError::NameTwice { name: name.clone() });
        }
    }
    Ok(())
}

/// Whether a CSV file carries `name` unchanged: the reader trims white space and a byte-order mark.
fn is_fit(name: &str) -> bool {
    let trimmed = name.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && trimmed.len() == name.len()
        && !name.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn check(features: &[&str], label: &str, classes: &[&str], expected: SchemaError) {
        let got = Schema::new(names(features), label.to_string(), names(classes));
        assert_eq!(got.unwrap_err(), expected);
    }

    #[test]
    fn an_unfit_schema_is_refused_with_what_is_wrong() {
        check(&[], "y", &["no", "yes"], SchemaError::FeaturesMissing);
        check(&["x"], "y", &["no"], SchemaError::ClassesTooFew { got: 1 });
        let twice = |name: &str| SchemaError::NameTwice { name: name.to_string() };
        check(&["x", "x"], "y", &["no", "yes"], twice("x"));
        check(&["x", "y"], "y", &["no", "yes"], twice("y"));
        check(&["x"], "y", &["no", "no"], twice("no"));
    }

    #[test]
    fn a_name_that_a_file_would_change_is_refused() {
        for name in ["", " x", "x ", "x\ny", "\u{feff}x", &"x".repeat(NAME_BYTES_MAX + 1)] {
            let refused = SchemaError::NameInvalid { name: name.to_string() };
            check(&[name], "y", &["no", "yes"], refused);
        }
    }

    #[test]
    fn a_class_is_found_by_its_name() {
        let schema = Schema::new(names(&["x"]), "y".to_string(), names(&["no", "yes"])).unwrap();
        assert_eq!(schema.class_index("yes"), Some(1));
        assert_eq!(schema.class_index("maybe"), None);
    }
}
