//! A model as an ONNX file, by which it is sold to those who compute elsewhere.
//!
//! ```text
//!  input [rows, inputs] ─ standardise ─ the architecture's layers ─ Softmax ─► probabilities [rows, classes]
//!                                                                     └ ArgMax ─► label [rows]
//! ```
//! Own writer: the few messages of the format that a model needs are in [`proto`]; `onnxruntime` computes the same
//! probabilities to 1e-5 (`tests/onnx.rs`).

mod graph;
mod layers;
mod proto;

use datasets::Standardiser;
use prost::Message as _;

use crate::{Architecture, ModelError, Parameters};

use self::graph::Graph;

/// Name of the input.
const INPUT: &str = "input";
/// Name of the class probabilities.
const PROBABILITIES: &str = "probabilities";
/// Name of the most probable class's index.
const LABEL: &str = "label";
/// Version of the file format: that of 2022, which `onnxruntime` 1.13 and later reads.
const IR_VERSION: i64 = 8;
/// Version of the operators: `Squeeze` and `Slice` with their axes as inputs.
const OPERATORS_VERSION: i64 = 17;

impl Parameters {
    /// The model as an ONNX file, which takes inputs as a buyer sends them.
    ///
    /// * `standardiser` — by which inputs are brought to one scale, with as many columns as the model has inputs.
    /// * `metadata` — what the file says about itself, in this order. The same arguments give the same bytes.
    ///
    /// # Errors
    /// [`ModelError::Parameters`] or [`ModelError::InputMismatch`] if the parts do not fit each other.
    pub fn to_onnx(
        &self,
        architecture: &Architecture,
        standardiser: &Standardiser,
        metadata: &[(String, String)],
    ) -> Result<Vec<u8>, ModelError> {
        self.fit(architecture).map_err(ModelError::Parameters)?;
        let (expected, got) = (architecture.inputs(), standardiser.mean().len());
        if got != expected {
            return Err(ModelError::InputMismatch { expected, got });
        }
        let layout = architecture.layout();
        let tensors: Vec<&[f32]> =
            layout.entries().iter().map(|entry| entry.slice(self.values())).collect();
        let mut graph = Graph::default();
        let values = standardised(&mut graph, standardiser);
        let logits = layers::logits(&mut graph, architecture, &tensors, values);
        graph.node_to("Softmax", &[&logits], PROBABILITIES, vec![graph::int("axis", -1)]);
        let argmax = vec![graph::int("axis", -1), graph::int("keepdims", 0)];
        graph.node_to("ArgMax", &[PROBABILITIES], LABEL, argmax);
        let graph = graph.finish(architecture.inputs(), architecture.classes());
        let property = |(key, value): &(String, String)| proto::StringStringEntry {
            key: key.clone(),
            value: value.clone(),
        };
        let model = proto::Model {
            ir_version: IR_VERSION,
            producer_name: "sahakar".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: Some(graph),
            opset_import: vec![proto::OperatorSetId {
                domain: String::new(),
                version: OPERATORS_VERSION,
            }],
            metadata_props: metadata.iter().map(property).collect(),
        };
        Ok(model.encode_to_vec())
    }
}

fn standardised(graph: &mut Graph, standardiser: &Standardiser) -> String {
    let width = standardiser.mean().len();
    let mean = graph.floats("mean", &[width], standardiser.mean());
    let deviation = graph.floats("deviation", &[width], standardiser.deviation());
    let centred = graph.node("Sub", &[INPUT, &mean], Vec::new());
    graph.node("Div", &[&centred, &deviation], Vec::new())
}
