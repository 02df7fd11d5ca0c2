//! What operators remember: arrangements, groups, accumulators, and their saved form.

pub mod accumulator;
pub mod arrangement;
pub mod batches;
mod bloom;
pub mod chain;
pub mod chunk;
pub mod cursor;
pub mod groups;
pub mod index;
mod key_bytes;
pub mod key_groups;
pub mod ordered;
pub mod ordered_rows;
pub mod saved;
pub mod segmented;
pub mod sparse;

pub use arrangement::{Arrangement, ArrangementId, Arrangements};
pub use batches::Batches;
pub use chain::Chains;
pub use cursor::{Cursor, Matches};
pub use groups::GroupTable;
pub use index::{NONE, RowIndex};
pub use key_groups::KeyGroups;
pub use saved::Saved;
pub use segmented::SegmentedVec;
