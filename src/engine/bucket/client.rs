//! The client of an object store, on a thread of its own; calls wait for it.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use futures_util::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ClientOptions, Error, ObjectStore, ObjectStoreExt, RetryConfig};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::base::blob::BlobId;
use crate::base::ids::NodeId;
use crate::base::limits::{BUCKET_CALL_MS, BUCKET_RETRY_MS};
use crate::os::thread;

/// Further tries of one call.
const RETRIES_MAX: usize = 5;

/// How long a client waits for a bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For one call, milliseconds.
    pub(crate) call_ms: u64,
    /// For further tries of one that was not answered, or refused for the moment, milliseconds; 0 for none.
    pub(crate) retry_ms: u64,
}

impl Patience {
    /// That of whoever needs the object.
    pub(crate) const USUAL: Self = Self { call_ms: BUCKET_CALL_MS, retry_ms: BUCKET_RETRY_MS };
}

/// Returns a client of `bucket`, with settings and credentials from the environment. Calls nobody yet.
///
/// # Errors
/// Fails if one of the settings is invalid.
pub(crate) fn connect(bucket: &str, patience: Patience) -> io::Result<AmazonS3> {
    // Another part of the program may have chosen the same one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Patience { call_ms, retry_ms } = patience;
    let retry = RetryConfig {
        max_retries: if retry_ms == 0 { 0 } else { RETRIES_MAX },
        retry_timeout: Duration::from_millis(retry_ms),
        ..RetryConfig::default()
    };
    let client = ClientOptions::new().with_timeout(Duration::from_millis(call_ms));
    let allow_http = std::env::var("AWS_ALLOW_HTTP").is_ok_and(|value| value == "true");
    AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_retry(retry)
        .with_client_options(client.with_allow_http(allow_http))
        .build()
        .map_err(io::Error::other)
}

/// This host's part of a bucket. A clone is the same one.
#[derive(Clone)]
pub(super) struct Bucket {
    pub(super) store: Arc<AmazonS3>,
    /// What the names of all objects of this host start with.
    pub(super) prefix: String,
    thread: Arc<Thread>,
    /// Errors have the bucket's own words, for whoever runs a command; a server has them in its log.
    tells: bool,
}

/// The thread that the object store's client lives on; it ends with this.
struct Thread {
    handle: Handle,
    _end: oneshot::Sender<()>,
}

impl Thread {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        thread::spawn("bucket", move || {
            // Ends by an error when the other end is dropped.
            let _ = runtime.block_on(ended);
        })?;
        Ok(Self { handle, _end: end })
    }
}

impl Bucket {
    /// Returns the part of `node` below `prefix` of `bucket`, settings and credentials from the environment.
    pub(super) fn new(bucket: &str, prefix: &str, node: NodeId) -> io::Result<Self> {
        let parts = [prefix, &format!("{:016x}", node.0), "blobs"];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Self::below(bucket, parts.join("/"), false)
    }

    /// Returns what is below `prefix` of `bucket`, settings and credentials from the environment.
    pub(super) fn below(bucket: &str, prefix: String, tells: bool) -> io::Result<Self> {
        let store = connect(bucket, Patience::USUAL)?;
        Ok(Self { store: Arc::new(store), prefix, thread: Arc::new(Thread::start()?), tells })
    }

    /// Waits for a call.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        call: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> io::Result<T> {
        let (sender, receiver) = channel();
        self.thread.handle.spawn(async move {
            // Nobody waits any more if the process ends.
            let _ = sender.send(call.await);
        });
        let answer = receiver.recv().map_err(io::Error::other)?;
        answer.map_err(|error| if self.tells { told_error(error) } else { io_error(error) })
    }

    pub(super) fn path_of(&self, id: &BlobId) -> Path {
        Path::from(format!("{}/{id}", self.prefix))
    }

    /// Returns the length of a blob.
    pub(super) fn size_bytes(&self, id: &BlobId) -> io::Result<u64> {
        let (store, path) = (self.store.clone(), self.path_of(id));
        Ok(self.wait(async move { store.head(&path).await })?.size)
    }

    /// Returns the bytes of an object from `from` on, without `until`.
    pub(super) fn range(&self, path: &Path, from: u64, until: u64) -> io::Result<Vec<u8>> {
        let (store, path) = (self.store.clone(), path.clone());
        Ok(self.wait(async move { store.get_range(&path, from..until).await })?.to_vec())
    }

    /// Removes an object; one that is not there is no error.
    pub(super) fn remove(&self, path: Path) -> io::Result<()> {
        let store = self.store.clone();
        match self.wait(async move { store.delete(&path).await }) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Returns the names of all objects below the prefix, behind it, with their lengths.
    pub(super) fn objects(&self) -> io::Result<Vec<(String, u64)>> {
        let (store, prefix) = (self.store.clone(), Path::from(&*self.prefix));
        let below = prefix.clone();
        let found: Vec<_> = self.wait(async move { store.list(Some(&below)).try_collect().await })?;
        let name = |path: &Path| {
            let parts = path.prefix_match(&prefix)?.map(|part| part.as_ref().to_owned());
            Some(parts.collect::<Vec<_>>().join("/"))
        };
        Ok(found.iter().filter_map(|object| Some((name(&object.location)?, object.size))).collect())
    }
}

/// Returns what a call came to, as the one sees it who runs a command.
fn told_error(error: Error) -> io::Error {
    let kind = match error {
        Error::NotFound { .. } => io::ErrorKind::NotFound,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

/// Returns what a call came to, as others see it: where the bucket is and what it said is for the log, not for a client.
fn io_error(error: Error) -> io::Error {
    if let Error::NotFound { .. } = error {
        return io::ErrorKind::NotFound.into();
    }
    tracing::warn!(error = ?error.to_string(), "a call of the bucket failed");
    match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            io::Error::new(io::ErrorKind::PermissionDenied, "the bucket does not let us")
        }
        _ => io::Error::other("the bucket does not answer as it should"),
    }
}
