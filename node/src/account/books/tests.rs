use catalog_tests::dice::Dice;

use super::*;

/// Two nodes of which one sends and the other signs, without anything between them but chance.
struct Pair {
    server: Books,
    client: Books,
    key: SecretKey,
    now: Duration,
    epoch: u32,
    came: u64,
}

fn books(secret: u8) -> (Books, SecretKey) {
    let key = SecretKey::from_bytes(&[secret; 32]);
    let us = NodeId::from_bytes(*key.public().as_bytes());
    (Books::new(Kept::nothing(us, 1, End::Orderly)), key)
}

impl Pair {
    fn new() -> Self {
        let ((server, _), (client, key)) = (books(1), books(2));
        Self { server, client, key, now: Duration::from_secs(1), epoch: 1, came: 0 }
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000 + self.now.as_millis() as u64)
    }

    /// Bytes are sent; some of them get lost on the way.
    fn send(&mut self, bytes: u64, lost: bool) {
        let (server, client) = (self.server.us, self.client.us);
        self.server.sent(self.now, client, ByteSize::bytes(bytes));
        if !lost {
            self.came += bytes;
            self.client.verified(self.now, server, ByteSize::bytes(bytes));
        }
    }

    /// A conversation with at most one receipt; `None` when it breaks off before it arrives.
    fn talk(&mut self, arrives: bool) -> Option<Result<Place, Why>> {
        let (now, time) = (self.now, self.time());
        let (server, client) = (self.server.us, self.client.us);
        let last = self.server.opened(now, client);
        let (_, unknown) = self.client.began(time, server, last.as_ref());
        let (signed, _) = self.client.sign(now, time, server, &self.key);
        let answer = signed.or(unknown).filter(|_| arrives).map(|sealed| {
            let taken = self.server.take(now, time, client, &sealed);
            taken.map_err(|(why, fraud)| {
                assert!(fraud.is_none(), "an honest client was accused");
                why
            })
        });
        match answer {
            Some(Ok(place)) => self.client.answered(server, Some(place)),
            Some(Err(Why::Amount)) => self.client.disputed(server, self.epoch),
            Some(Err(_)) => self.client.answered(server, None),
            None => {}
        }
        self.server.closed(now, client);
        let parted = if arrives { Parted::Well } else { Parted::Failed };
        self.client.ended(now, server, parted);
        answer
    }

    fn totals(&self) -> [u64; 2] {
        [&self.server, &self.client]
            .map(|books| books.ledger.total(&self.server.us, &self.client.us).as_u64())
    }

    fn restart(books: &mut Books) {
        *books = Books::new(books.kept(End::Orderly));
    }

    /// What was written down a while ago is all that is left.
    fn crash(&mut self, books: impl Fn(&mut Self) -> &mut Books, written: &Kept) {
        self.epoch += 1;
        let epoch = self.epoch;
        *books(self) = Books::new(Kept { end: End::Sudden, epoch, ..written.clone() });
    }
}

/// Threat row 39: whatever is lost, and whoever ends in whatever way, an honest client never signs
/// one number for two amounts, and all that it could sign for arrives in the end.
#[test]
fn an_honest_client_contradicts_itself_never() {
    for seed in 0..300 {
        let (mut pair, mut dice) = (Pair::new(), Dice::new(seed));
        // What is not written down is known to the other side: one of the two may crash.
        let client_crashes = seed % 3 == 1;
        let server_crashes = seed % 3 == 2;
        pair.talk(false);
        let mut written = (pair.server.kept(End::Sudden), pair.client.kept(End::Sudden));
        for _ in 0..dice.pick(10..120) {
            pair.now += Duration::from_millis(dice.pick(1..3_000));
            match dice.pick(0..14) {
                0..6 => {
                    let (bytes, lost) = (dice.pick(1..3_000_000), dice.pick(0..8) == 0);
                    pair.send(bytes, lost);
                }
                6..10 => {
                    pair.client.settle();
                    let arrives = dice.pick(0..3) > 0;
                    pair.talk(arrives);
                }
                10 if !server_crashes => {
                    // Of who never said hello since it began nothing is kept.
                    pair.talk(false);
                    Pair::restart(&mut pair.server);
                }
                11 => {
                    // In good order: what came was signed for before.
                    pair.client.settle();
                    pair.talk(true);
                    Pair::restart(&mut pair.client);
                }
                12 => written = (pair.server.kept(End::Sudden), pair.client.kept(End::Sudden)),
                _ if server_crashes => pair.crash(|pair| &mut pair.server, &written.0),
                _ if client_crashes => pair.crash(|pair| &mut pair.client, &written.1),
                _ => {}
            }
            let [theirs, _] = pair.totals();
            assert!(theirs <= pair.came, "seed {seed}: {theirs} of {}", pair.came);
        }
        pair.client.settle();
        pair.talk(true);
        let [theirs, ours] = pair.totals();
        assert_eq!(pair.server.ledger.frauds().len() + pair.client.ledger.frauds().len(), 0);
        if !client_crashes {
            assert_eq!((theirs, ours), (pair.came, pair.came), "seed {seed}");
        }
    }
}

/// Threat row 40: who owes is waited for, for a while; who never said that it signs is not.
#[test]
fn only_who_signs_is_waited_for() {
    let mut pair = Pair::new();
    let client = pair.client.us;
    pair.send(5_000_000, false);
    assert_eq!(pair.server.waits_until(pair.now, &client), None, "it said nothing of receipts");
    pair.server.opened(pair.now, client);
    let until = pair.server.waits_until(pair.now, &client).unwrap();
    assert!(until > pair.now && until <= pair.now + Duration::from_secs(10));
    assert_eq!(pair.server.waits_until(until, &client), None, "then it is served as a stranger");
    let turn = pair.server.served_since(Duration::ZERO, until).next().unwrap().1;
    assert_eq!(turn, Turn::AsStranger);
    pair.server.closed(until, client);
    pair.talk(true);
    assert_eq!(pair.totals(), [5_000_000; 2]);
    pair.server.opened(pair.now, client);
    assert_eq!(pair.server.waits_until(pair.now, &client), None, "it signed");
}

/// Threat row 34: peers without end take no memory.
#[test]
fn peers_that_are_sent_something_once_are_forgotten() {
    let (mut books, _) = books(1);
    for n in 0..2 * TABS_MAX as u64 {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&n.to_le_bytes());
        books.sent(Duration::from_secs(n), NodeId::from_bytes(id), ByteSize::bytes(n + 1));
    }
    assert!(books.tabs.len() <= TABS_MAX);
    let kept = books.kept(End::Orderly);
    assert!(kept.unclaimed.is_empty(), "who never signed leaves no trace");
}
