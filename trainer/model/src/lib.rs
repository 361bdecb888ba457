//! Models, local training and the flat layout of an update; the only crate that names burn.
//!
//! ```text
//! Table ─Standardiser→ Examples ─┐
//! Architecture ─→ UpdateLayout   ├─ train / loss_gradient / evaluate / predict  (on a ComputeDevice)
//!        └──────→ Parameters ────┘        │
//!                                         └→ Parameters ─difference→ flat f32 vector (a local update)
//! ```
//!
//! Outside this crate a model is its [`Architecture`] and a flat vector, [`Parameters`], in the order
//! of its [`UpdateLayout`]; tensors never leave it.

mod adapter;
mod architecture;
mod architecture_json;
mod attribution;
mod augmentation;
mod cpu;
mod device;
mod digest;
mod evaluation;
mod examples;
mod features;
mod gradient;
mod initialisation;
mod layout;
mod model_error;
mod network;
mod onnx;
mod parameters;
mod parameters_file;
mod personal;
mod predictor;
mod scaffold;
mod schedule;
mod training;
mod training_plan;
mod watch;
mod wire;

pub use architecture::{
    Architecture, ArchitectureError, CATEGORICAL_MAX, CHANNELS_MAX, CLASSES_MAX, CONTEXT_MAX,
    CONVOLUTIONS_MAX, Categorical, CharGru, CharGruShape, Cnn, CnnShape, Convolution,
    EMBEDDING_MAX, FEATURE_MAP_MAX, GRU_LAYERS_MAX, GRU_WIDTH_MAX, HIDDEN_LAYERS_MAX, INPUTS_MAX,
    KERNEL_MAX, LEVELS_MAX, Mlp, MlpShape, PARAMETERS_MAX, Padding, Pooling, TableMlp,
    TableMlpShape, WIDTH_MAX,
};
pub use architecture_json::{ARCHITECTURE_JSON_BYTES_MAX, ArchitectureJsonError};
pub use attribution::{ATTRIBUTION_STEPS, Attribution, integrated_gradients};
pub use augmentation::Augmentation;
pub use device::{ComputeDevice, DeviceChoice, DeviceChoiceError, DeviceError};
pub use digest::model_digest;
pub use evaluation::{Evaluation, Predictions, evaluate, predict};
pub use examples::{Examples, ExamplesError};
pub use features::{Features, FeaturesError};
pub use gradient::loss_gradient;
pub use layout::{LayoutEntry, UpdateLayout};
pub use model_error::{ModelError, check_features};
pub use parameters::{Parameters, ParametersError};
pub use parameters_file::ParametersFileError;
pub use personal::{Pull, train_personal};
pub use predictor::Predictor;
pub use scaffold::{ControlVariates, ScaffoldOutcome, control_change, train_scaffold};
pub use training::{TrainingOutcome, train};
pub use training_plan::{
    BATCH_SIZE_MAX, BatchSampling, DpSgd, GRADIENT_NORM_MAX, LEARNING_RATE_MAX, LOCAL_EPOCHS_MAX,
    LOCAL_STEPS_MAX, LocalWork, NOISE_MULTIPLIER_MAX, PROXIMAL_MAX, TrainingPlan,
    TrainingPlanError, TrainingSettings, WEIGHT_DECAY_MAX,
};
pub use watch::{Progress, Watch};
pub use wire::{ModelWireError, model_from_wire, model_to_wire};
