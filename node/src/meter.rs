//! Counts what this node does, from when it begins until it ends.
//!
//! Counting never fails, waits or allocates. What is counted says how much and never who: it is
//! shown by `catalog stats` and at `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

/// Something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// Bytes of contents that were sent to peers.
    ContentsSent,
    /// Bytes of contents that came from peers and were verified.
    ContentsReceived,
    /// Requests for contents that were answered.
    RequestsGranted,
    /// Requests for contents that were refused: not here, or not for whoever asked.
    RequestsRefused,
    /// Syncs with a peer that came to their end.
    SyncsDone,
    /// Syncs with a peer that failed.
    SyncsFailed,
    /// Bytes of files that were wanted here.
    WantedBytes,
    /// Those of them that were here already.
    WantedBytesHere,
    /// Searches among nodes that were answered from memory.
    SearchesRemembered,
    /// Searches among nodes for which peers were asked.
    SearchesAsked,
    /// Receipts that were signed here.
    ReceiptsSigned,
    /// Receipts that were signed for this node.
    ReceiptsTaken,
    /// Receipts that did not count: forged, empty, old, for others, for too much.
    ReceiptsRefused,
    /// Bytes of the frames about receipts, where this node signs.
    ReceiptBytes,
    /// Nodes that were found to contradict themselves.
    Frauds,
    /// Audits in which the right bytes came.
    AuditsKept,
    /// Audits in which other bytes came, or none that should be there.
    AuditsLost,
    /// Audits that nobody answered in time.
    AuditsAway,
}

impl Count {
    /// All of them, with the name and the words of `/metrics`.
    pub(crate) const ALL: [(Self, &str, &str); 18] = [
        (Self::ContentsSent, "contents_sent_bytes", "Bytes of contents sent to peers"),
        (
            Self::ContentsReceived,
            "contents_received_bytes",
            "Bytes of contents that came from peers and were verified",
        ),
        (Self::RequestsGranted, "requests_granted", "Requests for contents that were answered"),
        (Self::RequestsRefused, "requests_refused", "Requests for contents that were refused"),
        (Self::SyncsDone, "syncs_done", "Syncs with a peer that came to their end"),
        (Self::SyncsFailed, "syncs_failed", "Syncs with a peer that failed"),
        (Self::WantedBytes, "wanted_bytes", "Bytes of files that were wanted here"),
        (Self::WantedBytesHere, "wanted_here_bytes", "Wanted bytes that were here already"),
        (
            Self::SearchesRemembered,
            "searches_remembered",
            "Searches among nodes answered from memory",
        ),
        (Self::SearchesAsked, "searches_asked", "Searches among nodes for which peers were asked"),
        (Self::ReceiptsSigned, "receipts_signed", "Receipts that were signed here"),
        (Self::ReceiptsTaken, "receipts_taken", "Receipts that were signed for this node"),
        (Self::ReceiptsRefused, "receipts_refused", "Receipts that did not count"),
        (
            Self::ReceiptBytes,
            "receipts_bytes",
            "Bytes of the frames about receipts, where this node signs",
        ),
        (Self::Frauds, "frauds", "Proofs that a node contradicts itself"),
        (Self::AuditsKept, "audits_kept", "Audits in which the right bytes came"),
        (Self::AuditsLost, "audits_lost", "Audits in which other bytes came, or none"),
        (Self::AuditsAway, "audits_away", "Audits that nobody answered in time"),
    ];
}

/// The counts of one node.
#[derive(Debug, Default)]
pub(crate) struct Meter([AtomicU64; Count::ALL.len()]);

impl Meter {
    /// Counts so many more.
    pub(crate) fn add(&self, what: Count, more: u64) {
        self.0[what as usize].fetch_add(more, Ordering::Relaxed);
    }

    /// How many there were.
    pub(crate) fn of(&self, what: Count) -> u64 {
        self.0[what as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_count_has_its_place_and_its_name() {
        let meter = Meter::default();
        for (at, (what, name, words)) in Count::ALL.into_iter().enumerate() {
            assert_eq!(what as usize, at, "{name} stands where its number says");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert!(!words.is_empty());
            meter.add(what, at as u64 + 1);
            meter.add(what, 1);
        }
        let counts: Vec<u64> = Count::ALL.iter().map(|(what, ..)| meter.of(*what)).collect();
        assert_eq!(counts, (2..=Count::ALL.len() as u64 + 1).collect::<Vec<_>>());
    }
}
