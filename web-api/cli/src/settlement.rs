//! Where the aggregation's words become the DAO's: a round receipt becomes a ledger entry.
//!
//! Neither context knows the other; this module translates (ARCHITECTURE.md, journey of a credit).

use aggregator_protocol::{
    CustodyTerms, DriftTerms, FederationTerms, LocalWork, OpenedScalars, PersonalTerms,
    RoundReceipt,
};
use anyhow::{Context as _, bail};
use data_dao_governance::Keyring;
use data_dao_journal::{Participation, RefusalCount, RoundSettled, State};
use data_dao_ledger::Name;
use privacy_identity::{Digest, Encode as _, Signed, Tag, VerifyingKey};
use serde_json::{Value, json};
use trainer_model::Evaluation;

/// The settlement of a round, with the credits that the DAO's pay rule gives.
///
/// A receipt is about one DAO, one federation by its terms, one round and the model that it starts
/// from: whatever else it is presented for is refused here, before the ledger looks at it.
///
/// # Errors
/// If the receipt is about something else than the federation's open round, or the ledger's state
/// refuses the scalars (no open round, a stranger, a scalar out of bounds).
pub fn round_settled(
    state: &State,
    federation: &Name,
    receipt: &Signed<RoundReceipt>,
    test: &Evaluation,
) -> anyhow::Result<RoundSettled> {
    let body = receipt.unverified_body();
    check_binding(state, federation, body)?;
    let contributions = members_of(state.keyring(), body);
    let scalars: Vec<_> = contributions
        .iter()
        .map(|(member, _, scalars)| (*member, scalars.value, scalars.innovation))
        .collect();
    let credits = state.round_credits(federation, &scalars)?;
    let participants = contributions.iter().zip(credits);
    let participation =
        |((member, update, scalars), credits): (&(VerifyingKey, Digest, OpenedScalars), u128)| {
            Participation {
                member: *member,
                value: scalars.value,
                innovation: scalars.innovation,
                contrast: Some(scalars.contrast),
                credits,
                update: *update,
            }
        };
    let mut dropped: Vec<_> =
        body.dropped.iter().map(|key| state.keyring().member_of(key)).collect();
    dropped.sort_unstable();
    let refused = body
        .refused
        .iter()
        .map(|(refusal, count)| RefusalCount { reason: refusal.name().to_owned(), count: *count });
    Ok(RoundSettled {
        federation: federation.clone(),
        round: body.round.0,
        model_before: body.model_before,
        model_after: body.model_after,
        receipt: Digest::of(Tag::RoundReceipt, &receipt.to_bytes()),
        test_accuracy_ppm: Some(millionths(test.accuracy)),
        test_loss_micro: u64::from(millionths(test.loss)),
        participants: participants.map(participation).collect(),
        refused: refused.collect(),
        dropped,
    })
}

/// What a receipt says of each device, as of the member whose it is: in the order of members. A key is one member's for ever, so
/// that this is the same whenever it is asked, and whoever got another key while the round was under way is paid.
#[must_use]
pub fn members_of(
    keyring: &Keyring,
    receipt: &RoundReceipt,
) -> Vec<(VerifyingKey, Digest, OpenedScalars)> {
    let contributions = receipt.accepted.contributions().iter().zip(&receipt.scalars);
    let of_member = |((device, update), scalars): (&(VerifyingKey, Digest), &OpenedScalars)| {
        (keyring.member_of(device), *update, *scalars)
    };
    let mut members: Vec<_> = contributions.map(of_member).collect();
    members.sort_by_key(|(member, ..)| *member);
    members
}

// What the ledger sums contrasts by is what the DAO node measured along.
const _: () = assert!(data_dao_journal::CONTRASTS == aggregator_round::VALUE_CONTRASTS);

/// Threat: the same proof presented to another pool or another round (the flaw of Vana's contracts,
/// pull request 76).
fn check_binding(state: &State, name: &Name, receipt: &RoundReceipt) -> anyhow::Result<()> {
    let federation = state.federation(name).with_context(|| format!("there is no {name}"))?;
    let open = federation.open_round().with_context(|| format!("no round of {name} is open"))?;
    let grant = receipt.grant.unverified_body();
    let bindings = [
        ("DAO", state.dao_id() == Some(grant.dao)),
        // A vote may have put other terms in force since: a round is of those under which it was opened.
        ("federation", open.terms == receipt.federation),
        ("federation of the grant", grant.federation == receipt.federation),
        ("round", open.round == receipt.round.0 && grant.round == receipt.round),
        ("model", open.model == receipt.model_before && grant.model == receipt.model_before),
    ];
    match bindings.iter().find(|(_, bound)| !bound) {
        Some((what, _)) => {
            bail!("the receipt is about another {what} than the open round of {name}")
        }
        None => Ok(()),
    }
}

/// `value` in millionths, rounded to nearest, between 0 and the largest `u32`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to u32")]
#[must_use]
pub fn millionths(value: f64) -> u32 {
    (value * 1e6).round().clamp(0.0, f64::from(u32::MAX)) as u32
}

/// ε from the ledger's millionths, for people.
#[expect(clippy::cast_precision_loss, reason = "for people; the ledger has the integer")]
#[must_use]
pub fn epsilon_from_micro(micro: u64) -> f64 {
    micro as f64 / 1e6
}

/// The noise in readable form: null without.
fn noise_json(terms: &FederationTerms) -> Value {
    if !terms.noise.is_present() {
        return Value::Null;
    }
    json!({
        "multiplier": terms.noise.multiplier,
        "honest_minimum": terms.noise.honest_minimum,
        "delta": terms.noise.delta,
        "deviation": terms.encoding.options().noise_deviation,
        "sensitivity": terms.encoding.sensitivity_l2(),
    })
}

/// The terms in readable form, for the ledger and the REST interface. Their digest is over the
/// canonical encoding, not over this text.
#[must_use]
pub fn terms_json(terms: &FederationTerms) -> Value {
    let aggregators: Vec<_> =
        terms.aggregators.iter().map(|keys| keys.verifying.to_string()).collect();
    let (epochs, steps) = match terms.training.work {
        LocalWork::Epochs(epochs) => (Some(epochs), None),
        LocalWork::Steps(steps) => (None, Some(steps)),
    };
    json!({
        "name": terms.name,
        "purpose": terms.purpose,
        "dao": terms.dao.to_string(),
        "aggregators": aggregators,
        "seal": terms.sealing.name(),
        "custodians": terms.sealing.custody().map(CustodyTerms::custodians),
        "custodian_threshold": terms.sealing.custody().map(CustodyTerms::threshold),
        "cohort": if terms.cohort.is_present() { "mls" } else { "absent" },
        "tags": terms.encoding.options().tagging == privacy_secagg::Tagging::Linear,
        "clip_norm": terms.encoding.clip_norm().get(),
        "ring_bits": terms.encoding.ring().bits(),
        "parameters": terms.encoding.dimension(),
        "members_max": terms.encoding.contributors_max(),
        "value_unit": terms.encoding.value_unit(),
        "noise": noise_json(terms),
        "architecture": serde_json::from_str::<Value>(&terms.architecture).unwrap_or(Value::Null),
        "features": terms.schema.features,
        "label": terms.schema.label,
        "classes": terms.schema.classes,
        "local_epochs": epochs,
        "local_steps": steps,
        "batch_size": terms.training.batch_size,
        "learning_rate": terms.training.learning_rate,
        "momentum": terms.training.momentum,
        "weight_decay": terms.training.weight_decay,
        "gradient_clip": terms.training.gradient_clip,
        "proximal": terms.training.proximal,
        "scaffold": terms.training.drift == DriftTerms::Scaffold,
        "personal_layers": terms.training.personal.layers(),
        "ditto_lambda": match terms.training.personal {
            PersonalTerms::Beside { pull } => Some(pull),
            _ => None,
        },
        "optimizer": terms.optimizer.to_string(),
        "rounds": terms.rounds,
        "early_stopping": terms.stopping.map(|stopping| stopping.to_string()),
        "sampling": terms.sampling.to_string(),
        "buffer": terms.buffer.map(|buffer| buffer.to_string()),
        "groups": terms.groups.map(|groups| groups.groups()),
        "robust": terms.groups.map(|groups| groups.rule().to_string()),
        "minimum_cohort": terms.minimum_cohort,
        "round_deadline_ms": terms.round_deadline_ms,
        "step_deadline_ms": terms.step_deadline_ms,
    })
}
