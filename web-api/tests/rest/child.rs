//! A node in a process of its own, which can be killed: this test program, started again.
//!
//! ```text
//!  test ─ stdin ─► `time 1000000`, `die 3` (at the third reading of the clock from now on), `heap 0`
//!       ◄─ stdout ─ `listening 127.0.0.1:…`, `done`, `live 5000000` (bytes of its heap)
//! ```
//! Whatever a route does begins with a reading of the clock: before each append, for each authentication. To die at the nth
//! of them, for each n, is to die once between any two steps.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(
    clippy::disallowed_methods,
    reason = "the test program is told by its environment that it is the node"
)]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child as Process, ChildStdin, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use web_api::{Clock, ConnectionLimits, router, serve};

use super::live_heap::live_bytes;
use super::support::{Node, START_MS};

/// Names the folder of the node that this process is to be.
const FOLDER: &str = "SAHAKAR_TEST_NODE";
/// Most connections of the node, in all and of one address.
const LIMITS: &str = "SAHAKAR_TEST_CONNECTIONS";

/// No claim: the node of the other tests. It returns at once unless one of them started it.
#[test]
fn node_of_other_tests() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(be_the_node(Path::new(&folder)));
}

async fn be_the_node(folder: &Path) {
    // Negative: never.
    let left = Arc::new(AtomicI64::new(-1));
    let time = Arc::new(AtomicU64::new(START_MS));
    let (of_clock, of_input) = (Arc::clone(&left), Arc::clone(&time));
    let clock = Clock::new(move || {
        if of_clock.load(Ordering::SeqCst) >= 0 && of_clock.fetch_sub(1, Ordering::SeqCst) == 0 {
            // As by SIGKILL: nothing is cleaned up, no destructor runs.
            std::process::abort();
        }
        time.load(Ordering::SeqCst)
    });
    let state = Node::kept_in(folder, clock).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("\nlistening {}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let (what, number) = line.split_once(' ').unwrap();
            match what {
                "time" => of_input.store(number.parse().unwrap(), Ordering::SeqCst),
                "heap" => println!("\nlive {}", live_bytes()),
                _ => left.store(number.parse().unwrap(), Ordering::SeqCst),
            }
            println!("\ndone");
        }
        // Whoever started it is gone.
        std::process::exit(0);
    });
    let limits = std::env::var(LIMITS).ok().and_then(|text| {
        let (all, of_one) = text.split_once(' ')?;
        Some(ConnectionLimits {
            connections_max: all.parse().ok()?,
            per_address_max: of_one.parse().ok()?,
            header_time: std::time::Duration::from_secs(600),
            ..ConnectionLimits::default()
        })
    });
    let limits = (limits.unwrap_or_default(), None);
    serve(listener, router(state), limits, std::future::pending()).await.unwrap();
}

/// The process, killed when dropped.
pub(crate) struct Child {
    folder: PathBuf,
    process: Process,
    input: ChildStdin,
    output: BufReader<std::process::ChildStdout>,
    pub(crate) address: SocketAddr,
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A request of a test.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) token: String,
    pub(crate) name: Option<String>,
    pub(crate) body: Option<Value>,
    /// Of a payment provider's event.
    pub(crate) signature: Option<String>,
}

impl Child {
    pub(crate) fn start(folder: &Path, limits: Option<(usize, usize)>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "child::node_of_other_tests", "--nocapture"])
            .env(FOLDER, folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if let Some((all, of_one)) = limits {
            command.env(LIMITS, format!("{all} {of_one}"));
        }
        let mut process = command.spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let mut output = BufReader::new(output);
        let address = line_of(&mut output, "listening ").unwrap().parse().unwrap();
        Self { folder: folder.to_owned(), process, input, output, address }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn kill(&mut self) {
        // It may be dead already.
        let _gone = self.process.kill();
        self.process.wait().unwrap();
    }

    /// The same node after its death.
    pub(crate) fn again(mut self) -> Self {
        self.kill();
        Self::start(&self.folder.clone(), None)
    }

    /// Tells the process something, and waits until it knows.
    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
        line_of(&mut self.output, "done").unwrap();
    }

    /// Bytes of the process's heap that are in use.
    pub(crate) fn live_bytes(&mut self) -> usize {
        writeln!(self.input, "heap 0").unwrap();
        let live = line_of(&mut self.output, "live ").unwrap().parse().unwrap();
        line_of(&mut self.output, "done").unwrap();
        live
    }

    /// What it answers; nothing if it dies before.
    pub(crate) async fn ask(&self, asked: &Asked) -> Option<(u16, Value)> {
        ask(self.address, asked).await
    }
}

fn line_of(output: &mut impl std::io::BufRead, prefix: &str) -> Option<String> {
    let lines = output.lines().map_while(Result::ok);
    lines.filter_map(|line| line.strip_prefix(prefix).map(str::to_owned)).next()
}

pub(crate) async fn ask(address: SocketAddr, asked: &Asked) -> Option<(u16, Value)> {
    let Asked { method, path, token, name, body, signature } = asked;
    let body = body.as_ref().map(Value::to_string).unwrap_or_default();
    let name = name.as_ref().map(|name| format!("idempotency-key: {name}\r\n")).unwrap_or_default();
    let signed = signature.as_ref().map(|text| format!("stripe-signature: {text}\r\n"));
    let signed = signed.unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: node\r\nauthorization: Bearer {token}\r\n{name}{signed}\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let text = String::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}
