//! S3 and what speaks like it, by URL.
//!
//! Requests go through `ureq`, which the workspace has for its REST client: the client that `object_store`
//! brings otherwise needs a second TLS stack with a cryptographic library in C.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use async_trait::async_trait;
use http_body_util::BodyExt as _;
use object_store::{
    ClientOptions, ObjectStore, RetryConfig,
    aws::AmazonS3Builder,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
    },
    path::Path,
};
use tokio::runtime::Handle;
use ureq::{Agent, http};

use crate::object_updates::ObjectUpdates;

/// How long a connection may take, in seconds.
const CONNECT_SECONDS: u64 = 5;
/// How long a request may take with its answer, in seconds: 192 MiB at 1 MB/s.
const REQUEST_SECONDS: u64 = 200;
/// How long a request is repeated while the store fails, in seconds. After that the process ends, and whoever
/// runs it starts it again.
const RETRY_SECONDS: u64 = 60;
/// How often it is repeated at most.
const RETRIES_MAX: usize = 8;
/// Longest answer that is read: the longest part of an update, and what a list of a thousand names takes.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// Opens the updates at `url`, which is `s3://BUCKET/PREFIX`. Keys, region and endpoint are read from the
/// environment under the names that S3's own tools use: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
/// `AWS_REGION`, `AWS_ENDPOINT`, and `AWS_ALLOW_HTTP=true` for a store on loopback.
pub(crate) fn open(url: &str, runtime: Handle) -> anyhow::Result<ObjectUpdates> {
    let Some((bucket, prefix)) = parts(url) else {
        bail!("{url} names no place for updates: give s3://BUCKET/PREFIX");
    };
    let retry = RetryConfig {
        max_retries: RETRIES_MAX,
        retry_timeout: Duration::from_secs(RETRY_SECONDS),
        ..RetryConfig::default()
    };
    let objects = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_retry(retry)
        .with_http_connector(Connector)
        .build()
        .with_context(|| format!("opening {url}"))?;
    let objects: Arc<dyn ObjectStore> = Arc::new(objects);
    Ok(ObjectUpdates::new(objects, Path::from(prefix), runtime))
}

/// Bucket and prefix.
fn parts(url: &str) -> Option<(&str, &str)> {
    let (bucket, prefix) = url.strip_prefix("s3://")?.split_once('/')?;
    let prefix = prefix.trim_end_matches('/');
    (!bucket.is_empty() && !prefix.is_empty()).then_some((bucket, prefix))
}

#[derive(Debug)]
struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        let config = Agent::config_builder()
            // Every answer is the caller's to read, and a signature is for one place only.
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .accept_encoding("identity")
            .timeout_connect(Some(Duration::from_secs(CONNECT_SECONDS)))
            .timeout_global(Some(Duration::from_secs(REQUEST_SECONDS)))
            .build();
        Ok(HttpClient::new(Service(config.new_agent())))
    }
}

/// Requests on blocking threads.
#[derive(Debug)]
struct Service(Agent);

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let agent = self.0.clone();
        let called = move || exchange(&agent, parts, &body);
        let called = tokio::task::spawn_blocking(called).await;
        called.map_err(|stopped| HttpError::new(HttpErrorKind::Interrupted, stopped))?
    }
}

fn exchange(
    agent: &Agent,
    parts: http::request::Parts,
    body: &[u8],
) -> Result<HttpResponse, HttpError> {
    let answer = if body.is_empty() && parts.method != http::Method::PUT {
        agent.run(http::Request::from_parts(parts, ()))
    } else {
        agent.run(http::Request::from_parts(parts, body))
    };
    let (parts, mut body) = answer.map_err(failed)?.into_parts();
    let body = body.with_config().limit(ANSWER_BYTES_MAX).read_to_vec().map_err(failed)?;
    Ok(http::Response::from_parts(parts, body.into()))
}

fn failed(error: ureq::Error) -> HttpError {
    let kind = match &error {
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => HttpErrorKind::Connect,
        ureq::Error::Timeout(_) => HttpErrorKind::Timeout,
        ureq::Error::Io(_) => HttpErrorKind::Interrupted,
        _ => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error)
}

#[cfg(test)]
mod tests;
