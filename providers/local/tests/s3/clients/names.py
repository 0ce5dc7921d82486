"""Keys are bytes to us: none of them may reach the file system, and all of them come back."""

import botocore.handlers

from endpoint import body, client, refused, run, s3

CONTROL = "\u0001control"

KEYS = [
    "plain", "a", "a/b", "a/b/c", "a//b", "a/", "/leading", "trailing/", "../escape", "a/../../b", ".", "..", "./x",
    "plus+plus", "per%cent", "per%2Fcent", "a b", "q?x=1&y=2", "hash#tag", "quote'\"", "<xml>&amp;", "star*", "tilde~",
    "back\\slash", "semi;colon", "at@", "colon:", "eq=", "comma,", "new\nline", "tab\t", "umlaut-ä", "日本語", "🦀",
    CONTROL, "x" * 1024, "ä" * 512,
]


def every_key_comes_back():
    for number, key in enumerate(KEYS):
        s3.put_object(Bucket="lake", Key=key, Body=str(number).encode())
    for number, key in enumerate(KEYS):
        assert body(key) == str(number).encode(), key


def every_key_is_listed():
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="lake", PaginationConfig={"PageSize": 5})
    listed = [entry["Key"] for page in pages for entry in page["Contents"]]
    assert listed == sorted(KEYS, key=lambda key: key.encode()), listed
    pages = s3.get_paginator("list_objects").paginate(Bucket="lake", PaginationConfig={"PageSize": 7})
    assert [entry["Key"] for page in pages for entry in page["Contents"]] == listed
    pages = s3.get_paginator("list_object_versions").paginate(Bucket="lake", PaginationConfig={"PageSize": 3})
    assert [entry["Key"] for page in pages for entry in page["Versions"]] == listed


def a_key_that_xml_cannot_say_is_not_listed_as_another():
    plain = client()
    plain.meta.events.unregister(
        "before-parameter-build.s3.ListObjectsV2", botocore.handlers.set_list_objects_encoding_type_url)
    refused("InvalidRequest", plain.list_objects_v2, Bucket="lake")
    assert plain.list_objects_v2(Bucket="lake", Prefix="plain")["KeyCount"] == 1


def every_key_is_copied():
    for key in KEYS:
        s3.copy_object(Bucket="lake", Key="copy", CopySource={"Bucket": "lake", "Key": key})
        assert body("copy") == body(key), key
    s3.delete_object(Bucket="lake", Key="copy")


def every_key_is_uploaded_in_parts():
    for key in KEYS:
        upload = s3.create_multipart_upload(Bucket="history", Key=key)
        # XML has no form for control characters: the answer leaves such a key out.
        assert upload.get("Key", CONTROL) == key, key
        s3.abort_multipart_upload(Bucket="history", Key=key, UploadId=upload["UploadId"])


def a_key_too_long_is_refused():
    refused("KeyTooLongError", s3.put_object, Bucket="lake", Key="x" * 1025, Body=b"")


def a_key_cannot_leave_its_bucket():
    for key in ["../vault/planted", "../../planted", "..%2Fvault%2Fplanted"]:
        s3.put_object(Bucket="lake", Key=key, Body=b"planted")
    names = [entry["Name"] for entry in s3.list_buckets()["Buckets"]]
    assert names == ["history", "lake"], names
    for source in ["lake/../vault/secret", "lake/%2E%2E/vault/secret"]:
        refused("NoSuchKey", s3.copy_object, Bucket="lake", Key="stolen", CopySource=source)


def every_key_is_deleted():
    s3.delete_objects(Bucket="lake", Delete={"Objects": [{"Key": key} for key in KEYS if key.isprintable()]})
    for key in KEYS:
        if not key.isprintable():
            s3.delete_object(Bucket="lake", Key=key)
        refused("NoSuchKey", s3.get_object, Bucket="lake", Key=key)


run(globals())
