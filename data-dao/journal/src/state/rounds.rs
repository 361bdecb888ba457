//! Rounds, what they pay, and the models they make.

use std::collections::BTreeSet;

use data_dao_ledger::{AccountId, Amount, Code, Name, Transfer, TransferId};
use privacy_identity::{Encode as _, VerifyingKey, Writer};

use super::{LABEL_BYTES_MAX, State};
use crate::pay::{self, SCALAR_MAX};
use crate::refusal::{same, text_within, within};
use crate::{
    Federation, ModelReleased, OpenRound, Refusal, RoundAborted, RoundOpened, RoundSettled,
    SettledRound, Standing, ValueWeight,
};

impl State {
    pub(super) fn open_round(&mut self, body: &RoundOpened) -> Result<(), Refusal> {
        let index = self.entries;
        let federation = self.federation_mut(&body.federation)?;
        if let Some(OpenRound { round: open, .. }) = federation.open_round {
            return Err(Refusal::RoundStillOpen { federation: body.federation.to_string(), open });
        }
        let rounds = federation.opened.rounds;
        if u64::try_from(federation.settled.len()).is_ok_and(|settled| settled >= rounds) {
            return Err(Refusal::RoundsUsedUp { federation: body.federation.to_string(), rounds });
        }
        let lowest = federation.last_round.map_or(0, |last| i128::from(last) + 1);
        within("round", body.round, lowest, i128::from(u64::MAX))?;
        check_policy(federation, body)?;
        let minimum = i128::from(federation.opened.minimum_cohort);
        within("cohort_size", body.cohort_size, minimum, i128::from(u32::MAX))?;
        if let Some(model) = federation.model() {
            same("model", &model, &body.model)?;
        }
        federation.last_round = Some(body.round);
        let so_far = federation.epsilon_micro.zip(body.epsilon_micro);
        federation.epsilon_micro = so_far.map(|(before, added)| before.saturating_add(added));
        federation.open_round = Some(OpenRound {
            round: body.round,
            model: body.model,
            cohort_size: body.cohort_size,
            budget: federation.round_budget,
            epsilon_micro: body.epsilon_micro,
            index,
            consent_from: federation.weakened,
        });
        Ok(())
    }

    pub(super) fn settle_round(&mut self, body: &RoundSettled, now_ms: u64) -> Result<(), Refusal> {
        let federation = self.federation_ref(&body.federation)?;
        let open = *open_round(federation, body.round)?;
        same("model_before", &open.model, &body.model_before)?;
        check_cohort(federation, &open, body)?;
        self.check_members(federation, &open, body)?;
        self.check_updates(body)?;
        let standings = recomputed_standings(federation, &open, body)?;
        let epsilon_micro = federation.epsilon_micro;
        let transfers = self.round_transfers(body);
        self.accounts.apply(&transfers, now_ms)?;

        let credits = body.participants.iter().map(|p| p.credits).sum();
        let settled = SettledRound {
            round: body.round,
            index: self.entries,
            model_after: body.model_after,
            test_accuracy_ppm: body.test_accuracy_ppm,
            test_loss_micro: body.test_loss_micro,
            participants: small(body.participants.len()),
            dropped: small(body.dropped.len()),
            credits,
            epsilon_micro,
        };
        for paid in &body.participants {
            self.assembly.votes.earn(paid.member, paid.credits, now_ms);
        }
        self.updates.extend(body.participants.iter().map(|p| p.update));
        self.counts.rounds_settled += 1;
        self.counts.credits_issued += credits;
        let federation = self.federation_mut(&body.federation)?;
        federation.standings.extend(standings);
        federation.settled.push(settled);
        federation.open_round = None;
        Ok(())
    }

    pub(super) fn abort_round(&mut self, body: &RoundAborted) -> Result<(), Refusal> {
        text_within("reason", &body.reason, LABEL_BYTES_MAX)?;
        let federation = self.federation_mut(&body.federation)?;
        open_round(federation, body.round)?;
        federation.open_round = None;
        federation.aborted += 1;
        self.counts.rounds_aborted += 1;
        Ok(())
    }

    pub(super) fn release_model(&mut self, body: &ModelReleased) -> Result<(), Refusal> {
        let federation = self.federation_ref(&body.federation)?;
        let Some(last) = federation.settled.last() else {
            return Err(Refusal::unknown("settled round of federation", &body.federation));
        };
        same("digest", &last.model_after, &body.digest)?;
        same("rounds", &federation.settled.len().to_string(), &body.rounds.to_string())?;
        let releases = self.models.get(&body.model).map_or(&[][..], |model| &model.releases);
        if let Some(earlier) = releases.first() {
            same("federation", &earlier.federation, &body.federation)?;
        }
        same("version", &(small(releases.len()) + 1), &body.version)?;
        let weights = release_weights(federation);
        if weights != body.weights {
            let (expected, got) = (format!("{weights:?}"), format!("{:?}", body.weights));
            return Err(Refusal::Differs { what: "weights".into(), expected, got });
        }
        self.models.entry(body.model.clone()).or_default().releases.push(body.clone());
        Ok(())
    }

    /// The weights that a release of the federation's model must carry now: every member's
    /// credits earned in the federation, those above zero, ascending by key.
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

    fn check_updates(&self, body: &RoundSettled) -> Result<(), Refusal> {
        let mut seen = BTreeSet::new();
        for participation in &body.participants {
            let update = participation.update;
            if self.updates.contains(&update) || !seen.insert(update) {
                return Err(Refusal::UpdateAlreadyPaid { update });
            }
        }
        Ok(())
    }

    /// One posted transfer per paid participant, its id bound to (DAO, federation, round, model,
    /// member): the same contribution cannot be paid under another id.
    fn round_transfers(&self, body: &RoundSettled) -> Vec<Transfer> {
        let paid = body.participants.iter().filter(|p| p.credits > 0);
        let transfer = |p: &crate::Participation| {
            let mut cause = Writer::default();
            cause.text("round");
            self.dao().id.encode(&mut cause);
            cause.text(body.federation.as_str());
            cause.u64(body.round);
            body.model_before.encode(&mut cause);
            p.member.encode(&mut cause);
            Transfer::posted(
                TransferId::of(&cause.into_bytes(), 0),
                AccountId::credit_issuance(),
                AccountId::credit_member(p.member),
                Amount(p.credits),
                Code::RoundPay,
            )
        };
        paid.map(transfer).collect()
    }

    pub(super) fn federation_ref(&self, name: &Name) -> Result<&Federation, Refusal> {
        self.federations.get(name).ok_or_else(|| Refusal::unknown("federation", name))
    }

    pub(super) fn federation_mut(&mut self, name: &Name) -> Result<&mut Federation, Refusal> {
        self.federations.get_mut(name).ok_or_else(|| Refusal::unknown("federation", name))
    }
}

fn open_round(federation: &Federation, round: u64) -> Result<&OpenRound, Refusal> {
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
    within("cohort_size", body.cohort_size, policy.minimum_cohort.into(), u32::MAX.into())?;
    if let Some(limit) = policy.epsilon_micro_max {
        let so_far = federation.epsilon_micro.zip(body.epsilon_micro);
        // Without noise nothing bounds the loss.
        let loss = so_far.map_or(u64::MAX, |(before, added)| before.saturating_add(added));
        within("epsilon_micro", loss, 0, limit.into())?;
    }
    Ok(())
}

fn check_cohort(
    federation: &Federation,
    open: &OpenRound,
    body: &RoundSettled,
) -> Result<(), Refusal> {
    let minimum = i128::from(federation.opened.minimum_cohort);
    let invited = i128::from(open.cohort_size);
    let took_part = body.participants.len();
    within("participants", small(took_part), minimum, invited)?;
    within("participants and dropped", small(took_part + body.dropped.len()), minimum, invited)?;
    ascending_members(federation, "participants", body.participants.iter().map(|p| &p.member))?;
    ascending_members(federation, "dropped", &body.dropped)?;
    let both = body.participants.iter().find(|p| body.dropped.contains(&p.member));
    match both {
        Some(p) => Err(Refusal::TookPartAndDropped { member: p.member }),
        None => Ok(()),
    }
}

fn ascending_members<'a>(
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
fn measured_standings(
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

fn paid(
    federation: &Federation,
    open: &OpenRound,
    measured: &[Standing],
) -> Result<Vec<u128>, Refusal> {
    let measured: Vec<&Standing> = measured.iter().collect();
    Ok(pay::credits(&measured, federation.novelty_percent, open.budget)?)
}

/// The participants' standings after the round, if the credits are what the scalars earn.
fn recomputed_standings(
    federation: &Federation,
    open: &OpenRound,
    body: &RoundSettled,
) -> Result<Vec<(VerifyingKey, Standing)>, Refusal> {
    let scalars: Vec<(VerifyingKey, i64, i64)> =
        body.participants.iter().map(|p| (p.member, p.value, p.innovation)).collect();
    let measured = measured_standings(federation, &scalars)?;
    let credits = paid(federation, open, &measured)?;
    for (participation, credits) in body.participants.iter().zip(&credits) {
        let what = format!("credits of {}", participation.member);
        same(what, credits, &participation.credits)?;
    }
    let members = body.participants.iter().map(|p| p.member);
    let standings = measured.into_iter().zip(credits).map(|(s, credits)| s.with_credits(credits));
    Ok(members.zip(standings).collect())
}

fn release_weights(federation: &Federation) -> Vec<ValueWeight> {
    let weight = |(member, standing): (&VerifyingKey, &Standing)| ValueWeight {
        member: *member,
        weight: standing.credits(),
    };
    federation.standings.iter().map(weight).filter(|weight| weight.weight > 0).collect()
}

/// A count of things of one leaf, which has at most 65 535 bytes.
fn small(count: usize) -> u32 {
    u32::try_from(count).expect("fewer things fit a leaf than 32 bits count")
}
