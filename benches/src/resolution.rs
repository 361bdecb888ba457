//! With which features cargo builds each third-party crate.

use std::collections::{BTreeMap, BTreeSet};

use crate::crates::cargo;

/// The sets of features with which each third-party crate ("name version") is built.
///
/// More than one set is a crate that is built more than once, for instance for build scripts and for
/// the program.
pub type Resolution = BTreeMap<String, BTreeSet<String>>;

/// Resolves what the README's first command builds: the binary.
///
/// # Panics
/// If cargo cannot resolve the workspace without the network.
#[must_use]
pub fn resolve_binary() -> Resolution {
    resolve(&["--package=web-api-cli", "--edges=normal,build"])
}

/// Resolves what the README's second command builds: every crate and its tests.
///
/// # Panics
/// If cargo cannot resolve the workspace without the network.
#[must_use]
pub fn resolve_workspace() -> Resolution {
    resolve(&["--workspace", "--edges=normal,build,dev"])
}

fn resolve(selection: &[&str]) -> Resolution {
    let mut arguments = vec!["tree", "--prefix=none", "--format={p}|{f}"];
    arguments.extend(selection);
    let mut resolution = Resolution::new();
    for line in cargo(&arguments).lines() {
        // "name v1.2.3|feature,feature (*)"; ours have a path: "name v0.1.0 (/path)|".
        let Some((package, features)) = line.split_once('|') else { continue };
        let package = package.trim_end_matches(" (proc-macro)");
        if !package.ends_with(')') {
            let features = features.trim_end_matches("(*)").trim();
            resolution.entry(package.to_owned()).or_default().insert(features.to_owned());
        }
    }
    resolution
}
