//! `sahakar data check`: a look at data, and at what to fix.

use std::path::PathBuf;

use clap::Args;
use datasets::{ColumnProfile, ColumnType, DataSource, Finding, Mapping, Profile, Weight, open};
use serde_json::{Value, json};
use trainer_agent::{Agent, Invitation};

use super::schema_file::FederationSchema;
use crate::{
    cli::block_on,
    commands::output::{print, print_json, print_table},
    data_args::MappingArgs,
};

/// Columns that are shown to people; programs get all.
const COLUMNS_SHOWN: usize = 40;
/// Columns of the preview that fit a terminal.
const PREVIEW_COLUMNS: usize = 8;
/// Values of a column that are shown with their counts.
const LEVELS_SHOWN: usize = 5;
/// The widest value in a preview, in characters.
const VALUE_CHARS: usize = 20;

/// `sahakar data check`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit code 0: the data can be trained on (or no federation was named). 1: they cannot, \
or cannot be read. Nothing is sent, written or copied."
)]
pub struct CheckArgs {
    /// A table (CSV, JSON lines, Parquet), a folder with a folder of pictures for each class, or IDX files
    #[arg(value_name = "FILE|FOLDER")]
    pub path: PathBuf,
    /// Hold them against the federation of this invitation; asks its coordinator for the terms, and joins nothing
    #[arg(
        long,
        env = "SAHAKAR_JOIN",
        hide_env_values = true,
        value_name = "INVITATION",
        conflicts_with = "schema"
    )]
    pub invitation: Option<Invitation>,
    /// Hold them against the features, label and classes of this JSON or TOML file
    #[arg(long, value_name = "FILE")]
    pub schema: Option<PathBuf>,
    /// How columns and words become the federation's
    #[command(flatten)]
    pub mapping: MappingArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl CheckArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let mapping = self.mapping.read()?;
        let federation = match (&self.invitation, &self.schema) {
            (Some(invitation), _) => Some(invited(invitation)?),
            (None, Some(path)) => Some(FederationSchema::read(path)?),
            (None, None) => None,
        };
        let source = open(&self.path)?;
        let profile = source.profile()?;
        let findings = match &federation {
            Some(FederationSchema { schema, scale }) => {
                profile.fit(&source, (schema, scale.as_ref()), &mapping)
            }
            None => profile.findings(&source),
        };
        let label = federation.as_ref().map(|federation| federation.schema.label());
        if self.json {
            print_json(&as_json(&source, &profile, &findings))?;
        } else {
            show(&source, &profile, label.map(|label| (label, &mapping)))?;
            show_findings(&findings, federation.is_some())?;
        }
        let blocks = findings.iter().filter(|finding| finding.weight == Weight::Blocks).count();
        anyhow::ensure!(
            blocks == 0,
            "{} to fix before these data can be trained on",
            things(blocks)
        );
        Ok(())
    }
}

fn things(count: usize) -> String {
    if count == 1 { "one thing is".to_owned() } else { format!("{count} things are") }
}

/// The schema of the federation that an invitation is to. The directory, and the key in it, are gone afterwards.
fn invited(invitation: &Invitation) -> anyhow::Result<FederationSchema> {
    let dir = tempfile::tempdir()?;
    let mut terms = None;
    block_on(async {
        terms = Some(Agent::offer(&dir.path().join("state"), None, invitation).await?);
        Ok(())
    })?;
    FederationSchema::of_terms(terms.expect("asked without an error"))
}

fn show(
    source: &DataSource,
    profile: &Profile,
    label: Option<(&str, &Mapping)>,
) -> anyhow::Result<()> {
    print(format!("{}: {}", source.path().display(), source.format()))?;
    print(format!("{} rows, {} columns", profile.rows, profile.columns.len()))?;
    if !profile.preview.is_empty() {
        show_preview(profile)?;
    }
    let shown = profile.columns.iter().take(COLUMNS_SHOWN).map(|column| {
        let name =
            label.map_or(&*column.name, |(label, mapping)| mapping.name(&column.name, label));
        let theirs = if name == column.name { String::new() } else { name.to_owned() };
        vec![
            column.name.clone(),
            theirs,
            column.kind.to_string(),
            column.missing.to_string(),
            values(column),
        ]
    });
    print_table(&["column", "is", "type", "missing", "values"], 3, shown.collect())?;
    if let Some(more) = profile.columns.len().checked_sub(COLUMNS_SHOWN).filter(|more| *more > 0) {
        print(format!("… and {more} more columns (--json shows all)"))?;
    }
    Ok(())
}

fn show_preview(profile: &Profile) -> anyhow::Result<()> {
    let header: Vec<String> =
        profile.columns.iter().take(PREVIEW_COLUMNS).map(|column| cut(&column.name)).collect();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let row =
        |row: &Vec<String>| row.iter().take(PREVIEW_COLUMNS).map(|value| cut(value)).collect();
    print_table(&header, header.len(), profile.preview.iter().map(row).collect())?;
    if profile.columns.len() > PREVIEW_COLUMNS {
        print(format!("(the first {PREVIEW_COLUMNS} columns)"))?;
    }
    Ok(())
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(VALUE_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// What a column's values are, in a line.
fn values(column: &ColumnProfile) -> String {
    match (column.kind, column.numbers, &column.levels) {
        (ColumnType::Number, Some(numbers), _) => format!(
            "{} to {}, mean {}, deviation {}",
            number(numbers.minimum),
            number(numbers.maximum),
            number(numbers.mean),
            number(numbers.deviation)
        ),
        (ColumnType::Category | ColumnType::Boolean, _, Some(levels)) => {
            let mut levels: Vec<_> = levels.iter().collect();
            levels.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            let shown = levels
                .iter()
                .take(LEVELS_SHOWN)
                .map(|(word, count)| format!("{} {count}", cut(word)));
            let more = levels.len().saturating_sub(LEVELS_SHOWN);
            let more = if more > 0 { format!(", {more} more") } else { String::new() };
            format!("{}{more}", shown.collect::<Vec<_>>().join(", "))
        }
        (ColumnType::Empty, ..) => String::new(),
        (_, _, Some(levels)) => format!("{} different", levels.len()),
        _ => "thousands of different".to_owned(),
    }
}

/// Four digits that count.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if (0.01..1e6).contains(&size) => {
            let text = format!("{value:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => format!("{value:.3e}"),
    }
}

fn show_findings(findings: &[Finding], held_against: bool) -> anyhow::Result<()> {
    for finding in findings {
        print(format!("{}: {}; {}", finding.weight, finding.says, finding.says.advice()))?;
    }
    match (held_against, findings.iter().any(|finding| finding.weight == Weight::Blocks)) {
        (true, false) => print("The data fit the federation."),
        (false, false) => {
            print("Name a federation (--invitation or --schema) to see whether they fit it.")
        }
        (_, true) => Ok(()),
    }
}

fn as_json(source: &DataSource, profile: &Profile, findings: &[Finding]) -> Value {
    let columns = profile.columns.iter().map(|column| {
        json!({
            "name": column.name,
            "type": column.kind.to_string(),
            "missing": column.missing,
            "numbers": column.numbers.map(|numbers| json!({
                "count": numbers.count,
                "minimum": numbers.minimum,
                "maximum": numbers.maximum,
                "mean": numbers.mean,
                "deviation": numbers.deviation,
            })),
            "levels": column.levels,
        })
    });
    let findings = findings.iter().map(|finding| {
        let weight = match finding.weight {
            Weight::Blocks => "blocks",
            Weight::Warns => "warns",
            Weight::Notes => "notes",
        };
        json!({"weight": weight, "what": finding.says.to_string(), "advice": finding.says.advice()})
    });
    json!({
        "path": source.path(),
        "format": source.format(),
        "rows": profile.rows,
        "duplicates": {"rows": profile.duplicates.rows, "estimated": profile.duplicates.estimated},
        "columns": columns.collect::<Vec<_>>(),
        "preview": profile.preview,
        "findings": findings.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, expected) in [
            (0.0, "0"),
            (1.5, "1.5"),
            (12_345.0, "12345"),
            (1e9, "1.000e9"),
            (0.001, "1.000e-3"),
            (-0.25, "-0.25"),
        ] {
            assert_eq!(number(value), expected);
        }
    }
}
