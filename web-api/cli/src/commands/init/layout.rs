//! What lies where in the folder, and who listens at which address.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use aggregator_network::{Address, KeyProtection, ListenAddress, PeerKey, Transport, create_key};
use anyhow::Context as _;
use privacy_identity::{SealingKey, SigningKey};
use rand::CryptoRng;

use super::InitArgs;
use crate::serve::{AggregatorConfig, SealingMode};

/// The folder of a co-operative.
pub(super) struct Layout {
    folder: PathBuf,
    /// The DAO node's address.
    pub(super) dao: Address,
    /// The aggregators, the coordinator first.
    pub(super) aggregators: Vec<Aggregator>,
}

/// An aggregator that is to be started.
pub(super) struct Aggregator {
    /// Its state directory.
    pub(super) state: PathBuf,
    /// Where it is to listen.
    pub(super) address: Address,
    /// Its public keys.
    pub(super) keys: AggregatorConfig,
}

impl Layout {
    /// Makes the directories and the keys in them, each readable by its owner alone.
    ///
    /// # Errors
    /// What cannot be written.
    pub(super) fn make(
        folder: &Path,
        args: &InitArgs,
        rng: &mut impl CryptoRng,
    ) -> anyhow::Result<Self> {
        let address = |offset: u16, key: &SigningKey| {
            let socket = SocketAddr::new(args.host, args.link_port + offset);
            let peer = PeerKey::from_bytes(*key.verifying_key().as_bytes());
            ListenAddress::new(socket, Transport::Quic).with_peer(peer)
        };
        let dao = address(0, &new_key(&folder.join("dao"), rng)?);
        let count = if args.mode == SealingMode::Fhe { 1 } else { 2 };
        let aggregators = (1..=count).map(|number: u16| {
            let state = folder.join(format!("aggregator-{number}"));
            let key = new_key(&state, rng)?;
            let keys = AggregatorConfig {
                verifying: key.verifying_key().to_string(),
                sealing: hex::encode(SealingKey::derived_from(&key).public().0),
            };
            Ok(Aggregator { state, address: address(number, &key), keys })
        });
        let aggregators = aggregators.collect::<anyhow::Result<_>>()?;
        Ok(Self { folder: folder.to_owned(), dao, aggregators })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn configuration(&self) -> PathBuf {
        self.folder.join("sahakar.toml")
    }

    pub(super) fn state(&self) -> PathBuf {
        self.folder.join("dao")
    }

    pub(super) fn validation(&self) -> PathBuf {
        self.folder.join("validation.csv")
    }

    pub(super) fn test(&self) -> PathBuf {
        self.folder.join("test.csv")
    }
}

fn new_key(state: &Path, rng: &mut impl CryptoRng) -> anyhow::Result<SigningKey> {
    fs::create_dir_all(state).with_context(|| format!("making {}", state.display()))?;
    Ok(SigningKey::from_seed(&*create_key(&state.join("key"), KeyProtection::Clear, rng)?))
}
