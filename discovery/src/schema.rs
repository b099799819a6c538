//! The fields of the index, and how a package becomes a document.
//!
//! One document is one package: its newest release that is not yanked. The stored part is the
//! release itself without what only an installation needs, so that a hit can be shown, and checked
//! against hardware, without another look-up.

use std::collections::BTreeSet;

use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::{TantivyDocument, Term};

use crate::doc::{self, Doc, PackageKey};
use crate::letters;
use crate::words::{self, CUT, PLAIN, STEMMED};

/// Raised whenever fields, analyzers or the stored form change: an index of another version is
/// rebuilt.
pub(crate) const VERSION: u32 = 6;

/// The mark of what only some nodes may read.
pub(crate) const RESTRICTED: &str = "restricted";

/// The column of names, as numbers.
pub(crate) const LETTERS: &str = "letters";
/// The column of sizes.
pub(crate) const SIZE: &str = "size";
/// The column that tells twins.
pub(crate) const TWIN: &str = "twin";
/// The column of times.
pub(crate) const TIME: &str = "time";

/// The fields by name; the order of [`Fields::schema`] is the order on disk.
#[derive(Clone, Copy)]
pub(crate) struct Fields {
    /// What a newer release replaces.
    pub package: Field,
    /// Letters and digits of the name, joined.
    pub key: Field,
    /// Parts of the name, sorted.
    pub sorted_key: Field,
    /// The name itself, as [`letters`].
    pub letters: Field,
    /// The words and pieces of the name.
    pub name: Field,
    /// Keywords, tags and what the package provides.
    pub keywords: Field,
    pub summary: Field,
    /// Name, keywords, summary and description together: what a document is found by.
    pub all: Field,
    /// All of that as written: the dictionary for corrections.
    pub plain: Field,
    pub publisher: Field,
    pub kind: Field,
    /// The licences that the licence names, in lower case.
    pub license: Field,
    /// Keywords and tags, each whole and in lower case.
    pub tag: Field,
    /// The classes of hardware that its variants are for.
    pub hardware: Field,
    /// Marks what only some nodes may read.
    pub restricted: Field,
    /// The packages that it depends on.
    pub needs: Field,
    /// Bytes of the smallest variant.
    pub size: Field,
    /// Alike for packages of one publisher with the same texts.
    pub twin: Field,
    /// When it was released, in milliseconds since 1970.
    pub time: Field,
    pub release: Field,
    pub record: Field,
}

impl Fields {
    /// The schema, and the same fields by name.
    pub(crate) fn schema() -> (Schema, Self) {
        let mut schema = Schema::builder();
        // Norms are only kept where the length of a field should weigh.
        let whole = || {
            let raw = TextFieldIndexing::default().set_tokenizer("raw").set_fieldnorms(false);
            TextOptions::default().set_indexing_options(raw)
        };
        let text = |analyzer: &str, option: IndexRecordOption| {
            let norms = option != IndexRecordOption::Basic;
            TextOptions::default().set_indexing_options(
                TextFieldIndexing::default()
                    .set_tokenizer(analyzer)
                    .set_index_option(option)
                    .set_fieldnorms(norms),
            )
        };
        let counted = IndexRecordOption::WithFreqs;
        let fields = Self {
            package: schema.add_bytes_field("package", INDEXED),
            key: schema.add_text_field("key", whole()),
            sorted_key: schema.add_text_field("sorted_key", whole()),
            letters: schema.add_u64_field(LETTERS, FAST),
            name: schema.add_text_field("name", text(CUT, counted)),
            keywords: schema.add_text_field("keywords", text(STEMMED, counted)),
            summary: schema.add_text_field("summary", text(STEMMED, counted)),
            all: schema
                .add_text_field("all", text(STEMMED, IndexRecordOption::WithFreqsAndPositions)),
            plain: schema.add_text_field("plain", text(PLAIN, IndexRecordOption::Basic)),
            publisher: schema.add_text_field("publisher", whole()),
            kind: schema.add_text_field("kind", whole()),
            license: schema.add_text_field("license", whole()),
            tag: schema.add_text_field("tag", whole()),
            hardware: schema.add_text_field("hardware", whole()),
            restricted: schema.add_text_field("restricted", whole()),
            needs: schema.add_bytes_field("needs", INDEXED),
            size: schema.add_u64_field(SIZE, FAST),
            twin: schema.add_u64_field(TWIN, FAST),
            time: schema.add_u64_field(TIME, FAST),
            release: schema.add_bytes_field("release", STORED),
            record: schema.add_bytes_field("record", STORED),
        };
        (schema.build(), fields)
    }

    /// The fields where words of a query are looked for, from what weighs most.
    pub(crate) fn places(&self) -> [Field; 4] {
        [self.name, self.summary, self.keywords, self.all]
    }

    /// The term that names the document of one package.
    pub(crate) fn package_term(&self, package: &PackageKey) -> Term {
        Term::from_field_bytes(self.package, package.as_bytes())
    }

    /// The document of one package.
    pub(crate) fn document(&self, doc: &Doc) -> TantivyDocument {
        let everything = doc.texts.everything();
        let mut document = TantivyDocument::default();
        document.add_bytes(self.package, doc.package.as_bytes());
        document.add_text(self.key, words::key(&doc.name));
        document.add_text(self.sorted_key, words::sorted_key(&doc.name));
        letters::pack(&doc.name).for_each(|number| document.add_u64(self.letters, number));
        document.add_text(self.name, &doc.texts.name);
        document.add_text(self.keywords, &doc.texts.keywords);
        document.add_text(self.summary, &doc.texts.summary);
        document.add_text(self.all, &everything);
        document.add_text(self.plain, &everything);
        document.add_text(self.publisher, &doc.publisher);
        document.add_text(self.kind, doc.kind);
        doc::licenses(&doc.license).for_each(|word| document.add_text(self.license, word));
        let tags: BTreeSet<String> = doc.tags.iter().map(|tag| tag.to_lowercase()).collect();
        tags.iter().for_each(|tag| document.add_text(self.tag, tag));
        doc.hardware.iter().for_each(|class| document.add_text(self.hardware, class));
        if doc.restricted {
            document.add_text(self.restricted, RESTRICTED);
        }
        doc.needs.iter().for_each(|package| document.add_bytes(self.needs, package.as_bytes()));
        document.add_u64(self.size, doc.size);
        document.add_u64(self.twin, doc.twin());
        document.add_u64(self.time, doc.time);
        document.add_bytes(self.release, &doc.release);
        document.add_bytes(self.record, &doc.record);
        document
    }
}
