use datasets::{Schema, Standardiser};
use proptest::prelude::*;
use serde_json::json;
use trainer_model::{CharGruShape, MlpShape, Parameters};

use super::*;

fn shelved(architecture: Architecture, features: &[&str], classes: &[&str]) -> ShelvedModel {
    let values = vec![0.5; architecture.parameter_count()];
    let parameters = Parameters::new(&architecture.layout(), values).unwrap();
    let inputs = architecture.inputs();
    let standardiser = Standardiser::new(vec![0.0; inputs], vec![1.0; inputs]).unwrap();
    let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let schema = Schema::new(texts(features), "label".to_owned(), texts(classes)).unwrap();
    ShelvedModel::new(architecture, parameters, standardiser, schema).unwrap()
}

/// Two features, `a` and `b`.
fn model() -> ShelvedModel {
    let shape = MlpShape { inputs: 2, hidden: vec![], classes: 2 };
    shelved(Architecture::mlp(shape).unwrap(), &["a", "b"], &["no", "yes"])
}

/// Texts of three characters of `x`, `y` and `é`.
fn text_model() -> ShelvedModel {
    let shape = CharGruShape { vocabulary: 3, embedding: 1, hidden: 1, layers: 1, context: 3 };
    shelved(Architecture::char_gru(shape).unwrap(), &["1", "2", "3"], &["x", "y", "é"])
}

fn tensor(shape: &[u64], datatype: &str, data: Value) -> InputTensor {
    InputTensor {
        name: INPUT.to_owned(),
        shape: shape.to_vec(),
        datatype: datatype.to_owned(),
        parameters: InputParameters::default(),
        data: Some(data),
    }
}

fn binary(shape: &[u64], datatype: &str, length: u64) -> InputTensor {
    let binary_data_size = Some(length);
    let parameters = InputParameters { binary_data_size, ..InputParameters::default() };
    InputTensor { parameters, data: None, ..tensor(shape, datatype, json!(null)) }
}

fn json_rows(tensors: &[InputTensor]) -> Result<Vec<f32>, ApiError> {
    rows(tensors, &model(), &[])
}

#[test]
fn flat_and_nested_data_of_any_shape_are_the_same_rows() {
    let expected = [1.0, 2.5, -3.0, 4.0];
    let cases = [
        (vec![2, 2], json!([1, 2.5, -3, 4])),
        (vec![2, 2], json!([[1, 2.5], [-3, 4]])),
        (vec![2, 1, 2], json!([[[1, 2.5]], [[-3, 4]]])),
        (vec![2, 2, 1], json!([1, 2.5, -3, 4])),
    ];
    for (shape, data) in cases {
        assert_eq!(json_rows(&[tensor(&shape, "FP32", data)]).unwrap(), expected);
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
        (vec![1, u64::MAX, 2], json!([])),
        (vec![2], json!([1, 2])),
        (vec![], json!([1, 2])),
        (vec![1, 2], json!("12")),
        (vec![1, 2], json!([1, null])),
        (vec![1, 2], json!([1, "2"])),
        (vec![1, 2], json!([1, 1e300])),
        (vec![1, 2], json!([1, [2]])),
        (vec![1, 2], json!(null)),
    ];
    for (shape, data) in cases {
        let text = data.to_string();
        let got = json_rows(&[tensor(&shape, "FP32", data)]);
        assert!(matches!(got, Err(ApiError::Malformed(_))), "{shape:?} {text}");
    }
}

#[test]
fn other_tensors_are_refused() {
    let good = || tensor(&[1, 2], "FP32", json!([1, 2]));
    assert!(json_rows(&[]).is_err());
    assert!(json_rows(&[good(), good()]).is_err());
    assert!(json_rows(&[InputTensor { name: "x".to_owned(), ..good() }]).is_err());
    assert!(json_rows(&[InputTensor { data: None, ..good() }]).is_err());
    let region = Some("region".to_owned());
    let shared = InputParameters { shared_memory_region: region, ..InputParameters::default() };
    assert!(json_rows(&[InputTensor { parameters: shared, ..good() }]).is_err());
    let texts = json_rows(&[tensor(&[1, 2], "BYTES", json!(["1", "2"]))]).unwrap_err();
    assert!(texts.to_string().contains("numbers"), "{texts}");
}

#[test]
fn one_tensor_for_each_feature_is_taken_in_any_order() {
    let named =
        |name: &str, data| InputTensor { name: name.to_owned(), ..tensor(&[2], "INT32", data) };
    let (a, b) = (|| named("a", json!([1, 2])), || named("b", json!([3, 4])));
    assert_eq!(json_rows(&[a(), b()]).unwrap(), [1.0, 3.0, 2.0, 4.0]);
    assert_eq!(json_rows(&[b(), a()]).unwrap(), [1.0, 3.0, 2.0, 4.0]);
    assert!(json_rows(&[a(), a()]).is_err());
    assert!(json_rows(&[a()]).is_err());
    assert!(json_rows(&[a(), named("c", json!([3, 4]))]).is_err());
    let three = InputTensor { shape: vec![3, 1], ..named("b", json!([3, 4, 5])) };
    assert!(json_rows(&[a(), three]).is_err());
}

#[test]
fn binary_values_are_taken_in_order_and_whole() {
    let mut bytes = Vec::new();
    bytes.extend([1_i16, -2].iter().flat_map(|value| value.to_le_bytes()));
    let got = rows(&[binary(&[1, 2], "INT16", 4)], &model(), &bytes);
    assert_eq!(got.unwrap(), [1.0, -2.0]);
    for (announced, datatype, given) in
        [(4, "FP32", 4), (4, "INT16", 3), (4, "INT16", 5), (u64::MAX, "INT16", 4)]
    {
        let got = rows(&[binary(&[1, 2], datatype, announced)], &model(), &[0; 8][..given]);
        assert!(matches!(got, Err(ApiError::Malformed(_))), "{announced} {datatype} {given}");
    }
    let both = InputTensor { data: Some(json!([1, 2])), ..binary(&[1, 2], "INT16", 4) };
    assert!(rows(&[both], &model(), &bytes).is_err());
}

#[test]
fn texts_become_the_indices_of_their_characters() {
    let model = text_model();
    let expected = [0.0, 2.0, 1.0];
    let got = rows(&[tensor(&[1], "BYTES", json!(["xéy"]))], &model, &[]);
    assert_eq!(got.unwrap(), expected);
    let bytes = [&4_u32.to_le_bytes()[..], "xéy".as_bytes()].concat();
    let got = rows(&[binary(&[1, 1], "BYTES", 8)], &model, &bytes);
    assert_eq!(got.unwrap(), expected);
    let indices = rows(&[tensor(&[1, 3], "INT64", json!([0, 2, 1]))], &model, &[]);
    assert_eq!(indices.unwrap(), expected);
    for text in ["xy", "xyxy", "xyz"] {
        assert!(rows(&[tensor(&[1], "BYTES", json!([text]))], &model, &[]).is_err(), "{text}");
    }
    for bytes in [&[4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff][..], &[9, 0, 0, 0], &[1, 0]] {
        let tensor = binary(&[1], "BYTES", u64::try_from(bytes.len()).unwrap());
        assert!(rows(&[tensor], &model, bytes).is_err(), "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn rows_are_as_many_as_the_shape_says_and_finite(
        shape in proptest::collection::vec(0_u64..5, 0..4),
        data in proptest::collection::vec(proptest::num::f64::ANY, 0..10),
    ) {
        if let Ok(values) = json_rows(&[tensor(&shape, "FP32", json!(data))]) {
            prop_assert_eq!(values.len(), data.len());
            prop_assert!(values.iter().all(|value| value.is_finite()));
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..40),
        length in 0_u64..48,
        datatype in proptest::sample::select(vec!["BOOL", "UINT64", "FP16", "FP32", "FP64", "BYTES"]),
    ) {
        for (model, shape) in [(model(), vec![2, 2]), (text_model(), vec![2])] {
            if let Ok(values) = rows(&[binary(&shape, datatype, length)], &model, &bytes) {
                prop_assert!(values.iter().all(|value| value.is_finite()));
            }
        }
    }
}
