//! What all joins share: both inputs' arrangements, and their changes in the open epoch.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};

use super::pairs::{
    Distinct, Keyed, PAIRS_MAX, Pairs, Partner, Rows, Table, multiplied, satisfying,
};
use super::{JoinCondition, JoinSide, Residual};
use crate::dataflow::consolidate::consolidate;
use crate::dataflow::operator::{ErrorRow, Output, Port};
use crate::error::Result;
use crate::state::{Arrangement, ArrangementId, Arrangements, KeyGroups, Matches};
use crate::types::key::{KeyBatch, KeyEncoder};
use crate::types::{Delta, Selection};

/// The inputs of a join.
///
/// # Invariants
/// 1. Between epochs no delta is held (`clear` at the end of `finish`): the arrangements are the state.
pub(super) struct Inputs {
    sides: [Side; 2],
    null_equals_null: bool,
    residual: Option<Residual>,
    /// Left columns followed by right columns.
    schema: SchemaRef,
}

struct Side {
    input: JoinSide,
    encoder: KeyEncoder,
    /// Its deltas of the open epoch.
    deltas: Vec<Keyed>,
}

/// Which columns a join puts out.
pub(super) struct Columns {
    /// Indexes in left columns followed by right columns.
    pub(super) columns: Vec<usize>,
    /// Of the output.
    pub(super) schema: SchemaRef,
}

impl Inputs {
    pub(super) fn new(condition: JoinCondition) -> Result<Inputs> {
        let JoinCondition { left, right, null_equals_null, residual } = condition;
        let fields = left.schema.fields().iter().chain(right.schema.fields());
        let schema = Arc::new(Schema::new(fields.map(Arc::clone).collect::<Vec<_>>()));
        let side = |input: JoinSide| -> Result<Side> {
            let encoder = KeyEncoder::for_columns(&input.schema, &input.key)?;
            Ok(Side { input, encoder, deltas: vec![] })
        };
        Ok(Inputs { sides: [side(left)?, side(right)?], null_equals_null, residual, schema })
    }

    /// Output of `columns`, or of all.
    pub(super) fn columns(&self, columns: Option<Vec<usize>>, schema: SchemaRef) -> Columns {
        let all = || (0..self.schema.fields().len()).collect();
        Columns { columns: columns.unwrap_or_else(all), schema }
    }

    pub(super) fn arrangements(&self) -> Vec<ArrangementId> {
        self.sides.iter().map(|side| side.input.arrangement).collect()
    }

    pub(super) fn rebind(&mut self, from: ArrangementId, to: ArrangementId) {
        for side in self.sides.iter_mut().filter(|side| side.input.arrangement == from) {
            side.input.arrangement = to;
        }
    }

    pub(super) fn schema_of(&self, port: Port) -> &SchemaRef {
        &self.sides[port].input.schema
    }

    /// Number of left columns.
    pub(super) fn width(&self) -> usize {
        self.schema_of(0).fields().len()
    }

    pub(super) fn null_equals_null(&self) -> bool {
        self.null_equals_null
    }

    pub(super) fn has_residual(&self) -> bool {
        self.residual.is_some()
    }

    /// Makes the committed rows of side `port` with the given keys findable, for [`Inputs::state`].
    pub(super) fn index(&self, arrangements: &mut Arrangements, port: Port, keys: &KeyBatch) {
        let arrangement = arrangements.get_mut(self.sides[port].input.arrangement);
        arrangement.index_for(keys, 0..keys.hashes.len());
    }

    /// The committed rows of a side; those whose keys have been indexed can be found.
    pub(super) fn state<'a>(&self, arrangements: &'a Arrangements, port: Port) -> &'a Arrangement {
        arrangements.get(self.sides[port].input.arrangement)
    }

    /// Rows of side `port` with their keys.
    pub(super) fn keyed(&self, port: Port, rows: impl Into<Selection>) -> Result<Keyed> {
        let (side, rows) = (&self.sides[port], rows.into());
        let keys = rows.keys(&side.input.key, &side.encoder)?;
        Ok(Keyed { rows, keys, distinct: None })
    }

    /// Rows of side `port` with their keys, to be paired with rows of the other side.
    pub(super) fn probing(&self, port: Port, rows: Selection) -> Result<Keyed> {
        let mut keyed = self.keyed(port, rows)?;
        if let Some(groups) = KeyGroups::of(&keyed.keys) {
            let side = &self.sides[port];
            let columns = keyed.rows.gather(groups.firsts(), &side.input.key)?;
            let keys = side.encoder.encode(&columns, groups.firsts().len())?;
            keyed.distinct = Some(Distinct { groups, keys });
        }
        Ok(keyed)
    }

    /// Remembers a delta until the end of the epoch.
    pub(super) fn hold(&mut self, port: Port, keyed: Keyed) {
        self.sides[port].deltas.push(keyed);
    }

    /// The deltas of a side in the open epoch.
    pub(super) fn deltas(&self, port: Port) -> &[Keyed] {
        &self.sides[port].deltas
    }

    /// Forgets the epoch's deltas.
    pub(super) fn clear(&mut self) {
        for side in &mut self.sides {
            side.deltas.clear();
        }
    }

    /// All deltas of a side in one, by key.
    pub(super) fn table(&self, port: Port) -> Result<Table> {
        let side = &self.sides[port];
        let deltas = side.deltas.iter().map(|keyed| keyed.rows.clone().into_delta());
        let all = Delta::concat(&side.input.schema, &deltas.collect::<Result<Vec<_>>>()?)?;
        Ok(Table::new(&side.encoder, self.keyed(port, all)?))
    }

    /// Puts out the pairs of `keyed`, rows of side `port`, and rows of the other side.
    pub(super) fn join(
        &self,
        port: Port,
        keyed: &Keyed,
        partner: Partner<'_>,
        columns: &Columns,
        out: &mut Output,
    ) -> Result<()> {
        if partner.chains().keys() == 0 {
            return Ok(());
        }
        self.each_pairs(port, keyed, partner, |pairs, matches| {
            let weigh = |batch, matches: &Matches| {
                multiplied(batch, &keyed.rows, &matches.probe, &matches.weights)
            };
            let output = |pairs: &Pairs<'_>, matches: &Matches| -> Result<Delta> {
                let batch = pairs.batch(&columns.columns, self.width(), &columns.schema)?;
                Ok(weigh(batch, matches))
            };
            let Some(residual) = &self.residual else {
                out.deltas.push(output(&pairs, matches)?);
                return Ok(());
            };
            // Of pairs that do not satisfy it only what it reads is copied.
            let read = pairs.columns(&residual.reads, self.width())?;
            let kept = match (residual.test)(&read, matches.len()) {
                Some(mask) if mask.true_count() == matches.len() => output(&pairs, matches)?,
                Some(mask) => {
                    let matches = matches.filter(&mask);
                    output(&Inputs::pairs(port, keyed, partner, &matches), &matches)?
                }
                None => {
                    let wanted = (&*columns.columns, &columns.schema);
                    let all = weigh(self.whole(&pairs)?, matches);
                    (residual.keep)(&all, wanted, &mut out.errors)?
                }
            };
            if !kept.is_empty() {
                out.deltas.push(kept);
            }
            Ok(())
        })
    }

    /// Adds up equal rows of what the epoch puts out, if both sides changed and rows went. An update of both
    /// makes pairs of old and new rows that cancel out, and each of several joins would multiply them.
    pub(super) fn settle(&self, columns: &Columns, out: &mut Output) {
        let changed = |port| !self.deltas(port).is_empty();
        if changed(0) && changed(1) && !out.deltas.iter().all(Delta::insert_only) {
            // Rows of types that cannot be compared go out as they are.
            if let Ok(settled) = consolidate(&columns.schema, &out.deltas) {
                out.deltas = if settled.is_empty() { vec![] } else { vec![settled] };
            }
        }
    }

    /// Puts out ΔL⋈ΔR.
    pub(super) fn join_deltas(&self, columns: &Columns, out: &mut Output) -> Result<()> {
        let rows = |port| self.deltas(port).iter().map(|keyed| keyed.rows.rows()).sum::<usize>();
        if rows(0) == 0 || rows(1) == 0 {
            return Ok(());
        }
        let (small, large) = if rows(0) <= rows(1) { (0, 1) } else { (1, 0) };
        let table = self.table(small)?;
        for keyed in self.deltas(large) {
            self.join(large, keyed, Partner::Delta(&table), columns, out)?;
        }
        Ok(())
    }

    /// For each row of `keyed`, rows of side `port`, the sum of the weights of its matches.
    pub(super) fn matches(
        &self,
        port: Port,
        keyed: &Keyed,
        partner: Partner<'_>,
        errors: &mut Vec<ErrorRow>,
    ) -> Result<Vec<i64>> {
        let Some(residual) = &self.residual else {
            let chains = partner.chains();
            return Ok(chains.sums(&chains.find(&keyed.keys, self.null_equals_null)));
        };
        let mut sums = vec![0; keyed.rows.rows()];
        self.each_pairs(port, keyed, partner, |pairs, matches| {
            let weight = |pair: usize| {
                keyed.rows.weight(matches.probe[pair] as usize) * matches.weights[pair]
            };
            for pair in satisfying(residual, self.whole(&pairs)?, weight, errors)? {
                sums[matches.probe[pair] as usize] += matches.weights[pair];
            }
            Ok(())
        })?;
        Ok(sums)
    }

    fn whole(&self, pairs: &Pairs<'_>) -> Result<arrow::array::RecordBatch> {
        let columns: Vec<usize> = (0..self.schema.fields().len()).collect();
        pairs.batch(&columns, self.width(), &self.schema)
    }

    /// Calls `visit` with all pairs of equal keys, a bounded number at a time.
    fn each_pairs(
        &self,
        port: Port,
        keyed: &Keyed,
        partner: Partner<'_>,
        mut visit: impl FnMut(Pairs<'_>, &Matches) -> Result<()>,
    ) -> Result<()> {
        let mut cursor = keyed.cursor(partner.chains(), self.null_equals_null);
        let mut matches = Matches::with_capacity(keyed.rows.rows().min(PAIRS_MAX));
        while cursor.advance(PAIRS_MAX, &mut matches) {
            visit(Inputs::pairs(port, keyed, partner, &matches), &matches)?;
            matches.clear();
        }
        Ok(())
    }

    /// The pairs that were found of `keyed`, rows of side `port`, and rows of the other side.
    fn pairs<'a>(
        port: Port,
        keyed: &'a Keyed,
        partner: Partner<'a>,
        matches: &'a Matches,
    ) -> Pairs<'a> {
        let probing = Rows::Delta(&keyed.rows, &matches.probe);
        let found = partner.rows(&matches.state);
        let sides = if port == 0 { [probing, found] } else { [found, probing] };
        Pairs { sides, count: matches.len() }
    }
}
