//! The extended protocol: prepared statements and portals.

use std::sync::Arc;

use pgwire::messages::PgWireBackendMessage as Backend;
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Describe, Execute, Parse, ParseComplete,
    PortalSuspended, TARGET_TYPE_BYTE_STATEMENT,
};
use pgwire::messages::response::EmptyQueryResponse;

use super::client::{Client, attended};
use super::describe;
use super::failure::Failure;
use super::portal::{self, Portal, State, Statement};
use super::rows::{Rows, Sent};
use super::simple::{several_statements, tag};
use crate::engine::{Prepared, Response};
use crate::error::{Error, Result, SqlState};
use crate::sql::statement::{Fetch, FetchDirection};
use crate::types::pg_type;

impl Client {
    /// Parse: plans a statement and keeps it under a name.
    pub(super) async fn parse(&mut self, message: Parse) -> Result<(), Failure> {
        self.connection.check_message()?;
        let name = message.name.unwrap_or_default();
        match name.is_empty() {
            true => self.unnamed = None,
            false => self.session.statement_name_is_free(&name)?,
        }
        let mut statements = self.session.parse(&message.query)?;
        if statements.len() > 1 {
            return Err(several_statements().into());
        }
        let statement = match statements.pop() {
            None => None,
            Some(parsed) => {
                let types = message
                    .type_oids
                    .iter()
                    .map(|oid| describe::parameter(*oid))
                    .collect::<Result<Vec<_>>>()?;
                let prepared = self.session.prepare(parsed, &types);
                Some(Arc::new(attended(&mut self.connection, prepared).await?))
            }
        };
        match name.is_empty() {
            true => self.unnamed = Some(statement),
            false => self.session.keep_statement(name, statement, message.query),
        }
        Ok(self.connection.put(Backend::ParseComplete(ParseComplete::new()))?)
    }

    fn statement(&self, name: &str) -> Result<Statement> {
        let statement = match name {
            "" => self.unnamed.clone(),
            name => self.session.statement(name),
        };
        statement.ok_or_else(|| {
            let message = match name {
                "" => "unnamed prepared statement does not exist".to_owned(),
                _ => format!("prepared statement \"{name}\" does not exist"),
            };
            Error::new(SqlState::InvalidSqlStatementName, message)
        })
    }

    /// Bind: gives a statement values and makes it a portal.
    pub(super) fn bind(&mut self, message: &Bind) -> Result<(), Failure> {
        let statement_name = message.statement_name.as_deref().unwrap_or_default();
        let name = message.portal_name.clone().unwrap_or_default();
        let statement = self.statement(statement_name)?;
        let taken = self.portals.contains_key(&name) || self.session.cursor_schema(&name).is_some();
        if !name.is_empty() && taken {
            let text = format!("cursor \"{name}\" already exists");
            return Err(Error::new(SqlState::DuplicateCursor, text).into());
        }
        let values = match &statement {
            None => vec![],
            Some(prepared) => portal::values(
                prepared,
                statement_name,
                &message.parameter_format_codes,
                &message.parameters,
                &self.session.text_style(),
            )?,
        };
        let formats = message.result_column_format_codes.clone();
        self.portals.insert(name, Portal { statement, values, formats, state: State::Ready });
        Ok(self.connection.put(Backend::BindComplete(BindComplete::new()))?)
    }

    /// Describe: the columns of a statement or portal, and a statement's parameters.
    pub(super) fn describe(&mut self, message: &Describe) -> Result<(), Failure> {
        let name = message.name.as_deref().unwrap_or_default();
        let (schema, formats) = if message.target_type == TARGET_TYPE_BYTE_STATEMENT {
            let statement = self.statement(name)?;
            let parameters = statement.iter().flat_map(|prepared| &prepared.params);
            let oids = parameters.map(|field| pg_type::oid_of_field(field)).collect();
            let description = ParameterDescription::new(oids);
            self.connection.put(Backend::ParameterDescription(description))?;
            (statement.and_then(|prepared| prepared.schema.clone()), vec![])
        } else if let Some(portal) = self.portals.get(name) {
            let schema = portal.statement.as_ref().and_then(|prepared| prepared.schema.clone());
            (schema, portal.formats.clone())
        } else {
            // A cursor of SQL is a portal, too.
            let schema = self.session.cursor_schema(name).ok_or_else(|| unknown_portal(name))?;
            (Some(schema), vec![])
        };
        let columns = match schema {
            None => Backend::NoData(NoData::new()),
            Some(schema) => {
                let binary = describe::binary(&formats, schema.fields().len(), "result")?;
                describe::rows(&schema, &binary)
            }
        };
        Ok(self.connection.put(columns)?)
    }

    /// Execute: runs a portal, or goes on with it, up to a number of rows.
    pub(super) async fn execute(&mut self, message: &Execute) -> Result<(), Failure> {
        let name = message.name.as_deref().unwrap_or_default();
        let mut portal = self.portals.remove(name).ok_or_else(|| unknown_portal(name))?;
        let limit = usize::try_from(message.max_rows).ok().filter(|limit| *limit > 0);
        self.run_portal(&mut portal, name, limit).await?;
        self.portals.insert(name.to_owned(), portal);
        Ok(self.connection.flush_if_large().await?)
    }

    async fn run_portal(
        &mut self,
        portal: &mut Portal,
        name: &str,
        limit: Option<usize>,
    ) -> Result<(), Failure> {
        let Some(prepared) = portal.statement.clone() else {
            let empty = Backend::EmptyQueryResponse(EmptyQueryResponse::new());
            return Ok(self.connection.put(empty)?);
        };
        match &portal.state {
            State::Ready => self.start_portal(portal, &prepared).await?,
            State::Open { .. } => self.cancel.rearm(),
            State::Done { verb: Some(verb) } => return Ok(self.complete(format!("{verb} 0"))?),
            State::Done { verb: None } => {
                let text = format!("portal \"{name}\" cannot be run");
                return Err(Error::new(SqlState::ObjectNotInPrerequisiteState, text).into());
            }
        }
        if let State::Open { rows, verb, counted } = &mut portal.state {
            match rows.send(&mut self.connection, &self.cancel, limit).await? {
                Sent::Limit => {
                    self.connection.put(Backend::PortalSuspended(PortalSuspended::new()))?;
                }
                sent @ Sent::All(_) => {
                    let (verb, tag) = (*verb, tag(verb, *counted, &sent));
                    portal.state = State::Done { verb: Some(verb) };
                    self.complete(tag)?;
                }
            }
        }
        Ok(())
    }

    /// Runs the statement of a portal, and all that answers it but rows.
    async fn start_portal(
        &mut self,
        portal: &mut Portal,
        prepared: &Prepared,
    ) -> Result<(), Failure> {
        // A lone Execute needs no implicit block: what it does is committed before it is answered.
        if !self.in_message && !self.connection.sync_follows() {
            self.in_message = true;
            self.session.begin_message();
        }
        let run = self.session.execute_prepared(prepared, std::mem::take(&mut portal.values));
        let response = attended(&mut self.connection, run).await?;
        portal.state = State::Done { verb: None };
        match response {
            Response::Rows { schema, rows, verb, counted } => {
                prepared.check_columns(&schema)?;
                let binary = describe::binary(&portal.formats, schema.fields().len(), "result")?;
                let rows = Box::new(Rows::new(schema, rows, binary, self.session.text_style()));
                portal.state = State::Open { rows, verb, counted };
            }
            other => self.answer(other).await?,
        }
        Ok(())
    }

    /// How many rows a MOVE passes over (at most), if it names a portal: a cursor that Bind has opened.
    pub(super) fn moves_portal(&self, fetch: &Fetch) -> Option<Option<usize>> {
        let found = fetch.is_move && self.portals.contains_key(&fetch.cursor);
        match fetch.direction {
            FetchDirection::Relative(count) if found => usize::try_from(count).ok().map(Some),
            FetchDirection::All if found => Some(None),
            _ => None,
        }
    }

    /// MOVE in a portal.
    pub(super) async fn move_portal(
        &mut self,
        name: &str,
        count: Option<usize>,
    ) -> Result<(), Failure> {
        let mut portal = self.portals.remove(name).ok_or_else(|| unknown_portal(name))?;
        let ready = matches!(portal.state, State::Ready);
        if let Some(prepared) = portal.statement.clone().filter(|_| ready) {
            self.start_portal(&mut portal, &prepared).await?;
        }
        let passed = match &mut portal.state {
            State::Open { rows, .. } => {
                rows.skip(&mut self.connection, &self.cancel, count).await?
            }
            _ => 0,
        };
        self.portals.insert(name.to_owned(), portal);
        Ok(self.complete(format!("MOVE {passed}"))?)
    }

    /// Close: forgets a statement or portal; one that does not exist is no error.
    pub(super) fn close_target(&mut self, message: &Close) -> Result<(), Failure> {
        let name = message.name.as_deref().unwrap_or_default();
        if message.target_type == TARGET_TYPE_BYTE_STATEMENT {
            match name {
                "" => self.unnamed = None,
                name => self.session.forget_statement(name),
            }
        } else if self.portals.remove(name).is_none() {
            self.session.close_cursor(name);
        }
        Ok(self.connection.put(Backend::CloseComplete(CloseComplete::new()))?)
    }
}

fn unknown_portal(name: &str) -> Error {
    Error::new(SqlState::InvalidCursorName, format!("portal \"{name}\" does not exist"))
}
