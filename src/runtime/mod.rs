//! The coordinator that closes epochs, the workers that run them, the fabric between them.

pub mod command;
pub mod fabric;
pub mod handle;
pub mod request;
pub mod source;
pub mod worker;
pub use handle::Runtime;
