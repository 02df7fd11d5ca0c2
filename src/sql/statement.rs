//! The one statement form: every spelling that is accepted arrives here as one of these.

pub use datafusion::sql::sqlparser::ast::{Expr, Query, SelectItem, TableWithJoins, With};

use super::Parsed;
use crate::types::SqlType;
use crate::types::definition::{ObjectKind, SourceDefinition, TableDefinition};

/// A name of an object as the user wrote it, folded to lower case where not quoted.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Name {
    /// The schema, if named.
    pub schema: Option<String>,
    /// The name.
    pub name: String,
    /// Where it stands: 1-based character of the message.
    pub position: usize,
}

/// A statement.
#[derive(Clone, Debug)]
pub enum Statement {
    /// `SELECT`, `VALUES`, `TABLE`, `WITH … SELECT`.
    Query(Box<Query>),
    /// `INSERT`
    Insert(Box<Insert>),
    /// `UPDATE`
    Update(Box<Update>),
    /// `DELETE`
    Delete(Box<Delete>),
    /// `TRUNCATE [TABLE] a, b`
    Truncate {
        /// The tables.
        tables: Vec<Name>,
        /// `RESTART IDENTITY`
        restart: bool,
    },
    /// `VACUUM`, `ANALYZE`
    Maintain(Maintain),
    /// `COPY`
    Copy(Box<Copy>),
    /// `CREATE SCHEMA`
    CreateSchema {
        /// Its name.
        name: String,
        /// Whether an existing one is left alone.
        if_not_exists: bool,
    },
    /// `CREATE TABLE`
    CreateTable(Box<Create<TableDefinition>>),
    /// `CREATE TABLE … AS query`, `SELECT … INTO`
    CreateTableAs(Box<CreateTableAs>),
    /// `CREATE SOURCE`
    CreateSource(Box<Create<SourceDefinition>>),
    /// `CREATE [OR REPLACE] VIEW`
    CreateView(Box<CreateView>),
    /// `CREATE MATERIALIZED VIEW`
    CreateMaterializedView(Box<CreateView>),
    /// `DROP kind [IF EXISTS] names [CASCADE | RESTRICT]`
    Drop(Drop),
    /// `ALTER …`
    Alter(Alter),
    /// `BEGIN`; `true`: `START TRANSACTION`
    Begin(TransactionModes, bool),
    /// `COMMIT`, `END`; `true`: `AND CHAIN`
    Commit {
        /// Whether a new transaction begins at once.
        chain: bool,
    },
    /// `ROLLBACK`, `ABORT`
    Rollback {
        /// Whether a new transaction begins at once.
        chain: bool,
    },
    /// `SAVEPOINT`
    Savepoint(String),
    /// `RELEASE [SAVEPOINT]`
    Release(String),
    /// `ROLLBACK TO [SAVEPOINT]`
    RollbackTo(String),
    /// `SET TRANSACTION`, or `SET SESSION CHARACTERISTICS AS TRANSACTION`
    SetTransaction {
        /// The modes.
        modes: TransactionModes,
        /// Whether they become the session's defaults.
        session: bool,
    },
    /// `SET name = value`
    Set {
        /// Whether only until the end of the transaction.
        local: bool,
        /// The setting, in lower case; `SET TIME ZONE` is `timezone`.
        name: String,
        /// Its new values (most settings take one); `None` for `DEFAULT`.
        values: Option<Vec<String>>,
    },
    /// `RESET name`; `None` for `ALL`
    Reset(Option<String>),
    /// `SHOW name`; `None` for `ALL`
    Show(Option<String>),
    /// `SHOW TABLES` and its kind
    ShowObjects(ShowObjects),
    /// `SHOW COLUMNS FROM t`, `DESCRIBE t`
    ShowColumns {
        /// The relation.
        name: Name,
    },
    /// `SHOW CREATE kind name`
    ShowCreate {
        /// The kind named; must be the object's.
        kind: ObjectKind,
        /// The object.
        name: Name,
    },
    /// `EXPLAIN`
    Explain(Box<Explain>),
    /// `EXPLAIN MATERIALIZED VIEW v`: how a view that there is, is maintained.
    ExplainView {
        /// The view.
        name: Name,
        /// Whether the logical plan is told, too.
        verbose: bool,
    },
    /// `FLUSH`: returns when every view shows every write acknowledged before it.
    Flush,
    /// `WAIT FOR v [TIMEOUT i]`: returns when the view has been filled and is up to date.
    WaitFor {
        /// The view.
        name: Name,
        /// How long at most, in microseconds.
        timeout_us: Option<i64>,
    },
    /// `PREPARE name [(types)] AS statement`
    Prepare {
        /// Its name.
        name: String,
        /// Declared parameter types; may be fewer than there are parameters.
        types: Vec<SqlType>,
        /// The statement.
        statement: Box<Parsed>,
    },
    /// `EXECUTE name [(values)]`
    Execute {
        /// Its name.
        name: String,
        /// Values of the parameters.
        arguments: Vec<Expr>,
    },
    /// `DEALLOCATE name`; `None` for `ALL`
    Deallocate(Option<String>),
    /// `DECLARE c CURSOR FOR query`
    Declare(Box<Declare>),
    /// `FETCH` and `MOVE`
    Fetch(Fetch),
    /// `CLOSE c`; `None` for `ALL`
    Close(Option<String>),
    /// `DISCARD ALL | PLANS | SEQUENCES | TEMP`: of which kind. All but `ALL` have nothing to discard.
    Discard(&'static str),
    /// `UNLISTEN`: nothing to do, since `LISTEN` is refused.
    Unlisten(Option<String>),
    /// `NOTIFY channel [, 'payload']`
    Notify {
        /// The channel.
        channel: String,
        /// What to say.
        payload: String,
    },
    /// `LISTEN channel`
    Listen(String),
    /// `SUBSCRIBE [TO] { v | (query) }`
    Subscribe(Box<Query>),
}

/// `INSERT INTO table [AS alias] [(columns)] source [ON CONFLICT …] [RETURNING …]`
#[derive(Clone, Debug)]
pub struct Insert {
    /// The table.
    pub table: Name,
    /// Its alias in `ON CONFLICT` and `RETURNING`.
    pub alias: Option<String>,
    /// Columns named, with their positions; empty for all in order.
    pub columns: Vec<(String, usize)>,
    /// `OVERRIDING SYSTEM VALUE`: identity columns take the values given.
    pub overriding: bool,
    /// The rows; `None` for `DEFAULT VALUES`. In a bare `VALUES` list an unquoted identifier
    /// `default` stands for `DEFAULT` (see [`super::is_default`]).
    pub source: Option<Box<Query>>,
    /// `ON CONFLICT`
    pub on_conflict: Option<OnConflict>,
    /// `RETURNING`
    pub returning: Option<Vec<SelectItem>>,
}

/// `ON CONFLICT [(columns)] DO …`
#[derive(Clone, Debug)]
pub struct OnConflict {
    /// The conflict target; empty if not given.
    pub columns: Vec<(String, usize)>,
    /// The constraint named by `ON CONSTRAINT`.
    pub constraint: Option<String>,
    /// What to do.
    pub action: ConflictAction,
}

/// What `ON CONFLICT` does.
#[derive(Clone, Debug)]
pub enum ConflictAction {
    /// `DO NOTHING`
    Nothing,
    /// `DO UPDATE SET … [WHERE …]`; `excluded` names the row that was to be inserted.
    Update {
        /// The assignments.
        assignments: Vec<Assignment>,
        /// `WHERE`
        filter: Option<Expr>,
    },
}

/// `column = value` of `UPDATE` and `DO UPDATE`. `(a, b) = (x, y)` is split into two.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// The column.
    pub column: String,
    /// Where it stands.
    pub position: usize,
    /// The value; an unquoted identifier `default` stands for `DEFAULT`.
    pub value: Expr,
    /// Where the value is a query assigned to several columns: which of its columns, and of how many.
    pub part: Option<(usize, usize)>,
}

/// `UPDATE table [AS alias] SET … [FROM …] [WHERE …] [RETURNING …]`
#[derive(Clone, Debug)]
pub struct Update {
    /// `WITH`
    pub with: Option<With>,
    /// The table.
    pub table: Name,
    /// Its alias.
    pub alias: Option<String>,
    /// `SET`
    pub assignments: Vec<Assignment>,
    /// `FROM`; empty for none.
    pub from: Vec<TableWithJoins>,
    /// `WHERE`
    pub filter: Option<Expr>,
    /// `RETURNING`
    pub returning: Option<Vec<SelectItem>>,
}

/// `DELETE FROM table [AS alias] [USING …] [WHERE …] [RETURNING …]`
#[derive(Clone, Debug)]
pub struct Delete {
    /// `WITH`
    pub with: Option<With>,
    /// The table.
    pub table: Name,
    /// Its alias.
    pub alias: Option<String>,
    /// `USING`; empty for none.
    pub using: Vec<TableWithJoins>,
    /// `WHERE`
    pub filter: Option<Expr>,
    /// `RETURNING`
    pub returning: Option<Vec<SelectItem>>,
}

/// `VACUUM` and `ANALYZE`, which have nothing to do: state is compacted as it changes, without statistics.
#[derive(Clone, Debug)]
pub struct Maintain {
    /// Whether it is `VACUUM`.
    pub vacuum: bool,
    /// The tables, with the columns named; none for all there are.
    pub tables: Vec<(Name, Vec<String>)>,
}

/// `CREATE kind [IF NOT EXISTS] name …`
#[derive(Clone, Debug)]
pub struct Create<D> {
    /// Its name.
    pub name: Name,
    /// Whether an existing object of this name is left alone.
    pub if_not_exists: bool,
    /// What it defines.
    pub definition: D,
}

/// `CREATE TABLE [IF NOT EXISTS] name [(columns)] AS query [WITH [NO] DATA]`
#[derive(Clone, Debug)]
pub struct CreateTableAs {
    /// Its name.
    pub name: Name,
    /// Whether an existing object of this name is left alone.
    pub if_not_exists: bool,
    /// Names for the query's columns, in order; may be fewer than the query has.
    pub columns: Vec<String>,
    /// The query.
    pub query: Box<Query>,
    /// Whether the query's rows are inserted.
    pub with_data: bool,
}

/// `CREATE [OR REPLACE] [MATERIALIZED] VIEW`
#[derive(Clone, Debug)]
pub struct CreateView {
    /// Its name.
    pub name: Name,
    /// Whether an existing view of this name is replaced.
    pub or_replace: bool,
    /// Whether an existing object of this name is left alone.
    pub if_not_exists: bool,
    /// Names for the query's columns, in order; may be fewer than the query has.
    pub columns: Vec<String>,
    /// The query.
    pub query: Box<Query>,
}

/// `DROP`
#[derive(Clone, Debug)]
pub struct Drop {
    /// What kind the objects must be.
    pub kind: ObjectKind,
    /// Whether missing ones are passed over.
    pub if_exists: bool,
    /// The objects; schemas have their name in `name`.
    pub names: Vec<Name>,
    /// Whether what depends on them goes too.
    pub cascade: bool,
}

/// `ALTER kind [IF EXISTS] name action`
#[derive(Clone, Debug)]
pub struct Alter {
    /// What kind the object must be (as in Postgres, `TABLE` also names any relation).
    pub kind: ObjectKind,
    /// Whether a missing one is passed over.
    pub if_exists: bool,
    /// The object.
    pub name: Name,
    /// What to do.
    pub action: AlterAction,
}

/// What `ALTER` does.
#[derive(Clone, Debug)]
pub enum AlterAction {
    /// `RENAME TO name`
    Rename(String),
    /// `RENAME [COLUMN] from TO to`
    RenameColumn {
        /// The column.
        from: String,
        /// Its new name.
        to: String,
    },
    /// `SET SCHEMA name`
    SetSchema(String),
    /// `ADD [CONSTRAINT name] PRIMARY KEY (columns)`
    AddPrimaryKey {
        /// The constraint's name, if given.
        name: Option<String>,
        /// The columns.
        columns: Vec<String>,
    },
}

/// Modes of a transaction; what is `None` is the session's default.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TransactionModes {
    /// `ISOLATION LEVEL`, in lower case: `serializable`, `repeatable read`, …
    pub isolation: Option<&'static str>,
    /// `READ ONLY` or `READ WRITE`.
    pub read_only: Option<bool>,
    /// `[NOT] DEFERRABLE`.
    pub deferrable: Option<bool>,
}

/// `SHOW { SCHEMAS | TABLES | … } [{FROM | IN} schema] [LIKE pattern]`
#[derive(Clone, Debug)]
pub struct ShowObjects {
    /// The kind listed.
    pub kind: ObjectKind,
    /// Only those of this schema; else of the search path.
    pub schema: Option<String>,
    /// Only names like this.
    pub like: Option<String>,
}

/// `EXPLAIN [(options)] statement`
#[derive(Clone, Debug)]
pub struct Explain {
    /// Whether the statement is run and measured.
    pub analyze: bool,
    /// Whether more is told.
    pub verbose: bool,
    /// The statement: a query, `CREATE MATERIALIZED VIEW`, or a write.
    pub statement: Statement,
}

/// `COPY`
#[derive(Clone, Debug)]
pub struct Copy {
    /// From or to what.
    pub target: CopyTarget,
    /// Whether rows come in (`FROM STDIN`) or go out (`TO STDOUT`).
    pub inward: bool,
    /// How rows are written.
    pub options: CopyOptions,
}

/// What `COPY` reads or writes.
#[derive(Clone, Debug)]
pub enum CopyTarget {
    /// A table.
    Table {
        /// Its name.
        name: Name,
        /// Columns named, with their positions; empty for all in order.
        columns: Vec<(String, usize)>,
    },
    /// The result of a query (only outward).
    Query(Box<Query>),
}

/// Format of `COPY` data, with Postgres' defaults filled in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CopyOptions {
    /// The format.
    pub format: CopyFormat,
    /// Between columns.
    pub delimiter: u8,
    /// What stands for null.
    pub null: String,
    /// Whether the first line names the columns.
    pub header: bool,
    /// CSV's quote.
    pub quote: u8,
    /// CSV's escape within quotes.
    pub escape: u8,
}

/// Formats of `COPY`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CopyFormat {
    /// Tab separated with backslashes.
    Text,
    /// Comma separated.
    Csv,
    /// Postgres' binary format.
    Binary,
}

/// `DECLARE c [SCROLL] CURSOR [WITH HOLD] FOR query`
#[derive(Clone, Debug)]
pub struct Declare {
    /// The cursor's name.
    pub name: String,
    /// Whether it outlives the transaction.
    pub hold: bool,
    /// Whether it may move backwards: `None` if not said.
    pub scroll: Option<bool>,
    /// Whether rows are fetched in binary format.
    pub binary: bool,
    /// Its query.
    pub query: Box<Query>,
    /// The query's text, for `pg_cursors`.
    pub text: String,
}

/// `FETCH` and `MOVE`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetch {
    /// The cursor.
    pub cursor: String,
    /// Which rows.
    pub direction: FetchDirection,
    /// Whether the rows are only passed over.
    pub is_move: bool,
}

/// Which rows `FETCH` takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FetchDirection {
    /// The next n rows; negative: the previous ones; 0: the current one again.
    Relative(i64),
    /// All remaining rows.
    All,
    /// All rows before the current one, backwards.
    BackwardAll,
    /// One row n steps from the current one.
    RelativeRow(i64),
    /// The nth row; negative from the end.
    Absolute(i64),
}
