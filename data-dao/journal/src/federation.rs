//! A federation as the log has made it.

use std::collections::BTreeMap;

use data_dao_governance::{Accused, Licence, PrivacyPolicy};
use privacy_identity::{Digest, VerifyingKey};

use crate::{Challenge, FederationOpened, SafeguardsSet, Standing};

/// A member of a federation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// What the member wants to be called.
    pub label: String,
    /// The entry that admitted the member.
    pub index: u64,
}

/// A round in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenRound {
    /// The round's number.
    pub round: u64,
    /// The model it starts from.
    pub model: Digest,
    /// How many contributors are invited.
    pub cohort_size: u32,
    /// Credits of the round, as they were when it opened.
    pub budget: u128,
    /// What it adds to the privacy loss, in millionths of ε, if noise is added.
    pub epsilon_micro: Option<u64>,
    /// The entry that opened it.
    pub index: u64,
    /// The entry that last weakened the policy before: only who consented since takes part.
    pub consent_from: u64,
    /// The terms that were in force: those of the policy. The round is theirs, whatever is voted while it runs.
    pub terms: Digest,
}

/// A round that ended with a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettledRound {
    /// The round's number.
    pub round: u64,
    /// The entry that settled it.
    pub index: u64,
    /// The first entry of the settlement: the same, or the head of its parts.
    pub first_index: u64,
    /// The terms that were in force when it was opened: its receipt has to be of these.
    pub terms: Digest,
    /// How much innovation qualified for its pay, in parts per hundred of the cohort's median.
    pub novelty_percent: u32,
    /// The new model.
    pub model_after: Digest,
    /// Accuracy on the test set in millionths.
    pub test_accuracy_ppm: Option<u32>,
    /// Loss on the test set in millionths.
    pub test_loss_micro: u64,
    /// How many took part.
    pub participants: u32,
    /// How many were invited and did not deliver.
    pub dropped: u32,
    /// Credits announced; paid unless they were voided.
    pub credits: u128,
    /// What became of them.
    pub pay: PayProgress,
    /// Privacy loss of the federation's rounds so far, this one included, in millionths of ε; absent: unbounded.
    pub epsilon_micro: Option<u64>,
}

/// What became of a settled round's pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayProgress {
    /// It can still be challenged.
    Challenged,
    /// It is final; what was not voided before is paid.
    Posted {
        /// The entry that made it final.
        index: u64,
    },
    /// An objection to the whole round was upheld: nothing is paid.
    Voided {
        /// The entry that said so.
        index: u64,
    },
}

/// Pay that an upheld objection voided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoidedPay {
    /// The entry that says so.
    pub index: u64,
    /// The round.
    pub round: u64,
    /// Whose.
    pub accused: Accused,
}

/// When a member whose updates do harm loses its vote and its part in rounds, by itself.
///
/// Threat: a member that goes on spoiling the model because nobody proposes to suspend it. Honest contributors with
/// unusual data have values below zero, too (VALUE.md); so there is no rule until a vote makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SuspensionRule {
    /// Rounds below zero that suspend: at least 1.
    pub below_zero: u32,
    /// Among so many of the member's last rounds; before it has as many nothing is decided.
    pub of_rounds: u32,
}

/// A lie about a member's update that was proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenFault {
    /// The entry that says so.
    pub index: u64,
    /// The round.
    pub round: u64,
    /// Who lied.
    pub party: VerifyingKey,
    /// About whose update.
    pub complainant: VerifyingKey,
}

/// That the validation set was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revealed {
    /// The entry that says so last.
    pub index: u64,
    /// Where it is said to be.
    pub url: String,
}

/// That a criterion of the terms ended a federation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FederationEnding {
    /// The settled round whose model is the best by it.
    pub best_round: u64,
    /// Why, in words.
    pub reason: String,
    /// The entry that says so.
    pub index: u64,
}

/// A federation: its terms, members and rounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Federation {
    pub(crate) opened: FederationOpened,
    pub(crate) index: u64,
    pub(crate) round_budget: u128,
    pub(crate) members: BTreeMap<VerifyingKey, Member>,
    pub(crate) standings: BTreeMap<VerifyingKey, Standing>,
    pub(crate) open_round: Option<OpenRound>,
    /// The highest round ever opened.
    pub(crate) last_round: Option<u64>,
    pub(crate) settled: Vec<SettledRound>,
    pub(crate) aborted: u64,
    pub(crate) ending: Option<FederationEnding>,
    /// How many versions old the model of a round may be; none: not at all.
    pub(crate) stale_max: Option<u32>,
    /// The model before the first settled round: that of the newest round that was opened before.
    pub(crate) first_model: Option<Digest>,
    pub(crate) safeguards: Option<SafeguardsSet>,
    /// Settled rounds whose pay is not final, by number.
    pub(crate) challenges: BTreeMap<u64, Challenge>,
    /// Whether a round without noise was ever opened: then nothing bounds the privacy loss.
    pub(crate) noiseless: bool,
    pub(crate) novelty_percent: u32,
    pub(crate) suspension: Option<SuspensionRule>,
    /// After how many settled rounds the validation set has to be shown.
    pub(crate) reveal_by: Option<u64>,
    pub(crate) revealed: Option<Revealed>,
    /// Lies that were proven, oldest first.
    pub(crate) faults: Vec<ProvenFault>,
    /// Pay that was voided, oldest first.
    pub(crate) voided: Vec<VoidedPay>,
    pub(crate) stopped: bool,
    pub(crate) policy: PrivacyPolicy,
    /// How many rounds had been opened when the terms of the policy came into force.
    pub(crate) opened_before_terms: u64,
    /// Under which versions that are released from now on are sold.
    pub(crate) licence: Option<Licence>,
    /// The entry that last weakened the policy; at first that which opened the federation.
    pub(crate) weakened: u64,
    /// The entry with which each member last agreed to the policy: admission or consent.
    pub(crate) consents: BTreeMap<VerifyingKey, u64>,
    /// Consents that ended with the key that gave them while a round was open: they still count for that round.
    pub(crate) lapsed: BTreeMap<VerifyingKey, u64>,
}

impl Federation {
    pub(crate) fn new(opened: FederationOpened, index: u64) -> Self {
        Self {
            round_budget: opened.round_budget,
            novelty_percent: opened.novelty_percent,
            suspension: None,
            reveal_by: None,
            revealed: None,
            faults: Vec::new(),
            voided: Vec::new(),
            stopped: false,
            policy: PrivacyPolicy {
                terms: opened.terms_digest,
                minimum_cohort: opened.minimum_cohort,
                epsilon_micro_max: None,
            },
            licence: None,
            opened_before_terms: 0,
            weakened: index,
            consents: BTreeMap::new(),
            lapsed: BTreeMap::new(),
            opened,
            index,
            members: BTreeMap::new(),
            standings: BTreeMap::new(),
            open_round: None,
            last_round: None,
            settled: Vec::new(),
            aborted: 0,
            ending: None,
            stale_max: None,
            first_model: None,
            safeguards: None,
            challenges: BTreeMap::new(),
            noiseless: false,
        }
    }

    /// The entry's own words.
    #[must_use]
    pub const fn opened(&self) -> &FederationOpened {
        &self.opened
    }

    /// The entry that opened it.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Credits of the next round.
    #[must_use]
    pub const fn round_budget(&self) -> u128 {
        self.round_budget
    }

    /// How much innovation qualifies for pay, in parts per hundred of the cohort's median.
    #[must_use]
    pub const fn novelty_percent(&self) -> u32 {
        self.novelty_percent
    }

    /// Which rounds below zero suspend a member, if a vote said so.
    #[must_use]
    pub const fn suspension(&self) -> Option<&SuspensionRule> {
        self.suspension.as_ref()
    }

    /// After how many settled rounds the validation set has to be shown, if there is such a rule.
    #[must_use]
    pub const fn reveal_by(&self) -> Option<u64> {
        self.reveal_by
    }

    /// Where the validation set was shown, if it was.
    #[must_use]
    pub const fn revealed(&self) -> Option<&Revealed> {
        self.revealed.as_ref()
    }

    /// Under which licence versions are sold that are released from now on; absent: none was named.
    #[must_use]
    pub const fn licence(&self) -> Option<&Licence> {
        self.licence.as_ref()
    }

    /// Lies of parties about members' updates that were proven, oldest first.
    #[must_use]
    pub fn faults(&self) -> &[ProvenFault] {
        &self.faults
    }

    /// Whether the validation set should have been shown by now and was not: no round starts and no pay becomes final.
    #[must_use]
    pub fn is_reveal_overdue(&self) -> bool {
        let settled = self.settled.len() as u64;
        let over = self.ending.is_some() || settled >= self.opened.rounds;
        self.revealed.is_none() && self.reveal_by.is_some_and(|by| over || settled >= by)
    }

    /// Pay that upheld objections voided, oldest first.
    #[must_use]
    pub fn voided(&self) -> &[VoidedPay] {
        &self.voided
    }

    /// Whether a vote stopped it: it opens no rounds then.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// What protects its members' data now.
    #[must_use]
    pub const fn policy(&self) -> &PrivacyPolicy {
        &self.policy
    }

    /// Fewest participants with which a round settles: as many as the federation was opened with, or what members voted for if
    /// that is fewer. Only who consented to that takes part.
    pub(crate) fn fewest(&self) -> u32 {
        self.opened.minimum_cohort.min(self.policy.minimum_cohort)
    }

    /// Whether the member's device agreed to the present policy, or to one that protects no more.
    #[must_use]
    pub fn consents(&self, member: &VerifyingKey) -> bool {
        self.consents.get(member).is_some_and(|consent| *consent >= self.weakened)
    }

    /// Whether the member's device had agreed to the policy when the round was opened, or did since: whoever got another key
    /// meanwhile is paid, as its update is in the sum.
    pub(crate) fn consented_for(&self, member: &VerifyingKey, open: &OpenRound) -> bool {
        let given = self.consents.get(member).max(self.lapsed.get(member));
        given.is_some_and(|consent| *consent >= open.consent_from)
    }

    /// Ends what a member's device agreed to, as another key signs for it now (promise 7): the new device has agreed to nothing.
    pub(crate) fn end_consent(&mut self, member: &VerifyingKey) {
        if let Some(consent) = self.consents.remove(member)
            && self.open_round.is_some()
        {
            // The first of several rotations: later ones end what no round was opened with.
            self.lapsed.entry(*member).or_insert(consent);
        }
    }

    /// Puts another policy in force. What weakens the one before needs consent anew.
    pub(crate) fn set_policy(&mut self, policy: PrivacyPolicy, index: u64) {
        if !policy.protects_as_much_as(&self.policy) {
            self.weakened = index;
        }
        if policy.terms != self.policy.terms {
            self.opened_before_terms = self.ended_rounds() + u64::from(self.open_round.is_some());
        }
        self.policy = policy;
    }

    /// How many rounds under the present terms were opened and have ended: what they revealed adds up by the composition of one
    /// mechanism. What rounds of former terms revealed was booked under those, and the sums add up by basic composition
    /// (Dwork & Roth 2014, Theorem 3.16), as do the terms' δ.
    ///
    /// Threat: a round after a vote for less noise that is charged as one more of many under the new terms: a fourth of
    /// what it reveals.
    #[must_use]
    pub fn opened_under_terms(&self) -> u64 {
        self.ended_rounds().saturating_sub(self.opened_before_terms)
    }

    /// How many rounds ended, with a model or without.
    fn ended_rounds(&self) -> u64 {
        self.settled.len() as u64 + self.aborted
    }

    /// Who was admitted.
    #[must_use]
    pub const fn members(&self) -> &BTreeMap<VerifyingKey, Member> {
        &self.members
    }

    /// What those who took part have contributed.
    #[must_use]
    pub const fn standings(&self) -> &BTreeMap<VerifyingKey, Standing> {
        &self.standings
    }

    /// The round in progress.
    #[must_use]
    pub const fn open_round(&self) -> Option<&OpenRound> {
        self.open_round.as_ref()
    }

    /// The highest round ever opened.
    #[must_use]
    pub const fn last_round(&self) -> Option<u64> {
        self.last_round
    }

    /// The rounds that ended with a model, oldest first.
    #[must_use]
    pub fn settled(&self) -> &[SettledRound] {
        &self.settled
    }

    /// How many rounds ended without a model.
    #[must_use]
    pub const fn aborted(&self) -> u64 {
        self.aborted
    }

    /// What bounds its privacy loss, and how long its pay can be challenged.
    #[must_use]
    pub const fn safeguards(&self) -> Option<&SafeguardsSet> {
        self.safeguards.as_ref()
    }

    /// Settled rounds whose pay is not final, by number.
    #[must_use]
    pub const fn challenges(&self) -> &BTreeMap<u64, Challenge> {
        &self.challenges
    }

    /// The rounds whose pay can be posted at `now_ms`; none while the validation set is overdue.
    pub fn due(&self, now_ms: u64) -> impl Iterator<Item = (u64, &Challenge)> {
        let held = self.is_reveal_overdue();
        let due =
            move |(_, challenge): &(&u64, &Challenge)| !held && challenge.due_at_ms() <= now_ms;
        self.challenges.iter().filter(due).map(|(round, challenge)| (*round, challenge))
    }

    pub(crate) fn settled_mut(&mut self, round: u64) -> Option<&mut SettledRound> {
        self.settled.iter_mut().rev().find(|settled| settled.round == round)
    }

    /// Whether and why it ended before all rounds were run: it opens none any more.
    #[must_use]
    pub const fn ending(&self) -> Option<&FederationEnding> {
        self.ending.as_ref()
    }

    /// The round whose model can be released: the last settled one, or the best one if a criterion ended the federation.
    #[must_use]
    pub fn offered(&self) -> Option<&SettledRound> {
        match &self.ending {
            Some(ending) => self.settled.iter().find(|round| round.round == ending.best_round),
            None => self.settled.last(),
        }
    }

    /// How many versions old the model of a round may be, where contributors train at their own pace.
    #[must_use]
    pub const fn stale_max(&self) -> Option<u32> {
        self.stale_max
    }

    /// How many rounds were settled before this model was the newest for the last time; none if it never was.
    ///
    /// 0 is the model before the first settled round, once that was opened.
    #[must_use]
    pub fn version_of(&self, model: &Digest) -> Option<u64> {
        let later = self.settled.iter().rposition(|round| round.model_after == *model);
        match later {
            Some(place) => Some(place as u64 + 1),
            None => (self.first_model.as_ref() == Some(model)).then_some(0),
        }
    }

    /// How many rounds were settled since this model was the newest; none if it never was.
    #[must_use]
    pub fn staleness(&self, model: &Digest) -> Option<u64> {
        Some(self.settled.len() as u64 - self.version_of(model)?)
    }

    /// The model of the last settled round.
    #[must_use]
    pub fn model(&self) -> Option<Digest> {
        self.settled.last().map(|round| round.model_after)
    }
}
