//! The order of a model's parameters in a flat vector.

use privacy_identity::{Encode, Writer};

use crate::Architecture;

/// One tensor of a model and where it is in the flat vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutEntry {
    /// The tensor's path, such as `layers.0.weight`.
    pub name: String,
    /// Its dimensions; row-major. A dense weight is `[inputs, outputs]`, that of a convolution
    /// `[output channels, input channels, kernel, kernel]`, a bias `[outputs]`.
    pub shape: Vec<usize>,
    /// The index of its first element in the flat vector.
    pub offset: usize,
}

impl LayoutEntry {
    /// The number of elements of the tensor.
    #[must_use]
    pub fn element_count(&self) -> usize {
        self.shape.iter().product()
    }

    /// The tensor's elements in a flat vector of the layout.
    pub(crate) fn slice<'a>(&self, flat: &'a [f32]) -> &'a [f32] {
        &flat[self.offset..self.offset + self.element_count()]
    }
}

/// The flat layout of a model's parameters, updates and gradients.
///
/// Every party derives it from the architecture alone, so it is part of the protocol: layer by
/// layer, the weight (row-major) and then the bias, without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateLayout {
    entries: Vec<LayoutEntry>,
    parameter_count: usize,
}

impl UpdateLayout {
    /// The layout of `architecture`.
    #[must_use]
    pub fn of(architecture: &Architecture) -> Self {
        let mut layout = Self { entries: Vec::new(), parameter_count: 0 };
        for TensorSpec { name, shape, .. } in architecture.tensors() {
            layout.push(name, shape);
        }
        layout
    }

    /// The tensors, in order.
    #[must_use]
    pub fn entries(&self) -> &[LayoutEntry] {
        &self.entries
    }

    /// The length of the flat vector.
    #[must_use]
    pub const fn parameter_count(&self) -> usize {
        self.parameter_count
    }

    /// The parameters before the last `layers` dense layers: what contributors share when those are personal.
    /// None if there are not so many, or if nothing would be shared.
    ///
    /// Source: Arivazhagan et al. 2019, "Federated Learning with Personalization Layers", §3.
    #[must_use]
    pub fn shared_count(&self, layers: usize) -> Option<usize> {
        // A dense layer is a weight and a bias, and dense layers come last.
        let first = self.entries.len().checked_sub(layers.checked_mul(2)?)?;
        let (shared, personal) = self.entries.split_at(first);
        let dense = personal.iter().all(|entry| entry.name.starts_with("layers."));
        (dense && !shared.is_empty())
            .then(|| personal.first().map_or(self.parameter_count, |first| first.offset))
    }

    fn push(&mut self, name: String, shape: Vec<usize>) {
        let entry = LayoutEntry { name, shape, offset: self.parameter_count };
        self.parameter_count += entry.element_count();
        self.entries.push(entry);
    }
}

/// A tensor of an architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TensorSpec {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) initial: Initial,
}

/// What the values of a tensor are drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Initial {
    /// Uniform in `±1/√inputs`.
    Uniform {
        /// The inputs of one unit.
        inputs: usize,
    },
    /// Normal with mean 0 and variance 1.
    Normal,
}

impl TensorSpec {
    pub(crate) fn element_count(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The weights and biases of dense layers, given the (inputs, outputs) of each.
pub(crate) fn dense(layers: &[(usize, usize)]) -> Vec<TensorSpec> {
    let tensors = |(index, &(inputs, outputs)): (usize, &(usize, usize))| {
        let tensor = |name: &str, shape| TensorSpec {
            name: format!("layers.{index}.{name}"),
            shape,
            initial: Initial::Uniform { inputs },
        };
        [tensor("weight", vec![inputs, outputs]), tensor("bias", vec![outputs])]
    };
    layers.iter().enumerate().flat_map(tensors).collect()
}

/// Bytes: number of tensors (u32), then each one's name, rank and dimensions (u32) and offset (u64).
impl Encode for UpdateLayout {
    fn encode(&self, writer: &mut Writer) {
        let u32_from = |size| u32::try_from(size).expect("sizes are bounded below 2^32");
        writer.u32(u32_from(self.entries.len()));
        for entry in &self.entries {
            writer.text(&entry.name);
            writer.u32(u32_from(entry.shape.len()));
            for &dimension in &entry.shape {
                writer.u32(u32_from(dimension));
            }
            writer.u64(entry.offset as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cnn, MlpShape};

    fn check(hidden: &[usize], expected: &[(&str, &[usize], usize)], parameters: usize) {
        let shape = MlpShape { inputs: 11, hidden: hidden.to_vec(), classes: 2 };
        let layout = Architecture::mlp(shape).unwrap().layout();
        let entries: Vec<_> =
            layout.entries().iter().map(|e| (e.name.as_str(), &e.shape[..], e.offset)).collect();
        assert_eq!(entries, expected);
        assert_eq!(layout.parameter_count(), parameters);
    }

    #[test]
    fn the_layout_of_11_32_2_is_pinned() {
        let expected: [(&str, &[usize], usize); 4] = [
            ("layers.0.weight", &[11, 32], 0),
            ("layers.0.bias", &[32], 352),
            ("layers.1.weight", &[32, 2], 384),
            ("layers.1.bias", &[2], 448),
        ];
        check(&[32], &expected, 450);
    }

    #[test]
    fn without_hidden_layers_there_is_one_layer() {
        check(&[], &[("layers.0.weight", &[11, 2], 0), ("layers.0.bias", &[2], 22)], 24);
    }

    #[test]
    fn the_last_dense_layers_can_be_personal_and_something_is_shared() {
        let layout = Architecture::Cnn(Cnn::small()).layout();
        assert_eq!(layout.shared_count(0), Some(80_202));
        assert_eq!(layout.shared_count(1), Some(78_912));
        assert_eq!(layout.shared_count(2), Some(13_248));
        assert_eq!(layout.shared_count(3), None, "a convolution is no dense layer");
        assert_eq!(layout.shared_count(usize::MAX), None);
        let shape = MlpShape { inputs: 11, hidden: vec![32], classes: 2 };
        let layout = Architecture::mlp(shape).unwrap().layout();
        assert_eq!((layout.shared_count(1), layout.shared_count(2)), (Some(384), None));
    }

    #[test]
    fn the_layout_of_a_convolutional_network_is_pinned() {
        let layout = Architecture::Cnn(Cnn::small()).layout();
        let entries: Vec<_> =
            layout.entries().iter().map(|e| (e.name.as_str(), &e.shape[..], e.offset)).collect();
        let expected: [(&str, &[usize], usize); 8] = [
            ("convolutions.0.weight", &[16, 1, 5, 5], 0),
            ("convolutions.0.bias", &[16], 400),
            ("convolutions.1.weight", &[32, 16, 5, 5], 416),
            ("convolutions.1.bias", &[32], 13_216),
            ("layers.0.weight", &[512, 128], 13_248),
            ("layers.0.bias", &[128], 78_784),
            ("layers.1.weight", &[128, 10], 78_912),
            ("layers.1.bias", &[10], 80_192),
        ];
        assert_eq!(entries, expected);
    }

    #[test]
    fn the_canonical_bytes_are_pinned() {
        let shape = MlpShape { inputs: 11, hidden: vec![], classes: 2 };
        let mut expected = Vec::new();
        expected.extend(2_u32.to_be_bytes());
        expected.extend(15_u32.to_be_bytes());
        expected.extend(b"layers.0.weight");
        expected.extend([0, 0, 0, 2, 0, 0, 0, 11, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend(13_u32.to_be_bytes());
        expected.extend(b"layers.0.bias");
        expected.extend([0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 22]);
        assert_eq!(Architecture::mlp(shape).unwrap().layout().to_bytes(), expected);
    }
}
