//! A round receipt is about one DAO, one federation, one round and one model, and pays there alone.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use aggregator_protocol::{AcceptedSet, OpenedScalars, RoundGrant, RoundId, RoundReceipt};
use data_dao_governance::CharterParameters;
use data_dao_journal::{
    Body, BoundsKind, Entry, FederationOpened, Genesis, MemberAdmitted, RoundOpened, State,
    settlement_bodies,
};
use data_dao_ledger::Name;
use privacy_identity::{Digest, Signed, SigningKey, Tag, VerifyingKey};
use sahakar::settlement::round_settled;
use trainer_model::Evaluation;

const TEST: Evaluation = Evaluation { accuracy: 0.7, loss: 0.6, correct: 7, examples: 10 };

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

fn digest(number: u8) -> Digest {
    Digest([number; 32])
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn members() -> Vec<VerifyingKey> {
    let mut keys: Vec<VerifyingKey> = (1..=3).map(|number| key(number).verifying_key()).collect();
    keys.sort_unstable();
    keys
}

fn apply(state: &mut State, body: impl Into<Body>) {
    state.apply(&Entry { time_ms: 1_000, body: body.into() }).unwrap();
}

/// The digest of the terms of `wine` and of `beer`, two pools with the same members and model.
fn terms(text: &str) -> Digest {
    if text == "wine" { digest(11) } else { digest(12) }
}

/// Two federations, each with its first round open, from the same model.
fn two_pools(dao_name: &str) -> State {
    let node = key(50).verifying_key();
    let mut state = State::default();
    apply(
        &mut state,
        Genesis {
            names: data_dao_journal::NamesKind::InTheClear,
            rules: data_dao_journal::Rules::NEWEST,
            dao_name: dao_name.into(),
            bounds: BoundsKind::Demonstration,
            charter: CharterParameters::STANDARD,
            currency: "EUR".parse().unwrap(),
            treasury_percent: 10,
            operator: node,
            dao_node: node,
            aggregators: vec![key(52).verifying_key()],
        },
    );
    for text in ["wine", "beer"] {
        apply(
            &mut state,
            FederationOpened {
                federation: name(text),
                terms_digest: terms(text),
                terms: "{}".into(),
                rounds: 5,
                round_budget: 1_000,
                minimum_cohort: 2,
                novelty_percent: 0,
                validation_commitment: digest(2),
            },
        );
        for member in members() {
            let (federation, label) = (name(text), "m".into());
            apply(&mut state, MemberAdmitted { federation, member, label });
        }
        open_round(&mut state, text, 0, digest(30));
    }
    state
}

fn open_round(state: &mut State, text: &str, round: u64, model: Digest) {
    let federation = name(text);
    apply(state, RoundOpened { federation, round, model, cohort_size: 3, epsilon_micro: None });
}

/// What the coordinator signs of round 0 of `wine`.
fn receipt(state: &State) -> RoundReceipt {
    let (federation, round) = (terms("wine"), RoundId(0));
    let (model_before, model_after) = (digest(30), digest(31));
    let grant = RoundGrant {
        dao: state.dao_id().unwrap(),
        federation,
        round,
        model: model_before,
        cohort: members(),
        custodians: vec![],
        draw_keys: vec![],
        cohort_epoch: None,
        control: None,
    };
    let contributions = members().into_iter().zip((60..).map(digest)).collect();
    RoundReceipt {
        grant: Signed::new(grant, Tag::RoundGrant, &key(50)),
        federation,
        round,
        model_before,
        model_after,
        sum: digest(40),
        probe: digest(41),
        opening: digest(42),
        accepted: AcceptedSet::new(contributions).unwrap(),
        scalars: vec![OpenedScalars { value: 10, innovation: 10, contrast: 3 }; 3],
        dropped: vec![],
        refused: vec![],
        commitments: vec![],
    }
}

fn sign(receipt: RoundReceipt) -> Signed<RoundReceipt> {
    Signed::new(receipt, Tag::RoundReceipt, &key(52))
}

fn refusal(state: &State, text: &str, receipt: RoundReceipt) -> String {
    round_settled(state, &name(text), &sign(receipt), &TEST).unwrap_err().to_string()
}

#[test]
fn a_receipt_settles_the_round_that_it_is_about() {
    let mut state = two_pools("Growers");
    let signed = sign(receipt(&state));
    let settled = round_settled(&state, &name("wine"), &signed, &TEST).unwrap();
    for body in settlement_bodies(settled).unwrap() {
        apply(&mut state, body);
    }
    assert_eq!(state.counts().credits_issued, 1_000);
}

/// The flaw of Vana's contracts (pull request 76): a proof for one pool was paid by its siblings.
#[test]
fn the_same_proof_is_refused_by_another_pool_round_model_or_dao() {
    let mut state = two_pools("Growers");
    let sound = receipt(&state);
    // A sibling pool with the same members, model and round number.
    assert!(refusal(&state, "beer", sound.clone()).contains("another federation"));
    // The sibling's name put on the outside only, and on the inside only.
    let renamed = RoundReceipt { federation: terms("beer"), ..sound.clone() };
    assert!(refusal(&state, "beer", renamed.clone()).contains("federation of the grant"));
    assert!(refusal(&state, "wine", renamed).contains("another federation"));
    // Another model.
    let stale = RoundReceipt { model_before: digest(99), ..sound.clone() };
    assert!(refusal(&state, "wine", stale).contains("another model"));
    // Another DAO with federations of the same terms.
    let elsewhere = two_pools("Brewers");
    assert!(refusal(&elsewhere, "wine", sound.clone()).contains("another DAO"));
    // The next round of the same pool, also if it is renumbered outside of the grant.
    let settled = round_settled(&state, &name("wine"), &sign(sound.clone()), &TEST).unwrap();
    apply(&mut state, settled);
    open_round(&mut state, "wine", 1, digest(31));
    assert!(refusal(&state, "wine", sound.clone()).contains("another round"));
    let renumbered = RoundReceipt { round: RoundId(1), ..sound };
    assert!(refusal(&state, "wine", renumbered).contains("another round"));
    assert_eq!(state.counts().credits_issued, 1_000, "paid once");
}
