//! Keeps both directions of the line at what its owner wants at each moment.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::blocking::blocking;
use crate::pace::Pace;
use crate::shaping::policy::{Effect, Policy};
use crate::surroundings;

/// How often the time of day and the power supply are looked at, where they matter.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The line of one node.
pub(crate) struct Line {
    /// Holds back what is sent to peers.
    pub upload: Arc<Pace>,
    /// Holds back what is taken from peers.
    pub download: Arc<Pace>,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    policy: Policy,
    effect: Effect,
}

impl Line {
    /// A line that keeps to `policy` from the first byte.
    pub(crate) fn new(policy: Policy) -> Self {
        let effect = policy.at(surroundings::now());
        let pace = |limits| Arc::new(Pace::new(limits));
        let (upload, download) = (pace(effect.upload), pace(effect.download));
        let state = Mutex::new(State { policy, effect });
        let line = Self { upload, download, state, changed: Notify::new() };
        line.hold_to(effect);
        line
    }

    /// What its owner wants, and what of that holds now.
    pub(crate) fn state(&self) -> (Policy, Effect) {
        let state = self.lock();
        (state.policy.clone(), state.effect)
    }

    /// Keeps to another policy from now on, also with what is on its way.
    pub(crate) fn set(&self, policy: Policy) {
        self.lock().policy = policy;
        self.look();
        self.changed.notify_one();
    }

    /// Looks at the moment now and then, for as long as the node runs.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let [up, down] = [&self.upload, &self.download].map(|pace| pace.clone().run(stop.clone()));
        let looking = async {
            loop {
                let line = self.clone();
                blocking(move || line.look()).await;
                let is_needed = self.lock().policy.depends_on_surroundings();
                let next = async {
                    match is_needed {
                        true => tokio::time::sleep(LOOK_EVERY).await,
                        false => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = self.changed.notified() => {}
                    () = next => {}
                }
            }
        };
        tokio::join!(up, down, looking);
    }

    fn look(&self) {
        let moment = surroundings::now();
        let mut state = self.lock();
        let effect = state.policy.at(moment);
        if effect != state.effect {
            state.effect = effect;
            // Under the lock, so that of two looks the later one holds.
            self.hold_to(effect);
        }
    }

    fn hold_to(&self, effect: Effect) {
        for (pace, limits) in [(&self.upload, effect.upload), (&self.download, effect.download)] {
            pace.set(limits);
            pace.yield_to(effect.floor(), effect.background);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
