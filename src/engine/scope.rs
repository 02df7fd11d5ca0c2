//! What names mean in one statement: the catalog through the planner's eyes.

use std::sync::{Arc, OnceLock};

use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::ScalarUDF;

use super::session::Session;
use super::shared::Shared;
use super::{errors, stream_catalog, system};
use crate::catalog::{Catalog, Object, Source, Table};
use crate::error::{Error, Result, SqlState};
use crate::plan::write::STATEMENT;
use crate::plan::{self, Body, Planner, Relation, Relations};
use crate::sql;
use crate::sql::statement::Name;
use crate::types::ObjectId;
use crate::types::text::Timezone;

/// The first id of relations of [`STATEMENT`].
const FIRST_STATEMENT_ID: u32 = u32::MAX - 100;

/// Names in one statement.
pub(super) struct Scope {
    shared: Arc<Shared>,
    pub(super) catalog: Arc<Catalog>,
    pub(super) search_path: Vec<String>,
    /// Relations of [`STATEMENT`].
    local: Vec<Relation>,
    system: OnceLock<Arc<system::Context>>,
    context: Box<dyn Fn() -> system::Context + Send + Sync>,
}

impl Scope {
    /// Adds a relation that exists only within the statement.
    pub(super) fn add_local(&mut self, name: &str, columns: SchemaRef) -> ObjectId {
        let number = u32::try_from(self.local.len()).expect("a statement has few relations");
        let id = ObjectId(FIRST_STATEMENT_ID + number);
        self.local.push(Relation {
            id,
            schema: STATEMENT.to_owned(),
            name: name.to_owned(),
            columns,
            primary_key: None,
            append_only: false,
            body: Body::Stored,
        });
        id
    }

    /// The relation that a name means.
    ///
    /// # Errors
    /// `42P01` with the name's position, and a hint.
    pub(super) fn object(&self, name: &Name) -> Result<&Arc<Object>> {
        self.catalog
            .resolve(name.schema.as_deref(), &name.name, &self.search_path)
            .map_err(|error| error.or_at(Some(name.position)))
    }

    /// The table that a statement writes to.
    ///
    /// # Errors
    /// `42P01`, or `42809` if it is something else.
    pub(super) fn table(&self, name: &Name) -> Result<Table> {
        let object = self.object(name).map_err(|error| {
            match self.system_relation(name.schema.as_deref(), &name.name) {
                Some(_) => Error::new(
                    SqlState::InsufficientPrivilege,
                    format!("permission denied: \"{}\" is a system catalog", name.name),
                ),
                None => error,
            }
        })?;
        let refused = match &**object {
            Object::Table(table) => return Ok(table.clone()),
            Object::View(view) => Error::new(
                SqlState::ObjectNotInPrerequisiteState,
                format!("cannot change view \"{}\"", view.name.name),
            )
            .hint("Change the tables that it reads."),
            Object::MaterializedView(view) => Error::new(
                SqlState::WrongObjectType,
                format!("cannot change materialized view \"{}\"", view.name.name),
            )
            .hint("It follows the tables that it reads: change those."),
            other => Error::new(
                SqlState::WrongObjectType,
                format!("cannot change {} \"{}\"", other.kind().noun(), other.name()),
            )
            .hint("Only tables take writes."),
        };
        Err(refused.at(name.position))
    }

    /// What system relations and functions are made from.
    pub(super) fn system_context(&self) -> &Arc<system::Context> {
        self.system.get_or_init(|| Arc::new((self.context)()))
    }

    fn system_relation(&self, schema: Option<&str>, name: &str) -> Option<Relation> {
        system::relation(self.system_context(), schema, name)
    }

    fn relation(&self, object: &Object) -> Option<Relation> {
        let name = object.relation_name()?;
        let mut relation = Relation {
            id: object.id(),
            schema: name.schema.clone(),
            name: name.name.clone(),
            columns: object.schema(),
            primary_key: None,
            append_only: false,
            body: Body::Stored,
        };
        match object {
            Object::Schema(_) => return None,
            Object::Table(table) => {
                let key = &table.definition.primary_key;
                relation.primary_key = (!key.is_empty()).then(|| key.clone());
                relation.append_only = table.definition.append_only;
            }
            Object::Source(source) => {
                relation.append_only = true;
                relation.primary_key = offset_column(source).map(|column| vec![column]);
            }
            Object::View(view) => {
                let text = view.definition.query.clone();
                // It has been parsed when the view was created.
                let query = Arc::new(*sql::parse_query(&text).ok()?);
                relation.body = Body::View { query, text };
            }
            Object::MaterializedView(view) => {
                let facts = self.shared.facts(view.id);
                relation.primary_key = facts.key;
                relation.append_only = facts.append_only;
            }
        }
        Some(relation)
    }
}

/// The column with the offsets of a source's rows, if it has one: no two rows have the same.
fn offset_column(source: &Source) -> Option<usize> {
    let include = &source.definition.include;
    let name = &include.iter().find(|include| include.metadata == "offset")?.column;
    source.definition.columns.iter().position(|column| column.name == *name)
}

impl Relations for Scope {
    fn find(&self, schema: Option<&str>, name: &str) -> Option<Relation> {
        match schema {
            Some(STATEMENT) => {
                return self.local.iter().find(|relation| relation.name == name).cloned();
            }
            Some(stream_catalog::SCHEMA) => return stream_catalog::relation(name),
            _ => {}
        }
        if let Some(relation) = self.system_relation(schema, name) {
            return Some(relation);
        }
        let resolve = |name: &str| self.catalog.resolve(schema, name, &self.search_path);
        match resolve(name) {
            Ok(object) => self.relation(object),
            Err(_) => {
                let view = resolve(name.strip_suffix(errors::SUFFIX)?).ok()?;
                errors::relation(view, name)
            }
        }
    }

    fn names(&self) -> Vec<String> {
        let visible = |object: &Arc<Object>| {
            let name = object.relation_name()?;
            let plain = self.search_path.contains(&name.schema);
            Some(if plain { name.name.clone() } else { name.to_string() })
        };
        self.catalog.objects().filter_map(visible).collect()
    }

    /// Functions that need the catalog or the session.
    fn functions(&self) -> Vec<Arc<ScalarUDF>> {
        system::functions(self.system_context())
    }
}

impl Session {
    /// Names as a statement of this session sees them now.
    pub(super) fn scope(&self) -> Scope {
        let search_path = self.settings.search_path();
        let catalog = self.shared.catalog();
        let (shared, settings) = (Arc::clone(&self.shared), self.settings.clone());
        let changes = Arc::clone(&self.setting_changes);
        let (options, session) = (self.options.clone(), self.id());
        let (of_catalog, path) = (Arc::clone(&catalog), search_path.clone());
        let (statements, cursors) = (self.prepared.clone(), self.cursor_infos());
        let announcements = Arc::clone(&self.announced);
        let context = move || system::Context {
            catalog: Arc::clone(&of_catalog),
            user: options.user.clone(),
            database: options.database.clone(),
            session,
            search_path: path.clone(),
            settings: settings.all(),
            statements: statements.clone(),
            cursors: cursors.clone(),
            activity: shared.activity.list(),
            sessions: Arc::clone(&shared.activity),
            locks: Arc::clone(&shared.locks),
            sequences: Arc::clone(&shared.sequences),
            announcements: Arc::clone(&announcements),
            changes: Arc::clone(&changes),
        };
        Scope {
            shared: Arc::clone(&self.shared),
            catalog,
            search_path,
            local: vec![],
            system: OnceLock::new(),
            context: Box::new(context),
        }
    }

    /// A planner that sees these names.
    pub(super) fn planner(&self, scope: Scope) -> Planner {
        let session = plan::Session {
            now_us: self.now_us(),
            timezone: Timezone::parse(self.settings.time_zone()).unwrap_or_default(),
            user: self.options.user.clone(),
            database: self.options.database.clone(),
            schema: scope.search_path.first().cloned().unwrap_or_default(),
        };
        Planner::new(Arc::new(scope), session)
    }

    /// `now()`: of the block, or of this statement.
    pub(super) fn now_us(&self) -> i64 {
        self.block.as_ref().map_or_else(|| self.shared.clock.now_us(), |block| block.now_us)
    }
}
