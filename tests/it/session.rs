//! Sessions as a program sees them: statements against an engine in memory, with the answers that
//! PostgreSQL gives. Every test is a list of statements and what they answer.

use bytes::Bytes;
use futures::TryStreamExt;
use millstream::config::Config;
use millstream::engine::{Engine, Response, Session, SessionOptions};
use millstream::error::Error;

async fn engine() -> Engine {
    let config = Config { deterministic: true, workers: 1, ..Config::default() };
    Engine::open(config).await.expect("an engine in memory opens")
}

fn session(engine: &Engine) -> Session {
    engine.session(SessionOptions::default()).expect("the defaults are valid")
}

/// The answers of a message: rows as `a|b`, else the tag; an error as its SQLSTATE and message.
async fn answer(session: &mut Session, sql: &str) -> Vec<String> {
    match session.execute(sql).await {
        Err(error) => vec![shown(&error)],
        Ok(responses) => {
            let mut lines = vec![];
            for response in responses {
                lines.extend(lines_of(response).await);
            }
            lines
        }
    }
}

fn shown(error: &Error) -> String {
    format!("{}: {error}", error.state().code())
}

async fn lines_of(response: Response) -> Vec<String> {
    if let Response::CopyOut { data, .. } = response {
        let chunks: Vec<_> = data.try_collect().await.expect("COPY TO works");
        let bytes: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.data.to_vec()).collect();
        return String::from_utf8(bytes).expect("text").lines().map(str::to_owned).collect();
    }
    let rows = matches!(response, Response::Rows { .. });
    match response.finish().await {
        Err(error) => vec![shown(&error)],
        Ok((tag, _)) if !rows => vec![tag],
        Ok((_, batches)) => {
            let options = arrow::util::display::FormatOptions::default().with_null("NULL");
            let mut lines = vec![];
            for batch in batches {
                let columns: Vec<_> = batch
                    .columns()
                    .iter()
                    .map(|column| {
                        arrow::util::display::ArrayFormatter::try_new(column, &options)
                            .expect("every type can be shown")
                    })
                    .collect();
                for row in 0..batch.num_rows() {
                    let cells: Vec<_> =
                        columns.iter().map(|column| column.value(row).to_string()).collect();
                    lines.push(cells.join("|"));
                }
            }
            lines
        }
    }
}

async fn check(session: &mut Session, steps: &[(&str, &[&str])]) {
    for (sql, expected) in steps {
        let lines = answer(session, sql).await;
        assert_eq!(lines, *expected, "{sql}");
    }
}

#[tokio::test]
async fn a_view_shows_every_acknowledged_write() {
    let engine = engine().await;
    check(
        &mut session(&engine),
        &[
            ("CREATE TABLE t (a int PRIMARY KEY, b text)", &["CREATE TABLE"]),
            ("INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'x')", &["INSERT 0 3"]),
            (
                "CREATE MATERIALIZED VIEW v AS SELECT b, count(*) AS n FROM t GROUP BY b",
                &["CREATE MATERIALIZED VIEW"],
            ),
            ("SELECT * FROM v ORDER BY b", &["x|2", "y|1"]),
            ("UPDATE t SET b = 'y' WHERE a = 1", &["UPDATE 1"]),
            ("SELECT * FROM v ORDER BY b", &["x|1", "y|2"]),
            ("DELETE FROM t WHERE a = 1 RETURNING b", &["y"]),
            ("DELETE FROM t WHERE b = 'y'", &["DELETE 1"]),
            ("SELECT * FROM v", &["x|1"]),
            ("TRUNCATE t", &["TRUNCATE TABLE"]),
            ("SELECT * FROM v", &[]),
        ],
    )
    .await;
}

#[tokio::test]
async fn inserts_are_completed_checked_and_refused_as_in_postgres() {
    let engine = engine().await;
    check(
        &mut session(&engine),
        &[
            (
                "CREATE TABLE t (a int PRIMARY KEY, b varchar(3) NOT NULL DEFAULT 'dd',
                 c int GENERATED ALWAYS AS (a * 2) STORED, CHECK (a < 100))",
                &["CREATE TABLE"],
            ),
            ("INSERT INTO t (a) VALUES (1) RETURNING *", &["1|dd|2"]),
            ("INSERT INTO t VALUES (2, DEFAULT), (3, 'abc')", &["INSERT 0 2"]),
            (
                "INSERT INTO t VALUES (1)",
                &["23505: duplicate key value violates unique constraint \"t_pkey\""],
            ),
            (
                "INSERT INTO t (a, b) VALUES (5, NULL)",
                &["23502: null value in column \"b\" of relation \"t\" violates not-null constraint"],
            ),
            (
                "INSERT INTO t (a) VALUES (100)",
                &["23514: new row for relation \"t\" violates check constraint \"t_a_check\""],
            ),
            (
                "INSERT INTO t (a, b) VALUES (6, 'abcd')",
                &["22001: value too long for type character varying(3)"],
            ),
            (
                "INSERT INTO t (a, c) VALUES (6, 7)",
                &["428C9: cannot insert a non-DEFAULT value into column \"c\""],
            ),
            ("INSERT INTO t (a, z) VALUES (6, 7)", &["42703: column \"z\" of relation \"t\" does not exist"]),
            (
                "INSERT INTO t VALUES (1, 'n') ON CONFLICT (a) DO UPDATE SET b = excluded.b || '!' RETURNING a, b",
                &["1|n!"],
            ),
            ("INSERT INTO t VALUES (1, 'n') ON CONFLICT DO NOTHING", &["INSERT 0 0"]),
            (
                "INSERT INTO t VALUES (1, 'n') ON CONFLICT (b) DO NOTHING",
                &["42P10: there is no unique or exclusion constraint matching the ON CONFLICT specification"],
            ),
            ("SELECT * FROM t ORDER BY a", &["1|n!|2", "2|dd|4", "3|abc|6"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_block_is_one_epoch_and_all_or_nothing() {
    let engine = engine().await;
    let mut one = session(&engine);
    let mut two = session(&engine);
    check(
        &mut one,
        &[
            ("CREATE TABLE t (a int PRIMARY KEY, n int)", &["CREATE TABLE"]),
            ("INSERT INTO t VALUES (1, 0), (2, 0)", &["INSERT 0 2"]),
            ("BEGIN ISOLATION LEVEL REPEATABLE READ", &["BEGIN"]),
            ("SELECT count(*) FROM t", &["2"]),
        ],
    )
    .await;
    check(&mut two, &[("INSERT INTO t VALUES (3, 0)", &["INSERT 0 1"])]).await;
    check(
        &mut one,
        &[
            ("SELECT count(*) FROM t", &["2"]),
            ("UPDATE t SET n = 1 WHERE a = 1", &["UPDATE 1"]),
            ("SAVEPOINT s", &["SAVEPOINT"]),
            ("DELETE FROM t", &["DELETE 2"]),
            ("SELECT count(*) FROM t", &["0"]),
            ("ROLLBACK TO s", &["ROLLBACK"]),
            ("SELECT * FROM t ORDER BY a", &["1|1", "2|0"]),
        ],
    )
    .await;
    check(&mut two, &[("SELECT n FROM t WHERE a = 1", &["0"])]).await;
    check(&mut one, &[("COMMIT", &["COMMIT"]), ("SELECT sum(n), count(*) FROM t", &["1|3"])]).await;
    check(
        &mut one,
        &[
            ("BEGIN", &["BEGIN"]),
            ("SELECT 1/0", &["22012: division by zero"]),
            (
                "SELECT 1",
                &["25P02: current transaction is aborted, commands ignored until end of transaction block"],
            ),
            ("COMMIT", &["ROLLBACK"]),
            ("INSERT INTO t VALUES (9, 9); SELECT 1/0", &["22012: division by zero"]),
            ("SELECT count(*) FROM t WHERE a = 9", &["0"]),
        ],
    )
    .await;
}

#[tokio::test]
async fn concurrent_updates_are_neither_lost_nor_doubled() {
    let engine = engine().await;
    engine.execute("CREATE TABLE t (a int PRIMARY KEY, n int)").await.expect("creates");
    engine.execute("INSERT INTO t VALUES (1, 0)").await.expect("inserts");
    let add = |engine: Engine| async move {
        for _ in 0..10 {
            engine.execute("UPDATE t SET n = n + 1 WHERE a = 1").await.expect("updates");
        }
    };
    tokio::join!(add(engine.clone()), add(engine.clone()), add(engine.clone()));
    check(&mut session(&engine), &[("SELECT n FROM t", &["30"])]).await;
    let (mut one, mut two) = (session(&engine), session(&engine));
    for session in [&mut one, &mut two] {
        check(session, &[("BEGIN", &["BEGIN"]), ("UPDATE t SET n = n + 1", &["UPDATE 1"])]).await;
    }
    check(&mut one, &[("COMMIT", &["COMMIT"])]).await;
    let conflict = answer(&mut two, "COMMIT").await;
    assert!(conflict[0].starts_with("40001"), "{conflict:?}");
    check(&mut two, &[("SELECT n FROM t", &["31"])]).await;
}

#[tokio::test]
async fn copy_goes_in_and_out() {
    let engine = engine().await;
    let mut session = session(&engine);
    check(&mut session, &[("CREATE TABLE t (a int, b text)", &["CREATE TABLE"])]).await;
    let begun = session.execute("COPY t FROM STDIN").await.expect("begins");
    assert!(matches!(begun[..], [Response::CopyIn { columns: 2, .. }]));
    session.copy_data(&Bytes::from_static(b"1\tx\n2\t\\")).expect("takes");
    session.copy_data(&Bytes::from_static(b"N\n")).expect("takes");
    let tag = session.copy_finish().await.expect("writes").finish().await.expect("ends").0;
    assert_eq!(tag, "COPY 2");
    check(&mut session, &[("COPY t TO STDOUT WITH (FORMAT csv, HEADER)", &["a,b", "1,x", "2,"])])
        .await;
    session.execute("COPY t FROM STDIN").await.expect("begins");
    session.copy_data(&Bytes::from_static(b"3\tx\nthree\ty\n")).expect("takes");
    let Err(error) = session.copy_finish().await else { panic!("bad data were taken") };
    assert_eq!(shown(&error), "22P02: invalid input syntax for type integer: \"three\"");
    assert_eq!(error.context_text(), Some("COPY t, line 2, column a: \"three\""));
    check(&mut session, &[("SELECT count(*) FROM t", &["2"])]).await;
}

#[tokio::test]
async fn parameters_and_cursors() {
    let engine = engine().await;
    let mut session = session(&engine);
    check(
        &mut session,
        &[
            ("CREATE TABLE t (a int, b text)", &["CREATE TABLE"]),
            (
                "INSERT INTO t SELECT i, 'r' || i FROM generate_series(1, 5) AS g(i)",
                &["INSERT 0 5"],
            ),
            ("PREPARE p AS SELECT b FROM t WHERE a = $1", &["PREPARE"]),
            ("EXECUTE p(3)", &["r3"]),
            ("DEALLOCATE p", &["DEALLOCATE"]),
            ("BEGIN", &["BEGIN"]),
            ("DECLARE c CURSOR FOR SELECT a FROM t ORDER BY a", &["DECLARE CURSOR"]),
            ("FETCH 2 FROM c", &["1", "2"]),
            ("MOVE 1 FROM c", &["MOVE 1"]),
            ("FETCH ALL FROM c", &["4", "5"]),
            ("COMMIT", &["COMMIT"]),
            ("FETCH c", &["34000: cursor \"c\" does not exist"]),
        ],
    )
    .await;
    let parsed =
        session.parse("INSERT INTO t VALUES ($1, $2) RETURNING a").expect("parses").remove(0);
    let prepared = session.prepare(parsed, &[]).await.expect("prepares");
    let types: Vec<_> = prepared.params.iter().map(|param| param.data_type().to_string()).collect();
    assert_eq!(types, ["Int32", "Utf8"]);
    assert_eq!(prepared.schema.as_ref().expect("returns rows").fields().len(), 1);
}
