//! The dashboard in a real browser, as buyers, members and auditors use it.

#![expect(clippy::unwrap_used, reason = "clippy's in-tests allowance does not reach helpers")]

mod browser;
mod buying;
mod looks;
mod world;

use std::{path::Path, process::Command};

use browser::Browser;
use privacy_identity::SigningKey;
use world::{RUDE_LABEL, World};

/// Width of a small phone, in CSS pixels.
const PHONE: u32 = 360;
const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';
const BACKSPACE: char = '\u{e003}';

/// Runs what a person does in a browser, beside the node.
async fn in_browser<T: Send + 'static>(
    act: impl FnOnce(&Browser) -> T + Send + 'static,
) -> Option<T> {
    let task = tokio::task::spawn_blocking(move || Some(act(&Browser::start()?)));
    task.await.unwrap()
}

fn pages(world: &World) -> Vec<String> {
    let member = world.members[0].verifying_key();
    let paths = [
        "/",
        "/federations",
        "/federations/wine",
        "/models",
        "/models/wine",
        "/proposals",
        "/members",
        "/books",
        "/ledger",
        "/ledger?before=5",
        "/ledger/0",
        "/buyer",
    ];
    let paths = paths.map(str::to_owned).into_iter().chain([
        format!("/federations/wine/contributors/{member}"),
        format!("/members/{member}"),
        format!("/proposals/{}", world.proposal),
    ]);
    paths.map(|path| format!("{}{path}", world.url)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_loads_without_a_complaint_and_fits_a_phone() {
    let world = World::start().await;
    let pages = pages(&world);
    in_browser(move |browser| {
        for page in pages {
            browser.open(&page);
            browser.until("document.getElementById('live').textContent === 'Live'");
            assert_eq!(browser.complaints(), Vec::<String>::new(), "{page}");
            let headings = browser.value("document.querySelectorAll('h1').length");
            assert_eq!(headings, 1, "{page}");
            // No markup of a name has become an element, and no image but the mark is there.
            assert_eq!(browser.value("document.querySelectorAll('img:not(.brand img)').length"), 0, "{page}");
            for width in [PHONE, 1280] {
                browser.look_at_width(width);
                // Less than the width by a scroll bar.
                let beyond = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
                assert_eq!(browser.value(beyond), 0, "{page} at {width}");
            }
            // Every field has a name for who cannot see it.
            let nameless = "Array.from(document.querySelectorAll('input, textarea')).filter(f => f.labels.length === 0).length";
            assert_eq!(browser.value(nameless), 0, "{page}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_a_page_in_the_same_style() {
    let world = World::start().await;
    let url = world.url.clone();
    in_browser(move |browser| {
        for path in [
            "/nowhere",
            "/ledger/999999",
            "/ledger/x",
            "/models/none",
            "/proposals/00",
            "/members/00",
        ] {
            browser.open(&format!("{url}{path}"));
            assert_eq!(browser.text("h1"), "Not found", "{path}");
            assert_eq!(browser.value("document.styleSheets.length"), 1, "{path}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_follows_the_log_without_a_reload() {
    let world = World::start().await;
    let (url, proposal) = (world.url.clone(), world.proposal.clone());
    let (api_key, before) = (world.api_key.clone(), world.api.store().size());
    in_browser(move |browser| {
        browser.open(&url);
        browser.until("document.getElementById('live').textContent === 'Live'");
        browser.value("void (window.untouched = true)");
        let buyer = sahakar::rest::Rest::new(&url).with_bearer(&api_key);
        sahakar::commands::buy::buy(&buyer, "order-live", ("wine", 2)).unwrap();
        browser.until("document.querySelector('#entries li').textContent.includes('bought')");
        browser.until(&format!(
            "document.getElementById('foot').textContent.includes('{}')",
            before + 1
        ));
        assert_eq!(browser.value("window.untouched"), true);
        // Not while somebody types: the form on a proposal's page keeps what was written.
        browser.open(&format!("{url}/proposals/{proposal}"));
        browser.fill("#reason", "cheaper is better");
        browser.until("document.getElementById('live').textContent === 'Live'");
        sahakar::commands::buy::buy(&buyer, "order-live-2", ("wine", 2)).unwrap();
        browser.until(&format!(
            "document.getElementById('foot').textContent.includes('{}')",
            before + 2
        ));
        assert_eq!(browser.value("document.getElementById('reason').value"), "cheaper is better");
        assert_eq!(browser.complaints(), Vec::<String>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_buys_and_predicts_through_the_page() {
    let world = World::start().await;
    let (url, api_key) = (world.url.clone(), world.api_key.clone());
    in_browser(move |browser| {
        browser.open(&format!("{url}/models/wine"));
        browser.click("#ask button");
        browser.until("!document.getElementById('problem').hidden");
        assert!(browser.text("#problem").contains("API key"));
        browser.fill("#key", "sk_wrong");
        browser.click("#key-form button[type=submit]");
        browser.until("document.getElementById('problem').textContent.includes('Refused')");
        assert_eq!(browser.value("sessionStorage.getItem('sahakar-api-key')"), serde_json::Value::Null);
        // The node's 401 is a line in the console, and right.
        assert_eq!(browser.complaints().len(), 1);

        browser.fill("#key", &api_key);
        browser.click("#key-form button[type=submit]");
        browser.until("!document.getElementById('buy').hidden");
        assert!(browser.text("#left").contains("Cellar & <Co> has 1.00"), "{}", browser.text("#left"));
        browser.fill("#calls", "3");
        browser.click("#buy button");
        browser.until("document.getElementById('left').textContent.includes('3 paid calls')");
        browser.fill("#feature-2", "12.5");
        browser.click("#ask button");
        browser.until("document.getElementById('answer').textContent.includes('Who earns what')");
        let answer = browser.text("#answer");
        for part in ["good", "ordinary", "0.025", "wine version 1", "3 contributors in 3 rounds", RUDE_LABEL] {
            assert!(answer.contains(part), "{part}: {answer}");
        }
        browser.until("document.getElementById('left').textContent.includes('2 paid calls')");
        // The receipt leads to an entry, which is then verified.
        browser.click("#answer a");
        browser.until("document.querySelector('h1').textContent.startsWith('Entry')");
        browser.click("#verify");
        browser.until("document.getElementById('verdict').textContent !== ''");
        assert_eq!(browser.text("#verdict"), "Verified: this entry is in the log.");

        browser.open(&format!("{url}/buyer"));
        browser.until("!document.getElementById('account').hidden");
        let account = browser.text("#account");
        for part in ["0.925", "Paid calls of wine", "0.0750", "0.0250", "ask models", "no limit", "1 prediction", "Plans"] {
            assert!(account.contains(part), "{part}: {account}");
        }
        browser.click(".refund");
        browser.until("document.getElementById('account').textContent.includes('0.975')");
        assert_eq!(browser.value("document.querySelectorAll('.refund').length"), 0);
        assert!(browser.text("#receipts").contains("wine: "));
        assert_eq!(browser.complaints(), Vec::<String>::new());
        browser.click("#forget");
        browser.until("sessionStorage.getItem('sahakar-api-key') === null && document.getElementById('account').hidden");
        // Never where it would outlast the tab.
        assert_eq!(browser.value("JSON.stringify(localStorage).includes('sk_')"), false);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_is_verified_in_the_page_and_a_falsified_one_is_refused() {
    let world = World::start().await;
    let (url, lying_url) = (world.url.clone(), world.lying_url.clone());
    let stranger = SigningKey::from_seed(&[77; 32]).verifying_key();
    let strange_key = data_dao_store::log_vkey("test/wine", &stranger).unwrap();
    let size = world.api.store().size();
    // The root over one entry is its leaf's hash, which is the DAO's id.
    let first_root = world.api.store().view(|state| state.dao_id().unwrap().to_string());
    in_browser(move |browser| {
        let check = |page: String, alter: &str| {
            browser.open(&page);
            browser.value(&format!("void ({alter})"));
            browser.click("#verify");
            browser.until("document.getElementById('verdict').textContent !== ''");
            browser.text("#verdict")
        };
        // Paths of several shapes: the first leaf, a last one without a sibling, some between.
        for index in [0, 5, size / 2, size - 2, size - 1] {
            let verdict = check(format!("{url}/ledger/{index}"), "0");
            assert_eq!(verdict, "Verified: this entry is in the log.", "{index}");
        }
        // Bytes, path, signature, the key of last time, the log of last time.
        assert_eq!(browser.value("document.querySelectorAll('#steps .good').length"), 5);
        assert_eq!(browser.value("document.querySelectorAll('#steps .bad').length"), 0);
        // The log that this browser saw when it had one entry, and one that it cannot have seen.
        let seen = |root: &str| {
            format!("localStorage.setItem('sahakar-checkpoint:test/wine', '{{\"size\":1,\"root\":\"{root}\"}}')")
        };
        assert_eq!(check(format!("{url}/ledger/2"), &seen(&first_root)), "Verified: this entry is in the log.");
        assert!(browser.text("#steps").contains("continues the one of 1 entries"));
        let rewritten = check(format!("{url}/ledger/2"), &seen(&"07".repeat(32)));
        assert_eq!(rewritten, "Refused: the log was rewritten.");
        browser.value("void localStorage.removeItem('sahakar-checkpoint:test/wine')");
        // A byte changed by the reader.
        let refused = "Refused: these bytes are not what the log has there.";
        let altered = "document.getElementById('leaf').value = document.getElementById('leaf').value.replace('Winery 1', 'Winery 2')";
        assert_eq!(check(format!("{url}/ledger/2"), altered), refused);
        // Bytes changed on the way, in page and proof.
        assert_eq!(check(format!("{lying_url}/ledger/2"), "0"), refused);
        assert!(browser.value("document.getElementById('leaf').value.includes('Winery 9')").as_bool().unwrap());
        // Another entry's bytes at this place.
        let moved = "document.getElementById('verify').dataset.index = 3";
        assert_eq!(check(format!("{url}/ledger/2"), moved), refused);
        // A checkpoint that another key would have to have signed.
        let strange = format!("document.getElementById('verify').dataset.vkey = '{strange_key}'");
        assert_eq!(check(format!("{url}/ledger/2"), &strange), "Refused: the checkpoint's signature does not hold.");
        // The key of another log than the one that this browser knows.
        let forgotten = format!("localStorage.setItem('sahakar-log-key:test/wine', '{strange_key}')");
        assert_eq!(check(format!("{url}/ledger/2"), &forgotten), "Refused: the log changed its key.");
        assert_eq!(browser.complaints(), Vec::<String>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vote_is_prepared_in_the_page_and_signed_by_the_command_line() {
    let world = World::start().await;
    let page = format!("{}/proposals/{}", world.url, world.proposal);
    let file = world.voter_key.clone();
    let cwd = world.dir.path().to_owned();
    let prepared = in_browser(move |browser| {
        browser.open(&page);
        browser.click("input[value=against]");
        browser.fill("#key-file", file.to_str().unwrap());
        browser.fill("#reason", "it's \"too\" cheap; $(rm -rf /)");
        let command = browser.text("#command");
        assert!(command.contains("--choice against"), "{command}");
        let voted = run(&command, &cwd);
        assert!(voted.contains("against"), "{voted}");
        browser.until("document.querySelector('#tally tbody') !== null");
        assert!(browser.text("#tally").contains(RUDE_LABEL), "{}", browser.text("#tally"));
        assert_eq!(browser.complaints(), Vec::<String>::new());
    });
    if prepared.await.is_some() {
        assert!(world.dir.path().join("my-vote.json").is_file());
        assert_eq!(world.api.store().view(|state| state.counts().ballots), 1);
    }
}

/// Runs a command line as it was copied, with the program under test in the path.
fn run(command: &str, cwd: &Path) -> String {
    let program: &Path = env!("CARGO_BIN_EXE_sahakar").as_ref();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders =
        [program.parent().unwrap().to_owned()].into_iter().chain(std::env::split_paths(&path));
    let path = std::env::join_paths(folders).unwrap();
    let done = Command::new("sh")
        .arg("-c")
        .arg(command)
        .current_dir(cwd)
        .env("PATH", path)
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{command}\n{out}{err}");
    out.into_owned()
}

/// Goes on with the tab key until the focus is where the page says, as who has no mouse does.
#[track_caller]
fn tab_to(browser: &Browser, there: &str) {
    let is_there = format!("document.activeElement.matches({})", serde_json::json!(there));
    let arrived = (0..80).any(|_| {
        let arrived = browser.value(&is_there) == true;
        if !arrived {
            browser.press(TAB);
        }
        arrived
    });
    assert!(arrived, "the tab key does not get to {there}");
    let outline = browser.value("getComputedStyle(document.activeElement).outlineStyle");
    assert_eq!(outline, "solid", "{there}: the focus is seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_alone_buys_and_predicts() {
    let world = World::start().await;
    let (url, api_key) = (world.url.clone(), world.api_key.clone());
    let bought = in_browser(move |browser| {
        let write = |text: &str| text.chars().for_each(|key| browser.press(key));
        browser.open(&url);
        tab_to(browser, "nav a[href='/models']");
        browser.press(ENTER);
        browser.until("location.pathname === '/models'");
        tab_to(browser, "main a[href='/models/wine']");
        browser.press(ENTER);
        browser.until("location.pathname === '/models/wine'");
        tab_to(browser, "#key");
        write(&api_key);
        browser.press(ENTER);
        browser.until("!document.getElementById('buy').hidden");
        tab_to(browser, "#calls");
        for _ in 0..4 {
            browser.press(BACKSPACE);
        }
        write("3");
        browser.press(ENTER);
        browser.until("document.getElementById('left').textContent.includes('3 paid calls')");
        tab_to(browser, "#ask button");
        browser.press(ENTER);
        browser.until("document.getElementById('answer').textContent.includes('Who earns what')");
        assert_eq!(browser.complaints(), Vec::<String>::new());
    });
    if bought.await.is_some() {
        assert_eq!(world.api.store().view(|state| state.counts().predictions), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_skip_link_gets_past_the_frame() {
    let world = World::start().await;
    let url = world.url.clone();
    in_browser(move |browser| {
        browser.open(&url);
        browser.press(TAB);
        assert_eq!(browser.value("document.activeElement.className"), "skip");
        let seen = "document.activeElement.getBoundingClientRect().top >= 0";
        browser.until(seen);
        browser.press(ENTER);
        browser.until("document.activeElement.id === 'main'");
        browser.press(TAB);
        assert_eq!(
            browser.value("document.getElementById('main').contains(document.activeElement)"),
            true
        );
        let outline = "getComputedStyle(document.activeElement).outlineStyle";
        assert_eq!(browser.value(outline), "solid");
    })
    .await;
}
