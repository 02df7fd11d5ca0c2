//! `SIMILAR TO` as the match of a regular expression: SQL's wildcards, and all of the text.

use datafusion::sql::sqlparser::ast::{BinaryOperator, DataType, Expr, Value};

use crate::error::{Error, Result, SqlState};

/// `text SIMILAR TO 'pattern'` as `text ~ 'expression'`.
pub(super) fn rewrite(expr: &mut Expr) -> Result<()> {
    let Expr::SimilarTo { negated, expr: text, pattern, escape_char } = expr else {
        return Ok(());
    };
    let Some(pattern) = literal(pattern) else {
        return Err(Error::unsupported("SIMILAR TO with a pattern that is not a constant")
            .hint("Use LIKE or the regular expression operator ~."));
    };
    let escape = match escape_char {
        None => Some('\\'),
        Some(value) => match &value.value {
            Value::SingleQuotedString(text) if text.chars().count() > 1 => {
                let error = Error::new(SqlState::InvalidEscapeSequence, "invalid escape string");
                return Err(error.hint("Escape string must be empty or one character."));
            }
            Value::SingleQuotedString(text) => text.chars().next(),
            Value::Null => {
                *expr = super::cast(Expr::value(Value::Null), DataType::Boolean);
                return Ok(());
            }
            _ => None,
        },
    };
    let op = match negated {
        false => BinaryOperator::PGRegexMatch,
        true => BinaryOperator::PGRegexNotMatch,
    };
    let pattern = Value::SingleQuotedString(expression(&pattern, escape));
    *expr = Expr::Nested(Box::new(Expr::BinaryOp {
        left: text.clone(),
        op,
        right: Box::new(Expr::value(pattern)),
    }));
    Ok(())
}

fn literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        Expr::Nested(inner) => literal(inner),
        _ => None,
    }
}

/// The regular expression that matches what `pattern` does.
fn expression(pattern: &str, escape: Option<char>) -> String {
    let mut text = "^(?:".to_owned();
    let mut characters = pattern.chars();
    let mut in_brackets = false;
    while let Some(character) = characters.next() {
        match character {
            _ if Some(character) == escape => {
                if let Some(escaped) = characters.next() {
                    quoted(escaped, &mut text);
                }
            }
            '[' => {
                in_brackets = true;
                text.push('[');
            }
            ']' => {
                in_brackets = false;
                text.push(']');
            }
            '\\' => text.push_str("\\\\"),
            _ if in_brackets => text.push(character),
            '%' => text.push_str(".*"),
            '_' => text.push('.'),
            '(' => text.push_str("(?:"),
            '.' | '^' | '$' => quoted(character, &mut text),
            _ => text.push(character),
        }
    }
    text.push_str(")$");
    text
}

fn quoted(character: char, text: &mut String) {
    if !character.is_alphanumeric() && !character.is_whitespace() {
        text.push('\\');
    }
    text.push(character);
}

#[cfg(test)]
mod tests {
    use super::expression;

    #[test]
    fn wildcards_become_expressions() {
        let cases = [
            ("(a|b)%", "^(?:(?:a|b).*)$"),
            ("a_c.", "^(?:a.c\\.)$"),
            ("[%_]+", "^(?:[%_]+)$"),
            ("50\\%", "^(?:50\\%)$"),
        ];
        for (pattern, regular) in cases {
            assert_eq!(expression(pattern, Some('\\')), regular);
        }
    }
}
