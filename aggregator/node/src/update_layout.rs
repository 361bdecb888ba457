//! How the parts of an update lie in a file or an object.
//!
//! ```text
//!  number of parts, u32 │ length of each, u64 │ the parts
//! ```
//!
//! Numbers are big-endian. Nothing is trusted when it is read: lengths are checked against that of the whole,
//! and the bytes by whoever asked, against the digest.

use std::ops::Range;

use privacy_secagg::RECIPIENTS_MAX;

/// Most bytes in front of the parts.
pub(crate) const FRONT_BYTES_MAX: u64 = 4 + 8 * RECIPIENTS_MAX as u64;

/// The front of an update of these parts.
pub(crate) fn front(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + 8 * parts.len());
    let count = u32::try_from(parts.len()).expect("at most RECIPIENTS_MAX");
    bytes.extend_from_slice(&count.to_be_bytes());
    parts.iter().for_each(|part| bytes.extend_from_slice(&(part.len() as u64).to_be_bytes()));
    bytes
}

/// Where part `index` is in an update of `whole` bytes that starts with `start`; none if there is no such part,
/// or the update is not as it was written.
///
/// * `start` — the first [`FRONT_BYTES_MAX`] bytes, or all of a shorter one.
pub(crate) fn locate(start: &[u8], whole: u64, index: usize) -> Option<Range<u64>> {
    let (count, rest) = start.split_first_chunk::<4>()?;
    let count = u32::from_be_bytes(*count) as usize;
    if count > RECIPIENTS_MAX || index >= count {
        return None;
    }
    let (lengths, _) = rest.get(..8 * count)?.as_chunks::<8>();
    let mut from = 4 + 8 * count as u64;
    let mut found = None;
    for (at, length) in lengths.iter().enumerate() {
        let to = from.checked_add(u64::from_be_bytes(*length))?;
        if at == index {
            found = Some(from..to);
        }
        from = to;
    }
    found.filter(|_| from == whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_where_it_was_put_and_other_lengths_are_seen() {
        let parts = [vec![1; 3], Vec::new(), vec![2; 500]];
        let bytes = [front(&parts), parts.concat()].concat();
        let whole = bytes.len() as u64;
        for (index, part) in parts.iter().enumerate() {
            let range = locate(&bytes, whole, index).unwrap();
            let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
            assert_eq!(bytes[range], part[..]);
        }
        assert_eq!(locate(&bytes, whole, 3), None);
        assert_eq!(locate(&bytes, whole - 1, 0), None);
        assert_eq!(locate(&bytes, whole + 1, 0), None);
        assert_eq!(locate(&bytes[..20], whole, 0), None);
        assert_eq!(locate(&[], 0, 0), None);
        // A length that would overflow, and more parts than there can be.
        let mut long = bytes.clone();
        long[4..12].fill(0xFF);
        assert_eq!(locate(&long, whole, 2), None);
        long[0] = 1;
        assert_eq!(locate(&long, whole, 0), None);
    }
}
