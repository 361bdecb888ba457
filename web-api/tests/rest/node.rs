//! The node itself: health, description, and what every route refuses alike.
#![expect(clippy::unwrap_used, reason = "clippy's in-tests allowance does not reach helpers")]

use std::collections::BTreeSet;

use axum::{body::Body, http::Request};
use serde_json::{Value, json};
use web_api::HttpPolicy;

use super::support::{Node, OPERATOR, two_rows};

/// Every route: method and path as the description spells it.
const ROUTES: &[&str] = &[
    "delete /v1/keys/{id}/buyer",
    "delete /v1/members/{key}/label",
    "get /checkpoint",
    "get /openapi.json",
    "get /tile/{path}",
    "get /v1/balance",
    "get /v1/delegations",
    "get /v1/federations",
    "get /v1/federations/{name}",
    "get /v1/federations/{name}/contributors/{key}/rounds",
    "get /v1/governance",
    "get /v1/health",
    "get /v1/ledger",
    "get /v1/ledger/accounts",
    "get /v1/ledger/consistency",
    "get /v1/ledger/entries",
    "get /v1/ledger/entries/{index}",
    "get /v1/members",
    "get /v1/members/{key}",
    "get /v1/model-signing-key",
    "get /v1/models",
    "get /v1/models/{name}",
    "get /v1/models/{name}/versions/{version}/files/{file}",
    "get /v1/proposals",
    "get /v1/proposals/{id}",
    "get /v1/receipts/{id}",
    "get /v2",
    "get /v2/health/live",
    "get /v2/health/ready",
    "get /v2/models/{name}",
    "get /v2/models/{name}/ready",
    "get /v2/models/{name}/versions/{version}",
    "get /v2/models/{name}/versions/{version}/ready",
    "post /v1/consents",
    "post /v1/delegations",
    "post /v1/guardian",
    "post /v1/keys",
    "post /v1/keys/{id}/deposits",
    "post /v1/keys/{id}/rotation",
    "post /v1/keys/{id}/withdrawals",
    "post /v1/payments",
    "post /v1/plans",
    "post /v1/refunds",
    "put /v1/keys/{id}/grant",
    "delete /v1/keys/{id}",
    "get /docs",
    "get /problems",
    "get /problems/{slug}",
    "get /v1/acts",
    "get /v1/keys",
    "get /v1/keys/{id}",
    "get /v1/me",
    "get /v1/plans",
    "get /v1/usage",
    "get /v1/usage/focus.csv",
    "post /v1/members",
    "post /v1/members/{key}/departure",
    "post /v1/members/{key}/rotation",
    "post /v1/prices",
    "post /v1/proposals",
    "post /v1/proposals/{id}/ballots",
    "post /v1/disputes",
    "post /v1/disputes/disclosures",
    "post /v1/proposals/{id}/cancellation",
    "post /v1/proposals/{id}/openings",
    "post /v1/proposals/{id}/sealed-ballots",
    "post /v1/proposals/{id}/veto",
    "post /v1/purchases",
    "post /v2/models/{name}/infer",
    "post /v2/models/{name}/versions/{version}/infer",
];

#[tokio::test]
async fn the_description_lists_every_route_and_every_route_is_served() {
    let node = Node::new().await;
    let description = node.get("/openapi.json").await.json();
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"), "{description}");
    let mut described = BTreeSet::new();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            assert!(!operation["responses"].as_object().unwrap().is_empty(), "{method} {path}");
            described.insert(format!("{method} {path}"));
        }
    }
    assert_eq!(described, ROUTES.iter().map(ToString::to_string).collect());
    for route in ROUTES {
        let (method, path) = route.split_once(' ').unwrap();
        let path = path.replace(['{', '}'], "");
        let request = Request::builder().method(method.to_uppercase().as_str()).uri(path);
        let reply = node.send(request.body(Body::empty()).unwrap()).await;
        assert_ne!(reply.status, 405, "{route}");
        assert!(!reply.text().contains("error:no-route"), "{route}");
    }
}

#[tokio::test]
async fn references_of_the_description_lead_somewhere() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(to)) = map.get("$ref") {
                    found.insert(to.clone());
                }
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let description = serde_json::to_value(web_api::openapi()).unwrap();
    let mut found = BTreeSet::new();
    references(&description, &mut found);
    assert!(found.len() > 20);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(description.pointer(pointer).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn health_tells_the_entries() {
    let node = Node::new().await;
    let health = node.get("/v1/health").await.json();
    assert_eq!((&health["status"], health["entries"].as_u64()), (&json!("ok"), Some(8)));
}

#[tokio::test]
async fn other_paths_and_methods_are_refused_as_problems() {
    let node = Node::new().await;
    node.get("/v1/nothing").await.assert_problem(404, "no-route");
    node.get("/v3").await.assert_problem(404, "no-route");
    let wrong = node.get("/v1/purchases").await;
    wrong.assert_problem(405, "method-not-allowed");
    assert_eq!(wrong.headers["allow"], "POST");
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_refused() {
    let node = Node::new().await;
    let request = || {
        Request::post("/v1/keys")
            .header("authorization", format!("Bearer {OPERATOR}"))
            .header("content-type", "application/json")
    };
    let send = |body: Vec<u8>| node.send(request().body(Body::from(body)).unwrap());
    send(b"{".to_vec()).await.assert_problem(400, "malformed");
    send(vec![]).await.assert_problem(400, "malformed");
    send(b"{\"buyer\":\"\xff\"}".to_vec()).await.assert_problem(400, "malformed");
    send(vec![b'['; 5_000]).await.assert_problem(422, "invalid");
    send(vec![b' '; web_api::BODY_BYTES_MAX + 1]).await.assert_problem(413, "too-large");
    let untyped = Request::post("/v1/keys").header("authorization", format!("Bearer {OPERATOR}"));
    let reply = node.send(untyped.body(Body::from("{}")).unwrap()).await;
    reply.assert_problem(415, "media-type");
}

#[tokio::test]
async fn no_origin_is_allowed_by_default() {
    let node = Node::new().await;
    let request = Request::get("/v1/health").header("origin", "https://elsewhere.example");
    let reply = node.send(request.body(Body::empty()).unwrap()).await;
    assert!(!reply.headers.contains_key("access-control-allow-origin"));
}

/// What a page of `origin` is answered, when it asks and before it posts.
async fn asked_from(node: &Node, origin: &str) -> [super::support::Reply; 2] {
    let get = Request::get("/v1/health").header("origin", origin).body(Body::empty());
    let preflight = Request::options("/v1/purchases")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,idempotency-key,content-type")
        .body(Body::empty());
    [node.send(get.unwrap()).await, node.send(preflight.unwrap()).await]
}

#[tokio::test]
async fn pages_of_the_origins_that_were_named_may_read_answers_and_no_others() {
    let (shop, elsewhere) = ("https://shop.example", "https://elsewhere.example");
    let under = |origins: &[&str]| {
        let cors_origins = origins.iter().map(ToString::to_string).collect();
        Node::with_policy(HttpPolicy { cors_origins, ..HttpPolicy::default() })
    };
    const ALLOWED: &str = "access-control-allow-origin";
    let (node, _) = under(&[shop]).await;
    let [answer, preflight] = asked_from(&node, shop).await;
    assert_eq!((answer.status, &answer.headers[ALLOWED]), (200, &shop.parse().unwrap()));
    let exposed = answer.headers["access-control-expose-headers"].to_str().unwrap();
    assert!(exposed.contains("sahakar-receipt") && exposed.contains("retry-after"), "{exposed}");
    assert_eq!((preflight.status, &preflight.headers[ALLOWED]), (200, &shop.parse().unwrap()));
    let headers = preflight.headers["access-control-allow-headers"].to_str().unwrap();
    assert!(headers.contains("authorization") && headers.contains("idempotency-key"), "{headers}");
    assert_eq!(preflight.headers["access-control-max-age"], "600");
    // There are no cookies, and none may be sent along.
    assert!(!preflight.headers.contains_key("access-control-allow-credentials"));
    for reply in asked_from(&node, elsewhere).await {
        assert!(!reply.headers.contains_key(ALLOWED), "{:?}", reply.headers);
    }
    let (node, _) = under(&["*"]).await;
    for reply in asked_from(&node, elsewhere).await {
        assert_eq!((reply.status, &reply.headers[ALLOWED]), (200, &"*".parse().unwrap()));
    }
}

#[tokio::test]
async fn a_clients_request_id_comes_back() {
    let node = Node::new().await;
    let request = Request::get("/v1/health").header("x-request-id", "mine-1");
    let reply = node.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(reply.headers["x-request-id"], "mine-1");
}

#[tokio::test]
async fn an_answer_that_the_client_has_is_not_sent_again() {
    let (node, key) = Node::with_calls(1).await;
    let receipt = node.infer(&key, &two_rows()).await.headers["sahakar-receipt"].clone();
    let receipt = receipt.to_str().unwrap();
    for path in [receipt, "/v1/ledger/entries/1", "/v1/federations/wine", "/openapi.json"] {
        let first = node.get(path).await;
        assert_eq!(first.status, 200, "{path}");
        let tag = first.headers["etag"].to_str().unwrap().to_owned();
        let again = |known: String| {
            Request::get(path).header("if-none-match", known).body(Body::empty()).unwrap()
        };
        let same = node.send(again(format!("\"x\", {tag}"))).await;
        assert_eq!((same.status, same.body.len()), (304, 0), "{path}");
        assert_eq!(same.headers["etag"], *tag);
        let other = node.send(again("\"x\"".to_owned())).await;
        assert_eq!((other.status, other.body), (200, first.body), "{path}");
    }
    // Secrets are kept nowhere, and what is refused has no validator.
    assert!(!node.get("/v1/models/none").await.headers.contains_key("etag"));
}

#[test]
fn the_description_names_what_every_request_can_be_answered() {
    let description = serde_json::to_value(web_api::openapi()).unwrap();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let answers = operation["responses"].as_object().unwrap();
            let of_protocol = path.starts_with("/v2");
            for status in ["401", "429", "500", "503"] {
                let kinds = answers[status]["content"].as_object().unwrap();
                let is_health = path == "/v2/health/ready" || path.ends_with("/ready");
                let expected =
                    if of_protocol { "application/json" } else { "application/problem+json" };
                assert!(is_health || kinds.contains_key(expected), "{method} {path} {status}");
            }
            for (status, answer) in answers {
                let schema = &answer["content"]["application/json"]["schema"]["$ref"];
                assert_ne!(schema, "#/components/schemas/Problem", "{method} {path} {status}");
            }
        }
    }
    let live = &description["components"]["schemas"]["ServerHealth"]["required"];
    assert_eq!(*live, serde_json::json!(["live", "ready"]));
}
