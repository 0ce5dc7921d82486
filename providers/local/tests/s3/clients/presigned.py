"""Presigned URLs and a browser's form, sent by a plain HTTP client."""

import http.client
import urllib.parse

from endpoint import body, client, run, s3


def _send(method, url, data=None, headers=None):
    # Not urllib.request: it adds a Content-Type, which signatures of version 2 cover.
    parsed = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parsed.netloc, timeout=30)
    connection.request(method, f"{parsed.path}?{parsed.query}", body=data, headers=headers or {})
    response = connection.getresponse()
    return response.status, response.read()


def _signers():
    return [client(signature_version="s3v4"), client()]


def get_and_put():
    for number, signer in enumerate(_signers()):
        key = f"signed/a b+c%{number}"
        place = {"Bucket": "lake", "Key": key}
        url = signer.generate_presigned_url("put_object", Params=place, ExpiresIn=60)
        assert _send("PUT", url, b"by url")[0] == 200
        assert body(key) == b"by url"
        url = signer.generate_presigned_url("get_object", Params=place, ExpiresIn=60)
        assert _send("GET", url) == (200, b"by url")
        assert _send("PUT", url, b"changed")[0] == 403, "the signature covers the method"
        assert _send("GET", url.replace("signed", "other"))[0] == 403, "and the key"
        assert body(key) == b"by url"


def an_expired_url_is_refused():
    s3.put_object(Bucket="lake", Key="soon", Body=b"x")
    for signer in _signers():
        url = signer.generate_presigned_url("get_object", Params={"Bucket": "lake", "Key": "soon"}, ExpiresIn=-10)
        assert _send("GET", url)[0] in (400, 403), url


def a_url_has_the_rights_of_its_key():
    reader = client("READER", signature_version="s3v4")
    url = reader.generate_presigned_url("put_object", Params={"Bucket": "lake", "Key": "no"}, ExpiresIn=60)
    assert _send("PUT", url, b"x")[0] == 403
    url = reader.generate_presigned_url("get_object", Params={"Bucket": "vault", "Key": "no"}, ExpiresIn=60)
    assert _send("GET", url)[0] == 403


def _form(post, data):
    boundary = "boundary"
    lines = []
    for name, value in post["fields"].items():
        lines += [f"--{boundary}", f'Content-Disposition: form-data; name="{name}"', "", value]
    lines += [f"--{boundary}", 'Content-Disposition: form-data; name="file"; filename="f"', "", ""]
    content = "\r\n".join(lines).encode() + data + f"\r\n--{boundary}--\r\n".encode()
    return _send("POST", post["url"], content, {"Content-Type": f"multipart/form-data; boundary={boundary}"})


def forms():
    signer = client(signature_version="s3v4")
    post = signer.generate_presigned_post("lake", "form", Conditions=[["content-length-range", 1, 10]], ExpiresIn=60)
    assert _form(post, b"by form")[0] == 204
    assert body("form") == b"by form"
    assert _form(post, b"more than ten bytes")[0] == 400
    assert _form({**post, "fields": {**post["fields"], "key": "other"}}, b"x")[0] in (400, 403)
    assert body("form") == b"by form"
    reader = client("READER", signature_version="s3v4").generate_presigned_post("lake", "form", ExpiresIn=60)
    assert _form(reader, b"changed")[0] == 403
    assert body("form") == b"by form"


run(globals())
