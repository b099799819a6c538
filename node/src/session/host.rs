//! The side that gives contents: who is served, when they are to go elsewhere, and when this node
//! can leave without anybody noticing.
//!
//! In: sessions that begin, speak and end, a reading of this node every half second, and the wish to
//! leave. Out: frames for each session. Guarantees: a forecast moves half of the sessions at most,
//! and not again for half a minute; what waits for one session is bounded.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use catalog::permission::NodeId;

use super::wire::{ANYBODY, Drain, Frame, Handoff, Load, Phase, Reason, SUGGESTED_MAX};
use crate::predict::{Cause, Forecast, Reading, Risk};

/// Sessions at once; more are served without one.
pub(crate) const SESSIONS_MAX: usize = 256;
/// After sessions were asked to go elsewhere, no more are for so long.
const DWELL: Duration = Duration::from_secs(30);
/// Who was asked to go elsewhere may come back after so long.
const BACKUP: Duration = Duration::from_secs(10);
/// A forecast below this is calm again.
const CALM: f64 = 0.7;
/// Frames that wait for one session; of a slow reader the oldest are dropped.
const WAITING_MAX: usize = 16;

/// Numbers a session on this side.
pub(crate) type GuestId = u64;

/// Everybody who is served.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    us: NodeId,
    guests: BTreeMap<GuestId, Guest>,
    forecast: Forecast,
    /// When sessions were last asked to go elsewhere.
    relieved: Option<Duration>,
    leaving: Option<Leaving>,
}

#[derive(Clone, Debug)]
struct Guest {
    node: NodeId,
    /// The version of its map, as far as we know.
    map: u64,
    waiting: VecDeque<Frame>,
    /// It wants nothing more.
    is_done: bool,
    /// It was asked to go elsewhere.
    is_relieved: bool,
}

#[derive(Clone, Debug)]
struct Leaving {
    until: Duration,
    reason: Reason,
    suggest: Vec<NodeId>,
}

/// How this node is, besides what is forecast from it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct State {
    pub reading: Reading,
    pub requests: u16,
}

/// What only a provider says came from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client said what only a provider says")]
pub(crate) struct OutOfTurn;

impl Host {
    pub(crate) fn new(us: NodeId) -> Self {
        let (guests, forecast) = (BTreeMap::new(), Forecast::default());
        Self { us, guests, forecast, relieved: None, leaving: None }
    }

    /// A session begins. Answers whether there is room for it.
    pub(crate) fn open(&mut self, now: Duration, id: GuestId, node: NodeId, map: u64) -> bool {
        if self.guests.len() >= SESSIONS_MAX {
            return false;
        }
        let waiting = self.leaving.iter().map(|leaving| leaving.frame(now)).collect();
        let guest = Guest { node, map, waiting, is_done: false, is_relieved: false };
        self.guests.insert(id, guest);
        true
    }

    /// A session says something.
    pub(crate) fn hear(&mut self, id: GuestId, frame: Frame) -> Result<(), OutOfTurn> {
        let Some(guest) = self.guests.get_mut(&id) else { return Ok(()) };
        match frame {
            Frame::Map(map) => guest.map = guest.map.max(map),
            Frame::Bye => guest.is_done = true,
            _ => return Err(OutOfTurn),
        }
        Ok(())
    }

    /// A session is over.
    pub(crate) fn close(&mut self, id: GuestId) {
        self.guests.remove(&id);
    }

    /// Who the sessions are with.
    pub(crate) fn nodes(&self) -> Vec<(GuestId, NodeId)> {
        self.guests.iter().map(|(id, guest)| (*id, guest.node)).collect()
    }

    /// Takes a reading, every [`EVERY`](crate::predict::EVERY): reports it to all sessions, and asks
    /// some to go elsewhere when it is about to be too much.
    ///
    /// - `losses`: packets sent to a session since the reading before, and those lost.
    pub(crate) fn observe(
        &mut self,
        now: Duration,
        state: State,
        losses: impl Fn(GuestId) -> (u32, u32),
    ) -> Risk {
        let share = |share: f64| (share.clamp(0.0, 60.0) * 1000.0).round() as u16;
        for (id, guest) in &mut self.guests {
            let (sent, lost) = losses(*id);
            guest.say(Frame::Load(Load {
                offered: state.reading.load.map(share),
                memory: state.reading.memory.map(share),
                requests: state.requests,
                sent,
                lost,
            }));
        }
        let risk = self.forecast.observe(&state.reading);
        if self.leaving.is_some() {
            return risk;
        }
        let has_dwelt = self.relieved.is_none_or(|last| now >= last + DWELL);
        if risk.is_alarm() && has_dwelt {
            self.relieve(now, risk.cause);
        } else if risk.score < CALM {
            self.take_back();
        }
        risk
    }

    /// Asks half of the sessions, the newest, to go elsewhere for a while.
    fn relieve(&mut self, now: Duration, cause: Cause) {
        let served = self.guests.values().filter(|guest| !guest.is_done).count();
        let reason = match cause {
            Cause::Load => Reason::Load,
            Cause::Latency => Reason::Latency,
            Cause::Loss => Reason::Loss,
            Cause::Memory => Reason::Memory,
        };
        let newest = self.guests.values_mut().rev().filter(|guest| !guest.is_done);
        for guest in newest.take(served.div_ceil(2)) {
            guest.hand_off(self.us, reason, Phase::Commit);
            guest.is_relieved = true;
            self.relieved = Some(now);
        }
    }

    fn take_back(&mut self) {
        for guest in self.guests.values_mut().filter(|guest| guest.is_relieved) {
            guest.hand_off(self.us, Reason::Load, Phase::Abort);
            guest.is_relieved = false;
        }
    }

    /// Says to everybody, and to whoever comes, that this node leaves.
    ///
    /// - `suggest`: who may take over.
    pub(crate) fn drain(
        &mut self,
        now: Duration,
        reason: Reason,
        within: Duration,
        mut suggest: Vec<NodeId>,
    ) {
        suggest.truncate(SUGGESTED_MAX);
        let leaving = self.leaving.insert(Leaving { until: now + within, reason, suggest });
        let frame = leaving.frame(now);
        self.guests.values_mut().for_each(|guest| guest.say(frame.clone()));
    }

    /// Whether nobody needs this node any more: all sessions have let it go.
    pub(crate) fn is_free(&self) -> bool {
        self.guests.values().all(|guest| guest.is_done)
    }

    /// What is to be said to a session.
    pub(crate) fn next_frame(&mut self, id: GuestId) -> Option<Frame> {
        self.guests.get_mut(&id)?.waiting.pop_front()
    }
}

impl Guest {
    fn say(&mut self, frame: Frame) {
        if self.waiting.len() == WAITING_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back(frame);
    }

    fn hand_off(&mut self, us: NodeId, reason: Reason, phase: Phase) {
        self.map += 1;
        let backup_ms = BACKUP.as_millis() as u32;
        let handoff = Handoff { map: self.map, from: us, to: ANYBODY, reason, phase, backup_ms };
        self.say(Frame::Handoff(handoff));
    }
}

impl Leaving {
    fn frame(&self, now: Duration) -> Frame {
        let deadline_ms = self.until.saturating_sub(now).as_millis().min(u32::MAX.into()) as u32;
        let (reason, suggest) = (self.reason, self.suggest.clone());
        Frame::Drain(Drain { reason, deadline_ms, suggest })
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::{Advice, Client, Told};
    use super::super::wire::SessionId;
    use super::*;
    use crate::predict::EVERY;
    use crate::transfer::After;

    const US: NodeId = NodeId::from_bytes([9; 32]);

    fn node(number: u8) -> NodeId {
        NodeId::from_bytes([number; 32])
    }

    fn host(guests: u8) -> Host {
        let mut host = Host::new(US);
        for number in 0..guests {
            assert!(host.open(Duration::ZERO, number.into(), node(number), 1));
        }
        host
    }

    fn said(host: &mut Host, id: GuestId) -> Vec<Frame> {
        std::iter::from_fn(|| host.next_frame(id)).collect()
    }

    /// Readings of this load, from `now` on, and who was asked what meanwhile.
    fn loaded(host: &mut Host, now: &mut Duration, loads: &[f64]) -> Vec<(GuestId, Phase)> {
        let mut asked = Vec::new();
        for load in loads {
            *now += EVERY;
            let reading = Reading { load: Some(*load), ..Reading::default() };
            host.observe(*now, State { reading, requests: 3 }, |_| (10, 1));
            for (id, _) in host.nodes() {
                for frame in said(host, id) {
                    match frame {
                        Frame::Load(load) => assert_eq!((load.sent, load.lost), (10, 1)),
                        Frame::Handoff(handoff) => {
                            assert_eq!(handoff.from, US);
                            asked.push((id, handoff.phase));
                        }
                        other => panic!("{other:?}"),
                    }
                }
            }
        }
        asked
    }

    #[test]
    fn whoever_drains_says_so_to_all_and_is_free_when_all_let_go() {
        let mut host = host(2);
        assert!(!host.is_free());
        let (now, within) = (Duration::from_secs(50), Duration::from_secs(5));
        host.drain(now, Reason::Shutdown, within, vec![node(7)]);
        host.open(now + Duration::from_secs(2), 2, node(2), 1);
        for (id, deadline_ms) in [(0, 5000), (1, 5000), (2, 3000)] {
            let (reason, suggest) = (Reason::Shutdown, vec![node(7)]);
            let drain = Frame::Drain(Drain { reason, deadline_ms, suggest });
            assert_eq!(said(&mut host, id), [drain], "guest {id}");
        }
        host.hear(0, Frame::Bye).unwrap();
        host.close(1);
        assert!(!host.is_free());
        host.hear(2, Frame::Bye).unwrap();
        assert!(host.is_free());
    }

    #[test]
    fn before_it_is_too_much_half_of_the_sessions_go_elsewhere_once() {
        let (mut host, mut now) = (host(5), Duration::ZERO);
        assert!(loaded(&mut host, &mut now, &[0.3; 40]).is_empty());
        let ramp: Vec<f64> = (0..30).map(|n| 0.3 + f64::from(n) * 0.03).collect();
        let asked = loaded(&mut host, &mut now, &ramp);
        let commit = |id| (id, Phase::Commit);
        assert_eq!(asked, [commit(2), commit(3), commit(4)]);
        assert!(ramp.iter().all(|load| *load < 1.2), "it was still served");
        assert!(loaded(&mut host, &mut now, &[1.2; 20]).is_empty(), "not again so soon");
        let calm = loaded(&mut host, &mut now, &[0.1; 40]);
        assert_eq!(calm, [2, 3, 4].map(|id| (id, Phase::Abort)));
    }

    #[test]
    fn what_a_host_says_is_what_a_client_takes() {
        let mut host = host(1);
        let mut client = Client::new(SessionId([1; 16]));
        let (mut told, mut now, mut advice) = (Told::default(), Duration::ZERO, Vec::new());
        for _ in 0..20 {
            now += EVERY;
            let reading = Reading { load: Some(2.0), ..Reading::default() };
            host.observe(now, State { reading, requests: 1 }, |_| (0, 0));
            for frame in said(&mut host, 0) {
                let body = frame.encode();
                let frame = Frame::decode(&body[2..]).unwrap();
                advice.extend(client.hear(now, US, &mut told, frame).unwrap());
            }
        }
        let relieved =
            |advice: &&Advice| matches!(advice, Advice::Leave { after: After::Back, .. });
        assert_eq!(advice.iter().filter(relieved).count(), 1, "{advice:?}");
        assert_eq!(client.map(), 2);
    }

    #[test]
    fn a_session_that_does_not_read_keeps_little_waiting() {
        let mut host = host(1);
        for at in 0..1000 {
            host.observe(EVERY * at, State::default(), |_| (0, 0));
        }
        assert_eq!(said(&mut host, 0).len(), WAITING_MAX);
        assert_eq!(host.hear(0, Frame::Load(Load::default())), Err(OutOfTurn));
        let taken = (1..1000).filter(|id| host.open(EVERY, *id, US, 1)).count();
        assert_eq!(taken + 1, SESSIONS_MAX);
    }
}
