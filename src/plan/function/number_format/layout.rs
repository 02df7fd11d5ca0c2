//! Digits laid out by a pattern, position by position as Postgres does it.

use super::pattern::{Anchor, Pattern, Piece};

struct Layout<'a> {
    pattern: &'a Pattern,
    digits: Vec<char>,
    negative: bool,
    brackets: bool,
    anchor: Anchor,
    /// The next digit, and the position of the pattern.
    next: usize,
    current: usize,
    /// Positions before the first digit.
    spaces: usize,
    count: usize,
    sign_written: bool,
    inside: bool,
    /// The last digit that counts when zeros at the end are left out.
    last: Option<usize>,
    out: String,
}

/// `digits`, perhaps with a point, laid out; hashes if they are too many.
pub(super) fn laid_out(digits: &str, negative: bool, pattern: &Pattern) -> String {
    let pre = pattern.pre + pattern.multiplied;
    let length = digits.find('.').unwrap_or(digits.len());
    let (digits, spaces) = match length > pre {
        true => (format!("{}.{}", "#".repeat(pre), "#".repeat(pattern.post)), 0),
        false => (digits.to_owned(), pre - length),
    };
    let mut layout = Layout {
        pattern,
        digits: digits.chars().collect(),
        negative,
        brackets: pattern.brackets,
        anchor: pattern.anchor,
        next: 0,
        current: 0,
        spaces,
        count: (pattern.post + pre).saturating_sub(1),
        sign_written: false,
        inside: false,
        last: None,
        out: String::new(),
    };
    layout.prepare(pre);
    for piece in &pattern.pieces {
        layout.piece(*piece);
    }
    layout.out
}

impl Layout<'_> {
    fn prepare(&mut self, pre: usize) {
        let pattern = self.pattern;
        if pattern.plus || pattern.minus {
            self.sign_written = pattern.minus || !pattern.plus;
        } else {
            if !self.negative && pattern.fill {
                self.brackets = false;
            }
            self.sign_written = !self.negative && pattern.fill && self.anchor == Anchor::None;
            if self.anchor == Anchor::Before && pre == pattern.before_sign {
                self.anchor = Anchor::After;
            }
        }
        if pattern.fill && pattern.point {
            let point = self.digits.iter().position(|digit| *digit == '.');
            self.last = point.map(|point| {
                let after = self.digits.iter().rposition(|digit| *digit != '0').unwrap_or(point);
                after.max(point)
            });
            if let Some(last) = self.last
                && pattern.zero_end > self.spaces
            {
                let zero = (self.digits.len() - 1).min(pattern.zero_end - self.spaces);
                self.last = Some(last.max(zero));
            }
        }
        if !self.sign_written && self.spaces == 0 {
            self.count += 1;
        }
    }

    fn piece(&mut self, piece: Piece) {
        let fill = self.pattern.fill;
        match piece {
            Piece::Nine | Piece::Zero | Piece::Point => self.digit(piece == Piece::Zero),
            Piece::Comma if self.inside => self.out.push(','),
            Piece::Comma => self.push_unless(fill, ' '),
            Piece::Currency => self.out.push(' '),
            Piece::Minus if self.negative => self.out.push('-'),
            Piece::Plus if !self.negative => self.out.push('+'),
            Piece::Minus | Piece::Plus => self.push_unless(fill, ' '),
            Piece::Sign => self.out.push(self.sign()),
            Piece::Ordinal { upper } => {
                if self.digits.first() != Some(&'#') && !self.negative && !self.pattern.point {
                    self.out.push_str(&self.ordinal(upper));
                }
            }
            Piece::Letter(letter) => self.out.push(letter),
        }
    }

    fn push_unless(&mut self, fill: bool, letter: char) {
        if !fill {
            self.out.push(letter);
        }
    }

    fn sign(&self) -> char {
        if self.negative { '-' } else { '+' }
    }

    fn ordinal(&self, upper: bool) -> String {
        let length = self.digits.len();
        let last = self.digits.last().copied().unwrap_or('0');
        let teen = length > 1 && self.digits[length - 2] == '1';
        let ending = match last {
            _ if teen => "th",
            '1' => "st",
            '2' => "nd",
            '3' => "rd",
            _ => "th",
        };
        if upper { ending.to_uppercase() } else { ending.to_owned() }
    }

    fn at_last_point(&self) -> bool {
        self.last.is_some_and(|last| self.digits.get(last) == Some(&'.'))
    }

    /// Whether this is the zero before the point that is shown as a space: `9.9` → ` .1`.
    fn before_point(&self) -> bool {
        !self.pattern.zero
            && self.next == 0
            && self.digits.first() == Some(&'0')
            && self.pattern.post != 0
    }

    fn write_sign(&mut self) {
        if self.anchor != Anchor::None {
            if self.anchor == Anchor::Before {
                self.out.push(self.sign());
                self.sign_written = true;
            }
            return;
        }
        self.sign_written = true;
        match (self.brackets, self.negative) {
            (true, negative) => self.out.push(if negative { '<' } else { ' ' }),
            (false, true) => self.out.push('-'),
            (false, false) => self.push_unless(self.pattern.fill, ' '),
        }
    }

    /// One position of the number: a digit, the point, or what stands for it.
    fn digit(&mut self, zero: bool) {
        let pattern = self.pattern;
        self.inside = false;
        let begins =
            self.current >= self.spaces || (pattern.zero && pattern.zero_start == self.current);
        if !self.sign_written && begins && (!self.before_point() || self.at_last_point()) {
            self.write_sign();
        }
        if self.current < self.spaces && (pattern.zero_start > self.current || !pattern.zero) {
            self.push_unless(pattern.fill, ' ');
        } else if self.current < self.spaces {
            self.out.push('0');
            self.inside = true;
        } else {
            self.write_digit(zero);
        }
        self.end_of_number();
        self.current += 1;
    }

    fn write_digit(&mut self, zero: bool) {
        let digit = self.digits.get(self.next).copied();
        let beyond = self.last.is_some_and(|last| self.next > last);
        match digit {
            Some('.') => self.out.push('.'),
            _ if beyond && !zero => {}
            _ if self.before_point() => {
                if !self.pattern.fill {
                    self.out.push(' ');
                } else if self.at_last_point() {
                    self.out.push('0');
                }
            }
            Some(digit) => {
                self.out.push(digit);
                self.inside = true;
            }
            None => {}
        }
        if digit.is_some() {
            self.next += 1;
        }
    }

    /// The closing bracket or the sign after the last position.
    fn end_of_number(&mut self) {
        let mut end = self.count + usize::from(self.spaces > 0) + usize::from(self.pattern.point);
        if self.last == Some(self.next) {
            end = self.current;
        }
        if self.current + 1 != end {
            return;
        }
        if self.sign_written && self.brackets {
            self.out.push(if self.negative { '>' } else { ' ' });
        } else if self.anchor == Anchor::After {
            self.out.push(self.sign());
        }
    }
}
