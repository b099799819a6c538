//! Asks peers, all at once, until enough of them answered or time is up.

use std::sync::Arc;
use std::time::Duration;

use catalog::permission::NodeId;
use catalog::store::StoreError;
use catalog_discovery::federation::{
    CacheKey, Counts, Coverage, DEADLINE, Event, Heard, Inquiry, Opened, Order, Question, Reach,
    Target, gather, heads,
};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::debug;

use crate::blocking::blocking;
use crate::links::Link;
use crate::meter::Count;
use crate::node::Inner;
use crate::protocol::frame::{self, FrameError};
use crate::protocol::message::{Request, TalkError, VERSION_SEARCH};
use crate::protocol::question::{ANSWER_BYTES_MAX, Asked, Reply};
use crate::sync;
use crate::talk::{self, LinkError};

/// Room for the counts and lengths beside the records of an answer.
const REPLY_BYTES_MAX: usize = ANSWER_BYTES_MAX + 64 * 1024;

/// What peers told about a question.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub heard: Vec<Heard>,
    /// How often the words occur, here and there.
    pub counts: Counts,
    pub coverage: Coverage,
    /// How long ago, when it was remembered.
    pub age: Option<Duration>,
    /// When asking ended; `None` while it goes on, and when this was remembered.
    pub ended: Option<Duration>,
}

/// Gets what peers told so far.
pub(crate) type News = watch::Sender<Option<Told>>;

impl Told {
    /// What an inquiry came to so far.
    fn of(inquiry: &Inquiry, ours: &Counts, now: Duration) -> Self {
        let counts = inquiry.answers().iter().filter_map(|(_, opened)| opened.counts());
        Self {
            heard: gather(inquiry.answers()),
            counts: Counts::sum(ours, counts),
            coverage: inquiry.coverage(now),
            age: None,
            ended: inquiry.ended(),
        }
    }
}

impl Inner {
    /// Who may hold something that is not here, as far as `reach` goes.
    pub(crate) async fn targets(&self, reach: Reach) -> Result<Vec<Target>, StoreError> {
        let links = match reach {
            Reach::Nobody => return Ok(Vec::new()),
            _ => self.links.all(),
        };
        let candidates = match reach {
            Reach::Connected => Vec::new(),
            _ => self.candidates()?,
        };
        if links.is_empty() && candidates.is_empty() {
            return Ok(Vec::new());
        }
        let ours = self.state().await?.log.root;
        let mut targets: Vec<Target> = links
            .iter()
            .filter(|(node, link)| self.is_peer(node) && may_add(link, &ours))
            .map(|(node, link)| Target { node: *node, root: Some(link.state().log.root) })
            .collect();
        targets.sort_by_key(|target| target.node);
        let others = candidates.iter().map(|candidate| candidate.node);
        let others = others.filter(|node| links.iter().all(|(linked, _)| linked != node));
        targets.extend(others.map(|node| Target { node, root: None }));
        let (now, memory) = (self.uptime(), self.federation.memory());
        targets.retain(|target| !memory.asking.is_shunned(now, &target.node));
        Ok(targets)
    }

    /// What peers tell about a question, from memory when it was asked before.
    ///
    /// - `ours`: how often its words occur here.
    /// - `until`: when nobody is waited for any more.
    /// - `news`: gets what they told so far, each time that it is more.
    pub(crate) async fn ask_peers(
        self: &Arc<Self>,
        question: &Question,
        ours: &Counts,
        (targets, reach): (&[Target], Reach),
        until: Duration,
        news: &News,
    ) -> Told {
        let (key, heads) = (CacheKey::of(question, reach, VERSION_SEARCH), heads(targets));
        let remembered = self.federation.memory().cache.get(self.uptime(), key, heads);
        let Some(known) = remembered else {
            self.meter.add(Count::SearchesAsked, 1);
            return self.ask_anew(question, ours, (targets, reach), until, news).await;
        };
        self.meter.add(Count::SearchesRemembered, 1);
        if known.stale && self.federation.refreshing.insert(key) {
            let (inner, question, ours) = (self.clone(), question.clone(), ours.clone());
            let targets = targets.to_vec();
            self.tasks.spawn(async move {
                // Nobody waits for it.
                let (until, news) = (inner.uptime() + DEADLINE, News::default());
                let asking = inner.ask_anew(&question, &ours, (&targets, reach), until, &news);
                tokio::select! {
                    () = inner.stop.cancelled() => {}
                    _ = asking => {}
                }
                inner.federation.refreshing.remove(&key);
            });
        }
        let (heard, counts, coverage) = (known.heard, known.counts, known.coverage);
        Told { heard, counts, coverage, age: Some(known.age), ended: None }
    }

    /// What peers tell about a question now; it is remembered.
    pub(crate) async fn ask_anew(
        self: &Arc<Self>,
        question: &Question,
        ours: &Counts,
        (targets, reach): (&[Target], Reach),
        until: Duration,
        news: &News,
    ) -> Told {
        let groups = self.federation.memory().collections.groups(question, targets, reach);
        let on_more = |inquiry: &Inquiry| {
            if !news.is_closed() {
                news.send_replace(Some(Told::of(inquiry, ours, self.uptime())));
            }
        };
        let inquiry = self.inquire(question, groups, until, on_more).await;
        let told = Told::of(&inquiry, ours, self.uptime());
        let mut memory = self.federation.memory();
        for (node, opened) in inquiry.answers() {
            if let Some(counts) = opened.counts() {
                memory.collections.learn(*node, question, counts);
            }
        }
        let (key, heads) = (CacheKey::of(question, reach, VERSION_SEARCH), heads(targets));
        let (counts, coverage) = (told.counts.clone(), told.coverage);
        memory.cache.put(self.uptime(), key, heads, &told.heard, (counts, coverage));
        drop(memory);
        told
    }

    /// Carries out an inquiry to its end.
    async fn inquire(
        self: &Arc<Self>,
        question: &Question,
        groups: Vec<Vec<NodeId>>,
        until: Duration,
        on_more: impl Fn(&Inquiry),
    ) -> Inquiry {
        let question = Arc::new(question.clone());
        let mut inquiry =
            Inquiry::new(self.uptime(), groups, until, &mut self.federation.memory().asking);
        // Dropped at the end, which takes back whatever is still on its way.
        let mut asked = JoinSet::new();
        let mut told = None;
        loop {
            while let Some(Order::Ask(node)) = inquiry.next_order() {
                let (inner, question) = (self.clone(), question.clone());
                asked.spawn(async move { inner.ask_one(node, question).await });
            }
            let Some(wake) = inquiry.next_wake(self.uptime()) else { return inquiry };
            if told != Some(inquiry.answers().len()) {
                told = Some(inquiry.answers().len());
                on_more(&inquiry);
            }
            let event = tokio::select! {
                Some(Ok(event)) = asked.join_next() => event,
                () = tokio::time::sleep(wake.saturating_sub(self.uptime())) => Event::Tick,
            };
            inquiry.handle(self.uptime(), event, &mut self.federation.memory().asking);
        }
    }

    async fn ask_one(self: Arc<Self>, node: NodeId, question: Arc<Question>) -> Event {
        match self.exchange_question(node, &question).await {
            Ok(Some(Reply::Busy)) => Event::Failed { node },
            // It holds nothing that is not here.
            Ok(None) => Event::Answered { node, opened: Opened::default() },
            Ok(Some(reply)) => {
                let Some(answer) = reply.answer() else { return Event::Lied { node } };
                match blocking(move || answer.open(&question)).await {
                    Ok(opened) => Event::Answered { node, opened },
                    Err(lie) => {
                        debug!("peer {} is not believed: {lie}", node.short());
                        Event::Lied { node }
                    }
                }
            }
            Err(error) => {
                debug!("peer {} did not answer a question: {error}", node.short());
                match sync::is_misbehaviour(&error) {
                    true => Event::Lied { node },
                    false => Event::Failed { node },
                }
            }
        }
    }

    /// `None` when the peer turns out to have nothing that is not here.
    async fn exchange_question(
        self: &Arc<Self>,
        node: NodeId,
        question: &Question,
    ) -> Result<Option<Reply>, LinkError> {
        let link = match self.links.get(&node) {
            Some(link) => link,
            None => {
                let candidate = self.candidate(&node)?;
                let link = talk::link(self, node, &candidate.addrs).await?;
                if !may_add(&link, &self.state().await?.log.root) {
                    return Ok(None);
                }
                link
            }
        };
        let reply = async {
            let opened = link.connection.open_bi().await;
            let (mut send, mut receive) =
                opened.map_err(|error| FrameError::Lost { source: error.into() })?;
            let request = Request::Search(Box::new(Asked::of(question)));
            frame::send(&mut send, &request).await?;
            send.finish().ok();
            let body = frame::receive_bytes(&mut receive).await?.ok_or_else(FrameError::ended)?;
            match body.len() {
                bytes if bytes > REPLY_BYTES_MAX => Err(FrameError::TooLarge { bytes }),
                _ => frame::decode(&body),
            }
        };
        Ok(Some(reply.await.map_err(TalkError::from)?))
    }
}

/// Whether a peer answers questions and may hold something that is not here.
fn may_add(link: &Link, ours: &[u8; 32]) -> bool {
    let theirs = link.state().log.root;
    link.version >= VERSION_SEARCH && theirs != *ours && !link.is_covered(Some(theirs))
}
