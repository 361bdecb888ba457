//! How much memory and time the sum and the scalars of a round take when its updates are in files.
//!
//! `cargo run --release -p aggregator-round --example streaming -- FOLDER [MODE] [CONTRIBUTORS] [PARAMETERS]`
//!
//! MODE is `mpc` or `mpc-verified`. FOLDER must not exist; it is deleted at the end. Both aggregators are in
//! this one process, which seals the updates, too: each of them alone takes less.
#![expect(clippy::unwrap_used, clippy::panic, reason = "an experiment stops where it fails")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]
#![expect(dead_code, reason = "the world of the tests has more in it")]
#![expect(unused_crate_dependencies, reason = "tests use the others")]

#[path = "../tests/world/mod.rs"]
mod world;

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Instant,
};

use aggregator_protocol::{AggregatorRequest, DaoRequest, SealingTerms};
use aggregator_round::{
    Ask, Coordinator, Input, KeptUpdate, Output, PartFault, PeerAggregator, UpdateId, UpdateStore,
};
use privacy_dp::ClipNorm;
use privacy_secagg::EncodingParameters;

use crate::world::{World, dao::probe_order};

/// Parts in one file each, as they are read.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn file(&self, id: UpdateId, index: usize) -> PathBuf {
        self.path.join(format!("{}.{index}", id.update))
    }

    fn keep(&self, kept: &KeptUpdate) {
        for (index, part) in kept.parts.iter().enumerate() {
            fs::write(self.file(kept.id, index), part).unwrap();
        }
    }
}

impl UpdateStore for Folder {
    fn part(&self, id: UpdateId, index: usize) -> Result<Vec<u8>, PartFault> {
        fs::read(self.file(id, index)).map_err(|_source| PartFault::Missing)
    }
}

/// A line of the table: seconds per contributor, and the most memory that the process ever had.
fn row(what: &str, contributors: usize, started: Instant) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let seconds = started.elapsed().as_secs_f64();
    let each = 1e3 * seconds / contributors as f64;
    println!("{what:<24} {seconds:>8.2} s {each:>9.2} ms each   {peak}");
}

fn world_of(sealing: SealingTerms, contributors: usize, parameters: u32) -> World {
    let mut world = World::sealed(sealing, 1, 2, contributors);
    let clip = ClipNorm::new(2.0).unwrap();
    let most = u32::try_from(contributors).unwrap();
    world.terms.encoding = EncodingParameters::standard(clip, parameters, most).unwrap();
    world.terms.round_deadline_ms = 1 << 40;
    world.terms.step_deadline_ms = 1 << 40;
    world.terms = world.terms.checked().unwrap();
    world
}

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let argument = |index: usize, default: &str| {
        arguments.get(index).cloned().unwrap_or_else(|| default.to_owned())
    };
    let folder = Folder { path: PathBuf::from(argument(0, "streaming-updates")) };
    let sealing = match argument(1, "mpc").as_str() {
        "mpc" => SealingTerms::Mpc,
        "mpc-verified" => SealingTerms::MpcVerified,
        other => panic!("no mode is called {other}"),
    };
    let contributors: usize = argument(2, "200").parse().unwrap();
    let parameters: u32 = argument(3, "1000000").parse().unwrap();
    fs::create_dir(&folder.path).unwrap();
    let peers = folder.path.join("peer");
    fs::create_dir(&peers).unwrap();
    measure(&world_of(sealing, contributors, parameters), &folder, &peers, contributors);
    fs::remove_dir_all(&folder.path).unwrap();
}

#[expect(clippy::too_many_lines, reason = "one measurement, from the grant to the settlement")]
fn measure(world: &World, folder: &Folder, peers: &Path, contributors: usize) {
    let context = world.context(0);
    let everybody: Vec<_> = (0..contributors).collect();
    let mut machine = Coordinator::new(Vec::new());
    let feed = |machine: Coordinator, input: Input| {
        let (machine, result) = machine.handle(&context, input, 1);
        for output in result.unwrap() {
            if let Output::Keep(kept) = output {
                folder.keep(&kept);
            }
        }
        machine
    };
    let grant = Box::new(world.grant(0, &everybody));
    machine = feed(machine, Input::Granted { grant, model: world.model(0) });
    let reply = machine.order_for(&world.member(0), None);
    let aggregator_protocol::ContributorReply::Order { order, .. } = reply else { panic!() };
    let delta = vec![1e-3; world.terms.encoding.dimension()];
    let started = Instant::now();
    for index in everybody {
        let contribution = world.contribution_of(&world.terms, index, &order, 0, delta.clone());
        let update = Box::new(contribution.sealed.update().clone());
        drop(contribution);
        machine =
            feed(machine, Input::Submitted { peer: world.member(index), update, ticket: None });
    }
    drop(delta);
    row("sealing and taking", contributors, started);

    let peer_store = Folder { path: peers.to_owned() };
    let peer_context = world.context(1);
    let mut peer = PeerAggregator::default();
    loop {
        let asks = machine.outstanding(&context);
        let batch = asks.iter().find_map(|ask| match ask {
            Ask::Parts(1, batch) => Some(batch),
            _ => None,
        });
        let own = asks.iter().find_map(|ask| match ask {
            Ask::Own(work) => Some(work),
            _ => None,
        });
        if let Some(batch) = batch {
            let request = batch.request(folder).unwrap();
            let started = Instant::now();
            let count = match &request {
                AggregatorRequest::Prepare { deliveries, .. } => deliveries.len(),
                _ => 1,
            };
            let (next, step) = peer.handle(&peer_context, &peer_store, request);
            peer = next;
            let step = step.unwrap();
            step.keep.iter().for_each(|kept| peer_store.keep(kept));
            row("the other prepares", count, started);
            machine = feed(machine, Input::from_party(1, step.reply));
            continue;
        }
        let Some(work) = own else { break };
        let started = Instant::now();
        let worked = work.run(&context, folder).unwrap();
        row("work on own parts", contributors, started);
        machine = feed(machine, worked);
        let Some(request) = asks.into_iter().find_map(|ask| match ask {
            Ask::Aggregator(1, request) => Some(*request),
            _ => None,
        }) else {
            continue;
        };
        let started = Instant::now();
        let (next, step) = peer.handle(&peer_context, &peer_store, request);
        peer = next;
        let reply = step.unwrap().reply;
        row("the other's answer", contributors, started);
        machine = feed(machine, Input::from_party(1, reply));
        machine = measured(world, &context, machine);
    }
    let settles =
        |ask: &Ask| matches!(ask, Ask::Dao(asked) if matches!(**asked, DaoRequest::Settle { .. }));
    assert!(machine.outstanding(&context).iter().any(settles), "the round was not settled");
}

/// Answers as the DAO node where it is asked to measure.
fn measured(
    world: &World,
    context: &aggregator_round::AggregatorContext,
    machine: Coordinator,
) -> Coordinator {
    let sum = machine.outstanding(context).into_iter().find_map(|ask| match ask {
        Ask::Dao(request) => match *request {
            DaoRequest::Measure(sum) => Some(sum),
            _ => None,
        },
        _ => None,
    });
    let Some(sum) = sum else { return machine };
    let body = sum.unverified_body();
    let probes = probe_order(world, body.round, body.accepted.tree().root(), 0);
    let (machine, result) = machine.handle(context, Input::Probed(Box::new(probes)), 2);
    result.unwrap();
    machine
}
