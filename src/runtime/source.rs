//! Running sources: a reader polled ahead of the ticks on its own thread, or inline when the engine is
//! deterministic, behind a bounded queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::request::Request;
use crate::catalog::Source;
use crate::clock::Clock;
use crate::connector::{Metadata, OnError, Polled, Position, SourceReader, SourceSpec};
use crate::error::{Error, Result, SqlState};
use crate::types::definition;

/// Batches read ahead of the ticks: decoding overlaps with them, and no more memory than this is held.
const READ_AHEAD: usize = 4;
/// Longest sleep of a reader whose connector says "later", so that it notices the end of the engine.
const NAP_MAX: Duration = Duration::from_millis(50);

/// How feeds are run.
#[derive(Clone)]
pub(super) struct Feeding {
    /// Rows per poll at most.
    pub(super) rows_max: usize,
    /// The engine's clock, for rates.
    pub(super) clock: Arc<dyn Clock>,
    /// Polls inline on the coordinator's thread.
    pub(super) deterministic: bool,
    /// Where to say that there is something to take.
    pub(super) nudge: mpsc::WeakSender<Request>,
}

/// How far a source has been read, and what was met on the way: what the log keeps of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Where reading goes on; none before the first poll.
    pub(super) position: Option<Position>,
    /// Rows read.
    pub(super) rows: u64,
    /// Records that could not be decoded.
    pub(super) bad: u64,
}

impl Progress {
    /// As the log keeps it.
    pub(super) fn text(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// From the log.
    ///
    /// # Errors
    /// XX001 if the text is not one of [`Progress::text`].
    pub(super) fn of_text(text: &str) -> Result<Progress> {
        serde_json::from_str(text).map_err(|error| {
            Error::new(SqlState::DataCorrupted, "a source's position in the log cannot be read")
                .detail(error.to_string())
        })
    }
}

/// A reader and what came of it.
pub(super) struct Feed {
    reading: Reading,
    /// Of everything taken so far.
    pub(super) progress: Progress,
    finished: bool,
    failure: Option<Error>,
    next_poll_us: Option<i64>,
}

enum Reading {
    Inline {
        reader: Box<dyn SourceReader>,
        rows_max: usize,
    },
    Thread {
        polled: Receiver<Result<Polled, Error>>,
        waiting: Arc<AtomicUsize>,
        napping: Arc<AtomicBool>,
        stop: Arc<AtomicBool>,
    },
}

impl Feed {
    /// Starts reading on from where `reader` stands (`progress`).
    pub(super) fn start(
        reader: Box<dyn SourceReader>,
        progress: Progress,
        feeding: &Feeding,
    ) -> Feed {
        let reading = if feeding.deterministic {
            Reading::Inline { reader, rows_max: feeding.rows_max }
        } else {
            let (sender, polled) = sync_channel(READ_AHEAD);
            let waiting = Arc::new(AtomicUsize::new(0));
            let napping = Arc::new(AtomicBool::new(false));
            let stop = Arc::new(AtomicBool::new(false));
            let ahead = ReadAhead {
                reader,
                sender,
                waiting: Arc::clone(&waiting),
                napping: Arc::clone(&napping),
                stop: Arc::clone(&stop),
                feeding: feeding.clone(),
            };
            match super::spawn("millstream-source", move || ahead.run()) {
                Ok(_) => Reading::Thread { polled, waiting, napping, stop },
                Err(error) => return Feed::failed(error),
            }
        };
        Feed { reading, progress, finished: false, failure: None, next_poll_us: None }
    }

    /// A feed that could not be opened.
    pub(super) fn failed(error: Error) -> Feed {
        let (_, polled) = sync_channel(1);
        let reading = Reading::Thread {
            polled,
            waiting: Arc::new(AtomicUsize::new(0)),
            napping: Arc::new(AtomicBool::new(true)),
            stop: Arc::new(AtomicBool::new(true)),
        };
        Feed {
            reading,
            progress: Progress::default(),
            finished: true,
            failure: Some(error),
            next_poll_us: None,
        }
    }

    /// Whether [`Feed::take`] would bring something without waiting, as far as is known.
    pub(super) fn ready(&self, now_us: i64) -> bool {
        if self.finished {
            return false;
        }
        match &self.reading {
            Reading::Inline { .. } => self.next_poll_us.is_none_or(|at| at <= now_us),
            Reading::Thread { waiting, .. } => waiting.load(Ordering::SeqCst) > 0,
        }
    }

    /// Whether there is nothing to come before the clock moves.
    pub(super) fn quiet(&self, now_us: i64) -> bool {
        let idle = match &self.reading {
            Reading::Inline { .. } => true,
            Reading::Thread { napping, .. } => napping.load(Ordering::SeqCst),
        };
        self.finished || (idle && !self.ready(now_us))
    }

    /// When an inline feed wants to be polled again, microseconds since the Unix epoch.
    pub(super) fn next_poll_us(&self) -> Option<i64> {
        if self.finished { None } else { self.next_poll_us }
    }

    /// What has been read, if anything. Never waits.
    pub(super) fn take(&mut self, now_us: i64) -> Option<Polled> {
        if self.finished {
            return None;
        }
        let polled = match &mut self.reading {
            Reading::Inline { reader, rows_max } => {
                if self.next_poll_us.is_some_and(|at| at > now_us) {
                    return None;
                }
                Some(reader.poll(*rows_max, now_us))
            }
            Reading::Thread { polled, waiting, .. } => match polled.try_recv() {
                Ok(result) => {
                    waiting.fetch_sub(1, Ordering::SeqCst);
                    Some(result)
                }
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => {
                    Some(Err(Error::internal("a source's reader thread ended without a word")))
                }
            },
        }?;
        match polled {
            Ok(polled) => {
                let progress = &mut self.progress;
                progress.rows += polled.batch.as_ref().map_or(0, |batch| batch.num_rows() as u64);
                progress.bad += polled.bad.len() as u64;
                progress.position = Some(polled.position.clone());
                self.finished = polled.done;
                self.next_poll_us = polled.next_poll_us;
                Some(polled)
            }
            Err(error) => {
                self.finished = true;
                self.failure = Some(error);
                None
            }
        }
    }

    /// Whether it has come to its end or failed.
    pub(super) fn finished(&self) -> bool {
        self.finished
    }

    /// Why it stopped, if it failed.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failure.clone()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        if let Reading::Thread { stop, .. } = &self.reading {
            stop.store(true, Ordering::SeqCst);
        }
    }
}

struct ReadAhead {
    reader: Box<dyn SourceReader>,
    sender: SyncSender<Result<Polled, Error>>,
    waiting: Arc<AtomicUsize>,
    /// Whether the connector has nothing to give at the present time.
    napping: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    feeding: Feeding,
}

impl ReadAhead {
    /// Reads until the end, a failure, or nobody listens.
    fn run(mut self) {
        while !self.stop.load(Ordering::SeqCst) {
            let now_us = self.feeding.clock.now_us();
            let result = self.reader.poll(self.feeding.rows_max, now_us);
            let (last, nap_until) = match &result {
                Ok(polled) => (polled.done, polled.next_poll_us),
                Err(_) => (true, None),
            };
            let empty = matches!(&result, Ok(polled)
                if polled.batch.is_none() && polled.bad.is_empty() && !polled.done);
            if !empty && !self.give(result) {
                return;
            }
            if last {
                return;
            }
            if let Some(at_us) = nap_until {
                self.nap(at_us);
            }
        }
    }

    /// Hands over one result; blocks while the queue is full. False if nobody listens any more.
    fn give(&self, result: Result<Polled, Error>) -> bool {
        // ORDER: counted before it is sent, so that the taker never counts below zero.
        self.waiting.fetch_add(1, Ordering::SeqCst);
        if self.sender.send(result).is_err() {
            return false;
        }
        self.nudge()
    }

    /// Wakes the coordinator; false if it has gone.
    fn nudge(&self) -> bool {
        match self.feeding.nudge.upgrade() {
            // A full queue means that the coordinator is awake anyway.
            Some(nudge) => {
                let _ = nudge.try_send(Request::Nudge);
                true
            }
            None => false,
        }
    }

    fn nap(&self, until_us: i64) {
        if until_us <= self.feeding.clock.now_us() {
            return;
        }
        self.napping.store(true, Ordering::SeqCst);
        self.nudge();
        self.sleep(until_us);
        self.napping.store(false, Ordering::SeqCst);
    }

    fn sleep(&self, until_us: i64) {
        let mut last_us = self.feeding.clock.now_us();
        while !self.stop.load(Ordering::SeqCst) && self.feeding.nudge.strong_count() > 0 {
            let now_us = self.feeding.clock.now_us();
            let Ok(left_us) = u64::try_from(until_us - now_us) else { return };
            // A clock that was set back must not make the source wait for it.
            if left_us == 0 || now_us < last_us {
                return;
            }
            last_us = now_us;
            std::thread::park_timeout(Duration::from_micros(left_us).min(NAP_MAX));
        }
    }
}

/// What the connector needs to know of a source.
#[must_use]
pub fn spec(source: &Source) -> SourceSpec {
    let definition = &source.definition;
    let format = definition.format.as_ref();
    SourceSpec {
        connector: definition.option("connector").unwrap_or_default().to_owned(),
        options: definition.options.iter().filter(|(key, _)| key != "connector").cloned().collect(),
        encode: format.map(|format| format.encode.clone()),
        encode_options: format.map(|f| f.options.iter().cloned().collect()).unwrap_or_default(),
        schema: definition::schema(&definition.columns),
        include: definition
            .include
            .iter()
            .filter_map(|include| Some((include.column.clone(), metadata(&include.metadata)?)))
            .collect(),
        on_error: match definition.on_error {
            definition::OnError::Fail => OnError::Fail,
            definition::OnError::Skip | definition::OnError::DeadLetter { .. } => OnError::Skip,
        },
    }
}

/// The metadata that `INCLUDE` names, if connectors know it.
#[must_use]
pub fn metadata(name: &str) -> Option<Metadata> {
    match name {
        "offset" => Some(Metadata::Offset),
        "file" => Some(Metadata::File),
        "partition" => Some(Metadata::Partition),
        "timestamp" => Some(Metadata::Timestamp),
        _ => None,
    }
}
