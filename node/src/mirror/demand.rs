//! Counts what this node serves, by content and region, and tells others how much that is.
//!
//! Whoever serves says so, never whoever installs; a mirror that copies is not counted, for that
//! is no use. What is told names no client, and nothing that only one client asked for.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use catalog::announcement::{self, Announcement};
use catalog::digest::Digest;
use catalog::name::Region;
use catalog::permission::NodeId;
use catalog::register::RegisterName;
use catalog::store::StoreError;
use catalog_mirror::heat::{self, Served};
use iroh_blobs::protocol::GetRequest;
use tracing::debug;

use crate::access;
use crate::blocking::blocking;
use crate::node::{Inner, now};
use crate::registers::SayError;

/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What was served, in a file that costs little when it is lost.
pub(super) struct Counts {
    path: PathBuf,
    served: Mutex<Option<State>>,
}

struct State {
    served: Served,
    /// Whether the file says something else.
    is_news: bool,
}

impl Counts {
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, served: Mutex::new(None) }
    }

    fn served(&self) -> MutexGuard<'_, Option<State>> {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        if served.is_none() {
            let mut salt = [0; 32];
            // Without chance two clients could be told apart over a restart, no more.
            getrandom::fill(&mut salt).ok();
            let small = fs::metadata(&self.path).is_ok_and(|meta| meta.len() <= FILE_BYTES_MAX);
            let bytes = if small { fs::read(&self.path).unwrap_or_default() } else { Vec::new() };
            let read = Served::decode(&bytes, salt).unwrap_or_else(|_| Served::new(salt));
            *served = Some(State { served: read, is_news: false });
        }
        served
    }
}

pub(super) fn demand_name() -> RegisterName {
    heat::NAME.parse().expect("the name has the form of one")
}

impl Inner {
    /// Counts that a client was served, when its request is the one that each client begins with.
    pub(crate) fn count_demand(&self, client: &NodeId, root: &Digest, request: &GetRequest) {
        let begins = request.ranges.iter_non_empty_infinite().next().is_some_and(|(at, _)| at == 0);
        if !begins {
            return;
        }
        // Who asks without a name must not be counted, and could count itself any number of times.
        if access::is_anonymous(self, root).unwrap_or(true) {
            return;
        }
        // A mirror that copies is no demand.
        match self.lease_of(client) {
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => return,
        }
        let region = self.region_of(client).unwrap_or_default();
        if let Some(state) = self.mirror.counts.served().as_mut() {
            state.served.note(now(), root, region.as_ref(), client);
            state.is_news = true;
        }
    }

    /// Where a node says that it is.
    fn region_of(&self, node: &NodeId) -> Result<Option<Region>, StoreError> {
        let name = announcement::NAME.parse().expect("the name has the form of one");
        let said = self.store.register(&name, node)?.filter(|said| said.expires > now());
        let said = said.and_then(|said| Announcement::decode(&said.value).ok());
        Ok(said.and_then(|said| said.region))
    }

    /// Tells others what was served, when that is something else than what they know.
    pub(super) async fn say_demand(&self) -> Result<(), SayError> {
        let (demand, bytes) = match self.mirror.counts.served().as_mut() {
            Some(state) => {
                let is_news = std::mem::take(&mut state.is_news);
                (state.served.demand(now()), is_news.then(|| state.served.encode()))
            }
            None => return Ok(()),
        };
        if let Some(bytes) = bytes
            && let Err(error) = self.keep_demand(bytes).await
        {
            debug!("what was served cannot be kept: {error}");
        }
        let last = self.store.register(&demand_name(), &self.id)?;
        if demand.rows.is_empty() && last.is_none() {
            return Ok(());
        }
        self.say_for(&demand_name(), demand.encode(), heat::LIFE).await
    }
    async fn keep_demand(&self, bytes: Vec<u8>) -> io::Result<()> {
        let path = self.mirror.counts.path.clone();
        blocking(move || {
            let fresh = path.with_extension("new");
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&fresh, bytes)?;
            fs::rename(&fresh, &path)
        })
        .await
    }
}
