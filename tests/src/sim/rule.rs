//! What must hold after every step, whatever went wrong.

use super::machine::{Machine, NodeIndex, Role};

/// A promise of the honest nodes. It may remember what it saw.
pub trait Rule<M: Machine> {
    /// Its name in reports.
    fn name(&self) -> &'static str;

    /// An honest node told its people something.
    fn told(&mut self, _node: NodeIndex, _effect: &M::Effect) {}

    /// An honest node sends a message.
    ///
    /// # Errors
    /// Says what is wrong with it.
    fn sent(
        &mut self,
        _from: NodeIndex,
        _to: NodeIndex,
        _message: &M::Message,
    ) -> Result<(), String> {
        Ok(())
    }

    /// `stepped` has just started or taken in an event; it is honest and running.
    ///
    /// # Errors
    /// Says how the promise was broken.
    fn check(&mut self, nodes: &Nodes<'_, M>, stepped: NodeIndex) -> Result<(), String>;
}

/// All nodes, as the rules see them.
pub struct Nodes<'n, M> {
    pub(super) machines: Vec<(Role, Option<&'n M>)>,
}

impl<M> Nodes<'_, M> {
    /// The machine of a node that is honest and runs now.
    pub fn honest(&self, node: NodeIndex) -> Option<&M> {
        self.machines.get(node.0).and_then(|(role, machine)| match role {
            Role::Honest => *machine,
            Role::Hostile => None,
        })
    }

    /// Every honest node that runs now.
    pub fn all_honest(&self) -> impl Iterator<Item = (NodeIndex, &M)> {
        let all = (0..self.machines.len()).map(NodeIndex);
        all.filter_map(|node| self.honest(node).map(|machine| (node, machine)))
    }
}
