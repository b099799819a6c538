//! Looks at how much room there is before anything large is written.

use std::path::Path;

use catalog::size::ByteSize;

/// Left free whatever is written: a full disk breaks more than the write that filled it.
const RESERVE: ByteSize = ByteSize::mib(64);

/// There is not enough room.
pub(crate) struct Full {
    pub needed: ByteSize,
    pub free: ByteSize,
}

/// The room on the filesystem that `path` lies on, for users other than root.
pub(crate) fn free(path: &Path) -> Option<ByteSize> {
    let status = rustix::fs::statvfs(path).ok()?;
    Some(ByteSize::bytes(status.f_bavail.saturating_mul(status.f_frsize)))
}

/// Fails when `bytes` and a reserve do not fit; where nothing can be found out, they may.
pub(crate) fn check_room(path: &Path, bytes: ByteSize) -> Result<(), Full> {
    let Some(free) = free(path) else { return Ok(()) };
    let needed = bytes.checked_add(RESERVE).unwrap_or(ByteSize::bytes(u64::MAX));
    if needed > free { Err(Full { needed, free }) } else { Ok(()) }
}

/// What the files below `dir` have, without following links; what cannot be read counts as nothing.
pub(crate) fn used(dir: &Path) -> ByteSize {
    let Ok(entries) = std::fs::read_dir(dir) else { return ByteSize::default() };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => used(&entry.path()),
        Ok(meta) => ByteSize::bytes(meta.len()),
        Err(_) => ByteSize::default(),
    });
    sizes.sum()
}
