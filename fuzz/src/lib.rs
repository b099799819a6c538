//! What the targets share: a folder that an import must not leave, archives whose checksums are
//! right although their content is not, the checks of a draft, and one side of an exchange.

pub mod archive;
pub mod conversation;
pub mod draft;
mod sandbox;

pub use sandbox::Sandbox;
