//! Values in Postgres's binary format: what drivers ask for and send, and what `COPY … BINARY` moves.

mod decode;
mod encode;

pub use decode::{decode, decode_numeric};
pub use encode::encode;

#[cfg(test)]
mod tests;
