//! What holds after every event. Each looks at what the event brought ([`News`](crate::witness::News)) beside
//! what was known before: what held once and did not change still holds.

mod groups;

use aggregator_protocol::{
    FetchedReceipt, OpenedScalars, Refusal, RoundId, RoundReceipt, SealingTerms,
};
use aggregator_round::{Grouping, Outcome, ReceiptError};
use aggregator_strategy::Draw;
use privacy_identity::{Digest, Encode as _, Signed, Tag};
use privacy_secagg::QuantizedProbe;

use crate::{
    dao::Logged,
    fault::Party,
    peer::Peer,
    simulation::Simulation,
    witness::{Promise, Told},
    world::{ROUND_DEADLINE_MS, STEP_DEADLINE_MS},
};

/// What a reading in FHE mode may be off by, in units of the inner product of integers: ten deviations
/// of a body's noise (variance 1406 in these parameters, of 12 bits below the message) along a probe of
/// norm 2^12, which is √1406 · 2^12 / 2^12 = 37.5. A false alarm has a probability below 2^−70.
const READING_ERROR_MAX: f64 = 376.0;

/// Steps of a round after its collection: prepare, agree, sum, measure, score.
const STEPS: u64 = 5;

/// How much later than its deadline a step may end: a tick, and one more at each step.
const TICKS_MS: u64 = 50 * (STEPS + 2);

/// What is wrong, with both sides.
type Check = Result<(), String>;

/// An invariant and its name.
pub(crate) type Invariant = (&'static str, fn(&Simulation) -> Check);

/// All of them.
pub(crate) const INVARIANTS: [Invariant; 16] = [
    (
        "invariant_aggregate_is_the_plain_sum_of_the_accepted_set",
        invariant_aggregate_is_the_plain_sum_of_the_accepted_set,
    ),
    (
        "invariant_nothing_is_opened_below_the_minimum_cohort",
        invariant_nothing_is_opened_below_the_minimum_cohort,
    ),
    (
        "invariant_groups_are_disjoint_parts_of_the_set",
        groups::invariant_groups_are_disjoint_parts_of_the_set,
    ),
    ("invariant_who_takes_part_was_drawn", invariant_who_takes_part_was_drawn),
    ("invariant_no_second_opening_with_another_set", invariant_no_second_opening_with_another_set),
    (
        "invariant_custodians_sum_only_after_agreement",
        invariant_custodians_sum_only_after_agreement,
    ),
    ("invariant_nothing_acknowledged_is_lost", invariant_nothing_acknowledged_is_lost),
    ("invariant_what_is_named_is_kept", invariant_what_is_named_is_kept),
    (
        "invariant_everything_acknowledged_has_a_receipt",
        invariant_everything_acknowledged_has_a_receipt,
    ),
    (
        "invariant_nothing_of_another_round_is_accepted",
        invariant_nothing_of_another_round_is_accepted,
    ),
    ("invariant_rounds_end_by_their_deadlines", invariant_rounds_end_by_their_deadlines),
    ("invariant_rounds_end_once", invariant_rounds_end_once),
    ("invariant_scalars_add_up", invariant_scalars_add_up),
    ("invariant_members_are_told_the_truth", invariant_members_are_told_the_truth),
    ("invariant_a_restart_gives_the_same_machine", invariant_a_restart_gives_the_same_machine),
    ("invariant_refusals_change_nothing", invariant_refusals_change_nothing),
];

fn check(holds: bool, what: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(what()) }
}

fn none(found: &[String]) -> Check {
    check(found.is_empty(), || found.join("; "))
}

/// The opened sum, of all groups together, is the integer sum of what exactly the members of its set sealed.
fn invariant_aggregate_is_the_plain_sum_of_the_accepted_set(simulation: &Simulation) -> Check {
    let Some(round) = simulation.witness.news.measured else { return Ok(()) };
    let sum = &simulation.processes.dao.sums[&round];
    let mut expected = vec![0_i64; sum.sum.len()];
    for (member, digest) in sum.accepted.contributions() {
        let fact = simulation.witness.sealed.get(digest);
        let fact = fact.filter(|fact| fact.member == *member && fact.round == round);
        let fact = fact.ok_or_else(|| format!("{member} never sealed {digest} to {round}"))?;
        expected.iter_mut().zip(&fact.values).for_each(|(total, value)| *total += value);
    }
    let mut opened = vec![0_i64; sum.sum.len()];
    for (values, _) in sum.sums() {
        opened.iter_mut().zip(values).for_each(|(total, value)| *total += value);
    }
    check(opened == expected, || format!("round {round}: {opened:?}, not {expected:?}"))
}

/// No party signs a share of a sum over fewer members than were agreed on, and no such sum is published.
fn invariant_nothing_is_opened_below_the_minimum_cohort(simulation: &Simulation) -> Check {
    let (news, world) = (&simulation.witness.news, &simulation.world);
    let minimum = world.minimum * world.groups;
    for (party, commitment) in &news.commitments {
        check(commitment.count as usize >= minimum, || {
            format!("{party:?} opened {} of {minimum} in {}", commitment.count, commitment.round)
        })?;
    }
    let Some(round) = news.measured else { return Ok(()) };
    let got = simulation.processes.dao.sums[&round].accepted.contributions().len();
    check(got >= minimum, || format!("the sum of round {round} has {got} of {minimum}"))
}

/// A sum has no more contributions than were wanted, and where members draw in secret a ticket of each that holds for
/// this member, round and model, at the rate that was agreed on.
fn invariant_who_takes_part_was_drawn(simulation: &Simulation) -> Check {
    let Some(round) = simulation.witness.news.measured else { return Ok(()) };
    let (world, sum) = (&simulation.world, &simulation.processes.dao.sums[&round]);
    let set = sum.accepted.contributions();
    let most = world.sampling.enough().unwrap_or(usize::MAX);
    check(set.len() <= most, || format!("round {round} took {} of {most}", set.len()))?;
    let Some(rate) = world.sampling.secret_rate() else {
        return check(sum.tickets.is_empty(), || format!("round {round} has tickets"));
    };
    check(sum.tickets.len() == set.len(), || format!("round {round} lacks tickets"))?;
    let beacon = Digest::of(Tag::Model, &world.model(round.0));
    let draw = Draw { federation: world.id, round: round.0, beacon };
    for ((member, _), ticket) in set.iter().zip(&sum.tickets) {
        let index = world.index_of(member).ok_or_else(|| format!("{member} is no member"))?;
        ticket
            .verify(&world.draw_key(index), &draw, rate)
            .map_err(|error| format!("round {round}, member {index}: {error}"))?;
    }
    Ok(())
}

/// A party opens one set, shows its verifier shares under one challenge and answers one probe per round; what
/// custodians of a round open is the same set.
fn invariant_no_second_opening_with_another_set(simulation: &Simulation) -> Check {
    let witness = &simulation.witness;
    for (party, commitment) in &witness.news.commitments {
        let round = commitment.round;
        let own = witness.commitments.get(&(round, *party));
        check(own.is_none_or(|own| own == commitment), || {
            format!("{party:?} opened round {round} twice: {own:?}, then {commitment:?}")
        })?;
        // With additive shares a sum opens only if all others open the same set, and each opens one.
        let alone = simulation.world.terms.sealing.custody().is_none();
        let mut of_round = witness.commitments.iter().filter(|((other, _), _)| *other == round);
        check(alone || of_round.all(|(_, other)| other.set_root == commitment.set_root), || {
            format!("{party:?} opened another set of round {round} than others")
        })?;
    }
    for (party, scalars) in &witness.news.scalars {
        let own = witness.scalars.get(&(scalars.round, *party));
        check(own.is_none_or(|own| own == scalars), || {
            format!("{party:?} answered two probes in round {}", scalars.round)
        })?;
    }
    for (party, echo) in &witness.news.echoes {
        let own = witness.echoed.get(&(echo.round, *party));
        check(own.is_none_or(|own| *own == echo.set_root), || {
            format!("{party:?} echoed two sets of round {}", echo.round)
        })?;
    }
    if simulation.world.terms.sealing != SealingTerms::MpcVerified {
        return Ok(());
    }
    for (party, round, challenge) in &witness.news.challenges {
        let own = witness.challenges.get(&(*round, *party));
        check(own.is_none_or(|own| own == challenge), || {
            format!("{party:?} answered two challenges in round {round}")
        })?;
    }
    Ok(())
}

/// A custodian sums only what enough of them echoed before.
fn invariant_custodians_sum_only_after_agreement(simulation: &Simulation) -> Check {
    let Some(custody) = simulation.world.terms.sealing.custody() else { return Ok(()) };
    let witness = &simulation.witness;
    for (party, commitment) in &witness.news.commitments {
        let echoed = witness.echoed.iter().filter(|((round, _), root)| {
            *round == commitment.round && **root == commitment.set_root
        });
        let (got, needed) = (echoed.count(), custody.agreement());
        check(got >= needed, || {
            format!("{party:?} summed round {} after {got} of {needed} echoes", commitment.round)
        })?;
    }
    Ok(())
}

/// While a round is under way, what was acknowledged is on the coordinator's disk.
fn invariant_nothing_acknowledged_is_lost(simulation: &Simulation) -> Check {
    let (witness, dao) = (&simulation.witness, &simulation.processes.dao);
    let news = &witness.news;
    if !news.coordinator && news.promises.is_empty() {
        return Ok(());
    }
    let held = &simulation.processes.coordinator.held;
    for Promise { round, member, update } in witness.promises.iter().chain(&news.promises) {
        check(dao.log.contains_key(round) || held.contains(update), || {
            format!("an update to round {round}, acknowledged to {member}, is not on the disk")
        })?;
    }
    none(&news.unstored)
}

/// The bytes of every update that a stored input names are in the store of the process that stored it, as long as they
/// may be asked for, and nobody misses one that no fault struck.
fn invariant_what_is_named_is_kept(simulation: &Simulation) -> Check {
    none(&simulation.witness.news.missed)?;
    let processes = &simulation.processes;
    let missing = processes.coordinator.missing();
    let missing = missing.or_else(|| processes.peers.iter().find_map(Peer::missing));
    let custodians = || processes.members.iter().find_map(|member| member.custodian.missing());
    missing.or_else(custodians).map_or(Ok(()), Err)
}

/// What was acknowledged is counted, or the round was given up with a reason, or it is left out for a fault of its own
/// that the receipt names; and the coordinator answers for the round as long as it is asked.
fn invariant_everything_acknowledged_has_a_receipt(simulation: &Simulation) -> Check {
    let (witness, dao) = (&simulation.witness, &simulation.processes.dao);
    for promise in
        witness.news.ended.iter().flat_map(|ended| {
            witness.promises.iter().filter(move |promise| promise.round == *ended)
        })
    {
        receipt_of(simulation, promise)?;
    }
    for round in &witness.news.concluded {
        let Some(logged) = dao.log.get(round) else { continue };
        for member in &simulation.world.member_keys {
            let fetched = simulation.processes.coordinator.machine.receipt_for(*round, member);
            match (&fetched, logged) {
                // It does not know yet that the round was logged.
                (FetchedReceipt::Pending, _) => {}
                (FetchedReceipt::Settled { receipt, .. }, Logged::Settled(logged))
                    if receipt == logged => {}
                (FetchedReceipt::Aborted(abort), Logged::Aborted(logged))
                    if abort.unverified_body().reason == *logged => {}
                _ => return Err(format!("round {round}: {fetched:?}, logged was {logged:?}")),
            }
        }
    }
    Ok(())
}

fn receipt_of(simulation: &Simulation, promise: &Promise) -> Check {
    let Promise { round, member, update } = promise;
    match simulation.processes.dao.log.get(round) {
        None => Ok(()),
        Some(Logged::Aborted(reason)) => {
            check(!reason.is_empty(), || format!("round {round} was given up for no reason"))
        }
        Some(Logged::Settled(receipt)) => {
            let receipt = receipt.unverified_body();
            let counted = receipt.accepted.contributions().contains(&(*member, *update));
            check(counted || left_out_fairly(simulation, promise, receipt), || {
                format!("round {round}: {member} was promised to be counted, and is left out")
            })
        }
    }
}

fn left_out_fairly(simulation: &Simulation, promise: &Promise, receipt: &RoundReceipt) -> bool {
    let witness = &simulation.witness;
    let named = receipt.refused.iter().any(|(why, _)| {
        matches!(why, Refusal::Unopenable | Refusal::BadProof | Refusal::Malformed)
    });
    let faulty = witness.sealed.get(&promise.update).is_some_and(|fact| fact.faulty);
    named && faulty
}

/// What is acknowledged was sealed by its sender to the round that is under way; what a party opens belongs to a round
/// that the DAO node granted.
fn invariant_nothing_of_another_round_is_accepted(simulation: &Simulation) -> Check {
    let (witness, dao) = (&simulation.witness, &simulation.processes.dao);
    for promise in &witness.news.promises {
        let fact = witness.sealed.get(&promise.update);
        let own = fact.is_some_and(|f| f.member == promise.member && f.round == promise.round);
        // The DAO node may have logged the round already: then it was under way when this was answered.
        let under_way = dao.open_round() == Some(promise.round)
            || dao.log.last_key_value().is_some_and(|(last, _)| *last == promise.round);
        check(own && under_way, || format!("accepted what it must not: {promise:?}, {fact:?}"))?;
    }
    let granted = |round: RoundId| dao.open_round() == Some(round) || dao.log.contains_key(&round);
    for (party, commitment) in &witness.news.commitments {
        check(granted(commitment.round), || {
            format!("{party:?} opened round {}, which nobody granted", commitment.round)
        })?;
    }
    Ok(())
}

/// A round is decided, one way or the other, by its deadline and those of its steps: but for the time in which the
/// coordinator was down or away, or its clock went back.
fn invariant_rounds_end_by_their_deadlines(simulation: &Simulation) -> Check {
    let coordinator = &simulation.processes.coordinator;
    let Some((round, since_ms)) = coordinator.began else { return Ok(()) };
    let now_ms = simulation.now_ms;
    let budget_ms = ROUND_DEADLINE_MS + STEPS * STEP_DEADLINE_MS + TICKS_MS;
    let took_ms = now_ms.saturating_sub(since_ms);
    if took_ms <= budget_ms
        || coordinator.decided()
        || simulation.down.contains(&Party::Aggregator(0))
    {
        return Ok(());
    }
    let down_ms: u64 = simulation
        .outages
        .iter()
        .map(|(from_ms, until_ms)| now_ms.min(*until_ms).saturating_sub(since_ms.max(*from_ms)))
        .sum();
    let excused_ms = down_ms + simulation.plan.excused_ms(since_ms, now_ms);
    check(took_ms <= budget_ms + excused_ms, || {
        format!("round {round} is undecided after {took_ms} ms, {budget_ms} + {excused_ms} at most")
    })
}

/// Nobody asks the DAO node for two ends of a round, nor to measure two sums of it.
fn invariant_rounds_end_once(simulation: &Simulation) -> Check {
    none(&simulation.witness.news.contradictions)
}

/// What credits are computed from: each scalar is the inner product of what its member sealed with the probe that the DAO
/// node named for its group, and together they are that of the group's published sum.
fn invariant_scalars_add_up(simulation: &Simulation) -> Check {
    let (witness, dao) = (&simulation.witness, &simulation.processes.dao);
    let Some(round) = witness.news.ended else { return Ok(()) };
    let Some(Logged::Settled(receipt)) = dao.log.get(&round) else { return Ok(()) };
    let receipt = receipt.unverified_body();
    let order: &Signed<_> = &dao.probes[&round];
    let order = order.unverified_body();
    let contributions = receipt.accepted.contributions();
    check(contributions.len() == receipt.scalars.len(), || {
        format!("{} scalars of {} members", receipt.scalars.len(), contributions.len())
    })?;
    let noisy = simulation.world.terms.sealing.custody().is_some();
    let (terms, grant) = (&simulation.world.terms, receipt.grant.unverified_body());
    let groups = Grouping::of(terms, grant, &receipt.accepted);
    let groups = groups.map_err(|refusal| format!("round {round} has no groups: {refusal}"))?;
    for (group, (sum, _)) in dao.sums[&round].sums().enumerate() {
        let probes = order.probes_of(group).ok_or("a group has no probes")?;
        let each = contributions.iter().zip(&receipt.scalars).zip(groups.places());
        let own: Vec<_> =
            each.filter(|(_, place)| **place == group).map(|(scalars, _)| scalars).collect();
        let reads: [Read; 3] = [|s| s.value, |s| s.innovation, |s| s.contrast];
        for (probe, read) in probes.into_iter().zip(reads) {
            let reading = Reading::of(probe, own.len(), noisy)?;
            let mut total = 0;
            for ((member, digest), scalars) in &own {
                let values = &witness.sealed[digest].values;
                reading.check(values, read(scalars), 1).map_err(|off| {
                    format!("round {round}: the scalar of {member} is off by {off}")
                })?;
                total += read(scalars);
            }
            reading
                .check(sum, total, own.len())
                .map_err(|off| format!("round {round}: all scalars together are off by {off}"))?;
        }
    }
    Ok(())
}

/// One of the scalars of a contribution.
type Read = fn(&OpenedScalars) -> i64;

/// How opened scalars follow from integers.
struct Reading {
    probe: Vec<i64>,
    exponent: u32,
    count: i64,
    /// What one reading may be off by.
    bound: f64,
}

impl Reading {
    /// The probe is read from its pinned wire form: no method of its own is trusted.
    fn of(probe: &QuantizedProbe, count: usize, noisy: bool) -> Result<Self, String> {
        let bytes = probe.to_bytes();
        let (exponent, rest) = bytes.split_first_chunk::<8>().ok_or("a probe has no exponent")?;
        let exponent = u32::try_from(i64::from_be_bytes(*exponent));
        let exponent = exponent.map_err(|_source| "a probe has a negative exponent")?;
        let probe = probe_coordinates(rest).ok_or("a probe ends early")?;
        let unit = 2_f64.powi(privacy_secagg::VALUE_SHIFT) / f64::from(exponent).exp2();
        let noise = if noisy { READING_ERROR_MAX * unit / count as f64 + 1.0 } else { 0.0 };
        let count = i64::try_from(count).map_err(|_source| "too many members")?;
        Ok(Self { probe, exponent, count, bound: noise })
    }

    /// Checks a reading, or the sum of `readings` of them, each rounded towards zero twice.
    fn check(&self, values: &[i64], got: i64, readings: usize) -> Result<(), u64> {
        let product: i128 =
            values.iter().zip(&self.probe).map(|(v, p)| i128::from(*v) * i128::from(*p)).sum();
        let scaled = (product << privacy_secagg::VALUE_SHIFT) / (1_i128 << self.exponent);
        let exact = i64::try_from(scaled / i128::from(self.count)).unwrap_or(i64::MAX);
        let off = (got - exact).unsigned_abs();
        let rounding = if readings == 1 { 0.0 } else { 2.0 * readings as f64 };
        let bound = self.bound * readings as f64 + rounding;
        if off as f64 <= bound { Ok(()) } else { Err(off) }
    }
}

/// The integers of a packed probe: count, k, length, then for each q ones, a zero and k low bits.
fn probe_coordinates(packed: &[u8]) -> Option<Vec<i64>> {
    let (count, rest) = packed.split_first_chunk::<4>()?;
    let (k, packed) = (*rest.first()?, rest.get(5..)?);
    let mut bits = packed.iter().flat_map(|byte| (0..8).map(move |bit| i64::from(byte >> bit & 1)));
    let value = |_| {
        let quotient = i64::try_from(bits.by_ref().take_while(|bit| *bit == 1).count()).ok()?;
        let low = (0..k).try_fold(0, |low, bit| Some(low | bits.next()? << bit))?;
        let code = quotient << k | low;
        Some(if code % 2 == 0 { code / 2 } else { -(code + 1) / 2 })
    };
    (0..u32::from_be_bytes(*count)).map(value).collect()
}

/// What a member proved to itself is what the DAO node logged; no check of a published sum finds fault.
fn invariant_members_are_told_the_truth(simulation: &Simulation) -> Check {
    let (witness, dao) = (&simulation.witness, &simulation.processes.dao);
    for told in &witness.news.told {
        let Told { member, round, update, promised, outcome } = told;
        let me = simulation.world.member_keys[*member];
        let promise = Promise { round: *round, member: me, update: *update };
        let holds = match (outcome, dao.log.get(round)) {
            (Ok(Outcome::Counted(told)), Some(Logged::Settled(logged))) => {
                **told == *logged.unverified_body()
                    && told.accepted.contributions().contains(&(me, *update))
            }
            (Ok(Outcome::Aborted { reason }), Some(Logged::Aborted(logged))) => reason == logged,
            (Err(ReceiptError::LeftOut), Some(Logged::Settled(logged))) => {
                !promised || left_out_fairly(simulation, &promise, logged.unverified_body())
            }
            // It never was accepted, and the round may be over before it was heard of.
            (Ok(Outcome::Unknown), _) => !promised,
            _ => false,
        };
        check(holds, || format!("member {member}: {told:?}, logged {:?}", dao.log.get(round)))?;
    }
    for (round, dispute) in &witness.news.disputes {
        // A member that spoils its own tag makes a true sum fail, and nobody can say whose it was.
        let accepted = dao.sums.get(round).map(|sum| sum.accepted.contributions());
        let mut digests = accepted.unwrap_or_default().iter().map(|(_, digest)| digest);
        let spoilt = digests.any(|digest| witness.sealed.get(digest).is_some_and(|f| f.tag_spoilt));
        check(spoilt, || format!("round {round}: {dispute}"))?;
    }
    Ok(())
}

/// A process that is started again on its disk is the one that was killed, but for what it had not stored.
fn invariant_a_restart_gives_the_same_machine(simulation: &Simulation) -> Check {
    none(&simulation.witness.news.restarts)
}

/// A refused message changes nothing but its counter.
fn invariant_refusals_change_nothing(simulation: &Simulation) -> Check {
    none(&simulation.witness.news.changed_by_refusal)
}

/// At the end: every round was granted and ended, one way or the other.
pub(crate) fn invariant_all_rounds_ended(simulation: &Simulation) -> Check {
    let (dao, rounds) = (&simulation.processes.dao, simulation.world.terms.rounds as usize);
    check(simulation.done() && dao.open_round().is_none() && dao.log.len() == rounds, || {
        format!("at {} ms {} of {rounds} rounds have ended", simulation.now_ms, dao.log.len())
    })
}
