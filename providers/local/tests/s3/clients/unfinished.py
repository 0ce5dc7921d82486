"""Sends half of an object and waits for the server to go away."""

import http.client
import os
import urllib.parse

from endpoint import URL, client

SIZE = 8 * 1024 * 1024
url = client(signature_version="s3v4").generate_presigned_url("put_object", Params={"Bucket": "lake", "Key": "half"})
parsed = urllib.parse.urlsplit(url)
connection = http.client.HTTPConnection(parsed.netloc, timeout=30)
connection.putrequest("PUT", f"{parsed.path}?{parsed.query}")
connection.putheader("Content-Length", str(SIZE))
connection.endheaders()
connection.send(os.urandom(SIZE // 2))
print("half sent", flush=True)
try:
    print("answered", connection.getresponse().status)
except (OSError, http.client.HTTPException):
    print("failed")
