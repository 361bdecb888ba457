//! Agreement with Flower and scipy on the vectors of `oracle/flower.json`, to 10⁻⁶.
#![expect(clippy::unwrap_used, reason = "a test's way to fail")]
#![expect(clippy::cast_possible_truncation, reason = "the fixture's inputs are f32 values")]

use aggregator_strategy::{OptimizerState, RobustRule, ServerOptimizer, Updates};
use serde_json::Value;

/// The workspace's promise. Parameters are f32 here and f64 in Flower: half a unit in the last place of a
/// parameter of size 10 is 5·10⁻⁷, hence relative above one.
const TOLERANCE: f64 = 1e-6;

fn fixture() -> Value {
    serde_json::from_str(include_str!("oracle/flower.json")).unwrap()
}

fn wide(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn single(value: &Value) -> Vec<f32> {
    wide(value).into_iter().map(|number| number as f32).collect()
}

fn check(name: &str, got: &[f32], expected: &Value) {
    let expected = wide(expected);
    assert_eq!(got.len(), expected.len(), "{name}");
    for (index, (got, expected)) in got.iter().zip(expected).enumerate() {
        let difference = (f64::from(*got) - expected).abs();
        let allowed = TOLERANCE * expected.abs().max(1.0);
        assert!(difference <= allowed, "{name}, coordinate {index}: {got} is not {expected}");
    }
}

#[test]
fn optimizers_agree_with_flower() {
    let fixture = &fixture()["optimizers"];
    let (start, deltas) = (single(&fixture["start"]), fixture["deltas"].as_array().unwrap());
    let cases = fixture["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 9);
    for case in cases {
        let name = case["optimizer"].as_str().unwrap();
        let optimizer: ServerOptimizer = name.parse().unwrap();
        let mut state = OptimizerState::new(optimizer, start.len()).unwrap();
        let mut parameters = start.clone();
        for (delta, expected) in deltas.iter().zip(case["path"].as_array().unwrap()) {
            parameters = state.step(&parameters, &single(delta)).unwrap();
            check(name, &parameters, expected);
        }
    }
}

#[test]
fn robust_rules_agree_with_flower_and_scipy() {
    let fixture = fixture();
    let groups = fixture["robust"].as_array().unwrap();
    assert_eq!(groups.len(), 3);
    for group in groups {
        let updates: Vec<_> = group["updates"].as_array().unwrap().iter().map(single).collect();
        let updates: Vec<_> = updates.iter().map(Vec::as_slice).collect();
        let equal = Updates::new(&updates).unwrap();
        let weighted = Updates::weighted(&updates, &wide(&group["weights"])).unwrap();
        for (kind, updates) in [("equal", equal), ("weighted", weighted)] {
            for case in group[kind].as_array().unwrap() {
                let name = case["rule"].as_str().unwrap();
                let rule: RobustRule = name.parse().unwrap();
                check(name, &rule.aggregate(&updates).unwrap(), &case["expected"]);
            }
        }
    }
}
