//! A line between a command and a node that keeps a copy of every byte which the command sends.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// The line. Its threads end with their connections, and the last one with the test.
pub(crate) struct Recorder {
    address: SocketAddr,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Recorder {
    /// A line to the node at `url`, which is one of this machine.
    pub(crate) fn to(url: &str) -> Self {
        let node: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let copy = Arc::clone(&sent);
        thread::spawn(move || {
            for command in listener.incoming() {
                let (command, node) = (command.unwrap(), TcpStream::connect(node).unwrap());
                let (back, forth) = (command.try_clone().unwrap(), node.try_clone().unwrap());
                let copy = Arc::clone(&copy);
                thread::spawn(move || carry(command, forth, Some(&copy)));
                thread::spawn(move || carry(node, back, None));
            }
        });
        Self { address, sent }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every byte that was sent so far. What is recorded was recorded before the node got it.
    pub(crate) fn sent(&self) -> Vec<u8> {
        self.sent.lock().unwrap().clone()
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, copy: Option<&Mutex<Vec<u8>>>) {
    let mut bytes = [0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        if let Some(copy) = copy {
            copy.lock().unwrap().extend_from_slice(&bytes[..length]);
        }
        if to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    // Either side may have gone before.
    let _gone = to.shutdown(Shutdown::Write);
}

/// Whether `needle` is in `hay`.
pub(crate) fn contains(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}
