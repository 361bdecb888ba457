//! What members would send to do harm: refused with a named problem, and the log is what it was.
#![expect(clippy::unwrap_used, reason = "clippy's in-tests allowance does not reach helpers")]

use data_dao_governance::{
    Action, Ballot, BallotSecrecy, Cancellation, Capacity, Choice, ClaimedKey, Consent, Delegation,
    Departure, GuardianAcceptance, Invitation, Joining, KeyClaim, ProposalContent, ProposalId,
    Request as _, Role, Rotation, SealedBallot, Veto, Vote,
};
use data_dao_store::SaltedName;
use privacy_identity::{Digest, Signature, SigningKey, VerifyingKey};
use serde_json::{Value, json};

use super::support::{Node, Reply, START_MS};

/// Texts that end a statement, a string, a line or a path in one language or another.
const HOSTILE: [&str; 6] = [
    "'); DROP TABLE entries; --",
    "\" OR \"1\"=\"1",
    "Robert\\'; DELETE FROM entries WHERE ''='",
    "$1; UPDATE entries SET leaf = ''; /*",
    "\u{0}\n\r\t%00",
    "../../../etc/passwd",
];

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

/// Size and root of the log.
async fn log(node: &Node) -> (Value, Value) {
    let ledger = node.get("/v1/ledger").await.json();
    (ledger["size"].clone(), ledger["root"].clone())
}

fn content(node: &Node, actions: Vec<Action>) -> ProposalContent {
    ProposalContent {
        dao: node.dao,
        title: "Words".to_owned(),
        description: "Why.".to_owned(),
        actions,
        ballots: BallotSecrecy::Open,
        proposer: node.members[0].verifying_key(),
        salt: 0,
    }
}

fn signed(node: &Node, content: &ProposalContent) -> Value {
    json!({"content": content, "signature": content.sign(&node.members[0]).to_string()})
}

fn ballot(node: &Node, proposal: ProposalId, (voter, nonce): (usize, u64)) -> Value {
    let key = &node.members[voter];
    let ballot = Ballot {
        dao: node.dao,
        proposal,
        vote: Vote::Whole(Choice::For),
        capacity: Capacity::Entrusted,
        voter: key.verifying_key(),
        reason: Some(Digest([5; 32])),
        nonce,
        expires_ms: u64::MAX,
    };
    json!({"ballot": ballot, "signature": ballot.sign(key).to_string()})
}

fn veto(node: &Node, proposal: ProposalId, by: &SigningKey, (reason, nonce): (&str, u64)) -> Value {
    let (dao, guardian, reason) = (node.dao, by.verifying_key(), reason.to_owned());
    let veto = Veto { dao, proposal, guardian, reason, nonce, expires_ms: u64::MAX };
    json!({"veto": veto, "signature": veto.sign(by).to_string()})
}

/// Makes a proposal, and opens its vote.
async fn made(node: &Node, content: &ProposalContent, now_ms: u64) -> ProposalId {
    let made = node.post("/v1/proposals", &signed(node, content)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    node.pass_time(now_ms + 11).await;
    content.id()
}

/// A message with its signature, as routes take it.
fn request(name: &str, message: Value, signature: &Signature) -> Value {
    json!({name: message, "signature": signature.to_string()})
}

/// A request of every kind that members sign, by the second member or about it: each as it would be taken, but for some.
fn requests(node: &Node, open: ProposalId, sealed: ProposalId) -> Vec<(String, Value)> {
    [about_proposals(node, open, sealed), about_members(node)].concat()
}

/// Nonces from 50 on, each above those before it.
fn about_proposals(node: &Node, open: ProposalId, sealed: ProposalId) -> Vec<(String, Value)> {
    let (dao, expires_ms, by) = (node.dao, u64::MAX, &node.members[1]);
    let member = by.verifying_key();
    let priced = Action::SetPredictionPrice { model: "wine".to_owned(), price: 300 };
    let stops = Action::SuspendMember { member, reason: "Because.".to_owned() };
    let wide = content(node, vec![priced, stops]);
    let (capacity, commitment) = (Capacity::Entrusted, Digest([9; 32]));
    let (proposal, voter, nonce) = (sealed, member, 51);
    let hidden = SealedBallot { dao, proposal, capacity, voter, commitment, nonce, expires_ms };
    let (proposal, proposer, nonce) = (open, member, 52);
    let cancels = Cancellation { dao, proposal, proposer, nonce, expires_ms };
    let (delegate, until_ms) = (Some(node.members[2].verifying_key()), START_MS + 10_000);
    let (delegator, nonce) = (member, 54);
    let entrusts = Delegation { dao, delegator, delegate, until_ms, nonce, expires_ms };
    let accepts = GuardianAcceptance { dao, guardian: member, nonce: 55, expires_ms };
    let at = |id: ProposalId, step: &str| format!("/v1/proposals/{id}/{step}");
    vec![
        ("/v1/proposals".to_owned(), signed(node, &wide)),
        (at(open, "ballots"), ballot(node, open, (1, 50))),
        (at(sealed, "sealed-ballots"), request("ballot", json!(hidden), &hidden.sign(by))),
        (at(open, "cancellation"), request("cancellation", json!(cancels), &cancels.sign(by))),
        (at(open, "veto"), veto(node, open, by, ("Because.", 53))),
        ("/v1/delegations".to_owned(), request("delegation", json!(entrusts), &entrusts.sign(by))),
        ("/v1/guardian".to_owned(), request("acceptance", json!(accepts), &accepts.sign(by))),
    ]
}

/// An invitation taken, consent, another key for the third member, and a departure.
fn about_members(node: &Node) -> Vec<(String, Value)> {
    let (dao, expires_ms, by) = (node.dao, u64::MAX, &node.members[1]);
    let member = by.verifying_key();
    let (federation, policy, nonce) = ("wine".to_owned(), Digest([1; 32]), 56);
    let agrees = Consent { dao, federation, policy, member, nonce, expires_ms };
    let leaves = Departure { dao, member, nonce: 57, expires_ms };
    let (rotating, new) = (&node.members[2], key(61));
    let old = rotating.verifying_key();
    let claim = KeyClaim { dao, member: old, old, new: new.verifying_key(), rotations: 0 };
    let rotates = Rotation { claimed: ClaimedKey::new(claim, &new), nonce: 50, expires_ms };
    let path = |key: &VerifyingKey, step: &str| format!("/v1/members/{key}/{step}");
    vec![
        ("/v1/members".to_owned(), joins(node)),
        ("/v1/consents".to_owned(), request("consent", json!(agrees), &agrees.sign(by))),
        (path(&old, "rotation"), request("rotation", json!(rotates), &rotates.sign(rotating))),
        (path(&member, "departure"), request("departure", json!(leaves), &leaves.sign(by))),
    ]
}

fn joins(node: &Node) -> Value {
    let (dao, expires_ms, by, newcomer) = (node.dao, u64::MAX, &node.members[1], key(60));
    let (inviter, member) = (by.verifying_key(), newcomer.verifying_key());
    let name = SaltedName::new("Newcomer".to_owned(), [5; 32]);
    let invitation = Invitation { dao, inviter, member, roles: vec![Role::Member], expires_ms };
    let joining = Joining { dao, member, label: name.commitment(), nonce: 1, expires_ms };
    json!({
        "invitation": invitation,
        "invitation_signature": invitation.sign(by).to_string(),
        "joining": joining,
        "signature": joining.sign(&newcomer).to_string(),
        "name": {"name": name.name(), "salt": Digest(*name.salt()).to_string()},
    })
}

/// Where every text of a document is.
fn texts_of(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(at.to_owned()),
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| texts_of(value, &format!("{at}/{name}"), found));
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(index, value)| texts_of(value, &format!("{at}/{index}"), found));
        }
        _ => {}
    }
}

/// The request's own fault or the state of things, with a name; never the node's.
fn assert_refused(reply: &Reply, what: &str) -> String {
    let body = reply.json();
    assert!((400..500).contains(&reply.status), "{what}: {body}");
    let slug = body["type"].as_str().and_then(|kind| kind.strip_prefix("/problems/"));
    reply.assert_problem(reply.status, slug.unwrap());
    assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{what}: {body}");
    slug.unwrap().to_owned()
}

async fn with_votes() -> (Node, ProposalId, ProposalId) {
    let node = Node::new().await;
    let sealed = ProposalContent {
        ballots: BallotSecrecy::Sealed,
        salt: 1,
        ..content(&node, vec![Action::Text])
    };
    let sealed = {
        let made = node.post("/v1/proposals", &signed(&node, &sealed)).await;
        assert_eq!(made.status, 201, "{}", made.text());
        sealed.id()
    };
    let open = made(&node, &content(&node, vec![Action::Text]), START_MS).await;
    (node, open, sealed)
}

#[tokio::test]
async fn metacharacters_in_any_text_of_any_request_change_nothing() {
    let (node, open, sealed) = with_votes().await;
    let before = log(&node).await;
    let (mut tried, mut slugs) = (0, std::collections::BTreeSet::new());
    for (path, body) in requests(&node, open, sealed) {
        let mut places = Vec::new();
        texts_of(&body, "", &mut places);
        assert!(places.len() >= 4, "{path}: {places:?}");
        for place in places {
            for hostile in HOSTILE {
                let mut bad = body.clone();
                *bad.pointer_mut(&place).unwrap() = json!(hostile);
                let reply = node.post(&path, &bad).await;
                slugs.insert(assert_refused(&reply, &format!("{path} {place} {hostile:?}")));
                tried += 1;
            }
        }
    }
    assert_eq!(log(&node).await, before);
    assert!(tried > 400, "{tried}");
    for slug in ["invalid", "signature"] {
        assert!(slugs.contains(slug), "{slugs:?}");
    }
    assert!(!slugs.contains("too-many-requests"), "nobody looked at them");
    // And they would have been taken without, but for what is not this member's to do: what was altered is what was refused.
    for (path, body) in requests(&node, open, sealed) {
        let taken = node.post(&path, &body).await;
        let others = ["/cancellation", "/veto", "/v1/guardian", "/v1/consents"];
        let expected = others.iter().all(|end| !path.ends_with(end));
        assert_eq!(taken.status < 300, expected, "{path}: {}", taken.text());
    }
}

#[tokio::test]
async fn metacharacters_in_a_path_are_no_resource() {
    let (node, open, _) = with_votes().await;
    let before = log(&node).await;
    for hostile in ["'%3B%20DROP%20TABLE%20entries%3B--", "%00", "..%2F..", "%27%20OR%201%3D1"] {
        for path in ["proposals", "members", "federations", "models", "ledger/entries"] {
            let reply = node.get(&format!("/v1/{path}/{hostile}")).await;
            assert_refused(&reply, &format!("{path} {hostile}"));
        }
        let vote = ballot(&node, open, (1, 50));
        for path in ["ballots", "sealed-ballots", "openings", "cancellation", "veto"] {
            let reply = node.post(&format!("/v1/proposals/{hostile}/{path}"), &vote).await;
            assert_refused(&reply, &format!("{path} {hostile}"));
        }
    }
    assert_eq!(log(&node).await, before);
}

#[tokio::test]
async fn metacharacters_that_a_member_signed_are_words_and_nothing_else() {
    let node = Node::new().await;
    let mut now_ms = START_MS;
    for (salt, hostile) in (0..).zip(HOSTILE) {
        let words = ProposalContent {
            title: hostile.to_owned(),
            description: hostile.to_owned(),
            salt,
            ..content(&node, vec![Action::Text])
        };
        let before = log(&node).await;
        let id = made(&node, &words, now_ms).await;
        let shown = node.get(&format!("/v1/proposals/{id}")).await.json();
        assert_eq!(
            (&shown["content"]["title"], &shown["content"]["description"]),
            (&json!(hostile), &json!(hostile))
        );
        let entry = before.0.as_u64().unwrap();
        let entry = node.get(&format!("/v1/ledger/entries/{entry}")).await.json();
        assert_eq!(entry["body"]["content"]["title"], hostile, "as it is, in the log, too");
        // Names of things that there are not.
        let federation = hostile.to_owned();
        let unknown = content(&node, vec![Action::StopFederation { federation }]);
        let before = log(&node).await;
        let refused = node.post("/v1/proposals", &signed(&node, &unknown)).await;
        refused.assert_problem(422, "invalid");
        assert_eq!(log(&node).await, before);
        // Until it is over: a member has three at most.
        now_ms += 2_000;
        node.pass_time(now_ms).await;
    }
    let all = node.get("/v1/ledger/entries?limit=200").await.json();
    let size = node.get("/v1/ledger").await.json()["size"].as_u64().unwrap();
    assert_eq!(all["entries"].as_array().unwrap().len() as u64, size, "no entry is gone");
}

#[tokio::test]
async fn proposals_with_actions_that_there_are_not_are_refused() {
    let node = Node::new().await;
    let before = log(&node).await;
    let good = signed(&node, &content(&node, vec![Action::Text]));
    for actions in [
        json!(["mint"]),
        json!([{"mint": {}}]),
        json!([{"mint": {"to": "me", "amount": "1"}}]),
        json!([{"SetRoundBudget": {"federation": "wine", "credits": "1"}}]),
        json!([{"set_round_budget": {"federation": "wine", "credits": "1", "and": "more"}}]),
        json!([{"set_round_budget": {"federation": "wine"}}]),
        json!([{"set_round_budget": {"federation": "wine", "credits": -1}}]),
        json!([{"set_round_budget": {"federation": "wine", "credits": "340282366920938463463374607431768211456"}}]),
        json!([{"set_round_budget": {"federation": "wine", "credits": "1"}, "text": {}}]),
        json!([{"set_parameter": {"parameter": "dictator", "value": "1"}}]),
        json!([null]),
        json!([[]]),
        json!({}),
        json!("text"),
        json!(["text", "mint"]),
    ] {
        let mut bad = good.clone();
        bad["content"]["actions"] = actions.clone();
        let reply = node.post("/v1/proposals", &bad).await;
        let named = assert_refused(&reply, &actions.to_string());
        assert!(["invalid", "malformed"].contains(&named.as_str()), "{actions}: {named}");
    }
    assert_eq!(log(&node).await, before);
    assert_eq!(node.post("/v1/proposals", &good).await.status, 201);
}

#[tokio::test]
async fn what_is_too_long_is_refused_at_whatever_length() {
    let (node, open, _) = with_votes().await;
    let before = log(&node).await;
    let words = |title: usize, description: usize| ProposalContent {
        title: "t".repeat(title),
        description: "d".repeat(description),
        salt: 7,
        ..content(&node, vec![Action::Text])
    };
    let post =
        async |content: ProposalContent| node.post("/v1/proposals", &signed(&node, &content)).await;
    post(words(201, 1)).await.assert_problem(422, "proposal");
    post(words(1, 16_385)).await.assert_problem(422, "proposal");
    post(words(1, 64 << 10)).await.assert_problem(413, "too-large");
    post(words(1, 4 << 20)).await.assert_problem(413, "too-large");
    let many = vec![Action::Text; 1_000];
    post(content(&node, many)).await.assert_problem(422, "proposal");
    let reason = "r".repeat(50_000);
    let long = vec![Action::SuspendMember { member: node.members[1].verifying_key(), reason }];
    assert_refused(&post(content(&node, long)).await, "a reason of 50 000 bytes");
    let vetoed = veto(&node, open, &node.members[1], (&"v".repeat(60_000), 9));
    assert_refused(&node.post(&format!("/v1/proposals/{open}/veto"), &vetoed).await, "a veto");
    let deep = "[".repeat(30_000) + &"]".repeat(30_000);
    let text = format!(r#"{{"content": {deep}, "signature": "00"}}"#);
    let request = axum::http::Request::post("/v1/proposals")
        .header("content-type", "application/json")
        .body(axum::body::Body::from(text));
    assert_refused(&node.send(request.unwrap()).await, "brackets");
    let mut joins = joins(&node);
    let name = SaltedName::new("n".repeat(201), [5; 32]);
    joins["name"]["name"] = json!(name.name());
    node.post("/v1/members", &joins).await.assert_problem(422, "out-of-bounds");
    assert_eq!(log(&node).await, before);
    assert_eq!(post(words(200, 16_384)).await.status, 201, "the longest that there may be");
}

/// All three members vote for it.
async fn carried(node: &Node, id: ProposalId, nonce: u64) {
    for voter in 0..3 {
        let path = format!("/v1/proposals/{id}/ballots");
        let cast = node.post(&path, &ballot(node, id, (voter, nonce))).await;
        assert_eq!(cast.status, 201, "{}", cast.text());
    }
}

#[tokio::test]
async fn the_guardian_alone_vetoes_and_not_about_itself_nor_after_its_term() {
    let node = Node::new().await;
    let (guardian, other) = (key(80), key(81));
    let office = |key: &SigningKey| {
        let guardian = Some(key.verifying_key());
        vec![Action::SetGuardian { guardian, term_ms: 5_000 }]
    };
    let id = made(&node, &content(&node, office(&guardian)), START_MS).await;
    carried(&node, id, 1).await;
    node.pass_time(START_MS + 200).await;
    node.pass_time(START_MS + 400).await;
    let accept = |by: &SigningKey, nonce| {
        let (dao, guardian, expires_ms) = (node.dao, by.verifying_key(), u64::MAX);
        let acceptance = GuardianAcceptance { dao, guardian, nonce, expires_ms };
        json!({"acceptance": acceptance, "signature": acceptance.sign(by).to_string()})
    };
    node.post("/v1/guardian", &accept(&other, 1)).await.assert_problem(422, "not-the-guardian");
    let accepted = node.post("/v1/guardian", &accept(&guardian, 1)).await;
    assert_eq!(accepted.status, 201, "{}", accepted.text());
    assert_eq!(accepted.json()["guardian"]["sunset_ms"], START_MS + 5_400);

    let priced = vec![Action::SetRoundBudget { federation: "wine".to_owned(), credits: 77 }];
    let id = made(&node, &content(&node, priced), START_MS + 400).await;
    carried(&node, id, 2).await;
    node.pass_time(START_MS + 520).await;
    let path = format!("/v1/proposals/{id}/veto");
    assert_eq!(node.get(&format!("/v1/proposals/{id}")).await.json()["state"], "queued");
    let before = log(&node).await;
    let by_member = veto(&node, id, &node.members[0], ("No.", 9));
    node.post(&path, &by_member).await.assert_problem(422, "not-the-guardian");
    let mut forged = veto(&node, id, &guardian, ("No.", 2));
    forged["veto"]["reason"] = json!("Yes.");
    node.post(&path, &forged).await.assert_problem(422, "signature");
    let long = veto(&node, id, &guardian, (&"n".repeat(1_001), 2));
    node.post(&path, &long).await.assert_problem(422, "proposal");
    let nowhere = ProposalId(Digest([0; 32]));
    let unknown = veto(&node, nowhere, &guardian, ("No.", 2));
    node.post(&format!("/v1/proposals/{nowhere}/veto"), &unknown)
        .await
        .assert_problem(404, "not-found");
    node.post(&path, &unknown).await.assert_problem(422, "invalid");
    assert_eq!(log(&node).await, before);
    let vetoed = node.post(&path, &veto(&node, id, &guardian, ("It was bought.", 2))).await;
    let shown = vetoed.json();
    assert_eq!((vetoed.status, &shown["state"]), (200, &json!("vetoed")), "{shown}");
    assert_eq!(shown["veto_reason"], "It was bought.");
    node.post(&path, &veto(&node, id, &guardian, ("No.", 3)))
        .await
        .assert_problem(409, "wrong-state");
    node.pass_time(START_MS + 1_000).await;
    assert_ne!(node.get("/v1/federations/wine").await.json()["round_budget"], "77");

    let about = made(&node, &content(&node, office(&other)), START_MS + 1_000).await;
    let itself = veto(&node, about, &guardian, ("I stay.", 3));
    let path = format!("/v1/proposals/{about}/veto");
    node.post(&path, &itself).await.assert_problem(409, "about-the-guardian");
    node.pass_time(START_MS + 5_400).await;
    let words = ProposalContent { salt: 9, ..content(&node, vec![Action::Text]) };
    let late = made(&node, &words, START_MS + 5_400).await;
    let before = log(&node).await;
    let path = format!("/v1/proposals/{late}/veto");
    let after = veto(&node, late, &guardian, ("Still me.", 3));
    node.post(&path, &after).await.assert_problem(422, "not-the-guardian");
    assert_eq!(log(&node).await, before);
}
