//! What every crate, and the repository, has to have.

use std::fs;

use benches::{Crate, crates, root};

use super::check;

/// Parts that each crate's README has.
const README_PARTS: &[&str] = &["Purpose", "Boundary", "Invariants"];

/// One screen.
const README_LINES_MAX: usize = 80;

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_default()
}

#[test]
fn crates_are_named_after_their_folders() {
    let stray = crates().into_iter().filter(|c| c.folder.replace('/', "-") != c.name);
    let stray: Vec<_> = stray.map(|c| format!("{} lies in {}", c.name, c.folder)).collect();
    check(&stray, "Package name = path with hyphens: one glance from an error to its folder.");
}

#[test]
fn crates_have_a_readme_of_one_screen() {
    let mut broken = Vec::new();
    for Crate { folder, .. } in crates() {
        let readme = read(&format!("{folder}/README.md"));
        let missing: Vec<_> = README_PARTS.iter().filter(|part| !readme.contains(**part)).collect();
        if !missing.is_empty() {
            broken.push(format!("{folder}/README.md lacks {missing:?}"));
        }
        if readme.lines().count() > README_LINES_MAX {
            broken.push(format!("{folder}/README.md is over {README_LINES_MAX} lines"));
        }
    }
    check(
        &broken,
        "Say in one screen what the crate is for, where it ends, and what always holds.",
    );
}

#[test]
fn crates_open_with_a_doc() {
    let silent = |folder: &String| {
        let opens = |file| read(&format!("{folder}/src/{file}")).starts_with("//! ");
        !opens("lib.rs") && !opens("main.rs")
    };
    let broken: Vec<_> = crates().into_iter().map(|c| c.folder).filter(silent).collect();
    check(&broken, "Begin src/lib.rs with `//!` and one sentence of what the crate is.");
}

#[test]
fn crates_inherit_the_lints_of_the_workspace() {
    let lax = |c: &Crate| {
        let inherited = c.manifest.get("lints").and_then(|lints| lints.get("workspace"));
        inherited.and_then(|inherited| inherited.as_bool()) != Some(true)
    };
    let broken: Vec<_> = crates().into_iter().filter(lax).map(|c| c.folder).collect();
    check(&broken, "Add `[lints]` with `workspace = true` to its Cargo.toml.");
}

#[test]
fn crates_are_described_and_licensed() {
    let mut broken = Vec::new();
    for of in crates() {
        let package = of.manifest.get("package").and_then(|package| package.as_table());
        for key in ["description", "license", "rust-version", "publish"] {
            if !package.is_some_and(|package| package.contains_key(key)) {
                broken.push(format!("{}/Cargo.toml has no {key}", of.folder));
            }
        }
    }
    check(
        &broken,
        "Take it from the workspace: `license.workspace = true`; the description is its own.",
    );
}

#[test]
fn architecture_mentions_every_crate() {
    let architecture = read("ARCHITECTURE.md");
    let unmentioned = |c: &Crate| {
        let mentions = |name: &str| architecture.contains(&format!("`{name}`"));
        !mentions(&c.folder) && !mentions(&c.name)
    };
    let broken: Vec<_> = crates().into_iter().filter(unmentioned).map(|c| c.folder).collect();
    check(&broken, "Give it a paragraph in ARCHITECTURE.md, its folder in backticks.");
}

#[test]
fn repository_has_its_papers() {
    let papers = [
        "README.md",
        "ARCHITECTURE.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        ".ci/run",
        ".github/workflows/ci.yml",
        "deny.toml",
        "clippy.toml",
        "rustfmt.toml",
        "rust-toolchain.toml",
        "Cargo.lock",
    ];
    let missing = papers.into_iter().filter(|p| read(p).is_empty()).map(str::to_owned);
    check(&missing.collect::<Vec<_>>(), "The repository promises these files: write them.");
}

/// Files whose public fields are the configuration of a DAO node.
const CONFIGURATION: [&str; 7] = [
    "config.rs",
    "config/dao.rs",
    "config/federation.rs",
    "config/sealing.rs",
    "groups_config.rs",
    "http_config.rs",
    "prices_config.rs",
];

#[test]
fn every_key_of_the_configuration_is_in_its_guide() {
    let guide = read("docs/configuration.md");
    let mut keys = 0;
    let mut missing = Vec::new();
    for file in CONFIGURATION {
        let code = read(&format!("web-api/cli/src/serve/{file}"));
        let fields = code.lines().filter_map(|line| line.strip_prefix("    pub "));
        for field in fields.filter_map(|rest| rest.split_once(": ")).map(|(name, _)| name) {
            // Names of functions have a bracket.
            if field.contains('(')
                || ["listen", "dao", "federation", "http", "secrets"].contains(&field)
            {
                continue;
            }
            keys += 1;
            if !guide.contains(&format!("`{field}`")) && !guide.contains(&format!("`{field} = ")) {
                missing.push(format!("{file}: {field}"));
            }
        }
    }
    assert!(keys > 50, "only {keys} keys were found: the configuration lies elsewhere now");
    check(&missing, "Write in docs/configuration.md what the key means.");
}

#[test]
fn readme_names_the_two_commands() {
    let readme = read("README.md");
    let commands = ["cargo run --release -- demo", "cargo test --release --workspace"];
    let missing = commands.into_iter().filter(|c| !readme.contains(*c)).map(str::to_owned);
    check(
        &missing.collect::<Vec<_>>(),
        ".ci/run takes both from README.md, each on a line of its own.",
    );
}
