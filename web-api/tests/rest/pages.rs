//! Problems and the description, for people; and what is immutable.

use super::support::Node;

#[tokio::test]
async fn every_problem_is_documented_at_the_url_that_its_type_names() {
    let node = Node::new().await;
    let missing = node.get("/v1/models/beer").await;
    missing.assert_problem(404, "not-found");
    let path = missing.json()["type"].as_str().unwrap().to_owned();
    let page = node.get(&path).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("Not found") && page.text().contains("Look for"));
    let list = node.get("/problems").await.text();
    assert!(list.matches("/problems/").count() > 40);
    for page in list.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert_eq!(node.get(page).await.status, 200, "{page}");
    }
    node.get("/problems/none").await.assert_problem(404, "not-found");
}

#[tokio::test]
async fn the_interface_is_readable_without_scripts_and_without_other_sites() {
    let node = Node::new().await;
    let page = node.get("/docs").await;
    assert_eq!(page.status, 200);
    let text = page.text();
    assert!(!text.contains("<script") && !text.contains("http://") && !text.contains("src="));
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let description = node.get("/openapi.json").await.json();
    for path in description["paths"].as_object().unwrap().keys() {
        assert!(text.contains(&format!("<code>{path}</code>")), "{path}");
    }
}
