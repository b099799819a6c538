//! The side that receives contents: what becomes of what providers say.

use std::time::Duration;

use catalog::permission::NodeId;

use super::wire::{ANYBODY, Drain, Frame, Handoff, Load, Phase, SessionId};
use super::{Defence, on};
use crate::transfer::After;

/// The longest time for which a provider is believed to stay or to be a backup.
const STAY_MAX: Duration = Duration::from_secs(300);
/// A map that is so much newer than ours was not made from it. Without this one provider could
/// count so far that nobody else ever hands anything off.
const LEAP_MAX: u64 = 16;
/// Handoffs of one provider in one session; who asks more often is not listened to.
const HANDOFFS_MAX: u32 = 64;

/// One transfer, and the version of its shard map.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    session: SessionId,
    map: u64,
}

/// What is remembered of one provider.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    handoffs: u32,
    has_drained: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advice {
    /// The load of who spoke is this.
    Loaded(Load),
    /// Others should bring what this provider was to bring.
    Leave { who: NodeId, until: Duration, after: After },
    /// This provider takes part as before.
    Stay(NodeId),
    /// Who spoke names somebody who can take over.
    Name(NodeId),
}

/// Why what a provider said does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Breach {
    /// Only a client says such a thing.
    #[error("a provider said what only a client says")]
    OutOfTurn,
    /// It wants to take work from another.
    #[error("a provider handed off what is not its own")]
    Foreign,
    /// The map is at least as new, or the step is too large: it was late, or made up.
    #[error("a handoff does not follow on the map")]
    Stale,
    /// It hands off again and again.
    #[error("a provider handed off too often")]
    TooOften,
}

impl Breach {
    /// Whether no honest provider does that.
    pub(crate) fn is_misbehaviour(self) -> bool {
        matches!(self, Self::OutOfTurn | Self::Foreign)
    }
}

impl Client {
    pub(crate) fn new(session: SessionId) -> Self {
        Self { session, map: 1 }
    }

    /// How a session with one more provider begins.
    pub(crate) fn hello(&self) -> Frame {
        Frame::Hello { session: self.session, map: self.map }
    }

    /// The version of the map.
    pub(crate) fn map(&self) -> u64 {
        self.map
    }

    /// Takes note of what a provider says.
    ///
    /// - `from`: who it is; the handshake proved that.
    /// - `told`: what is remembered of that provider.
    ///
    /// # Errors
    /// [`Breach`]; nothing has changed then.
    pub(crate) fn hear(
        &mut self,
        now: Duration,
        from: NodeId,
        told: &mut Told,
        frame: Frame,
    ) -> Result<Vec<Advice>, Breach> {
        match frame {
            Frame::Hello { .. } | Frame::Map(_) | Frame::Bye => Err(Breach::OutOfTurn),
            Frame::Load(load) => Ok(vec![Advice::Loaded(load)]),
            // Once is enough: each would make the handoffs of others come too late.
            Frame::Drain(_) if told.has_drained => Err(Breach::TooOften),
            Frame::Drain(Drain { deadline_ms, suggest, .. }) => {
                told.has_drained = true;
                let until = now + Duration::from_millis(deadline_ms.into()).min(STAY_MAX);
                self.map += 1;
                let leave = Advice::Leave { who: from, until, after: After::Gone };
                let named = suggest.into_iter().filter(|node| *node != from).map(Advice::Name);
                Ok(named.chain([leave]).collect())
            }
            Frame::Handoff(handoff) => self.handed_off(now, from, told, handoff),
        }
    }

    fn handed_off(
        &mut self,
        now: Duration,
        from: NodeId,
        told: &mut Told,
        handoff: Handoff,
    ) -> Result<Vec<Advice>, Breach> {
        let Handoff { map, to, phase, backup_ms, .. } = handoff;
        if handoff.from != from && on(Defence::HandoffOwner) {
            return Err(Breach::Foreign);
        }
        let follows = map > self.map && map - self.map <= LEAP_MAX;
        if !follows && on(Defence::HandoffVersion) {
            return Err(Breach::Stale);
        }
        if told.handoffs >= HANDOFFS_MAX {
            return Err(Breach::TooOften);
        }
        told.handoffs += 1;
        self.map = map;
        let named = (to != ANYBODY && to != from).then_some(Advice::Name(to));
        let until = now + Duration::from_millis(backup_ms.into()).min(STAY_MAX);
        let then = match phase {
            Phase::Prepare => None,
            Phase::Commit => Some(Advice::Leave { who: handoff.from, until, after: After::Back }),
            Phase::Abort => return Ok(vec![Advice::Stay(handoff.from)]),
        };
        Ok(named.into_iter().chain(then).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::Reason;
    use super::super::without;
    use super::*;

    const NOW: Duration = Duration::from_secs(100);
    const A: NodeId = NodeId::from_bytes([1; 32]);
    const B: NodeId = NodeId::from_bytes([2; 32]);

    fn client() -> Client {
        Client::new(SessionId([7; 16]))
    }

    fn handoff(map: u64, from: NodeId, to: NodeId, phase: Phase) -> Frame {
        let (reason, backup_ms) = (Reason::Load, 10_000);
        Frame::Handoff(Handoff { map, from, to, reason, phase, backup_ms })
    }

    fn hear(client: &mut Client, from: NodeId, frame: Frame) -> Result<Vec<Advice>, Breach> {
        client.hear(NOW, from, &mut Told::default(), frame)
    }

    fn relieved(who: NodeId) -> Advice {
        Advice::Leave { who, until: NOW + Duration::from_secs(10), after: After::Back }
    }

    #[test]
    fn a_drain_is_about_who_says_it_and_ends_with_its_deadline() {
        let mut client = client();
        let suggest = vec![B, A];
        let drain = Drain { reason: Reason::Shutdown, deadline_ms: 5000, suggest };
        let until = NOW + Duration::from_secs(5);
        let leave = Advice::Leave { who: A, until, after: After::Gone };
        let (mut told, drain) = (Told::default(), Frame::Drain(drain));
        let heard = client.hear(NOW, A, &mut told, drain.clone());
        assert_eq!(heard, Ok(vec![Advice::Name(B), leave]));
        assert_eq!(client.hear(NOW, A, &mut told, drain), Err(Breach::TooOften));
        assert_eq!(client.map(), 2, "the map is another one");
        let endless = Drain { reason: Reason::Update, deadline_ms: u32::MAX, suggest: vec![] };
        let until = NOW + STAY_MAX;
        let expected = vec![Advice::Leave { who: A, until, after: After::Gone }];
        assert_eq!(hear(&mut client, A, Frame::Drain(endless)), Ok(expected));
    }

    #[test]
    fn a_handoff_of_ones_own_work_counts() {
        let mut client = client();
        let prepare = handoff(2, A, B, Phase::Prepare);
        assert_eq!(hear(&mut client, A, prepare), Ok(vec![Advice::Name(B)]));
        let commit = handoff(3, A, B, Phase::Commit);
        assert_eq!(hear(&mut client, A, commit), Ok(vec![Advice::Name(B), relieved(A)]));
        let anybody = handoff(4, B, ANYBODY, Phase::Commit);
        assert_eq!(hear(&mut client, B, anybody), Ok(vec![relieved(B)]));
        let abort = handoff(5, A, B, Phase::Abort);
        assert_eq!(hear(&mut client, A, abort), Ok(vec![Advice::Stay(A)]));
        assert_eq!(client.map(), 5);
    }

    /// What a thief tries: to take the work of another, and to play an old handoff again.
    fn attacks(client: &mut Client) -> [Result<Vec<Advice>, Breach>; 3] {
        client.map = 5;
        let theft = hear(client, B, handoff(client.map + 1, A, B, Phase::Commit));
        let again = hear(client, A, handoff(client.map, A, B, Phase::Commit));
        let far = hear(client, A, handoff(u64::MAX, A, B, Phase::Commit));
        [theft, again, far]
    }

    /// Threat row 53: a handoff is taken only from the provider whose work it moves, and only as
    /// the next version of the map.
    #[test]
    fn a_forged_handoff_moves_nothing() {
        let mut client = client();
        let refused = attacks(&mut client);
        assert_eq!(refused, [Err(Breach::Foreign), Err(Breach::Stale), Err(Breach::Stale)]);
        assert_eq!(client.map(), 5, "and the map is the same");
        assert!(Breach::Foreign.is_misbehaviour() && !Breach::Stale.is_misbehaviour());
    }

    #[test]
    fn a_forged_handoff_is_noticed_without_the_defence() {
        let theft = without(Defence::HandoffOwner, || attacks(&mut client())[0].clone());
        assert_eq!(theft, Ok(vec![relieved(A)]), "work of A was moved because B said so");
        let [_, again, far] = without(Defence::HandoffVersion, || attacks(&mut client()));
        assert!(again.is_ok() && far.is_ok());
    }

    #[test]
    fn who_hands_off_again_and_again_is_not_listened_to() {
        let (mut client, mut told) = (client(), Told::default());
        let mut accepted = 0;
        for map in 2..200 {
            let frame = handoff(map, A, B, Phase::Commit);
            accepted += u32::from(client.hear(NOW, A, &mut told, frame).is_ok());
        }
        assert_eq!(accepted, HANDOFFS_MAX);
        let other = handoff(client.map() + 1, B, A, Phase::Commit);
        assert!(hear(&mut client, B, other).is_ok(), "others still are");
    }

    #[test]
    fn what_only_a_client_says_is_not_taken_from_a_provider() {
        let hello = Frame::Hello { session: SessionId([7; 16]), map: 1 };
        for frame in [hello, Frame::Map(9), Frame::Bye] {
            assert_eq!(hear(&mut client(), A, frame), Err(Breach::OutOfTurn));
        }
    }
}
