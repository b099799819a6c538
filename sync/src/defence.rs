//! The defences that a unit test can take out, to show that the test would notice.

catalog::defences! {
    /// A peer has only so many turns.
    TurnLimit,
    /// Answers have at most a few times the bytes of what they answer.
    AnswerFactor,
    /// What a peer sends has to be of use now and then.
    UsefulShare,
    /// What a peer told has to give the root that it claims.
    RootCheck,
    /// A sketch is given up when it has had its share of cells.
    CellLimit,
}
