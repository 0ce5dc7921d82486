"""The agent signs as AWS does: the published examples, and botocore for its own requests."""
import importlib.util
import unittest
from datetime import datetime, timezone
from pathlib import Path
from unittest import mock

from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

AGENT = Path(__file__).resolve().parent.parent.parent / "templates/boot/agent.py"
spec = importlib.util.spec_from_file_location("agent", AGENT)
agent = importlib.util.module_from_spec(spec)
spec.loader.exec_module(agent)

MOMENT = datetime(2015, 8, 30, 12, 36, 0, tzinfo=timezone.utc)
KEYS = {"AccessKeyId": "AKIDEXAMPLE",
        "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}


def signature(method, path, headers=(), body=b"", token=None):
    keys = {**KEYS, "Token": token}
    url = "https://example.amazonaws.com" + path
    sent = agent.signed(method, url, dict(headers), body, keys, "us-east-1", "service", MOMENT)
    return sent["authorization"].rpartition("Signature=")[2]


class Published(unittest.TestCase):
    """Examples of the AWS Signature Version 4 test suite, by their names there."""

    def test_get_vanilla(self):
        self.assertEqual(signature("GET", "/"),
                         "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")

    def test_get_vanilla_with_session_token(self):
        token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"
        self.assertEqual(signature("GET", "/", token=token),
                         "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8")

    def test_get_utf8(self):
        self.assertEqual(signature("GET", "/%E1%88%B4"),
                         "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85")

    def test_get_header_value_trim(self):
        headers = {"My-Header1": " value1", "My-Header2": ' "a   b   c"'}
        self.assertEqual(signature("GET", "/", headers),
                         "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736")

    def test_post_vanilla(self):
        self.assertEqual(signature("POST", "/"),
                         "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b")

    def test_post_x_www_form_urlencoded(self):
        body = b"Param1=value1"
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": "13",
                   "X-Amz-Content-SHA256": agent.hashlib.sha256(body).hexdigest()}
        self.assertEqual(signature("POST", "/", headers, body),
                         "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b")


class LikeBotocore(unittest.TestCase):
    def check(self, method, url, headers, body, service, signer):
        keys = {**KEYS, "Token": "a/token+with=signs"}
        ours = agent.signed(method, url, headers, body, keys, "eu-central-1", service, MOMENT)
        request = AWSRequest(method, url, dict(headers), body)
        credentials = Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["Token"])
        with mock.patch.object(auth, "get_current_datetime", lambda *_: MOMENT):
            signer(credentials, service, "eu-central-1").add_auth(request)
        self.assertEqual(ours["authorization"], request.headers["Authorization"])

    def test_s3(self):
        for url in ("https://lake.s3.eu-central-1.amazonaws.com/status/i-0.json",
                    "http://127.0.0.1:5000/lake/a%20b/%E1%88%B4//c.json"):
            self.check("PUT", url, {"content-type": "text/plain; charset=utf-8"}, b"hello", "s3",
                       Payload)
            self.check("GET", url, {"if-none-match": '"0123"'}, b"", "s3", Payload)

    def test_ssm(self):
        headers = {"content-type": "application/x-amz-json-1.1",
                   "x-amz-target": "AmazonSSM.GetParameter"}
        self.check("POST", "https://ssm.eu-central-1.amazonaws.com/", headers, b'{"Name": "/a"}',
                   "ssm", auth.SigV4Auth)


class Payload(auth.S3SigV4Auth):
    """botocore leaves the body out over TLS; the agent signs it always."""

    def _should_sha256_sign_payload(self, request):
        return True
