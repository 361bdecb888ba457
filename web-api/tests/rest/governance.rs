//! Proposals, ballots and what becomes of them.

use data_dao_governance::{
    Action, Ballot, BallotSecrecy, Cancellation, Capacity, Choice, Consent, Delegation, Departure,
    Invitation, Joining, ProposalContent, Request as _, Role, Vote,
};
use data_dao_store::SaltedName;
use privacy_identity::SigningKey;
use serde_json::{Value, json};

use super::support::{Node, START_MS};

fn content(node: &Node, price: u128) -> ProposalContent {
    ProposalContent {
        dao: node.dao,
        title: "Dearer wine".to_owned(),
        description: "Because it is worth it.".to_owned(),
        actions: vec![Action::SetPredictionPrice { model: "wine".to_owned(), price }],
        ballots: BallotSecrecy::Open,
        proposer: node.members[0].verifying_key(),
        salt: 0,
    }
}

fn signed(node: &Node, content: &ProposalContent) -> Value {
    json!({"content": content, "signature": content.sign(&node.members[0]).to_string()})
}

fn ballot(node: &Node, content: &ProposalContent, (voter, choice): (usize, Choice)) -> Value {
    signed_ballot(&node.members[voter], made(node, content, &node.members[voter], choice))
}

fn made(node: &Node, content: &ProposalContent, key: &SigningKey, choice: Choice) -> Ballot {
    Ballot {
        dao: node.dao,
        proposal: content.id(),
        vote: Vote::Whole(choice),
        capacity: Capacity::Entrusted,
        voter: key.verifying_key(),
        reason: None,
        nonce: 1,
        expires_ms: u64::MAX,
    }
}

fn signed_ballot(key: &SigningKey, ballot: Ballot) -> Value {
    json!({"ballot": ballot, "signature": ballot.sign(key).to_string()})
}

#[tokio::test]
async fn a_price_is_changed_by_proposal_and_votes_and_executes_itself() {
    let (node, _) = Node::with_buyer("1").await;
    let content = content(&node, 300);
    let made = node.post("/v1/proposals", &signed(&node, &content)).await;
    let body = made.json();
    assert_eq!((made.status, &body["state"]), (201, &json!("pending")), "{body}");
    let path = made.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(path, format!("/v1/proposals/{}", content.id()));
    assert_eq!(
        (body["voting_starts_ms"].as_u64(), &body["class"], &body["snapshot"]),
        (Some(START_MS + 10), &json!("ordinary"), &Value::Null)
    );

    node.set_time(START_MS + 11);
    let ballots = format!("{path}/ballots");
    for vote in [(0, Choice::For), (1, Choice::Against), (2, Choice::For)] {
        let cast = node.post(&ballots, &ballot(&node, &content, vote)).await;
        assert_eq!(cast.status, 201, "{}", cast.text());
        let receipt = &cast.json()["receipt"];
        assert_eq!(receipt["kind"], "ballot_cast");
        assert_eq!(receipt["body"], ballot(&node, &content, vote));
        assert!(receipt["proof"]["tlog_proof"].is_string());
    }
    let open = node.get(&path).await.json();
    assert_eq!(open["state"], "active");
    assert_eq!(open["tally"], json!({"for": "667", "against": "333", "abstain": "0", "voters": 3}));
    assert_eq!((&open["quorum_reached"], &open["quorum"]), (&json!(true), &json!("100")));
    assert_eq!(open["ballots"].as_array().unwrap().len(), 3);
    assert!(open["snapshot"]["root"].is_string());

    node.pass_time(START_MS + 200).await;
    let queued = node.get(&path).await.json();
    assert_eq!(
        (&queued["state"], queued["executable_ms"].as_u64()),
        (&json!("queued"), Some(START_MS + 250))
    );
    node.pass_time(START_MS + 249).await;
    assert_eq!(node.get("/v1/models/wine").await.json()["price"], "250");
    node.pass_time(START_MS + 250).await;
    let executed = node.get(&path).await.json();
    assert_eq!((&executed["state"], executed["executed_by"].is_u64()), (&json!("executed"), true));
    assert_eq!(node.get("/v1/models/wine").await.json()["price"], "300");
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
    forged["ballot"]["vote"] = json!({"whole": "against"});
    node.post(&path, &forged).await.assert_problem(422, "signature");
    let mut stolen = vote.clone();
    stolen["ballot"]["voter"] = json!(node.members[1].verifying_key().to_string());
    node.post(&path, &stolen).await.assert_problem(422, "signature");
    let mut malformed = vote.clone();
    malformed["signature"] = json!("00");
    node.post(&path, &malformed).await.assert_problem(422, "invalid");
    malformed["ballot"]["vote"] = json!({"whole": "maybe"});
    node.post(&path, &malformed).await.assert_problem(422, "invalid");

    let stranger = SigningKey::from_seed(&[50; 32]);
    let foreign = signed_ballot(&stranger, made(&node, &content, &stranger, Choice::For));
    node.post(&path, &foreign).await.assert_problem(422, "weight");
    let key = &node.members[0];
    let late = Ballot { expires_ms: 1, ..made(&node, &content, key, Choice::For) };
    node.post(&path, &signed_ballot(key, late)).await.assert_problem(409, "request-expired");

    assert_eq!(node.post(&path, &vote).await.status, 201);
    node.post(&path, &vote).await.assert_problem(409, "nonce-used");
    let again = Ballot { nonce: 2, ..made(&node, &content, key, Choice::For) };
    node.post(&path, &signed_ballot(key, again)).await.assert_problem(409, "already-voted");
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
    let stranger = SigningKey::from_seed(&[50; 32]);
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
    let by = |member: usize, nonce| {
        let key = &node.members[member];
        let (dao, proposal, proposer) = (node.dao, content.id(), key.verifying_key());
        let expires_ms = u64::MAX;
        let cancellation = Cancellation { dao, proposal, proposer, nonce, expires_ms };
        json!({"cancellation": cancellation, "signature": cancellation.sign(key).to_string()})
    };
    node.post(&path, &by(1, 1)).await.assert_problem(422, "not-the-proposer");
    let mut forged = by(0, 1);
    forged["signature"] = by(1, 1)["signature"].clone();
    node.post(&path, &forged).await.assert_problem(422, "signature");
    let canceled = node.post(&path, &by(0, 1)).await;
    assert_eq!((canceled.status, &canceled.json()["state"]), (200, &json!("canceled")));
    node.post(&path, &by(0, 2)).await.assert_problem(409, "wrong-state");
}

#[tokio::test]
async fn members_join_delegate_agree_and_leave_with_what_they_are_owed() {
    let (node, _) = Node::with_calls(1).await;
    let (dao, newcomer) = (node.dao, SigningKey::from_seed(&[60; 32]));
    let (member, inviter) = (newcomer.verifying_key(), &node.members[0]);
    let expires_ms = u64::MAX;
    let roles = vec![Role::Contributor];
    let invitation =
        Invitation { dao, inviter: inviter.verifying_key(), member, roles, expires_ms };
    let label = SaltedName::new("Newcomer".to_owned(), [5; 32]).commitment();
    let joining = Joining { dao, member, label, nonce: 1, expires_ms };
    let join = |by: &SigningKey| {
        json!({
            "invitation": invitation,
            "invitation_signature": invitation.sign(by).to_string(),
            "joining": joining,
            "signature": joining.sign(&newcomer).to_string(),
        })
    };
    node.post("/v1/members", &join(&newcomer)).await.assert_problem(422, "signature");
    let joined = node.post("/v1/members", &join(inviter)).await;
    assert_eq!((joined.status, &joined.json()["state"]), (201, &json!("active")));
    node.post("/v1/members", &join(inviter)).await.assert_problem(409, "nonce-used");
    let list = node.get("/v1/members").await.json();
    assert_eq!(list["members"].as_array().unwrap().len(), 4);

    let until_ms = START_MS + 1_000;
    let delegation = Delegation {
        dao,
        delegator: inviter.verifying_key(),
        delegate: Some(member),
        until_ms,
        nonce: 1,
        expires_ms,
    };
    let body = json!({"delegation": delegation, "signature": delegation.sign(inviter).to_string()});
    let delegated = node.post("/v1/delegations", &body).await;
    assert_eq!(delegated.status, 201, "{}", delegated.text());
    assert_eq!(delegated.json()["delegations"][0]["delegate"], member.to_string());

    let policy = node.get("/v1/federations/wine").await.json()["policy_digest"].clone();
    let policy = policy.as_str().unwrap().parse().unwrap();
    let consent = |key: &SigningKey, nonce| {
        let (federation, member) = ("wine".to_owned(), key.verifying_key());
        let consent = Consent { dao, federation, policy, member, nonce, expires_ms };
        json!({"consent": consent, "signature": consent.sign(key).to_string()})
    };
    assert_eq!(node.post("/v1/consents", &consent(inviter, 2)).await.status, 201);
    node.post("/v1/consents", &consent(&newcomer, 2)).await.assert_problem(422, "not-a-member");

    let departure = Departure { dao, member: inviter.verifying_key(), nonce: 3, expires_ms };
    let body = json!({"departure": departure, "signature": departure.sign(inviter).to_string()});
    let path = format!("/v1/members/{}/departure", inviter.verifying_key());
    let left = node.post(&path, &body).await;
    assert_eq!((left.status, &left.json()["state"]), (200, &json!("gone")), "{}", left.text());
    assert_eq!(left.json()["paid_out"], "0");
    assert_eq!(node.get("/v1/delegations").await.json()["delegations"], json!([]));
    let how = node.get("/v1/governance").await.json();
    assert_eq!((&how["holders"], &how["guardian"]), (&json!(2), &Value::Null));
    assert_eq!(how["charter"]["quorum_percent"], 10);
}
