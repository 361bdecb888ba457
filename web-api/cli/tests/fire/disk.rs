//! A disk that is full: every file of a process may grow no further than it has (`RLIMIT_FSIZE`), which needs no
//! privilege and no file system of its own. A write then fails with an error, as on a full disk.

use std::{fs, path::Path};

use sahakar::{
    demo::cooperative::{AGGREGATOR, COORDINATOR, DAO},
    serve::SealingMode,
};

use crate::{evidence::Fire, roles::Roles, world::Setup};

/// The unit of `ulimit -f` in a POSIX shell.
const BLOCK: u64 = 512;
/// What a database may still write before its disk is full: some transactions.
const LEFT: u64 = 24 << 10;

/// The length of the longest file under `folder`.
fn longest(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let lengths = entries.filter_map(|entry| {
        let metadata = entry.metadata().ok()?;
        Some(if metadata.is_dir() { longest(&entry.path()) } else { metadata.len() })
    });
    lengths.max().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn promise_6_a_process_whose_disk_is_full_ends_with_a_reason_and_goes_on_when_there_is_room()
{
    let dir = tempfile::tempdir().unwrap();
    let roles = Roles::new(dir.path());
    let rounds = 16;
    let setup = Setup::new(SealingMode::Mpc, dir.path(), 4, rounds);
    let mut fire = Fire::new(Setup { program: roles.program(), ..setup }.start().await);
    let contributor = fire.labels()[0].clone();
    for who in [COORDINATOR, AGGREGATOR, DAO, &contributor] {
        fire.hear(DAO, "settled").await;
        fire.kill(who).await;
        let state = fire.state_dir(who);
        // A contributor notes each message before it leaves: there is no room for a single one.
        let limit = if who == contributor {
            fs::metadata(state.join("sent.jsonl")).unwrap().len()
        } else {
            longest(&state) + LEFT
        };
        let log = dir.path().join(format!("full-{who}.log"));
        // Its log goes to a file of its own: there must be room for the reason.
        roles.instruct(
            who,
            &format!("trap '' XFSZ\nulimit -f {}\nexec 2>'{}'\n", limit / BLOCK, log.display()),
        );
        // It may find out before it listens.
        let started = fire.start(who).await;
        if started.is_ok() {
            assert_eq!(fire.ended(who).await, 1, "{who}");
        }
        let reason = fs::read_to_string(&log).unwrap();
        let said = reason.lines().rfind(|line| line.contains("sahakar: ")).unwrap_or_default();
        eprintln!("{who}: {said}");
        assert!(!said.is_empty(), "{who} ended without a reason: {reason}");
        assert!(!reason.contains("panicked"), "{who}: {reason}");
        roles.instruct(who, "");
        fire.start(who).await.unwrap();
    }
    fire.finish(u64::from(rounds)).await;
}
