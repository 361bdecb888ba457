//! A small client of the REST interface: JSON in, JSON out, problems as errors.

use std::{thread, time::Duration};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use ureq::{Agent, Body, http::Response};

/// How long a request may take, in milliseconds.
const REQUEST_MS_MAX: u64 = 30_000;
/// How long a node's wish to be asked later is heeded, in seconds: longer than any window of its limits.
pub const WAIT_S_MAX: u64 = 300;
/// Largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// Items of a page of a list that is asked for whole: the most that a node gives.
const PAGE_ITEMS: u32 = 200;

/// What a node answered instead of doing what was asked.
#[derive(Debug, thiserror::Error)]
#[error("{reason} (status {status})")]
pub struct Refused {
    /// HTTP status.
    status: u16,
    reason: String,
    /// When to ask again, if it says so (RFC 9110, 10.2.3).
    retry_after_s: Option<u64>,
}

impl Refused {
    /// In how many seconds to ask again, if the node is only too busy now.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u64> {
        [429, 503].contains(&self.status).then_some(self.retry_after_s).flatten()
    }
}

/// Whether nothing came of a request that failed so: the node refused it.
///
/// Threat: a buyer who is told that nothing was bought pays again. A connection that breaks, a gateway's 502 or 504, a
/// time-out, and a conflict with the same request before say nothing about what the node has booked.
#[must_use]
pub fn was_refused(error: &anyhow::Error) -> bool {
    let refused = error.downcast_ref::<Refused>();
    refused.is_some_and(|r| (400..500).contains(&r.status) && ![408, 409].contains(&r.status))
}

/// A node's REST interface, with the secret that opens it.
#[derive(Clone)]
pub struct Rest {
    agent: Agent,
    base: String,
    bearer: Option<String>,
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rest({})", self.base)
    }
}

impl Rest {
    /// The interface at `base`, for example `http://127.0.0.1:8080`.
    #[must_use]
    pub fn new(base: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_millis(REQUEST_MS_MAX)));
        let base = base.trim_end_matches('/').to_owned();
        Self { agent: config.build().into(), base, bearer: None }
    }

    /// The same with an API key or the operator's token.
    #[must_use]
    pub fn with_bearer(&self, secret: &str) -> Self {
        Self { bearer: Some(secret.to_owned()), ..self.clone() }
    }

    /// Gets a resource.
    ///
    /// # Errors
    /// An unreachable node, or the problem that it answers.
    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.json_of(self.send_get(path)?)
    }

    /// Gets a list whole, page by page: the first page's answer, with the items of all of them under `items`.
    ///
    /// * `path` — without a query.
    ///
    /// # Errors
    /// As [`Rest::get_patiently`]; a cursor that leads nowhere new.
    pub fn get_all(&self, path: &str, items: &str) -> anyhow::Result<Value> {
        let first = format!("{path}?limit={PAGE_ITEMS}");
        let taken = |page: &mut Value, field: &str| page.get_mut(field).map(Value::take);
        let mut answer = self.get_patiently(&first)?;
        let mut cursor = taken(&mut answer, "next").unwrap_or_default();
        while let Some(next) = cursor.as_str() {
            let mut page = self.get_patiently(&format!("{first}&cursor={next}"))?;
            let following = taken(&mut page, "next").unwrap_or_default();
            ensure!(following != cursor, "{}{path} answers with the same page again", self.base);
            let more = taken(&mut page, items);
            let all = answer.get_mut(items).and_then(Value::as_array_mut);
            let (Some(all), Some(Value::Array(more))) = (all, more) else {
                bail!("{}{path} answers without {items}", self.base);
            };
            all.extend(more);
            cursor = following;
        }
        Ok(answer)
    }

    /// As [`Rest::get`], for one of many resources: waits as long as a node says that has no time for so many requests now.
    ///
    /// # Errors
    /// As [`Rest::get`]; that it has no time for longer than [`WAIT_S_MAX`].
    pub fn get_patiently(&self, path: &str) -> anyhow::Result<Value> {
        patiently(|| self.get(path))
    }

    /// As [`Rest::get_bytes`] and [`Rest::get_patiently`].
    ///
    /// # Errors
    /// As both.
    pub fn get_bytes_patiently(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        patiently(|| self.get_bytes(path))
    }

    /// Gets a resource as it is, byte for byte.
    ///
    /// # Errors
    /// An unreachable node, or the problem that it answers.
    pub fn get_bytes(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        let response = self.send_get(path)?;
        if !response.status().is_success() {
            self.json_of(response)?;
            bail!("{}{path} is not there", self.base);
        }
        let body = response.into_body().into_with_config().limit(ANSWER_BYTES_MAX);
        body.read_to_vec().with_context(|| format!("reading {}{path}", self.base))
    }

    /// Gets a text; none if it is not there.
    ///
    /// # Errors
    /// An unreachable node, or another status.
    pub fn get_text(&self, path: &str) -> anyhow::Result<Option<String>> {
        let response = self.send_get(path)?;
        match response.status().as_u16() {
            200 => {}
            404 => return Ok(None),
            status => bail!("{}{path} answers with status {status}", self.base),
        }
        let body = response.into_body().into_with_config().limit(ANSWER_BYTES_MAX);
        let text = body.read_to_string().with_context(|| format!("reading {}{path}", self.base))?;
        Ok(Some(text))
    }

    fn send_get(&self, path: &str) -> anyhow::Result<Response<Body>> {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        if let Some(secret) = &self.bearer {
            request = request.header("authorization", format!("Bearer {secret}"));
        }
        request.call().with_context(|| self.unreachable())
    }

    /// Deletes a resource.
    ///
    /// # Errors
    /// An unreachable node, or the problem that it answers.
    pub fn delete(&self, path: &str) -> anyhow::Result<()> {
        let mut request = self.agent.delete(format!("{}{path}", self.base));
        if let Some(secret) = &self.bearer {
            request = request.header("authorization", format!("Bearer {secret}"));
        }
        let response = request.call().with_context(|| self.unreachable())?;
        if response.status().is_success() {
            return Ok(());
        }
        self.json_of(response).map(drop)
    }

    /// Posts `body`. With an `idempotency_key`, a repetition is booked once.
    ///
    /// # Errors
    /// An unreachable node, or the problem that it answers.
    pub fn post(
        &self,
        path: &str,
        idempotency_key: Option<&str>,
        body: &Value,
    ) -> anyhow::Result<Value> {
        let mut request = self.agent.post(format!("{}{path}", self.base));
        if let Some(secret) = &self.bearer {
            request = request.header("authorization", format!("Bearer {secret}"));
        }
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        self.json_of(request.send_json(body).with_context(|| self.unreachable())?)
    }

    /// Posts `body` as it is.
    ///
    /// # Errors
    /// An unreachable node, or the problem that it answers.
    pub fn post_bytes(&self, path: &str, body: &[u8]) -> anyhow::Result<Value> {
        let mut request = self.agent.post(format!("{}{path}", self.base));
        if let Some(secret) = &self.bearer {
            request = request.header("authorization", format!("Bearer {secret}"));
        }
        let request = request.header("content-type", "application/octet-stream");
        self.json_of(request.send(body).with_context(|| self.unreachable())?)
    }

    fn unreachable(&self) -> String {
        format!("{} does not answer: is the node running, and is --url right?", self.base)
    }

    fn json_of(&self, response: Response<Body>) -> anyhow::Result<Value> {
        let status = response.status();
        let retry_after_s = response.headers().get("retry-after");
        let retry_after_s = retry_after_s.and_then(|s| s.to_str().ok()?.trim().parse().ok());
        let body = response.into_body().into_with_config().limit(ANSWER_BYTES_MAX);
        let text = body.read_to_string().context("reading the node's answer")?;
        let answer = serde_json::from_str::<Value>(&text);
        if status.is_success() {
            return answer
                .with_context(|| format!("{} answers something else than JSON", self.base));
        }
        let answer = answer.unwrap_or_default();
        // Problem details (RFC 9457), or the error of the Open Inference Protocol.
        let title = answer["title"].as_str().or_else(|| answer["error"].as_str());
        let title = title.unwrap_or("no reason given");
        let reason = match answer["detail"].as_str() {
            Some(detail) if detail != title => format!("{title}: {detail}"),
            _ => title.to_owned(),
        };
        bail!(Refused { status: status.as_u16(), reason, retry_after_s })
    }
}

/// Asks again when the node says so.
fn patiently<T>(ask: impl Fn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let mut waited_s = 0;
    loop {
        let error = match ask() {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let told_s = error.downcast_ref::<Refused>().and_then(Refused::retry_after_s);
        let Some(wait_s) = told_s.filter(|wait_s| waited_s + wait_s <= WAIT_S_MAX) else {
            return Err(error);
        };
        // At least a moment, so that a node that says 0 is not asked without end.
        let wait_s = wait_s.max(1);
        waited_s += wait_s;
        thread::sleep(Duration::from_secs(wait_s));
    }
}
