//! What left this computer.

use std::io::{self, BufRead};

use serde::Deserialize;

/// Lines that are shown; an export has all of them.
pub const LINES_SHOWN_MAX: usize = 2_000;

/// One message that left, as the trainer notes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SentLine {
    /// When, in milliseconds since 1970.
    pub time_ms: u64,
    /// To whom, by the name that libp2p gives a key; none in logs of older versions.
    pub to: Option<String>,
    /// What it asked for.
    pub kind: String,
    /// Its bytes.
    pub bytes: u64,
    /// Its digest.
    pub digest: String,
    /// Whether it carries a sealed update.
    pub sealed: bool,
    /// The round of that.
    pub round: Option<u64>,
}

/// A sealed message as it left, with its begin and its end: its digest was checked against what is kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Sealed {
    /// Its digest.
    pub digest: String,
    /// Its bytes.
    pub bytes: u64,
    /// The first of them, in hexadecimal.
    pub begin: String,
    /// The last of them, in hexadecimal; empty if the begin is all.
    pub end: String,
}

/// All that a log says, of which only the newest lines are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// The newest lines, the newest first.
    pub lines: Vec<SentLine>,
    /// Messages in all.
    pub messages: u64,
    /// Bytes in all.
    pub bytes: u64,
}

impl Sent {
    /// Reads a log. A last line that is cut off (the trainer writes it this moment) is left out.
    ///
    /// # Errors
    /// If `log` cannot be read.
    pub fn read(log: impl BufRead) -> io::Result<Self> {
        let mut newest = std::collections::VecDeque::with_capacity(LINES_SHOWN_MAX);
        let (mut messages, mut bytes) = (0, 0);
        for line in log.lines() {
            let Ok(line) = serde_json::from_str::<SentLine>(&line?) else { continue };
            messages += 1;
            bytes += line.bytes;
            if newest.len() == LINES_SHOWN_MAX {
                newest.pop_back();
            }
            newest.push_front(line);
        }
        Ok(Self { lines: newest.into(), messages, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_come_first_and_all_are_counted() {
        let line = |time| {
            format!(
                "{{\"time_ms\":{time},\"kind\":\"fetch\",\"bytes\":2,\"digest\":\"ab\",\"sealed\":false}}\n"
            )
        };
        let count = LINES_SHOWN_MAX as u64 + 5;
        let log: String = (0..count).map(line).chain(["{\"time_ms\":".to_owned()]).collect();
        let sent = Sent::read(log.as_bytes()).unwrap();
        assert_eq!((sent.messages, sent.bytes), (count, 2 * count));
        assert_eq!((sent.lines.len(), sent.lines[0].time_ms), (LINES_SHOWN_MAX, count - 1));
    }
}
