//! Figures of a process's link, for Prometheus.

use std::net::SocketAddr;

use aggregator_network::Link;
use anyhow::Context as _;
use axum::{Router, http::StatusCode, http::header, response::IntoResponse as _, routing::get};
use tokio::{net::TcpListener, sync::watch};

/// The link in use, once there is one.
pub type CurrentLink = watch::Receiver<Option<Link>>;

/// Serves the current link's figures at `http://ADDRESS/metrics` for as long as the process runs; without an address,
/// nothing, for ever.
///
/// # Errors
/// An address on which it cannot listen.
pub async fn serve(address: Option<SocketAddr>, link: CurrentLink) -> anyhow::Result<()> {
    serve_text(address, move || link.borrow().as_ref().map(|link| link.metrics().to_string())).await
}

/// Serves what `figures` says, as [`serve`]; nothing to say yet is a 503.
///
/// # Errors
/// An address on which it cannot listen.
pub async fn serve_text(
    address: Option<SocketAddr>,
    figures: impl Fn() -> Option<String> + Clone + Send + Sync + 'static,
) -> anyhow::Result<()> {
    serve_text_on(listen(address).await?, figures).await
}

/// Listens on `address`, if there is one: for who says that it listens before it serves.
///
/// # Errors
/// An address on which it cannot listen.
pub async fn listen(address: Option<SocketAddr>) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = address else { return Ok(None) };
    let listener = TcpListener::bind(address).await;
    Ok(Some(listener.with_context(|| format!("--metrics: listening on {address}"))?))
}

/// As [`serve_text`], on what [`listen`] opened.
///
/// # Errors
/// If the listener ends.
pub async fn serve_text_on(
    listener: Option<TcpListener>,
    figures: impl Fn() -> Option<String> + Clone + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    let answer = move || async move {
        let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
        match figures() {
            Some(text) => (kind, text).into_response(),
            None => (StatusCode::SERVICE_UNAVAILABLE, "no link yet\n").into_response(),
        }
    };
    Ok(axum::serve(listener, Router::new().route("/metrics", get(answer))).await?)
}
