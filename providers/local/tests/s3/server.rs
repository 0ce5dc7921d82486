//! An endpoint on a free port of loopback, in this process, with a folder of its own.

use dsenv_local::s3::{BucketSettings, Expire, Key, Keys, Right, Store, serve};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// A running endpoint. Dropped, it is stopped and its port closed.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<Store>,
    pub(crate) keys: Arc<Keys>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Opens the store in `dir`, with the buckets and keys that the clients' scripts expect.
pub(crate) fn prepare(dir: &Path) -> (Arc<Store>, Arc<Keys>) {
    let store = Arc::new(Store::open(dir).expect("the store opens"));
    let plain = BucketSettings::default();
    let kept = BucketSettings {
        versioning: true,
        expire: vec![Expire { prefix: "tmp/".to_owned(), days: 30 }],
    };
    for (name, settings) in [("lake", &plain), ("history", &kept), ("vault", &plain)] {
        store.ensure_bucket(name, settings).expect("the bucket is made");
    }
    let rights = |rights: &[(&str, Right)]| -> BTreeMap<String, Right> {
        rights.iter().map(|(bucket, right)| ((*bucket).to_owned(), *right)).collect()
    };
    let keys = Keys::new();
    let both = rights(&[("lake", Right::ReadWrite), ("history", Right::ReadWrite)]);
    keys.insert("WRITER", Key::new("writer-secret", both));
    keys.insert("READER", Key::new("reader-secret", rights(&[("lake", Right::Read)])));
    keys.insert("OWNER", Key::new("owner-secret", rights(&[("vault", Right::ReadWrite)])));
    (store, Arc::new(keys))
}

impl Server {
    pub(crate) fn start(dir: &Path) -> Server {
        let (store, keys) = prepare(dir);
        let listener =
            std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        let (stop, stopped) = oneshot::channel();
        let (served, held) = (Arc::clone(&store), Arc::clone(&keys));
        let thread = std::thread::spawn(move || {
            run(listener, served, held, async move {
                let _ = stopped.await;
            });
        });
        Server { address, store, keys, stop: Some(stop), thread: Some(thread) }
    }
}

/// Serves on a runtime of its own until `shutdown`.
pub(crate) fn run(
    listener: std::net::TcpListener,
    store: Arc<Store>,
    keys: Arc<Keys>,
    shutdown: impl Future<Output = ()>,
) {
    let runtime = tokio::runtime::Runtime::new().expect("the runtime starts");
    runtime.block_on(async {
        listener.set_nonblocking(true).expect("a listener can be set to this");
        let listener =
            tokio::net::TcpListener::from_std(listener).expect("tokio takes the listener");
        serve(listener, store, keys, shutdown).await.expect("the endpoint runs");
    });
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the server fails the test that dropped it, unless that panics already.
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the endpoint panicked");
        }
    }
}
