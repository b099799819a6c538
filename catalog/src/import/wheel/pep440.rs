//! Turns a Python version (PEP 440) into a semantic one, keeping the order.
//!
//! `2.4.6` stays; `3.0` becomes `3.0.0`; a fourth number and `.postN` become build metadata, which
//! our order compares last; `rc1` becomes `-rc.1`. What has no counterpart that would sort right
//! (an epoch, a development version of a pre-release) is refused; the importer then names one.

use semver::{BuildMetadata, Prerelease, Version};

/// The semantic version for `text`; `None` when there is none that sorts right.
pub(super) fn to_semver(text: &str) -> Option<Version> {
    let text = text.trim().to_ascii_lowercase();
    let text = text.strip_prefix('v').unwrap_or(&text);
    let (public, local) = match text.split_once('+') {
        Some((public, local)) => (public, Some(local)),
        None => (text, None),
    };
    let mut rest = public;
    let mut release = vec![number(&mut rest)?];
    while let Some(after) = rest.strip_prefix('.').filter(|after| starts_with_digit(after)) {
        rest = after;
        release.push(number(&mut rest)?);
    }
    release.resize(release.len().max(3), 0);
    let [major, minor, patch, more @ ..] = &release[..] else { return None };
    let pre = pre_release(&mut rest)?;
    let post = labelled(&mut rest, &["post", "rev", "r"])?;
    let dev = labelled(&mut rest, &["dev"])?;
    if !rest.is_empty() || (dev.is_some() && (pre.is_some() || post.is_some())) {
        return None;
    }
    let pre = match (pre, dev) {
        (Some(pre), _) => pre,
        // Numbers sort before letters: a development version is older than an alpha.
        (None, Some(dev)) => format!("0.dev.{dev}"),
        (None, None) => String::new(),
    };
    let mut build: Vec<String> = more.iter().map(u64::to_string).collect();
    build.extend(post.map(|post| format!("post.{post}")));
    build.extend(local.map(|local| local.replace('_', ".")));
    Some(Version {
        major: *major,
        minor: *minor,
        patch: *patch,
        pre: Prerelease::new(&pre).ok()?,
        build: BuildMetadata::new(&build.join(".")).ok()?,
    })
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// Takes a number off the front.
fn number(rest: &mut &str) -> Option<u64> {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    *rest = after;
    digits.parse().ok()
}

/// Takes `a1`, `.beta.2` or `-rc3` off the front; the outer `None` is a malformed one.
fn pre_release(rest: &mut &str) -> Option<Option<String>> {
    // Longest first: `a` also starts `alpha`.
    let words = [("alpha", "a"), ("beta", "b"), ("preview", "rc"), ("pre", "rc"), ("rc", "rc")];
    for (word, short) in words.into_iter().chain([("a", "a"), ("b", "b"), ("c", "rc")]) {
        if let Some(number) = labelled(rest, &[word])? {
            return Some(Some(format!("{short}.{number}")));
        }
    }
    Some(None)
}

/// Takes a word and its number off the front; a missing number is 0.
fn labelled(rest: &mut &str, words: &[&str]) -> Option<Option<u64>> {
    let bare = rest.trim_start_matches(['.', '-', '_']);
    let Some(after) = words.iter().find_map(|word| bare.strip_prefix(word)) else {
        return Some(None);
    };
    let mut digits = after.trim_start_matches(['.', '-', '_']);
    if !starts_with_digit(digits) {
        *rest = after;
        return Some(Some(0));
    }
    let found = number(&mut digits)?;
    *rest = digits;
    Some(Some(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_versions_become_semantic_ones() {
        for (python, semantic) in [
            ("2.4.6", "2.4.6"),
            ("3.0", "3.0.0"),
            ("2026", "2026.0.0"),
            ("4.9.0.80", "4.9.0+80"),
            ("1.0rc1", "1.0.0-rc.1"),
            ("1.0.0a2", "1.0.0-a.2"),
            ("1.0-beta.3", "1.0.0-b.3"),
            ("1.2.post3", "1.2.0+post.3"),
            ("1.2.dev4", "1.2.0-0.dev.4"),
            ("2.3.1+cpu", "2.3.1+cpu"),
            ("2.3.1+cu12_1", "2.3.1+cu12.1"),
        ] {
            assert_eq!(to_semver(python).unwrap().to_string(), semantic, "{python}");
        }
    }

    #[test]
    fn the_order_is_kept() {
        let ordered = ["1.0.dev1", "1.0a1", "1.0b1", "1.0rc1", "1.0", "1.0.post1", "1.0.1"];
        assert!(ordered.windows(2).all(|pair| to_semver(pair[0]) < to_semver(pair[1])));
    }

    #[test]
    fn what_would_sort_wrong_is_refused() {
        for text in ["", "1!2.0", "1.0a1.dev2", "1.0.post1.dev2", "abc", "1.0x", "1.", "1.0+a/b"] {
            assert_eq!(to_semver(text), None, "{text}");
        }
    }
}
