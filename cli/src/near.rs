//! Finds the word that was probably meant.

/// The known word nearest to `typed`, when it is near enough to be a typing mistake.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters, but at least two: "listen" for "lisen", never "color" for "node".
    let edits_max = (typed.chars().count() / 3).max(2);
    known
        .into_iter()
        .map(|word| (strsim::osa_distance(typed, word), word))
        .filter(|&(edits, word)| edits <= edits_max && edits < word.chars().count())
        .min_by_key(|&(edits, _)| edits)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["format", "color", "node.listen"];
        assert_eq!(nearest("fromat", known), Some("format"));
        assert_eq!(nearest("colour", known), Some("color"));
        assert_eq!(nearest("quota", known), None);
        assert_eq!(nearest("", known), None);
    }
}
