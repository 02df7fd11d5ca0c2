//! Which operator `a op b` is, by Postgres' rules: operand types, implicit conversions, and the
//! functions that compute what DataFusion would compute otherwise (silent overflow, other results).

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use datafusion::common::{DFSchema, Diagnostic, Result as DataFusionResult, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable};
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::analyze::settled;
use super::function::{
    ArithmeticOp, arithmetic, decimal_of, extract, is_integer, power_function, scalar,
};
use super::json_operator;
use super::typing::length;
use super::undefined::{ambiguous_operator, undefined_operator};
use crate::error::{Error, Result, SqlState};
use crate::types::{pg_type, text};

/// Resolves binary operators while SQL becomes expressions.
#[derive(Debug)]
pub(crate) struct OperatorPlanner;

impl ExprPlanner for OperatorPlanner {
    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> DataFusionResult<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op, left, right } = expr;
        // A column's place is the nearest known to an operator's.
        let spans = [&left, &right].into_iter().find_map(|operand| operand.spans()?.first());
        if let Some(call) = json_operator::resolve(&op, &left, &right, schema)? {
            return Ok(PlannerResult::Planned(call));
        }
        let resolved = Operands::new(left, right, schema).and_then(|both| resolve(op, both));
        resolved.map_err(|error| match spans {
            Some(span) => {
                let diagnostic = Diagnostic::new_error(error.message(), Some(span));
                DataFusionError::from(error).with_diagnostic(diagnostic)
            }
            None => error.into(),
        })
    }

    fn plan_extract(&self, args: Vec<Expr>) -> DataFusionResult<PlannerResult<Vec<Expr>>> {
        let [Expr::Literal(ScalarValue::Utf8(Some(part)), _), time] = &args[..] else {
            return Ok(PlannerResult::Original(args));
        };
        Ok(PlannerResult::Planned(extract(part)?.call(vec![time.clone()])))
    }
}

/// Two operands with their types; an operand of unknown type (a string literal, a parameter) has
/// none.
struct Operands {
    left: Expr,
    right: Expr,
    types: (Option<DataType>, Option<DataType>),
}

impl Operands {
    fn new(left: Expr, right: Expr, schema: &DFSchema) -> Result<Operands> {
        let (left, right) = (folded(settled(left, schema)?), folded(settled(right, schema)?));
        let types = (known_type(&left, schema)?, known_type(&right, schema)?);
        Ok(Operands { left, right, types })
    }

    /// Gives operands of unknown type that of the other one; `text` if both are unknown.
    fn unify(&mut self) -> Result<(DataType, DataType)> {
        let (left, right) = match (&self.types.0, &self.types.1) {
            (None, None) => (DataType::Utf8, DataType::Utf8),
            (Some(one), None) => (one.clone(), one.clone()),
            (None, Some(other)) => (other.clone(), other.clone()),
            (Some(one), Some(other)) => (one.clone(), other.clone()),
        };
        self.assume(left.clone(), right.clone())?;
        Ok((left, right))
    }

    /// Gives operands of unknown type these types.
    fn assume(&mut self, left: DataType, right: DataType) -> Result<()> {
        if self.types.0.is_none() {
            self.left = typed(std::mem::take(&mut self.left), &left)?;
            self.types.0 = Some(left);
        }
        if self.types.1.is_none() {
            self.right = typed(std::mem::take(&mut self.right), &right)?;
            self.types.1 = Some(right);
        }
        Ok(())
    }

    fn original(self, op: BinaryOperator) -> PlannerResult<RawBinaryExpr> {
        PlannerResult::Original(RawBinaryExpr { op, left: self.left, right: self.right })
    }

    fn call(self, op: ArithmeticOp) -> PlannerResult<RawBinaryExpr> {
        PlannerResult::Planned(arithmetic(op).call(vec![self.left, self.right]))
    }

    fn function(self, name: &str) -> PlannerResult<RawBinaryExpr> {
        PlannerResult::Planned(scalar(name).call(vec![self.left, self.right]))
    }

    /// Both operands converted.
    fn converted(mut self, left: &DataType, right: &DataType) -> Operands {
        self.left = cast(self.left, self.types.0.as_ref(), left);
        self.right = cast(self.right, self.types.1.as_ref(), right);
        self.types = (Some(left.clone()), Some(right.clone()));
        self
    }
}

fn resolve(op: BinaryOperator, operands: Operands) -> Result<PlannerResult<RawBinaryExpr>> {
    let function = match op {
        BinaryOperator::Plus => ArithmeticOp::Add,
        BinaryOperator::Minus => ArithmeticOp::Subtract,
        BinaryOperator::Multiply => ArithmeticOp::Multiply,
        BinaryOperator::Divide => ArithmeticOp::Divide,
        BinaryOperator::Modulo => ArithmeticOp::Modulo,
        BinaryOperator::PGExp => return power(operands),
        BinaryOperator::Eq
        | BinaryOperator::NotEq
        | BinaryOperator::Lt
        | BinaryOperator::LtEq
        | BinaryOperator::Gt
        | BinaryOperator::GtEq => return comparison(op, operands),
        BinaryOperator::And | BinaryOperator::Or => return logical(op, operands),
        BinaryOperator::StringConcat => return concatenation(op, operands),
        BinaryOperator::PGRegexMatch
        | BinaryOperator::PGRegexIMatch
        | BinaryOperator::PGRegexNotMatch
        | BinaryOperator::PGRegexNotIMatch => return pattern(op, operands),
        BinaryOperator::AtArrow | BinaryOperator::ArrowAt | BinaryOperator::PGOverlap => {
            return set_comparison(op, operands);
        }
        BinaryOperator::BitwiseAnd
        | BinaryOperator::BitwiseOr
        | BinaryOperator::PGBitwiseXor
        | BinaryOperator::PGBitwiseShiftLeft
        | BinaryOperator::PGBitwiseShiftRight => return bits(op, operands),
        _ => return Ok(operands.original(op)),
    };
    arithmetic_operator(&op, function, operands)
}

fn arithmetic_operator(
    op: &BinaryOperator,
    function: ArithmeticOp,
    mut operands: Operands,
) -> Result<PlannerResult<RawBinaryExpr>> {
    // An unknown operand beside a time is an interval, beside anything else of the same type.
    let interval = DataType::Interval(IntervalUnit::MonthDayNano);
    match (&operands.types.0, &operands.types.1) {
        // A difference is of two times of a type; a date may grow by days or by an interval.
        (Some(DataType::Date32), None) | (None, Some(DataType::Date32))
            if function == ArithmeticOp::Add =>
        {
            return Err(ambiguous_operator(op, &operands.types));
        }
        (Some(time), None) if is_temporal(time) && function == ArithmeticOp::Add => {
            operands.assume(time.clone(), interval)?;
        }
        (None, Some(time)) if is_temporal(time) && function == ArithmeticOp::Add => {
            operands.assume(interval, time.clone())?;
        }
        (Some(span @ DataType::Interval(_)), None)
            if matches!(function, ArithmeticOp::Multiply | ArithmeticOp::Divide) =>
        {
            operands.assume(span.clone(), DataType::Float64)?;
        }
        _ => {}
    }
    let (left, right) = operands.unify()?;
    if left.is_null() || right.is_null() {
        let (left, right) = match left.is_null() {
            true => (right.clone(), right),
            false => (left.clone(), left),
        };
        return convert_and_call(op, function, operands, &left, &right);
    }
    convert_and_call(op, function, operands, &left, &right)
}

fn convert_and_call(
    op: &BinaryOperator,
    function: ArithmeticOp,
    operands: Operands,
    left: &DataType,
    right: &DataType,
) -> Result<PlannerResult<RawBinaryExpr>> {
    use ArithmeticOp::{Add, Divide, Multiply, Subtract};
    let timestamp = DataType::Timestamp(TimeUnit::Microsecond, None);
    if let Some((left, right)) = numeric_pair(left, right) {
        let float = matches!(left, DataType::Float32 | DataType::Float64);
        if function == ArithmeticOp::Modulo && float {
            return Err(undefined_operator(op, &left, &right));
        }
        return Ok(operands.converted(&left, &right).call(function));
    }
    let (left, right) = match (left, right, function) {
        (DataType::Date32, whole, Add | Subtract) if is_integer(whole) => {
            (DataType::Date32, DataType::Int32)
        }
        (whole, DataType::Date32, Add) if is_integer(whole) => (DataType::Int32, DataType::Date32),
        (DataType::Date32, DataType::Date32, Subtract) => (left.clone(), right.clone()),
        (DataType::Date32, DataType::Interval(_) | DataType::Time64(_), Add | Subtract) => {
            (timestamp, right.clone())
        }
        (DataType::Interval(_) | DataType::Time64(_), DataType::Date32, Add) => {
            (left.clone(), timestamp)
        }
        (DataType::Timestamp(_, zone), DataType::Date32, Subtract)
        | (DataType::Date32, DataType::Timestamp(_, zone), Subtract) => {
            let common = DataType::Timestamp(TimeUnit::Microsecond, zone.clone());
            (common.clone(), common)
        }
        (DataType::Timestamp(_, one), DataType::Timestamp(_, other), Subtract) => {
            let zone = one.clone().or_else(|| other.clone());
            let common = DataType::Timestamp(TimeUnit::Microsecond, zone);
            (common.clone(), common)
        }
        (DataType::Timestamp(_, _), DataType::Time64(_), Add | Subtract)
        | (DataType::Time64(_), DataType::Timestamp(_, _), Add)
        | (
            DataType::Timestamp(_, _) | DataType::Time64(_),
            DataType::Interval(_),
            Add | Subtract,
        )
        | (DataType::Interval(_), DataType::Timestamp(_, _) | DataType::Time64(_), Add)
        | (DataType::Interval(_), DataType::Interval(_), Add | Subtract)
        | (DataType::Time64(_), DataType::Time64(_), Subtract) => (left.clone(), right.clone()),
        (DataType::Interval(_), number, Multiply | Divide) if number.is_numeric() => {
            (left.clone(), DataType::Float64)
        }
        (number, DataType::Interval(_), Multiply) if number.is_numeric() => {
            (DataType::Float64, right.clone())
        }
        _ => return Err(undefined_operator(op, left, right)),
    };
    Ok(operands.converted(&left, &right).call(function))
}

/// The types in which two numbers are computed: of one kind; decimals keep their own scales.
fn numeric_pair(left: &DataType, right: &DataType) -> Option<(DataType, DataType)> {
    if !left.is_numeric() || !right.is_numeric() {
        return None;
    }
    let float = |kind: &DataType| matches!(kind, DataType::Float32 | DataType::Float64);
    let decimal = |kind: &DataType| matches!(kind, DataType::Decimal128(_, _));
    Some(match (left, right) {
        (DataType::Float32, DataType::Float32) => (DataType::Float32, DataType::Float32),
        (one, other) if float(one) || float(other) => (DataType::Float64, DataType::Float64),
        (one, other) if decimal(one) || decimal(other) => (decimal_of(one)?, decimal_of(other)?),
        (one, other) => {
            let wider = [one, other].into_iter().max_by_key(|kind| kind.primitive_width())?;
            (wider.clone(), wider.clone())
        }
    })
}

/// Operators on the bits of integers; what is shifted keeps its type.
fn bits(op: BinaryOperator, mut operands: Operands) -> Result<PlannerResult<RawBinaryExpr>> {
    let (left, right) = operands.unify()?;
    if !left.is_integer() || !right.is_integer() {
        return Err(undefined_operator(&op, &left, &right));
    }
    let shift =
        matches!(op, BinaryOperator::PGBitwiseShiftLeft | BinaryOperator::PGBitwiseShiftRight);
    let common = match numeric_pair(&left, &right) {
        Some((common, _)) if !shift => common,
        _ => left,
    };
    // Two bytes are shifted as four, whose count goes on where theirs would begin anew.
    if shift && common == DataType::Int16 {
        let left = matches!(op, BinaryOperator::PGBitwiseShiftLeft);
        let operands = operands.converted(&common, &DataType::Int32);
        return Ok(operands.function(if left { "int2shl" } else { "int2shr" }));
    }
    Ok(operands.converted(&common, &common).original(op))
}

fn power(mut operands: Operands) -> Result<PlannerResult<RawBinaryExpr>> {
    let (left, right) = operands.unify()?;
    if !left.is_numeric() || !right.is_numeric() {
        return Err(undefined_operator(&BinaryOperator::PGExp, &left, &right));
    }
    let operands = operands.converted(&DataType::Float64, &DataType::Float64);
    Ok(PlannerResult::Planned(power_function().call(vec![operands.left, operands.right])))
}

fn comparison(op: BinaryOperator, mut operands: Operands) -> Result<PlannerResult<RawBinaryExpr>> {
    let (left, right) = operands.unify()?;
    if left.is_list() && right.is_list() {
        let function = match op {
            BinaryOperator::Lt => "array_lt",
            BinaryOperator::LtEq => "array_le",
            BinaryOperator::Gt => "array_gt",
            BinaryOperator::GtEq => "array_ge",
            _ => return Ok(operands.original(op)),
        };
        return Ok(operands.function(function));
    }
    let common = match (&left, &right) {
        (one, other) if one == other || one.is_nested() || other.is_nested() => None,
        (DataType::Null, _) | (_, DataType::Null) => None,
        (one, other) if one.is_numeric() && other.is_numeric() => {
            numeric_pair(one, other).filter(|(kind, _)| kind.is_floating()).map(|(kind, _)| kind)
        }
        (one, other) if one.is_string() && other.is_string() => None,
        (DataType::Date32, DataType::Timestamp(_, zone))
        | (DataType::Timestamp(_, zone), DataType::Date32) => {
            Some(DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))
        }
        (DataType::Timestamp(_, one), DataType::Timestamp(_, other)) => {
            let zone = one.clone().or_else(|| other.clone());
            Some(DataType::Timestamp(TimeUnit::Microsecond, zone))
        }
        _ => return Err(undefined_operator(&op, &left, &right)),
    };
    if let (DataType::Interval(_), DataType::Interval(_)) = (&left, &right) {
        operands.left = length(operands.left);
        operands.right = length(operands.right);
        return Ok(operands.original(op));
    }
    let operands = match common {
        Some(common) => operands.converted(&common, &common),
        None => operands,
    };
    Ok(operands.original(op))
}

fn logical(op: BinaryOperator, mut operands: Operands) -> Result<PlannerResult<RawBinaryExpr>> {
    operands.assume(DataType::Boolean, DataType::Boolean)?;
    for kind in [&operands.types.0, &operands.types.1].into_iter().flatten() {
        if !matches!(kind, DataType::Boolean | DataType::Null) {
            return Err(Error::new(
                SqlState::DatatypeMismatch,
                format!("argument of {op} must be type boolean, not type {}", sql_name(kind)),
            ));
        }
    }
    Ok(operands.original(op))
}

fn concatenation(op: BinaryOperator, operands: Operands) -> Result<PlannerResult<RawBinaryExpr>> {
    let list = |kind: &Option<DataType>| kind.as_ref().is_some_and(DataType::is_list);
    let unknown = |kind: &Option<DataType>| kind.as_ref().is_none_or(DataType::is_null);
    let function = match (&operands.types.0, &operands.types.1) {
        // A literal of unknown type beside an array is an array.
        (left, right) if list(left) && (list(right) || unknown(right)) => "array_cat",
        (left, right) if list(right) && unknown(left) => "array_cat",
        (left, _) if list(left) => "array_append",
        (_, right) if list(right) => "array_prepend",
        _ => return texts(op, operands),
    };
    Ok(operands.function(function))
}

/// `||` of texts, or of bytes.
fn texts(op: BinaryOperator, mut operands: Operands) -> Result<PlannerResult<RawBinaryExpr>> {
    let bytes = |kind: &Option<DataType>| matches!(kind, Some(DataType::Binary));
    if bytes(&operands.types.0) || bytes(&operands.types.1) {
        operands.assume(DataType::Binary, DataType::Binary)?;
        if bytes(&operands.types.0) && bytes(&operands.types.1) {
            return Ok(operands.function("byteacat"));
        }
    }
    operands.assume(DataType::Utf8, DataType::Utf8)?;
    let (left, right) = operands.unify()?;
    if !(left.is_string() || right.is_string() || left.is_null() || right.is_null()) {
        return Err(undefined_operator(&op, &left, &right));
    }
    Ok(operands.converted(&DataType::Utf8, &DataType::Utf8).original(op))
}

fn pattern(op: BinaryOperator, mut operands: Operands) -> Result<PlannerResult<RawBinaryExpr>> {
    operands.assume(DataType::Utf8, DataType::Utf8)?;
    let (left, right) = operands.unify()?;
    let text = |kind: &DataType| kind.is_string() || kind.is_null();
    if !text(&left) || !text(&right) {
        return Err(undefined_operator(&op, &left, &right));
    }
    Ok(operands.function(match op {
        BinaryOperator::PGRegexMatch => "textregexeq",
        BinaryOperator::PGRegexIMatch => "texticregexeq",
        BinaryOperator::PGRegexNotMatch => "textregexne",
        _ => "texticregexne",
    }))
}

/// `@>`, `<@` and `&&` of arrays.
fn set_comparison(op: BinaryOperator, operands: Operands) -> Result<PlannerResult<RawBinaryExpr>> {
    let list = |kind: &Option<DataType>| kind.as_ref().is_some_and(DataType::is_list);
    if !list(&operands.types.0) && !list(&operands.types.1) {
        return Ok(operands.original(op));
    }
    Ok(operands.function(match op {
        BinaryOperator::AtArrow => "arraycontains",
        BinaryOperator::ArrowAt => "arraycontained",
        _ => "arrayoverlap",
    }))
}

/// The type of `expr`; none for a string literal or a parameter, which take the type of where they
/// stand.
fn known_type(expr: &Expr, schema: &DFSchema) -> Result<Option<DataType>> {
    Ok(match expr {
        Expr::Literal(ScalarValue::Utf8(_), _) => None,
        Expr::Placeholder(Placeholder { field: None, .. }) => None,
        other => Some(other.get_type(schema)?),
    })
}

/// `expr`, a literal or parameter of unknown type, as one of type `to`.
pub(crate) fn typed(expr: Expr, to: &DataType) -> Result<Expr> {
    match expr {
        // Which instant a text names depends on the session's zone, which is not known here.
        Expr::Literal(ScalarValue::Utf8(_), _) if matches!(to, DataType::Timestamp(_, Some(_))) => {
            Ok(cast(expr, None, to))
        }
        Expr::Literal(ScalarValue::Utf8(value), metadata) if !to.is_string() => {
            // A decimal's digits come from the literal, not from the other operand.
            let to = match (to, &value) {
                (DataType::Decimal128(_, _), Some(value)) => decimal_of_text(value),
                _ => to.clone(),
            };
            let field = Field::new("literal", to, true);
            let array = text::decode(&[value.as_deref()], &field, &text::Style::default())?;
            Ok(Expr::Literal(ScalarValue::try_from_array(&array, 0)?, metadata))
        }
        Expr::Placeholder(Placeholder { id, field: None }) => {
            let field = Arc::new(Field::new("", to.clone(), true));
            Ok(Expr::Placeholder(Placeholder { id, field: Some(field) }))
        }
        other => Ok(other),
    }
}

/// The decimal type that holds the digits written.
fn decimal_of_text(value: &str) -> DataType {
    let digits = value.trim().split_once('.').map_or(0, |(_, digits)| digits.len());
    DataType::Decimal128(38, i8::try_from(digits).unwrap_or(38).min(37))
}

/// A number literal whose type was written around it, as one literal.
pub(crate) fn folded(expr: Expr) -> Expr {
    match &expr {
        Expr::Cast(Cast { expr: inner, field }) => match inner.as_ref() {
            Expr::Literal(value @ ScalarValue::Int64(_), metadata)
                if is_integer(field.data_type()) =>
            {
                match value.cast_to(field.data_type()) {
                    Ok(value) if !value.is_null() => Expr::Literal(value, metadata.clone()),
                    _ => expr,
                }
            }
            _ => expr,
        },
        _ => expr,
    }
}

/// `expr` of type `from` converted to `to`.
pub(crate) fn cast(expr: Expr, from: Option<&DataType>, to: &DataType) -> Expr {
    if from == Some(to) {
        return expr;
    }
    Expr::Cast(Cast::new(Box::new(expr), to.clone()))
}

fn is_temporal(kind: &DataType) -> bool {
    matches!(kind, DataType::Timestamp(_, _) | DataType::Date32 | DataType::Time64(_))
}

/// The name of a field's type in messages.
pub(crate) fn field_sql_name(field: &Field) -> String {
    match field.data_type() {
        DataType::List(item) => format!("{}[]", field_sql_name(item)),
        DataType::Utf8 => pg_type::of_field(field).sql_name.to_owned(),
        other => sql_name(other),
    }
}

/// The type's name as messages say it.
pub(crate) fn sql_name(kind: &DataType) -> String {
    match pg_type::element(kind) {
        Some(element) => format!("{}[]", sql_name(element)),
        None if kind.is_null() => "unknown".to_owned(),
        None => pg_type::of_data_type(kind).sql_name.to_owned(),
    }
}
