//! A compiled pattern: whether and where it matches.

use std::cell::RefCell;

use regex::Regex;
use regex_automata::nfa::thompson::{self, pikevm::PikeVM};
use regex_automata::{Anchored, Input, MatchKind};

use super::syntax::{Translated, translate};
use crate::error::{Error, Result, SqlState};

/// A match: from where to where in bytes, of all of it and of every group.
pub(super) type Found = Vec<Option<(usize, usize)>>;

/// A compiled pattern.
pub(super) struct Matcher {
    regex: Regex,
    mixed: bool,
    /// To find the longest match where it may be another than the first.
    longest: Option<Longest>,
}

struct Longest {
    machine: PikeVM,
    /// The pattern up to the very end of a text.
    to_end: Regex,
}

thread_local! {
    /// The last pattern that was compiled: mostly a constant.
    static LAST: RefCell<Option<(String, String, Matcher)>> = const { RefCell::new(None) };
}

/// What `task` makes of the compiled pattern.
pub(super) fn with<T>(
    pattern: &str,
    flags: &str,
    task: impl FnOnce(&Matcher) -> Result<T>,
) -> Result<T> {
    LAST.with_borrow_mut(|last| {
        if last.as_ref().is_none_or(|(text, letters, _)| text != pattern || letters != flags) {
            let matcher = Matcher::new(&translate(pattern, flags)?)?;
            *last = Some((pattern.to_owned(), flags.to_owned(), matcher));
        }
        match last {
            Some((_, _, matcher)) => task(matcher),
            None => Err(Error::internal("a pattern was not compiled")),
        }
    })
}

fn invalid(error: &regex::Error) -> Error {
    let text = error.to_string();
    let reason = text.rsplit("error: ").next().unwrap_or_default().trim();
    Error::new(SqlState::InvalidRegularExpression, format!("invalid regular expression: {reason}"))
}

impl Matcher {
    fn new(translated: &Translated) -> Result<Matcher> {
        let compile = |pattern: &str| Regex::new(pattern).map_err(|error| invalid(&error));
        let pattern = &translated.pattern;
        let regex = compile(pattern)?;
        let longest = match translated.ambiguous {
            true => {
                let machine = PikeVM::builder()
                    .thompson(thompson::Config::new())
                    .configure(PikeVM::config().match_kind(MatchKind::All))
                    .build(pattern);
                let machine = machine.map_err(|error| Error::unsupported(error.to_string()))?;
                Some(Longest { machine, to_end: compile(&format!("(?:{pattern})\\z"))? })
            }
            false => None,
        };
        Ok(Matcher { regex, mixed: translated.mixed, longest })
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// How many groups the pattern has.
    pub(super) fn group_count(&self) -> usize {
        self.regex.captures_len() - 1
    }

    /// The leftmost match from `start` on, of those the longest.
    fn find_at(&self, text: &str, start: usize) -> Result<Option<Found>> {
        if self.mixed {
            return Err(Error::unsupported(
                "a regular expression with both greedy and non-greedy quantifiers",
            )
            .hint("Make all quantifiers of one kind."));
        }
        let Some(first) = self.regex.captures_at(text, start) else { return Ok(None) };
        let places = |captures: &regex::Captures<'_>| {
            captures.iter().map(|group| group.map(|group| (group.start(), group.end()))).collect()
        };
        let all = first.get(0).map_or(0..0, |all| all.range());
        if let Some(longest) = &self.longest {
            let input = Input::new(text).range(all.start..).anchored(Anchored::Yes);
            let mut cache = longest.machine.create_cache();
            let found = longest.machine.find(&mut cache, input);
            let end = found.map_or(all.end, |found| found.end());
            if end > all.end
                && let Some(captures) = longest.to_end.captures_at(&text[..end], all.start)
            {
                return Ok(Some(places(&captures)));
            }
        }
        Ok(Some(places(&first)))
    }

    /// Matches from a byte on, one after another. Degenerate ones are empty at the start, at the end
    /// or right after another match.
    pub(super) fn matches(
        &self,
        text: &str,
        start: usize,
        degenerate: bool,
        mut each: impl FnMut(Found) -> bool,
    ) -> Result<()> {
        let (mut from, mut last_end) = (start, 0);
        while let Some(found) = self.find_at(text, from)? {
            let (begin, end) = found.first().copied().flatten().unwrap_or((from, from));
            if (degenerate || (begin < text.len() && end > last_end)) && !each(found) {
                break;
            }
            last_end = end;
            from = match text[end..].chars().next() {
                _ if begin < end => end,
                Some(letter) => end + letter.len_utf8(),
                None => break,
            };
        }
        Ok(())
    }

    /// The groups of the first match; all of it if the pattern has none.
    pub(super) fn groups(&self, text: &str) -> Result<Option<Vec<Option<String>>>> {
        let found = self.find_at(text, 0)?;
        let skip = usize::from(self.group_count() > 0);
        Ok(found.map(|found| {
            let part = |place: &Option<(usize, usize)>| {
                place.map(|(begin, end)| text[begin..end].to_owned())
            };
            found.iter().skip(skip).map(part).collect()
        }))
    }

    /// What lies between matches.
    pub(super) fn split(&self, text: &str) -> Result<Vec<Option<String>>> {
        let (mut parts, mut from) = (vec![], 0);
        self.matches(text, 0, false, |found| {
            if let Some((begin, end)) = found[0] {
                parts.push(Some(text[from..begin].to_owned()));
                from = end;
            }
            true
        })?;
        parts.push(Some(text[from..].to_owned()));
        Ok(parts)
    }
}
