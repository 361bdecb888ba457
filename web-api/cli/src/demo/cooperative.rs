//! A whole co-operative as separate processes on loopback.

mod configuration;

use std::{
    collections::{BTreeMap, VecDeque},
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use aggregator_network::Address;
use anyhow::{Context as _, bail};
use privacy_identity::Digest;
use rand::CryptoRng;
use serde_json::Value;
use tokio::sync::mpsc;
use trainer_agent::Invitation;
use trainer_model::DeviceChoice;

use configuration::serve_config;

use super::{
    children::{ChildEvent, ChildNews, End, Process, Spawner},
    wineries::{Kind, Winery},
};
use crate::process::token;
use crate::serve::{DaoConfig, FederationConfig, SealingMode, SecretsConfig, ServeConfig};

/// How long a process may take to say where it listens, in milliseconds: the first start on a
/// loaded machine, with room.
const START_MS_MAX: u64 = 30_000;
/// Credits of each round.
pub const ROUND_BUDGET: u64 = 1_000_000;
/// Name of the DAO node's process.
pub const DAO: &str = "dao";
/// Name of the coordinator's process.
pub const COORDINATOR: &str = "coordinator";
/// Name of the other aggregator's process.
pub const AGGREGATOR: &str = "aggregator";

/// What the co-operative is to be like.
#[derive(Debug, Clone)]
pub struct CooperativePlan {
    /// The program to start: this one.
    pub program: PathBuf,
    /// Where all state is kept.
    pub dir: PathBuf,
    /// How many rounds.
    pub rounds: u32,
    /// What else the federation is to be like.
    pub adjust: fn(&mut FederationConfig),
    /// How else the DAO is to be founded.
    pub found: fn(&mut DaoConfig),
    /// How updates are sealed.
    pub mode: SealingMode,
    /// The federation's noise multiplier; 0: no noise.
    pub noise_multiplier: f64,
    /// Device of every process.
    pub device: DeviceChoice,
    /// Seed of data, model and training.
    pub seed: u64,
    /// How long a round waits for a contributor that does not come, in milliseconds.
    pub round_deadline_ms: u64,
    /// The DAO's tables.
    pub validation: PathBuf,
    /// See `validation`.
    pub test: PathBuf,
    /// Names of the tables' columns and classes.
    pub schema: datasets::Schema,
    /// The contributors.
    pub wineries: Vec<Winery>,
}

/// The running processes.
#[derive(Debug)]
pub struct Cooperative {
    plan: CooperativePlan,
    spawner: Spawner,
    processes: BTreeMap<String, Process>,
    news: News,
    config: ServeConfig,
    dao: Address,
    http: String,
    invitation: Option<Invitation>,
    federation: Digest,
    coordinator: Option<Address>,
    aggregator: Option<Address>,
    secrets: SecretsConfig,
}

impl Cooperative {
    /// Starts the DAO node, the aggregators and the contributors, in this order, and waits until
    /// each listens.
    ///
    /// # Errors
    /// If a process cannot be started or ends before it listens; all others are ended.
    pub async fn start(
        plan: CooperativePlan,
        rng: &mut (impl CryptoRng + Send),
    ) -> anyhow::Result<Self> {
        let (spawner, events) = Spawner::new(plan.program.clone(), plan.dir.join("logs"))?;
        let mut news = News { events, backlog: VecDeque::new() };
        let secrets = SecretsConfig {
            operator_token: token(rng),
            invitation_token: token(rng),
            payment_webhooks: Vec::new(),
        };
        let mut config = serve_config(&plan, secrets.clone(), rng)?;
        let process = spawn_dao(&spawner, &plan, &config)?;
        let listening = news.listening(&process, &spawner).await?;
        let dao = address_of(&listening)?;
        let http = text_of(&listening, "http")?;
        let federation = text_of(&listening, "federation")?.parse()?;
        // Started again, it must be where the others look for it.
        config.listen.http = http.trim_start_matches("http://").parse()?;
        config.listen.link = vec![dao.listen().to_string()];
        let mut cooperative = Self {
            plan,
            spawner,
            processes: BTreeMap::from([(DAO.to_owned(), process)]),
            news,
            config,
            dao,
            http,
            federation,
            secrets,
            invitation: None,
            coordinator: None,
            aggregator: None,
        };
        if cooperative.plan.mode != SealingMode::Fhe {
            cooperative.start_aggregator(AGGREGATOR).await?;
        }
        cooperative.start_aggregator(COORDINATOR).await?;
        for winery in cooperative.plan.wineries.clone() {
            cooperative.start_trainer(&winery)?;
        }
        Ok(cooperative)
    }

    /// The DAO node's configuration at its next start.
    pub const fn config_mut(&mut self) -> &mut ServeConfig {
        &mut self.config
    }

    /// Starts the DAO node again after it was ended: at the addresses that it had.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn start_dao_again(&mut self) -> anyhow::Result<()> {
        let process = spawn_dao(&self.spawner, &self.plan, &self.config)?;
        let listening = self.news.listening(&process, &self.spawner).await;
        self.processes.insert(DAO.to_owned(), process);
        listening.map(drop)
    }

    /// Starts an aggregator, or starts it again after it was ended: at the address that it had.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn start_aggregator(&mut self, name: &str) -> anyhow::Result<()> {
        let known = if name == COORDINATOR { self.coordinator } else { self.aggregator };
        let mut arguments: Vec<OsString> = vec![
            "aggregator".into(),
            "--state".into(),
            self.plan.dir.join(name).into_os_string(),
            "--dao".into(),
            self.dao.to_string().into(),
            "--json".into(),
            "--with-parent".into(),
        ];
        if let Some(address) = known {
            arguments.extend(["--listen".into(), address.listen().to_string().into()]);
        }
        if let Some(peer) = self.aggregator.filter(|_| name == COORDINATOR) {
            arguments.extend(["--peer".into(), peer.to_string().into()]);
        }
        let process = self.spawner.spawn(name, &arguments)?;
        let listening = self.news.listening(&process, &self.spawner).await;
        self.processes.insert(name.to_owned(), process);
        let listening = listening?;
        let address = Some(address_of(&listening)?);
        if name == COORDINATOR {
            self.coordinator = address
        } else {
            self.aggregator = address
        }
        Ok(())
    }

    /// Starts a contributor.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start_trainer(&mut self, winery: &Winery) -> anyhow::Result<()> {
        let coordinator = self.coordinator.context("the coordinator was started before")?;
        let invitation = Invitation {
            federation: self.federation,
            coordinator: vec![coordinator],
            relays: Vec::new(),
            token: self.secrets.invitation_token.clone(),
        };
        let behaviour = match winery.kind {
            Kind::Honest | Kind::InvertedLabels => "honest",
            Kind::Noise => "noise",
            Kind::Replay => "replay",
        };
        let arguments: Vec<OsString> = vec![
            "trainer".into(),
            "--state".into(),
            self.trainer_dir(&winery.label).into_os_string(),
            "--join".into(),
            invitation.to_string().into(),
            "--data".into(),
            winery.csv.clone().into_os_string(),
            "--label".into(),
            winery.label.clone().into(),
            "--device".into(),
            self.plan.device.to_string().into(),
            "--seed".into(),
            self.plan.seed.to_string().into(),
            "--behaviour".into(),
            behaviour.into(),
            "--json".into(),
            "--with-parent".into(),
        ];
        let process = self.spawner.spawn(&winery.label, &arguments)?;
        self.processes.insert(winery.label.clone(), process);
        self.invitation = Some(invitation);
        Ok(())
    }

    /// Where a contributor keeps its state.
    #[must_use]
    pub fn trainer_dir(&self, label: &str) -> PathBuf {
        self.plan.dir.join("contributors").join(label)
    }

    /// Waits for the next event of any process; `None` cannot happen while one runs.
    pub async fn next_event(&mut self) -> Option<ChildEvent> {
        self.news.next().await
    }

    /// Ends one process and waits until it is gone.
    pub async fn end(&mut self, name: &str, how: End) {
        if let Some(process) = self.processes.remove(name) {
            process.end(how).await;
        }
    }

    /// Ends all processes, contributors first.
    pub async fn end_all(&mut self) {
        // Nobody reads events any more: the watchers must not wait for room.
        self.news.events.close();
        let mut last = Vec::new();
        let mut first = Vec::new();
        for (name, process) in std::mem::take(&mut self.processes) {
            let core = [DAO, COORDINATOR, AGGREGATOR].contains(&name.as_str());
            if core { last.push(process) } else { first.push(process) }
        }
        for group in [first, last] {
            let ends = group.into_iter().map(|process| tokio::spawn(process.end(End::Orderly)));
            for end in ends.collect::<Vec<_>>() {
                drop(end.await);
            }
        }
    }

    /// The base of the REST interface.
    #[must_use]
    pub fn http(&self) -> &str {
        &self.http
    }

    /// The operator's bearer token.
    #[must_use]
    pub fn operator_token(&self) -> &str {
        &self.secrets.operator_token
    }

    /// How others may join.
    #[must_use]
    pub const fn invitation(&self) -> Option<&Invitation> {
        self.invitation.as_ref()
    }

    /// Where the coordinator listens.
    #[must_use]
    pub const fn coordinator(&self) -> Option<Address> {
        self.coordinator
    }

    /// Where the DAO node listens.
    #[must_use]
    pub const fn dao(&self) -> Address {
        self.dao
    }

    /// The federation's id.
    #[must_use]
    pub const fn federation(&self) -> Digest {
        self.federation
    }

    /// The log's tiles.
    #[must_use]
    pub fn tiles_dir(&self) -> PathBuf {
        self.plan.dir.join("dao").join("tiles")
    }

    /// The last lines of a process's log.
    #[must_use]
    pub fn log_tail(&self, name: &str) -> String {
        self.spawner.log_tail(name)
    }

    /// Process ids of all processes, by name.
    pub fn pids(&self) -> impl Iterator<Item = (&str, u32)> {
        self.processes.values().filter_map(|p| p.pid().map(|pid| (p.name(), pid)))
    }

    /// The sum of the processes' peak resident memory, this one included, where the system tells.
    #[must_use]
    pub fn peak_rss_bytes(&self) -> Option<u64> {
        let own = super::children::own_peak_rss_bytes()?;
        Some(self.processes.values().filter_map(Process::peak_rss_bytes).sum::<u64>() + own)
    }
}

/// What the processes say, in order; what passes by while one is waited for is kept for later.
#[derive(Debug)]
struct News {
    events: mpsc::Receiver<ChildEvent>,
    backlog: VecDeque<ChildEvent>,
}

impl News {
    async fn next(&mut self) -> Option<ChildEvent> {
        match self.backlog.pop_front() {
            Some(event) => Some(event),
            None => self.events.recv().await,
        }
    }

    /// Waits until `process` says where it listens.
    async fn listening(&mut self, process: &Process, spawner: &Spawner) -> anyhow::Result<Value> {
        let name = process.name();
        let backlog = &mut self.backlog;
        let events = &mut self.events;
        let wait = async {
            while let Some(news) = events.recv().await {
                match &news.what {
                    ChildNews::Said(value)
                        if news.pid == process.pid() && value["event"] == "listening" =>
                    {
                        return Ok(value.clone());
                    }
                    ChildNews::Ended(_) if news.pid == process.pid() => {
                        bail!("{name} ended before it was ready:\n{}", spawner.log_tail(name));
                    }
                    _ => backlog.push_back(news),
                }
            }
            bail!("no process is running")
        };
        let patience = Duration::from_millis(START_MS_MAX);
        match tokio::time::timeout(patience, wait).await {
            Ok(result) => result,
            Err(_) => bail!("{name} did not start within {} s", START_MS_MAX / 1000),
        }
    }
}

/// Writes the DAO node's configuration and starts it.
fn spawn_dao(
    spawner: &Spawner,
    plan: &CooperativePlan,
    config: &ServeConfig,
) -> anyhow::Result<Process> {
    let path = plan.dir.join("sahakar.toml");
    write_private(&path, &toml::to_string(config)?)?;
    let arguments = [
        "serve".into(),
        "--config".into(),
        path.into_os_string(),
        "--device".into(),
        plan.device.to_string().into(),
        "--json".into(),
        "--with-parent".into(),
    ];
    spawner.spawn(DAO, &arguments)
}

fn text_of(event: &Value, key: &str) -> anyhow::Result<String> {
    let text = event[key].as_str();
    Ok(text.with_context(|| format!("an event without {key:?}: {event}"))?.to_owned())
}

fn address_of(listening: &Value) -> anyhow::Result<Address> {
    let first = listening["addresses"][0].as_str().context("an event without addresses")?;
    Ok(first.parse()?)
}

/// Writes a file that only its owner may read: it holds secrets.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let file = crate::process::private_file(path);
    let mut file = file.with_context(|| format!("writing {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("writing {}", path.display()))
}
