//! Keys: scopes, expiry, limits, rotation, revocation; signed requests; limits of requests.

#![expect(clippy::unwrap_used, reason = "clippy's in-tests allowance does not reach helpers")]

use axum::{body::Body, http::Request};
use data_dao_journal::{Body as DaoEntry, KeyGrant, KeyGranted, Scope};
use data_dao_ledger::Name;
use privacy_identity::{Digest, SigningKey};
use serde_json::{Value, json};

use super::support::{Node, OPERATOR, START_MS, two_rows};

async fn issue(node: &Node, token: &str, grant: Value) -> (String, String) {
    let order = json!({"buyer": "Till", "grant": grant});
    let key = node.post_as(token, "/v1/keys", &order).await;
    assert_eq!(key.status, 201, "{}", key.text());
    assert_eq!(key.headers["cache-control"], "no-store");
    let text = |name: &str| key.json()[name].as_str().unwrap().to_owned();
    (text("key_id"), text("api_key"))
}

async fn own_id(node: &Node, key: &str) -> String {
    node.get_as(key, "/v1/balance").await.json()["key_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_key_does_what_it_was_granted_and_nothing_else() {
    let (node, owner) = Node::with_calls(2).await;
    let (_, caller) = issue(&node, &owner, json!({"scopes": ["infer"]})).await;
    assert_eq!(node.infer(&caller, &two_rows()).await.status, 200);
    node.get_as(&caller, "/v1/balance").await.assert_problem(403, "forbidden");
    node.get_as(&caller, "/v1/usage").await.assert_problem(403, "forbidden");
    let order = json!({"model": "wine", "calls": 1});
    node.buy(&caller, "x", &order).await.assert_problem(403, "forbidden");
    let key = json!({"buyer": "x"});
    node.post_as(&caller, "/v1/keys", &key).await.assert_problem(403, "forbidden");
    let (_, looker) = issue(&node, &owner, json!({"scopes": ["usage"]})).await;
    node.infer(&looker, &two_rows()).await.assert_oip_error(403, "no scope infer");
    let usage = node.get_as(&owner, "/v1/usage").await.json();
    let calls = usage["usage"].as_array().unwrap().iter().map(|row| row["calls"].as_u64().unwrap());
    assert_eq!(calls.sum::<u64>(), 1);
}

#[tokio::test]
async fn no_key_gets_more_than_its_own() {
    let (node, owner) = Node::with_calls(1).await;
    let more = json!({"buyer": "x", "grant": {"scopes": ["admin"]}});
    node.post_as(&owner, "/v1/keys", &more).await.assert_problem(403, "forbidden");
    let money = json!({"buyer": "x", "deposit": "5"});
    node.post_as(&owner, "/v1/keys", &money).await.assert_problem(403, "forbidden");
    let (other_id, other) = issue(&node, OPERATOR, json!({})).await;
    let id = own_id(&node, &owner).await;
    // Of others' keys nobody learns that there are any.
    node.get_as(&other, &format!("/v1/keys/{id}")).await.assert_problem(404, "not-found");
    let path = format!("/v1/keys/{other_id}/rotation");
    node.post_as(&owner, &path, &json!({})).await.assert_problem(404, "not-found");
    let grant = Request::put(format!("/v1/keys/{id}/grant"))
        .header("authorization", format!("Bearer {owner}"))
        .header("content-type", "application/json")
        .body(Body::from("{}"));
    node.send(grant.unwrap()).await.assert_problem(403, "forbidden");
    let listed = node.get_as(&owner, "/v1/keys").await.json();
    assert_eq!(listed["keys"].as_array().unwrap().len(), 1);
    let all = node.get_as(OPERATOR, "/v1/keys?limit=1").await;
    assert!(all.headers.contains_key("link"));
}

#[tokio::test]
async fn an_expired_a_revoked_and_a_superseded_key_are_refused_and_charged_nothing() {
    let (node, owner) = Node::with_calls(3).await;
    let (_, brief) = issue(&node, &owner, json!({"expires_at_ms": START_MS + 1_000})).await;
    let (revoked_id, revoked) = issue(&node, &owner, json!({})).await;
    node.set_time(START_MS + 1_000);
    node.infer(&brief, &two_rows()).await.assert_oip_error(401, "has expired");
    let request = Request::delete(format!("/v1/keys/{revoked_id}"))
        .header("authorization", format!("Bearer {owner}"));
    assert_eq!(node.send(request.body(Body::empty()).unwrap()).await.status, 204);
    node.infer(&revoked, &two_rows()).await.assert_oip_error(401, "was revoked");
    let id = own_id(&node, &owner).await;
    let path = format!("/v1/keys/{id}/rotation");
    let rotated = node.post_as(&owner, &path, &json!({"overlap_s": 60})).await;
    assert_eq!(rotated.status, 201, "{}", rotated.text());
    let new = rotated.json()["api_key"].as_str().unwrap().to_owned();
    assert_eq!(node.infer(&owner, &two_rows()).await.status, 200);
    node.set_time(START_MS + 61_000);
    node.infer(&owner, &two_rows()).await.assert_oip_error(401, "replaced");
    let balance = node.get_as(&new, "/v1/balance").await.json();
    assert_eq!(balance["calls"][0]["left"], "2");
}

/// Who stole a secret has it until the overlap ends: it may not be enough to take the key over.
#[tokio::test]
async fn the_secret_before_a_rotation_calls_but_changes_no_keys() {
    let (node, stolen) = Node::with_calls(2).await;
    let id = own_id(&node, &stolen).await;
    let path = format!("/v1/keys/{id}/rotation");
    let rotated = node.post_as(&stolen, &path, &json!({"overlap_s": 60})).await;
    let new = rotated.json()["api_key"].as_str().unwrap().to_owned();
    node.post_as(&stolen, &path, &json!({"overlap_s": 0})).await.assert_problem(403, "forbidden");
    node.post_as(&stolen, "/v1/keys", &json!({"buyer": "x"}))
        .await
        .assert_problem(403, "forbidden");
    let (till, _) = issue(&node, &new, json!({})).await;
    let till = format!("/v1/keys/{till}");
    let revoke = Request::delete(&till).header("authorization", format!("Bearer {stolen}"));
    node.send(revoke.body(Body::empty()).unwrap()).await.assert_problem(403, "forbidden");
    assert_eq!(node.infer(&stolen, &two_rows()).await.status, 200);
    assert_eq!(node.get_as(&new, "/v1/balance").await.status, 200);
}

#[tokio::test]
async fn what_an_account_may_not_do_its_keys_may_not_either() {
    let (node, owner) = Node::with_buyer("10000").await;
    let (_, till) = issue(&node, &owner, json!({"pay_as_you_go": true})).await;
    assert_eq!(node.infer(&till, &two_rows()).await.status, 200);
    let id = own_id(&node, &owner).await;
    let amend = |scopes: Value| {
        Request::put(format!("/v1/keys/{id}/grant"))
            .header("authorization", format!("Bearer {OPERATOR}"))
            .header("content-type", "application/json")
            .body(Body::from(json!({"scopes": scopes}).to_string()))
            .unwrap()
    };
    // Without `buy` and without paying as it goes, it may not make a key that does.
    assert_eq!(node.send(amend(json!(["infer", "keys"]))).await.status, 200);
    let more = json!({"buyer": "x", "grant": {"scopes": ["infer"], "pay_as_you_go": true}});
    node.post_as(&owner, "/v1/keys", &more).await.assert_problem(403, "forbidden");
    node.infer(&till, &two_rows()).await.assert_oip_error(402, "no call of wine left");
    assert_eq!(node.send(amend(json!(["usage"]))).await.status, 200);
    node.infer(&till, &two_rows()).await.assert_oip_error(403, "no scope infer");
}

#[tokio::test]
async fn a_spending_limit_holds_to_the_unit_under_requests_at_once() {
    let (node, owner) = Node::with_buyer("10000").await;
    let grant = json!({"scopes": ["infer"], "limit_day": "749", "pay_as_you_go": true});
    let (_, caller) = issue(&node, &owner, grant).await;
    let body = two_rows();
    let statuses = super::inference::futures_of((0..5).map(|_| node.infer(&caller, &body))).await;
    let mut statuses: Vec<_> = statuses.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 403, 403, 403]);
    assert_eq!(node.get_as(&owner, "/v1/balance").await.json()["balance"], "9500");
    node.set_time(START_MS + 86_400_000);
    assert_eq!(node.infer(&caller, &two_rows()).await.status, 200);
}

#[tokio::test]
async fn a_limit_in_all_holds_for_ever() {
    let (node, owner) = Node::with_buyer("10000").await;
    let grant = json!({"scopes": ["infer"], "limit_total": "749", "pay_as_you_go": true});
    let (id, caller) = issue(&node, &owner, grant).await;
    for day in 0..4 {
        node.set_time(START_MS + day * 86_400_000);
        let reply = node.infer(&caller, &two_rows()).await;
        assert_eq!(reply.status, if day < 2 { 200 } else { 403 }, "{day}: {}", reply.text());
    }
    node.infer(&caller, &two_rows()).await.assert_oip_error(403, "749 per lifetime");
    assert_eq!(node.get_as(&owner, &format!("/v1/keys/{id}")).await.json()["spent_total"], "500");
    assert_eq!(node.get_as(&owner, "/v1/balance").await.json()["balance"], "9500");
}

#[tokio::test]
async fn every_administrative_act_is_in_the_log_with_who_did_it() {
    let (node, owner) = Node::with_calls(1).await;
    let (admin_id, admin) = issue(&node, OPERATOR, json!({"scopes": ["admin"]})).await;
    let id = own_id(&node, &owner).await;
    let path = format!("/v1/keys/{id}/deposits");
    let deposit = json!({"amount": "5"});
    assert_eq!(node.post_once(&admin, &path, ("d", &deposit)).await.status, 201);
    let erase = Request::delete(format!("/v1/keys/{id}/buyer"))
        .header("authorization", format!("Bearer {admin}"));
    assert_eq!(node.send(erase.body(Body::empty()).unwrap()).await.status, 204);
    let acts = node.get_as(&admin, "/v1/acts").await.json();
    let told: Vec<_> = acts["acts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|act| {
            (act["by"].as_str().unwrap().to_owned(), act["act"].as_str().unwrap().to_owned())
        })
        .collect();
    let by = format!("key {admin_id}");
    let expected = [
        ("operator", "set-price"),
        ("operator", "issue-key"),
        ("operator", "issue-key"),
        (by.as_str(), "book-deposit"),
        (by.as_str(), "erase-buyer"),
    ];
    let expected: Vec<_> = expected.map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec();
    assert_eq!(told, expected);
    node.get_as(&owner, "/v1/acts").await.assert_problem(403, "forbidden");
    node.get("/v1/acts").await.assert_problem(401, "unauthorized");
}

#[tokio::test]
async fn a_member_signs_requests_and_the_operators_key_is_the_operator() {
    use super::support::signed;
    let node = Node::new().await;
    let member = &node.members[0];
    let request = |nonce: &str| signed(member, ("GET", "/v1/me", b""), (START_MS, nonce));
    let me = node.send(request("0123456789abcdef")).await;
    assert_eq!(me.status, 200, "{}", me.text());
    assert_eq!(me.json()["key"], member.verifying_key().to_string());
    assert_eq!(me.json()["is_operator"], false);
    node.send(request("0123456789abcdef")).await.assert_problem(401, "unauthorized");
    node.get("/v1/me").await.assert_problem(401, "unauthorized");
    let order = json!({"buyer": "x"}).to_string();
    let order = ("POST", "/v1/keys", order.as_bytes());
    let refused = node.send(signed(member, order, (START_MS, "another-nonce-16"))).await;
    refused.assert_problem(403, "forbidden");
    let operator = SigningKey::from_seed(&[9; 32]);
    let issued = node.send(signed(&operator, order, (START_MS, "another-nonce-16"))).await;
    assert_eq!(issued.status, 201, "{}", issued.text());
    // Late, and changed on the way.
    let late = signed(member, ("GET", "/v1/me", b""), (START_MS + 600_000, "0123456789abcdeg"));
    node.send(late).await.assert_problem(401, "unauthorized");
    // A name for the order that was not signed: whoever carries it could have put it there.
    let mut named = signed(&operator, order, (START_MS, "another-nonce-18"));
    named.headers_mut().insert("idempotency-key", "other".parse().unwrap());
    node.send(named).await.assert_problem(401, "unauthorized");
    let mut changed = signed(&operator, order, (START_MS, "another-nonce-17"));
    *changed.body_mut() = Body::from(json!({"buyer": "y"}).to_string());
    node.send(changed).await.assert_problem(401, "unauthorized");
}

#[tokio::test]
async fn of_a_strangers_signatures_nothing_is_remembered() {
    use super::support::signed;
    let node = Node::new().await;
    let stranger = SigningKey::from_seed(&[77; 32]);
    let request = || signed(&stranger, ("GET", "/v1/me", b""), (START_MS, "0123456789abcdef"));
    let first = node.send(request()).await;
    let again = node.send(request()).await;
    assert_eq!((first.status, first.text()), (again.status, again.text()));
    assert!(!again.text().contains("nonce"), "{}", again.text());
}

#[tokio::test]
async fn an_account_makes_a_thousand_keys_and_no_more() {
    let (node, owner) = Node::with_calls(1).await;
    let account = Name::new(own_id(&node, &owner).await).unwrap();
    let scopes = vec![Scope::Infer];
    let grant = KeyGrant { account: Some(account), scopes, ..KeyGrant::unrestricted() };
    let granted = |number: u16| {
        let key_id = Name::new(format!("k-till-{number}")).unwrap();
        let mut hash = [0; 32];
        hash[..2].copy_from_slice(&number.to_be_bytes());
        let (key_hash, buyer) = (Digest(hash), "Till".to_owned());
        DaoEntry::KeyGranted(KeyGranted { key_id, key_hash, buyer, grant: grant.clone() })
    };
    // With the account's own, one less than there may be.
    let keys: Vec<_> = (1..999).map(granted).collect();
    for keys in keys.chunks(200) {
        node.state.store().append(START_MS, keys.to_vec()).await.unwrap();
    }
    issue(&node, &owner, json!({"scopes": ["infer"]})).await;
    let one_more = json!({"buyer": "Till", "grant": {"scopes": ["infer"]}});
    let refused = node.post_as(&owner, "/v1/keys", &one_more).await;
    refused.assert_problem(403, "forbidden");
    assert!(refused.text().contains("1000 keys"), "{}", refused.text());
}
