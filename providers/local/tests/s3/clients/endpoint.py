"""What the scripts share: a client for each key, and a runner for the functions of a script."""

import io
import os
import sys
import traceback

import boto3
import botocore.config
import botocore.exceptions

URL = os.environ["S3_ENDPOINT"]
SECRETS = {"WRITER": "writer-secret", "READER": "reader-secret", "OWNER": "owner-secret"}


def client(key="WRITER", secret=None, **config):
    config.setdefault("retries", {"max_attempts": 1})
    config.setdefault("max_pool_connections", 32)
    return boto3.client(
        "s3",
        endpoint_url=URL,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret or SECRETS.get(key, "none"),
        config=botocore.config.Config(**config),
    )


s3 = client()


def refused(code, call, *args, **kwargs):
    """Runs a call that must fail with this error code, and returns the error's answer."""
    try:
        call(*args, **kwargs)
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        return error.response
    raise AssertionError(f"{call.__name__} was not refused")


def body(key, bucket="lake", **kwargs):
    return s3.get_object(Bucket=bucket, Key=key, **kwargs)["Body"].read()


def stream(data):
    return io.BytesIO(data)


def run(functions):
    """Runs every public function of a script, in order, and fails if one does."""
    failed = 0
    for name, function in list(functions.items()):
        ours = getattr(function, "__module__", None) == "__main__"
        if ours and callable(function) and not name.startswith("_"):
            try:
                function()
                print("ok  ", name)
            except Exception:
                failed += 1
                print("FAIL", name)
                traceback.print_exc()
    sys.exit(1 if failed else 0)
