//! Turns npm's `os`, `cpu` and `libc` lists into constraints.
//!
//! npm says where a package runs in the words of Node.js (`darwin`, `x64`), and can say where it
//! does not (`!win32`). Our constraints have no "not", so that becomes every other word.

/// npm's word and ours for an operating system, as far as packages exist for it.
const SYSTEMS: &[(&str, &str)] = &[
    ("linux", "linux"),
    ("darwin", "macos"),
    ("win32", "windows"),
    ("android", "android"),
    ("freebsd", "freebsd"),
    ("openbsd", "openbsd"),
    ("netbsd", "netbsd"),
    ("openharmony", "openharmony"),
    ("sunos", "solaris"),
    ("aix", "aix"),
];

/// npm's word and ours for a kind of processor.
const MACHINES: &[(&str, &str)] = &[
    ("x64", "x86_64"),
    ("arm64", "aarch64"),
    ("arm", "arm"),
    ("ia32", "x86"),
    ("ppc64", "ppc64le"),
    ("riscv64", "riscv64"),
    ("s390x", "s390x"),
    ("loong64", "loongarch64"),
    ("mips64el", "mips64"),
];

/// npm's word and ours for a C library.
const LIBRARIES: &[(&str, &str)] = &[("glibc", "glibc"), ("musl", "musl")];

/// A list of npm's that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    /// npm's words, for the name of the variant.
    pub(super) theirs: Vec<String>,
    /// The constraint in our words; `None` when everything would do.
    pub(super) constraint: Option<String>,
}

/// A word that npm packages do not use, or that is not known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UnknownWord(pub(super) String);

pub(super) fn systems(listed: &[String]) -> Result<Words, UnknownWord> {
    read(listed, SYSTEMS)
}

pub(super) fn machines(listed: &[String]) -> Result<Words, UnknownWord> {
    read(listed, MACHINES)
}

pub(super) fn libraries(listed: &[String]) -> Result<Words, UnknownWord> {
    read(listed, LIBRARIES)
}

fn read(listed: &[String], known: &[(&str, &str)]) -> Result<Words, UnknownWord> {
    let (mut wanted, mut refused) = (Vec::new(), Vec::new());
    for word in listed {
        match word.strip_prefix('!') {
            Some(word) => refused.push(word),
            None if word == "any" => return Ok(Words::default()),
            None => wanted.push(word.as_str()),
        }
    }
    let ours = |word: &str| known.iter().find(|(theirs, _)| *theirs == word).map(|&(_, ours)| ours);
    if let Some(word) = wanted.iter().chain(&refused).find(|word| ours(word).is_none()) {
        return Err(UnknownWord((*word).to_owned()));
    }
    let theirs = match wanted.is_empty() {
        true => refused.iter().map(|word| format!("not-{word}")).collect(),
        false => wanted.iter().map(|&word| word.to_owned()).collect(),
    };
    let left = known.iter().filter(|(theirs, _)| {
        (wanted.is_empty() || wanted.contains(theirs)) && !refused.contains(theirs)
    });
    let left: Vec<&str> = left.map(|&(_, ours)| ours).collect();
    if left.is_empty() {
        // `["linux", "!linux"]`: no machine is left that it could be for.
        return Err(UnknownWord(listed.join(" ")));
    }
    let constraint = (!listed.is_empty()).then(|| left.join("|"));
    Ok(Words { theirs, constraint })
}

/// Whether `word` is one of those that npm families put into package names to tell platforms
/// apart.
pub(super) fn names_a_platform(word: &str) -> bool {
    let more = [
        "windows",
        "macos",
        "linuxmusl",
        "gnu",
        "msvc",
        "gnueabihf",
        "gnueabi",
        "musleabihf",
        "musleabi",
        "eabi",
        "armhf",
        "armv6",
        "armv7",
        "ppc64le",
        "powerpc64le",
        "loongarch64",
        "universal",
        "wasm",
        "wasm32",
        "wasi",
        "x86",
        "i686",
        "aarch64",
        "x86_64",
    ];
    let tables = [SYSTEMS, MACHINES, LIBRARIES];
    more.contains(&word) || tables.into_iter().flatten().any(|(theirs, _)| *theirs == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn npm_words_become_ours() {
        let constraint = |words: Result<Words, _>| words.unwrap().constraint;
        assert_eq!(constraint(systems(&list(&["darwin"]))).unwrap(), "macos");
        assert_eq!(constraint(machines(&list(&["x64", "arm64"]))).unwrap(), "x86_64|aarch64");
        assert_eq!(constraint(libraries(&list(&["musl"]))).unwrap(), "musl");
        assert_eq!(constraint(systems(&[])), None);
        assert_eq!(constraint(systems(&list(&["any"]))), None);
    }

    #[test]
    fn a_negation_becomes_every_other_word() {
        let words = systems(&list(&["!win32", "!darwin"])).unwrap();
        assert_eq!(words.theirs, ["not-win32", "not-darwin"]);
        let constraint = words.constraint.unwrap();
        assert!(constraint.starts_with("linux|android|freebsd"));
        assert!(!constraint.contains("windows") && !constraint.contains("macos"));
    }

    #[test]
    fn an_unknown_word_is_named() {
        assert_eq!(systems(&list(&["linux", "beos"])), Err(UnknownWord("beos".into())));
        assert_eq!(machines(&list(&["!vax"])), Err(UnknownWord("vax".into())));
    }

    #[test]
    fn a_list_that_leaves_no_platform_is_refused() {
        let none = Err(UnknownWord("linux !linux".into()));
        assert_eq!(systems(&list(&["linux", "!linux"])), none);
        assert!(libraries(&list(&["!glibc", "!musl"])).is_err());
    }
}
