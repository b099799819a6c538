//! One build of a release for one kind of hardware, and what it asks of a machine.

mod constraint;
mod fact;

pub use constraint::{Alternative, Bound, Constraint, ConstraintError, Op};
pub use fact::{DottedVersion, FactError, FactKey, FactName};
