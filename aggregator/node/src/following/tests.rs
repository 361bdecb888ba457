use aggregator_protocol::{CohortTerms, NoiseTerms, SchemaTerms, SealingTerms, TrainingTerms};
use aggregator_strategy::{CohortRule, ServerOptimizer};
use anyhow::ensure;
use privacy_dp::ClipNorm;
use privacy_identity::Tag;
use privacy_secagg::{AggregatorKeys, EncodingParameters};

use super::*;

/// The entry of the ledger that put the voted terms in force.
const ENTRY: u64 = 40;
const EVIDENCE: &[u8] = b"a vote";

fn key(index: u8) -> SigningKey {
    SigningKey::from_seed(&[index; 32])
}

fn aggregator(index: u8) -> AggregatorKeys {
    let sealing = SealingKey::derived_from(&key(index)).public();
    AggregatorKeys { verifying: key(index).verifying_key(), sealing }
}

fn terms() -> FederationTerms {
    FederationTerms {
        name: "wine".to_owned(),
        purpose: "grade wine".to_owned(),
        dao: Digest([1; 32]),
        dao_node: key(9).verifying_key(),
        aggregators: vec![aggregator(1), aggregator(2)],
        sealing: SealingTerms::Mpc,
        cohort: CohortTerms::Absent,
        encoding: EncodingParameters::standard(ClipNorm::new(2.0).unwrap(), 3, 8).unwrap(),
        noise: NoiseTerms::ABSENT,
        training: TrainingTerms::sgd(2, 16, 0.05),
        optimizer: ServerOptimizer::default(),
        architecture: "{}".to_owned(),
        schema: SchemaTerms {
            features: vec!["acid".to_owned()],
            label: "good".to_owned(),
            classes: vec!["no".to_owned(), "yes".to_owned()],
            mean: vec![0.5],
            deviation: vec![2.0],
        },
        rounds: 15,
        stopping: None,
        sampling: CohortRule::Everybody,
        buffer: None,
        groups: None,
        minimum_cohort: 3,
        round_deadline_ms: 30_000,
        step_deadline_ms: 30_000,
    }
}

/// Terms as the DAO node signs them, told apart by their deadline.
pub(crate) fn signed_terms(round_deadline_ms: u64) -> Signed<FederationTerms> {
    Signed::new(other(|terms| terms.round_deadline_ms = round_deadline_ms), Tag::Terms, &key(9))
}

fn other(change: impl FnOnce(&mut FederationTerms)) -> FederationTerms {
    let mut terms = terms();
    change(&mut terms);
    terms
}

/// The second aggregator, which follows by `mode` and whose operator agreed to `agreed`.
fn decide(
    (mode, agreed): (FollowMode, Vec<Digest>),
    (offered, signer): (FederationTerms, u8),
    (since, evidence): (Option<u64>, &[u8]),
) -> anyhow::Result<Option<Followed>> {
    let check = |_: &FederationTerms, evidence: &[u8]| {
        ensure!(evidence == EVIDENCE, "no vote");
        Ok(ENTRY)
    };
    let following = Following { mode, agreed, check: Arc::new(check) };
    let sealing = SealingKey::derived_from(&key(2));
    let context = AggregatorContext::new(terms(), key(2), sealing).unwrap();
    let reaches = |terms: &FederationTerms| {
        ensure!(terms.aggregators.len() < 3, "no address of the third");
        Ok(())
    };
    let stand = Stand { context: &context, since, reaches: &reaches };
    following.decide(&stand, Signed::new(offered, Tag::Terms, &key(signer)), evidence)
}

fn by_itself(offered: FederationTerms) -> anyhow::Result<Option<Followed>> {
    decide((FollowMode::Protective, Vec::new()), (offered, 9), (None, EVIDENCE))
}

fn check_refused(decided: anyhow::Result<Option<Followed>>, why: &str) {
    let error = format!("{:#}", decided.unwrap_err());
    assert!(error.contains(why), "expected `{why}`, got: {error}");
}

#[test]
fn terms_that_protect_as_much_are_followed_and_the_same_ones_are_no_change() {
    let slower = other(|terms| terms.round_deadline_ms = 60_000);
    let followed = by_itself(slower.clone()).unwrap().unwrap();
    assert_eq!((followed.terms.unverified_body(), followed.entry), (&slower, ENTRY));
    assert!(by_itself(other(|terms| terms.minimum_cohort = 4)).unwrap().is_some());
    assert_eq!(by_itself(terms()).unwrap(), None);
}

#[test]
fn weaker_terms_are_followed_only_if_the_operator_named_exactly_these() {
    let weaker = other(|terms| terms.minimum_cohort = 2);
    check_refused(
        by_itself(weaker.clone()),
        "protect contributors less: fewest contributors 3 → 2",
    );
    let with = |agreed: Vec<Digest>| {
        decide((FollowMode::Protective, agreed), (weaker.clone(), 9), (None, EVIDENCE))
    };
    assert!(with(vec![weaker.id()]).unwrap().is_some());
    check_refused(with(vec![terms().id()]), "--agree");
}

#[test]
fn whoever_follows_by_hand_follows_what_was_named_and_nothing_else() {
    let slower = other(|terms| terms.round_deadline_ms = 60_000);
    let by_hand =
        |agreed| decide((FollowMode::Named, agreed), (slower.clone(), 9), (None, EVIDENCE));
    check_refused(by_hand(Vec::new()), "follows by hand");
    assert!(by_hand(vec![slower.id()]).unwrap().is_some());
}

#[test]
fn nothing_is_followed_that_nobody_voted_for_or_that_was_voted_out() {
    let slower = || other(|terms| terms.round_deadline_ms = 60_000);
    let agreed = || (FollowMode::Protective, vec![slower().id()]);
    check_refused(decide(agreed(), (slower(), 9), (None, b"forged")), "no vote");
    check_refused(decide(agreed(), (slower(), 9), (Some(ENTRY), EVIDENCE)), "they were voted out");
    assert!(decide(agreed(), (slower(), 9), (Some(ENTRY - 1), EVIDENCE)).unwrap().is_some());
    check_refused(decide(agreed(), (slower(), 8), (None, EVIDENCE)), "not signed by the DAO node");
    let elsewhere = other(|terms| terms.dao = Digest([2; 32]));
    check_refused(by_itself(elsewhere), "another federation");
}

#[test]
fn terms_that_this_aggregator_cannot_serve_are_not_followed() {
    let without = other(|terms| terms.aggregators = vec![aggregator(1), aggregator(3)]);
    check_refused(by_itself(without), "is not named");
    let third = other(|terms| terms.aggregators.push(aggregator(3)));
    check_refused(by_itself(third), "no address of the third");
}
