//! Tests of the whole: the tree's shape, the oracle, crashes, the wire.

mod oracle;
mod tidy;
