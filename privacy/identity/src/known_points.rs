//! Points that were found to be keys lately.
//!
//! Whether 32 bytes are a point takes a square root in the field (5 µs), and the logs, receipts and sets that are read
//! name the same few members in every line. The answer depends on the bytes alone, so that what is remembered changes
//! nothing but the time. Keys are public: that the time tells whether one was seen before tells nothing.

use std::cell::RefCell;

/// How many are remembered on each thread: 32 KiB. Members beyond that share places, and are checked more often.
const PLACES: usize = 1 << 10;

thread_local! {
    /// By the last bytes of the point, of those that are keys.
    static KNOWN: RefCell<Vec<[u8; 32]>> = const { RefCell::new(Vec::new()) };
}

/// The point's place. Keys are spread evenly; who makes keys for one place makes only its own reading slower.
fn place(point: &[u8; 32]) -> usize {
    let [.., high, low] = *point;
    usize::from(u16::from_be_bytes([high & 0x03, low]))
}

/// Whether `point` is a key: by `check`, unless that said so of it lately.
pub(crate) fn is_key(point: &[u8; 32], check: impl FnOnce(&[u8; 32]) -> bool) -> bool {
    KNOWN.with_borrow_mut(|known| {
        // All zero is no key (it is of small order), so that an empty place is no answer.
        known.resize(PLACES, [0; 32]);
        let at = place(point);
        if known[at] == *point && *point != [0; 32] {
            return true;
        }
        let is_key = check(point);
        if is_key {
            known[at] = *point;
        }
        is_key
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_a_key_is_remembered_and_each_place_by_all_its_bytes() {
        let (mut one, mut other) = ([7; 32], [7; 32]);
        (one[0], other[0]) = (1, 2);
        assert_eq!(place(&one), place(&other));
        assert!(!is_key(&one, |_| false), "no key");
        assert!(!is_key(&one, |_| false), "and that is not remembered as one");
        assert!(is_key(&one, |_| true));
        assert!(is_key(&one, |_| unreachable!("known")));
        assert!(!is_key(&other, |_| false), "another at the same place");
        assert!(is_key(&one, |_| unreachable!("still known")));
        assert!(is_key(&other, |_| true));
        assert!(!is_key(&one, |_| false), "pushed out");
        assert!(!is_key(&[0; 32], |_| false));
    }
}
