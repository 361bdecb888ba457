//! Members whose key is replaced, over REST and on the dashboard.

use data_dao_governance::{
    Action, BallotSecrecy, ClaimedKey, KeyClaim, ProposalContent, Request as _, Rotation,
};
use privacy_identity::{Digest, SigningKey};
use serde_json::{Value, json};

use super::support::{Node, START_MS, signed};

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

fn claim(node: &Node, of: usize, new: &SigningKey) -> ClaimedKey {
    let member = node.members[of].verifying_key();
    let new_key = new.verifying_key();
    ClaimedKey::new(
        KeyClaim { dao: node.dao, member, old: member, new: new_key, rotations: 0 },
        new,
    )
}

fn rotation(claimed: ClaimedKey, nonce: u64, by: &SigningKey) -> Value {
    let rotation = Rotation { claimed, nonce, expires_ms: START_MS + 10_000 };
    json!({"rotation": rotation, "signature": rotation.sign(by).to_string()})
}

fn proposal(node: &Node, action: Action, by: &SigningKey) -> (ProposalContent, Value) {
    let content = ProposalContent {
        dao: node.dao,
        title: "A new key".to_owned(),
        description: "The notebook burned.".to_owned(),
        actions: vec![action],
        ballots: BallotSecrecy::Open,
        proposer: node.members[0].verifying_key(),
        salt: 0,
    };
    let body = json!({"content": content, "signature": content.sign(by).to_string()});
    (content, body)
}

#[tokio::test]
async fn a_member_signs_with_another_key_under_its_name() {
    let node = Node::new().await;
    let (old, new) = (&node.members[0], key(60));
    let member = old.verifying_key();
    let path = format!("/v1/members/{member}/rotation");
    let before = node.get(&format!("/v1/members/{member}")).await.json();
    let to_member = rotation(claim(&node, 0, &node.members[1]), 1, old);
    node.post(&path, &to_member).await.assert_problem(409, "key-taken");
    let elsewhere = KeyClaim { dao: Digest([9; 32]), ..claim(&node, 0, &new).claim };
    let elsewhere = rotation(ClaimedKey::new(elsewhere, &new), 1, old);
    node.post(&path, &elsewhere).await.assert_problem(422, "differs");
    let good = rotation(claim(&node, 0, &new), 1, old);
    let astray = format!("/v1/members/{}/rotation", node.members[1].verifying_key());
    node.post(&astray, &good).await.assert_problem(422, "invalid");
    let rotated = node.post(&path, &good).await;
    assert_eq!(rotated.status, 200, "{}", rotated.text());
    let view = rotated.json();
    assert_eq!((&view["member"], &view["rotations"]), (&json!(member.to_string()), &json!(1)));
    assert_eq!(view["signing_key"], new.verifying_key().to_string());
    node.post(&path, &good).await.assert_problem(422, "signature");
    // It is found by either key, and has what it had.
    for key in [member, new.verifying_key()] {
        let shown = node.get(&format!("/v1/members/{key}")).await.json();
        assert_eq!(shown["member"], member.to_string());
        assert_eq!(
            (&shown["credits"], &shown["earnings"]),
            (&before["credits"], &before["earnings"])
        );
        let page = node.get(&format!("/members/{key}")).await;
        assert_eq!(page.status, 200);
        assert!(page.text().contains("Signs with"), "{}", page.text());
    }
    // Requests, too (RFC 9421).
    let me = |key: &SigningKey, nonce: &str| signed(key, ("GET", "/v1/me", b""), (START_MS, nonce));
    node.send(me(old, "0123456789abcdef")).await.assert_problem(401, "unauthorized");
    let shown = node.send(me(&new, "0123456789abcdef")).await;
    assert_eq!(shown.json()["member"]["member"], member.to_string(), "{}", shown.text());
    let (content, by_old) = proposal(&node, Action::Text, old);
    node.post("/v1/proposals", &by_old).await.assert_problem(422, "signature");
    let named = ProposalContent { proposer: new.verifying_key(), ..content };
    let named = json!({"content": named, "signature": named.sign(&new).to_string()});
    node.post("/v1/proposals", &named).await.assert_problem(409, "key-of-a-member");
    let (_, by_new) = proposal(&node, Action::Text, &new);
    let made = node.post("/v1/proposals", &by_new).await;
    assert_eq!(made.status, 201, "{}", made.text());
}

#[tokio::test]
async fn a_vote_on_a_key_says_what_is_at_stake() {
    let node = Node::new().await;
    let new = key(60);
    let claimed = Box::new(claim(&node, 1, &new));
    let action = Action::RotateKey { claimed, reason: "We know her voice.".to_owned() };
    let (content, body) = proposal(&node, action, &node.members[0]);
    let made = node.post("/v1/proposals", &body).await;
    assert_eq!((made.status, &made.json()["class"]), (201, &json!("critical")), "{}", made.text());
    let page = node.get(&format!("/proposals/{}", content.id())).await.text();
    for told in [
        "be sure that it is the same person",
        "We know her voice.",
        &new.verifying_key().to_string(),
        &node.members[1].verifying_key().to_string(),
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
}
