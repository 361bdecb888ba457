//! `sahakar data list` and `sahakar data fetch`: published sets.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use datasets::{Downloader, NamedDataset, Progress};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::commands::output::{print, print_json, print_table};

/// `sahakar data list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print JSON, with the digests of all files
    #[arg(long)]
    pub json: bool,
}

impl ListArgs {
    pub(super) fn run(&self) -> anyhow::Result<()> {
        if self.json {
            let sets = NamedDataset::ALL.map(|set| {
                let files = set
                    .files()
                    .iter()
                    .map(|file| json!({"name": file.name, "sha256": file.sha256}));
                json!({
                    "name": set.name(),
                    "licence": set.licence(),
                    "origin": set.origin(),
                    "files": files.collect::<Vec<_>>(),
                })
            });
            return print_json(&sets);
        }
        let rows = NamedDataset::ALL.map(|set| {
            let files = match set.files() {
                [] => "none".to_owned(),
                files => files.iter().map(|file| file.name).collect::<Vec<_>>().join(", "),
            };
            vec![set.name().to_owned(), set.licence().to_owned(), files, set.origin().to_owned()]
        });
        print_table(&["set", "licence", "files", "published at"], 4, rows.to_vec())
    }
}

/// `sahakar data fetch`.
#[derive(Debug, Args)]
#[command(
    after_help = "A download that broke off goes on where it was when the command is given again. A file gets its name \
only when its SHA-256 is that of the published one. Proxies: ALL_PROXY, HTTPS_PROXY, NO_PROXY."
)]
pub struct FetchArgs {
    /// A set of `sahakar data list`
    #[arg(value_name = "NAME")]
    pub name: NamedDataset,
    /// The folder for data sets; the files go into a folder of the set's name in it
    #[arg(long, env = "SAHAKAR_DATA_DIR", value_name = "FOLDER")]
    pub data_dir: PathBuf,
    /// An HTTP folder that has the files under their names, in place of their publisher
    #[arg(long, value_name = "URL")]
    pub mirror: Option<String>,
    /// Believe the mirror only with a certificate that one of these authorities signed (PEM), in place of the web's
    #[arg(long, value_name = "FILE", requires = "mirror")]
    pub authority: Option<PathBuf>,
}

impl FetchArgs {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if self.name.files().is_empty() {
            return print(format!("{} is part of this program", self.name));
        }
        // Shows itself on a terminal alone.
        let bar = ProgressBar::no_length();
        bar.set_style(ProgressStyle::with_template(
            "{msg} {bytes} of {total_bytes} {bytes_per_sec}",
        )?);
        let mut progress = |progress: Progress<'_>| {
            bar.set_message(progress.file.to_owned());
            if let Some(total) = progress.total {
                bar.set_length(total);
            }
            bar.set_position(progress.bytes);
            if progress.resumed {
                bar.println(format!("{} goes on at byte {}", progress.file, progress.bytes));
            }
        };
        let mut downloader = Downloader::new(self.mirror);
        if let Some(path) = &self.authority {
            let about = || format!("--authority {}", path.display());
            let pem = std::fs::read(path).with_context(about)?;
            downloader = downloader.trusting(&pem).with_context(about)?;
        }
        let fetched = downloader.fetch(self.name, &self.data_dir, &mut progress);
        bar.finish_and_clear();
        let folder = self.data_dir.join(self.name.name());
        print(format!("{} file(s) of {} are in {}", fetched?.len(), self.name, folder.display()))
    }
}
