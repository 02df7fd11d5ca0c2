//! Errors and notices as the terminal shows them.

use crate::error::Error;

/// An error that ends a command.
pub(super) fn report(error: &Error) -> String {
    let mut text = format!("error: {error}");
    if let Some(detail) = error.detail_text() {
        text.push_str(&format!("\n  {detail}"));
    }
    if let Some(hint) = error.hint_text() {
        text.push_str(&format!("\nhint: {hint}"));
    }
    text
}

/// An error or notice in psql's form, with the line of `text` that it is about.
pub(super) fn described(severity: &str, error: &Error, text: Option<&str>) -> String {
    let mut lines = format!("{severity}:  {error}\n");
    if let (Some(text), Some(position)) = (text, error.position()) {
        lines.push_str(&pointer(text, position));
    }
    if let Some(detail) = error.detail_text() {
        lines.push_str(&format!("DETAIL:  {detail}\n"));
    }
    if let Some(hint) = error.hint_text() {
        lines.push_str(&format!("HINT:  {hint}\n"));
    }
    if let Some(context) = error.context_text() {
        lines.push_str(&format!("CONTEXT:  {context}\n"));
    }
    lines
}

/// The line at a position, and a caret below the character.
fn pointer(text: &str, position: usize) -> String {
    let before: String = text.chars().take(position.saturating_sub(1)).collect();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let number = before.matches('\n').count() + 1;
    let line = text[line_start..].lines().next().unwrap_or_default();
    let prefix = format!("LINE {number}: ");
    let column = prefix.len() + before[line_start..].chars().count();
    format!("{prefix}{line}\n{}^\n", " ".repeat(column))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SqlState;

    #[test]
    fn errors_point_at_the_place() {
        let error = Error::new(SqlState::UndefinedColumn, "column \"x\" does not exist")
            .at(12)
            .hint("Perhaps you meant \"y\".");
        assert_eq!(
            described("ERROR", &error, Some("SELECT\n  ä, x")),
            "ERROR:  column \"x\" does not exist\nLINE 2:   ä, x\n            ^\nHINT:  Perhaps you meant \"y\".\n"
        );
    }
}
