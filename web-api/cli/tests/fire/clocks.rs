//! Clocks that a test sets while processes run, by a library that is loaded before all others and moves what the process
//! takes for the time of day (`step.c`). The clock that only runs stays: that is what happens when a person or a
//! time server sets a clock. `libfaketime` would do the same, but has to be installed; a C compiler is there, as
//! Rust links with one.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::roles::Roles;

/// Seconds of an hour.
pub(crate) const HOUR: i64 = 3_600;

/// Clocks that a test sets, by role.
pub(crate) struct Clocks<'a> {
    dir: &'a Path,
}

impl<'a> Clocks<'a> {
    /// Compiles the library, and has it loaded by each of `all` from its next start.
    pub(crate) fn new(dir: &'a Path, roles: &Roles, all: &[&str]) -> Self {
        let library = dir.join("step.so");
        let source = dir.join("step.c");
        fs::write(&source, include_str!("step.c")).unwrap();
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(&source);
        assert!(cc.status().unwrap().success(), "the C compiler with which Rust links");
        let clocks = Self { dir };
        for who in all {
            clocks.set(who, 0);
            let (library, file) = (library.display(), clocks.file(who));
            roles.instruct(
                who,
                &format!("export LD_PRELOAD='{library}' SAHAKAR_TEST_CLOCK='{}'\n", file.display()),
            );
        }
        clocks
    }

    /// What a process that a test starts itself needs in its environment, to have the clock of `who`.
    pub(crate) fn environment(&self, who: &str) -> [(&'static str, PathBuf); 2] {
        [("LD_PRELOAD", self.dir.join("step.so")), ("SAHAKAR_TEST_CLOCK", self.file(who))]
    }

    fn file(&self, who: &str) -> PathBuf {
        self.dir.join(format!("clock-{who}"))
    }

    /// Sets the clock of `who` this far from the right time, at once.
    pub(crate) fn set(&self, who: &str, seconds: i64) {
        // Renamed: a reader sees the old time or the new.
        let unfinished = self.dir.join("clock-unfinished");
        fs::write(&unfinished, seconds.to_string()).unwrap();
        fs::rename(unfinished, self.file(who)).unwrap();
    }
}
