//! Goal: the process behaves: it says what keeps it from starting, takes its settings from a file, closes
//! in order, and no session makes others wait. Method: the program itself, as a child, and psql's protocol.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tokio_postgres::{Client, NoTls};

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
    // What is set for these tests is no setting of the server.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MILLSTREAM_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The output of a program that ends by itself.
fn ends(arguments: &[&str]) -> (bool, String) {
    let Output { status, stderr, .. } = program(arguments).output().expect("it starts");
    (status.success(), String::from_utf8(stderr).expect("text"))
}

/// Starts a server and returns it with its port.
fn serve(arguments: &[&str]) -> (Child, u16) {
    let mut child = program(arguments).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let port = lines.find_map(|line| {
        let line = line.expect("text");
        line.split(" -p ").nth(1)?.split(' ').next()?.parse().ok()
    });
    (child, port.expect("it says where it listens"))
}

async fn client(port: u16) -> Client {
    let address = format!("host=127.0.0.1 port={port} user=millstream");
    let (client, connection) =
        tokio_postgres::connect(&address, NoTls).await.expect("it is let in");
    tokio::spawn(connection);
    client
}

/// Sends a signal and waits for the end; the status and what was said.
fn signalled(mut child: Child, signal: &str) -> (Option<i32>, String) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args([signal, &id]).status().expect("there is a kill");
    assert!(sent.success());
    let status = child.wait().expect("it ends");
    let mut said = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
    (status.code(), said)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[tokio::test]
async fn what_keeps_a_server_from_starting_is_said() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("a file");
    let data = folder.path().join("data");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("it has an address");

    let listen = address.to_string();
    let (well, said) = ends(&["serve", "--memory", "--listen", &listen, "--http", "none"]);
    let expected = format!("error: port {} is in use", address.port());
    assert!(!well && said.contains(&expected), "{said}");
    let (well, said) = ends(&["serve", "--memory", "--listen", "127.0.0.1:0", "--http", &listen]);
    assert!(!well && said.contains(&expected), "{said}");
    for bad in [file.clone(), file.join("below")] {
        let (well, said) = ends(&["serve", "--data", text(&bad), "--listen", "127.0.0.1:0"]);
        assert!(!well && said.contains("data directory") && said.contains(text(&bad)), "{said}");
    }

    let listen = ["--listen", "127.0.0.1:0", "--http", "none"];
    let (first, port) = serve(&[&["serve", "--data", text(&data)], &listen[..]].concat());
    let (well, said) = ends(&[&["serve", "--data", text(&data)], &listen[..]].concat());
    let holder = format!("Process {} has locked it.", first.id());
    assert!(!well && said.contains("is in use") && said.contains(&holder), "{said}");
    let client = client(port).await;
    client.batch_execute("CREATE TABLE t (a int)").await.expect("the first one goes on");
    assert_eq!(signalled(first, "-TERM").0, Some(0));
}

#[tokio::test]
async fn settings_come_from_a_file_and_unknown_ones_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("settings.toml");
    let data = folder.path().join("data");
    let settings = format!(
        "data = \"{}\"\nlisten = \"127.0.0.1:0\"\nhttp = \"none\"\nworkers = 1\n",
        data.display()
    );
    std::fs::write(&file, &settings).expect("a file");
    let (server, port) = serve(&["serve", "--config", text(&file)]);
    let client = client(port).await;
    client.batch_execute("CREATE TABLE t (a int)").await.expect("it works");
    assert!(data.join("catalog").is_dir(), "the data are where the file says");
    assert_eq!(signalled(server, "-INT").0, Some(0));

    std::fs::write(&file, format!("{settings}wokers = 1\n")).expect("a file");
    let (well, said) = ends(&["serve", "--config", text(&file)]);
    assert!(!well && said.contains("wokers"), "{said}");
}

#[tokio::test]
async fn ctrl_c_tells_sessions_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let arguments =
        ["serve", "--data", text(folder.path()), "--listen", "127.0.0.1:0", "--http", "none"];
    let (server, port) = serve(&arguments);
    let (idle, busy) = (client(port).await, client(port).await);
    idle.batch_execute("CREATE TABLE t (a int)").await.expect("a table");
    let writing = tokio::spawn(async move {
        for written in 0_i64.. {
            if let Err(error) = busy.batch_execute("INSERT INTO t VALUES (1)").await {
                return (written, error);
            }
        }
        unreachable!("the server ends first")
    });
    while idle.query_one("SELECT count(*) FROM t", &[]).await.expect("it reads").get::<_, i64>(0)
        < 5
    {}
    let ended = tokio::task::spawn_blocking(move || signalled(server, "-INT"));
    let (written, error) = writing.await.expect("the writer is told");
    // What is said between two statements does not reach the client's next call.
    let told = error.code().map(|code| code.code());
    assert!(told == Some("57P01") || error.is_closed(), "{error}");
    assert_eq!(ended.await.expect("it ends").0, Some(0));

    let (server, port) = serve(&arguments);
    let rows = client(port).await.query_one("SELECT count(*) FROM t", &[]).await.expect("it reads");
    let rows: i64 = rows.get(0);
    assert!((written..=written + 1).contains(&rows), "{written} acknowledged, {rows} there");
    assert_eq!(signalled(server, "-TERM").0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_query_that_computes_makes_nobody_wait() {
    use millstream::config::Config;
    use millstream::engine::Engine;
    use millstream::server::{Server, ServerConfig};

    let engine = Engine::open(Config { workers: 1, ..Config::default() }).await.expect("it opens");
    let listen = "127.0.0.1:0".parse().expect("an address");
    let config = ServerConfig { listen, http: None, ..ServerConfig::default() };
    let server = Server::bind(engine.clone(), &config).await.expect("a port");
    let port = server.address().expect("it has an address").port();
    let serving = tokio::spawn(server.run(std::future::pending()));
    let (heavy, light) = (client(port).await, client(port).await);
    let fill =
        "CREATE TABLE t (a bigint); INSERT INTO t SELECT a FROM generate_series(1, 30000) g(a)";
    heavy.batch_execute(fill).await.expect("a table");
    heavy.batch_execute("SET statement_timeout = 1000").await.expect("it can be set");
    let computing = tokio::spawn(async move {
        heavy.query("SELECT sum(x.a % y.a) FROM t x JOIN t y ON x.a % 7 < y.a % 5", &[]).await
    });
    for _ in 0..20 {
        let answer = tokio::time::timeout(Duration::from_secs(5), light.query_one("SELECT 1", &[]));
        answer.await.expect("it is answered in time").expect("it is answered");
    }
    let stopped = computing.await.expect("it ends").expect_err("it takes longer than a second");
    assert_eq!(stopped.code().map(|code| code.code()), Some("57014"), "{stopped}");
    serving.abort();
}
