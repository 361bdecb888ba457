//! Parameters of requests and their tensors: of what clients may send, what this server understands.
//!
//! Others are ignored, as the protocol has it, but for those that change where data are.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api_error::ApiError;

/// Of a request.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct RequestParameters {
    /// Send all outputs in binary that do not say otherwise.
    #[serde(default)]
    pub(super) binary_data_output: bool,
    /// Send why, too: the outputs `attributions`, `attribution_baseline` and `attribution_gap`. At most 16 rows.
    #[serde(default)]
    pub(super) explain: bool,
}

/// Of an input.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct InputParameters {
    /// How many bytes of the body's binary part are this tensor's values.
    #[serde(default)]
    pub(super) binary_data_size: Option<u64>,
    /// Refused: clients and this server share no memory.
    #[serde(default)]
    pub(super) shared_memory_region: Option<String>,
}

/// Of an output that is wanted.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct OutputParameters {
    /// Send the values in binary, after the JSON.
    #[serde(default)]
    pub(super) binary_data: Option<bool>,
    /// Instead of all values, name the so many largest of each row as `value:index:label`.
    #[serde(default)]
    pub(super) classification: Option<u32>,
    /// Refused: clients and this server share no memory.
    #[serde(default)]
    pub(super) shared_memory_region: Option<String>,
}

/// Of an output that is sent in binary.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct BinaryParameters {
    /// How many bytes of the body's binary part are its values.
    pub(super) binary_data_size: usize,
}

impl InputParameters {
    pub(super) fn refuse_shared_memory(&self) -> Result<(), ApiError> {
        refuse_shared_memory(self.shared_memory_region.as_deref())
    }
}

impl OutputParameters {
    pub(super) fn refuse_shared_memory(&self) -> Result<(), ApiError> {
        refuse_shared_memory(self.shared_memory_region.as_deref())
    }
}

fn refuse_shared_memory(region: Option<&str>) -> Result<(), ApiError> {
    match region {
        None => Ok(()),
        Some(_) => Err(ApiError::Malformed("this server shares no memory".to_owned())),
    }
}
