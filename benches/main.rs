//! `cargo bench`: Nexmark as maintained views against DataFusion's batch execution of the same text,
//! and the latency of a lone insert.
//!
//! `cargo bench -- --quick` takes 1M events instead of 10M; further words name queries (`q3 q5`) or
//! `latency`, `idle`.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::panic,
    unreachable_pub,
    reason = "a bench measures real time, prints its table, and ends where it cannot go on"
)]

mod latency;
mod meter;
mod nexmark;

/// The server's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let quick = words.iter().any(|word| word == "--quick");
    let named: Vec<String> = words.into_iter().filter(|word| !word.starts_with("--")).collect();
    let wants = |name: &str| named.is_empty() || named.iter().any(|word| word == name);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("the machine can start threads");
    runtime.block_on(async {
        nexmark::run(if quick { 1_000_000 } else { 10_000_000 }, &wants).await;
        if wants("latency") {
            latency::insert_to_view().await;
        }
        if wants("idle") {
            latency::idle().await;
        }
    });
}
