"""A cloud of one machine, on loopback: moto as S3 and SSM, and instance metadata of our own.

The metadata server is as strict as EC2's: no answer without a token that was asked for with PUT,
and no token for a request that came by a proxy. moto stands behind a gate that can be shut.
"""
import contextlib
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import botocore.session
from moto.server import ThreadedMotoServer

REPOSITORY = Path(__file__).resolve().parent.parent.parent
AGENT = REPOSITORY / "templates/boot/agent.py"
# Who runs the agent: an old interpreter can be named, to see that it does.
INTERPRETER = os.environ.get("DSENV_BOOT_PYTHON") or sys.executable
REGION, INSTANCE, ROLE = "eu-central-1", "i-0123456789abcdef0", "machine-role"
PYTHON = f"3.{sys.version_info.minor}"
SIX = ("six==1.17.0 --hash=sha256:"
       "4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274")


def free_port(address):
    with socket.create_server((address, 0)) as listener:
        return listener.getsockname()[1]


class Imds(ThreadingHTTPServer):
    """Instance metadata, version 2 only."""

    daemon_threads = True

    def __init__(self, address):
        super().__init__(("127.0.0.1", 0), ImdsHandler)
        self.tokens, self.refused, self.keys_given, self.lifetime_s = set(), 0, 0, 21600
        self.values = {"instance-id": INSTANCE, "local-ipv4": address,
                       "iam/security-credentials/": ROLE}
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def keys(self):
        self.keys_given += 1
        expires = datetime.now(timezone.utc) + timedelta(seconds=self.lifetime_s)
        return json.dumps({"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "ASIAEXAMPLE",
                           "SecretAccessKey": "key-of-the-role", "Token": "token-of-the-role",
                           "Expiration": f"{expires:%Y-%m-%dT%H:%M:%SZ}"})


class ImdsHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, text=""):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self):
        ttl = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if self.path != "/latest/api/token" or "X-Forwarded-For" in self.headers:
            return self.reply(403)
        if not ttl.isdigit() or not 1 <= int(ttl) <= 21600:
            return self.reply(400)
        token = os.urandom(16).hex()
        self.server.tokens.add(token)
        self.reply(200, token)

    def do_GET(self):
        if self.headers.get("X-aws-ec2-metadata-token") not in self.server.tokens:
            self.server.refused += 1
            return self.reply(401)
        path = self.path.removeprefix("/latest/meta-data/")
        if path == f"iam/security-credentials/{ROLE}":
            return self.reply(200, self.server.keys())
        value = self.server.values.get(path)
        self.reply(404 if value is None else 200, value or "")


class Gate:
    """Passes bytes to a server while it is open; refuses connections while it is shut."""

    def __init__(self, to):
        self.to, self.listener = to, None
        self.port = free_port("127.0.0.1")
        self.open()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def open(self):
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def shut(self):
        # `close` alone leaves the thread in `accept`, with the port.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                threading.Thread(target=self.join, args=(near,), daemon=True).start()

    def join(self, near):
        with near, socket.create_connection(self.to) as far:
            back = threading.Thread(target=self.pump, args=(far, near), daemon=True)
            back.start()
            self.pump(near, far)
            back.join()

    @staticmethod
    def pump(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


class CloudTest(unittest.TestCase):
    """Each test has a bucket, a parameter's name, metadata and a root of its own."""

    count = 0

    @classmethod
    def setUpClass(cls):
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        cls.moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        cls.moto.start()
        cls.at = cls.moto.get_host_and_port()
        session = botocore.session.Session()
        session.set_credentials("operator", "key-of-the-operator")
        client = lambda service: session.create_client(
            service, region_name=REGION, endpoint_url="http://%s:%s" % cls.at)
        cls.s3, cls.ssm = client("s3"), client("ssm")

    @classmethod
    def tearDownClass(cls):
        for client in (cls.s3, cls.ssm):
            client.close()
        cls.moto.stop()

    def setUp(self):
        CloudTest.count += 1
        self.bucket, self.parameter = f"boot-{self.count}", f"/dsenv/machine-{self.count}"
        where = {"LocationConstraint": REGION}
        self.s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration=where)
        # Two runs of the tests at once do not meet: the ports are fixed, as on a machine.
        self.address = f"127.88.{os.getpid() % 256}.{self.count}"
        self.imds, self.gate = Imds(self.address), Gate(self.at)
        self.root = Path(tempfile.mkdtemp(prefix="dsenv-boot-"))
        for folder in ("opt/dsenv", "proc", "dev/disk/by-id"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "proc/mounts").touch()
        self.configure(parameter=None)
        self.agent, self.path = None, os.environ["PATH"]
        self.addCleanup(self.leave_nothing)

    def leave_nothing(self):
        if self.agent and self.agent.poll() is None:
            self.stop()
        left = self.marked()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.gate.shut()
        self.imds.shutdown()
        self.imds.server_close()
        shutil.rmtree(self.root)
        self.assertEqual(left, [], "processes are left")

    # What a provider does.

    def configure(self, **others):
        config = {"region": REGION, "bucket": self.bucket, "key": "boot.json", "parameter": None,
                  "name": "notebook", "index": 0, "poll_seconds": 0.3, **others}
        (self.root / "opt/dsenv/agent.json").write_text(json.dumps(config))

    def put_bundle(self, services, environment=None, software=None, mounts=()):
        """Returns the bundle's etag, as a status has it."""
        return self.put_text(self.document(services, environment=environment or {},
                                           software=software, mounts=list(mounts)))

    @staticmethod
    def document(services, **others):
        return json.dumps({"format": "dsenv-boot/1", "software": None, "environment": {},
                           "services": services, **others})

    def put_text(self, text):
        answer = self.s3.put_object(Bucket=self.bucket, Key="boot.json", Body=text.encode())
        return answer["ETag"].strip('"')

    def put_secrets(self, environment=None, **services):
        value = {"environment": environment or {},
                 "services": {name: {"environment": one} for name, one in services.items()}}
        self.ssm.put_parameter(Name=self.parameter, Type="SecureString", Overwrite=True,
                               Value=json.dumps(value))
        self.configure(parameter=self.parameter)

    # What a machine does.

    def start(self, *options):
        environment = {
            "PATH": self.path, "AWS_ENDPOINT_URL": self.gate.url, "LANG": "C.UTF-8",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.imds.url,
            # A proxy must not be asked for metadata, nor for the health of a service.
            "http_proxy": "http://127.0.0.1:9", "no_proxy": "127.0.0.1",
            **{name: value for name, value in os.environ.items() if name.startswith("PIP_")}}
        argv = [INTERPRETER, "-I", str(AGENT), "--root", str(self.root), *options]
        with open(self.root / "stderr", "ab") as stderr:
            self.agent = subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL,
                                          stdout=stderr, stderr=stderr)

    def stop(self):
        self.agent.send_signal(signal.SIGTERM)
        return self.agent.wait(40)

    def run_once(self):
        self.start("--once")
        code = self.agent.wait(240)
        return code, self.status()

    # What is seen of it.

    def status(self):
        try:
            answer = self.s3.get_object(Bucket=self.bucket, Key=f"status/{INSTANCE}.json")
        except self.s3.exceptions.NoSuchKey:
            return None
        return json.loads(answer["Body"].read())

    def log(self, name):
        try:
            key = f"logs/{INSTANCE}/{name}.log"
            return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read().decode()
        except self.s3.exceptions.NoSuchKey:
            return ""

    def reported(self):
        """All that the machine wrote to the bucket, by key."""
        listed = self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        keys = [one["Key"] for one in listed if one["Key"] != "boot.json"]
        return {key: self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read() for key in keys}

    def await_status(self, wanted, timeout_s=30):
        """Returns the first status for which `wanted` holds."""
        return self.wait_for(lambda: (status := self.status()) and wanted(status) and status,
                             timeout_s, lambda: json.dumps(self.status(), indent=1))

    def await_phase(self, phase, timeout_s=30):
        return self.await_status(lambda status: status["phase"] == phase, timeout_s)

    def wait_for(self, found, timeout_s=30, describe=lambda: ""):
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if result := found():
                return result
            if self.agent and self.agent.poll() not in (None, 0, -9):
                break
            time.sleep(0.1)
        stderr = (self.root / "stderr").read_text(errors="replace")[-4000:]
        self.fail(f"did not happen: {describe()}\n{stderr}")

    def marked(self):
        """Processes of this root, found in another way than the agent's: by their folder."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
                where = os.readlink(f"/proc/{pid}/cwd")
                if state != "Z" and where.startswith(str(self.root)):
                    found.append(int(pid))
        return found


def server(extra="", **others):
    """A service that answers HTTP on its port."""
    return {"run": f"{extra} exec {sys.executable} -u -m http.server "
                   "--bind ${self.address} ${self.ports.web}",
            "port": 8080, "health": {"http": "/"}, "environment": {}, **others}


def sleeper(**environment):
    """A service that does nothing for long."""
    return {"run": "exec sleep 1000", "port": None, "health": None, "environment": environment}
