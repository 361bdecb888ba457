//! REST over HTTP, and its end: no request that was taken is left without an answer.
//!
//! ```text
//!  stop ─► not ready any more ─► no new connections ─► requests in progress are answered ─► end, or after the grace
//! ```

use anyhow::Context as _;
use tokio::net::TcpListener;
use web_api::{ApiState, ConnectionLimits, Tls};

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
