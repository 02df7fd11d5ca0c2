//! The `millstream` command: see `millstream --help`.

use std::process::ExitCode;

/// The allocator that the figures were measured with; memory returns promptly to the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    millstream::cli::main()
}
