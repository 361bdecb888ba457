//! Where PostgreSQL's programs are, and as whom they run.

use std::{
    env, fs,
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

/// Where Debian and Ubuntu keep one folder per major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The programs of one version of PostgreSQL.
#[derive(Debug, Clone)]
pub(crate) struct Programs {
    folder: PathBuf,
    /// Who runs them if this process is root, whom PostgreSQL refuses: user and group.
    runs_as: Option<(u32, u32)>,
}

impl Programs {
    /// The programs of this machine; none if there are none.
    pub(crate) fn find() -> Option<Self> {
        let named = env::var_os("SAHAKAR_POSTGRES_BIN").map(PathBuf::from);
        let path = env::var_os("PATH").unwrap_or_default();
        // On the path there may be a link to one program only: its siblings are where it leads.
        let on_path = env::split_paths(&path).filter_map(|folder| {
            folder.join("postgres").canonicalize().ok()?.parent().map(Path::to_owned)
        });
        let folder = named.into_iter().chain(on_path).chain(of_debian()).find(|folder| {
            ["postgres", "initdb", "psql"].iter().all(|program| folder.join(program).is_file())
        })?;
        Some(Self { folder, runs_as: substitute() })
    }

    pub(crate) fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }

    /// A command that runs as somebody whom PostgreSQL accepts, and that speaks English.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.env("LC_ALL", "C").current_dir("/");
        if let Some((user, group)) = self.runs_as {
            command.uid(user).gid(group);
        }
        command
    }

    /// Gives `folder` to whoever runs the programs.
    pub(crate) fn give(&self, folder: &Path) -> anyhow::Result<()> {
        let Some((user, group)) = self.runs_as else { return Ok(()) };
        chown(folder, Some(user), Some(group)).context("giving the folder to the server's user")
    }
}

/// Newest first.
fn of_debian() -> Vec<PathBuf> {
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
        })
        .collect();
    versions.sort_unstable();
    versions.into_iter().rev().map(|(_, folder)| folder).collect()
}

/// The user `postgres`, or `nobody`, if this process is root.
fn substitute() -> Option<(u32, u32)> {
    // The owner of a process's folder in /proc is its effective user; without /proc, not Linux.
    (fs::metadata("/proc/self").ok()?.uid() == 0).then_some(())?;
    let users = fs::read_to_string("/etc/passwd").ok()?;
    ["postgres", "nobody"].iter().find_map(|name| {
        let mut fields = users
            .lines()
            .map(|line| line.split(':'))
            .find_map(|mut fields| (fields.next() == Some(name)).then_some(fields))?;
        Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}
