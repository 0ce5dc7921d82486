//! The bucket in the account: what it takes to make one, to look at it and to change it.
//!
//! ```text
//! CreateBucket -> tags -> versioning -> lock  \
//!                      -> expiry               > ownership -> public access block -> policy
//!                      -> encryption          /
//! ```
//! ## Why the last three stand in a row
//! S3 answers `OperationAborted` to one of two that change who may come in at the same time
//! (<https://github.com/hashicorp/terraform-provider-aws/issues/7628>). And what is put last is how
//! one sees afterwards that a create came to its end.

use super::emptying;
use super::settings::{self, Settings};
use crate::clients::Aws;
use crate::failure::failed;
use crate::kinds::launch::BUNDLE_KEY;
use crate::object::{
    Actions, Busy, Change, Live, Make, Object, Remove, Select, Stage, Tags, begun, tags_of, text,
    values,
};
use crate::tags::{self, tags_in};
use async_trait::async_trait;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, BucketLocationConstraint, BucketVersioningStatus,
    CreateBucketConfiguration, ObjectOwnership, OwnershipControls, OwnershipControlsRule,
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
    ServerSideEncryptionRule, Tag, Tagging, VersioningConfiguration,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use dsenv_sdk::OpError;
use dsenv_sdk::provider::OpErrorClass;
use dsenv_sdk::schema::NativeType;
use dsenv_sdk::value::Map;
use futures::future::try_join_all;
use futures::try_join;

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
const NAME_CHARS_MAX: usize = 63;
/// Asking for pages is what makes S3 answer in pages.
const BUCKETS_A_PAGE: i32 = 1_000;
/// How many buckets are looked at together; each is eight calls.
const BUCKETS_AT_A_TIME: usize = 16;
/// The region whose buckets must not say where they are.
const UNSAID_REGION: &str = "us-east-1";

/// What the work is done for: a bucket of the user's, or the one that a machine and dsenv talk by.
pub(crate) struct Bucket(pub(crate) &'static NativeType);

/// A bucket as it was seen.
struct Seen {
    tags: Tags,
    settings: Settings,
    /// Whether what is put last is there.
    finished: bool,
}

/// Turns the answer of S3 that there is no such setting into nothing.
fn unless_absent<T, E>(
    name: &str,
    absent: &str,
    reply: Result<T, SdkError<E, HttpResponse>>,
) -> Result<Option<T>, OpError>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match reply {
        Ok(reply) => Ok(Some(reply)),
        Err(error) if error.as_service_error().and_then(|it| it.code()) == Some(absent) => Ok(None),
        Err(error) => Err(looking(name, error)),
    }
}

fn looking<E>(name: &str, error: SdkError<E, HttpResponse>) -> OpError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    failed(&format!("looking at bucket {name}"), error)
}

/// Says whether there is no bucket. That one of its settings is not there, in words that nobody knows
/// here, must not be taken for that: the bucket would be made anew.
fn is_gone(error: &OpError) -> bool {
    error.class == OpErrorClass::NotFound && error.message.contains("NoSuchBucket")
}

/// Says whether requests go by TLS. An endpoint that somebody names may not: there a TLS-only policy
/// would shut everybody out.
fn by_tls(aws: &Aws) -> bool {
    aws.endpoint.as_deref().is_none_or(|endpoint| endpoint.starts_with("https:"))
}

async fn tags_at(aws: &Aws, name: &str) -> Result<Tags, OpError> {
    let reply = aws.s3.get_bucket_tagging().bucket(name).send().await;
    let reply = unless_absent(name, "NoSuchTagSet", reply)?;
    Ok(reply.map(|reply| tags_in!(reply.tag_set())).unwrap_or_default())
}

/// Makes these its tags and leaves what others have hung on it: S3 only takes all of them at once.
async fn retag(aws: &Aws, name: &str, before: &Tags, after: &Tags) -> Result<(), OpError> {
    let there = tags_at(aws, name).await?;
    let mut wanted = there.clone();
    wanted.retain(|tag, _| after.contains_key(tag) || !before.contains_key(tag));
    wanted.extend(after.clone());
    if wanted == there {
        return Ok(());
    }
    let request = aws.s3.put_bucket_tagging().bucket(name).tagging(tagging(&wanted));
    request.send().await.map_err(|e| failed(&format!("tagging bucket {name}"), e))?;
    Ok(())
}

fn as_tags(tags: &Tags) -> Vec<Tag> {
    let tag = |(key, value): (&String, &String)| {
        Tag::builder().key(key).value(value).build().expect("a tag with key and value")
    };
    tags.iter().map(tag).collect()
}

fn tagging(tags: &Tags) -> Tagging {
    Tagging::builder().set_tag_set(Some(as_tags(tags))).build().expect("a set of tags")
}

// ---------------------------------------------------------------- looking

/// Looks at all that is set on a bucket at once; `None` when there is no bucket.
async fn look(aws: &Aws, name: &str) -> Result<Option<Seen>, OpError> {
    let guard = async { try_join!(encrypted(aws, name), closed(aws, name), owned(aws, name)) };
    let rest = async { try_join!(versioning(aws, name), expiry(aws, name), lock(aws, name)) };
    let seen = async { try_join!(tags_at(aws, name), guard, rest, policy(aws, name)) };
    let (tags, guard, (versioning, expire, immutable_days), policy) = match seen.await {
        Ok(seen) => seen,
        Err(error) if is_gone(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let (encrypted, closed, owned) = guard;
    let guarded = encrypted && closed && owned && policy;
    let finished = tags.contains_key(tags::TOKEN) && if by_tls(aws) { policy } else { closed };
    let settings = Settings { versioning, expire, immutable_days, guarded };
    Ok(Some(Seen { tags, settings, finished }))
}

async fn versioning(aws: &Aws, name: &str) -> Result<bool, OpError> {
    let reply = aws.s3.get_bucket_versioning().bucket(name).send().await;
    // A server that plays S3 may call the root of its answer as it likes, which the SDK refuses and
    // every other client reads: moto 5.2 says `GetBucketVersioningResponse`.
    if let Err(error) = &reply
        && let Some(answer) = error.raw_response().filter(|answer| answer.status().as_u16() == 200)
        && let Some(body) = answer.body().bytes().and_then(|body| std::str::from_utf8(body).ok())
        && body.contains("GetBucketVersioningResponse")
    {
        return Ok(body.contains("<Status>Enabled</Status>"));
    }
    Ok(settings::is_versioned(reply.map_err(|e| looking(name, e))?.status()))
}

async fn expiry(aws: &Aws, name: &str) -> Result<Vec<settings::Expire>, OpError> {
    let reply = aws.s3.get_bucket_lifecycle_configuration().bucket(name).send().await;
    let reply = unless_absent(name, "NoSuchLifecycleConfiguration", reply)?;
    Ok(reply.map(|reply| settings::expire(reply.rules())).unwrap_or_default())
}

async fn lock(aws: &Aws, name: &str) -> Result<Option<i32>, OpError> {
    let reply = aws.s3.get_object_lock_configuration().bucket(name).send().await;
    let reply = unless_absent(name, "ObjectLockConfigurationNotFoundError", reply)?;
    let lock = reply.and_then(|reply| reply.object_lock_configuration);
    Ok(lock.as_ref().and_then(settings::immutable_days))
}

async fn encrypted(aws: &Aws, name: &str) -> Result<bool, OpError> {
    let reply = aws.s3.get_bucket_encryption().bucket(name).send().await;
    let absent = "ServerSideEncryptionConfigurationNotFoundError";
    let reply = unless_absent(name, absent, reply)?;
    let encryption = reply.and_then(|reply| reply.server_side_encryption_configuration);
    Ok(encryption.is_some_and(|it| settings::is_encrypted(&it)))
}

async fn closed(aws: &Aws, name: &str) -> Result<bool, OpError> {
    let reply = aws.s3.get_public_access_block().bucket(name).send().await;
    let reply = unless_absent(name, "NoSuchPublicAccessBlockConfiguration", reply)?;
    let block = reply.and_then(|reply| reply.public_access_block_configuration);
    Ok(block == Some(settings::public_access_block()))
}

async fn owned(aws: &Aws, name: &str) -> Result<bool, OpError> {
    let reply = aws.s3.get_bucket_ownership_controls().bucket(name).send().await;
    let reply = unless_absent(name, "OwnershipControlsNotFoundError", reply)?;
    let controls = reply.and_then(|reply| reply.ownership_controls);
    let rules = controls.map(|controls| controls.rules).unwrap_or_default();
    Ok(rules.iter().any(|rule| rule.object_ownership == ObjectOwnership::BucketOwnerEnforced))
}

async fn policy(aws: &Aws, name: &str) -> Result<bool, OpError> {
    let reply = aws.s3.get_bucket_policy().bucket(name).send().await;
    let reply = unless_absent(name, "NoSuchBucketPolicy", reply)?;
    let policy = reply.and_then(|reply| reply.policy);
    let arn = settings::arn(&aws.region, name);
    Ok(match (policy, by_tls(aws)) {
        (Some(policy), true) => settings::is_policy(&policy, &arn),
        (policy, _) => policy.is_none() && !by_tls(aws),
    })
}

// ---------------------------------------------------------------- setting

/// Sets what differs from any of what was seen or applied before.
async fn settle(
    aws: &Aws,
    name: &str,
    wanted: &Settings,
    before: &[&Settings],
) -> Result<(), OpError> {
    let differs =
        |differ: fn(&Settings, &Settings) -> bool| before.iter().any(|it| differ(it, wanted));
    let versioning = differs(|a, b| a.versioning != b.versioning);
    let lock = differs(|a, b| a.immutable_days != b.immutable_days);
    let expire = differs(|a, b| a.expire != b.expire);
    let guard = before.iter().any(|it| !it.guarded);
    let kept = async {
        if versioning {
            put_versioning(aws, name, wanted.versioning).await?;
        }
        if lock { put_lock(aws, name, wanted.immutable_days).await } else { Ok(()) }
    };
    let expiry = async { if expire { put_expiry(aws, name, wanted).await } else { Ok(()) } };
    let encryption = async { if guard { put_encryption(aws, name).await } else { Ok(()) } };
    try_join!(kept, expiry, encryption)?;
    if guard { put_guard(aws, name).await } else { Ok(()) }
}

async fn put_versioning(aws: &Aws, name: &str, on: bool) -> Result<(), OpError> {
    let status = match on {
        true => BucketVersioningStatus::Enabled,
        false => BucketVersioningStatus::Suspended,
    };
    let versioning = VersioningConfiguration::builder().status(status).build();
    let request = aws.s3.put_bucket_versioning().bucket(name).versioning_configuration(versioning);
    let Err(error) = request.send().await else { return Ok(()) };
    let error = failed(&format!("versioning bucket {name}"), error);
    if error.message.contains("InvalidBucketState") && !on {
        let help = "a bucket that had `immutable_days` once keeps its versions for good: write \
                    `versioning: true`";
        return Err(OpError { class: OpErrorClass::Invalid, ..error }.help(help));
    }
    Err(error)
}

/// Since November 2023 this works on a bucket that is there already, when it has versioning:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-configure.html>, "Enable Object
/// Lock on an existing S3 bucket". So it need not be decided at creation, and replaces nothing.
async fn put_lock(aws: &Aws, name: &str, days: Option<i32>) -> Result<(), OpError> {
    let request = aws.s3.put_object_lock_configuration().bucket(name);
    let request = request.object_lock_configuration(settings::lock(days));
    request.send().await.map_err(|e| failed(&format!("locking objects of bucket {name}"), e))?;
    Ok(())
}

async fn put_expiry(aws: &Aws, name: &str, wanted: &Settings) -> Result<(), OpError> {
    let doing = format!("setting when objects of bucket {name} expire");
    let rules = settings::lifecycle(&wanted.expire);
    if rules.is_empty() {
        let request = aws.s3.delete_bucket_lifecycle().bucket(name);
        request.send().await.map_err(|e| failed(&doing, e))?;
        return Ok(());
    }
    let rules = BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build();
    let request = aws.s3.put_bucket_lifecycle_configuration().bucket(name);
    let request = request.lifecycle_configuration(rules.expect("there are rules"));
    request.send().await.map_err(|e| failed(&doing, e))?;
    Ok(())
}

async fn put_encryption(aws: &Aws, name: &str) -> Result<(), OpError> {
    let algorithm = ServerSideEncryption::Aes256;
    let default = ServerSideEncryptionByDefault::builder().sse_algorithm(algorithm).build();
    let default = default.expect("there is an algorithm");
    let rule = ServerSideEncryptionRule::builder();
    let rule = rule.apply_server_side_encryption_by_default(default).build();
    let encryption = ServerSideEncryptionConfiguration::builder().rules(rule).build();
    let request = aws.s3.put_bucket_encryption().bucket(name);
    let request =
        request.server_side_encryption_configuration(encryption.expect("there is a rule"));
    request.send().await.map_err(|e| failed(&format!("encrypting bucket {name}"), e))?;
    Ok(())
}

async fn put_guard(aws: &Aws, name: &str) -> Result<(), OpError> {
    let doing = format!("closing bucket {name} to others");
    let rule = OwnershipControlsRule::builder();
    let rule = rule.object_ownership(ObjectOwnership::BucketOwnerEnforced).build();
    let controls = OwnershipControls::builder().rules(rule.expect("there is an owner")).build();
    let request = aws.s3.put_bucket_ownership_controls().bucket(name);
    let request = request.ownership_controls(controls.expect("there is a rule"));
    request.send().await.map_err(|e| failed(&doing, e))?;
    let request = aws.s3.put_public_access_block().bucket(name);
    let request = request.public_access_block_configuration(settings::public_access_block());
    request.send().await.map_err(|e| failed(&doing, e))?;
    if by_tls(aws) {
        let policy = settings::policy(&settings::arn(&aws.region, name)).to_string();
        let request = aws.s3.put_bucket_policy().bucket(name).policy(policy);
        request.send().await.map_err(|e| failed(&doing, e))?;
    } else {
        let request = aws.s3.delete_bucket_policy().bucket(name);
        request.send().await.map_err(|e| failed(&doing, e))?;
    }
    Ok(())
}

// ---------------------------------------------------------------- the bucket

fn live(
    ty: &NativeType,
    aws: &Aws,
    name: &str,
    tags: Tags,
    settings: &Settings,
    finished: bool,
) -> Live {
    let region = &aws.region;
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let of_region = || format!("https://s3.{region}.{domain}");
    let endpoint = aws.endpoint.clone().unwrap_or_else(of_region);
    let arn = settings::arn(region, name);
    let below = |path: &str| text(Some(&format!("{arn}/{path}")));
    let mut values = values([
        ("name", text(Some(name))),
        ("url", text(Some(&format!("s3://{name}")))),
        ("endpoint", text(Some(&endpoint))),
        ("region", text(Some(region))),
        ("arn", text(Some(&arn))),
        ("objects_arn", below("*")),
        ("boot_arn", below(BUNDLE_KEY)),
        ("status_arn", below("status/*")),
        ("logs_arn", below("logs/*")),
    ]);
    values.retain(|name, _| ty.attribute(name).is_some());
    values.extend(settings.values());
    let stage = if finished { Stage::Ready } else { Stage::Partial };
    Live { remote_id: name.to_owned(), tags, stage, values }
}

async fn look_at(ty: &NativeType, aws: &Aws, name: &str) -> Result<Option<Live>, OpError> {
    let seen = look(aws, name).await?;
    Ok(seen.map(|it| live(ty, aws, name, it.tags, &it.settings, it.finished)))
}

/// Whose a bucket is, and nothing more of it: what an inventory needs, for one call a bucket.
async fn whose(aws: &Aws, name: &str, lineage: Option<&str>) -> Result<Option<Live>, OpError> {
    match tags_at(aws, name).await {
        Ok(tags) if tags::is_owned(&tags, &aws.owner, lineage) => {
            let (remote_id, values) = (name.to_owned(), Map::new());
            Ok(Some(Live { remote_id, tags, stage: Stage::Ready, values }))
        }
        Ok(_) => Ok(None),
        // A bucket that is gone is listed for a while.
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The names of the buckets in this region that begin as ours do.
async fn names(aws: &Aws) -> Result<Vec<String>, OpError> {
    let request = aws
        .s3
        .list_buckets()
        .prefix(tags::name_prefix(&aws.owner, NAME_CHARS_MAX))
        .bucket_region(&aws.region)
        .max_buckets(BUCKETS_A_PAGE);
    let mut names = Vec::new();
    let mut pages = request.into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|e| failed("looking for buckets", e))?;
        let buckets = page.buckets.unwrap_or_default();
        names.extend(buckets.into_iter().filter_map(|bucket| bucket.name));
    }
    Ok(names)
}

impl Bucket {
    /// Makes the bucket unless it is there; says whether it was.
    async fn make(aws: &Aws, name: &str, make: Make<'_>, tags: &Tags) -> Result<bool, OpError> {
        let somewhere = (aws.region != UNSAID_REGION)
            .then(|| BucketLocationConstraint::from(aws.region.as_str()));
        let configuration = CreateBucketConfiguration::builder()
            .set_location_constraint(somewhere)
            .set_tags(Some(as_tags(tags)))
            .build();
        let request = aws
            .s3
            .create_bucket()
            .bucket(name)
            .object_ownership(ObjectOwnership::BucketOwnerEnforced)
            .create_bucket_configuration(configuration);
        let Err(error) = request.send().await else { return Ok(false) };
        let error = failed(&format!("creating bucket {name}"), error);
        if !error.message.contains("BucketAlreadyOwnedByYou") {
            return Err(error);
        }
        let there = tags_at(aws, name).await?;
        match there.get(tags::TOKEN) {
            Some(token) if token != make.token.as_str() => Err(tags::taken(name, &there)),
            _ => Ok(true),
        }
    }
}

#[async_trait]
impl Object for Bucket {
    fn ty(&self) -> &'static NativeType {
        self.0
    }

    /// `s3:PutBucketObjectLockConfiguration` is left out: few buckets lock what is in them.
    fn actions(&self) -> Actions {
        Actions {
            look: &[
                "s3:GetBucketObjectLockConfiguration",
                "s3:GetBucketOwnershipControls",
                "s3:GetBucketPolicy",
                "s3:GetBucketPublicAccessBlock",
                "s3:GetBucketTagging",
                "s3:GetBucketVersioning",
                "s3:GetEncryptionConfiguration",
                "s3:GetLifecycleConfiguration",
                "s3:ListAllMyBuckets",
            ],
            create: &[
                "s3:CreateBucket",
                "s3:PutBucketOwnershipControls",
                "s3:PutBucketPolicy",
                "s3:PutBucketPublicAccessBlock",
                "s3:PutBucketTagging",
                "s3:PutBucketVersioning",
                "s3:PutEncryptionConfiguration",
                "s3:PutLifecycleConfiguration",
            ],
            update: &[
                "s3:PutBucketOwnershipControls",
                "s3:PutBucketPolicy",
                "s3:PutBucketPublicAccessBlock",
                "s3:PutBucketTagging",
                "s3:PutBucketVersioning",
                "s3:PutEncryptionConfiguration",
                "s3:PutLifecycleConfiguration",
            ],
            delete: &[
                "s3:AbortMultipartUpload",
                "s3:DeleteBucket",
                "s3:DeleteObject",
                "s3:DeleteObjectVersion",
                "s3:ListBucketMultipartUploads",
                "s3:ListBucketVersions",
            ],
        }
    }

    async fn list(&self, aws: &Aws, select: Select<'_>) -> Result<Vec<Live>, OpError> {
        let ty = self.0;
        let mut found = Vec::new();
        match select {
            Select::Owner(lineage) => {
                for names in names(aws).await?.chunks(BUCKETS_AT_A_TIME) {
                    let asked = names.iter().map(|it| whose(aws, it, lineage));
                    found.extend(try_join_all(asked).await?);
                }
                let ours = |live: &Live| live.tags.get(tags::TYPE).is_some_and(|it| it == ty.name);
                found.retain(|live| live.as_ref().is_some_and(ours));
            }
            Select::Token(token) => {
                // By its name and not by its tags: those may not have been written yet.
                let mut names = names(aws).await?;
                names.retain(|name| tags::is_named_by(name, token));
                found.extend(try_join_all(names.iter().map(|it| look_at(ty, aws, it))).await?);
            }
            Select::Ids(ids) => {
                for ids in ids.chunks(BUCKETS_AT_A_TIME) {
                    let asked = ids.iter().map(|it| look_at(ty, aws, it));
                    found.extend(try_join_all(asked).await?);
                }
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(&self, aws: &Aws, make: Make<'_>) -> Result<Live, OpError> {
        let wanted = Settings { guarded: true, ..Settings::of(make.args)? };
        let name = tags::unique_name(&aws.owner, make.addr, make.token, NAME_CHARS_MAX);
        let tags = tags::all(aws, make.addr, self.0.name, make.token, tags_of(make.args));
        let was_there = Bucket::make(aws, &name, make, &tags).await?;
        // Told as they are set: S3 shows a change of settings to everybody only after a while.
        let made = live(self.0, aws, &name, tags, &wanted, true);
        let rest = async {
            // First of all: so that it is known whose the rest is of. Not every S3 takes them above.
            retag(aws, &name, &Tags::new(), &made.tags).await?;
            let mut before = Settings::default();
            if was_there && let Some(seen) = look(aws, &name).await? {
                before = Settings { guarded: false, ..seen.settings };
            }
            settle(aws, &name, &wanted, &[&before]).await
        };
        rest.await.map_err(|error| begun(&made, error))?;
        Ok(made)
    }

    async fn update(&self, aws: &Aws, change: Change<'_>) -> Result<Option<Live>, OpError> {
        let Make { addr, token, args, .. } = change.make;
        let name = &change.observed.remote_id;
        let wanted = Settings { guarded: true, ..Settings::of(args)? };
        let seen = Settings::of(&change.observed.values)?;
        let applied = Settings::of(change.prior_args)?;
        let after = tags::all(aws, addr, self.0.name, token, tags_of(args));
        retag(aws, name, &tags_of(change.prior_args), &after).await?;
        settle(aws, name, &wanted, &[&seen, &applied]).await?;
        Ok(Some(live(self.0, aws, name, after, &wanted, true)))
    }

    async fn delete(&self, aws: &Aws, remove: Remove<'_>) -> Result<bool, OpError> {
        emptying::delete(aws, remove.remote_id(), remove.data).await
    }

    fn shows_late(&self) -> bool {
        false
    }

    async fn go_on_deleting(&self, aws: &Aws, remote_id: &str) -> Result<Option<Busy>, OpError> {
        emptying::go_on(aws, remote_id).await
    }

    async fn tag(&self, aws: &Aws, remote_id: &str, tags: &Tags) -> Result<(), OpError> {
        retag(aws, remote_id, &Tags::new(), tags).await
    }
}
