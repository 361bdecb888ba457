//! Where models are computed.

use std::{fmt, str::FromStr, sync::Arc};

use burn::tensor::Device;

use crate::{
    adapter::{Adapter, hardware_is_possible},
    watch::{Watch, Watched},
};

/// Which device to compute on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// A hardware graphics adapter if there is one, else the CPU.
    #[default]
    Auto,
    /// A graphics adapter, be it one in software.
    Wgpu,
    /// The CPU.
    Cpu,
}

/// A text that names no device.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected `auto`, `wgpu` or `cpu`, got {got:?}")]
pub struct DeviceChoiceError {
    /// The text given.
    pub got: String,
}

impl FromStr for DeviceChoice {
    type Err = DeviceChoiceError;

    fn from_str(text: &str) -> Result<Self, DeviceChoiceError> {
        match text {
            "auto" => Ok(Self::Auto),
            "wgpu" => Ok(Self::Wgpu),
            "cpu" => Ok(Self::Cpu),
            _ => Err(DeviceChoiceError { got: text.to_string() }),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Wgpu => "wgpu",
            Self::Cpu => "cpu",
        })
    }
}

/// Why a device cannot be used.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceError {
    /// There is no graphics adapter at all.
    #[error(
        "no graphics adapter was found: install its driver (or one in software, such as Debian's \
         mesa-vulkan-drivers), or choose the device `auto` or `cpu`"
    )]
    AdapterMissing,
    /// There is one, but it cannot be used.
    #[error("the graphics adapter cannot be used ({reason}): choose the device `cpu`")]
    AdapterUnusable {
        /// What the driver said.
        reason: String,
    },
}

/// A device that models are computed on.
///
/// Cheap to clone; clones are the same device.
#[derive(Debug, Clone)]
pub struct ComputeDevice {
    engine: Engine,
    description: String,
    watch: Option<Watched>,
}

/// What computes.
#[derive(Debug, Clone)]
pub(crate) enum Engine {
    /// Ours, on the calling thread.
    Cpu,
    /// burn, on a device of its own.
    Burn(Device),
}

impl ComputeDevice {
    /// Opens the device that `choice` names.
    ///
    /// A graphics adapter is initialised once in a process, by the first call that needs it. An
    /// adapter in software (llvmpipe, `SwiftShader`, WARP) counts as none for
    /// [`DeviceChoice::Auto`], since the CPU backend is an order of magnitude faster.
    ///
    /// # Errors
    /// [`DeviceError`] for [`DeviceChoice::Wgpu`] if there is no usable adapter; the other choices
    /// always succeed.
    pub fn open(choice: DeviceChoice) -> Result<Self, DeviceError> {
        match choice {
            DeviceChoice::Cpu => Ok(Self::cpu()),
            DeviceChoice::Wgpu => Adapter::shared().map(Self::from_adapter),
            DeviceChoice::Auto => Ok(Self::hardware_or_cpu()),
        }
    }

    /// The CPU, which is always there.
    #[must_use]
    pub fn cpu() -> Self {
        Self { engine: Engine::Cpu, description: "CPU".to_string(), watch: None }
    }

    /// The CPU through burn's backend `flex`: slower, and an independent implementation to check
    /// results against.
    #[must_use]
    pub fn cpu_reference() -> Self {
        let description = "CPU (burn, flex)".to_string();
        Self { engine: Engine::Burn(Device::flex()), description, watch: None }
    }

    /// Whether it computes on the calling thread, as our own engine does: then a short computation costs no hand-over.
    #[must_use]
    pub const fn is_the_caller(&self) -> bool {
        matches!(self.engine, Engine::Cpu)
    }

    /// What the device is, for people.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The same device, on which every local training is told to `watch` and waits for it. What is
    /// learned does not depend on it.
    #[must_use]
    pub fn watched(self, watch: Arc<dyn Watch>) -> Self {
        Self { watch: Some(Watched(watch)), ..self }
    }

    pub(crate) const fn watch(&self) -> Option<&Watched> {
        self.watch.as_ref()
    }

    pub(crate) const fn engine(&self) -> &Engine {
        &self.engine
    }

    fn hardware_or_cpu() -> Self {
        if !hardware_is_possible() {
            return Self::cpu();
        }
        match Adapter::shared() {
            Ok(adapter) if adapter.is_hardware() => Self::from_adapter(adapter),
            Ok(_) | Err(DeviceError::AdapterMissing) => Self::cpu(),
            Err(error) => {
                let description = format!("CPU, since {error}");
                Self { description, ..Self::cpu() }
            }
        }
    }

    fn from_adapter(adapter: &Adapter) -> Self {
        let (device, description) = (adapter.device().clone(), adapter.description());
        Self { engine: Engine::Burn(device), description, watch: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_read_back_from_its_text() {
        for choice in [DeviceChoice::Auto, DeviceChoice::Wgpu, DeviceChoice::Cpu] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        let error = "gpu".parse::<DeviceChoice>().unwrap_err();
        assert_eq!(error.to_string(), "expected `auto`, `wgpu` or `cpu`, got \"gpu\"");
    }

    #[test]
    fn the_cpu_and_auto_always_open() {
        assert_eq!(ComputeDevice::open(DeviceChoice::Cpu).unwrap().description(), "CPU");
        assert!(!ComputeDevice::open(DeviceChoice::Auto).unwrap().description().is_empty());
    }
}
