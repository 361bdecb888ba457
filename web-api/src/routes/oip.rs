//! The Open Inference Protocol, version 2: what any client of a model server speaks.

pub(super) mod infer;
pub(super) mod models;
pub(super) mod server;
mod tensor;
