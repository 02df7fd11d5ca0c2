//! The parts of a JSON text, as slices of it: a part of a valid text is valid, and a part of a `jsonb` is in
//! the one form of `jsonb`.

use std::borrow::Cow;

/// A JSON value one level deep.
#[derive(Clone, PartialEq, Debug)]
pub enum Json<'a> {
    /// The members of an object, as they come.
    Object(Vec<(Cow<'a, str>, &'a str)>),
    /// The elements of an array.
    Array(Vec<&'a str>),
    /// A string without its quotes and escapes.
    String(Cow<'a, str>),
    /// A number as it is written.
    Number(&'a str),
    /// `true` or `false`
    Bool(bool),
    /// `null`
    Null,
}

impl<'a> Json<'a> {
    /// What `text` is, which must be valid JSON; of any other it is something or other.
    #[must_use]
    pub fn of(text: &'a str) -> Json<'a> {
        let text = text.trim();
        match text.as_bytes().first() {
            Some(b'{') => {
                let mut rest = Rest(&text[1..]);
                Json::Object(std::iter::from_fn(|| rest.member()).collect())
            }
            Some(b'[') => {
                let mut rest = Rest(&text[1..]);
                Json::Array(std::iter::from_fn(|| rest.element()).collect())
            }
            Some(b'"') => Json::String(unquoted(text)),
            Some(b't') => Json::Bool(true),
            Some(b'f') => Json::Bool(false),
            Some(b'n') | None => Json::Null,
            Some(_) => Json::Number(text),
        }
    }

    /// The member `key` of an object: the last one of this name.
    #[must_use]
    pub fn member(&self, key: &str) -> Option<&'a str> {
        let Json::Object(members) = self else { return None };
        members.iter().rev().find(|(name, _)| name == key).map(|(_, value)| *value)
    }

    /// The element at `index` of an array, from its end if negative.
    #[must_use]
    pub fn element(&self, index: i64) -> Option<&'a str> {
        let Json::Array(elements) = self else { return None };
        let length = i64::try_from(elements.len()).ok()?;
        let index = if index < 0 { index + length } else { index };
        elements.get(usize::try_from(index).ok()?).copied()
    }

    /// What `jsonb_typeof` calls it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Json::Object(_) => "object",
            Json::Array(_) => "array",
            Json::String(_) => "string",
            Json::Number(_) => "number",
            Json::Bool(_) => "boolean",
            Json::Null => "null",
        }
    }
}

/// A value as `->>` gives it: a string without quotes, null for null.
#[must_use]
pub fn text(value: &str) -> Option<String> {
    match Json::of(value) {
        Json::Null => None,
        Json::String(text) => Some(text.into_owned()),
        _ => Some(value.to_owned()),
    }
}

/// A text as a JSON string.
#[must_use]
pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// Members and elements joined as `jsonb` shows them.
#[must_use]
pub fn object<'a>(members: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let members = members.map(|(key, value)| format!("{}: {value}", quoted(key)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
}

/// Whether `one` contains `other`, as `@>` of `jsonb` has it.
#[must_use]
pub fn contains(one: &str, other: &str) -> bool {
    match (Json::of(one), Json::of(other)) {
        // At the top, a scalar is contained in an array that has it.
        (Json::Array(elements), scalar) if !matches!(scalar, Json::Array(_) | Json::Object(_)) => {
            elements.iter().any(|element| within(&Json::of(element), &scalar))
        }
        (one, other) => within(&one, &other),
    }
}

fn within(one: &Json<'_>, other: &Json<'_>) -> bool {
    match (one, other) {
        (Json::Object(_), Json::Object(members)) => members.iter().all(|(key, value)| {
            one.member(key).is_some_and(|own| within(&Json::of(own), &Json::of(value)))
        }),
        (Json::Array(own), Json::Array(elements)) => elements.iter().all(|element| {
            let element = Json::of(element);
            own.iter().any(|own| within(&Json::of(own), &element))
        }),
        (Json::Number(one), Json::Number(other)) => plain(one) == plain(other),
        (one, other) => one == other,
    }
}

/// A number of `jsonb` without the zeros at the end of its fraction.
fn plain(number: &str) -> &str {
    match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    }
}

fn unquoted(text: &str) -> Cow<'_, str> {
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    match inner.contains('\\') {
        true => Cow::Owned(serde_json::from_str(text).unwrap_or_default()),
        false => Cow::Borrowed(inner),
    }
}

/// What is left of a list of members or elements.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn member(&mut self) -> Option<(Cow<'a, str>, &'a str)> {
        let key = self.element()?;
        Some((unquoted(key), self.element()?))
    }

    /// The next value, what separates it from others passed over.
    fn element(&mut self) -> Option<&'a str> {
        let separates = |c: char| c.is_ascii_whitespace() || c == ',' || c == ':';
        let rest = self.0.trim_start_matches(separates);
        let end = end(rest);
        let (value, rest) = rest.split_at(end);
        self.0 = rest;
        (end > 0).then_some(value)
    }
}

/// Where the value ends with which `text` begins; zero if a bracket closes instead.
fn end(text: &str) -> usize {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let nested = text.starts_with(['{', '[', '"']);
    for (at, byte) in text.bytes().enumerate() {
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = byte == b'\\' && !escaped;
        } else {
            match byte {
                b'"' => quoted = true,
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 0 => return at,
                b'}' | b']' => depth -= 1,
                b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return at,
                _ => {}
            }
        }
        if nested && depth == 0 && !quoted {
            return at + 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_slices() {
        let text = r#" {"a": [1, {"b":"]"}, "x\"y"] , "c":null,"a\n":-1.5e3} "#;
        let json = Json::of(text);
        assert_eq!(json.member("a"), Some(r#"[1, {"b":"]"}, "x\"y"]"#));
        assert_eq!(json.member("c"), Some("null"));
        assert_eq!(json.member("a\n"), Some("-1.5e3"));
        assert_eq!(json.member("b"), None);
        let list = Json::of(json.member("a").unwrap());
        assert_eq!(list.element(-1), Some(r#""x\"y""#));
        assert_eq!(list.element(1), Some(r#"{"b":"]"}"#));
        assert_eq!(list.element(3), None);
        assert_eq!(super::text(list.element(2).unwrap()).as_deref(), Some("x\"y"));
        assert_eq!(Json::of("[]"), Json::Array(vec![]));
        assert_eq!(Json::of("{}"), Json::Object(vec![]));
        assert_eq!(Json::of("[[],[[1]]]"), Json::Array(vec!["[]", "[[1]]"]));
    }

    #[test]
    fn containment_is_deep_and_ignores_order() {
        for (one, other, expected) in [
            (r#"{"a": 1, "b": {"c": [1, 2]}}"#, r#"{"b": {"c": [2]}}"#, true),
            (r#"{"a": 1}"#, r#"{"a": 1.0}"#, true),
            (r#"{"a": 1}"#, r#"{"a": 2}"#, false),
            ("[1, 2, [1, 3]]", "[1, 3]", false),
            ("[1, 2, [1, 3]]", "[[3]]", true),
            ("[1, 2]", "1", true),
            ("1", "[1]", false),
            (r#"["a"]"#, r#"{"a": 1}"#, false),
            ("null", "null", true),
        ] {
            assert_eq!(contains(one, other), expected, "{one} @> {other}");
        }
    }
}
