//! Functions whose value is the session's: the time of the transaction, who and where.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use crate::plan::planner::Session;

#[derive(Debug, PartialEq, Eq, Hash)]
struct SessionValue {
    name: &'static str,
    aliases: Vec<String>,
    value: ScalarValue,
    signature: Signature,
}

/// The functions with the session's values.
pub(super) fn all(session: &Session) -> Vec<Arc<ScalarUDF>> {
    const DAY_US: i64 = 86_400_000_000;
    let now = session.now_us;
    let utc = Some(Arc::from("UTC"));
    let local = now.saturating_add(i64::from(session.timezone.offset_at(now)) * 1_000_000);
    let day = i32::try_from(local.div_euclid(DAY_US)).unwrap_or(i32::MAX);
    let text = |value: &str| ScalarValue::Utf8(Some(value.to_owned()));
    let value = |name: &'static str, aliases: &[&str], value: ScalarValue| {
        let aliases = aliases.iter().map(ToString::to_string).collect();
        let signature = Signature::nullary(Volatility::Stable);
        Arc::new(ScalarUDF::new_from_impl(SessionValue { name, aliases, value, signature }))
    };
    vec![
        value("now", &["current_timestamp"], ScalarValue::TimestampMicrosecond(Some(now), utc)),
        value("localtimestamp", &[], ScalarValue::TimestampMicrosecond(Some(local), None)),
        value("current_date", &["today"], ScalarValue::Date32(Some(day))),
        value(
            "current_time",
            &["localtime"],
            ScalarValue::Time64Microsecond(Some(local.rem_euclid(DAY_US))),
        ),
        value("current_user", &["session_user", "user", "current_role"], text(&session.user)),
        value("current_database", &[], text(&session.database)),
        value("current_schema", &[], text(&session.schema)),
    ]
}

impl ScalarUDFImpl for SessionValue {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        let kind = self.value.data_type();
        debug_assert!(kind != DataType::Timestamp(TimeUnit::Nanosecond, None), "microseconds");
        Ok(kind)
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.value.clone()))
    }
}
