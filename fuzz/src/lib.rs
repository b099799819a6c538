//! What the targets share: a folder that an import must not leave, archives whose checksums are
//! right although their content is not, and the checks of a draft.

pub mod archive;
pub mod draft;
mod sandbox;

pub use sandbox::Sandbox;
