//! RETURNING of `UPDATE … FROM` and `DELETE … USING`: it may name columns of the rows that were found beside
//! those that are changed. The statement's query puts them out too; RETURNING reads them, row by row beside
//! the rows written.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::{
    Ident, ObjectName, SelectItemQualifiedWildcardKind, WildcardAdditionalOptions,
};
use itertools::zip_eq;

use super::arguments::Arguments;
use super::reading::Providers;
use super::rows::{ROW, numbered, numbered_schema};
use super::session::Session;
use super::target::{Target, WRITTEN, provider};
use crate::error::Result;
use crate::plan::write::{Parts, relation_names};
use crate::sql::Parsed;
use crate::sql::statement::{SelectItem, TableWithJoins, With};
use crate::types::ObjectId;
use crate::types::definition;

/// The relations of a FROM or USING whose columns a RETURNING reads.
#[derive(Default)]
pub(super) struct Beside {
    /// Their names in expressions, and their columns.
    relations: Vec<(String, SchemaRef)>,
    /// The local relations that RETURNING reads: the rows written, then these.
    ids: Vec<ObjectId>,
}

impl Beside {
    /// What the statement's query puts out for them, at its end.
    pub(super) fn items(&self) -> Vec<SelectItem> {
        self.relations.iter().map(|(name, _)| all_of(name)).collect()
    }

    /// The columns that it puts out.
    pub(super) fn columns(&self) -> impl Iterator<Item = &arrow::datatypes::FieldRef> {
        self.relations.iter().flat_map(|(_, schema)| schema.fields())
    }

    /// What RETURNING reads: the rows written, and what was found beside each.
    pub(super) fn given(&self, written: &RecordBatch, values: &[ArrayRef]) -> Result<Providers> {
        let mut batches = vec![numbered(written)?];
        let mut values = values.iter();
        for (_, schema) in &self.relations {
            let columns = values.by_ref().take(schema.fields().len()).cloned().collect();
            batches.push(numbered(&RecordBatch::try_new(Arc::clone(schema), columns)?)?);
        }
        let given = zip_eq(&self.ids, batches).map(|(id, batch)| provider(*id, batch));
        Ok(given.collect::<HashMap<_, _>>())
    }
}

/// `name.*`
fn all_of(name: &str) -> SelectItem {
    let name = ObjectName::from(vec![Ident::with_quote('"', name)]);
    SelectItem::QualifiedWildcard(
        SelectItemQualifiedWildcardKind::ObjectName(name),
        WildcardAdditionalOptions::default(),
    )
}

/// The columns that `*` or `name.*` in RETURNING stands for; none for another item.
fn expanded<'a>(
    item: &SelectItem,
    relations: &'a [(String, Vec<String>)],
) -> Option<Vec<(&'a str, &'a str)>> {
    let all = |wanted: Option<String>| {
        let of =
            relations.iter().filter(move |(name, _)| wanted.as_ref().is_none_or(|w| w == name));
        of.flat_map(|(name, columns)| columns.iter().map(move |c| (name.as_str(), c.as_str())))
    };
    match item {
        SelectItem::Wildcard(_) => Some(all(None).collect()),
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
            let name = name.0.last()?.as_ident().map(crate::sql::visit::folded)?;
            Some(all(Some(name)).collect())
        }
        _ => None,
    }
}

impl Session {
    /// What a RETURNING beside these relations needs of them.
    pub(super) fn beside(
        &self,
        target: &Target,
        with: Option<&With>,
        relations: &[TableWithJoins],
        parsed: &Parsed,
        arguments: &Arguments,
    ) -> Result<Beside> {
        let columns = |name: String| {
            let parts = Parts::default().with(with.cloned()).and_from_all(relations);
            let query = parts.items(&[all_of(&name)]).query()?;
            let select = target.planner.query(&query, &parsed.message, &arguments.types)?;
            let fields = select.schema.fields().iter();
            let fields: Vec<_> =
                fields.map(|field| field.as_ref().clone().with_nullable(true)).collect();
            Ok((name, Arc::new(Schema::new(fields))))
        };
        let relations = relation_names(relations).into_iter().map(columns);
        Ok(Beside { relations: relations.collect::<Result<_>>()?, ids: vec![] })
    }

    /// The plan of a RETURNING list over the rows written and those beside them.
    pub(super) fn returning_beside(
        &self,
        target: &Target,
        beside: &mut Beside,
        items: &[SelectItem],
        parsed: &Parsed,
        arguments: &Arguments,
    ) -> Result<crate::plan::Select> {
        let mut scope = self.scope();
        let schema = definition::schema(&target.table.definition.columns);
        let names = |schema: &SchemaRef| {
            schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>()
        };
        let mut known = vec![(target.alias.clone(), names(&schema))];
        beside.ids = vec![scope.add_local(WRITTEN, numbered_schema(&schema))];
        let mut parts = Parts::from(Target::known(WRITTEN, &target.alias))?;
        for (index, (name, columns)) in beside.relations.iter().enumerate() {
            let local = format!("beside{index}");
            beside.ids.push(scope.add_local(&local, numbered_schema(columns)));
            parts = parts.and_from(Target::known(&local, name))?.equal(&target.alias, name, ROW);
            known.push((name.clone(), names(columns)));
        }
        for item in items {
            parts = match expanded(item, &known) {
                Some(columns) => columns
                    .into_iter()
                    .fold(parts, |parts, (relation, column)| parts.column(relation, column)),
                None => parts.items(std::slice::from_ref(item)),
            };
        }
        let query = parts.query()?;
        self.planner(scope).query(&query, &parsed.message, &arguments.types)
    }
}
