//! Lines → statements, commands and COPY data. Knows quotes and comments, so that a semicolon within
//! them ends nothing.

/// Something complete.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A statement, without its semicolon.
    Statement(String),
    /// A backslash command, without the backslash.
    Command(String),
    /// Lines for a running `COPY … FROM STDIN`.
    Data(String),
    /// `\.`
    EndOfData,
}

/// Input that is not complete yet.
#[derive(Default)]
pub(super) struct Buffer {
    text: String,
    state: State,
}

/// What the text so far is within.
#[derive(Default, Clone, PartialEq, Eq)]
enum State {
    #[default]
    Plain,
    /// A quote of this kind.
    Quote(char),
    /// A string quoted by dollars, which this tag ends.
    Dollar(String),
    /// Comments, so many deep.
    Comment(usize),
}

impl Buffer {
    /// Whether nothing waits for its end.
    pub(super) fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// What is left at the end of the input: a statement without a semicolon.
    pub(super) fn finish(self) -> Option<String> {
        (!self.is_empty()).then_some(self.text)
    }

    /// Takes a line. While `copying`, lines are data up to `\.`.
    pub(super) fn push(&mut self, line: &str, copying: bool) -> Vec<Piece> {
        if copying {
            let end = line.trim_end() == "\\.";
            return vec![if end { Piece::EndOfData } else { Piece::Data(format!("{line}\n")) }];
        }
        if self.is_empty() && line.trim_start().starts_with('\\') {
            self.text.clear();
            return vec![Piece::Command(line.trim().trim_start_matches('\\').to_owned())];
        }
        let mut pieces = vec![];
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            let taken = self.step(rest, c);
            if taken == 0 {
                // The semicolon that ends a statement.
                let text = std::mem::take(&mut self.text);
                if !text.trim().is_empty() {
                    pieces.push(Piece::Statement(text));
                }
                rest = &rest[1..];
                if rest.trim_start().starts_with('\\') {
                    let command = rest.trim().trim_start_matches('\\');
                    pieces.push(Piece::Command(command.to_owned()));
                    return pieces;
                }
                continue;
            }
            self.text.push_str(&rest[..taken]);
            rest = &rest[taken..];
        }
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        pieces
    }

    /// How many bytes of `rest`, which begins with `c`, go on as one; 0 for an ending semicolon.
    fn step(&mut self, rest: &str, c: char) -> usize {
        let one = c.len_utf8();
        match &mut self.state {
            State::Plain => match c {
                ';' => return 0,
                '\'' | '"' => self.state = State::Quote(c),
                '-' if rest.starts_with("--") => return rest.len(),
                '/' if rest.starts_with("/*") => {
                    self.state = State::Comment(1);
                    return 2;
                }
                '$' => {
                    if let Some(tag) = dollar_tag(rest) {
                        self.state = State::Dollar(tag.to_owned());
                        return tag.len();
                    }
                }
                _ => {}
            },
            State::Quote(quote) => {
                if c == *quote {
                    self.state = State::Plain;
                }
            }
            State::Dollar(tag) => {
                if rest.starts_with(tag.as_str()) {
                    let length = tag.len();
                    self.state = State::Plain;
                    return length;
                }
            }
            State::Comment(depth) => {
                if rest.starts_with("/*") {
                    *depth += 1;
                    return 2;
                }
                if rest.starts_with("*/") {
                    *depth -= 1;
                    if *depth == 0 {
                        self.state = State::Plain;
                    }
                    return 2;
                }
            }
        }
        one
    }
}

/// `$tag$` at the beginning of `rest`.
fn dollar_tag(rest: &str) -> Option<&str> {
    let end = rest[1..].find('$')? + 1;
    let name = &rest[1..end];
    let valid = !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    valid.then_some(&rest[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(lines: &[&str]) -> (Vec<Piece>, Option<String>) {
        let mut buffer = Buffer::default();
        let found = lines.iter().flat_map(|line| buffer.push(line, false)).collect();
        (found, buffer.finish())
    }

    #[test]
    fn statements_end_where_they_end() {
        let statement = |text: &str| Piece::Statement(text.to_owned());
        let (found, rest) =
            pieces(&["select 1; select ';'", ", \";\" -- ;", "/* ; /* */ ; */ , $a$;$$;$a$; x"]);
        assert_eq!(
            found,
            [
                statement("select 1"),
                statement(" select ';'\n, \";\" -- ;\n/* ; /* */ ; */ , $a$;$$;$a$")
            ]
        );
        assert_eq!(rest.as_deref(), Some(" x\n"));
        let (found, rest) = pieces(&["  \\d t ", "select 1; \\x", "select $1"]);
        assert_eq!(
            found,
            [Piece::Command("d t".into()), statement("select 1"), Piece::Command("x".into())]
        );
        assert_eq!(rest.as_deref(), Some("select $1\n"));
    }

    #[test]
    fn data_end_with_a_backslash_and_a_dot() {
        let mut buffer = Buffer::default();
        assert_eq!(buffer.push("a;\\", true), [Piece::Data("a;\\\n".into())]);
        assert_eq!(buffer.push("\\.", true), [Piece::EndOfData]);
    }
}
