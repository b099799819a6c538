//! Reads the `METADATA` file of a wheel: headers as in mail, then the description.
//!
//! # Source
//! Python packaging: core metadata specifications, versions 1.0 to 2.4.

/// What a wheel says about its project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) summary: String,
    pub(super) license: Option<String>,
    pub(super) keywords: Vec<String>,
    pub(super) description: String,
}

/// Longest text under `License` that is taken for the name of one; some projects put all of it
/// there.
const LICENSE_NAME_MAX: usize = 64;

/// Names that the old licence classifiers give, where they mean exactly one SPDX licence.
const CLASSIFIED: &[(&str, &str)] = &[
    ("Apache Software License", "Apache-2.0"),
    ("ISC License (ISCL)", "ISC"),
    ("MIT License", "MIT"),
    ("MIT No Attribution License (MIT-0)", "MIT-0"),
    ("Mozilla Public License 2.0 (MPL 2.0)", "MPL-2.0"),
    ("The Unlicense (Unlicense)", "Unlicense"),
    ("zlib/libpng License", "Zlib"),
];

impl Metadata {
    /// Reads `bytes`; `None` when there is no name or no version.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
        let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
        let mut found = Self { description: body.to_owned(), ..Self::default() };
        let (mut expression, mut stated, mut classified) = (None, None, None);
        for (key, value) in headers(head) {
            match key.to_ascii_lowercase().as_str() {
                "name" => found.name = value,
                "version" => found.version = value,
                "summary" => found.summary = value,
                "keywords" => found.keywords = keywords(&value),
                "description" => found.description = value,
                "license-expression" => expression = Some(value),
                "license" if value.len() <= LICENSE_NAME_MAX && !value.contains('\n') => {
                    stated = Some(value);
                }
                "classifier" if value.starts_with("License ::") => {
                    let last = value.rsplit(" :: ").next().unwrap_or_default();
                    let spdx = CLASSIFIED.iter().find(|(name, _)| *name == last);
                    classified = Some(spdx.map_or(last, |(_, spdx)| spdx).to_owned());
                }
                _ => {}
            }
        }
        let known = |text: &String| !text.is_empty() && text != "UNKNOWN";
        found.license = expression.or(stated.filter(known)).or(classified);
        (!found.name.is_empty() && !found.version.is_empty()).then_some(found)
    }
}

/// Splits headers; a line that starts with a space goes on with the one before.
fn headers(head: &str) -> Vec<(&str, String)> {
    let mut headers: Vec<(&str, String)> = Vec::new();
    for line in head.lines() {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = headers.last_mut() {
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let Some((key, value)) = line.split_once(':') {
            headers.push((key, value.trim().to_owned()));
        }
    }
    headers
}

/// Keywords are meant to be separated by commas; many are separated by spaces.
fn keywords(text: &str) -> Vec<String> {
    let separator = if text.contains(',') { ',' } else { ' ' };
    let words = text.split(separator).map(str::trim).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Metadata {
        Metadata::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn headers_and_description_are_read() {
        let found = parse(
            "Metadata-Version: 2.4\nName: numpy\nVersion: 2.4.6\nSummary: Arrays\r\n\
             Keywords: a, b c\nLicense-Expression: BSD-3-Clause AND MIT\n\n# NumPy\n\ntext\n",
        );
        assert_eq!((&*found.name, &*found.version, &*found.summary), ("numpy", "2.4.6", "Arrays"));
        assert_eq!(found.license.as_deref(), Some("BSD-3-Clause AND MIT"));
        assert_eq!(found.keywords, ["a", "b c"]);
        assert_eq!(found.description, "# NumPy\n\ntext\n");
        assert_eq!(Metadata::parse(b"Name: x\n\n"), None);
    }

    #[test]
    fn a_licence_text_is_not_taken_for_its_name() {
        let text = "Name: x\nVersion: 1\nLicense: Copyright 2010\n        \n        All rights\n\
                    Classifier: License :: OSI Approved :: MIT License\n\n";
        assert_eq!(parse(text).license.as_deref(), Some("MIT"));
        let short = "Name: x\nVersion: 1\nLicense: MIT OR Apache-2.0\n\n";
        assert_eq!(parse(short).license.as_deref(), Some("MIT OR Apache-2.0"));
    }
}
