//! What an observer of all wires and disks, with all keys, writes down.

use std::collections::{BTreeMap, BTreeSet};

use aggregator_protocol::{
    AcceptedSet, AggregatorReply, AggregatorRequest, Refusal, RoundId, ScalarShares, SetEcho,
    SumCommitment,
};
use aggregator_round::{Outcome, ReceiptError};
use privacy_identity::{Digest, Signed, VerifyingKey};

use crate::fault::Party;

/// A well-formed update that its owner sealed.
#[derive(Debug, Clone)]
pub(crate) struct SealedFact {
    pub(crate) member: VerifyingKey,
    pub(crate) round: RoundId,
    /// The integers behind it.
    pub(crate) values: Vec<i64>,
    /// It does not open for somebody, or its proof does not hold.
    pub(crate) faulty: bool,
    /// Its tag is wrong, and nobody but its owner knows.
    pub(crate) tag_spoilt: bool,
}

/// The coordinator's signed word that it holds an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Promise {
    pub(crate) round: RoundId,
    pub(crate) member: VerifyingKey,
    pub(crate) update: Digest,
}

/// How a round ended for a member, as it proved to itself.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) member: usize,
    pub(crate) round: RoundId,
    pub(crate) update: Digest,
    /// Whether the coordinator had promised to hold the update.
    pub(crate) promised: bool,
    pub(crate) outcome: Result<Outcome, ReceiptError>,
}

/// A party's answer to a set: what it signed is among the commitments.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) party: Party,
    pub(crate) round: RoundId,
    pub(crate) set: AcceptedSet,
    pub(crate) share: Vec<u8>,
}

/// What one event brought. Invariants look at this, and at what was known before.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) promises: Vec<Promise>,
    pub(crate) commitments: Vec<(Party, SumCommitment)>,
    pub(crate) answered: Vec<Answered>,
    pub(crate) scalars: Vec<(Party, ScalarShares)>,
    pub(crate) echoes: Vec<(Party, SetEcho)>,
    pub(crate) challenges: Vec<(Party, RoundId, Digest)>,
    pub(crate) measured: Option<RoundId>,
    pub(crate) ended: Option<RoundId>,
    /// Rounds that the coordinator concluded, in memory and on disk.
    pub(crate) concluded: Vec<RoundId>,
    pub(crate) told: Vec<Told>,
    /// A member's check of a published sum found fault.
    pub(crate) disputes: Vec<(RoundId, String)>,
    /// The coordinator's machine or disk changed.
    pub(crate) coordinator: bool,
    pub(crate) contradictions: Vec<String>,
    /// A refused message changed something.
    pub(crate) changed_by_refusal: Vec<String>,
    /// Something was told before it was stored, or kept in memory only.
    pub(crate) unstored: Vec<String>,
    /// Bytes of an update were missed that no fault struck.
    pub(crate) missed: Vec<String>,
    /// A replay of a disk gave another machine than the one that died.
    pub(crate) restarts: Vec<String>,
}

/// What happened how often: so that no invariant was idle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Counts by name.
    pub counts: BTreeMap<&'static str, u64>,
}

impl Seen {
    pub(crate) fn add(&mut self, name: &'static str, count: u64) {
        *self.counts.entry(name).or_default() += count;
    }

    /// How often `name` happened.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    /// Adds what was seen in another run.
    pub fn merge(&mut self, other: &Self) {
        for (name, count) in &other.counts {
            self.add(name, *count);
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Witness {
    pub(crate) sealed: BTreeMap<Digest, SealedFact>,
    /// Promises of rounds that have not ended yet.
    pub(crate) promises: Vec<Promise>,
    pub(crate) commitments: BTreeMap<(RoundId, Party), SumCommitment>,
    pub(crate) scalars: BTreeMap<(RoundId, Party), ScalarShares>,
    pub(crate) echoed: BTreeMap<(RoundId, Party), Digest>,
    pub(crate) challenges: BTreeMap<(RoundId, Party), Digest>,
    /// The echoes themselves, as a thief would use them.
    pub(crate) echoes: Vec<Signed<SetEcho>>,
    /// Members whose part a party refused.
    pub(crate) refused_by_peers: BTreeSet<(RoundId, VerifyingKey)>,
    pub(crate) news: News,
    pub(crate) seen: Seen,
}

impl Witness {
    pub(crate) fn contradicted(&mut self, what: String) {
        self.news.contradictions.push(what);
    }

    pub(crate) fn refusal(&mut self, refusal: Refusal) {
        self.seen.add("refusals", 1);
        self.seen.add(refusal.name(), 1);
    }

    /// Notes what a party answered.
    pub(crate) fn answered(
        &mut self,
        party: Party,
        request: &AggregatorRequest,
        reply: &AggregatorReply,
    ) {
        match (request, reply) {
            (
                AggregatorRequest::Prepare { order, challenge, .. },
                AggregatorReply::Prepared { parts, .. },
            ) => {
                let round = order.unverified_body().grant.unverified_body().round;
                self.news.challenges.push((party, round, *challenge));
                let refused = parts.iter().filter(|part| part.held.is_err());
                self.seen.add("parts refused", refused.clone().count() as u64);
                self.refused_by_peers.extend(refused.map(|part| (round, part.member)));
            }
            (request, AggregatorReply::Sum { commitment, share }) => {
                self.news.commitments.push((party, commitment.unverified_body().clone()));
                if let AggregatorRequest::Sum { round, set, .. } = request {
                    let (round, set, share) = (*round, set.clone(), share.clone());
                    self.news.answered.push(Answered { party, round, set, share });
                }
            }
            (_, AggregatorReply::Scalars(shares)) => {
                self.news.scalars.push((party, shares.unverified_body().clone()));
            }
            (_, AggregatorReply::Agreed(echo)) => {
                self.news.echoes.push((party, *echo.unverified_body()));
                if !self.echoes.contains(echo) {
                    self.seen.add("echoes", 1);
                    self.echoes.push(echo.clone());
                }
            }
            (_, AggregatorReply::Refused { refusal, .. }) => self.refusal(*refusal),
            _ => {}
        }
    }

    /// Makes the event's news part of what is known.
    pub(crate) fn digest_news(&mut self, logged: impl Fn(RoundId) -> bool) {
        let news = std::mem::take(&mut self.news);
        for (party, body) in news.commitments {
            self.commitments.entry((body.round, party)).or_insert(body);
        }
        for (party, body) in news.scalars {
            self.scalars.entry((body.round, party)).or_insert(body);
        }
        for (party, body) in news.echoes {
            self.echoed.entry((body.round, party)).or_insert(body.set_root);
        }
        for (party, round, challenge) in news.challenges {
            self.challenges.entry((round, party)).or_insert(challenge);
        }
        for promise in news.promises {
            if !self.promises.contains(&promise) {
                self.promises.push(promise);
            }
        }
        if news.ended.is_some() {
            self.promises.retain(|promise| !logged(promise.round));
        }
    }
}
