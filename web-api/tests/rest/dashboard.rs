//! The dashboard's pages as they are sent; what a browser makes of them is tested in `web-api/cli/tests/dashboard`.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use axum::{body::Body as HttpBody, http::Request};
use data_dao_governance::{
    Action, Ballot, BallotSecrecy, Capacity, Choice, PrivacyPolicy, ProposalContent, Request as _,
    Role, Vote,
};
use data_dao_journal::{Body, RoundAborted, RoundOpened};
use data_dao_store::SaltedName;
use privacy_identity::{Digest, SigningKey};
use serde_json::json;

use crate::support::{Node, OPERATOR, Reply, START_MS, name, settle_with};

/// As a browser asks.
async fn visit(node: &Node, path: &str) -> Reply {
    let request = Request::get(path).header("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
    node.send(request.body(HttpBody::empty()).unwrap()).await
}

pub(crate) async fn text(node: &Node, path: &str) -> String {
    let reply = visit(node, path).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.text()
}

fn paths(node: &Node) -> Vec<String> {
    let member = node.members[0].verifying_key();
    let fixed = [
        "/",
        "/federations",
        "/federations/wine",
        "/models",
        "/models/wine",
        "/proposals",
        "/members",
        "/books",
        "/ledger",
        "/ledger/0",
        "/buyer",
    ];
    let own = [format!("/members/{member}"), format!("/federations/wine/contributors/{member}")];
    fixed.map(str::to_owned).into_iter().chain(own).collect()
}

#[tokio::test]
async fn pages_run_nothing_that_is_not_a_file_of_this_node() {
    let (node, _) = Node::with_calls(1).await;
    for path in paths(&node) {
        let reply = visit(&node, &path).await;
        assert_eq!(reply.headers["content-type"], "text/html; charset=utf-8", "{path}");
        assert_eq!(reply.headers["x-content-type-options"], "nosniff");
        let policy = reply.headers["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        let text = reply.text();
        for inline in [" style=", "<style", " onclick=", " onload=", "javascript:"] {
            assert!(!text.contains(inline), "{path}: {inline}");
        }
        let scripts = text.matches("<script").count();
        assert_eq!(scripts, text.matches("<script src=\"/assets/").count(), "{path}");
    }
}

#[tokio::test]
async fn names_bring_no_markup_into_any_page() {
    let (node, _) = Node::with_calls(1).await;
    for path in paths(&node) {
        let text = text(&node, &path).await;
        assert!(!text.contains("Test <DAO>") && text.contains("Test &lt;DAO&gt;"), "{path}");
        assert!(!text.contains("& Sons"), "{path}");
    }
}

#[tokio::test]
async fn the_overview_tells_what_the_co_operative_did() {
    let (node, _) = Node::with_calls(1).await;
    let text = text(&node, "/").await;
    for part in ["75.0\u{202f}%", "0.025\u{a0}EUR", "1 000", "bought", "/models/wine"] {
        let part = part.replace(' ', "\u{202f}");
        assert!(text.contains(&part), "{part}: {text}");
    }
}

#[tokio::test]
async fn contributors_are_told_why_they_were_paid() {
    let node = Node::new().await;
    let page = text(&node, "/federations/wine").await;
    assert_eq!(page.matches("Paid ").count(), 3, "{page}");
    let member = node.members[2].verifying_key();
    let page = text(&node, &format!("/federations/wine/contributors/{member}")).await;
    assert!(page.contains("Paid 500 credits: in 1 round it took 150.0000 off"), "{page}");
}

#[tokio::test]
async fn an_ending_page_of_the_ledger_leads_back() {
    let node = Node::new().await;
    let last = node.state.store().size() - 1;
    assert!(text(&node, "/ledger").await.contains(&format!("/ledger/{last}\"")));
    let older = text(&node, "/ledger?before=3").await;
    assert!(older.contains("/ledger/2\"") && !older.contains("/ledger/3\""), "{older}");
    assert!(older.contains("Newest"), "{older}");
    let beyond = text(&node, "/ledger?before=999999").await;
    assert!(beyond.contains(&format!("/ledger/{last}\"")));
    let entry = text(&node, "/ledger/2").await;
    assert!(
        entry.contains("&quot;member_admitted&quot;") && entry.contains("data-vkey"),
        "{entry}"
    );
}

#[tokio::test]
async fn a_model_without_a_price_says_so() {
    let node = Node::new().await;
    assert!(text(&node, "/models/wine").await.contains("no price yet"));
    let price = json!({"model": "wine", "price": "250"});
    assert_eq!(node.post_as(OPERATOR, "/v1/prices", &price).await.status, 201);
    let page = text(&node, "/models/wine").await;
    assert!(
        page.contains("0.025") && page.contains("acidity") && page.contains("0.5 to 1.5"),
        "{page}"
    );
}

#[tokio::test]
async fn a_model_s_page_leads_to_its_files_and_the_card_is_everybody_s() {
    let (node, _) = Node::with_calls(1).await;
    let page = text(&node, "/models/wine").await;
    for (file, status) in [("README.md", 200), ("model.safetensors", 401), ("model.onnx", 401)] {
        let path = format!("/v1/models/wine/versions/1/files/{file}");
        assert!(page.contains(&format!("href=\"{path}\"")), "{file}: {page}");
        assert_eq!(node.get(&path).await.status, status, "{file}");
    }
}

#[tokio::test]
async fn missing_pages_are_pages_for_people_and_problems_for_programs() {
    let node = Node::new().await;
    for path in [
        "/nowhere",
        "/federations/x",
        "/models/x",
        "/ledger/99",
        "/ledger/x",
        "/members/x",
        "/proposals/x",
    ] {
        let reply = visit(&node, path).await;
        assert_eq!(reply.status, 404, "{path}");
        assert!(reply.text().contains("<h1>Not found</h1>"), "{path}");
        assert!(reply.headers.contains_key("content-security-policy"), "{path}");
    }
    node.get("/nowhere").await.assert_problem(404, "no-route");
    let reply = visit(&node, "/v1/nowhere").await;
    reply.assert_problem(404, "no-route");
}

#[tokio::test]
async fn an_empty_ledger_has_pages() {
    let node = Node::empty().await;
    for path in
        ["/", "/federations", "/models", "/proposals", "/members", "/books", "/ledger", "/buyer"]
    {
        assert!(text(&node, path).await.contains("A co-operative to be"), "{path}");
    }
}

#[tokio::test]
async fn files_are_kept_for_ever_under_the_digest_of_their_content() {
    let node = Node::new().await;
    let page = text(&node, "/").await;
    let start = page.find("/assets/dashboard-").unwrap();
    let path = page[start..].split('"').next().unwrap();
    let style = node.get(path).await;
    assert_eq!(style.headers["content-type"], "text/css; charset=utf-8");
    assert!(style.headers["cache-control"].to_str().unwrap().contains("immutable"));
    let tag = style.headers["etag"].clone();
    assert!(path.contains(tag.to_str().unwrap().trim_matches('"')));
    let known = Request::get(path).header("if-none-match", tag).body(HttpBody::empty()).unwrap();
    let unchanged = node.send(known).await;
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    assert_eq!(visit(&node, "/assets/dashboard-0000000000000000.css").await.status, 404);
}

#[tokio::test]
async fn the_stream_tells_how_far_the_log_is_and_places_are_bounded() {
    let node = Node::new().await;
    let open = || async {
        let request = Request::get("/events").body(HttpBody::empty()).unwrap();
        node.response(request).await
    };
    let mut streams = Vec::new();
    for _ in 0..256 {
        streams.push(open().await);
    }
    assert_eq!(streams[0].headers()["content-type"], "text/event-stream");
    let refused = open().await;
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "30");
    // Who leaves makes room.
    let first = streams.swap_remove(0);
    streams.clear();
    assert_eq!(open().await.status(), 200);
    let mut body = first.into_body();
    let size = node.state.store().size();
    assert_eq!(event(&mut body).await, format!("event: entries\ndata: {size}\n\n"));
    assert_eq!(
        node.post_as(
            OPERATOR,
            "/v1/prices",
            &json!({"model": name("wine").as_str(), "price": "1"})
        )
        .await
        .status,
        201
    );
    assert_eq!(
        event(&mut body).await,
        format!("event: entries\ndata: {}\n\n", node.state.store().size())
    );
}

/// The next part of a stream.
async fn event(body: &mut HttpBody) -> String {
    use http_body_util::BodyExt as _;
    let frame = body.frame().await.unwrap().unwrap();
    String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
}

/// A proposal of member 0, as it is sent.
async fn propose(node: &Node, actions: Vec<Action>, names: serde_json::Value) -> ProposalContent {
    let proposer = &node.members[0];
    let content = ProposalContent {
        dao: node.dao,
        title: "A change".to_owned(),
        description: "For good reasons.".to_owned(),
        actions,
        ballots: BallotSecrecy::Open,
        proposer: proposer.verifying_key(),
        salt: 0,
    };
    let signature = content.sign(proposer).to_string();
    let request = json!({"content": content, "signature": signature, "names": names});
    node.post("/v1/proposals", &request).await.status_is(201);
    content
}

/// Lets all members vote for these actions, and time pass until they are carried out.
pub(crate) async fn pass(node: &Node, actions: Vec<Action>) {
    let content = propose(node, actions, json!([])).await;
    node.pass_time(START_MS + 11).await;
    for key in &node.members {
        let ballot = Ballot {
            dao: node.dao,
            proposal: content.id(),
            vote: Vote::Whole(Choice::For),
            capacity: Capacity::Entrusted,
            voter: key.verifying_key(),
            reason: None,
            nonce: 1,
            expires_ms: u64::MAX,
        };
        let vote = json!({"ballot": ballot, "signature": ballot.sign(key).to_string()});
        node.post(&format!("/v1/proposals/{}/ballots", content.id()), &vote).await.status_is(201);
    }
    node.pass_time(START_MS + 200).await;
    node.pass_time(START_MS + 400).await;
    let done = node.get(&format!("/v1/proposals/{}", content.id())).await.json();
    assert_eq!(done["state"], "executed", "{done}");
}

fn privacy(terms: Digest) -> Action {
    let policy = PrivacyPolicy { terms, minimum_cohort: 3, epsilon_micro_max: Some(10_000_000) };
    Action::SetPrivacyPolicy { federation: "wine".to_owned(), policy }
}

#[tokio::test]
async fn a_proposal_shows_all_that_is_voted_on() {
    let node = Node::new().await;
    let (newcomer, salt) = (SigningKey::from_seed(&[60; 32]).verifying_key(), Digest([5; 32]));
    let label = SaltedName::new("Anna Weinbauer".to_owned(), salt.0).commitment();
    let names = json!([{"name": "Anna Weinbauer", "salt": salt.to_string()}]);
    let (terms, vkey) = (Digest([7; 32]), "watch.example+0a0b0c0d+AQIDBA==".to_owned());
    let roles = vec![Role::Member, Role::Aggregator];
    let actions = vec![
        privacy(terms),
        Action::AdmitMember { member: newcomer, label: label.clone(), roles },
        Action::SetWitness { name: "watch".to_owned(), vkey: vkey.clone() },
    ];
    let content = propose(&node, actions, names).await;
    let page = text(&node, &format!("/proposals/{}", content.id())).await;
    assert!(
        page.contains("The terms become others") && page.contains(&terms.to_string()),
        "{page}"
    );
    let admitted = format!(
        "Anna Weinbauer becomes a member, as member, aggregator, with the key <code class=\"hash\">{newcomer}</code>"
    );
    assert!(page.contains(&admitted) && !page.contains(&label), "{page}");
    assert!(page.contains(&vkey), "{page}");

    let content = propose(&node, vec![privacy(Digest([1; 32]))], json!([])).await;
    let page = text(&node, &format!("/proposals/{}", content.id())).await;
    assert!(page.contains("The terms are those in force"), "{page}");
    assert!(!page.contains("The terms become others"), "{page}");
}

#[tokio::test]
async fn a_federation_gives_the_reasons_of_the_rule_that_members_voted_for() {
    let node = Node::new().await;
    // Before the vote somebody looks, so that the first round's reasons are kept.
    assert_eq!(text(&node, "/federations/wine").await.matches("Paid ").count(), 3);
    pass(&node, vec![Action::SetNovelty { federation: "wine".to_owned(), percent: 100 }]).await;
    let model = node.state.store().view(|ledger| ledger.federation(&name("wine")).unwrap().model());
    let round = (1, model.unwrap(), Digest([20; 32]));
    // The first has 60 % of the median's novelty: enough as the federation was opened, not as was voted.
    settle_with(node.state.store(), &node.members, round, [10, 50, 50]).await;
    let page = text(&node, "/federations/wine").await;
    let mut reasons = Vec::new();
    for key in node.members.iter().map(SigningKey::verifying_key) {
        let path = format!("/v1/federations/wine/contributors/{key}/rounds");
        let newest = node.get(&path).await.json()["rounds"][1].clone();
        assert!(page.contains(newest["sentence"].as_str().unwrap()), "{newest}: {page}");
        reasons.push(newest["reason"].clone());
    }
    assert_eq!(reasons, ["not-novel", "paid", "paid"]);
}

#[tokio::test]
async fn terms_that_a_vote_replaced_are_not_shown_as_those_in_force() {
    let node = Node::new().await;
    let (before, after) = (Digest([1; 32]), Digest([7; 32]));
    let page = text(&node, "/federations/wine").await;
    assert!(page.contains(&before.to_string()) && !page.contains("former terms"), "{page}");
    pass(&node, vec![privacy(after)]).await;
    let page = text(&node, "/federations/wine").await;
    assert!(page.contains("former terms") && page.contains(&after.to_string()), "{page}");
    let view = node.get("/v1/federations/wine").await.json();
    assert_eq!(view["terms_digest"], after.to_string());
    assert_eq!(view["terms_text_digest"], before.to_string());
}

#[tokio::test]
async fn a_round_that_was_given_up_is_none_of_those_in_progress() {
    let node = Node::new().await;
    let model = node.state.store().view(|ledger| ledger.federation(&name("wine")).unwrap().model());
    let opened = |round| RoundOpened {
        federation: name("wine"),
        round,
        model: model.unwrap(),
        cohort_size: 3,
        epsilon_micro: None,
    };
    let mut bodies = Vec::new();
    for round in 1..=4 {
        bodies.push(Body::RoundOpened(opened(round)));
        let reason = "too few answered".to_owned();
        bodies.push(RoundAborted { federation: name("wine"), round, reason }.into());
    }
    bodies.push(Body::RoundOpened(opened(5)));
    node.state.store().append(START_MS, bodies).await.unwrap();
    for path in ["/federations", "/federations/wine"] {
        let page = text(&node, path).await;
        assert!(page.contains("Round 2 of 5 in progress"), "{path}: {page}");
    }
}
