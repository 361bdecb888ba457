//! Processes that a test starts in its own way: with other arguments, limits or libraries, by role.
//!
//! A script stands in for the program. It looks whether the test has left instructions for the role that it is to
//! play, follows them, and becomes the program: the process id stays, and the program knows nothing of it.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

/// `$0.d/<role>` is shell code; it may set `extra`, arguments that are appended.
const SCRIPT: &str = r#"#!/bin/sh
role=dao; previous=
for argument in "$@"; do
    [ "$previous" = --state ] && role=$(basename "$argument")
    previous=$argument
done
extra=
if [ -f "$0.d/rewrite" ]; then
    for argument in "$@"; do
        shift
        set -- "$@" "$(printf '%s' "$argument" | sed -f "$0.d/rewrite")"
    done
fi
[ -f "$0.d/$role" ] && . "$0.d/$role"
exec PROGRAM "$@" $extra
"#;

/// The program with instructions.
pub(crate) struct Roles {
    program: PathBuf,
}

impl Roles {
    /// In `dir`, which the test has for itself.
    pub(crate) fn new(dir: &Path) -> Self {
        let program = dir.join("sahakar");
        fs::create_dir_all(dir.join("sahakar.d")).unwrap();
        fs::write(&program, SCRIPT.replace("PROGRAM", env!("CARGO_BIN_EXE_sahakar"))).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        Self { program }
    }

    /// What to start.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// From its next start on, `role` follows `instructions`: a piece of shell.
    pub(crate) fn instruct(&self, role: &str, instructions: &str) {
        fs::write(self.program.with_extension("d").join(role), instructions).unwrap();
    }

    /// Replaces what `expressions` (of `sed`) match in the arguments of all.
    pub(crate) fn rewrite(&self, expressions: &str) {
        self.instruct("rewrite", expressions);
    }
}
