//! Chromium, driven over `WebDriver` (W3C recommendation): JSON over HTTP, for which the client that the program has anyway
//! suffices.

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use ureq::Agent;

/// Longest wait for anything in a page: far above what a loaded machine needs.
const PATIENCE_MS: u64 = 60_000;
/// How often a driver is started that ends at once.
const STARTS_MAX: usize = 5;
/// The key under which `WebDriver` names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// With this set, a missing browser is a failure.
const REQUIRED: &str = "SAHAKAR_REQUIRE_CHROMIUM";

/// A browser with one window. Its processes end with it.
#[derive(Debug)]
pub(crate) struct Browser {
    driver: Child,
    agent: Agent,
    session: String,
}

/// The first of these programs that is installed.
fn installed(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = env::split_paths(&path).collect();
    let places = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    places.into_iter().find(|place| place.is_file())
}

/// A driver on a free port, which it says; none if it ended before.
fn started(driver: &Path) -> Option<(Child, String)> {
    let mut driver = Command::new(driver)
        .arg("--port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = lines.find_map(|line| {
        let line = line.unwrap();
        let (_, port) = line.split_once("started successfully on port ")?;
        Some(port.trim_end_matches('.').to_owned())
    });
    let Some(port) = port else {
        // It has ended, or is about to.
        driver.kill().and_then(|()| driver.wait()).unwrap();
        return None;
    };
    // Nobody reads on: what the driver says later must not block it.
    std::thread::spawn(move || lines.for_each(drop));
    Some((driver, port))
}

impl Browser {
    /// Starts one; nothing, and a word about it, where none is installed.
    pub(crate) fn start() -> Option<Self> {
        let driver = installed(&["chromedriver"]);
        let chromium = installed(&["chromium", "chromium-browser", "google-chrome"]);
        let (Some(driver), Some(chromium)) = (driver, chromium) else {
            assert!(
                env::var_os(REQUIRED).is_none(),
                "{REQUIRED} is set: install chromium and chromium-driver"
            );
            eprintln!("skipped: chromium and chromedriver are not installed");
            return None;
        };
        // Now and then the port that it took of one family is somebody else's of the other, and it ends at once.
        let (driver, port) = (0..STARTS_MAX).find_map(|_| started(&driver)).expect("a driver");
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_millis(2 * PATIENCE_MS)))
            .build();
        let (agent, url) = (Agent::from(config), format!("http://127.0.0.1:{port}"));
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--window-size=1280,900",
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"binary": chromium, "args": arguments},
            "goog:loggingPrefs": {"browser": "ALL"},
            "timeouts": {"script": PATIENCE_MS, "pageLoad": PATIENCE_MS},
        }}});
        let mut browser = Self { driver, agent, session: format!("{url}/session") };
        let session = browser.post("", &wanted);
        browser.session = format!("{url}/session/{}", session["sessionId"].as_str().unwrap());
        Some(browser)
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.session);
        let mut answer = self.agent.post(url).send_json(body).unwrap();
        let json: Value = answer.body_mut().read_json().unwrap();
        assert!(answer.status().is_success(), "{path} {body}: {}", json["value"]);
        json["value"].clone()
    }

    /// Opens a page.
    #[track_caller]
    pub(crate) fn open(&self, url: &str) {
        self.post("/url", &json!({"url": url}));
    }

    #[track_caller]
    fn element(&self, css: &str) -> String {
        let found = self.post("/element", &json!({"using": "css selector", "value": css}));
        found[ELEMENT].as_str().unwrap().to_owned()
    }

    /// Clicks as a person does: on what is seen.
    #[track_caller]
    pub(crate) fn click(&self, css: &str) {
        let element = self.element(css);
        self.post(&format!("/element/{element}/click"), &json!({}));
    }

    /// Types into an emptied field.
    #[track_caller]
    pub(crate) fn fill(&self, css: &str, text: &str) {
        let element = self.element(css);
        self.post(&format!("/element/{element}/clear"), &json!({}));
        self.post(&format!("/element/{element}/value"), &json!({"text": text}));
    }

    /// Presses keys where the focus is.
    #[track_caller]
    pub(crate) fn press(&self, key: char) {
        let strokes =
            [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})];
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": strokes});
        self.post("/actions", &json!({"actions": [keyboard]}));
    }

    /// The value of an expression in the page.
    #[track_caller]
    pub(crate) fn value(&self, expression: &str) -> Value {
        let script = format!("return ({expression});");
        self.post("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// The text of an element as it is rendered.
    #[track_caller]
    pub(crate) fn text(&self, css: &str) -> String {
        let found = self.value(&format!("document.querySelector({}).innerText", json!(css)));
        found.as_str().unwrap_or_default().to_owned()
    }

    /// Waits in the page until a condition holds.
    #[track_caller]
    pub(crate) fn until(&self, condition: &str) {
        let script = format!(
            "const done = arguments[arguments.length - 1]; \
             (function look() {{ if ({condition}) done(true); else setTimeout(look, 20); }})();"
        );
        self.post("/execute/async", &json!({"script": script, "args": []}));
    }

    /// Looks at pages as on a screen of this width, in CSS pixels: windows themselves cannot be as narrow as a phone.
    #[track_caller]
    pub(crate) fn look_at_width(&self, width: u32) {
        let screen =
            json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600});
        let command = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": screen});
        self.post("/goog/cdp/execute", &command);
    }

    /// Looks at pages as who prefers them `light` or `dark`.
    #[track_caller]
    pub(crate) fn prefer(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let command =
            json!({"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}});
        self.post("/goog/cdp/execute", &command);
    }

    /// A picture of the whole page, PNG in base64.
    #[track_caller]
    pub(crate) fn picture(&self) -> String {
        let params = json!({"format": "png", "captureBeyondViewport": true});
        let command = json!({"cmd": "Page.captureScreenshot", "params": params});
        self.post("/goog/cdp/execute", &command)["data"].as_str().unwrap().to_owned()
    }

    /// What the console complained about since the last call.
    #[track_caller]
    pub(crate) fn complaints(&self) -> Vec<String> {
        let lines = self.post("/se/log", &json!({"type": "browser"}));
        let lines = lines.as_array().cloned().unwrap_or_default();
        let severe =
            lines.iter().filter(|line| line["level"] == "SEVERE" || line["level"] == "WARNING");
        severe.map(|line| line["message"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The session's end ends the browser, the driver's end the driver; a failed test must not hide its own reason.
        let ended = self.agent.delete(&self.session).call().is_ok();
        let killed = self.driver.kill().and_then(|()| self.driver.wait()).is_ok();
        if !(ended && killed) {
            eprintln!("the browser did not end in order");
        }
    }
}
