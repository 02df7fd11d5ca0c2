//! Names, dependencies, changes and their replay.

use super::{Catalog, Change, Object, PUBLIC, PUBLIC_ID, Table, View};
use crate::error::{Error, Result, SqlState};
use crate::types::definition::{Column, ObjectKind, TableDefinition, ViewDefinition};
use crate::types::{ObjectId, QualifiedName, SqlType};

fn path() -> Vec<String> {
    vec![PUBLIC.to_owned()]
}

fn apply(catalog: &mut Catalog, change: Result<Change>) -> Change {
    let change = change.unwrap();
    let text = serde_json::to_string(&change).unwrap();
    let read: Change = serde_json::from_str(&text).unwrap();
    assert_eq!(read, change, "a change survives the log");
    catalog.apply(&read);
    check(catalog);
    change
}

fn check(catalog: &Catalog) {
    for object in catalog.objects() {
        assert!(object.id() < catalog.next_id());
        assert!(object.dependencies().iter().all(|id| catalog.get(*id).is_some()));
        if let Some(name) = object.relation_name() {
            assert_eq!(catalog.relation(name).map(|found| found.id()), Some(object.id()));
            assert!(catalog.has_schema(&name.schema));
        }
    }
    let relations = catalog.objects().filter(|object| object.relation_name().is_some()).count();
    assert_eq!(relations, catalog.names.len());
}

fn table(catalog: &mut Catalog, name: &str) -> ObjectId {
    let id = catalog.next_id();
    let name = catalog.name_for_create(None, name, &path()).unwrap();
    let mut columns = vec![Column::new("a", SqlType::Int4), Column::new("b", SqlType::Text)];
    columns[1].generated = Some("a::text".to_owned());
    let definition = TableDefinition { columns, ..TableDefinition::default() };
    apply(catalog, Ok(Change::Create(Object::Table(Table { id, name, definition }))));
    id
}

fn view(catalog: &mut Catalog, name: &str, on: &[ObjectId]) -> ObjectId {
    let id = catalog.next_id();
    let name = catalog.name_for_create(None, name, &path()).unwrap();
    let view = View { id, name, definition: ViewDefinition::default(), dependencies: on.to_vec() };
    apply(catalog, Ok(Change::Create(Object::MaterializedView(view))));
    id
}

fn state<T: std::fmt::Debug>(result: Result<T, Error>) -> SqlState {
    result.unwrap_err().state()
}

#[test]
fn names_are_found_along_the_search_path() {
    let mut catalog = Catalog::new();
    let change = catalog.create_schema("s");
    apply(&mut catalog, change);
    let t = table(&mut catalog, "orders");
    assert_eq!(catalog.resolve(None, "orders", &path()).unwrap().id(), t);
    assert_eq!(catalog.resolve(Some(PUBLIC), "orders", &[]).unwrap().id(), t);
    let error = catalog.resolve(None, "order", &path()).unwrap_err();
    assert_eq!(error.message(), "relation \"order\" does not exist");
    assert_eq!(error.hint_text(), Some("Perhaps you meant \"orders\"."));
    let error = catalog.resolve(Some("s"), "orders", &path()).unwrap_err();
    assert_eq!(error.hint_text(), Some("Perhaps you meant \"public.orders\"."));
    assert_eq!(state(catalog.name_for_create(None, "orders", &path())), SqlState::DuplicateTable);
    assert_eq!(
        state(catalog.name_for_create(Some("x"), "y", &path())),
        SqlState::InvalidSchemaName
    );
    assert_eq!(state(catalog.name_for_create(None, "y", &[])), SqlState::InvalidSchemaName);
    let system = catalog.name_for_create(Some("pg_catalog"), "y", &path());
    assert_eq!(state(system), SqlState::InsufficientPrivilege);
    assert_eq!(state(catalog.create_schema("s")), SqlState::DuplicateSchema);
    assert_eq!(state(catalog.create_schema("pg_x")), SqlState::ReservedName);
    let wrong = catalog.resolve_kind(ObjectKind::View, None, "orders", &path()).unwrap_err();
    assert_eq!(wrong.state(), SqlState::WrongObjectType);
    assert_eq!(wrong.message(), "\"orders\" is not a view");
    let missing = catalog.resolve_kind(ObjectKind::View, None, "ordesr", &path()).unwrap_err();
    assert_eq!(missing.message(), "view \"ordesr\" does not exist");
}

#[test]
fn dropping_minds_dependents() {
    let mut catalog = Catalog::new();
    let t = table(&mut catalog, "t");
    let v = view(&mut catalog, "v", &[t]);
    let w = view(&mut catalog, "w", &[v, t]);
    let error = catalog.drop_objects(&[t], false).unwrap_err();
    assert_eq!(error.state(), SqlState::DependentObjectsStillExist);
    assert_eq!(error.message(), "cannot drop table t because other objects depend on it");
    assert_eq!(
        error.detail_text(),
        Some("materialized view v depends on table t\nmaterialized view w depends on table t")
    );
    assert_eq!(catalog.drop_objects(&[t, v, w], false).unwrap(), Change::Drop(vec![w, v, t]));
    assert_eq!(catalog.drop_objects(&[t], true).unwrap(), Change::Drop(vec![w, v, t]));
    assert_eq!(catalog.drop_objects(&[w], false).unwrap(), Change::Drop(vec![w]));
    assert_eq!(state(catalog.drop_objects(&[PUBLIC_ID], true)), SqlState::FeatureNotSupported);
    let change = catalog.drop_objects(&[t], true);
    apply(&mut catalog, change);
    let again = table(&mut catalog, "t");
    assert!(again > w, "ids are never reused");
    let change = catalog.create_schema("s");
    let s = catalog.next_id();
    apply(&mut catalog, change);
    let moved = catalog.rename(catalog.get(again).unwrap(), "s", "t", |_, _, _| unreachable!());
    apply(&mut catalog, moved);
    let error = catalog.drop_objects(&[s], false).unwrap_err();
    assert_eq!(error.detail_text(), Some("table s.t depends on schema s"));
    assert_eq!(catalog.drop_objects(&[s], true).unwrap(), Change::Drop(vec![again, s]));
}

#[test]
fn renaming_rewrites_what_names_the_relation() {
    let mut catalog = Catalog::new();
    let t = table(&mut catalog, "t");
    let v = view(&mut catalog, "v", &[t]);
    let before = catalog.clone();
    let change = catalog
        .rename(catalog.get(t).unwrap(), PUBLIC, "u", |_, old, new| Ok(format!("{old} is {new}")));
    apply(&mut catalog, change);
    assert!(before.resolve(None, "t", &path()).is_ok(), "snapshots stand still");
    assert!(catalog.resolve(None, "t", &path()).is_err());
    let query = |catalog: &Catalog| match &**catalog.get(v).unwrap() {
        Object::MaterializedView(view) => view.definition.query.clone(),
        _ => unreachable!(),
    };
    assert_eq!(query(&catalog), "public.t is public.u");
    let u = catalog.resolve(None, "u", &path()).unwrap();
    let change = catalog.rename_column(
        u,
        "a",
        "c",
        |_, renamed| Ok(renamed.columns()[0].name.clone()),
        |expr| Ok(expr.replace('a', "c")),
    );
    assert_eq!(
        state(catalog.rename_column(u, "x", "y", |_, _| unreachable!(), |_| unreachable!())),
        SqlState::UndefinedColumn
    );
    assert_eq!(
        state(catalog.rename_column(u, "a", "b", |_, _| unreachable!(), |_| unreachable!())),
        SqlState::DuplicateColumn
    );
    apply(&mut catalog, change);
    assert_eq!(query(&catalog), "c");
    let columns = catalog.relation(&QualifiedName::new(PUBLIC, "u")).unwrap().columns().to_vec();
    assert_eq!(columns[0].name, "c");
    assert_eq!(columns[1].generated.as_deref(), Some("c::text"));
}
