//! What mirrors say that they hold, as sixteen pages of short prefixes.
//!
//! A page is the value of the register `mirror/holds/<0..f>`: the sorted first bytes of the content
//! roots that begin with that hex digit. Only a page that changed is said again, so a mirror that
//! takes up one package sends 1/16 of its list. A page names the generation of the lease that it
//! belongs to; it counts while that lease holds, so a mirror that is gone, or that began anew,
//! is not believed to hold what it once said.
//!
//! Guarantees: a page is at most [`VALUE_BYTES_MAX`] bytes. Up to 500 roots it names each by 8
//! bytes, up to 1,000 by 4; what does not fit is counted and not named. A claim is a hint: whether
//! a copy is there shows when it is fetched or audited.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use catalog::Digest;
use catalog::cbor::{self, CodecError, Fields, Map, Value};
use catalog::permission::NodeId;
use catalog::register::{RegisterName, VALUE_BYTES_MAX};

/// What the names of the registers begin with; the digit of the page follows.
pub const NAME_PREFIX: &str = "mirror/holds/";
/// How many pages a mirror has.
pub const PAGES: u8 = 16;
/// How long a page travels; it counts only while the mirror's lease holds.
pub const LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// The most bytes of all prefixes of a page: the rest is the frame around them.
const PREFIXES_BYTES_MAX: usize = VALUE_BYTES_MAX - 64;
/// The longest and the shortest prefix.
const WIDTHS: (usize, usize) = (8, 4);
/// The version of the layout.
const VERSION: u64 = 1;

/// The number of a page: the first hex digit of the roots that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageNumber(u8);

impl PageNumber {
    /// Every page.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..PAGES).map(Self)
    }

    /// The page that names `root`.
    pub const fn of(root: &Digest) -> Self {
        Self(root.as_bytes()[0] >> 4)
    }

    /// The name of its register.
    pub fn register(self) -> RegisterName {
        let name = format!("{NAME_PREFIX}{:x}", self.0);
        name.parse().expect("letters, slashes and a digit")
    }

    /// The page that a register of this name carries, if it carries one.
    pub fn of_register(name: &RegisterName) -> Option<Self> {
        let digit = name.as_str().strip_prefix(NAME_PREFIX)?;
        let number = u8::from_str_radix(digit, 16).ok().filter(|_| digit.len() == 1)?;
        Some(Self(number))
    }
}

/// Which roots that begin with one hex digit a mirror holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The generation of the lease under which it was said.
    pub generation: u64,
    /// How many bytes of each root are told.
    width: usize,
    /// The prefixes, ascending, one behind the other.
    prefixes: Vec<u8>,
    /// How many more there are that did not fit.
    unnamed: u64,
}

impl Page {
    /// The page of a mirror that holds `roots`.
    ///
    /// - `roots`: all of one page, ascending, no repeats.
    pub fn of<'a>(generation: u64, roots: impl ExactSizeIterator<Item = &'a Digest>) -> Self {
        let count = roots.len();
        let width = if count * WIDTHS.0 <= PREFIXES_BYTES_MAX { WIDTHS.0 } else { WIDTHS.1 };
        let mut prefixes = Vec::new();
        let mut named = 0;
        for root in roots {
            let prefix = &root.as_bytes()[..width];
            if prefixes.ends_with(prefix) && named > 0 {
                named += 1; // Two roots that look alike at this width.
                continue;
            }
            if prefixes.len() + width > PREFIXES_BYTES_MAX {
                break;
            }
            prefixes.extend_from_slice(prefix);
            named += 1;
        }
        Self { generation, width, prefixes, unnamed: (count - named) as u64 }
    }

    /// Whether it names `root`, or one that begins alike.
    pub fn names(&self, root: &Digest) -> bool {
        let wanted = &root.as_bytes()[..self.width];
        let at = |place: usize| &self.prefixes[place * self.width..][..self.width];
        let (mut low, mut high) = (0, self.prefixes.len() / self.width);
        while low < high {
            let middle = low.midpoint(high);
            match at(middle).cmp(wanted) {
                Ordering::Equal => return true,
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
            }
        }
        false
    }

    /// The first bytes of the roots that it names, ascending.
    fn starts(&self) -> impl Iterator<Item = [u8; WIDTHS.1]> + '_ {
        self.prefixes.chunks_exact(self.width).filter_map(|prefix| prefix.first_chunk().copied())
    }

    /// How many roots it stands for.
    pub fn count(&self) -> u64 {
        ((self.prefixes.len() / self.width) as u64).saturating_add(self.unnamed)
    }

    /// The value of a register that says this.
    pub fn encode(&self) -> Vec<u8> {
        let mut map = Map::new();
        map.insert("gen", self.generation);
        map.insert_some("more", (self.unnamed > 0).then_some(self.unnamed));
        map.insert("p", self.prefixes.as_slice());
        map.insert("v", VERSION);
        map.insert("w", self.width as u64);
        cbor::encode(&Value::Map(map))
    }

    /// Reads the value of a register.
    ///
    /// # Errors
    /// [`CodecError`]; any node can cause it.
    pub fn decode(value: &[u8]) -> Result<Self, CodecError> {
        let mut fields = Fields::of(cbor::decode(value, VALUE_BYTES_MAX)?)?;
        if fields.uint("v")? != VERSION {
            return Err(CodecError::invalid("v", "not a version that is known"));
        }
        let width = usize::try_from(fields.uint("w")?).unwrap_or_default();
        let page = Self {
            generation: fields.uint("gen")?,
            width,
            prefixes: fields.bytes("p")?,
            unnamed: fields.uint_opt("more")?.unwrap_or_default(),
        };
        fields.finish()?;
        if !(WIDTHS.1..=WIDTHS.0).contains(&width) {
            return Err(CodecError::invalid("w", "not 4 to 8"));
        }
        if !page.prefixes.len().is_multiple_of(width) {
            return Err(CodecError::invalid("p", "not whole prefixes"));
        }
        if !page.prefixes.chunks_exact(width).is_sorted_by(|a, b| a < b) {
            return Err(CodecError::invalid("p", "not ascending"));
        }
        Ok(page)
    }
}

/// The pages of a mirror's own holdings: which of them have to be said.
#[derive(Clone, Debug, Default)]
pub struct Holdings {
    generation: u64,
    roots: BTreeSet<Digest>,
    /// Pages that are not as they were said last.
    unsaid: BTreeSet<PageNumber>,
}

impl Holdings {
    /// The holdings of a mirror that begins its lease of that generation; every page is unsaid.
    pub fn new(generation: u64, roots: impl IntoIterator<Item = Digest>) -> Self {
        let roots = roots.into_iter().collect();
        Self { generation, roots, unsaid: PageNumber::all().collect() }
    }

    /// Takes up a copy.
    pub fn add(&mut self, root: Digest) {
        if self.roots.insert(root) {
            self.unsaid.insert(PageNumber::of(&root));
        }
    }

    /// Gives up a copy.
    pub fn remove(&mut self, root: &Digest) {
        if self.roots.remove(root) {
            self.unsaid.insert(PageNumber::of(root));
        }
    }

    /// What is held, ascending.
    pub fn roots(&self) -> impl ExactSizeIterator<Item = &Digest> {
        self.roots.iter()
    }

    /// The pages that changed since they were taken last, to be said now.
    pub fn take_unsaid(&mut self) -> Vec<(PageNumber, Page)> {
        let unsaid = std::mem::take(&mut self.unsaid);
        unsaid.into_iter().map(|number| (number, self.page(number))).collect()
    }

    /// Says that a page has to be said again, because it was not said or expires soon.
    pub fn unsay(&mut self, number: PageNumber) {
        self.unsaid.insert(number);
    }

    /// One page as it is now.
    pub fn page(&self, number: PageNumber) -> Page {
        let mut first = [0; 32];
        first[0] = number.0 << 4;
        let from = self.roots.range(Digest::from_bytes(first)..);
        let roots: Vec<_> = from.take_while(|root| PageNumber::of(root) == number).collect();
        Page::of(self.generation, roots.into_iter())
    }
}

/// What other nodes say that they hold.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    nodes: BTreeMap<NodeId, BTreeMap<PageNumber, Page>>,
    /// By the first bytes of roots, the nodes whose pages name one that begins so, by id.
    named: BTreeMap<[u8; WIDTHS.1], Vec<NodeId>>,
}

impl Directory {
    /// A directory in which nobody holds anything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what a node says of one page; what it said before is forgotten.
    pub fn set(&mut self, node: NodeId, number: PageNumber, page: Page) {
        let old = self.nodes.get_mut(&node).and_then(|pages| pages.remove(&number));
        if let Some(old) = old {
            self.unname(&node, &old);
        }
        for start in page.starts() {
            let nodes = self.named.entry(start).or_default();
            if let Err(place) = nodes.binary_search(&node) {
                nodes.insert(place, node);
            }
        }
        self.nodes.entry(node).or_default().insert(number, page);
    }

    /// Forgets everything that a node said.
    pub fn forget(&mut self, node: &NodeId) {
        for page in self.nodes.remove(node).unwrap_or_default().values() {
            self.unname(node, page);
        }
    }

    fn unname(&mut self, node: &NodeId, page: &Page) {
        for start in page.starts() {
            let Some(nodes) = self.named.get_mut(&start) else { continue };
            nodes.retain(|one| one != node);
            if nodes.is_empty() {
                self.named.remove(&start);
            }
        }
    }

    /// The nodes that may say that they hold `root`, by id: [`holds`](Self::holds) knows. Hardly ever
    /// are others among them, so going through them costs no more than there are copies.
    pub fn claimants(&self, root: &Digest) -> &[NodeId] {
        let start = root.as_bytes().first_chunk().and_then(|start| self.named.get(start));
        start.map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether `node` says that it holds `root`, under the lease of that generation.
    pub fn holds(&self, node: &NodeId, generation: u64, root: &Digest) -> bool {
        let page = self.nodes.get(node).and_then(|pages| pages.get(&PageNumber::of(root)));
        page.is_some_and(|page| page.generation == generation && page.names(root))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Roots of page `a`, ascending.
    fn roots(count: u16) -> Vec<Digest> {
        let root = |n: u16| {
            let mut bytes = [0xa0; 32];
            bytes[2..4].copy_from_slice(&n.to_be_bytes());
            Digest::from_bytes(bytes)
        };
        (0..count).map(root).collect()
    }

    fn node(n: u8) -> NodeId {
        NodeId::from_bytes([n; 32])
    }

    #[test]
    fn a_page_has_these_bytes() {
        let page = Page::of(7, roots(2).iter());
        let expected = "a4\
            617050a0a00000a0a0a0a0a0a00001a0a0a0a0\
            617601\
            617708\
            6367656e07"
            .replace(' ', "");
        assert_eq!(hex::encode(page.encode()), expected);
        assert_eq!(Page::decode(&page.encode()), Ok(page));
    }

    #[test]
    fn a_page_fits_into_a_register_however_much_is_held() {
        for (held, width, named) in [
            (0, 8, 0),
            (500, 8, 500),
            (504, 8, 504),
            (505, 4, 505),
            (1008, 4, 1008),
            (5000, 4, 1008),
        ] {
            let roots = roots(held);
            let page = Page::of(1, roots.iter());
            assert_eq!((page.width, page.count()), (width, u64::from(held)), "{held}");
            assert!(page.encode().len() <= VALUE_BYTES_MAX);
            assert_eq!(roots.iter().filter(|root| page.names(root)).count(), named, "{held}");
            assert!(!page.names(&Digest::from_bytes([0xaf; 32])));
            assert_eq!(Page::decode(&page.encode()), Ok(page));
        }
    }

    #[test]
    fn only_a_page_that_changed_is_said_again() {
        let mut holdings = Holdings::new(1, roots(3));
        assert_eq!(holdings.take_unsaid().len(), 16);
        assert_eq!(holdings.take_unsaid(), []);
        let root = Digest::from_bytes([0x17; 32]);
        holdings.add(root);
        holdings.add(roots(1)[0]);
        let said = holdings.take_unsaid();
        assert_eq!(said.len(), 1);
        assert_eq!(said[0].0.register().as_str(), "mirror/holds/1");
        assert!(said[0].1.names(&root));
        holdings.remove(&root);
        assert_eq!(holdings.take_unsaid()[0].1.count(), 0);
    }

    #[test]
    fn pages_go_by_the_names_of_their_registers() {
        for number in PageNumber::all() {
            assert_eq!(PageNumber::of_register(&number.register()), Some(number));
        }
        for name in ["mirror/holds/", "mirror/holds/g", "mirror/holds/00", "mirror/lease"] {
            assert_eq!(PageNumber::of_register(&name.parse().unwrap()), None, "{name}");
        }
    }

    #[test]
    fn what_was_said_under_another_lease_does_not_count() {
        let mut directory = Directory::new();
        let root = roots(1)[0];
        directory.set(node(1), PageNumber::of(&root), Page::of(4, [root].iter()));
        assert!(directory.holds(&node(1), 4, &root));
        assert!(!directory.holds(&node(1), 5, &root) && !directory.holds(&node(2), 4, &root));
        directory.forget(&node(1));
        assert!(!directory.holds(&node(1), 4, &root));
    }

    #[test]
    fn who_may_hold_a_root_is_known_without_asking_everybody() {
        let mut directory = Directory::new();
        let roots = roots(300);
        let page = |roots: &[Digest]| Page::of(4, roots.iter());
        let number = PageNumber::of(&roots[0]);
        directory.set(node(2), number, page(&roots));
        directory.set(node(1), number, page(&roots[..2]));
        directory.set(node(2), number, page(&roots[1..]));
        assert_eq!(directory.claimants(&roots[0]), [node(1)]);
        assert_eq!(directory.claimants(&roots[1]), [node(1), node(2)]);
        directory.forget(&node(2));
        assert_eq!(directory.claimants(&roots[1]), [node(1)]);
        directory.forget(&node(1));
        assert_eq!(directory.claimants(&roots[0]), []);
        assert!(directory.named.is_empty());
    }

    #[test]
    fn pages_that_are_not_in_order_are_refused() {
        let mut page = Page::of(1, roots(2).iter());
        page.prefixes.rotate_left(8);
        assert!(Page::decode(&page.encode()).is_err());
        page.prefixes.truncate(15);
        assert!(Page::decode(&page.encode()).is_err());
        (page.width, page.prefixes) = (0, Vec::new());
        assert!(Page::decode(&page.encode()).is_err());
    }

    proptest! {
        #[test]
        fn a_damaged_page_is_read_or_refused(at in 0_usize..900, to: u8, root: [u8; 32]) {
            let mut bytes = Page::of(1, roots(100).iter()).encode();
            let at = at % bytes.len();
            bytes[at] = to;
            if let Ok(page) = Page::decode(&bytes) {
                page.names(&Digest::from_bytes(root));
            }
        }
    }
}
