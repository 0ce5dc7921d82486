//! The same on a real file system, with a real process that is really killed.

use super::*;
use crate::world::real::RealWorld;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

const CHILD_DIR: &str = "DSENV_TEST_LOCK_DIR";

fn real_store(root: &Path) -> Store {
    Store::open(Arc::new(RealWorld::new()), root, "bench", "dev").expect("good names")
}

#[tokio::test]
async fn a_real_folder_is_private_and_holds_what_was_applied() {
    use std::os::unix::fs::PermissionsExt;
    let temp = tempfile::tempdir().expect("a folder");
    let store = real_store(&temp.path().join(".dsenv"));
    apply(&store, "a").await.expect("applied");
    apply(&store, "b").await.expect("applied");
    let loaded = load(&store).expect("loaded");
    assert_eq!((loaded.state.serial, loaded.state.resources.len()), (2, 2));
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(store.dir()), 0o700);
    assert_eq!(mode(&store.state_path()), 0o600);
    let names: Vec<_> = std::fs::read_dir(store.dir()).expect("there").collect();
    assert_eq!(names.len(), 4, "state, lock, guard, history and no draft: {names:?}");
}

/// Not a test by itself: the process that the next one kills.
#[tokio::test]
async fn child_that_holds_the_lock() {
    let world = RealWorld::new();
    let Some(root) = world.variable(CHILD_DIR) else { return };
    let store = real_store(Path::new(&root));
    let lease = store.acquire("apply", 0).await.expect("free");
    let loaded = store.establish(&lease, &identity_of(&world)).expect("new");
    let mut state = loaded.state.clone();
    let mut journal = store.begin(&lease, &loaded, start()).expect("begun");
    step(&mut journal, &mut state, Phase::Begin, "a").expect("taken");
    journal.commit().expect("durable");
    use std::io::Write;
    writeln!(std::io::stderr(), "holding").expect("the parent reads it");
    world.sleep(60_000).await;
}

fn identity_of(world: &dyn World) -> Identity {
    Identity::find(world).expect("readable").expect("the parent set it")
}

#[tokio::test]
async fn a_killed_holder_is_taken_over_at_once_and_its_journal_is_found() {
    let temp = tempfile::tempdir().expect("a folder");
    let root = temp.path().join(".dsenv");
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", "store::tests::real::child_that_holds_the_lock", "--nocapture"])
        .env(CHILD_DIR, &root)
        .env(IDENTITY_VARIABLE, identity_text())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let held = lines.map_while(Result::ok).any(|line| line.contains("holding"));
    let store = real_store(&root);
    let refused = store.acquire("apply", 0).await;
    child.kill().expect("it is SIGKILL");
    // Not waited for yet: a zombie must not pass for a living holder.
    let taken = store.acquire("apply", 5_000).await;
    child.wait().expect("it ended");
    assert!(held, "the child took the lock");
    let error = refused.expect_err("the child lives").to_string();
    assert!(error.contains(&format!("(process {})", child.id())), "{error}");
    let lease = taken.expect("its holder is dead");
    let loaded = store.establish(&lease, &identity()).expect("mended");
    let leftover = loaded.leftover.expect("interrupted");
    assert_eq!(leftover.open_steps.len(), 1);
    assert_eq!(leftover.opening.pid, child.id());
}
