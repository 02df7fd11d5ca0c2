//! Columns of the queries around: `a.x` in a subquery that has a column `a` but no relation `a` is the
//! column of an outer relation, never a field of the inner column as DataFusion has it.
//!
//! A relation within a query that has one of the same name gets a hidden number, so that no column of one is
//! taken for one of the other when subqueries are taken apart.
//!
//! | written | becomes |
//! |---|---|
//! | `EXISTS (SELECT 1 FROM b WHERE b.a = a.id)` | `… b.a = "<any>".a.id` |
//! | `FROM jsonb_array_elements(j) AS e WHERE e = '1'` | `… WHERE e.value = '1'` |
//! | `SELECT (SELECT max(t.x) FROM t) FROM t` | `SELECT (SELECT max("t<2>".x) FROM t AS "t<2>") FROM t` |
//!
//! A schema that no relation has tells a relation's name from a column's; names compare without it.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, ObjectName, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Spanned, TableAlias, TableFactor,
    TableWithJoins, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::tokenizer::Location;

use super::columns::folded;
use super::{array, column_name, table_function};
use crate::error::{ANY_SCHEMA, Error, Result, SqlState};
use crate::plan::write::STATEMENT;
use crate::sql::Positions;
use crate::sql::visit::WalkMut;

/// Qualifies columns of outer relations.
///
/// # Errors
/// `42P01` and `42P10` for a column of a relation that cannot be seen from where it stands.
pub(super) fn rewrite(query: &mut Query, positions: &Positions) -> Result<()> {
    let mut scopes = Scopes { scopes: vec![], numbered: 1, positions };
    super::finished(query.visit(&mut WalkMut(&mut scopes)))
}

/// A relation of a FROM clause.
struct Known {
    /// As the user calls it.
    name: String,
    /// With its hidden number, if it has one.
    own: Option<String>,
    /// What tells it from a column.
    schema: String,
    /// Its one column, which its name alone means too: that of a function of one value.
    value: Option<&'static str>,
    /// The table that it is an alias of.
    table: Option<String>,
    /// Whether it is the rows that the statement writes.
    target: bool,
    /// Where it stands.
    at: Location,
}

/// What a part of a query sees of the relations of its FROM clause.
#[derive(Clone, Copy, PartialEq)]
enum Sight {
    All,
    /// Those before a LATERAL item, which is here, but a statement's target.
    Lateral(Location),
    Nothing,
}

impl Sight {
    /// Whether it shows a relation that stands at a place. What we have written ourselves stands nowhere.
    fn shows(self, at: Location) -> bool {
        match self {
            Sight::All => true,
            Sight::Lateral(before) => before.line == 0 || at < before,
            Sight::Nothing => false,
        }
    }
}

/// The relations of a FROM clause, and what is seen of them from where we are.
struct Scope {
    known: Vec<Known>,
    sight: Sight,
}

/// The relations of the queries that we are in, from the outermost: of each query, and of the SELECT in it.
struct Scopes<'a> {
    scopes: Vec<Scope>,
    /// The last hidden number.
    numbered: usize,
    positions: &'a Positions,
}

impl Scopes<'_> {
    /// Numbers the relations of `from` that the first `around` scopes have relations of the same name as.
    fn number(&mut self, from: &mut [TableWithJoins], around: usize) {
        for from in from {
            let joined = from.joins.iter_mut().map(|join| &mut join.relation);
            for factor in std::iter::once(&mut from.relation).chain(joined) {
                if let TableFactor::NestedJoin { table_with_joins, alias: None } = factor {
                    self.number(std::slice::from_mut(table_with_joins.as_mut()), around);
                    continue;
                }
                let Some(name) = plain_name(factor) else { continue };
                let mut taken = self.scopes[..around].iter().flat_map(|scope| &scope.known);
                if taken.any(|known| known.name == name) {
                    self.numbered += 1;
                    let alias = column_name::numbered(&name, self.numbered);
                    call(factor, Ident::with_quote('"', alias));
                }
            }
        }
    }

    /// The nearest relation in sight that the user calls `name`, and the number of its scope.
    fn find(&self, name: &str) -> Option<(&Known, usize)> {
        let scopes = self.scopes.iter().enumerate().rev();
        scopes.filter(|(_, scope)| scope.sight != Sight::Nothing).find_map(|(index, scope)| {
            let named = |known: &&Known| known.name == name && scope.sight.shows(known.at);
            Some((scope.known.iter().find(named)?, index))
        })
    }

    /// The error for `name`, which no relation in sight is called, if it is a relation's.
    fn missing(&self, name: &str) -> Result<()> {
        let all = || self.scopes.iter().flat_map(|s| s.known.iter().map(move |k| (k, s.sight)));
        let state = SqlState::UndefinedTable;
        match all().find(|(known, _)| known.name == name) {
            Some((_, Sight::Nothing)) => return Err(out_of_sight(state, name)),
            Some(_) => {
                let message = format!("missing FROM-clause entry for table \"{name}\"");
                return Err(Error::new(state, message));
            }
            None => {}
        }
        match all().find(|(known, _)| known.table.as_deref() == Some(name)) {
            Some((Known { name: alias, .. }, _)) => Err(invalid(state, name)
                .hint(format!("Perhaps you meant to reference the table alias \"{alias}\"."))),
            None => Ok(()),
        }
    }

    /// `relation.*` by the relation's own name.
    fn wildcard(&self, relation: &mut ObjectName) {
        let Some(last) = relation.0.last().and_then(|part| part.as_ident()) else { return };
        if let Some((Known { own: Some(own), .. }, _)) = self.find(&folded(last)) {
            *relation = ObjectName::from(vec![Ident::with_quote('"', own)]);
        }
    }

    /// A column's name with its relation's own.
    fn qualify(&self, parts: &mut Vec<Ident>) -> Result<()> {
        let [.., relation, _] = parts.as_slice() else { return Ok(()) };
        let (bare, name) = (parts.len() == 2, folded(relation));
        let Some((known, scope)) = self.find(&name) else {
            return if bare { self.missing(&name) } else { Ok(()) };
        };
        if known.target && matches!(self.scopes[scope].sight, Sight::Lateral(_)) {
            return Err(out_of_sight(SqlState::InvalidColumnReference, &name));
        }
        if !bare && known.own.is_none() {
            return Ok(());
        }
        if let Some(own) = &known.own {
            parts.drain(..parts.len() - 2);
            parts[0] = Ident::with_quote('"', own);
        }
        if scope + 1 != self.scopes.len() {
            parts.insert(0, Ident::with_quote('"', &known.schema));
        }
        Ok(())
    }

    /// What the item of FROM that we come to, or that we leave, sees of the clause's other relations.
    fn look(&mut self, sight: Sight) {
        self.scopes.iter_mut().rev().take(2).for_each(|scope| scope.sight = sight);
    }
}

fn invalid(state: SqlState, name: &str) -> Error {
    Error::new(state, format!("invalid reference to FROM-clause entry for table \"{name}\""))
}

fn out_of_sight(state: SqlState, name: &str) -> Error {
    invalid(state, name).hint(format!(
        "There is an entry for table \"{name}\", but it cannot be referenced from this part of \
         the query."
    ))
}

/// What an item of FROM sees of the clause's other relations, if it has queries or expressions.
fn sight(factor: &TableFactor) -> Option<Sight> {
    match factor {
        TableFactor::Derived { lateral: false, .. } => Some(Sight::Nothing),
        TableFactor::Derived { .. }
        | TableFactor::Table { args: Some(_), .. }
        | TableFactor::Function { .. }
        | TableFactor::TableFunction { .. }
        | TableFactor::UNNEST { .. } => Some(Sight::Lateral(factor.span().start)),
        _ => None,
    }
}

/// The name of a table or a subquery in FROM. (The columns of functions may be called as the function is.)
fn plain_name(factor: &TableFactor) -> Option<String> {
    match factor {
        TableFactor::Table { alias: Some(alias), args: None, .. }
        | TableFactor::Derived { alias: Some(alias), .. } => Some(folded(&alias.name)),
        TableFactor::Table { name, alias: None, args: None, .. } => {
            name.0.last().and_then(|part| part.as_ident()).map(folded)
        }
        _ => None,
    }
}

/// Gives a table or a subquery in FROM another name.
fn call(factor: &mut TableFactor, name: Ident) {
    if let TableFactor::Table { alias, .. } | TableFactor::Derived { alias, .. } = factor {
        match alias {
            Some(alias) => alias.name = name,
            None => {
                *alias = Some(TableAlias { explicit: true, name, columns: vec![], at: None });
            }
        }
    }
}

impl VisitorMut for Scopes<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        // ORDER BY sees them too, but what stands in WITH does not.
        let from = match query.body.as_mut() {
            SetExpr::Select(select) => {
                self.number(&mut select.from, self.scopes.len());
                relations(&select.from)
            }
            _ => vec![],
        };
        self.scopes.push(Scope { known: from, sight: Sight::Nothing });
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &mut Query) -> ControlFlow<Error> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        // The last scope is that of the query whose SELECT this is.
        self.number(&mut select.from, self.scopes.len().saturating_sub(1));
        let known = relations(&select.from);
        self.scopes.push(Scope { known, sight: Sight::All });
        self.look(Sight::All);
        for item in &mut select.projection {
            if let SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(relation),
                _,
            ) = item
            {
                self.wildcard(relation);
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _select: &mut Select) -> ControlFlow<Error> {
        self.scopes.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        if let Some(sight) = sight(factor) {
            self.look(sight);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        if sight(factor).is_some() {
            self.look(Sight::All);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        if let Expr::Identifier(name) = &*expr {
            let name = folded(name);
            let mut known = self.scopes.iter().rev().flat_map(|scope| &scope.known);
            if let Some(value) = known.find(|known| known.name == name).and_then(|k| k.value) {
                let parts = [name.as_str(), value].map(|part| Ident::with_quote('"', part));
                *expr = Expr::CompoundIdentifier(parts.to_vec());
            }
        }
        array::qualify_root(expr);
        match expr {
            Expr::CompoundIdentifier(parts) => {
                let place = self.positions.of_span(parts[0].span);
                if let Err(error) = self.qualify(parts) {
                    return ControlFlow::Break(error.or_at(place));
                }
            }
            Expr::Function(function) => {
                if let FunctionArguments::List(list) = &mut function.args {
                    for arg in &mut list.args {
                        if let FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(relation)) =
                            arg
                        {
                            self.wildcard(relation);
                        }
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// The names of the relations of a FROM clause.
pub(crate) fn relation_names(from: &[TableWithJoins]) -> Vec<String> {
    relations(from).into_iter().map(|known| known.name).collect()
}

fn relations(from: &[TableWithJoins]) -> Vec<Known> {
    let mut known = vec![];
    from.iter().for_each(|from| add(from, &mut known));
    known
}

fn add(from: &TableWithJoins, to: &mut Vec<Known>) {
    let joined = from.joins.iter().map(|join| &join.relation);
    for factor in std::iter::once(&from.relation).chain(joined) {
        let value = value_of(factor);
        let (name, schema) = match factor {
            TableFactor::NestedJoin { table_with_joins, alias: None } => {
                add(table_with_joins, to);
                continue;
            }
            TableFactor::Table { alias: Some(alias), .. }
            | TableFactor::Derived { alias: Some(alias), .. }
            | TableFactor::TableFunction { alias: Some(alias), .. }
            | TableFactor::Function { alias: Some(alias), .. }
            | TableFactor::UNNEST { alias: Some(alias), .. }
            | TableFactor::NestedJoin { alias: Some(alias), .. } => (folded(&alias.name), None),
            TableFactor::Table { name, .. } | TableFactor::Function { name, .. } => {
                let mut parts = name.0.iter().rev().filter_map(|part| part.as_ident()).map(folded);
                let Some(name) = parts.next() else { continue };
                (name, parts.next())
            }
            TableFactor::UNNEST { .. } => ("unnest".to_owned(), None),
            _ => continue,
        };
        let schema = schema.unwrap_or_else(|| ANY_SCHEMA.to_owned());
        let own = column_name::is_numbered(&name).then(|| name.clone());
        let name = column_name::visible(&name).to_owned();
        let (table, target) = (aliased(factor), is_target(factor));
        to.push(Known { name, own, schema, value, table, target, at: factor.span().start });
    }
}

/// The table that an item of FROM gives an alias to.
fn aliased(factor: &TableFactor) -> Option<String> {
    let TableFactor::Table { name, alias: Some(_), args: None, .. } = factor else { return None };
    name.0.last().and_then(|part| part.as_ident()).map(folded)
}

/// Whether an item of FROM is the rows that a statement writes.
fn is_target(factor: &TableFactor) -> bool {
    let TableFactor::Table { name, .. } = factor else { return false };
    name.0.first().and_then(|part| part.as_ident()).is_some_and(|name| name.value == STATEMENT)
}

/// The column of a function of one value, under the name that the function gives it.
fn value_of(factor: &TableFactor) -> Option<&'static str> {
    let (TableFactor::Table { name, args: Some(_), alias, .. }
    | TableFactor::Function { name, alias, .. }) = factor
    else {
        return None;
    };
    let function = name.0.last().and_then(|part| part.as_ident()).map(folded)?;
    let plain = alias.as_ref().is_none_or(|alias| alias.columns.is_empty());
    table_function::column_of(&function).filter(|_| plain)
}
