//! The settlement of a round: what it claims is recomputed, then announced or paid.

use std::collections::BTreeSet;

use privacy_identity::VerifyingKey;

use super::State;
use super::challenge::Payroll;
use super::rounds::{ascending_members, measured_standings, open_round, paid, small};
use crate::refusal::{same, within};
use crate::{
    Challenge, Federation, OpenRound, Participation, Pay, PayProgress, Refusal, RoundSettled,
    SettledRound, Standing,
};

impl State {
    /// Threat: one proof that is paid twice, in a sibling federation or another round (Vana's
    /// contracts, pull request 76). A receipt settles one round; the round is the federation's open
    /// one and starts from its model; no sealed update is paid twice anywhere; and the transfers are
    /// named after (DAO, federation, round, model), each member once.
    pub(super) fn settle_round(&mut self, body: &RoundSettled, now_ms: u64) -> Result<(), Refusal> {
        let federation = self.federation_ref(&body.federation)?;
        let open = *open_round(federation, body.round)?;
        same("model_before", &open.model, &body.model_before)?;
        check_cohort(federation, &open, body)?;
        self.check_members(federation, &open, body)?;
        self.check_proofs(body)?;
        let standings = recomputed_standings(federation, &open, body)?;
        let epsilon_micro = self.epsilon_micro(federation);
        let window_ms = federation.safeguards.as_ref().map(|set| set.challenge_window_ms);
        let pays = pays(&body.participants);
        let above_zero = pays.partition_point(|pay| pay.credits > 0);
        let payroll = Payroll {
            federation: &body.federation,
            round: body.round,
            model_before: &body.model_before,
        };
        let index = self.entries;
        // Head and parts stand together: nothing else may be between them.
        let first_index = self.settling_parts().map_or(index, |parts| index.saturating_sub(parts));
        let novelty_percent = federation.novelty_percent;
        let progress = window_ms.map_or(PayProgress::Posted { index }, |_| PayProgress::Challenged);
        self.announce_pay(&payroll, &pays[..above_zero], progress, now_ms)?;

        let settled = SettledRound {
            round: body.round,
            index,
            first_index,
            terms: open.terms,
            novelty_percent,
            model_after: body.model_after,
            test_accuracy_ppm: body.test_accuracy_ppm,
            test_loss_micro: body.test_loss_micro,
            participants: small(body.participants.len()),
            dropped: small(body.dropped.len()),
            credits: pays.iter().map(|pay| pay.credits).sum(),
            pay: progress,
            epsilon_micro,
        };
        for participation in &body.participants {
            self.updates.insert(participation.update, ());
        }
        self.receipts.insert(body.receipt);
        self.counts.rounds_settled += 1;
        let federation = self.federation_mut(&body.federation)?;
        federation.standings.extend(standings);
        federation.settled.push(settled);
        federation.open_round = None;
        match window_ms {
            None => self.credit_standings(&body.federation, &pays, now_ms),
            Some(window_ms) => {
                let challenge = Challenge {
                    model_before: body.model_before,
                    pays: (0..).zip(pays).collect(),
                    ends_at_ms: now_ms.saturating_add(window_ms),
                    disputes: std::collections::BTreeMap::new(),
                };
                federation.challenges.insert(body.round, challenge);
                Ok(())
            }
        }
    }

    /// Neither the receipt nor any of the updates was used before.
    fn check_proofs(&self, body: &RoundSettled) -> Result<(), Refusal> {
        if self.receipts.contains(&body.receipt) {
            return Err(Refusal::ReceiptAlreadyUsed { receipt: body.receipt });
        }
        let mut seen = BTreeSet::new();
        for participation in &body.participants {
            let update = participation.update;
            if self.updates.get(&update).is_some() || !seen.insert(update) {
                return Err(Refusal::UpdateAlreadyPaid { update });
            }
        }
        Ok(())
    }
}

/// What each participant is to get: those above zero first, each in the order of keys.
fn pays(participants: &[Participation]) -> Vec<Pay> {
    let pay = |p: &Participation| {
        let Participation { member, value, innovation, contrast, credits, .. } = *p;
        Pay { member, credits, value, innovation, contrast }
    };
    let mut pays: Vec<Pay> = participants.iter().map(pay).collect();
    // Stable: the order of keys stays.
    pays.sort_by_key(|pay| pay.credits == 0);
    pays
}

fn check_cohort(
    federation: &Federation,
    open: &OpenRound,
    body: &RoundSettled,
) -> Result<(), Refusal> {
    let minimum = i128::from(federation.fewest());
    let invited = i128::from(open.cohort_size);
    let took_part = body.participants.len();
    within("participants", small(took_part), minimum, invited)?;
    within("participants and dropped", small(took_part + body.dropped.len()), minimum, invited)?;
    ascending_members(federation, "participants", body.participants.iter().map(|p| &p.member))?;
    ascending_members(federation, "dropped", &body.dropped)?;
    let dropped = |p: &&Participation| body.dropped.binary_search(&p.member).is_ok();
    match body.participants.iter().find(dropped) {
        Some(p) => Err(Refusal::TookPartAndDropped { member: p.member }),
        None => Ok(()),
    }
}

/// The participants' standings after the round, without its credits, if the credits are what the
/// scalars earn.
fn recomputed_standings(
    federation: &Federation,
    open: &OpenRound,
    body: &RoundSettled,
) -> Result<Vec<(VerifyingKey, Standing)>, Refusal> {
    let scalars: Vec<(VerifyingKey, i64, i64)> =
        body.participants.iter().map(|p| (p.member, p.value, p.innovation)).collect();
    let measured = measured_standings(federation, &scalars)?;
    let credits = paid(federation, open, &measured)?;
    let bound = i128::from(crate::pay::SCALAR_MAX);
    for participation in &body.participants {
        within("contrast", participation.contrast.unwrap_or_default(), -bound, bound)?;
    }
    for (participation, credits) in body.participants.iter().zip(&credits) {
        same(CreditsOf(&participation.member), credits, &participation.credits)?;
    }
    let contrasted = body
        .participants
        .iter()
        .zip(measured)
        .map(|(p, standing)| (p.member, standing.with_contrast(body.round, p.contrast)));
    Ok(contrasted.collect())
}

/// Named only if something differs: most lists are long and right.
struct CreditsOf<'a>(&'a VerifyingKey);

impl std::fmt::Display for CreditsOf<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "credits of {}", self.0)
    }
}
