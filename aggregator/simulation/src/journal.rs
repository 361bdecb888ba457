//! A process's disk: records that are appended and synced one by one.

use privacy_identity::{Digest, Tag};

/// Bytes of a record's length.
const LENGTH_BYTES: usize = 4;
/// Bytes of its checksum: a torn record passes with a probability of 2^−64.
const CHECK_BYTES: usize = 8;

/// What survives a crash. A record is there whole, or not at all: one that was cut off while it was written
/// fails its checksum, and is dropped when the journal is opened.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    bytes: Vec<u8>,
}

impl Journal {
    fn framed(record: &[u8]) -> Vec<u8> {
        let length = u32::try_from(record.len()).expect("records of a simulation are small");
        let mut framed = length.to_be_bytes().to_vec();
        framed.extend_from_slice(&Digest::of(Tag::Delivery, record).0[..CHECK_BYTES]);
        framed.extend_from_slice(record);
        framed
    }

    pub(crate) fn append(&mut self, record: &[u8]) {
        self.bytes.extend(Self::framed(record));
    }

    /// Appends the first `part` 256ths: the process dies meanwhile.
    pub(crate) fn append_torn(&mut self, record: &[u8], part: u8) {
        let framed = Self::framed(record);
        self.bytes.extend_from_slice(&framed[..framed.len() * usize::from(part) / 256]);
    }

    /// The records, after what was torn has been cut off.
    pub(crate) fn open(&mut self) -> Vec<&[u8]> {
        let (mut records, mut rest) = (Vec::new(), self.bytes.as_slice());
        let mut whole = 0;
        while let Some((record, after)) = first(rest) {
            whole += rest.len() - after.len();
            records.push((whole - record.len(), whole));
            rest = after;
        }
        self.bytes.truncate(whole);
        records.into_iter().map(|(start, end)| &self.bytes[start..end]).collect()
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }
}

fn first(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
    let (check, rest) = rest.split_first_chunk::<CHECK_BYTES>()?;
    let (record, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    (Digest::of(Tag::Delivery, record).0[..CHECK_BYTES] == *check).then_some((record, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_record_counts_as_none_wherever_it_is_cut() {
        for part in 0..=255 {
            let mut journal = Journal::default();
            journal.append(b"first");
            journal.append_torn(b"second", part);
            assert_eq!(journal.open(), [b"first"], "cut at {part} 256ths");
            journal.append(b"third");
            assert_eq!(journal.open(), [b"first", b"third"]);
        }
    }

    #[test]
    fn records_come_back_in_order() {
        let mut journal = Journal::default();
        let records: Vec<Vec<u8>> = (0..5).map(|length| vec![7; length]).collect();
        records.iter().for_each(|record| journal.append(record));
        assert_eq!(journal.open(), records);
    }
}
