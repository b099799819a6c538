//! What every search reads of the index's files, opened once for as long as they stay the same.
//!
//! Looking a field or a column up by name takes longer than most of what is then read from it.

use std::sync::Arc;

use tantivy::columnar::Column;
use tantivy::fieldnorm::FieldNormReader;
use tantivy::postings::TermInfo;
use tantivy::schema::Field;
use tantivy::{DocAddress, InvertedIndexReader, Searcher, SegmentReader, Term};

use crate::schema::{Fields, LETTERS, TWIN};

/// One state of the index.
pub(crate) struct Opened {
    pub searcher: Searcher,
    pub fields: Fields,
    pub segments: Vec<Segment>,
    /// Documents, with those that were deleted and not yet cleared away.
    pub documents: u64,
    /// The mean number of words, in the order of [`Fields::places`].
    pub lengths: [f32; 4],
}

/// One set of files of the index.
pub(crate) struct Segment {
    pub reader: SegmentReader,
    /// By number of the field.
    words: Vec<Option<Arc<InvertedIndexReader>>>,
    pub letters: Column<u64>,
    pub twin: Column<u64>,
    /// The number of words of each document, in the order of [`Fields::places`].
    pub lengths: [FieldNormReader; 4],
}

impl Opened {
    pub fn new(searcher: Searcher, fields: Fields) -> tantivy::Result<Self> {
        let segments = searcher.segment_readers().iter();
        let segments = segments.map(|reader| Segment::open(reader, &fields));
        let segments = segments.collect::<tantivy::Result<Vec<_>>>()?;
        let documents = segments.iter().map(|segment| u64::from(segment.reader.max_doc())).sum();
        let mut lengths = [0.0; 4];
        for (length, field) in lengths.iter_mut().zip(fields.places()) {
            let mut words = 0;
            for segment in &segments {
                words += segment.words(field)?.total_num_tokens();
            }
            *length = (words as f32 / std::cmp::max(documents, 1) as f32).max(0.1);
        }
        Ok(Self { searcher, fields, segments, documents, lengths })
    }

    /// Where a term's documents are, for each segment that has any, and how many there are.
    pub fn term(&self, term: &Term) -> tantivy::Result<(Vec<Option<TermInfo>>, u32)> {
        let mut infos = Vec::with_capacity(self.segments.len());
        let mut documents: u32 = 0;
        for segment in &self.segments {
            let info = segment.words(term.field())?.get_term_info(term)?;
            documents = documents.saturating_add(info.as_ref().map_or(0, |info| info.doc_freq));
            infos.push(info);
        }
        Ok((infos, documents))
    }

    /// Whether any document has the term.
    pub fn has(&self, term: &Term) -> tantivy::Result<bool> {
        for segment in &self.segments {
            if segment.words(term.field())?.get_term_info(term)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A number that packages of one publisher with the same texts share.
    pub fn twin(&self, at: DocAddress) -> u64 {
        self.segments[at.segment_ord as usize].twin.first(at.doc_id).unwrap_or(0)
    }
}

impl Segment {
    fn open(reader: &SegmentReader, fields: &Fields) -> tantivy::Result<Self> {
        let words = reader.schema().fields().map(|(field, entry)| {
            entry.is_indexed().then(|| reader.inverted_index(field)).transpose()
        });
        let [name, summary, keywords, all] = fields.places();
        let length = |field| reader.get_fieldnorms_reader(field);
        Ok(Self {
            words: words.collect::<tantivy::Result<_>>()?,
            letters: reader.fast_fields().u64(LETTERS)?,
            twin: reader.fast_fields().u64(TWIN)?,
            lengths: [length(name)?, length(summary)?, length(keywords)?, length(all)?],
            reader: reader.clone(),
        })
    }

    /// The dictionary of a field, and where its words stand.
    pub fn words(&self, field: Field) -> tantivy::Result<&InvertedIndexReader> {
        let words = self.words.get(field.field_id() as usize).and_then(Option::as_deref);
        words.ok_or_else(|| tantivy::TantivyError::SchemaError("a field has no words".to_owned()))
    }
}
