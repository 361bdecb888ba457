//! What source files may say, and how long they may be.
//!
//! The forbidden words are written in two halves, so that this file does not break its own rules.

use benches::{Text, texts};

use super::check;

const FILE_LINES_MAX: usize = 800;

/// Files that a machine or a compiler reads.
const CODE: &[&str] =
    &["rs", "toml", "sql", "yml", "yaml", "json", "sh", "py", "html", "js", "css"];

fn code() -> Vec<Text> {
    let runs = |text: &Text| text.is_one_of(CODE) || text.path == ".ci/run";
    texts().into_iter().filter(runs).collect()
}

fn rust() -> Vec<Text> {
    texts().into_iter().filter(|text| text.is_one_of(&["rs"])).collect()
}

fn check_absent(texts: &[Text], wanted: impl Fn(&str) -> bool + Copy, instead: &str) {
    let broken: Vec<_> = texts.iter().flat_map(|text| text.places(wanted)).collect();
    check(&broken, instead);
}

/// Tells whether the line has the path of somebody's home in it.
fn names_a_home(line: &str) -> bool {
    line.match_indices(concat!("/ho", "me/")).any(|(at, home)| {
        line[at + home.len()..].starts_with(|next: char| next.is_ascii_alphanumeric())
    })
}

#[test]
fn source_files_stay_small() {
    let long = rust().into_iter().filter_map(|text| {
        let lines = text.content.lines().count();
        (lines > FILE_LINES_MAX).then(|| format!("{} has {lines} lines", text.path))
    });
    check(
        &long.collect::<Vec<_>>(),
        "Split it by noun; 250 lines are usual and 500 need a reason.",
    );
}

#[test]
fn no_path_of_a_machine() {
    let paths = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/t", "mp/")];
    check_absent(
        &code(),
        |line| names_a_home(line) || paths.iter().any(|path| line.contains(path)),
        "Take the path from the command line, from tempfile, or relative to the crate's folder.",
    );
}

#[test]
fn no_path_of_a_clone_is_compiled_in() {
    check_absent(
        &rust(),
        |line| line.contains(concat!("env!(\"CARGO_MAN", "IFEST_DIR")),
        "Write the path relative to the crate's folder, where tests run: two clones may share a target directory.",
    );
}

#[test]
fn nothing_is_left_undone_unsaid() {
    let words = [concat!("FIX", "ME"), concat!("X", "XX"), concat!("HA", "CK:")];
    let (todo, issue) = (concat!("TO", "DO"), concat!("TO", "DO(#"));
    let calls = [concat!("to", "do!("), concat!("unimple", "mented!(")];
    check_absent(
        &code(),
        |line| {
            words.iter().chain(&calls).any(|word| line.contains(word))
                || line.matches(todo).count() > line.matches(issue).count()
        },
        "Do it, or file an issue and write its number behind the word; what is not built is absent.",
    );
}

#[test]
fn lints_are_expected_not_allowed() {
    let allows = [concat!("#[al", "low("), concat!("#![al", "low("), concat!(", al", "low(")];
    check_absent(
        &rust(),
        |line| allows.iter().any(|allow| line.contains(allow)),
        "Write #[expect(lint, reason = \"…\")]: it fails when the reason is gone.",
    );
}

#[test]
fn no_test_is_skipped_or_expects_a_panic() {
    let attributes = [concat!("#[ig", "nore"), concat!("should", "_panic")];
    check_absent(
        &rust(),
        |line| attributes.iter().any(|attribute| line.contains(attribute)),
        "A test runs or does not exist; assert on the error instead of a panic.",
    );
}

#[test]
fn tests_do_not_sleep() {
    let sleeps = [concat!("thread::sl", "eep("), concat!("time::sl", "eep(")];
    let tests: Vec<_> = rust().into_iter().filter(|text| text.path.contains("/tests/")).collect();
    check_absent(
        &tests,
        |line| sleeps.iter().any(|sleep| line.contains(sleep)),
        "Wait for what has to happen, with a timeout; sleeping is slow and still flakes.",
    );
}
