//! Tensors of the protocol, and the rows that they hold.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::api_error::ApiError;
use crate::inference::ROWS_MAX;

/// The one input.
pub(super) const INPUT: &str = "input";
/// Class probabilities, `[rows, classes]`.
pub(super) const PROBABILITIES: &str = "probabilities";
/// The most probable class of each row, `[rows]`.
pub(super) const LABEL: &str = "label";

/// A tensor of a request.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct InputTensor {
    /// `input`, the only one.
    #[schema(example = "input")]
    pub(super) name: String,
    /// Rows and features.
    #[schema(example = json!([1, 11]))]
    pub(super) shape: Vec<u64>,
    /// `FP32` or `FP64`.
    #[schema(example = "FP32")]
    pub(super) datatype: String,
    /// The values row by row, flat or nested.
    #[schema(value_type = Vec<f64>)]
    pub(super) data: Option<Value>,
}

/// A tensor of a response.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OutputTensor {
    /// `probabilities` or `label`.
    pub(super) name: &'static str,
    /// Its dimensions.
    pub(super) shape: Vec<usize>,
    /// `FP32` or `BYTES`.
    pub(super) datatype: &'static str,
    /// The values row by row: numbers, or the names of classes.
    pub(super) data: TensorData,
}

/// Values of one type.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum TensorData {
    /// Of type `FP32`.
    Numbers(Vec<f32>),
    /// Of type `BYTES`.
    Texts(Vec<String>),
}

fn refused(why: impl Into<String>) -> ApiError {
    ApiError::Malformed(why.into())
}

/// The rows of a request's tensors, `[rows, inputs]`, row-major.
///
/// * `inputs` — features of the model.
pub(super) fn rows(tensors: &[InputTensor], inputs: usize) -> Result<Vec<f32>, ApiError> {
    let [tensor] = tensors else {
        return Err(refused(format!("expected one input, got {}", tensors.len())));
    };
    if tensor.name != INPUT {
        return Err(refused(format!("expected the input {INPUT:?}, got {:?}", tensor.name)));
    }
    if !["FP32", "FP64"].contains(&tensor.datatype.as_str()) {
        return Err(refused(format!("expected FP32 or FP64, got {:?}", tensor.datatype)));
    }
    let rows = rows_from_shape(&tensor.shape, inputs)?;
    let data = tensor.data.as_ref().ok_or_else(|| refused("the input has no data"))?;
    values(data, rows, inputs)
}

fn rows_from_shape(shape: &[u64], inputs: usize) -> Result<usize, ApiError> {
    let expected =
        || refused(format!("expected the shape [1 to {ROWS_MAX}, {inputs}], got {shape:?}"));
    let [rows, features] = shape else {
        return Err(expected());
    };
    let rows = usize::try_from(*rows).map_err(|_source| expected())?;
    let fits = (1..=ROWS_MAX).contains(&rows) && usize::try_from(*features) == Ok(inputs);
    if fits { Ok(rows) } else { Err(expected()) }
}

fn values(data: &Value, rows: usize, inputs: usize) -> Result<Vec<f32>, ApiError> {
    let items = data.as_array().ok_or_else(|| refused("the data are no list"))?;
    let values: Vec<f32> = if items.first().is_some_and(Value::is_array) {
        if items.len() != rows {
            return Err(refused(format!("expected {rows} rows, got {}", items.len())));
        }
        let mut values = Vec::with_capacity(rows * inputs);
        for (index, row) in items.iter().enumerate() {
            let row = row.as_array().filter(|row| row.len() == inputs);
            let row = row
                .ok_or_else(|| refused(format!("row {index} is not a list of {inputs} numbers")))?;
            for value in row {
                values.push(number(value)?);
            }
        }
        values
    } else {
        items.iter().map(number).collect::<Result<_, _>>()?
    };
    let expected = rows * inputs;
    if values.len() == expected {
        Ok(values)
    } else {
        Err(refused(format!("expected {expected} values, got {}", values.len())))
    }
}

/// A finite number in the range of 32-bit floats; finer digits are rounded away.
fn number(value: &Value) -> Result<f32, ApiError> {
    let number = value.as_f64().map(f32_from_f64).filter(|number| number.is_finite());
    number.ok_or_else(|| refused("the data have a value that is not a number in the range of FP32"))
}

#[expect(clippy::cast_possible_truncation, reason = "rounding is wanted; infinity is refused")]
const fn f32_from_f64(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn tensor(shape: &[u64], data: Value) -> InputTensor {
        let (name, datatype) = (INPUT.to_owned(), "FP32".to_owned());
        InputTensor { name, shape: shape.to_vec(), datatype, data: Some(data) }
    }

    #[test]
    fn flat_and_nested_data_are_the_same_rows() {
        for data in [json!([1, 2.5, -3, 4]), json!([[1, 2.5], [-3, 4]])] {
            assert_eq!(rows(&[tensor(&[2, 2], data)], 2).unwrap(), [1.0, 2.5, -3.0, 4.0]);
        }
    }

    #[test]
    fn data_that_are_not_of_the_shape_are_refused() {
        let cases = [
            (vec![2, 2], json!([1, 2, 3])),
            (vec![2, 2], json!([[1, 2], [3]])),
            (vec![2, 2], json!([[1, 2], 3])),
            (vec![2, 2], json!([[1, 2]])),
            (vec![2, 3], json!([1, 2, 3, 4, 5, 6])),
            (vec![0, 2], json!([])),
            (vec![1_025, 2], json!(vec![0; 2_050])),
            (vec![u64::MAX, 2], json!([])),
            (vec![2], json!([1, 2])),
            (vec![1, 2], json!("12")),
            (vec![1, 2], json!([1, null])),
            (vec![1, 2], json!([1, "2"])),
            (vec![1, 2], json!([1, 1e300])),
            (vec![1, 2], json!([1, [2]])),
            (vec![1, 2], json!(null)),
        ];
        for (shape, data) in cases {
            let text = data.to_string();
            let got = rows(&[tensor(&shape, data)], 2);
            assert!(matches!(got, Err(ApiError::Malformed(_))), "{shape:?} {text}");
        }
    }

    #[test]
    fn other_tensors_are_refused() {
        let good = || tensor(&[1, 1], json!([1]));
        assert!(rows(&[], 1).is_err());
        assert!(rows(&[good(), good()], 1).is_err());
        assert!(rows(&[InputTensor { name: "x".to_owned(), ..good() }], 1).is_err());
        assert!(rows(&[InputTensor { datatype: "INT8".to_owned(), ..good() }], 1).is_err());
        assert!(rows(&[InputTensor { data: None, ..good() }], 1).is_err());
    }

    proptest! {
        #[test]
        fn rows_are_as_many_as_the_shape_says_and_finite(
            shape in proptest::collection::vec(0_u64..5, 0..4),
            data in proptest::collection::vec(proptest::num::f64::ANY, 0..10),
        ) {
            if let Ok(values) = rows(&[tensor(&shape, json!(data))], 2) {
                prop_assert_eq!(values.len(), data.len());
                prop_assert!(values.iter().all(|value| value.is_finite()));
            }
        }
    }
}
