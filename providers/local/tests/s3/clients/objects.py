"""Objects: contents, ranges, headers, metadata, tags, checksums, listings, copies, deletes."""

import base64
import datetime
import hashlib
import os
import zlib

from endpoint import body, client, refused, run, s3, stream


def an_object_comes_back_as_it_was():
    data = os.urandom(1_500_000)
    put = s3.put_object(Bucket="lake", Key="data", Body=data)
    assert put["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    assert "VersionId" not in put
    got = s3.get_object(Bucket="lake", Key="data")
    assert got["Body"].read() == data
    assert got["ContentLength"] == len(data)
    assert got["ContentType"] == "binary/octet-stream"
    assert "VersionId" not in got
    s3.put_object(Bucket="lake", Key="empty", Body=b"")
    assert body("empty") == b""


def what_is_missing_is_missing():
    refused("NoSuchKey", s3.get_object, Bucket="lake", Key="nothing")
    refused("404", s3.head_object, Bucket="lake", Key="nothing")
    s3.delete_object(Bucket="lake", Key="nothing")


def ranges():
    s3.put_object(Bucket="lake", Key="digits", Body=b"0123456789")
    got = s3.get_object(Bucket="lake", Key="digits", Range="bytes=2-4")
    assert (got["Body"].read(), got["ContentRange"]) == (b"234", "bytes 2-4/10")
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert body("digits", Range="bytes=-3") == b"789"
    assert body("digits", Range="bytes=8-") == b"89"
    assert body("digits", Range="bytes=8-100") == b"89"
    refused("InvalidRange", s3.get_object, Bucket="lake", Key="digits", Range="bytes=10-")
    assert s3.head_object(Bucket="lake", Key="digits", Range="bytes=0-0")["ContentLength"] == 1


def headers_and_metadata():
    expires = datetime.datetime(2031, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    s3.put_object(
        Bucket="lake", Key="described", Body=b"x", ContentType="text/csv", CacheControl="no-cache",
        ContentDisposition="attachment", ContentEncoding="gzip", ContentLanguage="de", Expires=expires,
        Metadata={"owner": "research", "run": "7"},
    )
    head = s3.head_object(Bucket="lake", Key="described")
    assert head["ContentType"] == "text/csv"
    assert head["CacheControl"] == "no-cache"
    assert head["ContentDisposition"] == "attachment"
    assert head["ContentEncoding"] == "gzip"
    assert head["ContentLanguage"] == "de"
    assert head["ExpiresString"] == "Thu, 02 Jan 2031 03:04:05 GMT", head["ExpiresString"]
    assert head["Metadata"] == {"owner": "research", "run": "7"}
    got = s3.get_object(Bucket="lake", Key="described", ResponseContentType="text/plain")
    assert got["ContentType"] == "text/plain"
    refused("MetadataTooLarge", s3.put_object, Bucket="lake", Key="big", Metadata={"a": "x" * 2048})


def tags():
    s3.put_object(Bucket="lake", Key="tagged", Body=b"x", Tagging="team=a%20b&plus=1%2B1")
    tag_set = s3.get_object_tagging(Bucket="lake", Key="tagged")["TagSet"]
    assert tag_set == [{"Key": "plus", "Value": "1+1"}, {"Key": "team", "Value": "a b"}], tag_set
    assert s3.get_object(Bucket="lake", Key="tagged")["TagCount"] == 2
    s3.put_object_tagging(Bucket="lake", Key="tagged", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    assert s3.get_object_tagging(Bucket="lake", Key="tagged")["TagSet"] == [{"Key": "k", "Value": "v"}]
    s3.delete_object_tagging(Bucket="lake", Key="tagged")
    assert s3.get_object_tagging(Bucket="lake", Key="tagged")["TagSet"] == []
    many = {"TagSet": [{"Key": str(n), "Value": ""} for n in range(11)]}
    refused("InvalidTag", s3.put_object_tagging, Bucket="lake", Key="tagged", Tagging=many)


def checksums_are_kept():
    data = b"some bytes"
    crc32 = base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
    sha256 = base64.b64encode(hashlib.sha256(data).digest()).decode()
    sha1 = base64.b64encode(hashlib.sha1(data).digest()).decode()
    for algorithm, value in [("CRC32", crc32), ("SHA256", sha256), ("SHA1", sha1)]:
        put = s3.put_object(Bucket="lake", Key=algorithm, Body=stream(data), ChecksumAlgorithm=algorithm)
        assert put[f"Checksum{algorithm}"] == value, put
        head = s3.head_object(Bucket="lake", Key=algorithm, ChecksumMode="ENABLED")
        assert head[f"Checksum{algorithm}"] == value
        assert head["ChecksumType"] == "FULL_OBJECT"
        assert body(algorithm) == data  # boto3 checks it on the way.
        part = s3.get_object(Bucket="lake", Key=algorithm, Range="bytes=0-1", ChecksumMode="ENABLED")
        assert f"Checksum{algorithm}" not in part


def a_wrong_checksum_stores_nothing():
    for name, value in [("ChecksumCRC32", "AAAAAA=="), ("ChecksumSHA256", "A" * 43 + "=")]:
        refused("BadDigest", s3.put_object, Bucket="lake", Key="damaged", Body=b"bytes", **{name: value})
    md5 = base64.b64encode(b"0" * 16).decode()
    refused("BadDigest", s3.put_object, Bucket="lake", Key="damaged", Body=b"bytes", ContentMD5=md5)
    refused("NoSuchKey", s3.get_object, Bucket="lake", Key="damaged")
    s3.put_object(Bucket="lake", Key="whole", Body=b"before")
    refused("BadDigest", s3.put_object, Bucket="lake", Key="whole", Body=b"bytes", ContentMD5=md5)
    assert body("whole") == b"before"


def _keys(prefix, **kwargs):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="lake", Prefix=prefix, **kwargs)
    keys, prefixes, count = [], [], 0
    for page in pages:
        keys += [entry["Key"] for entry in page.get("Contents", [])]
        prefixes += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
        assert page["KeyCount"] == len(page.get("Contents", [])) + len(page.get("CommonPrefixes", []))
        count += 1
    return keys, prefixes, count


def listings_fold_and_page():
    names = [f"list/{folder}/{number:02}" for folder in "abc" for number in range(7)] + ["list/z", "listless"]
    for name in names:
        s3.put_object(Bucket="lake", Key=name, Body=name.encode())
    assert _keys("list/")[:2] == (sorted(names)[:-1], [])
    assert _keys("list/", Delimiter="/")[:2] == (["list/z"], ["list/a/", "list/b/", "list/c/"])
    for size in (1, 2, 3, 5):
        everything = _keys("list/", PaginationConfig={"PageSize": size})
        assert everything[:2] == (sorted(names)[:-1], []), size
        assert everything[2] == -(-22 // size), everything[2]
        folded = _keys("list/", Delimiter="/", PaginationConfig={"PageSize": size})
        assert folded[:2] == (["list/z"], ["list/a/", "list/b/", "list/c/"]), size
    assert _keys("list", StartAfter="list/b/05")[0] == sorted(names)[13:]
    assert _keys("list/a", Delimiter="0")[:2] == ([], ["list/a/0"])
    entry = s3.list_objects_v2(Bucket="lake", Prefix="list/z")["Contents"][0]
    assert entry["ETag"] == s3.head_object(Bucket="lake", Key="list/z")["ETag"]
    assert entry["Size"] == 6 and entry["StorageClass"] == "STANDARD"
    assert s3.list_objects_v2(Bucket="lake", MaxKeys=0)["IsTruncated"] is False
    refused("InvalidArgument", s3.list_objects_v2, Bucket="lake", ContinuationToken="not hex")
    pages = s3.get_paginator("list_objects").paginate(
        Bucket="lake", Prefix="list/", Delimiter="/", PaginationConfig={"PageSize": 2})
    first = [p["Prefix"] for page in pages for p in page.get("CommonPrefixes", [])]
    assert first == ["list/a/", "list/b/", "list/c/"], first


def copies():
    s3.put_object(Bucket="lake", Key="from", Body=b"copied", ContentType="text/csv", Metadata={"a": "1"},
                  Tagging="t=1")
    s3.copy_object(Bucket="lake", Key="to", CopySource={"Bucket": "lake", "Key": "from"})
    head = s3.head_object(Bucket="lake", Key="to")
    assert (body("to"), head["ContentType"], head["Metadata"]) == (b"copied", "text/csv", {"a": "1"})
    assert s3.get_object_tagging(Bucket="lake", Key="to")["TagSet"] == [{"Key": "t", "Value": "1"}]
    s3.copy_object(Bucket="lake", Key="to", CopySource="lake/from", MetadataDirective="REPLACE",
                   ContentType="text/plain", TaggingDirective="REPLACE", Tagging="t=2")
    head = s3.head_object(Bucket="lake", Key="to")
    assert (head["ContentType"], head["Metadata"]) == ("text/plain", {})
    assert s3.get_object_tagging(Bucket="lake", Key="to")["TagSet"] == [{"Key": "t", "Value": "2"}]
    refused("InvalidRequest", s3.copy_object, Bucket="lake", Key="to", CopySource="lake/to")
    refused("NoSuchKey", s3.copy_object, Bucket="lake", Key="to", CopySource="lake/nothing")
    s3.copy_object(Bucket="history", Key="to", CopySource="lake/from")
    assert body("to", bucket="history") == b"copied"


def many_are_deleted_at_once():
    names = [f"many/{number}" for number in range(20)]
    for name in names:
        s3.put_object(Bucket="lake", Key=name, Body=b"")
    objects = [{"Key": name} for name in names] + [{"Key": "many/absent"}]
    deleted = s3.delete_objects(Bucket="lake", Delete={"Objects": objects})
    assert sorted(entry["Key"] for entry in deleted["Deleted"]) == sorted(names + ["many/absent"])
    assert _keys("many/")[0] == []


def buckets_say_what_they_are():
    assert s3.get_bucket_location(Bucket="lake")["LocationConstraint"] is None
    assert "Status" not in s3.get_bucket_versioning(Bucket="lake")
    s3.head_bucket(Bucket="lake")
    refused("NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration, Bucket="lake")
    rules = s3.get_bucket_lifecycle_configuration(Bucket="history")["Rules"]
    assert [(rule["Filter"], rule["Expiration"], rule["Status"]) for rule in rules] == [
        ({"Prefix": "tmp/"}, {"Days": 30}, "Enabled")], rules


def what_is_not_offered_says_so():
    refused("NotImplemented", s3.get_bucket_policy, Bucket="lake")
    refused("NotImplemented", s3.get_bucket_cors, Bucket="lake")
    refused("NotImplemented", s3.put_object, Bucket="lake", Key="x", Body=b"", ServerSideEncryption="AES256")
    refused("NotImplemented", s3.put_object, Bucket="lake", Key="x", Body=b"", StorageClass="GLACIER")
    refused("NotImplemented", s3.put_object, Bucket="lake", Key="x", Body=b"", ACL="public-read")
    refused("NoSuchKey", s3.get_object, Bucket="lake", Key="x")
    s3.put_object(Bucket="lake", Key="x", Body=b"", StorageClass="STANDARD", ACL="private")


def older_ways_of_sending_a_body_work():
    older = client(request_checksum_calculation="when_required", response_checksum_validation="when_required")
    older.put_object(Bucket="lake", Key="older", Body=b"signed")
    assert older.get_object(Bucket="lake", Key="older")["Body"].read() == b"signed"
    unsigned = client(s3={"payload_signing_enabled": False})
    unsigned.put_object(Bucket="lake", Key="unsigned", Body=stream(b"streamed"))
    assert body("unsigned") == b"streamed"


run(globals())
