//! Runs work that waits for the disk where it does not hold up anybody else.

/// Runs `work` on a thread of its own and waits for it; a panic in it goes on here.
pub(crate) async fn blocking<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
