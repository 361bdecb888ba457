//! What a log says of its federation: which rounds were settled, and under which terms each was opened.

use anyhow::Context as _;
use data_dao_governance::Keyring;
use data_dao_journal::{
    Body, BufferSet, FederationOpened, Replay, RoundSettled, RoundsEnded, settlement_of,
};
use privacy_identity::{Digest, VerifyingKey};

/// A settled round and the terms that were in force when it was opened.
pub(super) struct Round {
    pub(super) settled: RoundSettled,
    pub(super) terms: Digest,
}

/// What is needed of a log.
pub(super) struct Log {
    pub(super) dao_node: VerifyingKey,
    pub(super) opened: FederationOpened,
    pub(super) rounds: Vec<Round>,
    pub(super) ended: Option<RoundsEnded>,
    pub(super) buffer: Option<BufferSet>,
    pub(super) keyring: Keyring,
}

/// What is collected while the leaves are read.
#[derive(Default)]
struct Reading {
    dao_node: Option<VerifyingKey>,
    opened: Option<FederationOpened>,
    settled: Vec<RoundSettled>,
    ended: Option<RoundsEnded>,
    buffer: Option<BufferSet>,
    /// Of a settlement that takes several entries.
    parts: Vec<Body>,
}

impl Log {
    /// Reads and recomputes the leaves: which terms a vote put in force when is the journal's to say.
    pub(super) fn read(leaves: &[Vec<u8>]) -> anyhow::Result<Self> {
        let (mut reading, mut replay) = (Reading::default(), Replay::default());
        for leaf in leaves {
            reading.take(replay.push(leaf)?.body)?;
        }
        let Reading { dao_node, opened, settled, ended, buffer, .. } = reading;
        let dao_node = dao_node.context("the log founds no DAO")?;
        let opened = opened.context("the log opens no federation")?;
        let federation = replay.state().federation(&opened.federation);
        let of_state = federation.context("the log opens no federation")?.settled();
        let terms_of = |settled: &RoundSettled| {
            let found = of_state.iter().find(|round| round.round == settled.round);
            Some(found?.terms)
        };
        let rounds = settled.into_iter().map(|settled| {
            let terms = terms_of(&settled).context("a settled round is in the state")?;
            Ok(Round { settled, terms })
        });
        let rounds = rounds.collect::<anyhow::Result<_>>()?;
        let keyring = replay.state().keyring().clone();
        Ok(Self { dao_node, opened, rounds, ended, buffer, keyring })
    }
}

impl Reading {
    fn take(&mut self, body: Body) -> anyhow::Result<()> {
        match body {
            Body::Genesis(genesis) => self.dao_node = Some(genesis.dao_node),
            Body::FederationOpened(federation) => {
                anyhow::ensure!(
                    self.opened.is_none(),
                    "the log has several federations: one is supported"
                );
                self.opened = Some(federation);
            }
            Body::RoundSettled(round) => self.settled.push(round),
            // Only parts or an end may stand behind a head.
            Body::RoundAborted(_) => self.parts.clear(),
            body @ (Body::RoundSettling(_) | Body::SettledPart(_)) => {
                self.parts.push(body);
                if let Some(Body::RoundSettling(head)) = self.parts.first()
                    && self.parts.len() == 1 + head.parts.len()
                {
                    self.settled.extend(settlement_of(std::mem::take(&mut self.parts)));
                }
            }
            Body::RoundsEnded(body) => self.ended = Some(body),
            Body::BufferSet(body) => self.buffer = Some(body),
            _ => {}
        }
        Ok(())
    }
}
