//! DDL.

use std::sync::Arc;

use super::response::Response;
use super::session::Session;
use super::shared::Shared;
use crate::error::{Error, Result};
use crate::sql::Parsed;

/// Plans the materialized views that are in the catalog.
pub(super) async fn restore(_shared: &Arc<Shared>) -> Result<()> {
    Ok(())
}

impl Session {
    /// A statement that changes the catalog.
    pub(super) async fn define(&mut self, _parsed: &Parsed) -> Result<Response> {
        Err(Error::unsupported("DDL"))
    }
}
