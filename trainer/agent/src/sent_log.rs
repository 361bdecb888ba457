//! What left this computer: one line of JSON for each message.

use std::{
    fs::{self, File},
    io::Write as _,
    path::PathBuf,
};

use aggregator_network::PeerKey;
use aggregator_protocol::RoundId;
use privacy_identity::Digest;
use serde_json::{Value, json};

use crate::{AgentError, SentCopies, caller::Question, clock::unix_ms, private_file::private};

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
    copies: SentCopies,
}

impl SentLog {
    /// Opens the log at `path` and goes on at its end.
    ///
    /// * `copies` — where sealed messages are kept, to be looked at.
    pub(crate) fn open(path: PathBuf, copies: SentCopies) -> Result<Self, AgentError> {
        let opened = private().create(true).append(true).open(&path);
        let opened = opened.and_then(|file| Ok((file.metadata()?.len(), file)));
        let (bytes, file) = opened.map_err(AgentError::state(&path))?;
        Ok(Self { path, file, bytes, copies })
    }

    /// Notes one message, and keeps a copy of a sealed one.
    ///
    /// * `to` — whom it is sent to.
    /// * `sealed` — the round and digest of the update that it carries, if it does.
    pub(crate) fn record(
        &mut self,
        (to, question): (PeerKey, Question),
        message: &[u8],
        sealed: Option<(RoundId, Digest)>,
    ) -> Result<(), AgentError> {
        let time_ms = unix_ms();
        let line = format!("{}\n", line(time_ms, (to, question), message, sealed));
        if self.bytes + line.len() as u64 > LOG_BYTES_MAX {
            self.set_aside()?;
        }
        self.file.write_all(line.as_bytes()).map_err(AgentError::state(&self.path))?;
        self.bytes += line.len() as u64;
        if sealed.is_some()
            && let Err(error) = self.copies.keep(time_ms, message)
        {
            // The update leaves all the same: what it is, its digest says.
            tracing::warn!("no copy of a sealed message is kept: {error}");
        }
        Ok(())
    }

    fn set_aside(&mut self) -> Result<(), AgentError> {
        let aside = self.path.with_extension("1.jsonl");
        fs::rename(&self.path, &aside).map_err(AgentError::state(&aside))?;
        *self = Self::open(self.path.clone(), self.copies.clone())?;
        Ok(())
    }
}

fn line(
    time_ms: u64,
    (to, question): (PeerKey, Question),
    message: &[u8],
    sealed: Option<(RoundId, Digest)>,
) -> Value {
    let mut line = json!({
        "time_ms": time_ms,
        "to": to.to_string(),
        "kind": question.name(),
        "bytes": message.len(),
        "digest": SentCopies::digest(message).to_string(),
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

    fn to() -> PeerKey {
        PeerKey::from_secret(&[7; 32])
    }

    fn opened(dir: &std::path::Path) -> SentLog {
        SentLog::open(dir.join("sent.jsonl"), SentCopies::of(dir, 1_000)).unwrap()
    }

    #[test]
    fn a_line_says_what_and_how_much_left_to_whom_and_whether_it_was_sealed() {
        let plain = line(7, (to(), Question::Fetch), &[1, 2], None);
        let digest = SentCopies::digest(&[1, 2]).to_string();
        let expected = json!({
            "time_ms": 7, "to": to().to_string(), "kind": "fetch", "bytes": 2, "digest": digest,
            "sealed": false
        });
        assert_eq!(plain, expected);
        let update = Digest([1; 32]);
        let sealed = line(7, (to(), Question::Submit), &[3], Some((RoundId(2), update)));
        assert_eq!((&sealed["sealed"], &sealed["round"]), (&json!(true), &json!(2)));
        assert_eq!(sealed["update"], json!(update.to_string()));
    }

    #[test]
    fn a_sealed_message_is_kept_under_the_digest_of_its_line_and_no_other_message_is() {
        let dir = tempdir().unwrap();
        let mut log = opened(dir.path());
        log.record((to(), Question::Fetch), b"a question", None).unwrap();
        let sealed = Some((RoundId(2), Digest([1; 32])));
        log.record((to(), Question::Submit), b"an update", sealed).unwrap();
        let text = fs::read_to_string(dir.path().join("sent.jsonl")).unwrap();
        let digest = |index: usize| -> Digest {
            let line: Value = serde_json::from_str(text.lines().nth(index).unwrap()).unwrap();
            line["digest"].as_str().unwrap().parse().unwrap()
        };
        let copies = SentCopies::of(dir.path(), 1_000);
        assert_eq!(copies.message(&digest(1)).unwrap(), b"an update");
        assert!(copies.message(&digest(0)).is_err());
    }

    #[test]
    fn the_log_is_continued_and_set_aside_when_it_is_long() {
        let dir = tempdir().unwrap();
        let path = dir.path().join("sent.jsonl");
        for _ in 0..2 {
            opened(dir.path()).record((to(), Question::Terms), &[], None).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
        let mut log = opened(dir.path());
        log.bytes = LOG_BYTES_MAX;
        log.record((to(), Question::Terms), &[], None).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
        let aside = dir.path().join("sent.1.jsonl");
        assert_eq!(fs::read_to_string(aside).unwrap().lines().count(), 2);
    }
}
