//! The words every other folder speaks: deltas, ids, epochs, row keys, SQL types.

pub mod binary;
pub mod definition;
pub mod delta;
pub mod exact_float;
pub mod float_sum;
pub mod id;
pub mod json;
pub mod key;
pub mod moments;
pub mod name;
pub mod pg_type;
pub mod selection;
pub mod sql_type;
pub mod text;

pub use delta::{Delta, Weights, take_rows};
pub use id::{Epoch, ObjectId, Vnode};
pub use name::QualifiedName;
pub use selection::{Selection, true_rows};
pub use sql_type::SqlType;
