//! `sahakar witness`: cosigns the checkpoints of logs that only ever grow, and keeps the proof if one forks.
//!
//! C2SP tlog-witness over HTTP. Anybody who is asked can be one: it needs no copy of a log, only the last checkpoint.

use std::{
    fs::{self, File},
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use aggregator_network::load_or_create_key;
use anyhow::Context as _;
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path as UrlPath, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use clap::Args;
use data_dao_log::{Checkpoint, Rejected, Reply, Verifier, Witness, WitnessKey, origin_digest};
use privacy_identity::SigningKey;
use serde_json::json;
use tokio::{net::TcpListener, sync::Mutex};

use crate::process::{Events, now_ms, stop_signal};

/// Longest request, in bytes: a checkpoint with 65 lines and 63 hashes fits several times.
const BODY_BYTES_MAX: usize = 512 << 10;

/// Arguments of `sahakar witness`.
#[derive(Debug, Clone, Args)]
pub struct WitnessArgs {
    /// Where the witness keeps its key and what it saw
    #[arg(long, value_name = "DIR")]
    pub state: PathBuf,
    /// What it is called, and of which logs
    #[command(flatten)]
    pub duty: WitnessDuty,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Print events as lines of JSON on standard output
    #[arg(long)]
    pub json: bool,
    /// Stop when standard input closes
    #[arg(long, hide = true)]
    pub with_parent: bool,
}

/// What a witness is called, and which logs it knows.
#[derive(Debug, Clone, Args)]
pub struct WitnessDuty {
    /// Verifier key of a log to witness, as its `/v1/ledger` has it; may be given several times
    #[arg(long = "log", value_name = "KEY")]
    pub logs: Vec<Verifier>,
    /// The witness's name; by default one made of its key
    #[arg(long = "witness-name", value_name = "NAME")]
    pub name: Option<String>,
}

/// Runs a witness until it is told to stop.
///
/// # Errors
/// An address in use, a directory that cannot be used, a checkpoint that was altered there.
pub async fn run(args: WitnessArgs) -> anyhow::Result<()> {
    let events = Events::from_flag(args.json);
    fs::create_dir_all(&args.state)
        .with_context(|| format!("creating {}", args.state.display()))?;
    let seed = load_or_create_key(&args.state.join("key"), &mut rand::rng())?;
    let key = SigningKey::from_seed(&seed);
    tokio::select! {
        result = serve(&args.state, &key, &args.duty, args.listen, events) => result,
        () = stop_signal(args.with_parent) => Ok(()),
    }
}

/// Serves as a witness, with what it saw in the folder `witness` of `state`.
///
/// # Errors
/// As [`run`].
pub async fn serve(
    state: &Path,
    key: &SigningKey,
    duty: &WitnessDuty,
    listen: SocketAddr,
    events: Events,
) -> anyhow::Result<()> {
    let desk = Desk::open(&state.join("witness"), key, duty, events)?;
    let listener = TcpListener::bind(listen).await;
    let listener = listener.with_context(|| format!("listening for checkpoints on {listen}"))?;
    let (http, vkey) = (listener.local_addr()?, desk.vkey.clone());
    events.emit(json!({"event": "witnessing", "http": format!("http://{http}"), "vkey": vkey}));
    Ok(axum::serve(listener, router(desk)).await?)
}

/// The witness's routes.
pub fn router(desk: Desk) -> Router {
    Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/{origin}/checkpoint", get(latest))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::new(desk))
}

/// A witness with the folder that it keeps what it saw in.
#[derive(Debug)]
pub struct Desk {
    dir: PathBuf,
    vkey: String,
    events: Events,
    /// Held from the check of a checkpoint until it is on disk and accepted.
    witness: Mutex<Witness>,
}

impl Desk {
    /// The witness with this key, where it was when it stopped.
    ///
    /// # Errors
    /// A folder that cannot be used, or a checkpoint in it that is not by log and witness.
    pub fn open(
        dir: &Path,
        key: &SigningKey,
        duty: &WitnessDuty,
        events: Events,
    ) -> anyhow::Result<Self> {
        let by_key = || format!("sahakar/witness/{}", key.verifying_key().short());
        let name = duty.name.clone().unwrap_or_else(by_key);
        let mut witness = Witness::new(WitnessKey::new(&name, key)?);
        for log in &duty.logs {
            let path = dir.join(origin_digest(log.name()).to_string()).join("checkpoint");
            let seen = match fs::read_to_string(&path) {
                Ok(text) => Some(Checkpoint::parse(&text)?),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                Err(error) => {
                    return Err(error).with_context(|| format!("reading {}", path.display()));
                }
            };
            let added = witness.add_log(log.clone(), seen);
            added.with_context(|| {
                format!("{} was altered, or is another witness's", path.display())
            })?;
        }
        let vkey = witness.verifier().to_string();
        Ok(Self { dir: dir.to_owned(), vkey, events, witness: Mutex::new(witness) })
    }

    /// The witness's verifier key, for policies.
    #[must_use]
    pub fn vkey(&self) -> &str {
        &self.vkey
    }

    async fn add(&self, body: &[u8]) -> anyhow::Result<Reply> {
        let mut witness = self.witness.lock().await;
        match witness.check(body, now_ms() / 1_000) {
            Ok(cosigned) => {
                let origin = cosigned.checkpoint.origin();
                let folder = self.dir.join(origin_digest(origin).to_string());
                // On disk before anybody has the line: a restart must not cosign another one beside it.
                write_whole(&folder, "checkpoint", cosigned.checkpoint.as_str())?;
                let size = cosigned.checkpoint.head().size;
                self.events.emit(json!({"event": "cosigned", "log": origin, "size": size}));
                witness.accept(&cosigned);
                Ok(cosigned.reply())
            }
            Err(rejected) => {
                drop(witness);
                self.keep_evidence(&rejected)?;
                Ok(rejected.reply())
            }
        }
    }

    /// A log's own signatures against it are kept, whatever becomes of this process.
    fn keep_evidence(&self, rejected: &Rejected) -> anyhow::Result<()> {
        let Some(fork) = rejected.fork() else { return Ok(()) };
        let origin = fork.first().origin();
        let name = format!("fork-{}-{}", fork.first().head().size, fork.second().head().size);
        let folder = self.dir.join(origin_digest(origin).to_string());
        write_whole(&folder, &name, &fork.to_string())?;
        let file = folder.join(&name);
        self.events.emit(json!({"event": "fork", "log": origin, "file": file}));
        Ok(())
    }
}

fn write_whole(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let (path, partial) = (folder.join(name), folder.join(format!("{name}.partial")));
    let write = || {
        fs::create_dir_all(folder)?;
        let mut file = File::create(&partial)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&partial, &path)?;
        File::open(folder)?.sync_all()
    };
    write().with_context(|| format!("writing {}", path.display()))
}

async fn add_checkpoint(State(desk): State<Arc<Desk>>, body: Bytes) -> Response {
    match desk.add(&body).await {
        Ok(Reply { status, content_type, body }) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
        }
        Err(error) => {
            tracing::error!("a checkpoint was not cosigned: {error:#}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The last checkpoint that was cosigned, for monitors; `origin` is the SHA-256 of the log's name in hexadecimal.
async fn latest(State(desk): State<Arc<Desk>>, UrlPath(origin): UrlPath<String>) -> Response {
    let witness = desk.witness.lock().await;
    let of_log = |name: &&str| origin_digest(name).to_string() == origin;
    let found = witness.origins().find(of_log).and_then(|name| witness.latest(name));
    match found {
        Some(checkpoint) => {
            let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
            (kind, checkpoint.to_string()).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
