//! The kinds of hardware that a variant is for, coarse enough to count and to list.

use std::collections::BTreeSet;

use crate::profile::{arch_of, canonical};
use crate::variant::{FactKey, Variant};

/// Classes of one variant: a list of systems times a list of architectures may be long.
const CLASSES_MAX: usize = 32;

/// The class of what asks for nothing.
const ANY: &str = "any";

impl Variant {
    /// The kinds of hardware it asks for, as `system/architecture/accelerator` with only the parts
    /// that it names: `linux/x86_64`, `android/arm64-v8a`, `linux/x86_64/cuda`, `wasip2` or `any`.
    ///
    /// - result: in alphabetical order, not empty, at most 32.
    pub fn hardware_classes(&self) -> BTreeSet<String> {
        let systems = [self.wanted("os"), self.wanted("runtime")].concat();
        let levels = self.wanted("cpu.level");
        let arches = [
            self.wanted("cpu.arch"),
            levels.iter().map(|level| arch_of(level).to_owned()).collect(),
            self.wanted("cpu.abi"),
        ];
        // The first that is said says it best: a level belongs to one architecture.
        let arches = arches.into_iter().find(|names| !names.is_empty()).unwrap_or_default();
        let accelerators = self.wanted("gpu.api");
        let mut classes = BTreeSet::new();
        for system in or_nothing(&systems) {
            for arch in or_nothing(&arches) {
                for accelerator in or_nothing(&accelerators) {
                    let parts = [system, arch, accelerator].into_iter().flatten();
                    let class = parts.collect::<Vec<_>>().join("/");
                    classes.insert(if class.is_empty() { ANY.to_owned() } else { class });
                    if classes.len() >= CLASSES_MAX {
                        return classes;
                    }
                }
            }
        }
        classes
    }

    /// The names that a fact may have, each in the one spelling we compare by.
    fn wanted(&self, key: &str) -> Vec<String> {
        let found = self.requires.get_key_value(key);
        let names = found.into_iter().flat_map(|(key, constraint)| {
            let alternatives = constraint.alternatives().iter();
            alternatives.map(move |wanted| spelled(key, wanted.name().as_str()))
        });
        names.collect()
    }
}

fn spelled(key: &FactKey, name: &str) -> String {
    canonical(key, name).to_owned()
}

/// Each of these, or nothing once.
fn or_nothing(names: &[String]) -> Vec<Option<&str>> {
    match names {
        [] => vec![None],
        names => names.iter().map(|name| Some(name.as_str())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variant::tests::fixture;

    fn classes(requires: &str) -> Vec<String> {
        fixture("one", requires).hardware_classes().into_iter().collect()
    }

    #[test]
    fn a_class_names_system_architecture_and_accelerator() {
        assert_eq!(classes(""), ["any"]);
        assert_eq!(classes("libc=glibc>=2.31"), ["any"]);
        assert_eq!(classes("os=linux cpu.level=x86-64-v3"), ["linux/x86_64"]);
        assert_eq!(classes("os=linux cpu.arch=arm64"), ["linux/aarch64"]);
        assert_eq!(
            classes("os=android>=12 cpu.abi=arm64-v8a|armeabi-v7a"),
            ["android/arm64-v8a", "android/armeabi-v7a"]
        );
        assert_eq!(classes("os=linux cpu.level=x86-64 gpu.api=cuda>=12"), ["linux/x86_64/cuda"]);
        assert_eq!(classes("runtime=wasip2"), ["wasip2"]);
    }

    #[test]
    fn long_lists_make_no_more_classes_than_the_limit() {
        let list =
            |start: &str| (0..16).map(|at| format!("{start}{at}")).collect::<Vec<_>>().join("|");
        let classes = classes(&format!("os={} cpu.abi={}", list("os"), list("abi")));
        assert_eq!(classes.len(), CLASSES_MAX);
    }
}
