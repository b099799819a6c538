//! Where a symbolic link of a tree leads, and that it stays inside.

use super::{PathError, TreePath};
use crate::defence::{self, Defence};

/// A link target that a tree may not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// It leads above the top of the tree, or is absolute.
    #[error("link {link:?} leads out of the tree to {target:?}")]
    Outside {
        /// The link.
        link: TreePath,
        /// Where it points, cut to a length that can be shown.
        target: Box<str>,
    },
    /// It leads to something that a tree cannot hold.
    #[error("link {link:?} leads nowhere a tree can reach")]
    Target {
        /// The link.
        link: TreePath,
        /// What is wrong with the place.
        source: PathError,
    },
}

impl TreePath {
    /// Finds where the link at this path leads; `None` is the top of the tree.
    ///
    /// A target is `../` as often as needed, then a path: `lib.so.1`, `../bin/tool`, `..`. A `..` after
    /// a name is refused, because the name may be a link itself and then lead anywhere. As nothing
    /// may stand below a link either, following links never leaves a tree whose targets passed.
    ///
    /// # Errors
    /// [`LinkError`] for a target that is empty, absolute, leads out, or breaks a rule of paths.
    pub fn resolve_link(&self, target: &str) -> Result<Option<TreePath>, LinkError> {
        if !defence::on(Defence::LinkTargets) {
            return Ok(None);
        }
        let outside = || LinkError::Outside {
            link: self.clone(),
            target: target.chars().take(120).collect(),
        };
        if target.starts_with('/') {
            return Err(outside());
        }
        let mut folder: Vec<&str> = self.components().collect();
        folder.pop();
        let mut rest = target;
        let mut up = false;
        while rest == ".." || rest.starts_with("../") {
            folder.pop().ok_or_else(outside)?;
            up = true;
            rest = rest.get(3..).unwrap_or_default();
        }
        // The empty rest of `..` is fine; an empty target or one that ends in a slash is not.
        if !(up && rest.is_empty() && !target.ends_with('/')) {
            folder.push(rest);
        }
        if folder.is_empty() {
            return Ok(None);
        }
        let place = folder.join("/").parse();
        place.map(Some).map_err(|source| LinkError::Target { link: self.clone(), source })
    }
}
