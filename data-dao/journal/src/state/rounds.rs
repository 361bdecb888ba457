//! Rounds, what they pay, and the models they make.

use data_dao_ledger::Name;
use privacy_identity::VerifyingKey;

use super::{LABEL_BYTES_MAX, State, revealing::check_revealed};
use crate::pay::{self, SCALAR_MAX};
use crate::refusal::{same, same_list, text_within, within};
use crate::{
    BufferSet, Federation, FederationEnding, ModelReleased, OpenRound, Refusal, RoundAborted,
    RoundOpened, RoundsEnded, Standing, ValueWeight,
};

/// Largest age of a round's model, in versions, as `aggregator-strategy` bounds a buffer.
const STALE_MAX: i128 = 1_000;

impl State {
    pub(super) fn open_round(&mut self, body: &RoundOpened, now_ms: u64) -> Result<(), Refusal> {
        let index = self.entries;
        let federation = self.federation_ref(&body.federation)?;
        if let Some(OpenRound { round: open, .. }) = federation.open_round {
            return Err(Refusal::RoundStillOpen { federation: body.federation.to_string(), open });
        }
        let rounds = federation.opened.rounds;
        if u64::try_from(federation.settled.len()).is_ok_and(|settled| settled >= rounds) {
            return Err(Refusal::RoundsUsedUp { federation: body.federation.to_string(), rounds });
        }
        check_going_on(federation)?;
        check_revealed(federation)?;
        let lowest = federation.last_round.map_or(0, |last| i128::from(last) + 1);
        within("round", body.round, lowest, i128::from(u64::MAX))?;
        check_policy(federation, body)?;
        let minimum = i128::from(federation.fewest());
        within("cohort_size", body.cohort_size, minimum, i128::from(u32::MAX))?;
        check_model(federation, body)?;
        // Last, as it books: a round that would overdraw the budget does not start.
        self.spend_privacy(body, now_ms)?;
        let federation = self.federation_mut(&body.federation)?;
        federation.last_round = Some(body.round);
        if federation.settled.is_empty() {
            federation.first_model = Some(body.model);
        }
        federation.noiseless |= body.epsilon_micro.is_none();
        federation.lapsed.clear();
        federation.open_round = Some(OpenRound {
            round: body.round,
            model: body.model,
            cohort_size: body.cohort_size,
            budget: federation.round_budget,
            epsilon_micro: body.epsilon_micro,
            index,
            consent_from: federation.weakened,
            terms: federation.policy.terms,
        });
        Ok(())
    }

    /// From which models rounds start is said before the first, and once.
    pub(super) fn set_buffer(&mut self, body: &BufferSet) -> Result<(), Refusal> {
        let federation = self.federation_mut(&body.federation)?;
        if federation.stale_max.is_some() || federation.last_round.is_some() {
            return Err(Refusal::BufferStands { federation: body.federation.to_string() });
        }
        within("stale_max", body.stale_max, 1, STALE_MAX)?;
        federation.stale_max = Some(body.stale_max);
        Ok(())
    }

    pub(super) fn abort_round(&mut self, body: &RoundAborted) -> Result<(), Refusal> {
        text_within("reason", &body.reason, LABEL_BYTES_MAX)?;
        let federation = self.federation_mut(&body.federation)?;
        open_round(federation, body.round)?;
        federation.open_round = None;
        federation.aborted += 1;
        self.counts.rounds_aborted += 1;
        // If parts of its settlement were read, it is this round's: nothing else gets here then.
        self.settling = None;
        Ok(())
    }

    /// Whether the criterion was met is the DAO node's word until its validation set is revealed; that nothing but one of
    /// the federation's own models is sold, and no round follows, is the ledger's.
    pub(super) fn end_rounds(&mut self, body: &RoundsEnded) -> Result<(), Refusal> {
        text_within("reason", &body.reason, LABEL_BYTES_MAX)?;
        let index = self.entries;
        let federation = self.federation_ref(&body.federation)?;
        if let Some(OpenRound { round: open, .. }) = federation.open_round {
            return Err(Refusal::RoundStillOpen { federation: body.federation.to_string(), open });
        }
        check_going_on(federation)?;
        if !federation.settled.iter().any(|settled| settled.round == body.best_round) {
            return Err(Refusal::unknown("settled round of federation", &body.federation));
        }
        let (best_round, reason) = (body.best_round, body.reason.clone());
        let federation = self.federation_mut(&body.federation)?;
        federation.ending = Some(FederationEnding { best_round, reason, index });
        Ok(())
    }

    pub(super) fn release_model(
        &mut self,
        body: &ModelReleased,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let federation = self.federation_ref(&body.federation)?;
        let Some(offered) = federation.offered() else {
            return Err(Refusal::unknown("settled round of federation", &body.federation));
        };
        same("digest", &offered.model_after, &body.digest)?;
        same("rounds", &federation.settled.len().to_string(), &body.rounds.to_string())?;
        let releases = self.models.get(&body.model).map_or(&[][..], |model| &model.releases[..]);
        if let Some(earlier) = releases.first() {
            same("federation", &earlier.federation, &body.federation)?;
        }
        same("version", &(small(releases.len()) + 1), &body.version)?;
        // Only value that is final weighs: what can still be voided must not earn meanwhile.
        if let Some((round, challenge)) = federation.challenges.first_key_value() {
            let (federation, until_ms) = (body.federation.to_string(), challenge.due_at_ms());
            return Err(Refusal::UnderChallenge { federation, round: *round, until_ms, now_ms });
        }
        let weights = release_weights(federation);
        same_list("weights", &weights, &body.weights)?;
        let release = ModelReleased { weights, ..body.clone() };
        let licence = federation.licence.clone();
        let index = self.entries;
        let model = self.models.entry(body.model.clone()).or_default();
        model.releases.push(release);
        model.released_at.push(index);
        model.licences.push(licence);
        Ok(())
    }

    /// The weights that a release of the federation's model must carry now: every member's
    /// credits earned in the federation that are final, those above zero, ascending by key. More
    /// than [`crate::LIST_MAX`] are left out of the entry.
    ///
    /// # Errors
    /// [`Refusal::Unknown`] if there is no such federation.
    pub fn release_weights(&self, federation: &Name) -> Result<Vec<ValueWeight>, Refusal> {
        Ok(release_weights(self.federation_ref(federation)?))
    }

    /// The credits that settling the federation's open round must pay for these scalars.
    ///
    /// * `scalars` — member, value and innovation, strictly ascending by key.
    ///
    /// # Errors
    /// [`Refusal`] if there is no open round, a key is no member's, or a scalar is out of bounds.
    pub fn round_credits(
        &self,
        federation: &Name,
        scalars: &[(VerifyingKey, i64, i64)],
    ) -> Result<Vec<u128>, Refusal> {
        let federation = self.federation_ref(federation)?;
        let Some(open) = federation.open_round() else {
            return Err(Refusal::unknown(
                "open round of federation",
                &federation.opened.federation,
            ));
        };
        ascending_members(federation, "participants", scalars.iter().map(|(key, ..)| key))?;
        let measured = measured_standings(federation, scalars)?;
        paid(federation, open, &measured)
    }

    pub(super) fn federation_ref(&self, name: &Name) -> Result<&Federation, Refusal> {
        self.federations.get(name).ok_or_else(|| Refusal::unknown("federation", name))
    }

    pub(super) fn federation_mut(&mut self, name: &Name) -> Result<&mut Federation, Refusal> {
        self.federations.get_mut(name).ok_or_else(|| Refusal::unknown("federation", name))
    }
}

/// A round starts from the newest model, or where contributors train at their own pace from one of the last.
fn check_model(federation: &Federation, body: &RoundOpened) -> Result<(), Refusal> {
    let Some(newest) = federation.model() else { return Ok(()) };
    let Some(stale_max) = federation.stale_max else {
        return same("model", &newest, &body.model);
    };
    let staleness = federation.staleness(&body.model);
    let staleness =
        staleness.ok_or_else(|| Refusal::unknown("model of federation", &body.federation))?;
    if staleness <= u64::from(stale_max) {
        return Ok(());
    }
    let (federation, round) = (body.federation.to_string(), body.round);
    Err(Refusal::ModelTooOld { federation, round, staleness, stale_max })
}

fn check_going_on(federation: &Federation) -> Result<(), Refusal> {
    match &federation.ending {
        None => Ok(()),
        Some(ending) => {
            let federation = federation.opened.federation.to_string();
            Err(Refusal::RoundsEnded { federation, index: ending.index })
        }
    }
}

pub(super) fn open_round(federation: &Federation, round: u64) -> Result<&OpenRound, Refusal> {
    let name = || federation.opened.federation.to_string();
    match &federation.open_round {
        Some(open) if open.round == round => Ok(open),
        _ if federation.settled.iter().any(|settled| settled.round == round) => {
            Err(Refusal::RoundAlreadySettled { federation: name(), round })
        }
        _ => Err(Refusal::RoundNotOpen { federation: name(), round }),
    }
}

/// Holds a new round against what protects the members' data.
fn check_policy(federation: &Federation, body: &RoundOpened) -> Result<(), Refusal> {
    if federation.stopped {
        return Err(Refusal::Stopped { federation: body.federation.to_string() });
    }
    let policy = &federation.policy;
    // Its bound on ε is a balance: see `State::spend_privacy`.
    within("cohort_size", body.cohort_size, policy.minimum_cohort.into(), u32::MAX.into())?;
    Ok(())
}

pub(super) fn ascending_members<'a>(
    federation: &Federation,
    what: &'static str,
    keys: impl IntoIterator<Item = &'a VerifyingKey>,
) -> Result<(), Refusal> {
    let mut last = None;
    for key in keys {
        let member = *key;
        if last.is_some_and(|last| last >= key) {
            return Err(Refusal::NotAscending { what, member });
        }
        if !federation.members.contains_key(key) {
            let federation = federation.opened.federation.to_string();
            return Err(Refusal::NotAMember { member, federation });
        }
        last = Some(key);
    }
    Ok(())
}

/// The participants' standings after the round, without its credits.
pub(super) fn measured_standings(
    federation: &Federation,
    scalars: &[(VerifyingKey, i64, i64)],
) -> Result<Vec<Standing>, Refusal> {
    let bound = i128::from(SCALAR_MAX);
    let measure = |(member, value, innovation): &(VerifyingKey, i64, i64)| {
        within("value", *value, -bound, bound)?;
        within("innovation", *innovation, -bound, bound)?;
        let before = federation.standings.get(member).cloned().unwrap_or_default();
        Ok(before.after_round(*value, *innovation, 0))
    };
    scalars.iter().map(measure).collect()
}

pub(super) fn paid(
    federation: &Federation,
    open: &OpenRound,
    measured: &[Standing],
) -> Result<Vec<u128>, Refusal> {
    let measured: Vec<&Standing> = measured.iter().collect();
    Ok(pay::credits(&measured, federation.novelty_percent, open.budget)?)
}

fn release_weights(federation: &Federation) -> Vec<ValueWeight> {
    let weight = |(member, standing): (&VerifyingKey, &Standing)| ValueWeight {
        member: *member,
        weight: standing.credits(),
    };
    federation.standings.iter().map(weight).filter(|weight| weight.weight > 0).collect()
}

/// A count of things of one settlement, which are bounded far below 32 bits.
pub(super) fn small(count: usize) -> u32 {
    u32::try_from(count).expect("leaves and settlements in parts hold fewer than 32 bits count")
}
