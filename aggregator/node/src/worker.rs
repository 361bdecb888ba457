//! A process that helps an aggregator with its sums.

use std::{convert::Infallible, num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use aggregator_network::load_or_create_key;
use aggregator_protocol::FederationTerms;
use aggregator_round::AggregatorContext;
use anyhow::{Context as _, bail};
use privacy_identity::{Decode as _, SealingKey, Signed, SigningKey, Tag};
use tokio::{sync::watch, task::JoinSet};
use tracing::error;

use crate::{
    DatabaseUrl, NodeEvent,
    board::{Board, Role},
    node::open_updates,
    sharing::{Done, Sharing},
};

/// Pause before looking again for terms that the aggregator does not have yet, and after the database could not
/// be asked, in milliseconds.
const RETRY_MS: u64 = 500;

/// How a worker is run.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Holds the aggregator's `key`, and its `updates` where those are in files.
    pub state_dir: PathBuf,
    /// The aggregator's database.
    pub database: DatabaseUrl,
    /// As in [`NodeConfig`](crate::NodeConfig).
    pub updates: Option<String>,
    /// How long a batch is left to a process that gives no sign of life.
    pub lease: Duration,
    /// Batches at a time; by default one per core.
    pub threads: Option<NonZeroUsize>,
}

/// Helps an aggregator until it is dropped, which it may be at any time.
///
/// It answers nobody and decides nothing: it takes batches that the aggregator signed, and hands in sums that only
/// the aggregator can read. A database that cannot be asked is asked again.
///
/// # Errors
/// A key that is not the aggregator's, updates that cannot be read, work that somebody else put up.
pub async fn work(
    config: WorkerConfig,
    events: impl Fn(NodeEvent) + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let path = config.state_dir.join("key");
    if !path.is_file() {
        bail!("no key in {}: a worker has its aggregator's", config.state_dir.display());
    }
    let signing = SigningKey::from_seed(&*load_or_create_key(&path, &mut rand::rng())?);
    let board = Board::connect(&config.database, Role::Worker, config.lease).await?;
    let events: Arc<dyn Fn(NodeEvent) + Send + Sync> = Arc::new(events);
    let updates = open_updates(config.updates.as_deref(), &config.state_dir)?;
    let cores = std::thread::available_parallelism().ok();
    let threads = config.threads.or(cores).map_or(1, NonZeroUsize::get);
    loop {
        let (kept, terms) = terms(&board).await?;
        let (sealing, signing) =
            (SealingKey::derived_from(&signing), SigningKey::from_seed(&signing.seed()));
        let sharing = Sharing {
            board: board.clone(),
            context: Arc::new(AggregatorContext::new(terms, signing, sealing)?),
            updates: Arc::clone(&updates),
            events: Arc::clone(&events),
            // Of the aggregator's choosing: it cuts.
            batch_updates: 0,
            known: Arc::default(),
        };
        events(NodeEvent::WorkerReady { threads });
        let ended = help(sharing, threads).await;
        // What is of terms that the aggregator followed meanwhile is refused under those before.
        if board.terms().await?.as_ref() == Some(&kept) {
            return ended;
        }
    }
}

/// Works with so many hands; ends with an error alone.
async fn help(sharing: Sharing, threads: usize) -> anyhow::Result<()> {
    let (waking, woken) = watch::channel(());
    let mut hands = JoinSet::new();
    hands.spawn(listen(sharing.clone(), waking));
    for _ in 0..threads {
        hands.spawn(hand(sharing.clone(), woken.clone()));
    }
    // None ends but with an error; the others end when the set is dropped.
    match hands.join_next().await {
        Some(ended) => ended.context("working on batches")?,
        None => Ok(()),
    }
}

/// Wakes the hands when something changed, or may have: leases expire without a word.
async fn listen(sharing: Sharing, waking: watch::Sender<()>) -> anyhow::Result<()> {
    loop {
        let heard = async {
            let mut changes = sharing.board.changes().await?;
            loop {
                sharing.wait(&mut changes).await?;
                waking.send_replace(());
            }
        };
        let Err(error): anyhow::Result<Infallible> = heard.await;
        survived(error).await?;
    }
}

/// One batch after the other.
async fn hand(sharing: Sharing, mut woken: watch::Receiver<()>) -> anyhow::Result<()> {
    loop {
        match sharing.next().await {
            // What was declined is left to the aggregator's own process.
            Ok(Some(Done::Submitted | Done::Late | Done::Lost)) => {}
            Ok(None) => woken.changed().await.context("listening for batches")?,
            Err(error) => survived(error).await?,
        }
    }
}

/// What is wrong with the database passes, or a person sees it in the log; all else ends the process.
async fn survived(error: anyhow::Error) -> anyhow::Result<()> {
    if !error.chain().any(|cause| cause.is::<sqlx::Error>()) {
        return Err(error);
    }
    error!("the database does not answer: {error:#}");
    tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
    Ok(())
}

/// The aggregator's terms as they are kept, and what they say, as soon as it has them.
///
/// Threat: terms that somebody put into the database. They name this aggregator's own key, or the context refuses
/// them; and nothing of them leaves this process but what only the aggregator can read.
async fn terms(board: &Board) -> anyhow::Result<(Vec<u8>, FederationTerms)> {
    loop {
        if let Some(bytes) = board.terms().await? {
            let terms = Signed::<FederationTerms>::from_bytes(&bytes)?;
            let dao_node = terms.unverified_body().dao_node;
            let verified = terms.verify_by(Tag::Terms, &dao_node);
            let verified = verified.context("the stored terms are not signed")?;
            return Ok((bytes, verified.body().clone()));
        }
        tokio::time::sleep(Duration::from_millis(RETRY_MS)).await;
    }
}
