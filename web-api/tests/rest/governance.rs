//! Proposals, ballots and what becomes of them.

use data_dao_governance::{Action, Ballot, Cancellation, Choice, ProposalContent};
use serde_json::{Value, json};

use super::support::{Node, START_MS};

fn content(node: &Node, price: u128) -> ProposalContent {
    ProposalContent {
        dao: node.dao,
        title: "Dearer wine".to_owned(),
        description: "Because it is worth it.".to_owned(),
        actions: vec![Action::SetPredictionPrice { model: "wine".to_owned(), price }],
        proposer: node.members[0].verifying_key(),
        salt: 0,
    }
}

fn signed(node: &Node, content: &ProposalContent) -> Value {
    json!({"content": content, "signature": content.sign(&node.members[0]).to_string()})
}

fn ballot(node: &Node, content: &ProposalContent, (voter, choice): (usize, Choice)) -> Value {
    let key = &node.members[voter];
    let ballot =
        Ballot { dao: node.dao, proposal: content.id(), choice, voter: key.verifying_key() };
    json!({"ballot": ballot, "signature": ballot.sign(key).to_string()})
}

#[tokio::test]
async fn a_price_is_changed_by_proposal_votes_and_execution() {
    let (node, _) = Node::with_buyer("1").await;
    let content = content(&node, 300);
    let made = node.post("/v1/proposals", &signed(&node, &content)).await;
    let body = made.json();
    assert_eq!((made.status, &body["state"]), (201, &json!("pending")), "{body}");
    let path = made.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(path, format!("/v1/proposals/{}", content.id()));
    assert_eq!(
        (body["voting_starts_ms"].as_u64(), &body["quorum"]),
        (Some(START_MS + 10), &json!("100"))
    );

    node.set_time(START_MS + 11);
    let ballots = format!("{path}/ballots");
    for vote in [(0, Choice::For), (1, Choice::Against), (2, Choice::For)] {
        let cast = node.post(&ballots, &ballot(&node, &content, vote)).await;
        assert_eq!(cast.status, 201, "{}", cast.text());
    }
    let open = node.get(&path).await.json();
    assert_eq!(open["state"], "active");
    assert_eq!(open["tally"], json!({"for": "667", "against": "333", "abstain": "0", "voters": 3}));
    assert_eq!(open["quorum_reached"], true);
    assert_eq!(open["ballots"].as_array().unwrap().len(), 3);

    node.post(&format!("{path}/queue"), &json!(null)).await.assert_problem(409, "wrong-state");
    node.set_time(START_MS + 200);
    let queued = node.post(&format!("{path}/queue"), &json!(null)).await.json();
    assert_eq!(
        (&queued["state"], queued["executable_ms"].as_u64()),
        (&json!("queued"), Some(START_MS + 250))
    );
    let early = node.post(&format!("{path}/execution"), &json!(null)).await;
    early.assert_problem(409, "timelock-runs");
    node.set_time(START_MS + 250);
    let executed = node.post(&format!("{path}/execution"), &json!(null)).await;
    assert_eq!((executed.status, &executed.json()["state"]), (200, &json!("executed")));
    assert_eq!(node.get("/v1/models/wine").await.json()["price"], "300");
    let again = node.post(&format!("{path}/execution"), &json!(null)).await;
    again.assert_problem(409, "wrong-state");
    let list = node.get("/v1/proposals").await.json();
    assert_eq!(list["proposals"][0]["id"], content.id().to_string());
}

#[tokio::test]
async fn ballots_that_do_not_count_are_refused() {
    let node = Node::new().await;
    let content = content(&node, 300);
    assert_eq!(node.post("/v1/proposals", &signed(&node, &content)).await.status, 201);
    let path = format!("/v1/proposals/{}/ballots", content.id());
    let vote = ballot(&node, &content, (0, Choice::For));
    node.post(&path, &vote).await.assert_problem(409, "wrong-state");
    node.set_time(START_MS + 20);
    let mut forged = vote.clone();
    forged["ballot"]["choice"] = json!("against");
    node.post(&path, &forged).await.assert_problem(422, "signature");
    let mut stolen = vote.clone();
    stolen["ballot"]["voter"] = json!(node.members[1].verifying_key().to_string());
    node.post(&path, &stolen).await.assert_problem(422, "signature");
    let mut malformed = vote.clone();
    malformed["signature"] = json!("00");
    node.post(&path, &malformed).await.assert_problem(422, "invalid");
    malformed["ballot"]["choice"] = json!("maybe");
    node.post(&path, &malformed).await.assert_problem(422, "invalid");

    let stranger = privacy_identity::SigningKey::from_seed(&[50; 32]);
    let voter = stranger.verifying_key();
    let foreign = Ballot { dao: node.dao, proposal: content.id(), choice: Choice::For, voter };
    let foreign = json!({"ballot": foreign, "signature": foreign.sign(&stranger).to_string()});
    node.post(&path, &foreign).await.assert_problem(422, "weight");

    assert_eq!(node.post(&path, &vote).await.status, 201);
    node.post(&path, &vote).await.assert_problem(409, "already-voted");
    let other = format!("/v1/proposals/{}/ballots", "0".repeat(64));
    node.post(&other, &vote).await.assert_problem(404, "not-found");
    let second = ProposalContent { salt: 1, ..content.clone() };
    assert_eq!(node.post("/v1/proposals", &signed(&node, &second)).await.status, 201);
    let misplaced = format!("/v1/proposals/{}/ballots", second.id());
    node.post(&misplaced, &vote).await.assert_problem(422, "invalid");
}

#[tokio::test]
async fn proposals_that_cannot_stand_are_refused() {
    let node = Node::new().await;
    let good = content(&node, 300);
    let post = |content: ProposalContent| {
        let body = signed(&node, &content);
        let node = &node;
        async move { node.post("/v1/proposals", &body).await }
    };
    let unknown = vec![Action::SetPredictionPrice { model: "beer".to_owned(), price: 1 }];
    post(ProposalContent { actions: unknown, ..good.clone() }).await.assert_problem(422, "invalid");
    post(content(&node, 0)).await.assert_problem(422, "out-of-bounds");
    post(ProposalContent { title: String::new(), ..good.clone() })
        .await
        .assert_problem(422, "proposal");
    post(ProposalContent { actions: vec![], ..good.clone() }).await.assert_problem(422, "proposal");
    let other_dao = ProposalContent { dao: privacy_identity::Digest([8; 32]), ..good.clone() };
    post(other_dao).await.assert_problem(422, "differs");
    let other_proposer =
        ProposalContent { proposer: node.members[1].verifying_key(), ..good.clone() };
    post(other_proposer).await.assert_problem(422, "signature");
    let stranger = privacy_identity::SigningKey::from_seed(&[50; 32]);
    let foreign = ProposalContent { proposer: stranger.verifying_key(), ..good.clone() };
    let foreign = json!({"content": foreign, "signature": foreign.sign(&stranger).to_string()});
    node.post("/v1/proposals", &foreign).await.assert_problem(422, "weight");
    node.post("/v1/proposals", &json!({})).await.assert_problem(422, "invalid");
    assert_eq!(post(good.clone()).await.status, 201);
    post(good).await.assert_problem(409, "exists");
}

#[tokio::test]
async fn only_the_proposer_withdraws_and_only_before_the_vote() {
    let node = Node::new().await;
    let content = content(&node, 300);
    assert_eq!(node.post("/v1/proposals", &signed(&node, &content)).await.status, 201);
    let path = format!("/v1/proposals/{}/cancellation", content.id());
    let cancellation = Cancellation { dao: node.dao, proposal: content.id() };
    let by =
        |member: usize| json!({"signature": cancellation.sign(&node.members[member]).to_string()});
    node.post(&path, &by(1)).await.assert_problem(422, "signature");
    let canceled = node.post(&path, &by(0)).await;
    assert_eq!((canceled.status, &canceled.json()["state"]), (200, &json!("canceled")));
    node.post(&path, &by(0)).await.assert_problem(409, "wrong-state");
}
