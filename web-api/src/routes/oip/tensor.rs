//! Tensors of a request, and the rows that they hold.

use serde::Deserialize;
use serde_json::Value;
use trainer_model::Architecture;
use utoipa::ToSchema;

use super::datatype::Datatype;
use super::parameters::InputParameters;
use crate::ShelvedModel;
use crate::api_error::ApiError;
use crate::inference::ROWS_MAX;

/// The one input that holds all features.
pub(super) const INPUT: &str = "input";
/// Class probabilities, `[rows, classes]`.
pub(super) const PROBABILITIES: &str = "probabilities";
/// The most probable class of each row, `[rows]`.
pub(super) const LABEL: &str = "label";

/// A tensor of a request.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct InputTensor {
    /// `input` for all features in one tensor, or the name of a feature.
    #[schema(example = "input")]
    pub(super) name: String,
    /// Rows, and then the features in any shape that has as many values, such as channels, height and width of an image.
    #[schema(example = json!([1, 11]))]
    pub(super) shape: Vec<u64>,
    /// `BOOL`, `UINT8` to `UINT64`, `INT8` to `INT64`, `FP16`, `FP32` or `FP64`; `BYTES` for models of text.
    #[schema(example = "FP32")]
    pub(super) datatype: String,
    /// How the values are sent.
    #[serde(default)]
    pub(super) parameters: InputParameters,
    /// The values row by row, flat or nested as the shape says. Absent where they follow in binary.
    #[schema(value_type = Vec<f64>)]
    pub(super) data: Option<Value>,
}

pub(super) fn refused(why: impl Into<String>) -> ApiError {
    ApiError::Malformed(why.into())
}

/// The rows of a request's tensors, `[rows, inputs]`, row-major.
///
/// * `binary` — what follows the request's JSON: the tensors' values one after the other.
pub(super) fn rows(
    tensors: &[InputTensor],
    model: &ShelvedModel,
    mut binary: &[u8],
) -> Result<Vec<f32>, ApiError> {
    let features = model.schema().features();
    let width = model.architecture().inputs();
    let values = match tensors {
        [tensor] if tensor.name == INPUT || !features.contains(&tensor.name) => {
            named(tensor, INPUT)?;
            let vocabulary = vocabulary(model);
            values_of(tensor, width, vocabulary, &mut binary)?
        }
        tensors => rows_by_feature(tensors, features, &mut binary)?,
    };
    if !binary.is_empty() {
        return Err(refused(format!("{} bytes of the body belong to no tensor", binary.len())));
    }
    Ok(values)
}

/// The characters of a model of text, in the order of their indices.
fn vocabulary(model: &ShelvedModel) -> Option<&[String]> {
    let is_text = matches!(model.architecture(), Architecture::CharGru(_));
    is_text.then(|| model.schema().classes())
}

fn named(tensor: &InputTensor, expected: &str) -> Result<(), ApiError> {
    if tensor.name == expected {
        return Ok(());
    }
    Err(refused(format!(
        "expected the input {expected:?}, or one for each feature; got {:?}",
        tensor.name
    )))
}

/// One tensor for each feature, each with a value for each row.
fn rows_by_feature(
    tensors: &[InputTensor],
    features: &[String],
    binary: &mut &[u8],
) -> Result<Vec<f32>, ApiError> {
    if tensors.len() != features.len() {
        let (expected, got) = (features.len(), tensors.len());
        return Err(refused(format!(
            "expected the input {INPUT:?} alone, or {expected} inputs, one for each feature; got {got}"
        )));
    }
    let mut rows = None;
    let mut columns: Vec<Option<Vec<f32>>> = vec![None; features.len()];
    for tensor in tensors {
        let column = features.iter().position(|feature| *feature == tensor.name);
        let column =
            column.ok_or_else(|| refused(format!("there is no feature {:?}", tensor.name)))?;
        let values = values_of(tensor, 1, None, binary)?;
        let expected = *rows.get_or_insert(values.len());
        if values.len() != expected {
            let (name, got) = (&tensor.name, values.len());
            return Err(refused(format!("{name:?} has {got} rows, others have {expected}")));
        }
        if columns[column].replace(values).is_some() {
            return Err(refused(format!("{:?} is there twice", tensor.name)));
        }
    }
    // As many different ones as there are: each is there.
    let columns: Vec<Vec<f32>> = columns.into_iter().flatten().collect();
    let row = |row: usize| columns.iter().map(move |column| column[row]);
    Ok((0..rows.unwrap_or(0)).flat_map(row).collect())
}

/// The values of a tensor, `[rows, width]`.
fn values_of(
    tensor: &InputTensor,
    width: usize,
    vocabulary: Option<&[String]>,
    binary: &mut &[u8],
) -> Result<Vec<f32>, ApiError> {
    let datatype = Datatype::parse(&tensor.datatype)?;
    tensor.parameters.refuse_shared_memory()?;
    if datatype == Datatype::Bytes {
        let Some(vocabulary) = vocabulary else {
            return Err(refused("the model takes numbers: BYTES is for models of text"));
        };
        let rows = rows_from_shape(&tensor.shape, 1)?;
        let texts = texts(tensor, rows, binary)?;
        let indices = texts.iter().map(|text| indices(text, width, vocabulary));
        return Ok(indices.collect::<Result<Vec<_>, _>>()?.concat());
    }
    let count = rows_from_shape(&tensor.shape, width)? * width;
    if let Some(length) = tensor.parameters.binary_data_size {
        if tensor.data.is_some() {
            return Err(refused(format!("{:?} has both data and binary data", tensor.name)));
        }
        let bytes = take(binary, length, &tensor.name)?;
        return values_from_bytes(bytes, datatype, count);
    }
    let data = tensor.data.as_ref();
    let data = data.ok_or_else(|| refused(format!("{:?} has no data", tensor.name)))?;
    let mut values = Vec::with_capacity(count);
    visit(data, &tensor.shape, count, &mut |value| {
        let number =
            datatype.number_from_json(value).ok_or_else(|| not_of(datatype, values.len()))?;
        values.push(number);
        Ok(())
    })?;
    Ok(values)
}

fn not_of(datatype: Datatype, position: usize) -> ApiError {
    let name = datatype.name();
    refused(format!("value {position} of the data is no {name} with the same number as FP32"))
}

fn rows_from_shape(shape: &[u64], width: usize) -> Result<usize, ApiError> {
    let expected = || {
        refused(format!(
            "expected a shape of 1 to {ROWS_MAX} rows of {width} values, got {shape:?}"
        ))
    };
    let (rows, row) = shape.split_first().ok_or_else(expected)?;
    let values = row.iter().try_fold(1_u64, |product, side| product.checked_mul(*side));
    let rows = usize::try_from(*rows).map_err(|_source| expected())?;
    let fits = (1..=ROWS_MAX).contains(&rows) && values == u64::try_from(width).ok();
    if fits { Ok(rows) } else { Err(expected()) }
}

/// Hands the `count` elements of JSON data to `element`: a flat list, or lists in lists as `shape` says.
fn visit(
    data: &Value,
    shape: &[u64],
    count: usize,
    element: &mut impl FnMut(&Value) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    let items = data.as_array().ok_or_else(|| refused("the data are no list"))?;
    if !items.first().is_some_and(Value::is_array) {
        if items.len() != count {
            return Err(refused(format!("expected {count} values, got {}", items.len())));
        }
        return items.iter().try_for_each(element);
    }
    visit_nested(data, shape, element)
}

fn visit_nested(
    data: &Value,
    shape: &[u64],
    element: &mut impl FnMut(&Value) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    let Some((length, inner)) = shape.split_first() else { return element(data) };
    let items = data.as_array().filter(|items| u64::try_from(items.len()) == Ok(*length));
    let items = items.ok_or_else(|| {
        refused(format!(
            "the data are nested otherwise than the shape: a list of {length} was expected"
        ))
    })?;
    items.iter().try_for_each(|item| visit_nested(item, inner, element))
}

/// The next `length` bytes of the binary part.
fn take<'a>(binary: &mut &'a [u8], length: u64, name: &str) -> Result<&'a [u8], ApiError> {
    let fits = usize::try_from(length).ok().and_then(|length| binary.split_at_checked(length));
    let (bytes, rest) = fits.ok_or_else(|| {
        let got = binary.len();
        refused(format!("{name:?} announces {length} bytes of binary data, {got} are left"))
    })?;
    *binary = rest;
    Ok(bytes)
}

fn values_from_bytes(bytes: &[u8], datatype: Datatype, count: usize) -> Result<Vec<f32>, ApiError> {
    let element = datatype.element_bytes().unwrap_or(1);
    let expected = count * element;
    if bytes.len() != expected {
        let (name, got) = (datatype.name(), bytes.len());
        return Err(refused(format!(
            "{count} values of {name} are {expected} bytes, the request announces {got}"
        )));
    }
    let value = |(position, bytes)| {
        datatype.number_from_bytes(bytes).ok_or_else(|| not_of(datatype, position))
    };
    bytes.chunks_exact(element).enumerate().map(value).collect()
}

/// The elements of a BYTES tensor.
fn texts(tensor: &InputTensor, rows: usize, binary: &mut &[u8]) -> Result<Vec<String>, ApiError> {
    let mut texts = Vec::with_capacity(rows);
    if let Some(length) = tensor.parameters.binary_data_size {
        let mut bytes = take(binary, length, &tensor.name)?;
        while let Some((length, rest)) = bytes.split_first_chunk() {
            bytes = rest;
            let text = take(&mut bytes, u32::from_le_bytes(*length).into(), &tensor.name)?;
            let text = str::from_utf8(text).map_err(|_source| refused("a text is not UTF-8"))?;
            texts.push(text.to_owned());
        }
        if !bytes.is_empty() || texts.len() != rows {
            return Err(refused(format!(
                "the binary data are not {rows} texts with their lengths"
            )));
        }
        return Ok(texts);
    }
    let data = tensor.data.as_ref();
    let data = data.ok_or_else(|| refused(format!("{:?} has no data", tensor.name)))?;
    visit(data, &tensor.shape, rows, &mut |value| {
        let text = value.as_str().ok_or_else(|| refused("an element of BYTES is no text"))?;
        texts.push(text.to_owned());
        Ok(())
    })?;
    Ok(texts)
}

/// A text as the indices of its characters.
fn indices(text: &str, width: usize, vocabulary: &[String]) -> Result<Vec<f32>, ApiError> {
    let mut buffer = [0; 4];
    let index = |character: char| {
        let character = character.encode_utf8(&mut buffer);
        let index = vocabulary.iter().position(|known| known == character);
        // A vocabulary is far smaller than what FP32 counts exactly.
        let index = index.and_then(|index| u16::try_from(index).ok()).map(f32::from);
        index.ok_or_else(|| refused(format!("the model does not know the character {character:?}")))
    };
    let indices: Vec<f32> = text.chars().map(index).collect::<Result<_, _>>()?;
    if indices.len() == width {
        return Ok(indices);
    }
    let got = indices.len();
    Err(refused(format!("the model takes texts of {width} characters, got one of {got}")))
}

#[cfg(test)]
mod tests;
