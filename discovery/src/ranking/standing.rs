//! What this machine knows of packages and their publishers, and how far that counts.
//!
//! Two things, both gentle. A package that is used here stands a little higher among equals. And a
//! package whose name could be mistaken for that of a publisher whom the user has named stands
//! behind the one it looks like, whatever else speaks for it: whoever registers the name that
//! people mistype gains nothing.
//!
//! Strangers are not held back otherwise, because everybody is a stranger at first. Nothing that a
//! stranger can make any number of, such as packages and publishers, changes any of this.

use std::collections::HashMap;

use catalog::identity::PublisherId;
use catalog::lookalike;
use catalog::release::PackageId;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocAddress, DocSet as _, TERMINATED, Term};

use crate::defence::{self, Defence};
use crate::doc::PackageKey;
use crate::evidence::Clue;
use crate::opened::Opened;
use crate::ranking::Hit;

/// Hits whose names are compared with those of all candidates: what stands further down misleads
/// nobody.
const COMPARED: usize = 10;

/// What is known of packages and publishers here.
#[derive(Clone, Copy, Default)]
pub(crate) struct Standing<'a> {
    /// Packages that are used here, and how warm each is, up to 1.
    pub warm: &'a [(PackageId, f32)],
    /// Publishers that the user has named.
    pub known: &'a [PublisherId],
}

impl Standing<'_> {
    /// Raises what is used here. The order is not changed.
    pub fn favour(&self, opened: &Opened, head: &mut [Hit]) -> tantivy::Result<()> {
        let mut names: HashMap<&str, Vec<&(PackageId, f32)>> = HashMap::new();
        for warm in self.warm {
            names.entry(warm.0.name.as_str()).or_default().push(warm);
        }
        for hit in head {
            for (package, warmth) in names.get(hit.name.as_str()).into_iter().flatten() {
                if address_of(opened, &PackageKey::of(package))? == Some(hit.address) {
                    hit.evidence.set(Clue::Used, *warmth);
                    hit.score = hit.evidence.score();
                }
            }
        }
        Ok(())
    }

    /// Puts what only looks like a package of a publisher with a name here behind that.
    pub fn settle(&self, opened: &Opened, head: &mut [Hit]) -> tantivy::Result<()> {
        if self.known.is_empty() || !defence::on(Defence::LookalikesBehind) {
            return Ok(());
        }
        put_behind(head, |hit| &hit.name, |hit| self.knows(opened, hit.address))
    }

    /// Whether these are packages, and all of them of strangers.
    pub fn doubts(&self, opened: &Opened, packages: &[DocAddress]) -> tantivy::Result<bool> {
        if self.known.is_empty() || packages.is_empty() || !defence::on(Defence::LookalikesBehind) {
            return Ok(false);
        }
        for &package in packages {
            if self.knows(opened, package)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the publisher of this package is one that the user has named.
    fn knows(&self, opened: &Opened, address: DocAddress) -> tantivy::Result<bool> {
        let field = opened.fields.publisher;
        let inverted = opened.segments[address.segment_ord as usize].words(field)?;
        for publisher in self.known {
            let term = Term::from_field_text(field, &publisher.to_string());
            let postings = inverted.read_postings(&term, IndexRecordOption::Basic)?;
            let Some(mut postings) = postings else { continue };
            if postings.doc() == address.doc_id || postings.seek(address.doc_id) == address.doc_id {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Where the package with this key stands in the index.
pub(crate) fn address_of(
    opened: &Opened,
    package: &PackageKey,
) -> tantivy::Result<Option<DocAddress>> {
    let term = opened.fields.package_term(package);
    for (number, segment) in (0..).zip(&opened.segments) {
        let inverted = segment.words(opened.fields.package)?;
        let postings = inverted.read_postings(&term, IndexRecordOption::Basic)?;
        let Some(mut postings) = postings else { continue };
        while postings.doc() != TERMINATED {
            if !segment.reader.is_deleted(postings.doc()) {
                return Ok(Some(DocAddress::new(number, postings.doc())));
            }
            postings.advance();
        }
    }
    Ok(None)
}

/// Puts each of the first hits that is not of a known publisher behind the last one that is and
/// whose name it could be mistaken for.
pub(crate) fn put_behind<T, E>(
    hits: &mut [T],
    name: impl Fn(&T) -> &str,
    knows: impl Fn(&T) -> Result<bool, E>,
) -> Result<(), E> {
    for at in (0..hits.len().min(COMPARED)).rev() {
        let later = (at + 1..hits.len()).rev();
        let alike = later.filter(|&other| {
            let (name, other) = (name(&hits[at]), name(&hits[other]));
            nearly(name, other) && (name == other || lookalike::are_alike(name, other))
        });
        let alike: Vec<usize> = alike.collect();
        if alike.is_empty() || knows(&hits[at])? {
            continue;
        }
        for other in alike {
            if knows(&hits[other])? {
                hits[at..=other].rotate_left(1);
                break;
            }
        }
    }
    Ok(())
}

/// Whether two names may be alike: a look at the bytes, which rules nearly all pairs out.
fn nearly(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let front = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let back = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    a.len().abs_diff(b.len()) <= 2 && front + back + 2 >= a.len().min(b.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::Cursor;
    use crate::defence::without;
    use crate::doc::Doc;
    use crate::fixture::{package, publisher, release};
    use crate::index::Index;
    use crate::query::Query;
    use catalog::release::ReleaseId;

    fn index(packages: &[(&str, &str)]) -> (tempfile::TempDir, Index) {
        let dir = tempfile::tempdir().unwrap();
        let index = Index::open(dir.path()).unwrap();
        for (at, (by, name)) in (1..).zip(packages) {
            let release = release(&format!("{by}/{name}"));
            let id = ReleaseId::from_digest(catalog::Digest::of(name.as_bytes()));
            index.put(&Doc::from_release(id, &release).unwrap()).unwrap();
            index.commit(Cursor { store: [1; 16], change: at }).unwrap();
        }
        (dir, index)
    }

    /// What `text` finds for a user who has named acme, as `publisher/name`.
    fn found(index: &Index, text: &str) -> Vec<String> {
        let query = Query { known: vec![publisher("acme")], ..Query::new(text) };
        let by =
            |id| ["acme", "eve", "bob"].into_iter().find(|name| publisher(name) == id).unwrap();
        let hits = index.search(&query).unwrap().hits.into_iter();
        hits.map(|hit| format!("{}/{}", by(hit.release.publisher), hit.release.name)).collect()
    }

    const SQUATTED: [(&str, &str); 4] =
        [("acme", "graphdb"), ("eve", "grapdb"), ("eve", "graphdb"), ("bob", "vectors")];

    /// Threat row 25: whoever registers the name that people mistype, or the name itself, stands
    /// behind the publisher that the user has named.
    #[test]
    fn a_squatted_name_stands_behind_the_name_it_looks_like() {
        let (_dir, index) = index(&SQUATTED);
        for text in ["grapdb", "graphdb", "grapdb database"] {
            let found = found(&index, text);
            assert_eq!(found[0], "acme/graphdb", "{text}");
            let squatted = found.iter().any(|name| name.starts_with("eve/"));
            assert!(squatted, "{text}: it is found all the same");
        }
    }

    #[test]
    fn a_squatted_name_stands_first_without_the_defence() {
        let (_dir, index) = index(&SQUATTED);
        let found = without(Defence::LookalikesBehind, || found(&index, "grapdb"));
        assert_eq!(found[0], "eve/grapdb");
    }

    #[test]
    fn names_that_look_like_nobodys_keep_their_places() {
        let (_dir, index) = index(&[("acme", "gcc-12"), ("bob", "gcc-13"), ("bob", "vectors")]);
        assert_eq!(found(&index, "gcc-13")[0], "bob/gcc-13");
        assert_eq!(found(&index, "vectors")[0], "bob/vectors");
    }

    #[test]
    fn among_names_alike_of_strangers_nothing_is_decided() {
        let (_dir, index) = index(&[("bob", "graphdb"), ("eve", "grapdb")]);
        assert_eq!(found(&index, "grapdb")[0], "eve/grapdb");
    }

    #[test]
    fn what_is_used_here_stands_higher_among_equals_only() {
        let packages = [("bob", "vector-a"), ("bob", "vector-b"), ("bob", "matrix")];
        let (_dir, index) = index(&packages);
        let warm = |name: &str| vec![(package(&format!("bob/{name}")), 1.0)];
        let first = |text: &str, name: &str| {
            let query = Query { warm: warm(name), ..Query::new(text) };
            index.search(&query).unwrap().hits[0].release.name.to_string()
        };
        assert_eq!(first("vector", "vector-b"), "vector-b");
        assert_eq!(first("vector", "vector-a"), "vector-a");
        // A name that was typed stands above everything else.
        assert_eq!(first("matrix", "vector-b"), "matrix");
        assert_eq!(first("vector-a", "vector-b"), "vector-a");
    }
}
