//! The defences that a unit test can take out, to show that the test would notice.

catalog::defences! {
    /// A receipt is signed by its client, over something, for somebody else.
    ReceiptRules,
    /// A receipt counts on the connection of the two that it names, and for no other.
    PairCheck,
    /// Of two receipts the later one counts, and a repeated one not at all.
    LaterWins,
    /// Who signs two receipts that contradict each other counts for nothing any more.
    Contradictions,
    /// Who takes and signs nothing is not sent more and more.
    Windows,
    /// What a node vouches for is a part of what it gave, however much it signs.
    Conservation,
    /// Those with no standing share a pool, whatever their number.
    StrangerPool,
    /// Whoever has no standing has no voice in what is popular.
    Voices,
    /// A mirror cannot foresee which of its bytes are asked for.
    RandomAudits,
}
