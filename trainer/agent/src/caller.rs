//! Questions to the coordinator, asked until they are answered.

use std::time::Duration;

use aggregator_network::{Limits, Link, LinkConfig, RequestError};
use aggregator_protocol::{
    ContributorReply, ContributorRequest, FederationTerms, Refusal, RoundId, from_wire, to_wire,
};
use aggregator_round::message_bytes_max;
use privacy_identity::Digest;
use zeroize::Zeroizing;

use crate::{
    AgentError,
    absence::{Absence, Listener},
    backoff,
    backoff::Backoff,
    sent_log::SentLog,
    ways::Ways,
};

/// Longest message before the terms are known, in bytes. The longest terms have 15 MB; a model of
/// four million parameters fits as well, and more is allowed only to terms that name one.
const MESSAGE_BYTES: usize = 16 << 20;
/// Time for an exchange besides what its bytes take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// The slowest line on which an exchange is waited for, in bytes a second.
const BYTES_PER_SECOND_MIN: usize = 128 << 10;

/// What the owner is told of a coordinator that answers nothing but that.
const NOT_READY: &str = "it answers that it is not ready for this question";

/// What is asked of the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// The terms.
    Terms,
    /// To be admitted.
    Join,
    /// An order.
    Fetch,
    /// To take an update.
    Submit,
    /// How a round ended.
    Receipt,
    /// What a custodian answers.
    Custody,
    /// Something of the cohort's delivery.
    Cohort,
    /// The sum of a round.
    Sum,
    /// What the values of a round follow from.
    Values,
    /// A model to train from.
    Model,
    /// That it was trained from.
    Trained,
}

impl Question {
    /// Its name in the log of what was sent.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Terms => "terms",
            Self::Join => "join",
            Self::Fetch => "fetch",
            Self::Submit => "submit",
            Self::Receipt => "receipt",
            Self::Custody => "custody",
            Self::Cohort => "cohort",
            Self::Sum => "sum",
            Self::Values => "values",
            Self::Model => "model",
            Self::Trained => "trained",
        }
    }

    /// The error of an answer that belongs to another question, or of a refusal.
    pub(crate) const fn unanswered(self, reply: &ContributorReply) -> AgentError {
        let asked = self.name();
        match reply {
            ContributorReply::Refused(source) => AgentError::Refused { asked, source: *source },
            _ => AgentError::ReplyUnexpected { asked },
        }
    }
}

/// The way to one coordinator.
pub(crate) struct Caller {
    link: Link,
    ways: Ways,
    /// Gets each link that is started.
    linked: Box<dyn Fn(Link) + Send + Sync>,
    sent: SentLog,
    /// Whether the coordinator answered before: then somebody else at its address is a passing evil.
    reached: bool,
    /// Whether it was away since somebody asked: it may have come back with something else.
    interrupted: bool,
    /// What the owner is told of that.
    absence: Absence,
}

impl Caller {
    /// Starts a link that only asks. Needs a runtime; connects with the first question.
    ///
    /// * `listener` — is told when the coordinator does not answer, and when it does again; without one the log is.
    pub(crate) async fn start(
        secret: Zeroizing<[u8; 32]>,
        ways: Ways,
        linked: impl Fn(Link) + Send + Sync + 'static,
        sent: SentLog,
        listener: Option<Listener>,
    ) -> Result<Self, AgentError> {
        let link = start_link(secret, MESSAGE_BYTES).await?;
        ways.teach(&link).await;
        linked(link.clone());
        Ok(Self {
            link,
            ways,
            linked: Box::new(linked),
            sent,
            reached: false,
            interrupted: false,
            absence: Absence::new(listener),
        })
    }

    /// Whether the coordinator was away since this was asked last.
    pub(crate) const fn take_interrupted(&mut self) -> bool {
        std::mem::replace(&mut self.interrupted, false)
    }

    /// Allows longer messages if the terms' model needs them.
    pub(crate) async fn fit(
        &mut self,
        secret: Zeroizing<[u8; 32]>,
        terms: &FederationTerms,
    ) -> Result<(), AgentError> {
        let needed = message_bytes_max(terms);
        if needed > MESSAGE_BYTES {
            let wider = start_link(secret, needed).await?;
            self.ways.teach(&wider).await;
            (self.linked)(wider.clone());
            std::mem::replace(&mut self.link, wider).shutdown().await;
        }
        Ok(())
    }

    /// Asks, again and again until there is an answer. The future may be dropped.
    ///
    /// A coordinator that asks to come back later is asked again later, except where that is an
    /// answer ([`Question::Fetch`], [`Question::Model`]).
    pub(crate) async fn ask(
        &mut self,
        question: Question,
        request: &ContributorRequest,
    ) -> Result<ContributorReply, AgentError> {
        self.ask_wire(question, &to_wire(request), None).await
    }

    /// As [`Caller::ask`], with a request that is encoded already.
    ///
    /// * `sealed` — the round and digest of the update that it carries, if it does.
    pub(crate) async fn ask_wire(
        &mut self,
        question: Question,
        wire: &[u8],
        sealed: Option<(RoundId, Digest)>,
    ) -> Result<ContributorReply, AgentError> {
        let mut backoff = Backoff::for_connection();
        loop {
            match self.exchange(question, wire, sealed).await? {
                ContributorReply::Wait { retry_ms }
                    if !matches!(question, Question::Fetch | Question::Model) =>
                {
                    self.absence.ended();
                    backoff::wait(retry_ms).await;
                }
                // A coordinator that is just starting, or between two states.
                ContributorReply::Refused(Refusal::Unexpected) if question != Question::Submit => {
                    let pause = backoff.delay();
                    self.absence.missed(question.name(), NOT_READY, pause);
                    tokio::time::sleep(pause).await;
                }
                reply => {
                    self.absence.ended();
                    return Ok(reply);
                }
            }
        }
    }

    /// Has one answer, whatever it is.
    async fn exchange(
        &mut self,
        question: Question,
        wire: &[u8],
        sealed: Option<(RoundId, Digest)>,
    ) -> Result<ContributorReply, AgentError> {
        let asked = question.name();
        let mut backoff = Backoff::for_connection();
        let mut noted = false;
        loop {
            if !noted {
                let to = self.ways.coordinator.peer();
                self.sent.record((to, question), wire, sealed)?;
            }
            match self.link.request(&self.ways.coordinator, wire.to_vec()).await {
                Ok(answer) => {
                    self.reached = true;
                    let reply = from_wire(&answer);
                    return reply.map_err(|source| AgentError::Reply { asked, source });
                }
                Err(source) if is_final(&source, self.reached) => {
                    return Err(AgentError::Request { asked, source });
                }
                Err(error) => {
                    tracing::debug!(asked, error = %error, "coordinator did not answer: {error}");
                    // The next attempt is another message, unless this one never left.
                    noted = stayed_here(&error);
                    self.interrupted = true;
                    let pause = backoff.delay();
                    self.absence.missed(asked, &said(&error), pause);
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
}

async fn start_link(secret: Zeroizing<[u8; 32]>, message_bytes: usize) -> Result<Link, AgentError> {
    let bytes_max = u32::try_from(message_bytes).expect("at most MESSAGE_BYTES_MAX");
    let transfer = Duration::from_secs((message_bytes / BYTES_PER_SECOND_MIN) as u64);
    let limits = Limits {
        request_bytes_max: bytes_max,
        response_bytes_max: bytes_max,
        // Nobody asks a contributor anything; the inbox is dropped, and requests with it.
        inbound_requests_max: 1,
        connections_max: 8,
        request_timeout: REQUEST_TIMEOUT + transfer,
        ..Limits::default()
    };
    let (link, _inbox) = Link::start(LinkConfig { secret, listen: Vec::new(), limits }).await?;
    Ok(link)
}

/// Whether asking again cannot help.
const fn is_final(error: &RequestError, reached: bool) -> bool {
    match error {
        RequestError::WrongPeer { .. } => !reached,
        error => error.is_final(),
    }
}

/// The error with its causes, for the owner. The address in it is the invitation's own, and what the owner has to look at.
fn said(error: &RequestError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Whether the message certainly did not leave.
const fn stayed_here(error: &RequestError) -> bool {
    matches!(error, RequestError::Unreachable { .. } | RequestError::WrongPeer { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_at_the_address_is_final_only_before_the_first_answer() {
        let key = |seed| aggregator_network::PeerKey::from_secret(&[seed; 32]);
        let error = RequestError::WrongPeer { expected: key(1), got: key(2) };
        assert!(is_final(&error, false));
        assert!(!is_final(&error, true));
        assert!(!is_final(&RequestError::Disconnected, false));
    }
}
