//! That the validation set is shown.

use data_dao_governance::text;
use data_dao_ledger::Name;
use privacy_identity::Digest;
use serde::{Deserialize, Serialize};

/// The table that a federation's values are measured on is shown, for everybody to recompute them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidationRevealed {
    /// Which federation.
    #[serde(with = "text")]
    pub federation: Name,
    /// The table's digest: the one that was committed to when the federation was opened.
    #[serde(with = "text")]
    pub digest: Digest,
    /// Where it is: `https://…` or `http://…`, at most 500 printable ASCII characters. Named again, the last one holds.
    pub url: String,
}
