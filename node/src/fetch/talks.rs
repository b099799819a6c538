//! What a transfer and its providers say to each other beside the contents, and what is forecast
//! of them.

use std::sync::Arc;
use std::time::Duration;

use catalog::permission::NodeId;
use iroh::endpoint::Connection;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tracing::debug;

use super::features::{Features, Moment};
use crate::endpoint::{Net, rtt};
use crate::node::Inner;
use crate::peers::Candidate;
use crate::predict::outlook::{Outlook, Report, Sight};
use crate::predict::{EVERY, Packets};
use crate::session::client::{Advice, Client, Told};
use crate::session::wire::{Frame, Load, SessionId};
use crate::sessions::{Line, attend, packets};
use crate::transfer::{Event, Parting, SourceId, Transfer};

/// Frames of all providers that wait to be looked at.
const HEARD_MAX: usize = 64;
/// Frames that wait to go to one provider.
const SAYS_MAX: usize = 8;

/// The sessions of one transfer.
pub(super) struct Talks {
    node: Arc<Inner>,
    /// The socket of this transfer alone, if nobody is to know who fetches.
    unnamed: Option<Arc<Net>>,
    client: Client,
    /// By [`SourceId`].
    providers: Vec<Provider>,
    tasks: JoinSet<Option<()>>,
    hears: mpsc::Sender<(SourceId, Frame)>,
    heard: mpsc::Receiver<(SourceId, Frame)>,
    /// When everybody was last looked at.
    looked: Option<Duration>,
    features: Option<Features>,
}

struct Provider {
    candidate: Candidate,
    told: Told,
    talk: Option<(mpsc::Sender<Frame>, AbortHandle)>,
    outlook: Outlook,
    /// What it reported since it was last looked at.
    report: Option<Load>,
    /// Packets of ours, when it was last looked at.
    counted: Packets,
}

impl Talks {
    pub(super) fn new(
        node: &Arc<Inner>,
        candidates: &[Candidate],
        unnamed: Option<Arc<Net>>,
    ) -> Self {
        let (hears, heard) = mpsc::channel(HEARD_MAX);
        let mut session = [0; 16];
        // Without chance a provider could tell two transfers of ours for one, no more.
        getrandom::fill(&mut session).ok();
        let providers = candidates.iter().map(|candidate| Provider {
            candidate: candidate.clone(),
            told: Told::default(),
            talk: None,
            outlook: Outlook::default(),
            report: None,
            counted: Packets::default(),
        });
        // What nobody is to know is not noted here either.
        let features = node.config.feature_log().filter(|_| unnamed.is_none()).map(Features::at);
        Self {
            node: node.clone(),
            unnamed,
            client: Client::new(SessionId(session)),
            providers: providers.collect(),
            tasks: JoinSet::new(),
            hears,
            heard,
            looked: None,
            features,
        }
    }

    /// Begins a session with a provider that was just connected.
    pub(super) fn begin(&mut self, source: SourceId) {
        let (say, says) = mpsc::channel(SAYS_MAX);
        let (net, hello) = (self.unnamed.clone(), self.client.hello());
        let line = Line { net, hello, heard: self.hears.clone(), says };
        let candidate = self.providers[source.0].candidate.clone();
        let task = self.tasks.spawn(attend(self.node.clone(), source, candidate, line));
        self.providers[source.0].talk = Some((say, task));
        while self.tasks.try_join_next().is_some() {}
    }

    /// The next thing that a provider says.
    pub(super) async fn heard(&mut self) -> Option<(SourceId, Frame)> {
        self.heard.recv().await
    }

    /// Does what follows from something that a provider said.
    pub(super) fn hear(
        &mut self,
        machine: &mut Transfer,
        now: Duration,
        source: SourceId,
        frame: Frame,
    ) {
        let provider = &mut self.providers[source.0];
        let (from, map) = (provider.candidate.node, self.client.map());
        let advice = match self.client.hear(now, from, &mut provider.told, frame) {
            Ok(advice) => advice,
            Err(breach) => {
                debug!("peer {} was not listened to: {breach}", from.short());
                if breach.is_misbehaviour() {
                    self.leave(source);
                }
                return;
            }
        };
        for advice in advice {
            match advice {
                Advice::Loaded(load) => self.providers[source.0].report = Some(load),
                Advice::Leave { who, until, after } => {
                    if let Some(source) = self.find(&who) {
                        machine.handle(now, Event::Leaving { source, until, after });
                    }
                }
                Advice::Stay(who) => {
                    if let Some(source) = self.find(&who) {
                        machine.handle(now, Event::Staying { source });
                    }
                }
                // Whom we do not know ourselves is not dialled because somebody says so.
                Advice::Name(named) => {
                    if let Some(source) = self.find(&named) {
                        machine.handle(now, Event::Named { source });
                    }
                }
            }
        }
        if self.client.map() != map {
            self.providers.iter().for_each(|one| one.say(Frame::Map(self.client.map())));
        }
    }

    /// Tells a provider that nothing more is wanted of it.
    pub(super) fn release(&self, source: SourceId) {
        self.providers[source.0].say(Frame::Bye);
    }

    /// Ends the session with a provider.
    pub(super) fn end(&mut self, source: SourceId, why: Parting) {
        if let Some(features) = &mut self.features {
            features.parted(self.node.uptime(), self.providers[source.0].candidate.node, why);
        }
        self.leave(source);
    }

    fn leave(&mut self, source: SourceId) {
        if let Some((_, task)) = self.providers[source.0].talk.take() {
            task.abort();
        }
    }

    /// Looks at everybody who is connected when it is time to, and says what follows.
    pub(super) fn foresee<'c>(
        &mut self,
        machine: &mut Transfer,
        now: Duration,
        connection: impl Fn(SourceId) -> Option<&'c Connection>,
    ) {
        let since = self.looked.map(|last| now.saturating_sub(last));
        if since.is_some_and(|since| since < EVERY) {
            return;
        }
        self.looked = Some(now);
        let lateness = since.unwrap_or_default().saturating_sub(EVERY);
        for (at, provider) in self.providers.iter_mut().enumerate() {
            let source = SourceId(at);
            let Some(connection) = connection(source) else { continue };
            let sight = provider.sight(connection);
            let prospect = provider.outlook.look(now, lateness, &sight);
            if self.node.config.heeds_forecasts() {
                machine.handle(now, Event::Foreseen { source, trust: prospect.share });
            }
            let (load, loss) = (prospect.reading.load, Some(provider.outlook.loss()));
            machine.handle(now, Event::Told { source, load, loss });
            if let Some(features) = &mut self.features {
                let rate = machine.health(source).rate;
                features.saw(now, provider.candidate.node, &Moment { prospect, rate });
            }
        }
        if let Some(features) = &mut self.features {
            features.write();
        }
    }

    fn find(&self, node: &NodeId) -> Option<SourceId> {
        self.providers.iter().position(|one| one.candidate.node == *node).map(SourceId)
    }
}

impl Provider {
    fn say(&self, frame: Frame) {
        if let Some((say, _)) = &self.talk {
            // Who does not listen misses it.
            say.try_send(frame).ok();
        }
    }

    fn sight(&mut self, connection: &Connection) -> Sight {
        let counted = packets(connection);
        let before = std::mem::replace(&mut self.counted, counted);
        let report = self.report.take();
        let theirs = report.unwrap_or_default();
        // What we send is little; what they lose on the way to us is what counts.
        let sent = counted.sent.saturating_sub(before.sent) + u64::from(theirs.sent);
        let lost = counted.lost.saturating_sub(before.lost) + u64::from(theirs.lost);
        let share = |share: Option<u16>| share.map(|share| f64::from(share) / 1000.0);
        Sight {
            rtt: rtt(connection),
            packets: Some(Packets { sent, lost }),
            report: report
                .map(|load| Report { load: share(load.offered), memory: share(load.memory) }),
        }
    }
}
