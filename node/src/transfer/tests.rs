//! The rules one by one, and simulated transfers as a whole.

mod calls;
mod rules;
mod simulation;
mod world;
