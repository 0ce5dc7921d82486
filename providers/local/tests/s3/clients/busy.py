"""Without arguments: puts until the server goes away, printing each key once it is answered.
With keys as arguments: checks that each holds what was put."""

import sys

import botocore.exceptions

from endpoint import body, s3

if len(sys.argv) > 1:
    for key in sys.argv[1:]:
        assert body(key) == key.encode() * 1000, key
else:
    number = 0
    while True:
        key = f"busy/{number}"
        try:
            s3.put_object(Bucket="lake", Key=key, Body=key.encode() * 1000)
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
            break
        print(key, flush=True)
        number += 1
