//! The bytes of a release, and the rules that every release keeps.
//!
//! Layout: a canonical CBOR map. What is empty is left out, so a release has one encoding.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    CAPABILITIES_MAX, DEPENDENCIES_MAX, DESCRIPTION_BYTES_MAX, Dependency, EXTENSION_BYTES_MAX,
    KEYWORDS_MAX, LICENSE_BYTES_MAX, MirrorHints, PROVIDES_MAX, Provenance, Release, ReleaseError,
    SUMMARY_BYTES_MAX, TEXT_BYTES_MAX, VARIANTS_MAX, WORD_BYTES_MAX,
};
use crate::cbor::{self, CodecError, Fields, Map, Value};
use crate::digest::{Digest, Sha256Digest};
use crate::identity::PublisherId;
use crate::name::VariantId;
use crate::permission::Permission;
use crate::sealed::key_id_opt;
use crate::statement::{StatementHeader, StatementKind, body};
use crate::variant::Variant;

/// Which key the contents are sealed with.
const SEALED: &str = "sealed";

const PRIORITIES: [&str; 4] = ["critical", "high", "normal", "low"];

impl Release {
    /// The bytes to sign.
    ///
    /// # Errors
    /// [`ReleaseError`] names the limit that is broken; only a person's input can cause this.
    pub fn encode(&self) -> Result<Vec<u8>, ReleaseError> {
        let bytes = body::finish(self.to_map())?;
        // Whatever we would refuse from others, we refuse to sign.
        Self::decode(&bytes)?;
        Ok(bytes)
    }

    /// Reads a body strictly.
    ///
    /// # Errors
    /// [`ReleaseError`] names the field that is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, ReleaseError> {
        let mut fields = body::open(StatementKind::Release, bytes)?;
        let release = Self::read(&mut fields)?;
        fields.finish()?;
        release.check()?;
        Ok(release)
    }

    /// Whether the two would be written alike in the same place of the log and at the same time:
    /// publishing again what is published already.
    pub fn same_content(&self, other: &Self) -> bool {
        self.content() == other.content()
    }

    /// The hash of what is released: equal for releases that differ in position and time only.
    pub fn content(&self) -> Digest {
        // Not the fields: text that was not published yet may still have to be brought to NFC.
        let mut map = self.to_map();
        map.remove("seq");
        map.remove("time");
        Digest::of(&cbor::encode(&Value::Map(map)))
    }

    fn to_map(&self) -> Map {
        let Self { publisher, seq, time, .. } = *self;
        let header = StatementHeader { publisher, seq, time };
        let mut map = body::start(StatementKind::Release, header);
        map.insert("name", self.name.as_str());
        map.insert("version", self.version.to_string());
        map.insert("kind", self.kind.as_str());
        map.insert("summary", self.summary.as_str());
        map.insert("license", self.license.as_str());
        map.insert_some("keywords", texts(&self.keywords));
        map.insert_some("tags", texts(&self.tags));
        map.insert_some("provides", texts(&self.provides));
        map.insert_some("dependencies", list(&self.dependencies, dependency_value));
        let capabilities: Map =
            self.capabilities.iter().map(|(name, values)| (name, array(values))).collect();
        map.insert_some("capabilities", non_empty(capabilities));
        map.insert("permission", self.permission.to_value());
        if let Some(key) = self.sealed {
            map.insert(SEALED, key);
            // Who does not know of sealing would take numbered files for the package.
            map.insert("critical", [Value::from(SEALED)].into_iter().collect::<Value>());
        }
        map.insert_some("mirror", non_empty(mirror_map(&self.mirror)));
        map.insert_some("description", text(self.description.as_deref()));
        map.insert_some("provenance", self.provenance.as_ref().map(provenance_map));
        map.insert_some("variants", list(&self.variants, Variant::to_value));
        let extensions: Map =
            self.extensions.iter().map(|(key, value)| (key, value.as_str())).collect();
        map.insert_some("extensions", non_empty(extensions));
        map
    }

    fn read(fields: &mut Fields) -> Result<Self, CodecError> {
        let StatementHeader { publisher, seq, time } = body::header(fields)?;
        Ok(Self {
            publisher,
            seq,
            time,
            name: fields.parsed("name")?,
            version: body::version(fields)?,
            kind: fields.parsed("kind")?,
            summary: fields.text("summary")?,
            license: fields.text("license")?,
            keywords: body::texts(fields, "keywords")?,
            tags: body::texts(fields, "tags")?,
            provides: body::texts(fields, "provides")?,
            dependencies: body::list(fields, "dependencies", DEPENDENCIES_MAX, read_dependency)?,
            capabilities: read_capabilities(fields)?,
            permission: Permission::from_value(fields.map("permission")?)?,
            sealed: key_id_opt(fields, SEALED)?,
            mirror: read_mirror(fields)?,
            description: body::text_opt(fields, "description")?,
            provenance: fields.map_opt("provenance")?.map(read_provenance).transpose()?,
            variants: body::list(fields, "variants", VARIANTS_MAX, Variant::from_value)?,
            extensions: read_extensions(fields)?,
        })
    }

    /// Checks the rules that the types of the fields do not carry.
    fn check(&self) -> Result<(), CodecError> {
        body::line("summary", &self.summary, SUMMARY_BYTES_MAX)?;
        body::line("license", &self.license, LICENSE_BYTES_MAX)?;
        body::lines("keywords", &self.keywords, KEYWORDS_MAX, WORD_BYTES_MAX)?;
        body::lines("tags", &self.tags, KEYWORDS_MAX, WORD_BYTES_MAX)?;
        body::lines("provides", &self.provides, PROVIDES_MAX, TEXT_BYTES_MAX)?;
        if let Some(description) = &self.description {
            body::prose("description", description, DESCRIPTION_BYTES_MAX)?;
        }
        self.check_dependencies()?;
        self.check_capabilities()?;
        self.check_mirror()?;
        self.check_variants()?;
        if self.sealed.is_some() && self.permission.is_open() {
            return Err(CodecError::invalid(SEALED, "everybody may read it"));
        }
        self.check_provenance()?;
        self.check_extensions()
    }

    fn check_dependencies(&self) -> Result<(), CodecError> {
        const FIELD: &str = "dependencies";
        let mut seen = BTreeSet::new();
        for dependency in &self.dependencies {
            body::line(FIELD, &dependency.range.to_string(), TEXT_BYTES_MAX)?;
            if let Some(on) = &dependency.on {
                body::line(FIELD, on, WORD_BYTES_MAX)?;
            }
            if !seen.insert((dependency.publisher, &dependency.name)) {
                let twice = format!("{} is listed twice", dependency.name);
                return Err(CodecError::invalid(FIELD, twice));
            }
        }
        Ok(())
    }

    fn check_capabilities(&self) -> Result<(), CodecError> {
        const FIELD: &str = "capabilities";
        body::count(FIELD, self.capabilities.len(), CAPABILITIES_MAX)?;
        for (name, values) in &self.capabilities {
            word(FIELD, name)?;
            body::lines(FIELD, values, CAPABILITIES_MAX, TEXT_BYTES_MAX)?;
        }
        Ok(())
    }

    fn check_mirror(&self) -> Result<(), CodecError> {
        const FIELD: &str = "mirror";
        body::lines(FIELD, &self.mirror.regions, KEYWORDS_MAX, WORD_BYTES_MAX)?;
        match &self.mirror.priority {
            Some(other) if !PRIORITIES.contains(&other.as_str()) => {
                Err(CodecError::invalid(FIELD, "a priority is critical, high, normal or low"))
            }
            _ => Ok(()),
        }
    }

    fn check_variants(&self) -> Result<(), CodecError> {
        const FIELD: &str = "variants";
        if self.variants.is_empty() {
            return Err(CodecError::invalid(FIELD, "a release has at least one"));
        }
        let mut seen = BTreeSet::new();
        match self.variants.iter().find(|variant| !seen.insert(&variant.id)) {
            Some(twice) => Err(CodecError::invalid(FIELD, format!("{} is listed twice", twice.id))),
            None => Ok(()),
        }
    }

    fn check_provenance(&self) -> Result<(), CodecError> {
        const FIELD: &str = "provenance";
        let Some(provenance) = &self.provenance else { return Ok(()) };
        body::line(FIELD, &provenance.ecosystem, WORD_BYTES_MAX)?;
        body::line(FIELD, &provenance.name, TEXT_BYTES_MAX)?;
        body::line(FIELD, &provenance.version, TEXT_BYTES_MAX)?;
        for (variant, file, _) in &provenance.files {
            body::line(FIELD, file, TEXT_BYTES_MAX)?;
            if self.variant(variant).is_none() {
                return Err(CodecError::invalid(FIELD, format!("there is no variant {variant}")));
            }
        }
        Ok(())
    }

    fn check_extensions(&self) -> Result<(), CodecError> {
        const FIELD: &str = "extensions";
        body::count(FIELD, self.extensions.len(), CAPABILITIES_MAX)?;
        for (key, value) in &self.extensions {
            word(FIELD, key)?;
            if !key.starts_with("x-") {
                return Err(CodecError::invalid(FIELD, format!("{key:?} does not start with x-")));
            }
            body::prose(FIELD, value, EXTENSION_BYTES_MAX)?;
        }
        Ok(())
    }
}

/// A key in the alphabet of TOML's bare keys, lower case.
fn word(field: &'static str, key: &str) -> Result<(), CodecError> {
    body::line(field, key, WORD_BYTES_MAX)?;
    let allowed = |c| matches!(c, 'a'..='z' | '0'..='9' | '-' | '_' | '.');
    if key.is_empty() || !key.chars().all(allowed) {
        return Err(CodecError::invalid(field, format!("the key {key:?} (use a-z, 0-9, . _ -)")));
    }
    Ok(())
}

fn array(items: &[String]) -> Value {
    items.iter().map(|item| Value::from(item.as_str())).collect()
}

fn text(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn texts(items: &[String]) -> Option<Value> {
    (!items.is_empty()).then(|| array(items))
}

fn list<T>(items: &[T], write: impl Fn(&T) -> Value) -> Option<Value> {
    (!items.is_empty()).then(|| items.iter().map(write).collect())
}

fn non_empty(map: Map) -> Option<Map> {
    (!map.is_empty()).then_some(map)
}

fn dependency_value(dependency: &Dependency) -> Value {
    let mut map = Map::new();
    map.insert("publisher", dependency.publisher.as_bytes().as_slice());
    map.insert("name", dependency.name.as_str());
    map.insert("range", dependency.range.to_string());
    map.insert_some("optional", dependency.optional.then_some(true));
    map.insert_some("on", text(dependency.on.as_deref()));
    Value::Map(map)
}

fn read_dependency(value: Value) -> Result<Dependency, CodecError> {
    let mut fields = Fields::of(value)?;
    let dependency = Dependency {
        publisher: PublisherId::from_digest(Digest::from_bytes(fields.bytes_32("publisher")?)),
        name: fields.parsed("name")?,
        range: body::canonical(&mut fields, "range")?,
        optional: body::flag(&mut fields, "optional")?,
        on: body::text_opt(&mut fields, "on")?,
    };
    fields.finish()?;
    Ok(dependency)
}

fn read_capabilities(fields: &mut Fields) -> Result<BTreeMap<String, Vec<String>>, CodecError> {
    const FIELD: &str = "capabilities";
    let Some(map) = fields.map_opt(FIELD)? else { return Ok(BTreeMap::new()) };
    body::not_empty(FIELD, map.is_empty())?;
    map.into_entries().map(|(name, value)| Ok((name, body::text_list(FIELD, value)?))).collect()
}

fn read_extensions(fields: &mut Fields) -> Result<BTreeMap<String, String>, CodecError> {
    const FIELD: &str = "extensions";
    let Some(map) = fields.map_opt(FIELD)? else { return Ok(BTreeMap::new()) };
    body::not_empty(FIELD, map.is_empty())?;
    let entries = map.into_entries().map(|(key, value)| match value {
        Value::Text(text) => Ok((key, text)),
        _ => Err(CodecError::WrongType { field: FIELD, expected: "a map of text" }),
    });
    entries.collect()
}

fn mirror_map(mirror: &MirrorHints) -> Map {
    let mut map = Map::new();
    map.insert_some("replicas", mirror.replicas);
    map.insert_some("regions", texts(&mirror.regions));
    map.insert_some("priority", mirror.priority.as_deref());
    map
}

fn read_mirror(fields: &mut Fields) -> Result<MirrorHints, CodecError> {
    const FIELD: &str = "mirror";
    let Some(map) = fields.map_opt(FIELD)? else { return Ok(MirrorHints::default()) };
    body::not_empty(FIELD, map.is_empty())?;
    let mut fields = Fields::of(Value::Map(map))?;
    let mirror = MirrorHints {
        replicas: fields.uint_opt("replicas")?,
        regions: body::texts(&mut fields, "regions")?,
        priority: fields.text_opt("priority")?,
    };
    fields.finish()?;
    Ok(mirror)
}

fn provenance_map(provenance: &Provenance) -> Map {
    let mut map = Map::new();
    map.insert("ecosystem", provenance.ecosystem.as_str());
    map.insert("name", provenance.name.as_str());
    map.insert("version", provenance.version.as_str());
    map.insert_some(
        "files",
        list(&provenance.files, |(variant, file, hash)| {
            [Value::from(variant.as_str()), Value::from(file.as_str()), Value::from(*hash)]
                .into_iter()
                .collect()
        }),
    );
    map
}

fn read_provenance(map: Map) -> Result<Provenance, CodecError> {
    let mut fields = Fields::of(Value::Map(map))?;
    let provenance = Provenance {
        ecosystem: fields.text("ecosystem")?,
        name: fields.text("name")?,
        version: fields.text("version")?,
        files: body::list(&mut fields, "files", VARIANTS_MAX, read_file)?,
    };
    fields.finish()?;
    Ok(provenance)
}

fn read_file(value: Value) -> Result<(VariantId, String, Sha256Digest), CodecError> {
    const FIELD: &str = "files";
    let wrong =
        CodecError::WrongType { field: FIELD, expected: "a list of variant, file and hash" };
    let Value::Array(parts) = value else { return Err(wrong) };
    let Ok([Value::Text(variant), Value::Text(file), Value::Bytes(hash)]) =
        <[Value; 3]>::try_from(parts)
    else {
        return Err(wrong);
    };
    let variant = variant.parse().map_err(|error| CodecError::invalid(FIELD, error))?;
    let hash = hash.try_into().map_err(|_| wrong)?;
    Ok((variant, file, Sha256Digest::from_bytes(hash)))
}
