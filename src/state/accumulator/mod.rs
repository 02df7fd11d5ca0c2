//! Accumulators: what an aggregate function keeps per group, in columns, updated a batch at a time.
//!
//! Every accumulator is a function of the multiset of its argument values alone, exactly: taking rows
//! back restores what was there before them, bit for bit, whatever the order. So nothing here rounds
//! before [`Accumulator::output`].

mod boolean;
mod cell;
mod changes;
mod column;
mod distinct;
mod extreme;
mod float;
mod function;
mod integer;
mod interval;
mod set;
mod variance;

pub use changes::Changes;
pub use column::Accumulator;
pub use distinct::DistinctValues;
pub use function::Function;
pub use set::{Accumulators, Call};
