//! Outer joins: the pairs of an inner join, and rows without a match.

use arrow::array::{ArrayRef, BooleanArray, new_null_array};
use arrow::datatypes::SchemaRef;

use super::JoinCondition;
use super::inputs::{Columns, Inputs};
use super::pairs::{Partner, Table};
use super::presence::Presence;
use crate::dataflow::operator::{Context, Operator, Output, Port};
use crate::error::Result;
use crate::plan::node::JoinKind;
use crate::state::ArrangementId;
use crate::types::{Delta, Selection};

/// Matching pairs, and rows of one or both inputs without a match, padded with nulls.
pub struct OuterJoin {
    inputs: Inputs,
    columns: Columns,
    /// Whether left rows, and right rows, without a match come out.
    preserved: [bool; 2],
}

impl OuterJoin {
    /// A left, right or full join putting out `columns` (indexes in left columns followed by right
    /// columns; `None` for all), as batches of `schema`.
    ///
    /// # Errors
    /// If a column type cannot be a key.
    ///
    /// # Panics
    /// If `kind` is no outer join.
    pub fn new(
        kind: JoinKind,
        condition: JoinCondition,
        columns: Option<Vec<usize>>,
        schema: SchemaRef,
    ) -> Result<OuterJoin> {
        let preserved = match kind {
            JoinKind::Left => [true, false],
            JoinKind::Right => [false, true],
            JoinKind::Full => [true, true],
            JoinKind::Inner | JoinKind::Semi | JoinKind::Anti | JoinKind::Mark => {
                unreachable!("a {kind} join is not an outer join")
            }
        };
        let inputs = Inputs::new(condition)?;
        let columns = inputs.columns(columns, schema);
        Ok(OuterJoin { inputs, columns, preserved })
    }

    /// Rows of side `port` with nulls for the other side.
    fn padded(&self, port: Port, rows: &Delta) -> Result<Delta> {
        let width = self.inputs.width();
        let fields = self.columns.schema.fields();
        let arrays = itertools::zip_eq(&self.columns.columns, fields).map(|(&column, field)| {
            let (side, column) = if column < width { (0, column) } else { (1, column - width) };
            if side == port {
                ArrayRef::clone(rows.column(column))
            } else {
                new_null_array(field.data_type(), rows.rows())
            }
        });
        rows.with_columns(arrays.collect(), &self.columns.schema)
    }
}

impl Operator for OuterJoin {
    fn name(&self) -> &'static str {
        "outer join"
    }

    fn apply(
        &mut self,
        ctx: &mut Context<'_>,
        port: Port,
        delta: Delta,
        out: &mut Output,
    ) -> Result<()> {
        self.apply_selection(ctx, port, delta.into(), out)
    }

    fn apply_selection(
        &mut self,
        ctx: &mut Context<'_>,
        port: Port,
        rows: Selection,
        out: &mut Output,
    ) -> Result<()> {
        let keyed = self.inputs.probing(port, rows)?;
        self.inputs.index(ctx.arrangements, 1 - port, keyed.wanted());
        let other = Partner::State(self.inputs.state(ctx.arrangements, 1 - port));
        self.inputs.join(port, &keyed, other, &self.columns, out)?;
        self.inputs.hold(port, keyed);
        Ok(())
    }

    fn finish(&mut self, ctx: &mut Context<'_>, out: &mut Output) -> Result<()> {
        self.inputs.join_deltas(&self.columns, out)?;
        for port in (0..2).filter(|&port| self.preserved[port]) {
            let other: Option<Table> = if self.inputs.deltas(1 - port).is_empty() {
                None
            } else {
                Some(self.inputs.table(1 - port)?)
            };
            let presence = Presence::new(&self.inputs, ctx.arrangements, port, other.as_ref());
            // Pairs on which the condition fails were reported as pairs.
            presence.change(&mut vec![], &mut |rows, present| {
                let absent: BooleanArray = present.iter().map(|&present| Some(!present)).collect();
                let absent = rows.filter(&absent)?;
                if !absent.is_empty() {
                    out.deltas.push(self.padded(port, &absent)?);
                }
                Ok(())
            })?;
        }
        self.inputs.settle(&self.columns, out);
        self.inputs.clear();
        Ok(())
    }

    fn arrangements(&self) -> Vec<ArrangementId> {
        self.inputs.arrangements()
    }

    fn rebind(&mut self, from: ArrangementId, to: ArrangementId) {
        self.inputs.rebind(from, to);
    }
}
