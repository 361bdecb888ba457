//! The protocol's binary tensors, compressed bodies, element types and classification.
#![expect(clippy::unwrap_used, reason = "clippy's in-tests allowance does not reach helpers")]

use std::io::{Read as _, Write as _};

use axum::{body::Body, http::Request};
use flate2::{
    Compression,
    read::{GzDecoder, ZlibDecoder},
    write::{GzEncoder, ZlibEncoder},
};
use serde_json::{Value, json};

use super::support::{Node, Reply, two_rows};

/// A small number as an element.
type ToBytes = fn(u8) -> Vec<u8>;

/// The two rows of [`two_rows`] as bytes.
fn row_bytes() -> Vec<u8> {
    [1.0_f32, 10.0, 0.5, 14.0].iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn input(datatype: &str, length: usize) -> Value {
    json!({"name": "input", "shape": [2, 2], "datatype": datatype,
        "parameters": {"binary_data_size": length}})
}

async fn send_binary(node: &Node, key: &str, json: &Value, binary: &[u8]) -> Reply {
    let json = json.to_string();
    let request = Request::post("/v2/models/wine/infer")
        .header("authorization", format!("Bearer {key}"))
        .header("inference-header-content-length", json.len());
    let body = [json.as_bytes(), binary].concat();
    node.send(request.body(Body::from(body)).unwrap()).await
}

/// A response's JSON and what follows it.
fn parts(reply: &Reply) -> (Value, &[u8]) {
    let length: usize =
        reply.headers["inference-header-content-length"].to_str().unwrap().parse().unwrap();
    let (json, binary) = reply.body.split_at(length);
    (serde_json::from_slice(json).unwrap(), binary)
}

#[tokio::test]
async fn binary_tensors_go_both_ways_and_say_the_same_as_json() {
    let (node, key) = Node::with_calls(2).await;
    let expected = node.infer(&key, &two_rows()).await.json();
    let request = json!({"id": "7", "inputs": [input("FP32", 16)],
        "parameters": {"binary_data_output": true},
        "outputs": [{"name": "label"}, {"name": "probabilities"}]});
    let reply = send_binary(&node, &key, &request, &row_bytes()).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    assert_eq!(reply.headers["content-type"], "application/octet-stream");
    let (json, binary) = parts(&reply);
    assert_eq!(json["id"], "7");
    let sizes: Vec<_> = json["outputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| &o["parameters"]["binary_data_size"])
        .collect();
    assert_eq!(sizes, [16, 16]);
    assert!(json["outputs"][0].get("data").is_none());
    assert_eq!(&binary[..8], b"\x04\0\0\0fine");
    let numbers = binary[16..].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
    let said: Vec<f32> = serde_json::from_value(expected["outputs"][0]["data"].clone()).unwrap();
    assert_eq!(numbers.collect::<Vec<_>>(), said);
}

#[tokio::test]
async fn every_numeric_type_gives_the_same_prediction_in_json_and_in_binary() {
    let types: [(&str, ToBytes); 11] = [
        ("UINT8", |v| vec![v]),
        ("UINT16", |v| u16::from(v).to_le_bytes().to_vec()),
        ("UINT32", |v| u32::from(v).to_le_bytes().to_vec()),
        ("UINT64", |v| u64::from(v).to_le_bytes().to_vec()),
        ("INT8", |v| vec![v]),
        ("INT16", |v| i16::from(v).to_le_bytes().to_vec()),
        ("INT32", |v| i32::from(v).to_le_bytes().to_vec()),
        ("INT64", |v| i64::from(v).to_le_bytes().to_vec()),
        ("FP16", |v| half::f16::from_f32(f32::from(v)).to_le_bytes().to_vec()),
        ("FP32", |v| f32::from(v).to_le_bytes().to_vec()),
        ("FP64", |v| f64::from(v).to_le_bytes().to_vec()),
    ];
    let (node, key) = Node::with_calls(23).await;
    let rows = [1_u8, 10, 3, 9];
    let mut expected = None;
    for (datatype, bytes) in types {
        let binary: Vec<u8> = rows.iter().flat_map(|value| bytes(*value)).collect();
        let request = json!({"inputs": [input(datatype, binary.len())]});
        let reply = send_binary(&node, &key, &request, &binary).await;
        assert_eq!(reply.status, 200, "{datatype}: {}", reply.text());
        let outputs = reply.json()["outputs"].clone();
        assert_eq!(&outputs, expected.get_or_insert(outputs.clone()), "{datatype}");
        let input = json!({"name": "input", "shape": [2, 2], "datatype": datatype, "data": rows});
        let reply = node.infer(&key, &json!({"inputs": [input]})).await;
        assert_eq!(Some(&reply.json()["outputs"]), expected.as_ref(), "{datatype}");
    }
    let bits = json!({"inputs": [{"name": "input", "shape": [1, 2], "datatype": "BOOL",
        "data": [true, false]}]});
    assert_eq!(node.infer(&key, &bits).await.status, 200);
}

#[tokio::test]
async fn what_is_not_exactly_a_number_is_refused_and_costs_nothing() {
    let (node, key) = Node::with_calls(1).await;
    let tensor = |datatype: &str, data: Value| json!({"inputs": [{"name": "input", "shape": [1, 2], "datatype": datatype, "data": data}]});
    for (datatype, data) in [
        ("INT32", json!([16_777_217, 0])),
        ("UINT8", json!([256, 0])),
        ("INT64", json!([1.5, 0])),
        ("BOOL", json!([1, 0])),
        ("FP16", json!([70_000, 0])),
        ("BYTES", json!(["1", "0"])),
        ("FP8", json!([1, 0])),
    ] {
        node.infer(&key, &tensor(datatype, data)).await.assert_oip_error(400, "");
    }
    let nan = [f32::NAN.to_le_bytes(), 1_f32.to_le_bytes()].concat();
    let announced = |length: usize| {
        json!({"inputs": [{"name": "input", "shape": [1, 2],
        "datatype": "FP32", "parameters": {"binary_data_size": length}}]})
    };
    send_binary(&node, &key, &announced(8), &nan).await.assert_oip_error(400, "value 0");
    send_binary(&node, &key, &announced(7), &nan).await.assert_oip_error(400, "8 bytes");
    send_binary(&node, &key, &announced(16), &nan).await.assert_oip_error(400, "are left");
    let none =
        json!({"inputs": [{"name": "input", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]});
    send_binary(&node, &key, &none, &nan).await.assert_oip_error(400, "no tensor");
    assert_eq!(node.infer(&key, &two_rows()).await.status, 200);
}

#[tokio::test]
async fn a_classification_names_the_most_probable_classes() {
    let (node, key) = Node::with_calls(3).await;
    let mut body = two_rows();
    body["outputs"] = json!([{"name": "probabilities", "parameters": {"classification": 1}}]);
    let one = node.infer(&key, &body).await.json()["outputs"][0].clone();
    assert_eq!((&one["datatype"], &one["shape"]), (&json!("BYTES"), &json!([2, 1])));
    assert_eq!(one["data"][0], "0.562177:1:fine");
    body["outputs"][0]["parameters"]["classification"] = json!(99);
    let all = node.infer(&key, &body).await.json()["outputs"][0].clone();
    assert_eq!(all["shape"], json!([2, 2]), "there are no more");
    assert_eq!(all["data"][1], "0.437824:0:plain");
    body["outputs"] = json!([{"name": "label", "parameters": {"classification": 1}}]);
    node.infer(&key, &body).await.assert_oip_error(400, "label");
}

#[tokio::test]
async fn bodies_are_compressed_in_both_directions() {
    let (node, key) = Node::with_calls(2).await;
    let rows = [1.0, 10.0].repeat(200);
    let input = json!({"name": "input", "shape": [200, 2], "datatype": "FP32", "data": rows});
    let body = json!({"inputs": [input]}).to_string();
    let gzip = |body: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let deflate = |body: &str| {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let mut answers = Vec::new();
    for (coding, body) in [("gzip", gzip(&body)), ("deflate", deflate(&body))] {
        let request = Request::post("/v2/models/wine/infer")
            .header("authorization", format!("Bearer {key}"))
            .header("content-encoding", coding)
            .header("accept-encoding", coding);
        let reply = node.send(request.body(Body::from(body)).unwrap()).await;
        assert_eq!(
            (reply.status, &reply.headers["content-encoding"]),
            (200, &coding.parse().unwrap())
        );
        let mut text = String::new();
        match coding {
            "gzip" => GzDecoder::new(&reply.body[..]).read_to_string(&mut text).unwrap(),
            _ => ZlibDecoder::new(&reply.body[..]).read_to_string(&mut text).unwrap(),
        };
        let outputs = serde_json::from_str::<Value>(&text).unwrap()["outputs"].take();
        assert_eq!(outputs[1]["shape"], json!([200]));
        answers.push(outputs);
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn whatever_refuses_below_v2_does_it_in_the_protocols_form() {
    let (node, key) = Node::with_calls(1).await;
    for path in ["/v2/nothing", "/v2/models/wine/versions/1/nothing", "/v2/models/%ff"] {
        node.get(path).await.assert_oip_error(404, "");
    }
    node.get("/v2/models/wine/infer").await.assert_oip_error(405, "method");
    node.post_as(&key, "/v2/models/%ff/infer", &two_rows()).await.assert_oip_error(404, "");
    node.get("/v1/nothing").await.assert_problem(404, "no-route");
    node.get("/v20").await.assert_problem(404, "no-route");
}

#[tokio::test]
async fn an_explanation_adds_up_to_the_probability() {
    let (node, key) = Node::with_calls(3).await;
    let mut body = two_rows();
    body["parameters"] = json!({"explain": true});
    body["outputs"] = json!([{"name": "probabilities"}]);
    let outputs = node.infer(&key, &body).await.json()["outputs"].clone();
    let named = |name: &str| {
        let found = outputs.as_array().unwrap().iter().find(|output| output["name"] == name);
        let data = found.unwrap()["data"].as_array().unwrap().clone();
        data.iter().map(|number| number.as_f64().unwrap()).collect::<Vec<_>>()
    };
    let (probabilities, parts) = (named("probabilities"), named("attributions"));
    let (baseline, gap) = (named("attribution_baseline"), named("attribution_gap"));
    for row in 0..2 {
        let best = probabilities[2 * row].max(probabilities[2 * row + 1]);
        let sum = parts[2 * row] + parts[2 * row + 1] + baseline[row] + gap[row];
        assert!((best - sum).abs() < 1e-6, "{outputs}");
        assert!(gap[row].abs() < 1e-3, "{outputs}");
    }
    // The first row is the mean of each column: nothing speaks for or against it.
    assert!(parts[0].abs() < 1e-9 && parts[1].abs() < 1e-9 && parts[2].abs() > 0.01);
    let rows = web_api::EXPLAINED_ROWS_MAX + 1;
    body["inputs"][0]["shape"] = json!([rows, 2]);
    body["inputs"][0]["data"] = json!(vec![1.0; 2 * rows]);
    node.infer(&key, &body).await.assert_oip_error(400, "explained");
    let plain = node.infer(&key, &two_rows()).await.json();
    assert_eq!(plain["outputs"].as_array().unwrap().len(), 2);
}
