//! What travels on timely's channels: headers, rows and reports, encoded only between processes.

use std::cell::OnceCell;
use std::io::Write;
use std::sync::Arc;

use timely::Accountable;
use timely::bytes::arc::Bytes;
use timely::communication::Push;
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::dataflow::channels::{ContainerBytes, Message};

use super::{Packet, wire};
use crate::runtime::command::{Report, TickHeader};

/// The contents of a parcel.
#[derive(Default)]
pub(super) enum Payload {
    /// What is left when the contents have been taken.
    #[default]
    Nothing,
    /// A tick opens.
    Header(Arc<TickHeader>),
    /// Rows for an exchange.
    Rows(Packet),
    /// A worker (by index) is done with a tick.
    Report(usize, Box<Report>),
    /// All workers end.
    Stop,
}

/// A payload for one worker.
#[derive(Default)]
pub(super) struct Parcel {
    /// Receiving worker.
    pub(super) dest: usize,
    /// The contents.
    pub(super) payload: Payload,
    /// The encoded contents, followed by padding; timely asks for the length before the bytes.
    encoded: OnceCell<Vec<u8>>,
}

impl Parcel {
    /// A parcel of `payload` to worker `dest`.
    #[must_use]
    pub(super) fn new(dest: usize, payload: Payload) -> Parcel {
        Parcel { dest, payload, encoded: OnceCell::new() }
    }

    fn encoded(&self) -> &[u8] {
        self.encoded.get_or_init(|| {
            let mut bytes = wire::encode(self.dest, &self.payload);
            // Timely keeps messages aligned to eight bytes.
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            bytes
        })
    }
}

impl Accountable for Parcel {
    fn record_count(&self) -> i64 {
        1
    }
}

impl ContainerBytes for Parcel {
    fn from_bytes(bytes: Bytes) -> Parcel {
        let (dest, payload) = wire::decode(&bytes);
        Parcel::new(dest, payload)
    }

    fn length_in_bytes(&self) -> usize {
        self.encoded().len()
    }

    fn into_bytes<W: Write>(&self, writer: &mut W) {
        writer.write_all(self.encoded()).expect("timely has made room for the announced length");
    }
}

/// Sends each parcel to its destination.
pub(super) struct Route;

impl Distributor<Parcel> for Route {
    fn partition<T: Clone, P: Push<Message<T, Parcel>>>(
        &mut self,
        parcel: &mut Parcel,
        time: &T,
        pushers: &mut [P],
    ) {
        let dest = parcel.dest;
        Message::push_at(parcel, time.clone(), &mut pushers[dest]);
    }

    fn flush<T: Clone, P: Push<Message<T, Parcel>>>(&mut self, _time: &T, _pushers: &mut [P]) {}
}
