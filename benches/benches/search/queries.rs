//! Queries that people could have typed, made from the packages that they were looking for.
//!
//! A seed gives the same queries on every machine with the same package index. Half the packages
//! are drawn evenly, half by how many others need them. Nothing in here looks at a search engine.

use std::collections::{BTreeSet, HashMap, HashSet};

use catalog_benches::debian::Package;
use catalog_tests::dice::Dice;

/// Queries of each class and seed.
pub const QUERIES: usize = 150;

/// Words that nobody would search for.
const STOP: &str = "a an and are as at be been but by can could do does for from had has have how \
    if in into is it its may more most much must no not of on one only or other our over same \
    should so some such than that the their them then there these they this those through to too \
    under up upon use used uses user users using very via was we were what when where which while \
    who will with within without would you your also all any both each either etc including \
    includes include provides provide provided contains contain package packages available based \
    allows allow file files support supports version new like make makes well need needs many \
    about between because being before after further several just simple library libraries";

/// What kind of query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    Exact,
    OneTypo,
    TwoTypos,
    Tokens,
    Summary,
    Description,
    Prefix,
    Morphology,
    Topic,
}

impl Class {
    pub const ALL: [Self; 9] = [
        Self::Exact,
        Self::OneTypo,
        Self::TwoTypos,
        Self::Tokens,
        Self::Summary,
        Self::Description,
        Self::Prefix,
        Self::Morphology,
        Self::Topic,
    ];

    /// Those that the goals are about: a to e.
    pub const CORE: &[Self] = Self::ALL.split_at(6).0;

    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "a exact",
            Self::OneTypo => "b1 typo",
            Self::TwoTypos => "b2 typos",
            Self::Tokens => "c tokens",
            Self::Summary => "d summary",
            Self::Description => "e long+typo",
            Self::Prefix => "f prefix",
            Self::Morphology => "m morphology",
            Self::Topic => "t topic",
        }
    }
}

/// A query, and how good an answer each package is.
#[derive(Clone, Debug)]
pub struct Query {
    pub class: Class,
    pub text: String,
    /// The one package that was meant; none for a topic, which many answer.
    pub target: Option<String>,
    /// 3 for what was meant, 1 for another package of its source; of a topic 3 for programs and 2
    /// for others.
    pub grades: HashMap<String, u32>,
}

/// What queries are made from.
pub struct Source<'a> {
    packages: &'a [Package],
    names: HashSet<&'a str>,
    families: HashMap<&'a str, Vec<&'a str>>,
    /// The packages that hold a word.
    postings: HashMap<String, BTreeSet<usize>>,
    words: Vec<HashSet<String>>,
    stop: HashSet<&'static str>,
    /// Packages that somebody would look for, and how much of the draw each has.
    wanted: Vec<(usize, f64)>,
}

impl<'a> Source<'a> {
    pub fn new(packages: &'a [Package]) -> Self {
        let mut families: HashMap<&str, Vec<&str>> = HashMap::new();
        let mut postings: HashMap<String, BTreeSet<usize>> = HashMap::new();
        let mut all = Vec::with_capacity(packages.len());
        let mut wanted = Vec::new();
        for (at, package) in packages.iter().enumerate() {
            families.entry(&package.source).or_default().push(&package.name);
            let text = format!("{} {} {}", package.name, package.summary, package.description);
            let words: HashSet<String> = words(&text).into_iter().collect();
            for word in &words {
                postings.entry(word.clone()).or_default().insert(at);
            }
            all.push(words);
            let summary = package.summary.to_lowercase();
            let empty = ["transitional", "dummy", "metapackage", "meta-package", "debug symbols"];
            if !package.description.is_empty()
                && package.section != "debug"
                && !empty.iter().any(|word| summary.contains(word))
            {
                let program = package.tags.iter().any(|tag| tag == "role::program");
                let weight = (1.0 + package.dependents as f64).sqrt();
                wanted.push((at, if program { 2.0 * weight } else { weight }));
            }
        }
        Self {
            packages,
            names: packages.iter().map(|package| package.name.as_str()).collect(),
            families,
            postings,
            words: all,
            stop: STOP.split_whitespace().collect(),
            wanted,
        }
    }

    /// The queries of a seed, [`QUERIES`] of each class.
    pub fn queries(&self, seed: u64) -> Vec<Query> {
        let mut queries = Vec::new();
        for (class, number) in Class::ALL.into_iter().zip(1..) {
            let mut dice = Dice::new(seed.wrapping_mul(0x9e37_79b9).wrapping_add(number));
            match class {
                Class::Topic => queries.extend(self.topics(&mut dice)),
                _ => queries.extend(self.class(class, &mut dice)),
            }
        }
        queries
    }

    fn class(&self, class: Class, dice: &mut Dice) -> Vec<Query> {
        let (mut queries, mut seen) = (Vec::new(), HashSet::new());
        while queries.len() < QUERIES {
            let at = match queries.len() % 2 {
                0 => self.wanted[below(dice, self.wanted.len())].0,
                _ => self.wanted[drawn(dice, self.wanted.iter().map(|(_, w)| *w))].0,
            };
            let package = &self.packages[at];
            if seen.contains(&at) {
                continue;
            }
            let Some(text) = self.text(class, at, dice) else { continue };
            seen.insert(at);
            let family = self.families[&*package.source].iter();
            let mut grades: HashMap<String, u32> =
                family.map(|name| ((*name).to_owned(), 1)).collect();
            grades.insert(package.name.clone(), 3);
            queries.push(Query { class, text, target: Some(package.name.clone()), grades });
        }
        queries
    }

    /// What somebody types who looks for package `at`; `None` when it does not lend itself.
    fn text(&self, class: Class, at: usize, dice: &mut Dice) -> Option<String> {
        let package = &self.packages[at];
        let name = package.name.as_str();
        let free = |text: String| Some(text).filter(|text| !self.names.contains(text.as_str()));
        match class {
            Class::Exact => Some(name.to_owned()),
            Class::OneTypo if name.len() >= 5 => free(mistyped(name, dice)?),
            Class::TwoTypos if name.len() >= 8 => free(mistyped(&mistyped(name, dice)?, dice)?),
            Class::Tokens => {
                let mut parts: Vec<&str> = parts(name).collect();
                if parts.len() < 2 {
                    return None;
                }
                let joint = match below(dice, 3) {
                    0 => {
                        shuffle(&mut parts, dice);
                        " "
                    }
                    1 => "",
                    _ => " ",
                };
                free(parts.join(joint))
            }
            Class::Summary => {
                let words = self.content(&package.summary, name, 3);
                let count = [2, 3, 3, 4][below(dice, 4)];
                if words.len() < count {
                    return None;
                }
                let words = self.rare(words, count, dice);
                (self.holding(&words) <= 30).then(|| words.join(" "))
            }
            Class::Description => {
                let mut words = self.content(&package.description, name, 4);
                words.retain(|word| self.postings[word].len() >= 2);
                let count = [3, 4, 4, 5][below(dice, 4)];
                if words.len() < count + 3 {
                    return None;
                }
                let mut words = self.rare(words, count, dice);
                if self.holding(&words) > 10 {
                    return None;
                }
                let long: Vec<usize> = (0..count).filter(|&n| words[n].len() >= 5).collect();
                let wrong = *long.get(below(dice, long.len().max(1)))?;
                words[wrong] = mistyped(&words[wrong], dice)?;
                (!self.postings.contains_key(&words[wrong])).then(|| words.join(" "))
            }
            Class::Prefix if name.len() >= 6 => {
                let share = 0.5 + 0.3 * fraction(dice);
                let start = &name[..((name.len() as f64 * share) as usize).max(4)];
                free(start.to_owned()).filter(|text| text.ends_with(|c: char| c.is_alphanumeric()))
            }
            Class::Morphology => {
                let start = package.description.floor_char_boundary(300);
                let text = format!("{} {}", package.summary, &package.description[..start]);
                let words = self.rare(self.content(&text, name, 4), 3, dice);
                if words.len() < 3 || self.holding(&words) > 10 {
                    return None;
                }
                let mut changed = 0;
                let other = |word: String| match self.inflected(&word) {
                    Some(other) if changed < 2 && !self.words[at].contains(&other) => {
                        changed += 1;
                        other
                    }
                    _ => word,
                };
                let words: Vec<String> = words.into_iter().map(other).collect();
                (changed > 0).then(|| words.join(" "))
            }
            _ => None,
        }
    }

    /// Two facets that few packages share, as words.
    fn topics(&self, dice: &mut Dice) -> Vec<Query> {
        const FACETS: [&str; 18] = [
            "use",
            "works-with",
            "game",
            "web",
            "protocol",
            "field",
            "network",
            "science",
            "devel",
            "sound",
            "mail",
            "security",
            "hardware",
            "admin",
            "office",
            "interface",
            "uitoolkit",
            "implemented-in",
        ];
        let mut tagged: HashMap<&str, BTreeSet<usize>> = HashMap::new();
        for (at, package) in self.packages.iter().enumerate() {
            let known = |tag: &&String| {
                tag.split("::").next().is_some_and(|facet| FACETS.contains(&facet))
                    && !tag.contains("TODO")
            };
            for tag in package.tags.iter().filter(known) {
                tagged.entry(tag).or_default().insert(at);
            }
        }
        let mut tags: Vec<&str> = tagged.keys().copied().collect();
        tags.sort_unstable();
        let facet = |tag: &str| tag.split("::").next().unwrap_or_default().to_owned();
        let mut pairs = Vec::new();
        for (n, first) in tags.iter().enumerate() {
            for second in &tags[n + 1..] {
                let both = tagged[first].intersection(&tagged[second]).count();
                if facet(first) != facet(second) && (5..=60).contains(&both) {
                    pairs.push((*first, *second));
                }
            }
        }
        shuffle(&mut pairs, dice);
        let mut used: HashMap<&str, usize> = HashMap::new();
        let mut queries = Vec::new();
        for (first, second) in pairs {
            let often = |tag| used.get(tag).copied().unwrap_or(0) >= 4;
            if queries.len() == QUERIES || often(first) || often(second) {
                continue;
            }
            let said = |tag: &str| {
                parts(tag.split_once("::").map_or("", |t| t.1))
                    .filter(|word| !self.stop.contains(word))
                    .collect::<Vec<_>>()
                    .join(" ")
            };
            let text = format!("{} {}", said(first), said(second));
            let both = tagged[first].intersection(&tagged[second]);
            let grades = both.map(|&at| {
                let package = &self.packages[at];
                let program = package.tags.iter().any(|tag| tag == "role::program");
                (package.name.clone(), if program { 3 } else { 2 })
            });
            let grades = grades.collect();
            *used.entry(first).or_default() += 1;
            *used.entry(second).or_default() += 1;
            queries.push(Query { class: Class::Topic, text, target: None, grades });
        }
        queries
    }

    /// The words of a text that say something, and that the name does not say.
    fn content(&self, text: &str, name: &str, letters: usize) -> Vec<String> {
        let said: HashSet<&str> = parts(name).collect();
        let mut words = words(text);
        words.retain(|word| {
            word.len() >= letters && !said.contains(&**word) && !self.stop.contains(&**word)
        });
        words.sort_unstable();
        words.dedup();
        words
    }

    /// `count` words, rare ones more likely.
    fn rare(&self, mut words: Vec<String>, count: usize, dice: &mut Dice) -> Vec<String> {
        let mut picked = Vec::new();
        while picked.len() < count && !words.is_empty() {
            let rarity = |word: &String| {
                let holders = 1.0 + self.postings.get(word).map_or(0, BTreeSet::len) as f64;
                (1.0 + self.packages.len() as f64 / holders).ln().powf(1.5)
            };
            let weights: Vec<f64> = words.iter().map(rarity).collect();
            picked.push(words.remove(drawn(dice, weights.into_iter())));
        }
        picked
    }

    /// How many packages hold all of `words`.
    fn holding(&self, words: &[String]) -> usize {
        let mut sets = words.iter().filter_map(|word| self.postings.get(word));
        let Some(first) = sets.next() else { return 0 };
        let sets: Vec<_> = sets.collect();
        first.iter().filter(|at| sets.iter().all(|set| set.contains(at))).count()
    }

    /// Another form of a word, that at least three packages use.
    fn inflected(&self, word: &str) -> Option<String> {
        let count = |word: &str| self.postings.get(word).map_or(0, BTreeSet::len);
        let cut = |letters: usize| &word[..word.len() - letters];
        let other = if word.len() < 5 {
            return None;
        } else if word.ends_with("ies") {
            format!("{}y", cut(3))
        } else if word.ends_with("ing") && word.len() > 6 {
            let with_e = format!("{}e", cut(3));
            if count(&with_e) > count(cut(3)) { with_e } else { cut(3).to_owned() }
        } else if word.ends_with("ed") && word.len() > 5 {
            if count(cut(1)) > 0 { cut(1).to_owned() } else { cut(2).to_owned() }
        } else if word.ends_with('s') && !word.ends_with("ss") && !word.ends_with("us") {
            cut(1).to_owned()
        } else if word.ends_with('y')
            && !word[..word.len() - 1].ends_with(['a', 'e', 'i', 'o', 'u'])
        {
            format!("{}ies", cut(1))
        } else if word.ends_with("er") || word.ends_with(['t', 'n', 'k', 'p', 'd', 'r', 'm']) {
            format!("{word}s")
        } else {
            return None;
        };
        (other != word && count(&other) >= 3).then_some(other)
    }
}

/// The text with one typing error: another key beside, a letter twice, missing or swapped.
fn mistyped(text: &str, dice: &mut Dice) -> Option<String> {
    for _ in 0..50 {
        let mut letters: Vec<char> = text.chars().collect();
        let at = below(dice, letters.len());
        // The first letter is rarely wrong.
        if at == 0 && fraction(dice) > 0.05 {
            continue;
        }
        let letter = letters[at];
        if !letter.is_ascii_alphanumeric() {
            continue;
        }
        match below(dice, 100) {
            0..35 => {
                letters[at] = match fraction(dice) < 0.7 {
                    true => beside(letter, dice),
                    false => char::from(b'a' + below(dice, 26) as u8),
                }
            }
            35..55 => {
                let more = if below(dice, 2) == 0 { letter } else { beside(letter, dice) };
                letters.insert(at, more);
            }
            55..80 => drop(letters.remove(at)),
            _ if letters.get(at + 1).is_some_and(char::is_ascii_alphanumeric) => {
                letters.swap(at, at + 1);
            }
            _ => continue,
        }
        let wrong: String = letters.into_iter().collect();
        if wrong != text && wrong.len() > 2 {
            return Some(wrong);
        }
    }
    None
}

/// A key beside that of a letter.
fn beside(letter: char, dice: &mut Dice) -> char {
    const ROWS: [&str; 4] = ["1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm"];
    let mut keys = Vec::new();
    for (n, row) in ROWS.iter().enumerate() {
        let Some(at) = row.find(letter) else { continue };
        for near in ROWS.iter().skip(n.saturating_sub(1)).take(if n == 0 { 2 } else { 3 }) {
            let from = at.saturating_sub(1);
            keys.extend(near.chars().skip(from).take(at + 2 - from));
        }
    }
    keys.retain(|&key| key != letter);
    keys.get(below(dice, keys.len().max(1))).copied().unwrap_or(letter)
}

/// Runs of letters and digits that start with a letter, in lower case.
fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let runs = text.split(|c: char| !c.is_ascii_alphanumeric());
    let runs = runs.map(|run| run.trim_start_matches(|c: char| c.is_ascii_digit()));
    runs.filter(|run| run.len() > 1).map(str::to_owned).collect()
}

fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty())
}

fn below(dice: &mut Dice, end: usize) -> usize {
    dice.pick(0..end as u64) as usize
}

/// A number from 0 to 1.
fn fraction(dice: &mut Dice) -> f64 {
    dice.roll() as f64 / u64::MAX as f64
}

/// One place, each as likely as its weight.
fn drawn(dice: &mut Dice, weights: impl Iterator<Item = f64> + Clone) -> usize {
    let mut left = fraction(dice) * weights.clone().sum::<f64>();
    let mut last = 0;
    for (at, weight) in weights.enumerate() {
        last = at;
        left -= weight;
        if left <= 0.0 {
            break;
        }
    }
    last
}

fn shuffle<T>(items: &mut [T], dice: &mut Dice) {
    for end in (1..items.len()).rev() {
        items.swap(end, below(dice, end + 1));
    }
}
