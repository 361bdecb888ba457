//! A partition as a file: what is written is read back, and what is not a partition is refused.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use datasets::{ClassLabels, PartitionFileError, Partitioner};
use datasets::{partition_from_json, partition_to_json};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;

#[track_caller]
fn check_refused(text: &str, expected: &str) {
    let error = partition_from_json(text.as_bytes(), 4).unwrap_err();
    assert_eq!(error.to_string(), expected, "{text:?}");
}

#[test]
fn a_partition_from_elsewhere_is_read_in_ascending_order() {
    let parts = partition_from_json(&b" [\n [3, 0],\n [2]\n]\n"[..], 4).unwrap();
    assert_eq!(parts, [vec![0, 3], vec![2]], "row 1 is left out");
}

#[test]
fn what_is_not_a_partition_is_refused() {
    let json = "the partition is not a list of lists of row indices, such as [[0, 2], [1, 3]]";
    for text in ["", "[[0, 1]", "{}", "[0, 1]", "[[-1]]", "[[1.5]]", "[[\"1\"]]", "[[0]] 1"] {
        check_refused(text, json);
    }
    check_refused("[]", "the partition has no parts");
    check_refused("[[0], []]", "part 1 has no rows");
    check_refused("[[0], [4]]", "part 1 names row 4 of a set of 4");
    check_refused("[[0, 1], [2, 0]]", "part 1 names row 0, which is dealt already");
    check_refused("[[1, 1]]", "part 0 names row 1, which is dealt already");
}

#[test]
fn a_file_longer_than_the_rows_need_is_refused_unread() {
    let error = partition_from_json(std::io::repeat(b' '), 4).unwrap_err();
    assert!(matches!(error, PartitionFileError::TooLong { max: 1_152, rows: 4 }), "{error}");
}

proptest! {
    #[test]
    fn a_partition_is_read_back_as_it_was_written(parts in 1_usize..20, seed: u64) {
        let labels = vec![0; 200];
        let labels = ClassLabels::new(&labels, 1).unwrap();
        let parts = Partitioner::Iid.split(labels, parts, &mut ChaCha20Rng::seed_from_u64(seed));
        let text = partition_to_json(parts.as_ref().unwrap());
        prop_assert_eq!(partition_from_json(text.as_bytes(), 200).unwrap(), parts.unwrap());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in "[\\[\\], 0-9]{0,60}") {
        if let Ok(parts) = partition_from_json(bytes.as_bytes(), 10) {
            prop_assert!(parts.iter().all(|part| !part.is_empty()));
        }
    }
}
