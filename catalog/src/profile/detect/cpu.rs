//! Architecture, level, features and cores of the CPU.

use super::super::facts::{FactValue, Facts};
use super::super::level;
use super::{key, unknown, word};
use std::env::consts::ARCH;

/// Fills in everything about the CPU.
pub(super) fn detect(facts: &mut Facts) {
    let arch = level::canonical(&key("cpu.arch"), ARCH);
    facts.set(key("cpu.arch"), vec![plain(arch)]);
    let found = level().unwrap_or_else(|| level::baseline(arch));
    facts.set(key("cpu.level"), vec![plain(found)]);
    facts.set(key("cpu.features"), features().into_iter().map(plain).collect());
    if let (true, Some(abi)) = (cfg!(target_os = "android"), android_abi(arch)) {
        facts.set(key("cpu.abi"), vec![plain(abi)]);
    }
    // The honest count: affinity and the quota of a container are taken into account.
    match std::thread::available_parallelism() {
        Ok(cores) => facts.cores = u64::try_from(cores.get()).ok(),
        Err(_) => unknown(facts, "cpu.cores", "the system does not say"),
    }
    let physical = sysinfo::System::physical_core_count().ok();
    facts.physical_cores = physical.and_then(|cores| u64::try_from(cores).ok());
}

fn plain(name: &str) -> FactValue {
    FactValue::unversioned(word(name))
}

fn android_abi(arch: &str) -> Option<&'static str> {
    match arch {
        "aarch64" => Some("arm64-v8a"),
        "arm" => Some("armeabi-v7a"),
        "x86_64" => Some("x86_64"),
        "x86" => Some("x86"),
        _ => None,
    }
}

/// Collects which of the named features this CPU has.
macro_rules! detected {
    ($detect:ident: $($feature:tt)+) => {
        [$(($feature, std::arch::$detect!($feature))),+]
            .into_iter()
            .filter_map(|(name, has)| has.then_some(name))
            .collect()
    };
}

/// The highest level whose every feature is there.
///
/// # Source
/// System V ABI, AMD64 supplement, "micro-architecture levels"; `lahf_sahf` and `osxsave` are not
/// visible here, but come with every CPU that has the rest.
#[cfg(target_arch = "x86_64")]
fn level() -> Option<&'static str> {
    use std::arch::is_x86_feature_detected as has;
    let v2 = has!("sse3") && has!("ssse3") && has!("sse4.1") && has!("sse4.2");
    let v2 = v2 && has!("popcnt") && has!("cmpxchg16b");
    let v3 = has!("avx") && has!("avx2") && has!("bmi1") && has!("bmi2") && has!("f16c");
    let v3 = v3 && has!("fma") && has!("lzcnt") && has!("movbe");
    let v4 = has!("avx512f") && has!("avx512bw") && has!("avx512cd");
    let v4 = v4 && has!("avx512dq") && has!("avx512vl");
    let levels = [(v2, "x86-64-v2"), (v3, "x86-64-v3"), (v4, "x86-64-v4")];
    Some(levels.iter().take_while(|(has, _)| *has).last().map_or("x86-64", |(_, name)| name))
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    detected!(is_x86_feature_detected: "aes" "avx" "avx2" "avx512bf16" "avx512bw" "avx512cd"
        "avx512dq" "avx512f" "avx512fp16" "avx512vbmi" "avx512vl" "avx512vnni" "bmi1" "bmi2" "f16c"
        "fma" "gfni" "pclmulqdq" "popcnt" "rdrand" "sha" "sse4.1" "sse4.2" "vaes")
}

/// The highest level whose features a program can see are all there; the rest of a level concerns
/// the kernel. What `armv9.2a` adds cannot be seen, so `armv9.1a` is the highest answer.
///
/// # Source
/// Arm Architecture Reference Manual, "Armv8-A and Armv9-A architecture extensions": the features
/// that each extension makes mandatory.
#[cfg(target_arch = "aarch64")]
fn level() -> Option<&'static str> {
    use std::arch::is_aarch64_feature_detected as has;
    let levels = [
        (has!("lse") && has!("rdm") && has!("crc"), "armv8.1a"),
        (has!("dpb"), "armv8.2a"),
        (has!("jsconv") && has!("fcma") && has!("rcpc"), "armv8.3a"),
        (has!("dotprod") && has!("flagm") && has!("rcpc2") && has!("dit"), "armv8.4a"),
        (has!("sb") && has!("frintts") && has!("dpb2"), "armv8.5a"),
        (has!("i8mm") && has!("bf16"), "armv8.6a"),
    ];
    let eight =
        levels.iter().take_while(|(has, _)| *has).last().map_or("aarch64", |(_, name)| name);
    Some(match (eight, has!("sve2")) {
        ("armv8.5a", true) => "armv9.0a",
        ("armv8.6a", true) => "armv9.1a",
        _ => eight,
    })
}

#[cfg(target_arch = "aarch64")]
fn features() -> Vec<&'static str> {
    detected!(is_aarch64_feature_detected: "aes" "bf16" "crc" "dotprod" "fp16" "i8mm" "lse" "rdm"
        "sha2" "sha3" "sve" "sve2")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn level() -> Option<&'static str> {
    None
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> Vec<&'static str> {
    Vec::new()
}
