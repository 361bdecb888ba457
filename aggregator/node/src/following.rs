//! Following the terms that members vote for, without anybody's hand.
//!
//! ```text
//!   Voted { known } ──► DAO node ──► terms, evidence
//!        ▲                             │
//!        │ every two seconds           ▼
//!        └── TermsStand        vote checked? mine? as protective? ──no──► told once, served on as before
//!                                      │ yes
//!                                      ▼
//!                     between two rounds: stored at once with all that is forgotten; served from then on
//! ```
//!
//! **Threat.** A DAO node that signs terms for which nobody voted; one that serves terms again which were voted out; a vote
//! of others that makes this aggregator take part in what it was not asked about: it is an independent party, and what a
//! contributor relies on is that it holds sums to the terms *it* agreed to. So the vote is checked by evidence from the
//! ledger ([`Following::check`]), it must be a later one than the last that was followed, and terms that protect
//! contributors less in any part ([`Bearing::Weaker`]) are followed only if its operator named their digest. Each device
//! judges for itself besides, whatever its aggregators do (promise 7).

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use aggregator_network::{Address, Link};
use aggregator_protocol::{DaoReply, DaoRequest, FederationTerms, RoundId, from_wire, to_wire};
use aggregator_round::{AggregatorContext, Bearing, TermsChange, TermsChangeError};
use anyhow::{Context as _, bail};
use privacy_identity::{Digest, SealingKey, Signed, SigningKey};
use tokio::sync::watch;
use tracing::debug;

use crate::NodeEvent;

/// How often the DAO node is asked whether members voted for other terms, in milliseconds: a question of some hundred bytes.
const LOOK_MS: u64 = 2_000;

/// Which voted terms are followed by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FollowMode {
    /// Those that protect contributors as much in every part that can be judged.
    #[default]
    Protective,
    /// None: only those whose digest the operator names.
    Named,
}

/// Not a way to follow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{got:?} is none of protective, named")]
pub struct FollowModeError {
    got: String,
}

impl FromStr for FollowMode {
    type Err = FollowModeError;

    fn from_str(text: &str) -> Result<Self, FollowModeError> {
        match text {
            "protective" => Ok(Self::Protective),
            "named" => Ok(Self::Named),
            _ => Err(FollowModeError { got: text.to_owned() }),
        }
    }
}

impl fmt::Display for FollowMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Protective => "protective",
            Self::Named => "named",
        })
    }
}

/// Checks the evidence that members voted for terms, and returns the entry of the ledger from which on they are in force.
pub type VoteCheck = Arc<dyn Fn(&FederationTerms, &[u8]) -> anyhow::Result<u64> + Send + Sync>;

/// What an aggregator makes of terms that members voted for.
#[derive(Clone)]
pub struct Following {
    /// What it follows by itself.
    pub mode: FollowMode,
    /// Digests of terms that its operator agreed to, weaker or not.
    pub agreed: Vec<Digest>,
    /// Who reads the ledger for it.
    pub check: VoteCheck,
}

impl fmt::Debug for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mode, agreed, .. } = self;
        f.debug_struct("Following")
            .field("mode", mode)
            .field("agreed", agreed)
            .finish_non_exhaustive()
    }
}

/// Terms that this aggregator goes over to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Followed {
    pub(crate) terms: Signed<FederationTerms>,
    /// The entry of the ledger that put them in force.
    pub(crate) entry: u64,
    /// The newest round that was answered under the former ones, of another aggregator than the coordinator.
    pub(crate) answered: Option<RoundId>,
}

/// What is looked at to decide.
pub(crate) struct Stand<'a> {
    /// What is served now.
    pub(crate) context: &'a AggregatorContext,
    /// The entry that put these in force, if that was followed.
    pub(crate) since: Option<u64>,
    /// Whether the other aggregators of such terms can be reached.
    pub(crate) reaches: &'a dyn Fn(&FederationTerms) -> anyhow::Result<()>,
}

impl Following {
    /// Decides about offered terms.
    ///
    /// # Errors
    /// Why they are not followed, for the operator.
    pub(crate) fn decide(
        &self,
        stand: &Stand<'_>,
        offered: Signed<FederationTerms>,
        evidence: &[u8],
    ) -> anyhow::Result<Option<Followed>> {
        let change = match TermsChange::new(stand.context.terms(), offered) {
            Ok(change) => change,
            Err(TermsChangeError::Same) => return Ok(None),
            Err(other) => return Err(other.into()),
        };
        let body = change.offered().unverified_body();
        let entry = (self.check)(body, evidence).context("that members voted for them")?;
        if let Some(since) = stand.since
            && entry <= since
        {
            bail!(
                "entry {entry} put them in force, those served here are of entry {since}: they were voted out"
            );
        }
        let own = stand.context.signing();
        let (signing, sealing) =
            (SigningKey::from_seed(&own.seed()), SealingKey::derived_from(own));
        drop(AggregatorContext::new(body.clone(), signing, sealing)?);
        (stand.reaches)(body)?;
        if !self.agreed.contains(&change.digest()) {
            let by_hand = format!("start it with --agree {} to follow them", change.digest());
            if self.mode == FollowMode::Named {
                bail!("its operator follows by hand; {change}; {by_hand}");
            }
            if let Some(weaker) = change.text_of(Bearing::Weaker) {
                bail!("they protect contributors less: {weaker}; {by_hand}");
            }
        }
        Ok(Some(Followed { terms: change.offered().clone(), entry, answered: None }))
    }
}

/// Looks for voted terms until there are some to follow, which `next` gets. May be dropped at any time.
pub(crate) async fn look(
    (link, dao): (Link, Address),
    following: Following,
    stand: Stand<'_>,
    events: impl Fn(NodeEvent),
) -> Followed {
    let known = stand.context.terms().id();
    let question = to_wire(&DaoRequest::Voted { known });
    let mut told = None;
    loop {
        tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
        // Who does not answer is asked again, and an unanswered grant says so already.
        let Ok(answer) = link.request(&dao, question.clone()).await else { continue };
        let (terms, evidence) = match from_wire(&answer) {
            Ok(DaoReply::Voted { terms, evidence }) => (*terms, evidence),
            Ok(DaoReply::TermsStand) => continue,
            other => {
                debug!("the DAO node says nothing of voted terms: {other:?}");
                continue;
            }
        };
        let offered = terms.unverified_body().id();
        match following.decide(&stand, terms, &evidence) {
            Ok(Some(followed)) => return followed,
            Ok(None) => {}
            Err(error) => {
                let reason = format!("{error:#}");
                if told.as_ref() != Some(&(offered, reason.clone())) {
                    events(NodeEvent::TermsNotFollowed { offered, reason: reason.clone() });
                    told = Some((offered, reason));
                }
            }
        }
    }
}

/// The terms to go over to, as soon as there are any.
pub(crate) type Next = watch::Receiver<Option<Followed>>;

#[cfg(test)]
pub(crate) mod tests;
