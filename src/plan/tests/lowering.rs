//! What plans become: each query with its incremental plan, in `plans.golden`.

use super::fixture::plan;

#[test]
fn plans_are_as_recorded() {
    let golden = include_str!("plans.golden");
    let mut actual = String::new();
    for case in golden.split("\n\n").filter(|case| !case.trim().is_empty()) {
        let sql = case.trim().lines().next().unwrap_or_default();
        actual.push_str(&format!("{sql}\n{}\n\n", plan(sql).trim()));
    }
    assert_eq!(actual.trim(), golden.trim(), "the plans differ from those recorded:\n{actual}");
}
