//! Orders documents by the names of their packages.

use tantivy::collector::sort_key::ReverseComparator;
use tantivy::collector::{SegmentSortKeyComputer, SortKeyComputer};
use tantivy::columnar::Column;
use tantivy::{DocId, Score, SegmentReader};

use crate::letters::GROUPS_MAX;
use crate::schema::{LETTERS, TWIN};

/// By name, the first one first; packages of one name stand in an order of their own.
pub(crate) struct ByName;

/// The name as numbers, and what tells packages of one name apart.
type Key = ([u64; GROUPS_MAX], u64);

/// The columns of one segment that are read.
pub(crate) struct Columns {
    letters: Column<u64>,
    twin: Column<u64>,
}

impl SortKeyComputer for ByName {
    type SortKey = Key;
    type Child = Columns;
    type Comparator = ReverseComparator;

    fn segment_sort_key_computer(&self, segment: &SegmentReader) -> tantivy::Result<Columns> {
        let columns = segment.fast_fields();
        Ok(Columns { letters: columns.u64(LETTERS)?, twin: columns.u64(TWIN)? })
    }
}

impl SegmentSortKeyComputer for Columns {
    type SortKey = Key;
    type SegmentSortKey = Key;
    type SegmentComparator = ReverseComparator;

    fn segment_sort_key(&mut self, document: DocId, _score: Score) -> Key {
        let mut name = [0; GROUPS_MAX];
        for (place, number) in name.iter_mut().zip(self.letters.values_for_doc(document)) {
            *place = number;
        }
        (name, self.twin.first(document).unwrap_or(0))
    }

    fn convert_segment_sort_key(&self, key: Key) -> Key {
        key
    }
}
