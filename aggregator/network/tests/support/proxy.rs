//! A bad line: a TCP proxy on loopback that cuts, or falls silent.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use aggregator_network::{Address, ListenAddress, Transport};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// What a proxy does, and did.
pub(crate) struct Proxy {
    pub(crate) address: Address,
    /// Bytes that were passed on, both ways.
    bytes: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
    /// While set, nothing is passed on, and nobody is told.
    silent: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// * `cut_after` — bytes, both ways, after which a connection is closed.
    pub(crate) async fn start(to: Address, cut_after: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let here = listener.local_addr().expect("it listens");
        let (bytes, connections): (Arc<AtomicU64>, Arc<AtomicU64>) = Default::default();
        let (silent, silent_in) = watch::channel(false);
        let line =
            Line { to: to.listen().socket(), cut_after, bytes: Arc::clone(&bytes), silent_in };
        let opened = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                opened.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(line.clone().carry(from));
            }
        });
        let address = ListenAddress::new(here, Transport::Tcp).with_peer(to.peer());
        Self { address, bytes, connections, silent, task }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    pub(crate) fn fall_silent(&self, silent: bool) {
        self.silent.send_replace(silent);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Line {
    to: SocketAddr,
    cut_after: u64,
    bytes: Arc<AtomicU64>,
    silent_in: watch::Receiver<bool>,
}

impl Line {
    async fn carry(self, from: TcpStream) {
        let Ok(to) = TcpStream::connect(self.to).await else { return };
        let (mut from_in, mut from_out) = from.into_split();
        let (mut to_in, mut to_out) = to.into_split();
        let left = AtomicU64::new(self.cut_after);
        // Whichever ends first ends both: the halves are dropped, and the connection with them.
        tokio::select! {
            () = self.pass(&mut from_in, &mut to_out, &left) => {}
            () = self.pass(&mut to_in, &mut from_out, &left) => {}
        }
    }

    async fn pass(
        &self,
        from: &mut tokio::net::tcp::OwnedReadHalf,
        to: &mut tokio::net::tcp::OwnedWriteHalf,
        left: &AtomicU64,
    ) {
        let mut silent = self.silent_in.clone();
        let mut buffer = vec![0; 16 << 10];
        while let Ok(read @ 1..) = from.read(&mut buffer).await {
            if silent.wait_for(|silent| !silent).await.is_err() {
                return;
            }
            let length = read as u64;
            let before =
                left.fetch_sub(length.min(left.load(Ordering::Relaxed)), Ordering::Relaxed);
            if before <= length || to.write_all(&buffer[..read]).await.is_err() {
                return;
            }
            self.bytes.fetch_add(length, Ordering::Relaxed);
        }
    }
}
