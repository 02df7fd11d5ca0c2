//! Running sources.

use crate::catalog::Source;
use crate::connector::SourceSpec;

/// What the connector needs to know of a source.
#[must_use]
pub fn spec(source: &Source) -> SourceSpec {
    let definition = &source.definition;
    SourceSpec {
        connector: definition.option("connector").unwrap_or_default().to_owned(),
        options: definition.options.iter().cloned().collect(),
        encode: None,
        encode_options: std::collections::BTreeMap::new(),
        schema: crate::types::definition::schema(&definition.columns),
        include: vec![],
        on_error: crate::connector::OnError::Fail,
    }
}
