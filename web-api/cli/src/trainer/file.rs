//! The configuration file of `sahakar trainer`: everything that flags say, in one TOML file.
//!
//! A value is taken from the flag, else from the environment (`SAHAKAR__SECTION__KEY`), else from the file, else it is the
//! default. What the file says and this program does not know is refused with its line. Lines are never repeated: one
//! of them is the invitation, which holds a secret.

use std::{
    fmt, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use datasets::Mapping;
use serde::Deserialize;
use trainer_conditions::PreferencesForm;

/// The longest file: as long as the longest mapping, which may be part of it.
const FILE_BYTES_MAX: u64 = 32 << 20;

/// How the names of variables begin, and what stands between section and key.
const PREFIX: &str = "SAHAKAR__";
const SEPARATOR: &str = "__";

/// What a file says. Every line is optional; paths are relative to the working directory.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainerFile {
    /// Where key, consent and the record of what was sent are kept. As `--state`; needed.
    pub state_dir: Option<PathBuf>,
    /// A file with the passphrase of the key, in one line, such as a credential of systemd. As `--passphrase-file`; by default the
    /// key is in the clear.
    pub passphrase_file: Option<PathBuf>,
    /// A public name, at most 64 bytes. As `--label`; by default `contributor`.
    pub label: Option<String>,
    /// `auto`, `wgpu` or `cpu`. As `--device`; by default `auto`.
    pub device: Option<String>,
    /// Mebibytes of sealed messages that are kept as they left, for `sahakar sent`; 0 keeps none. As `--keep-sent`; by default 64.
    pub keep_sent_mib: Option<u64>,
    /// Makes training repeatable. As `--seed`; by default the operating system's randomness.
    pub seed: Option<u64>,
    /// Events as lines of JSON on standard output. As `--json`; by default `false`.
    pub json: Option<bool>,
    /// The invitation.
    pub join: JoinSection,
    /// The data.
    pub data: DataSection,
    /// When to train, and with how much of the machine. As `--preferences`; without it: always, with everything.
    pub preferences: Option<PreferencesForm>,
    /// Figures for Prometheus.
    pub metrics: MetricsSection,
    /// The log on standard error.
    pub log: LogSection,
}

/// The invitation: one of `invitation` and `file`, needed; and where the DAO node is asked.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JoinSection {
    /// `sahakar://join?…`. It holds a secret: then the file should be its owner's alone. As `--join`.
    pub invitation: Option<String>,
    /// A file that has it, such as a credential of systemd. As `--join-file`.
    pub file: Option<PathBuf>,
    /// The DAO node's REST interface: where consent to changed terms is kept, and where the device shows what proves a lie about
    /// its update. As `--url`; by default nowhere.
    pub url: Option<String>,
}

impl fmt::Debug for JoinSection {
    /// Without the invitation, which holds a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = self.invitation.is_some();
        let mut told = f.debug_struct("JoinSection");
        told.field("given", &given).field("file", &self.file).field("url", &self.url).finish()
    }
}

/// The data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DataSection {
    /// A table (CSV, JSON lines, Parquet), a folder of pictures in class folders, or IDX files. As `--data`; needed.
    pub path: Option<PathBuf>,
    /// Percent of the rows that are kept from training, 0 to 50. As `--hold-out`; by default 0.
    pub hold_out_percent: Option<u8>,
    /// Which rows these are. As `--hold-out-seed`; by default 1.
    pub hold_out_seed: Option<u64>,
    /// A mapping in a file of its own, instead of the one below. As `--mapping`.
    pub mapping_file: Option<PathBuf>,
    /// How columns and words become the federation's: `label`, `ignore`, `missing`, and tables `columns` and `words`.
    pub mapping: Mapping,
}

/// Figures for Prometheus.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsSection {
    /// Where they are served: the only thing on which a trainer listens. As `--metrics`; by default nowhere.
    pub listen: Option<SocketAddr>,
}

/// The log on standard error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSection {
    /// What is logged, such as `warn,sahakar=info`. As `--log`; by default what `RUST_LOG` says, or this example.
    pub filter: Option<String>,
    /// `text`, or `json` for collectors of logs. As `--log-form`; by default `text`.
    pub form: Option<LogForm>,
}

/// In which form is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogForm {
    /// Lines for people.
    #[default]
    Text,
    /// One object of JSON per line.
    Json,
}

impl TrainerFile {
    /// Reads `path`, and `variables` over it: names and values as the environment has them.
    ///
    /// # Errors
    /// A file that cannot be read; what neither the file nor a variable may say, with its line or name.
    pub fn load(
        path: &Path,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> anyhow::Result<Self> {
        let about = || format!("reading the configuration {}", path.display());
        let length = fs::metadata(path).with_context(about)?.len();
        anyhow::ensure!(length <= FILE_BYTES_MAX, "{}: longer than 32 MiB", about());
        let text = fs::read_to_string(path).with_context(about)?;
        let name = path.display().to_string();
        // By itself first: what is wrong with it has a line.
        let file: Self = toml::from_str(&text).map_err(|error| placed(&name, &text, &error))?;
        let overlay: Vec<_> = variables.into_iter().filter_map(keyed).collect();
        if overlay.is_empty() {
            return Ok(file);
        }
        let mut table: toml::Table =
            toml::from_str(&text).map_err(|error| placed(&name, &text, &error))?;
        let mut names = Vec::new();
        for (variable, keys, value) in overlay {
            set(&mut table, &keys, value)
                .with_context(|| format!("the variable {variable} stands for no key"))?;
            names.push(variable);
        }
        let about = || format!("what the environment says ({})", names.join(", "));
        // Not the value, which may be the invitation: the message names key and type alone.
        table.try_into().map_err(|error| anyhow::anyhow!("{}", error.message())).with_context(about)
    }
}

/// The error with the number of its line, without the line.
fn placed(name: &str, text: &str, error: &toml::de::Error) -> anyhow::Error {
    let message = error.message();
    match error.span() {
        Some(span) => {
            let before = text.get(..span.start).unwrap_or_default();
            let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
            anyhow::anyhow!("{name}, line {line}: {message}")
        }
        None => anyhow::anyhow!("{name}: {message}"),
    }
}

/// Name, keys and value of a variable that is ours. A value is read as TOML writes it; what is no TOML is a text.
fn keyed((name, text): (String, String)) -> Option<(String, Vec<String>, toml::Value)> {
    let keys = name.strip_prefix(PREFIX)?.to_lowercase();
    let keys = keys.split(SEPARATOR).map(str::to_owned).collect();
    let written = toml::from_str::<toml::Table>(&format!("value = {text}"));
    let value = written.ok().filter(|table| table.len() == 1).and_then(|mut t| t.remove("value"));
    let value = value.unwrap_or(toml::Value::String(text));
    Some((name, keys, value))
}

fn set(table: &mut toml::Table, keys: &[String], value: toml::Value) -> Option<()> {
    let (last, sections) = keys.split_last()?;
    let mut table = table;
    for section in sections {
        let inner = table.entry(section.clone()).or_insert_with(|| toml::Table::new().into());
        table = inner.as_table_mut()?;
    }
    table.insert(last.clone(), value);
    Some(())
}
