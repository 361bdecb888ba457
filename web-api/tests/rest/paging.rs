//! Lists page by page, while they grow.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;

use data_dao_governance::{Action, BallotSecrecy, Delegation, ProposalContent, Request as _};
use data_dao_journal::{
    Body, FederationOpened, MemberAdmitted, ModelReleased, PriceSet, ProposalMade,
};
use privacy_identity::{Digest, SigningKey};
use serde_json::{Value, json};

use super::support::{Node, START_MS, name};

async fn append(node: &Node, body: impl Into<Body>) {
    node.state.store().append(START_MS, vec![body.into()]).await.unwrap();
}

async fn admit(node: &Node, seed: u8) {
    let member = SigningKey::from_seed(&[seed; 32]).verifying_key();
    let admitted =
        MemberAdmitted { federation: name("wine"), member, label: format!("Member {seed}") };
    append(node, admitted).await;
}

/// Another name for the federation's model, with a price.
async fn release(node: &Node, model: &str) {
    let latest = node.state.store().view(|s| s.model(&name("wine")).unwrap().latest().clone());
    append(node, ModelReleased { model: name(model), ..latest }).await;
    append(node, PriceSet { model: name(model), price: 5 }).await;
}

async fn open(node: &Node, federation: &str) {
    let opened = FederationOpened {
        federation: name(federation),
        terms_digest: Digest([1; 32]),
        terms: "{}".to_owned(),
        rounds: 5,
        round_budget: 1_000,
        minimum_cohort: 2,
        novelty_percent: 50,
        validation_commitment: Digest([2; 32]),
    };
    append(node, opened).await;
}

async fn propose(node: &Node, (proposer, salt): (usize, u64), at_ms: u64) -> String {
    let key = &node.members[proposer];
    let content = ProposalContent {
        dao: node.dao,
        title: format!("Proposal {salt}"),
        description: "Words.".to_owned(),
        actions: vec![Action::Text],
        ballots: BallotSecrecy::Open,
        proposer: key.verifying_key(),
        salt,
    };
    let id = content.id().to_string();
    let signature = content.sign(key);
    let made = ProposalMade { content, signature };
    node.state.store().append(at_ms, vec![made.into()]).await.unwrap();
    id
}

/// The names of the items of a page, and the path of the next one, which the Link header says, too.
async fn page(node: &Node, path: &str, (items, id): (&str, &str)) -> (Vec<String>, Option<String>) {
    let reply = node.get(path).await;
    reply.status_is(200);
    let answer = reply.json();
    let listed = answer[items].as_array().unwrap().iter();
    let names = listed.map(|item| item[id].as_str().unwrap().to_owned()).collect();
    let link = reply.headers.get("link").map(|link| link.to_str().unwrap());
    let next = answer["next"].as_str().map(|cursor| {
        let link = link.unwrap();
        let path = link.strip_prefix('<').unwrap().split('>').next().unwrap();
        assert!(path.contains(cursor) && link.ends_with("rel=\"next\""), "{link}");
        path.to_owned()
    });
    assert_eq!(next.is_some(), link.is_some(), "{path}");
    (names, next)
}

/// Everything on the pages that follow `path`, and how many they are.
async fn walk(node: &Node, path: &str, of: (&str, &str)) -> (Vec<String>, usize) {
    let (mut all, mut pages, mut next) = (Vec::new(), 0, Some(path.to_owned()));
    while let Some(path) = next {
        let (names, following) = page(node, &path, of).await;
        assert!(names.len() <= 2, "limit=2: {names:?}");
        all.extend(names);
        (pages, next) = (pages + 1, following);
    }
    (all, pages)
}

/// Nothing stands on two pages, and what was there at the beginning is on one.
fn check_walk(seen: &[String], at_first: &[String]) {
    let distinct: BTreeSet<_> = seen.iter().collect();
    assert_eq!(distinct.len(), seen.len(), "twice: {seen:?}");
    assert!(at_first.iter().all(|item| distinct.contains(item)), "{at_first:?} in {seen:?}");
}

#[tokio::test]
async fn lists_by_name_are_walked_while_they_grow() {
    let node = Node::new().await;
    for seed in 20..23 {
        admit(&node, seed).await;
    }
    append(&node, PriceSet { model: name("wine"), price: 5 }).await;
    for kind in ["ale", "cider", "perry", "stout"] {
        release(&node, kind).await;
        open(&node, kind).await;
    }
    let lists = [
        ("/v1/members", ("members", "member"), 6),
        ("/v1/models", ("models", "name"), 5),
        ("/v1/models?query=WINE", ("models", "name"), 5),
        ("/v1/plans", ("models", "model"), 5),
        ("/v1/federations", ("federations", "name"), 5),
    ];
    let mut begun = Vec::new();
    for (path, of, count) in lists {
        let joint = if path.contains('?') { '&' } else { '?' };
        let (all, pages) = walk(&node, &format!("{path}{joint}limit=2"), of).await;
        assert_eq!((all.len(), pages), (count, 3), "{path}: {all:?}");
        assert!(all.is_sorted(), "{path}: {all:?}");
        let whole = page(&node, path, of).await;
        assert_eq!(whole, (all.clone(), None), "a page holds fifty");
        let first = page(&node, &format!("{path}{joint}limit=2"), of).await;
        begun.push((path, of, all, first));
    }
    // Before, between and behind what was on the first pages.
    for seed in 30..40 {
        admit(&node, seed).await;
    }
    for kind in ["aaa", "beer", "zzz"] {
        release(&node, kind).await;
        open(&node, kind).await;
    }
    for (path, of, at_first, (mut seen, next)) in begun {
        let (rest, _) = walk(&node, &next.unwrap(), of).await;
        seen.extend(rest);
        check_walk(&seen, &at_first);
        assert!(seen.is_sorted(), "{path}: {seen:?}");
        assert!(seen.len() > at_first.len(), "what came behind the page is seen: {path}");
    }
}

#[tokio::test]
async fn proposals_are_walked_from_the_newest_while_others_are_made() {
    let node = Node::new().await;
    let mut made = Vec::new();
    // Some of one moment, so that the id decides.
    for (proposer, salt, at_ms) in [(0, 1, 0), (1, 2, 0), (2, 3, 0), (0, 4, 1), (1, 5, 2)] {
        made.push(propose(&node, (proposer, salt), START_MS + at_ms).await);
    }
    let of = ("proposals", "id");
    let (mut seen, next) = page(&node, "/v1/proposals?limit=2", of).await;
    assert_eq!(seen, [made[4].clone(), made[3].clone()]);
    let newer = propose(&node, (2, 6), START_MS + 3).await;
    let (rest, pages) = walk(&node, &next.unwrap(), of).await;
    assert_eq!((rest.len(), pages), (3, 2));
    seen.extend(rest);
    check_walk(&seen, &made);
    assert!(!seen.contains(&newer), "it stands before the page that was seen");
    let (all, _) = walk(&node, "/v1/proposals?limit=2", of).await;
    assert_eq!((all.len(), &all[0]), (6, &newer));
    assert_eq!(all[1..], seen);
}

#[tokio::test]
async fn who_delegates_is_told_of_its_own_and_all_are_listed_by_page() {
    let node = Node::new().await;
    for place in 0..3 {
        let (key, to) = (&node.members[place], &node.members[(place + 1) % 3]);
        let delegation = Delegation {
            dao: node.dao,
            delegator: key.verifying_key(),
            delegate: Some(to.verifying_key()),
            until_ms: START_MS + 1_000,
            nonce: 1,
            expires_ms: u64::MAX,
        };
        let signature = delegation.sign(key).to_string();
        let body = json!({"delegation": delegation, "signature": signature});
        let answer = node.post("/v1/delegations", &body).await;
        answer.status_is(201);
        let held = &answer.json()["delegations"];
        assert_eq!(held.as_array().unwrap().len(), 1, "{held}");
        assert_eq!(held[0]["delegator"], key.verifying_key().to_string());
    }
    let of = ("delegations", "delegator");
    let (all, pages) = walk(&node, "/v1/delegations?limit=2", of).await;
    assert_eq!((all.len(), pages, all.is_sorted()), (3, 2, true));
}

#[tokio::test]
async fn cursors_of_other_lists_and_limits_out_of_bounds_are_refused() {
    let node = Node::new().await;
    let by_name = ["/v1/models", "/v1/plans", "/v1/federations"];
    let by_key = ["/v1/members", "/v1/delegations"];
    for list in by_name.iter().chain(&by_key).chain(&["/v1/proposals"]) {
        for query in ["limit=0", "limit=201", "cursor=*", "cursor=_w"] {
            node.get(&format!("{list}?{query}")).await.assert_problem(422, "invalid");
        }
        for query in ["limit=x", "limit=-1", "colour=red"] {
            node.get(&format!("{list}?{query}")).await.assert_problem(400, "malformed");
        }
    }
    // "wine" is no key and no proposal; "A B" no name; "1/wine" no proposal's id.
    for list in by_key.iter().chain(&["/v1/proposals"]) {
        node.get(&format!("{list}?cursor=d2luZQ")).await.assert_problem(422, "invalid");
    }
    for list in by_name {
        node.get(&format!("{list}?cursor=QSBC")).await.assert_problem(422, "invalid");
    }
    node.get("/v1/proposals?cursor=MS93aW5l").await.assert_problem(422, "invalid");
    let long = format!("/v1/models?query={}", "x".repeat(257));
    node.get(&long).await.assert_problem(422, "invalid");
    // Of a page for people: the same.
    for page in ["/members", "/models", "/federations", "/proposals"] {
        let refused = node.get(&format!("{page}?cursor=QSBC")).await;
        assert_eq!(refused.status, 422, "{page}");
        assert!(refused.text().contains("<h1>"), "{page}");
    }
}

#[tokio::test]
async fn the_pages_for_people_lead_through_the_same_lists() {
    let node = Node::new().await;
    for number in 0..60_u32 {
        open(&node, &format!("f{number:02}")).await;
        release(&node, &format!("m{number:02}")).await;
    }
    for seed in 20..140 {
        admit(&node, seed).await;
    }
    for (path, item, count) in [
        ("/federations", "href=\"/federations/", 61),
        ("/models", "class=\"button\" href=\"/models/", 61),
        ("/members", "<th scope=\"row\"><a href=\"/members/", 123),
    ] {
        let first = node.get(path).await.text();
        assert!(!first.contains("rel=\"first\""), "{path}");
        let start = first.find(&format!("href=\"{path}?cursor=")).unwrap() + 6;
        let next = first[start..].split('"').next().unwrap();
        let second = node.get(next).await;
        second.status_is(200);
        let second = second.text();
        assert!(second.contains("rel=\"first\"") && !second.contains("rel=\"next\""), "{path}");
        let items = |page: &str| -> BTreeSet<String> {
            let found = page.split(item).skip(1);
            found.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
        };
        let (on_first, on_second) = (items(&first), items(&second));
        assert!(on_first.is_disjoint(&on_second), "{path}");
        // The navigation has a link to the list itself, which is no item.
        assert_eq!(on_first.len() + on_second.len(), count, "{path}");
    }
}

#[tokio::test]
async fn votes_are_those_of_now_however_often_they_are_asked_for() {
    let node = Node::new().await;
    let day_ms = 24 * 60 * 60 * 1000;
    let listed = async |node: &Node| -> Vec<(String, Value)> {
        let list = node.get("/v1/members").await.json();
        let members = list["members"].as_array().unwrap().iter();
        members.map(|m| (m["member"].as_str().unwrap().to_owned(), m["votes"].clone())).collect()
    };
    let mut all = BTreeSet::new();
    for now_ms in [START_MS, START_MS + 5, START_MS + 30 * day_ms, START_MS + 200 * day_ms] {
        node.set_time(now_ms);
        let (first, again) = (listed(&node).await, listed(&node).await);
        assert_eq!(first, again);
        let expected = |key: &str| {
            let key = key.parse().unwrap();
            node.state.store().view(|state| state.vote_weight(&key, now_ms)).to_string()
        };
        assert!(first.iter().all(|(key, votes)| *votes == expected(key)), "{first:?}");
        all.extend(first.iter().map(|(_, votes)| votes.to_string()));
    }
    assert!(all.len() > 3, "they age: {all:?}");
    admit(&node, 20).await;
    assert_eq!(listed(&node).await.len(), 4);
}
