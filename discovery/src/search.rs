//! Answers a query from the index: best packages first, in an order that does not depend on how
//! the index happens to be cut into files.
//!
//! A damaged file can make the library below panic as well as fail; both end as
//! [`IndexError::Damaged`], so that the caller can empty the index and follow the store again.

use tantivy::Order::{Asc, Desc};
use tantivy::collector::TopDocs;
use tantivy::query::AllQuery;
use tantivy::schema::Value;
use tantivy::{DocAddress, TantivyDocument};

use crate::conditions;
use crate::doc::Stored;
use crate::evidence::Evidence;
use crate::facets::{Facets, Matches};
use crate::index::{Index, IndexError, View, sound};
use crate::order::ByName;
use crate::popular::popular;
use crate::query::{CANDIDATES_MAX, Counted, Filters, Page, Sort, Tally};
use crate::ranking::{self, Asked};
use crate::schema::{SIZE, TIME};

/// Documents of the first round after the candidates; a second round is only needed when hardware
/// rules most out.
const FOLLOWING_FIRST: usize = 128;

type BoxedQuery = Box<dyn tantivy::query::Query>;

/// A page of what was kept.
pub(crate) struct Best<T> {
    pub kept: Vec<T>,
    /// Whether there are more after it.
    pub more: bool,
    /// What was probably meant.
    pub meant: Option<String>,
    /// What there is of it.
    pub facets: Option<Facets>,
}

/// How documents are ordered that nobody weighed.
#[derive(Clone, Copy)]
enum Order {
    Score,
    Name,
    Newest,
    Smallest,
}

impl Order {
    fn of(filters: &Filters<'_>) -> Self {
        match filters.sort {
            Sort::Relevance if filters.text.is_empty() => Self::Name,
            Sort::Relevance => Self::Score,
            Sort::Recent => Self::Newest,
            Sort::Small => Self::Smallest,
            // After those that are popular.
            Sort::Popular => Self::Name,
        }
    }
}

/// Why a hit stands where it does.
pub(crate) struct Place {
    pub score: f32,
    pub evidence: Option<Evidence>,
}

impl Index {
    /// Searches for `text` under `filters`, and hands what is found, best first, to `keep` until
    /// `page` is full. `keep` returns `None` for what should not count.
    pub(crate) fn best<T>(
        &self,
        filters: &Filters<'_>,
        page: Page,
        keep: impl FnMut(Place, Stored) -> Option<T>,
    ) -> Result<Best<T>, IndexError> {
        let mut keep = keep;
        self.guarded(|view| view.best(filters, page, &mut keep))
    }

    /// Reads in the index, where damaged files may fail in any way.
    pub(crate) fn guarded<T>(
        &self,
        read: impl FnOnce(&View) -> tantivy::Result<T>,
    ) -> Result<T, IndexError> {
        let view = self.view();
        sound(|| read(&view)).map_err(|error| self.error(error))
    }
}

impl View {
    fn best<T>(
        &self,
        filters: &Filters<'_>,
        page: Page,
        keep: &mut impl FnMut(Place, Stored) -> Option<T>,
    ) -> tantivy::Result<Best<T>> {
        let wanted = page.offset.saturating_add(page.limit).saturating_add(1);
        let conditions = conditions::all(&self.index, &self.opened.fields, &filters.conditions);
        let mut kept = Vec::new();
        let (mut meant, mut facets) = (None, None);
        if filters.text.is_empty() {
            let all = ranking::filtered(Box::new(AllQuery), &conditions);
            if let Some(tally) = filters.tally {
                facets = Some(self.facets(tally, [Some(&all)], keep)?);
            }
            let seen = self.popular(filters, &all, wanted, (&mut kept, keep))?;
            self.follow_on(wanted, (&all, Order::of(filters)), &seen, &mut kept, keep)?;
        } else {
            let asked = match filters.question {
                Some(question) => Asked::of(&self.opened, question)?,
                None => Asked::read(&self.opened, filters)?,
            };
            let ranked = ranking::rank(&self.opened, &asked, &filters.standing, &conditions)?;
            meant = ranked.meant;
            if let Some(tally) = filters.tally {
                let some = |query: &BoxedQuery| ranking::filtered(query.box_clone(), &conditions);
                let (every, any) =
                    (ranked.every.as_ref().map(some), ranked.tail.as_ref().map(some));
                facets = Some(self.facets(tally, [every.as_ref(), any.as_ref()], keep)?);
            }
            let mut seen = Vec::new();
            if filters.sort == Sort::Relevance {
                self.weighed(&ranked.head, wanted, &mut kept, keep)?;
                seen.extend(ranked.head.iter().map(|hit| hit.address));
                seen.sort_unstable();
            }
            let rest = match filters.sort {
                Sort::Relevance => ranked.tail.filter(|_| kept.len() < wanted),
                Sort::Recent | Sort::Small | Sort::Popular => ranked.every,
            };
            if let Some(rest) = rest {
                let rest = ranking::filtered(rest, &conditions);
                seen.extend(self.popular(filters, &rest, wanted, (&mut kept, keep))?);
                let order = (&rest, Order::of(filters));
                self.follow_on(wanted, order, &seen, &mut kept, keep)?;
            }
        }
        let more = kept.len() >= wanted;
        kept.truncate(wanted.saturating_sub(1));
        let kept = kept.into_iter().skip(page.offset).take(page.limit).collect();
        Ok(Best { kept, more, meant, facets })
    }

    /// Keeps what is popular among what answers `query`, when that is the order.
    ///
    /// - result: all that is popular, in the order of the index.
    fn popular<T>(
        &self,
        filters: &Filters<'_>,
        query: &BoxedQuery,
        wanted: usize,
        (kept, keep): (&mut Vec<T>, &mut impl FnMut(Place, Stored) -> Option<T>),
    ) -> tantivy::Result<Vec<DocAddress>> {
        if filters.sort != Sort::Popular {
            return Ok(Vec::new());
        }
        let matches = Matches::of(&self.opened.searcher, query)?;
        let mut popular = popular(&self.opened, &filters.standing, &matches)?;
        for address in &popular {
            if kept.len() < wanted {
                let place = Place { score: 0.0, evidence: None };
                kept.extend(keep(place, self.stored(*address)?));
            }
        }
        popular.sort_unstable();
        Ok(popular)
    }

    /// Counts what answers the first of `queries` that anything answers.
    fn facets<'q, T>(
        &self,
        tally: Tally,
        queries: impl IntoIterator<Item = Option<&'q BoxedQuery>>,
        keep: &mut impl FnMut(Place, Stored) -> Option<T>,
    ) -> tantivy::Result<Facets> {
        let searcher = &self.opened.searcher;
        for query in queries.into_iter().flatten() {
            let mut matches = Matches::of(searcher, query)?;
            if matches.is_empty() {
                continue;
            }
            if tally.of == Counted::Kept {
                matches = matches.kept(searcher, CANDIDATES_MAX, |address| {
                    let place = Place { score: 0.0, evidence: None };
                    Ok(keep(place, self.stored(address)?).is_some())
                })?;
            }
            return Facets::count(searcher, &self.opened.fields, &matches, tally.values);
        }
        Ok(Facets::default())
    }

    /// The first `count` documents for `query`.
    fn ordered(
        &self,
        (query, order): (&BoxedQuery, Order),
        count: usize,
    ) -> tantivy::Result<Vec<DocAddress>> {
        let top = TopDocs::with_limit(count);
        let searcher = &self.opened.searcher;
        match order {
            Order::Score => {
                let found = searcher.search(query, &top.order_by_score())?;
                Ok(found.into_iter().map(|(_, address)| address).collect())
            }
            Order::Name => {
                let top = top.order_by(ByName);
                Ok(searcher.search(query, &top)?.into_iter().map(|(_, address)| address).collect())
            }
            Order::Newest => {
                let top = top.order_by_fast_field::<u64>(TIME, Desc);
                Ok(searcher.search(query, &top)?.into_iter().map(|(_, address)| address).collect())
            }
            Order::Smallest => {
                let top = top.order_by_fast_field::<u64>(SIZE, Asc);
                Ok(searcher.search(query, &top)?.into_iter().map(|(_, address)| address).collect())
            }
        }
    }

    /// Keeps candidates until there are `wanted`; equals stand in the order of their releases.
    fn weighed<T>(
        &self,
        hits: &[ranking::Hit],
        wanted: usize,
        kept: &mut Vec<T>,
        keep: &mut impl FnMut(Place, Stored) -> Option<T>,
    ) -> tantivy::Result<()> {
        for equal in hits.chunk_by(|a, b| a.score == b.score && a.name == b.name) {
            if kept.len() >= wanted {
                break;
            }
            let mut stored = Vec::with_capacity(equal.len());
            for hit in equal {
                stored.push((hit, self.stored(hit.address)?));
            }
            stored.sort_by(|a, b| a.1.release.cmp(&b.1.release));
            kept.extend(stored.into_iter().filter_map(|(hit, stored)| {
                keep(Place { score: hit.score, evidence: Some(hit.evidence) }, stored)
            }));
        }
        Ok(())
    }

    /// Keeps what stands after the candidates, or everything when there are none.
    fn follow_on<T>(
        &self,
        wanted: usize,
        order: (&BoxedQuery, Order),
        seen: &[DocAddress],
        kept: &mut Vec<T>,
        keep: &mut impl FnMut(Place, Stored) -> Option<T>,
    ) -> tantivy::Result<()> {
        let mut done = 0;
        let mut count = (wanted + seen.len()).clamp(FOLLOWING_FIRST, CANDIDATES_MAX);
        loop {
            let found = self.ordered(order, count)?;
            for address in found.iter().skip(done) {
                if kept.len() >= wanted {
                    return Ok(());
                }
                if seen.binary_search(address).is_err() {
                    let place = Place { score: 0.0, evidence: None };
                    kept.extend(keep(place, self.stored(*address)?));
                }
            }
            if found.len() < count || count == CANDIDATES_MAX {
                return Ok(());
            }
            done = found.len();
            count = CANDIDATES_MAX;
        }
    }

    pub(crate) fn stored(&self, address: DocAddress) -> tantivy::Result<Stored> {
        let document: TantivyDocument = self.opened.searcher.doc(address)?;
        let bytes = |field| {
            let value = document.get_first(field).and_then(|value| value.as_bytes());
            value.unwrap_or_default().to_vec()
        };
        let fields = &self.opened.fields;
        Ok(Stored { release: bytes(fields.release), record: bytes(fields.record) })
    }
}
