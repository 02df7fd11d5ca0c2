//! The Nexmark benchmark's auction site: persons, auctions and bids, as the crate `nexmark` makes them.
//!
//! Options: `type` (person, auction, bid; without it, all three as structs beside an `event_type`),
//! `events` (of all types together), `rate` (the same per second of the clock), `seed`. Event time begins
//! at 2015-07-15 and advances by 10,000 events a second whatever the rate.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StructArray};
use arrow::array::{Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use nexmark::EventGenerator;
use nexmark::config::NexmarkConfig;
use nexmark::event::{Event, EventType};

use super::generator::{Generator, GeneratorReader};
use super::metadata::Assembler;
use super::options::Options;
use super::{Position, SourceReader, SourceSpec};
use crate::error::{Error, Result, SqlState};

/// 2015-07-15T00:00:00Z, where the benchmark's time begins, in milliseconds since the Unix epoch.
const BASE_TIME_MS: u64 = 1_436_918_400_000;
/// Events of one cycle: a person, three auctions, the rest bids.
const CYCLE: u64 = 50;
/// Events between the beginnings of two seeds.
const SEED_STRIDE: usize = 50_000_000;

const TEXT: DataType = DataType::Utf8;
const LONG: DataType = DataType::Int64;
const TIME: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

const PERSON: &[(&str, DataType)] = &[
    ("id", LONG),
    ("name", TEXT),
    ("emailaddress", TEXT),
    ("creditcard", TEXT),
    ("city", TEXT),
    ("state", TEXT),
    ("datetime", TIME),
    ("extra", TEXT),
];
const AUCTION: &[(&str, DataType)] = &[
    ("id", LONG),
    ("itemname", TEXT),
    ("description", TEXT),
    ("initialbid", LONG),
    ("reserve", LONG),
    ("datetime", TIME),
    ("expires", TIME),
    ("seller", LONG),
    ("category", LONG),
    ("extra", TEXT),
];
const BID: &[(&str, DataType)] = &[
    ("auction", LONG),
    ("bidder", LONG),
    ("price", LONG),
    ("channel", TEXT),
    ("url", TEXT),
    ("datetime", TIME),
    ("extra", TEXT),
];

/// What the options say.
struct Settings {
    kind: Option<EventType>,
    events: Option<u64>,
    rate: Option<f64>,
    seed: usize,
}

fn settings(spec: &SourceSpec) -> Result<Settings> {
    let mut options = Options::new("connector \"nexmark\"", &spec.options);
    let kind = options.word("type", &["person", "auction", "bid"])?.map(|word| match word {
        "person" => EventType::Person,
        "auction" => EventType::Auction,
        _ => EventType::Bid,
    });
    let events = options.parsed("events", "a number of events")?;
    let rate = options.rate("rate")?;
    let seed = options.parsed::<u32>("seed", "a number below 2^32")?.unwrap_or(0);
    options.finish()?;
    let seed = usize::try_from(seed).expect("32 bits fit").saturating_mul(SEED_STRIDE);
    Ok(Settings { kind, events, rate, seed })
}

fn columns_of(kind: EventType) -> &'static [(&'static str, DataType)] {
    match kind {
        EventType::Person => PERSON,
        EventType::Auction => AUCTION,
        EventType::Bid => BID,
    }
}

fn fields(kind: EventType) -> Fields {
    columns_of(kind).iter().map(|(name, of)| Field::new(*name, of.clone(), true)).collect()
}

/// The generated columns.
pub(super) fn columns(spec: &SourceSpec) -> Result<SchemaRef> {
    if let Some(kind) = settings(spec)?.kind {
        return Ok(Arc::new(Schema::new(fields(kind))));
    }
    let kinds =
        [("person", EventType::Person), ("auction", EventType::Auction), ("bid", EventType::Bid)];
    let structs = kinds.map(|(name, kind)| Field::new(name, DataType::Struct(fields(kind)), true));
    let event_type = Field::new("event_type", DataType::Int32, true);
    Ok(Arc::new(Schema::new([event_type].into_iter().chain(structs).collect::<Vec<_>>())))
}

pub(super) fn open(
    spec: &SourceSpec,
    position: Option<&Position>,
    until: Option<&Position>,
) -> Result<Box<dyn SourceReader>> {
    let Settings { kind, events, rate, seed } = settings(spec)?;
    let generated = columns(spec)?;
    let schema = Assembler::new(spec)?.decoded();
    let projection = project(&generated, &schema)?;
    let share = kind.map_or(CYCLE, |kind| share(kind).1);
    let rate = rate.map(|rate| rate * share as f64 / CYCLE as f64);
    let config =
        NexmarkConfig { base_time: BASE_TIME_MS, first_event_id: seed, ..NexmarkConfig::default() };
    let mut generator = EventGenerator::new(config);
    if let Some(kind) = kind {
        generator = generator.with_type_filter(kind);
    }
    let generator = Nexmark { kind, events: generator, events_max: events, schema, projection };
    Ok(Box::new(GeneratorReader::new(spec, Box::new(generator), rate, position, until)?))
}

/// For each declared column, the generated one; `dateTime`, `datetime` and `date_time` are the same.
fn project(generated: &Schema, declared: &Schema) -> Result<Vec<usize>> {
    let plain = |name: &str| name.replace('_', "").to_lowercase();
    let index = |field: &Arc<Field>| {
        let same = |other: &Arc<Field>| {
            plain(other.name()) == plain(field.name()) || other.name() == field.name()
        };
        let names = || generated.fields().iter().map(|field| field.name().as_str());
        let index = generated.fields().iter().position(same).ok_or_else(|| {
            Error::undefined_column(field.name())
                .detail(format!(
                    "The generator's columns are {}.",
                    names().collect::<Vec<_>>().join(", ")
                ))
                .did_you_mean(field.name(), names())
        })?;
        if generated.field(index).data_type() != field.data_type() {
            let (name, of) = (field.name(), generated.field(index).data_type());
            let message = format!("column \"{name}\" does not have the generator's type");
            return Err(Error::new(SqlState::DatatypeMismatch, message)
                .detail(format!("The generator's is {of}."))
                .hint("Leave out the column list, and cast in a view."));
        }
        Ok(index)
    };
    declared.fields().iter().map(index).collect()
}

/// Where a type's events begin within a cycle, and how many there are.
fn share(kind: EventType) -> (u64, u64) {
    match kind {
        EventType::Person => (0, 1),
        EventType::Auction => (1, 3),
        EventType::Bid => (4, 46),
    }
}

struct Nexmark {
    kind: Option<EventType>,
    events: EventGenerator,
    events_max: Option<u64>,
    schema: SchemaRef,
    projection: Vec<usize>,
}

impl Generator for Nexmark {
    fn rows(&mut self, from: u64, count: usize) -> Result<RecordBatch> {
        let events = self.events.clone().with_offset(from);
        let columns = match self.kind {
            Some(kind) => {
                let mut builder = EventBuilder::new(kind, count);
                events.take(count).for_each(|event| builder.append(&event));
                builder.finish()
            }
            None => {
                let mut all = AllBuilder::default();
                events.take(count).for_each(|event| all.append(&event));
                all.finish()?
            }
        };
        let columns = self.projection.iter().map(|&index| Arc::clone(&columns[index])).collect();
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }

    fn count(&self) -> Option<u64> {
        let events = self.events_max?;
        let Some(kind) = self.kind else { return Some(events) };
        let (first, share) = share(kind);
        Some(events / CYCLE * share + (events % CYCLE).saturating_sub(first).min(share))
    }
}

/// Columns of one type of event; builders by type, in the order of [`columns_of`].
struct EventBuilder {
    kind: EventType,
    longs: Vec<Int64Builder>,
    texts: Vec<StringBuilder>,
    times: Vec<TimestampMicrosecondBuilder>,
}

impl EventBuilder {
    fn new(kind: EventType, rows: usize) -> EventBuilder {
        let count =
            |of: &DataType| columns_of(kind).iter().filter(|(_, other)| other == of).count();
        let longs = (0..count(&LONG)).map(|_| Int64Builder::with_capacity(rows)).collect();
        let texts =
            (0..count(&TEXT)).map(|_| StringBuilder::with_capacity(rows, rows * 16)).collect();
        let times =
            (0..count(&TIME)).map(|_| TimestampMicrosecondBuilder::with_capacity(rows)).collect();
        EventBuilder { kind, longs, texts, times }
    }

    fn append(&mut self, event: &Event) {
        match event {
            Event::Person(p) => {
                self.longs(&[p.id]);
                self.texts(&[
                    &p.name,
                    &p.email_address,
                    &p.credit_card,
                    &p.city,
                    &p.state,
                    &p.extra,
                ]);
                self.times(&[p.date_time]);
            }
            Event::Auction(a) => {
                self.longs(&[a.id, a.initial_bid, a.reserve, a.seller, a.category]);
                self.texts(&[&a.item_name, &a.description, &a.extra]);
                self.times(&[a.date_time, a.expires]);
            }
            Event::Bid(b) => {
                self.longs(&[b.auction, b.bidder, b.price]);
                self.texts(&[&b.channel, &b.url, &b.extra]);
                self.times(&[b.date_time]);
            }
        }
    }

    fn longs(&mut self, values: &[usize]) {
        for (builder, value) in itertools::zip_eq(&mut self.longs, values) {
            builder.append_value(i64::try_from(*value).expect("ids and prices are small"));
        }
    }

    fn texts(&mut self, values: &[&String]) {
        for (builder, value) in itertools::zip_eq(&mut self.texts, values) {
            builder.append_value(value);
        }
    }

    fn times(&mut self, values_ms: &[u64]) {
        for (builder, ms) in itertools::zip_eq(&mut self.times, values_ms) {
            builder.append_value(i64::try_from(*ms).expect("a date of our time") * 1000);
        }
    }

    fn append_nulls(&mut self) {
        self.longs.iter_mut().for_each(Int64Builder::append_null);
        self.texts.iter_mut().for_each(StringBuilder::append_null);
        self.times.iter_mut().for_each(TimestampMicrosecondBuilder::append_null);
    }

    fn finish(&mut self) -> Vec<ArrayRef> {
        let (mut longs, mut texts) = (self.longs.iter_mut(), self.texts.iter_mut());
        let mut times = self.times.iter_mut();
        let builders = "as many builders as columns of the type";
        let columns = columns_of(self.kind).iter().map(|(_, of)| -> ArrayRef {
            match of {
                DataType::Int64 => Arc::new(longs.next().expect(builders).finish()),
                DataType::Utf8 => Arc::new(texts.next().expect(builders).finish()),
                _ => Arc::new(times.next().expect(builders).finish()),
            }
        });
        columns.collect()
    }
}

/// Columns of all types: the type's number and a struct per type, null but for the event's own.
struct AllBuilder {
    types: Vec<i32>,
    events: [EventBuilder; 3],
}

impl Default for AllBuilder {
    fn default() -> AllBuilder {
        let kinds = [EventType::Person, EventType::Auction, EventType::Bid];
        AllBuilder { types: Vec::new(), events: kinds.map(|kind| EventBuilder::new(kind, 0)) }
    }
}

impl AllBuilder {
    fn append(&mut self, event: &Event) {
        let own = event.event_type();
        self.types.push(own as i32);
        for builder in &mut self.events {
            if builder.kind == own {
                builder.append(event);
            } else {
                builder.append_nulls();
            }
        }
    }

    fn finish(mut self) -> Result<Vec<ArrayRef>> {
        let mut columns: Vec<ArrayRef> = vec![Arc::new(Int32Array::from(self.types.clone()))];
        for builder in &mut self.events {
            let own = builder.kind as i32;
            let nulls = self.types.iter().map(|of| *of == own).collect::<NullBuffer>();
            let nested = StructArray::try_new(fields(builder.kind), builder.finish(), Some(nulls))?;
            columns.push(Arc::new(nested));
        }
        Ok(columns)
    }
}
