//! Goal: what SQL shows. Method: every file of `sql-tests/` is a test by name, run as it is and with a
//! restart of the engine between statements. `-- --complete` rewrites the expectations.

use std::path::Path;

use libtest_mimic::{Arguments, Failed, Trial};
use millstream::cli::test::{Mode, files, run_file};

fn main() {
    let complete = std::env::args().any(|argument| argument == "--complete");
    let arguments =
        Arguments::from_iter(std::env::args().filter(|argument| argument != "--complete"));
    let root = Path::new("sql-tests");
    let found = files(root).expect("sql-tests/ is in the repository");
    let mut trials = vec![];
    for file in &found {
        let name = file.strip_prefix(root).unwrap_or(file).display().to_string();
        let mut trial = |kind: &str, mode: Mode| {
            let file = file.clone();
            let run =
                move || run_file(&file, mode).map_err(|error| Failed::from(error.to_string()));
            trials.push(Trial::test(name.clone(), run).with_kind(kind));
        };
        let exact = Mode { exact: true, ..Mode::default() };
        trial("", Mode { complete, ..exact });
        if !complete {
            trial("restart", Mode { restart: true, ..exact });
            trial("workers", Mode { workers: 2, ..exact });
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}
