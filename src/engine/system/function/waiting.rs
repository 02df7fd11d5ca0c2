//! Functions that wait: `pg_sleep`, advisory locks. They stop waiting when their statement is stopped.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType, Field, FieldRef, Float64Type, IntervalMonthDayNanoType};
use async_trait::async_trait;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::async_udf::{AsyncScalarUDF, AsyncScalarUDFImpl};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::Context;
use crate::engine::advisory::Mode;
use crate::error::{Error, Result};
use crate::types::pg_type::{PG_TYPE, VOID};

/// The longest sleep: a century.
const SLEEP_MAX_SECONDS: f64 = 100.0 * 366.0 * 86_400.0;

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Wait {
    Seconds,
    Interval,
    Lock { shared: bool, block: bool },
}

const ALL: &[(&str, Wait)] = &[
    ("pg_sleep", Wait::Seconds),
    ("pg_sleep_for", Wait::Interval),
    ("pg_advisory_lock", Wait::Lock { shared: false, block: false }),
    ("pg_advisory_lock_shared", Wait::Lock { shared: true, block: false }),
    ("pg_advisory_xact_lock", Wait::Lock { shared: false, block: true }),
    ("pg_advisory_xact_lock_shared", Wait::Lock { shared: true, block: true }),
];

/// Names of the functions that wait.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

/// The functions that wait, bound to a statement's context.
pub(super) fn all(context: &Arc<Context>) -> impl Iterator<Item = Arc<ScalarUDF>> {
    ALL.iter().map(|(name, wait)| {
        let function = Waiting {
            name,
            wait: *wait,
            signature: signature(*wait),
            context: Arc::clone(context),
        };
        Arc::new(AsyncScalarUDF::new(Arc::new(function)).into_scalar_udf())
    })
}

fn signature(wait: Wait) -> Signature {
    let one = |kind| Signature::exact(vec![kind], Volatility::Volatile);
    match wait {
        Wait::Seconds => one(DataType::Float64),
        Wait::Interval => one(crate::types::pg_type::arrow_type(crate::types::pg_type::INTERVAL)),
        Wait::Lock { .. } => super::lock::signature(),
    }
}

struct Waiting {
    name: &'static str,
    wait: Wait,
    signature: Signature,
    context: Arc<Context>,
}

impl Waiting {
    async fn wait(&self, arguments: &[ArrayRef], row: usize) -> Result<()> {
        let Some(first) = arguments.first().filter(|array| array.is_valid(row)) else {
            return Ok(());
        };
        match self.wait {
            Wait::Seconds => sleep(first.as_primitive::<Float64Type>().value(row)).await,
            Wait::Interval => {
                let value = first.as_primitive::<IntervalMonthDayNanoType>().value(row);
                let days = f64::from(value.months) * 30.0 + f64::from(value.days);
                sleep(days * 86_400.0 + value.nanoseconds as f64 / 1e9).await
            }
            Wait::Lock { shared, block } => {
                let Some(key) = super::lock::key(arguments, row)? else { return Ok(()) };
                // Outside of a block the transaction is the statement.
                let mode = Mode { shared, block };
                self.context.locks.lock(self.context.session, key, mode).await;
                Ok(())
            }
        }
    }
}

async fn sleep(seconds: f64) -> Result<()> {
    if seconds > 0.0 {
        tokio::time::sleep(Duration::from_secs_f64(seconds.min(SLEEP_MAX_SECONDS))).await;
    }
    Ok(())
}

#[async_trait]
impl AsyncScalarUDFImpl for Waiting {
    async fn invoke_async_with_args(
        &self,
        args: ScalarFunctionArgs,
    ) -> DataFusionResult<ColumnarValue> {
        let rows = args.number_rows;
        let arrays = args
            .args
            .into_iter()
            .map(|arg| arg.into_array(rows))
            .collect::<DataFusionResult<Vec<ArrayRef>>>()?;
        for row in 0..rows {
            self.wait(&arrays, row).await?;
        }
        let nothing: StringArray = (0..rows).map(|_| Some("")).collect();
        Ok(ColumnarValue::Array(Arc::new(nothing)))
    }
}

impl ScalarUDFImpl for Waiting {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> DataFusionResult<DataType> {
        Ok(DataType::Utf8)
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs<'_>) -> DataFusionResult<FieldRef> {
        let metadata = [(PG_TYPE.to_owned(), VOID.name.to_owned())].into();
        Ok(Arc::new(Field::new(self.name, DataType::Utf8, true).with_metadata(metadata)))
    }

    fn invoke_with_args(&self, _args: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        Err(Error::internal("a function that waits was called without waiting").into())
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Waiting) -> bool {
        self.name == other.name
    }
}

impl Eq for Waiting {}

impl Hash for Waiting {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}
