//! What is kept of a round under way, and of one that ended.

use std::{fs, io};

use aggregator_protocol::RoundId;
use aggregator_round::{ContributorReceipt, OwnShares, RoundSecret, ShareDisclosure};
use privacy_identity::Encode as _;
use zeroize::Zeroizing;

use super::StateDir;
use crate::{
    AgentError,
    private_file::{create_dir, replace, sync_dir},
};

const TAG: &str = "tag.bin";
const SHARES: &str = "shares.bin";
const RECEIPTS: &str = "receipts";

impl StateDir {
    /// The cohort's secret of `round`, if it is the one that is kept.
    pub(crate) fn round_secret(&self, round: RoundId) -> Result<Option<RoundSecret>, AgentError> {
        let bytes = self.bytes(TAG)?;
        let Some((number, secret)) = bytes.as_ref().and_then(|bytes| bytes.split_first_chunk())
        else {
            return Ok(None);
        };
        let secret: Option<&[u8; 32]> = secret.try_into().ok();
        let same = u64::from_be_bytes(*number) == round.0;
        Ok(secret.filter(|_| same).map(RoundSecret::from_bytes))
    }

    /// Keeps the cohort's secret of `round` until its sum was checked. The directory is its owner's alone.
    pub(crate) fn store_round_secret(
        &self,
        round: RoundId,
        secret: &RoundSecret,
    ) -> Result<(), AgentError> {
        let mut bytes = Zeroizing::new(round.0.to_be_bytes().to_vec());
        bytes.extend_from_slice(secret.expose());
        let path = self.path.join(TAG);
        replace(&self.path, &path, &bytes).map_err(AgentError::state(&path))
    }

    /// Deletes what was kept of a round that ended: its secret, and the parts of the update.
    pub(crate) fn forget_round(&self) -> Result<(), AgentError> {
        [TAG, SHARES].into_iter().try_for_each(|name| self.remove(name))
    }

    /// The parts of the update of `round`, if they are kept: where they are until its values were checked, or set aside as
    /// disputed, after a crash before that was told.
    pub(crate) fn own_shares(&self, round: RoundId) -> Result<Option<OwnShares>, AgentError> {
        let of_round = |own: &OwnShares| own.binding().round == round.0;
        let own: Option<OwnShares> = self.load(SHARES)?;
        match own.filter(of_round) {
            Some(own) => Ok(Some(own)),
            None => {
                let disputed: Option<OwnShares> = self.load(&disputed_shares(round))?;
                Ok(disputed.filter(of_round))
            }
        }
    }

    /// Keeps the parts of an update until its values were checked. The directory is its owner's alone.
    pub(crate) fn store_own_shares(&self, own: &OwnShares) -> Result<(), AgentError> {
        let path = self.path.join(SHARES);
        let bytes = Zeroizing::new(own.to_bytes());
        replace(&self.path, &path, &bytes).map_err(AgentError::state(&path))
    }

    /// Keeps the parts of an update whose values are disputed, for the day on which a judge asks for one.
    pub(crate) fn keep_disputed_shares(&self, round: RoundId) -> Result<(), AgentError> {
        let dir = self.path.join(RECEIPTS);
        create_dir(&dir).map_err(AgentError::state(&dir))?;
        let path = self.path.join(SHARES);
        let kept = match fs::rename(&path, self.path.join(disputed_shares(round))) {
            // Set aside before, by a run that a crash ended.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            kept => kept,
        };
        kept.and_then(|()| sync_dir(&dir)).map_err(AgentError::state(&path))
    }

    /// Keeps what proves to the DAO node that a party lied about this member's update: `receipts/<round>.disclosure`, for
    /// its eyes alone. Whoever has it and all other parts has the update.
    pub(crate) fn keep_disclosure(
        &self,
        round: RoundId,
        disclosure: &ShareDisclosure,
    ) -> Result<(), AgentError> {
        let dir = self.path.join(RECEIPTS);
        create_dir(&dir).map_err(AgentError::state(&dir))?;
        let path = dir.join(format!("{round}.disclosure"));
        let bytes = Zeroizing::new(disclosure.to_bytes());
        replace(&dir, &path, &bytes).map_err(AgentError::state(&path))
    }

    /// Keeps the record of a counted round.
    pub(crate) fn store_receipt(
        &self,
        round: RoundId,
        receipt: &ContributorReceipt,
    ) -> Result<(), AgentError> {
        let dir = self.path.join(RECEIPTS);
        create_dir(&dir).map_err(AgentError::state(&dir))?;
        let path = dir.join(format!("{round}.bin"));
        replace(&dir, &path, &receipt.to_bytes()).map_err(AgentError::state(&path))
    }
}

/// Where the parts of an update lie whose values are disputed.
fn disputed_shares(round: RoundId) -> String {
    format!("{RECEIPTS}/{round}.shares")
}
