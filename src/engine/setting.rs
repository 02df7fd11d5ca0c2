//! SET, RESET and SHOW.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

use super::response::Response;
use super::session::Session;
use crate::error::{Error, Result, SqlState};
use crate::sql::Statement;

impl Session {
    /// SET, RESET and SHOW.
    pub(super) fn setting(&mut self, statement: &Statement) -> Result<Response> {
        match statement {
            Statement::Set { local, name, values } => {
                if *local && self.block.is_none() {
                    self.warning(Error::new(
                        SqlState::NoActiveSqlTransaction,
                        "SET LOCAL can only be used in transaction blocks",
                    ));
                    return Ok(Response::done("SET"));
                }
                match values {
                    Some(values) => self.settings.set(name, values, *local)?,
                    None => self.settings.reset(name)?,
                }
                Ok(Response::done("SET"))
            }
            Statement::Reset(Some(name)) => {
                self.settings.reset(name)?;
                Ok(Response::done("RESET"))
            }
            Statement::Reset(None) => {
                self.settings.reset_all();
                Ok(Response::done("RESET"))
            }
            Statement::Show(Some(name)) => {
                let value = self.settings.get(name)?;
                // Postgres shows the names of a few settings in mixed case.
                let shown = ["DateStyle", "IntervalStyle", "TimeZone"];
                let shown = shown.iter().find(|shown| shown.eq_ignore_ascii_case(name));
                let name = shown.copied().unwrap_or(name);
                Ok(Response::batch(table(&[(name, vec![value])])?, "SHOW", false))
            }
            Statement::Show(None) => {
                let all = self.settings.all();
                let batch = table(&[
                    ("name", all.iter().map(|(name, _, _)| name.clone()).collect()),
                    ("setting", all.iter().map(|(_, value, _)| value.clone()).collect()),
                    ("description", all.iter().map(|(_, _, about)| (*about).to_owned()).collect()),
                ])?;
                Ok(Response::batch(batch, "SHOW", false))
            }
            other => Err(Error::internal(format!("{other:?} is not about settings"))),
        }
    }
}

/// A batch of text columns.
pub(super) fn table(columns: &[(&str, Vec<String>)]) -> Result<RecordBatch> {
    let field = |(name, _): &(&str, Vec<String>)| Field::new(*name, DataType::Utf8, false);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let column = |(_, values): &(&str, Vec<String>)| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(values))
    };
    Ok(RecordBatch::try_new(Arc::new(schema), columns.iter().map(column).collect())?)
}
