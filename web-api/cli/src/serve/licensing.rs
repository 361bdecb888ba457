//! The licence of the configuration becomes the federation's, if it has none yet.

use anyhow::Context as _;
use data_dao_journal::LicenceSet;
use data_dao_ledger::Name;
use data_dao_store::Store;
use tracing::warn;

use super::config::FederationConfig;
use crate::process::now_ms;

/// Names the configured licence in the ledger. Once there is one, it is the members' to change, and what the configuration
/// says counts no more.
///
/// # Errors
/// A licence that is none, or a ledger that cannot be written.
pub(super) async fn name_licence(config: &FederationConfig, store: &Store) -> anyhow::Result<()> {
    let Some(configured) = &config.licence else { return Ok(()) };
    let licence = configured.licence().context("federation.licence")?;
    let federation = Name::new(config.name.clone())?;
    let named = store.view(|state| state.federation(&federation)?.licence().cloned());
    match named {
        None => {
            store.append(now_ms(), vec![LicenceSet { federation, licence }.into()]).await?;
        }
        Some(named) if named != licence => {
            warn!(%named, configured = %licence, "the federation's licence is the members' to change: the configured one is not taken");
        }
        Some(_) => {}
    }
    Ok(())
}
