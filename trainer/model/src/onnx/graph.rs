//! A graph that grows node by node.

use super::proto::{
    Attribute, Dimension, Graph as Message, Node, Shape, Tensor, TensorType, Type, ValueInfo,
};
use super::{INPUT, LABEL, PROBABILITIES};

/// `TensorProto.DataType`.
const FLOAT: i32 = 1;
pub(super) const INT64: i32 = 7;

/// A graph under construction. Values are known by their names.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    constants: Vec<Tensor>,
}

/// An integer setting.
pub(super) fn int(name: &str, value: i64) -> Attribute {
    Attribute { name: name.to_owned(), i: value, ints: Vec::new(), kind: 2 }
}

/// A setting of several integers.
pub(super) fn ints(name: &str, values: &[i64]) -> Attribute {
    Attribute { name: name.to_owned(), i: 0, ints: values.to_vec(), kind: 7 }
}

/// A size as the format has it.
pub(super) fn size(size: usize) -> i64 {
    i64::try_from(size).expect("sizes are bounded far below 2^63")
}

impl Graph {
    /// A constant of FP32.
    pub(super) fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, shape, FLOAT, bytes)
    }

    /// A constant of INT64: a list.
    pub(super) fn integers(&mut self, name: &str, values: &[i64]) -> String {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, &[values.len()], INT64, bytes)
    }

    fn constant(
        &mut self,
        name: &str,
        shape: &[usize],
        data_type: i32,
        raw_data: Vec<u8>,
    ) -> String {
        let name = format!("{name}.{}", self.constants.len());
        let dims = shape.iter().map(|side| size(*side)).collect();
        self.constants.push(Tensor { dims, data_type, name: name.clone(), raw_data });
        name
    }

    /// An operation; returns the name of what it gives.
    pub(super) fn node(
        &mut self,
        operation: &str,
        inputs: &[&str],
        attributes: Vec<Attribute>,
    ) -> String {
        let output = format!("value.{}", self.nodes.len());
        self.node_to(operation, inputs, &output, attributes);
        output
    }

    /// An operation that gives `output`.
    pub(super) fn node_to(
        &mut self,
        operation: &str,
        inputs: &[&str],
        output: &str,
        attribute: Vec<Attribute>,
    ) {
        self.nodes.push(Node {
            input: inputs.iter().map(|name| (*name).to_owned()).collect(),
            output: vec![output.to_owned()],
            name: format!("node.{}", self.nodes.len()),
            op_type: operation.to_owned(),
            attribute,
        });
    }

    /// `values` in another shape.
    pub(super) fn reshaped(&mut self, values: &str, shape: &[i64]) -> String {
        let shape = self.integers("shape", shape);
        self.node("Reshape", &[values, &shape], Vec::new())
    }

    /// The message.
    pub(super) fn finish(self, inputs: usize, classes: usize) -> Message {
        let rows = || Dimension { value: None, param: Some("rows".to_owned()) };
        let columns = |count| Dimension { value: Some(size(count)), param: None };
        Message {
            node: self.nodes,
            name: "sahakar".to_owned(),
            initializer: self.constants,
            input: vec![value(INPUT, FLOAT, vec![rows(), columns(inputs)])],
            output: vec![
                value(PROBABILITIES, FLOAT, vec![rows(), columns(classes)]),
                value(LABEL, INT64, vec![rows()]),
            ],
        }
    }
}

fn value(name: &str, elem_type: i32, dim: Vec<Dimension>) -> ValueInfo {
    let tensor = TensorType { elem_type, shape: Some(Shape { dim }) };
    ValueInfo { name: name.to_owned(), kind: Some(Type { tensor: Some(tensor) }) }
}
