//! A federation with noise: what receipt, card and page say of ε.

#![expect(clippy::unwrap_used, reason = "clippy's in-tests allowance does not reach helpers")]

use data_dao_governance::{Action, PrivacyPolicy};
use data_dao_journal::{
    Body, FederationOpened, MemberAdmitted, ModelReleased, Participation, RoundOpened, RoundSettled,
};
use privacy_identity::Digest;
use serde_json::json;

use super::dashboard::{pass, text};
use super::support::{Node, OPERATOR, START_MS, model_with, name, two_rows};

const TERMS: Digest = Digest([8; 32]);
/// What a round costs, in millionths of ε.
const OF_ROUND: u64 = 1_500_000;
/// That of both.
const OF_BOTH: f64 = 3.0;

fn opened() -> Body {
    let opened = FederationOpened {
        federation: name("cider"),
        terms_digest: TERMS,
        terms: r#"{"purpose":"tests of noise","value_unit":0.5,"noise":{"delta":0.00001}}"#
            .to_owned(),
        rounds: 5,
        round_budget: 1_000,
        minimum_cohort: 2,
        novelty_percent: 50,
        validation_commitment: Digest([2; 32]),
    };
    opened.into()
}

/// A round of all members, in which each has the same part.
async fn settle(node: &Node, (round, before, after): (u8, Digest, Digest)) {
    let store = node.state.store();
    let opened = RoundOpened {
        federation: name("cider"),
        round: round.into(),
        model: before,
        cohort_size: 3,
        epsilon_micro: Some(OF_ROUND),
    };
    store.append(START_MS, vec![opened.into()]).await.unwrap();
    let mut scalars: Vec<_> =
        node.members.iter().map(|member| (member.verifying_key(), 100, 50)).collect();
    scalars.sort();
    let credits = store.view(|state| state.round_credits(&name("cider"), &scalars)).unwrap();
    let parts = (0_u8..).zip(scalars.iter().zip(credits)).map(|(index, (scalar, credits))| {
        let (member, value, innovation) = *scalar;
        let update = Digest([150 + 10 * round + index; 32]);
        Participation { member, value, innovation, contrast: None, credits, update }
    });
    let settled = RoundSettled {
        federation: name("cider"),
        round: round.into(),
        model_before: before,
        model_after: after,
        receipt: Digest([40 + round; 32]),
        test_accuracy_ppm: Some(750_000),
        test_loss_micro: 512_345,
        participants: parts.collect(),
        refused: vec![],
        dropped: vec![],
    };
    store.append(START_MS, vec![settled.into()]).await.unwrap();
}

/// Two rounds with noise, and the model that they made, on sale.
async fn world() -> (Node, String) {
    let (node, key) = Node::with_buyer("10000").await;
    let store = node.state.store();
    let admitted = node.members.iter().map(|member| {
        let (member, label) = (member.verifying_key(), "Orchard".to_owned());
        MemberAdmitted { federation: name("cider"), member, label }.into()
    });
    let bodies = std::iter::once(opened()).chain(admitted).collect();
    store.append(START_MS, bodies).await.unwrap();
    let last = node.state.shelf().put(model_with(vec![0.5, -0.5, 0.25, 0.0, 1.0, 0.5])).unwrap();
    settle(&node, (0, Digest([30; 32]), Digest([31; 32]))).await;
    settle(&node, (1, Digest([31; 32]), last)).await;
    let weights = store.view(|state| state.release_weights(&name("cider"))).unwrap();
    let released = ModelReleased {
        model: name("cider"),
        version: 1,
        digest: last,
        federation: name("cider"),
        rounds: 2,
        test_accuracy_ppm: Some(750_000),
        weights,
    };
    store.append(START_MS, vec![released.into()]).await.unwrap();
    let price = json!({"model": "cider", "price": "250"});
    node.post_as(OPERATOR, "/v1/prices", &price).await.status_is(201);
    (node, key)
}

#[tokio::test]
async fn receipt_page_and_card_tell_the_epsilon_of_all_rounds_that_made_the_model() {
    let (node, key) = world().await;
    for model in ["cider", "wine"] {
        let order = json!({"model": model, "calls": 1});
        node.buy(&key, model, &order).await.status_is(201);
    }
    let made = node.post_as(&key, "/v2/models/cider/infer", &two_rows()).await;
    made.status_is(200);
    let receipt = node.get(made.headers["sahakar-receipt"].to_str().unwrap()).await.json();
    assert_eq!(receipt["model"]["epsilon"], OF_BOTH, "{receipt}");
    let page = text(&node, "/models/cider").await;
    assert!(page.contains("ε 3.00"), "{page}");
    let card = node.get("/v1/models/cider/versions/1/files/README.md").await.text();
    for part in ["| privacy loss ε of a contributor | 3 |", "| at δ | 0.00001 |"] {
        assert!(card.contains(part), "{part} is not in\n{card}");
    }
    // Of the model without noise nothing of this is said.
    let other = node.infer(&key, &two_rows()).await;
    let other = node.get(other.headers["sahakar-receipt"].to_str().unwrap()).await.json();
    assert!(other["model"]["epsilon"].is_null(), "{other}");
}

#[tokio::test]
async fn the_page_tells_what_is_spent_and_what_is_left_once_a_bound_was_voted() {
    let (node, _) = world().await;
    let page = text(&node, "/federations/cider").await;
    for part in [
        "<strong>ε 3.00</strong> is spent so far. No bound was set",
        "At δ = 0.00001.",
        "Privacy loss so far",
    ] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
    assert!(!page.contains("<meter") && !page.contains("ε is unbounded"), "{page}");
    let policy =
        PrivacyPolicy { terms: TERMS, minimum_cohort: 2, epsilon_micro_max: Some(8_000_000) };
    pass(&node, vec![Action::SetPrivacyPolicy { federation: "cider".to_owned(), policy }]).await;
    let page = text(&node, "/federations/cider").await;
    for part in [
        "<strong>ε 3.00</strong> of 8.00 is spent; 5.00 is left.",
        "<meter min=\"0\" max=\"8000000\" value=\"3000000\" high=\"6000000\"",
        "Privacy loss so far",
    ] {
        assert!(page.contains(part), "{part} is not in\n{page}");
    }
    let without = text(&node, "/federations/wine").await;
    assert!(without.contains("ε is unbounded") && !without.contains("<meter"), "{without}");
}
