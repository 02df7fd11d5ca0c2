//! Goal: a maintained view equals its query, at every epoch, for any input and any number of workers.
//! Method: random tables, changes and queries from a seeded generator; after every epoch the view's
//! contents are compared with DataFusion's batch answer to the same text over the same input. Some cases
//! run in a directory, with a crash or an orderly end between epochs. A
//! failing case is shrunk by leaving statements out, and printed as SQL.
//!
//! `MILLSTREAM_ORACLE_CASES` and `MILLSTREAM_ORACLE_SEED` choose how many and which; with
//! `MILLSTREAM_ORACLE_SURVEY=1` every failure is listed in short and none is shrunk.

mod case;
mod compare;
mod query;

use case::{Case, Failure};

/// Cases of a plain run; each is a script of changes with [`VIEWS_PER_SCRIPT`] views.
const CASES: u64 = 2_000;
const VIEWS_PER_SCRIPT: u64 = 4;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("threads")
}

/// Runs the scripts `first, first + step, …` below `scripts`.
fn run_scripts(seed: u64, first: u64, step: u64, scripts: u64) -> Result<u64, Failure> {
    let runtime = runtime();
    let mut compared = 0;
    for number in (first..scripts).step_by(usize::try_from(step).expect("small")) {
        let case = Case::generate(seed.wrapping_add(number), VIEWS_PER_SCRIPT);
        match runtime.block_on(case.run()) {
            Ok(views) => compared += views,
            Err(failure) if setting("MILLSTREAM_ORACLE_SURVEY", 0) == 1 => {
                println!("seed {}: {}", seed.wrapping_add(number), failure.headline());
            }
            Err(_) => {
                let (case, failure) = runtime.block_on(case.shrink());
                return Err(failure.with_script(&case, seed.wrapping_add(number)));
            }
        }
    }
    Ok(compared)
}

#[test]
fn views_equal_their_queries() {
    let seed = setting("MILLSTREAM_ORACLE_SEED", 20_260_101);
    let scripts = setting("MILLSTREAM_ORACLE_CASES", CASES).div_ceil(VIEWS_PER_SCRIPT);
    let threads = std::thread::available_parallelism().map_or(2, |n| n.get() as u64);
    let results: Vec<Result<u64, Failure>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|first| scope.spawn(move || run_scripts(seed, first, threads, scripts)))
            .collect();
        handles.into_iter().map(|handle| handle.join().expect("no panic")).collect()
    });
    let mut compared = 0;
    for result in results {
        match result {
            Ok(views) => compared += views,
            Err(failure) => panic!("{failure}"),
        }
    }
    assert!(
        compared * 10 >= scripts * VIEWS_PER_SCRIPT * 7,
        "most generated queries can be maintained: {compared} of {}",
        scripts * VIEWS_PER_SCRIPT
    );
}
