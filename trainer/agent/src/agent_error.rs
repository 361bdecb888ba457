//! Why an agent stopped.

use std::{error::Error, io, path::Path};

use aggregator_network::{KeyFileError, LinkError, RequestError};
use aggregator_protocol::Refusal;
use aggregator_round::{MembershipError, OrderRefusal, TermsChange};
use datasets::SourceError;
use privacy_identity::{DecodeError, Digest, EnvelopeError};
use trainer_model::{DeviceError, ModelError, ModelWireError};

use crate::{HOLD_OUT_PERCENT_MAX, InvitationError, LABEL_BYTES_MAX};

/// Why an agent stopped. What heals by itself (an unreachable coordinator, a round that was aborted)
/// does not stop it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// The invitation cannot be used.
    #[error("the invitation cannot be used")]
    Invitation(#[from] InvitationError),
    /// The contributor's name is too long.
    #[error("the label has {got} bytes, at most {LABEL_BYTES_MAX} are allowed")]
    LabelTooLong {
        /// Its bytes.
        got: usize,
    },
    /// A file or directory of the agent's state cannot be used.
    #[error("cannot use {path}")]
    State {
        /// The path.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another agent runs on the same state.
    #[error(
        "another contributor is running on the state directory {path}: stop it, or name another \
         directory"
    )]
    StateInUse {
        /// The directory.
        path: String,
    },
    /// A file of the agent's state does not hold what the agent wrote there.
    #[error("{path} is damaged")]
    StateDamaged {
        /// The file.
        path: String,
        /// What is wrong.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The state belongs to another federation.
    #[error(
        "the state directory {path} belongs to federation {agreed}, the invitation is to \
         {invited}: name another directory"
    )]
    OtherFederation {
        /// The directory.
        path: String,
        /// The federation agreed to earlier.
        agreed: Digest,
        /// The invitation's.
        invited: Digest,
    },
    /// The identity cannot be read or made.
    #[error("no identity")]
    Key(#[from] KeyFileError),
    /// The data cannot be read.
    #[error("cannot read the data in {path}")]
    Data {
        /// The file or folder.
        path: String,
        /// Why.
        #[source]
        source: Box<SourceError>,
    },
    /// More of the data would be held out than may be.
    #[error("{got} % of the rows are to be held out, at most {HOLD_OUT_PERCENT_MAX} % can be")]
    HoldOut {
        /// The share asked for, in percent.
        got: u8,
    },
    /// The data are not a table as the terms describe it.
    #[error("the data in {path} do not fit the federation's terms")]
    Table {
        /// The file or folder.
        path: String,
        /// Where and why, and what to do.
        #[source]
        source: Box<SourceError>,
    },
    /// The link cannot be started.
    #[error("cannot start the link")]
    Link(#[from] LinkError),
    /// The coordinator cannot be asked, now or later.
    #[error("cannot ask the coordinator ({asked})")]
    Request {
        /// What for.
        asked: &'static str,
        /// Why.
        #[source]
        source: RequestError,
    },
    /// The coordinator's answer is not one.
    #[error("cannot read the coordinator's answer ({asked})")]
    Reply {
        /// What was asked for.
        asked: &'static str,
        /// Why.
        #[source]
        source: DecodeError,
    },
    /// The coordinator answered another question.
    #[error("the coordinator's answer does not belong to the question ({asked})")]
    ReplyUnexpected {
        /// What was asked for.
        asked: &'static str,
    },
    /// The coordinator refused.
    #[error("the coordinator refused ({asked})")]
    Refused {
        /// What was asked for.
        asked: &'static str,
        /// Why.
        #[source]
        source: Refusal,
    },
    /// The terms are not those that the invitation names.
    #[error(
        "the coordinator's terms are those of federation {got}, the invitation is to {invited}"
    )]
    TermsOther {
        /// The invitation's federation.
        invited: Digest,
        /// The digest of the terms that came.
        got: Digest,
    },
    /// The terms are not signed by the DAO node that they name.
    #[error("the terms are not signed by the DAO node that they name")]
    TermsUnsigned,
    /// The invitation leads to somebody else than the coordinator that the terms name.
    #[error("the terms name the coordinator {named}, the invitation leads to {invited}")]
    CoordinatorOther {
        /// The terms' coordinator.
        named: String,
        /// The peer of the invitation's address.
        invited: String,
    },
    /// The DAO node signed other terms than those that the owner agreed to: nothing is trained until the owner agrees to
    /// those, too.
    #[error(
        "the federation changed its terms, and you did not agree to that: {change}. Nothing was trained or sent under them, and \
         your data stay on this machine; to go on, agree to exactly these (sahakar trainer … --consent {})",
        .change.digest()
    )]
    TermsChanged {
        /// From what to what.
        change: Box<TermsChange>,
    },
    /// The terms that the owner agrees to now are not those that are offered.
    #[error(
        "you agree to the terms {agreed}, the coordinator offers {offered}: look at them again"
    )]
    ConsentOther {
        /// What the owner agrees to.
        agreed: Digest,
        /// What is offered, or was agreed to before.
        offered: Digest,
    },
    /// The terms ask for something that this build cannot do.
    #[error("the federation's terms cannot be met: unfit {part}")]
    TermsUnfit {
        /// Which part of them.
        part: &'static str,
        /// What is wrong with it.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The model is not one of the terms' architecture.
    #[error("the granted model cannot be used")]
    Model(#[from] ModelWireError),
    /// The device cannot be used.
    #[error("no device to train on")]
    Device(#[from] DeviceError),
    /// Training failed.
    #[error("training failed")]
    Training(#[from] ModelError),
    /// The update could not be sealed.
    #[error("the update cannot be sealed")]
    Sealing(#[source] OrderRefusal),
    /// The terms name a key to which nothing can be sealed.
    #[error(
        "the request to join cannot be sealed to the DAO node: its terms name a key that is none"
    )]
    Admission(#[source] EnvelopeError),
    /// The cohort cannot be gone on with.
    #[error("the cohort cannot be gone on with")]
    Cohort(#[source] MembershipError),
    /// The runtime is shutting down.
    #[error("the agent was stopped")]
    Stopped,
}

impl AgentError {
    /// Says which path of the state an operation failed on.
    pub(crate) fn state(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.display().to_string();
        |source| Self::State { path, source }
    }

    /// Says that a file of the state does not hold what it should.
    pub(crate) fn damaged<E>(path: &Path) -> impl FnOnce(E) -> Self + use<E>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let path = path.display().to_string();
        |source| Self::StateDamaged { path, source: source.into() }
    }

    /// Says which part of the terms cannot be met.
    pub(crate) fn unfit<E>(part: &'static str) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        move |source| Self::TermsUnfit { part, source: source.into() }
    }
}
