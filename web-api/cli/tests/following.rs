//! A vote for other terms in a federation of real processes: the node and the aggregators go over to them by themselves, the
//! devices by their owners' consent, and an auditor recomputes each round under the terms of its opening.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

#[path = "world/voting.rs"]
mod voting;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use aggregator_network::load_key;
use aggregator_protocol::FederationTerms;
use data_dao_governance::PrivacyPolicy;
use data_dao_ledger::Name;
use data_dao_store::{Store, read_tiles};
use privacy_identity::{Decode as _, Digest, Encode as _, Signed, SigningKey, Tag};
use sahakar::{
    demo::{
        children::{ChildNews, End, Spawner},
        cooperative::{AGGREGATOR, COORDINATOR, Cooperative, DAO},
        wineries::Vintage,
    },
    rest::Rest,
    serve::{SealingMode, SettledRecord},
    value_audit::ValueAudit,
    vote_evidence::VoteEvidence,
};
use serde_json::Value;

type Seen = Vec<(String, Value)>;

/// More than are run before the votes are over.
const ROUNDS: u32 = 5_000;
/// How many rounds each device takes part in under the voted terms.
const COUNTED: usize = 2;

/// All of `keys` vote for the terms `terms`, with a smallest cohort of so many.
async fn vote(cooperative: &Cooperative, vintage: &Vintage, terms: Digest, minimum_cohort: u32) {
    let (rest, keys) = (Rest::new(cooperative.http()), voting::keys(cooperative, vintage));
    let voting = tokio::task::spawn_blocking(move || {
        let policy = voting::policy(&rest);
        voting::vote_for(&rest, &keys, PrivacyPolicy { terms, minimum_cohort, ..policy });
    });
    voting.await.unwrap();
}

/// Waits until each of `names` said `event`, and returns what; `ended` gets the devices that stopped meanwhile.
async fn each(
    cooperative: &mut Cooperative,
    (names, event): (&[&str], &str),
    ended: &mut BTreeSet<String>,
) -> BTreeMap<String, Value> {
    let mut said = BTreeMap::new();
    while said.len() < names.len() {
        let news = world::next(cooperative).await;
        match news.what {
            ChildNews::Said(value)
                if value["event"] == event && names.contains(&news.from.as_str()) =>
            {
                said.insert(news.from, value);
            }
            ChildNews::Said(_) => {}
            ChildNews::Ended(_) => {
                let core = [DAO, COORDINATOR, AGGREGATOR].contains(&news.from.as_str());
                assert!(!core, "{} ended: {}", news.from, cooperative.log_tail(&news.from));
                ended.insert(news.from);
            }
        }
    }
    said
}

/// Waits until no device runs any more: each stopped at the terms that its owner did not agree to.
async fn devices_stop(
    cooperative: &mut Cooperative,
    vintage: &Vintage,
    mut ended: BTreeSet<String>,
) {
    while !vintage.wineries.iter().all(|winery| ended.contains(&winery.label)) {
        let news = world::next(cooperative).await;
        if let ChildNews::Ended(_) = news.what {
            ended.insert(news.from);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vote_for_other_terms_is_followed_without_a_restart_and_audited_under_both() {
    let dir = tempfile::tempdir().unwrap();
    let mut setup = world::Setup::new(SealingMode::Mpc, dir.path(), 3, ROUNDS);
    setup.adjust = |federation| federation.minimum_cohort = 3;
    let (mut cooperative, vintage) = setup.start().await;
    let mut seen: Seen = Vec::new();
    world::until(&mut cooperative, DAO, "posted", &mut seen).await;
    let pids = |cooperative: &Cooperative| -> BTreeMap<String, u32> {
        let core = |name: &str| [DAO, COORDINATOR, AGGREGATOR].contains(&name);
        let of_core = cooperative.pids().filter(|(name, _)| core(name));
        of_core.map(|(name, pid)| (name.to_owned(), pid)).collect()
    };
    let (before, former) = (pids(&cooperative), cooperative.federation());

    // Another optimiser of the server and another deadline: nothing that protects anybody less.
    let federation = &mut cooperative.config_mut().federation;
    federation.optimizer = "fedavgm:momentum=0.5".to_owned();
    federation.round_deadline_ms += 1_000;
    let voted = voting::configured(&mut cooperative, &dir.path().join("voted.toml"));
    vote(&cooperative, &vintage, voted, 3).await;
    // The node has another configuration, says so, and takes the one that was voted for when it is there.
    let said = world::until(&mut cooperative, DAO, "terms-not-changed", &mut seen).await;
    assert!(said["reason"].as_str().unwrap().contains(&voted.to_string()), "{said}");
    fs::copy(dir.path().join("voted.toml"), dir.path().join("sahakar.toml")).unwrap();
    let (mut ended, aggregators) = (BTreeSet::new(), [COORDINATOR, AGGREGATOR]);
    let said = each(&mut cooperative, (&[DAO], "terms-changed"), &mut ended).await;
    assert_eq!(said[DAO]["terms"], voted.to_string());
    let followed = each(&mut cooperative, (&aggregators, "terms-followed"), &mut ended).await;
    for value in followed.values() {
        assert_eq!(value["former"], former.to_string());
        assert_eq!(value["terms"], voted.to_string());
    }
    devices_stop(&mut cooperative, &vintage, ended).await;

    let (spawner, mut news) =
        Spawner::new(env!("CARGO_BIN_EXE_sahakar").into(), dir.path().join("consents")).unwrap();
    let agree = |winery| voting::start((&cooperative, &spawner), winery, Some(voted));
    let running: Vec<_> = vintage.wineries.iter().map(agree).collect();
    let mut counted = 0;
    while counted < COUNTED * vintage.wineries.len() {
        let patience = Duration::from_secs(60);
        let event = tokio::time::timeout(patience, news.recv()).await.unwrap().unwrap();
        match event.what {
            ChildNews::Said(value) if value["event"] == "counted" => counted += 1,
            ChildNews::Said(value) => assert_ne!(value["event"], "disputed", "{value}"),
            ChildNews::Ended(_) => panic!("{}", spawner.log_tail(&event.from)),
        }
    }

    // Fewer contributors to a sum: the node serves that, and neither aggregator does so by itself.
    let federation = &mut cooperative.config_mut().federation;
    (federation.minimum_cohort, federation.start_members) = (2, 2);
    let weaker = voting::configured(&mut cooperative, &dir.path().join("sahakar.toml"));
    vote(&cooperative, &vintage, weaker, 2).await;
    let asked = (&aggregators[..], "terms-not-followed");
    let refused = each(&mut cooperative, asked, &mut BTreeSet::new()).await;
    for value in refused.values() {
        assert_eq!(value["offered"], weaker.to_string());
        let reason = value["reason"].as_str().unwrap();
        assert!(reason.contains("contributors less: fewest contributors 3 → 2"), "{reason}");
        assert!(reason.contains(&format!("--agree {weaker}")), "{reason}");
    }
    assert_eq!(pids(&cooperative), before, "a process was started again");
    for process in running {
        process.end(End::Orderly).await;
    }
    let report = world::audit(&cooperative).await;
    assert_eq!(report.rounds_aborted, 0, "a vote gave a round up that was under way");
    cooperative.end_all().await;

    let terms = [former, voted, weaker];
    audit_under_both(&Audited::new(dir.path(), &vintage.validation), terms);
    vote_is_proven(&dir.path().join("dao"), terms).await;
}

/// What an auditor has.
struct Audited {
    leaves: Vec<Vec<u8>>,
    node: PathBuf,
    validation: PathBuf,
    elsewhere: PathBuf,
}

impl Audited {
    fn new(dir: &Path, validation: &Path) -> Self {
        let node = dir.join("dao");
        let leaves = read_tiles(&node.join("tiles"), None).unwrap().leaves;
        let elsewhere = dir.join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        Self { leaves, node, validation: validation.to_owned(), elsewhere }
    }

    fn run(&self, terms: &[PathBuf]) -> anyhow::Result<ValueAudit> {
        ValueAudit::of(&self.leaves, &self.validation, (&self.node, terms), 0.0)
    }

    /// The first and the last round that was settled: some between may have been given up.
    fn ends(&self) -> (u64, u64) {
        let files = fs::read_dir(self.node.join("rounds")).unwrap();
        let number = |path: PathBuf| path.file_stem()?.to_str()?.parse::<u64>().ok();
        let numbers: Vec<_> = files.filter_map(|file| number(file.unwrap().path())).collect();
        (*numbers.iter().min().unwrap(), *numbers.iter().max().unwrap())
    }

    #[track_caller]
    fn refused(&self, terms: &[PathBuf]) -> String {
        format!("{:#}", self.run(terms).unwrap_err())
    }
}

fn audit_under_both(audited: &Audited, [former, voted, _]: [Digest; 3]) {
    let found = audited.run(&[]).unwrap();
    assert_eq!((found.terms, found.distance_max.to_bits()), (2, 0), "{found}");
    assert!(found.rounds > COUNTED as u64);

    // Terms that are not at hand are named, with their rounds; given from elsewhere they count.
    let name = format!("terms-{former}.bin");
    let (kept, moved) = (audited.node.join(&name), audited.elsewhere.join(&name));
    let bytes = fs::read(&kept).unwrap();
    fs::rename(&kept, &moved).unwrap();
    let (first, last) = audited.ends();
    let error = audited.refused(&[]);
    assert!(error.contains(&format!("the terms {former} for round {first}")), "{error}");
    assert!(!error.contains(&voted.to_string()), "{error}");
    for given in [&moved, &audited.elsewhere] {
        assert_eq!(audited.run(std::slice::from_ref(given)).unwrap(), found);
    }

    // Altered terms are not those that the ledger names, whoever signed them.
    let signed = Signed::<FederationTerms>::from_bytes(&bytes).unwrap();
    let mut other = signed.unverified_body().clone();
    other.round_deadline_ms += 1;
    let node = SigningKey::from_seed(&load_key(&audited.node.join("key")).unwrap());
    fs::write(&moved, Signed::new(other.clone(), Tag::Terms, &node).to_bytes()).unwrap();
    let error = audited.refused(std::slice::from_ref(&moved));
    assert!(error.contains("are not at hand"), "{error}");
    let stranger = SigningKey::from_seed(&[9; 32]);
    fs::write(&moved, Signed::new(other, Tag::Terms, &stranger).to_bytes()).unwrap();
    let error = audited.refused(std::slice::from_ref(&moved));
    assert!(error.contains("not terms that the log's DAO node signed"), "{error}");
    fs::write(&moved, &bytes).unwrap();

    // A round of each terms, altered in the node's folder.
    for (round, other) in [(first, last), (last, first)] {
        let path = audited.node.join(format!("rounds/{round}.bin"));
        let record = fs::read(&path).unwrap();
        fs::copy(audited.node.join(format!("rounds/{other}.bin")), &path).unwrap();
        assert!(SettledRecord::from_bytes(&fs::read(&path).unwrap()).is_ok());
        let error = audited.refused(std::slice::from_ref(&moved));
        assert!(error.contains(&format!("round {round} differs")), "{error}");
        fs::write(&path, record).unwrap();
    }
}

/// The evidence that aggregators follow by: of exactly the voted terms, by this ledger, and of nothing else.
async fn vote_is_proven(node: &Path, [former, voted, weaker]: [Digest; 3]) {
    let key = SigningKey::from_seed(&load_key(&node.join("key")).unwrap());
    let store = Store::open(&node.join("ledger"), &key, "sahakar/wine").await.unwrap();
    let wine = Name::new("wine").unwrap();
    assert_eq!(VoteEvidence::of(&store, &wine, former).await.unwrap(), None, "nobody voted for it");
    let terms = |file: String| {
        let terms = Signed::<FederationTerms>::from_bytes(&fs::read(node.join(file)).unwrap());
        terms.unwrap().unverified_body().clone()
    };
    let (of_voted, of_weaker) =
        (terms(format!("terms-{voted}.bin")), terms("terms.bin".to_owned()));
    assert_eq!((of_voted.id(), of_weaker.id()), (voted, weaker));
    let first = VoteEvidence::of(&store, &wine, voted).await.unwrap().unwrap();
    let second = VoteEvidence::of(&store, &wine, weaker).await.unwrap().unwrap();
    assert!(first.check(&of_voted).unwrap() < second.check(&of_weaker).unwrap());

    let refused = |evidence: &VoteEvidence, terms: &FederationTerms, why: &str| {
        let error = format!("{:#}", evidence.check(terms).unwrap_err());
        assert!(error.contains(why), "expected `{why}`, got: {error}");
    };
    refused(&first, &of_weaker, "does not put the terms");
    refused(&second, &of_voted, "does not put the terms");
    let other = FederationTerms { dao: Digest([7; 32]), ..of_voted.clone() };
    refused(&first, &other, "another DAO");
    let other = FederationTerms { name: "beer".to_owned(), ..of_voted.clone() };
    refused(&first, &other, "the checkpoint");
    let stranger = SigningKey::from_seed(&[9; 32]).verifying_key();
    refused(&first, &FederationTerms { dao_node: stranger, ..of_voted.clone() }, "the checkpoint");

    // No byte of it can be another: what still reads is refused.
    let bytes = first.to_bytes();
    for place in (0..bytes.len()).step_by(7) {
        let mut altered = bytes.clone();
        altered[place] ^= 1;
        if let Ok(altered) = VoteEvidence::from_bytes(&altered)
            && altered != first
        {
            assert!(altered.check(&of_voted).is_err(), "byte {place} does not matter");
        }
    }
    store.close().await;
}
