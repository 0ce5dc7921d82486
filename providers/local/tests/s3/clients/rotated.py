"""A key before and after it is taken away, and after its secret has changed."""

import sys

from endpoint import refused, s3

EXPECTED = {"refused": "InvalidAccessKeyId", "mismatched": "SignatureDoesNotMatch"}

if sys.argv[1] == "allowed":
    s3.put_object(Bucket="lake", Key="a", Body=b"x")
else:
    refused(EXPECTED[sys.argv[1]], s3.get_object, Bucket="lake", Key="a")
