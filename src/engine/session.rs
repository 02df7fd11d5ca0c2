//! A session: settings, transaction state, prepared statements and cursors of one client.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrow::array::ArrayRef;
use arrow::datatypes::{FieldRef, SchemaRef};

use super::activity::Entry;
use super::arguments::Arguments;
use super::block::Block;
use super::cancel::CancelToken;
use super::channel::Mailbox;
use super::copy_in::CopyIn;
use super::cursor::Cursor;
use super::response::{Notice, Response, TransactionStatus};
use super::settings::Settings;
use super::shared::Shared;
use super::statements::Statements;
use super::system::{Announcements, SettingChanges};
use crate::error::{Error, Result, SqlState};
use crate::sql::{self, Parsed, Statement};
use crate::types::pg_type;

/// Who opens a session, and with which settings.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// The user, already authenticated.
    pub user: String,
    /// The database; there is one, `millstream`, and the server refuses others.
    pub database: String,
    /// Settings to begin with, from the start-up message.
    pub settings: Vec<(String, String)>,
}

impl Default for SessionOptions {
    fn default() -> SessionOptions {
        SessionOptions {
            user: "millstream".to_owned(),
            database: "millstream".to_owned(),
            settings: vec![],
        }
    }
}

/// A statement that has been looked at but not run: what its parameters and columns are.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The statement.
    pub parsed: Arc<Parsed>,
    /// Types of `$1`, `$2`, …; see [`crate::types::pg_type::of_field`].
    pub params: Vec<FieldRef>,
    /// Columns of its result set, if it has one.
    pub schema: Option<SchemaRef>,
}

impl Prepared {
    /// Whether a result set has the columns that clients were told.
    ///
    /// # Errors
    /// `0A000` if what the statement reads has been replaced by something else.
    pub fn check_columns(&self, columns: &SchemaRef) -> Result<()> {
        let kind = |field: &FieldRef| (field.name().clone(), pg_type::oid_of_field(field));
        let data = matches!(
            self.parsed.statement,
            Statement::Query(_)
                | Statement::Insert(_)
                | Statement::Update(_)
                | Statement::Delete(_)
        );
        match self.schema.as_ref().filter(|_| data) {
            Some(told) if !told.fields().iter().map(kind).eq(columns.fields().iter().map(kind)) => {
                let message = "cached plan must not change result type";
                Err(Error::new(SqlState::FeatureNotSupported, message))
            }
            _ => Ok(()),
        }
    }
}

/// One client's session. Statements run one at a time.
///
/// # Invariants
/// 1. Between statements `block` is `None` exactly when [`Session::status`] is `Idle`, or a message's
///    implicit block is open.
/// 2. A failed block keeps nothing: its changes are gone before the error is reported.
pub struct Session {
    pub(super) shared: Arc<Shared>,
    pub(super) options: SessionOptions,
    pub(super) settings: Settings,
    pub(super) block: Option<Block>,
    /// Prepared statements, of SQL and of the protocol.
    pub(super) prepared: Statements,
    pub(super) cursors: BTreeMap<String, Cursor>,
    pub(super) mailbox: Mailbox,
    pub(super) copy: Option<CopyIn>,
    /// Set when a statement fails while its rows are being read.
    pub(super) rows_failed: Arc<AtomicBool>,
    /// What `set_config` is to change when the running statement has run.
    pub(super) setting_changes: SettingChanges,
    /// What `pg_notify` is to say when the running statement has run.
    pub(super) announced: Announcements,
    notices: Vec<Notice>,
    cancel: CancelToken,
    id: u32,
    activity: Arc<Entry>,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, options: SessionOptions) -> Result<Session> {
        let mut settings = Settings::new(&options.settings)?;
        settings.set_user(&options.user);
        let cancel = CancelToken::default();
        let now_us = shared.clock.now_us();
        let (id, activity) = shared.activity.open(&options.user, now_us, cancel.clone());
        Ok(Session {
            shared,
            options,
            settings,
            block: None,
            prepared: Statements::default(),
            cursors: BTreeMap::new(),
            mailbox: Mailbox::default(),
            copy: None,
            rows_failed: Arc::default(),
            setting_changes: Arc::default(),
            announced: Arc::default(),
            notices: vec![],
            cancel,
            id,
            activity,
        })
    }

    /// The statements of a message, in order; none for an empty one.
    ///
    /// # Errors
    /// `42601` with its position, `0A000` for what we know but do not do.
    pub fn parse(&self, sql: &str) -> Result<Vec<Parsed>> {
        sql::parse(sql)
    }

    /// Parses a message and runs its statements; several are one implicit transaction, and their rows are
    /// all read before it ends.
    ///
    /// # Errors
    /// What the first failing statement reports; nothing of an implicit transaction has happened then.
    pub async fn execute(&mut self, sql: &str) -> Result<Vec<Response>> {
        let statements = self.parse(sql).inspect_err(|_| self.fail())?;
        let several = statements.len() > 1;
        if several {
            self.begin_message();
        }
        let mut responses = Vec::with_capacity(statements.len());
        for parsed in &statements {
            match self.run(parsed).await {
                Ok(response) if several => match response.gathered().await {
                    Ok(response) => responses.push(response),
                    Err(error) => {
                        self.fail();
                        self.end_message().await.ok();
                        return Err(error);
                    }
                },
                Ok(response) => responses.push(response),
                Err(error) => {
                    if several {
                        self.end_message().await.ok();
                    }
                    return Err(error);
                }
            }
        }
        if several {
            self.end_message().await?;
        }
        Ok(responses)
    }

    /// Runs one statement.
    ///
    /// # Errors
    /// What the statement reports. In a transaction block, the block has failed then.
    pub async fn run(&mut self, parsed: &Parsed) -> Result<Response> {
        self.run_with(parsed, &Arguments::none()).await
    }

    /// What a statement's parameters and columns are. `types` are those that the client declares;
    /// `None` or missing: to be inferred (from casts, comparisons, the target of an INSERT), text where
    /// nothing tells.
    ///
    /// # Errors
    /// What planning the statement reports.
    #[expect(clippy::unused_async, reason = "part of an asynchronous interface")]
    pub async fn prepare(
        &mut self,
        parsed: Parsed,
        types: &[Option<FieldRef>],
    ) -> Result<Prepared> {
        self.refuse_in_failed_block(&parsed.statement)?;
        let parsed = Arc::new(parsed);
        let described = self.describe(&parsed, types);
        described.inspect_err(|_| self.fail())
    }

    /// Runs a prepared statement with one value (an array of one element) per parameter, of the types
    /// that [`Prepared::params`] says.
    ///
    /// # Errors
    /// As [`Session::run`]; `08P01` if the number of values is wrong.
    pub async fn execute_prepared(
        &mut self,
        prepared: &Prepared,
        values: Vec<ArrayRef>,
    ) -> Result<Response> {
        let arguments = Arguments::new(&prepared.params, &values).inspect_err(|_| self.fail())?;
        self.run_with(&prepared.parsed, &arguments).await
    }

    pub(super) async fn run_with(
        &mut self,
        parsed: &Parsed,
        arguments: &Arguments,
    ) -> Result<Response> {
        self.note_failed_rows();
        self.refuse_in_failed_block(&parsed.statement)?;
        self.cancel.rearm();
        match &mut self.block {
            Some(block) => block.next_statement(),
            None => self.shared.locks.end_block(self.id),
        }
        let application = self.settings.get("application_name").unwrap_or_default();
        self.activity.begin(&parsed.text, &application, self.shared.clock.now_us());
        let cancel = self.cancel.clone();
        let timeout = self.settings.statement_timeout();
        // Boxed: the futures of all statements together are large.
        let work = Box::pin(self.dispatch(parsed, arguments));
        let done = cancel.guard(timeout, work).await;
        if done.is_err() {
            self.fail();
        }
        let ending = self.activity.ending(match self.status() {
            TransactionStatus::Idle => "idle",
            TransactionStatus::Active => "idle in transaction",
            TransactionStatus::Failed => "idle in transaction (aborted)",
        });
        done.map(|response| response.until_read(ending))
    }

    async fn dispatch(&mut self, parsed: &Parsed, arguments: &Arguments) -> Result<Response> {
        match &parsed.statement {
            Statement::Query(query) => self.select(query, parsed, arguments).await,
            Statement::Insert(insert) => self.insert(insert, parsed, arguments).await,
            Statement::Update(update) => self.update(update, parsed, arguments).await,
            Statement::Delete(delete) => self.delete(delete, parsed, arguments).await,
            Statement::Truncate { tables, restart } => self.truncate(tables, *restart).await,
            Statement::Maintain(maintain) => self.maintain(maintain),
            Statement::Copy(copy) => self.copy(copy, parsed).await,
            Statement::CreateSchema { .. }
            | Statement::CreateTable(_)
            | Statement::CreateTableAs(_)
            | Statement::CreateSource(_)
            | Statement::CreateView(_)
            | Statement::CreateMaterializedView(_)
            | Statement::Drop(_)
            | Statement::Alter(_) => self.define(parsed, arguments).await,
            Statement::Begin(_, _)
            | Statement::Commit { .. }
            | Statement::Rollback { .. }
            | Statement::Savepoint(_)
            | Statement::Release(_)
            | Statement::RollbackTo(_)
            | Statement::SetTransaction { .. } => self.control(&parsed.statement).await,
            Statement::Set { .. } | Statement::Reset(_) | Statement::Show(_) => {
                self.setting(&parsed.statement)
            }
            Statement::ShowObjects(_)
            | Statement::ShowColumns { .. }
            | Statement::ShowCreate { .. } => self.show(&parsed.statement),
            Statement::Explain(explain) => self.explain(explain, parsed, arguments).await,
            Statement::ExplainView { name, verbose } => self.explain_view(name, *verbose),
            Statement::Flush => {
                self.shared.runtime.read(&[]).await?;
                Ok(Response::done("FLUSH"))
            }
            Statement::WaitFor { name, timeout_us } => self.wait_for(name, *timeout_us).await,
            Statement::Prepare { .. } | Statement::Execute { .. } | Statement::Deallocate(_) => {
                self.prepared_statement(parsed, arguments).await
            }
            Statement::Declare(_) | Statement::Fetch(_) | Statement::Close(_) => {
                self.cursor(parsed, arguments).await
            }
            Statement::Discard(what) => self.discard(what),
            Statement::Listen(_) | Statement::Unlisten(_) | Statement::Notify { .. } => {
                self.channel(&parsed.statement)
            }
            Statement::Subscribe(query) => self.subscribe_query(query, parsed).await,
        }
    }

    /// Everything that this session has made is given up, as by `DISCARD ALL`.
    fn discard(&mut self, what: &str) -> Result<Response> {
        if what != "ALL" {
            return Ok(Response::done(format!("DISCARD {what}")));
        }
        if self.block.is_some() {
            return Err(Error::new(
                SqlState::ActiveSqlTransaction,
                "DISCARD ALL cannot run inside a transaction block",
            ));
        }
        self.settings.reset_all();
        self.prepared.clear();
        self.cursors.clear();
        self.shared.locks.unlock_all(self.id);
        self.shared.sequences.forget(self.id);
        self.shared.channels.leave(self.id);
        Ok(Response::done("DISCARD ALL"))
    }

    /// Where the session stands, for ReadyForQuery.
    #[must_use]
    pub fn status(&self) -> TransactionStatus {
        match &self.block {
            Some(block) if !block.explicit => TransactionStatus::Idle,
            Some(block) if block.failed => TransactionStatus::Failed,
            Some(_) => TransactionStatus::Active,
            None => TransactionStatus::Idle,
        }
    }

    /// The session's number, which clients see as the process id of their backend.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The session's settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The session's settings, to take what is to be reported or to change them at start-up.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Stops the running statement when used, from any thread.
    #[must_use]
    pub fn cancel_token(&self) -> CancelToken {
        self.cancel.clone()
    }

    /// Notices and warnings since the last call, in order.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    pub(super) fn notice(&mut self, content: Error) {
        if self.settings.wants_notices() {
            self.notices.push(Notice { severity: "NOTICE", content });
        }
    }

    pub(super) fn warning(&mut self, content: Error) {
        if self.settings.wants_warnings() {
            self.notices.push(Notice { severity: "WARNING", content });
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shared.locks.end_session(self.id);
        self.shared.channels.leave(self.id);
        self.shared.activity.close(self.id);
    }
}
