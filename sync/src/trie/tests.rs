//! The rules of the trie, against one that is built anew after every step.

use std::cell::Cell;
use std::collections::BTreeSet;

use catalog::ItemId;
use catalog::store::StoreError;
use proptest::prelude::*;

use super::rows::{Bucket, RowChange, RowsError};
use super::*;
use crate::fixture::{Dice, ground, ids};

fn rebuilt(items: &BTreeSet<ItemId>) -> Trie {
    Trie::build(&items.iter().copied().collect())
}

/// All rows of a trie as a table holds them.
type Table = std::collections::BTreeMap<Vec<u8>, [u8; 33]>;

fn write(trie: &mut Trie, table: &mut Table) -> usize {
    if trie.is_rebuilt() {
        table.clear();
    }
    let changes: Vec<_> = trie.changes().collect();
    for change in &changes {
        match change {
            RowChange::Put(bucket) => drop(table.insert(bucket.key(), bucket.value())),
            RowChange::Delete(prefix) => drop(table.remove(&rows::key_of(prefix))),
        }
    }
    trie.saved();
    changes.len()
}

fn read(table: &Table) -> Result<Trie, RowsError> {
    let rows: Result<Vec<_>, _> =
        table.iter().map(|(key, value)| Bucket::decode(key, value)).collect();
    Trie::from_rows(rows?)
}

/// Another root for the same set would make every node differ from every other, for ever.
#[test]
fn roots_and_rows_are_golden() {
    let roots: Vec<_> =
        [0, 1, 32, 33, 1000].map(|n| hex::encode(Trie::build(&ids(0..n).into()).root())).into();
    assert_eq!(
        roots,
        [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "9ac00c00cd355993f1f8b1e3d0ed925d17f49cbed664fc991b71d020b6a18fff",
            "33acab80b0a263bc0ed8194aa9b16166590ff216f02e0479fe890a59d935a00b",
            "a7ba21384723f32825db537c2ff65d8748ad85f94580b84cc1d743d4d73b2a1e",
            "7cb4cc3a71befdfa1f381a75611361420cfc6d99d2efc416da619c1c0a195b72",
        ]
    );
    let bucket = Bucket { prefix: Prefix::of(&ids(0..1)[0], 11), root: [7; 32], count: 32 };
    assert_eq!(hex::encode(bucket.key()), "71e00b");
    assert_eq!(hex::encode(bucket.value()), format!("{}20", "07".repeat(32)));
    assert_eq!(Bucket::decode(&bucket.key(), &bucket.value()).unwrap(), bucket);
}

/// Random changes, some for ids that are there already or never were, and some many at once: root,
/// size and rows are always those of a trie that is built from the set.
#[test]
fn a_trie_follows_its_set_as_if_built_anew() {
    let pool = [ids(0..400), ground(300, 17)].concat();
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let (mut items, mut trie, mut table) = (BTreeSet::new(), Trie::new(), Table::new());
        for _ in 0..60 {
            let grows = dice.below(5) < 3;
            let some: Vec<_> =
                (0..1 + dice.below(40)).map(|_| pool[dice.below(pool.len())]).collect();
            for id in &some {
                if grows {
                    items.insert(*id)
                } else {
                    items.remove(id)
                };
            }
            match &some[..] {
                [id] if grows => trie.insert(id, &items).unwrap(),
                [id] => trie.remove(id, &items).unwrap(),
                _ => trie.refresh(&some, &items).unwrap(),
            }
            let anew = rebuilt(&items);
            assert_eq!(trie.root(), anew.root(), "seed {seed}");
            assert_eq!(trie.len(), items.len() as u64);
            assert!(trie.buckets().eq(anew.buckets()), "seed {seed}");
            if dice.below(3) == 0 {
                write(&mut trie, &mut table);
                let rows = trie.buckets().map(|b| (b.key(), b.value()));
                assert!(rows.eq(table.clone()), "seed {seed}");
            }
        }
        // Nothing is left behind in memory either.
        trie.refresh(&pool, &BTreeSet::new()).unwrap();
        assert_eq!((trie.root(), trie.len()), (EMPTY_ROOT, 0));
        assert_eq!(trie.arena.nodes(), 1);
    }
}

proptest! {
    #[test]
    fn any_order_of_insertion_gives_one_trie(
        order in Just((0..200_usize).collect::<Vec<_>>()).prop_shuffle(),
        gone in prop::collection::vec(0..200_usize, 0..80),
    ) {
        let pool = [ids(0..130), ground(70, 40)].concat();
        let (mut items, mut trie) = (BTreeSet::new(), Trie::new());
        for &at in &order {
            items.insert(pool[at]);
            trie.insert(&pool[at], &items).unwrap();
        }
        // Away and back again.
        for back in [false, true] {
            for &at in &gone {
                if back { items.insert(pool[at]) } else { items.remove(&pool[at]) };
                trie.refresh(&[pool[at]], &items).unwrap();
            }
        }
        prop_assert_eq!(trie.root(), rebuilt(&pool.iter().copied().collect()).root());
    }

    #[test]
    fn no_bytes_make_reading_rows_panic(
        rows in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..4), any::<u8>()), 0..9)
    ) {
        let rows = rows.iter().filter_map(|(key, count)| {
            let mut value = [9; 33];
            value[32] = count % 40;
            Bucket::decode(key, &value).ok()
        });
        drop(Trie::from_rows(rows));
    }
}

/// Someone who tries ids until 200 begin with the same 40 bits adds a path, not a tree.
#[test]
fn ids_ground_to_one_prefix_add_few_nodes() {
    let mut items: BTreeSet<_> = ids(0..1000).into_iter().collect();
    let mut trie = rebuilt(&items);
    let before = trie.arena.nodes();
    for id in ground(200, 40) {
        items.insert(id);
        trie.insert(&id, &items).unwrap();
    }
    assert_eq!(trie.root(), rebuilt(&items).root());
    assert!(trie.arena.nodes() - before < 120, "{}", trie.arena.nodes() - before);
}

#[test]
fn roots_and_counts_below_a_prefix_do_not_depend_on_the_rest_of_the_set() {
    let pool = [ids(0..3000), ground(100, 23)].concat();
    let items: SortedIds = pool.iter().copied().collect();
    let trie = Trie::build(&items);
    let mut dice = Dice(1);
    for case in 0..200 {
        let below = Prefix::of(&pool[dice.below(pool.len())], dice.below(30));
        let width = dice.below(9);
        let mut expected = Vec::new();
        for index in 0..1 << width {
            let ids = items.scan(&below.descendant(width, index).unwrap(), 9999).unwrap();
            // What a trie would have at this place if it held nothing else.
            expected.push(root_of(&below.descendant(width, index).unwrap(), &ids));
            let count = trie.count(&below.descendant(width, index).unwrap(), &items).unwrap();
            assert_eq!(count, ids.len() as u64, "case {case}");
        }
        let mut found = Vec::new();
        trie.roots(&below, width, &items, |root| found.push(*root)).unwrap();
        assert_eq!(found, expected, "case {case}: {below:?} {width}");
    }
    let mut found = Vec::new();
    trie.roots(&Prefix::of(&pool[0], 254), 8, &items, |root| found.push(*root)).unwrap();
    assert_eq!(found.len(), 4, "no deeper than the last bit");
    trie.roots(&Prefix::ROOT, 0, &items, |root| assert_eq!(*root, trie.root())).unwrap();
}

/// With sums or exclusive-ors for hashes, sets that cancel out are found in no time; here the same
/// ids are the same hash only as the same set.
#[test]
fn sets_that_cancel_out_have_other_roots() {
    let set: BTreeSet<_> = ids(0..100).into_iter().collect();
    let all = ids(0..400);
    // 257 vectors of 256 bits depend on each other: some of them add up to nothing.
    let cancelling = crate::fixture::cancelling(&all[100..], 32);
    assert!(cancelling.len() > 1);
    let mut sum = [0; 32];
    for id in &cancelling {
        sum.iter_mut().zip(id.as_bytes()).for_each(|(sum, byte)| *sum ^= byte);
    }
    assert_eq!(sum, [0; 32]);
    let more: BTreeSet<_> = set.iter().chain(&cancelling).copied().collect();
    assert_ne!(rebuilt(&set).root(), rebuilt(&more).root());
}

#[test]
fn where_a_bucket_is_and_what_it_holds_is_in_its_hash() {
    let some = ids(0..3);
    let mut sorted = some.clone();
    sorted.sort_unstable();
    let root = bucket_root(&Prefix::ROOT, &sorted);
    assert_ne!(root, bucket_root(&Prefix::of(&some[0], 1), &sorted));
    assert_ne!(root, bucket_root(&Prefix::ROOT, &sorted[..2]));
    // Two hashes side by side are an inner node or the ids of a bucket, never both.
    let [a, b] = [sorted[0], sorted[1]];
    assert_ne!(bucket_root(&Prefix::ROOT, &[a, b]), inner_root(a.as_bytes(), b.as_bytes()));
}

#[test]
fn a_clone_stays_as_it_was() {
    let mut items: BTreeSet<_> = ids(0..2000).into_iter().collect();
    let before = items.clone();
    let mut trie = rebuilt(&items);
    let snapshot = trie.clone();
    for id in ids(2000..2100) {
        items.insert(id);
        trie.insert(&id, &items).unwrap();
    }
    assert_eq!(snapshot.root(), rebuilt(&before).root());
    assert!(snapshot.buckets().eq(rebuilt(&before).buckets()));
    assert_eq!(trie.root(), rebuilt(&items).root());
}

/// A follower reads changes in pieces while the store already holds all of them.
#[test]
fn items_may_be_ahead_of_what_was_named() {
    let all: BTreeSet<_> = ids(0..900).into_iter().collect();
    let mut trie = Trie::new();
    for piece in ids(0..900).chunks(70) {
        trie.refresh(piece, &all).unwrap();
    }
    assert_eq!(trie.root(), rebuilt(&all).root());
    // The same once more changes nothing, so nothing has to be written.
    trie.saved();
    trie.refresh(&ids(100..200), &all).unwrap();
    assert_eq!(trie.changes().count(), 0);
}

/// Reads that fail at any time are made up for by naming the same ids again.
#[test]
fn after_a_failed_read_the_same_ids_are_named_again() {
    struct Failing<'i>(&'i BTreeSet<ItemId>, Cell<usize>);
    impl Items for Failing<'_> {
        fn scan(&self, prefix: &Prefix, limit: usize) -> Result<Vec<ItemId>, ItemsError> {
            self.1.set(self.1.get().saturating_sub(1));
            if self.1.get() == 0 {
                let source = std::io::Error::other("gone");
                return Err(StoreError::Io { path: "store".into(), source }.into());
            }
            self.0.scan(prefix, limit)
        }
    }
    let old: BTreeSet<_> = ids(0..5000).into_iter().collect();
    let new: BTreeSet<_> = ids(4800..14000).into_iter().collect();
    let touched: Vec<_> = ids(0..4800).into_iter().chain(ids(5000..14000)).collect();
    for (from, to) in [(&old, &new), (&new, &old), (&BTreeSet::new(), &new)] {
        for reads in [1, 2, 3, 7, 50, 200, 300, 333] {
            let mut trie = rebuilt(from);
            trie.saved();
            let failing = Failing(to, Cell::new(reads));
            if trie.refresh(&touched, &failing).is_err() {
                assert_eq!(trie.len(), trie.buckets().map(|b| u64::from(b.count)).sum::<u64>());
            }
            trie.refresh(&touched, to).unwrap();
            assert_eq!(trie.root(), rebuilt(to).root(), "{reads} reads");
            let mut table: Table = rebuilt(from).buckets().map(|b| (b.key(), b.value())).collect();
            write(&mut trie, &mut table);
            assert_eq!(read(&table).unwrap().root(), trie.root(), "{reads} reads");
        }
    }
}

#[test]
fn a_trie_opens_from_its_rows() {
    for n in [0, 1, 32, 33, 34, 700, 5000] {
        let items: SortedIds = ids(0..n).into_iter().chain(ground(n as usize / 9, 40)).collect();
        let mut trie = Trie::build(&items);
        let mut table = Table::new();
        write(&mut trie, &mut table);
        let opened = read(&table).unwrap();
        assert_eq!((opened.root(), opened.len()), (trie.root(), trie.len()));
        assert!(opened.buckets().eq(trie.buckets()));
        assert_eq!(opened.changes().count(), 0);
    }
}

#[test]
fn few_rows_are_written_for_few_changes() {
    let mut items: BTreeSet<_> = ids(0..5000).into_iter().collect();
    let (mut trie, mut table) = (rebuilt(&items), Table::new());
    assert_eq!(write(&mut trie, &mut table), table.len());
    for id in ids(5000..5010) {
        items.insert(id);
        trie.insert(&id, &items).unwrap();
    }
    assert!((10..=30).contains(&write(&mut trie, &mut table)));
    assert_eq!(read(&table).unwrap().root(), trie.root());
}

#[test]
fn damaged_rows_give_an_error_or_another_root() {
    let items: SortedIds = ids(0..3000).into();
    let trie = Trie::build(&items);
    let rows: Vec<Bucket> = trie.buckets().collect();
    let open = |rows: &[Bucket]| Trie::from_rows(rows.iter().copied());
    let with = |change: &dyn Fn(&mut Vec<Bucket>)| {
        let mut rows = rows.clone();
        change(&mut rows);
        open(&rows)
    };
    assert_eq!(open(&rows).unwrap().root(), trie.root());
    // Out of order, twice, and one that covers its neighbours.
    let order = |result| matches!(result, Err(RowsError::Order { .. }));
    assert!(with(&|rows| rows.reverse()).is_err());
    (1..rows.len()).for_each(|at| assert!(with(&|rows| rows.swap(at - 1, at)).is_err()));
    assert!(order(with(&|rows| rows.insert(5, rows[5]))));
    let wide = |at: usize, bits| Bucket {
        prefix: Prefix::cut(*rows[at].prefix.as_bytes(), bits),
        ..rows[at]
    };
    assert!(with(&|rows| rows[9] = wide(9, 1)).is_err());
    assert!(order(with(&|rows| rows.insert(0, wide(0, 0)))));
    // Counts.
    for count in [0, 33, 255] {
        let result = with(&|rows| rows[7].count = count);
        assert!(matches!(result, Err(RowsError::Count { .. })));
    }
    // A row that is missing, each in turn: either a hole shows, or the root does.
    let mut gaps = 0;
    for at in 0..rows.len() {
        match with(&|rows| _ = rows.remove(at)) {
            Ok(other) => assert_ne!(other.root(), trie.root()),
            Err(error) => {
                assert!(matches!(error, RowsError::Gap { .. }), "{error}");
                gaps += 1;
            }
        }
    }
    assert!(gaps > 0);
    for (key, value) in [
        (&[][..], 33),
        (&[1], 33),
        (&[0xff, 7], 33),
        (&[0xfe, 7], 32),
        (&[0, 0], 33),
        (&[0; 34], 33),
    ] {
        let error = Bucket::decode(key, &vec![1; value]).unwrap_err();
        assert_eq!(error, RowsError::Malformed { key: key.len(), value });
    }
    assert!(Bucket::decode(&[0xfe, 7], &[1; 33]).is_ok());
}
