//! Goal: what real drivers do beyond plain statements. Method: tokio-postgres, and single messages over
//! a raw socket where a driver would hide what was answered. Expected answers are PostgreSQL 15's.

use std::error::Error as StdError;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use futures::{TryStreamExt, pin_mut};
use millstream::server::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::binary_copy::{BinaryCopyInWriter, BinaryCopyOutStream};
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::pgwire::{fails, simple, start, state};

/// A numeric as it goes over the wire: one group of digits before the point, one after it.
#[derive(Debug)]
struct Numeric(i16, i16, i16);

impl ToSql for Numeric {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        for word in [2, 0, 0, self.2, self.0, self.1] {
            out.put_i16(word);
        }
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::NUMERIC
    }

    to_sql_checked!();
}

#[tokio::test]
async fn copy_moves_binary_rows_both_ways() {
    let server = start(ServerConfig::default()).await;
    let client = server.client().await;
    client.batch_execute("CREATE TABLE t (id int PRIMARY KEY, s text, d date)").await.unwrap();
    let types = [Type::INT4, Type::TEXT];
    let sink = client.copy_in("COPY t (id, s) FROM STDIN (FORMAT binary)").await.unwrap();
    let writer = BinaryCopyInWriter::new(sink, &types);
    pin_mut!(writer);
    for id in 1..=3_i32 {
        writer.as_mut().write(&[&id, &(id != 2).then(|| format!("é{id}"))]).await.unwrap();
    }
    assert_eq!(writer.finish().await.unwrap(), 3);
    let data =
        client.copy_out("COPY (SELECT * FROM t ORDER BY id) TO STDOUT BINARY").await.unwrap();
    let types = [Type::INT4, Type::TEXT, Type::DATE];
    let rows = BinaryCopyOutStream::new(data, &types).try_collect::<Vec<_>>().await.unwrap();
    let texts: Vec<Option<&str>> = rows.iter().map(|row| row.get(1)).collect();
    assert_eq!(texts, [Some("é1"), None, Some("é3")]);
    assert_eq!(rows[2].get::<i32>(0), 3);
    // Text comes row by row: drivers take each message for a row.
    let data = client.copy_out("COPY t TO STDOUT (FORMAT csv, HEADER)").await.unwrap();
    assert_eq!(data.try_collect::<Vec<_>>().await.unwrap().len(), 4);
    server.stop().await;
}

#[tokio::test]
async fn parameters_keep_their_types_and_digits() {
    let server = start(ServerConfig::default()).await;
    let client = server.client().await;
    client
        .batch_execute("CREATE TABLE t (id int, n numeric(10,2), j json, v varchar(5))")
        .await
        .unwrap();
    client.batch_execute("INSERT INTO t VALUES (1, 10.50)").await.unwrap();
    let json = client.prepare_typed("SELECT $1", &[Type::JSONB]).await.unwrap();
    assert_eq!(json.columns()[0].type_(), &Type::JSONB);
    let insert = client.prepare("INSERT INTO t (j, v) VALUES ($1, $2)").await.unwrap();
    assert_eq!(insert.params()[0], Type::JSON);
    // 10.501 is no 10.50, whatever the column's scale.
    let equal = "SELECT count(*) FROM t WHERE n = $1";
    for (value, found) in [(Numeric(10, 5000, 2), 1_i64), (Numeric(10, 5010, 3), 0)] {
        assert_eq!(client.query_one(equal, &[&value]).await.unwrap().get::<_, i64>(0), found);
    }
    let cursor =
        client.prepare("DECLARE c CURSOR FOR SELECT * FROM t WHERE id > $1").await.unwrap();
    assert_eq!(cursor.params(), [Type::INT4]);
    server.stop().await;
}

#[tokio::test]
async fn columns_and_errors_say_what_they_are_about() {
    let server = start(ServerConfig::default()).await;
    let client = server.client().await;
    client
        .batch_execute("CREATE TABLE t (a int, id int PRIMARY KEY CHECK (id < 9))")
        .await
        .unwrap();
    let query = "SELECT x.id AS k, a + 1 FROM (SELECT * FROM t) x ORDER BY 1";
    let query = client.prepare(query).await.unwrap();
    let oid = simple(&client, "SELECT 't'::regclass::oid").await[0].clone();
    assert_eq!(query.columns()[0].table_oid().map(|oid| oid.to_string()), Some(oid));
    assert_eq!(query.columns()[0].column_id(), Some(2));
    assert_eq!(query.columns()[1].table_oid(), None);
    client.batch_execute("INSERT INTO t VALUES (1, 1)").await.unwrap();
    let about = async |sql| {
        let error = client.batch_execute(sql).await.unwrap_err();
        let error = error.as_db_error().unwrap();
        [error.schema(), error.table(), error.column(), error.constraint()]
            .map(|part| part.unwrap_or("-").to_owned())
            .join(" ")
    };
    assert_eq!(about("INSERT INTO t VALUES (1, 1)").await, "public t - t_pkey");
    assert_eq!(about("INSERT INTO t VALUES (1, NULL)").await, "public t id -");
    assert_eq!(about("INSERT INTO t VALUES (1, 10)").await, "public t - t_id_check");
    server.stop().await;
}

#[tokio::test]
async fn prepared_statements_have_one_list() {
    let server = start(ServerConfig::default()).await;
    let client = server.client().await;
    client.batch_execute("PREPARE p (int) AS SELECT $1").await.unwrap();
    let made = client.prepare("SELECT $1::varchar").await.unwrap();
    let list =
        "SELECT name = 'p', parameter_types, from_sql FROM pg_prepared_statements ORDER BY 3";
    let expected = ["f|{\"character varying\"}|f", "t|{integer}|t", "=2"];
    assert_eq!(simple(&client, list).await, expected);
    let name = "SELECT name FROM pg_prepared_statements WHERE NOT from_sql";
    let name = simple(&client, name).await[0].clone();
    assert_eq!(simple(&client, &format!("EXECUTE {name}('x')")).await, ["x", "=1"]);
    client.batch_execute("DISCARD ALL").await.unwrap();
    assert_eq!(state(&client.query(&made, &[&"x"]).await.unwrap_err()), "26000");
    server.stop().await;
}

#[tokio::test]
async fn advisory_locks_are_waited_for() {
    let server = start(ServerConfig::default()).await;
    let (one, two) = (server.client().await, server.client().await);
    one.batch_execute("SELECT pg_advisory_lock(7)").await.unwrap();
    assert_eq!(simple(&two, "SELECT pg_try_advisory_lock(7)").await, ["f", "=1"]);
    two.batch_execute("SET statement_timeout = '50ms'").await.unwrap();
    assert_eq!(fails(&two, "SELECT pg_advisory_lock(7)").await, "57014");
    assert_eq!(fails(&two, "SELECT pg_sleep(60)").await, "57014");
    two.batch_execute("SET statement_timeout = 0").await.unwrap();
    let waits = two.batch_execute("SELECT pg_advisory_xact_lock(7)");
    pin_mut!(waits);
    let early = tokio::time::timeout(Duration::from_millis(50), &mut waits).await;
    assert!(early.is_err(), "the lock is held by another session");
    one.batch_execute("SELECT pg_advisory_unlock_all()").await.unwrap();
    waits.await.unwrap();
    // The transaction was the statement.
    assert_eq!(simple(&one, "SELECT pg_try_advisory_lock(7)").await, ["t", "=1"]);
    server.stop().await;
}

/// A session in which single messages are sent.
struct Raw(TcpStream);

impl Raw {
    async fn connect(port: u16) -> Raw {
        let mut raw = Raw(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
        let mut startup = BytesMut::new();
        startup.put_i32(8 + 17);
        startup.put_i32(196_608);
        startup.put_slice(b"user\0millstream\0\0");
        raw.0.write_all(&startup).await.unwrap();
        raw.answers().await;
        raw
    }

    /// Sends a message.
    async fn send(&mut self, kind: u8, body: &[u8]) {
        let mut message = BytesMut::new();
        message.put_u8(kind);
        message.put_i32(i32::try_from(body.len()).unwrap() + 4);
        message.put_slice(body);
        self.0.write_all(&message).await.unwrap();
    }

    /// The kinds of all messages up to ReadyForQuery.
    async fn answers(&mut self) -> String {
        let mut kinds = String::new();
        while !kinds.ends_with('Z') {
            let kind = self.0.read_u8().await.unwrap();
            let size = usize::try_from(self.0.read_i32().await.unwrap()).unwrap() - 4;
            self.0.read_exact(&mut vec![0; size]).await.unwrap();
            kinds.push(char::from(kind));
        }
        kinds
    }
}

#[tokio::test]
async fn a_cursor_can_be_described_like_a_portal() {
    let server = start(ServerConfig::default()).await;
    let mut raw = Raw::connect(server.port).await;
    raw.send(b'Q', b"BEGIN; DECLARE c CURSOR FOR SELECT 1 AS a\0").await;
    assert_eq!(raw.answers().await, "CCZ");
    raw.send(b'D', b"Pc\0").await;
    raw.send(b'S', b"").await;
    assert_eq!(raw.answers().await, "TZ");
    raw.send(b'C', b"Pc\0").await;
    raw.send(b'D', b"Pc\0").await;
    raw.send(b'S', b"").await;
    assert_eq!(raw.answers().await, "3EZ");
    server.stop().await;
}

/// asyncpg sends Flush where others send Sync.
#[tokio::test]
async fn an_error_does_not_wait_for_sync() {
    let server = start(ServerConfig::default()).await;
    let mut raw = Raw::connect(server.port).await;
    raw.send(b'P', b"\0SELECT nothing\0\0\0").await;
    raw.send(b'H', b"").await;
    let kind = tokio::time::timeout(Duration::from_secs(30), raw.0.read_u8()).await;
    assert_eq!(kind.unwrap().unwrap(), b'E');
    server.stop().await;
}

#[tokio::test]
async fn a_portal_can_be_moved_in() {
    let server = start(ServerConfig::default()).await;
    let mut raw = Raw::connect(server.port).await;
    raw.send(b'Q', b"BEGIN\0").await;
    assert_eq!(raw.answers().await, "CZ");
    raw.send(b'P', b"\0SELECT * FROM generate_series(1, 5)\0\0\0").await;
    raw.send(b'B', b"c\0\0\0\0\0\0\0\0").await;
    raw.send(b'S', b"").await;
    assert_eq!(raw.answers().await, "12Z");
    raw.send(b'Q', b"MOVE FORWARD 3 \"c\"\0").await;
    assert_eq!(raw.answers().await, "CZ");
    raw.send(b'E', b"c\0\0\0\0\0").await;
    raw.send(b'S', b"").await;
    assert_eq!(raw.answers().await, "DDCZ");
    server.stop().await;
}

#[tokio::test]
async fn parameters_take_the_types_around_them() {
    let server = start(ServerConfig::default()).await;
    let client = server.client().await;
    client.batch_execute("CREATE TABLE t (id int PRIMARY KEY, s text)").await.unwrap();
    let expected = [
        ("SELECT id FROM t WHERE id = ANY ($1)", Type::INT4_ARRAY),
        ("SELECT id FROM t WHERE s <> ALL ($1)", Type::TEXT_ARRAY),
        ("SELECT * FROM generate_series(1, $1)", Type::INT4),
        ("SELECT CASE WHEN $1 THEN 1 ELSE 2 END", Type::BOOL),
    ];
    for (query, kind) in expected {
        let statement = client.prepare(query).await.unwrap();
        assert_eq!(statement.params(), [kind], "{query}");
    }
    let rows = client.query("SELECT * FROM generate_series(1, $1)", &[&3_i32]).await.unwrap();
    assert_eq!(rows.len(), 3);
    server.stop().await;
}

#[tokio::test]
async fn harmless_settings_of_pools_are_taken() {
    let server = start(ServerConfig::default()).await;
    let client = server.client().await;
    // asyncpg sends the quotes, too.
    client.batch_execute("SET client_encoding = '''utf-8'''").await.unwrap();
    client.batch_execute("SET ROLE NONE; RESET ROLE").await.unwrap();
    client.batch_execute("SET SESSION AUTHORIZATION DEFAULT").await.unwrap();
    client
        .batch_execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        .await
        .unwrap();
    let isolation = simple(&client, "SHOW transaction_isolation").await;
    assert_eq!(isolation, ["serializable", "=0"]);
    server.stop().await;
}

#[tokio::test]
async fn notifications_come_with_the_commit() {
    let server = start(ServerConfig::default()).await;
    let mut raw = Raw::connect(server.port).await;
    raw.send(b'Q', b"LISTEN a\0").await;
    assert_eq!(raw.answers().await, "CZ");
    let other = server.client().await;
    other.batch_execute("BEGIN; NOTIFY a, 'no'; ROLLBACK").await.unwrap();
    other.batch_execute("BEGIN; NOTIFY a, 'x'; NOTIFY a, 'x'; NOTIFY b; COMMIT").await.unwrap();
    // An idle client is told at once.
    assert_eq!(raw.0.read_u8().await.unwrap(), b'A');
    assert_eq!(raw.0.read_i32().await.unwrap(), 4 + 4 + 4);
    raw.0.read_exact(&mut [0; 8]).await.unwrap();
    other.batch_execute("SELECT pg_notify('a', 'y')").await.unwrap();
    raw.send(b'Q', b"NOTIFY a; UNLISTEN *\0").await;
    let answers = raw.answers().await;
    assert_eq!(answers.matches('A').count(), 2, "{answers}");
    server.stop().await;
}

#[tokio::test]
async fn text_that_is_none_is_refused() {
    let server = start(ServerConfig::default()).await;
    let mut raw = Raw::connect(server.port).await;
    for query in [&b"SELECT '\xff'\0"[..], b"SELECT 1"] {
        raw.send(b'Q', query).await;
        assert_eq!(raw.answers().await, "EZ");
    }
    let wrong: [(u8, &[u8]); 4] =
        [(b'P', b"\0SELECT 1"), (b'B', b"\0\0\0\x05"), (b'D', b"X\0"), (b'E', b"\0\0")];
    for (kind, body) in wrong {
        raw.send(kind, body).await;
        raw.send(b'S', b"").await;
        assert_eq!(raw.answers().await, "EZ");
    }
    let client = server.client().await;
    let error = client.query("SELECT $1::text", &[&"a\0b"]).await.unwrap_err();
    assert_eq!(state(&error), "22021");
    server.stop().await;
}
