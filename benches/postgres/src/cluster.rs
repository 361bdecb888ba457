//! One running server.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};

use crate::programs::Programs;

/// The superuser of every cluster, without a password: nobody else can open the folder of its socket.
const USER: &str = "sahakar";
/// What the server says once it can be used.
const READY: &str = "database system is ready to accept connections";
/// What a server says that was started too soon after another was killed.
const IN_USE: &str = "still in use";
/// How often, and after which pause, such a server is started again: ten seconds in all.
const RESTARTS_MAX: u32 = 100;
const RESTART_PAUSE: Duration = Duration::from_millis(100);
/// Stops the server when its input closes, or at a word; removes the folder unless that word is `keep`.
/// `$1` is the folder, the rest the server and its arguments. The error output is the server's alone, so that its end is seen.
const KEEPER: &str = r#"
folder="$1"; shift
"$@" & server=$!
exec 2>/dev/null
word=; read -r word
kill -QUIT "$server" 2>/dev/null
wait "$server"
[ "$word" = keep ] || rm -rf -- "$folder"
"#;

/// A server of this test's own. Ends when it is dropped, or with the process.
#[derive(Debug)]
pub struct Cluster {
    programs: Programs,
    folder: PathBuf,
    keeper: Child,
    databases: AtomicU32,
}

/// The URL of a new, empty database on the one server of this process; none if this machine has no
/// PostgreSQL, after saying so.
///
/// * `what` — what is skipped then.
///
/// # Panics
/// If a server cannot be started, or there is none and `SAHAKAR_REQUIRE_POSTGRES` is set.
#[must_use]
pub fn database(what: &str) -> Option<String> {
    static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
    // Never dropped: its keeper ends it when the process ends.
    let cluster = SHARED.get_or_init(|| Cluster::start(what)).as_ref();
    if cluster.is_none() {
        eprintln!("skipped, no PostgreSQL here: {what}");
    }
    cluster.map(|cluster| cluster.database().expect("a database can be created"))
}

impl Cluster {
    /// Starts a server; none if this machine has no PostgreSQL, after saying so.
    ///
    /// * `what` — what is skipped then.
    ///
    /// # Panics
    /// As [`database`].
    #[must_use]
    pub fn start(what: &str) -> Option<Self> {
        let Some(programs) = Programs::find() else {
            let required = env::var_os("SAHAKAR_REQUIRE_POSTGRES").is_some_and(|set| set == "1");
            assert!(!required, "SAHAKAR_REQUIRE_POSTGRES is set, and there is no PostgreSQL");
            eprintln!("skipped, no PostgreSQL here: {what}");
            return None;
        };
        Some(Self::create(programs).expect("a server starts"))
    }

    fn create(programs: Programs) -> anyhow::Result<Self> {
        // Short: the path of a socket has at most 107 bytes.
        let folder = tempfile::Builder::new().prefix("pg-").tempdir()?.keep();
        programs.give(&folder)?;
        let mut initdb = programs.command(programs.path("initdb"));
        let arguments = ["--no-sync", "--auth=trust", "--encoding=UTF8", "--username", USER];
        initdb.args(arguments).arg("--pgdata").arg(folder.join("data"));
        run(&mut initdb)?;
        let keeper = serve(&programs, &folder)?;
        Ok(Self { programs, folder, keeper, databases: AtomicU32::new(0) })
    }

    /// The URL of a new, empty database.
    ///
    /// # Errors
    /// The server does not answer, or refuses.
    pub fn database(&self) -> anyhow::Result<String> {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut psql = self.programs.command(self.programs.path("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--username", USER, "--dbname", "postgres", "--host"]);
        psql.arg(&self.folder).args(["--command", &format!("CREATE DATABASE {name}")]);
        run(&mut psql)?;
        let socket = self.folder.to_str().context("a folder with a readable name")?;
        Ok(format!("postgres://{USER}@localhost/{name}?host={}", socket.replace('/', "%2F")))
    }

    /// The socket at which the server listens: for a line of the test's own between it and somebody.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    /// Kills the server with `kill -9` and starts it again on what it had
    /// written. Connections break.
    ///
    /// # Errors
    /// It does not come back.
    pub fn crash_and_recover(&mut self) -> anyhow::Result<()> {
        let noted = fs::read_to_string(self.folder.join("data/postmaster.pid"));
        let noted = noted.context("reading the server's process id")?;
        let server = noted.lines().next().context("the server's process id")?;
        run(Command::new("kill").args(["-9", server]))?;
        self.stop_keeper("keep\n")?;
        self.keeper = self.serve_again()?;
        Ok(())
    }

    /// The killed server's own processes have its memory for a moment longer, and until then no other may start.
    fn serve_again(&self) -> anyhow::Result<Child> {
        for _ in 1..RESTARTS_MAX {
            match serve(&self.programs, &self.folder) {
                Err(error) if error.to_string().contains(IN_USE) => thread::sleep(RESTART_PAUSE),
                served => return served,
            }
        }
        serve(&self.programs, &self.folder)
    }

    /// Ends the keeper, and with it the server, with a last word.
    fn stop_keeper(&mut self, word: &str) -> anyhow::Result<()> {
        if let Some(mut input) = self.keeper.stdin.take() {
            input.write_all(word.as_bytes()).context("telling the keeper")?;
        }
        self.keeper.wait().context("waiting for the server")?;
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.stop_keeper("") {
            eprintln!("a PostgreSQL of a test was not stopped: {error:#}");
        }
    }
}

/// Starts the server in `folder` and waits until it can be used.
fn serve(programs: &Programs, folder: &Path) -> anyhow::Result<Child> {
    let mut server = programs.command("/bin/sh");
    server.args(["-c", KEEPER, "keeper"]).arg(folder).arg(programs.path("postgres"));
    server.arg("-D").arg(folder.join("data")).arg("-k").arg(folder);
    // No port at all; and no `fsync`: what dies here is processes, never the machine under them, and a
    // recovery that first synchronises a thousand files takes 15 s.
    server.args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=100"]);
    let mut keeper = server
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting a server")?;
    let mut said = BufReader::new(keeper.stderr.take().context("what the server says")?);
    if let Err(error) = wait_until_ready(&mut said) {
        // Else the folder would be removed with the keeper.
        if let Some(mut input) = keeper.stdin.take() {
            input.write_all(b"keep\n").context("telling the keeper")?;
        }
        keeper.wait().context("waiting for the keeper")?;
        return Err(error);
    }
    // Read on, so that the server never waits for a reader.
    thread::spawn(move || said.lines().take_while(Result::is_ok).count());
    Ok(keeper)
}

fn wait_until_ready(said: &mut BufReader<ChildStderr>) -> anyhow::Result<()> {
    let mut log = String::new();
    loop {
        let from = log.len();
        if said.read_line(&mut log).context("reading what the server says")? == 0 {
            bail!("the server ended at once: {log}");
        }
        if log[from..].contains(READY) {
            return Ok(());
        }
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(())
}
