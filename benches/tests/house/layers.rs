//! Where crates stand, and what they may import.

use std::collections::BTreeMap;

use benches::{crates, texts};

use super::check;

/// Layer of every workspace crate. A crate may depend only on crates of a strictly lower layer.
const LAYERS: &[(&str, u8)] = &[
    ("privacy-identity", 0),
    ("privacy-dp", 0),
    ("trainer-conditions", 0),
    ("trainer-machine", 1),
    ("privacy-fhe", 1),
    ("privacy-cohort", 1),
    ("privacy-pine", 1),
    ("privacy-secagg", 1),
    ("aggregator-strategy", 1),
    ("data-dao-governance", 1),
    ("data-dao-ledger", 1),
    ("data-dao-log", 1),
    ("data-dao-value", 1),
    ("datasets", 1),
    ("aggregator-protocol", 2),
    ("data-dao-market", 2),
    ("trainer-model", 2),
    ("aggregator-network", 3),
    ("aggregator-round", 3),
    ("data-dao-journal", 3),
    ("aggregator-node", 4),
    ("aggregator-simulation", 4),
    ("data-dao-store", 4),
    ("trainer-agent", 4),
    ("trainer-desktop", 5),
    ("web-api", 5),
    ("web-api-cli", 6),
    ("benches", 7),
    ("benches-sealing", 7),
    ("benches-postgres", 7),
    ("benches-ledger", 7),
    ("benches-value", 7),
];

/// Contexts that must not know about each other, whatever their layers say. Names of crates, or
/// their beginnings up to a hyphen.
const FORBIDDEN: &[(&str, &str)] = &[
    ("data-dao-", "aggregator-"),
    ("data-dao-", "trainer-"),
    ("data-dao-", "datasets"),
    ("web-api", "trainer-agent"),
    ("web-api", "trainer-desktop"),
];

/// Heavy crates, and the only crates of ours that may name them.
const FENCES: &[(&str, &[&str])] = &[
    ("burn", &["trainer-model"]),
    ("libp2p", &["aggregator-network"]),
    ("sqlx", &["data-dao-store", "aggregator-node", "benches-ledger"]),
    ("axum", &["web-api", "web-api-cli"]),
    ("tfhe", &["privacy-fhe"]),
    ("openmls", &["privacy-cohort"]),
    ("prio", &["privacy-pine", "benches-sealing"]),
    ("eframe", &["trainer-desktop"]),
];

/// Cores: they take time, randomness and bytes as arguments and do no IO.
const PURE: &[&str] = &[
    "privacy-identity",
    "privacy-dp",
    "privacy-secagg",
    "privacy-fhe",
    "privacy-pine",
    "privacy-cohort",
    "data-dao-ledger",
    "data-dao-value",
    "data-dao-governance",
    "data-dao-log",
    "data-dao-market",
    "data-dao-journal",
    "trainer-conditions",
    "aggregator-strategy",
    "aggregator-protocol",
    "aggregator-round",
    "aggregator-simulation",
];

/// Crates that do IO, keep clocks, log, or are shells' tools.
const IO_CRATES: &[&str] = &[
    "async-std",
    "axum",
    "burn",
    "clap",
    "config",
    "ctrlc",
    "eframe",
    "egui",
    "futures",
    "hyper",
    "indicatif",
    "libp2p",
    "reqwest",
    "smol",
    "sqlx",
    "tempfile",
    "tokio",
    "tower",
    "tracing",
    "tracing-subscriber",
    "ureq",
];

/// What a core does not name, beyond what its manifest and clippy's disallowed methods refuse.
const IO_WORDS: &[&str] = &[
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::thread",
    "rand::rng(",
    "SysRng",
    "ThreadRng",
];

fn layers() -> BTreeMap<&'static str, u8> {
    LAYERS.iter().copied().collect()
}

/// Tells whether `name` is `pattern`, or begins with it if it ends in a hyphen.
fn is(name: &str, pattern: &str) -> bool {
    name == pattern || (pattern.ends_with('-') && name.starts_with(pattern))
}

#[test]
fn every_crate_has_a_layer() {
    let layers = layers();
    let unknown: Vec<_> =
        crates().into_iter().map(|c| c.name).filter(|c| !layers.contains_key(&**c)).collect();
    check(
        &unknown,
        "Give it a layer in LAYERS of benches/tests/house/layers.rs and in ARCHITECTURE.md.",
    );
}

#[test]
fn crates_depend_only_on_lower_layers() {
    let (layers, mut broken) = (layers(), Vec::new());
    for from in crates() {
        let layer = layers.get(&*from.name).copied().unwrap_or(u8::MAX);
        for to in from.running() {
            if let Some(lower) = layers.get(to).filter(|lower| **lower >= layer) {
                let name = &from.name;
                broken.push(format!("{name} (layer {layer}) depends on {to} (layer {lower})"));
            }
        }
    }
    check(
        &broken,
        "Move the shared word to the lower side, or translate between the two in web-api/cli.",
    );
}

#[test]
fn contexts_do_not_know_each_other() {
    let mut broken = Vec::new();
    for from in crates() {
        for to in from.all() {
            if FORBIDDEN.iter().any(|(a, b)| is(&from.name, a) && is(to, b)) {
                broken.push(format!("{} depends on {to}", from.name));
            }
        }
    }
    check(&broken, "Each context has its own words: translate between them in web-api/cli.");
}

#[test]
fn heavy_crates_stay_behind_their_fences() {
    let mut broken = Vec::new();
    for from in crates() {
        for to in from.all() {
            let fence = FENCES.iter().find(|(heavy, _)| {
                to == *heavy || to.strip_prefix(heavy).is_some_and(|rest| rest.starts_with('-'))
            });
            if let Some((_, inside)) = fence.filter(|(_, inside)| !inside.contains(&&*from.name)) {
                broken.push(format!("{} depends on {to}, only {inside:?} may", from.name));
            }
        }
    }
    check(
        &broken,
        "Call the fenced crate through ours, so that a change elsewhere does not rebuild it.",
    );
}

#[test]
fn pure_crates_have_no_io_dependencies() {
    let mut broken = Vec::new();
    for from in crates().iter().filter(|c| PURE.contains(&&*c.name)) {
        let io = from.running().filter(|to| IO_CRATES.contains(to));
        broken.extend(io.map(|to| format!("{} depends on {to}", from.name)));
    }
    check(
        &broken,
        "The crate is sans-IO: return what is to be done, and let the shell above do it.",
    );
}

#[test]
fn pure_crates_name_no_io() {
    let folders: Vec<_> = crates()
        .into_iter()
        .filter(|c| PURE.contains(&&*c.name))
        .map(|c| format!("{}/src/", c.folder))
        .collect();
    let mut broken = Vec::new();
    for text in texts().iter().filter(|text| folders.iter().any(|f| text.path.starts_with(f))) {
        broken.extend(text.places(|line| IO_WORDS.iter().any(|word| line.contains(word))));
    }
    check(&broken, "The crate is sans-IO: take bytes, time and the generator as arguments.");
}

#[test]
fn versions_are_written_once() {
    let mut broken = Vec::new();
    for of in crates() {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(section) = of.manifest.get(section).and_then(|s| s.as_table()) else {
                continue;
            };
            let own = section.iter().filter(|(_, dependency)| {
                dependency.get("workspace").and_then(|inherited| inherited.as_bool()) != Some(true)
            });
            broken.extend(own.map(|(name, _)| format!("{}/Cargo.toml: {name}", of.folder)));
        }
    }
    check(
        &broken,
        "Put it into [workspace.dependencies] with a reason and write `workspace = true` here.",
    );
}
