//! Opening: the log is read back, tables are what it adds up to, workers and the coordinator start.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::coordinator::Coordinator;
use super::fabric::{Fabric, LocalFabric, Mesh, ProgramFactory, TimelyFabric};
use super::handle::{QUEUE_LENGTH, Runtime};
use super::source::Feeding;
use super::table::Table;
use super::worker::Worker;
use crate::catalog::{Catalog, Change, Object};
use crate::clock::Clock;
use crate::config::{Config, Storage};
use crate::error::{Error, Result, SqlState};
use crate::storage::{DirectoryDisk, Disk, Recovered, Store, StoreOptions};
use crate::types::{Epoch, ObjectId};

impl Runtime {
    /// Opens a data directory, or an engine in memory. The catalog's materialized views are not there
    /// yet: the engine plans them and hands them to [`Runtime::define`].
    ///
    /// # Errors
    /// 55006 if another process holds the directory; XX001 for damaged files; what the file system says.
    pub fn open(config: &Config, clock: Arc<dyn Clock>) -> Result<(Runtime, Catalog)> {
        let disk: Option<Box<dyn Disk>> = match &config.storage {
            Storage::Memory => None,
            Storage::Directory(path) => Some(Box::new(DirectoryDisk::open(path)?)),
        };
        Runtime::open_on(disk, config, clock)
    }

    /// The same on a disk, or without one, whatever the settings say of storage.
    ///
    /// # Errors
    /// As [`Runtime::open`].
    pub fn open_on(
        disk: Option<Box<dyn Disk>>,
        config: &Config,
        clock: Arc<dyn Clock>,
    ) -> Result<(Runtime, Catalog)> {
        let opened = Opened::new(disk, config, &clock)?;
        let (requests, queue) = mpsc::channel(QUEUE_LENGTH);
        let feeding = Feeding {
            rows_max: config.tick_rows_max,
            clock: Arc::clone(&clock),
            deterministic: config.deterministic,
            nudge: requests.downgrade(),
        };
        let catalog = opened.catalog.clone();
        let coordinator = Coordinator {
            config: config.clone(),
            clock,
            catalog: opened.catalog,
            store: opened.store,
            fabric: fabric(config)?,
            feeding,
            epoch: opened.epoch,
            tables: opened.tables,
            feeds: BTreeMap::new(),
            recovered_positions: opened.positions,
            views: BTreeMap::new(),
            commands: vec![],
            positions: vec![],
            undelivered: vec![],
            epoch_open: false,
            changes: vec![],
            ticked_at: Duration::ZERO,
            readings: vec![],
            watched: HashMap::new(),
            waiting_filled: vec![],
            waiting_settled: vec![],
            broken: None,
            turn: 0,
        };
        let thread = super::spawn("millstream-coordinator", move || coordinator.run(queue))?;
        Ok((Runtime::new(requests, thread), catalog))
    }
}

fn fabric(config: &Config) -> Result<Box<dyn Fabric>> {
    let workers = config.workers.max(1);
    let factory: ProgramFactory = Arc::new(move |index| Box::new(Worker::new(index, workers)));
    if config.deterministic || workers == 1 {
        return Ok(Box::new(LocalFabric::new(workers, &factory)));
    }
    Ok(Box::new(TimelyFabric::spawn(Mesh::threads(workers), factory)?))
}

/// What is there before the coordinator starts.
struct Opened {
    store: Option<Store>,
    catalog: Catalog,
    epoch: Epoch,
    tables: HashMap<ObjectId, Table>,
    positions: HashMap<ObjectId, String>,
}

impl Opened {
    fn new(disk: Option<Box<dyn Disk>>, config: &Config, clock: &Arc<dyn Clock>) -> Result<Opened> {
        match disk {
            None => Ok(Opened {
                store: None,
                catalog: Catalog::new(),
                epoch: Epoch::default(),
                tables: HashMap::new(),
                positions: HashMap::new(),
            }),
            Some(disk) => {
                let options = StoreOptions {
                    segment_size_max: config.segment_size_max,
                    clock: Arc::clone(clock),
                };
                let (store, recovered) = Store::open(disk, options)?;
                Opened::recover(store, recovered)
            }
        }
    }

    fn recover(mut store: Store, recovered: Recovered) -> Result<Opened> {
        let mut catalog = Catalog::new();
        for record in &recovered.catalog {
            let changes: Vec<Change> = serde_json::from_slice(record).map_err(|error| {
                Error::new(SqlState::DataCorrupted, "the catalog cannot be read")
                    .detail(error.to_string())
                    .hint("The directory may have been written by a newer version.")
            })?;
            for change in &changes {
                catalog.apply(change);
            }
        }
        let mut tables = HashMap::new();
        for object in catalog.objects() {
            if let Object::Table(table) = object.as_ref() {
                let mut rows = Table::new(table)?;
                store.replay(table.id, &mut |_, delta| rows.commit(&[delta]))?;
                tables.insert(table.id, rows);
            }
        }
        for orphan in recovered.tables.iter().filter(|table| !tables.contains_key(table)) {
            store.drop_table(*orphan)?;
        }
        let positions = recovered.source_positions.into_iter().collect();
        Ok(Opened { store: Some(store), catalog, epoch: recovered.epoch, tables, positions })
    }
}
