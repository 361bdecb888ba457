//! The log's side of witnessing: the newest checkpoint is handed to the witnesses of a policy until a quorum has cosigned it.
//!
//! The file says where witnesses are asked, and, until members vote, which of them are enough. Once members have voted for a
//! quorum of witnesses, that alone decides: whoever runs the node cannot make do with friends of its own.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context as _, bail, ensure};
use data_dao_journal::{State, Witnesses as Voted};
use data_dao_log::{Checkpoint, Policy, PolicyError, Verifier, add_checkpoint_body};
use data_dao_store::Store;
use ureq::Agent;

/// How often the log is looked at, and witnesses that did not answer are asked again.
const EVERY: Duration = Duration::from_millis(500);
/// How long a witness may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 10;
/// A witness that fell behind says where it is; then it is asked once more.
const TRIES_MAX: u32 = 2;

/// Whom to ask.
pub(crate) struct Witnesses {
    policy: Policy,
    log: Verifier,
    asked: Vec<(Verifier, String)>,
    /// Where each witness stands, as far as it said.
    at: BTreeMap<String, u64>,
    agent: Agent,
}

impl Witnesses {
    /// Reads the policy. Only witnesses with a URL can be asked.
    pub(crate) fn read(path: &Path, store: &Store) -> anyhow::Result<Self> {
        let text = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let policy = Policy::parse(&text).with_context(|| format!("reading {}", path.display()))?;
        let log: Verifier = store.vkey().parse()?;
        let named = policy.logs().count() == 0 || policy.logs().any(|(known, _)| *known == log);
        ensure!(named, "{} does not name this log: log {log}", path.display());
        let with_url = policy.witnesses().filter_map(|(witness, url)| {
            Some((witness.clone(), url?.trim_end_matches('/').to_owned()))
        });
        let asked = with_url.collect();
        let config =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(ANSWER_WITHIN));
        Ok(Self { policy, log, asked, at: BTreeMap::new(), agent: config.build().into() })
    }

    /// Hands over every new checkpoint, for ever.
    pub(crate) async fn keep_asking(mut self, store: Store) -> anyhow::Result<()> {
        loop {
            let newest = Checkpoint::parse(&store.checkpoint())?;
            let done = store.cosigned().is_some_and(|cosigned| cosigned.head() == newest.head());
            if newest.head().size > 0 && !done {
                let asked = store.clone();
                let round = move || {
                    let cosigned = self.ask_all(&asked, newest);
                    (self, cosigned)
                };
                let (back, cosigned) = tokio::task::spawn_blocking(round).await?;
                self = back;
                match cosigned {
                    Ok(cosigned) => store.keep_cosigned(cosigned)?,
                    Err(error) => tracing::warn!("the log is ahead of its witnesses: {error:#}"),
                }
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// The checkpoint with the lines of those who answered, if they are a quorum.
    fn ask_all(&mut self, store: &Store, newest: Checkpoint) -> anyhow::Result<Checkpoint> {
        let (mut cosigned, mut failed) = (newest, Vec::new());
        for (witness, url) in self.asked.clone() {
            match self.ask(store, &cosigned, (&witness, &url)) {
                Ok(with_line) => cosigned = with_line,
                Err(error) => failed.push(format!("{}: {error:#}", witness.name())),
            }
        }
        let voted = store.view(|state: &State| state.witnesses().clone());
        let decisive = decisive(&self.policy, &voted, &self.log);
        match decisive.check(&cosigned, Some(&self.log)) {
            Ok(_) => Ok(cosigned),
            Err(error @ PolicyError::NoQuorumReached { .. }) => {
                bail!("{error}; {}", failed.join("; "))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn ask(
        &mut self,
        store: &Store,
        checkpoint: &Checkpoint,
        (witness, url): (&Verifier, &str),
    ) -> anyhow::Result<Checkpoint> {
        let size = checkpoint.head().size;
        let known = std::slice::from_ref(witness);
        for _ in 0..TRIES_MAX {
            let old = self.at.get(url).copied().unwrap_or(0).min(size);
            let proof = store.prove_consistency(old, size)?;
            let body = add_checkpoint_body(old, &proof, checkpoint);
            let sent = self.agent.post(format!("{url}/add-checkpoint")).send(body);
            let response = sent.with_context(|| format!("{url} does not answer"))?;
            let status = response.status().as_u16();
            let answer = response.into_body().into_with_config().limit(ANSWER_BYTES_MAX);
            let answer = answer.read_to_string().context("reading the witness's answer")?;
            match status {
                200 => {
                    let with_line = checkpoint.with_lines(&answer)?;
                    // Whatever else it answers is none of ours.
                    ensure!(
                        !with_line.cosignatures(known)?.is_empty(),
                        "it answers nothing by its key"
                    );
                    self.at.insert(url.to_owned(), size);
                    return Ok(with_line);
                }
                409 => {
                    let at: u64 = answer.trim().parse().context("status 409 without a size")?;
                    ensure!(at <= size, "it has seen {at} entries, the log has {size}");
                    self.at.insert(url.to_owned(), at);
                }
                _ => bail!("status {status}: {}", answer.trim()),
            }
        }
        bail!("its place changes while it is asked")
    }
}

/// What decides whether a checkpoint was cosigned by enough: what members voted for, or else the file.
fn decisive(file: &Policy, voted: &Voted, log: &Verifier) -> Policy {
    if voted.quorum == 0 {
        return file.clone();
    }
    // A key that cannot be read signs nothing; the quorum stays as it was voted.
    let witnesses = voted.keys.values().filter_map(|vkey| vkey.parse().ok());
    let quorum = usize::try_from(voted.quorum).unwrap_or(usize::MAX);
    Policy::of_quorum(log.clone(), witnesses, quorum)
}

#[cfg(test)]
mod tests {
    use data_dao_log::LogKey;
    use privacy_identity::{Digest, SigningKey, TreeHead};

    use super::*;

    #[test]
    fn what_members_voted_for_decides_and_not_the_operators_file() {
        let key = LogKey::new("dao.example/ledger", &SigningKey::from_seed(&[1; 32])).unwrap();
        let log = key.verifier().clone();
        let head = TreeHead { size: 3, root: Digest([2; 32]) };
        let alone = Checkpoint::parse(&key.sign(&head)).unwrap();
        let lax = Policy::of_log(log.clone());
        let passes = |voted: &Voted| decisive(&lax, voted, &log).check(&alone, Some(&log)).is_ok();
        assert!(passes(&Voted::default()), "nobody voted: the file decides");
        let other = LogKey::new("witness.example", &SigningKey::from_seed(&[3; 32])).unwrap();
        let name = |text: &str| data_dao_ledger::Name::new(text).unwrap();
        let vkey = other.verifier().to_string();
        let voted = Voted { keys: [(name("w"), vkey.clone())].into(), quorum: 1 };
        assert!(!passes(&voted), "nobody whom members named has cosigned");
        let unreadable = Voted { keys: [(name("w"), "w+00000000+?".into())].into(), quorum: 1 };
        assert!(!passes(&unreadable));
    }
}
