//! The store without HTTP: what its owner sees, and the clock.

use super::blob::Digests;
use super::clock::Clock;
use super::condition::{Conditions, Tag};
use super::listing::{Entry, Query, Show};
use super::object::{Description, NewObject, Which};
use super::upload::{ListedPart, WhichUpload};
use super::{BucketSettings, Contents, Expire, Store, StoreError};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A store in a folder of its own, on a clock that stands until it is moved.
struct Fixture {
    dir: tempfile::TempDir,
    store: Store,
    seconds: Arc<AtomicU64>,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().expect("a temporary folder");
    // Noon of a day in 2026.
    let seconds = Arc::new(AtomicU64::new(1_767_225_600 + 12 * 60 * 60));
    let store = Store::open_with_clock(dir.path(), clock(&seconds)).expect("an empty folder opens");
    Fixture { dir, store, seconds }
}

fn clock(seconds: &Arc<AtomicU64>) -> Clock {
    let seconds = Arc::clone(seconds);
    Arc::new(move || SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::Relaxed)))
}

impl Fixture {
    fn bucket(&self, settings: &BucketSettings) {
        self.store.ensure_bucket("lake", settings).expect("the bucket is made");
    }

    fn put(&self, key: &str, bytes: &[u8]) -> Option<String> {
        put(&self.store, key, bytes, &Conditions::default()).expect("the object is stored")
    }

    fn keys(&self, show: Show) -> Vec<String> {
        let query = Query { bucket: "lake", max: 1000, ..Query::default() };
        let page = self.store.list(&query, show).expect("the bucket lists");
        page.entries.iter().map(|entry| entry.name().to_owned()).collect()
    }

    fn blobs(&self) -> usize {
        files(&self.dir.path().join("blobs"))
    }

    fn now(&self) -> SystemTime {
        clock(&self.seconds)()
    }

    fn reopen(self) -> Fixture {
        let Fixture { dir, store, seconds } = self;
        drop(store);
        let store =
            Store::open_with_clock(dir.path(), clock(&seconds)).expect("the store opens again");
        Fixture { dir, store, seconds }
    }
}

fn put(
    store: &Store,
    key: &str,
    bytes: &[u8],
    conditions: &Conditions,
) -> Result<Option<String>, StoreError> {
    let mut draft = store.blobs.draft(None)?;
    draft.write(bytes)?;
    let digests = draft.digests();
    let new = NewObject {
        bucket: "lake",
        key,
        blob: store.blobs.seal(draft)?,
        etag: digests.etag(),
        checksum: None,
        part_sizes: Vec::new(),
        description: &Description::default(),
    };
    store.put(&new, conditions).map(|written| written.version_id)
}

fn which(key: &str) -> Which<'_> {
    Which { bucket: "lake", key, version_id: None }
}

fn files(dir: &Path) -> usize {
    std::fs::read_dir(dir).expect("the folder is there").count()
}

fn versioned() -> BucketSettings {
    BucketSettings { versioning: true, expire: Vec::new() }
}

#[test]
fn ensuring_twice_is_one_bucket_with_the_last_settings() {
    let fixture = fixture();
    assert_eq!(fixture.store.bucket("lake").expect("the index answers"), None);
    fixture.bucket(&BucketSettings::default());
    fixture.put("a", b"four");
    let expire = vec![
        Expire { prefix: "a/".to_owned(), days: 3 },
        Expire { prefix: "tmp/".to_owned(), days: 30 },
    ];
    let settings = BucketSettings { versioning: true, expire };
    fixture.bucket(&settings);
    fixture.bucket(&settings);
    fixture.put("a", b"seven!!");
    let facts =
        fixture.store.bucket("lake").expect("the index answers").expect("the bucket is there");
    assert_eq!(facts.settings, settings);
    assert_eq!((facts.objects, facts.bytes), (1, 11), "one object, both versions");
}

#[test]
fn a_bucket_that_s3_would_refuse_is_refused() {
    let fixture = fixture();
    let settings = BucketSettings::default();
    let error =
        fixture.store.ensure_bucket("Not_A_Bucket", &settings).expect_err("capitals are refused");
    assert!(error.to_string().contains("`Not_A_Bucket` is not 3 to 63"), "{error}");
    let never = vec![Expire { prefix: "tmp/".to_owned(), days: 0 }];
    let settings = BucketSettings { versioning: false, expire: never };
    assert!(matches!(
        fixture.store.ensure_bucket("lake", &settings),
        Err(StoreError::ExpireDays(_))
    ));
    assert_eq!(fixture.store.bucket("lake").expect("the index answers"), None);
}

#[test]
fn a_full_bucket_goes_only_with_its_contents() {
    let fixture = fixture();
    fixture.bucket(&versioned());
    fixture.put("a", b"one");
    fixture.store.delete(which("a"), &Conditions::default()).expect("a marker is added");
    let refused = fixture.store.delete_bucket("lake", Contents::MustBeEmpty);
    assert!(matches!(refused, Err(StoreError::BucketNotEmpty { versions: 2, .. })), "{refused:?}");
    assert_eq!(fixture.blobs(), 1, "nothing was touched");
    fixture.store.delete_bucket("lake", Contents::Delete).expect("it goes with its contents");
    fixture.store.delete_bucket("lake", Contents::MustBeEmpty).expect("a missing bucket is fine");
    assert_eq!(fixture.store.bucket("lake").expect("the index answers"), None);
    assert_eq!(fixture.blobs(), 0);
    fixture.bucket(&BucketSettings::default());
    assert_eq!(
        fixture.keys(Show::Versions),
        Vec::<String>::new(),
        "a new bucket of that name is empty"
    );
}

#[test]
fn overwriting_without_versions_frees_the_old_bytes() {
    let fixture = fixture();
    fixture.bucket(&BucketSettings::default());
    assert_eq!(fixture.put("a", b"one"), None);
    assert_eq!(fixture.put("a", b"two"), None);
    assert_eq!(fixture.blobs(), 1);
    fixture.store.delete(which("a"), &Conditions::default()).expect("the object is deleted");
    assert_eq!(fixture.blobs(), 0);
    assert_eq!(fixture.keys(Show::Versions), Vec::<String>::new());
}

#[test]
fn suspended_versioning_keeps_what_was_kept() {
    let fixture = fixture();
    fixture.bucket(&versioned());
    let kept = fixture.put("a", b"kept").expect("a version has an id");
    fixture.bucket(&BucketSettings::default());
    assert_eq!(fixture.put("a", b"one").as_deref(), Some("null"));
    assert_eq!(
        fixture.put("a", b"two").as_deref(),
        Some("null"),
        "the null version is overwritten"
    );
    assert_eq!(fixture.keys(Show::Versions), ["a", "a"]);
    let deleted = fixture.store.delete(which("a"), &Conditions::default()).expect("it is deleted");
    assert_eq!((deleted.version_id.as_deref(), deleted.marker), (Some("null"), true));
    let old = Which { version_id: Some(&kept), ..which("a") };
    fixture.store.open_object(old, &Conditions::default()).expect("what was kept is there");
    assert_eq!(fixture.blobs(), 1);
}

#[test]
fn a_refused_write_leaves_no_bytes() {
    let fixture = fixture();
    fixture.bucket(&BucketSettings::default());
    fixture.put("a", b"one");
    let absent = Conditions { if_none_match: Some(Tag::Any), ..Conditions::default() };
    let refused = put(&fixture.store, "a", b"two", &absent);
    assert!(matches!(refused, Err(StoreError::ConditionFailed)), "{refused:?}");
    assert_eq!(fixture.blobs(), 1);
    fixture.store.delete_bucket("lake", Contents::Delete).expect("the bucket goes");
    let refused = put(&fixture.store, "a", b"two", &Conditions::default());
    assert!(matches!(refused, Err(StoreError::NoSuchBucket(_))), "{refused:?}");
    assert_eq!(fixture.blobs(), 0);
}

#[test]
fn opening_sweeps_what_a_crash_left() {
    let fixture = fixture();
    fixture.bucket(&BucketSettings::default());
    fixture.put("a", b"one");
    // Killed before the rename, and between the rename and the commit: neither runs a destructor.
    let mut draft = fixture.store.blobs.draft(None).expect("a draft is made");
    draft.write(b"half").expect("the draft is written");
    std::mem::forget(draft);
    let mut draft = fixture.store.blobs.draft(None).expect("a draft is made");
    draft.write(b"whole, and not named").expect("the draft is written");
    fixture.store.blobs.seal(draft).expect("the draft is sealed");
    assert_eq!((fixture.blobs(), files(&fixture.dir.path().join("tmp"))), (2, 1));
    let fixture = fixture.reopen();
    assert_eq!((fixture.blobs(), files(&fixture.dir.path().join("tmp"))), (1, 0));
    assert_eq!(fixture.keys(Show::Objects), ["a"]);
    fixture.put("b", b"two");
    let (version, _) =
        fixture.store.open_object(which("a"), &Conditions::default()).expect("it is there");
    assert_eq!(version.size, 3);
}

#[test]
fn a_dropped_draft_leaves_nothing() {
    let fixture = fixture();
    let mut draft = fixture.store.blobs.draft(None).expect("a draft is made");
    draft.write(b"half").expect("the draft is written");
    drop(draft);
    assert_eq!(files(&fixture.dir.path().join("tmp")), 0);
}

#[test]
fn an_open_object_outlives_its_deletion() {
    use std::io::Read;
    let fixture = fixture();
    fixture.bucket(&BucketSettings::default());
    fixture.put("a", b"one");
    let (_, mut file) =
        fixture.store.open_object(which("a"), &Conditions::default()).expect("it opens");
    fixture.put("a", b"two");
    let mut text = String::new();
    file.read_to_string(&mut text).expect("the file is readable");
    assert_eq!(text, "one");
}

#[test]
fn objects_expire_by_prefix_and_age() {
    let fixture = fixture();
    let expire = vec![Expire { prefix: "tmp/".to_owned(), days: 2 }];
    fixture.bucket(&BucketSettings { versioning: false, expire });
    for key in ["tmp/old", "tmp/older", "kept", "tmp"] {
        fixture.put(key, b"x");
    }
    let written = fixture.now();
    fixture.seconds.fetch_add(DAY.as_secs(), Ordering::Relaxed);
    fixture.put("tmp/young", b"x");
    assert_eq!(fixture.store.expire(written + 2 * DAY).expect("it runs"), 0, "not before midnight");
    let due = written + 2 * DAY + DAY / 2;
    assert_eq!(fixture.store.expire(due).expect("it runs"), 2);
    assert_eq!(fixture.store.expire(due).expect("it runs"), 0, "nothing is left to do");
    assert_eq!(fixture.keys(Show::Objects), ["kept", "tmp", "tmp/young"]);
    assert_eq!(fixture.blobs(), 3);
}

#[test]
fn an_expired_object_can_be_had_back_where_versions_are_kept() {
    let fixture = fixture();
    let expire = vec![Expire { prefix: String::new(), days: 1 }];
    fixture.bucket(&BucketSettings { versioning: true, expire });
    fixture.put("a", b"x");
    let later = fixture.now() + 3 * DAY;
    assert_eq!(fixture.store.expire(later).expect("it runs"), 1);
    assert_eq!(fixture.keys(Show::Objects), Vec::<String>::new());
    assert_eq!(fixture.keys(Show::Versions), ["a", "a"], "the object and its marker");
    assert_eq!(fixture.store.expire(later).expect("it runs"), 0, "a marker does not expire again");
}

#[test]
fn a_long_expiry_runs_in_batches_to_its_end() {
    let fixture = fixture();
    let expire = vec![Expire { prefix: String::new(), days: 1 }];
    fixture.bucket(&BucketSettings { versioning: false, expire });
    let index = &fixture.store.index;
    let many = index.write(|index| {
        for number in 0..1201 {
            index.execute(
                "INSERT INTO version (bucket, key, version_id, latest, marker, modified, size, etag, headers,
                                      metadata, tags, blob)
                 VALUES ('lake', cast(?1 AS BLOB), 'null', 1, 0, 0, 0, '', '{}', '{}', '{}', ?1)",
                [number],
            )?;
        }
        Ok(())
    });
    many.expect("rows are added");
    assert_eq!(fixture.store.expire(fixture.now()).expect("it runs"), 1201);
}

#[test]
fn an_upload_that_changes_while_it_is_completed_is_refused() {
    let fixture = fixture();
    fixture.bucket(&BucketSettings::default());
    let description = Description::default();
    let id = fixture.store.start_upload("lake", "a", None, &description).expect("it starts");
    let upload = WhichUpload { bucket: "lake", key: "a", id: &id };
    let part = |bytes: &[u8]| -> Digests {
        let mut draft = fixture.store.blobs.draft(None).expect("a draft is made");
        draft.write(bytes).expect("the draft is written");
        let digests = draft.digests();
        let blob = fixture.store.blobs.seal(draft).expect("the draft is sealed");
        fixture.store.put_part(upload, 1, blob, &digests).expect("the part is recorded");
        digests
    };
    let first = part(b"one");
    part(b"two");
    assert_eq!(fixture.blobs(), 1, "the part that was replaced is gone");
    let listed = [ListedPart { number: 1, etag: Some(first.etag()), checksum: None }];
    let refused = fixture.store.complete_upload(upload, &listed, None, &Conditions::default());
    assert!(matches!(refused, Err(StoreError::InvalidPart(1))), "{refused:?}");
    let none = fixture.store.complete_upload(upload, &[], None, &Conditions::default());
    assert!(matches!(none, Err(StoreError::InvalidPart(_))), "an upload has at least one part");
    let fixture = fixture.reopen();
    assert_eq!(fixture.blobs(), 1, "an open upload survives a restart");
    fixture
        .store
        .delete_bucket("lake", Contents::MustBeEmpty)
        .expect("an upload does not hold a bucket");
    assert_eq!(fixture.blobs(), 0);
}

#[test]
fn a_store_of_a_newer_dsenv_is_left_alone() {
    let fixture = fixture();
    let Fixture { dir, store, .. } = fixture;
    store
        .index
        .write(|index| Ok(index.pragma_update(None, "user_version", 99)?))
        .expect("it is written");
    drop(store);
    let error = Store::open(dir.path()).err().expect("it is refused");
    assert!(error.to_string().ends_with("has format 99; this dsenv knows up to 1"), "{error}");
}

#[test]
fn a_listing_continues_where_it_was_cut() {
    let fixture = fixture();
    fixture.bucket(&BucketSettings::default());
    for key in ["a", "a/b", "a/c", "a0", "b/x", "b/y", "\u{10ffff}"] {
        fixture.put(key, b"");
    }
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let query =
            Query { bucket: "lake", delimiter: "/", after: &after, max: 1, ..Query::default() };
        let page = fixture.store.list(&query, Show::Objects).expect("the bucket lists");
        let entry = page.entries.first().expect("a page that follows a cut one has an entry");
        seen.push(match entry {
            Entry::Version(listed) => listed.key.clone(),
            Entry::CommonPrefix(prefix) => format!("{prefix}*"),
        });
        after = entry.name().to_owned();
        if !page.truncated {
            break;
        }
    }
    assert_eq!(seen, ["a", "a/*", "a0", "b/*", "\u{10ffff}"]);
}

#[test]
fn a_closed_store_is_read_without_a_trace_and_an_open_one_is_busy() {
    let names = ["lake".to_owned(), "pond".to_owned()];
    let nowhere = tempfile::tempdir().expect("a temporary folder");
    let missing = nowhere.path().join("s3");
    assert_eq!(Store::settings_in(&missing, &names).expect("nothing"), [None, None]);
    assert!(!missing.exists());

    let Fixture { dir, store, .. } = fixture();
    let expire = vec![Expire { prefix: "tmp/".into(), days: 3 }];
    let settings = BucketSettings { versioning: true, expire };
    store.ensure_bucket("lake", &settings).expect("made");
    let busy = Store::settings_in(dir.path(), &names).expect_err("it is open");
    assert!(matches!(busy, StoreError::Busy(_)), "{busy}");
    drop(store);
    // What a crash left is the endpoint's to sweep.
    std::fs::write(dir.path().join("tmp/left"), "x").expect("ours");
    let list = || {
        let mut names: Vec<_> = std::fs::read_dir(dir.path())
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        names.sort();
        names
    };
    let before = list();
    let read = Store::settings_in(dir.path(), &names).expect("read");
    assert_eq!(read, [Some(settings), None]);
    assert_eq!(list(), before);
    assert!(dir.path().join("tmp/left").exists());
}
