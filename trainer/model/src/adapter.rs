//! The process's graphics adapter.

use std::{path::Path, sync::OnceLock};

use burn::tensor::{
    Device,
    wgpu::{
        WgpuInitError,
        wgpu::{AdapterInfo, DeviceType},
    },
};

use crate::DeviceError;

/// What adapters in software call themselves, should one not declare itself a CPU: Mesa's llvmpipe
/// (and lavapipe, its Vulkan face) and softpipe, Google's `SwiftShader`, and Microsoft's WARP.
const SOFTWARE_NAMES: [&str; 6] =
    ["llvmpipe", "lavapipe", "softpipe", "swiftshader", "warp", "microsoft basic render"];

/// Where Linux shows a graphics card: the kernel's own drivers, NVIDIA's, WSL 2's, and those of
/// Mali and Adreno.
const LINUX_NODES: [&str; 5] =
    ["/dev/dri", "/dev/nvidiactl", "/dev/dxg", "/dev/mali0", "/dev/kgsl-3d0"];

/// A graphics adapter that burn has initialised.
pub(crate) struct Adapter {
    device: Device,
    info: AdapterInfo,
}

impl Adapter {
    /// The fastest adapter of this machine, initialised by the first call.
    ///
    /// Once only: burn refuses to initialise an adapter twice, and one that was not initialised
    /// before its first tensor panics there if it is missing.
    pub(crate) fn shared() -> Result<&'static Self, DeviceError> {
        static ADAPTER: OnceLock<Result<Adapter, DeviceError>> = OnceLock::new();
        ADAPTER.get_or_init(Self::initialise).as_ref().map_err(Clone::clone)
    }

    pub(crate) const fn device(&self) -> &Device {
        &self.device
    }

    /// Whether the adapter is not a program on the CPU.
    pub(crate) fn is_hardware(&self) -> bool {
        is_hardware(self.info.device_type, &self.info.name)
    }

    /// What the adapter is, for people.
    pub(crate) fn description(&self) -> String {
        let AdapterInfo { name, backend, .. } = &self.info;
        let kind = if self.is_hardware() { "" } else { ", in software" };
        format!("{name} (wgpu, {backend}{kind})")
    }

    fn initialise() -> Result<Self, DeviceError> {
        match Device::wgpu_options().init_with_setup() {
            Ok((device, setup)) => Ok(Self { device, info: setup.adapter.get_info() }),
            Err(WgpuInitError::AdapterUnavailable { .. }) => Err(DeviceError::AdapterMissing),
            Err(error) => Err(DeviceError::AdapterUnusable { reason: error.to_string() }),
        }
    }
}

/// Whether this machine may have a graphics card.
///
/// On Linux it is asked of the kernel, before any driver is loaded: most servers have none, and
/// there Mesa's drivers complain on standard error that no desktop is running.
pub(crate) fn hardware_is_possible() -> bool {
    !cfg!(target_os = "linux") || LINUX_NODES.iter().any(|node| Path::new(node).exists())
}

fn is_hardware(device_type: DeviceType, name: &str) -> bool {
    let name = name.to_lowercase();
    device_type != DeviceType::Cpu && !SOFTWARE_NAMES.iter().any(|software| name.contains(software))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_in_software_is_known_by_its_type_or_its_name() {
        assert!(is_hardware(DeviceType::DiscreteGpu, "NVIDIA H100 PCIe"));
        assert!(is_hardware(DeviceType::Other, "AMD Radeon 780M Graphics"));
        assert!(!is_hardware(DeviceType::Cpu, "some processor"));
        assert!(!is_hardware(DeviceType::Other, "llvmpipe (LLVM 15.0.6, 256 bits)"));
        assert!(!is_hardware(DeviceType::Other, "Google SwiftShader"));
        assert!(!is_hardware(DeviceType::VirtualGpu, "Microsoft Basic Render Driver"));
    }
}
