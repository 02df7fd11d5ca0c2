//! SQL statement → plan [`node::Node`]: what a maintained view computes, as data.

pub mod node;
