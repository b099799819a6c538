use super::*;
use crate::size::ByteSize;
use crate::variant::Amount;
use crate::variant::tests::fixture;

mod properties;

/// The machine of the examples.
const NODE: &str = r#"
schema = 1
name = "detected"
os = ["linux@6.18", "debian@12"]
cpu = { arch = "x86_64", level = "x86-64-v4", cores = 2 }
memory = { total = "23.5GiB", available = "16GiB" }
libc = ["glibc@2.36"]
gpu = []
disk = { free = "66GiB" }
runtime = ["native", "wasip2"]
[unknown]
npu = "no detector in this build"
"#;

fn node() -> Profile {
    Profile::from_toml(NODE).unwrap()
}

fn size(text: &str) -> Option<ByteSize> {
    Some(text.parse().unwrap())
}

/// Memory and disk: `needs(variant, "8GiB", "16GiB", "4GiB")`.
fn needs(mut variant: Variant, memory: &str, recommended: &str, disk: &str) -> Variant {
    variant.resources.memory = Amount { min: size(memory), recommended: size(recommended) };
    variant.resources.disk.min = size(disk);
    variant
}

fn ranked(mut variant: Variant, quality: u8) -> Variant {
    variant.quality = quality;
    variant
}

/// The service with four variants of the manual.
fn graphdb() -> Vec<Variant> {
    let linux = |id: &str, requires: &str| fixture(id, &format!("os=linux {requires}"));
    let mut high = needs(
        linux("high-x86-v3", "cpu.level=x86-64-v3 libc=glibc>=2.31"),
        "8GiB",
        "16GiB",
        "4GiB",
    );
    high.resources.cores.min = Some(4);
    let mut arm =
        needs(linux("high-arm64", "cpu.level=armv8.2a libc=glibc>=2.31"), "6GiB", "12GiB", "4GiB");
    arm.resources.cores.min = Some(4);
    let low = needs(linux("low-x86", "cpu.level=x86-64"), "256MiB", "1GiB", "200MiB");
    let mut wasm = needs(fixture("wasm", "runtime=wasip2"), "128MiB", "512MiB", "64MiB");
    wasm.fallback = true;
    vec![ranked(high, 90), ranked(arm, 85), ranked(low, 50), ranked(wasm, 20)]
}

fn story(variants: &[Variant], profile: &Profile, preference: Preference) -> String {
    let resolution = resolve_variants(variants, profile, preference);
    let json = serde_json::to_string(&resolution).unwrap();
    assert_eq!(serde_json::from_str::<Resolution>(&json).unwrap(), resolution);
    resolution.explain("acme/graphdb", &semver::Version::new(1, 4, 0))
}

fn chosen(variants: &[Variant], profile: &Profile, preference: Preference) -> Option<String> {
    resolve_variants(variants, profile, preference).chosen.map(|id| id.to_string())
}

fn set(changes: &[&str]) -> Profile {
    let changes: Vec<_> = changes.iter().map(|text| text.parse().unwrap()).collect();
    node().with_overrides(&changes).unwrap()
}

#[test]
fn the_example_of_the_manual_is_told_word_by_word() {
    assert_eq!(
        story(&graphdb(), &node(), Preference::HighPerformance),
        "\
acme/graphdb 1.4.0   profile: detected, preference: high-performance
  ✘ high-x86-v3   cores: needs 4, this node has 2                      requires: os ✔  cpu.level x86-64-v3 ✔ (v4)  libc ✔ (2.36)
  ✘ high-arm64    cpu.level: needs armv8.2a, this node is x86-64-v4
  ✔ low-x86       great: memory 0.25 of 23.5 GiB, disk 0.2 of 66 GiB   <- chosen: the only native variant that fits
  ✔ wasm          great, but a fallback: used only when nothing native fits
To get high-x86-v3: 2 more cores, or --set cores=4 to try anyway.  For another device: catalog explain acme/graphdb --profile pi-low
"
    );
}

#[test]
fn what_is_set_by_hand_is_honoured_and_shown() {
    assert_eq!(
        story(&graphdb(), &set(&["cores=4"]), Preference::HighPerformance),
        "\
acme/graphdb 1.4.0   profile: detected, preference: high-performance, set by hand: cores=4
  ✔ high-x86-v3   great: cores 4 of 4, memory 8 of 23.5 GiB, disk 4 of 66 GiB   <- chosen: the highest quality (90), of 2 native variants that fit
  ✘ high-arm64    cpu.level: needs armv8.2a, this node is x86-64-v4
  ✔ low-x86       great: memory 0.25 of 23.5 GiB, disk 0.2 of 66 GiB
  ✔ wasm          great, but a fallback: used only when nothing native fits
For another device: catalog explain acme/graphdb --profile pi-low
"
    );
}

#[test]
fn a_small_board_gets_the_fallback_and_hears_what_it_lacks() {
    let pi = Profile::named("pi-low").unwrap();
    assert_eq!(
        story(&graphdb(), &pi, Preference::HighPerformance),
        "\
acme/graphdb 1.4.0   profile: pi-low, preference: high-performance
  ✘ high-x86-v3   cpu.level: needs x86-64-v3, pi-low is aarch64
  ✘ high-arm64    cpu.level: needs armv8.2a, pi-low is aarch64
  ✘ low-x86       cpu.level: needs x86-64, pi-low is aarch64
  ✔ wasm          great: memory 0.13 of 1 GiB, disk 0.06 of 8 GiB   <- chosen: a fallback: nothing native fits
For another device: catalog explain acme/graphdb --profile laptop
"
    );
}

#[test]
fn when_nothing_fits_every_variant_says_what_is_missing() {
    let machine =
        set(&["memory=100MiB", "memory.available=100MiB", "disk=1GiB", "libc=glibc@2.28"]);
    assert_eq!(
        story(&graphdb(), &machine, Preference::LowResource),
        "\
acme/graphdb 1.4.0   profile: detected, preference: low-resource, set by hand: disk=1GiB, libc=glibc@2.28, memory=100MiB, memory.available=100MiB
  ✘ high-x86-v3   libc: needs glibc>=2.31, this node has glibc 2.28
  ✘ high-arm64    cpu.level: needs armv8.2a, this node is x86-64-v4
  ✘ low-x86       memory: needs 256 MiB, this node has 100 MiB   requires: os ✔  cpu.level x86-64 ✔ (v4)
  ✘ wasm          memory: needs 128 MiB, this node has 100 MiB   requires: runtime ✔
Nothing chosen: none of its 4 variants fits this node.
To get high-x86-v3: glibc 2.31 or newer, 2 more cores, 7.9 GiB more memory, 3 GiB more disk space, or --set libc=glibc@2.31 --set cores=4 --set memory=8GiB --set disk=4GiB to try anyway.
To get low-x86: 156 MiB more memory, or --set memory=256MiB to try anyway.
To get wasm: 28 MiB more memory, or --set memory=128MiB to try anyway.  For another device: catalog explain acme/graphdb --profile pi-low
"
    );
}

#[test]
fn what_is_not_known_excludes_nothing_and_comes_second() {
    let mut variants = vec![
        ranked(fixture("musl", "libc=musl>=1.2"), 60),
        ranked(fixture("npu", "npu=edgetpu"), 90),
        ranked(fixture("plain", "os=linux"), 10),
    ];
    let machine = set(&["libc=musl"]);
    assert_eq!(
        story(&variants, &machine, Preference::HighPerformance),
        "\
acme/graphdb 1.4.0   profile: detected, preference: high-performance, set by hand: libc=musl
  ? musl    libc: needs musl>=1.2, this node has musl of unknown version
  ? npu     npu: needs edgetpu, not known: no detector in this build
  ✔ plain   great: disk 0.2 of 66 GiB   <- chosen: the only native variant that fits
To get npu: --set npu=edgetpu, if that is so.
To get musl: --set libc=musl@1.2, if that is so.  For another device: catalog explain acme/graphdb --profile pi-low
"
    );
    variants.pop();
    let resolution = resolve_variants(&variants, &machine, Preference::HighPerformance);
    assert_eq!(resolution.chosen.unwrap().as_str(), "npu");
    assert_eq!(resolution.reason, "the best that may fit: npu not known");
    // The same in a profile that lists all there is.
    let pi = Profile::named("pi-low").unwrap();
    assert_eq!(chosen(&variants, &pi, Preference::HighPerformance), None);
}

#[test]
fn a_fallback_that_surely_runs_beats_a_native_that_may() {
    let mut variants = vec![fixture("native", "npu=edgetpu"), fixture("any", "runtime=wasip2")];
    variants[1].fallback = true;
    assert_eq!(chosen(&variants, &node(), Preference::default()).unwrap(), "any");
    assert_eq!(chosen(&variants, &set(&["npu=edgetpu"]), Preference::default()).unwrap(), "native");
}

#[test]
fn memory_that_is_there_but_taken_is_tight() {
    let variants = [needs(fixture("big", ""), "20GiB", "22GiB", "1GiB")];
    let resolution = resolve_variants(&variants, &node(), Preference::default());
    let verdict = resolution.chosen_verdict().unwrap();
    assert_eq!(verdict.fit, Fit::Tight);
    assert_eq!(verdict.checks[0].says, "memory 20 of 23.5 GiB (16 GiB free now)");
    assert_eq!(resolution.reason, "the only variant");
    let variants = [needs(fixture("big", ""), "10GiB", "32GiB", "1GiB")];
    let resolution = resolve_variants(&variants, &node(), Preference::default());
    let verdict = resolution.chosen_verdict().unwrap();
    assert_eq!(verdict.fit, Fit::Ok);
    assert_eq!(verdict.checks[0].says, "memory 10 of 23.5 GiB (32 GiB recommended)");
}

#[test]
fn the_files_themselves_need_disk_when_nothing_is_said() {
    let mut variant = fixture("huge", "");
    variant.size = ByteSize::gib(100);
    let resolution = resolve_variants(&[variant], &node(), Preference::default());
    let rejection = resolution.verdicts[0].rejection().unwrap();
    assert_eq!(rejection.says, "disk: needs 100 GiB, this node has 66 GiB");
    assert_eq!(rejection.missing.as_deref(), Some("34 GiB more disk space"));
    assert_eq!(resolution.reason, "its only variant does not fit this node");
}

#[test]
fn equal_variants_are_told_apart_by_preference_fit_likes_and_name() {
    use Preference::{HighPerformance, LowResource};
    let reason = |variants: &[Variant], preference| {
        let resolution = resolve_variants(variants, &node(), preference);
        format!("{}: {}", resolution.chosen.unwrap(), resolution.reason)
    };
    let both = [fixture("b", ""), fixture("a", "")];
    assert_eq!(
        reason(&both, HighPerformance),
        "a: the first by name, of 2 native variants that fit"
    );

    let mut liked = both.clone();
    liked[0].prefers = fixture("x", "runtime=wasip2 gpu.api=cuda").requires;
    for preference in [HighPerformance, LowResource] {
        assert_eq!(
            reason(&liked, preference),
            "b: prefers what is here (runtime), of 2 native variants that fit"
        );
    }

    let sized = [
        needs(fixture("b", ""), "1GiB", "2GiB", "10MiB"),
        needs(fixture("a", ""), "1GiB", "200GiB", "20MiB"),
    ];
    assert_eq!(
        reason(&sized, HighPerformance),
        "b: the better fit at quality 50, of 2 native variants that fit"
    );
    assert_eq!(
        reason(&sized, LowResource),
        "b: needs the least disk (10 MiB), of 2 native variants that fit"
    );
    let small = [sized[0].clone(), needs(fixture("z", ""), "512MiB", "1GiB", "1GiB")];
    assert_eq!(
        reason(&small, LowResource),
        "z: needs the least memory (512 MiB), of 2 native variants that fit"
    );
}

#[test]
fn one_device_must_meet_all_that_is_asked_of_a_device() {
    let machine = Profile::from_toml(
        "schema = 1\nname = 'mixed'\nos = 'linux'\nmemory = { total = '64GiB' }\ndisk = { free = '1TiB' }\n\
         gpu = [{ vendor = 'intel', api = ['vulkan@1.3'], unified = true },\n\
                { vendor = 'nvidia', api = ['cuda@12.4'], vram = '8GiB', cc = '7.5' }]",
    )
    .unwrap();
    let fit = |requires: &str, vram: &str| {
        let mut variant = fixture("x", requires);
        variant.resources.vram.min = size(vram);
        let resolution = resolve_variants(&[variant], &machine, Preference::default());
        let says = resolution.verdicts[0].rejection().map(|check| check.says.clone());
        says.unwrap_or_default()
    };
    assert_eq!(fit("gpu.vendor=nvidia gpu.api=cuda>=12 gpu.cc=sm>=7.0", "8GiB"), "");
    assert_eq!(fit("gpu.api=vulkan", "32GiB"), "");
    // Vulkan is on one device and 8 GiB of its own memory on the other.
    assert_eq!(
        fit("gpu.vendor=nvidia gpu.api=vulkan", "4GiB"),
        "gpu.api: needs vulkan, mixed has cuda 12.4"
    );
    assert_eq!(fit("gpu.api=cuda", "24GiB"), "vram: needs 24 GiB, mixed has 8 GiB");
    let mut variant = fixture("x", "");
    variant.resources.vram.min = size("24GiB");
    let resolution = resolve_variants(&[variant], &node(), Preference::default());
    let rejection = resolution.verdicts[0].rejection().unwrap();
    assert_eq!(rejection.says, "vram: needs 24 GiB, this node has no GPU");
    assert_eq!(rejection.missing.as_deref(), Some("a GPU with 24 GiB"));
}

/// The families that people import: the names of other ecosystems mean the same machines.
#[test]
fn imported_families_choose_the_build_for_each_machine() {
    let mut family: Vec<_> = [
        ("linux-x64", "os=linux cpu.arch=x86_64"),
        ("linux-arm64", "os=linux cpu.arch=arm64"),
        ("darwin-arm64", "os=macos cpu.arch=aarch64"),
        ("win32-x64", "os=win32 cpu.arch=x64"),
        ("android-arm64", "os=android cpu.arch=aarch64"),
    ]
    .map(|(id, requires)| fixture(id, requires))
    .into();
    let mut wasm = fixture("wasm", "runtime=wasip2");
    wasm.fallback = true;
    family.push(wasm);
    let on = |profile: &Profile| chosen(&family, profile, Preference::default());
    let named = |name: &str| on(&Profile::named(name).unwrap());
    assert_eq!(on(&node()).unwrap(), "linux-x64");
    assert_eq!(named("pi-low").unwrap(), "linux-arm64");
    assert_eq!(named("android-high").unwrap(), "android-arm64");
    assert_eq!(named("iphone-high"), None);
    assert_eq!(on(&set(&["os=windows@11"])).unwrap(), "win32-x64");
    assert_eq!(on(&set(&["os=macos", "cpu.level=armv8.4a"])).unwrap(), "darwin-arm64");
    // Nobody built for this one.
    assert_eq!(on(&set(&["cpu.arch=riscv64"])).unwrap(), "wasm");
}

#[test]
fn a_preference_is_written_as_it_is_read() {
    for preference in [Preference::HighPerformance, Preference::LowResource] {
        assert_eq!(preference.to_string().parse::<Preference>().unwrap(), preference);
        assert_eq!(serde_json::to_string(&preference).unwrap(), format!("\"{preference}\""));
    }
    assert_eq!(
        "fast".parse::<Preference>().unwrap_err().to_string(),
        "\"fast\" is not a preference: it is high-performance or low-resource"
    );
}
