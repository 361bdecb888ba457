//! Every act of whoever acts for the operator is in the log.

#![expect(clippy::unwrap_used, reason = "clippy's in-tests allowance does not reach helpers")]

use std::collections::{BTreeMap, BTreeSet};

use axum::{body::Body as HttpBody, http::Request};
use data_dao_journal::MemberAdmitted;
use data_dao_store::SaltedName;
use privacy_identity::SigningKey;
use serde_json::{Value, json};

use super::support::{Node, OPERATOR, Reply, START_MS, name};

/// The routes that write for the operator, each with a request that succeeds and the act that is then in the log. `{id}` is a key with
/// money, `{key}` a member with a name.
fn acts() -> BTreeMap<&'static str, (Value, &'static str)> {
    let plans = json!({"model": "wine", "low": "100"});
    BTreeMap::from([
        ("post /v1/keys", (json!({"buyer": "x"}), "issue-key")),
        ("delete /v1/keys/{id}", (Value::Null, "revoke-key")),
        ("put /v1/keys/{id}/grant", (json!({"scopes": ["infer"]}), "amend-key")),
        ("post /v1/keys/{id}/rotation", (json!({}), "rotate-key")),
        ("delete /v1/keys/{id}/buyer", (Value::Null, "erase-buyer")),
        ("post /v1/keys/{id}/deposits", (json!({"amount": "5"}), "book-deposit")),
        ("post /v1/keys/{id}/withdrawals", (json!({"amount": "5"}), "pay-out")),
        ("post /v1/plans", (plans, "set-plans")),
        ("post /v1/prices", (json!({"model": "wine", "price": "250"}), "set-price")),
        ("delete /v1/members/{key}/label", (Value::Null, "erase-member")),
    ])
}

/// A node without prices, a buyer's key, and a member whose name is kept beside the log.
async fn world() -> (Node, String, String) {
    let node = Node::new().await;
    let order = json!({"buyer": "Cellar", "deposit": "1000"});
    let key = node.post_as(OPERATOR, "/v1/keys", &order).await.json();
    let member = SigningKey::from_seed(&[60; 32]).verifying_key();
    let salted = SaltedName::new("Anna".to_owned(), [5; 32]);
    node.state.store().keep_name(&salted).await.unwrap();
    let admitted = MemberAdmitted { federation: name("wine"), member, label: salted.commitment() };
    node.state.store().append(START_MS, vec![admitted.into()]).await.unwrap();
    (node, key["key_id"].as_str().unwrap().to_owned(), member.to_string())
}

/// The operations of the description that change something, and whether each names the operator.
fn described() -> BTreeMap<String, bool> {
    let description = serde_json::to_value(web_api::openapi()).unwrap();
    let mut operations = BTreeMap::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(m, _)| *m != "get") {
            let needs = operation["security"].as_array().map(Vec::as_slice).unwrap_or_default();
            let of_operator = needs.iter().any(|need| need.get("operator").is_some());
            operations.insert(format!("{method} {path}"), of_operator);
        }
    }
    operations
}

async fn send(node: &Node, token: &str, (route, body): (&str, &Value)) -> Reply {
    let (method, path) = route.split_once(' ').unwrap();
    let request = Request::builder()
        .method(method.to_uppercase().as_str())
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("idempotency-key", "once");
    let body = if body.is_null() { HttpBody::empty() } else { HttpBody::from(body.to_string()) };
    node.send(request.body(body).unwrap()).await
}

async fn told(node: &Node) -> Vec<Value> {
    let page = node.get_as(OPERATOR, "/v1/acts?limit=200").await.json();
    page["acts"].as_array().unwrap().clone()
}

/// A new route of the operator's is found here: by its description, or by how it refuses a buyer.
#[tokio::test]
async fn no_route_of_the_operators_is_without_an_act() {
    let known: BTreeSet<String> = acts().into_keys().map(str::to_owned).collect();
    let operations = described();
    let of_operator = operations.iter().filter(|(_, of_operator)| **of_operator);
    assert_eq!(of_operator.map(|(route, _)| route.clone()).collect::<BTreeSet<_>>(), known);
    let (node, id, member) = world().await;
    let order = json!({"buyer": "x", "grant": {"scopes": ["infer"]}});
    let buyer = node.post_as(OPERATOR, "/v1/keys", &order).await.json();
    let buyer = buyer["api_key"].as_str().unwrap().to_owned();
    let mut asked = BTreeSet::new();
    for route in operations.into_keys() {
        let path = route.replace("{id}", &id).replace("{key}", &member);
        let reply = send(&node, &buyer, (&path, &json!({}))).await;
        if reply.status == 403 && reply.text().contains("no scope admin") {
            asked.insert(route);
        }
    }
    assert!(asked.len() >= 6 && asked.is_subset(&known), "{asked:?} are not all in {known:?}");
}

#[tokio::test]
async fn each_act_of_the_operator_is_in_the_log_once_and_with_who_did_it() {
    for (route, (body, act)) in acts() {
        let (node, id, member) = world().await;
        let order = json!({"buyer": "x", "grant": {"scopes": ["admin"]}});
        let admin = node.post_as(OPERATOR, "/v1/keys", &order).await.json();
        let before = told(&node).await;
        let path = route.replace("{id}", &id).replace("{key}", &member);
        let reply = send(&node, admin["api_key"].as_str().unwrap(), (&path, &body)).await;
        assert!(reply.status < 300, "{route}: {}", reply.text());
        let after = told(&node).await;
        assert_eq!(after.len(), before.len() + 1, "{route}");
        let (last, by) = (after.last().unwrap(), admin["key_id"].as_str().unwrap());
        assert_eq!(
            (&last["act"], &last["by"]),
            (&json!(act), &json!(format!("key {by}"))),
            "{route}"
        );
        let subject = last["subject"].as_str().unwrap();
        let named = path.contains(subject) || body["model"] == subject;
        assert!(named || reply.json()["key_id"] == subject, "{route}: {last}");
        // What is refused is no act.
        let refused = send(&node, "nobody", (&path, &body)).await;
        assert_eq!((refused.status, told(&node).await.len()), (401, after.len()), "{route}");
    }
}
