//! A case: tables, views, and a script of changes in epochs.

use std::fmt;

use millstream::config::{Config, Storage};
use millstream::engine::Engine;
use millstream::error::{Error, SqlState};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::compare::Rows;
use super::query::{self, COLUMNS, TABLES};

/// Tables, views and changes.
#[derive(Clone, Debug)]
pub struct Case {
    workers: usize,
    /// Whether the workers are real threads, not simulated ones.
    threads: bool,
    /// Whether the engine is closed, or crashes, and opened again between epochs.
    restarts: bool,
    tables: Vec<String>,
    /// Changes before the views are there: they must be filled.
    before: Vec<String>,
    views: Vec<String>,
    /// One string per epoch.
    epochs: Vec<String>,
}

/// How a view differed from its query.
#[derive(Debug)]
pub struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Failure {
    fn new(what: &str, error: &Error) -> Failure {
        let detail = error.detail_text().unwrap_or_default();
        Failure(format!("{what}\n  {}: {} {detail}", error.state().code(), error.message()))
    }

    /// Its first two lines as one.
    pub fn headline(&self) -> String {
        self.0.lines().take(2).collect::<Vec<_>>().join(" ## ")
    }

    /// The failure with the whole case as SQL.
    pub fn with_script(self, case: &Case, seed: u64) -> Failure {
        let kind = if case.threads { "threads" } else { "simulated workers" };
        let restarts = if case.restarts { ", reopened after every epoch" } else { "" };
        let mut script = format!("-- seed {seed}, {} {kind}{restarts}\n", case.workers);
        for part in case.tables.iter().chain(&case.before) {
            script += &format!("{part};\n");
        }
        for (number, view) in case.views.iter().enumerate() {
            script += &format!("CREATE MATERIALIZED VIEW v{number} AS {view};\n");
        }
        for epoch in &case.epochs {
            script += &format!("{epoch};\n");
        }
        Failure(format!("{}\n\n{script}", self.0))
    }
}

impl Case {
    /// The case of this seed.
    pub fn generate(seed: u64, views: u64) -> Case {
        let mut random = StdRng::seed_from_u64(seed);
        let keyed = random.random_bool(0.5);
        let columns: Vec<String> =
            COLUMNS.iter().map(|column| format!("{} {}", column.name, column.sql_type)).collect();
        let tables = TABLES.iter().map(|table| {
            let key = if keyed { ", PRIMARY KEY (id)" } else { "" };
            format!("CREATE TABLE {table} (id bigint NOT NULL, {}{key})", columns.join(", "))
        });
        let tables = tables.collect();
        let mut changes = Changes { random: &mut random, next_id: 0 };
        let before = (0..changes.random.random_range(0..3)).map(|_| changes.insert(6)).collect();
        let epochs = (0..changes.random.random_range(2..7)).map(|_| changes.epoch()).collect();
        let views = (0..views).map(|_| query::generate(&mut random)).collect();
        let workers = random.random_range(1..4);
        let (threads, restarts) = (random.random_bool(0.1), random.random_bool(0.1));
        Case { workers, threads, restarts, tables, before, views, epochs }
    }

    /// Runs it. The number of views that could be maintained.
    ///
    /// # Errors
    /// The first difference.
    pub async fn run(&self) -> Result<u64, Failure> {
        let config = Config {
            workers: self.workers,
            deterministic: !self.threads,
            backfill_rows_per_tick: 5,
            ..Config::default()
        };
        if !self.restarts {
            return self.run_on(config).await;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        self.run_on(Config { storage: Storage::Directory(folder.path().to_owned()), ..config })
            .await
    }

    async fn run_on(&self, config: Config) -> Result<u64, Failure> {
        let opened = |error| Failure::new("cannot open", &error);
        let mut engine = Engine::open(config.clone()).await.map_err(opened)?;
        for sql in self.tables.iter().chain(&self.before) {
            engine.execute(sql).await.map_err(|error| Failure::new(sql, &error))?;
        }
        let mut maintained = vec![];
        for (number, view) in self.views.iter().enumerate() {
            let sql = format!("CREATE MATERIALIZED VIEW v{number} AS {view}");
            match engine.execute(&sql).await {
                Ok(_) => maintained.push((number, view)),
                Err(error) if error.state() == SqlState::FeatureNotSupported => {}
                Err(error) => return Err(Failure::new(&sql, &error)),
            }
        }
        for (number, view) in &maintained {
            compare(&engine, *number, view, "after creation").await?;
        }
        for (number, sql) in self.epochs.iter().enumerate() {
            engine.execute(sql).await.map_err(|error| Failure::new(sql, &error))?;
            if self.restarts {
                let crash = number % 2 == 0;
                let ended = if crash { engine.crash().await } else { engine.shutdown().await };
                ended.map_err(|error| Failure::new("cannot stop", &error))?;
                engine = Engine::open(config.clone()).await.map_err(opened)?;
            }
            for (number, view) in &maintained {
                compare(&engine, *number, view, sql).await?;
            }
        }
        let count = maintained.len() as u64;
        engine.shutdown().await.map_err(|error| Failure::new("cannot stop", &error))?;
        Ok(count)
    }

    /// Leaves out views, epochs and changes while the case still fails.
    pub async fn shrink(mut self) -> (Case, Failure) {
        let mut failure = Failure("the failure is gone on a second run".to_owned());
        loop {
            let mut smaller = None;
            for candidate in self.smaller() {
                if let Err(found) = candidate.run().await {
                    smaller = Some((candidate, found));
                    break;
                }
            }
            match smaller {
                Some((candidate, found)) => {
                    self = candidate;
                    failure = found;
                }
                None => {
                    if let Err(found) = self.run().await {
                        failure = found;
                    }
                    return (self, failure);
                }
            }
        }
    }

    fn smaller(&self) -> Vec<Case> {
        let mut cases = vec![];
        if self.workers > 1 {
            cases.push(Case { workers: 1, ..self.clone() });
        }
        if self.threads {
            cases.push(Case { threads: false, ..self.clone() });
        }
        if self.restarts {
            cases.push(Case { restarts: false, ..self.clone() });
        }
        for index in 0..self.views.len() {
            if self.views.len() > 1 {
                let mut case = self.clone();
                case.views.remove(index);
                cases.push(case);
            }
        }
        for index in 0..self.epochs.len() {
            let mut case = self.clone();
            case.epochs.remove(index);
            cases.push(case);
            let statements: Vec<&str> = self.epochs[index].split(";\n").collect();
            for left_out in 0..statements.len() {
                if statements.len() > 1 {
                    let mut kept = statements.clone();
                    kept.remove(left_out);
                    let mut case = self.clone();
                    case.epochs[index] = kept.join(";\n");
                    cases.push(case);
                }
            }
        }
        for index in 0..self.before.len() {
            let mut case = self.clone();
            case.before.remove(index);
            cases.push(case);
        }
        cases
    }
}

/// The view against its query.
async fn compare(engine: &Engine, number: usize, view: &str, when: &str) -> Result<(), Failure> {
    let read = format!("SELECT * FROM v{number}");
    let kept = engine.query(&read).await.map_err(|error| Failure::new(view, &error))?;
    let batch = engine.query(view).await.map_err(|error| Failure::new(view, &error))?;
    let (kept, batch) = (Rows::of(&kept), Rows::of(&batch));
    if kept.same(&batch) {
        return Ok(());
    }
    Err(Failure(format!(
        "view v{number} differs from its query {view}\n  {when}\n  view:\n{}  query:\n{}",
        kept.text(),
        batch.text()
    )))
}

struct Changes<'a> {
    random: &'a mut StdRng,
    next_id: i64,
}

impl Changes<'_> {
    fn epoch(&mut self) -> String {
        let statements: Vec<String> =
            (0..self.random.random_range(1..4)).map(|_| self.statement()).collect();
        statements.join(";\n")
    }

    fn statement(&mut self) -> String {
        let table = TABLES[self.random.random_range(0..TABLES.len())];
        match self.random.random_range(0..10) {
            0..=4 => self.insert(5),
            5..=6 => format!("DELETE FROM {table} WHERE {}", query::simple_predicate(self.random)),
            7..=8 => {
                let column = &COLUMNS[self.random.random_range(0..COLUMNS.len())];
                let value = (column.value)(self.random);
                let predicate = query::simple_predicate(self.random);
                format!("UPDATE {table} SET {} = {value} WHERE {predicate}", column.name)
            }
            _ => format!("DELETE FROM {table} WHERE id % 2 = {}", self.random.random_range(0..2)),
        }
    }

    fn insert(&mut self, rows_max: usize) -> String {
        let table = TABLES[self.random.random_range(0..TABLES.len())];
        let rows: Vec<String> = (0..self.random.random_range(1..=rows_max))
            .map(|_| {
                self.next_id += 1;
                let values: Vec<String> =
                    COLUMNS.iter().map(|column| (column.value)(self.random)).collect();
                format!("({}, {})", self.next_id, values.join(", "))
            })
            .collect();
        format!("INSERT INTO {table} VALUES {}", rows.join(", "))
    }
}
