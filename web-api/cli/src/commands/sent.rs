//! What a trainer sent: every message, the ledger's entry that it led to, and the sealed bytes themselves.

mod bytes_shown;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
};

use aggregator_protocol::FederationTerms;
use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use privacy_identity::{Decode as _, Digest, Signed};
use serde_json::{Value, json};
use trainer_agent::SentCopies;

use super::{
    new_file::NewFile,
    output::{print, print_json, print_table, short},
};
use crate::{passphrases::PassphraseArgs, rest::Rest};
use bytes_shown::BytesShown;

/// The logs of a state directory, the older one first.
const LOGS: [&str; 2] = ["sent.1.jsonl", "sent.jsonl"];

/// `sahakar sent`.
#[derive(Debug, Subcommand)]
pub enum SentCommand {
    /// List the messages: when, to whom, what, bytes, whether sealed, and the ledger's entry of its round
    List(ListArgs),
    /// Show the bytes of a sealed message as it left: their digest is checked against the log of what left
    Show(ShowArgs),
}

impl SentCommand {
    /// Does it.
    ///
    /// # Errors
    /// Files that cannot be read; a copy that is not kept or was altered; what the node refuses.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::List(args) => args.run(),
            Self::Show(args) => args.run(),
        }
    }
}

/// `sahakar sent list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// The trainer's state directory
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Only messages that carried an update of this round
    #[arg(long)]
    round: Option<u64>,
    /// Only the newest so many
    #[arg(long, default_value_t = 50)]
    newest: usize,
    /// Ask the DAO node here for the ledger's entries
    #[arg(long, env = "SAHAKAR_URL", value_name = "URL")]
    url: Option<String>,
    /// What unlocks the trainer's key: the node is asked for what that member was credited
    #[command(flatten)]
    passphrase: PassphraseArgs,
    /// Print lines of JSON, as in the log, with `ledger_index` where it is known
    #[arg(long)]
    json: bool,
}

impl ListArgs {
    fn run(self) -> anyhow::Result<()> {
        let mut lines = lines_of(&self.state)?;
        lines.retain(|line| self.round.is_none() || line["round"].as_u64() == self.round);
        let old = lines.len().saturating_sub(self.newest);
        let mut lines = lines.split_off(old);
        if let Some(url) = &self.url {
            let entries = self.entries(&Rest::new(url))?;
            for line in &mut lines {
                let entry = line["round"].as_u64().and_then(|round| entries.get(&round));
                if let (Some(index), Some(line)) = (entry, line.as_object_mut()) {
                    line.insert("ledger_index".to_owned(), json!(index));
                }
            }
        }
        if self.json {
            return lines.iter().try_for_each(print);
        }
        let header = ["time", "to", "what", "round", "digest", "bytes", "entry"];
        print_table(&header, 5, lines.iter().map(row).collect())
    }

    /// The entry of the ledger that settled each round in which this member was credited.
    fn entries(&self, rest: &Rest) -> anyhow::Result<BTreeMap<u64, u64>> {
        let path = self.state.join("terms.bin");
        let terms = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let terms = Signed::<FederationTerms>::from_bytes(&terms).context("terms.bin")?;
        let name = &terms.unverified_body().name;
        let member = self.passphrase.key(&self.state.join("key"))?.verifying_key();
        let answer = rest.get(&format!("/v1/federations/{name}/contributors/{member}/rounds"))?;
        let rounds = answer["rounds"].as_array().into_iter().flatten();
        let entry =
            |round: &Value| Some((round["round"].as_u64()?, round["ledger_index"].as_u64()?));
        Ok(rounds.filter_map(entry).collect())
    }
}

fn row(line: &Value) -> Vec<String> {
    let text = |key: &str| line[key].as_str().unwrap_or("–").to_owned();
    let number =
        |key: &str| line[key].as_u64().map_or("–".to_owned(), |number| number.to_string());
    let sealed = if line["sealed"] == json!(true) { " (sealed)" } else { "" };
    vec![
        number("time_ms"),
        short_end(&text("to")),
        format!("{}{sealed}", text("kind")),
        number("round"),
        short(&text("digest")),
        number("bytes"),
        number("ledger_index"),
    ]
}

/// The last digits of a peer's name: all begin alike.
fn short_end(text: &str) -> String {
    let skipped = text.chars().count().saturating_sub(8);
    text.chars().skip(skipped).collect()
}

/// `sahakar sent show`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("message").required(true))]
pub struct ShowArgs {
    /// The trainer's state directory
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// The update of this round: what was sent last for it
    #[arg(long, group = "message")]
    round: Option<u64>,
    /// The message with this digest
    #[arg(long, group = "message")]
    digest: Option<Digest>,
    /// Write all of it to a new file instead of showing its begin and its end
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Print JSON: `digest`, `bytes`, `begin` and `end` in hexadecimal
    #[arg(long)]
    json: bool,
}

impl ShowArgs {
    fn run(self) -> anyhow::Result<()> {
        let digest = match (self.digest, self.round) {
            (Some(digest), _) => digest,
            (None, round) => {
                let lines = lines_of(&self.state)?;
                let last = lines.iter().rev().find(|line| line["round"].as_u64() == round);
                let last =
                    last.with_context(|| format!("nothing left for round {}", round.unwrap_or(0)))?;
                last["digest"].as_str().unwrap_or_default().parse().context("sent.jsonl")?
            }
        };
        let message = SentCopies::of(&self.state, 0).message(&digest)?;
        if let Some(path) = &self.export {
            write_new(path, &message).with_context(|| format!("writing {}", path.display()))?;
        }
        let shown = BytesShown::of(&message, digest);
        match (&self.export, self.json) {
            (_, true) => print_json(&shown.to_json()),
            (Some(path), false) => print(format!(
                "{} bytes with the digest {digest} are in {}",
                message.len(),
                path.display()
            )),
            (None, false) => print(shown),
        }
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut file = NewFile::create(path)?;
    file.write_all(bytes)?;
    file.keep()
}

/// All lines of what left, the oldest first. A last line that is cut off (the trainer writes it this moment) is left out.
fn lines_of(state: &Path) -> anyhow::Result<Vec<Value>> {
    ensure!(state.is_dir(), "{} is no state directory of a trainer", state.display());
    let mut lines = Vec::new();
    for name in LOGS {
        let path = state.join(name);
        let about = || format!("reading {}", path.display());
        let log = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            log => log.with_context(about)?,
        };
        for line in BufReader::new(log).lines() {
            lines.extend(serde_json::from_str::<Value>(&line.with_context(about)?).ok());
        }
    }
    Ok(lines)
}
