//! The answer to a long request: JSON lines, written and read.
//!
//! Progress that nobody reads fast enough is dropped, results never are. When the reader goes away
//! the work is dropped with the stream, so an interrupted command does not go on in the background.

use std::future::Future;
use std::pin::Pin;

use axum::body::{Body, Bytes};
use futures_lite::{Stream, StreamExt, stream};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::code::Code;
use super::failure::Failure;

/// Progress events kept for a slow reader; the newest beyond it are dropped.
const PROGRESS_QUEUED_MAX: usize = 64;
/// The longest line that is read: a report about 100,000 files has some 20 MB.
const LINE_BYTES_MAX: usize = 64 << 20;

/// One line of a long answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Piece<P, R> {
    Progress(P),
    Result(R),
    Error(Failure),
}

/// Where a long request reports how far it is.
#[derive(Clone, Debug)]
pub(super) struct Reporter(mpsc::Sender<Bytes>);

impl Reporter {
    /// Reports progress; never waits.
    pub(super) fn report<P: Serialize>(&self, progress: P) {
        let _ = self.0.try_send(encode(&Piece::<P, ()>::Progress(progress)));
    }
}

/// Runs `work` as the body of an answer.
pub(super) fn body<R, F>(work: impl FnOnce(Reporter) -> F) -> Body
where
    R: Serialize + 'static,
    F: Future<Output = Result<R, Failure>> + Send + 'static,
{
    let (sender, mut receiver) = mpsc::channel(PROGRESS_QUEUED_MAX);
    let work = work(Reporter(sender));
    let reports = stream::poll_fn(move |context| receiver.poll_recv(context));
    let last = stream::once_future(async move {
        encode(&match work.await {
            Ok(result) => Piece::<(), R>::Result(result),
            Err(failure) => Piece::Error(failure),
        })
    });
    // The reporter lives in `work`: when that ends, `reports` drains what is queued and ends too.
    let lines =
        Ordered { reports: Some(Box::pin(reports)), last: Some(Box::pin(last)), kept: None };
    Body::from_stream(lines.map(Ok::<_, std::convert::Infallible>))
}

type Lines = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

/// Reports as they come while the work is being done, the last line after all of them.
struct Ordered {
    reports: Option<Lines>,
    last: Option<Lines>,
    kept: Option<Bytes>,
}

impl Stream for Ordered {
    type Item = Bytes;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Bytes>> {
        use std::task::Poll;
        // The work first: polling it is what makes it go on.
        if let Some(work) = self.last.as_mut()
            && let Poll::Ready(line) = work.as_mut().poll_next(context)
        {
            self.last = None;
            self.kept = line;
        }
        if let Some(reports) = self.reports.as_mut() {
            match reports.as_mut().poll_next(context) {
                Poll::Ready(Some(line)) => return Poll::Ready(Some(line)),
                Poll::Ready(None) => self.reports = None,
                Poll::Pending if self.last.is_some() => return Poll::Pending,
                // A clone of the reporter outlived the work; what it might still say is late.
                Poll::Pending => self.reports = None,
            }
        }
        match self.kept.take() {
            Some(line) => Poll::Ready(Some(line)),
            None if self.last.is_some() => Poll::Pending,
            None => Poll::Ready(None),
        }
    }
}

fn encode<P: Serialize, R: Serialize>(piece: &Piece<P, R>) -> Bytes {
    let mut line = serde_json::to_vec(piece).unwrap_or_else(|error| {
        let failure = Failure::of(Code::INTERNAL, &error);
        serde_json::to_vec(&Piece::<(), ()>::Error(failure)).unwrap_or_default()
    });
    line.push(b'\n');
    line.into()
}

/// Reads a long answer to its end, handing out progress on the way.
pub(super) async fn read<P, R>(mut body: Body, mut on_progress: impl FnMut(P)) -> Result<R, Failure>
where
    P: DeserializeOwned,
    R: DeserializeOwned,
{
    let mut pending: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken_off().caused_by(Some(&error)))?;
        let Ok(data) = frame.into_data() else { continue };
        pending.extend_from_slice(&data);
        while let Some(end) = pending.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            match serde_json::from_slice(&line).map_err(|error| misread(&error))? {
                Piece::Progress(progress) => on_progress(progress),
                Piece::Result(result) => return Ok(result),
                Piece::Error(failure) => return Err(failure),
            }
        }
        if pending.len() > LINE_BYTES_MAX {
            return Err(broken_off().cause("an endless line"));
        }
    }
    Err(broken_off())
}

/// The other side went away before it was done.
pub(super) fn broken_off() -> Failure {
    Failure::new(Code::BROKEN_OFF, "the running node went away in the middle of the request")
        .hint("catalog daemon status, then try again")
}

/// The other side said something we cannot read: it is another version.
pub(super) fn misread(error: &serde_json::Error) -> Failure {
    Failure::new(Code::DAEMON_OTHER, "the running node answered in a form this command cannot read")
        .cause(error)
        .hint("catalog daemon stop, then catalog daemon start")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reports_come_before_the_result_and_in_order() {
        let body = body(|reporter| async move {
            for step in 0..10u32 {
                reporter.report(step);
                tokio::task::yield_now().await;
            }
            Ok("done".to_owned())
        });
        let mut steps = Vec::new();
        let result: String = read(body, |step: u32| steps.push(step)).await.unwrap();
        assert_eq!(result, "done");
        assert_eq!(steps, (0..10).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_reader_that_is_too_slow_loses_reports_but_not_the_result() {
        let body = body(|reporter| async move {
            (0..1000u32).for_each(|step| reporter.report(step));
            Err::<(), _>(Failure::new(Code::NO_PACKAGE, "no package x"))
        });
        let mut steps = 0;
        let failure = read::<u32, ()>(body, |_| steps += 1).await.unwrap_err();
        assert_eq!(failure.code, Code::NO_PACKAGE);
        assert_eq!(steps, PROGRESS_QUEUED_MAX);
    }

    #[tokio::test]
    async fn work_ends_when_the_reader_goes_away() {
        struct Flag(Option<tokio::sync::oneshot::Sender<()>>);
        impl Drop for Flag {
            fn drop(&mut self) {
                let _ = self.0.take().map(|sender| sender.send(()));
            }
        }
        let (dropped, was_dropped) = tokio::sync::oneshot::channel();
        let flag = Flag(Some(dropped));
        let body = body(|_| async move {
            let _flag = flag;
            std::future::pending::<Result<(), Failure>>().await
        });
        drop(body);
        was_dropped.await.unwrap();
    }

    #[tokio::test]
    async fn an_answer_without_an_end_is_a_failure() {
        let failure = read::<u32, ()>(Body::from("{\"progress\":1}\n"), |_| ()).await.unwrap_err();
        assert_eq!(failure.code, Code::BROKEN_OFF);
        let failure = read::<u32, ()>(Body::from("{\"other\":1}\n"), |_| ()).await.unwrap_err();
        assert_eq!(failure.code, Code::DAEMON_OTHER);
    }
}
