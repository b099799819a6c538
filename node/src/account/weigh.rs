//! Tells the line how those who are served stand beside each other.

use std::sync::Arc;
use std::time::Duration;

use catalog_mirror::score::{Flows, Scores};
use catalog_mirror::share::{Weight, Weights};

use crate::node::{Inner, now};

/// How often it is looked at who stands how. What somebody did for us does not change faster.
const EVERY: Duration = Duration::from_secs(2);
/// Who was sent nothing for so long does not wait.
const SERVED: Duration = Duration::from_secs(30);

/// Keeps the standings of those who are served, until the node ends.
pub(super) async fn run(node: &Arc<Inner>) {
    loop {
        tokio::select! {
            () = node.stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        // Where nothing is held back nobody waits, whoever it is.
        if node.upload.is_limited() {
            node.weigh();
        }
    }
}

impl Inner {
    /// Says how those who are served stand from now on.
    pub(crate) fn weigh(&self) {
        let books = self.account.books();
        let uptime = self.account.now();
        let since = uptime.saturating_sub(SERVED);
        let served: Vec<_> = books.served_since(since, uptime).collect();
        let flows = Flows::of(&books.ledger, now());
        drop(books);
        let scores = Scores::new(&flows, self.id);
        let clients = served.iter().map(|(client, ..)| client);
        let mut weights = Weights::earned(&scores, clients, |node| self.reliability(node));
        for friend in self.config.friends() {
            weights.grant(*friend, Weight::FRIEND);
        }
        let shares = served
            .into_iter()
            .map(|(client, turn, network)| (client, weights.share(&client, network, turn)));
        self.upload.rank(shares.collect());
    }
}
