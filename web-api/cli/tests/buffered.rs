//! A federation of real processes whose contributors train at their own pace: the fast do not wait for the slow, and what
//! the slow bring later counts by its age.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

mod world;

use std::{
    collections::BTreeSet,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use aggregator_network::{Limits, Link, LinkConfig, load_key};
use aggregator_protocol::{
    ContributorReply, ContributorRequest, ModelTrained, Refusal, from_wire, to_wire,
};
use data_dao_journal::{Body, Entry, RoundSettled};
use data_dao_store::read_tiles;
use privacy_identity::{Digest, Signed, SigningKey, Tag, VerifyingKey};
use sahakar::{
    demo::{
        children::End,
        cooperative::{Cooperative, DAO},
        wineries::{Vintage, Winery},
    },
    serve::SealingMode,
};
use serde_json::Value;
use tokio::{sync::Notify, task::JoinHandle};
use trainer_agent::{
    Agent, AgentConfig, AgentError, AgentEvent, Behaviour, Brake, OwnData, Summary,
};
use trainer_model::DeviceChoice;

type Seen = Vec<(String, Value)>;

/// A contributor in this process whose first training is held until it is released.
struct Slow {
    brake: Brake,
    told: Arc<Mutex<Vec<AgentEvent>>>,
    /// It was offered the first model, and is held since.
    held: Arc<Notify>,
    running: JoinHandle<Result<Summary, AgentError>>,
}

impl Slow {
    fn start(cooperative: &Cooperative, winery: &Winery, dir: &Path) -> Self {
        let (brake, told) = (Brake::default(), Arc::<Mutex<Vec<AgentEvent>>>::default());
        let config = AgentConfig {
            state_dir: dir.join("slow").join(&winery.label),
            passphrase: None,
            sent_bytes_max: 0,
            invitation: cooperative.invitation().unwrap().clone(),
            data: OwnData::plain(winery.csv.clone()),
            device: DeviceChoice::Cpu,
            behaviour: Behaviour::Honest,
            label: winery.label.clone(),
            seed: Some(3),
            brake: brake.clone(),
        };
        let (stopped, kept) = (brake.clone(), Arc::clone(&told));
        let held = Arc::new(Notify::new());
        let holds = Arc::clone(&held);
        let events = move |event: AgentEvent| {
            // Told before the training begins, which then stops after its first step.
            if event == (AgentEvent::Offered { version: 0 }) {
                stopped.hold();
                holds.notify_one();
            }
            kept.lock().unwrap().push(event);
        };
        let running = tokio::spawn(Agent::run(config, |_| {}, events));
        Self { brake, told, held, running }
    }

    /// Lets it go on once it is held: the others may have been faster than its first question.
    async fn goes_on(&self) {
        let patience = Duration::from_secs(60);
        tokio::time::timeout(patience, self.held.notified()).await.unwrap();
        self.brake.release();
    }

    fn told<T>(&self, read: impl Fn(&AgentEvent) -> Option<T>) -> Vec<T> {
        self.told.lock().unwrap().iter().filter_map(read).collect()
    }

    /// The rounds that counted an update of this one.
    async fn end(self) -> (Summary, Vec<u64>) {
        let ended = tokio::time::timeout(Duration::from_secs(60), self.running).await;
        let summary = ended.unwrap().unwrap().unwrap();
        let told = self.told.lock().unwrap();
        let counted = told.iter().filter_map(|event| match event {
            AgentEvent::Counted { round, .. } => Some(round.0),
            _ => None,
        });
        (summary, counted.collect())
    }
}

fn settlements(cooperative: &Cooperative) -> Vec<RoundSettled> {
    let log = read_tiles(&cooperative.tiles_dir(), None).unwrap();
    let bodies = log.leaves.iter().map(|leaf| Entry::from_leaf(leaf).unwrap().body);
    bodies
        .filter_map(|body| match body {
            Body::RoundSettled(settled) => Some(settled),
            _ => None,
        })
        .collect()
}

fn audit_values(dir: &Path, cooperative: &Cooperative, vintage: &Vintage) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_sahakar"))
        .args(["audit", "--forget", "--dir"])
        .arg(cooperative.tiles_dir())
        .arg("--validation")
        .arg(&vintage.validation)
        .arg("--node")
        .arg(dir.join("dao"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{text}");
    text
}

/// What the coordinator says to a member of the federation that says what it likes.
async fn answered(
    cooperative: &Cooperative,
    winery: &Winery,
    said: (u64, Digest),
    signer: Option<&SigningKey>,
) -> ContributorReply {
    let seed = load_key(&cooperative.trainer_dir(&winery.label).join("key")).unwrap();
    let own = SigningKey::from_seed(&seed);
    let (version, model) = said;
    let body = ModelTrained { federation: cooperative.federation(), version, model };
    let request =
        ContributorRequest::Trained(Signed::new(body, Tag::ModelTrained, signer.unwrap_or(&own)));
    let config = LinkConfig { secret: seed, listen: Vec::new(), limits: Limits::default() };
    let (link, _inbox) = Link::start(config).await.unwrap();
    let reply = link.request(&cooperative.coordinator().unwrap(), to_wire(&request)).await;
    from_wire(&reply.unwrap()).unwrap()
}

/// Four fast ones and two slow ones; a buffer of four, of groups of at least two.
#[tokio::test(flavor = "multi_thread")]
async fn the_fast_do_not_wait_for_the_slow_whose_old_updates_count_by_their_age() {
    let dir = tempfile::tempdir().unwrap();
    let mut setup = world::Setup::new(SealingMode::Mpc, dir.path(), 6, 6);
    setup.processes = 4;
    setup.adjust = |federation| {
        federation.strategy = Some("fedbuff:buffer=4,stale=4".to_owned());
        federation.start_members = 6;
        federation.minimum_cohort = 2;
        federation.honest_minimum = Some(2);
    };
    let (mut cooperative, vintage) = setup.start().await;
    let slow: Vec<Slow> = vintage.wineries[4..]
        .iter()
        .map(|winery| Slow::start(&cooperative, winery, dir.path()))
        .collect();
    let mut seen: Seen = Vec::new();
    // Two rounds of the fast, while the slow are at their first step.
    for round in 0..2 {
        let settled = world::until(&mut cooperative, DAO, "settled", &mut seen).await;
        assert_eq!((&settled["round"], &settled["participants"]), (&round.into(), &4.into()));
    }
    for slow in &slow {
        let trained =
            |event: &AgentEvent| matches!(event, AgentEvent::Trained { .. }).then_some(());
        assert_eq!(slow.told(trained), [], "held at its first step");
        slow.goes_on().await;
    }
    world::until(&mut cooperative, DAO, "released", &mut seen).await;
    for winery in &vintage.wineries[..4] {
        let finished =
            |(from, value): &(String, Value)| *from == winery.label && value["event"] == "finished";
        if !seen.iter().any(finished) {
            world::until(&mut cooperative, &winery.label, "finished", &mut seen).await;
        }
    }
    let bad: Vec<_> = seen.iter().filter(|(_, value)| value["event"] == "disputed").collect();
    assert!(bad.is_empty(), "{bad:?}");
    let mut keys: BTreeSet<VerifyingKey> = BTreeSet::new();
    for slow in slow {
        let (summary, counted) = slow.end().await;
        assert!(summary.counted > 0 && summary.disputed == 0, "{summary:?}, {counted:?}");
        keys.insert(summary.member);
    }
    let report = world::audit(&cooperative).await;
    assert_eq!(report.rounds_settled, 6);
    let settled = settlements(&cooperative);
    // The round of the slow: of the model before all rounds, when at least two were settled.
    let old = settled.iter().position(|round| {
        let took_part: BTreeSet<_> = round.participants.iter().map(|p| p.member).collect();
        took_part == keys
    });
    let old = old.expect("a round of the slow");
    assert!(old >= 2, "{old}");
    assert_eq!(settled[old].model_before, settled[0].model_before);
    assert_ne!(settled[old].model_after, settled[0].model_before);
    // Each round pays its whole budget, that of the slow to one of them at least; the pay rule says to whom.
    let budget = |round: &RoundSettled| round.participants.iter().map(|p| p.credits).sum::<u128>();
    assert!(budget(&settled[0]) > 0);
    assert!(settled.iter().all(|round| budget(round) == budget(&settled[0])), "{settled:?}");
    let members = settled.iter().flat_map(|round| round.participants.iter().map(|p| p.member));
    assert_eq!(members.collect::<BTreeSet<_>>().len(), 6, "everybody took part");
    cooperative.end_all().await;
    let text = audit_values(dir.path(), &cooperative, &vintage);
    assert!(text.contains("the probes of 6 rounds follow from it bit for bit"), "{text}");
}

/// Three who are done and a fourth that is held: no round until it comes, and none of the three trains again, also after a kill.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_trained_waits_on_disk_and_false_words_about_it_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut setup = world::Setup::new(SealingMode::Mpc, dir.path(), 4, 2);
    setup.processes = 3;
    // Nobody is to lose patience here.
    setup.round_deadline_ms = 120_000;
    setup.adjust = |federation| {
        federation.strategy = Some("fedbuff:buffer=4,stale=1,exponent=1".to_owned());
        federation.start_members = 4;
        federation.minimum_cohort = 3;
        federation.honest_minimum = Some(3);
    };
    let (mut cooperative, vintage) = setup.start().await;
    let slow = Slow::start(&cooperative, &vintage.wineries[3], dir.path());
    let mut seen: Seen = Vec::new();
    let victim = vintage.wineries[0].clone();
    world::until(&mut cooperative, &victim.label, "waiting", &mut seen).await;
    cooperative.end(&victim.label, End::Kill).await;
    let kept = cooperative.trainer_dir(&victim.label).join("trained.bin");
    assert!(kept.exists());
    // Three of the minimum cohort are not a buffer.
    assert!(!seen.iter().any(|(_, value)| value["event"] == "round-started"), "{seen:?}");
    // Whoever has its key and says what it likes is refused with the reason.
    let refused = async |said, signer: Option<&SigningKey>| match answered(
        &cooperative,
        &victim,
        said,
        signer,
    )
    .await
    {
        ContributorReply::Refused(refusal) => Some(refusal),
        _ => None,
    };
    let unknown = Digest([7; 32]);
    assert_eq!(refused((0, unknown), None).await, Some(Refusal::WrongModel));
    assert_eq!(refused((9, unknown), None).await, Some(Refusal::WrongModel));
    let other = SigningKey::from_seed(&[9; 32]);
    assert_eq!(refused((0, unknown), Some(&other)).await, Some(Refusal::WrongSender));
    let before = seen.len();
    cooperative.start_trainer(&victim).unwrap();
    world::until(&mut cooperative, &victim.label, "joined", &mut seen).await;
    slow.goes_on().await;
    world::until(&mut cooperative, &victim.label, "sealed", &mut seen).await;
    let again = seen[before..].iter().filter(|(from, _)| *from == victim.label);
    let again: Vec<_> = again.map(|(_, value)| value["event"].as_str().unwrap()).collect();
    assert!(!again.contains(&"trained") && !again.contains(&"offered"), "{again:?}");
    world::until(&mut cooperative, DAO, "released", &mut seen).await;
    let (summary, _) = slow.end().await;
    assert_eq!((summary.counted, summary.disputed), (2, 0));
    world::audit(&cooperative).await;
    let settled = settlements(&cooperative);
    assert_eq!(settled[0].participants.len(), 4);
    assert!(!kept.exists(), "what was sealed is not kept to be sealed again");
    cooperative.end_all().await;
}
