//! Tensors of a response: in JSON, or in binary after it.

use serde::{Deserialize, Serialize};
use trainer_model::Attribution;
use utoipa::ToSchema;

use super::parameters::{BinaryParameters, OutputParameters, RequestParameters};
use super::tensor::{LABEL, PROBABILITIES, refused};
use crate::api_error::ApiError;
use crate::inference::{ServedModel, SoldPrediction};

/// An output that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct WantedOutput {
    /// `probabilities` or `label`.
    pub(super) name: String,
    /// How it is wanted.
    #[serde(default)]
    pub(super) parameters: OutputParameters,
}

/// A tensor of a response.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OutputTensor {
    /// `probabilities`, `label`, or one of an explanation.
    name: &'static str,
    /// Its dimensions.
    shape: Vec<usize>,
    /// `FP32` or `BYTES`.
    datatype: &'static str,
    /// Where the values are, if they are binary.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<BinaryParameters>,
    /// The values row by row: numbers, or texts. Absent if they are binary.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<TensorData>,
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

/// An output as it was asked for, checked before anything is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Output {
    name: &'static str,
    encoding: Encoding,
    /// How many classes of each row, instead of all probabilities.
    classification: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Json,
    Binary,
}

impl Output {
    /// The outputs that a request wants, in its order; all if it names none.
    pub(super) fn wanted(
        wanted: &[WantedOutput],
        request: &RequestParameters,
    ) -> Result<Vec<Self>, ApiError> {
        let all = [PROBABILITIES, LABEL];
        let encoding = |binary| if binary { Encoding::Binary } else { Encoding::Json };
        let default = request.binary_data_output;
        if wanted.is_empty() {
            let output = |name| Self { name, encoding: encoding(default), classification: None };
            return Ok(all.map(output).to_vec());
        }
        let mut outputs: Vec<Self> = Vec::with_capacity(all.len());
        for WantedOutput { name, parameters } in wanted {
            let known = all.into_iter().find(|known| known == name);
            let name = known.ok_or_else(|| refused(format!("there is no output {name:?}")))?;
            if outputs.iter().any(|output| output.name == name) {
                return Err(refused(format!("the output {name:?} is asked for twice")));
            }
            parameters.refuse_shared_memory()?;
            let classification = classes(name, parameters.classification)?;
            let encoding = encoding(parameters.binary_data.unwrap_or(default));
            outputs.push(Self { name, encoding, classification });
        }
        Ok(outputs)
    }

    /// The output's tensor; binary values are put behind those in `binary`.
    pub(super) fn tensor(
        self,
        served: &ServedModel,
        sold: &SoldPrediction,
        binary: &mut Vec<u8>,
    ) -> OutputTensor {
        let predictions = &sold.predictions;
        let rows = predictions.count();
        let classes = served.model.schema().classes();
        let (shape, data) = match (self.name, self.classification) {
            (LABEL, _) => {
                let labels = predictions.labels().map(|label| classes[label].clone());
                (vec![rows], TensorData::Texts(labels.collect()))
            }
            (_, Some(count)) => {
                let count = count.min(predictions.classes());
                let texts = predictions.rows().flat_map(|row| best(row, count, classes));
                (vec![rows, count], TensorData::Texts(texts.collect()))
            }
            (_, None) => {
                let numbers = TensorData::Numbers(predictions.probabilities().to_vec());
                (vec![rows, predictions.classes()], numbers)
            }
        };
        OutputTensor::new(self.name, shape, data, (self.encoding, binary))
    }
}

impl OutputTensor {
    fn new(
        name: &'static str,
        shape: Vec<usize>,
        data: TensorData,
        (encoding, binary): (Encoding, &mut Vec<u8>),
    ) -> Self {
        let datatype = data.datatype();
        let (parameters, data) = match encoding {
            Encoding::Json => (None, Some(data)),
            Encoding::Binary => {
                let before = binary.len();
                data.write(binary);
                let binary_data_size = binary.len() - before;
                (Some(BinaryParameters { binary_data_size }), None)
            }
        };
        Self { name, shape, datatype, parameters, data }
    }
}

/// Why a prediction is as it is, if that was asked for: for each row, what each input adds to the probability of the
/// predicted class, the probability that a row of means would have, and what the sum of both misses.
pub(super) fn explanation(
    sold: &SoldPrediction,
    request: &RequestParameters,
    binary: &mut Vec<u8>,
) -> Vec<OutputTensor> {
    let Some(first) = sold.attributions.first() else { return Vec::new() };
    let (rows, inputs) = (sold.attributions.len(), first.values.len());
    let encoding = if request.binary_data_output { Encoding::Binary } else { Encoding::Json };
    let mut tensor = |name, shape, numbers: Vec<f64>| {
        let data = TensorData::Numbers(numbers.into_iter().map(f32_from_f64).collect());
        OutputTensor::new(name, shape, data, (encoding, &mut *binary))
    };
    let each = |number: fn(&Attribution) -> f64| sold.attributions.iter().map(number).collect();
    let values = sold.attributions.iter().flat_map(|row| row.values.iter().copied());
    vec![
        tensor("attributions", vec![rows, inputs], values.collect()),
        tensor("attribution_baseline", vec![rows], each(|row| row.baseline)),
        tensor("attribution_gap", vec![rows], each(|row| row.gap)),
    ]
}

#[expect(clippy::cast_possible_truncation, reason = "parts of a probability; rounding is wanted")]
const fn f32_from_f64(value: f64) -> f32 {
    value as f32
}

fn classes(name: &str, classification: Option<u32>) -> Result<Option<usize>, ApiError> {
    let Some(count) = classification else { return Ok(None) };
    if name != PROBABILITIES {
        return Err(refused(format!("{name:?} has no values to classify by")));
    }
    if count == 0 {
        return Err(refused("a classification has at least one class"));
    }
    // More classes than there are is all of them.
    Ok(Some(usize::try_from(count).unwrap_or(usize::MAX)))
}

/// The `count` most probable classes of a row, as `value:index:label`; of equals, the first comes first.
fn best(row: &[f32], count: usize, classes: &[String]) -> impl Iterator<Item = String> {
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|a, b| row[*b].total_cmp(&row[*a]));
    order.truncate(count);
    order.into_iter().map(move |index| format!("{:.6}:{index}:{}", row[index], classes[index]))
}

impl TensorData {
    const fn datatype(&self) -> &'static str {
        match self {
            Self::Numbers(_) => "FP32",
            Self::Texts(_) => "BYTES",
        }
    }

    /// The binary form: little-endian, row-major; a text is its length in 4 bytes and then itself.
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Numbers(numbers) => {
                out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
            }
            Self::Texts(texts) => {
                for text in texts {
                    let length = u32::try_from(text.len()).expect("names of classes are short");
                    out.extend(length.to_le_bytes());
                    out.extend(text.as_bytes());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(name: &str, parameters: OutputParameters) -> WantedOutput {
        WantedOutput { name: name.to_owned(), parameters }
    }

    #[test]
    fn outputs_are_binary_by_the_requests_word_unless_they_say_otherwise() {
        let request = RequestParameters { binary_data_output: true, ..Default::default() };
        let own = OutputParameters { binary_data: Some(false), ..Default::default() };
        let outputs = [wanted(LABEL, own), wanted(PROBABILITIES, OutputParameters::default())];
        let outputs = Output::wanted(&outputs, &request).unwrap();
        let encodings: Vec<_> = outputs.iter().map(|output| output.encoding).collect();
        assert_eq!(encodings, [Encoding::Json, Encoding::Binary]);
        assert_eq!(outputs[0].name, LABEL, "in the order of the request");
    }

    #[test]
    fn what_cannot_be_given_is_refused() {
        let one = |name: &str, parameters| {
            Output::wanted(&[wanted(name, parameters)], &RequestParameters::default())
        };
        assert!(one("logits", OutputParameters::default()).is_err());
        let classification =
            |count| OutputParameters { classification: Some(count), ..OutputParameters::default() };
        assert!(one(LABEL, classification(1)).is_err());
        assert!(one(PROBABILITIES, classification(0)).is_err());
        assert!(one(PROBABILITIES, classification(u32::MAX)).is_ok());
        let shared =
            OutputParameters { shared_memory_region: Some("x".to_owned()), ..Default::default() };
        assert!(one(LABEL, shared).is_err());
        let twice = || wanted(LABEL, OutputParameters::default());
        assert!(Output::wanted(&[twice(), twice()], &RequestParameters::default()).is_err());
    }

    #[test]
    fn the_best_classes_come_first_and_ties_in_order() {
        let classes = ["a", "b", "c"].map(str::to_owned);
        let best: Vec<_> = best(&[0.25, 0.5, 0.25], 2, &classes).collect();
        assert_eq!(best, ["0.500000:1:b", "0.250000:0:a"]);
    }

    #[test]
    fn the_binary_form_is_pinned() {
        let mut out = vec![7];
        TensorData::Numbers(vec![1.0, -2.0]).write(&mut out);
        TensorData::Texts(vec!["é".to_owned(), String::new()]).write(&mut out);
        let expected = [7, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 2, 0, 0, 0, 0xc3, 0xa9, 0, 0, 0, 0];
        assert_eq!(out, expected);
    }
}
