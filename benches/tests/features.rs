//! The README's two commands build every third-party crate once, with the same features.

use std::fmt::Write as _;

use benches::{resolve_binary, resolve_workspace};

#[test]
fn binary_and_workspace_build_the_same_dependencies() {
    let (binary, workspace) = (resolve_binary(), resolve_workspace());
    assert!(binary.len() > 100, "cargo tree was not understood: {binary:?}");
    let mut found = String::new();
    for (package, for_binary) in &binary {
        // The workspace may build a crate for build scripts with other features besides: that rebuilds nothing.
        let for_workspace = workspace.get(package);
        if !for_workspace.is_some_and(|sets| for_binary.is_subset(sets)) {
            let _written = writeln!(
                found,
                "{package}\n  for the binary:    {for_binary:?}\n  for the workspace: {for_workspace:?}"
            )
            .is_ok();
        }
    }
    assert!(
        found.is_empty(),
        "these would be built twice, once for `cargo run` and once for `cargo test --workspace`:\n\
         {found}Put the missing features into [workspace.dependencies] of the root's Cargo.toml, at \
         the dependency that asks for them, so that both ask for the same."
    );
}
