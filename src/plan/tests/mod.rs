//! Plans as text, and queries run: over a few relations, through the whole planner.

mod fixture;
mod lowering;
mod semantics;
