//! Goal: what drivers rely on works over a real socket. Method: tokio-postgres, which uses the
//! extended protocol and binary values, and the simple protocol's texts beside it, against a server
//! on a port of the system's choice. Expected texts were printed by PostgreSQL 15.

use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, StreamExt, TryStreamExt, pin_mut};
use millstream::config::Config;
use millstream::engine::Engine;
use millstream::server::{Server, ServerConfig};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, NoTls, SimpleQueryMessage};

pub struct TestServer {
    pub port: u16,
    stop: oneshot::Sender<()>,
    running: JoinHandle<millstream::error::Result<()>>,
}

pub async fn start(config: ServerConfig) -> TestServer {
    let engine = Engine::open(Config { workers: 1, ..Config::default() }).await.unwrap();
    let listen = "127.0.0.1:0".parse().unwrap();
    let config = ServerConfig { listen, http: None, ..config };
    let server = Server::bind(engine, &config).await.unwrap();
    let port = server.address().unwrap().port();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async move {
        let _stopped = stopped.await;
    }));
    TestServer { port, stop, running }
}

impl TestServer {
    async fn connect(&self, options: &str) -> Result<Client, Error> {
        let address = format!("host=127.0.0.1 port={} {options}", self.port);
        let (client, connection) = tokio_postgres::connect(&address, NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    pub async fn client(&self) -> Client {
        self.connect("user=millstream").await.unwrap()
    }

    pub async fn stop(self) {
        self.stop.send(()).unwrap();
        self.running.await.unwrap().unwrap();
    }
}

/// The rows of a message in the simple protocol: cells separated by `|`, and the command tags' counts.
pub async fn simple(client: &Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).await.unwrap();
    let line = |message| match message {
        SimpleQueryMessage::Row(row) => {
            let cells = (0..row.len()).map(|index| row.get(index).unwrap_or("∅"));
            Some(cells.collect::<Vec<_>>().join("|"))
        }
        SimpleQueryMessage::CommandComplete(count) => Some(format!("={count}")),
        _ => None,
    };
    messages.into_iter().filter_map(line).collect()
}

pub fn state(error: &Error) -> String {
    error.code().map_or_else(|| error.to_string(), |code| code.code().to_owned())
}

pub async fn fails(client: &Client, sql: &str) -> String {
    state(&client.batch_execute(sql).await.unwrap_err())
}

#[tokio::test]
async fn texts_are_postgres() {
    let server = start(ServerConfig::default()).await;
    let client = server.client().await;
    let cases = [
        ("SELECT true, false, NULL::int", "t|f|∅"),
        ("SELECT 1::int2, 2::int4, 3::int8", "1|2|3"),
        ("SELECT 1e15::float8, 0.1::float4, 'Infinity'::float8", "1e+15|0.1|Infinity"),
        ("SELECT 1.50::numeric(10,2)", "1.50"),
        ("SELECT '2024-03-01 12:00:00.5'::timestamp", "2024-03-01 12:00:00.5"),
        ("SELECT '2024-03-01'::date, '12:00:00'::time", "2024-03-01|12:00:00"),
        ("SELECT '2024-03-01 12:00:00+02'::timestamptz", "2024-03-01 10:00:00+00"),
        ("SELECT '1 day 02:03:04'::interval", "1 day 02:03:04"),
        ("SELECT ARRAY[1,2,NULL]", "{1,2,NULL}"),
    ];
    for (sql, expected) in cases {
        assert_eq!(simple(&client, sql).await, [expected, "=1"], "{sql}");
    }
    client.batch_execute("SET TimeZone = 'Asia/Kolkata'").await.unwrap();
    let shown = simple(&client, "SELECT '2024-03-01 12:00:00+00'::timestamptz").await;
    assert_eq!(shown, ["2024-03-01 17:30:00+05:30", "=1"]);
    server.stop().await;
}

#[tokio::test]
async fn values_travel_in_binary_both_ways() {
    let server = start(ServerConfig::default()).await;
    let client = server.client().await;
    client
        .batch_execute(
            "CREATE TABLE v (b bool, s int2, i int4, l int8, r float4, d float8, t text, \
             x bytea, day date, at timestamp, tz timestamptz, a int4[])",
        )
        .await
        .unwrap();
    let day = chrono::NaiveDate::from_ymd_opt(1969, 7, 20).unwrap();
    let at = day.and_hms_micro_opt(20, 17, 40, 123_456).unwrap();
    let tz = at.and_utc();
    let list = vec![Some(1_i32), None, Some(-3)];
    let bytes: &[u8] = &[0, 255];
    let insert = "INSERT INTO v VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let inserted = client
        .execute(
            insert,
            &[
                &true, &-2_i16, &3_i32, &-4_i64, &0.5_f32, &-0.25_f64, &"é", &bytes, &day, &at,
                &tz, &list,
            ],
        )
        .await
        .unwrap();
    assert_eq!(inserted, 1);
    let row = client.query_one("SELECT * FROM v WHERE l = $1", &[&-4_i64]).await.unwrap();
    assert!(row.get::<_, bool>(0));
    assert_eq!(row.get::<_, i16>(1), -2);
    assert_eq!(row.get::<_, i32>(2), 3);
    assert_eq!(row.get::<_, i64>(3), -4);
    assert_eq!(row.get::<_, f32>(4), 0.5);
    assert_eq!(row.get::<_, f64>(5), -0.25);
    assert_eq!(row.get::<_, &str>(6), "é");
    assert_eq!(row.get::<_, &[u8]>(7), bytes);
    assert_eq!(row.get::<_, chrono::NaiveDate>(8), day);
    assert_eq!(row.get::<_, chrono::NaiveDateTime>(9), at);
    assert_eq!(row.get::<_, chrono::DateTime<chrono::Utc>>(10), tz);
    assert_eq!(row.get::<_, Vec<Option<i32>>>(11), list);
    server.stop().await;
}

#[tokio::test]
async fn a_view_follows_inserts_over_the_wire() {
    let server = start(ServerConfig::default()).await;
    let client = server.client().await;
    client.batch_execute("CREATE TABLE t (k text, n int4)").await.unwrap();
    client
        .batch_execute("CREATE MATERIALIZED VIEW s AS SELECT k, sum(n) AS n FROM t GROUP BY k")
        .await
        .unwrap();
    let other = server.client().await;
    for round in 1..=3_i64 {
        client.execute("INSERT INTO t VALUES ('a', 1), ('b', 2)", &[]).await.unwrap();
        let rows = other.query("SELECT k, n FROM s ORDER BY k", &[]).await.unwrap();
        let rows: Vec<(String, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert_eq!(rows, [("a".to_owned(), round), ("b".to_owned(), 2 * round)]);
    }
    server.stop().await;
}

#[tokio::test]
async fn errors_have_state_position_and_hint() {
    let server = start(ServerConfig::default()).await;
    let client = server.client().await;
    client.batch_execute("CREATE TABLE orders (id int4 PRIMARY KEY)").await.unwrap();
    for (sql, expected) in [
        ("SELEC 1", SqlState::SYNTAX_ERROR),
        ("SELECT nope FROM orders", SqlState::UNDEFINED_COLUMN),
        ("SELECT * FROM ordrs", SqlState::UNDEFINED_TABLE),
        ("CREATE TABLE orders (a int4)", SqlState::DUPLICATE_TABLE),
        ("SELECT 1/0", SqlState::DIVISION_BY_ZERO),
        ("SELECT 'x'::int4", SqlState::INVALID_TEXT_REPRESENTATION),
        ("INSERT INTO orders VALUES (1), (1)", SqlState::UNIQUE_VIOLATION),
        ("DEALLOCATE nope", SqlState::INVALID_SQL_STATEMENT_NAME),
    ] {
        assert_eq!(fails(&client, sql).await, expected.code(), "{sql}");
    }
    let error = client.simple_query("SELECT 1 FROM ordrs").await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.severity(), "ERROR");
    assert!(error.position().is_some(), "has a position");
    assert!(error.hint().is_some_and(|hint| hint.contains("orders")), "has a hint");
    server.stop().await;
}

#[tokio::test]
async fn a_failed_block_refuses_statements_and_a_message_is_one_transaction() {
    let server = start(ServerConfig::default()).await;
    let client = server.client().await;
    client.batch_execute("CREATE TABLE t (a int4)").await.unwrap();
    client.batch_execute("BEGIN").await.unwrap();
    client.batch_execute("INSERT INTO t VALUES (1)").await.unwrap();
    assert_eq!(fails(&client, "SELECT 1/0").await, "22012");
    assert_eq!(fails(&client, "SELECT 1").await, "25P02");
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(fails(&client, "INSERT INTO t VALUES (2); SELECT 1/0").await, "22012");
    assert_eq!(simple(&client, "SELECT count(*) FROM t").await, ["0", "=1"]);
    client.batch_execute("BEGIN; INSERT INTO t VALUES (3); COMMIT").await.unwrap();
    assert_eq!(simple(&client, "SELECT a FROM t; SELECT 2").await, ["3", "=1", "2", "=1"]);
    server.stop().await;
}

#[tokio::test]
async fn portals_stop_at_their_limit_and_go_on() {
    let server = start(ServerConfig::default()).await;
    let mut client = server.client().await;
    let block = client.transaction().await.unwrap();
    let sql = "SELECT * FROM generate_series(1, 5000) AS g(n)";
    let portal = block.bind(sql, &[]).await.unwrap();
    let mut seen = 0;
    loop {
        let rows = block.query_portal(&portal, 1500).await.unwrap();
        if rows.is_empty() {
            break;
        }
        seen += rows.len();
    }
    assert_eq!(seen, 5000);
    let portal = block.bind(sql, &[]).await.unwrap();
    assert_eq!(block.query_portal(&portal, i32::MAX).await.unwrap().len(), 5000);
    block.commit().await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_stops_a_running_query() {
    let server = start(ServerConfig::default()).await;
    let client = server.client().await;
    let token = client.cancel_token();
    let cancel = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        token.cancel_query(NoTls).await.unwrap();
    };
    let endless =
        "SELECT count(*) FROM generate_series(1, 10000000) a(x), generate_series(1, 10000000) b(y)";
    let (ended, ()) = tokio::join!(client.batch_execute(endless), cancel);
    assert_eq!(state(&ended.unwrap_err()), "57014");
    assert_eq!(simple(&client, "SELECT 1").await, ["1", "=1"]);
    server.stop().await;
}

#[tokio::test]
async fn copy_both_ways() {
    let server = start(ServerConfig::default()).await;
    let client = server.client().await;
    client.batch_execute("CREATE TABLE t (a int4, b text)").await.unwrap();
    let sink = client.copy_in::<_, Bytes>("COPY t FROM STDIN").await.unwrap();
    pin_mut!(sink);
    sink.send(Bytes::from_static(b"1\tone\n2\t")).await.unwrap();
    sink.send(Bytes::from_static(b"\\N\n")).await.unwrap();
    assert_eq!(sink.finish().await.unwrap(), 2);
    let rows = client.copy_out("COPY (SELECT * FROM t ORDER BY a) TO STDOUT").await.unwrap();
    let text: Vec<Bytes> = rows.try_collect().await.unwrap();
    assert_eq!(text.concat(), b"1\tone\n2\t\\N\n");
    let sink = client.copy_in::<_, Bytes>("COPY t FROM STDIN").await.unwrap();
    pin_mut!(sink);
    sink.send(Bytes::from_static(b"x\tone\n")).await.unwrap();
    assert_eq!(state(&sink.finish().await.unwrap_err()), "22P02");
    assert_eq!(simple(&client, "SELECT count(*) FROM t").await, ["2", "=1"]);
    server.stop().await;
}

#[tokio::test]
async fn only_the_right_ones_are_let_in() {
    let server = start(ServerConfig { connections_max: 1, ..ServerConfig::default() }).await;
    let refused = server.connect("user=ann").await.err().unwrap();
    assert_eq!(state(&refused), "3D000");
    let first = server.connect("user=ann dbname=millstream").await.unwrap();
    let refused = server.connect("user=bob dbname=millstream").await.err().unwrap();
    assert_eq!(state(&refused), "53300");
    drop(first);
    server.stop().await;

    let password = Some("sesame".to_owned());
    let server = start(ServerConfig { password, ..ServerConfig::default() }).await;
    server.connect("user=millstream password=sesame").await.unwrap();
    for wrong in ["user=millstream password=open", "user=ann dbname=millstream password=sesame"] {
        assert_eq!(state(&server.connect(wrong).await.err().unwrap()), "28P01", "{wrong}");
    }
    server.stop().await;

    let engine = Engine::open(Config { workers: 1, ..Config::default() }).await.unwrap();
    let listen = "0.0.0.0:0".parse().unwrap();
    let config = ServerConfig { listen, http: None, ..ServerConfig::default() };
    let refused = Server::bind(engine.clone(), &config).await.err().unwrap();
    assert_eq!(refused.state().code(), "28000");
    engine.shutdown().await.unwrap();
}

#[tokio::test]
async fn closing_tells_idle_sessions() {
    let server = start(ServerConfig::default()).await;
    let address = format!("host=127.0.0.1 port={} user=millstream", server.port);
    let (_client, mut connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
    let told = tokio::spawn(async move {
        futures::stream::poll_fn(move |cx| connection.poll_message(cx)).next().await
    });
    server.stop().await;
    let error = told.await.unwrap().unwrap().err().unwrap();
    assert_eq!(error.code(), Some(&SqlState::ADMIN_SHUTDOWN));
}

#[tokio::test]
async fn tools_find_the_catalog() {
    let server = start(ServerConfig::default()).await;
    let client = server.client().await;
    client.batch_execute("CREATE TABLE t (a int4 PRIMARY KEY, b text DEFAULT 'x')").await.unwrap();
    client.batch_execute("CREATE MATERIALIZED VIEW m AS SELECT b FROM t").await.unwrap();
    let kinds = "SELECT relname, relkind FROM pg_catalog.pg_class c \
                 JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname = 'public' ORDER BY 1";
    assert_eq!(simple(&client, kinds).await, ["m|m", "t|r", "t_pkey|i", "=3"]);
    let columns = "SELECT column_name, data_type, is_nullable FROM information_schema.columns \
                   WHERE table_name = $1 ORDER BY ordinal_position";
    let rows = client.query(columns, &[&"t"]).await.unwrap();
    let rows: Vec<[String; 3]> =
        rows.iter().map(|row| [row.get(0), row.get(1), row.get(2)]).collect();
    assert_eq!(rows, [["a", "integer", "NO"], ["b", "text", "YES"]]);
    let version = client.query_one("SELECT version()", &[]).await.unwrap();
    assert!(version.get::<_, &str>(0).starts_with("PostgreSQL 15"));
    server.stop().await;
}

#[tokio::test]
async fn sessions_end_with_their_clients() {
    let server = start(ServerConfig { connections_max: 2, ..ServerConfig::default() }).await;
    for _ in 0..10 {
        drop(server.client().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_without_end_is_cancelled_and_a_session_is_ended() {
    let server = start(ServerConfig::default()).await;
    let (victim, other) = (server.client().await, server.client().await);
    victim
        .batch_execute(
            "CREATE TABLE big (a int);
             INSERT INTO big SELECT i FROM generate_series(1, 100000) AS g(i)",
        )
        .await
        .unwrap();
    let pid: i32 = victim.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let active =
        format!("SELECT query FROM pg_stat_activity WHERE state = 'active' AND pid = {pid}");
    let endless = [
        "SELECT sum(a.a + b.a + c.a) FROM big a, big b, big c",
        "SELECT count(*) FROM big a, big b, big c WHERE a.a + b.a + c.a = 0",
        "SELECT count(*) FROM big a JOIN big b ON a.a % 2 = b.a % 2 JOIN big c ON c.a < a.a - b.a - 100000",
    ];
    for sql in endless {
        let stop = async {
            while simple(&other, &active).await[0] != sql {
                tokio::task::yield_now().await;
            }
            simple(&other, &format!("SELECT pg_cancel_backend({pid})")).await
        };
        let (stopped, cancelled) = tokio::join!(victim.simple_query(sql), stop);
        assert_eq!(cancelled, ["t", "=1"]);
        assert_eq!(state(&stopped.unwrap_err()), "57014", "{sql}");
    }
    victim.batch_execute("SET statement_timeout = '200ms'").await.unwrap();
    assert_eq!(fails(&victim, endless[1]).await, "57014");
    let ended = format!("SELECT pg_terminate_backend({pid}), pg_terminate_backend(-1)");
    assert_eq!(simple(&other, &ended).await, ["t|f", "=1"]);
    assert!(victim.simple_query("SELECT 1").await.is_err());
    while !victim.is_closed() {
        tokio::task::yield_now().await;
    }
    server.stop().await;
}

#[tokio::test]
async fn set_config_lasts_as_long_as_it_says() {
    let server = start(ServerConfig::default()).await;
    let client = server.client().await;
    let set = "SELECT set_config('application_name', 'x', false), set_config('my.own', '7', true)";
    assert_eq!(simple(&client, set).await, ["x|7", "=1"]);
    assert_eq!(simple(&client, "SHOW application_name").await, ["x", "=0"]);
    assert_eq!(fails(&client, "SELECT current_setting('my.own')").await, "42704");
    client.batch_execute("BEGIN").await.unwrap();
    client.simple_query("SELECT set_config('application_name', 'y', true)").await.unwrap();
    assert_eq!(simple(&client, "SELECT current_setting('application_name')").await, ["y", "=1"]);
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(simple(&client, "SHOW application_name").await, ["x", "=0"]);
    assert_eq!(fails(&client, "SELECT set_config('no_such', 'x', false)").await, "42704");
    server.stop().await;
}
