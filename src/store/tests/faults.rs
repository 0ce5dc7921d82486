//! Full disks, failed syncs, read-only folders, damaged and foreign files.

use super::*;
use crate::world::DiskErrorKind;

async fn applied() -> (SimDisk, Store) {
    let disk = SimDisk::new();
    let store = store_of(sim(1, disk.clone()));
    apply(&store, "a").await.expect("applied");
    (disk, store)
}

#[tokio::test(start_paused = true)]
async fn a_changed_byte_anywhere_in_the_state_is_noticed() {
    let (disk, store) = applied().await;
    let path = store.state_path();
    let whole = disk.files()[&path].clone();
    for at in 0..whole.len() {
        for flip in [1, 0x20] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            disk.put(&path, &bytes);
            let error = load(&store).expect_err("changed");
            assert!(matches!(error, StoreError::File(_)), "byte {at}: {}", describe(&error));
            assert!(error.to_string().contains("/p/.dsenv/bench/dev/state.json"), "{error}");
        }
    }
    for cut in 0..whole.len() {
        disk.put(&path, &whole[..cut]);
        assert!(load(&store).is_err(), "cut at {cut}");
    }
}

#[tokio::test(start_paused = true)]
async fn damage_is_named_and_the_way_out_works() {
    let (disk, store) = applied().await;
    apply(&store, "b").await.expect("applied");
    let path = store.state_path();
    let whole = String::from_utf8(disk.files()[&path].clone()).expect("text");
    let newer = whole.replace("dsenv-state/1", "dsenv-state/2");
    let edited = whole.replace("\"serial\": 2", "\"serial\": 9");
    for (bytes, says) in [
        ("", "is empty"),
        ("\0\0\0\0", "is empty"),
        (&whole[..300], "it ends in the middle"),
        (&edited, "its checksum does not fit"),
        (&newer, "has format `dsenv-state/2`, and this dsenv reads `dsenv-state/1`"),
        ("{}", "is not a state of dsenv"),
        ("hello", "it is not JSON"),
    ] {
        disk.put(&path, bytes.as_bytes());
        let error = load(&store).expect_err("damaged").to_string();
        assert!(error.contains(says) && error.contains("state.json"), "{error}");
    }
    disk.put(&path, edited.as_bytes());
    let error = load(&store).expect_err("edited").to_string();
    assert!(error.contains("`dsenv state restore SERIAL`"), "{error}");
    let lease = store.acquire("state restore", 0).await.expect("free");
    let restored = store.restore(&lease, 2, &identity()).expect("kept");
    assert_eq!(restored.state.serial, 3);
    let loaded = load(&store).expect("sound again");
    assert_eq!(loaded.state.resources.len(), 2);
    let aside = disk.files().into_iter().filter(|(_, bytes)| bytes == edited.as_bytes()).count();
    assert_eq!(aside, 1, "the edited file is kept");
}

#[tokio::test(start_paused = true)]
async fn restoring_under_a_crashed_run_keeps_its_journal() {
    let (disk, store) = applied().await;
    let lease = store.acquire("apply", 0).await.expect("free");
    let loaded = store.establish(&lease, &identity()).expect("sound");
    let mut state = loaded.state.clone();
    let mut journal = store.begin(&lease, &loaded, start()).expect("begun");
    step(&mut journal, &mut state, Phase::End, "b").expect("taken");
    journal.commit().expect("durable");
    drop(journal);
    disk.put(&store.state_path(), b"");
    let restored = store.restore(&lease, 1, &identity()).expect("kept");
    assert!(restored.state.resources.contains_key(&addr("b")), "the journal was folded in");
    assert_eq!(load(&store).expect("sound").state, restored.state);
    assert_eq!(restored.state.serial, 3);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_names_the_journal_and_loses_nothing() {
    for free in [0, 10, 200, 500] {
        let (disk, store) = applied().await;
        let lease = store.acquire("apply", 0).await.expect("free");
        let loaded = store.establish(&lease, &identity()).expect("sound");
        let mut state = loaded.state.clone();
        let mut journal = store.begin(&lease, &loaded, start()).expect("begun");
        step(&mut journal, &mut state, Phase::Begin, "b").expect("taken");
        journal.commit().expect("durable");
        disk.fill_after(free);
        step(&mut journal, &mut state, Phase::End, "b").expect("taken");
        let error = journal.commit().expect_err("full");
        let JournalError::Disk(cause) = &error else { panic!("{error}") };
        assert_eq!(cause.kind, DiskErrorKind::Full);
        assert!(cause.to_string().contains("journal.jsonl"), "{cause}");
        assert!(matches!(journal.commit(), Err(JournalError::GivenUp { .. })));
        disk.fill_after(u64::MAX);
        let vault = loaded.vault().expect("open");
        let aside = store.write_aside(&state, &vault, Path::new("/elsewhere")).expect("written");
        let bytes = disk.files()[&aside].clone();
        let read = decode(&bytes, &aside, Some(&identity()), Path::new("/i")).expect("sound");
        assert_eq!(read.state, state);
        let loaded = load(&store).expect("the journal is torn, not damaged");
        let leftover = loaded.leftover.expect("interrupted");
        assert_eq!(leftover.open_steps.len(), 1);
        assert_eq!(leftover.torn_bytes as u64, free);
    }
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fills_while_the_state_is_written_keeps_the_old_one() {
    for free in (0..6_000).step_by(97) {
        let (disk, store) = applied().await;
        disk.fill_after(free);
        let result = apply(&store, "b").await;
        disk.fill_after(u64::MAX);
        let loaded = load(&store).unwrap_or_else(|e| panic!("{free}: {}", describe(&e)));
        assert!(loaded.state.resources.contains_key(&addr("a")));
        if result.is_ok() {
            assert!(loaded.state.resources.contains_key(&addr("b")), "{free}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_sync_gives_the_journal_up() {
    let (disk, store) = applied().await;
    let lease = store.acquire("apply", 0).await.expect("free");
    let loaded = store.establish(&lease, &identity()).expect("sound");
    let mut state = loaded.state.clone();
    let mut journal = store.begin(&lease, &loaded, start()).expect("begun");
    disk.fail_sync_after(0);
    step(&mut journal, &mut state, Phase::Begin, "b").expect("taken");
    let error = journal.commit().expect_err("the sync failed");
    assert!(matches!(error, JournalError::Disk(_)), "{error}");
    let error = journal.commit().expect_err("a second sync would lie").to_string();
    assert!(error.contains("given up"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_read_only_folder_can_be_read_and_says_so_when_written() {
    let (disk, store) = applied().await;
    disk.set_read_only(true);
    assert_eq!(load(&store).expect("read").state.serial, 1);
    assert_eq!(store.read_history().expect("read").operations.len(), 1);
    let error = describe(&store.acquire("apply", 0).await.expect_err("read-only"));
    assert!(
        error.contains("/p/.dsenv/bench/dev/lock.guard") && error.contains("read-only"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_unsound_state_is_written_and_then_refused() {
    let (_, store) = applied().await;
    let lease = store.acquire("apply", 0).await.expect("free");
    let loaded = store.establish(&lease, &identity()).expect("sound");
    let mut state = loaded.state.clone();
    let mut journal = store.begin(&lease, &loaded, start()).expect("begun");
    let twin = state.resources[&addr("a")].clone();
    state.put(addr("b"), twin);
    let at = jiff::Timestamp::UNIX_EPOCH;
    let resource = Some(Cow::Borrowed(&state.resources[&addr("b")]));
    let record = Step { phase: Phase::End, step: 0, addr: addr("b"), resource, failure: None, at };
    journal.append(&[Record::Step(record)]).expect("taken");
    let finished = store.finish(&lease, journal, &loaded, state, Outcome::Done).expect("written");
    assert_eq!(finished.problems.len(), 1, "{finished:?}");
    let error = load(&store).expect_err("unsound").to_string();
    assert!(error.contains("is not sound") && error.contains("share the token"), "{error}");
    let restored = store.restore(&lease, 1, &identity()).expect("the way out");
    assert_eq!(restored.state.serial, 3);
    load(&store).expect("sound again");
}

#[tokio::test(start_paused = true)]
async fn a_state_of_another_blueprint_is_refused() {
    let (disk, store) = applied().await;
    let other = Store::open(store.world.clone(), Path::new("/p/.dsenv"), "bench", "prod");
    let other = other.expect("good names");
    disk.put(&other.state_path(), &disk.files()[&store.state_path()]);
    let error = load(&other).expect_err("dev's").to_string();
    assert!(error.contains("environment `dev`, and not of `bench`, `prod`"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn old_generations_and_journals_are_let_go() {
    let (disk, store) = applied().await;
    for number in 0..60 {
        apply(&store, &format!("r{number}")).await.expect("applied");
    }
    let history = store.read_history().expect("read");
    assert_eq!(history.operations.len(), 61);
    assert_eq!(history.generations.len(), super::super::history::GENERATIONS_MAX);
    assert_eq!(history.generations.last().map(|generation| generation.serial), Some(61));
    let journals = disk.files().into_keys().filter(|path| path.starts_with(store.journals_dir()));
    assert!(journals.count() <= super::super::history::JOURNALS_MAX + 1);
}
