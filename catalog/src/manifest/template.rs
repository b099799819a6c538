//! Writes the files that a new package starts with.

use crate::name::{PackageName, VariantId};
use crate::release::PackageKind;

/// One file of a new package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateFile {
    /// Where it goes, below the folder of the package.
    pub path: String,
    /// What it holds.
    pub contents: Vec<u8>,
    /// Whether it can be run.
    pub executable: bool,
}

/// Why there is no template for a package.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// A variant of which we do not know what it needs.
    #[error("no template for a variant {id}; known: {}", known())]
    Variant {
        /// The word that is not known.
        id: VariantId,
    },
    /// The same variant twice.
    #[error("variant {id} is listed twice")]
    Twice {
        /// The variant.
        id: VariantId,
    },
    /// A kind of package that cannot be published yet.
    #[error("a package of kind {kind} cannot be made yet")]
    Kind {
        /// The kind.
        kind: PackageKind,
    },
}

/// What a sample variant is made of.
#[derive(Clone, Copy)]
enum Sample {
    /// A shell script, which stands in for a program until there is one.
    Script,
    /// The smallest module there is.
    Wasm,
}

/// Variants by the word for them: requires, quality, sample. Those marked with quality 20 or less
/// are fallbacks.
const VARIANTS: [(&str, &str, u8, Sample); 14] = [
    ("x86-64-v4", "os = \"linux\", \"cpu.level\" = \"x86-64-v4\"", 95, Sample::Script),
    ("x86-64-v3", "os = \"linux\", \"cpu.level\" = \"x86-64-v3\"", 90, Sample::Script),
    ("x86-64-v2", "os = \"linux\", \"cpu.level\" = \"x86-64-v2\"", 70, Sample::Script),
    ("x86-64", "os = \"linux\", \"cpu.level\" = \"x86-64\"", 50, Sample::Script),
    ("arm64", "os = \"linux\", \"cpu.arch\" = \"aarch64\"", 50, Sample::Script),
    ("linux-x64", "os = \"linux\", \"cpu.arch\" = \"x86_64\"", 55, Sample::Script),
    ("linux-arm64", "os = \"linux\", \"cpu.arch\" = \"aarch64\"", 55, Sample::Script),
    ("macos-arm64", "os = \"macos\", \"cpu.arch\" = \"aarch64\"", 50, Sample::Script),
    ("macos-x64", "os = \"macos\", \"cpu.arch\" = \"x86_64\"", 50, Sample::Script),
    ("windows-x64", "os = \"windows\", \"cpu.arch\" = \"x86_64\"", 50, Sample::Script),
    ("windows-arm64", "os = \"windows\", \"cpu.arch\" = \"aarch64\"", 50, Sample::Script),
    ("wasm", "runtime = \"wasip2\"", 20, Sample::Wasm),
    ("web", "runtime = \"web\"", 15, Sample::Wasm),
    ("any", "", 10, Sample::Script),
];

/// The variants of a package whose author names none.
const DEFAULT: [&str; 3] = ["x86-64", "arm64", "any"];

/// The highest quality of a fallback.
const QUALITY_FALLBACK: u8 = 20;

/// The eight bytes of an empty WebAssembly module.
const WASM_EMPTY: &[u8] = b"\0asm\x01\0\0\0";

fn known() -> String {
    VARIANTS.map(|(id, ..)| id).join(", ")
}

/// Makes the files of a new package: a manifest that can be published as it is, a sample for every
/// variant, a README and rules for what to leave out.
///
/// - `variants`: words such as `x86-64-v3`, `arm64`, `wasm`; when there are none, two common
///   machines and a fallback are taken.
///
/// # Errors
/// [`TemplateError`]; for a variant that is not known, with those that are.
pub fn template(
    name: &PackageName,
    kind: PackageKind,
    variants: &[VariantId],
) -> Result<Vec<TemplateFile>, TemplateError> {
    if kind == PackageKind::NodeSet {
        return Err(TemplateError::Kind { kind });
    }
    let mut ids: Vec<VariantId> = variants.to_vec();
    if ids.is_empty() {
        ids = DEFAULT.map(|id| id.parse().expect("a name of the table above")).to_vec();
    }
    let mut manifest = head(name, kind);
    let mut files = Vec::new();
    for (index, id) in ids.iter().enumerate() {
        if ids[..index].contains(id) {
            return Err(TemplateError::Twice { id: id.clone() });
        }
        let &(_, requires, quality, sample) = VARIANTS
            .iter()
            .find(|(known, ..)| *known == id.as_str())
            .ok_or_else(|| TemplateError::Variant { id: id.clone() })?;
        manifest.push_str(&variant(id, requires, quality));
        files.push(self::sample(name, id, sample));
    }
    let text = |path: &str, contents: String| TemplateFile {
        path: path.into(),
        contents: contents.into_bytes(),
        executable: false,
    };
    files.push(text("catalog.toml", manifest));
    files.push(text("README.md", readme(name)));
    files.push(text(
        ".catalogignore",
        "# Left out of every variant, like in .gitignore.\n*.log\n*.tmp\n".into(),
    ));
    Ok(files)
}

fn head(name: &PackageName, kind: PackageKind) -> String {
    format!(
        "schema = 1\n\n\
         [package]\n\
         name = \"{name}\"\n\
         version = \"0.1.0\"\n\
         kind = \"{kind}\"\n\
         summary = \"What {name} does, in one line\"\n\
         license = \"MIT\"\n\
         keywords = []\n\n\
         [share]\n\
         permission = \"public\"\n"
    )
}

fn variant(id: &VariantId, requires: &str, quality: u8) -> String {
    let requires = if requires.is_empty() { "{}".into() } else { format!("{{ {requires} }}") };
    let fallback = match quality <= QUALITY_FALLBACK {
        true => "fallback = true            # chosen only where nothing else fits\n",
        false => "",
    };
    format!(
        "\n[[variant]]\n\
         id = \"{id}\"\n\
         {fallback}\
         requires = {requires}\n\
         resources = {{ memory = {{ min = \"64MiB\" }} }}\n\
         files = [\"dist/{id}/**\"]\n\
         quality = {quality}\n"
    )
}

fn sample(name: &PackageName, id: &VariantId, sample: Sample) -> TemplateFile {
    match sample {
        Sample::Wasm => TemplateFile {
            path: format!("dist/{id}/{name}.wasm"),
            contents: WASM_EMPTY.to_vec(),
            executable: false,
        },
        Sample::Script => TemplateFile {
            path: format!("dist/{id}/bin/{name}"),
            contents: format!("#!/bin/sh\necho \"{name} 0.1.0, variant {id}\"\n").into_bytes(),
            executable: true,
        },
    }
}

fn readme(name: &PackageName) -> String {
    format!(
        "# {name}\n\n\
         What it is for, and how to start it.\n\n\
         Replace the samples under `dist/` with your builds, describe the package in `catalog.toml`,\n\
         then look at what would be published:\n\n\
         ```\n\
         catalog lint\n\
         catalog publish --dry-run\n\
         ```\n"
    )
}
