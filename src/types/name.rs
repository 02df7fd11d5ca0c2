//! Names of objects: schema and relation, and how an identifier is quoted.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of an object within its schema, both parts as the catalog keeps them (folded to lower
/// case where the user did not quote them).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct QualifiedName {
    /// The schema.
    pub schema: String,
    /// The name in it.
    pub name: String,
}

impl QualifiedName {
    /// `schema.name`.
    #[must_use]
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> QualifiedName {
        QualifiedName { schema: schema.into(), name: name.into() }
    }
}

/// As SQL: each part quoted where it must be.
impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", quote(&self.schema), quote(&self.name))
    }
}

/// `name` as an SQL identifier: in double quotes unless it reads the same without.
#[must_use]
pub fn quote(name: &str) -> Cow<'_, str> {
    let mut chars = name.chars();
    let plain = chars.next().is_some_and(|first| first.is_ascii_lowercase() || first == '_')
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '$')
        && !RESERVED.split(' ').any(|word| word == name);
    if plain {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(format!("\"{}\"", name.replace('"', "\"\"")))
    }
}

/// `text` as an SQL string literal.
#[must_use]
pub fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Words that Postgres or our parser reads as keywords where a name may stand.
const RESERVED: &str = "\
    all allowed analyse analyze and anti any array as asc asof asymmetric authorization between \
    bigint binary bit boolean both by case cast char character check coalesce collate collation \
    column concurrently connect constraint create cross current_catalog current_date \
    current_role current_schema current_time current_timestamp current_user date dec decimal \
    default deferrable desc distinct do else emit end except exists extract false fetch final \
    float for foreign freeze from full global grant greatest group grouping having ilike in \
    initially inner inout int integer intersect interval into is isnull join late lateral \
    leading least left like limit localtime localtimestamp match_recognize minus national \
    natural nchar none normalize not notnull null nullif numeric offset on only or order out \
    outer overlaps overlay pivot placing position precision primary qualify real references \
    returning right row sample select semi session_user set setof similar smallint some struct \
    substring symmetric system_user table tablesample then time timestamp to top trailing treat \
    trim true union unique unpivot user using values varchar variadic verbose watermark when \
    where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces \
    xmlparse xmlpi xmlroot xmlserialize xmltable";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_only_what_needs_it() {
        for (name, quoted) in [
            ("a", "a"),
            ("_x1", "_x1"),
            ("order", "\"order\""),
            ("Order", "\"Order\""),
            ("1a", "\"1a\""),
            ("a\"b", "\"a\"\"b\""),
            ("", "\"\""),
        ] {
            assert_eq!(quote(name), quoted);
        }
        assert_eq!(quote_literal("it's"), "'it''s'");
    }
}
