//! Pictures in the log's object store: each under its SHA-256, piece by piece in and out, one at a time each way.

use std::sync::{Arc, Mutex, PoisonError};

use async_nats::jetstream::Context;
use async_nats::jetstream::context::ObjectStoreErrorKind;
use async_nats::jetstream::object_store::{Config, GetErrorKind, Object, ObjectStore};
use async_nats::jetstream::stream::StorageType;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::names::Names;
use super::servers::causes;
use crate::base::blob::BlobId;
use crate::base::limits::PEER_PIECE_BYTES;
use crate::engine::shared::settings::SharedLogSettings;
use crate::peer::relay::port::LogEvent;

/// The object store of a cluster.
pub(super) struct Pictures {
    place: Arc<Place>,
    events: mpsc::Sender<LogEvent>,
    /// The picture that is on its way in, where its next piece goes, and how many bytes came.
    incoming: Option<(BlobId, DuplexStream, u64)>,
    /// The picture that is on its way out; nothing while a piece of it is read, so that what was read in part is never read on.
    outgoing: Arc<Mutex<Option<Outgoing>>>,
    /// Reads a piece, or has read one.
    reading: Option<AbortHandle>,
    tasks: JoinSet<()>,
}

struct Place {
    context: Context,
    bucket: String,
    settings: Arc<SharedLogSettings>,
}

struct Outgoing {
    id: BlobId,
    object: Object,
    offset: u64,
}

impl Pictures {
    pub(super) fn new(
        context: Context,
        names: &Names,
        settings: Arc<SharedLogSettings>,
        events: mpsc::Sender<LogEvent>,
    ) -> Self {
        let place = Arc::new(Place { context, bucket: names.pictures(), settings });
        Self { place, events, incoming: None, outgoing: Arc::default(), reading: None, tasks: JoinSet::new() }
    }

    /// Keeps a piece; with the last one the picture.
    pub(super) async fn put(&mut self, id: BlobId, total: u64, offset: u64, bytes: Vec<u8>) {
        while self.tasks.try_join_next().is_some() {}
        if offset == 0 {
            self.incoming = Some((id, self.begin(id, total), 0));
        }
        let Some((_, into, came)) =
            self.incoming.as_mut().filter(|(begun, _, came)| (*begun, *came) == (id, offset))
        else {
            let why = "a piece of a picture that was not begun".to_owned();
            return self.tell(LogEvent::NotKept { id, why }).await;
        };
        *came += bytes.len() as u64;
        let end = *came;
        if into.write_all(&bytes).await.is_err() {
            // The task tells why it has ended.
            self.incoming = None;
            return;
        }
        if end >= total {
            // The end of what the task reads: it tells when the whole is kept.
            self.incoming = None;
        } else {
            self.tell(LogEvent::Kept { id, end }).await;
        }
    }

    /// Begins to keep a picture; gives where its pieces go.
    fn begin(&mut self, id: BlobId, total: u64) -> DuplexStream {
        let (into, mut from) = duplex(PEER_PIECE_BYTES);
        let (place, events) = (self.place.clone(), self.events.clone());
        self.tasks.spawn(async move {
            let kept = async {
                let store = place.store().await?;
                store.put(id.to_string().as_str(), &mut from).await.map_err(|error| causes(&error))
            };
            let event = match kept.await {
                Ok(info) if info.size as u64 == total => LogEvent::Kept { id, end: total },
                Ok(_) => LogEvent::NotKept { id, why: "a picture of which not all came".to_owned() },
                Err(why) => LogEvent::NotKept { id, why },
            };
            let _ = events.send(event).await;
        });
        into
    }

    /// Gives the piece of a picture that begins at `offset`. Whatever is still being read is left: servers may never answer for it.
    pub(super) fn get(&mut self, id: BlobId, offset: u64) {
        while self.tasks.try_join_next().is_some() {}
        if let Some(reading) = self.reading.take() {
            reading.abort();
        }
        let (place, outgoing, events) = (self.place.clone(), self.outgoing.clone(), self.events.clone());
        self.reading = Some(self.tasks.spawn(async move {
            let open = outgoing.lock().unwrap_or_else(PoisonError::into_inner).take();
            match place.piece(open, id, offset).await {
                Ok((event, open)) => {
                    *outgoing.lock().unwrap_or_else(PoisonError::into_inner) = open;
                    let _ = events.send(event).await;
                }
                Err(why) => tracing::debug!(%id, why, "a picture could not be read from the log"),
            }
        }));
    }

    async fn tell(&self, event: LogEvent) {
        let _ = self.events.send(event).await;
    }
}

impl Place {
    /// Returns the store, which is made if it is missing.
    async fn store(&self) -> Result<ObjectStore, String> {
        match self.context.get_object_store(&self.bucket).await {
            Err(error) if error.kind() == ObjectStoreErrorKind::GetStore => {
                let config = Config {
                    bucket: self.bucket.clone(),
                    description: Some("pixeld: pictures of a cluster".to_owned()),
                    max_age: self.settings.window,
                    max_bytes: -1,
                    storage: StorageType::File,
                    num_replicas: self.settings.replicas,
                    ..Config::default()
                };
                self.context.create_object_store(config).await.map_err(|error| causes(&error))
            }
            store => store.map_err(|error| causes(&error)),
        }
    }

    /// Reads the next piece, from where the last one ended or by opening the picture anew. Gives what is open if there is more of it.
    async fn piece(
        &self,
        open: Option<Outgoing>,
        id: BlobId,
        offset: u64,
    ) -> Result<(LogEvent, Option<Outgoing>), String> {
        let open = match open.filter(|open| (open.id, open.offset) == (id, offset)) {
            Some(open) => Some(open),
            None => self.open(id, offset).await?,
        };
        let Some(Outgoing { mut object, .. }) = open else { return Ok((LogEvent::NoPicture { id }, None)) };
        let mut bytes = Vec::new();
        let mut piece = (&mut object).take(PEER_PIECE_BYTES as u64);
        piece.read_to_end(&mut bytes).await.map_err(|error| error.to_string())?;
        let (total, end) = (object.info.size as u64, offset + bytes.len() as u64);
        let open = (end < total).then_some(Outgoing { id, object, offset: end });
        Ok((LogEvent::Piece { id, total, offset, bytes }, open))
    }

    /// Opens a picture, to be read from `offset` on; nothing if the store does not have it.
    async fn open(&self, id: BlobId, offset: u64) -> Result<Option<Outgoing>, String> {
        let mut object = match self.store().await?.get(id.to_string()).await {
            Err(error) if error.kind() == GetErrorKind::NotFound => return Ok(None),
            object => object.map_err(|error| causes(&error))?,
        };
        let mut passed = (&mut object).take(offset);
        tokio::io::copy(&mut passed, &mut tokio::io::sink()).await.map_err(|error| error.to_string())?;
        Ok(Some(Outgoing { id, object, offset }))
    }
}
