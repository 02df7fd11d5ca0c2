//! What is read as what, and what is refused with which words and where.

use crate::error::{Error, SqlState};
use crate::sql::statement::{
    AlterAction, ConflictAction, CopyFormat, CopyTarget, FetchDirection, Statement,
};
use crate::sql::{Parsed, parse};
use crate::types::SqlType;
use crate::types::definition::{ConflictPolicy, ObjectKind, OnError, Retain};

fn one(text: &str) -> Statement {
    let mut statements = parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    assert_eq!(statements.len(), 1, "{text}");
    statements.pop().unwrap().statement
}

fn failure(text: &str) -> Error {
    match parse(text) {
        Ok(statements) => panic!("{text}: parsed as {statements:?}"),
        Err(error) => error,
    }
}

#[test]
fn syntax_errors_are_placed_as_in_postgres() {
    for (text, near, position) in [
        ("selec 1", "at or near \"selec\"", 1),
        ("select 1 +", "at end of input", 11),
        ("select 1 + ;", "at or near \";\"", 12),
        ("select 1 from", "at end of input", 14),
        ("select * from t where", "at end of input", 22),
        ("select (1", "at end of input", 10),
        ("select 1)", "at or near \")\"", 9),
        ("select 'ä', 1 2", "at or near \"2\"", 15),
        ("select 1;\nselect\n  from from t", "at or near \"from\"", 25),
        ("select * from (select a b c from t) x", "at or near \"c\"", 27),
        ("select * from (select * from (select 1 +) y) x", "at or near \")\"", 41),
        ("create table t (a int,)", "at or near \")\"", 23),
        ("create table t (a int", "at end of input", 22),
        ("create table select (a int)", "at or near \"select\"", 14),
        ("create table t (a int) foo", "at or near \"foo\"", 24),
        ("insert into t values (1", "at end of input", 24),
        ("insert into t valuess (1)", "at or near \"valuess\"", 15),
        ("update t a = 1", "at or near \"=\"", 12),
        ("delete t", "at or near \"t\"", 8),
        ("drop table", "at end of input", 11),
        ("drop tabel t", "at or near \"tabel\"", 6),
        ("create materialized view v as", "at end of input", 30),
        ("create materialized view v as select 1 emit sometimes", "at or near \"sometimes\"", 45),
        ("\"select\" 1", "at or near \"\"select\"\"", 1),
        ("begin foo", "at or near \"foo\"", 7),
        ("set x", "at end of input", 6),
        ("create source s with (connector 'file')", "at or near \"'file'\"", 33),
    ] {
        let error = failure(text);
        assert_eq!(error.state(), SqlState::SyntaxError, "{text}: {error:?}");
        assert_eq!(error.message(), format!("syntax error {near}"), "{text}");
        assert_eq!(error.position(), Some(position), "{text}");
    }
    for (text, message, position) in [
        ("select 'abc", "unterminated quoted string at or near \"'abc\"", 8),
        ("select \"abc", "unterminated quoted identifier at or near \"\"abc\"", 8),
        ("select 1 /* abc", "unterminated /* comment at or near \"/* abc\"", 10),
    ] {
        let error = failure(text);
        assert_eq!((error.message(), error.position()), (message, Some(position)), "{text}");
    }
}

#[test]
fn what_we_do_not_do_is_refused_with_a_place_and_a_hint() {
    for (text, position) in [
        ("create temp table t (a int)", 8),
        ("create table t (a int unique)", 23),
        ("create table t (a int, unique (a))", 24),
        ("create table t (a int references u)", 23),
        ("create table t (a timetz)", 19),
        ("create table t (a numeric(50))", 19),
        ("create table t (a inet)", 19),
        ("create table t (a int generated always as identity (cache 5))", 53),
        ("create table t (a int) with ('connector' = 'kafka')", 24),
        ("create or replace materialized view v as select 1", 1),
        ("create index i on t (a)", 1),
        ("create sink s from v", 1),
        ("create materialized view v as select 1 emit on window close", 40),
        ("create materialized view v as select a from t emit final", 47),
        ("select a from t emit every interval '5 s'", 17),
        ("  merge into t using u on true when matched then delete", 3),
        ("grant select on t to u", 1),
        ("checkpoint", 1),
        ("subscribe to v", 1),
        ("copy t from '/tmp/x'", 13),
        ("copy t to program 'x'", 11),
        ("alter table t add column b int", 15),
        ("set role x", 5),
        ("select * from t tablesample bernoulli (1)", 15),
        ("create source s (a int primary key) with (connector = 'file')", 24),
    ] {
        let error = failure(text);
        assert_eq!(error.state(), SqlState::FeatureNotSupported, "{text}: {error:?}");
        assert_eq!(error.position(), Some(position), "{text}: {error:?}");
        assert!(error.message().ends_with("is not supported"), "{text}: {error:?}");
    }
    for (text, state, position) in [
        ("create table t (a foo)", SqlState::UndefinedObject, 19),
        ("create table t (a int, a int)", SqlState::DuplicateColumn, 24),
        ("create table t (a int, primary key (b))", SqlState::UndefinedColumn, 37),
        (
            "create table t (a int primary key, primary key (a))",
            SqlState::InvalidTableDefinition,
            36,
        ),
        ("create table t (a varchar(0))", SqlState::InvalidParameterValue, 19),
        ("create source s", SqlState::InvalidObjectDefinition, 16),
        ("create table t (a int) with (fillfactor = 1)", SqlState::InvalidParameterValue, 24),
        ("copy t from stdin (format cvs)", SqlState::InvalidParameterValue, 27),
        ("select * from tumble(t, ts)", SqlState::UndefinedFunction, 15),
        ("select a.b.c.d from x.y.z", SqlState::FeatureNotSupported, 21),
    ] {
        let error = failure(text);
        assert_eq!((error.state(), error.position()), (state, Some(position)), "{text}: {error:?}");
    }
    assert_eq!(failure("create table t (a txet)").hint_text(), Some("Perhaps you meant \"text\"."));
    assert_eq!(failure("selct 1").hint_text(), Some("Perhaps you meant \"select\"."));
}

#[test]
fn deep_statements_are_refused_and_do_not_overflow() {
    let nested = format!("select {}1{}", "(".repeat(5_000), ")".repeat(5_000));
    let chain = format!("select 1{}", " + 1".repeat(200_000));
    let union = format!("select 1{}", " union all select 1".repeat(20_000));
    let minus = format!("select {}1", "- ".repeat(20_000));
    let subqueries = format!("{}select 1{}", "select * from (".repeat(400), ") x".repeat(400));
    for text in [nested, chain, union, minus, subqueries] {
        assert_eq!(failure(&text).state(), SqlState::StatementTooComplex, "{}", &text[..40]);
    }
    one(&format!("select 1{}", " + 1".repeat(1_000)));
    one(&format!("select {}1{}", "(".repeat(40), ")".repeat(40)));
}

#[test]
fn messages_are_cut_into_statements() {
    let texts = |text: &str| -> Vec<(String, usize)> {
        let parsed: Vec<Parsed> = parse(text).unwrap();
        parsed.into_iter().map(|parsed| (parsed.text, parsed.position)).collect()
    };
    assert_eq!(texts(""), vec![]);
    assert_eq!(texts(" ; -- nothing\n;"), vec![]);
    assert_eq!(
        texts("select 'ö;' ; -- two\n  SELECT\n 2 ;"),
        vec![("select 'ö;'".to_owned(), 1), ("SELECT\n 2".to_owned(), 24)],
    );
}

#[test]
fn tables_are_read() {
    let text = "CREATE TABLE IF NOT EXISTS s.\"T\" (
        Id bigint PRIMARY KEY, name varchar(20) NOT NULL DEFAULT 'x' || 'y' NOT NULL,
        price numeric(10, 2) CONSTRAINT positive CHECK (price > 0) CHECK (price < 10),
        twice numeric GENERATED ALWAYS AS (price * 2) STORED, tags text[], ts timestamp(3),
        point STRUCT<x int, ys STRUCT<y float8>>, CHECK (Id > 0 AND price > 0),
        WATERMARK FOR ts AS ts - INTERVAL '4 seconds' IDLE TIMEOUT INTERVAL '1 minute'
    ) ON CONFLICT DO UPDATE IF NOT NULL RETAIN LOG FOR INTERVAL '7 days'";
    let Statement::CreateTable(create) = one(text) else { panic!() };
    assert!(create.if_not_exists);
    assert_eq!((create.name.schema.as_deref(), create.name.name.as_str()), (Some("s"), "T"));
    let table = create.definition;
    assert_eq!(table.primary_key, [0]);
    assert_eq!(table.primary_key_name.as_deref(), Some("T_pkey"));
    assert_eq!(table.columns[0].name, "id");
    assert!(table.columns[0].not_null && table.columns[1].not_null && !table.columns[2].not_null);
    assert_eq!(table.columns[1].sql_type, SqlType::Varchar(Some(20)));
    assert_eq!(table.columns[1].default.as_deref(), Some("'x' || 'y'"));
    assert_eq!(table.columns[3].generated.as_deref(), Some("price * 2"));
    assert_eq!(table.columns[4].sql_type, SqlType::Array(Box::new(SqlType::Text)));
    assert_eq!(table.columns[5].sql_type, SqlType::Timestamp(Some(3)));
    assert_eq!(
        table.columns[6].sql_type.to_string(),
        "STRUCT<x integer, ys STRUCT<y double precision>>"
    );
    let checks: Vec<&str> = table.checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(checks, ["positive", "T_price_check", "T_check"]);
    let watermark = table.watermark.unwrap();
    assert_eq!((watermark.column, watermark.idle_timeout_us), (5, Some(60_000_000)));
    assert_eq!(watermark.expr, "ts - INTERVAL '4 seconds'");
    assert_eq!(table.conflict, ConflictPolicy::UpdateNonNull);
    assert_eq!(table.retain, Some(Retain::Duration(7 * 86_400_000_000)));

    let Statement::CreateTable(create) = one("create table t (a int) append only") else {
        panic!()
    };
    assert!(create.definition.append_only);

    let text = "create table t (a int, v int, primary key (a)) on conflict overwrite with version column (v) retain log for size '10 GB'";
    let Statement::CreateTable(create) = one(text) else { panic!() };
    assert_eq!(create.definition.conflict, ConflictPolicy::Overwrite);
    assert_eq!(create.definition.version_column, Some(1));
    assert_eq!(create.definition.retain, Some(Retain::Size(10 << 30)));
}

#[test]
fn sources_are_read_in_both_spellings() {
    let text = "create source s (a int, ts timestamp, watermark for ts as ts)
        include offset as off, file include partition as p
        with (connector = 'file', path = '/x', rate = 10, a.b = true)
        format plain encode csv (header = true, delimiter = ';') on error dead letter into d.bad";
    let Statement::CreateSource(create) = one(text) else { panic!() };
    let source = create.definition;
    assert_eq!(source.option("connector"), Some("file"));
    assert_eq!(source.option("rate"), Some("10"));
    assert_eq!(source.option("a.b"), Some("true"));
    assert_eq!(source.include.len(), 3);
    assert_eq!(source.include[1].column, "file");
    let format = source.format.unwrap();
    assert_eq!((format.format.as_str(), format.encode.as_str()), ("plain", "csv"));
    assert_eq!(
        format.options,
        [("header".into(), "true".into()), ("delimiter".into(), ";".into())]
    );
    let bad = OnError::DeadLetter { schema: Some("d".into()), table: "bad".into() };
    assert_eq!(source.on_error, bad);

    let flink =
        "create source s (a int) with ('connector' = 'file', 'path' = 'x', 'format' = 'JSON')";
    let Statement::CreateSource(create) = one(flink) else { panic!() };
    let format = create.definition.format.unwrap();
    assert_eq!((format.format.as_str(), format.encode.as_str()), ("plain", "json"));
    assert_eq!(create.definition.options.len(), 2);
}

#[test]
fn windows_are_read_in_both_spellings() {
    let canonical = one("SELECT * FROM TUMBLE(bid, ts, INTERVAL '10' SECOND) AS b");
    for flink in [
        "SELECT * FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(ts), INTERVAL '10' SECOND)) AS b",
        "SELECT * FROM TUMBLE(TABLE bid, DESCRIPTOR(ts), INTERVAL '10' SECOND) AS b",
        "SELECT * FROM TABLE(TUMBLE(DATA => TABLE bid, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '10' SECOND)) b",
        "SELECT * FROM TUMBLE(bid, size => INTERVAL '10' SECOND, timecol => ts) AS b",
    ] {
        let (Statement::Query(read), Statement::Query(expected)) = (one(flink), &canonical) else {
            panic!()
        };
        assert_eq!(
            read.to_string(),
            expected
                .to_string()
                .replace("AS b", if flink.ends_with(" AS b") { "AS b" } else { "b" }),
            "{flink}"
        );
    }
    one("SELECT * FROM HOP(bid, ts, INTERVAL '2 s', INTERVAL '10 s')");
}

#[test]
fn aliases_do_not_swallow_clauses() {
    let Statement::CreateMaterializedView(view) =
        one("create materialized view if not exists v (x) as select a from t emit on update")
    else {
        panic!()
    };
    assert!(view.if_not_exists);
    assert_eq!(view.columns, ["x"]);
    assert_eq!(view.query.to_string(), "SELECT a FROM t");
    one("create materialized view v as select a from t emit changes");
    one("select * from a join emit on a.x = emit.x");
    one("select late from t late");
}

#[test]
fn writes_are_read() {
    let text = "insert into s.t as x (a, b) values (1, default) on conflict (a) do update set b = excluded.b where x.b > 1 returning *, a + 1 as c";
    let Statement::Insert(insert) = one(text) else { panic!() };
    assert_eq!(insert.alias.as_deref(), Some("x"));
    assert_eq!(insert.columns, [("a".to_owned(), 23), ("b".to_owned(), 26)]);
    assert_eq!(insert.returning.unwrap().len(), 2);
    let conflict = insert.on_conflict.unwrap();
    assert_eq!(conflict.columns.len(), 1);
    assert!(matches!(conflict.action, ConflictAction::Update { filter: Some(_), .. }));

    let Statement::Insert(insert) = one("insert into t default values on conflict do nothing")
    else {
        panic!()
    };
    assert!(insert.source.is_none() && insert.on_conflict.is_some());
    let Statement::Insert(insert) = one("with w as (select 1) insert into t (select * from w)")
    else {
        panic!()
    };
    assert_eq!(insert.source.unwrap().to_string(), "WITH w AS (SELECT 1) (SELECT * FROM w)");

    let Statement::Update(update) =
        one("update t x set a = 1, (b, c) = (2, default) from u where x.a = u.a returning 1")
    else {
        panic!()
    };
    assert_eq!(update.alias.as_deref(), Some("x"));
    assert_eq!(update.assignments.len(), 3);
    assert_eq!((update.assignments[2].column.as_str(), update.from.len()), ("c", 1));
    let Statement::Delete(delete) = one("delete from only t using u where t.a = u.a") else {
        panic!()
    };
    assert_eq!((delete.alias, delete.using.len()), (None, 1));
    let Statement::Truncate { tables, .. } = one("truncate table a, s.b") else { panic!() };
    assert_eq!(tables.len(), 2);

    let Statement::Copy(copy) =
        one("copy t (a, b) from stdin with (format csv, header, null 'NULL', delimiter ';')")
    else {
        panic!()
    };
    assert!(copy.inward && copy.options.header);
    assert_eq!((copy.options.format, copy.options.delimiter), (CopyFormat::Csv, b';'));
    let Statement::Copy(copy) = one("COPY (SELECT 1) TO STDOUT CSV HEADER QUOTE AS '!'") else {
        panic!()
    };
    assert!(matches!(copy.target, CopyTarget::Query(_)));
    assert_eq!((copy.options.quote, copy.options.escape), (b'!', b'!'));
    let Statement::Copy(copy) = one("copy t to stdout") else { panic!() };
    assert_eq!((copy.options.delimiter, copy.options.null.as_str()), (b'\t', "\\N"));
}

#[expect(clippy::too_many_lines, reason = "a table of statements")]
#[test]
fn the_rest_is_read() {
    let Statement::Drop(drop) = one("drop materialized view if exists a, s.b cascade") else {
        panic!()
    };
    assert!(drop.if_exists && drop.cascade && drop.names.len() == 2);
    assert_eq!(drop.kind, ObjectKind::MaterializedView);
    let Statement::Alter(alter) = one("alter table t rename a to b") else { panic!() };
    assert!(matches!(alter.action, AlterAction::RenameColumn { .. }));
    let Statement::Begin(modes, true) =
        one("start transaction isolation level serializable, read only")
    else {
        panic!()
    };
    assert_eq!((modes.isolation, modes.read_only), (Some("serializable"), Some(true)));
    let Statement::Set { name, values, local } = one("set local time zone 'Europe/Berlin'") else {
        panic!()
    };
    assert_eq!(
        (name.as_str(), local, values),
        ("timezone", true, Some(vec!["Europe/Berlin".to_owned()]))
    );
    let Statement::Set { values, .. } = one("set search_path to a, \"B\", 'c'") else { panic!() };
    assert_eq!(values.unwrap(), ["a", "B", "c"]);
    let Statement::WaitFor { timeout_us, .. } = one("wait for v timeout interval '1.5 s'") else {
        panic!()
    };
    assert_eq!(timeout_us, Some(1_500_000));
    let Statement::Prepare { types, statement, .. } = one("prepare p (int, text) as select $1, $2")
    else {
        panic!()
    };
    assert_eq!(types, [SqlType::Int4, SqlType::Text]);
    assert_eq!((statement.text.as_str(), statement.position), ("select $1, $2", 26));
    let Statement::Fetch(fetch) = one("fetch backward 5 from c") else { panic!() };
    assert_eq!(fetch.direction, FetchDirection::Relative(-5));
    let Statement::Explain(explain) =
        one("explain (analyze, verbose off) create materialized view v as select 1")
    else {
        panic!()
    };
    assert!(explain.analyze && !explain.verbose);
    for text in [
        "begin",
        "begin work",
        "commit and chain",
        "end",
        "abort",
        "rollback to savepoint a",
        "savepoint a",
        "release a",
        "set transaction read write",
        "set session characteristics as transaction isolation level read committed",
        "show all",
        "show tables",
        "show materialized views from s like 'a%'",
        "show columns from t",
        "show create table t",
        "show create materialized view s.v",
        "describe t",
        "show transaction isolation level",
        "explain select 1",
        "explain analyze select 1",
        "flush",
        "execute p (1, 'x')",
        "execute p",
        "deallocate all",
        "deallocate prepare p",
        "declare c cursor with hold for select 1",
        "declare c no scroll cursor for values (1)",
        "fetch c",
        "fetch next from c",
        "fetch all in c",
        "move forward all from c",
        "close c",
        "close all",
        "discard all",
        "unlisten *",
        "listen a",
        "notify a, 'b'",
        "reset all",
        "reset x.y",
        "set x.y = 'z'",
        "set names 'utf8'",
        "create schema if not exists s",
        "drop schema s restrict",
        "alter materialized view v rename to w",
        "alter table t set schema s",
        "table t",
        "values (1, 2), (3, 4)",
        "(select 1) union (select 2) order by 1",
        "create or replace view v as select 1",
        "explain (select 1)",
        "select $1::int[] @> array[1]",
        "select a from t where b = any($1)",
        "select interval '1 day' - '1 hour'::interval",
        "select x::struct<a int>",
        "select date '2020-01-01', timestamptz 'now'",
        "select extract(epoch from ts) from t",
    ] {
        one(text);
    }
}

#[test]
fn the_example_is_read() {
    let statements = parse(include_str!("../../../examples/flights.sql")).unwrap();
    assert!(statements.len() > 10);
}
