//! Graphics and compute devices, as the kernel lists them.
//!
//! Their makers and, for some, their memory are known without loading a driver's library. Which
//! versions of Vulkan and OpenCL they offer is not, and stays "not known".

use super::super::super::facts::{FactValue, Facts, Gpu};
use super::super::{unknown, whole_mib, word};
use super::{Linux, read_text};
use crate::variant::DottedVersion;
use std::path::Path;

/// PCI vendors of real devices; the displays of virtual machines are left out on purpose.
const PCI_VENDORS: [(&str, &str); 3] =
    [("0x10de", "nvidia"), ("0x1002", "amd"), ("0x8086", "intel")];

/// Drivers of devices that are not on a PCI bus, and who makes them.
const DRIVERS: [(&str, &str); 6] = [
    ("v3d", "broadcom"),
    ("panfrost", "arm"),
    ("panthor", "arm"),
    ("lima", "arm"),
    ("msm", "qualcomm"),
    ("tegra-gpu", "nvidia"),
];

/// The newest CUDA that each driver runs, oldest driver first.
///
/// # Source
/// CUDA Toolkit release notes, "CUDA toolkit and corresponding driver versions".
const CUDA_OF_DRIVER: [(u32, &str); 12] = [
    (450, "11.0"),
    (460, "11.2"),
    (470, "11.4"),
    (510, "11.6"),
    (520, "11.8"),
    (525, "12.0"),
    (535, "12.2"),
    (545, "12.3"),
    (550, "12.4"),
    (560, "12.6"),
    (570, "12.8"),
    (580, "13.0"),
];

/// Fills in the devices, and what of them is not known.
pub(super) fn detect(system: &Linux, facts: &mut Facts) {
    let mut gpus: Vec<Gpu> = Vec::new();
    for card in system.folder("sys/class/drm") {
        let name = card.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // `card0-HDMI-A-1` is a connector, `renderD128` the same device again.
        let number = name.strip_prefix("card").map(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
        if number == Some(true) {
            gpus.extend(gpu(&card.join("device")));
        }
    }
    add_nvidia(system, &mut gpus);
    if !gpus.is_empty() {
        unknown(facts, "gpu.api", "graphics interfaces are not probed");
        unknown(facts, "gpu.cc", "not probed");
    }
    facts.gpus = gpus;
}

/// The device in one folder of the kernel, when it is one that computes.
fn gpu(device: &Path) -> Option<Gpu> {
    let read = |name: &str| read_text(&device.join(name)).unwrap_or_default();
    let id = read("vendor");
    let uevent = read("uevent");
    let driver = uevent.lines().find_map(|line| line.strip_prefix("DRIVER=")).unwrap_or_default();
    let by = |table: &[(&str, &'static str)], key: &str| {
        table.iter().find(|(known, _)| *known == key).map(|(_, vendor)| *vendor)
    };
    let vendor = by(&PCI_VENDORS, id.trim()).or_else(|| by(&DRIVERS, driver))?;
    let vram = read("mem_info_vram_total").trim().parse().ok();
    Some(Gpu { vendor: Some(word(vendor)), vram: vram.map(whole_mib), ..Gpu::default() })
}

/// What NVIDIA's own driver says: models, and the newest CUDA that it runs.
fn add_nvidia(system: &Linux, gpus: &mut Vec<Gpu>) {
    let cuda = system.text("proc/driver/nvidia/version").and_then(|text| cuda(&text));
    let models = system.folder("proc/driver/nvidia/gpus");
    let models = models.iter().filter_map(|folder| {
        let text = read_text(&folder.join("information"))?;
        let model = text.lines().find_map(|line| line.strip_prefix("Model:"))?;
        Some(model.trim().to_owned())
    });
    let nvidia = word("nvidia");
    let mut models = models.collect::<Vec<_>>().into_iter();
    for gpu in gpus.iter_mut().filter(|gpu| gpu.vendor.as_ref() == Some(&nvidia)) {
        gpu.model = models.next();
        gpu.api = cuda.iter().cloned().collect();
    }
    // Without a display the driver may list devices that the kernel does not.
    gpus.extend(models.map(|model| Gpu {
        vendor: Some(nvidia.clone()),
        model: Some(model),
        api: cuda.iter().cloned().collect(),
        ..Gpu::default()
    }));
}

fn cuda(driver: &str) -> Option<FactValue> {
    let version = driver.lines().next()?.split_whitespace().find(|text| {
        text.split('.').count() >= 2 && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    })?;
    let major: u32 = version.split('.').next()?.parse().ok()?;
    let (_, newest) = CUDA_OF_DRIVER.iter().rev().find(|(oldest, _)| *oldest <= major)?;
    let newest: DottedVersion = newest.parse().ok()?;
    Some(FactValue::versioned(word("cuda"), newest))
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fake;
    use crate::size::ByteSize;

    #[test]
    fn devices_are_listed_once_with_their_maker_and_memory() {
        let facts = Fake::of(&[
            ("sys/class/drm/card0/device/vendor", "0x1002\n"),
            ("sys/class/drm/card0/device/mem_info_vram_total", "17163091968\n"),
            ("sys/class/drm/card0-HDMI-A-1/device/vendor", "0x1002\n"),
            ("sys/class/drm/renderD128/device/vendor", "0x1002\n"),
            ("sys/class/drm/card1/device/vendor", "0x1af4\n"),
            ("sys/class/drm/card2/device/uevent", "DRIVER=v3d\n"),
        ])
        .facts();
        let vendors: Vec<_> = facts.gpus.iter().flat_map(|gpu| &gpu.vendor).collect();
        assert_eq!(vendors.iter().map(|v| v.as_str()).collect::<Vec<_>>(), ["amd", "broadcom"]);
        assert_eq!(facts.gpus[0].vram, Some(ByteSize::mib(16368)));
        assert!(facts.gap(&"gpu.api".parse().unwrap()).is_some());
    }

    #[test]
    fn the_nvidia_driver_says_the_model_and_the_newest_cuda() {
        let facts = Fake::of(&[
            ("sys/class/drm/card0/device/vendor", "0x10de\n"),
            ("proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t\t RTX 4090\nIRQ: 1\n"),
            ("proc/driver/nvidia/gpus/0000:02:00.0/information", "Model: \t\t H100\n"),
            (
                "proc/driver/nvidia/version",
                "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu\n",
            ),
        ])
        .facts();
        let models: Vec<_> = facts.gpus.iter().flat_map(|gpu| gpu.model.as_deref()).collect();
        assert_eq!(models, ["RTX 4090", "H100"]);
        assert!(facts.gpus.iter().all(|gpu| gpu.api[0].to_string() == "cuda@12.4"));
    }
}
