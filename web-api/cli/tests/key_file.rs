//! A key under a passphrase, by the real command line.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use rand::{RngExt as _, SeedableRng as _};
use tempfile::TempDir;

const RIGHT: &str = "five words of a list";
const OTHER: &str = "five other words of it";

struct Case {
    dir: TempDir,
    key: PathBuf,
    /// What `key show` says of it.
    public: String,
}

/// A new key in the clear.
fn case() -> Case {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    let made = run(&["key", "new", "--out", text(&key)], "");
    assert!(made.status.success());
    Case { dir, key, public: out(&made) }
}

impl Case {
    /// Encrypts as cheaply as the command line does.
    fn encrypt(&self, input: &str) -> Output {
        let call = ["key", "encrypt", text(&self.key), "--work-factor", "14"];
        run(&[&call[..], &["--passphrase-file", "-", "--new-passphrase-file", "-"]].concat(), input)
    }

    fn encrypt_first(&self, input: &str) -> Output {
        let call = ["key", "encrypt", text(&self.key), "--work-factor", "14"];
        run(&[&call[..], &["--new-passphrase-file", "-"]].concat(), input)
    }

    fn show(&self, passphrase: &str) -> Output {
        run(&["key", "show", text(&self.key), "--passphrase-file", "-"], &format!("{passphrase}\n"))
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sahakar"));
    command.args(arguments).env_remove("CREDENTIALS_DIRECTORY");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str], input: &str) -> Output {
    with_input(command(arguments), input)
}

fn with_input(mut command: Command, input: &str) -> Output {
    let mut child = command.spawn().unwrap();
    // Whoever refuses early reads nothing.
    let _closed = child.stdin.take().unwrap().write_all(input.as_bytes()).is_err();
    child.wait_with_output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Checks exit code and that the error is one sentence with `words` in it, and without any passphrase.
fn check_refused(output: &Output, code: i32, words: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert!(error.contains(words), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(!error.contains(RIGHT) && !error.contains(OTHER), "{error}");
}

#[test]
fn a_key_goes_under_a_passphrase_under_another_one_and_back() {
    let case = case();
    let clear = fs::read_to_string(&case.key).unwrap();
    let encrypted = case.encrypt_first(&format!("{RIGHT}\n"));
    assert_eq!(out(&encrypted), case.public, "{}", String::from_utf8_lossy(&encrypted.stderr));
    assert!(fs::read(&case.key).unwrap().starts_with(b"age-encryption.org/v1\n"));
    assert_eq!(out(&case.show(RIGHT)), case.public);

    let before = fs::read(&case.key).unwrap();
    check_refused(&case.show(OTHER), 3, "the passphrase is not the one of");
    check_refused(&run(&["key", "show", text(&case.key)], ""), 3, "under a passphrase, and none");
    check_refused(&case.encrypt(&format!("{OTHER}\n{RIGHT}\n")), 3, "nothing was changed");
    check_refused(
        &case.encrypt(&format!("{RIGHT}\nshort\n")),
        1,
        "5 characters, a new one needs 12",
    );
    assert_eq!(fs::read(&case.key).unwrap(), before);

    assert!(case.encrypt(&format!("{RIGHT}\n{OTHER}\n")).status.success());
    check_refused(&case.show(RIGHT), 3, "the passphrase is not the one of");
    let decrypt = ["key", "decrypt", text(&case.key), "--passphrase-file", "-"];
    assert!(run(&decrypt, &format!("{OTHER}\n")).status.success());
    assert_eq!(fs::read_to_string(&case.key).unwrap(), clear);
    assert_eq!(fs::read_dir(case.dir.path()).unwrap().count(), 1);
}

#[test]
fn a_passphrase_comes_from_a_file_the_environment_or_a_credential() {
    let case = case();
    assert!(case.encrypt_first(&format!("{RIGHT}\n")).status.success());
    let file = case.dir.path().join("passphrase");
    fs::write(&file, format!("{RIGHT}\n")).unwrap();
    let show = || command(&["key", "show", text(&case.key)]);
    let check = |mut command: Command, name: &str, value: &str| {
        command.env(name, value);
        assert_eq!(out(&with_input(command, "")), case.public, "{name}");
    };
    check_open(&file);
    check(show(), "SAHAKAR_PASSPHRASE", RIGHT);
    check(show(), "SAHAKAR_PASSPHRASE_FILE", text(&file));
    check(show(), "CREDENTIALS_DIRECTORY", text(case.dir.path()));
    let flag = command(&["key", "show", text(&case.key), "--passphrase-file", text(&file)]);
    check(flag, "SAHAKAR_PASSPHRASE", OTHER);
    let refused = run(&["key", "show", text(&case.key), "--passphrase-file", "no/such/file"], "");
    check_refused(&refused, 1, "reading the passphrase in no/such/file");
}

/// The file of a passphrase is its owner's alone, or it is refused.
fn check_open(file: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(file, fs::Permissions::from_mode(0o604)).unwrap();
        let call = ["key", "show", "no-key", "--passphrase-file", text(file)];
        // The key is looked at first.
        check_refused(&run(&call, ""), 1, "cannot read the key file no-key");
        let call = ["key", "new", "--out", "no-key", "--new-passphrase-file", text(file)];
        check_refused(&run(&call, ""), 1, "is open to all (mode 604)");
        assert!(!Path::new("no-key").exists());
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn a_forgotten_passphrase_is_remedied_by_the_words_or_by_an_encrypted_back_up() {
    let case = case();
    let words = out(&run(&["key", "words", text(&case.key)], ""));
    let backup = case.dir.path().join("backup.age");
    let call = ["key", "encrypt", text(&case.key), "--work-factor", "14", "--out", text(&backup)];
    let copied = run(&[&call[..], &["--new-passphrase-file", "-"]].concat(), &format!("{OTHER}\n"));
    assert_eq!(out(&copied), case.public);
    assert!(!fs::read(&case.key).unwrap().starts_with(b"age"), "the key itself stays as it was");
    assert!(case.encrypt_first(&format!("{RIGHT}\n")).status.success());

    // The words, under a new passphrase: it is read first.
    let again = case.dir.path().join("again");
    let call = ["key", "restore", "--out", text(&again), "--new-passphrase-file", "-"];
    assert_eq!(out(&run(&call, &format!("{RIGHT}\n{words}"))), case.public);
    assert!(fs::read(&again).unwrap().starts_with(b"age"));
    // The back-up, in the clear, from a stick that knows no owners.
    #[cfg(unix)]
    fs::set_permissions(&backup, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    // That it gives the same key can be seen there, too.
    let call = ["key", "show", text(&backup), "--passphrase-file", "-"];
    assert_eq!(out(&run(&call, &format!("{OTHER}\n"))), case.public);
    let third = case.dir.path().join("third");
    let call = ["key", "restore", "--out", text(&third), "--from", text(&backup)];
    let call = [&call[..], &["--passphrase-file", "-"]].concat();
    check_refused(&run(&call, &format!("{RIGHT}\n")), 3, "the passphrase is not the one of");
    assert!(!third.exists());
    assert_eq!(out(&run(&call, &format!("{OTHER}\n"))), case.public);
    check_refused(&run(&call, &format!("{OTHER}\n")), 1, "exists already");
}

#[test]
fn a_key_in_use_by_a_trainer_is_not_changed() {
    let case = case();
    let lock = fs::File::create(case.dir.path().join("lock")).unwrap();
    lock.lock().unwrap();
    check_refused(&case.encrypt_first(&format!("{RIGHT}\n")), 1, "is in use");
    lock.unlock().unwrap();
    assert!(case.encrypt_first(&format!("{RIGHT}\n")).status.success());
}

/// `kill -9` at any moment: the file gives the key, with the passphrase or without one.
#[cfg(unix)]
#[test]
fn a_kill_at_any_moment_of_encrypting_loses_no_key() {
    let case = case();
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
    let (mut killed, mut encrypted) = (0, false);
    for attempt in 0..40 {
        // What another attempt left lies beside it.
        let call: &[&str] = if encrypted {
            &["key", "decrypt", text(&case.key), "--passphrase-file", "-"]
        } else {
            &[
                "key",
                "encrypt",
                text(&case.key),
                "--new-passphrase-file",
                "-",
                "--work-factor",
                "14",
            ]
        };
        let mut child = command(call).spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("{RIGHT}\n").as_bytes()).unwrap();
        // A call takes some 30 ms on an idle machine.
        let until = std::time::Duration::from_micros(rng.random_range(0..45_000));
        // How long it runs is what is tried, not what is waited for.
        std::thread::park_timeout(until);
        child.kill().unwrap();
        killed += i32::from(!child.wait().unwrap().success());
        assert_eq!(out(&case.show(RIGHT)), case.public, "attempt {attempt}");
        encrypted = fs::read(&case.key).unwrap().starts_with(b"age");
    }
    assert!(killed > 5, "{killed} were killed before they had ended");
    let last = if encrypted {
        case.encrypt(&format!("{RIGHT}\n{OTHER}\n"))
    } else {
        case.encrypt_first(&format!("{OTHER}\n"))
    };
    assert!(last.status.success());
    assert_eq!(fs::read_dir(case.dir.path()).unwrap().count(), 1, "nothing is left beside it");
}

/// Standard input says the passphrase first, and what a trainer obeys after it.
#[test]
fn a_trainer_is_unlocked_by_its_input_and_goes_on_obeying_it() {
    let dir = tempfile::tempdir().unwrap();
    let (state, data) = (dir.path().join("state"), dir.path().join("data.csv"));
    fs::write(&data, "a,label\n1,x\n").unwrap();
    let peer = aggregator_network::PeerKey::from_secret(&[7; 32]);
    let transport = aggregator_network::Transport::Tcp;
    let address = aggregator_network::ListenAddress::loopback(transport, 9).with_peer(peer);
    let join =
        format!("sahakar://join?federation={}&coordinator={address}&token=grape", "ab".repeat(32));
    let call = ["trainer", "--json", "--obey", "--state", text(&state), "--data", text(&data)];
    let start = |passphrase: &str| {
        let mut trainer = command(&[&call[..], &["--passphrase-file", "-"]].concat());
        let mut trainer = trainer.env("SAHAKAR_JOIN", &join).spawn().unwrap();
        let mut input = trainer.stdin.take().unwrap();
        input.write_all(format!("{passphrase}\nlimit 0.5\n").as_bytes()).unwrap();
        (trainer, input)
    };
    // Twice: a new key is made under the passphrase, and unlocked by it.
    for _ in 0..2 {
        let (mut trainer, input) = start(RIGHT);
        let mut events = BufReader::new(trainer.stdout.take().unwrap()).lines();
        let first = events.next().unwrap().unwrap();
        assert!(first.contains("\"started\""), "{first}");
        drop(input);
        let last = events.last().unwrap().unwrap();
        assert!(last.contains("\"stopped\"") && last.contains("told"), "{last}");
        assert!(trainer.wait().unwrap().success());
        assert!(fs::read(state.join("key")).unwrap().starts_with(b"age-encryption.org/v1\n"));
    }
    let (refused, _input) = start(OTHER);
    let refused = refused.wait_with_output().unwrap();
    assert!(out(&refused).contains("the passphrase is not the one of"), "{}", out(&refused));
    assert_eq!(refused.status.code(), Some(3));
}
