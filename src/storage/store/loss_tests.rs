//! Goal: a directory that has lost a file, or the end of one, is never taken for a younger one. Method:
//! files of a small store are removed and cut at every record.

use super::tests::{A, B, contents, copy, expected, files, open, rows, schema, start, step};
use super::*;
use crate::storage::{Fault, FaultyDisk, MemoryDisk};

fn closed(epochs: u64) -> MemoryDisk {
    let disk = MemoryDisk::default();
    let mut store = start(disk.clone()).unwrap();
    (1..=epochs).for_each(|epoch| step(&mut store, epoch).unwrap());
    disk
}

#[test]
fn a_file_that_is_gone_is_missed() {
    let disk = closed(9);
    for path in files(&disk) {
        let mut disk = copy(&disk);
        disk.remove(&path).unwrap();
        let error = open(disk).err().unwrap_or_else(|| panic!("{path} is not missed"));
        assert_eq!(error.state(), SqlState::DataCorrupted, "{path}: {error}");
    }
}

#[test]
fn a_log_that_is_gone_is_missed_after_a_crash_too() {
    let disk = FaultyDisk::default();
    let mut store = start(disk.clone()).unwrap();
    (1..=9).for_each(|epoch| step(&mut store, epoch).unwrap());
    for folder in ["catalog", "epochs"] {
        let mut left = disk.after_cut(0);
        left.remove(folder).unwrap();
        let error = open(left.clone()).err().unwrap_or_else(|| panic!("{folder} is not missed"));
        assert_eq!(error.state(), SqlState::DataCorrupted);
        assert!(error.message().contains(folder), "{error}");
        assert!(!left.list("log").unwrap().is_empty(), "nothing was removed");
    }
}

#[test]
fn a_file_cut_between_records_is_noticed() {
    let disk = closed(9);
    for path in files(&disk).into_iter().filter(|path| !path.starts_with("epochs")) {
        let good = disk.read(&path).unwrap();
        for size in (0..good.len()).step_by(8) {
            let disk = copy(&disk);
            disk.write(&path, good[..size].to_vec());
            let error = open(disk).err().unwrap_or_else(|| panic!("{path} cut to {size}"));
            assert_eq!(error.state(), SqlState::DataCorrupted, "{error}");
            let (folder, _) = path.rsplit_once('/').unwrap();
            assert!(error.message().contains(folder), "{error}");
        }
    }
}

#[test]
fn rows_of_a_base_that_is_gone_are_missed_after_a_crash_too() {
    let disk = FaultyDisk::default();
    let mut store = start(disk.clone()).unwrap();
    (1..=20).for_each(|epoch| step(&mut store, epoch).unwrap());
    let live: Vec<Delta> = expected(20).0.keys().map(|id| rows(&[*id])).collect();
    let retention = Retention { age_us: None, size: Some(0) };
    store.rebase(A, Epoch(20), &mut live.into_iter(), retention).unwrap();
    let mut left = disk.after_cut(0);
    let base = left.list("log/16384").unwrap().into_iter().find(|name| name.starts_with("base"));
    left.remove(&format!("log/16384/{}", base.unwrap())).unwrap();
    let error = open(left).err().unwrap();
    assert!(error.message().contains("base"), "{error}");
}

#[test]
fn a_power_cut_while_a_table_is_dropped_or_made() {
    for at in 0.. {
        let disk = FaultyDisk::default();
        let mut store = start(disk.clone()).unwrap();
        (1..=9).for_each(|epoch| step(&mut store, epoch).unwrap());
        disk.plan(at, Fault::Cut);
        let dropped = store.drop_table(B);
        let made = store.create_table(ObjectId(16390), &schema(), 1);
        let (store, recovered) = open(disk.after_cut(usize::MAX)).unwrap();
        let there = recovered.tables.contains(&B);
        assert!(!there || contents(&store, B).unwrap() == expected(9).1, "all of it or nothing");
        assert!(dropped.is_err() || !there, "a dropped table is gone");
        let left = store.disk.list("log").unwrap();
        assert!(left.iter().all(|name| !name.ends_with(table_log::DROPPED)), "{left:?}");
        if dropped.is_ok() && made.is_ok() {
            assert!(at > 3, "there are several operations");
            return;
        }
    }
}

#[test]
fn more_tables_than_open_files() {
    let disk = MemoryDisk::default();
    let mut store = start(disk.clone()).unwrap();
    let tables: Vec<ObjectId> = (20_000..20_150).map(ObjectId).collect();
    for &table in &tables {
        store.create_table(table, &schema(), 1).unwrap();
    }
    for epoch in 1..=300_u64 {
        let table = tables[usize::try_from(epoch).unwrap() % tables.len()];
        let row = rows(&[epoch.cast_signed()]);
        store.commit(Epoch(epoch), &[(table, row.clone()), (A, row)], &[]).unwrap();
        assert!(store.open.len() <= OPEN_MAX, "{}", store.open.len());
    }
    drop(store);
    let (store, _) = open(disk).unwrap();
    assert_eq!(contents(&store, tables[7]).unwrap().into_keys().collect::<Vec<_>>(), [7, 157]);
    assert_eq!(contents(&store, A).unwrap().len(), 300);
}
