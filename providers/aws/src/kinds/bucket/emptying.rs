//! Deleting a bucket: S3 only takes an empty one, so every version of every object goes first.
//!
//! One call deletes a limited number and says whether there is more; the engine asks again, and so
//! shows that it goes on. What is left is all that has to be known: a call that was cut off, or a
//! process that died, is gone on with by the next.

use crate::clients::Aws;
use crate::failure::failed;
use crate::object::Busy;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use aws_smithy_types::date_time::Format;
use dsenv_sdk::OpError;
use dsenv_sdk::provider::{DataFate, OpErrorClass};
use futures::future::try_join_all;

/// How many pages of objects one call deletes. A page is a thousand, the most that `DeleteObjects`
/// takes, and about half a second.
const PAGES_A_CALL: usize = 50;
/// How many uploads are given up at a time.
const UPLOADS_AT_A_TIME: i32 = 50;

/// What people are told meanwhile. There is nothing to wait for: each question does a part of it.
const EMPTYING: Busy =
    Busy { waits_for: "the bucket is being emptied, up to 50,000 objects at a time", most_ms: 0 };

/// How a call ended.
#[derive(PartialEq, Eq)]
enum Left {
    Nothing,
    More,
}

/// Deletes a bucket with all that is in it; `false` when there is more in it than one call deletes.
pub(super) async fn delete(aws: &Aws, name: &str, data: DataFate) -> Result<bool, OpError> {
    if data == DataFate::Snapshot {
        let message = format!("aws cannot keep a last copy of bucket {name}");
        let help = "write `on_destroy: retain`, which keeps the bucket, or `delete`";
        return Err(OpError::new(OpErrorClass::Invalid, message).help(help));
    }
    Ok(run(aws, name).await? == Left::Nothing)
}

/// Goes on with a delete; says what people are told when it is not the end yet.
pub(super) async fn go_on(aws: &Aws, name: &str) -> Result<Option<Busy>, OpError> {
    Ok((run(aws, name).await? == Left::More).then_some(EMPTYING))
}

async fn run(aws: &Aws, name: &str) -> Result<Left, OpError> {
    for _ in 0..PAGES_A_CALL {
        if delete_page(aws, name).await? == Left::More {
            continue;
        }
        if give_up_uploads(aws, name).await? == Left::More {
            return Ok(Left::More);
        }
        let reply = aws.s3.delete_bucket().bucket(name).send().await;
        let Err(error) = reply else { return Ok(Left::Nothing) };
        let error = failed(&format!("deleting bucket {name}"), error);
        // Somebody has written to it meanwhile.
        if !error.message.contains("BucketNotEmpty") {
            return Err(error);
        }
    }
    Ok(Left::More)
}

/// Deletes the first thousand versions and delete markers.
async fn delete_page(aws: &Aws, name: &str) -> Result<Left, OpError> {
    let doing = format!("emptying bucket {name}");
    let reply = aws.s3.list_object_versions().bucket(name).send().await;
    let page = reply.map_err(|e| failed(&doing, e))?;
    let versions = page.versions().iter().map(|it| (it.key(), it.version_id()));
    let markers = page.delete_markers().iter().map(|it| (it.key(), it.version_id()));
    let object = |(key, version): (Option<&str>, Option<&str>)| {
        let object = ObjectIdentifier::builder().key(key?);
        Some(object.set_version_id(version.map(str::to_owned)).build().expect("it has a key"))
    };
    let objects: Vec<ObjectIdentifier> = versions.chain(markers).filter_map(object).collect();
    if objects.is_empty() {
        return Ok(Left::Nothing);
    }
    let delete = Delete::builder().set_objects(Some(objects.clone())).quiet(true).build();
    let delete = delete.expect("there are objects");
    let reply = aws.s3.delete_objects().bucket(name).delete(delete).send().await;
    let reply = reply.map_err(|e| failed(&doing, e))?;
    // A page that stays as it is would be deleted for ever.
    let Some(refused) = reply.errors().first() else { return Ok(Left::More) };
    let object = objects.iter().find(|object| {
        refused.key() == Some(object.key())
            && (refused.version_id().is_none() || refused.version_id() == object.version_id())
    });
    Err(undeletable(aws, name, refused, object).await)
}

/// Says why an object stays: most often because nobody may delete it yet.
async fn undeletable(
    aws: &Aws,
    name: &str,
    refused: &aws_sdk_s3::types::Error,
    object: Option<&ObjectIdentifier>,
) -> OpError {
    let (key, code) = (refused.key().unwrap_or_default(), refused.code().unwrap_or_default());
    if let Some(until) = kept_until(aws, name, object).await {
        let message =
            format!("bucket {name} cannot be emptied: `{key}` is immutable until {until}");
        let help = "nobody can delete it before, not even AWS: write `on_destroy: retain`, or \
                    destroy after the last object's time";
        return OpError::new(OpErrorClass::Denied { permission: None }, message).help(help);
    }
    let class = match code {
        "AccessDenied" => OpErrorClass::Denied { permission: None },
        "SlowDown" | "ServiceUnavailable" => OpErrorClass::Throttled { retry_after_ms: None },
        "InternalError" => OpErrorClass::Unknown,
        _ => OpErrorClass::Invalid,
    };
    let why = refused.message().unwrap_or_default().trim_end_matches('.');
    OpError::new(class, format!("bucket {name} cannot be emptied: `{key}`: {code}: {why}"))
}

/// Until when a version may not be deleted, when it says so and one may know.
async fn kept_until(aws: &Aws, name: &str, object: Option<&ObjectIdentifier>) -> Option<String> {
    let object = object?;
    let request = aws.s3.head_object().bucket(name).key(object.key());
    let request = request.set_version_id(object.version_id().map(str::to_owned));
    let head = request.send().await.ok()?;
    head.object_lock_retain_until_date()?.fmt(Format::DateTime).ok()
}

/// Gives up uploads that nobody finished: they are no objects, and cost as much.
async fn give_up_uploads(aws: &Aws, name: &str) -> Result<Left, OpError> {
    let doing = format!("giving up uploads to bucket {name}");
    let request = aws.s3.list_multipart_uploads().bucket(name).max_uploads(UPLOADS_AT_A_TIME);
    let page = request.send().await.map_err(|e| failed(&doing, e))?;
    let uploads = page.uploads().iter().filter_map(|it| Some((it.key()?, it.upload_id()?)));
    let aborts = uploads.map(async |(key, id)| {
        let request = aws.s3.abort_multipart_upload().bucket(name).key(key).upload_id(id);
        match request.send().await.map_err(|e| failed(&doing, e)) {
            // It was finished or given up meanwhile.
            Err(error) if error.message.contains("NoSuchUpload") => Ok(()),
            reply => reply.map(|_| ()),
        }
    });
    try_join_all(aborts).await?;
    Ok(if page.is_truncated() == Some(true) { Left::More } else { Left::Nothing })
}
