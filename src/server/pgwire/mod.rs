//! The Postgres wire protocol: pgwire's codec and SCRAM, our own loops.
//!
//! ```text
//! startup (SSL, cancel, authentication, session) → client (one message after another)
//!   ├ simple    a Query message: statements one by one, each answered before the next runs
//!   ├ extended  Parse, Bind, Describe, Execute, Close, Sync over prepared statements and portals
//!   └ rows, copy    results and data streams, flushed by size and by time, stopped by cancel
//! ```
//! A slow client slows its own query down and nothing else: no result is ever collected.

mod auth;
mod cancel;
mod client;
mod connection;
mod copy;
mod describe;
mod extended;
mod failure;
mod framing;
mod portal;
mod rows;
mod simple;
mod startup;

pub use auth::Authentication;
pub use cancel::CancelRegistry;
pub use startup::{Door, answer};

use crate::error::{Error, SqlState};

/// `22021`: text that is not UTF-8.
fn invalid_utf8() -> Error {
    Error::new(SqlState::CharacterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\"")
}

#[cfg(test)]
mod tests;
