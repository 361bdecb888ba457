//! Licences of models.

use data_dao_governance::{Licence, text};
use data_dao_ledger::Name;
use serde::{Deserialize, Serialize};

/// The operator says under which licence a federation's models are sold; a later one needs a vote. It holds for versions that
/// are released afterwards.
///
/// Threat: an operator that changes what buyers agreed to, or what contributors saw when they joined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LicenceSet {
    /// Which federation.
    #[serde(with = "text")]
    pub federation: Name,
    /// The licence.
    pub licence: Licence,
}
