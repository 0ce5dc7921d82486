"""Uploads in parts, by hand and as boto3 and its transfer manager do them."""

import base64
import hashlib
import os
import zlib

import boto3.s3.transfer

from endpoint import body, refused, run, s3, stream

PART = 5 * 1024 * 1024


def _start(key, **kwargs):
    return s3.create_multipart_upload(Bucket="lake", Key=key, **kwargs)["UploadId"]


def _part(key, upload, number, data, **kwargs):
    put = s3.upload_part(Bucket="lake", Key=key, UploadId=upload, PartNumber=number, Body=data, **kwargs)
    return {"PartNumber": number, **{name: value for name, value in put.items() if name == "ETag" or "Checksum" in name}}


def _complete(key, upload, parts, **kwargs):
    return s3.complete_multipart_upload(
        Bucket="lake", Key=key, UploadId=upload, MultipartUpload={"Parts": parts}, **kwargs)


def the_transfer_manager_moves_20_mb():
    data = os.urandom(20 * 1024 * 1024)
    s3.upload_fileobj(stream(data), "lake", "large", ExtraArgs={"Metadata": {"a": "1"}})
    head = s3.head_object(Bucket="lake", Key="large")
    assert head["ContentLength"] == len(data) and head["Metadata"] == {"a": "1"}
    assert head["ETag"].endswith('-3"'), head["ETag"]
    out = stream(b"")
    s3.download_fileobj("lake", "large", out)
    assert out.getvalue() == data
    s3.copy({"Bucket": "lake", "Key": "large"}, "lake", "large-copy",
            Config=boto3.s3.transfer.TransferConfig(multipart_threshold=PART, multipart_chunksize=6 * 1024 * 1024))
    assert hashlib.md5(body("large-copy")).digest() == hashlib.md5(data).digest()
    assert s3.list_parts.__name__ and not s3.list_multipart_uploads(Bucket="lake").get("Uploads")


def parts_make_the_object():
    one, two = os.urandom(PART), b"the end"
    upload = _start("parts", ContentType="text/csv", ChecksumAlgorithm="CRC32")
    parts = [_part("parts", upload, 3, one), _part("parts", upload, 7, two)]
    refused("NoSuchKey", s3.get_object, Bucket="lake", Key="parts")
    listed = s3.list_parts(Bucket="lake", Key="parts", UploadId=upload, MaxParts=1)
    assert listed["IsTruncated"] and listed["Parts"][0]["PartNumber"] == 3 and listed["Parts"][0]["Size"] == PART
    listed = s3.list_parts(Bucket="lake", Key="parts", UploadId=upload, PartNumberMarker=3)
    assert [part["PartNumber"] for part in listed["Parts"]] == [7]
    done = _complete("parts", upload, parts)
    etag = hashlib.md5(hashlib.md5(one).digest() + hashlib.md5(two).digest()).hexdigest()
    assert done["ETag"] == f'"{etag}-2"'
    sums = b"".join(zlib.crc32(part).to_bytes(4, "big") for part in (one, two))
    composite = base64.b64encode(zlib.crc32(sums).to_bytes(4, "big")).decode()
    head = s3.head_object(Bucket="lake", Key="parts", ChecksumMode="ENABLED")
    assert (head["ChecksumCRC32"], head["ChecksumType"]) == (f"{composite}-2", "COMPOSITE"), head
    assert head["ContentType"] == "text/csv"
    assert body("parts") == one + two
    second = s3.get_object(Bucket="lake", Key="parts", PartNumber=2)
    assert (second["Body"].read(), second["PartsCount"]) == (two, 2)
    refused("InvalidRange", s3.get_object, Bucket="lake", Key="parts", PartNumber=3)
    refused("NoSuchUpload", s3.list_parts, Bucket="lake", Key="parts", UploadId=upload)


def a_full_object_checksum_is_that_of_the_bytes():
    one, two = os.urandom(PART), b"the end"
    upload = _start("full", ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    parts = [_part("full", upload, 1, one), _part("full", upload, 2, two)]
    whole = base64.b64encode(zlib.crc32(one + two).to_bytes(4, "big")).decode()
    refused("InvalidPart", _complete, "full", upload, parts, ChecksumCRC32="AAAAAA==", ChecksumType="FULL_OBJECT")
    done = _complete("full", upload, parts, ChecksumCRC32=whole, ChecksumType="FULL_OBJECT")
    assert (done["ChecksumCRC32"], done["ChecksumType"]) == (whole, "FULL_OBJECT")
    assert body("full") == one + two


def what_is_listed_wrongly_is_refused():
    upload = _start("wrong")
    one, two = _part("wrong", upload, 1, b"small"), _part("wrong", upload, 2, b"last")
    refused("EntityTooSmall", _complete, "wrong", upload, [one, two])
    refused("InvalidPartOrder", _complete, "wrong", upload, [two, one])
    refused("InvalidPart", _complete, "wrong", upload, [{"PartNumber": 1, "ETag": '"' + "0" * 32 + '"'}])
    refused("InvalidPart", _complete, "wrong", upload, [{"PartNumber": 9, "ETag": one["ETag"]}])
    refused("MalformedXML", s3.complete_multipart_upload, Bucket="lake", Key="wrong", UploadId=upload)
    refused("NoSuchUpload", _complete, "other", upload, [one])
    refused("InvalidArgument", _part, "wrong", upload, 10001, b"")
    refused("BadDigest", _part, "wrong", upload, 1, b"x", ContentMD5=base64.b64encode(b"0" * 16).decode())
    refused("NoSuchKey", s3.get_object, Bucket="lake", Key="wrong")
    again = _part("wrong", upload, 1, b"uploaded again")
    refused("InvalidPart", _complete, "wrong", upload, [one])
    _complete("wrong", upload, [again])
    assert body("wrong") == b"uploaded again"


def an_aborted_upload_is_gone():
    upload = _start("aborted")
    _part("aborted", upload, 1, b"x" * 1000)
    listed = s3.list_multipart_uploads(Bucket="lake", Prefix="abo")["Uploads"]
    assert [(entry["Key"], entry["UploadId"]) for entry in listed] == [("aborted", upload)]
    s3.abort_multipart_upload(Bucket="lake", Key="aborted", UploadId=upload)
    assert not s3.list_multipart_uploads(Bucket="lake").get("Uploads")
    refused("NoSuchUpload", _part, "aborted", upload, 2, b"x")
    refused("NoSuchUpload", s3.abort_multipart_upload, Bucket="lake", Key="aborted", UploadId=upload)


def parts_are_copied_from_objects():
    s3.put_object(Bucket="lake", Key="source", Body=b"0123456789")
    upload = _start("assembled")
    copied = s3.upload_part_copy(
        Bucket="lake", Key="assembled", UploadId=upload, PartNumber=1, CopySource="lake/source", CopySourceRange="bytes=2-5")
    etag = copied["CopyPartResult"]["ETag"]
    assert etag == f'"{hashlib.md5(b"2345").hexdigest()}"'
    _complete("assembled", upload, [{"PartNumber": 1, "ETag": etag}])
    assert body("assembled") == b"2345"


def versions_are_made_by_uploads_too():
    upload = s3.create_multipart_upload(Bucket="history", Key="v")["UploadId"]
    etag = s3.upload_part(Bucket="history", Key="v", UploadId=upload, PartNumber=1, Body=b"one")["ETag"]
    done = s3.complete_multipart_upload(
        Bucket="history", Key="v", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
    assert len(done["VersionId"]) == 32


def a_conditional_upload_loses_to_an_object():
    s3.put_object(Bucket="lake", Key="taken", Body=b"first")
    upload = _start("taken")
    part = _part("taken", upload, 1, b"second")
    refused("PreconditionFailed", _complete, "taken", upload, [part], IfNoneMatch="*")
    assert body("taken") == b"first"


run(globals())
