//! REST over HTTP, and its end: no request that was taken is left without an answer.
//!
//! ```text
//!  stop ─► not ready any more ─► no new connections ─► requests in progress are answered ─► end, or after the grace
//! ```

use std::time::Duration;

use anyhow::Context as _;
use tokio::{net::TcpListener, sync::oneshot};
use web_api::ApiState;

/// How long requests in progress may take once the node is told to stop: less than the ten seconds that service managers
/// give before they kill.
const STOP_GRACE: Duration = Duration::from_secs(8);

/// Serves REST until `stop`, and then until the requests in progress are answered.
pub(super) async fn serve(
    listener: TcpListener,
    api: ApiState,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let (stopped, stopping) = oneshot::channel::<()>();
    let server = axum::serve(listener, web_api::router(api.clone()))
        .with_graceful_shutdown(async { stopping.await.unwrap_or(()) })
        .into_future();
    tokio::pin!(server);
    tokio::select! {
        result = &mut server => return result.context("the listener ended"),
        () = stop => {}
    }
    api.begin_stopping();
    drop(stopped);
    match tokio::time::timeout(STOP_GRACE, server).await {
        Ok(result) => result.context("ending"),
        Err(_) => {
            tracing::warn!("requests are left unanswered after {} s", STOP_GRACE.as_secs());
            Ok(())
        }
    }
}
