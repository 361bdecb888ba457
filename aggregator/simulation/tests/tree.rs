//! The arithmetic of a tree of aggregators for 10⁵ contributors and more.

use aggregator_simulation::{Tree, Work};

#[test]
fn a_tree_of_a_hundred_thousand_contributors_opens_the_plain_sum() {
    let tree = Tree { leaves: 100, leaf_size: 1_024, dimension: 16 };
    assert!(tree.contributors() >= 100_000);
    let round = tree.round(1, 0.05, 900).unwrap();
    assert_eq!(round.opened, round.plain);
    assert_eq!(round.left_out, 0);
}

#[test]
fn a_leaf_below_its_minimum_is_left_out_and_the_rest_still_adds_up() {
    let tree = Tree { leaves: 50, leaf_size: 20, dimension: 16 };
    let round = tree.round(2, 0.2, 16).unwrap();
    assert!((1..50).contains(&round.left_out), "{round:?}");
    assert_eq!(round.opened, round.plain);
}

#[test]
fn the_ring_grows_with_the_tree_until_leaves_have_to_open() {
    let of = |leaves| Tree { leaves, leaf_size: 1_024, dimension: 1 }.ring_bits();
    // One leaf: 4 668 · 1 024 < 2^23, and inner products need 26.
    assert_eq!(of(1), Some(26));
    assert_eq!(of(100), Some(30));
    assert_eq!(of(400), Some(32));
    assert_eq!(of(1_000), None);
}

/// A row of the table in ARCHITECTURE.md.
fn row(name: &str, work: Work, goes_up: bool) -> String {
    let bytes = |count: f64| match count {
        count if count >= 100e9 => format!("{:.0} GB", count / 1e9),
        count if count >= 1e9 => format!("{:.2} GB", count / 1e9),
        count if count >= 100e6 => format!("{:.0} MB", count / 1e6),
        count if count >= 1e6 => format!("{:.2} MB", count / 1e6),
        count => format!("{:.1} MB", count / 1e6),
    };
    let seconds = match work.seconds {
        seconds if seconds >= 100.0 => format!("{seconds:.0} s"),
        seconds if seconds >= 0.1 => format!("{seconds:.1} s"),
        seconds => format!("{seconds:.2} s"),
    };
    let up = if goes_up { bytes(work.bytes_out) } else { "–".to_owned() };
    format!("| {name} | {seconds} | {} | {up} |", bytes(work.bytes_in))
}

/// The table that ARCHITECTURE.md shows is the one that follows from the arithmetic here.
#[test]
fn every_process_of_the_tree_does_far_less_than_one_coordinator_would() {
    let tree = Tree { leaves: 100, leaf_size: 1_024, dimension: 1_000_000 };
    let written = std::fs::read_to_string("../../ARCHITECTURE.md").unwrap();
    for row in [
        row("leaf, coordinator", tree.leaf_coordinator(), true),
        row("leaf, other aggregator", tree.leaf_other(), true),
        row("root", tree.root(), true),
        row("one coordinator without a tree", tree.flat(), false),
    ] {
        println!("{row}");
        assert!(written.lines().any(|line| line == row), "ARCHITECTURE.md has not {row}");
    }
    let most = tree.leaf_coordinator().seconds + tree.root().seconds;
    assert!(most < tree.flat().seconds / 50.0);
    assert!(tree.root().bytes_in < tree.flat().bytes_in / 500.0);
}
