//! What the catalog holds.

use arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::types::definition::{
    self, Column, ObjectKind, SourceDefinition, TableDefinition, ViewDefinition,
};
use crate::types::{ObjectId, QualifiedName};

/// A catalog object.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Object {
    /// A namespace of relations.
    Schema(Schema),
    /// A stored table.
    Table(Table),
    /// A stream from outside.
    Source(Source),
    /// A query by name.
    View(View),
    /// A query by name whose result is maintained.
    MaterializedView(View),
}

/// A namespace of relations.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Schema {
    /// Its id.
    pub id: ObjectId,
    /// Its name.
    pub name: String,
}

/// A stored table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Table {
    /// Its id.
    pub id: ObjectId,
    /// Its name.
    pub name: QualifiedName,
    /// What `CREATE TABLE` said.
    pub definition: TableDefinition,
}

/// A stream from outside.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Source {
    /// Its id.
    pub id: ObjectId,
    /// Its name.
    pub name: QualifiedName,
    /// What `CREATE SOURCE` said, with all columns filled in.
    pub definition: SourceDefinition,
    /// The dead letter table, if any: dropping it needs `CASCADE`.
    pub dependencies: Vec<ObjectId>,
}

/// A query by name, maintained or not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct View {
    /// Its id.
    pub id: ObjectId,
    /// Its name.
    pub name: QualifiedName,
    /// Its columns and canonical query.
    pub definition: ViewDefinition,
    /// The relations its query names, each once.
    pub dependencies: Vec<ObjectId>,
}

impl Object {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        match self {
            Object::Schema(schema) => schema.id,
            Object::Table(table) => table.id,
            Object::Source(source) => source.id,
            Object::View(view) | Object::MaterializedView(view) => view.id,
        }
    }

    /// Which kind.
    #[must_use]
    pub fn kind(&self) -> ObjectKind {
        match self {
            Object::Schema(_) => ObjectKind::Schema,
            Object::Table(_) => ObjectKind::Table,
            Object::Source(_) => ObjectKind::Source,
            Object::View(_) => ObjectKind::View,
            Object::MaterializedView(_) => ObjectKind::MaterializedView,
        }
    }

    /// The name of a relation; `None` for a schema.
    #[must_use]
    pub fn relation_name(&self) -> Option<&QualifiedName> {
        match self {
            Object::Schema(_) => None,
            Object::Table(table) => Some(&table.name),
            Object::Source(source) => Some(&source.name),
            Object::View(view) | Object::MaterializedView(view) => Some(&view.name),
        }
    }

    /// The last part of its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Object::Schema(schema) => &schema.name,
            Object::Table(Table { name, .. })
            | Object::Source(Source { name, .. })
            | Object::View(View { name, .. })
            | Object::MaterializedView(View { name, .. }) => &name.name,
        }
    }

    /// Columns of a relation; none for a schema.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        match self {
            Object::Schema(_) => &[],
            Object::Table(table) => &table.definition.columns,
            Object::Source(source) => &source.definition.columns,
            Object::View(view) | Object::MaterializedView(view) => &view.definition.columns,
        }
    }

    /// The Arrow schema of a relation.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        definition::schema(self.columns())
    }

    /// Ids of what it is built on.
    #[must_use]
    pub fn dependencies(&self) -> &[ObjectId] {
        match self {
            Object::Schema(_) | Object::Table(_) => &[],
            Object::Source(source) => &source.dependencies,
            Object::View(view) | Object::MaterializedView(view) => &view.dependencies,
        }
    }

    /// The same relation under another name.
    pub(super) fn renamed(&self, name: &QualifiedName) -> Object {
        let mut object = self.clone();
        match &mut object {
            Object::Schema(_) => {}
            Object::Table(table) => table.name = name.clone(),
            Object::Source(source) => source.name = name.clone(),
            Object::View(view) | Object::MaterializedView(view) => view.name = name.clone(),
        }
        object
    }

    /// The same view with another canonical query; other objects as they are.
    pub(super) fn with_query(
        &self,
        rewrite: impl FnOnce(&str) -> Result<String>,
    ) -> Result<Object> {
        let mut object = self.clone();
        if let Object::View(view) | Object::MaterializedView(view) = &mut object {
            view.definition.query = rewrite(&view.definition.query)?;
        }
        Ok(object)
    }

    /// The same relation with another name for a column; `expression` renames it in expressions.
    pub(super) fn with_column_renamed(
        &self,
        index: usize,
        name: &str,
        expression: impl Fn(&str) -> Result<String>,
    ) -> Result<Object> {
        let mut object = self.clone();
        let watermark = match &mut object {
            Object::Schema(_) => return Ok(object),
            Object::Table(Table { definition, .. }) => {
                definition.columns[index].name = name.to_owned();
                for check in &mut definition.checks {
                    check.expr = expression(&check.expr)?;
                }
                for column in &mut definition.columns {
                    column.generated = column.generated.as_deref().map(&expression).transpose()?;
                }
                definition.watermark.as_mut()
            }
            Object::Source(Source { definition, .. }) => {
                definition.columns[index].name = name.to_owned();
                definition.watermark.as_mut()
            }
            Object::View(view) | Object::MaterializedView(view) => {
                view.definition.columns[index].name = name.to_owned();
                None
            }
        };
        if let Some(watermark) = watermark {
            watermark.expr = expression(&watermark.expr)?;
        }
        Ok(object)
    }
}
