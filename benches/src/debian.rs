//! Releases made from a package index of Debian's form: as many, and as large, as real ones.

mod lists;

use std::collections::HashMap;

use catalog::release::Release;
use catalog::{ByteSize, Digest, PackageName, PublisherId, Timestamp, Variant};
use catalog_tests::releases;

pub use lists::{LISTS, Package, packages, releases, releases_with_wishes};

/// When every release was made.
const MADE: Timestamp = Timestamp::from_millis(1_780_000_000_000);

/// Paragraphs of fields, of which later lines are indented.
pub fn paragraphs(text: &str) -> impl Iterator<Item = HashMap<String, String>> {
    text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()).map(|paragraph| {
        let (mut fields, mut last) = (HashMap::<String, String>::new(), String::new());
        for line in paragraph.lines() {
            match line.strip_prefix([' ', '\t']) {
                Some(more) => {
                    let value = fields.entry(last.clone()).or_default();
                    value.push('\n');
                    value.push_str(more);
                }
                None => {
                    let (field, value) = line.split_once(':').unwrap_or((line, ""));
                    last = field.to_owned();
                    fields.insert(last.clone(), value.trim().to_owned());
                }
            }
        }
        fields
    })
}

/// What a package holds, which nobody fetches here.
#[derive(Clone, Copy, Debug)]
pub struct Content {
    /// The hash of its bytes, or anything that stands for them.
    pub root: Digest,
    /// What it would take on disk.
    pub size: ByteSize,
}

/// A first release with one variant for any machine; what it says of itself is left out.
pub fn plain(publisher: PublisherId, name: PackageName, content: Content) -> Release {
    let variant = Variant {
        root: content.root,
        tree: Digest::of(content.root.as_bytes()),
        size: content.size,
        ..releases::variant("generic")
    };
    Release {
        time: MADE,
        summary: String::new(),
        license: "GPL-2.0-or-later".to_owned(),
        variants: vec![variant],
        ..releases::release(publisher, name.as_str())
    }
}
