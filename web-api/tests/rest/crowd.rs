//! Ten thousand connections of one address, to a node in a process of its own: others are served, and nothing of them is left
//! when they are gone.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::disallowed_methods, reason = "how soon others are answered is what is measured")]

use std::{
    net::SocketAddr,
    process::Command,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use super::child::Child;

/// Set in the process that has the limit of open files.
const RAISED: &str = "SAHAKAR_TEST_FILES_RAISED";
/// Asks for the whole crowd, whatever the limit of open files is.
const REQUIRED_BY: &str = "SAHAKAR_REQUIRE_CROWD";
/// What one address may have here: the crowd.
const CROWD: usize = 10_000;
/// Smaller crowds that come behind it.
const WAVES: usize = 8;
/// Most bytes that a connection may leave for ever: less than the smallest thing that the node remembers of one.
const LEFT_BYTES_MAX: usize = 64;
/// Most memory of a connection, in KiB: what `ConnectionLimits` says.
const CONNECTION_KIB_MAX: usize = 40;
/// Longest wait for a crowd to be gone: far above what a loaded machine needs.
const GONE_WITHIN: Duration = Duration::from_secs(60);
/// Files that a test needs beside its connections.
const FILES_BESIDE: usize = 200;
const HEALTH: &[u8] = b"GET /v1/health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

/// Starts itself again with as many open files as the system allows: the limit is usually 1 024.
#[test]
fn ten_thousand_connections_keep_nobody_else_out_and_leave_nothing() {
    if std::env::var_os(RAISED).is_none() {
        let name = "crowd::ten_thousand_connections_keep_nobody_else_out_and_leave_nothing";
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -S -n $(ulimit -H -n) 2>/dev/null; exec \"$0\" \"$@\""]);
        shell.arg(std::env::current_exe().unwrap()).args(["--exact", name, "--nocapture"]);
        let output = shell.env(RAISED, "1").output().unwrap();
        print!("{}", String::from_utf8_lossy(&output.stdout));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(crowd());
}

async fn crowd() {
    let files = super::server::rlimit_files().unwrap_or(1_024);
    let count = CROWD.min(files.saturating_sub(FILES_BESIDE));
    // Elsewhere a smaller crowd is told of below; where all of them are asked for, fewer are a failure.
    let required = std::env::var_os(REQUIRED_BY).is_some();
    assert!(
        !required || count == CROWD,
        "{REQUIRED_BY} is set, and there are {files} files for {CROWD} connections"
    );
    let dir = TempDir::new().unwrap();
    // One address more fits than the crowd has.
    let mut child = Child::start(dir.path(), Some((count + 100, count)));
    let bound_kib = resident_kib(child.pid()) + count * CONNECTION_KIB_MAX;
    // The least that was ever in use, and how many connections there were since: some of what the start needed is given back later.
    let (mut least, mut since) = (child.live_bytes(), 0);
    let (mut crowd, mut full) = (count, Full::Yes);
    for _ in 0..=WAVES {
        let memory = wave(&child, crowd, full).await;
        since += crowd;
        let most = least + LEFT_BYTES_MAX * since;
        let left = until_at_most(&mut child, most);
        println!("{crowd} connections: {memory:?}; {left} bytes are in use after them");
        assert!(left <= most, "{left} bytes are in use, {least} were {since} connections ago");
        // What was freed is used again.
        assert!(memory.during_kib <= bound_kib, "a connection takes too much: {memory:?}");
        if left < least {
            (least, since) = (left, 0);
        }
        (crowd, full) = (count / 4, Full::No);
    }
}

/// Bytes in use once they are at most `most`, or after the longest wait: the node closes a connection a moment before it has
/// freed what was its.
fn until_at_most(child: &mut Child, most: usize) -> usize {
    let deadline = Instant::now() + GONE_WITHIN;
    loop {
        let live = child.live_bytes();
        if live <= most || Instant::now() >= deadline {
            return live;
        }
    }
}

/// Whether the crowd takes all places of its address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Full {
    Yes,
    No,
}

/// What the system says that the node has. It says nothing of a loss: an allocator keeps what is freed, and touches some of it for
/// the first time much later.
#[derive(Debug)]
#[expect(dead_code, reason = "printed")]
struct Memory {
    before_kib: usize,
    during_kib: usize,
}

async fn wave(child: &Child, count: usize, full: Full) -> Memory {
    let (before_kib, before_files) = (resident_kib(child.pid()), open_files(child.pid()));
    let mut streams = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = TcpStream::connect(child.address).await.unwrap();
        // Half a header: a slow loris each.
        stream.write_all(b"GET /v1/health HTTP/1.1\r\nx: ").await.unwrap();
        streams.push(stream);
    }
    let asked = Instant::now();
    assert!(from("127.0.0.2", child.address).await.starts_with("HTTP/1.1 200"), "kept out");
    let waited = asked.elapsed();
    if full == Full::Yes {
        assert_eq!(from("127.0.0.1", child.address).await, "", "one more than the crowd may have");
    }
    let during_kib = resident_kib(child.pid());
    // Each of them is answered once it has asked.
    for stream in streams.iter_mut().step_by(100) {
        stream.write_all(b"y\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    drop(streams);
    // The node has noticed when it holds as many files as before.
    let deadline = Instant::now() + GONE_WITHIN;
    while open_files(child.pid()) > before_files {
        assert!(Instant::now() < deadline, "the places did not come back");
        tokio::task::yield_now().await;
    }
    assert!(from("127.0.0.1", child.address).await.starts_with("HTTP/1.1 200"));
    println!("answered another address within {waited:?}");
    Memory { before_kib, during_kib }
}

/// What a client at one of this machine's own addresses is answered; empty if it is turned away.
async fn from(address: &str, server: SocketAddr) -> String {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
    let mut answer = Vec::new();
    if let Ok(mut stream) = socket.connect(server).await {
        // Who is turned away may learn so while writing or while reading.
        let _sent = stream.write_all(HEALTH).await;
        let _read = stream.read_to_end(&mut answer).await;
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

fn resident_kib(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
