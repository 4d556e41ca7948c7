//! Contents that messages name, each an object by its SHA-256; piece by piece in and out, one at a time each way.

use std::sync::Arc;

use object_store::MultipartUpload;
use tokio::sync::{Mutex, mpsc};

use super::names::Names;
use super::objects::{Objects, Trouble};
use crate::base::blob::BlobId;
use crate::base::limits::{PEER_PIECE_BYTES, RELAY_PICTURE_BYTES, SHARED_LOG_PART_BYTES};
use crate::peer::relay::port::LogEvent;

/// A piece on its way in.
pub(super) struct Piece {
    pub(super) id: BlobId,
    pub(super) total: u64,
    pub(super) offset: u64,
    pub(super) bytes: Vec<u8>,
}

/// Puts pieces into the bucket, in order.
pub(super) struct Keeping {
    objects: Objects,
    names: Names,
    events: mpsc::Sender<LogEvent>,
    /// The picture on its way in.
    incoming: Option<Incoming>,
}

struct Incoming {
    id: BlobId,
    /// Bytes that came so far.
    came: u64,
    /// Those of them that no part has yet.
    rest: Vec<u8>,
    upload: Option<Box<dyn MultipartUpload>>,
}

impl Keeping {
    pub(super) fn new(objects: Objects, names: Names, events: mpsc::Sender<LogEvent>) -> Self {
        Self { objects, names, events, incoming: None }
    }

    /// Takes pieces until nobody gives any. The relay bounds how many bytes wait.
    pub(super) async fn run(mut self, mut pieces: mpsc::UnboundedReceiver<Piece>) {
        while let Some(piece) = pieces.recv().await {
            let id = piece.id;
            let event = match self.take(piece).await {
                Ok(Some(end)) => LogEvent::Kept { id, end },
                // What was on its way before a failure.
                Ok(None) => continue,
                Err(trouble) => {
                    self.give_up().await;
                    LogEvent::NotKept { id, why: trouble.told() }
                }
            };
            if self.events.send(event).await.is_err() {
                return;
            }
        }
    }

    /// Takes a piece; gives where the next one begins.
    async fn take(&mut self, piece: Piece) -> Result<Option<u64>, Trouble> {
        let Piece { id, total, offset, bytes } = piece;
        if offset == 0 {
            self.give_up().await;
            self.incoming = Some(Incoming { id, came: 0, rest: Vec::new(), upload: None });
        }
        let name = self.names.picture(&id);
        let Some(incoming) =
            self.incoming.as_mut().filter(|incoming| (incoming.id, incoming.came) == (id, offset))
        else {
            return Ok(None);
        };
        incoming.came += bytes.len() as u64;
        incoming.rest.extend_from_slice(&bytes);
        let end = incoming.came;
        if end < total {
            if incoming.rest.len() >= SHARED_LOG_PART_BYTES {
                incoming.send_part(&self.objects, &name).await?;
            }
            return Ok(Some(end));
        }
        if incoming.upload.is_none() {
            self.objects.put_patiently(&name, std::mem::take(&mut incoming.rest)).await?;
        } else {
            incoming.send_part(&self.objects, &name).await?;
            if let Some(upload) = &mut incoming.upload {
                self.objects.judge(upload.complete().await)?;
            }
        }
        self.incoming = None;
        Ok(Some(end))
    }

    /// Forgets what is on its way in.
    async fn give_up(&mut self) {
        if let Some(mut upload) = self.incoming.take().and_then(|incoming| incoming.upload) {
            // Parts that stay are the bucket's to remove.
            let _ = upload.abort().await;
        }
    }
}

impl Incoming {
    async fn send_part(&mut self, objects: &Objects, name: &str) -> Result<(), Trouble> {
        if self.upload.is_none() {
            self.upload = Some(objects.begin(name).await?);
        }
        let part = std::mem::take(&mut self.rest);
        if let Some(upload) = &mut self.upload {
            objects.judge(upload.put_part(part.into()).await)?;
        }
        Ok(())
    }
}

/// Reads contents, some pieces at once: a call costs the same for them.
#[derive(Clone)]
pub(super) struct Giving {
    objects: Objects,
    names: Names,
    /// Held by the piece that is being read.
    read: Arc<Mutex<Option<Read>>>,
}

/// The piece that was read last.
struct Read {
    id: BlobId,
    offset: u64,
    bytes: Vec<u8>,
    total: u64,
}

impl Read {
    /// Returns the piece that begins at `offset`, if it is here.
    fn piece(&self, id: BlobId, offset: u64) -> Option<LogEvent> {
        let from = usize::try_from(offset.checked_sub(self.offset)?).ok()?;
        let bytes = self.bytes.get(from..).filter(|bytes| self.id == id && !bytes.is_empty())?;
        let bytes = bytes[..bytes.len().min(PEER_PIECE_BYTES)].to_vec();
        Some(LogEvent::Piece { id, total: self.total, offset, bytes })
    }
}

impl Giving {
    pub(super) fn new(objects: Objects, names: Names) -> Self {
        Self { objects, names, read: Arc::default() }
    }

    /// Returns the piece of a content that begins at `offset`.
    pub(super) async fn piece(self, id: BlobId, offset: u64) -> Result<LogEvent, Trouble> {
        let mut read = self.read.lock().await;
        if let Some(event) = read.as_ref().and_then(|read| read.piece(id, offset)) {
            return Ok(event);
        }
        let found = self.objects.range(&self.names.picture(&id), offset, RELAY_PICTURE_BYTES as u64).await?;
        let Some((bytes, total)) = found else { return Ok(LogEvent::NoPicture { id }) };
        let now = Read { id, offset, bytes, total };
        let event = now.piece(id, offset);
        *read = Some(now);
        Ok(event.unwrap_or(LogEvent::NoPicture { id }))
    }
}
