//! Models as files, computed by others: ONNX by `onnxruntime`, safetensors by numpy. Both are installed by the test's
//! script, which takes a network: the comparison runs where `SAHAKAR_REQUIRE_PYTHON_CLIENTS` asks for it.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use datasets::Standardiser;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha20Rng;
use serde_json::json;
use trainer_model::{
    Architecture, Categorical, CharGruShape, Cnn, CnnShape, ComputeDevice, Convolution, Features,
    MlpShape, Padding, Parameters, Pooling, TableMlpShape, predict,
};

/// The environment variable that asks for the comparison.
const ASKED_BY: &str = "SAHAKAR_REQUIRE_PYTHON_CLIENTS";

struct Case {
    name: &'static str,
    architecture: Architecture,
    standardiser: Standardiser,
    /// `[rows, inputs]`.
    inputs: Vec<f32>,
}

fn random(count: usize, low: f32, high: f32, seed: u8) -> Vec<f32> {
    let mut rng = ChaCha20Rng::from_seed([seed; 32]);
    (0..count).map(|_| rng.random_range(low..high)).collect()
}

/// A model of numbers that are brought to one scale.
fn of_numbers(name: &'static str, architecture: Architecture, seed: u8) -> Case {
    let inputs = architecture.inputs();
    let mean = random(inputs, -1.0, 1.0, seed);
    let deviation = random(inputs, 0.5, 2.0, seed + 1);
    let standardiser = Standardiser::new(mean, deviation).unwrap();
    Case { name, architecture, standardiser, inputs: random(5 * inputs, -2.0, 2.0, seed + 2) }
}

fn cases() -> Vec<Case> {
    let mlp = |hidden| Architecture::mlp(MlpShape { inputs: 11, hidden, classes: 3 }).unwrap();
    let stage = |padding, pooling| Convolution { channels: 4, kernel: 3, padding, pooling };
    let colour = Architecture::cnn(CnnShape {
        channels: 3,
        height: 9,
        width: 7,
        convolutions: vec![
            stage(Padding::Same, Pooling::Max2),
            stage(Padding::Valid, Pooling::None),
        ],
        hidden: vec![],
        classes: 4,
    });
    let gru = CharGruShape { vocabulary: 9, embedding: 4, hidden: 6, layers: 2, context: 5 };
    let categorical =
        vec![Categorical { levels: 4, dimension: 2 }, Categorical { levels: 3, dimension: 1 }];
    let table = TableMlpShape { numeric: 2, categorical, hidden: vec![5], classes: 2 };
    let as_they_are = |width| Standardiser::new(vec![0.0; width], vec![1.0; width]).unwrap();
    let table_scale = Standardiser::new(vec![0.5, -1.0, 0.0, 0.0], vec![2.0, 0.5, 1.0, 1.0]);
    vec![
        of_numbers("logistic", mlp(vec![]), 1),
        of_numbers("mlp", mlp(vec![16, 8]), 2),
        of_numbers("cnn-small", Architecture::Cnn(Cnn::small()), 3),
        of_numbers("cnn-colour", colour.unwrap(), 4),
        Case {
            name: "char-gru",
            architecture: Architecture::char_gru(gru).unwrap(),
            standardiser: as_they_are(5),
            inputs: vec![0.0, 1.0, 2.0, 3.0, 4.0, 8.0, 7.0, 6.0, 5.0, 4.0],
        },
        Case {
            name: "table-mlp",
            architecture: Architecture::table_mlp(table).unwrap(),
            standardiser: table_scale.unwrap(),
            inputs: vec![0.5, 1.5, 3.0, 2.0, -1.0, 0.0, 0.0, 1.0],
        },
    ]
}

impl Case {
    fn parameters(&self) -> Parameters {
        // Larger ones would leave probabilities of 0 and 1 alone, which say little.
        let values = random(self.architecture.parameter_count(), -0.3, 0.3, 9);
        Parameters::new(&self.architecture.layout(), values).unwrap()
    }

    fn onnx(&self) -> Vec<u8> {
        let metadata = [("digest".to_owned(), "of a test".to_owned())];
        self.parameters().to_onnx(&self.architecture, &self.standardiser, &metadata).unwrap()
    }

    fn write(&self, folder: &Path) {
        let path = |suffix: &str| folder.join(format!("{}.{suffix}", self.name));
        let parameters = self.parameters();
        let features = Features::standardised(&self.inputs, &self.standardiser).unwrap();
        let predicted =
            predict(&ComputeDevice::cpu(), &self.architecture, &parameters, &features).unwrap();
        let rows = |values: &[f32], width: usize| {
            values.chunks(width).map(<[f32]>::to_vec).collect::<Vec<_>>()
        };
        let architecture: serde_json::Value =
            serde_json::from_str(&self.architecture.to_json()).unwrap();
        let case = json!({
            "architecture": architecture,
            "mean": self.standardiser.mean(),
            "deviation": self.standardiser.deviation(),
            "inputs": rows(&self.inputs, self.architecture.inputs()),
            "probabilities": rows(predicted.probabilities(), predicted.classes()),
        });
        let metadata = BTreeMap::from([("digest".to_owned(), "of a test".to_owned())]);
        let tensors = parameters.to_described_safetensors(&self.architecture.layout(), &metadata);
        fs::write(path("safetensors"), tensors.unwrap()).unwrap();
        fs::write(path("onnx"), self.onnx()).unwrap();
        fs::write(path("json"), case.to_string()).unwrap();
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test reads what it is asked for")]
fn others_compute_the_same_probabilities_from_our_files() {
    if std::env::var(ASKED_BY).is_err() {
        eprintln!("skipped: set {ASKED_BY}=1 to install onnxruntime and safetensors and run them");
        return;
    }
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = scratch.join("model-files-cases");
    fs::create_dir_all(&folder).unwrap();
    cases().iter().for_each(|case| case.write(&folder));
    let script = Path::new("tests/python/model_files.py");
    let run = Command::new("python3")
        .arg(script)
        .arg(scratch.join("model-files"))
        .arg(folder)
        .output()
        .unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(run.status.success(), "{}{}", said(&run.stdout), said(&run.stderr));
    println!("{}", said(&run.stdout));
}

#[test]
fn the_same_model_gives_the_same_file() {
    for case in cases() {
        let file = case.onnx();
        assert_eq!(file, case.onnx());
        // Field 1, the version of the format, is 8; field 2 names the producer.
        assert_eq!(&file[..4], [0x08, 8, 0x12, 7], "{}", case.name);
        assert_eq!(&file[4..11], b"sahakar");
        let parameters: usize = case.architecture.parameter_count();
        assert!(file.len() > 4 * parameters && file.len() < 4 * parameters + 8_192);
    }
}

#[test]
fn parts_that_do_not_fit_make_no_file() {
    let cases = cases();
    let (mlp, other) = (&cases[1], &cases[0]);
    let onnx = |case: &Case, standardiser| {
        case.parameters().to_onnx(&other.architecture, standardiser, &[]).is_ok()
    };
    assert!(onnx(other, &other.standardiser));
    assert!(!onnx(mlp, &other.standardiser));
    assert!(!onnx(other, &cases[5].standardiser));
}
