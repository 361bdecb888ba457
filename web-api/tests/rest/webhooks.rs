//! What a payment provider takes back: events over the wire, replayed, changed, late, and killed in between.
#![expect(clippy::unwrap_used, reason = "clippy's in-tests allowance does not reach helpers")]

use axum::{body::Body, http::Request};
use data_dao_journal::{Body as Entry, Deposited};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::child::{Asked, Child};
use super::support::{Node, OPERATOR, START_MS, WEBHOOK, name, number, two_rows};

/// More readings of the clock than an announcement makes.
const STEPS_MAX: u32 = 20;

/// `Stripe-Signature` of a body.
fn signature(body: &str, time_s: u64) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(WEBHOOK.as_bytes()).unwrap();
    mac.update(format!("{time_s}.{body}").as_bytes());
    format!("t={time_s},v1={}", hex::encode(mac.finalize().into_bytes()))
}

fn event(kind: &str, object: Value) -> Value {
    json!({"id": "evt", "type": kind, "data": {"object": object}})
}

/// A payment of so many cents for a key.
fn paid(payment: &str, key: &str, cents: u64) -> Value {
    let metadata = json!({"sahakar_key": key});
    let object =
        json!({"id": payment, "amount_received": cents, "currency": "eur", "metadata": metadata});
    event("payment_intent.succeeded", object)
}

/// A refund of so many cents.
fn refunded(refund: &str, payment: &str, cents: u64) -> Value {
    returned("refund.updated", (refund, "succeeded"), (payment, cents))
}

fn returned(kind: &str, (id, status): (&str, &str), (payment, cents): (&str, u64)) -> Value {
    let object = json!({"id": id, "amount": cents, "currency": "eur", "payment_intent": payment, "status": status});
    event(kind, object)
}

struct Shop {
    node: Node,
    key: String,
    id: String,
}

impl Shop {
    /// A model at 0.025 EUR a call, and a buyer without money.
    async fn open() -> Self {
        let node = Node::new().await;
        let policy = json!({"model": "wine", "low": "250", "download": "1000"});
        assert_eq!(node.post_as(OPERATOR, "/v1/plans", &policy).await.status, 201);
        let key = node.post_as(OPERATOR, "/v1/keys", &json!({"buyer": "Cellar"})).await.json();
        let text = |field: &str| key[field].as_str().unwrap().to_owned();
        Self { key: text("api_key"), id: text("key_id"), node }
    }

    async fn announce(&self, event: &Value) -> super::support::Reply {
        let body = event.to_string();
        let request = Request::post("/v1/payments")
            .header("content-type", "application/json")
            .header("stripe-signature", signature(&body, START_MS / 1_000));
        self.node.send(request.body(Body::from(body)).unwrap()).await
    }

    /// What is booked: the answer, which has to be the same when the event comes again.
    async fn booked(&self, event: &Value) -> Value {
        let first = self.announce(event).await;
        assert_eq!(first.status, 200, "{}", first.text());
        let again = self.announce(event).await;
        assert_eq!((again.status, again.json()), (200, first.json()), "{event}");
        first.json()
    }

    /// Balance and debt.
    async fn money(&self) -> (u128, u128) {
        let balance = self.node.get_as(&self.key, "/v1/balance").await.json();
        (number(&balance["balance"]), number(&balance["owed"]))
    }
}

#[tokio::test]
async fn a_refund_takes_back_what_is_left_once_and_never_more_than_was_paid() {
    let shop = Shop::open().await;
    shop.announce(&refunded("re_0", "pi_1", 100)).await.assert_problem(404, "not-found");
    shop.booked(&paid("pi_1", &shop.id, 2_000)).await;
    assert_eq!(shop.money().await, (200_000, 0));
    let part = shop.booked(&refunded("re_1", "pi_1", 500)).await;
    assert_eq!((&part["booked"], &part["owed"]), (&json!(true), &json!("0")));
    assert_eq!(shop.money().await, (150_000, 0));
    // Other events tell of the same refund; another body is another refund by its name.
    let told_twice = returned("charge.refund.updated", ("re_1", "succeeded"), ("pi_1", 500));
    assert_eq!(shop.booked(&told_twice).await, part);
    for other in [refunded("re_1", "pi_1", 501), refunded("re_1", "pi_2", 500)] {
        shop.announce(&other).await.assert_problem(422, "idempotency-key-reused");
    }
    shop.announce(&refunded("re_2", "pi_1", 1_501))
        .await
        .assert_problem(422, "refund-exceeds-payment");
    for ignored in [
        returned("refund.created", ("re_3", "pending"), ("pi_1", 100)),
        returned("refund.failed", ("re_3", "failed"), ("pi_1", 100)),
        event("charge.refunded", json!({"id": "ch_1", "amount_refunded": 2_000})),
    ] {
        assert_eq!(shop.booked(&ignored).await["booked"], false, "{ignored}");
    }
    let dollars = json!({"id": "re_4", "amount": 1, "currency": "usd", "payment_intent": "pi_1", "status": "succeeded"});
    shop.announce(&event("refund.updated", dollars)).await.assert_problem(422, "invalid");
    assert_eq!(shop.money().await, (150_000, 0));
    let unsigned = shop.node.post("/v1/payments", &refunded("re_5", "pi_1", 1)).await;
    unsigned.assert_problem(401, "unauthorized");
    // One payment is nobody else's, whatever a second event says.
    let till = shop.node.post_as(OPERATOR, "/v1/keys", &json!({"buyer": "Other"})).await.json();
    let stolen = shop.announce(&paid("pi_1", till["key_id"].as_str().unwrap(), 2_000)).await;
    stolen.assert_problem(422, "idempotency-key-reused");
    let acts = shop.node.get_as(OPERATOR, "/v1/acts").await.text();
    assert!(acts.contains("take-payment-back"), "{acts}");
}

#[tokio::test]
async fn who_spent_what_was_charged_back_owes_it_and_is_sold_nothing_until_it_is_paid() {
    let shop = Shop::open().await;
    let Shop { node, key, .. } = &shop;
    shop.booked(&paid("pi_1", &shop.id, 2_000)).await;
    assert_eq!(node.buy(key, "l", &json!({"model": "wine", "plan": "download"})).await.status, 201);
    assert_eq!(node.buy(key, "c", &json!({"model": "wine", "calls": 3})).await.status, 201);
    assert_eq!(node.infer(key, &two_rows()).await.status, 200);
    // 200 000 less a licence of 1 000 and a call of 250; two calls come back first.
    let dispute =
        returned("charge.dispute.funds_withdrawn", ("dp_1", "needs_response"), ("pi_1", 2_000));
    assert_eq!(shop.booked(&dispute).await["owed"], "1250");
    assert_eq!(shop.money().await, (0, 1_250));
    node.buy(key, "d", &json!({"model": "wine", "calls": 1})).await.assert_problem(402, "in-debt");
    node.infer(key, &two_rows()).await.assert_oip_error(402, "owes 1250");
    let file = "/v1/models/wine/versions/1/files/model.onnx";
    node.get_as(key, file).await.assert_problem(402, "in-debt");
    let path = format!("/v1/keys/{}/withdrawals", shop.id);
    let out = node.post_once(OPERATOR, &path, ("w", &json!({"amount": "1"}))).await;
    out.assert_problem(402, "in-debt");
    let ledger = node.get("/v1/ledger").await.json();
    assert_eq!(ledger["revenue"], "1250", "what was earned stays");

    // What calls gave back is in the export.
    let csv = node.get_as(key, "/v1/usage/focus.csv").await.text();
    let heads: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    let column = |name: &str| heads.iter().position(|head| *head == name).unwrap();
    let correction = csv.lines().find(|line| line.contains("Calls given back")).unwrap();
    let cells: Vec<&str> = correction.split(',').collect();
    // Within its own month: FOCUS keeps the word for what corrects an earlier bill.
    assert_eq!(cells[column("ChargeClass")], "", "{csv}");
    assert_eq!(cells[column("BilledCost")], "-0.0500", "{csv}");

    shop.booked(&paid("pi_2", &shop.id, 10)).await;
    assert_eq!(shop.money().await, (0, 250));
    let won = returned("charge.dispute.funds_reinstated", ("dp_1", "won"), ("pi_1", 2_000));
    shop.booked(&won).await;
    assert_eq!(shop.money().await, (199_750, 0));
    node.get_as(key, file).await.status_is(200);
    assert_eq!(node.buy(key, "d", &json!({"model": "wine", "calls": 1})).await.status, 201);
    // A win that arrives before what it is about is sent again by the provider; then it counts.
    let early = returned("charge.dispute.funds_reinstated", ("dp_9", "won"), ("pi_2", 10));
    shop.announce(&early).await.assert_problem(404, "not-found");
    let other = returned("charge.dispute.funds_reinstated", ("dp_1", "won"), ("pi_2", 2_000));
    shop.announce(&other).await.assert_problem(422, "idempotency-key-reused");
    for page in ["/buyer", "/books", "/ledger"] {
        node.get(page).await.status_is(200);
    }
}

#[tokio::test]
async fn a_refund_whose_failure_arrives_first_takes_nothing_whenever_its_success_arrives() {
    let shop = Shop::open().await;
    let failed = |kind, status| returned(kind, ("re_1", status), ("pi_1", 500));
    // Before the payment itself: the provider sends it again.
    let first = failed("refund.failed", "failed");
    shop.announce(&first).await.assert_problem(404, "not-found");
    shop.booked(&paid("pi_1", &shop.id, 2_000)).await;
    let noted = shop.booked(&first).await;
    assert_eq!((&noted["booked"], noted["ledger_index"].is_u64()), (&json!(false), true));
    for late in [
        failed("refund.created", "pending"),
        failed("refund.created", "succeeded"),
        failed("refund.updated", "succeeded"),
        failed("charge.refund.updated", "failed"),
    ] {
        assert_eq!(shop.booked(&late).await["booked"], false, "{late}");
        assert_eq!(shop.money().await, (200_000, 0), "{late}");
    }
    let other = returned("refund.failed", ("re_1", "failed"), ("pi_9", 500));
    shop.announce(&other).await.assert_problem(404, "not-found");
    // All of the payment can still go back, by a refund that does not fail.
    shop.booked(&refunded("re_2", "pi_1", 2_000)).await;
    assert_eq!(shop.money().await, (0, 0));
    let page = shop.node.get("/ledger").await.text();
    assert!(page.contains("was to go back and did not"), "{page}");
    let leaves = shop.node.state.store().entries(0, 1_000).await.unwrap();
    let leaves: Vec<_> = leaves.into_iter().map(|entry| entry.leaf).collect();
    data_dao_journal::audit(&leaves, None).unwrap();
}

/// Of the 120 orders of five events each fifth: in them each event is first, and each is last.
const ORDERS_STEP: usize = 5;

/// All orders of a list.
fn orders<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let with_first = |first: usize| {
        let mut rest = items.to_vec();
        let item = rest.remove(first);
        orders(&rest).into_iter().map(move |mut order| {
            order.insert(0, item.clone());
            order
        })
    };
    (0..items.len()).flat_map(with_first).collect()
}

/// A payment, a refund of it that fails after all, and a dispute that is won.
fn story(id: &str, key: &str) -> [Value; 5] {
    let event = |kind, object: &str, status, cents| {
        returned(kind, (&format!("{object}_{id}"), status), (&format!("pi_{id}"), cents))
    };
    [
        paid(&format!("pi_{id}"), key, 1_000),
        event("refund.created", "re", "succeeded", 300),
        event("refund.failed", "re", "failed", 300),
        event("charge.dispute.funds_withdrawn", "dp", "needs_response", 400),
        event("charge.dispute.funds_reinstated", "dp", "won", 400),
    ]
}

/// At least once and in any order, as Stripe documents for its events: what is not taken now is sent again, until it is.
#[tokio::test]
async fn events_in_any_order_and_twice_end_with_the_same_money() {
    let shop = Shop::open().await;
    let mut expected = 0;
    for (number, order) in orders(&[0, 1, 2, 3, 4]).into_iter().step_by(ORDERS_STEP).enumerate() {
        let id = number.to_string();
        let events = story(&id, &shop.id);
        let mut waiting: Vec<usize> = order.iter().chain(&order).copied().collect();
        for _ in 0..5 {
            let mut again = Vec::new();
            for place in waiting {
                let answer = shop.announce(&events[place]).await;
                match answer.status {
                    200 => {}
                    404 => again.push(place),
                    status => panic!("{order:?}: {status} {}", answer.text()),
                }
            }
            waiting = again;
        }
        assert!(waiting.is_empty(), "{order:?}: {waiting:?}");
        // Paid; the refund failed and the dispute was won.
        expected += 100_000;
        assert_eq!(shop.money().await, (expected, 0), "{order:?}");
    }
}

/// A body that asks for money as a provider does.
fn asked(event: &Value, now_ms: u64) -> Asked {
    let signature = Some(signature(&event.to_string(), now_ms / 1_000));
    let (path, token) = ("/v1/payments".to_owned(), String::new());
    Asked { method: "POST", path, token, name: None, body: Some(event.clone()), signature }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_while_a_payment_is_taken_back_did_it_once_or_not_at_all() {
    let dir = TempDir::new().unwrap();
    let mut child = Child::start(dir.path(), None);
    let order = Asked {
        method: "POST",
        path: "/v1/keys".to_owned(),
        token: OPERATOR.to_owned(),
        name: Some("buyer".to_owned()),
        body: Some(json!({"buyer": "Cellar"})),
        signature: None,
    };
    let (status, key) = child.ask(&order).await.unwrap();
    assert_eq!(status, 201, "{key}");
    let (id, key) = (key["key_id"].as_str().unwrap(), key["api_key"].as_str().unwrap());
    let balance = Asked {
        method: "GET",
        path: "/v1/balance".to_owned(),
        token: key.to_owned(),
        name: None,
        body: None,
        signature: None,
    };
    let (mut deaths, mut expected) = (0, 0_u128);
    // Paid, taken back in part, reinstated: each dies once before each step, and is announced again.
    type Announcement = fn(&str, &str) -> Value;
    let events: [(Announcement, i64); 3] = [
        (|step, id| paid(&format!("pi_{step}"), id, 700), 70_000),
        (|step, _| refunded(&format!("re_{step}"), &format!("pi_{step}"), 300), -30_000),
        (
            |step, _| {
                let (refund, payment) = (format!("re_{step}"), format!("pi_{step}"));
                returned("refund.failed", (&refund, "failed"), (&payment, 300))
            },
            30_000,
        ),
    ];
    for (announcement, change) in events {
        for step in 0..STEPS_MAX {
            let event = asked(&announcement(&step.to_string(), id), START_MS);
            child.tell(&format!("die {step}"));
            let answered = child.ask(&event).await;
            let died = answered.is_none();
            if died {
                deaths += 1;
                child = child.again();
            } else {
                child.tell("die -1");
            }
            let (status, answer) = child.ask(&event).await.unwrap();
            assert!(status < 300, "{step}: {status} {answer}");
            assert_eq!(answer["booked"], true, "{answer}");
            expected = expected.checked_add_signed(change.into()).unwrap();
            let (_, now) = child.ask(&balance).await.unwrap();
            assert_eq!(number(&now["balance"]), expected, "{step}: {now}");
        }
    }
    assert!(deaths >= 3, "it reads the clock when it is asked and when it books: {deaths}");
}

#[tokio::test]
async fn a_payment_that_a_log_of_before_has_can_be_taken_back() {
    // The entry that the route wrote when there was nothing but deposits.
    let shop = Shop::open().await;
    let key_id = name(&shop.id);
    let deposited =
        Deposited { key_id, amount: 5_000, idempotency_key: "payment:pi_old".to_owned() };
    shop.node.state.store().append(START_MS, vec![Entry::Deposited(deposited)]).await.unwrap();
    shop.booked(&refunded("re_1", "pi_old", 50)).await;
    assert_eq!(shop.money().await, (0, 0));
}
