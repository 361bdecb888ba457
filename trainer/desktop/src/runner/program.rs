//! The command line, `sahakar`, which does all that touches keys and the network.

use std::{
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context as _, bail};
use zeroize::Zeroizing;

use super::home::Home;
use crate::{
    command::{Backup, Choice},
    devices::Compared,
    secret::Secret,
    sent::Sealed,
    terms::Terms,
};

/// Its file's name.
const NAME: &str = "sahakar";

/// How long a question may take: a coordinator that does not answer is not waited for longer.
const ANSWER_MS_MAX: u64 = 30_000;

/// How often is looked whether it ended, in milliseconds.
const POLL_MS: u64 = 20;

/// Most bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// With which code the command line ends where a passphrase is wrong or missing.
const LOCKED_CODE: i32 = 3;

/// Where the command line would look for a passphrase besides its input.
const PASSPHRASE_VARIABLES: [&str; 4] = [
    "SAHAKAR_PASSPHRASE",
    "SAHAKAR_PASSPHRASE_FILE",
    "SAHAKAR_NEW_PASSPHRASE_FILE",
    "CREDENTIALS_DIRECTORY",
];

/// Where the command line is.
#[derive(Clone)]
pub(super) struct Program {
    path: PathBuf,
    /// What unlocks the key, once the person has said it: until the window closes.
    passphrase: Arc<Mutex<Option<Secret>>>,
}

impl Program {
    /// `given`, or the file beside this program, or whatever the system finds by its name.
    pub(super) fn new(given: Option<PathBuf>) -> Self {
        let beside = || {
            let name = format!("{NAME}{}", std::env::consts::EXE_SUFFIX);
            let path = std::env::current_exe().ok()?.with_file_name(name);
            path.exists().then_some(path)
        };
        let path = given.or_else(beside).unwrap_or_else(|| PathBuf::from(NAME));
        Self { path, passphrase: Arc::default() }
    }

    /// The same, for another key: what unlocks one is not said to another.
    pub(super) fn for_another_key(&self) -> Self {
        Self { path: self.path.clone(), passphrase: Arc::default() }
    }

    /// A call of it, with nothing attached.
    pub(super) fn command(&self) -> Command {
        let mut call = Command::new(&self.path);
        // Of whoever started the window: it would unlock another key, or take what the person types.
        for name in PASSPHRASE_VARIABLES {
            call.env_remove(name);
        }
        call
    }

    /// Remembers what unlocks the key, for all calls from now on.
    pub(super) fn unlock(&self, passphrase: Option<Secret>) {
        if let Ok(mut own) = self.passphrase.lock() {
            *own = passphrase;
        }
    }

    pub(super) fn is_unlocked(&self) -> bool {
        self.passphrase.lock().is_ok_and(|own| own.is_some())
    }

    /// A call that uses the key, and what its input begins with: the passphrase, if there is one.
    pub(super) fn unlocked(&self) -> (Command, Zeroizing<String>) {
        let mut call = self.command();
        let mut input = Zeroizing::new(String::new());
        if let Ok(own) = self.passphrase.lock()
            && let Some(passphrase) = &*own
        {
            call.env("SAHAKAR_PASSPHRASE_FILE", "-");
            input = lines(&[passphrase]);
        }
        (call, input)
    }

    /// The public part of the key in `path`.
    pub(super) fn member(&self, path: &Path) -> anyhow::Result<String> {
        let (mut show, input) = self.unlocked();
        show.args(["key", "show"]).arg(path);
        member_of(&self.answer(show, &input)?)
    }

    /// The public part of the key in an encrypted copy.
    pub(super) fn member_of_backup(&self, path: &Path, own: &Secret) -> anyhow::Result<String> {
        let mut show = self.command();
        show.args(["key", "show", "--passphrase-file", "-"]).arg(path);
        member_of(&self.answer(show, &lines(&[own]))?)
    }

    pub(super) fn words(&self, home: &Home) -> anyhow::Result<Secret> {
        let (mut words, input) = self.unlocked();
        words.args(["key", "words"]).arg(home.key());
        Ok(Secret::new(self.answer(words, &input)?.trim().to_owned()))
    }

    pub(super) fn new_key(&self, home: &Home, passphrase: Option<&Secret>) -> anyhow::Result<()> {
        let mut new = self.command();
        new.args(["key", "new", "--out"]).arg(home.key());
        self.answer(under(new, passphrase.is_some()), &lines(passphrase.as_slice())).map(drop)
    }

    /// Writes the key of a back-up to a new file. Returns its public part.
    pub(super) fn restore_key(
        &self,
        path: &Path,
        backup: &Backup,
        passphrase: Option<&Secret>,
    ) -> anyhow::Result<String> {
        let mut restore = self.command();
        restore.args(["key", "restore", "--out"]).arg(path);
        let mut said = Vec::new();
        if let Backup::File(from, own) = backup {
            restore.arg("--from").arg(from).args(["--passphrase-file", "-"]);
            said.push(own);
        }
        said.extend(passphrase);
        if let Backup::Words(words) = backup {
            said.push(words);
        }
        member_of(&self.answer(under(restore, passphrase.is_some()), &lines(&said))?)
    }

    /// Puts the key under another passphrase, or under none.
    pub(super) fn protect_key(
        &self,
        path: &Path,
        now: Option<&Secret>,
        new: Option<&Secret>,
    ) -> anyhow::Result<()> {
        let mut protect = self.command();
        protect.args(["key", if new.is_some() { "encrypt" } else { "decrypt" }]).arg(path);
        if now.is_some() {
            protect.args(["--passphrase-file", "-"]);
        }
        let said: Vec<&Secret> = now.into_iter().chain(new).collect();
        self.answer(under(protect, new.is_some()), &lines(&said)).map(drop)
    }

    /// Writes an encrypted copy of the key, under a passphrase of its own.
    pub(super) fn copy_key(&self, path: &Path, to: &Path, own: &Secret) -> anyhow::Result<()> {
        let (mut copy, mut input) = self.unlocked();
        copy.args(["key", "encrypt"]).arg(path).arg("--out").arg(to);
        input.push_str(&lines(&[own]));
        self.answer(under(copy, true), &input).map(drop)
    }

    pub(super) fn terms(&self, home: &Home, invitation: &str) -> anyhow::Result<Terms> {
        let (mut ask, input) = self.unlocked();
        ask.args(["trainer", "--terms", "--state"]).arg(home.trainer());
        // Not an argument: those are shown to every user of the machine.
        ask.env("SAHAKAR_JOIN", invitation);
        let answer = self.answer(ask, &input)?;
        serde_json::from_str(&answer)
            .context("the terms are in a form that this window does not know")
    }

    /// How fast this machine's devices learn: the federation's model, once it was joined.
    pub(super) fn compare_devices(&self, home: &Home) -> anyhow::Result<Compared> {
        let mut compare = self.command();
        compare.args(["device", "--json"]);
        let terms = home.trainer().join("terms.bin");
        if terms.exists() {
            compare.arg("--terms").arg(terms);
        }
        serde_json::from_str(&self.answer(compare, "")?)
            .context("the devices are told in a form that this window does not know")
    }

    /// A sealed message as it left.
    pub(super) fn sealed(&self, home: &Home, digest: &str) -> anyhow::Result<Sealed> {
        let mut show = self.command();
        show.args(["sent", "show", "--json", "--digest", digest, "--state"]).arg(home.trainer());
        serde_json::from_str(&self.answer(show, "")?)
            .context("the message is shown in a form that this window does not know")
    }

    /// Writes a sealed message as it left to a new file.
    pub(super) fn export_sealed(
        &self,
        home: &Home,
        digest: &str,
        path: &Path,
    ) -> anyhow::Result<PathBuf> {
        let mut show = self.command();
        show.args(["sent", "show", "--digest", digest, "--state"]).arg(home.trainer());
        show.arg("--export").arg(path);
        self.answer(show, "")?;
        Ok(std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()))
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
        let (mut consent, input) = self.unlocked();
        consent.args(["trainer", "--terms", "--consent", terms, "--url", node, "--state"]);
        consent.arg(home.trainer()).env("SAHAKAR_JOIN", invitation);
        let answer = self.answer(consent, &input)?;
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
        let (mut vote, input) = self.unlocked();
        vote.args(["vote", "--url", node, "--proposal", proposal, "--choice", choice.name()]);
        vote.arg("--json").arg("--key").arg(home.key());
        self.answer(vote, &input).map(drop)
    }

    pub(super) fn delegate(
        &self,
        home: &Home,
        node: &str,
        to: Option<&(String, u64)>,
    ) -> anyhow::Result<()> {
        let (mut delegate, input) = self.unlocked();
        delegate.args(["delegate", "--url", node, "--json", "--key"]).arg(home.key());
        match to {
            Some((member, days)) => {
                delegate.args(["--to", member, "--days", &days.to_string()]);
            }
            None => {
                delegate.arg("--revoke");
            }
        }
        self.answer(delegate, &input).map(drop)
    }

    /// Runs a call to its end, writes `input` to it, and returns what it says.
    ///
    /// # Errors
    /// [`Locked`] if the key's passphrase is another one; what it said otherwise.
    fn answer(&self, mut call: Command, input: &str) -> anyhow::Result<Zeroizing<String>> {
        call.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = call.spawn().with_context(|| {
            format!("cannot start {}: is it installed beside this window?", self.path.display())
        })?;
        let mut written = child.stdin.take().context("its input")?;
        // What it does not read it does not need.
        let _refused = written.write_all(input.as_bytes()).is_err();
        drop(written);
        let out = read(child.stdout.take());
        let error = read(child.stderr.take());
        let ended = wait(&mut child)?;
        let (out, error) = (out.join().unwrap_or_default(), error.join().unwrap_or_default());
        match ended {
            Some(0) => Ok(out),
            Some(LOCKED_CODE) => Err(Locked(last_line(&error)).into()),
            _ => bail!("{}", last_line(&error)),
        }
    }
}

/// The key is under a passphrase, and it was not said, or another one was.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Locked(String);

/// Whether `error` is that the passphrase was another one.
pub(super) fn is_locked(error: &anyhow::Error) -> bool {
    error.is::<Locked>()
}

/// A call whose key is to come under a passphrase that its input says.
fn under(mut call: Command, protected: bool) -> Command {
    if protected {
        call.args(["--new-passphrase-file", "-"]);
    }
    call
}

/// What a call's input says, line for line.
fn lines(said: &[&Secret]) -> Zeroizing<String> {
    // Room from the start: a text that grows would leave a secret behind.
    let length = said.iter().map(|secret| secret.expose().len() + 1).sum();
    let mut input = Zeroizing::new(String::with_capacity(length));
    for secret in said {
        input.push_str(secret.expose());
        input.push('\n');
    }
    input
}

fn member_of(shown: &str) -> anyhow::Result<String> {
    let member = shown.lines().find_map(|line| line.strip_prefix("verifying "));
    Ok(member.context("the key's public part is not shown")?.trim().to_owned())
}

/// With which code it ended; ended by force if it takes too long.
fn wait(child: &mut Child) -> anyhow::Result<Option<i32>> {
    for _ in 0..ANSWER_MS_MAX / POLL_MS {
        if let Some(status) = child.try_wait().context("waiting for the command line")? {
            return Ok(status.code());
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
