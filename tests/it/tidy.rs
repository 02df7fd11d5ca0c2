//! Goal: the tree keeps the shape that ARCHITECTURE.md draws. Method: read every source file as text.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file, tests not counted.
const FILE_LINES_MAX: usize = 500;

/// Who may import whom: folder → folders. The crate root (`lib.rs`, `main.rs`) may import everything.
const IMPORTS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("config", &["error"]),
    ("clock", &["error"]),
    ("types", &["error", "clock"]),
    ("sql", &["types", "clock", "config", "error"]),
    ("catalog", &["types", "clock", "config", "error"]),
    ("state", &["types", "clock", "config", "error"]),
    ("storage", &["types", "clock", "config", "error"]),
    ("connector", &["types", "clock", "config", "error"]),
    ("plan", &["types", "clock", "config", "error", "sql", "catalog"]),
    ("dataflow", &["types", "clock", "config", "error", "plan", "state"]),
    (
        "runtime",
        &[
            "types",
            "clock",
            "config",
            "error",
            "plan",
            "state",
            "dataflow",
            "storage",
            "connector",
            "catalog",
            "sql",
        ],
    ),
    (
        "engine",
        &[
            "types",
            "clock",
            "config",
            "error",
            "plan",
            "state",
            "dataflow",
            "storage",
            "connector",
            "catalog",
            "sql",
            "runtime",
        ],
    ),
    // A session's statements are parsed once and carried by the protocol's portals.
    ("server", &["types", "clock", "config", "error", "engine", "catalog", "sql"]),
    ("cli", &["types", "clock", "config", "error", "engine", "server", "sql"]),
];

/// Third-party crates with one door: crate → path prefixes that may name it.
const SEAMS: &[(&str, &[&str])] = &[
    ("timely", &["src/runtime/fabric/"]),
    // The server declares its module of the same name.
    ("pgwire", &["src/server/pgwire/", "src/server/mod.rs"]),
    ("axum", &["src/server/http"]),
    (
        "datafusion",
        &[
            "src/plan/",
            "src/dataflow/eval",
            "src/state/accumulator",
            "src/engine/",
            "src/error",
            "src/sql/",
        ],
    ),
    ("std::fs", &["src/storage/disk", "src/connector/", "src/cli/"]),
    ("nexmark", &["src/connector/"]),
    ("rustyline", &["src/cli/"]),
    ("clap", &["src/cli/", "src/main.rs"]),
    ("tokio", &["src/server/", "src/connector/", "src/engine/", "src/runtime/", "src/cli/"]),
];

fn files(root: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = vec![];
    let mut folders = vec![PathBuf::from(root)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}")) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn sources() -> Vec<(String, String)> {
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path.to_string_lossy().into_owned(), text)
    };
    files("src", "rs").into_iter().map(read).collect()
}

fn is_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// The text before the file's own tests.
fn product(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text)
}

/// Lines of code, comments left out.
fn code(text: &str) -> impl Iterator<Item = &str> {
    product(text).lines().filter(|line| !line.trim_start().starts_with("//"))
}

fn check(what: &str, offenders: Vec<String>) {
    assert!(offenders.is_empty(), "{what}:\n  {}", offenders.join("\n  "));
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let mut offenders = vec![];
    for (path, text) in sources() {
        let lines = product(&text).lines().count();
        if lines > FILE_LINES_MAX && !is_test(&path) {
            offenders.push(format!("{path} has {lines} lines; split it by noun"));
        }
        if !text.starts_with("//!") {
            offenders.push(format!("{path} does not start with //!"));
        }
    }
    check("files", offenders);
}

#[test]
fn no_file_is_a_junk_drawer() {
    let names = ["utils", "util", "common", "helpers", "helper", "prelude", "misc"];
    let offenders = sources()
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| {
            Path::new(path).components().any(|part| {
                let part = part.as_os_str().to_string_lossy();
                names.contains(&part.trim_end_matches(".rs"))
            })
        })
        .collect();
    check("names", offenders);
}

#[test]
fn imports_point_one_way() {
    let table: BTreeMap<&str, &[&str]> = IMPORTS.iter().copied().collect();
    let mut offenders = vec![];
    for (path, text) in sources() {
        let Some(folder) = path.strip_prefix("src/").and_then(|rest| rest.split(['/', '.']).next())
        else {
            continue;
        };
        if is_test(&path) || folder == "lib" || folder == "main" {
            continue;
        }
        let allowed = table.get(folder).unwrap_or_else(|| panic!("{folder} is not in the table"));
        for line in code(&text) {
            for piece in line.split("crate::").skip(1) {
                let target: String =
                    piece.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                if !target.is_empty()
                    && target != folder
                    && table.contains_key(target.as_str())
                    && !allowed.contains(&target.as_str())
                {
                    offenders.push(format!("{path} imports {target}: {}", line.trim()));
                }
            }
        }
    }
    check("imports", offenders);
}

#[test]
fn foreign_crates_have_one_door() {
    let mut offenders = vec![];
    for (path, text) in sources() {
        for (name, doors) in SEAMS {
            let door = doors.iter().any(|door| path.starts_with(door));
            let used = code(&text).any(|line| {
                let line = line.trim_start();
                line.starts_with(&format!("use {name}::"))
                    || line
                        .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
                        .any(|word| word.starts_with(&format!("{name}::")))
            });
            if used && !door && !is_test(&path) {
                offenders.push(format!("{path} names {name}"));
            }
        }
    }
    // The plan's expressions are DataFusion's; operators that hold them are handed an evaluator.
    check("seams", offenders);
}

#[test]
fn nothing_is_left_for_later() {
    let words = ["TODO", "FIXME", "XXX:", "HACK"];
    let mut offenders = vec![];
    for (path, text) in sources() {
        for (number, line) in (1..).zip(text.lines()) {
            if words.iter().any(|word| line.contains(word)) {
                offenders.push(format!("{path}:{number}: {}", line.trim()));
            }
        }
    }
    check("left for later", offenders);
}

#[test]
fn documents_name_paths_that_exist() {
    let mut documents = vec![PathBuf::from("ARCHITECTURE.md"), PathBuf::from("CONTRIBUTING.md")];
    documents.extend(files("docs/adr", "md"));
    let mut offenders = vec![];
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for quoted in text.split('`').skip(1).step_by(2) {
            let roots = ["src/", "tests/", "sql-tests/", "docs/", "benches/", "examples/", ".ci/"];
            if roots.iter().any(|root| quoted.starts_with(root))
                && !quoted.contains(['*', '<', '{', ' '])
                && !Path::new(quoted).exists()
            {
                offenders.push(format!("{} names {quoted}", document.display()));
            }
        }
    }
    check("paths", offenders);
}

#[test]
fn sql_tests_have_a_goal_and_no_internal_errors() {
    let mut offenders = vec![];
    for path in files("sql-tests", "slt") {
        let text = fs::read_to_string(&path).unwrap();
        if !text.starts_with('#') {
            offenders.push(format!("{} does not start with a comment", path.display()));
        }
        if text.lines().any(|line| line.starts_with("statement error") && line.contains("XX000")) {
            offenders.push(format!("{} expects a bug of ours", path.display()));
        }
    }
    check("sql-tests", offenders);
}
