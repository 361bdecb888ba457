//! A small client of the REST interface: JSON in, JSON out, problems as errors.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;
use ureq::{Agent, Body, http::Response};

/// How long a request may take, in milliseconds.
const REQUEST_MS_MAX: u64 = 30_000;
/// Largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

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
        match answer["detail"].as_str() {
            Some(detail) if detail != title => bail!("{title}: {detail} (status {status})"),
            _ => bail!("{title} (status {status})"),
        }
    }
}
