//! The workspace's crates and what their manifests say.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use serde_json::Value;

/// For what a crate needs a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// To run.
    Normal,
    /// To be built.
    Build,
    /// To be tested.
    Dev,
}

/// One crate of the workspace.
#[derive(Debug)]
pub struct Crate {
    /// Its package name.
    pub name: String,
    /// Its folder, relative to the repository, with `/`.
    pub folder: String,
    /// Its own dependencies, ours and third-party.
    pub dependencies: BTreeSet<(Kind, String)>,
    /// Its parsed manifest.
    pub manifest: toml::Table,
}

impl Crate {
    /// Returns the dependencies with which the crate runs or is built.
    pub fn running(&self) -> impl Iterator<Item = &str> {
        self.dependencies.iter().filter(|(kind, _)| *kind != Kind::Dev).map(|(_, name)| &**name)
    }

    /// Returns all dependencies, those of tests included.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.dependencies.iter().map(|(_, name)| &**name)
    }
}

/// Returns the repository's root.
///
/// # Panics
/// Never: this crate has a folder of its own.
#[must_use]
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        // Asked at run time: a target directory that two clones share would keep the other's path.
        let folder = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it for tests");
        Path::new(&folder).parent().expect("benches/ has a parent").to_owned()
    })
}

/// Runs cargo at the root, without the network, and returns what it prints.
///
/// # Panics
/// With cargo's words if it fails.
pub(crate) fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        // What it prints is read here, whatever the caller wants to see in colour.
        .env("CARGO_TERM_COLOR", "never")
        .args(arguments)
        .arg("--offline")
        .current_dir(root())
        .output()
        .expect("cargo runs, it has built this");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?} failed: {errors}");
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

/// Reads all crates of the workspace.
///
/// # Panics
/// If cargo cannot read the workspace.
#[must_use]
pub fn crates() -> Vec<Crate> {
    let metadata = cargo(&["metadata", "--format-version=1", "--no-deps"]);
    let metadata: Value = serde_json::from_str(&metadata).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("metadata has packages");
    packages.iter().map(read_crate).collect()
}

fn read_crate(package: &Value) -> Crate {
    let manifest_path = PathBuf::from(text(&package["manifest_path"]));
    let manifest = fs::read_to_string(&manifest_path).expect("cargo has read it");
    let folder = manifest_path.parent().and_then(|folder| folder.strip_prefix(root()).ok());
    let dependencies = package["dependencies"].as_array().expect("a package has dependencies");
    Crate {
        name: text(&package["name"]).to_owned(),
        folder: folder.expect("members lie in the repository").to_string_lossy().replace('\\', "/"),
        dependencies: dependencies
            .iter()
            .map(|d| (kind(&d["kind"]), text(&d["name"]).to_owned()))
            .collect(),
        manifest: manifest.parse().expect("cargo has parsed it"),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("cargo's metadata has a text here")
}

fn kind(value: &Value) -> Kind {
    match value.as_str() {
        Some("dev") => Kind::Dev,
        Some("build") => Kind::Build,
        _ => Kind::Normal,
    }
}
