//! A pattern of `to_char` for numbers, read.

use crate::error::{Error, Result};
use crate::plan::function::quoted::literal;

/// A piece of a pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Piece {
    Nine,
    Zero,
    Point,
    Comma,
    Currency,
    Minus,
    Plus,
    Sign,
    Ordinal { upper: bool },
    Letter(char),
}

/// Where a sign of `S` is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Anchor {
    None,
    Before,
    After,
}

/// A pattern, and how many digits it has where.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pub(super) pieces: Vec<Piece>,
    /// Digits before and after the point, and those that `V` moves.
    pub(super) pre: usize,
    pub(super) post: usize,
    pub(super) multiplied: usize,
    /// From which digit to which one zeros are written.
    pub(super) zero_start: usize,
    pub(super) zero_end: usize,
    pub(super) zero: bool,
    pub(super) point: bool,
    pub(super) fill: bool,
    pub(super) minus: bool,
    pub(super) plus: bool,
    pub(super) brackets: bool,
    pub(super) anchor: Anchor,
    /// Digits before an `S`.
    pub(super) before_sign: usize,
    pub(super) roman: bool,
    pub(super) lower: bool,
    pub(super) exponent: bool,
    multiplies: bool,
}

/// The key words, longest first.
const WORDS: [&str; 16] =
    ["EEEE", "FM", "MI", "PL", "PR", "RN", "SG", "TH", "SP", "S", "V", "B", "D", "G", "L", "C"];

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Pattern> {
        let mut pattern = Pattern {
            pieces: vec![],
            pre: 0,
            post: 0,
            multiplied: 0,
            zero_start: 0,
            zero_end: 0,
            zero: false,
            point: false,
            fill: false,
            minus: false,
            plus: false,
            brackets: false,
            anchor: Anchor::None,
            before_sign: 0,
            roman: false,
            lower: false,
            exponent: false,
            multiplies: false,
        };
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some((literal, after)) = literal(rest) {
                pattern.pieces.extend(literal.chars().map(Piece::Letter));
                rest = after;
                continue;
            }
            let word = WORDS.iter().find(|word| {
                rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
            });
            let length = word.map_or_else(|| first.len_utf8(), |word| word.len());
            match word {
                Some(word) => pattern.word(word, first.is_ascii_uppercase())?,
                None => pattern.letter(first)?,
            }
            rest = &rest[length..];
        }
        Ok(pattern)
    }

    fn letter(&mut self, letter: char) -> Result<()> {
        match letter {
            '9' => {
                if self.brackets {
                    return Err(Error::syntax("\"9\" must be ahead of \"PR\""));
                }
                if self.multiplies {
                    self.multiplied += 1;
                } else if self.point {
                    self.post += 1;
                } else {
                    self.pre += 1;
                }
                self.pieces.push(Piece::Nine);
            }
            '0' => {
                if self.brackets {
                    return Err(Error::syntax("\"0\" must be ahead of \"PR\""));
                }
                if !self.zero && !self.point {
                    (self.zero, self.zero_start) = (true, self.pre);
                }
                if self.point {
                    self.post += 1;
                } else {
                    self.pre += 1;
                }
                self.zero_end = self.pre + self.post;
                self.pieces.push(Piece::Zero);
            }
            ',' => self.pieces.push(Piece::Comma),
            '.' => self.decimal_point()?,
            other => self.pieces.push(Piece::Letter(other)),
        }
        Ok(())
    }

    fn decimal_point(&mut self) -> Result<()> {
        if self.point {
            return Err(Error::syntax("multiple decimal points"));
        }
        if self.multiplies {
            return Err(Error::syntax("cannot use \"V\" and decimal point together"));
        }
        self.point = true;
        self.pieces.push(Piece::Point);
        Ok(())
    }

    fn word(&mut self, word: &str, upper: bool) -> Result<()> {
        match word {
            "FM" => self.fill = true,
            "B" => {}
            "D" => self.decimal_point()?,
            "G" => self.pieces.push(Piece::Comma),
            "L" => self.pieces.push(Piece::Currency),
            "MI" => {
                self.minus = true;
                self.pieces.push(Piece::Minus);
            }
            "PL" => {
                self.plus = true;
                self.pieces.push(Piece::Plus);
            }
            "SG" => {
                (self.minus, self.plus) = (true, true);
                self.pieces.push(Piece::Sign);
            }
            "PR" => self.brackets = true,
            "S" => {
                if self.anchor != Anchor::None {
                    return Err(Error::syntax("cannot use \"S\" twice"));
                }
                if self.point {
                    self.anchor = Anchor::After;
                } else {
                    (self.anchor, self.before_sign) = (Anchor::Before, self.pre);
                }
            }
            "V" => {
                if self.point {
                    return Err(Error::syntax("cannot use \"V\" and decimal point together"));
                }
                self.multiplies = true;
            }
            "RN" => (self.roman, self.lower) = (true, !upper),
            "TH" => self.pieces.push(Piece::Ordinal { upper }),
            "EEEE" => self.exponent = true,
            other => {
                return Err(Error::unsupported(format!("the pattern \"{other}\" of to_char")));
            }
        }
        Ok(())
    }
}
