//! Finds peers that offer a variant, and keeps a transfer going while any of them is left.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use catalog::digest::Digest;
use catalog::permission::NodeId;
use tokio::task::JoinSet;

use super::board::Job;
use super::provider::{Provider, ProviderError};
use super::tally::Tally;
use super::transfer::Transfer;
use super::{FetchError, TransferProgress, Tried};
use crate::access;
use crate::blobs::{Blobs, Writer};
use crate::endpoint::DialError;
use crate::node::Inner;
use crate::peers::{Candidate, causes};

/// The most peers that are used for one variant.
const PROVIDERS_MAX: usize = 8;
/// A transfer to which nothing came for so long, although peers were dialled again and again, is
/// given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause before peers that were lost are dialled again.
const REDIAL_PAUSE: Duration = Duration::from_millis(500);

/// The search for one variant.
pub(crate) struct Session {
    node: Arc<Inner>,
    reference: String,
    root: Digest,
    tally: Arc<Tally>,
    candidates: Vec<Candidate>,
    /// Peers that are not asked again, and why.
    out: HashMap<NodeId, String>,
    /// What went wrong last with peers that may be asked again.
    lost: HashMap<NodeId, String>,
    dialling: JoinSet<Dialled>,
    ready: Vec<Provider>,
}

type Dialled = (NodeId, Result<Provider, DialError>);

impl Session {
    /// Begins to dial everybody who may have it.
    pub(crate) async fn new(
        node: Arc<Inner>,
        reference: &str,
        root: Digest,
        tally: Arc<Tally>,
    ) -> Result<Self, FetchError> {
        let candidates = node.candidates()?;
        let mut session = Self {
            node,
            reference: reference.to_owned(),
            root,
            tally,
            candidates,
            out: HashMap::new(),
            lost: HashMap::new(),
            dialling: JoinSet::new(),
            ready: Vec::new(),
        };
        if !session.candidates.is_empty() {
            session.dial().await?;
        }
        Ok(session)
    }

    /// Dials everybody who is neither out nor connected.
    async fn dial(&mut self) -> Result<(), FetchError> {
        let net = self.node.net().await?.clone();
        let wanted = self.candidates.iter().filter(|candidate| {
            !self.out.contains_key(&candidate.node)
                && self.ready.iter().all(|provider| provider.node != candidate.node)
        });
        let mut peers = 0;
        for Candidate { node, addrs } in wanted.cloned() {
            let (net, company) = (net.clone(), self.tally.company.clone());
            self.dialling.spawn(async move {
                let dialled = net.dial(node, &addrs, access::ALPN).await;
                (node, dialled.map(|connection| Provider { node, connection, company }))
            });
            peers += 1;
        }
        self.tally.tell(TransferProgress::Connecting { peers });
        Ok(())
    }

    /// Fetches the hash sequence and the tree from the first who offers them.
    pub(crate) async fn head(
        &mut self,
        tree: Digest,
        sequence_bytes: u64,
        tree_bytes_max: u64,
    ) -> Result<(Bytes, Bytes), FetchError> {
        let began = Instant::now();
        loop {
            while let Some(provider) = self.next_provider().await {
                let meter = self.tally.as_ref();
                match provider.head(self.root, tree, sequence_bytes, tree_bytes_max, meter).await {
                    Ok(head) => {
                        self.ready.push(provider);
                        return Ok(head);
                    }
                    Err(ProviderError::Blobs(error)) => return Err(error.into()),
                    Err(error) => self.drop_provider(&provider, &error),
                }
            }
            self.pause(began.elapsed()).await?;
        }
    }

    /// Lets everybody work on `jobs` until all are done.
    pub(crate) async fn transfer(
        &mut self,
        jobs: Vec<Job>,
        blobs: &Blobs,
        writer: &Arc<Writer>,
    ) -> Result<(), FetchError> {
        let transfer = Transfer::new(
            self.root,
            jobs,
            blobs.clone(),
            writer.clone(),
            self.tally.clone(),
            self.tally.company.clone(),
        );
        let mut working: JoinSet<(Provider, Result<(), ProviderError>)> = JoinSet::new();
        let mut ids = 0..;
        while !transfer.is_finished() {
            while working.len() < PROVIDERS_MAX
                && let Some(provider) = self.ready.pop()
            {
                let (transfer, id) = (transfer.clone(), ids.next().unwrap_or_default());
                working.spawn(async move {
                    let worked = transfer.work(id, provider.clone()).await;
                    (provider, worked)
                });
            }
            if working.is_empty() && self.dialling.is_empty() {
                self.pause(self.tally.silence()).await?;
                continue;
            }
            tokio::select! {
                () = self.node.stop.cancelled() => return Err(FetchError::Shutdown),
                Some(ended) = working.join_next() => match joined(ended) {
                    (_, Ok(())) => {}
                    (_, Err(ProviderError::Blobs(error))) => return Err(error.into()),
                    (provider, Err(error)) => self.drop_provider(&provider, &error),
                },
                Some(dialled) = self.dialling.join_next() => self.take_up(joined(dialled)),
            }
        }
        // Whoever still duplicates what has come meanwhile is not needed any more.
        working.shutdown().await;
        Ok(())
    }

    /// The next peer that is connected; `None` when all that can be dialled have been.
    async fn next_provider(&mut self) -> Option<Provider> {
        loop {
            if let Some(provider) = self.ready.pop() {
                return Some(provider);
            }
            let dialled = self.dialling.join_next().await?;
            self.take_up(joined(dialled));
        }
    }

    fn take_up(&mut self, (node, dialled): Dialled) {
        match dialled {
            Ok(provider) => self.ready.push(provider),
            Err(error) => {
                self.lost.insert(node, causes(&error));
            }
        }
    }

    /// Counts a provider as lost for now, or for the whole transfer.
    fn drop_provider(&mut self, provider: &Provider, error: &ProviderError) {
        let (node, reason) = (provider.node, causes(error));
        provider.connection.close(0u32.into(), b"");
        if matches!(error, ProviderError::Wrong | ProviderError::Refused) {
            self.out.insert(node, reason.clone());
        } else {
            self.lost.insert(node, reason.clone());
        }
        self.tally.tell(TransferProgress::ProviderLost { node, reason });
    }

    /// Waits a little and dials again, unless that has gone on for too long or nobody is left.
    async fn pause(&mut self, silence: Duration) -> Result<(), FetchError> {
        let left = self.candidates.iter().any(|candidate| !self.out.contains_key(&candidate.node));
        // A peer that was never reached is not waited for: nothing says that it will come.
        let reached = self.tally.bytes_moved() > 0;
        if !left || !reached || silence > PATIENCE {
            return Err(self.unavailable());
        }
        tokio::select! {
            () = self.node.stop.cancelled() => return Err(FetchError::Shutdown),
            () = tokio::time::sleep(REDIAL_PAUSE) => {}
        }
        self.dial().await
    }

    fn unavailable(&self) -> FetchError {
        let tried = self.candidates.iter().map(|candidate| {
            let node = candidate.node;
            let reason = self.out.get(&node).or_else(|| self.lost.get(&node));
            Tried { node, reason: reason.cloned().unwrap_or_else(|| "not asked".to_owned()) }
        });
        FetchError::Unavailable { reference: self.reference.clone(), tried: tried.collect() }
    }
}

fn joined<T>(ended: Result<T, tokio::task::JoinError>) -> T {
    match ended {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
