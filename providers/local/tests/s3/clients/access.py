"""Who may do what."""

import http.client
import urllib.error
import urllib.parse
import urllib.request

import botocore
import botocore.config
import boto3

from endpoint import URL, client, refused, run, s3

reader, owner = client("READER"), client("OWNER")


def a_wrong_secret_or_key_is_refused():
    refused("SignatureDoesNotMatch", client(secret="wrong").get_object, Bucket="lake", Key="a")
    refused("InvalidAccessKeyId", client("NOBODY").get_object, Bucket="lake", Key="a")
    refused("SignatureDoesNotMatch", client(secret="wrong").put_object, Bucket="lake", Key="planted", Body=b"x")
    refused("NoSuchKey", s3.get_object, Bucket="lake", Key="planted")


def no_key_is_refused():
    s3.put_object(Bucket="lake", Key="a", Body=b"x")
    anonymous = boto3.client(
        "s3", endpoint_url=URL, region_name="us-east-1", config=botocore.config.Config(signature_version=botocore.UNSIGNED))
    refused("AccessDenied", anonymous.get_object, Bucket="lake", Key="a")
    refused("AccessDenied", anonymous.put_object, Bucket="lake", Key="b", Body=b"x")
    refused("AccessDenied", anonymous.list_objects_v2, Bucket="lake")
    refused("AccessDenied", anonymous.list_buckets)
    refused("AccessDenied", anonymous.delete_object, Bucket="lake", Key="a")
    refused("AccessDenied", anonymous.get_bucket_policy, Bucket="lake")
    for path in ["/", "/lake", "/lake/a"]:
        try:
            urllib.request.urlopen(URL + path)
            raise AssertionError(path)
        except urllib.error.HTTPError as error:
            assert error.code == 403, path


def a_reader_reads():
    assert reader.get_object(Bucket="lake", Key="a")["Body"].read() == b"x"
    reader.head_object(Bucket="lake", Key="a")
    reader.list_objects_v2(Bucket="lake")
    reader.list_object_versions(Bucket="lake")
    reader.get_object_tagging(Bucket="lake", Key="a")
    same = {"Bucket": "lake", "Key": "a"}
    refused("AccessDenied", reader.put_object, Body=b"y", **same)
    refused("AccessDenied", reader.delete_object, **same)
    refused("AccessDenied", reader.delete_objects, Bucket="lake", Delete={"Objects": [{"Key": "a"}]})
    refused("AccessDenied", reader.copy_object, CopySource="lake/a", Bucket="lake", Key="b")
    refused("AccessDenied", reader.create_multipart_upload, **same)
    refused("AccessDenied", reader.put_object_tagging, Tagging={"TagSet": []}, **same)
    refused("AccessDenied", reader.delete_object_tagging, **same)
    upload = s3.create_multipart_upload(**same)["UploadId"]
    refused("AccessDenied", reader.upload_part, UploadId=upload, PartNumber=1, Body=b"y", **same)
    refused("AccessDenied", reader.upload_part_copy, UploadId=upload, PartNumber=1, CopySource="lake/a", **same)
    refused("AccessDenied", reader.complete_multipart_upload, UploadId=upload, **same)
    refused("AccessDenied", reader.abort_multipart_upload, UploadId=upload, **same)
    s3.abort_multipart_upload(UploadId=upload, **same)


def a_refusal_before_the_body_closes_the_connection():
    # botocore does not send the body then, and would send its next request where the body is expected.
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(URL).netloc, timeout=30)
    connection.putrequest("PUT", "/lake/unsigned")
    connection.putheader("Expect", "100-continue")
    connection.putheader("Content-Length", "1")
    connection.endheaders()
    response = connection.getresponse()
    assert (response.status, response.getheader("Connection")) == (403, "close"), response.headers
    for _ in range(100):
        refused("AccessDenied", reader.put_object, Bucket="lake", Key="a", Body=b"y")
        reader.head_object(Bucket="lake", Key="a")


def another_bucket_is_out_of_reach():
    owner.put_object(Bucket="vault", Key="secret", Body=b"secret")
    refused("AccessDenied", s3.get_object, Bucket="vault", Key="secret")
    refused("AccessDenied", s3.list_objects_v2, Bucket="vault")
    refused("AccessDenied", s3.put_object, Bucket="vault", Key="x", Body=b"")
    refused("AccessDenied", s3.get_object, Bucket="no-such-bucket", Key="x")
    refused("AccessDenied", s3.put_object, Bucket="no-such-bucket", Key="x", Body=b"")
    refused("403", s3.head_bucket, Bucket="vault")


def a_copy_needs_the_right_to_its_source():
    for source in ["vault/secret", {"Bucket": "vault", "Key": "secret"}, "/vault/secret"]:
        refused("AccessDenied", s3.copy_object, Bucket="lake", Key="stolen", CopySource=source)
    upload = s3.create_multipart_upload(Bucket="lake", Key="stolen")["UploadId"]
    refused("AccessDenied", s3.upload_part_copy, Bucket="lake", Key="stolen", UploadId=upload, PartNumber=1,
            CopySource="vault/secret")
    refused("NoSuchKey", s3.get_object, Bucket="lake", Key="stolen")


def an_upload_belongs_to_its_bucket():
    upload = owner.create_multipart_upload(Bucket="vault", Key="k")["UploadId"]
    refused("NoSuchUpload", s3.upload_part, Bucket="lake", Key="k", UploadId=upload, PartNumber=1, Body=b"x")
    refused("NoSuchUpload", s3.abort_multipart_upload, Bucket="lake", Key="k", UploadId=upload)
    owner.abort_multipart_upload(Bucket="vault", Key="k", UploadId=upload)


def the_list_of_buckets_shows_only_ones_own():
    def names(who):
        return [bucket["Name"] for bucket in who.list_buckets()["Buckets"]]

    assert names(s3) == ["history", "lake"]
    assert names(reader) == ["lake"]
    assert names(owner) == ["vault"]


def buckets_are_not_made_or_changed_by_keys():
    refused("AccessDenied", s3.create_bucket, Bucket="new-bucket")
    refused("AccessDenied", s3.delete_bucket, Bucket="lake")
    refused("AccessDenied", s3.put_bucket_versioning, Bucket="lake", VersioningConfiguration={"Status": "Enabled"})
    s3.get_object(Bucket="lake", Key="a")


run(globals())
