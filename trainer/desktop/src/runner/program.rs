//! The command line, `sahakar`, which does all that touches keys and the network.

use std::{
    io::{Read as _, Write as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail};
use zeroize::Zeroizing;

use super::home::Home;
use crate::{command::Choice, news::News, secret::Secret, terms::Terms};

/// Its file's name.
const NAME: &str = "sahakar";

/// How long a question may take: a coordinator that does not answer is not waited for longer.
const ANSWER_MS_MAX: u64 = 30_000;

/// How often is looked whether it ended, in milliseconds.
const POLL_MS: u64 = 20;

/// Most bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// Where the command line is.
#[derive(Debug, Clone)]
pub(super) struct Program(PathBuf);

impl Program {
    /// `given`, or the file beside this program, or whatever the system finds by its name.
    pub(super) fn new(given: Option<PathBuf>) -> Self {
        let beside = || {
            let name = format!("{NAME}{}", std::env::consts::EXE_SUFFIX);
            let path = std::env::current_exe().ok()?.with_file_name(name);
            path.exists().then_some(path)
        };
        Self(given.or_else(beside).unwrap_or_else(|| PathBuf::from(NAME)))
    }

    /// A call of it, with nothing attached.
    pub(super) fn command(&self) -> Command {
        Command::new(&self.0)
    }

    /// The public key, and the words if they are asked for.
    pub(super) fn key(&self, home: &Home, with_words: bool) -> anyhow::Result<News> {
        let mut show = self.command();
        show.args(["key", "show"]).arg(home.key());
        let shown = self.answer(show, "")?;
        let member = shown.lines().find_map(|line| line.strip_prefix("verifying "));
        let member = member.context("the key's public part is not shown")?.trim().to_owned();
        let words = if with_words {
            let mut words = self.command();
            words.args(["key", "words"]).arg(home.key());
            Some(Secret::new(self.answer(words, "")?.trim().to_owned()))
        } else {
            None
        };
        Ok(News::Key { member, words })
    }

    pub(super) fn make_key(&self, home: &Home) -> anyhow::Result<News> {
        home.make_trainer()?;
        let mut new = self.command();
        new.args(["key", "new", "--out"]).arg(home.key());
        self.answer(new, "")?;
        self.key(home, true)
    }

    pub(super) fn restore_key(&self, home: &Home, words: &Secret) -> anyhow::Result<News> {
        home.make_trainer()?;
        let mut restore = self.command();
        restore.args(["key", "restore", "--out"]).arg(home.key());
        self.answer(restore, words.expose())?;
        // Asked for nevertheless: who typed them has them, and proves it once.
        self.key(home, true)
    }

    pub(super) fn terms(&self, home: &Home, invitation: &str) -> anyhow::Result<Terms> {
        let mut ask = self.command();
        ask.args(["trainer", "--terms", "--state"]).arg(home.trainer());
        // Not an argument: those are shown to every user of the machine.
        ask.env("SAHAKAR_JOIN", invitation);
        let answer = self.answer(ask, "")?;
        serde_json::from_str(&answer)
            .context("the terms are in a form that this window does not know")
    }

    /// Signs the consent to changed terms for the ledger, moves the trainer to them, and reads them.
    ///
    /// The trainer asks first whether these terms are what the members voted for; otherwise it signs nothing.
    pub(super) fn consent(
        &self,
        home: &Home,
        invitation: &str,
        (node, terms): (&str, &str),
    ) -> anyhow::Result<Terms> {
        let mut consent = self.command();
        consent.args(["trainer", "--terms", "--consent", terms, "--url", node, "--state"]);
        consent.arg(home.trainer()).env("SAHAKAR_JOIN", invitation);
        let answer = self.answer(consent, "")?;
        serde_json::from_str(&answer)
            .context("the terms are in a form that this window does not know")
    }

    pub(super) fn vote(
        &self,
        home: &Home,
        node: &str,
        proposal: &str,
        choice: Choice,
    ) -> anyhow::Result<()> {
        let mut vote = self.command();
        vote.args(["vote", "--url", node, "--proposal", proposal, "--choice", choice.name()]);
        vote.arg("--json").arg("--key").arg(home.key());
        self.answer(vote, "").map(drop)
    }

    pub(super) fn delegate(
        &self,
        home: &Home,
        node: &str,
        to: Option<&(String, u64)>,
    ) -> anyhow::Result<()> {
        let mut delegate = self.command();
        delegate.args(["delegate", "--url", node, "--json", "--key"]).arg(home.key());
        match to {
            Some((member, days)) => {
                delegate.args(["--to", member, "--days", &days.to_string()]);
            }
            None => {
                delegate.arg("--revoke");
            }
        }
        self.answer(delegate, "").map(drop)
    }

    /// Runs a call to its end, writes `input` to it, and returns what it says.
    fn answer(&self, mut call: Command, input: &str) -> anyhow::Result<Zeroizing<String>> {
        call.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = call.spawn().with_context(|| {
            format!("cannot start {}: is it installed beside this window?", self.0.display())
        })?;
        let mut written = child.stdin.take().context("its input")?;
        // What it does not read it does not need.
        let _refused = written.write_all(input.as_bytes()).is_err();
        drop(written);
        let out = read(child.stdout.take());
        let error = read(child.stderr.take());
        let ended = wait(&mut child)?;
        let (out, error) = (out.join().unwrap_or_default(), error.join().unwrap_or_default());
        if ended {
            Ok(out)
        } else {
            bail!("{}", last_line(&error));
        }
    }
}

/// Whether it ended well; ended by force if it takes too long.
fn wait(child: &mut Child) -> anyhow::Result<bool> {
    for _ in 0..ANSWER_MS_MAX / POLL_MS {
        if let Some(status) = child.try_wait().context("waiting for the command line")? {
            return Ok(status.success());
        }
        std::thread::sleep(Duration::from_millis(POLL_MS));
    }
    child.kill().context("ending the command line")?;
    child.wait().context("ending the command line")?;
    bail!("no answer within {} s", ANSWER_MS_MAX / 1_000);
}

type Reading = std::thread::JoinHandle<Zeroizing<String>>;

fn read(from: Option<impl std::io::Read + Send + 'static>) -> Reading {
    std::thread::spawn(move || {
        let mut text = Zeroizing::new(String::new());
        if let Some(from) = from {
            // What is no text ends the answer there.
            let _cut = from.take(ANSWER_BYTES_MAX).read_to_string(&mut text).is_err();
        }
        text
    })
}

/// What the command line said last: its errors are one line.
pub(super) fn last_line(text: &str) -> String {
    // What is wrong with an argument stands in front of hints about usage, behind the argument itself.
    let wrong = text.lines().find_map(|line| line.strip_prefix("error: "));
    if let Some(wrong) = wrong {
        return wrong.rsplit_once("': ").map_or(wrong, |(_, why)| why).to_owned();
    }
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    last.unwrap_or("it ended without a reason").trim_start_matches("sahakar: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_one_line_and_not_a_hint_about_usage() {
        let refused = "error: invalid value 'a' for '--join <INVITATION>': it lacks token=…\n\n\
            For more information, try '--help'.\n";
        assert_eq!(last_line(refused), "it lacks token=…");
        assert_eq!(last_line("a log\nsahakar: no identity\n\n"), "no identity");
        assert_eq!(last_line(""), "it ended without a reason");
    }
}
