//! Power off after every disk operation: what is loaded is a moment of the run, never a mix.

use super::*;
use crate::world::sim::PowerOff;

fn fates() -> Vec<PowerOff> {
    let mut fates = vec![PowerOff::DropsAll, PowerOff::KeepsAll];
    fates.extend((0..12).map(PowerOff::Tears));
    fates
}

/// How far a run is known to have come: what its caller was told before the power went.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Told {
    Nothing,
    Begun,
    Ended,
    Finished,
}

/// Creates `b` beside `a`, and says how far it came.
async fn run(store: &Store) -> Told {
    let mut told = Told::Nothing;
    let _ = run_until_error(store, &mut told).await;
    told
}

async fn run_until_error(store: &Store, told: &mut Told) -> Result<(), StoreError> {
    let lease = store.acquire("apply", 0).await?;
    let loaded = store.establish(&lease, &identity())?;
    let mut state = loaded.state.clone();
    let mut journal = store.begin(&lease, &loaded, start())?;
    step(&mut journal, &mut state, Phase::Begin, "b")?;
    journal.commit()?;
    *told = Told::Begun;
    step(&mut journal, &mut state, Phase::End, "b")?;
    journal.commit()?;
    *told = Told::Ended;
    store.finish(&lease, journal, &loaded, state, Outcome::Done)?;
    *told = Told::Finished;
    lease.release()?;
    Ok(())
}

/// Checks a disk after the power failure, then lets the next command mend it and checks again.
async fn check_after(disk: SimDisk, told: Told, before: &State, case: &str) {
    let world = sim(99, disk);
    let store = store_of(world.fork("other"));
    let found = load(&store).unwrap_or_else(|error| panic!("{case}: {}", describe(&error)));
    let b = found.state.resources.get(&addr("b"));
    let status = b.and_then(|entry| entry.current.as_ref()).map(|object| object.status);
    match told {
        Told::Nothing => {}
        Told::Begun => assert!(status.is_some(), "{case}: the begin record was durable"),
        Told::Ended | Told::Finished => assert_eq!(status, Some(Status::Ready), "{case}"),
    }
    let a = addr("a");
    assert_eq!(found.state.resources[&a], before.resources[&a], "{case}: a was not touched");
    assert_eq!(found.state.lineage, before.lineage, "{case}");
    let open = found.leftover.as_ref().is_some_and(|leftover| !leftover.open_steps.is_empty());
    assert_eq!(open, status == Some(Status::Creating), "{case}: open steps are listed");

    // Another host cannot tell that the holder died: it waits for the end of the lease.
    let lease = store.acquire("apply", 2 * lease::LEASE_MS).await;
    let lease = lease.unwrap_or_else(|error| panic!("{case}: {}", describe(&error)));
    let established = store.establish(&lease, &identity());
    let established = established.unwrap_or_else(|error| panic!("{case}: {}", describe(&error)));
    assert_eq!(established.state, found.state, "{case}: what was shown is what is written");
    let again = load(&store).unwrap_or_else(|error| panic!("{case}: {}", describe(&error)));
    assert!(again.leftover.is_none(), "{case}: the journal was put away");
    assert_eq!(again.state, found.state, "{case}");
    let history = store.read_history().expect("readable");
    let last = history.operations.last().expect("a was applied");
    assert_eq!(last.serial_after, again.state.serial, "{case}: the history is complete");
    let ids: std::collections::BTreeSet<_> = history.operations.iter().map(|o| &o.id).collect();
    assert_eq!(ids.len(), history.operations.len(), "{case}: no operation stands twice");
    drop(lease);
    let next = apply(&store, "c").await;
    next.unwrap_or_else(|error| panic!("{case}: {}", describe(&error)));
}

#[tokio::test(start_paused = true)]
async fn power_off_after_every_disk_operation_gives_a_moment_of_the_run() {
    let base = SimDisk::new();
    let first = store_of(sim(1, base.clone()));
    apply(&first, "a").await.expect("applied");
    let before = load(&first).expect("loaded").state;
    let mut operations = 0;
    let mut seen = Vec::new();
    loop {
        let disk = base.power_off(PowerOff::KeepsAll);
        disk.cut_power_after(operations);
        let told = run(&store_of(sim(2, disk.clone()))).await;
        for fate in fates() {
            let case = format!("power off after {operations} operations, {fate:?}, {told:?}");
            check_after(disk.power_off(fate), told, &before, &case).await;
        }
        seen.push(told);
        if told == Told::Finished && disk.operations() < operations {
            break;
        }
        operations += 1;
    }
    assert!(operations > 30, "{operations}");
    assert!(seen.is_sorted_by(|a, b| a <= b), "{seen:?}");
    assert!([Told::Nothing, Told::Begun, Told::Ended].iter().all(|told| seen.contains(told)));
}

#[tokio::test(start_paused = true)]
async fn power_off_during_the_very_first_apply_leaves_a_folder_that_works() {
    let mut operations = 0;
    loop {
        let disk = SimDisk::new();
        disk.cut_power_after(operations);
        let done = apply(&store_of(sim(2, disk.clone())), "a").await.is_ok();
        for fate in fates() {
            let case = format!("power off after {operations} operations, {fate:?}");
            let store = store_of(sim(3, disk.power_off(fate)).fork("other"));
            let loaded = load(&store).unwrap_or_else(|e| panic!("{case}: {}", describe(&e)));
            assert!(loaded.state.resources.len() <= 1, "{case}");
            let lease = store.acquire("apply", 2 * lease::LEASE_MS).await.expect("it ends");
            drop(lease);
            let next = apply(&store, "b").await;
            next.unwrap_or_else(|error| panic!("{case}: {}", describe(&error)));
        }
        if done {
            break;
        }
        operations += 1;
    }
    assert!(operations > 30, "{operations}");
}

#[tokio::test(start_paused = true)]
async fn a_recovery_that_is_interrupted_is_recovered() {
    let base = SimDisk::new();
    apply(&store_of(sim(1, base.clone())), "a").await.expect("applied");
    let store = store_of(sim(2, base.clone()));
    let lease = store.acquire("apply", 0).await.expect("free");
    let loaded = store.establish(&lease, &identity()).expect("sound");
    let mut state = loaded.state.clone();
    let mut journal = store.begin(&lease, &loaded, start()).expect("begun");
    step(&mut journal, &mut state, Phase::Begin, "b").expect("taken");
    journal.commit().expect("durable");
    let crashed = base.power_off(PowerOff::DropsAll);
    let expected = load(&store_of(sim(3, crashed.power_off(PowerOff::KeepsAll)))).expect("loaded");
    assert_eq!(expected.leftover.as_ref().expect("interrupted").open_steps.len(), 1);
    for operations in 0..60 {
        for fate in fates() {
            let disk = crashed.power_off(PowerOff::KeepsAll);
            disk.cut_power_after(operations);
            let world = sim(4, disk.clone());
            world.advance_ms(2 * lease::LEASE_MS);
            let first = store_of(world);
            if let Ok(lease) = first.acquire("apply", 0).await {
                let _ = first.establish(&lease, &identity());
            }
            let after = store_of(sim(5, disk.power_off(fate)));
            let loaded = load(&after);
            let case = format!("after {operations} operations, {fate:?}");
            let loaded = loaded.unwrap_or_else(|e| panic!("{case}: {}", describe(&e)));
            assert_eq!(loaded.state, expected.state, "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_cut_at_any_byte_gives_its_last_whole_commit() {
    let disk = SimDisk::new();
    let store = store_of(sim(1, disk.clone()));
    apply(&store, "a").await.expect("applied");
    let lease = store.acquire("apply", 0).await.expect("free");
    let loaded = store.establish(&lease, &identity()).expect("sound");
    let mut state = loaded.state.clone();
    let mut journal = store.begin(&lease, &loaded, start()).expect("begun");
    let path = store.journal_path();
    let mut ends = vec![(0, loaded.state.clone())];
    let mut note = |state: &State| {
        let serial = loaded.state.serial + 1;
        ends.push((disk.files()[&path].len(), State { serial, ..state.clone() }));
    };
    note(&state);
    for name in ["b", "c"] {
        for phase in [Phase::Begin, Phase::End] {
            step(&mut journal, &mut state, phase, name).expect("taken");
            journal.commit().expect("durable");
            note(&state);
        }
    }
    let whole = disk.files()[&path].clone();
    for cut in 0..=whole.len() {
        disk.put(&path, &whole[..cut]);
        let loaded = load(&store).unwrap_or_else(|e| panic!("cut at {cut}: {}", describe(&e)));
        let (_, expected) = ends.iter().rev().find(|(end, _)| *end <= cut).expect("0 is there");
        assert_eq!(&loaded.state, expected, "cut at {cut}");
    }
    // Damage in the middle is not what a crash leaves.
    let last_commit = ends[ends.len() - 2].0;
    for at in (0..last_commit).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        disk.put(&path, &bytes);
        let Err(error) = load(&store) else { panic!("changed at {at}") };
        let text = describe(&error);
        assert!(matches!(error, StoreError::Journal(_)), "changed at {at}: {text}");
        assert!(text.contains("journal.jsonl"), "{text}");
    }
}
