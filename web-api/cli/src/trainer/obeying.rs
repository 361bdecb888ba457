//! Words on standard input that a trainer obeys: how a window holds it.
//!
//! ```text
//!   hold          from the next step on, nothing is trained
//!   release       it goes on
//!   limit SHARE   the share of its time that training works, above 0 and at most 1
//!   (the end)     stop
//! ```

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use trainer_agent::Brake;

/// Longest line that is looked at: the words are shorter.
const LINE_BYTES_MAX: usize = 64;

/// Obeys words until there are no more. What is no word is logged and changes nothing.
pub(super) async fn obey(input: impl AsyncRead + Unpin, brake: &Brake) {
    let mut lines = BufReader::new(input).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match words(&line).as_slice() {
            ["hold"] => brake.hold(),
            ["release"] => brake.release(),
            ["limit", share] if share.parse::<f64>().is_ok() => {
                brake.limit(share.parse().unwrap_or(1.0));
            }
            _ => tracing::warn!("a word on standard input is none that a trainer obeys"),
        }
    }
}

fn words(line: &str) -> Vec<&str> {
    if line.len() > LINE_BYTES_MAX { Vec::new() } else { line.split_whitespace().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_brake_follows_the_words_and_nothing_else() {
        let brake = Brake::default();
        obey(&b"hold\nstand still\nlimit x\n"[..], &brake).await;
        assert!(brake.holds());
        obey(&b"limit 0.5\nrelease\n"[..], &brake).await;
        assert!(!brake.holds());
        obey(format!("hold{}\n", " ".repeat(LINE_BYTES_MAX)).as_bytes(), &brake).await;
        assert!(!brake.holds(), "a line that is too long is no word");
    }
}
