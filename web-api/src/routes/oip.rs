//! The Open Inference Protocol, version 2, with its extensions for binary tensors and classification: what any client
//! of a model server speaks.

mod body;
mod datatype;
pub(super) mod infer;
pub(super) mod models;
mod outputs;
mod parameters;
pub(super) mod server;
mod tensor;
