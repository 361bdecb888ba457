//! The begin and the end of a message, for eyes.

use std::fmt;

use privacy_identity::Digest;
use serde_json::{Value, json};

/// Bytes that are shown of the begin, and of the end.
const PART_BYTES: usize = 256;

/// Bytes in a line.
const LINE_BYTES: usize = 16;

/// A message as it is shown: what is in between is cut.
pub(super) struct BytesShown<'a> {
    digest: Digest,
    length: usize,
    begin: &'a [u8],
    /// Empty if the begin is all.
    end: &'a [u8],
}

impl<'a> BytesShown<'a> {
    pub(super) fn of(message: &'a [u8], digest: Digest) -> Self {
        let (begin, rest) = message.split_at(message.len().min(PART_BYTES));
        let end = &rest[rest.len().saturating_sub(PART_BYTES)..];
        Self { digest, length: message.len(), begin, end }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "digest": self.digest.to_string(),
            "bytes": self.length,
            "begin": hex::encode(self.begin),
            "end": hex::encode(self.end),
        })
    }
}

impl fmt::Display for BytesShown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, digest {}", self.length, self.digest)?;
        part(f, 0, self.begin)?;
        let cut = self.length - self.begin.len() - self.end.len();
        if cut > 0 {
            write!(f, "\n… {cut} bytes …")?;
        }
        part(f, self.length - self.end.len(), self.end)
    }
}

fn part(f: &mut fmt::Formatter<'_>, offset: usize, bytes: &[u8]) -> fmt::Result {
    for (index, line) in bytes.chunks(LINE_BYTES).enumerate() {
        write!(f, "\n{:08x} ", offset + index * LINE_BYTES)?;
        line.iter().try_for_each(|byte| write!(f, " {byte:02x}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(length: usize) -> String {
        let message: Vec<u8> = (0..=250).cycle().take(length).collect();
        BytesShown::of(&message, Digest([1; 32])).to_string()
    }

    #[test]
    fn begin_and_end_are_shown_and_what_is_cut_is_counted() {
        assert_eq!(shown(0).lines().count(), 1);
        assert!(shown(17).ends_with("\n00000010  10"));
        assert!(!shown(512).contains('…'));
        assert_eq!(shown(512).lines().count(), 1 + 32);
        let cut = shown(1_000);
        assert!(cut.contains("\n… 488 bytes …\n000002e8  "), "{cut}");
        assert!(cut.lines().last().unwrap().starts_with("000003d8"), "{cut}");
    }
}
