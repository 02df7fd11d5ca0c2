//! Postgres' advanced regular expressions in the syntax of the `regex` crate.

use crate::error::{Error, Result, SqlState};

/// A pattern in the other syntax, and what its matches depend on.
#[derive(Debug)]
pub(super) struct Translated {
    pub(super) pattern: String,
    /// Whether the first match that is found may be another one than the longest.
    pub(super) ambiguous: bool,
    /// Greedy and reluctant quantifiers side by side, of which Postgres makes all of one kind.
    pub(super) mixed: bool,
}

/// Letters after the pattern, as flags.
#[derive(Clone, Copy, Default)]
struct Flags {
    any_case: bool,
    literal: bool,
    /// `.` and brackets do not match line ends.
    partial: bool,
    /// `^` and `$` match at line ends.
    anchors: bool,
}

fn flags(letters: &str) -> Result<Flags> {
    let mut flags = Flags::default();
    for letter in letters.chars() {
        match letter {
            'g' | 'c' | 's' | 't' => {}
            'i' => flags.any_case = true,
            'n' | 'm' => (flags.partial, flags.anchors) = (true, true),
            'p' => flags.partial = true,
            'w' => flags.anchors = true,
            'q' => flags.literal = true,
            'b' | 'e' | 'x' => {
                return Err(Error::unsupported(format!(
                    "the regular expression option \"{letter}\""
                )));
            }
            other => {
                let message = format!("invalid regular expression option: \"{other}\"");
                return Err(Error::invalid_parameter(message));
            }
        }
        // The last of them counts.
        if letter == 'c' {
            flags.any_case = false;
        }
        if letter == 's' {
            (flags.partial, flags.anchors) = (false, false);
        }
    }
    Ok(flags)
}

/// `pattern` with the option letters `options`.
pub(super) fn translate(pattern: &str, options: &str) -> Result<Translated> {
    let mut flags = flags(options)?;
    let mut rest = pattern;
    if let Some(text) = rest.strip_prefix("***=") {
        (rest, flags.literal) = (text, true);
    } else if let Some(text) = rest.strip_prefix("***:") {
        rest = text;
    }
    if !flags.literal
        && let Some((letters, after)) = embedded(rest)
    {
        for letter in letters.chars() {
            match letter {
                'i' => flags.any_case = true,
                'c' => flags.any_case = false,
                'n' | 'm' => (flags.partial, flags.anchors) = (true, true),
                's' => (flags.partial, flags.anchors) = (false, false),
                'p' => flags.partial = true,
                'w' => flags.anchors = true,
                other => {
                    return Err(Error::unsupported(format!(
                        "the regular expression option \"{other}\""
                    )));
                }
            }
        }
        rest = after;
    }
    let mut out = Translated { pattern: String::new(), ambiguous: false, mixed: false };
    out.pattern.push_str(match (flags.partial, flags.anchors) {
        (false, false) => "(?s)",
        (true, true) => "(?m)",
        (true, false) => "",
        (false, true) => "(?ms)",
    });
    if flags.any_case {
        out.pattern.push_str("(?i)");
    }
    if flags.literal {
        out.pattern.push_str(&regex::escape(rest));
        return Ok(out);
    }
    let (greedy, reluctant) = (false, false);
    Reader { rest, partial: flags.partial, greedy, reluctant, out: &mut out }.read()?;
    Ok(out)
}

/// The letters of `(?letters)` at the beginning.
fn embedded(pattern: &str) -> Option<(&str, &str)> {
    let (letters, after) = pattern.strip_prefix("(?")?.split_once(')')?;
    let plain = !letters.is_empty() && letters.bytes().all(|byte| byte.is_ascii_lowercase());
    plain.then_some((letters, after))
}

struct Reader<'a> {
    rest: &'a str,
    partial: bool,
    greedy: bool,
    reluctant: bool,
    out: &'a mut Translated,
}

fn invalid(reason: &str) -> Error {
    Error::new(SqlState::InvalidRegularExpression, format!("invalid regular expression: {reason}"))
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let letter = self.rest.chars().next()?;
        self.rest = &self.rest[letter.len_utf8()..];
        Some(letter)
    }

    fn push(&mut self, text: &str) {
        self.out.pattern.push_str(text);
    }

    fn read(&mut self) -> Result<()> {
        while let Some(letter) = self.next() {
            match letter {
                '\\' => self.escape(false)?,
                '[' => self.bracket()?,
                '(' => self.group()?,
                '|' => {
                    self.out.ambiguous = true;
                    self.push("|");
                }
                '*' | '+' | '?' => {
                    let after_group = self.out.pattern.ends_with(')');
                    self.out.pattern.push(letter);
                    self.quantified(letter == '?' || after_group);
                }
                '{' if self.rest.starts_with(|c: char| c.is_ascii_digit()) => {
                    let after_group = self.out.pattern.ends_with(')');
                    let (bounds, after) = self
                        .rest
                        .split_once('}')
                        .ok_or_else(|| invalid("braces {} not balanced"))?;
                    let (bounds, after) = (bounds.to_owned(), after);
                    let valid = bounds.bytes().all(|byte| byte.is_ascii_digit() || byte == b',');
                    let large = bounds
                        .split(',')
                        .any(|bound| bound.parse::<u32>().is_ok_and(|bound| bound > 255));
                    if !valid || large {
                        return Err(invalid("invalid repetition count(s)"));
                    }
                    self.rest = after;
                    self.push(&format!("{{{bounds}}}"));
                    self.quantified(bounds.contains(',') && after_group);
                }
                '{' | '}' => {
                    self.out.pattern.push('\\');
                    self.out.pattern.push(letter);
                }
                other => self.out.pattern.push(other),
            }
        }
        self.out.mixed = self.reluctant && (self.greedy || self.out.ambiguous);
        Ok(())
    }

    /// After a quantifier: whether it is reluctant.
    fn quantified(&mut self, ambiguous: bool) {
        if let Some(after) = self.rest.strip_prefix('?') {
            self.rest = after;
            self.push("?");
            self.reluctant = true;
        } else {
            self.greedy = true;
            self.out.ambiguous |= ambiguous;
        }
    }

    fn group(&mut self) -> Result<()> {
        let Some(after) = self.rest.strip_prefix('?') else {
            self.push("(");
            return Ok(());
        };
        if let Some(after) = after.strip_prefix(':') {
            self.rest = after;
            self.push("(?:");
            return Ok(());
        }
        if after.starts_with(['=', '!', '<']) {
            return Err(Error::unsupported("a lookaround in a regular expression")
                .hint("Match more, and take the part that is needed by a group."));
        }
        Err(invalid("quantifier operand invalid"))
    }

    fn escape(&mut self, in_bracket: bool) -> Result<()> {
        let letter = self.next().ok_or_else(|| invalid("invalid escape \\ sequence"))?;
        let known = match letter {
            'd' => "\\d",
            'D' => "\\D",
            's' => "\\s",
            'S' => "\\S",
            'w' => "\\w",
            'W' => "\\W",
            'a' => "\\x07",
            'b' => "\\x08",
            'B' => "\\\\",
            'e' => "\\x1B",
            'f' => "\\x0C",
            'n' => "\\n",
            'r' => "\\r",
            't' => "\\t",
            'v' => "\\x0B",
            '0' => "\\x00",
            'A' if !in_bracket => "\\A",
            'Z' if !in_bracket => "\\z",
            'm' if !in_bracket => "\\b{start}",
            'M' if !in_bracket => "\\b{end}",
            'y' if !in_bracket => "\\b",
            'Y' if !in_bracket => "\\B",
            _ => "",
        };
        if !known.is_empty() {
            self.push(known);
            return Ok(());
        }
        match letter {
            'u' => self.code(4),
            'U' => self.code(8),
            'x' => {
                let digits = self.rest.bytes().take_while(u8::is_ascii_hexdigit).count();
                self.code(digits)
            }
            'c' => {
                let letter = self.next().ok_or_else(|| invalid("invalid escape \\ sequence"))?;
                self.push(&format!("\\x{{{:X}}}", u32::from(letter) & 31));
                Ok(())
            }
            '1'..='9' => Err(Error::unsupported("a back reference in a regular expression")),
            letter if letter.is_ascii_alphanumeric() => Err(invalid("invalid escape \\ sequence")),
            letter => {
                self.push(&regex::escape(&letter.to_string()));
                Ok(())
            }
        }
    }

    /// A character by its number in hexadecimal digits.
    fn code(&mut self, digits: usize) -> Result<()> {
        let code = self.rest.get(..digits).and_then(|text| u32::from_str_radix(text, 16).ok());
        let letter = code.and_then(char::from_u32);
        let letter = letter.ok_or_else(|| invalid("invalid escape \\ sequence"))?;
        self.rest = &self.rest[digits..];
        self.push(&regex::escape(&letter.to_string()));
        Ok(())
    }

    fn bracket(&mut self) -> Result<()> {
        self.push("[");
        if let Some(after) = self.rest.strip_prefix('^') {
            self.rest = after;
            self.push(if self.partial { "^\\n" } else { "^" });
        }
        if let Some(after) = self.rest.strip_prefix(']') {
            self.rest = after;
            self.push("\\]");
        }
        loop {
            let letter = self.next().ok_or_else(|| invalid("brackets [] not balanced"))?;
            match letter {
                ']' => {
                    self.push("]");
                    return Ok(());
                }
                '[' if self.rest.starts_with(':') => {
                    let (name, after) = self
                        .rest
                        .split_once(":]")
                        .ok_or_else(|| invalid("brackets [] not balanced"))?;
                    let class = format!("[{name}:]");
                    self.rest = after;
                    self.push(&class);
                }
                '[' if self.rest.starts_with(['.', '=']) => {
                    return Err(Error::unsupported("a collating element in a regular expression"));
                }
                '\\' => self.escape(true)?,
                '[' | '&' | '~' => {
                    self.out.pattern.push('\\');
                    self.out.pattern.push(letter);
                }
                '-' if self.rest.starts_with(']') || self.out.pattern.ends_with('[') => {
                    self.push("\\-");
                }
                other => self.out.pattern.push(other),
            }
        }
    }
}
