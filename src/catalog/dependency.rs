//! What is built on what: dependents of an object, dropping with RESTRICT and CASCADE.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Catalog, Change, Object, PUBLIC_ID};
use crate::error::{Error, Result, SqlState};
use crate::types::ObjectId;

impl Catalog {
    /// The objects that name this one, by id.
    pub fn dependents(&self, id: ObjectId) -> impl Iterator<Item = &Arc<Object>> {
        self.objects().filter(move |object| object.dependencies().contains(&id))
    }

    /// The relations of a schema, by id.
    pub fn relations_of<'a>(&'a self, schema: &'a str) -> impl Iterator<Item = &'a Arc<Object>> {
        self.objects()
            .filter(move |object| object.relation_name().is_some_and(|name| name.schema == schema))
    }

    /// The change that drops objects; with `cascade` also what depends on them, else it is an error
    /// if anything else does.
    ///
    /// # Errors
    /// `2BP01`, listing the dependents as Postgres does.
    pub fn drop_objects(&self, ids: &[ObjectId], cascade: bool) -> Result<Change> {
        if ids.contains(&PUBLIC_ID) {
            return Err(Error::unsupported("dropping the schema \"public\""));
        }
        let mut order = Vec::new();
        let mut reasons = Vec::new();
        let mut seen: BTreeSet<ObjectId> = ids.iter().copied().collect();
        let mut queue: Vec<ObjectId> = ids.to_vec();
        while let Some(id) = queue.pop() {
            order.push(id);
            for (dependent, on) in self.needs(id) {
                if seen.insert(dependent.id()) {
                    reasons.push(format!("{} depends on {}", describe(dependent), describe(on)));
                    queue.push(dependent.id());
                }
            }
        }
        if !cascade && !reasons.is_empty() {
            return Err(self.still_needed(ids, &reasons));
        }
        let doomed: BTreeSet<ObjectId> = order.into_iter().collect();
        let dependents_first = in_order(self).into_iter().rev().map(|object| object.id());
        Ok(Change::Drop(dependents_first.filter(|id| doomed.contains(id)).collect()))
    }

    /// What falls with an object: its dependents, of a schema also its relations. With each, what it
    /// depends on.
    fn needs(&self, id: ObjectId) -> Vec<(&Arc<Object>, &Arc<Object>)> {
        let Some(object) = self.get(id) else { return vec![] };
        let within =
            matches!(**object, Object::Schema(_)).then(|| self.relations_of(object.name()));
        self.dependents(id)
            .chain(within.into_iter().flatten())
            .map(|dependent| (dependent, object))
            .collect()
    }

    fn still_needed(&self, ids: &[ObjectId], reasons: &[String]) -> Error {
        let what = match ids {
            [id] => self.get(*id).map_or_else(String::new, |object| describe(object)),
            _ => "desired object(s)".to_owned(),
        };
        let message = format!("cannot drop {what} because other objects depend on it");
        Error::new(SqlState::DependentObjectsStillExist, message)
            .detail(reasons.join("\n"))
            .hint("Use DROP ... CASCADE to drop the dependent objects too.")
    }
}

/// `table t`, as Postgres names an object in a message.
fn describe(object: &Object) -> String {
    match object.relation_name() {
        Some(name) if name.schema != super::PUBLIC => format!("{} {name}", object.kind().noun()),
        _ => format!("{} {}", object.kind().noun(), crate::types::name::quote(object.name())),
    }
}

/// All objects, each after those it depends on; otherwise by id.
pub(super) fn in_order(catalog: &Catalog) -> Vec<&Arc<Object>> {
    let mut done = BTreeSet::new();
    let mut order = Vec::new();
    // Schemas come first: relations depend on them by name.
    let (schemas, relations): (Vec<_>, Vec<_>) =
        catalog.objects().partition(|object| matches!(***object, Object::Schema(_)));
    for object in schemas.into_iter().chain(relations) {
        visit(catalog, object, &mut done, &mut order);
    }
    order
}

fn visit<'a>(
    catalog: &'a Catalog,
    object: &'a Arc<Object>,
    done: &mut BTreeSet<ObjectId>,
    order: &mut Vec<&'a Arc<Object>>,
) {
    if !done.insert(object.id()) {
        return;
    }
    for id in object.dependencies() {
        if let Some(dependency) = catalog.get(*id) {
            visit(catalog, dependency, done, order);
        }
    }
    order.push(object);
}
