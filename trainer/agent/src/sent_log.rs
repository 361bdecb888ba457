//! What left this computer: one line of JSON for each message.

use std::{
    fs::{self, File},
    io::Write as _,
    path::PathBuf,
};

use aggregator_protocol::RoundId;
use privacy_identity::{Digest, Tag};
use serde_json::{Value, json};

use crate::{AgentError, caller::Question, clock::unix_ms, state_dir::private};

/// The log's length at which it is set aside as `sent.1.jsonl` and begun anew, in bytes: about
/// 300 000 messages, a few days of polling.
const LOG_BYTES_MAX: u64 = 64 << 20;

/// The log of what left this computer. A line is written before its message is handed to the
/// network, so that nothing leaves unnoted; it says that the message may have left.
///
/// Never in it: what a message holds. Its digest proves later which message a line speaks of.
pub(crate) struct SentLog {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl SentLog {
    /// Opens the log at `path` and goes on at its end.
    pub(crate) fn open(path: PathBuf) -> Result<Self, AgentError> {
        let opened = private().create(true).append(true).open(&path);
        let opened = opened.and_then(|file| Ok((file.metadata()?.len(), file)));
        let (bytes, file) = opened.map_err(AgentError::state(&path))?;
        Ok(Self { path, file, bytes })
    }

    /// Notes one message.
    ///
    /// * `sealed` — the round and digest of the update that it carries, if it does.
    pub(crate) fn record(
        &mut self,
        question: Question,
        message: &[u8],
        sealed: Option<(RoundId, Digest)>,
    ) -> Result<(), AgentError> {
        let line = format!("{}\n", line(unix_ms(), question, message, sealed));
        if self.bytes + line.len() as u64 > LOG_BYTES_MAX {
            self.set_aside()?;
        }
        self.file.write_all(line.as_bytes()).map_err(AgentError::state(&self.path))?;
        self.bytes += line.len() as u64;
        Ok(())
    }

    fn set_aside(&mut self) -> Result<(), AgentError> {
        let aside = self.path.with_extension("1.jsonl");
        fs::rename(&self.path, &aside).map_err(AgentError::state(&aside))?;
        *self = Self::open(self.path.clone())?;
        Ok(())
    }
}

fn line(
    time_ms: u64,
    question: Question,
    message: &[u8],
    sealed: Option<(RoundId, Digest)>,
) -> Value {
    let mut line = json!({
        "time_ms": time_ms,
        "kind": question.name(),
        "bytes": message.len(),
        "digest": Digest::of(Tag::MemberRequest, message).to_string(),
        "sealed": sealed.is_some(),
    });
    if let Some((round, update)) = sealed {
        line["round"] = json!(round.0);
        line["update"] = json!(update.to_string());
    }
    line
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    #[test]
    fn a_line_says_what_and_how_much_left_and_whether_it_was_sealed() {
        let plain = line(7, Question::Fetch, &[1, 2], None);
        let digest = Digest::of(Tag::MemberRequest, &[1, 2]).to_string();
        let expected =
            json!({"time_ms": 7, "kind": "fetch", "bytes": 2, "digest": digest, "sealed": false});
        assert_eq!(plain, expected);
        let update = Digest([1; 32]);
        let sealed = line(7, Question::Submit, &[3], Some((RoundId(2), update)));
        assert_eq!((&sealed["sealed"], &sealed["round"]), (&json!(true), &json!(2)));
        assert_eq!(sealed["update"], json!(update.to_string()));
    }

    #[test]
    fn the_log_is_continued_and_set_aside_when_it_is_long() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("sent.jsonl");
        for _ in 0..2 {
            SentLog::open(path.clone()).unwrap().record(Question::Terms, &[], None).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
        let mut log = SentLog::open(path.clone()).unwrap();
        log.bytes = LOG_BYTES_MAX;
        log.record(Question::Terms, &[], None).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
        let aside = dir.path().join("sent.1.jsonl");
        assert_eq!(fs::read_to_string(aside).unwrap().lines().count(), 2);
    }
}
