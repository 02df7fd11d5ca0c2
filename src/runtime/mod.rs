//! The coordinator that closes epochs, the workers that run them, the fabric between them.

pub mod command;
pub mod fabric;
pub mod request;
pub mod worker;
pub mod handle;
pub mod source;
pub use handle::Runtime;
