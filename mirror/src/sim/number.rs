//! What a world counts by: nodes, units and regions are numbers, so that large worlds stay small.

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(super) struct $name(pub(super) $inner);

        impl $name {
            /// The number as a place in a list.
            pub(super) const fn at(self) -> usize {
                self.0 as usize
            }

            /// All of them, ascending.
            pub(super) fn all(count: usize) -> impl DoubleEndedIterator<Item = Self> + Clone {
                (0..count as $inner).map(Self)
            }
        }
    };
}

number!(
    /// A node of the world.
    NodeNo(u16)
);
number!(
    /// A package of the world; its one variant is what is placed.
    UnitNo(u32)
);
number!(
    /// A region of the world.
    RegionNo(u8)
);
