//! Literal text in the patterns of `to_char` and its kin (PostgreSQL, 9.8: "text in double quotes").

/// The literal text that a pattern begins with, and what follows it. Within quotes a backslash stands for the
/// character behind it, elsewhere before a quote alone.
pub(super) fn literal(pattern: &str) -> Option<(String, &str)> {
    if let Some(rest) = pattern.strip_prefix("\\\"") {
        return Some(("\"".to_owned(), rest));
    }
    let quoted = pattern.strip_prefix('"')?;
    let mut text = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((text, &quoted[at + 1..])),
            '\\' => text.push(letters.next().map_or('\\', |(_, letter)| letter)),
            letter => text.push(letter),
        }
    }
    Some((text, ""))
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn backslashes_stand_for_what_follows() {
        assert_eq!(literal(r#""a\"b\\"9"#), Some((r#"a"b\"#.to_owned(), "9")));
        assert_eq!(literal(r#"\"9"#), Some(("\"".to_owned(), "9")));
        assert_eq!(literal(r#""open"#), Some(("open".to_owned(), "")));
        assert_eq!(literal(r"\9"), None);
    }
}
