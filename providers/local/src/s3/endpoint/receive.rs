//! Taking in a body: to a draft on disk, hashed, and checked against all that the client said of it.
//!
//! Bytes go through a short queue to a thread that may block. The draft is only sealed by the caller,
//! after the body has ended without error and is what was announced; if the client goes away, nobody
//! takes the draft and it deletes itself.

use super::super::blob::{Digests, Draft};
use super::super::checksum::{self, ALGORITHMS, Algorithm, Checksum};
use super::super::error::StoreError;
use super::{Endpoint, s3_error_of};
use futures::StreamExt;
use hyper::HeaderMap;
use hyper::body::Bytes;
use s3s::{S3Error, S3Result, TrailingHeaders, dto, s3_error};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Chunks between the network and the disk. More would only hide that the disk is slower.
const QUEUE_CHUNKS_MAX: usize = 8;

/// A client that sends nothing for so long is taken to be gone.
const BODY_IDLE_MAX: Duration = Duration::from_secs(60);

/// What a client said of a body before sending it.
#[derive(Debug, Default)]
pub(super) struct Announced {
    pub(super) length: Option<i64>,
    pub(super) md5: Option<String>,
    pub(super) checksum: Option<Checksum>,
    /// The algorithm to compute when the checksum itself comes in a trailer or not at all.
    pub(super) algorithm: Option<Algorithm>,
    pub(super) trailers: Option<TrailingHeaders>,
}

impl Announced {
    /// Adds the algorithm that `x-amz-trailer` announces to one that the client or the upload names.
    pub(super) fn with_algorithm(
        mut self,
        named: Option<Algorithm>,
        headers: &HeaderMap,
    ) -> Announced {
        let trailer =
            headers.get("x-amz-trailer").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let announced = ALGORITHMS.into_iter().find(|algorithm| {
            trailer.split(',').any(|name| name.trim().eq_ignore_ascii_case(algorithm.header()))
        });
        self.algorithm =
            self.checksum.as_ref().map(|checksum| checksum.algorithm).or(announced).or(named);
        self
    }
}

impl Endpoint {
    /// Writes a body to a draft and returns it if it is what was announced. Otherwise nothing stays.
    pub(super) async fn receive(
        &self,
        body: Option<dto::StreamingBlob>,
        announced: Announced,
    ) -> S3Result<(Draft, Digests)> {
        let (queue, chunks) = mpsc::channel(QUEUE_CHUNKS_MAX);
        let store = Arc::clone(&self.store);
        let algorithm = announced.algorithm;
        let writer = tokio::task::spawn_blocking(move || {
            write_chunks(store.blobs.draft(algorithm)?, chunks)
        });
        let sent = send(body, queue).await;
        // The writer's error first: if it stopped, that is why.
        let (draft, digests) =
            writer.await.map_err(S3Error::internal_error)?.map_err(s3_error_of)?;
        sent?;
        verify(&digests, &announced)?;
        Ok((draft, digests))
    }
}

/// Feeds the writer. Returns early, without error, when the writer has stopped: it says why.
async fn send(body: Option<dto::StreamingBlob>, queue: mpsc::Sender<Bytes>) -> S3Result<()> {
    if let Some(mut body) = body {
        loop {
            let next = tokio::time::timeout(BODY_IDLE_MAX, body.next()).await;
            let next = next.map_err(|_| s3_error!(RequestTimeout, "nothing came for a minute"))?;
            match next {
                None => break,
                Some(Err(error)) => return Err(body_error(error)),
                Some(Ok(chunk)) => {
                    if queue.send(chunk).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }
    Ok(())
}

fn write_chunks(
    mut draft: Draft,
    mut chunks: mpsc::Receiver<Bytes>,
) -> Result<(Draft, Digests), StoreError> {
    while let Some(chunk) = chunks.blocking_recv() {
        draft.write(&chunk)?;
    }
    let digests = draft.digests();
    Ok((draft, digests))
}

/// A body breaks off because the client left or because its signature does not cover what it sent.
fn body_error(error: s3s::StdError) -> S3Error {
    match error.downcast::<S3Error>() {
        Ok(error) => *error,
        Err(error) => S3Error::with_source(s3s::S3ErrorCode::IncompleteBody, error),
    }
}

fn verify(digests: &Digests, announced: &Announced) -> S3Result<()> {
    let length = announced.length.and_then(|length| u64::try_from(length).ok());
    if length.is_some_and(|length| length != digests.size) {
        return Err(s3_error!(IncompleteBody));
    }
    let md5 = announced.md5.as_ref();
    if md5.is_some_and(|md5| md5.trim() != checksum::encode(&digests.md5)) {
        return Err(s3_error!(BadDigest, "The Content-MD5 did not match what was received"));
    }
    let trailers = announced.trailers.as_ref().and_then(TrailingHeaders::take);
    let trailing = trailers.as_ref().and_then(|trailers| {
        let algorithm = announced.algorithm?;
        let value = trailers.get(algorithm.header())?.to_str().ok()?;
        Some(Checksum { algorithm, value: value.trim().to_owned() })
    });
    for given in announced.checksum.iter().chain(&trailing) {
        if digests.checksum.as_ref() != Some(given) {
            let name = given.algorithm.name();
            return Err(s3_error!(
                BadDigest,
                "The {name} checksum did not match what was received"
            ));
        }
    }
    Ok(())
}
