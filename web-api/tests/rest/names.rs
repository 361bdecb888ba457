//! What members are called: never in the log, shown from beside it, erased without a trace in root, proofs or replay.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use axum::{body::Body as HttpBody, http::Request};
use data_dao_governance::{
    Action, BallotSecrecy, Invitation, Joining, ProposalContent, Request as _, Role,
};
use data_dao_journal::{TreeHead, audit};
use data_dao_store::SaltedName;
use privacy_identity::{Digest, SigningKey};
use serde_json::{Value, json};

use super::support::{Node, OPERATOR, START_MS, signed};

fn newcomer() -> SigningKey {
    SigningKey::from_seed(&[60; 32])
}

fn joining(node: &Node, label: &str, name: Option<(&str, Digest)>) -> Value {
    let (dao, newcomer, inviter) = (node.dao, newcomer(), &node.members[0]);
    let (member, expires_ms) = (newcomer.verifying_key(), u64::MAX);
    let roles = vec![Role::Member];
    let invitation =
        Invitation { dao, inviter: inviter.verifying_key(), member, roles, expires_ms };
    let joining = Joining { dao, member, label: label.to_owned(), nonce: 1, expires_ms };
    json!({
        "invitation": invitation,
        "invitation_signature": invitation.sign(inviter).to_string(),
        "joining": joining,
        "signature": joining.sign(&newcomer).to_string(),
        "name": name.map(|(name, salt)| json!({"name": name, "salt": salt.to_string()})),
    })
}

async fn leaves(node: &Node) -> Vec<Vec<u8>> {
    let entries = node.state.store().entries(0, 1_000).await.unwrap();
    entries.into_iter().map(|entry| entry.leaf).collect()
}

async fn is_in_the_log(node: &Node, word: &str) -> bool {
    leaves(node).await.iter().any(|leaf| String::from_utf8_lossy(leaf).contains(word))
}

async fn erase(node: &Node, token: &str) -> super::support::Reply {
    let path = format!("/v1/members/{}/label", newcomer().verifying_key());
    let request = Request::delete(&path).header("authorization", format!("Bearer {token}"));
    node.send(request.body(HttpBody::empty()).unwrap()).await
}

#[tokio::test]
async fn a_members_name_is_shown_but_not_in_the_log_and_can_be_erased() {
    let (node, _) = Node::with_calls(1).await;
    let (name, salt) = ("Anna Weinbauer", Digest([5; 32]));
    let label = SaltedName::new(name.to_owned(), salt.0).commitment();
    let joined = node.post("/v1/members", &joining(&node, &label, Some((name, salt)))).await;
    assert_eq!((joined.status, &joined.json()["label"]), (201, &json!(name)), "{}", joined.text());
    assert!(is_in_the_log(&node, &label).await && !is_in_the_log(&node, name).await);

    let store = node.state.store();
    let (head, index) = (TreeHead { size: store.size(), root: store.root() }, store.size() - 1);
    let (proof, before) = (store.prove(index).unwrap(), leaves(&node).await);
    erase(&node, "somebody").await.assert_problem(401, "unauthorized");
    assert_eq!(erase(&node, OPERATOR).await.status, 204);
    erase(&node, OPERATOR).await.assert_problem(404, "not-found");

    let key = newcomer().verifying_key();
    let shown = node.get(&format!("/v1/members/{key}")).await.json();
    assert_eq!(shown["membership"]["label"], key.short());
    // One entry more, of who erased it; those before, their root and every proof are as they were.
    let leaves = leaves(&node).await;
    assert_eq!((leaves.len(), &leaves[..before.len()]), (before.len() + 1, &before[..]));
    assert!(String::from_utf8_lossy(&leaves[before.len()]).contains("erase-member"));
    proof.inclusion.verify(&leaves[usize::try_from(index).unwrap()], &head.root).unwrap();
    let head = TreeHead { size: store.size(), root: store.root() };
    audit(&leaves, Some(&head)).unwrap();
}

#[tokio::test]
async fn a_member_erases_its_own_name_by_a_signed_request_and_nobody_elses() {
    let (node, _) = Node::with_calls(1).await;
    let (name, salt) = ("Anna Weinbauer", Digest([5; 32]));
    let label = SaltedName::new(name.to_owned(), salt.0).commitment();
    node.post("/v1/members", &joining(&node, &label, Some((name, salt)))).await.status_is(201);
    let path = format!("/v1/members/{}/label", newcomer().verifying_key());
    let erase = |key: &SigningKey, nonce: &str| {
        let request = signed(key, ("DELETE", &path, b""), (START_MS, nonce));
        node.send(request)
    };
    erase(&node.members[0], "0123456789abcdef").await.assert_problem(403, "forbidden");
    erase(&SigningKey::from_seed(&[77; 32]), "0123456789abcdeg")
        .await
        .assert_problem(403, "forbidden");
    assert_eq!(node.state.store().reveal(&label).as_deref(), Some(name));
    assert_eq!(erase(&newcomer(), "0123456789abcdeh").await.status, 204);
    assert_eq!(node.state.store().reveal(&label), None);
    erase(&newcomer(), "0123456789abcdei").await.assert_problem(404, "not-found");
    let acts = node.get_as(OPERATOR, "/v1/acts").await.text();
    assert!(acts.contains(&format!("member {}", newcomer().verifying_key())), "{acts}");
}

#[tokio::test]
async fn a_name_in_the_clear_or_another_than_committed_to_is_refused_and_leaves_nothing() {
    let (node, _) = Node::with_calls(1).await;
    let (size, salt) = (node.state.store().size(), Digest([5; 32]));
    let label = SaltedName::new("Anna".to_owned(), salt.0).commitment();
    let long = "x".repeat(201);
    let long_label = SaltedName::new(long.clone(), salt.0).commitment();
    let shouting = label.to_uppercase();
    for (label, name) in [
        ("Anna", None),
        ("Anna", Some(("Anna", salt))),
        ("salted:", None),
        (shouting.as_str(), None),
        (label.as_str(), Some(("Berta", salt))),
        (label.as_str(), Some(("Anna", Digest([6; 32])))),
        (label.as_str(), Some(("", salt))),
        (long_label.as_str(), Some((long.as_str(), salt))),
    ] {
        let refused = node.post("/v1/members", &joining(&node, label, name)).await;
        assert!((400..500).contains(&refused.status), "{label}: {}", refused.text());
    }
    assert_eq!(node.state.store().size(), size);
    // Refused by the journal: the name is not kept either.
    let mut forged = joining(&node, &label, Some(("Anna", salt)));
    forged["signature"] = forged["invitation_signature"].clone();
    node.post("/v1/members", &forged).await.assert_problem(422, "signature");
    assert_eq!(node.state.store().reveal(&label), None);
    // Nobody has to tell a name.
    let joined = node.post("/v1/members", &joining(&node, &label, None)).await;
    assert_eq!(joined.json()["label"], newcomer().verifying_key().short());
}

#[tokio::test]
async fn who_is_proposed_as_a_member_is_not_named_in_the_log() {
    let (node, _) = Node::with_calls(1).await;
    let proposer = &node.members[0];
    let (name, salt) = ("Anna Weinbauer", Digest([5; 32]));
    let content = |label: String| ProposalContent {
        dao: node.dao,
        title: "A new member".to_owned(),
        description: "It makes good wine.".to_owned(),
        actions: vec![Action::AdmitMember {
            member: newcomer().verifying_key(),
            label,
            roles: vec![Role::Member],
        }],
        ballots: BallotSecrecy::Open,
        proposer: proposer.verifying_key(),
        salt: 0,
    };
    let propose = |content: &ProposalContent| {
        let names = json!([{"name": name, "salt": salt.to_string()}]);
        let signature = content.sign(proposer).to_string();
        json!({"content": content, "signature": signature, "names": names})
    };
    let clear = propose(&content(name.to_owned()));
    node.post("/v1/proposals", &clear).await.assert_problem(422, "invalid");
    let label = SaltedName::new(name.to_owned(), salt.0).commitment();
    let made = node.post("/v1/proposals", &propose(&content(label.clone()))).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert!(is_in_the_log(&node, &label).await && !is_in_the_log(&node, name).await);
    assert_eq!(node.state.store().reveal(&label).as_deref(), Some(name));
    // It is no member, and may never be one; its name is erased all the same.
    assert_eq!(erase(&node, OPERATOR).await.status, 204);
    assert_eq!(node.state.store().reveal(&label), None);
}
