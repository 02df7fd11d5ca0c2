//! Tests of the whole: the tree's shape, the oracle, sessions, crashes, the wire.

mod crash;
mod oracle;
mod session;
mod tidy;
