//! Makes a blob store that was not closed trustworthy again.
//!
//! In: the time before which every file is known to be on the disk. Files changed later are
//! re-hashed: those listed as complete that no longer match are dropped, and those that are
//! complete but not listed (the process died before the database committed) are listed. Small
//! blobs lie in the database and need nothing; partial ones the store re-validates itself.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use catalog::digest::Digest;

use super::{Blobs, BlobsError, Holding, Recovered};

pub(super) async fn run(blobs: &Blobs, mark: SystemTime) -> Result<Recovered, BlobsError> {
    let failed = |source| BlobsError::failed("recover", source);
    let folder = blobs.dir().join("data");
    let changed = blocking(move || changed_since(folder, mark)).await?;
    let mut recovered = Recovered::default();
    let mut torn = HashSet::new();
    let writer = blobs.writer().await;
    for digest in changed {
        let holding = blobs.holding(&digest).await?;
        if holding == Holding::Partial {
            continue;
        }
        let path = blobs.path(&digest);
        let matches =
            blocking(move || Ok(Digest::of_reader(File::open(path)?)?.0 == digest)).await?;
        match (holding, matches) {
            (Holding::Whole { .. }, false) => {
                torn.insert(digest);
            }
            (Holding::Absent, true) => {
                writer.import_file(blobs.path(&digest), |_| ()).await?;
                recovered.adopted += 1;
            }
            (Holding::Absent, false) => {
                for extension in ["data", "obao4", "sizes4", "bitfield"] {
                    fs::remove_file(blobs.path(&digest).with_extension(extension)).ok();
                }
            }
            (Holding::Whole { .. } | Holding::Partial, _) => {}
        }
    }
    writer.sync().await?;
    drop(writer);
    if !torn.is_empty() {
        blobs.alone().await.drop_torn(&torn).await?;
    }
    recovered.torn = torn.into_iter().collect();
    recovered.torn.sort();
    // What was checked is only now known to be readable, not to be on the disk.
    let marks = blobs.clone();
    blocking(move || {
        rustix::fs::syncfs(&File::open(marks.dir())?)?;
        marks.0.marks.checked()
    })
    .await
    .map_err(|error| match error {
        BlobsError::Failed { source, .. } => failed(source),
        other => other,
    })?;
    Ok(recovered)
}

fn changed_since(folder: PathBuf, mark: SystemTime) -> io::Result<Vec<Digest>> {
    let mut changed = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(digest) = name.to_str().and_then(|name| name.strip_suffix(".data")) else {
            continue;
        };
        let Ok(digest) = digest.parse() else { continue };
        if entry.metadata()?.modified()? >= mark {
            changed.push(digest);
        }
    }
    Ok(changed)
}

async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> io::Result<R> + Send + 'static,
) -> Result<R, BlobsError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other)
        .and_then(|result| result)
        .map_err(|error| BlobsError::failed("recover", error))
}
