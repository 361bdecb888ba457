//! A member's way into the cohort, and what it does there: founds, admits, removes, hands over.
//!
//! ```text
//!   Candidate ─ offer ─→ delivery            Candidate ─ welcome ─→ Member
//!   Candidate ─ nobody has founded ─→ Founding ─ its commit was first ─→ Member
//!                                              ─ another's was ─→ Candidate
//!   Member: takes commits in the delivery's order; admits who offers and is on the DAO's list, removes
//!           who is no longer on it; hands the DAO node the key of models of a new epoch
//! ```
//!
//! The lowest key acts at once, each next one a while later: so it goes on if somebody is away, and two
//! that act at once do no harm, as the first commit of an epoch wins.
//!
//! Pure: the shell asks ([`Membership::question`]), gives the answer ([`Membership::take`]), stores the
//! state if it changed, and only then sends what it is told to send.

mod candidates;
mod error;
mod stored;

use aggregator_protocol::{
    CohortEpoch, CohortNews, CohortRequest, CohortTerms, FederationTerms, KeyHandOver, ModelOffer,
    Roster, RoundGrant, RoundId, Welcome, checked_roster,
};
use aggregator_strategy::CohortRule;
use privacy_cohort::{
    AllowList, Candidate, Cohort, CohortIdentity, EpochAuthenticator, KeyPackage, ModelContext,
    OutgoingCommit, SealedModel,
};
use privacy_identity::{
    Decode as _, Digest, SealingPublicKey, Signed, SigningKey, Tag, VerifyingKey,
};
use rand::CryptoRng;

pub use error::MembershipError;

use self::candidates::{admit, candidates_of, offers};
use crate::RoundSecret;

/// How much later each next member acts if those before it do not, in milliseconds: some polls.
const PATIENCE_MS: u64 = 2_000;
/// How long a key package is good for, in seconds: a year. Offers lie with the delivery for
/// seconds; a welcome is used once.
const PACKAGE_SECONDS: u64 = 365 * 24 * 60 * 60;

/// The time, as the shell reads it.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Milliseconds since any moment, never decreasing.
    pub monotonic_ms: u64,
    /// Seconds since 1970.
    pub unix_s: u64,
}

/// What came of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Whether the state changed: it is stored before `request` is sent.
    pub changed: bool,
    /// What to send next; nothing: ask again after a while.
    pub request: Option<CohortRequest>,
    /// What was refused on the way, for people; nothing changed by it.
    pub refused: Option<MembershipError>,
}

#[expect(clippy::large_enum_variant, reason = "there is one per process")]
enum Standing {
    Candidate(Candidate),
    Founding(Candidate, Cohort),
    Member(Cohort),
    /// Removed from the cohort, or between two others.
    Outside,
}

/// One member's part in the cohort of its federation.
pub struct Membership {
    federation: Digest,
    dao_node: VerifyingKey,
    /// Whether only some members are invited to a round.
    draws: bool,
    dao_sealing: SealingPublicKey,
    signing: SigningKey,
    standing: Standing,
    /// The newest list that was seen.
    roster: Option<Roster>,
    /// What there is to do, and since when.
    waiting: Option<(u64, Duty, u64)>,
    /// The epoch that this member's own commit began.
    began: Option<u64>,
    /// Whom the pending commit adds, in increasing order.
    adding: Vec<VerifyingKey>,
}

/// What somebody has to do in an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Duty {
    Found,
    Change,
    HandOver,
}

impl Membership {
    /// A candidate that has done nothing yet.
    ///
    /// # Errors
    /// [`MembershipError::Absent`].
    pub fn begin(
        terms: &FederationTerms,
        key: &SigningKey,
        now: Now,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, MembershipError> {
        let mut membership = Self::outside(terms, key)?;
        let until = now.unix_s.saturating_add(PACKAGE_SECONDS);
        let identity = CohortIdentity::new(key);
        let candidate = Candidate::new(identity, membership.federation, until, rng)?;
        membership.standing = Standing::Candidate(candidate);
        Ok(membership)
    }

    fn outside(terms: &FederationTerms, key: &SigningKey) -> Result<Self, MembershipError> {
        let CohortTerms::Mls { dao_sealing } = terms.cohort else {
            return Err(MembershipError::Absent);
        };
        Ok(Self {
            federation: terms.id(),
            dao_node: terms.dao_node,
            draws: terms.sampling != CohortRule::Everybody
                || terms.buffer.is_some()
                || terms.groups.is_some(),
            dao_sealing,
            signing: SigningKey::from_seed(&key.seed()),
            standing: Standing::Outside,
            roster: None,
            waiting: None,
            began: None,
            adding: Vec::new(),
        })
    }

    /// What to ask the delivery.
    #[must_use]
    pub fn question(&self) -> CohortRequest {
        let epoch = match &self.standing {
            Standing::Candidate(_) | Standing::Outside => None,
            Standing::Founding(_, cohort) | Standing::Member(cohort) => Some(cohort.epoch()),
        };
        CohortRequest::Sync { epoch }
    }

    /// The epoch and the members, once this is one.
    #[must_use]
    pub fn state(&self) -> Option<(CohortEpoch, Vec<VerifyingKey>)> {
        let cohort = self.cohort().ok()?;
        Some((epoch_of(cohort), cohort.roster().into_iter().collect()))
    }

    fn cohort(&self) -> Result<&Cohort, MembershipError> {
        match &self.standing {
            Standing::Member(cohort) => Ok(cohort),
            _ => Err(MembershipError::Outside),
        }
    }

    /// Takes the delivery's answer to [`Membership::question`] and says what to do.
    ///
    /// # Errors
    /// [`MembershipError::Roster`], [`MembershipError::Behind`]: nothing changed.
    pub fn take(
        &mut self,
        news: &CohortNews,
        now: Now,
        rng: &mut impl CryptoRng,
    ) -> Result<Taken, MembershipError> {
        let listed = self.see(&news.roster)?;
        match std::mem::replace(&mut self.standing, Standing::Outside) {
            Standing::Candidate(candidate) => self.as_candidate(candidate, news, &listed, now, rng),
            Standing::Founding(candidate, cohort) => {
                Ok(self.as_founder(candidate, cohort, news, &listed))
            }
            Standing::Member(cohort) => self.as_member(cohort, news, &listed, now, rng),
            Standing::Outside => Ok(Taken::default()),
        }
    }

    /// Keeps the DAO node's newest list.
    fn see(&mut self, signed: &Signed<Roster>) -> Result<AllowList, MembershipError> {
        let roster = checked_roster(signed, &self.federation, &self.dao_node)
            .map_err(|_source| MembershipError::Roster)?;
        let newest = self.roster.as_ref().map_or(0, |roster| roster.version);
        if roster.version < newest {
            return Err(MembershipError::Roster);
        }
        self.roster = Some(roster.clone());
        Ok(AllowList::new(roster.members.iter().copied()))
    }

    fn as_candidate(
        &mut self,
        candidate: Candidate,
        news: &CohortNews,
        listed: &AllowList,
        now: Now,
        rng: &mut impl CryptoRng,
    ) -> Result<Taken, MembershipError> {
        let mut candidate = candidate;
        let mut refused = None;
        if let Some(welcome) = &news.welcome {
            match Cohort::join(candidate, welcome, listed) {
                Ok(cohort) => {
                    self.standing = Standing::Member(cohort);
                    let request = Some(self.question());
                    return Ok(Taken { changed: true, request, refused: None });
                }
                Err(back) => {
                    candidate = back.candidate;
                    refused = Some(MembershipError::Cohort(back.error));
                }
            }
        }
        let me = self.signing.verifying_key();
        let package = candidate.key_package().as_mls_bytes().to_vec();
        if !news.offers.iter().any(|(member, offer)| *member == me && *offer == package) {
            self.standing = Standing::Candidate(candidate);
            let request = Some(CohortRequest::Offer { package });
            return Ok(Taken { changed: false, request, refused });
        }
        let others = offers(news, |member| *member != me && listed.contains(member));
        let rank = news.offers.iter().filter(|(member, _)| *member < me).count();
        let due = news.epoch == 0 && !others.is_empty() && self.due(0, Duty::Found, rank, now);
        if !due {
            self.standing = Standing::Candidate(candidate);
            return Ok(Taken { changed: false, request: None, refused });
        }
        let founded = self.found(&others, listed, now, rng);
        let cohort = match founded {
            Ok(founded) => founded,
            Err(error) => {
                self.standing = Standing::Candidate(candidate);
                return Ok(Taken { changed: false, request: None, refused: Some(error) });
            }
        };
        let request = self.resend(&cohort);
        self.standing = Standing::Founding(candidate, cohort);
        Ok(Taken { changed: true, request, refused })
    }

    fn found(
        &mut self,
        others: &[(VerifyingKey, KeyPackage)],
        listed: &AllowList,
        now: Now,
        rng: &mut impl CryptoRng,
    ) -> Result<Cohort, MembershipError> {
        let identity = CohortIdentity::new(&self.signing);
        let mut cohort = Cohort::found(identity, self.federation, listed, rng)?;
        self.adding = admit(&mut cohort, others, listed, now, rng)?;
        Ok(cohort)
    }

    /// The first commit says who founded.
    fn as_founder(
        &mut self,
        candidate: Candidate,
        cohort: Cohort,
        news: &CohortNews,
        listed: &AllowList,
    ) -> Taken {
        let mut cohort = cohort;
        let own = cohort.pending().map(|pending| pending.commit.clone());
        if news.epoch == 0 {
            let request = self.resend(&cohort);
            self.standing = Standing::Founding(candidate, cohort);
            return Taken { changed: false, request, refused: None };
        }
        let Some(first) = news.commits.first().filter(|first| Some(*first) == own.as_ref()) else {
            self.standing = Standing::Candidate(candidate);
            let request = Some(self.question());
            return Taken { changed: true, request, refused: None };
        };
        match cohort.process(first, listed) {
            Ok(change) => {
                self.began = Some(change.epoch);
                self.standing = Standing::Member(cohort);
                Taken { changed: true, request: Some(self.question()), refused: None }
            }
            Err(error) => {
                self.standing = Standing::Founding(candidate, cohort);
                Taken { refused: Some(error.into()), ..Taken::default() }
            }
        }
    }

    fn as_member(
        &mut self,
        cohort: Cohort,
        news: &CohortNews,
        listed: &AllowList,
        now: Now,
        rng: &mut impl CryptoRng,
    ) -> Result<Taken, MembershipError> {
        let mut cohort = cohort;
        let (mut changed, mut refused) = (false, None);
        let me = self.signing.verifying_key();
        for commit in &news.commits {
            match cohort.process(commit, listed) {
                Ok(change) if change.removed.contains(&me) => {
                    return Ok(Taken { changed: true, request: None, refused: None });
                }
                Ok(change) => {
                    self.began = (change.committer == me).then_some(change.epoch);
                    changed = true;
                }
                Err(error) => {
                    refused = Some(MembershipError::Cohort(error));
                    break;
                }
            }
        }
        let (ours, theirs) = (cohort.epoch(), news.epoch);
        let mut request = None;
        let mut error = None;
        if ours < theirs && !changed && refused.is_none() {
            error = Some(MembershipError::Behind { ours, theirs });
        } else if ours < theirs && refused.is_none() {
            request = Some(CohortRequest::Sync { epoch: Some(ours) });
        } else if ours == theirs {
            match self.duty(&mut cohort, news, listed, now, rng) {
                Ok((committed, next)) => (changed, request) = (changed || committed, next),
                Err(error) => refused = Some(error),
            }
        }
        self.standing = Standing::Member(cohort);
        error.map_or(Ok(Taken { changed, request, refused }), Err)
    }

    /// What this member has to do in the newest epoch, if it is its turn: whether it made a commit, and
    /// what it sends.
    fn duty(
        &mut self,
        cohort: &mut Cohort,
        news: &CohortNews,
        listed: &AllowList,
        now: Now,
        rng: &mut impl CryptoRng,
    ) -> Result<(bool, Option<CohortRequest>), MembershipError> {
        let candidates = candidates_of(news, listed, cohort);
        if cohort.pending().is_some() {
            return Ok((false, self.resend(cohort)));
        }
        let (me, epoch) = (self.signing.verifying_key(), cohort.epoch());
        let roster = cohort.roster();
        let gone = roster.iter().filter(|member| !listed.contains(member)).copied().collect();
        let staying = roster.iter().filter(|member| listed.contains(member));
        let rank = staying.take_while(|member| **member < me).count();
        let gone: std::collections::BTreeSet<VerifyingKey> = gone;
        if gone.is_empty() && candidates.is_empty() {
            let first = self.began == Some(epoch);
            let rank = if first { 0 } else { rank + 1 };
            let due = news.handed != Some(epoch) && self.due(epoch, Duty::HandOver, rank, now);
            let request = due.then(|| self.hand_over_of(cohort, rng)).transpose()?;
            return Ok((false, request));
        }
        if gone.contains(&me) || !self.due(epoch, Duty::Change, rank, now) {
            return Ok((false, None));
        }
        if gone.is_empty() {
            self.adding = admit(cohort, &candidates, listed, now, rng)?;
        } else {
            cohort.remove(&gone, listed, rng)?;
            self.adding = Vec::new();
        }
        Ok((true, self.resend(cohort)))
    }

    /// The pending commit, once more if its answer was lost.
    fn resend(&self, cohort: &Cohort) -> Option<CohortRequest> {
        let OutgoingCommit { commit, welcome } = cohort.pending()?.clone();
        let members = self.adding.clone();
        let welcome = welcome.map(|message| Welcome { members, message });
        Some(CohortRequest::Commit { epoch: cohort.epoch(), commit, welcome })
    }

    /// Whether it is the turn of the member with this rank, counted from when the duty was first seen.
    fn due(&mut self, epoch: u64, duty: Duty, rank: usize, now: Now) -> bool {
        let since = match self.waiting {
            Some((of, what, since)) if of == epoch && what == duty => since,
            _ => now.monotonic_ms,
        };
        self.waiting = Some((epoch, duty, since));
        let patience = PATIENCE_MS.saturating_mul(rank as u64);
        let due = now.monotonic_ms >= since.saturating_add(patience);
        if due {
            // The next attempt, if this one leads nowhere, is a while later.
            self.waiting = Some((epoch, duty, now.monotonic_ms.saturating_add(PATIENCE_MS)));
        }
        due
    }

    /// The key of models for the DAO node, sealed to it and signed.
    ///
    /// # Errors
    /// [`MembershipError::Outside`].
    pub fn hand_over(&self, rng: &mut impl CryptoRng) -> Result<CohortRequest, MembershipError> {
        self.hand_over_of(self.cohort()?, rng)
    }

    fn hand_over_of(
        &self,
        cohort: &Cohort,
        rng: &mut impl CryptoRng,
    ) -> Result<CohortRequest, MembershipError> {
        let epoch = epoch_of(cohort);
        let associated = KeyHandOver::associated(&self.federation, &epoch);
        let key = cohort.broadcast_key()?;
        let key = self.dao_sealing.seal(Tag::ModelKeyEnvelope, &associated, key.expose(), rng)?;
        let roster = cohort.roster().into_iter().collect();
        let body = KeyHandOver { federation: self.federation, cohort: epoch, roster, key };
        Ok(CohortRequest::HandKey(Box::new(Signed::new(body, Tag::KeyHandOver, &self.signing))))
    }

    /// Whether the round of `grant` is for this member's cohort: the same members, the same epoch, the
    /// same history. It trains only if so.
    ///
    /// Threat: a coordinator that shows members different cohorts, or a DAO node that pads the cohort of
    /// a grant with puppets that no member let in.
    ///
    /// # Errors
    /// What differs.
    pub fn agrees(&self, grant: &RoundGrant) -> Result<(), MembershipError> {
        let CohortEpoch { epoch, authenticator } =
            grant.cohort_epoch.ok_or(MembershipError::Unsealed)?;
        let authenticator = EpochAuthenticator::from_bytes(authenticator);
        let cohort = self.cohort()?;
        // Threat: a DAO node that invites puppets. Where only some are drawn, they are drawn from the members.
        let roster = cohort.roster();
        let drawn = self.draws && grant.cohort.iter().all(|member| roster.contains(member));
        let theirs = if drawn { roster.into_iter().collect() } else { grant.cohort.clone() };
        Ok(cohort.agrees(&theirs, epoch, authenticator)?)
    }

    /// Opens the model of the round of `grant`.
    ///
    /// # Errors
    /// [`MembershipError::Model`], [`MembershipError::Unsealed`], [`MembershipError::Outside`].
    pub fn open_model(
        &self,
        grant: &RoundGrant,
        sealed: &[u8],
    ) -> Result<Vec<u8>, MembershipError> {
        let sealed =
            SealedModel::from_bytes(sealed).map_err(|_source| MembershipError::Unsealed)?;
        let context = ModelContext { round: grant.round.0, model: grant.model };
        Ok(self.cohort()?.broadcast_key()?.open(&sealed, &context)?)
    }

    /// Opens a model that is offered.
    ///
    /// # Errors
    /// As [`Membership::open_model`]: also if this member is in another epoch than the offer's.
    pub fn open_offered(
        &self,
        offer: &ModelOffer,
        sealed: &[u8],
    ) -> Result<Vec<u8>, MembershipError> {
        let sealed =
            SealedModel::from_bytes(sealed).map_err(|_source| MembershipError::Unsealed)?;
        let context = ModelContext { round: offer.version, model: offer.model };
        Ok(self.cohort()?.broadcast_key()?.open(&sealed, &context)?)
    }

    /// The cohort's secret of the tags of `round`. It never leaves a member.
    ///
    /// # Errors
    /// [`MembershipError::Outside`].
    pub fn round_secret(&self, round: RoundId) -> Result<RoundSecret, MembershipError> {
        let key = self.cohort()?.tag_key(round.0)?;
        Ok(RoundSecret::from_bytes(key.expose()))
    }
}

impl std::fmt::Debug for Membership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Membership(of {})", self.signing.verifying_key())
    }
}

fn epoch_of(cohort: &Cohort) -> CohortEpoch {
    CohortEpoch { epoch: cohort.epoch(), authenticator: *cohort.authenticator().as_bytes() }
}
