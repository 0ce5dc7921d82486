"""Conditional requests, and the race that they exist for."""

import concurrent.futures
import datetime
import threading

import botocore.exceptions

from endpoint import body, refused, run, s3

ROUNDS = 10
WRITERS = 16


def _race(number, data, put):
    barrier = threading.Barrier(WRITERS)

    def write(writer):
        barrier.wait()
        try:
            put(f"race/{number}", data(writer))
            return writer
        except botocore.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "PreconditionFailed", error
            return None

    with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
        winners = [winner for winner in pool.map(write, range(WRITERS)) if winner is not None]
    assert len(winners) == 1, winners
    assert body(f"race/{number}") == data(winners[0])


def of_many_creators_one_wins():
    def create(key, data):
        s3.put_object(Bucket="lake", Key=key, Body=data, IfNoneMatch="*")

    for number in range(ROUNDS):
        _race(number, lambda writer: b"created by %d" % writer, create)


def of_many_updaters_one_wins():
    for number in range(ROUNDS):
        etag = s3.head_object(Bucket="lake", Key=f"race/{number}")["ETag"]

        def update(key, data):
            s3.put_object(Bucket="lake", Key=key, Body=data, IfMatch=etag)

        _race(number, lambda writer: b"updated by %d" % writer, update)


def writes():
    etag = s3.put_object(Bucket="lake", Key="w", Body=b"one")["ETag"]
    refused("PreconditionFailed", s3.put_object, Bucket="lake", Key="w", Body=b"two", IfNoneMatch="*")
    refused("PreconditionFailed", s3.put_object, Bucket="lake", Key="w", Body=b"two", IfMatch='"other"')
    refused("NoSuchKey", s3.put_object, Bucket="lake", Key="absent", Body=b"two", IfMatch=etag)
    s3.put_object(Bucket="lake", Key="w", Body=b"two", IfMatch=etag)
    assert body("w") == b"two"
    refused("PreconditionFailed", s3.delete_object, Bucket="lake", Key="w", IfMatch=etag)
    s3.delete_object(Bucket="lake", Key="w", IfMatch=s3.head_object(Bucket="lake", Key="w")["ETag"])
    s3.put_object(Bucket="lake", Key="w", Body=b"again", IfNoneMatch="*")


def a_delete_marker_is_nothing():
    s3.put_object(Bucket="history", Key="m", Body=b"one", IfNoneMatch="*")
    s3.delete_object(Bucket="history", Key="m")
    s3.put_object(Bucket="history", Key="m", Body=b"two", IfNoneMatch="*")


def reads():
    etag = s3.put_object(Bucket="lake", Key="r", Body=b"one")["ETag"]
    head = s3.head_object(Bucket="lake", Key="r")
    modified, hour = head["LastModified"], datetime.timedelta(hours=1)
    same = {"Bucket": "lake", "Key": "r"}
    error = refused("304", s3.get_object, IfNoneMatch=etag, **same)
    assert error["ResponseMetadata"]["HTTPHeaders"]["etag"] == etag
    refused("304", s3.get_object, IfModifiedSince=modified, **same)
    refused("PreconditionFailed", s3.get_object, IfMatch='"other"', **same)
    refused("PreconditionFailed", s3.get_object, IfUnmodifiedSince=modified - hour, **same)
    refused("412", s3.head_object, IfMatch='"other"', **same)
    s3.get_object(IfMatch=etag, IfUnmodifiedSince=modified - hour, **same)
    s3.get_object(IfModifiedSince=modified - hour, **same)
    s3.get_object(IfNoneMatch='"other"', IfModifiedSince=modified + hour, **same)


def copies():
    etag = s3.put_object(Bucket="lake", Key="c", Body=b"one")["ETag"]
    s3.put_object(Bucket="lake", Key="d", Body=b"two")
    copy = {"Bucket": "lake", "Key": "d", "CopySource": "lake/c"}
    refused("PreconditionFailed", s3.copy_object, CopySourceIfMatch='"other"', **copy)
    refused("PreconditionFailed", s3.copy_object, CopySourceIfNoneMatch=etag, **copy)
    refused("PreconditionFailed", s3.copy_object, IfNoneMatch="*", **copy)
    assert body("d") == b"two"
    s3.copy_object(CopySourceIfMatch=etag, **copy)
    assert body("d") == b"one"


run(globals())
