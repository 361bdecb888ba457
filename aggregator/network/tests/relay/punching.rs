//! Two processes, each behind a router of its own, that find a direct way: hole punching.
//!
//! ```text
//!   hidden 10.0.1.2 ── router 203.0.113.2 ── relay 203.0.113.1 = 198.51.100.1 ── router 198.51.100.2 ── asker 10.0.2.2
//! ```
//!
//! The routers are the kernel's own: network namespaces with nftables, which translate addresses and drop what nobody inside
//! asked for. A test starts this program again in a user namespace, so that it needs no rights and leaves nothing behind.
//! Without user namespaces, `ip` or `nft` nothing is tested, unless `SAHAKAR_REQUIRE_NETNS` is 1.

#![expect(
    clippy::disallowed_methods,
    reason = "the test program is told by its environment which machine it is"
)]

use std::{
    env,
    io::{BufRead as _, BufReader, Lines, Write as _},
    net::SocketAddr,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use aggregator_network::{Address, Limits, Link, ListenAddress, PeerKey, Transport};
use tokio::time::{sleep, timeout};

use crate::{
    large,
    support::{TEST_TIMEOUT, answer_reversed, asker, small, start},
};

/// What this program is when it was started by itself.
const ROLE: &str = "SAHAKAR_TEST_MACHINE";
/// What routers do with the port of who goes out.
const MASQUERADE: &str = "SAHAKAR_TEST_MASQUERADE";
const REQUIRED_BY: &str = "SAHAKAR_REQUIRE_NETNS";

/// The relay as each side sees it.
const RELAY_PORT: u16 = 4001;
const RELAY_OF_HIDDEN: [u8; 4] = [203, 0, 113, 1];
const RELAY_OF_ASKER: [u8; 4] = [198, 51, 100, 1];
/// Seeds of identities.
const RELAY: u8 = 7;
const HIDDEN: u8 = 1;
const ASKER: u8 = 2;

/// The namespace it is run in is the internet; `net.ipv4.ip_forward` lets it route between the two sides.
const INTERNET: &str = "
PATH=\"$PATH:/usr/sbin:/sbin\"
mount -t tmpfs none /run
ip link set lo up
echo 1 > /proc/sys/net/ipv4/ip_forward
side() { # side NAME INTERNET ROUTER LAN: a router with a host behind it
    ip netns add \"$1-router\"
    ip netns add \"$1\"
    ip link add \"$1-net\" type veth peer name wan netns \"$1-router\"
    ip -n \"$1-router\" link add lan type veth peer name eth netns \"$1\"
    ip addr add \"$2/30\" dev \"$1-net\"
    ip link set \"$1-net\" up
    for device in lo wan lan; do ip -n \"$1-router\" link set $device up; done
    ip -n \"$1-router\" addr add \"$3/30\" dev wan
    ip -n \"$1-router\" addr add \"$4.1/24\" dev lan
    ip -n \"$1-router\" route add default via \"$2\"
    for device in lo eth; do ip -n \"$1\" link set $device up; done
    ip -n \"$1\" addr add \"$4.2/24\" dev eth
    ip -n \"$1\" route add default via \"$4.1\"
    ip netns exec \"$1-router\" sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
    ip netns exec \"$1-router\" nft -f - <<RULES
table ip router {
    chain out { type nat hook postrouting priority 100; oifname wan masquerade $SAHAKAR_TEST_MASQUERADE; }
    chain in { type filter hook input priority 0; policy drop; ct state established,related accept; iifname lan accept; }
    chain through { type filter hook forward priority 0; policy drop; ct state established,related accept; iifname lan accept; }
}
RULES
}
side hidden 203.0.113.1 203.0.113.2 10.0.1
side asker 198.51.100.1 198.51.100.2 10.0.2
";

#[test]
fn peers_behind_two_routers_find_a_direct_way() {
    in_internet("persistent");
}

#[test]
fn peers_whose_routers_give_each_way_another_port_stay_with_the_relay() {
    in_internet("fully-random");
}

/// Runs [`machine_of_other_tests`] as the controller of an internet of its own.
fn in_internet(masquerade: &str) {
    let mut sandbox = Command::new("unshare");
    sandbox.args(["--user", "--map-root-user", "--net", "--mount", "--"]);
    let tried = sandbox.args(["sh", "-ec", INTERNET]).env(MASQUERADE, masquerade).output();
    let can = tried.as_ref().is_ok_and(|tried| tried.status.success());
    if !can {
        let required = env::var_os(REQUIRED_BY).is_some_and(|set| set == "1");
        assert!(!required, "{REQUIRED_BY} is set, and there are no networks to be had: {tried:?}");
        eprintln!("not tested: this machine gives no network namespaces ({REQUIRED_BY}=1 insists)");
        return;
    }
    let script = format!("{INTERNET}\nexec \"$0\" \"$@\"");
    let mut sandbox = Command::new("unshare");
    sandbox.args(["--user", "--map-root-user", "--net", "--mount", "--", "sh", "-ec", &script]);
    let status = sandbox
        .arg(env::current_exe().unwrap())
        .args(["--exact", "punching::machine_of_other_tests", "--nocapture"])
        .env(ROLE, "controller")
        .env(MASQUERADE, masquerade)
        .status();
    assert!(status.unwrap().success());
}

/// No claim: the machines of the other tests. It returns at once unless one of them started it.
#[test]
fn machine_of_other_tests() {
    let Ok(role) = env::var(ROLE) else { return };
    if role == "controller" {
        return control();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match role.as_str() {
            "relay" => be_the_relay().await,
            "hidden" => be_hidden().await,
            _ => be_the_asker().await,
        }
    });
}

/// A machine in its namespace.
struct Machine {
    process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Machine {
    /// * `namespace` — none for the internet itself.
    fn boot(role: &str, namespace: Option<&str>) -> Self {
        let exe = env::current_exe().unwrap();
        let mut command = match namespace {
            None => Command::new(exe),
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(exe);
                command
            }
        };
        let mut process = command
            .args(["--exact", "punching::machine_of_other_tests", "--nocapture"])
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { process, input, output: BufReader::new(output).lines() }
    }

    fn until_says(&mut self, word: &str) {
        let said = self.output.find(|line| line.as_ref().unwrap().contains(word));
        assert!(said.is_some(), "ended before it said {word}");
    }

    fn tell(&mut self, word: &str) {
        writeln!(self.input, "{word}").unwrap();
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.process.kill().is_ok();
        let _reaped = self.process.wait().is_ok();
    }
}

fn control() {
    let can_punch = env::var(MASQUERADE).unwrap() == "persistent";
    let mut relay = Machine::boot("relay", None);
    relay.until_says("listening");
    let mut hidden = Machine::boot("hidden", Some("hidden"));
    hidden.until_says("placed");
    let mut asker = Machine::boot("asker", Some("asker"));
    asker.until_says("answered");
    if can_punch {
        asker.tell("wait until direct");
        asker.until_says("direct");
        // What goes on now goes without it.
        relay.kill();
    } else {
        hidden.until_says("in vain");
    }
    asker.tell("ask");
    asker.until_says("answered");
}

fn relay_at(ip: [u8; 4]) -> Address {
    let peer = seeded_peer(RELAY);
    ListenAddress::new(SocketAddr::from((ip, RELAY_PORT)), Transport::Quic).with_peer(peer)
}

fn seeded_peer(seed: u8) -> PeerKey {
    PeerKey::from_secret(&[seed; 32])
}

fn anywhere(port: u16) -> ListenAddress {
    ListenAddress::new(SocketAddr::from(([0, 0, 0, 0], port)), Transport::Quic)
}

async fn be_the_relay() {
    let limits = Limits { relayed_circuits_max: 4, ..small() };
    let (_link, _inbox) = start(RELAY, &[anywhere(RELAY_PORT)], limits).await.unwrap();
    println!("listening");
    std::future::pending().await
}

async fn be_hidden() {
    let (link, inbox) = start(HIDDEN, &[anywhere(0)], large()).await.unwrap();
    answer_reversed(inbox);
    timeout(TEST_TIMEOUT, link.listen_by(relay_at(RELAY_OF_HIDDEN))).await.unwrap().unwrap();
    println!("placed");
    wait_for(|| link.metrics().punches_failed).await;
    println!("in vain");
    std::future::pending().await
}

async fn be_the_asker() {
    let link = asker(ASKER, large()).await;
    let peer = seeded_peer(HIDDEN);
    link.add_relay(peer, relay_at(RELAY_OF_ASKER)).await;
    // As it knows itself: an address that nobody outside reaches.
    let address = ListenAddress::new(SocketAddr::from(([10, 0, 1, 2], 9)), Transport::Quic);
    let address = address.with_peer(peer);
    ask(&link, &address).await;
    for line in std::io::stdin().lines() {
        if line.unwrap() == "ask" {
            ask(&link, &address).await;
        } else {
            timeout(TEST_TIMEOUT, wait_for(|| link.metrics().circuits_replaced)).await.unwrap();
            println!("direct");
        }
    }
}

/// A question with one frame, and one with an answer in chunks.
async fn ask(link: &Link, address: &Address) {
    let asked = timeout(TEST_TIMEOUT, link.request(address, vec![1, 2])).await.unwrap();
    assert_eq!(asked.unwrap(), [2, 1]);
    let asked = timeout(TEST_TIMEOUT, link.request(address, vec![5; 3 << 20])).await.unwrap();
    assert_eq!(asked.unwrap().len(), 3 << 20);
    println!("answered");
}

/// Waits until something was counted.
async fn wait_for(count: impl Fn() -> u64) {
    while count() == 0 {
        sleep(Duration::from_millis(20)).await;
    }
}
