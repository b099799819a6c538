//! How much memory the control groups of this process leave it, for both versions of them.
//!
//! A group is limited by each of its ancestors too. Inside a container the path that
//! `/proc/self/cgroup` names often does not exist; the mount itself is then the group.

use super::{Linux, read_text};
use std::path::{Path, PathBuf};

/// The tightest limit on this process.
pub(super) struct MemoryGroup {
    /// Bytes that may be used.
    pub limit: u64,
    /// Bytes that are left, caches that can be dropped included.
    pub headroom: u64,
}

/// Names of one version's files.
struct Files {
    limit: &'static str,
    usage: &'static str,
    /// The line of `memory.stat` with the file cache that goes first.
    cache: &'static str,
}

const V1: Files = Files {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    cache: "total_inactive_file",
};
const V2: Files = Files { limit: "memory.max", usage: "memory.current", cache: "inactive_file" };

/// Reads the limits, `None` when there is none.
pub(super) fn memory(system: &Linux) -> Option<MemoryGroup> {
    let text = system.text("proc/self/cgroup")?;
    let mut tightest: Option<MemoryGroup> = None;
    for line in text.lines() {
        let mut fields = line.splitn(3, ':');
        let (_, Some(controllers), Some(group)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let (mount, files) = if controllers.split(',').any(|name| name == "memory") {
            ("sys/fs/cgroup/memory", V1)
        } else if controllers.is_empty() {
            let hybrid = system.path("sys/fs/cgroup/unified").is_dir();
            (if hybrid { "sys/fs/cgroup/unified" } else { "sys/fs/cgroup" }, V2)
        } else {
            continue;
        };
        for folder in folders(&system.path(mount), group) {
            let Some(found) = read(&folder, &files) else { continue };
            let (limit, headroom) = match &tightest {
                Some(other) => (other.limit.min(found.limit), other.headroom.min(found.headroom)),
                None => (found.limit, found.headroom),
            };
            tightest = Some(MemoryGroup { limit, headroom });
        }
    }
    tightest
}

/// The folder of `group` and those of its ancestors, up to the mount.
fn folders(mount: &Path, group: &str) -> Vec<PathBuf> {
    // `..` stands there when the group is outside of what this container sees.
    let inside = !group.split('/').any(|part| part == "..");
    let group = Path::new(if inside { group.trim_start_matches('/') } else { "" });
    group.ancestors().map(|ancestor| mount.join(ancestor)).collect()
}

fn read(folder: &Path, files: &Files) -> Option<MemoryGroup> {
    let number = |name: &str| read_text(&folder.join(name))?.trim().parse::<u64>().ok();
    // "max" is not a number: no limit.
    let limit = number(files.limit)?;
    let cache = read_text(&folder.join("memory.stat")).unwrap_or_default();
    let cache = cache
        .lines()
        .find_map(|line| line.strip_prefix(files.cache)?.trim().parse::<u64>().ok())
        .unwrap_or(0);
    let used = number(files.usage).unwrap_or(0).saturating_sub(cache);
    Some(MemoryGroup { limit, headroom: limit.saturating_sub(used) })
}

#[cfg(test)]
mod tests {
    use super::super::tests::Fake;
    use crate::size::ByteSize;

    const MEMINFO: (&str, &str) =
        ("proc/meminfo", "MemTotal: 8388608 kB\nMemAvailable: 6291456 kB\n");

    fn usable(files: &[(&str, &str)]) -> (Option<ByteSize>, Option<ByteSize>) {
        let memory = Fake::of(&[&[MEMINFO], files].concat()).facts().memory;
        (memory.limit, memory.available)
    }

    #[test]
    fn the_second_version_is_limited_by_its_ancestors() {
        let found = usable(&[
            ("proc/self/cgroup", "0::/app/worker\n"),
            ("sys/fs/cgroup/app/worker/memory.max", "max\n"),
            ("sys/fs/cgroup/app/memory.max", "2147483648\n"),
            ("sys/fs/cgroup/app/memory.current", "1610612736\n"),
            ("sys/fs/cgroup/app/memory.stat", "anon 1\ninactive_file 536870912\n"),
        ]);
        assert_eq!(found, (Some(ByteSize::gib(2)), Some(ByteSize::gib(1))));
    }

    #[test]
    fn the_first_version_is_read_where_memory_is_its_controller() {
        let found = usable(&[
            ("proc/self/cgroup", "5:cpu:/x\n4:memory:/app\n0::/\n"),
            ("sys/fs/cgroup/memory/app/memory.limit_in_bytes", "1073741824\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ]);
        assert_eq!(found, (Some(ByteSize::gib(1)), Some(ByteSize::gib(1))));
    }

    #[test]
    fn inside_a_container_the_mount_is_the_group() {
        let found = usable(&[
            ("proc/self/cgroup", "0::/../../docker/1234\n"),
            ("sys/fs/cgroup/memory.max", "1073741824\n"),
        ]);
        assert_eq!(found.0, Some(ByteSize::gib(1)));
    }

    #[test]
    fn an_unlimited_group_limits_nothing() {
        let found = usable(&[
            ("proc/self/cgroup", "4:memory:/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ]);
        assert_eq!(found, (None, Some(ByteSize::gib(6))));
    }
}
