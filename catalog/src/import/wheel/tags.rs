//! Reads what a wheel's file name says about where it runs.
//!
//! `numpy-2.4.6-cp311-cp311-manylinux_2_27_x86_64.whl` is name, version, (build), interpreter,
//! interface, platform. Each of the last three can list several, joined by dots.
//!
//! # Source
//! PEP 425 (tags), PEP 427 (file name), PEP 600 (manylinux), PEP 656 (musllinux), PEP 738
//! (Android), PEP 730 (iOS).

use std::collections::BTreeSet;

/// The parts of a wheel's file name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WheelName {
    pub(super) distribution: String,
    pub(super) version: String,
    pub(super) pythons: Vec<String>,
    pub(super) abis: Vec<String>,
    pub(super) platforms: Vec<String>,
}

impl WheelName {
    /// Splits `file_name`; `None` when it is not the name of a wheel.
    pub(super) fn parse(file_name: &str) -> Option<Self> {
        let parts: Vec<&str> = file_name.strip_suffix(".whl")?.split('-').collect();
        let [distribution, version, ref build @ .., pythons, abis, platforms] = parts[..] else {
            return None;
        };
        // A build number, which starts with a digit, only breaks ties.
        if build.len() > 1
            || !build.iter().all(|part| part.starts_with(|c: char| c.is_ascii_digit()))
        {
            return None;
        }
        let list = |tags: &str| tags.split('.').map(str::to_ascii_lowercase).collect::<Vec<_>>();
        let name = Self {
            distribution: distribution.to_owned(),
            version: version.to_owned(),
            pythons: list(pythons),
            abis: list(abis),
            platforms: list(platforms),
        };
        let words = [&name.pythons, &name.abis, &name.platforms];
        let word = |tag: &String| {
            !tag.is_empty() && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        };
        let sound = words.into_iter().flatten().all(word);
        (sound && !name.distribution.is_empty() && !name.version.is_empty()).then_some(name)
    }

    /// The interpreters it wants, as a constraint on the fact `python`; `None` for any Python 3.
    pub(super) fn python(&self) -> Option<String> {
        let mut wanted = Vec::new();
        for tag in &self.pythons {
            let (implementation, digits) = tag.split_at(tag.len().min(2));
            let name = match implementation {
                "cp" => "cpython",
                "pp" => "pypy",
                "py" => return None,
                _ => continue,
            };
            let version = match digits.split_at_checked(1) {
                Some((major, minor)) if !minor.is_empty() => format!("{major}.{minor}"),
                _ => continue,
            };
            let op = if self.is_stable() { ">=" } else { "=" };
            wanted.push(format!("{name}{op}{version}"));
        }
        (!wanted.is_empty()).then(|| wanted.join("|"))
    }

    /// Whether two wheels are for the same interpreters.
    pub(super) fn same_python(&self, other: &Self) -> bool {
        (&self.pythons, self.is_stable()) == (&other.pythons, other.is_stable())
    }

    /// The interpreter as it stands in the name of a variant: `cp311`, `cp38-abi3`.
    pub(super) fn interpreter(&self) -> String {
        let stable = if self.is_stable() { "-abi3" } else { "" };
        format!("{}{stable}", self.pythons[0])
    }

    /// Grows with the newest interpreter that it is for.
    pub(super) fn python_age(&self) -> Vec<u32> {
        let number = |tag: &String| tag.get(3..)?.parse().ok();
        self.pythons.iter().filter_map(number).max().into_iter().collect()
    }

    /// Whether it works with later interpreters, too.
    fn is_stable(&self) -> bool {
        self.abis.iter().any(|abi| abi == "abi3")
    }
}

/// Where the files of a wheel can run: any of the systems, on any of the machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Platform {
    /// No compiled code in it.
    Any,
    /// Constraints on the facts `os`, `cpu.arch` and, where one is named, `libc`.
    ///
    /// - `machine`: system, processor and C library without versions, to compare builds for one
    ///   machine.
    /// - `age`: grows with the version of the system that it was built on.
    Native { os: String, arch: String, libc: Option<String>, machine: String, age: u32 },
}

/// Why platform tags cannot become one variant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TagError {
    #[error("the platform tag {0:?} is not known")]
    Unknown(String),
    #[error("it is built for several systems at once, which one variant cannot say")]
    Mixed,
}

/// One platform tag: `macosx_11_0_arm64` is macOS from 11.0 on aarch64.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Single {
    os: &'static str,
    os_version: Option<(u32, u32)>,
    arch: &'static str,
    libc: Option<(&'static str, (u32, u32))>,
}

impl Platform {
    /// Reads a list of platform tags, all of which must lead to one set of constraints.
    pub(super) fn of(tags: &[String]) -> Result<Self, TagError> {
        if tags.iter().any(|tag| tag == "any") {
            return Ok(Self::Any);
        }
        let mut singles = BTreeSet::new();
        for tag in tags {
            singles.extend(single(tag).ok_or_else(|| TagError::Unknown(tag.clone()))?);
        }
        let oses: BTreeSet<_> = singles.iter().map(|one| one.os).collect();
        let arches: BTreeSet<_> = singles.iter().map(|one| one.arch).collect();
        let libcs: BTreeSet<_> = singles.iter().filter_map(|one| one.libc).collect();
        let listed: BTreeSet<_> = singles.iter().map(|one| (one.os, one.arch)).collect();
        let every_pair = listed.len() == oses.len() * arches.len();
        if !every_pair || (oses.len() > 1 && !libcs.is_empty()) {
            return Err(TagError::Mixed);
        }
        // Several tags of one system say the same thing in newer and older words, so the oldest
        // version among them is the true limit.
        let os = oses.iter().map(|&os| {
            let oldest = singles.iter().filter(|one| one.os == os).map(|one| one.os_version).min();
            with_version(os, oldest.flatten())
        });
        let families: BTreeSet<_> = libcs.iter().map(|&(family, _)| family).collect();
        let libc = families.iter().map(|&family| {
            let oldest = libcs.iter().filter(|(name, _)| *name == family).map(|&(_, v)| v).min();
            with_version(family, oldest)
        });
        let libc: Vec<String> = libc.collect();
        let newest = |one: &Single| {
            let (major, minor) = one.libc.map(|(_, v)| v).or(one.os_version).unwrap_or((0, 0));
            major.saturating_mul(1000).saturating_add(minor)
        };
        let arch = arches.into_iter().collect::<Vec<_>>().join("|");
        let libcs = families.iter().copied().collect::<Vec<_>>().join("|");
        let systems = oses.iter().copied().collect::<Vec<_>>().join("|");
        Ok(Self::Native {
            os: os.collect::<Vec<_>>().join("|"),
            machine: format!("{systems} {arch} {libcs}"),
            arch,
            libc: (!libc.is_empty()).then(|| libc.join("|")),
            age: singles.iter().map(newest).min().unwrap_or(0),
        })
    }
}

fn with_version(name: &str, version: Option<(u32, u32)>) -> String {
    match version {
        Some((major, minor)) => format!("{name}>={major}.{minor}"),
        None => name.to_owned(),
    }
}

/// Reads one platform tag; a tag for a fat binary gives one entry for each kind of machine.
fn single(tag: &str) -> Option<Vec<Single>> {
    let plain =
        |os, machine| Some(vec![Single { os, os_version: None, arch: arch(machine)?, libc: None }]);
    match tag {
        "win32" => return plain("windows", "i686"),
        "win_amd64" => return plain("windows", "x86_64"),
        "win_arm64" => return plain("windows", "arm64"),
        _ => {}
    }
    for (old, glibc) in
        [("manylinux1_", (2, 5)), ("manylinux2010_", (2, 12)), ("manylinux2014_", (2, 17))]
    {
        if let Some(machine) = tag.strip_prefix(old) {
            return linux(machine, Some(("glibc", glibc)));
        }
    }
    let (family, rest) = tag.split_once('_')?;
    match family {
        "manylinux" | "musllinux" => {
            let (version, machine) = two_numbers(rest)?;
            let libc = if family == "manylinux" { "glibc" } else { "musl" };
            linux(machine, Some((libc, version)))
        }
        "linux" => linux(rest, None),
        "macosx" => {
            let (version, machine) = two_numbers(rest)?;
            let machines: &[&str] = match machine {
                "universal2" => &["arm64", "x86_64"],
                "intel" => &["i686", "x86_64"],
                one => &[one],
            };
            let one = |machine: &&str| {
                let arch = arch(machine)?;
                Some(Single { os: "macos", os_version: Some(version), arch, libc: None })
            };
            machines.iter().map(one).collect()
        }
        "android" => {
            let (level, abi) = rest.split_once('_')?;
            let machine = match abi {
                "arm64_v8a" => "arm64",
                "armeabi_v7a" => "armv7l",
                "x86_64" => "x86_64",
                "x86" => "i686",
                _ => return None,
            };
            let os_version = Some(android_version(level.parse().ok()?)?);
            Some(vec![Single { os: "android", os_version, arch: arch(machine)?, libc: None }])
        }
        "ios" => {
            let (version, machine) = two_numbers(rest)?;
            let arch = arch(machine.strip_suffix("_iphoneos")?)?;
            Some(vec![Single { os: "ios", os_version: Some(version), arch, libc: None }])
        }
        _ => None,
    }
}

fn linux(machine: &str, libc: Option<(&'static str, (u32, u32))>) -> Option<Vec<Single>> {
    Some(vec![Single { os: "linux", os_version: None, arch: arch(machine)?, libc }])
}

fn two_numbers(text: &str) -> Option<((u32, u32), &str)> {
    let mut parts = text.splitn(3, '_');
    let version = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some((version, parts.next()?))
}

/// The Android release that brought an API level.
fn android_version(level: u32) -> Option<(u32, u32)> {
    Some(match level {
        21 => (5, 0),
        22 => (5, 1),
        23 => (6, 0),
        24 => (7, 0),
        25 => (7, 1),
        26 => (8, 0),
        27 => (8, 1),
        28 => (9, 0),
        29 => (10, 0),
        30 => (11, 0),
        31 | 32 => (12, 0),
        level @ 33.. => (level - 20, 0),
        _ => return None,
    })
}

fn arch(machine: &str) -> Option<&'static str> {
    Some(match machine {
        "x86_64" => "x86_64",
        "i686" | "i386" => "x86",
        "aarch64" | "arm64" => "aarch64",
        "armv7l" | "armv6l" => "arm",
        "ppc64le" => "ppc64le",
        "riscv64" => "riscv64",
        "s390x" => "s390x",
        "loongarch64" => "loongarch64",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(tags: &str) -> Result<Platform, TagError> {
        Platform::of(&tags.split('.').map(str::to_owned).collect::<Vec<_>>())
    }

    fn native(os: &str, arch: &str, libc: Option<&str>) -> impl Fn(&Platform) -> bool {
        let wanted = (os.to_owned(), arch.to_owned(), libc.map(str::to_owned));
        move |found| {
            matches!(found, Platform::Native { os, arch, libc, .. }
                if (os.clone(), arch.clone(), libc.clone()) == wanted)
        }
    }

    #[test]
    fn file_names_split_into_their_parts() {
        let name = WheelName::parse(
            "numpy-2.4.6-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
        )
        .unwrap();
        assert_eq!((&*name.distribution, &*name.version), ("numpy", "2.4.6"));
        assert_eq!(name.platforms, ["manylinux_2_27_x86_64", "manylinux_2_28_x86_64"]);
        assert_eq!(name.python().unwrap(), "cpython=3.11");
        let built = WheelName::parse("a_b-1.0-1-py2.py3-none-any.whl").unwrap();
        assert_eq!((built.python(), &*built.platforms), (None, &["any".to_owned()][..]));
        let stable = WheelName::parse("x-1-cp38-abi3-win_amd64.whl").unwrap();
        assert_eq!(stable.python().unwrap(), "cpython>=3.8");
        for bad in [
            "a.whl",
            "a-1-py3-none.whl",
            "a-1-b-py3-none-any.whl",
            "a-1-py3-none-any.zip",
            "a-1-py3-none-a/b.whl",
        ] {
            assert_eq!(WheelName::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn platform_tags_become_constraints() {
        for (tags, os, arch, libc) in [
            ("manylinux_2_17_x86_64.manylinux2014_x86_64", "linux", "x86_64", Some("glibc>=2.17")),
            (
                "manylinux_2_27_aarch64.manylinux_2_28_aarch64",
                "linux",
                "aarch64",
                Some("glibc>=2.27"),
            ),
            ("manylinux1_i686", "linux", "x86", Some("glibc>=2.5")),
            ("musllinux_1_2_x86_64", "linux", "x86_64", Some("musl>=1.2")),
            (
                "manylinux_2_17_x86_64.musllinux_1_1_x86_64",
                "linux",
                "x86_64",
                Some("glibc>=2.17|musl>=1.1"),
            ),
            ("linux_armv7l", "linux", "arm", None),
            ("macosx_11_0_arm64", "macos>=11.0", "aarch64", None),
            ("macosx_10_9_universal2", "macos>=10.9", "aarch64|x86_64", None),
            ("win_amd64", "windows", "x86_64", None),
            ("win32", "windows", "x86", None),
            ("android_24_arm64_v8a", "android>=7.0", "aarch64", None),
            ("ios_13_0_arm64_iphoneos", "ios>=13.0", "aarch64", None),
        ] {
            let found = platform(tags).unwrap();
            assert!(native(os, arch, libc)(&found), "{tags}: {found:?}");
        }
        assert_eq!(platform("any"), Ok(Platform::Any));
    }

    #[test]
    fn tags_that_one_variant_cannot_say_are_refused() {
        assert_eq!(platform("solaris_2_11"), Err(TagError::Unknown("solaris_2_11".into())));
        assert_eq!(platform("win_amd64.macosx_11_0_arm64"), Err(TagError::Mixed));
        assert_eq!(platform("win_amd64.manylinux_2_17_x86_64"), Err(TagError::Mixed));
    }
}
