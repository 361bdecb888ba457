//! Objections: taken while pay can be challenged, from members, signed.
#![expect(clippy::unwrap_used, reason = "clippy's in-tests allowance does not reach helpers")]

use data_dao_governance::Accused;
use data_dao_journal::{
    Body, Dispute, FederationOpened, MemberAdmitted, Participation, RoundOpened, RoundSettled,
    SafeguardsSet,
};
use privacy_identity::{Digest, SigningKey};
use serde_json::{Value, json};

use crate::support::{Node, START_MS, name};

const WINDOW_MS: u64 = 500;

/// As [`Node::new`], with a round of `beer` whose pay can be challenged.
async fn announced() -> Node {
    let node = Node::new().await;
    let store = node.state.store();
    let federation = || name("beer");
    let mut bodies = vec![
        Body::FederationOpened(FederationOpened {
            federation: federation(),
            terms_digest: Digest([5; 32]),
            terms: "{}".to_owned(),
            rounds: 5,
            round_budget: 1_000,
            minimum_cohort: 2,
            novelty_percent: 50,
            validation_commitment: Digest([2; 32]),
        }),
        Body::SafeguardsSet(SafeguardsSet {
            federation: federation(),
            epsilon_micro_max: None,
            challenge_window_ms: WINDOW_MS,
            reveal_by_rounds: None,
        }),
        Body::RoundOpened(RoundOpened {
            federation: federation(),
            round: 0,
            model: Digest([3; 32]),
            cohort_size: 3,
            epsilon_micro: None,
        }),
    ];
    for member in &node.members {
        let (member, label) = (member.verifying_key(), "brewer".to_owned());
        let admitted = MemberAdmitted { federation: federation(), member, label };
        bodies.insert(1, Body::MemberAdmitted(admitted));
    }
    store.append(START_MS, bodies).await.unwrap();
    let mut keys: Vec<_> = node.members.iter().map(SigningKey::verifying_key).collect();
    keys.sort_unstable();
    let scalars: Vec<_> = keys.iter().map(|key| (*key, 100, 50)).collect();
    let credits = store.view(|state| state.round_credits(&federation(), &scalars)).unwrap();
    let part = |(index, ((member, value, innovation), credits)): (u8, (_, u128))| Participation {
        member,
        value,
        innovation,
        contrast: None,
        credits,
        update: Digest([120 + index; 32]),
    };
    let settled = RoundSettled {
        federation: federation(),
        round: 0,
        model_before: Digest([3; 32]),
        model_after: Digest([6; 32]),
        receipt: Digest([7; 32]),
        test_accuracy_ppm: None,
        test_loss_micro: 512_345,
        participants: (0..).zip(scalars.into_iter().zip(credits)).map(part).collect(),
        refused: vec![],
        dropped: vec![],
    };
    store.append(START_MS, vec![Body::RoundSettled(settled)]).await.unwrap();
    node
}

fn objection(node: &Node, key: &SigningKey, round: u64, accused: Accused) -> Value {
    let dispute = Dispute {
        dao: node.dao,
        federation: name("beer"),
        round,
        accused,
        complainant: key.verifying_key(),
        evidence: Digest([8; 32]),
        reason: "the values were made up".to_owned(),
    };
    json!({"dispute": dispute, "signature": dispute.sign(key).to_string()})
}

#[tokio::test]
async fn an_objection_holds_back_what_is_shown_as_pending() {
    let node = announced().await;
    let key = node.members[0].verifying_key();
    let member = node.get(&format!("/v1/members/{key}")).await.json();
    assert_ne!(member["credits_pending"], "0", "{member}");
    let round = node.get("/v1/federations/beer").await.json()["settled"][0].clone();
    assert_eq!(round["pay"], "challenged", "{round}");
    let accused = Accused::Member(key);
    let reply = node.post("/v1/disputes", &objection(&node, &node.members[1], 0, accused)).await;
    let view = reply.json();
    assert_eq!(reply.status, 201, "{view}");
    assert_eq!(view["accused"], json!([key.to_string()]));
    assert_eq!(
        (&view["ends_at_ms"], &view["credits"]),
        (&json!(START_MS + WINDOW_MS), &json!("1000"))
    );
    assert!(view["due_at_ms"].as_u64() > view["ends_at_ms"].as_u64(), "{view}");
}

#[tokio::test]
async fn objections_that_do_not_count_are_refused() {
    let node = announced().await;
    let sound = objection(&node, &node.members[0], 0, Accused::Round);
    let mut forged = sound.clone();
    forged["dispute"]["reason"] = json!("something else");
    node.post("/v1/disputes", &forged).await.assert_problem(422, "signature");
    let stranger = objection(&node, &SigningKey::from_seed(&[50; 32]), 0, Accused::Round);
    node.post("/v1/disputes", &stranger).await.assert_problem(422, "not-a-member");
    let other = objection(&node, &node.members[0], 7, Accused::Round);
    node.post("/v1/disputes", &other).await.assert_problem(409, "challenge");
    let mut malformed = sound.clone();
    malformed["dispute"]["accused"] = json!("'; DROP TABLE entries; --");
    node.post("/v1/disputes", &malformed).await.assert_problem(422, "invalid");
    assert_eq!(node.post("/v1/disputes", &sound).await.status, 201);
    node.post("/v1/disputes", &sound).await.assert_problem(409, "exists");
    let second =
        objection(&node, &node.members[0], 0, Accused::Member(node.members[1].verifying_key()));
    node.post("/v1/disputes", &second).await.assert_problem(409, "challenge");
    node.set_time(START_MS + WINDOW_MS);
    let late =
        objection(&node, &node.members[2], 0, Accused::Member(node.members[1].verifying_key()));
    node.post("/v1/disputes", &late).await.assert_problem(409, "challenge");
}
