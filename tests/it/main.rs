//! Tests of the whole: the tree's shape, the oracle, sessions, crashes, the wire.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test says what went wrong by panicking, and a child process by printing"
)]

mod abandoned;
mod clients;
mod crash;
mod failure;
mod flights;
mod oracle;
mod pgwire;
mod retention;
mod serve;
mod session;
mod tidy;
