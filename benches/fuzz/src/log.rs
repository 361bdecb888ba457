//! Checkpoints, receipts, policies and what a witness is sent.

use std::sync::OnceLock;

use data_dao_log::{
    Checkpoint, ForkProof, Kind, LogKey, Policy, TlogProof, Verifier, Witness, WitnessKey,
    add_checkpoint_body,
};
use privacy_identity::{ConsistencyProof, MerkleTree, TreeHead};

use crate::{Case, Verdict, fixtures::key};

/// What the target `log` decodes.
pub const CASES: &[Case] = &[
    Case { name: "checkpoint", seeds: checkpoints, check: checkpoint },
    Case { name: "tlog-proof", seeds: proofs, check: proof },
    Case { name: "fork", seeds: forks, check: fork },
    Case { name: "policy", seeds: policies, check: policy },
    Case { name: "verifier", seeds: verifiers, check: verifier },
    Case { name: "add-checkpoint", seeds: requests, check: request },
];

const ORIGIN: &str = "fuzz.example/ledger";
const SEEN: u64 = 6;
const SIZE: u64 = 9;

/// What everything is about, made once: signing takes longer than a case.
struct World {
    honest: MerkleTree,
    forked: MerkleTree,
    log: Verifier,
    witness: Verifier,
    seen: Checkpoint,
    cosigned: Checkpoint,
}

fn tree(past: u8) -> MerkleTree {
    let leaves: Vec<Vec<u8>> = (0..SIZE as u8).map(|n| if n < 4 { vec![n] } else { vec![n, past] }).collect();
    MerkleTree::from_leaves(leaves.iter().map(Vec::as_slice))
}

fn log_key() -> LogKey {
    LogKey::new(ORIGIN, &key(1)).expect("a name")
}

fn witness_key() -> WitnessKey {
    WitnessKey::new("fuzz.example/witness", &key(2)).expect("a name")
}

fn head(tree: &MerkleTree, size: u64) -> TreeHead {
    TreeHead { size, root: tree.root_at(size).expect("in range") }
}

fn signed(tree: &MerkleTree, size: u64) -> Checkpoint {
    Checkpoint::parse(&log_key().sign(&head(tree, size))).expect("just signed")
}

fn cosigned(checkpoint: &Checkpoint) -> Checkpoint {
    let mut witness = Witness::new(witness_key());
    witness.add_log(log_key().verifier().clone(), None).expect("a log");
    let body = add_checkpoint_body(0, &ConsistencyProof::default(), checkpoint);
    witness.check(body.as_bytes(), 1_000).expect("the first").checkpoint
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let (honest, forked) = (tree(0), tree(1));
        let seen = cosigned(&signed(&honest, SEEN));
        let cosigned = cosigned(&signed(&honest, SIZE));
        let (log, witness) = (log_key().verifier().clone(), witness_key().verifier().clone());
        World { honest, forked, log, witness, seen, cosigned }
    })
}

/// A witness that has seen the log.
fn witness() -> Witness {
    let mut witness = Witness::new(witness_key());
    witness.add_log(world().log.clone(), Some(world().seen.clone())).expect("its own");
    witness
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Whether the log signed it: then it is one of those it did sign.
fn believed(checkpoint: &Checkpoint) -> bool {
    let world = world();
    let believed = checkpoint.signed_by(&world.log).is_ok();
    let honest = [head(&world.honest, SEEN), head(&world.honest, SIZE), head(&world.forked, SIZE)];
    assert!(!believed || honest.contains(checkpoint.head()), "forged");
    believed
}

fn checkpoints() -> Vec<Vec<u8>> {
    [&world().seen, &world().cosigned].map(|checkpoint| checkpoint.to_string().into_bytes()).to_vec()
}

fn checkpoint(bytes: &[u8]) -> Verdict {
    let Some(Ok(checkpoint)) = text(bytes).map(Checkpoint::parse) else { return Verdict::Refused };
    assert!(checkpoint.as_str().as_bytes() == bytes);
    believed(&checkpoint);
    if let Ok(by) = checkpoint.cosignatures(std::slice::from_ref(&world().witness)) {
        assert!(by.is_empty() || [SEEN, SIZE].contains(&checkpoint.head().size), "forged");
    }
    Verdict::Taken
}

fn proofs() -> Vec<Vec<u8>> {
    let proof = |index: u64, extra: Option<Vec<u8>>| {
        let inclusion = world().honest.prove_at(index, SIZE).expect("in range");
        TlogProof { extra, inclusion, checkpoint: world().cosigned.clone() }.to_string().into_bytes()
    };
    vec![proof(2, Some(vec![2])), proof(8, None)]
}

fn proof(bytes: &[u8]) -> Verdict {
    let Some(Ok(proof)) = text(bytes).map(TlogProof::parse) else { return Verdict::Refused };
    assert!(proof.to_string().as_bytes() == bytes, "another spelling");
    if believed(&proof.checkpoint)
        && let Ok(leaf) = proof.verify(None)
    {
        let index = proof.inclusion.index;
        assert!(leaf.first().copied().map(u64::from) == Some(index), "another entry is proven");
    }
    Verdict::Taken
}

fn forks() -> Vec<Vec<u8>> {
    let World { honest, forked, log, .. } = world();
    let fork = |small: Checkpoint, size: u64| {
        let path = forked.prove_consistency(size, SIZE).expect("in range");
        let prefix = forked.root_at(size).expect("in range");
        let fork = ForkProof::new((small, signed(forked, SIZE)), prefix, path, log);
        fork.expect("a fork").to_string().into_bytes()
    };
    vec![fork(signed(honest, SEEN), SEEN), fork(signed(honest, SIZE), SIZE)]
}

fn fork(bytes: &[u8]) -> Verdict {
    let Some(Ok(fork)) = text(bytes).map(ForkProof::parse) else { return Verdict::Refused };
    assert!(fork.to_string().as_bytes() == bytes, "another spelling");
    if fork.verify(&world().log).is_ok() {
        // Only a log that signed the other past is convicted.
        let pasts = [fork.first().head(), fork.second().head()];
        assert!(pasts.contains(&&head(&world().forked, SIZE)), "an honest log is convicted");
    }
    Verdict::Taken
}

fn policies() -> Vec<Vec<u8>> {
    let World { log, witness, .. } = world();
    vec![
        format!("log {log}\nquorum none\n").into_bytes(),
        format!("log {log}\nwitness W {witness} http://w\ngroup G any W\nquorum G\n").into_bytes(),
    ]
}

fn policy(bytes: &[u8]) -> Verdict {
    let Ok(policy) = Policy::parse(bytes) else { return Verdict::Refused };
    // Nobody but the log and those who cosigned can satisfy it.
    if let Ok(witnessed) = policy.check(&world().cosigned, None) {
        assert!(witnessed.log == world().log);
        assert!(witnessed.cosignatures.len() <= 1);
    }
    Verdict::Taken
}

fn verifiers() -> Vec<Vec<u8>> {
    [&world().log, &world().witness].map(|verifier| verifier.to_string().into_bytes()).to_vec()
}

fn verifier(bytes: &[u8]) -> Verdict {
    let parsed = text(bytes).and_then(|text| text.parse::<Verifier>().ok());
    let Some(verifier) = parsed else { return Verdict::Refused };
    assert!(verifier.to_string().parse() == Ok(verifier.clone()), "reads otherwise than it is written");
    assert!(matches!(verifier.kind(), Kind::Log | Kind::Witness));
    Verdict::Taken
}

fn requests() -> Vec<Vec<u8>> {
    let World { honest, forked, .. } = world();
    let request = |tree: &MerkleTree, old: u64, new: u64| {
        let proof = tree.prove_consistency(old, new).expect("in range");
        add_checkpoint_body(old, &proof, &signed(tree, new)).into_bytes()
    };
    vec![request(honest, SEEN, SIZE), request(honest, SEEN, SEEN), request(forked, SEEN, SIZE)]
}

/// Cosigned is only what continues what was seen; a log is convicted only by its own other past.
fn request(bytes: &[u8]) -> Verdict {
    let witness = witness();
    match witness.check(bytes, 2_000) {
        Ok(cosigned) => {
            let honest = [head(&world().honest, SEEN), head(&world().honest, SIZE)];
            assert!(honest.contains(cosigned.checkpoint.head()), "another past is cosigned");
            Verdict::Taken
        }
        Err(rejected) => {
            assert!([400, 403, 404, 409, 422].contains(&rejected.reply().status));
            if let Some(fork) = rejected.fork() {
                assert!(fork.verify(&world().log).is_ok());
                return Verdict::Taken;
            }
            Verdict::Refused
        }
    }
}
