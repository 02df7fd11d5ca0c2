//! The coordinator that closes epochs, the workers that run them, the fabric between them.

mod bad_row;
pub mod command;
mod coordinator;
mod define;
pub mod fabric;
mod fill;
pub mod handle;
mod input;
mod open;
mod preview;
mod publish;
pub mod request;
mod retention;
mod same_key;
pub mod source;
mod status;
mod table;
pub mod worker;
mod write;

pub use handle::Runtime;
pub use preview::preview;

/// Starts a named thread: the one door to threads, so that each can be told apart.
fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> crate::error::Result<std::thread::JoinHandle<T>> {
    Ok(std::thread::Builder::new().name(name.to_owned()).spawn(body)?)
}
