//! Texts and the records in them.

use super::*;

fn one(text: &str) -> Action {
    let mut records = parse(text).unwrap();
    assert_eq!(records.len(), 1, "{text}");
    records.remove(0).action
}

fn query_of(text: &str) -> Query {
    match one(text) {
        Action::Query(query) => query,
        other => panic!("{other:?}"),
    }
}

fn failure_of(text: &str) -> Failure {
    match one(text) {
        Action::Statement { expected: Expected::Error(failure), .. } => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn records_are_read() {
    let text = "# goal\n\nstatement ok\nCREATE TABLE t\n(a int)\n\nonlyif restart # why\nquery IT rowsort x\nSELECT 1\n----\n1 a\n2 b\n\n\
                query\nSELECT 2\n----\n\nclock set '2024-01-01 00:00:01'\nclock advance 10s\n\
                ingest t (a)\n1\n2\n\nexpect changes v\n- 1\n+ 2\n\nstep\ncrash\nhalt\n";
    let records = parse(text).unwrap();
    let Action::Query(query) = &records[1].action else { panic!() };
    assert_eq!((query.types.as_str(), query.sort), ("IT", Some(Sort::Rows)));
    assert_eq!(query.label.as_deref(), Some("x"));
    assert_eq!(query.expected.as_ref().unwrap(), &["1 a", "2 b"]);
    assert_eq!(records[1].conditions, [("restart".to_owned(), true)]);
    let place = records[1].place.as_ref().unwrap();
    assert_eq!((place.header, place.expected.clone()), (7, 9..12));
    let Action::Query(query) = &records[2].action else { panic!() };
    assert!(query.expected.as_ref().unwrap().is_empty());
    assert!(matches!(records[3].action, Action::ClockSet(1_704_067_201_000_000)));
    assert!(matches!(records[4].action, Action::ClockAdvance(10_000_000)));
    assert!(matches!(&records[5].action, Action::Ingest { rows, .. } if rows == "1\n2\n"));
    assert!(
        matches!(&records[6].action, Action::ExpectChanges { expected, .. } if expected.len() == 2)
    );
    assert_eq!(records.len(), 10);
}

#[test]
fn failures_are_read() {
    let failure = failure_of("statement error (42P01): no such\nSELECT\n");
    assert_eq!((failure.state.as_deref(), failure.message.as_str()), (Some("42P01"), "no such"));
    let failure = failure_of("statement error pgcode 22012 pq: division by zero\nSELECT 1/0\n");
    assert_eq!(failure.state.as_deref(), Some("22012"));
    assert_eq!(failure.message, "division by zero");
    let failure = failure_of("statement error (a|b)  c\nSELECT\n");
    assert_eq!((failure.state, failure.message.as_str()), (None, "(a|b)  c"));
    let text =
        "statement error\nSELECT 1\n----\nfailed\n\nbecause:\n  1\n\n\nstatement ok\nSELECT 1\n";
    let records = parse(text).unwrap();
    let Action::Statement { expected: Expected::Error(failure), .. } = &records[0].action else {
        panic!()
    };
    assert_eq!(failure.lines, ["failed", "", "because:", "  1"]);
    assert_eq!(records[0].place.as_ref().unwrap().expected, 2..7);
    assert_eq!(records.len(), 2);
    assert_eq!(parse("statement error\nx\n----\nfailed\n\nquery I\nSELECT 1\n").unwrap().len(), 2);
}

#[test]
fn other_runners_words_are_read() {
    let query = query_of("query TI colnames,rowsort label-1\nSELECT\n----\na b\n");
    assert!(query.names);
    assert_eq!((query.sort, query.label.as_deref()), (Some(Sort::Rows), Some("label-1")));
    let records =
        parse("statement ok con2 retry 3 backoff 1s\nSELECT\n\nquery I con1\nSELECT\n").unwrap();
    let sessions: Vec<_> = records.iter().map(|record| record.connection.as_deref()).collect();
    assert_eq!(sessions, [Some("con2"), Some("con1")]);
    for text in
        ["hash-threshold 8", "subtest a b", "control resultmode valuewise", "mode output_hash"]
    {
        assert!(matches!(one(text), Action::Nothing), "{text}");
    }
    assert!(matches!(one("require parquet"), Action::Require(what) if what == "parquet"));
    assert!(matches!(
        one("statement maybe\nSELECT"),
        Action::Statement { expected: Expected::Any, .. }
    ));
}

#[test]
fn loops_repeat_their_records() {
    let text = "loop i 0 2\n\nforeach t a b\n\nstatement ok\nSELECT ${i} AS ${t}\n\nendloop\n\nendloop\n\nhalt";
    let records = parse(text).unwrap();
    let texts: Vec<&str> = records
        .iter()
        .filter_map(|record| match &record.action {
            Action::Statement { sql, .. } => Some(sql.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(texts, ["SELECT 0 AS a", "SELECT 0 AS b", "SELECT 1 AS a", "SELECT 1 AS b"]);
    assert_eq!(records[3].line, 5);
    assert!(records[3].place.is_none());
    assert_eq!(records[4].line, 12);
    assert_eq!(parse("halt\n\nnot read").unwrap().len(), 1);
}

#[test]
fn wrong_lines_are_told() {
    let message = |text: &str| parse(text).unwrap_err().message().to_owned();
    assert_eq!(message("\nfoo"), "line 2: unknown directive: foo");
    assert_eq!(message("loop i 0 2\nstatement ok\nSELECT 1"), "line 1: loop without endloop");
    assert_eq!(message("loop i 0\nendloop"), "line 1: unknown directive: loop i 0");
    assert_eq!(
        message("statement count many\nx"),
        "line 1: unknown directive: statement count many"
    );
    let hint = parse("statment ok\nSELECT 1").unwrap_err();
    assert_eq!(hint.hint_text(), Some("Perhaps you meant \"statement\"."));
}
