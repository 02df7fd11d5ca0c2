//! What operators remember: arrangements, groups, accumulators, and their saved form.

pub mod arrangement;
pub mod index;
pub mod saved;
pub mod segmented;

pub use arrangement::{Arrangement, ArrangementId, Arrangements, Matches};
pub use index::{NONE, RowIndex};
pub use saved::Saved;
pub use segmented::SegmentedVec;
