//! Two writers: waiting, taking over, and being fenced out.

use super::*;
use crate::state::lease::{LEASE_MS, RENEW_EVERY_MS};

fn two(first_host: &str, second_host: &str) -> (SimWorld, SimWorld) {
    let world = sim(1, SimDisk::new());
    (world.fork(first_host), world.fork(second_host))
}

#[tokio::test(start_paused = true)]
async fn the_second_waits_and_then_names_the_first() {
    let (first, second) = two("h1", "h2");
    let (first, second) = (store_of(first), store_of(second));
    let lease = first.acquire("apply", 0).await.expect("free");
    let began = tokio::time::Instant::now();
    let error = second.acquire("destroy", 3_000).await.expect_err("held");
    assert_eq!(began.elapsed().as_millis(), 3_000);
    let text = error.to_string();
    for part in
        ["`tester` on `h1` (process 2)", "for `apply` since 2026-01-01T00:00:00Z", "waited 3000 ms"]
    {
        assert!(text.contains(part), "{text}");
    }
    lease.release().expect("mine");
    second.acquire("destroy", 0).await.expect("free now");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_renewed_outlasts_its_time() {
    let (first, second) = two("h1", "h2");
    let (first, second) = (store_of(first), store_of(second));
    let lease = first.acquire("apply", 0).await.expect("free");
    tokio::select! {
        error = lease.keep() => panic!("{error}"),
        held = second.acquire("apply", 5 * LEASE_MS) => {
            assert!(matches!(held, Err(StoreError::Lease(LeaseError::Held { .. }))), "{held:?}");
        }
    }
    lease.check().expect("still mine");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_not_renewed_ends_and_its_holder_is_fenced_out() {
    let (first, second) = two("h1", "h2");
    let disk = first.sim_disk().clone();
    let (zombie, second) = (store_of(first), store_of(second));
    apply(&zombie, "a").await.expect("applied");
    let lease = zombie.acquire("apply", 0).await.expect("free");
    let loaded = zombie.establish(&lease, &identity()).expect("sound");
    let mut state = loaded.state.clone();
    let mut journal = zombie.begin(&lease, &loaded, start()).expect("begun");
    step(&mut journal, &mut state, Phase::Begin, "b").expect("taken");
    journal.commit().expect("durable");

    let began = tokio::time::Instant::now();
    let taken = second.acquire("apply", 2 * LEASE_MS).await.expect("it ends");
    let waited_ms = began.elapsed().as_millis() as u64;
    assert!((LEASE_MS..LEASE_MS + 1_000).contains(&waited_ms), "{waited_ms}");
    assert!(taken.fence() > lease.fence());
    let mended = second.establish(&taken, &identity()).expect("sound");
    let leftover = mended.leftover.as_ref().expect("interrupted");
    assert_eq!(leftover.open_steps[0].addr, addr("b"));

    // The zombie wakes up: nothing that it still does is written, not even to the old journal.
    let unlocked = |(path, _): &(PathBuf, Vec<u8>)| !path.ends_with("lock.json");
    let before: Vec<_> = disk.files().into_iter().filter(unlocked).collect();
    step(&mut journal, &mut state, Phase::End, "b").expect("taken");
    let error = journal.commit().expect_err("fenced out");
    let JournalError::Lease(LeaseError::FencedOut { by: Some(by), .. }) = &error else {
        panic!("{error}")
    };
    assert_eq!(by.host, "h2");
    assert!(matches!(lease.renew(), Err(LeaseError::FencedOut { .. })));
    assert!(matches!(lease.release(), Err(LeaseError::FencedOut { .. })));
    assert!(zombie.begin(&lease, &loaded, start()).is_err());
    let finished = zombie.finish(&lease, journal, &loaded, state, Outcome::Done);
    assert!(finished.is_err(), "{finished:?}");
    let mut stale = loaded;
    let edit = zombie.edit(&lease, &mut stale, "state rm", |_| Ok::<_, StoreError>(()));
    assert!(matches!(edit, Err(StoreError::Lease(LeaseError::FencedOut { .. }))), "{edit:?}");
    taken.check().expect("the zombie broke nothing");
    let after: Vec<_> = disk.files().into_iter().filter(unlocked).collect();
    assert!(before == after, "a file changed");
    assert_eq!(load(&second).expect("sound").state, mended.state);
}

#[tokio::test(start_paused = true)]
async fn late_appends_of_a_zombie_go_nowhere() {
    let (first, second) = two("h1", "h1");
    let disk = first.sim_disk().clone();
    let zombie = store_of(first);
    let lease = zombie.acquire("apply", 0).await.expect("free");
    let loaded = zombie.establish(&lease, &identity()).expect("new");
    let journal = zombie.begin(&lease, &loaded, start()).expect("begun");
    let mut late = disk.open_append(&zombie.journal_path()).expect("it is there");
    second.advance_ms(2 * LEASE_MS);
    let second = store_of(second);
    let taken = second.acquire("apply", 0).await.expect("it ended");
    let mended = second.establish(&taken, &identity()).expect("sound");
    let own = second.begin(&taken, &mended, start()).expect("begun");
    use crate::world::Disk as _;
    // What a process does that was stopped between its check and its write.
    late.append(b"{\"close\":\"done\"}\n").expect("to the file that was put away");
    drop((own, journal));
    let seen = load(&second).expect("sound");
    assert_eq!(seen.leftover.expect("the second's own").torn_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_died_on_this_host_is_taken_over_at_once() {
    let world = sim(1, SimDisk::new());
    let (first, second) = (world.fork("h1"), world.fork("h1"));
    let killed = Arc::new(first);
    let first = Store::open(killed.clone(), Path::new("/p/.dsenv"), "bench", "dev");
    let lease = first.expect("good names").acquire("apply", 0).await.expect("free");
    let second = store_of(second);
    assert!(second.acquire("apply", 0).await.is_err());
    assert!(matches!(second.unlock(), Err(StoreError::Lease(LeaseError::Held { .. }))));
    killed.kill();
    second.acquire("apply", 0).await.expect("its holder is dead");
    assert!(lease.check().is_err());
}

#[tokio::test(start_paused = true)]
async fn unlock_names_the_holder_and_force_fences_it_out() {
    let (first, second) = two("h1", "h2");
    let (first, second) = (store_of(first), store_of(second));
    assert_eq!(second.unlock().expect("nothing to do"), None);
    let lease = first.acquire("apply", 0).await.expect("free");
    let error = second.unlock().expect_err("it counts").to_string();
    assert!(error.contains("on `h1`"), "{error}");
    let holder = second.unlock_by_force().expect("forced").expect("there was one");
    assert_eq!(holder.host, "h1");
    assert!(matches!(lease.check(), Err(LeaseError::FencedOut { .. })));
    second.acquire("apply", 0).await.expect("free");
}

#[tokio::test(start_paused = true)]
async fn a_damaged_or_deleted_lock_lets_nobody_in_by_mistake() {
    let world = sim(1, SimDisk::new());
    let disk = world.sim_disk().clone();
    let store = store_of(world);
    let lease = store.acquire("apply", 0).await.expect("free");
    let path = store.dir().join("lock.json");
    disk.put(&path, b"");
    let error = store.acquire("apply", 0).await.expect_err("damaged").to_string();
    assert!(error.contains("lock.json") && error.contains("unlock --force"), "{error}");
    store.unlock_by_force().expect("replaced");
    use crate::world::Disk as _;
    disk.remove(&path).expect("removed");
    assert!(lease.check().is_err(), "a deleted lock is a lost one");
    store.acquire("apply", 0).await.expect("free");
    assert!(lease.check().is_err(), "the same fence, and another holder");
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_sleeps_through_its_lease_keeps_it_when_nobody_came() {
    let (first, _) = two("h1", "h2");
    first.advance_ms(1);
    let world = Arc::new(first);
    let store = Store::open(world.clone(), Path::new("/p/.dsenv"), "bench", "dev").expect("good");
    let lease = store.acquire("apply", 0).await.expect("free");
    world.advance_ms(10 * LEASE_MS + RENEW_EVERY_MS);
    lease.renew().expect("nobody took it");
    lease.check().expect("mine");
}
