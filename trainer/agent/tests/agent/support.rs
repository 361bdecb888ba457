//! A coordinator that follows a script, and everything that an agent needs to meet it.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use aggregator_network::{
    Address, Inbound, Inbox, Limits, Link, LinkConfig, ListenAddress, Transport,
};
use aggregator_protocol::{
    AcceptedSet, Acknowledgement, CohortTerms, ContributorReply, ContributorRequest, EndReason,
    FederationEnd, FederationTerms, FetchedReceipt, NoiseTerms, OpenedScalars, Refusal, RoundAbort,
    RoundGrant, RoundId, RoundOrder, RoundReceipt, SchemaTerms, SealingTerms, SumCommitment,
    TrainingTerms, from_wire, to_wire,
};
use aggregator_strategy::{CohortRule, ServerOptimizer};
use privacy_dp::ClipNorm;
use privacy_identity::{Digest, SealingKey, Signed, SigningKey, Tag, VerifyingKey};
use privacy_secagg::{AggregatorKeys, EncodingParameters, SealedUpdate};
use tempfile::TempDir;
use trainer_agent::{
    Agent, AgentConfig, AgentError, AgentEvent, Behaviour, Brake, Invitation, OwnData, SentCopies,
    Summary,
};
use trainer_model::{Architecture, DeviceChoice, Parameters, model_to_wire};

/// Longer than anything here takes, so that a hang is a failure and not a wait.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(60);
/// A table that fits the terms.
pub(crate) const GOOD_CSV: &str =
    "acidity,sugar,quality\n1,0,good\n0,1,ordinary\n1,1,good\n0,0,ordinary\n";

const DAO_NODE: [u8; 32] = [1; 32];
const COORDINATOR: [u8; 32] = [2; 32];
const HELPER: [u8; 32] = [3; 32];
const OTHER_MEMBER: [u8; 32] = [4; 32];
const ARCHITECTURE: &str = r#"{"kind":"mlp","inputs":2,"hidden":[],"classes":2}"#;

fn key(seed: [u8; 32]) -> SigningKey {
    SigningKey::from_seed(&seed)
}

/// The terms of a federation of two columns, six parameters and one round.
pub(crate) fn terms() -> FederationTerms {
    let aggregator = |seed: [u8; 32]| AggregatorKeys {
        verifying: key(seed).verifying_key(),
        sealing: SealingKey::from_seed(&seed).public(),
    };
    let clip = ClipNorm::new(1.0).unwrap();
    FederationTerms {
        name: "vineyards".to_owned(),
        purpose: "tests".to_owned(),
        dao: Digest([9; 32]),
        dao_node: key(DAO_NODE).verifying_key(),
        aggregators: vec![aggregator(COORDINATOR), aggregator(HELPER)],
        sealing: SealingTerms::Mpc,
        cohort: CohortTerms::Absent,
        encoding: EncodingParameters::standard(clip, 6, 8).unwrap(),
        noise: NoiseTerms::ABSENT,
        training: TrainingTerms::sgd(2, 2, 0.1),
        optimizer: ServerOptimizer::default(),
        architecture: ARCHITECTURE.to_owned(),
        schema: SchemaTerms {
            features: vec!["acidity".to_owned(), "sugar".to_owned()],
            label: "quality".to_owned(),
            classes: vec!["ordinary".to_owned(), "good".to_owned()],
            mean: vec![0.5, 0.5],
            deviation: vec![0.5, 0.5],
        },
        rounds: 1,
        stopping: None,
        sampling: CohortRule::Everybody,
        buffer: None,
        groups: None,
        minimum_cohort: 2,
        round_deadline_ms: 60_000,
        step_deadline_ms: 60_000,
    }
}

/// The terms as the DAO node signs them.
pub(crate) fn signed_terms() -> Signed<FederationTerms> {
    Signed::new(terms(), Tag::Terms, &key(DAO_NODE))
}

/// How the coordinator answers an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnSubmit {
    /// Takes it and promises so.
    Acknowledge,
    /// Takes it and ends the exchange without an answer.
    Vanish,
    /// Refuses it.
    Refuse(Refusal),
}

/// How the coordinator answers for a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnReceipt {
    /// The round has not ended.
    Pending,
    /// It is settled, with the last update that was taken.
    Settled,
    /// It is settled without this contributor.
    LeftOut,
    /// It was given up.
    Aborted,
}

/// What the coordinator does, changed by the test as it goes.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) terms: Signed<FederationTerms>,
    pub(crate) join: ContributorReply,
    pub(crate) order: Option<RoundId>,
    /// Of which federation orders are: by these terms.
    pub(crate) ordered: Digest,
    pub(crate) submit: OnSubmit,
    pub(crate) receipt: OnReceipt,
    /// Whether it lets wait whoever knows of the order, instead of being finished.
    pub(crate) waits: bool,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            terms: signed_terms(),
            join: ContributorReply::Joined,
            order: Some(RoundId(0)),
            ordered: terms().id(),
            submit: OnSubmit::Acknowledge,
            receipt: OnReceipt::Settled,
            waits: false,
        }
    }
}

/// What the coordinator was asked, and what it took.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// The requests that carried an update, byte for byte.
    pub(crate) submissions: Vec<Vec<u8>>,
    /// How often it was asked for a receipt.
    pub(crate) receipts: usize,
    /// How often it was asked for an order.
    pub(crate) fetches: usize,
    /// How many orders it was given.
    pub(crate) orders: usize,
    taken: Option<SealedUpdate>,
}

/// A coordinator that follows a script, on loopback.
pub(crate) struct Coordinator {
    pub(crate) address: Address,
    pub(crate) script: Arc<Mutex<Script>>,
    pub(crate) heard: Arc<Mutex<Heard>>,
    changed: Arc<tokio::sync::Notify>,
    pub(crate) link: Link,
}

impl Coordinator {
    pub(crate) async fn start(script: Script) -> Self {
        let listen = vec![ListenAddress::loopback(Transport::Tcp, 0)];
        let config = LinkConfig { secret: COORDINATOR.into(), listen, limits: Limits::default() };
        let (link, inbox) = Link::start(config).await.unwrap();
        let coordinator = Self {
            address: link.address(Transport::Tcp).unwrap(),
            script: Arc::new(Mutex::new(script)),
            heard: Arc::default(),
            changed: Arc::default(),
            link,
        };
        let script = Arc::clone(&coordinator.script);
        let heard = Arc::clone(&coordinator.heard);
        tokio::spawn(serve(inbox, script, heard, Arc::clone(&coordinator.changed)));
        coordinator
    }

    pub(crate) fn rewrite(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }

    pub(crate) fn heard<T>(&self, read: impl FnOnce(&Heard) -> T) -> T {
        read(&self.heard.lock().unwrap())
    }

    /// Waits until what was heard is as wanted.
    pub(crate) async fn until(&self, wanted: impl Fn(&Heard) -> bool) {
        let waiting = async {
            while !self.heard(&wanted) {
                self.changed.notified().await;
            }
        };
        tokio::time::timeout(TEST_TIMEOUT, waiting).await.unwrap();
    }
}

async fn serve(
    mut inbox: Inbox,
    script: Arc<Mutex<Script>>,
    heard: Arc<Mutex<Heard>>,
    changed: Arc<tokio::sync::Notify>,
) {
    while let Some(inbound) = inbox.next_request().await {
        let Inbound { peer, body, reply } = inbound;
        let member = VerifyingKey::from_bytes(peer.to_bytes()).unwrap();
        let script = script.lock().unwrap().clone();
        let answer = answer(&script, &mut heard.lock().unwrap(), member, &body);
        changed.notify_one();
        if let Some(answer) = answer {
            // An agent that was stopped meanwhile does not wait for it.
            let _sent = reply.send(to_wire(&answer)).is_ok();
        }
    }
}

fn answer(
    script: &Script,
    heard: &mut Heard,
    member: VerifyingKey,
    body: &[u8],
) -> Option<ContributorReply> {
    Some(match from_wire(body).unwrap() {
        ContributorRequest::Terms => ContributorReply::Terms(Box::new(script.terms.clone())),
        ContributorRequest::Join(request) => {
            assert_eq!(request.verify(Tag::Join).unwrap().signer(), &member);
            script.join.clone()
        }
        ContributorRequest::Fetch { known } => {
            heard.fetches += 1;
            match script.order {
                Some(round) if Some(round) > known => {
                    heard.orders += 1;
                    order(script.ordered, round, member)
                }
                Some(_) if !script.waits => ContributorReply::Finished(end(EndReason::AllRounds)),
                _ => ContributorReply::Wait { retry_ms: 1 },
            }
        }
        ContributorRequest::Submit { update, .. } => {
            heard.submissions.push(body.to_vec());
            match script.submit {
                OnSubmit::Refuse(refusal) => ContributorReply::Refused(refusal),
                OnSubmit::Vanish => {
                    heard.taken = Some(*update);
                    return None;
                }
                OnSubmit::Acknowledge => {
                    let acknowledged = acknowledge(&update);
                    heard.taken = Some(*update);
                    acknowledged
                }
            }
        }
        ContributorRequest::Custody(_)
        | ContributorRequest::Cohort(_)
        | ContributorRequest::Model
        | ContributorRequest::Trained(_)
        | ContributorRequest::Sum { .. }
        | ContributorRequest::Values { .. } => ContributorReply::Refused(Refusal::Stranger),
        ContributorRequest::Receipt { round } => {
            heard.receipts += 1;
            ContributorReply::Receipt(receipt(script.receipt, round, member, heard.taken.as_ref()))
        }
    })
}

/// The model of every round.
fn model() -> Vec<u8> {
    let architecture = Architecture::from_json(ARCHITECTURE).unwrap();
    let parameters = Parameters::new(&architecture.layout(), vec![0.1; 6]).unwrap();
    model_to_wire(&architecture, &parameters)
}

/// That there are no more rounds.
fn end(reason: EndReason) -> Box<Signed<FederationEnd>> {
    let body = FederationEnd { federation: terms().id(), settled: 1, reason };
    Box::new(Signed::new(body, Tag::FederationEnd, &key(DAO_NODE)))
}

fn abort(round: RoundId) -> Box<Signed<RoundAbort>> {
    let body = RoundAbort { federation: terms().id(), round, reason: "too few".to_owned() };
    Box::new(Signed::new(body, Tag::RoundAbort, &key(COORDINATOR)))
}

fn grant(federation: Digest, round: RoundId, member: VerifyingKey) -> Signed<RoundGrant> {
    let mut cohort = vec![member, key(OTHER_MEMBER).verifying_key()];
    cohort.sort();
    let grant = RoundGrant {
        dao: terms().dao,
        federation,
        round,
        model: Digest::of(Tag::Model, &model()),
        cohort,
        draw_keys: Vec::new(),
        custodians: Vec::new(),
        cohort_epoch: None,
        control: None,
    };
    Signed::new(grant, Tag::RoundGrant, &key(DAO_NODE))
}

fn order(federation: Digest, round: RoundId, member: VerifyingKey) -> ContributorReply {
    let grant = grant(federation, round, member);
    let order = RoundOrder { grant, deadline_ms: u64::MAX };
    let order = Box::new(Signed::new(order, Tag::RoundOrder, &key(COORDINATOR)));
    ContributorReply::Order { order, model: model() }
}

fn acknowledge(update: &SealedUpdate) -> ContributorReply {
    let binding = *update.claimed_binding();
    let body = Acknowledgement {
        federation: binding.federation,
        round: RoundId(binding.round),
        update: update.clone().verify().unwrap().digest(),
    };
    ContributorReply::Acknowledged(Signed::new(body, Tag::Acknowledgement, &key(COORDINATOR)))
}

fn receipt(
    on_receipt: OnReceipt,
    round: RoundId,
    member: VerifyingKey,
    taken: Option<&SealedUpdate>,
) -> FetchedReceipt {
    let counts = match on_receipt {
        OnReceipt::Pending => return FetchedReceipt::Pending,
        OnReceipt::Aborted => return FetchedReceipt::Aborted(abort(round)),
        OnReceipt::Settled => true,
        OnReceipt::LeftOut => false,
    };
    let own = taken.filter(|_| counts).map(|update| update.clone().verify().unwrap().digest());
    let mut contributions = vec![(key(OTHER_MEMBER).verifying_key(), Digest([7; 32]))];
    contributions.extend(own.map(|digest| (member, digest)));
    contributions.sort();
    let scalars = contributions
        .iter()
        .map(|(key, _)| OpenedScalars {
            value: if *key == member { 1_000 } else { 1 },
            innovation: 0,
            contrast: 0,
        })
        .collect();
    let accepted = AcceptedSet::new(contributions).unwrap();
    let index = accepted.contributions().binary_search_by_key(&member, |(key, _)| *key);
    let proof = index.ok().map(|index| accepted.tree().prove(index as u64).unwrap());
    let federation = terms().id();
    let commitment = SumCommitment {
        federation,
        round,
        set_root: accepted.tree().root(),
        count: u32::try_from(accepted.contributions().len()).unwrap(),
        share: Digest([5; 32]),
    };
    let body = RoundReceipt {
        grant: grant(terms().id(), round, member),
        federation,
        round,
        model_before: Digest([1; 32]),
        model_after: Digest([2; 32]),
        sum: Digest([3; 32]),
        probe: Digest([4; 32]),
        opening: Digest([6; 32]),
        accepted,
        scalars,
        dropped: Vec::new(),
        refused: Vec::new(),
        commitments: vec![Signed::new(commitment, Tag::SumShare, &key(HELPER))],
    };
    let receipt = Box::new(Signed::new(body, Tag::RoundReceipt, &key(COORDINATOR)));
    FetchedReceipt::Settled { receipt, proof }
}

/// A contributor's machine: its directory, its data, and the events of its agent.
pub(crate) struct Machine {
    dir: TempDir,
    pub(crate) events: Arc<Mutex<Vec<AgentEvent>>>,
}

impl Machine {
    pub(crate) fn with_data(csv: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("data.csv"), csv).unwrap();
        Self { dir, events: Arc::default() }
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path().join("state")
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn config(&self, coordinator: &Coordinator) -> AgentConfig {
        AgentConfig {
            state_dir: self.state(),
            passphrase: None,
            sent_bytes_max: SentCopies::BYTES_MAX_DEFAULT,
            invitation: Invitation {
                federation: terms().id(),
                coordinator: vec![coordinator.address],
                relays: Vec::new(),
                token: "grape".to_owned(),
            },
            data: OwnData::plain(self.path().join("data.csv")),
            device: DeviceChoice::Cpu,
            behaviour: Behaviour::Honest,
            label: "winery 1".to_owned(),
            seed: Some(1),
            brake: Brake::default(),
        }
    }

    /// Runs an agent to its end and takes the events that it told.
    pub(crate) async fn run(
        &self,
        config: AgentConfig,
    ) -> (Result<Summary, AgentError>, Vec<AgentEvent>) {
        let ended = tokio::time::timeout(TEST_TIMEOUT, self.start(config)).await.unwrap().unwrap();
        (ended, std::mem::take(&mut *self.events.lock().unwrap()))
    }

    /// Starts an agent as a task of its own.
    pub(crate) fn start(
        &self,
        config: AgentConfig,
    ) -> tokio::task::JoinHandle<Result<Summary, AgentError>> {
        let events = Arc::clone(&self.events);
        tokio::spawn(Agent::run(config, drop, move |event| events.lock().unwrap().push(event)))
    }
}

/// An error with its causes, as the command line shows it.
pub(crate) fn chain(error: &AgentError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
