//! Goal: what was acknowledged is there after a crash, what was refused is not, and damage is never
//! mistaken for either. Method: a fixed workload of transfers between tables runs on a disk that
//! fails at every operation in turn; after each failure a new store reads what a power cut leaves.

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;

use super::*;
use crate::clock::SimClock;
use crate::storage::{Fault, FaultyDisk, MemoryDisk};

pub(super) const A: ObjectId = ObjectId(16384);
pub(super) const B: ObjectId = ObjectId(16385);
const SOURCE: ObjectId = ObjectId(16386);

fn options() -> StoreOptions {
    StoreOptions { segment_size_max: 600, clock: Arc::new(SimClock::new(0)) }
}

pub(super) fn open(disk: impl Disk + 'static) -> Result<(Store, Recovered)> {
    Store::open(Box::new(disk), options())
}

pub(super) fn rows(values: &[i64]) -> Delta {
    let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
    Delta::insert(RecordBatch::try_from_iter([("id", column)]).unwrap())
}

pub(super) fn schema() -> SchemaRef {
    rows(&[]).batch.schema()
}

/// The multiset of a table's values.
pub(super) fn contents(store: &Store, table: ObjectId) -> Result<BTreeMap<i64, i64>> {
    let (mut values, mut last) = (BTreeMap::new(), Epoch(0));
    store.replay(table, &mut |epoch, delta| {
        assert!(epoch >= last, "epochs in order");
        last = epoch;
        for row in 0..delta.rows() {
            let value = delta.column(0).as_primitive::<Int64Type>().value(row);
            *values.entry(value).or_insert(0) += delta.weight(row);
        }
        Ok(())
    })?;
    values.retain(|_, weight| *weight != 0);
    Ok(values)
}

fn set(values: impl IntoIterator<Item = i64>) -> BTreeMap<i64, i64> {
    values.into_iter().map(|value| (value, 1)).collect()
}

/// One step of the workload. Epoch `e` inserts `e` into A; every second one moves `e - 1` from A to
/// B at once; every third one says how far a source was read.
pub(super) fn step(store: &mut Store, epoch: u64) -> Result<()> {
    let id = epoch.cast_signed();
    let mut changes = vec![(A, rows(&[id]))];
    if epoch.is_multiple_of(2) {
        changes.push((B, rows(&[id - 1])));
        changes.push((A, rows(&[id - 1]).negated()));
    }
    let position = (SOURCE, format!("at {epoch}"));
    let positions = if epoch.is_multiple_of(3) { vec![position] } else { vec![] };
    store.commit(Epoch(epoch), &changes, &positions)?;
    store.append_catalog(format!("after {epoch}").as_bytes())
}

/// What A and B hold after the step of `epoch`.
pub(super) fn expected(epoch: u64) -> (BTreeMap<i64, i64>, BTreeMap<i64, i64>) {
    let last = epoch.cast_signed();
    let moved = (1..last).filter(|id| id % 2 == 1);
    let kept = (1..=last).filter(|&id| id % 2 == 0 || id == last);
    (set(kept), set(moved))
}

pub(super) fn start(disk: impl Disk + 'static) -> Result<Store> {
    let (mut store, _) = open(disk)?;
    store.create_table(A, &schema(), 2)?;
    store.create_table(B, &schema(), 1)?;
    store.append_catalog(b"tables")?;
    Ok(store)
}

/// Opens what a crash left and compares it with the workload after `acknowledged` steps, or one more.
fn check_recovered(disk: MemoryDisk, acknowledged: u64, what: &str) {
    let (mut store, recovered) = open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    if recovered.catalog.is_empty() {
        assert_eq!(acknowledged, 0, "{what}");
        return;
    }
    let found = recovered.epoch.0;
    assert!((acknowledged..=acknowledged + 1).contains(&found), "{what}: epoch {found}");
    let logged = recovered.catalog.len() as u64 - 1;
    assert!((acknowledged..=acknowledged + 1).contains(&logged), "{what}: catalog {logged}");
    let (a, b) = expected(found);
    assert_eq!(contents(&store, A).unwrap(), a, "{what}");
    assert_eq!(contents(&store, B).unwrap(), b, "{what}");
    let position = recovered.source_positions.first().map(|(_, text)| text.clone());
    assert_eq!(position, (found >= 3).then(|| format!("at {}", found / 3 * 3)), "{what}");
    step(&mut store, found + 1).unwrap();
    assert_eq!(contents(&store, A).unwrap(), expected(found + 1).0, "{what}");
}

#[test]
fn what_was_committed_is_there_after_a_restart() {
    let disk = MemoryDisk::default();
    let mut store = start(disk.clone()).unwrap();
    (1..=20).for_each(|epoch| step(&mut store, epoch).unwrap());
    assert_eq!(open(disk.clone()).err().unwrap().state(), SqlState::ObjectInUse);
    drop(store);
    check_recovered(disk, 20, "restart");
}

#[test]
fn a_power_cut_at_any_operation() {
    for at in 0.. {
        let disk = FaultyDisk::default();
        disk.plan(at, Fault::Cut);
        let mut acknowledged = 0;
        let finished = start(disk.clone()).and_then(|mut store| {
            (1..=9).try_for_each(|epoch| {
                step(&mut store, epoch)?;
                acknowledged = epoch;
                Ok(())
            })
        });
        for torn in [0, 1, 31, 40, 100, 333, usize::MAX] {
            let what = format!("operation {at}, {torn} bytes torn");
            check_recovered(disk.after_cut(torn), acknowledged, &what);
        }
        if finished.is_ok() {
            assert!(at > 50, "the workload has many operations");
            return;
        }
    }
}

#[test]
fn a_torn_tail_of_any_length() {
    let disk = FaultyDisk::default();
    let mut store = start(disk.clone()).unwrap();
    (1..=3).for_each(|epoch| step(&mut store, epoch).unwrap());
    disk.plan(2, Fault::Cut);
    assert!(step(&mut store, 4).is_err());
    (0..600).for_each(|torn| check_recovered(disk.after_cut(torn), 3, &format!("torn {torn}")));
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_space_comes() {
    for at in 0..60 {
        let disk = FaultyDisk::default();
        let mut store = start(disk.clone()).unwrap();
        (1..=3).for_each(|epoch| step(&mut store, epoch).unwrap());
        disk.plan(at, Fault::Full);
        let mut done = 3;
        for epoch in 4..=12 {
            match store.commit(Epoch(epoch), &[(A, rows(&[100])), (B, rows(&[200]))], &[]) {
                Ok(()) => done = epoch,
                Err(error) => {
                    assert_eq!(error.state(), SqlState::DiskFull, "{error}");
                    assert_eq!(
                        contents(&store, A).unwrap().get(&100).copied().unwrap_or(0),
                        done.cast_signed() - 3
                    );
                    disk.heal();
                    store
                        .commit(Epoch(epoch), &[(A, rows(&[100])), (B, rows(&[200]))], &[])
                        .unwrap();
                    done = epoch;
                }
            }
        }
        let (store, recovered) = open(disk.after_cut(0)).unwrap();
        assert_eq!(recovered.epoch, Epoch(12));
        assert_eq!(
            (contents(&store, A).unwrap()[&100], contents(&store, B).unwrap()[&200]),
            (9, 9)
        );
    }
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged() {
    for at in 0..40 {
        let disk = FaultyDisk::default();
        let mut store = start(disk.clone()).unwrap();
        disk.plan(at, Fault::Sync);
        let mut acknowledged = 0;
        for epoch in 1..=9 {
            match step(&mut store, epoch) {
                Ok(()) => acknowledged = epoch,
                Err(error) => assert_eq!(error.state(), SqlState::IoError),
            }
        }
        if acknowledged < 9 {
            assert!(step(&mut store, 10).unwrap_err().hint_text().unwrap().contains("restart"));
        }
        let (store, recovered) = open(disk.after_cut(usize::MAX)).unwrap();
        assert!(recovered.epoch.0 == acknowledged || recovered.epoch.0 == acknowledged + 1);
        assert_eq!(contents(&store, A).unwrap(), expected(recovered.epoch.0).0, "sync {at}");
    }
}

#[test]
fn damage_in_the_middle_is_an_error_that_names_the_place() {
    let disk = MemoryDisk::default();
    let mut store = start(disk.clone()).unwrap();
    (1..=9).for_each(|epoch| step(&mut store, epoch).unwrap());
    drop(store);
    for path in files(&disk) {
        let good = disk.read(&path).unwrap();
        for at in (0..good.len()).step_by(11) {
            let disk = copy(&disk);
            let mut bad = good.clone();
            bad[at] ^= 4;
            disk.write(&path, bad);
            match open(disk.clone()) {
                Err(error) if error.state() == SqlState::FeatureNotSupported => {}
                Err(error) => {
                    assert_eq!(error.state(), SqlState::DataCorrupted);
                    assert!(error.message().contains(&path), "{error}");
                }
                // Bytes that mean nothing, or that only say that the logs were closed.
                Ok((store, recovered)) => {
                    assert_eq!((recovered.epoch, recovered.catalog.len()), (Epoch(9), 10));
                    assert_eq!(contents(&store, A).unwrap(), expected(9).0);
                    assert_eq!(contents(&store, B).unwrap(), expected(9).1);
                }
            }
        }
    }
}

/// Paths of all files.
pub(super) fn files(disk: &MemoryDisk) -> Vec<String> {
    let mut folders = vec![String::new()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for name in disk.list(&folder).unwrap() {
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            if disk.read(&path).is_ok() { files.push(path) } else { folders.push(path) }
        }
    }
    files
}

pub(super) fn copy(disk: &MemoryDisk) -> MemoryDisk {
    let copied = MemoryDisk::default();
    files(disk).iter().for_each(|path| copied.write(path, disk.read(path).unwrap()));
    copied
}

#[test]
fn a_base_keeps_the_rows_when_segments_go() {
    let disk = MemoryDisk::default();
    let mut store = start(disk.clone()).unwrap();
    let retention = Retention { age_us: None, size: Some(0) };
    assert!(!store.retention_due(A, retention));
    (1..=20).for_each(|epoch| step(&mut store, epoch).unwrap());
    assert!(store.retention_due(A, retention));
    let files = |disk: &MemoryDisk| disk.list("log/16384/0").unwrap().len();
    let before = files(&disk);
    let live: Vec<Delta> = expected(20).0.keys().map(|id| rows(&[*id])).collect();
    store.rebase(A, Epoch(20), &mut live.clone().into_iter(), retention).unwrap();
    assert!(files(&disk) < before);
    assert_eq!(contents(&store, A).unwrap(), expected(20).0);
    step(&mut store, 21).unwrap();
    assert!(store.rebase(A, Epoch(20), &mut live.into_iter(), retention).is_err());
    drop(store);
    check_recovered(disk, 21, "base");
}

/// Shortens A's log if that is due.
fn shorten(store: &mut Store, epoch: u64) -> Result<()> {
    let retention = Retention { age_us: None, size: Some(1000) };
    if store.retention_due(A, retention) {
        let live: Vec<Delta> = expected(epoch).0.keys().map(|id| rows(&[*id])).collect();
        store.rebase(A, Epoch(epoch), &mut live.into_iter(), retention)?;
    }
    Ok(())
}

#[test]
fn a_power_cut_while_the_log_is_shortened() {
    for at in 0.. {
        let disk = FaultyDisk::default();
        let mut store = start(disk.clone()).unwrap();
        disk.plan(at, Fault::Cut);
        let mut stepped = 0;
        let finished = (1..=20).try_for_each(|epoch| {
            step(&mut store, epoch)?;
            stepped = epoch;
            shorten(&mut store, epoch)
        });
        for torn in [0, 40, usize::MAX] {
            check_recovered(disk.after_cut(torn), stepped, &format!("operation {at}, {torn} torn"));
        }
        if finished.is_ok() {
            let left = disk.list("log/16384/0").unwrap();
            assert!(left.iter().all(|name| *name > format!("{:020}.seg", 0)), "{left:?}");
            let bases = disk.list("log/16384").unwrap();
            assert_eq!(bases.iter().filter(|name| name.starts_with("base")).count(), 1);
            return;
        }
    }
}

#[test]
fn a_segment_that_cannot_be_removed_leaves_no_gap() {
    for at in 0..12 {
        let disk = FaultyDisk::default();
        let mut store = start(disk.clone()).unwrap();
        (1..=12).for_each(|epoch| step(&mut store, epoch).unwrap());
        disk.plan(at, Fault::Remove);
        for epoch in 13..=40 {
            step(&mut store, epoch).unwrap();
            let _refused = shorten(&mut store, epoch);
        }
        drop(store);
        check_recovered(disk.after_cut(0), 40, &format!("removal {at}"));
    }
}

#[test]
fn age_is_counted_from_the_last_record_of_a_segment() {
    let disk = MemoryDisk::default();
    let clock = Arc::new(SimClock::new(0));
    let options =
        StoreOptions { segment_size_max: 600, clock: Arc::clone(&clock) as Arc<dyn Clock> };
    let (mut store, _) = Store::open(Box::new(disk.clone()), options).unwrap();
    store.create_table(A, &schema(), 1).unwrap();
    let retention = Retention { age_us: Some(1000), size: None };
    let segments = || disk.list("log/16384/0").unwrap();
    let mut live = vec![];
    for epoch in 1..=40 {
        clock.set(epoch * 100);
        live.push(rows(&[epoch]));
        let delta = (A, rows(&[epoch]));
        store.commit(Epoch(epoch.unsigned_abs()), &[delta], &[]).unwrap();
        if store.retention_due(A, retention) {
            let all = &mut live.clone().into_iter();
            store.rebase(A, Epoch(epoch.unsigned_abs()), all, retention).unwrap();
        }
        // Offsets count rows: epoch e has offset e - 1. What is at most ten epochs old stays.
        let kept: i64 = segments()[0].trim_end_matches(".seg").parse().unwrap();
        assert!(kept <= (epoch - 10).max(0), "offset {kept} is the first one in epoch {epoch}");
    }
    assert!(!segments()[0].starts_with(&format!("{:020}", 0)), "something has gone");
    assert_eq!(contents(&store, A).unwrap(), set(1..=40));
    clock.set(i64::MIN);
    assert!(!store.retention_due(A, retention));
}

#[test]
fn a_dropped_or_half_made_table_leaves_nothing() {
    let disk = MemoryDisk::default();
    let mut store = start(disk.clone()).unwrap();
    step(&mut store, 1).unwrap();
    store.drop_table(B).unwrap();
    assert_eq!(contents(&store, B).unwrap_err().state(), SqlState::DataCorrupted);
    store.create_table(A, &schema(), 1).unwrap();
    assert!(contents(&store, A).unwrap().is_empty());
    drop(store);
    let (_, recovered) = open(disk).unwrap();
    assert_eq!(recovered.tables, [A]);
}
