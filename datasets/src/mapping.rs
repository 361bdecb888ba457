//! How a contributor's columns and words become a federation's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What is done about values that are not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MissingRule {
    /// The data are refused, with the place of the first.
    #[default]
    Refuse,
    /// Rows that lack a value are left out.
    Drop,
    /// A feature that is missing becomes the mean of its column on this machine; rows without a label are left out.
    Mean,
}

impl std::str::FromStr for MissingRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "refuse" => Ok(Self::Refuse),
            "drop" => Ok(Self::Drop),
            "mean" => Ok(Self::Mean),
            _ => Err(format!("expected refuse, drop or mean, got {text:?}")),
        }
    }
}

/// How a contributor's columns and words become a federation's. As TOML:
///
/// ```toml
/// label = "grade"
/// ignore = ["note"]
/// missing = "mean"
/// [columns]            # the file's name = the federation's
/// "Säure" = "fixed acidity"
/// [words]              # the file's word = the federation's class
/// gut = "good"
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mapping {
    /// The column that has the labels, as the file calls it; if none is named, the one with the federation's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Columns that are not looked at; `*` for all that the federation does not know.
    pub ignore: Vec<String>,
    /// What is done about missing values.
    pub missing: MissingRule,
    /// The file's names of columns, and the federation's.
    pub columns: BTreeMap<String, String>,
    /// Words of the label column (names of class folders), and the federation's classes.
    pub words: BTreeMap<String, String>,
}

impl Mapping {
    /// The federation's name of a column of the file.
    #[must_use]
    pub fn name<'a>(&'a self, column: &'a str, label: &'a str) -> &'a str {
        if self.label.as_deref() == Some(column) {
            return label;
        }
        self.columns.get(column).map_or(column, String::as_str)
    }

    /// Whether a column of the file is left out: by its name, or because the federation does not know it and all such are.
    #[must_use]
    pub fn ignores(&self, column: &str, known: bool) -> bool {
        self.ignore.iter().any(|ignored| ignored == column || (ignored == "*" && !known))
    }

    /// The federation's class of a word.
    #[must_use]
    pub fn class<'a>(&'a self, word: &'a str) -> &'a str {
        self.words.get(word).map_or(word, String::as_str)
    }
}
