//! The defences that a unit test can take out, to show that the test would notice.

catalog::defences! {
    /// What a peer answers has to be signed by whom it names.
    AnswerSignatures,
    /// Publishers that nobody here knows have a few of the places on a page.
    PublisherShare,
    /// What looks like a package of a publisher with a name here stands behind it.
    LookalikesBehind,
}
