//! Which of several functions of one name a call means: Postgres' rules (its manual, chapter 10.3).

use arrow::datatypes::DataType;
use itertools::{Itertools, zip_eq};

use super::kind::Kind;
use super::overload::Overload;
use crate::error::{Error, Result, SqlState};
use crate::plan::operator::sql_name;
use crate::plan::undefined::undefined_function;

/// The overload for arguments of these types; `None` is the type of a literal that has none yet.
pub(super) fn resolve<'a>(
    name: &str,
    overloads: &'a [Overload],
    types: &[Option<DataType>],
) -> Result<&'a Overload> {
    let kinds: Vec<Option<Kind>> = types.iter().map(|kind| kind.as_ref().map(Kind::of)).collect();
    let mut candidates: Vec<(&Overload, Vec<Kind>)> = overloads
        .iter()
        .filter_map(|overload| Some((overload, overload.kinds(kinds.len())?)))
        .filter(|(_, wanted)| {
            zip_eq(&kinds, wanted).all(|(kind, to)| kind.is_none_or(|kind| kind.converts_to(*to)))
        })
        .collect();
    // Those with the most exact matches, then those with the most preferred types.
    keep_best(&mut candidates, |wanted| {
        zip_eq(&kinds, wanted).filter(|(kind, to)| **kind == Some(**to)).count()
    });
    keep_best(&mut candidates, |wanted| {
        let chosen = |(kind, to): &(&Option<Kind>, &Kind)| match kind {
            Some(kind) => kind == *to || (kind.category() == to.category() && to.preferred()),
            None => false,
        };
        zip_eq(&kinds, wanted).filter(chosen).count()
    });
    if candidates.len() > 1 {
        by_category(&mut candidates, &kinds);
    }
    if candidates.len() > 1 {
        same_as_known(&mut candidates, &kinds);
    }
    match &candidates[..] {
        [(overload, _)] => Ok(*overload),
        [] => Err(undefined_function(name, &shown(types))),
        _ => Err(Error::new(
            SqlState::AmbiguousFunction,
            format!(
                "function {name}({}) is not unique",
                shown(types).iter().map(sql_name).join(", ")
            ),
        )
        .hint(
            "Could not choose a best candidate function. You might need to add explicit type \
             casts.",
        )),
    }
}

fn shown(types: &[Option<DataType>]) -> Vec<DataType> {
    types.iter().map(|kind| kind.clone().unwrap_or(DataType::Null)).collect()
}

fn keep_best(candidates: &mut Vec<(&Overload, Vec<Kind>)>, score: impl Fn(&[Kind]) -> usize) {
    let best = candidates.iter().map(|(_, wanted)| score(wanted)).max().unwrap_or(0);
    candidates.retain(|(_, wanted)| score(wanted) == best);
}

/// Literals of unknown type: text if a candidate takes text there, else the category that all agree
/// on, and in it the preferred type.
fn by_category(candidates: &mut Vec<(&Overload, Vec<Kind>)>, kinds: &[Option<Kind>]) {
    for (index, _) in kinds.iter().enumerate().filter(|(_, kind)| kind.is_none()) {
        let categories: Vec<char> =
            candidates.iter().map(|(_, wanted)| wanted[index].category()).collect();
        let category = match categories.contains(&'S') {
            true => 'S',
            false if categories.iter().all_equal() => categories[0],
            false => continue,
        };
        candidates.retain(|(_, wanted)| wanted[index].category() == category);
        let preferred = |wanted: &[Kind]| wanted[index].preferred();
        if candidates.iter().any(|(_, wanted)| preferred(wanted)) {
            candidates.retain(|(_, wanted)| preferred(wanted));
        }
    }
}

/// Literals of unknown type beside known types that are all the same: they are of that type, too.
fn same_as_known(candidates: &mut Vec<(&Overload, Vec<Kind>)>, kinds: &[Option<Kind>]) {
    let known: Vec<Kind> = kinds.iter().copied().flatten().collect();
    let Some(first) = known.first().copied().filter(|_| known.iter().all_equal()) else { return };
    let fits = |wanted: &[Kind]| wanted.iter().all(|to| first.converts_to(*to));
    if candidates.iter().filter(|(_, wanted)| fits(wanted)).count() == 1 {
        candidates.retain(|(_, wanted)| fits(wanted));
    }
}
