//! Lines that lose what they carry: a proxy between the contributors and the coordinator, and between the coordinator
//! and the other aggregator, that drops three datagrams of ten in both directions. On loopback alone.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;
use sahakar::{
    demo::cooperative::{AGGREGATOR, COORDINATOR},
    serve::SealingMode,
};
use tokio::{net::UdpSocket, sync::Mutex, task::JoinSet};

use crate::{evidence::Fire, roles::Roles, world::Setup};

/// Of ten datagrams.
const LOST_OF_TEN: u32 = 3;
/// Longest datagram.
const DATAGRAM_BYTES_MAX: usize = 65_535;

/// A line to one port. Ends when it is dropped.
struct LossyLine {
    /// Where it listens.
    here: u16,
    lost: Arc<Mutex<(u64, u64)>>,
    _task: JoinSet<()>,
}

impl LossyLine {
    /// A line to `port`, which loses what `seed` says.
    async fn to(port: u16, seed: u64) -> Self {
        let listening = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let here = listening.local_addr().unwrap().port();
        let lost = Arc::new(Mutex::new((0, 0)));
        let mut task = JoinSet::new();
        let drops = Drops { rng: ChaCha20Rng::seed_from_u64(seed), counts: Arc::clone(&lost) };
        task.spawn(carry(listening, ([127, 0, 0, 1], port).into(), Arc::new(Mutex::new(drops))));
        Self { here, lost, _task: task }
    }
}

struct Drops {
    rng: ChaCha20Rng,
    /// Lost, and all.
    counts: Arc<Mutex<(u64, u64)>>,
}

impl Drops {
    async fn next(&mut self) -> bool {
        let lost = self.rng.random_range(0..10) < LOST_OF_TEN;
        let mut counts = self.counts.lock().await;
        counts.0 += u64::from(lost);
        counts.1 += 1;
        lost
    }
}

/// Carries datagrams there, from a socket of its own for each sender, and back.
async fn carry(listening: Arc<UdpSocket>, to: SocketAddr, drops: Arc<Mutex<Drops>>) {
    let mut senders: BTreeMap<SocketAddr, Arc<UdpSocket>> = BTreeMap::new();
    let mut back = JoinSet::new();
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        // A port that is closed says so with an error on the next call: the line does not care.
        let Ok((length, from)) = listening.recv_from(&mut buffer).await else { continue };
        if !senders.contains_key(&from) {
            let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
            socket.connect(to).await.unwrap();
            let (answers, listening) = (Arc::clone(&socket), Arc::clone(&listening));
            let drops = Arc::clone(&drops);
            back.spawn(async move {
                let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
                loop {
                    let Ok(length) = answers.recv(&mut buffer).await else { continue };
                    if !drops.lock().await.next().await {
                        let _lost = listening.send_to(&buffer[..length], from).await.is_err();
                    }
                }
            });
            senders.insert(from, socket);
        }
        if !drops.lock().await.next().await {
            let _lost = senders[&from].send(&buffer[..length]).await.is_err();
        }
    }
}

/// A port that is free now.
fn free_port() -> u16 {
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread")]
async fn rounds_settle_over_lines_that_lose_three_datagrams_of_ten() {
    let dir = tempfile::tempdir().unwrap();
    let roles = Roles::new(dir.path());
    let mut lines = Vec::new();
    let mut rewrite = String::new();
    for (seed, who) in [COORDINATOR, AGGREGATOR].into_iter().enumerate() {
        let port = free_port();
        roles.instruct(who, &format!("extra='--listen /ip4/127.0.0.1/udp/{port}/quic-v1'\n"));
        let line = LossyLine::to(port, seed as u64).await;
        rewrite += &format!("s,/udp/{port}/,/udp/{}/,g\n", line.here);
        lines.push(line);
    }
    roles.rewrite(&rewrite);
    // What is lost is sent again after a while, and again: a round may take longer than on a good line.
    let setup = Setup::new(SealingMode::Mpc, dir.path(), 4, 3);
    let setup = Setup { program: roles.program(), round_deadline_ms: 20_000, ..setup };
    Fire::new(setup.start().await).finish(3).await;
    let (mut lost, mut all) = (0, 0);
    for line in &lines {
        let (lost_here, all_here) = *line.lost.lock().await;
        assert!(all_here > 0, "nothing took this line");
        (lost, all) = (lost + lost_here, all + all_here);
    }
    // Of 200, a share below 15 % or above 45 % has a probability below 10⁻⁵ (binomial, 4.6 deviations).
    assert!(all > 200, "{all} datagrams took these lines");
    assert!((all * 15..all * 45).contains(&(lost * 100)), "{lost} of {all}");
}
