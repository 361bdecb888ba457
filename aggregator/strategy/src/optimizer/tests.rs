//! Settings, steps, bytes and refusals of the server optimisers.

use privacy_identity::{Decode as _, Encode as _};
use proptest::prelude::*;

use super::*;

const NAMES: [&str; 5] = ["fedavg", "fedavgm", "fedadagrad", "fedadam", "fedyogi"];

fn optimizer(text: &str) -> ServerOptimizer {
    text.parse().unwrap()
}

#[test]
fn fedavg_by_default_is_the_mean_of_the_models() {
    assert_eq!(optimizer("fedavg"), ServerOptimizer::FED_AVG);
    let mut state = OptimizerState::new(ServerOptimizer::default(), 2).unwrap();
    assert_eq!(state.step(&[1.0, -2.0], &[0.5, 0.25]).unwrap(), [1.5, -1.75]);
    assert_eq!(state.steps(), 1);
}

/// m: 1, then 0.9 + 1 = 1.9; x: 1, then 2.9.
#[test]
fn momentum_accumulates_undamped() {
    let mut state = OptimizerState::new(optimizer("fedavgm:momentum=0.9"), 1).unwrap();
    let first = state.step(&[0.0], &[1.0]).unwrap();
    assert_eq!(first, [1.0]);
    assert_eq!(state.step(&first, &[1.0]).unwrap(), [2.9]);
}

/// With v started at 0 and τ far below Δ, the corrected first step of Adam is η·sign(Δ).
#[test]
fn the_corrected_first_step_of_adam_is_the_learning_rate() {
    let text = "fedadam:lr=0.125,tau=1e-12,start=zero,correction=kingma-ba";
    let mut state = OptimizerState::new(optimizer(text), 2).unwrap();
    let next = state.step(&[0.0, 0.0], &[3.0, -0.01]).unwrap();
    assert!((next[0] - 0.125).abs() < 1e-7 && (next[1] + 0.125).abs() < 1e-7, "{next:?}");
}

#[test]
fn a_parameter_that_nobody_changes_stays() {
    for name in NAMES {
        let mut state = OptimizerState::new(optimizer(name), 2).unwrap();
        for _ in 0..5 {
            let next = state.step(&[0.75, 1.0], &[0.0, 0.5]).unwrap();
            assert_eq!(next[0].to_bits(), 0.75_f32.to_bits(), "{name}");
        }
    }
}

#[test]
fn a_schedule_scales_the_step() {
    let mut state = OptimizerState::new(optimizer("fedavg:lr=0.5"), 1).unwrap();
    assert_eq!(state.step_scaled(&[0.0], &[1.0], Positive(0.5)).unwrap(), [0.25]);
}

#[test]
fn refused_steps_change_nothing() {
    let mut state = OptimizerState::new(optimizer("fedyogi"), 2).unwrap();
    state.step(&[1.0, 2.0], &[0.1, 0.2]).unwrap();
    let before = state.clone();
    let mut check = |parameters: &[f32], update: &[f32], expected: &str| {
        assert_eq!(state.step(parameters, update).unwrap_err().to_string(), expected);
        assert_eq!(state, before);
    };
    check(&[1.0], &[1.0, 2.0], "the model has 1 coordinates, the optimiser was made for 2");
    check(&[1.0, 2.0], &[], "the mean update has 0 coordinates, the optimiser was made for 2");
    check(&[1.0, f32::INFINITY], &[1.0, 1.0], "coordinate 1 of the model is not a finite number");
    check(&[1.0, 1.0], &[f32::NAN, 1.0], "coordinate 0 of the mean update is not a finite number");
}

#[test]
fn a_step_out_of_range_is_refused_and_changes_nothing() {
    let mut state = OptimizerState::new(optimizer("fedavgm"), 2).unwrap();
    let before = state.clone();
    let refused = state.step(&[0.0, f32::MAX], &[0.0, f32::MAX]).unwrap_err();
    assert_eq!(refused, OptimizerError::Diverged { index: 1 });
    assert_eq!(state, before);
}

#[test]
fn a_model_without_parameters_is_refused() {
    let refused = OptimizerState::new(ServerOptimizer::FED_AVG, 0).unwrap_err();
    assert_eq!(refused.to_string(), "a model has 1..=1073741824 parameters, got 0");
}

#[test]
fn bad_settings_are_refused_with_a_sentence() {
    let check = |text: &str, expected: &str| {
        assert_eq!(text.parse::<ServerOptimizer>().unwrap_err().to_string(), expected);
    };
    check("sgd", "\"sgd\" is none of: fedavg, fedavgm, fedadagrad, fedadam, fedyogi");
    check("fedavg:lr=0", "lr must be positive and finite, got 0");
    check("fedavg:lr=inf", "lr must be positive and finite, got inf");
    check("fedavg:lr=fast", "lr=fast cannot be read: invalid float literal");
    check("fedavgm:momentum=1", "momentum must be at least 0 and below 1, got 1");
    check("fedadam:beta2=-0.5", "beta2 must be at least 0 and below 1, got -0.5");
    check("fedyogi:tau=NaN", "tau must be positive and finite, got NaN");
    check("fedyogi:correction=absent", "fedyogi takes no \"correction\", or takes it once");
    check("fedavg:lr=1,lr=2", "fedavg takes no \"lr\", or takes it once");
    check("fedavg:lr", "\"lr\" is not of the form key=value");
    check(
        "fedadam:correction=some",
        "correction=some cannot be read: expected absent or kingma-ba",
    );
}

/// A changed byte is a new version of a federation's terms.
#[test]
fn bytes_are_pinned() {
    let check = |text: &str, expected: &str| {
        let bytes = optimizer(text).to_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected, "{text}");
        assert_eq!(ServerOptimizer::from_bytes(&bytes).unwrap(), optimizer(text));
    };
    check("fedavg", "003ff0000000000000");
    check("fedavgm:lr=0.5,momentum=0.5", "013fe00000000000003fe0000000000000");
    check(
        "fedadagrad:lr=1,tau=0.5,start=zero",
        "023ff000000000000000000000000000003fe000000000000000",
    );
    check(
        "fedadam:lr=1,beta1=0.5,tau=0.25,beta2=0.75,correction=kingma-ba",
        "033ff00000000000003fe00000000000003fd0000000000000013fe800000000000001",
    );
    check(
        "fedyogi:lr=1,beta1=0.5,tau=0.25,beta2=0.75",
        "043ff00000000000003fe00000000000003fd0000000000000013fe8000000000000",
    );
}

#[test]
fn bytes_out_of_range_are_refused() {
    let mut bytes = optimizer("fedavgm").to_bytes();
    bytes[9] = 0x80;
    bytes[10..].fill(0);
    assert!(ServerOptimizer::from_bytes(&bytes).is_err(), "minus zero");
    assert!(ServerOptimizer::from_bytes(&[5]).is_err());
    assert!(ServerOptimizer::from_bytes(&[0; 9]).is_err(), "a learning rate of 0");
    let mut state = OptimizerState::new(optimizer("fedadam"), 1).unwrap().to_bytes();
    let v = state.len() - 8;
    state[v] |= 0x80;
    assert!(OptimizerState::from_bytes(&state).is_err(), "a negative second moment");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_state_that_was_stored_goes_on_with_the_same_bits(
        deltas in prop::collection::vec(prop::collection::vec(-2.0_f32..2.0, 5), 1..6),
        cut in 0_usize..6,
    ) {
        for name in NAMES {
            let mut whole = OptimizerState::new(optimizer(name), 5).unwrap();
            let mut stored = whole.clone();
            let (mut a, mut b) = (vec![0.5; 5], vec![0.5; 5]);
            for (round, delta) in deltas.iter().enumerate() {
                if round == cut {
                    stored = OptimizerState::from_bytes(&stored.to_bytes()).unwrap();
                }
                a = whole.step(&a, delta).unwrap();
                b = stored.step(&b, delta).unwrap();
            }
            prop_assert_eq!(a, b);
            prop_assert_eq!(whole, stored);
        }
    }

    #[test]
    fn written_settings_are_read_back(rate in 1e-9_f64..10.0, beta in 0.0_f64..1.0, tau in 1e-12_f64..1.0) {
        for name in NAMES {
            let text = match name {
                "fedavg" => format!("{name}:lr={rate}"),
                "fedavgm" => format!("{name}:lr={rate},momentum={beta}"),
                "fedadagrad" => format!("{name}:lr={rate},beta1={beta},tau={tau}"),
                _ => format!("{name}:lr={rate},beta1={beta},beta2={beta},tau={tau},start=zero"),
            };
            let read = optimizer(&text);
            prop_assert_eq!(optimizer(&read.to_string()), read);
        }
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(optimizer) = ServerOptimizer::from_bytes(&bytes) {
            prop_assert_eq!(optimizer.to_bytes(), bytes.clone());
        }
        if let Ok(state) = OptimizerState::from_bytes(&bytes) {
            prop_assert_eq!(state.to_bytes(), bytes);
        }
    }

    /// A step of Adagrad is at most η|m|/(|Δ| + τ), so below η with β₁ = 0.
    #[test]
    fn adagrad_moves_by_less_than_its_rate(delta in -1e3_f32..1e3) {
        let mut state = OptimizerState::new(optimizer("fedadagrad:lr=0.1"), 1).unwrap();
        let next = state.step(&[0.0], &[delta]).unwrap();
        prop_assert!(next[0].abs() <= 0.1);
    }
}
