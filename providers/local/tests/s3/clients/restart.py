"""Stores on the first run, finds on the second. The server is restarted between them."""

import sys

from endpoint import body, refused, s3

if sys.argv[1] == "store":
    s3.put_object(Bucket="lake", Key="kept", Body=b"kept", Metadata={"a": "1"}, Tagging="t=1")
    s3.put_object(Bucket="lake", Key="deleted", Body=b"x")
    s3.delete_object(Bucket="lake", Key="deleted")
    s3.put_object(Bucket="history", Key="v", Body=b"one")
    s3.put_object(Bucket="history", Key="v", Body=b"two")
    upload = s3.create_multipart_upload(Bucket="lake", Key="open")["UploadId"]
    s3.upload_part(Bucket="lake", Key="open", UploadId=upload, PartNumber=1, Body=b"part")
else:
    assert body("kept") == b"kept"
    assert s3.head_object(Bucket="lake", Key="kept")["Metadata"] == {"a": "1"}
    refused("NoSuchKey", s3.get_object, Bucket="lake", Key="deleted")
    versions = s3.list_object_versions(Bucket="history")["Versions"]
    assert [body("v", bucket="history", VersionId=row["VersionId"]) for row in versions] == [b"two", b"one"]
    upload = s3.list_multipart_uploads(Bucket="lake")["Uploads"][0]["UploadId"]
    parts = s3.list_parts(Bucket="lake", Key="open", UploadId=upload)["Parts"]
    parts = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]
    s3.complete_multipart_upload(Bucket="lake", Key="open", UploadId=upload, MultipartUpload={"Parts": parts})
    assert body("open") == b"part"
