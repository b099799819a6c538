//! Nodes, as a setting names them.

use std::str::FromStr;

use catalog::permission::NodeId;

/// Node ids, separated by commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nodes(pub Vec<NodeId>);

/// Text that does not name nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nodes are named by their ids, separated by commas")]
pub struct NodesError;

impl FromStr for Nodes {
    type Err = NodesError;

    fn from_str(text: &str) -> Result<Self, NodesError> {
        let ids = text.split(',').map(|id| id.trim().parse().map_err(|_| NodesError));
        ids.collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_named_by_whole_ids() {
        let (one, other) = ("07".repeat(32), "08".repeat(32));
        let Nodes(nodes) = format!("{one}, {other}").parse().unwrap();
        let ids: Vec<_> = nodes.iter().map(ToString::to_string).collect();
        assert_eq!(ids, [one, other]);
        for text in ["", "07", "attic", ","] {
            assert_eq!(text.parse::<Nodes>(), Err(NodesError), "{text}");
        }
    }
}
