//! REST over HTTP, its certificate, and its end: no request that was taken is left without an answer.
//!
//! ```text
//!  stop ─► not ready any more ─► no new connections ─► requests in progress are answered ─► end, or after the grace
//! ```

use anyhow::Context as _;
use serde_json::json;
use tokio::net::TcpListener;
use web_api::{ApiState, ConnectionLimits, Tls};

use crate::process::Events;

/// Serves REST until `stop`, and then until the requests in progress are answered.
pub(super) async fn serve(
    listener: TcpListener,
    api: ApiState,
    serving: (ConnectionLimits, Option<Tls>),
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let stopping = async {
        stop.await;
        api.begin_stopping();
    };
    let router = web_api::router(api.clone());
    web_api::serve(listener, router, serving, stopping).await.context("the listener ended")
}

/// Takes the certificate's files as they are at each SIGHUP: a certificate of a public authority lives for weeks, and a node for
/// months. What cannot be used is told, and the old one used further.
#[cfg(unix)]
pub(super) async fn renew_certificate(tls: Option<Tls>, events: Events) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    // Without a certificate the signal ends the process, as it does others.
    let Some(tls) = tls else { return std::future::pending().await };
    let mut hangups = signal(SignalKind::hangup()).context("waiting for SIGHUP")?;
    while hangups.recv().await.is_some() {
        events.emit(match tls.renew().map_err(anyhow::Error::from) {
            Ok(()) => json!({"event": "certificate-renewed"}),
            Err(error) => json!({"event": "certificate-refused", "reason": format!("{error:#}")}),
        });
    }
    std::future::pending().await
}

/// There is no such signal: the certificate is that of the start.
#[cfg(not(unix))]
pub(super) async fn renew_certificate(_tls: Option<Tls>, _events: Events) -> anyhow::Result<()> {
    std::future::pending().await
}
