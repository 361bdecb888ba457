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

fn row(name: &str, work: Work) {
    let megabytes = |bytes: f64| bytes / 1e6;
    println!(
        "{name:>18}: {:>8.1} s of a core, {:>10.1} MB in, {:>6.2} MB up",
        work.seconds,
        megabytes(work.bytes_in),
        megabytes(work.bytes_out)
    );
}

#[test]
fn every_process_of_the_tree_does_far_less_than_one_coordinator_would() {
    let tree = Tree { leaves: 100, leaf_size: 1_024, dimension: 1_000_000 };
    println!("{tree:?}: ring of {} bits", tree.ring_bits().unwrap());
    row("leaf, coordinator", tree.leaf_coordinator());
    row("leaf, other", tree.leaf_other());
    row("root", tree.root());
    row("without a tree", tree.flat());
    let most = tree.leaf_coordinator().seconds + tree.root().seconds;
    assert!(most < tree.flat().seconds / 50.0);
    assert!(tree.root().bytes_in < tree.flat().bytes_in / 500.0);
}
