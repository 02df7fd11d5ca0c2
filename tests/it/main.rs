//! Tests of the whole: the tree's shape, the oracle, sessions, crashes, the wire.

mod crash;
mod flights;
mod oracle;
mod pgwire;
mod session;
mod tidy;
