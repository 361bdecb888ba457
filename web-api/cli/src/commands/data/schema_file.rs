//! The schema of a federation, as its node or a file says it.

use std::{fs, path::Path};

use aggregator_protocol::FederationTerms;
use anyhow::Context as _;
use datasets::{Schema, Standardiser};
use serde::Deserialize;
use serde_json::Value;

/// The longest file: the names of 65 536 columns, with room.
const SCHEMA_BYTES_MAX: u64 = 64 << 20;

/// The columns and classes of a federation, and its public scale if it is known.
pub(super) struct FederationSchema {
    pub(super) schema: Schema,
    pub(super) scale: Option<Standardiser>,
}

#[derive(Deserialize)]
struct Written {
    features: Vec<String>,
    label: String,
    classes: Vec<String>,
    #[serde(default)]
    mean: Vec<f64>,
    #[serde(default)]
    deviation: Vec<f64>,
}

impl FederationSchema {
    pub(super) fn of_terms(terms: FederationTerms) -> anyhow::Result<Self> {
        let schema = terms.schema;
        let (mean, deviation) = (schema.mean, schema.deviation);
        let (features, label, classes) = (schema.features, schema.label, schema.classes);
        Written { features, label, classes, mean, deviation }.checked()
    }

    /// Reads JSON or TOML with `features`, `label` and `classes`, and perhaps `mean` and `deviation`: on their own, or
    /// under `schema` or `federation`, as the DAO node's configuration has them and `sahakar federation terms --json`.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let about = || format!("--schema {}", path.display());
        let length = fs::metadata(path).with_context(about)?.len();
        anyhow::ensure!(length <= SCHEMA_BYTES_MAX, "{}: too long for a schema", about());
        let text = fs::read_to_string(path).with_context(about)?;
        let value: Value = match serde_json::from_str(&text) {
            Ok(value) => value,
            Err(_) if !text.trim_start().starts_with('{') => {
                toml::from_str(&text).with_context(about)?
            }
            Err(error) => return Err(error).with_context(about),
        };
        let within = ["schema", "federation", "terms"].iter().find_map(|key| value.get(key));
        let written = Written::deserialize(within.unwrap_or(&value)).with_context(about)?;
        written.checked().with_context(about)
    }
}

impl Written {
    fn checked(self) -> anyhow::Result<FederationSchema> {
        let Self { features, label, classes, mean, deviation } = self;
        let columns = features.len();
        let schema = Schema::new(features, label, classes)?;
        if mean.is_empty() && deviation.is_empty() {
            return Ok(FederationSchema { schema, scale: None });
        }
        anyhow::ensure!(mean.len() == columns, "{} means for {columns} features", mean.len());
        let scale = Standardiser::new(singles(&mean), singles(&deviation))?;
        Ok(FederationSchema { schema, scale: Some(scale) })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "what overflows is refused by the standardiser"
)]
fn singles(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}
