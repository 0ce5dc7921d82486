//! The names of calls that have none on the wire: S3 and EFS name them by method and path.
//!
//! After <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html> and
//! <https://docs.aws.amazon.com/efs/latest/ug/API_Operations.html>. What must not be here: other
//! protocols.

use hyper::Method;
use hyper::http::request::Parts;
use std::collections::BTreeMap;

type Named = (String, BTreeMap<String, String>);

/// What follows `?` of a bucket, and what the actions on it are called after `Get`, `Put`,
/// `Delete`.
const OF_BUCKETS: &[(&str, &str)] = &[
    ("accelerate", "BucketAccelerateConfiguration"),
    ("acl", "BucketAcl"),
    ("cors", "BucketCors"),
    ("encryption", "BucketEncryption"),
    ("lifecycle", "BucketLifecycleConfiguration"),
    ("location", "BucketLocation"),
    ("logging", "BucketLogging"),
    ("notification", "BucketNotificationConfiguration"),
    ("object-lock", "ObjectLockConfiguration"),
    ("ownershipControls", "BucketOwnershipControls"),
    ("policy", "BucketPolicy"),
    ("policyStatus", "BucketPolicyStatus"),
    ("publicAccessBlock", "PublicAccessBlock"),
    ("replication", "BucketReplication"),
    ("requestPayment", "BucketRequestPayment"),
    ("tagging", "BucketTagging"),
    ("versioning", "BucketVersioning"),
    ("website", "BucketWebsite"),
];

/// The same of an object.
const OF_OBJECTS: &[(&str, &str)] = &[
    ("acl", "ObjectAcl"),
    ("attributes", "ObjectAttributes"),
    ("legal-hold", "ObjectLegalHold"),
    ("retention", "ObjectRetention"),
    ("tagging", "ObjectTagging"),
];

/// Names a request to S3. The bucket stands in the path: on an address, the SDKs put it there.
pub(super) fn s3(head: &Parts) -> Named {
    let mut params = query(head);
    let path = decoded(head.uri.path().trim_start_matches('/'));
    let (bucket, key) = match path.split_once('/') {
        Some((bucket, key)) => (bucket.to_owned(), key.to_owned()),
        None => (path, String::new()),
    };
    let action = match (bucket.is_empty(), key.is_empty()) {
        (true, _) => "ListBuckets".to_owned(),
        (false, true) => of_bucket(head, &params),
        (false, false) => of_object(head, &params),
    };
    for (name, value) in [("Bucket", bucket), ("Key", key)] {
        if !value.is_empty() {
            params.insert(name.to_owned(), value);
        }
    }
    (action, params)
}

fn of_bucket(head: &Parts, query: &BTreeMap<String, String>) -> String {
    if let Some(named) = subresource(head, query, OF_BUCKETS) {
        return named;
    }
    let asks = |name: &str| query.contains_key(name);
    let action = match head.method {
        Method::PUT => "CreateBucket",
        Method::DELETE => "DeleteBucket",
        Method::HEAD => "HeadBucket",
        Method::POST if asks("delete") => "DeleteObjects",
        Method::POST => "PostObject",
        _ if asks("versions") => "ListObjectVersions",
        _ if asks("uploads") => "ListMultipartUploads",
        _ if asks("list-type") => "ListObjectsV2",
        _ => "ListObjects",
    };
    action.to_owned()
}

fn of_object(head: &Parts, query: &BTreeMap<String, String>) -> String {
    if let Some(named) = subresource(head, query, OF_OBJECTS) {
        return named;
    }
    let upload = query.contains_key("uploadId");
    let copies = head.headers.contains_key("x-amz-copy-source");
    let action = match head.method {
        Method::PUT if upload && copies => "UploadPartCopy",
        Method::PUT if upload => "UploadPart",
        Method::PUT if copies => "CopyObject",
        Method::PUT => "PutObject",
        Method::DELETE if upload => "AbortMultipartUpload",
        Method::DELETE => "DeleteObject",
        Method::HEAD => "HeadObject",
        Method::POST if query.contains_key("uploads") => "CreateMultipartUpload",
        Method::POST if upload => "CompleteMultipartUpload",
        Method::POST if query.contains_key("restore") => "RestoreObject",
        Method::POST => "PostObject",
        _ if upload => "ListParts",
        _ => "GetObject",
    };
    action.to_owned()
}

fn subresource(
    head: &Parts,
    query: &BTreeMap<String, String>,
    names: &[(&str, &str)],
) -> Option<String> {
    let (parameter, name) = names.iter().find(|(parameter, _)| query.contains_key(*parameter))?;
    let verb = match head.method {
        Method::PUT => "Put",
        Method::DELETE => "Delete",
        _ => "Get",
    };
    // The only one whose delete is called otherwise than its put.
    match (verb, *parameter) {
        ("Delete", "lifecycle") => Some("DeleteBucketLifecycle".to_owned()),
        _ => Some(format!("{verb}{name}")),
    }
}

/// Names a request to EFS.
pub(super) fn efs(head: &Parts) -> Named {
    let mut params = query(head);
    let path = head.uri.path().trim_start_matches("/2015-02-01/");
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (noun, id_name) = match parts[0] {
        "file-systems" => ("FileSystem", "FileSystemId"),
        "mount-targets" => ("MountTarget", "MountTargetId"),
        "access-points" => ("AccessPoint", "AccessPointId"),
        "resource-tags" => ("Resource", "ResourceId"),
        _ => return (format!("{} {}", head.method, head.uri.path()), params),
    };
    if let Some(id) = parts.get(1) {
        params.insert(id_name.to_owned(), decoded(id));
    }
    let action = match (&head.method, noun, parts.get(2).copied()) {
        (&Method::POST, "Resource", _) => "TagResource".to_owned(),
        (&Method::DELETE, "Resource", _) => "UntagResource".to_owned(),
        (_, "Resource", _) => "ListTagsForResource".to_owned(),
        (&Method::GET, _, Some(part)) => format!("Describe{}", camel(part)),
        (&Method::PUT, _, Some(part)) => format!("Put{}", camel(part)),
        (&Method::DELETE, _, Some(part)) => format!("Delete{}", camel(part)),
        (&Method::POST, _, _) => format!("Create{noun}"),
        (&Method::PUT, _, _) => format!("Update{noun}"),
        (&Method::DELETE, _, _) => format!("Delete{noun}"),
        _ => format!("Describe{noun}s"),
    };
    (action, params)
}

/// Returns `LifecycleConfiguration` for `lifecycle-configuration`.
fn camel(path: &str) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_uppercase() + rest
    };
    path.split('-').map(word).collect()
}

fn query(head: &Parts) -> BTreeMap<String, String> {
    let query = head.uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn decoded(path: &str) -> String {
    urlencoding::decode(path).map_or_else(|_| path.to_owned(), std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::{efs, s3};
    use hyper::{Method, Request};

    fn check(name: impl Fn(&hyper::http::request::Parts) -> super::Named, asks: &[(&str, &str)]) {
        for (request, expected) in asks {
            let (method, uri) = request.split_once(' ').expect("a method and a path");
            let method: Method = method.parse().expect("a method");
            let request = Request::builder().method(method).uri(uri).body(()).expect("a request");
            assert_eq!(name(&request.into_parts().0).0, *expected, "{uri}");
        }
    }

    #[test]
    fn s3_is_named_by_method_path_and_query() {
        check(
            s3,
            &[
                ("GET /", "ListBuckets"),
                ("PUT /lake", "CreateBucket"),
                ("HEAD /lake", "HeadBucket"),
                ("PUT /lake?versioning", "PutBucketVersioning"),
                ("GET /lake?publicAccessBlock", "GetPublicAccessBlock"),
                ("DELETE /lake?lifecycle", "DeleteBucketLifecycle"),
                ("GET /lake?list-type=2&prefix=a", "ListObjectsV2"),
                ("GET /lake?versions", "ListObjectVersions"),
                ("POST /lake?delete", "DeleteObjects"),
                ("PUT /lake/a/b%20c?x-id=PutObject", "PutObject"),
                ("PUT /lake/a?partNumber=1&uploadId=u", "UploadPart"),
                ("GET /lake/a?tagging", "GetObjectTagging"),
            ],
        );
    }

    #[test]
    fn efs_is_named_by_method_and_path() {
        check(
            efs,
            &[
                ("POST /2015-02-01/file-systems", "CreateFileSystem"),
                ("GET /2015-02-01/file-systems?CreationToken=t", "DescribeFileSystems"),
                ("DELETE /2015-02-01/file-systems/fs-1", "DeleteFileSystem"),
                ("PUT /2015-02-01/file-systems/fs-1/backup-policy", "PutBackupPolicy"),
                ("POST /2015-02-01/mount-targets", "CreateMountTarget"),
                ("GET /2015-02-01/mount-targets/m/security-groups", "DescribeSecurityGroups"),
                ("POST /2015-02-01/resource-tags/fs-1", "TagResource"),
            ],
        );
    }
}
