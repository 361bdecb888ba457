//! A buyer's page while answers are lost on their way: nothing is paid twice, and what was paid is shown.

use super::{in_browser, world::World};

/// From now on, the first answer to a request whose path contains `part` is what a gateway says that lost it.
fn losing(part: &str) -> String {
    format!(
        "void (window.truly ||= window.fetch, window.lost = false, window.fetch = async (path, request) => {{ \
           const answer = await window.truly(path, request); \
           if (window.lost || !path.includes('{part}')) return answer; \
           window.lost = true; \
           return new Response('', {{ status: 502 }}); }})"
    )
}

const COMPLAINS: &str = "!document.getElementById('problem').hidden";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_booked_before_its_answer_was_lost_is_not_paid_again() {
    let world = World::start().await;
    let (url, api_key) = (world.url.clone(), world.api_key.clone());
    let opened = in_browser(move |browser| {
        browser.open(&format!("{url}/models/wine"));
        browser.fill("#key", &api_key);
        browser.click("#key-form button[type=submit]");
        browser.until("!document.getElementById('buy').hidden");
        browser.value(&losing("/v1/purchases"));
        browser.fill("#calls", "3");
        browser.click("#buy button");
        browser.until(COMPLAINS);
        assert!(browser.text("#problem").contains("booked twice"), "{}", browser.text("#problem"));
        browser.click("#buy button");
        browser.until("document.getElementById('left').textContent.includes('3 paid calls')");

        browser.value(&losing("/infer"));
        browser.fill("#feature-2", "12.5");
        browser.click("#ask button");
        browser.until(COMPLAINS);
        browser.click("#ask button");
        browser.until("document.getElementById('left').textContent.includes('2 paid calls')");
        assert!(browser.text("#answer").contains("Who earns what"));

        // Another question, whose receipt does not come: the answer is there all the same.
        browser.value(&losing("/v1/receipts"));
        browser.fill("#feature-2", "9.5");
        browser.click("#ask button");
        browser.until(COMPLAINS);
        let answer = browser.text("#answer");
        assert!(answer.contains('%') && !answer.contains("Who earns what"), "{answer}");
        // What was answered has no name any more.
        let names =
            "Object.keys(sessionStorage).filter((key) => key.startsWith('sahakar-order')).length";
        assert_eq!(browser.value(names), 0);
    });
    if opened.await.is_some() {
        let sold = world.api.store().view(|ledger| ledger.counts().predictions);
        assert_eq!(sold, 2);
    }
}
