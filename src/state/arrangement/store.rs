//! The arrangements of a worker, by id.

use arrow::datatypes::SchemaRef;

use super::Arrangement;
use crate::error::Result;

/// Names an arrangement within a worker.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ArrangementId(pub u32);

/// All arrangements of a worker, each with the number of its users.
#[derive(Default)]
pub struct Arrangements {
    /// By id; ids of freed ones are used again.
    slots: Vec<Option<Slot>>,
}

struct Slot {
    arrangement: Arrangement,
    users: usize,
}

impl Arrangements {
    /// Adds an arrangement of rows of `schema` keyed by `key`, with one user: the caller.
    ///
    /// # Errors
    /// If a column type cannot be kept as a key.
    pub fn create(&mut self, schema: SchemaRef, key: Vec<usize>) -> Result<ArrangementId> {
        let slot = Slot { arrangement: Arrangement::new(schema, key)?, users: 1 };
        let free = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        if free == self.slots.len() {
            self.slots.push(None);
        }
        self.slots[free] = Some(slot);
        Ok(ArrangementId(u32::try_from(free).expect("fewer than 2^32 arrangements")))
    }

    /// Counts one more user of an arrangement.
    pub fn retain(&mut self, id: ArrangementId) {
        self.slot_mut(id).users += 1;
    }

    /// Counts one user less; the last one frees the arrangement.
    pub fn release(&mut self, id: ArrangementId) {
        let slot = self.slot_mut(id);
        slot.users -= 1;
        if slot.users == 0 {
            self.slots[id.0 as usize] = None;
        }
    }

    /// Reads one.
    ///
    /// # Panics
    /// If it has been freed.
    #[must_use]
    pub fn get(&self, id: ArrangementId) -> &Arrangement {
        let slot = self.slots[id.0 as usize].as_ref();
        &slot.expect("an id is not used after its last release").arrangement
    }

    /// Changes one.
    ///
    /// # Panics
    /// If it has been freed.
    pub fn get_mut(&mut self, id: ArrangementId) -> &mut Arrangement {
        &mut self.slot_mut(id).arrangement
    }

    fn slot_mut(&mut self, id: ArrangementId) -> &mut Slot {
        let slot = self.slots[id.0 as usize].as_mut();
        slot.expect("an id is not used after its last release")
    }
}
