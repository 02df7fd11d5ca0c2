//! The `millstream` command: see `millstream --help`.

fn main() {}
