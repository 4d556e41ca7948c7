//! Calls of the bucket. Each is tried once and bounded in time: what it came to is known, or said not to be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use object_store::aws::AmazonS3;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
};
use tokio::time::Instant;

use crate::base::limits::{SHARED_LOG_CALL_MS, SHARED_LOG_LISTED_MAX};
use crate::engine::bucket::{Patience, connect};

/// The failure of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// There is an object of this name already.
    Taken,
    /// Somebody has to mend something, in words for an operator.
    Unfit(String),
    /// The bucket did not answer, or can't at the moment; what it was to do may happen yet.
    Away(String),
}

impl Trouble {
    /// Returns it in words for an operator.
    pub(super) fn told(self) -> String {
        match self {
            Self::Taken => "there is an object of this name already".to_owned(),
            Self::Unfit(why) | Self::Away(why) => why,
        }
    }
}

/// An object as a listing shows it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) bytes: u64,
    /// By the bucket's clock, milliseconds since 1970.
    pub(super) modified_ms: i64,
    /// Changes with the content.
    pub(super) tag: Option<String>,
}

/// One page of a listing.
pub(super) struct Page {
    pub(super) entries: Vec<Entry>,
    /// Nothing stands behind the last one.
    is_last: bool,
}

impl Page {
    /// Returns whether nothing stands behind the last entry.
    pub(super) fn is_last(&self) -> bool {
        self.is_last
    }
}

/// A content, and what changes with it.
pub(super) type Tagged = (Vec<u8>, Option<String>);

/// The bucket. A clone is the same one.
#[derive(Clone)]
pub(super) struct Objects {
    store: Arc<AmazonS3>,
    /// For what is long, and may be tried again.
    patient: Arc<AmazonS3>,
    begun: Instant,
    /// When the bucket has answered last, milliseconds since it was begun with.
    answered_ms: Arc<AtomicU64>,
}

impl Objects {
    /// Returns a client of `bucket`; settings and credentials are those of the environment. Calls nobody yet.
    ///
    /// # Errors
    /// Fails if one of the settings is invalid.
    pub(super) fn new(bucket: &str) -> std::io::Result<Self> {
        let hasty = Patience { call_ms: SHARED_LOG_CALL_MS, retry_ms: 0 };
        Ok(Self {
            store: Arc::new(connect(bucket, hasty)?),
            patient: Arc::new(connect(bucket, Patience::USUAL)?),
            begun: Instant::now(),
            answered_ms: Arc::default(),
        })
    }

    /// Returns for how long the bucket has not answered anything.
    pub(super) fn silent_for(&self) -> Duration {
        let answered = Duration::from_millis(self.answered_ms.load(Ordering::Relaxed));
        self.begun.elapsed().saturating_sub(answered)
    }

    /// Notes that the bucket has answered.
    pub(super) fn note_answer(&self) {
        let now_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.answered_ms.store(now_ms, Ordering::Relaxed);
    }

    /// Judges what a call came to; a thing that is not there is nothing.
    pub(super) fn judge<T>(&self, outcome: object_store::Result<T>) -> Result<Option<T>, Trouble> {
        let trouble = match outcome {
            Ok(answer) => {
                self.note_answer();
                return Ok(Some(answer));
            }
            Err(Error::NotFound { .. } | Error::NotModified { .. }) => {
                self.note_answer();
                return Ok(None);
            }
            Err(Error::AlreadyExists { .. }) => Trouble::Taken,
            Err(error @ (Error::PermissionDenied { .. } | Error::Unauthenticated { .. })) => {
                Trouble::Unfit(format!(
                    "the bucket does not let this host do what it has to ({}): needed are s3:ListBucket, s3:GetObject, \
                     s3:PutObject and s3:DeleteObject",
                    cause(&error)
                ))
            }
            Err(error) => {
                tracing::debug!(%error, "a call of the bucket has failed");
                Trouble::Away(format!("the bucket does not answer as it should: {}", cause(&error)))
            }
        };
        if !matches!(trouble, Trouble::Away(_)) {
            self.note_answer();
        }
        Err(trouble)
    }

    /// Makes an object, if there is none of this name.
    ///
    /// # Errors
    /// Fails with [`Trouble::Taken`] if there is one; with another trouble it may come to be there all the same.
    pub(super) async fn create(&self, name: &str, content: Vec<u8>) -> Result<(), Trouble> {
        self.put_as(&self.store, name, content, PutMode::Create).await
    }

    /// Makes an object, or its content another one.
    ///
    /// # Errors
    /// Fails if the bucket does not say that it has it.
    pub(super) async fn put(&self, name: &str, content: Vec<u8>) -> Result<(), Trouble> {
        self.put_as(&self.store, name, content, PutMode::Overwrite).await
    }

    /// Makes an object, or its content another one; tries again for a while.
    ///
    /// # Errors
    /// Fails if the bucket does not say that it has it.
    pub(super) async fn put_patiently(&self, name: &str, content: Vec<u8>) -> Result<(), Trouble> {
        self.put_as(&self.patient, name, content, PutMode::Overwrite).await
    }

    async fn put_as(
        &self,
        store: &AmazonS3,
        name: &str,
        content: Vec<u8>,
        mode: PutMode,
    ) -> Result<(), Trouble> {
        let options = PutOptions { mode, ..PutOptions::default() };
        let outcome = store.put_opts(&Path::from(name), content.into(), options).await;
        self.judge(outcome)?.map(drop).ok_or_else(no_bucket)
    }

    /// Begins to upload an object in parts.
    ///
    /// # Errors
    /// Fails if the bucket does not answer.
    pub(super) async fn begin(&self, name: &str) -> Result<Box<dyn MultipartUpload>, Trouble> {
        let outcome = self.patient.put_multipart(&Path::from(name)).await;
        self.judge(outcome)?.ok_or_else(no_bucket)
    }

    /// Returns the content of an object; nothing if there is none.
    ///
    /// # Errors
    /// Fails if the bucket does not answer.
    pub(super) async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, Trouble> {
        Ok(self.get_unless(name, None).await?.map(|(content, _)| content))
    }

    /// Returns the content of an object that does not have this tag any more; nothing if it has, or there is none.
    ///
    /// # Errors
    /// Fails if the bucket does not answer.
    pub(super) async fn get_unless(
        &self,
        name: &str,
        tag: Option<String>,
    ) -> Result<Option<Tagged>, Trouble> {
        let options = GetOptions { if_none_match: tag, ..GetOptions::default() };
        let Some(found) = self.judge(self.store.get_opts(&Path::from(name), options).await)? else {
            return Ok(None);
        };
        let tag = found.meta.e_tag.clone();
        let content = self.judge(found.bytes().await)?;
        Ok(content.map(|content| (content.to_vec(), tag)))
    }

    /// Returns bytes of an object from `offset` on, at most so many, and the length of the whole; nothing if there is none.
    ///
    /// # Errors
    /// Fails if the bucket does not answer.
    pub(super) async fn range(
        &self,
        name: &str,
        offset: u64,
        bytes: u64,
    ) -> Result<Option<(Vec<u8>, u64)>, Trouble> {
        let range = GetRange::Bounded(offset..offset + bytes);
        let options = GetOptions { range: Some(range), ..GetOptions::default() };
        let Some(found) = self.judge(self.patient.get_opts(&Path::from(name), options).await)? else {
            return Ok(None);
        };
        let total = found.meta.size;
        let content = self.judge(found.bytes().await)?;
        Ok(content.map(|content| (content.to_vec(), total)))
    }

    /// Removes an object; one that is not there is no error.
    ///
    /// # Errors
    /// Fails if the bucket does not answer.
    pub(super) async fn remove(&self, name: &str) -> Result<(), Trouble> {
        self.judge(self.store.delete(&Path::from(name)).await).map(drop)
    }

    /// Lists the objects of a folder behind this name, in order, at most as many as a bucket lists at once.
    ///
    /// # Errors
    /// Fails if the bucket does not answer.
    pub(super) async fn list(&self, folder: &str, behind: Option<String>) -> Result<Page, Trouble> {
        self.list_some(folder, behind, SHARED_LOG_LISTED_MAX).await
    }

    /// Lists at most `most` objects of a folder behind this name, in order.
    ///
    /// # Errors
    /// Fails if the bucket does not answer.
    pub(super) async fn list_some(
        &self,
        folder: &str,
        behind: Option<String>,
        most: usize,
    ) -> Result<Page, Trouble> {
        let options =
            PaginatedListOptions { offset: behind, max_keys: Some(most), ..PaginatedListOptions::default() };
        let outcome = self.store.list_paginated(Some(folder), options).await;
        let found = self.judge(outcome)?.ok_or_else(no_bucket)?;
        let mut entries: Vec<Entry> = found
            .result
            .objects
            .into_iter()
            .map(|object| Entry {
                name: object.location.to_string(),
                bytes: object.size,
                modified_ms: object.last_modified.timestamp_millis(),
                tag: object.e_tag,
            })
            .collect();
        // S3 gives them so, and not everything that speaks its protocol.
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(Page { entries, is_last: found.page_token.is_none() })
    }

    /// Lists the folders in a folder.
    ///
    /// # Errors
    /// Fails if the bucket does not answer.
    pub(super) async fn folders(&self, folder: &str) -> Result<Vec<String>, Trouble> {
        let (mut names, mut page_token) = (Vec::new(), None);
        loop {
            let options = PaginatedListOptions {
                delimiter: Some("/".into()),
                page_token,
                ..PaginatedListOptions::default()
            };
            let outcome = self.store.list_paginated(Some(folder), options).await;
            let found = self.judge(outcome)?.ok_or_else(no_bucket)?;
            names.extend(found.result.common_prefixes.iter().map(ToString::to_string));
            page_token = found.page_token;
            if page_token.is_none() {
                return Ok(names);
            }
        }
    }
}

/// Returns why a call has failed, without what differs from one try to the next: the object's name, and how long it took.
fn cause(error: &Error) -> String {
    let text = error.to_string();
    text.split_once(" - ").map_or(text.clone(), |(_, cause)| cause.trim().to_owned())
}

fn no_bucket() -> Trouble {
    Trouble::Unfit(
        "there is no such bucket: make it, or see --log, AWS_REGION and AWS_ENDPOINT_URL".to_owned(),
    )
}
