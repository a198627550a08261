//! The store's tables of the history: what a start, a restart and a reader find in them.

use std::path::PathBuf;

use chargebus::edges::store::{EnergyFilter, Store};
use chargebus::model::{
    Counters, EnergyGroup, Entity, EntityRecord, GridLimit, KilowattHours, LimitedSide, Percent,
    Prices, SlotEnergy, SlotRecord, Watts,
};
use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Connection;

use crate::support::soon;

const START_S: i64 = 1_800_000_000;

pub(crate) fn at(slot: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(START_S + slot * 900, 0).unwrap()
}

pub(crate) fn entity(group: EnergyGroup, name: &str, title: &str, kwh: f64) -> EntityRecord {
    EntityRecord {
        entity: Entity { group, name: name.to_owned(), title: title.to_owned() },
        counters: Counters { energy: Some(KilowattHours(1000.0 + kwh)), return_energy: None },
        energy: Some(SlotEnergy {
            energy: KilowattHours(kwh),
            return_energy: KilowattHours(kwh / 10.0),
            soc: (group == EnergyGroup::Battery).then_some(Percent(55.0)),
            recovered: false,
        }),
    }
}

pub(crate) fn slot(slot: i64, entities: Vec<EntityRecord>) -> SlotRecord {
    let prices = Prices { grid: Some(0.3), ..Prices::default() };
    SlotRecord { start: at(slot), end: at(slot + 1), entities, prices }
}

fn path(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("chargebus.db")
}

/// All energies that a filter lets through: slot, name, kWh, recovered.
async fn energies(store: &Store, filter: EnergyFilter) -> Vec<(i64, String, f64, bool)> {
    let mut reader = soon("the entities", store.read_energies(filter)).await.unwrap();
    let mut found = Vec::new();
    while let Some(rows) = soon("energies", reader.next()).await.unwrap() {
        for row in rows {
            let slot = (row.start.timestamp() - START_S) / 900;
            let name = reader.entities[&row.entity].name.clone();
            found.push((slot, name, row.energy.energy.0, row.energy.recovered));
        }
    }
    found
}

fn everything() -> EnergyFilter {
    EnergyFilter { to: at(1_000_000), ..EnergyFilter::default() }
}

#[tokio::test]
async fn slots_survive_a_restart_and_are_found_by_group_name_and_title() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&path(&dir)).unwrap();
    let garage = |kwh| entity(EnergyGroup::LoadPoint, "lp-1", "Garage", kwh);
    let roof = |kwh| entity(EnergyGroup::Pv, "pv1", "Roof", kwh);
    store.record_slot(slot(0, vec![garage(1.0), roof(2.0)]));
    store.record_slot(slot(1, vec![garage(0.0), roof(3.0)]));
    store.close().await.unwrap();

    let store = Store::open(&path(&dir)).unwrap();
    let past = soon("the past", store.load_past(at(2))).await.unwrap();
    let counters: Vec<_> = past
        .counters
        .iter()
        .map(|(group, name, counters, until)| (*group, &**name, counters.energy.unwrap().0, *until))
        .collect();
    assert_eq!(
        counters,
        [(EnergyGroup::LoadPoint, "lp-1", 1000.0, at(2)), (EnergyGroup::Pv, "pv1", 1003.0, at(2))]
    );
    let known: Vec<_> = past.energies.iter().map(|of| (&*of.name, of.energy.0)).collect();
    assert_eq!(known, [("lp-1", 1.0), ("pv1", 2.0), ("pv1", 3.0)], "only what is worth summing");
    let none = soon("the past", store.load_past(at(2) + TimeDelta::days(8))).await.unwrap();
    assert!(none.energies.is_empty() && none.counters.len() == 2);

    let all = |name: &str| name.to_owned();
    assert_eq!(
        energies(&store, everything()).await,
        [
            (0, all("lp-1"), 1.0, false),
            (0, all("pv1"), 2.0, false),
            (1, all("lp-1"), 0.0, false),
            (1, all("pv1"), 3.0, false)
        ]
    );
    let some = |filter: EnergyFilter| energies(&store, filter);
    let group = EnergyFilter { group: Some("pv".into()), from: Some(at(1)), ..everything() };
    assert_eq!(some(group).await, [(1, all("pv1"), 3.0, false)]);
    let title = EnergyFilter { title: Some("Garage".into()), to: at(1), ..everything() };
    assert_eq!(some(title).await, [(0, all("lp-1"), 1.0, false)]);
    let name = EnergyFilter { name: Some("nobody".into()), ..everything() };
    assert_eq!(some(name).await, []);
}

#[tokio::test]
async fn a_slot_that_comes_twice_holds_both_and_its_prices_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&path(&dir)).unwrap();
    let record = |kwh, price| {
        let record = slot(0, vec![entity(EnergyGroup::Grid, "grid", "grid", kwh)]);
        SlotRecord { prices: Prices { grid: price, ..Prices::default() }, ..record }
    };
    // Collected together, and one after the other.
    store.record_slot(record(1.0, Some(0.3)));
    store.record_slot(record(2.0, Some(0.4)));
    store.flush().await.unwrap();
    store.record_slot(record(4.0, None));
    assert_eq!(energies(&store, everything()).await, [(0, "grid".to_owned(), 7.0, true)]);
    store.close().await.unwrap();
    let file = Connection::open(path(&dir)).unwrap();
    let rows: (i64, i64, f64) = file
        .query_row("SELECT count(*), min(ts), min(grid) FROM tariffs", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!(rows, (1, at(1).timestamp(), 0.3));
}

#[tokio::test]
async fn a_long_history_is_read_in_pieces() {
    let store = Store::memory().unwrap();
    let meters: Vec<_> = (0..400).map(|n| n.to_string()).collect();
    for n in 0..200 {
        let of = |name: &String| entity(EnergyGroup::Meter, name, name, 1.0);
        store.record_slot(slot(n, meters.iter().map(of).collect()));
    }
    let mut reader = store.read_energies(everything()).await.unwrap();
    let (mut pieces, mut rows) = (0, 0);
    while let Some(piece) = soon("a piece", reader.next()).await.unwrap() {
        assert!(piece.len() <= 32_768 + meters.len(), "{}", piece.len());
        (pieces, rows) = (pieces + 1, rows + piece.len());
    }
    assert_eq!((pieces, rows), (3, 80_000));
}

#[tokio::test]
async fn limits_open_and_close_and_an_unclean_stop_is_repaired() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&path(&dir)).unwrap();
    let begins = |slot, limit, grid: Option<f64>| GridLimit::Begins {
        at: at(slot),
        side: LimitedSide::Consumption,
        limit: Watts(limit),
        grid: grid.map(Watts),
    };
    store.record_grid_limit(begins(0, 4200.0, Some(6000.0)));
    store.record_grid_limit(GridLimit::Ends { at: at(1), side: LimitedSide::Consumption });
    store.record_grid_limit(begins(2, 4200.0, None));
    store.record_grid_limit(begins(3, 7000.0, None));
    store.record_slot(slot(4, vec![entity(EnergyGroup::Grid, "grid", "grid", 1.0)]));
    store.flush().await.unwrap();
    let sessions = async |store: &Store| {
        let sessions = soon("the sessions", store.load_grid_sessions()).await.unwrap();
        let slot = |time: DateTime<Utc>| (time.timestamp() - START_S) / 900;
        let of = sessions.into_iter().map(|session| {
            assert_eq!(session.kind, "consumption");
            let grid = session.grid.map(|power| power.0);
            (session.id, slot(session.created), session.finished.map(slot), grid, session.limit.0)
        });
        of.collect::<Vec<_>>()
    };
    let mut expected = vec![
        (3, 3, None, None, 7000.0),
        (2, 2, Some(3), None, 4200.0),
        (1, 0, Some(1), Some(6000.0), 4200.0),
    ];
    assert_eq!(sessions(&store).await, expected);
    drop(store);

    let store = Store::open(&path(&dir)).unwrap();
    soon("the repair", store.repair_grid_sessions(at(9))).await.unwrap();
    expected[0].2 = Some(5);
    assert_eq!(sessions(&store).await, expected, "at the last sign of life");
}

#[tokio::test]
async fn a_day_of_a_well_measured_house_wears_out_no_card() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&path(&dir)).unwrap();
    let names: Vec<_> = (0..10).map(|n| format!("meter {n}")).collect();
    for n in 0..96 {
        let of = |name: &String| entity(EnergyGroup::Meter, name, name, n as f64 * 0.01);
        store.record_slot(slot(n, names.iter().map(of).collect()));
        store.flush().await.unwrap();
    }
    // Whatever is written goes through the log, which nobody has emptied yet.
    let written = std::fs::metadata(dir.path().join("chargebus.db-wal")).unwrap().len();
    println!("{} KiB in 96 transactions", written >> 10);
    assert!(written < 2 << 20, "{written} bytes a day");
    store.close().await.unwrap();
    let kept = std::fs::metadata(path(&dir)).unwrap().len();
    println!("{} KiB kept", kept >> 10);
    assert!(kept < 96 * 10 * 80 + (64 << 10), "{kept} bytes");
}
