//! Queries and their answers, as PostgreSQL prints them; errors with SQLSTATE, hint and position.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;

use super::fixture::{columns, parse, planner, rows, run};

/// Runs each query and compares its rows (columns by `|`, rows by `;`), or its error.
fn check(cases: &[(&str, &str)]) {
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(sql, expected)| {
            let got = run(sql).replace('\n', ";");
            (got != *expected).then(|| format!("{sql}\n  expected {expected}\n  got      {got}"))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn arithmetic() {
    check(&[
        ("SELECT i + 2147483647 FROM numbers", "22003 integer out of range"),
        ("SELECT b + 9223372036854775807 FROM numbers", "22003 bigint out of range"),
        ("SELECT -2147483648 - i FROM numbers WHERE i = 1", "22003 integer out of range"),
        ("SELECT 7 / 2, -7 / 2, 7 % 3, -7 % 3, 7.0 / 2", "3|-3|1|-1|3.5000000000000000"),
        ("SELECT i / 0 FROM numbers", "22012 division by zero"),
        ("SELECT f / 0 FROM numbers", "22012 division by zero"),
        ("SELECT 1.5 * 2, 0.908 * b FROM numbers WHERE i = 1", "3.0|9.080"),
        ("SELECT f * 1e308 * 10 FROM numbers", "22003 value out of range: overflow"),
        ("SELECT - i, -n, - f FROM numbers WHERE i = 2", "-2|-2.50|-1.5"),
        ("SELECT i + b, i * n FROM numbers WHERE i = 2", "22|5.00"),
    ]);
}

#[test]
fn conversions() {
    check(&[
        ("SELECT 'abc'::int", "22P02 invalid input syntax for type integer: \"abc\" AT 8"),
        ("SELECT '42'::int + 1, '2024-01-31'::date + 1", "43|2024-02-01"),
        (
            "SELECT 2.5::int, 3.5::int, (-2.5)::int, 2.5::float8::int, 3.5::float8::int",
            "3|4|-3|2|4",
        ),
        ("SELECT 3000000000::int", "22003 integer out of range"),
        ("SELECT 1e10::float8::int", "22003 integer out of range"),
        ("SELECT true::text, 1.50::text, 1.0::float8::text", "true|1.50|1"),
        ("SELECT TIMESTAMP '2024-01-01 10:00:00'::text", "2024-01-01 10:00:00"),
        ("SELECT 'abcdef'::varchar(3)", "abc"),
        ("SELECT i::numeric(5,2), n::numeric(4,1) FROM numbers WHERE i = 1", "1.00|1.3"),
        ("SELECT 12345.6::numeric(4,1)", "22003 numeric field overflow"),
        ("SELECT t FROM numbers WHERE i IN ('1', '2')", "one;two"),
        ("SELECT t FROM numbers WHERE i = '2' AND d = '2024-02-29'", "two"),
        (
            "SELECT t FROM numbers WHERE i = 'x'",
            "22P02 invalid input syntax for type integer: \"x\" AT 29",
        ),
        ("SELECT true::date", "42846 cannot cast type boolean to date AT 12"),
    ]);
}

#[test]
fn times() {
    check(&[
        ("SELECT DATE '2024-03-01' - DATE '2024-02-01'", "29"),
        ("SELECT TIMESTAMP '2024-01-03 10:00:00' - TIMESTAMP '2024-01-01'", "2 days 10:00:00"),
        ("SELECT TIMESTAMP '2024-01-31' + INTERVAL '1 month'", "2024-02-29 00:00:00"),
        ("SELECT DATE '2024-01-31' + INTERVAL '1 day'", "2024-02-01 00:00:00"),
        ("SELECT INTERVAL '1 day' * 2.5, INTERVAL '1 hour' / 2", "2 days 12:00:00|00:30:00"),
        ("SELECT now(), current_date", "2024-01-01 00:00:00+00|2024-01-01"),
        (
            "SELECT extract(year FROM ts), extract(second FROM ts), hour(ts) FROM bid WHERE price = 100",
            "2024|1.000000|0",
        ),
        ("SELECT date_part('second', ts) FROM bid WHERE price = 250", "11"),
        (
            "SELECT to_char(ts, 'YYYY-MM-DD HH24:MI:SS Mon FMDay') FROM bid WHERE price = 100",
            "2024-01-01 00:00:01 Jan Monday",
        ),
        ("SELECT date_format(ts, 'yyyy-MM-dd') FROM bid WHERE price = 100", "2024-01-01"),
        ("SELECT date_trunc('minute', ts) FROM bid WHERE price = 250", "2024-01-01 00:00:00"),
    ]);
}

#[test]
fn functions() {
    check(&[
        ("SELECT 'a' || 1, 1 || 'a', 'a' || NULL", "a1|1a|∅"),
        ("SELECT length('héllo'), split_part('a,b,c', ',', 2), position('b' in 'abc')", "5|b|2"),
        ("SELECT substring('hello' from 2 for 3), replace('aXb', 'X', '-')", "ell|a-b"),
        ("SELECT round(2.567, 2), round(2.5), round(-2.5), round(2.5::float8)", "2.57|3|-3|2"),
        (
            "SELECT trunc(2.7), ceil(2.1), floor(-2.1), abs(-3), mod(7, 3), power(2, 10)",
            "2|3|-3|3|1|1024",
        ),
        ("SELECT 'a' LIKE 'A', 'a' ILIKE 'A', 'abc' ~ '^a', 'abc' !~* 'B'", "f|t|t|f"),
        ("SELECT split_index('a/b/c', '/', 2), split_index('a', '/', 2)", "c|∅"),
        ("SELECT greatest(1, 3, NULL), least(2, 1), nullif(1, 1), coalesce(NULL, 2)", "3|1|∅|2"),
        ("SELECT pg_typeof(1), pg_typeof(1.5), pg_typeof('a'::text)", "integer|numeric|text"),
        ("SELECT x + 1 FROM generate_series(1, 3) AS g(x)", "2;3;4"),
    ]);
}

#[test]
fn aggregates() {
    check(&[
        (
            "SELECT sum(i), sum(b), avg(i), avg(n), sum(n), avg(f), sum(f) FROM numbers",
            "7|30|2.3333333333333333|1.8750000000000000|3.75|1.5|4.5",
        ),
        ("SELECT count(*), count(b), count(DISTINCT t), max(t) FROM numbers", "3|2|2|two"),
        ("SELECT sum(CASE WHEN i > 1 THEN 1 ELSE 0 END) FROM numbers", "2"),
        ("SELECT channel, count(*) FROM bid GROUP BY 1 ORDER BY 2 DESC, 1", "web|2;app|1;∅|1"),
        (
            "SELECT sum(price) OVER (ORDER BY price ROWS 1 PRECEDING) FROM bid ORDER BY price",
            "70;160;190;350",
        ),
    ]);
    assert_eq!(
        columns("SELECT sum(i), sum(CASE WHEN true THEN 1 END) FROM numbers"),
        "sum bigint, sum bigint"
    );
    assert_eq!(
        columns("SELECT sum(b), avg(i) FROM numbers"),
        "sum numeric(38,0), avg numeric(38,16)"
    );
}

#[test]
fn subqueries() {
    let several = "21000 more than one row returned by a subquery used as an expression";
    check(&[
        ("SELECT (SELECT i FROM numbers)", several),
        ("SELECT name, (SELECT price FROM bid WHERE bidder = id) FROM person", several),
        (
            "SELECT name, (SELECT max(price) FROM bid WHERE bidder = id) FROM person",
            "ann|100;bob|250;cat|∅",
        ),
        ("SELECT name FROM person WHERE id NOT IN (SELECT bidder FROM bid)", ""),
        (
            "SELECT price FROM bid WHERE bidder NOT IN (SELECT id FROM person WHERE id > 10)",
            "100;70",
        ),
        ("SELECT price FROM bid WHERE price > 200 OR bidder NOT IN (SELECT id FROM person)", "250"),
        ("SELECT price FROM bid WHERE NOT (price < 80 OR bidder IN (SELECT id FROM person))", ""),
        (
            "SELECT price, bidder IN (SELECT id FROM person WHERE id = 11) FROM bid ORDER BY price",
            "70|f;90|∅;100|f;250|t",
        ),
        (
            "SELECT name, EXISTS (SELECT 1 FROM bid WHERE bidder = id) FROM person",
            "ann|t;bob|t;cat|f",
        ),
    ]);
}

#[test]
fn windows() {
    check(&[
        (
            "SELECT auction, window_end FROM TUMBLE(bid, ts, INTERVAL '10 s')",
            "1|2024-01-01 00:00:10;1|2024-01-01 00:00:20;2|2024-01-01 00:00:20",
        ),
        (
            "SELECT price, window_start FROM HOP(bid, ts, INTERVAL '5 s', INTERVAL '10 s') ORDER BY 1, 2",
            "70|2024-01-01 00:00:05;70|2024-01-01 00:00:10;100|2023-12-31 23:59:55;\
             100|2024-01-01 00:00:00;250|2024-01-01 00:00:05;250|2024-01-01 00:00:10",
        ),
        (
            "SELECT tumble_start(ts, INTERVAL '10 s'), count(*) FROM bid \
             WHERE ts IS NOT NULL GROUP BY tumble(ts, INTERVAL '10 s') ORDER BY 1",
            "2024-01-01 00:00:00|1;2024-01-01 00:00:10|2",
        ),
        (
            "SELECT DISTINCT ON (auction) auction, price FROM bid ORDER BY auction, price DESC",
            "1|250;2|90",
        ),
        (
            "SELECT price, row_number() OVER (ORDER BY price) FROM bid ORDER BY 2",
            "70|1;90|2;100|3;250|4",
        ),
        (
            "SELECT * FROM HOP(bid, ts, INTERVAL '10 s', INTERVAL '5 s')",
            "22023 the slide of a window must not exceed its size HINT: The slide comes first: \
             HOP(table, time_column, slide, size).",
        ),
    ]);
}

#[test]
fn names() {
    assert_eq!(
        columns(
            "SELECT count(*), count(*), i + 1, i::text, CASE WHEN true THEN 1 END, max(i) FROM numbers GROUP BY i"
        ),
        "count bigint, count bigint, ?column? integer, i text, case integer, max integer"
    );
    check(&[(
        "SELECT x FROM (SELECT i AS x FROM numbers UNION SELECT b FROM numbers) u ORDER BY x",
        "1;2;4;10;20;∅",
    )]);
}

#[test]
fn undefined_names() {
    check(&[
        (
            "SELECT pricee FROM bid",
            "42703 column \"pricee\" does not exist HINT: Perhaps you meant to reference the column \"bid.price\". AT 8",
        ),
        (
            "SELECT b.pricee FROM bid b",
            "42703 column b.pricee does not exist HINT: Perhaps you meant to reference the column \"b.price\". AT 8",
        ),
        ("SELECT x.price FROM bid b", "42P01 missing FROM-clause entry for table \"x\" AT 8"),
        (
            "SELECT price FROM bidd",
            "42P01 relation \"bidd\" does not exist HINT: Perhaps you meant \"bid\". AT 19",
        ),
        (
            "SELECT lenght(name) FROM person",
            "42883 function lenght does not exist HINT: Perhaps you meant \"length\". AT 8",
        ),
        (
            "SELECT a.id FROM person, person",
            "42712 table name \"person\" specified more than once AT 18",
        ),
    ]);
}

#[test]
fn wrong_types() {
    let cast = "HINT: No operator matches the given name and argument types. You might need to add explicit type casts.";
    let casts = |text: &str| format!("{text} {cast}");
    check(&[
        (
            "SELECT t FROM numbers WHERE t = i",
            &format!("{} AT 31", casts("42883 operator does not exist: text = integer")),
        ),
        (
            "SELECT i AND true FROM numbers",
            "42804 argument of AND must be type boolean, not type integer AT 8",
        ),
        (
            "SELECT i FROM numbers WHERE i",
            "42804 argument of WHERE must be type boolean, not type integer AT 29",
        ),
        (
            "SELECT CASE WHEN 1 THEN 2 END",
            "42804 argument of CASE/WHEN must be type boolean, not type integer AT 18",
        ),
        (
            "SELECT auction FROM bid UNION SELECT name FROM person",
            "42804 UNION types bigint and text cannot be matched AT 38",
        ),
    ]);
}

#[test]
fn grouping() {
    let group = "must appear in the GROUP BY clause or be used in an aggregate function";
    check(&[
        (
            "SELECT auction, count(*) FROM bid",
            &format!("42803 column \"bid.auction\" {group} AT 8"),
        ),
        (
            "SELECT auction, price, count(*) FROM bid GROUP BY auction",
            &format!("42803 column \"bid.price\" {group} AT 17"),
        ),
        (
            "SELECT count(*) FROM bid WHERE count(*) > 1",
            "42803 aggregate functions are not allowed in WHERE AT 32",
        ),
        (
            "SELECT price FROM bid ORDER BY 7",
            "42P10 ORDER BY position 7 is not in select list AT 32",
        ),
        (
            "SELECT price FROM bid WHERE row_number() OVER (ORDER BY price) = 1",
            "42P20 window functions are not allowed in WHERE HINT: Compute it in a subquery and filter its rows, or use QUALIFY. AT 29",
        ),
    ]);
}

#[test]
fn other_errors() {
    let casts = "HINT: No function matches the given name and argument types. You might need to add explicit type casts.";
    check(&[
        (
            "SELECT sum(name) FROM person",
            &format!("42883 function sum(text) does not exist {casts} AT 8"),
        ),
        (
            "SELECT upper(1, 2)",
            &format!("42883 function upper(integer, integer) does not exist {casts} AT 8"),
        ),
        (
            "SELECT auction FROM bid UNION SELECT id, name FROM person",
            "42601 each UNION query must have the same number of columns AT 1",
        ),
        ("SELECT id FROM person LIMIT -1", "2201W LIMIT must not be negative"),
        ("SELECT (SELECT id, name FROM person)", "42601 subquery must return only one column AT 8"),
        (
            "SELECT count(count(price)) FROM bid",
            "42803 aggregate function calls cannot be nested AT 20",
        ),
        ("SELECT NOT 1", "42804 argument of NOT must be type boolean, not type integer AT 12"),
        ("SELECT name ~ '(' FROM person", "2201B invalid regular expression: unclosed group"),
        (
            "SELECT price FROM bid GROUP BY 7",
            "42P10 GROUP BY position 7 is not in select list AT 32",
        ),
        (
            "SELECT row_number() FROM bid",
            "42809 window function row_number requires an OVER clause AT 8",
        ),
    ]);
}

#[test]
fn parameters_take_the_type_of_where_they_stand() {
    let sql = "SELECT $4, i FROM numbers WHERE i = $1 AND b > $2 LIMIT $3";
    let select = planner().query(&parse(sql), sql, &[]).expect("it plans");
    let types = [DataType::Int32, DataType::Int64, DataType::Int64, DataType::Utf8];
    let found: Vec<_> = select.parameters.iter().map(|field| field.data_type().clone()).collect();
    assert_eq!(found, types);
    let values = [
        ScalarValue::Int32(Some(2)),
        ScalarValue::Int64(Some(1)),
        ScalarValue::Int64(Some(5)),
        ScalarValue::Utf8(Some("x".to_owned())),
    ];
    let bound = select.bind(values.to_vec()).expect("they fit");
    assert_eq!(rows(&bound).expect("it runs"), ["x|2"]);
}
