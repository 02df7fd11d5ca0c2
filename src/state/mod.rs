//! What operators remember: arrangements, groups, accumulators, and their saved form.

pub mod arrangement;
pub mod saved;

pub use arrangement::{Arrangement, ArrangementId, Arrangements, Matches};
pub use saved::Saved;
