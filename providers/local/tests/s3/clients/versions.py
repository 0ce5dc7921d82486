"""A bucket that keeps versions."""

from endpoint import body, refused, run, s3


def _history(key):
    page = s3.list_object_versions(Bucket="history", Prefix=key)
    rows = page.get("Versions", []) + page.get("DeleteMarkers", [])
    rows = [row for row in rows if row["Key"] == key]
    return sorted(((row["VersionId"], row["IsLatest"], "Size" in row) for row in rows), key=str)


def overwriting_keeps_what_was():
    first = s3.put_object(Bucket="history", Key="doc", Body=b"one")["VersionId"]
    second = s3.put_object(Bucket="history", Key="doc", Body=b"two")["VersionId"]
    assert first != second
    got = s3.get_object(Bucket="history", Key="doc")
    assert (got["Body"].read(), got["VersionId"]) == (b"two", second)
    assert body("doc", bucket="history", VersionId=first) == b"one"
    assert s3.head_object(Bucket="history", Key="doc", VersionId=first)["VersionId"] == first
    assert _history("doc") == sorted([(first, False, True), (second, True, True)], key=str)
    refused("NoSuchVersion", s3.get_object, Bucket="history", Key="doc", VersionId="0" * 32)


def deleting_hides_and_can_be_undone():
    kept = s3.put_object(Bucket="history", Key="gone", Body=b"kept")["VersionId"]
    deleted = s3.delete_object(Bucket="history", Key="gone")
    assert deleted["DeleteMarker"] is True
    marker = deleted["VersionId"]
    error = refused("NoSuchKey", s3.get_object, Bucket="history", Key="gone")
    assert error["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
    assert "gone" not in [e["Key"] for e in s3.list_objects_v2(Bucket="history").get("Contents", [])]
    assert body("gone", bucket="history", VersionId=kept) == b"kept"
    refused("MethodNotAllowed", s3.get_object, Bucket="history", Key="gone", VersionId=marker)
    assert _history("gone") == sorted([(kept, False, True), (marker, True, False)], key=str)
    undone = s3.delete_object(Bucket="history", Key="gone", VersionId=marker)
    assert undone["DeleteMarker"] is True and undone["VersionId"] == marker
    assert body("gone", bucket="history") == b"kept"


def deleting_the_newest_version_uncovers_the_one_before():
    first = s3.put_object(Bucket="history", Key="stack", Body=b"one")["VersionId"]
    second = s3.put_object(Bucket="history", Key="stack", Body=b"two")["VersionId"]
    s3.delete_object(Bucket="history", Key="stack", VersionId=second)
    assert body("stack", bucket="history") == b"one"
    s3.delete_object(Bucket="history", Key="stack", VersionId=first)
    refused("NoSuchKey", s3.get_object, Bucket="history", Key="stack")
    assert _history("stack") == []


def an_old_version_is_copied_and_tagged():
    first = s3.put_object(Bucket="history", Key="copied", Body=b"one")["VersionId"]
    s3.put_object(Bucket="history", Key="copied", Body=b"two")
    source = {"Bucket": "history", "Key": "copied", "VersionId": first}
    copied = s3.copy_object(Bucket="history", Key="copied", CopySource=source)
    assert copied["CopySourceVersionId"] == first
    assert body("copied", bucket="history") == b"one"
    s3.put_object_tagging(Bucket="history", Key="copied", VersionId=first, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert s3.get_object_tagging(Bucket="history", Key="copied")["TagSet"] == []
    assert len(s3.get_object_tagging(Bucket="history", Key="copied", VersionId=first)["TagSet"]) == 1


def pages_of_versions_miss_nothing():
    expected = []
    for key in ["page/a", "page/b", "page/c"]:
        for number in range(4):
            expected.append((key, s3.put_object(Bucket="history", Key=key, Body=b"x")["VersionId"]))
    s3.delete_object(Bucket="history", Key="page/b")
    for size in (1, 2, 3, 5, 100):
        pages = s3.get_paginator("list_object_versions").paginate(
            Bucket="history", Prefix="page/", PaginationConfig={"PageSize": size})
        pages = list(pages)
        versions = [(row["Key"], row["VersionId"]) for page in pages for row in page.get("Versions", [])]
        assert sorted(versions) == sorted(expected), size
        assert len(versions) == len(set(versions)), size
        assert sum(len(page.get("DeleteMarkers", [])) for page in pages) == 1, size
    newest = [row["VersionId"] for row in s3.list_object_versions(Bucket="history", Prefix="page/a")["Versions"]]
    assert newest == [version for key, version in reversed(expected) if key == "page/a"], "the newest first"


def many_versions_are_deleted_at_once():
    version = s3.put_object(Bucket="history", Key="bulk", Body=b"x")["VersionId"]
    deleted = s3.delete_objects(Bucket="history", Delete={"Objects": [{"Key": "bulk"}]})["Deleted"][0]
    assert deleted["DeleteMarker"] is True
    objects = [{"Key": "bulk", "VersionId": version}, {"Key": "bulk", "VersionId": deleted["DeleteMarkerVersionId"]}]
    s3.delete_objects(Bucket="history", Delete={"Objects": objects})
    assert _history("bulk") == []


def the_bucket_says_that_it_keeps_versions():
    assert s3.get_bucket_versioning(Bucket="history")["Status"] == "Enabled"


run(globals())
