//! FHE mode: custodians that are missing, decline or lie, and contributors that deal them false
//! shares: the round gives the right sum or none, with a reason, and says who it was where that can be
//! told.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(dead_code, reason = "other test files use the rest of the world")]

mod world;

use aggregator_protocol::{
    AggregatorReply, AggregatorRequest, CustodyTerms, Refusal, ScalarShares, SealingTerms,
};
use aggregator_round::{Input, RoundEvent};
use privacy_identity::{Digest, Signed, Tag, VerifyingKey};
use rand::RngExt as _;

use crate::world::{
    Contribution, READING_ERROR_MAX, World,
    dao::{Logged, probe_in_the_clear},
    dishonest::{payloads, with_payloads},
    federation::{Federation, asks_agree, asks_prepare, asks_sum, replied},
    rng_for,
};

const MEMBERS: usize = 6;

fn federation(custodians: u8, threshold: u8) -> (Federation, Vec<Contribution>) {
    let custody = CustodyTerms::new(custodians, threshold).unwrap();
    let mut federation = Federation::sealed(SealingTerms::Fhe(custody), 1, MEMBERS);
    let contributions = federation.open_to_all();
    (federation, contributions)
}

/// The steps in which a custodian is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Step {
    Prepare,
    Agree,
    Sum,
    Score,
}

const STEPS: [Step; 4] = [Step::Prepare, Step::Agree, Step::Sum, Step::Score];

const fn step(request: &AggregatorRequest) -> Step {
    match request {
        AggregatorRequest::Prepare { .. } => Step::Prepare,
        AggregatorRequest::Agree { .. } => Step::Agree,
        AggregatorRequest::Sum { .. } => Step::Sum,
        AggregatorRequest::Score(_) => Step::Score,
    }
}

/// The custodians that were said to lie.
fn named(federation: &Federation) -> Vec<VerifyingKey> {
    let liars = federation.coordinator.reports.iter().filter_map(|event| match event {
        RoundEvent::Lied { custodians, .. } => Some(custodians.clone()),
        _ => None,
    });
    liars.flatten().collect()
}

/// Every sum that was ever opened is right, and so are the scalars of a round that was settled, up to
/// the noise along the probe.
fn check_right(federation: &Federation, contributions: &[Contribution], ended: &Logged) {
    let length = federation.world.terms.encoding.vector_len();
    let exact: Vec<i64> =
        (0..length).map(|j| contributions.iter().map(|c| c.values[j]).sum()).collect();
    for sum in &federation.dao.sums {
        assert_eq!(sum.sum, exact);
    }
    let Logged::Settled(receipt) = ended else { return };
    let receipt = receipt.unverified_body();
    let order = federation.dao.probes[&receipt.round].unverified_body();
    let count = contributions.len() as f64;
    for (contribution, opened) in contributions.iter().zip(&receipt.scalars) {
        for (probe, got) in [(&order.value, opened.value), (&order.innovation, opened.innovation)] {
            let (probe, exponent) = probe_in_the_clear(probe);
            let exact: i64 = contribution.values.iter().zip(&probe).map(|(v, p)| v * p).sum();
            let unit = 2_f64.powi(privacy_secagg::VALUE_SHIFT)
                / 2_f64.powi(i32::try_from(exponent).unwrap());
            let error = (got as f64 - exact as f64 * unit / count).abs() / unit * count;
            assert!(error <= READING_ERROR_MAX, "a scalar is off by {error}");
        }
    }
}

fn check_settled(federation: &Federation, contributions: &[Contribution], ended: &Logged) {
    assert!(matches!(ended, Logged::Settled(_)), "{ended:?}");
    assert_eq!(federation.dao.sums.len(), 1);
    check_right(federation, contributions, ended);
}

fn reason(ended: &Logged) -> &str {
    match ended {
        Logged::Aborted(reason) => reason,
        Logged::Settled(_) => panic!("it was settled"),
    }
}

/// A change to the payloads of a contribution.
type Spoil = fn(&mut Vec<Vec<u8>>);

#[test]
fn custodians_that_go_missing_at_any_step_stop_a_round_only_when_too_few_are_left() {
    for (custodians, threshold) in [(3_u8, 2_u8), (4, 2), (5, 3)] {
        let custody = CustodyTerms::new(custodians, threshold).unwrap();
        for from in STEPS {
            let agreeing = matches!(from, Step::Prepare | Step::Agree);
            let needed = if agreeing { custody.agreement() } else { custody.threshold() };
            // As many as may be missing, and one more.
            let most = custody.custodians() - needed;
            for missing in [most, most + 1] {
                let (mut federation, contributions) = federation(custodians, threshold);
                let ended = federation.end_round(|_, place, request, reply| {
                    (place > missing || step(request) < from).then_some(reply)
                });
                let left = custody.custodians() - missing;
                if left >= needed {
                    check_settled(&federation, &contributions, &ended);
                } else {
                    let waited = match from {
                        Step::Prepare => "prepare",
                        Step::Agree => "agree on the set",
                        Step::Sum => "sum",
                        Step::Score => "score",
                    };
                    assert_eq!(reason(&ended), format!("no answer in time to {waited}"));
                    check_right(&federation, &contributions, &ended);
                }
                assert_eq!(named(&federation), []);
            }
        }
    }
}

#[test]
fn custodians_that_decline_are_asked_no_more_and_stop_a_round_only_when_too_few_are_left() {
    for (custodians, threshold) in [(4_u8, 2_u8), (5, 3)] {
        let custody = CustodyTerms::new(custodians, threshold).unwrap();
        for at in STEPS {
            let agreeing = matches!(at, Step::Prepare | Step::Agree);
            let needed = if agreeing { custody.agreement() } else { custody.threshold() };
            let most = custody.custodians() - needed;
            for declining in [most, most + 1] {
                let (mut federation, contributions) = federation(custodians, threshold);
                let mut declined = 0;
                let ended = federation.end_round(|_, place, request, reply| {
                    if place <= declining && step(request) == at {
                        declined += 1;
                        return Some(replied(request, Err(Refusal::Unexpected)));
                    }
                    assert!(place > declining || step(request) < at, "{place} is asked again");
                    Some(reply)
                });
                let left = custody.custodians() - declining;
                if left >= needed {
                    check_settled(&federation, &contributions, &ended);
                    assert_eq!(declined, declining);
                } else {
                    // Known at once: nobody waits for the deadline.
                    assert_eq!(reason(&ended), "a step was refused: not expected now");
                    check_right(&federation, &contributions, &ended);
                }
            }
        }
    }
}

/// How a custodian lies about what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lie {
    /// One bit of one element.
    Bit,
    /// Many elements, at random.
    Noise,
    /// For another custodian.
    Place,
    /// For another set, or not an element of the field.
    Other,
    /// What does not decode, or of another length.
    Junk,
}

const LIES: [Lie; 5] = [Lie::Bit, Lie::Noise, Lie::Place, Lie::Other, Lie::Junk];

impl Lie {
    /// A false reply that the custodian signs as it should.
    fn told(self, world: &World, place: usize, reply: AggregatorReply) -> AggregatorReply {
        let key = &world.members[place - 1];
        let mut rng = rng_for(&[20, place as u64]);
        match reply {
            AggregatorReply::Sum { commitment, mut share } => {
                // Place, set, packed elements of 61 bits.
                match self {
                    Self::Bit => share[33 + 8] ^= 2,
                    Self::Noise => {
                        (33..share.len() - 8).for_each(|at| share[at] ^= rng.random::<u8>() & 0x11)
                    }
                    Self::Place => share[0] = share[0] % 3 + 1,
                    Self::Other => share[1] ^= 1,
                    Self::Junk => share.truncate(100),
                }
                let mut body = commitment.unverified_body().clone();
                body.share = Digest::of(Tag::PackedShare, &share);
                let commitment = Signed::new(body, Tag::SumShare, key);
                AggregatorReply::Sum { commitment, share }
            }
            AggregatorReply::Scalars(shares) => {
                let mut body: ScalarShares = shares.unverified_body().clone();
                match self {
                    Self::Bit => body.shares[0][0] ^= 2,
                    Self::Noise => {
                        body.shares.iter_mut().for_each(|share| share[1] = rng.random::<u64>() >> 4)
                    }
                    Self::Place => body.shares.reverse(),
                    Self::Other => body.shares[2][1] = u64::MAX,
                    Self::Junk => drop(body.shares.pop()),
                }
                let shares = Signed::new(body, Tag::ScalarShares, key);
                AggregatorReply::Scalars(Box::new(shares))
            }
            other => other,
        }
    }
}

/// A round in which the custodians at `liars` tell `lie` at one step.
fn lied(
    custody: (u8, u8),
    at: Step,
    lie: Lie,
    liars: &[usize],
) -> (Federation, Vec<Contribution>, Logged) {
    let (mut federation, contributions) = federation(custody.0, custody.1);
    let ended = federation.end_round(|world, place, request, reply| {
        let lies = liars.contains(&place) && step(request) == at;
        Some(if lies { lie.told(world, place, reply) } else { reply })
    });
    (federation, contributions, ended)
}

#[test]
fn one_custodian_that_lies_is_outvoted_by_threshold_and_two_and_named() {
    for custody in [(4, 2), (5, 3)] {
        for at in [Step::Sum, Step::Score] {
            for lie in LIES {
                for liar in [1, usize::from(custody.0)] {
                    let (federation, contributions, ended) = lied(custody, at, lie, &[liar]);
                    check_settled(&federation, &contributions, &ended);
                    let expected = if lie == Lie::Junk {
                        vec![]
                    } else {
                        vec![federation.world.member(liar - 1)]
                    };
                    assert_eq!(named(&federation), expected, "{custody:?} {at:?} {lie:?} {liar}");
                }
            }
        }
    }
}

#[test]
fn scalars_wait_for_one_answer_more_than_opens_them_so_that_a_lie_is_seen() {
    // The others answer later than patience lasts, and before the scrutiny of scalars ends.
    const LATE: usize = 9;
    for (late, settles) in [(vec![3, 4], true), (vec![3], false)] {
        let (mut federation, contributions) = federation(4, 2);
        let mut asked = 0;
        let ended = federation.end_round(|world, place, request, reply| {
            if step(request) != Step::Score {
                return Some(reply);
            }
            asked += usize::from(place == 3);
            match place {
                1 => Some(Lie::Bit.told(world, place, reply)),
                2 => Some(reply),
                _ => (late.contains(&place) && asked > LATE).then_some(reply),
            }
        });
        check_right(&federation, &contributions, &ended);
        if settles {
            check_settled(&federation, &contributions, &ended);
            assert_eq!(named(&federation), [federation.world.member(0)]);
        } else {
            // Seen, but nobody can say who of three it was.
            assert_eq!(reason(&ended), "no answer in time to score");
        }
    }
}

#[test]
fn liars_that_are_too_many_to_be_outvoted_end_the_round_and_never_make_a_sum() {
    for (custody, liars) in
        [((3, 2), &[2_usize][..]), ((4, 2), &[1, 3]), ((5, 3), &[2, 5]), ((3, 2), &[1, 2, 3])]
    {
        for at in [Step::Sum, Step::Score] {
            for lie in [Lie::Bit, Lie::Noise] {
                // Two bits that flip may put three answers on another polynomial: threshold liars shift
                // a scalar as they like. A sum they cannot, as its noise would show.
                if lie == Lie::Bit && at == Step::Score {
                    continue;
                }
                let (federation, contributions, ended) = lied(custody, at, lie, liars);
                check_right(&federation, &contributions, &ended);
                let settled = matches!(ended, Logged::Settled(_));
                assert!(
                    !settled,
                    "settled although {liars:?} of {custody:?} lied at {at:?}: {lie:?}"
                );
                let reason = reason(&ended);
                assert!(reason.starts_with("shares do not open: "), "{reason}");
                for place in liars {
                    assert!(reason.contains(&place.to_string()), "{place} is not named: {reason}");
                }
            }
        }
    }
}

/// A round in which member 0, whose payloads were altered, is the first to send.
fn with_forged(
    alter: impl Fn(&mut Vec<Vec<u8>>),
) -> (Federation, Result<(), Refusal>, Vec<Contribution>) {
    let custody = CustodyTerms::new(4, 2).unwrap();
    let mut federation = Federation::sealed(SealingTerms::Fhe(custody), 1, MEMBERS);
    let everybody: Vec<_> = (0..MEMBERS).collect();
    federation.dao.open(federation.world.grant(0, &everybody));
    federation.run_grant();
    let order = federation.order().unwrap();
    let honest = federation.contribution(0);
    let mut altered = payloads(&federation.world, &order, &honest);
    alter(&mut altered);
    let forged = with_payloads(&federation.world, 0, &order, &honest, altered);
    let submission = federation.submission(0, &forged);
    let taken = federation.feed(&submission).map(drop);
    let mut contributions = federation.submit(&[1, 2, 3, 4, 5]);
    if taken.is_ok() {
        contributions.insert(0, forged);
    } else {
        federation.pass_deadline();
    }
    (federation, taken, contributions)
}

#[test]
fn a_ciphertext_that_is_none_is_refused_at_once() {
    let spoilt: [fn(&mut Vec<Vec<u8>>); 4] = [
        |payloads| payloads[0].truncate(40),
        |payloads| payloads[0].push(0),
        |payloads| payloads[0] = payloads[1].clone(),
        |payloads| payloads[0].clear(),
    ];
    for alter in spoilt {
        let (mut federation, taken, contributions) = with_forged(alter);
        assert_eq!(taken, Err(Refusal::Unopenable));
        let ended = federation.end_round(|_, _, _, reply| Some(reply));
        check_settled(&federation, &contributions, &ended);
    }
}

#[test]
fn who_deals_a_custodian_what_is_no_share_is_taken_out_and_counted() {
    let spoilt: [fn(&mut Vec<Vec<u8>>); 4] = [
        |payloads| payloads[2].truncate(20),
        |payloads| payloads[4].push(0),
        |payloads| payloads[4] = payloads[0].clone(),
        // Elements that are none.
        |payloads| payloads[4][1..].fill(0xFF),
    ];
    for alter in spoilt {
        let (mut federation, taken, mut contributions) = with_forged(alter);
        assert_eq!(taken, Ok(()));
        contributions.remove(0);
        let ended = federation.end_round(|_, _, _, reply| Some(reply));
        check_settled(&federation, &contributions, &ended);
        let Logged::Settled(receipt) = ended else { panic!() };
        assert_eq!(receipt.unverified_body().refused, [(Refusal::Unopenable, 1)]);
    }
}

#[test]
fn who_deals_shares_that_do_not_belong_together_is_taken_out_before_the_set_is_agreed_on() {
    let spoilt: [Spoil; 4] = [
        |payloads| payloads[4][100] ^= 1,
        |payloads| {
            payloads[3][100] ^= 1;
            payloads[4][100] ^= 1;
        },
        |payloads| payloads.swap(3, 4),
        // Seeds: whatever they are, they are shares, but not those that were committed to.
        |payloads| payloads[1][5] ^= 1,
    ];
    for alter in spoilt {
        let (mut federation, taken, mut contributions) = with_forged(alter);
        assert_eq!(taken, Ok(()));
        contributions.remove(0);
        let ended = federation.end_round(|_, _, _, reply| Some(reply));
        check_settled(&federation, &contributions, &ended);
        let Logged::Settled(receipt) = ended else { panic!() };
        assert_eq!(receipt.unverified_body().refused, [(Refusal::BadShare, 1)]);
        assert!(named(&federation).is_empty(), "no custodian is blamed");
    }
}

#[test]
fn who_shows_custodians_different_proofs_is_taken_out() {
    // Both are honest encryptions of the same contributor: each custodian finds its share in order.
    let custody = CustodyTerms::new(4, 2).unwrap();
    let mut other = Federation::sealed(SealingTerms::Fhe(custody), 1, MEMBERS);
    let everybody: Vec<_> = (0..MEMBERS).collect();
    other.dao.open(other.world.grant(0, &everybody));
    other.run_grant();
    let order = other.order().unwrap();
    let second = payloads(&other.world, &order, &other.contribution(1));
    let (mut federation, taken, mut contributions) =
        with_forged(|payloads| payloads[3] = second[3].clone());
    assert_eq!(taken, Ok(()));
    contributions.remove(0);
    let ended = federation.end_round(|_, _, _, reply| Some(reply));
    check_settled(&federation, &contributions, &ended);
    let Logged::Settled(receipt) = ended else { panic!() };
    assert_eq!(receipt.unverified_body().refused, [(Refusal::BadShare, 1)]);
}

/// Patience is 150 ms here, half a step. Counted from the beginning of the step it would be over before the fourth of
/// five has answered, and the fifth would be left out.
#[test]
fn a_slow_custodian_is_waited_for_and_a_late_answer_is_no_refusal() {
    let (mut federation, contributions) = federation(5, 3);
    let began_ms = federation.now_ms;
    let asks: Vec<_> = federation.asked().into_iter().filter(asks_prepare).collect();
    assert_eq!(asks.len(), 5);
    for (ask, after_ms) in asks.iter().zip([160, 165, 170, 175]) {
        federation.now_ms = began_ms + after_ms;
        let input = federation.answer(ask);
        federation.feed(&input).unwrap();
        federation.feed(&Input::Tick).unwrap();
    }
    assert!(federation.outstanding().iter().any(asks_prepare), "the fifth was not waited for");
    federation.now_ms = began_ms + 250;
    let input = federation.answer(&asks[4]);
    federation.feed(&input).unwrap();
    let asks: Vec<_> = federation.asked().into_iter().filter(asks_agree).collect();
    assert_eq!(asks.len(), 5);
    // Four echoes are enough; the fifth comes when the sum is asked for, and once more.
    for ask in &asks {
        let input = federation.answer(ask);
        federation.feed(&input).unwrap();
    }
    assert!(federation.outstanding().iter().any(asks_sum));
    let late = federation.answer(&asks[4]);
    assert_eq!(federation.feed(&late), Ok(Vec::new()));
    let ended = federation.end_round(|_, _, _, reply| Some(reply));
    check_settled(&federation, &contributions, &ended);
    let Logged::Settled(receipt) = ended else { panic!("given up") };
    assert_eq!(receipt.unverified_body().refused, []);
}

/// Four of five prepared, and the fifth never comes: patience ends with the step at the latest, and the round goes on.
#[test]
fn patience_never_lasts_longer_than_a_step() {
    let (mut federation, contributions) = federation(5, 3);
    let began_ms = federation.now_ms;
    let asks: Vec<_> = federation.asked().into_iter().filter(asks_prepare).collect();
    for (ask, after_ms) in asks.iter().zip([280, 285, 290, 295]) {
        federation.now_ms = began_ms + after_ms;
        let input = federation.answer(ask);
        federation.feed(&input).unwrap();
    }
    federation.now_ms = began_ms + 400;
    federation.feed(&Input::Tick).unwrap();
    assert!(federation.outstanding().iter().any(asks_agree));
    let ended = federation.end_round(|_, place, _, reply| (place != 5).then_some(reply));
    check_settled(&federation, &contributions, &ended);
}
