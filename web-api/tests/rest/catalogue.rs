//! Federations, members, models.

use privacy_identity::Digest;

use super::support::{Node, name, settle};

#[tokio::test]
async fn a_federation_shows_its_terms_rounds_and_contributors() {
    let node = Node::new().await;
    let list = node.get("/v1/federations").await.json();
    assert_eq!(list["federations"][0]["name"], "wine");
    assert_eq!(list["federations"][0]["rounds_settled"], 1);
    let wine = node.get("/v1/federations/wine").await.json();
    assert_eq!(wine["terms"]["purpose"], "tests");
    assert_eq!(wine["settled"][0]["test_accuracy"], 0.75);
    assert_eq!(wine["settled"][0]["test_loss"], 0.512_345);
    assert_eq!(wine["settled"][0]["credits"], "1000");
    // Values 100, 200, 300: the credits follow, the highest first.
    let credits: Vec<_> =
        wine["contributors"].as_array().unwrap().iter().map(|c| c["credits"].clone()).collect();
    assert_eq!(credits, ["500", "333", "167"]);
    assert_eq!(wine["contributors"][0]["label"], "Winery 2 & Sons");
    assert_eq!(wine["contributors"][0]["value"], 150.0, "300 units of half a unit of loss");
    assert!(wine["contributors"][0]["value_low"].is_null(), "one round has no interval");
}

#[tokio::test]
async fn a_member_shows_what_it_earned_where() {
    let node = Node::new().await;
    let key = node.members[2].verifying_key();
    let member = node.get(&format!("/v1/members/{key}")).await.json();
    assert_eq!(member["credits"], "500");
    assert_eq!(member["earnings"], "0");
    assert_eq!(member["federations"][0]["label"], "Winery 2 & Sons");
}

#[tokio::test]
async fn a_settlement_is_replayed_once_however_often_it_is_explained() {
    let node = Node::new().await;
    let replayed = || {
        let text = node.state.metrics_text();
        let value =
            text.lines().find_map(|line| line.strip_prefix("sahakar_explained_steps_total "));
        value.map(str::to_owned).unwrap()
    };
    let explained = async |rounds: u64| {
        for member in &node.members {
            let path =
                format!("/v1/federations/wine/contributors/{}/rounds", member.verifying_key());
            let (one, other) = tokio::join!(node.get(&path), node.get(&path));
            for answer in [one.json(), other.json()] {
                assert_eq!(answer["rounds_explained"], rounds);
                assert_eq!(answer["rounds"].as_array().unwrap().len() as u64, rounds);
            }
        }
    };
    explained(1).await;
    assert_eq!(replayed(), "1");
    let before =
        node.state.store().view(|ledger| ledger.federation(&name("wine"))?.model()).unwrap();
    settle(node.state.store(), &node.members, (1, before, Digest([9; 32]))).await;
    // What is kept is not stale, and goes on from where it was.
    explained(2).await;
    assert_eq!(replayed(), "2");
}

#[tokio::test]
async fn a_contributor_is_told_why_it_earned_what_it_did() {
    let node = Node::new().await;
    let key = node.members[2].verifying_key();
    let path = format!("/v1/federations/wine/contributors/{key}/rounds");
    let explained = node.get(&path).await.json();
    assert!(explained["method"].as_str().unwrap().contains("probe"), "{explained}");
    assert_eq!(explained["rounds_explained"], 1);
    let round = &explained["rounds"][0];
    assert_eq!((&round["round"], &round["value"]), (&0.into(), &150.0.into()));
    assert_eq!((&round["credits"], &round["share"]), (&"500".into(), &0.5.into()));
    assert_eq!((&round["reason"], &round["moved"]), (&"paid".into(), &"first-round".into()));
    assert!(round["sentence"].as_str().unwrap().contains("150.0000 off the validation loss"));
    assert!(round["value_low"].is_null(), "one round has no interval");
    let beside = (&round["interval_from"], &round["beside_zero"], &round["beside_median"]);
    assert_eq!(beside, (&"rounds".into(), &"unknown".into(), &"unknown".into()));
    let entry = node.get(&format!("/v1/ledger/entries/{}", round["ledger_index"])).await.json();
    assert_eq!(entry["kind"], "round_settled");
}

#[tokio::test]
async fn a_model_shows_its_price_signature_and_lineage() {
    let (node, _) = Node::with_buyer("1").await;
    let list = node.get("/v1/models").await.json();
    assert_eq!(list["models"][0]["price"], "250");
    assert_eq!(list["models"][0]["currency"], "EUR");
    let wine = node.get("/v1/models/wine").await.json();
    assert_eq!(wine["signature"]["features"][1], "alcohol");
    assert_eq!(wine["signature"]["parameters"], 6);
    assert_eq!(wine["versions"][0]["rounds"], 1);
    let epsilon = wine["versions"][0].as_object().unwrap().get("epsilon");
    assert_eq!(epsilon, Some(&serde_json::Value::Null), "no noise: stated as no bound");
    assert_eq!(wine["versions"][0]["contributors"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let node = Node::new().await;
    let stranger = privacy_identity::SigningKey::from_seed(&[77; 32]).verifying_key();
    let paths = [
        "/v1/federations/beer".to_owned(),
        "/v1/federations/WINE".to_owned(),
        "/v1/members/00".to_owned(),
        "/v1/federations/wine/contributors/00/rounds".to_owned(),
        format!("/v1/federations/wine/contributors/{stranger}/rounds"),
        format!("/v1/members/{stranger}"),
        "/v1/models/beer".to_owned(),
        "/v1/models/%2e%2e".to_owned(),
        "/v1/receipts/00".to_owned(),
        format!("/v1/receipts/{}", "0".repeat(64)),
        "/v1/proposals/00".to_owned(),
        format!("/v1/proposals/{}", "0".repeat(64)),
        "/v1/ledger/entries/1000".to_owned(),
        "/v1/ledger/entries/-1".to_owned(),
        "/v1/ledger/entries/x".to_owned(),
    ];
    for path in paths {
        node.get(&path).await.assert_problem(404, "not-found");
    }
}

#[tokio::test]
async fn models_are_found_by_words_of_their_name_and_purpose() {
    let node = Node::new().await;
    for (query, found) in
        [("", 1), ("?query=", 1), ("?query=WIN%20tests", 1), ("?query=wine%20beer", 0)]
    {
        let list = node.get(&format!("/v1/models{query}")).await.json();
        assert_eq!(list["models"].as_array().unwrap().len(), found, "{query}");
    }
    node.get("/v1/models?x=1").await.assert_problem(400, "malformed");
}
