//! How the owner's data are named and mapped on the command line and in TOML.

use std::{fs, path::PathBuf};

use anyhow::Context as _;
use clap::Args;
use datasets::{Mapping, MissingRule};
use trainer_agent::HOLD_OUT_PERCENT_MAX;

/// The longest mapping file: a line for each of 65 536 columns, with room.
const MAPPING_BYTES_MAX: u64 = 32 << 20;

/// How columns and words of the data become the federation's.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Data")]
pub struct MappingArgs {
    /// A mapping as TOML (label, ignore, missing, and tables `columns` and `words`); what follows is added to it
    #[arg(long, value_name = "FILE")]
    pub mapping: Option<PathBuf>,
    /// Your column YOURS is the federation's column THEIRS; may be repeated
    #[arg(long, value_name = "YOURS=THEIRS", value_parser = pair)]
    pub map: Vec<(String, String)>,
    /// Your column that has the labels, if it has another name than the federation's
    #[arg(long = "label-column", value_name = "COLUMN")]
    pub label_column: Option<String>,
    /// Your word (or folder) YOURS is the federation's class THEIRS; may be repeated
    #[arg(long, value_name = "YOURS=THEIRS", value_parser = pair)]
    pub class: Vec<(String, String)>,
    /// Leave out your column; * for all that the federation does not know; may be repeated
    #[arg(long, value_name = "COLUMN")]
    pub ignore: Vec<String>,
    /// Missing values: refuse the data, drop such rows, or take each column's mean
    #[arg(long, value_name = "refuse|drop|mean")]
    pub missing: Option<MissingRule>,
}

impl MappingArgs {
    /// The mapping that file and flags make together.
    ///
    /// # Errors
    /// A file that is none, or two meanings of one column or word.
    pub fn read(&self) -> anyhow::Result<Mapping> {
        self.read_over(Mapping::default())
    }

    /// As [`MappingArgs::read`], over what a configuration says: `--mapping` takes its place, other flags win over it.
    ///
    /// # Errors
    /// As [`MappingArgs::read`].
    pub fn read_over(&self, configured: Mapping) -> anyhow::Result<Mapping> {
        let mut mapping = match &self.mapping {
            Some(path) => {
                let about = || format!("--mapping {}", path.display());
                let length = fs::metadata(path).with_context(about)?.len();
                anyhow::ensure!(length <= MAPPING_BYTES_MAX, "{}: too long for a mapping", about());
                toml::from_str(&fs::read_to_string(path).with_context(about)?)
                    .with_context(about)?
            }
            None => configured,
        };
        for (flag, pairs, known) in [
            ("--map", &self.map, &mut mapping.columns),
            ("--class", &self.class, &mut mapping.words),
        ] {
            for (own, theirs) in pairs {
                let before = known.insert(own.clone(), theirs.clone());
                // Who wrote both files meant both; a configuration is what flags are there to change.
                let other = before.filter(|before| before != theirs && self.mapping.is_some());
                if let Some(other) = other {
                    anyhow::bail!("{flag}: {own:?} cannot be both {other:?} and {theirs:?}");
                }
            }
        }
        mapping.ignore.extend(self.ignore.iter().cloned());
        mapping.label = self.label_column.clone().or(mapping.label);
        mapping.missing = self.missing.unwrap_or(mapping.missing);
        Ok(mapping)
    }
}

/// The data to train on.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Data")]
pub struct OwnDataArgs {
    /// What to train on: a table (CSV, JSON lines, Parquet), a folder with a folder of pictures for each class, or IDX
    /// files; it is read here and never leaves this machine
    #[arg(long, value_name = "FILE|FOLDER", required_unless_present_any = ["terms", "config"])]
    pub data: Option<PathBuf>,
    /// How columns and words become the federation's
    #[command(flatten)]
    pub mapping: MappingArgs,
    /// Keep so many percent of the rows from training, and try each model that comes on them
    #[arg(long, value_name = "PERCENT",
        value_parser = clap::value_parser!(u8).range(0..=i64::from(HOLD_OUT_PERCENT_MAX)))]
    pub hold_out: Option<u8>,
    /// Which rows these are; 1 if none is given
    #[arg(long, value_name = "SEED")]
    pub hold_out_seed: Option<u64>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((own, theirs)) if !own.is_empty() && !theirs.is_empty() => {
            Ok((own.to_owned(), theirs.to_owned()))
        }
        _ => Err("expected YOURS=THEIRS".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_and_flags_make_one_mapping() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mapping.toml");
        fs::write(&path, "label = \"grade\"\nmissing = \"mean\"\n[columns]\nAcid = \"acidity\"\n")
            .unwrap();
        let args = MappingArgs {
            mapping: Some(path.clone()),
            map: vec![("Sugar".into(), "sugar".into())],
            missing: Some(MissingRule::Drop),
            ..MappingArgs::default()
        };
        let mapping = args.read().unwrap();
        assert_eq!((mapping.label.as_deref(), mapping.missing), (Some("grade"), MissingRule::Drop));
        assert_eq!(mapping.columns.len(), 2);
        let twice = MappingArgs { map: vec![("Acid".into(), "pH".into())], ..args };
        assert!(twice.read().unwrap_err().to_string().contains("cannot be both"));
        fs::write(&path, "colour = 1").unwrap();
        assert!(format!("{:#}", twice.read().unwrap_err()).contains("colour"));
    }
}
