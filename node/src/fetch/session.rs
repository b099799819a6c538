//! Carries out what a [`Transfer`] orders: dials, requests, cancels, hang-ups; and tells it what
//! becomes of them.
//!
//! One task drives the machine; each request is a task of its own. All of them end with the
//! session.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use catalog::digest::Digest;
use iroh::endpoint::Connection;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::block::{Begun, Open, block_bytes};
use super::gauge::Gauge;
use super::job::Job;
use super::provider::{Provider, ProviderError, Sink, Work};
use super::talks::Talks;
use super::tally::Tally;
use super::{FetchError, TransferProgress, Tried};
use crate::access;
use crate::blobs::{Blobs, BlobsError, Writer};
use crate::endpoint::{DialError, Net, rtt};
use crate::node::Inner;
use crate::peers::{Candidate, causes};
use crate::topology::Strategy;
use crate::transfer::{
    End, Event, Mark, Order, Parting, RequestId, SourceId, Standing, TICK, Transfer, UnitId,
};

/// The search for one variant.
pub(crate) struct Session {
    node: Arc<Inner>,
    reference: String,
    root: Digest,
    tally: Arc<Tally>,
    machine: Transfer,
    /// By [`SourceId`].
    sources: Vec<Source>,
    /// By [`UnitId`].
    tasks: Vec<Task>,
    requests: HashMap<RequestId, Running>,
    running: JoinSet<Ended>,
    dialling: JoinSet<Dialled>,
    /// The hash sequence and the tree, once they have come.
    head: Option<(Bytes, Bytes)>,
    /// What providers and we say to each other beside the contents.
    talks: Talks,
    /// The socket of this session alone, if nobody is to know who fetches.
    unnamed: Option<Arc<Net>>,
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(unnamed) = self.unnamed.take() {
            self.node.tasks.spawn(async move { unnamed.close().await });
        }
    }
}

struct Source {
    candidate: Candidate,
    connection: Option<Connection>,
    /// What last went wrong with it.
    trouble: Option<String>,
}

/// What a unit of the machine is.
#[derive(Clone)]
enum Task {
    /// The hash sequence and the tree.
    Head { tree: Digest, sequence_bytes: u64, tree_bytes_max: u64 },
    /// Files, or a part of one.
    Job { job: Job, destination: Arc<Destination>, file: Option<Arc<File>> },
}

/// Where files go.
struct Destination {
    blobs: Blobs,
    writer: Arc<Writer>,
    begun: Begun,
}

/// A large file, open while pieces of it are missing.
#[derive(Default)]
struct File(OnceCell<Open>);

struct Running {
    source: SourceId,
    work: Arc<Work>,
}

struct Ended {
    request: RequestId,
    result: Result<Option<(Bytes, Bytes)>, ProviderError>,
}

struct Dialled {
    source: SourceId,
    took: Duration,
    result: Result<Connection, DialError>,
}

impl Session {
    /// Begins to dial everybody who may have it.
    pub(crate) async fn new(
        node: Arc<Inner>,
        reference: &str,
        root: Digest,
        strategy: Strategy,
        tally: Arc<Tally>,
    ) -> Result<Self, FetchError> {
        let now = node.uptime();
        let unnamed = match access::is_anonymous(&node, &root)? {
            true => Some(Arc::new(Net::ephemeral(&node.config).await?)),
            false => None,
        };
        let (candidates, ranked): (Vec<_>, Vec<_>) =
            node.ranked(strategy, &[root])?.into_iter().unzip();
        let health = candidates.iter().map(|one| node.experience.of(&one.node)).collect();
        let seed = u64::from_le_bytes(root.as_bytes()[..8].try_into().unwrap_or_default());
        let mut machine = Transfer::new(health, now, seed);
        machine.call(ranked.iter().map(|ranked| ranked.duty), strategy.at_work_min());
        let talks = Talks::new(&node, &candidates, unnamed.clone());
        let mut session = Self {
            machine,
            node,
            reference: reference.to_owned(),
            root,
            tally,
            sources: candidates.into_iter().map(Source::new).collect(),
            tasks: Vec::new(),
            requests: HashMap::new(),
            running: JoinSet::new(),
            dialling: JoinSet::new(),
            head: None,
            talks,
            unnamed,
        };
        session.obey().await?;
        Ok(session)
    }

    /// Fetches the hash sequence and the tree: `(sequence, tree)`.
    pub(crate) async fn head(
        &mut self,
        tree: Digest,
        sequence_bytes: u64,
        tree_bytes_max: u64,
    ) -> Result<(Bytes, Bytes), FetchError> {
        self.tasks.push(Task::Head { tree, sequence_bytes, tree_bytes_max });
        // How long the tree is, nobody has said yet; an entry has some 100 bytes.
        self.bring(&[sequence_bytes * 4]).await?;
        self.head.take().ok_or_else(|| self.unavailable())
    }

    /// Lets everybody work on `jobs` until all are done.
    pub(crate) async fn transfer(
        &mut self,
        jobs: Vec<Job>,
        blobs: &Blobs,
        writer: &Arc<Writer>,
    ) -> Result<(), FetchError> {
        let sizes: Vec<u64> = jobs.iter().map(Job::bytes).collect();
        let destination = Arc::new(Destination {
            blobs: blobs.clone(),
            writer: writer.clone(),
            begun: Begun::default(),
        });
        let mut last: Option<(Digest, Arc<File>)> = None;
        for job in jobs {
            // The pieces of a file stand side by side.
            let file = job.large_file().map(|digest| match &last {
                Some((before, file)) if *before == digest => file.clone(),
                _ => last.insert((digest, Arc::default())).1.clone(),
            });
            self.tasks.push(Task::Job { job, destination: destination.clone(), file });
        }
        drop(last);
        self.bring(&sizes).await
    }

    /// Drives the machine until units of these sizes, the last of the tasks, are here.
    async fn bring(&mut self, sizes: &[u64]) -> Result<(), FetchError> {
        self.machine.want(sizes, self.now());
        let brought = self.drive().await;
        self.let_go().await;
        brought
    }

    async fn drive(&mut self) -> Result<(), FetchError> {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.obey().await?;
            match self.machine.standing(self.now()) {
                Standing::Going => {}
                Standing::Finished => return Ok(()),
                Standing::Stuck => return Err(self.unavailable()),
            }
            tokio::select! {
                () = self.node.stop.cancelled() => return Err(FetchError::Shutdown),
                Some(ended) = self.running.join_next() => self.ended(joined(ended))?,
                Some(dialled) = self.dialling.join_next() => self.dialled(joined(dialled)),
                Some((source, frame)) = self.talks.heard() => {
                    self.talks.hear(&mut self.machine, self.node.uptime(), source, frame);
                }
                _ = ticks.tick() => {
                    self.look();
                    self.foresee();
                    self.machine.tick(self.now());
                }
            }
        }
    }

    /// Ends what nobody needs any more: duplicates of what has come meanwhile.
    async fn let_go(&mut self) {
        self.running.shutdown().await;
        let now = self.now();
        for (request, running) in std::mem::take(&mut self.requests) {
            let at = running.work.gauge.mark();
            self.machine.handle(now, Event::Ended { request, at, end: End::Cancelled });
        }
        for (at, source) in self.sources.iter().enumerate() {
            self.node.experience.note(source.candidate.node, self.machine.health(SourceId(at)));
        }
        self.tally.providers.store(0, Ordering::Relaxed);
    }

    /// Does everything that the machine orders.
    async fn obey(&mut self) -> Result<(), FetchError> {
        let mut peers = 0;
        while let Some(order) = self.machine.next_order() {
            match order {
                Order::Dial(source) => {
                    self.dial(source).await?;
                    peers += 1;
                }
                Order::Ask { request, source, unit, from } => {
                    self.ask(request, source, unit, from);
                }
                Order::Cancel(request) => {
                    if let Some(running) = self.requests.get(&request) {
                        running.work.cancelled.cancel();
                    }
                }
                Order::Release(source) => self.talks.release(source),
                Order::HangUp { source, why } => self.hang_up(source, why),
            }
        }
        if peers > 0 {
            self.tally.tell(TransferProgress::Connecting { peers });
        }
        self.tally.providers.store(self.machine.working(), Ordering::Relaxed);
        Ok(())
    }

    async fn dial(&mut self, source: SourceId) -> Result<(), FetchError> {
        let net = match &self.unnamed {
            Some(unnamed) => unnamed.clone(),
            None => self.node.net().await?.clone(),
        };
        let Candidate { node, addrs } = self.sources[source.0].candidate.clone();
        self.dialling.spawn(async move {
            let began = Instant::now();
            let result = net.dial(node, &addrs, access::ALPN).await;
            Dialled { source, took: began.elapsed(), result }
        });
        Ok(())
    }

    fn dialled(&mut self, Dialled { source, took, result }: Dialled) {
        let event = match result {
            Ok(connection) => {
                let rtt = rtt(&connection).unwrap_or(took);
                self.sources[source.0].connection = Some(connection);
                self.talks.begin(source);
                Event::Connected { source, rtt }
            }
            Err(error) => {
                self.sources[source.0].trouble = Some(causes(&error));
                Event::Unreachable { source }
            }
        };
        self.machine.handle(self.now(), event);
    }

    fn ask(&mut self, request: RequestId, source: SourceId, unit: UnitId, from: u64) {
        let work = Arc::new(Work {
            gauge: Gauge::new(self.tally.clone(), self.sources[source.0].candidate.node),
            cancelled: CancellationToken::new(),
        });
        self.requests.insert(request, Running { source, work: work.clone() });
        let provider = self.sources[source.0].connection.clone().map(Provider);
        let (task, root) = (self.tasks[unit.0].clone(), self.root);
        let block_bytes = block_bytes(self.machine.requests());
        self.running.spawn(async move {
            let result = match provider {
                Some(provider) => task.run(from, root, &provider, &work, block_bytes).await,
                None => Err(ProviderError::Cancelled),
            };
            Ended { request, result }
        });
    }

    fn ended(&mut self, Ended { request, result }: Ended) -> Result<(), FetchError> {
        let Some(Running { source, work }) = self.requests.remove(&request) else { return Ok(()) };
        let mut at = Mark { is_writing: false, ..work.gauge.mark() };
        let end = match result {
            Ok(head) => {
                if let Some(head) = head {
                    at.stored = at.received;
                    self.head = Some(head);
                }
                End::Done
            }
            Err(ProviderError::Blobs(error)) => return Err(error.into()),
            Err(ProviderError::Cancelled) => End::Cancelled,
            Err(error) => {
                self.sources[source.0].trouble = Some(causes(&error));
                match error {
                    ProviderError::Wrong => End::Wrong,
                    ProviderError::Lost { .. } => End::Lost,
                    _ => End::Refused,
                }
            }
        };
        self.look();
        self.machine.handle(self.now(), Event::Ended { request, at, end });
        Ok(())
    }

    /// Tells the machine how far every request is.
    fn look(&mut self) {
        let now = self.now();
        for (request, running) in &self.requests {
            let (request, at) = (*request, running.work.gauge.mark());
            self.machine.handle(now, Event::Moved { request, at });
        }
        for (at, source) in self.sources.iter().enumerate() {
            if let Some(rtt) = source.connection.as_ref().and_then(rtt) {
                self.machine.handle(now, Event::Rtt { source: SourceId(at), rtt });
            }
        }
    }

    /// Looks ahead, twice a second, at everybody who is connected.
    fn foresee(&mut self) {
        let (now, connected) = (self.now(), &self.sources);
        self.talks
            .foresee(&mut self.machine, now, |source| connected[source.0].connection.as_ref());
    }

    fn hang_up(&mut self, id: SourceId, why: Parting) {
        self.talks.end(id, why);
        let source = &mut self.sources[id.0];
        if let Some(connection) = source.connection.take() {
            connection.close(0u32.into(), b"");
        }
        let reason = match (why, &source.trouble) {
            (Parting::Stalled, _) => "it stalled".to_owned(),
            (Parting::Left, _) => "it said that it would leave".to_owned(),
            (_, Some(trouble)) => trouble.clone(),
            (Parting::Lied, None) => ProviderError::Wrong.to_string(),
            (Parting::Refused | Parting::Lost, None) => ProviderError::Refused.to_string(),
        };
        source.trouble = Some(reason.clone());
        let node = source.candidate.node;
        self.node.experience.note(node, self.machine.health(id));
        self.tally.tell(TransferProgress::ProviderLost { node, reason });
    }

    fn unavailable(&self) -> FetchError {
        let tried = self.sources.iter().map(|source| Tried {
            node: source.candidate.node,
            reason: source.trouble.clone().unwrap_or_else(|| "not asked".to_owned()),
        });
        FetchError::Unavailable { reference: self.reference.clone(), tried: tried.collect() }
    }

    fn now(&self) -> Duration {
        self.node.uptime()
    }
}

impl Source {
    fn new(candidate: Candidate) -> Self {
        Self { candidate, connection: None, trouble: None }
    }
}

impl Task {
    /// Does it at one provider; answers the head if it is that.
    ///
    /// - `from`: so many bytes of it are here.
    async fn run(
        &self,
        from: u64,
        root: Digest,
        provider: &Provider,
        work: &Work,
        block_bytes: usize,
    ) -> Result<Option<(Bytes, Bytes)>, ProviderError> {
        let (job, destination, file) = match self {
            Self::Head { tree, sequence_bytes, tree_bytes_max } => {
                let head = provider.head(root, *tree, *sequence_bytes, *tree_bytes_max, work);
                return head.await.map(Some);
            }
            Self::Job { job, destination, file } => (job.rest(from), destination, file),
        };
        if job.bytes() == 0 {
            // It has come meanwhile.
            return Ok(None);
        }
        let open = match (&job, file) {
            (Job::Piece { digest, size, .. }, Some(file)) => {
                Some(work.gauge.writing(file.open(&destination.blobs, *digest, *size)).await?)
            }
            _ => None,
        };
        let sink = Sink {
            blobs: &destination.blobs,
            writer: &destination.writer,
            begun: &destination.begun,
            open,
            block_bytes,
        };
        provider.carry_out(root, &job, sink, work).await?;
        Ok(None)
    }
}

impl File {
    async fn open(&self, blobs: &Blobs, digest: Digest, size: u64) -> Result<&Open, BlobsError> {
        let size = NonZeroU64::new(size).ok_or(BlobsError::Missing { digest })?;
        self.0.get_or_try_init(|| Open::new(blobs, digest, size)).await
    }
}

fn joined<T>(ended: Result<T, tokio::task::JoinError>) -> T {
    match ended {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
