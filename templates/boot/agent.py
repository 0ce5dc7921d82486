#!/usr/bin/env python3
"""Makes this machine what a blueprint says: locked Python packages, and services that keep running.

It runs as root from the first boot on, so it is one file that can be read before it is trusted, and
uses Python's standard library alone. What is wanted comes as a bundle from S3, secrets come from an
SSM parameter, and what became of it goes back to S3. It listens nowhere. Services run as `dsenv`.

The main thread looks for a new bundle and converges to it; each service has a thread that keeps it
running; one thread reports; one waits for the notice of a spot interruption.
"""
import argparse
import contextlib
import fcntl
import hashlib
import hmac
import http.client
import json
import os
import pwd
import random
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path

USER, SYSTEM_PATH = "dsenv", "/usr/local/bin:/usr/bin:/bin"
POLL_S = 15  # SSM answers 40 calls a second, for all machines of an account together.
PATIENCE_S = 120  # The rights of a new role take effect late; until then a refusal is no failure.
CALL_TIMEOUT_S, CALL_TRIES = 10, 3
RETRY_FIRST_S, RETRY_MAX_S = 30, 600  # To converge again to what failed.
RESTART_FIRST_S, RESTART_MAX_S = 1, 30
STEADY_S = 30  # A service that ran for as long starts again after the first pause.
DEATHS_MAX = 3  # As many in a row, and a service has failed; it is started all the same.
STARTING_MAX_S = 300  # A service that never answers holds nobody up for longer.
STOP_S = 10
CHECK_TIMEOUT_S, CHECK_STARTING_S, CHECK_S, MISSES_MAX = 5, 0.5, 2, 2
STATUS_S, LOGS_INSTALLING_S, LOGS_S, SPOT_S = 60, 5, 15, 5
LOG_BYTES_MAX, UPLOAD_BYTES_MAX, TAIL_LINES = 4 << 20, 1 << 20, 20
NFS = "nfsvers=4.1,rsize=1048576,wsize=1048576,hard,timeo=600,retrans=2,noresvport,_netdev"
SECRET_CHARS_MIN = 4  # To hide shorter ones would hide half of every log.


class Trouble(Exception):
    """What cannot be done, and why, in the words of whoever refused."""

    def __init__(self, what, cause, output=""):
        super().__init__(f"{what}: {cause}")
        self.report = {"what": what, "cause": cause, "log_tail": last_lines(output)}


def last_lines(text):
    return "\n".join([line for line in text.splitlines() if line.strip()][-TAIL_LINES:])


def now():
    return datetime.now(timezone.utc)


def instant(text):
    """Reads a time as AWS writes it; Python before 3.11 does not know the `Z`."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


# ---- Files ----


class Place:
    """Where everything is. `--root` moves all of it, so that a test leaves its machine alone."""

    def __init__(self, root):
        self.is_system = root == Path("/") and os.geteuid() == 0
        self.base, self.run, self.root = root / "opt/dsenv", root / "opt/dsenv/run", root
        self.logs, self.home = root / "var/log/dsenv", root / "home/dsenv"
        os.umask(0o022)
        for folder in (self.base, self.run, self.logs, self.home.parent):
            folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.run, self.logs):  # A service may print what is secret.
            folder.chmod(0o700)


def write_private(path, text, owner=None):
    """Replaces a file as a whole; nobody but its owner ever reads it."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    if owner:
        os.chown(new, owner["user"], owner["group"])
    new.replace(path)


def open_log(path):
    """Opens a log to append to. One that grew too large is moved aside first, by copying: whoever
    writes to it keeps it open, and goes on at its new end."""
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        shutil.copy(path, f"{path}.1")
        os.truncate(path, 0)
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab", buffering=0)


class BootLog:
    """The agent's own log. It knows each secret that the agent was told, and writes none."""

    def __init__(self, path):
        self.path, self.lock, self.hidden = path, threading.Lock(), []

    def hide(self, values):
        """Remembers secrets: as they are, as JSON has them, and line by line, as logs are read."""
        known = set(self.hidden)
        for value in values:
            known.update(part.encode() for part in [value, json.dumps(value)[1:-1],
                         *value.splitlines()] if len(part) >= SECRET_CHARS_MIN)
        self.hidden = sorted(known, key=len, reverse=True)

    def clean(self, data):
        for secret in self.hidden:
            data = data.replace(secret, b"(secret)")
        return data

    def say(self, text):
        line = self.clean(f"{now():%FT%TZ} {text.rstrip()}\n".encode(errors="replace"))
        with self.lock:
            sys.stderr.buffer.write(line)
            sys.stderr.flush()
            with contextlib.suppress(OSError), open_log(self.path) as log:  # The disk may be full.
                log.write(line)

    def end_of(self, path, count):
        """Returns the last bytes of any log, without secrets: cleaned before it is cut."""
        parts = [part for part in (Path(f"{path}.1"), path) if part.exists()]
        return self.clean(b"".join(part.read_bytes() for part in parts))[-count:]


# ---- Amazon ----


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A signature holds for one address: a redirect is an answer, not an instruction."""

    def redirect_request(self, *_):
        return None


BY_PROXY = urllib.request.build_opener(NoRedirect)  # By that of the environment, if any.
DIRECT = urllib.request.build_opener(NoRedirect, urllib.request.ProxyHandler({}))


def fetch(opener, method, url, headers, body=None):
    """Returns status, headers and body of any answer; OSError when none comes."""
    request = urllib.request.Request(url, data=body, headers=headers, method=method)
    try:
        try:
            answer = opener.open(request, timeout=CALL_TIMEOUT_S)
        except urllib.error.HTTPError as refused:
            answer = refused
        with answer:
            return answer.status, answer.headers, answer.read()
    except http.client.HTTPException as error:
        raise OSError(f"the answer breaks off: {error!r}")


def signed(method, url, headers, body, keys, region, service, moment):
    """Returns the headers of a request with its signature, AWS Signature Version 4.

    Requests of this program have no query, and the path of `url` is signed as it is sent, which is
    what S3 wants; other services have the path `/`. Every header that is given is signed.
    """
    stamp, parts = f"{moment:%Y%m%dT%H%M%SZ}", urllib.parse.urlsplit(url)
    payload = hashlib.sha256(body).hexdigest()
    headers = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    headers.update({"host": parts.netloc, "x-amz-date": stamp})
    if service == "s3":
        headers["x-amz-content-sha256"] = payload
    if keys.get("Token"):
        headers["x-amz-security-token"] = keys["Token"]
    names = sorted(headers)
    lines = [f"{name}:{headers[name]}" for name in names]
    request = "\n".join([method, parts.path or "/", "", *lines, "", ";".join(names), payload])
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = ("AWS4" + keys["SecretAccessKey"]).encode()
    for part in [*scope.split("/"), f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"]:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={keys['AccessKeyId']}/{scope}, "
                                f"SignedHeaders={';'.join(names)}, Signature={key.hex()}")
    return headers


class Metadata:
    """The instance's metadata (IMDSv2): who this machine is, and the keys of its role."""

    def __init__(self):
        own = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254")
        self.base, self.lock = own.rstrip("/") + "/latest/", threading.Lock()
        self.token = self.role_keys = None

    def get(self, path):
        """Returns a text, or None where there is none. OSError when nobody answers."""
        for _ in range(2):
            if not self.token:
                ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}
                status, _, body = fetch(DIRECT, "PUT", self.base + "api/token", ttl, b"")
                if status != 200:
                    raise OSError(f"the instance's metadata gives no token: status {status}")
                self.token = body.decode()
            headers = {"X-aws-ec2-metadata-token": self.token}
            status, _, body = fetch(DIRECT, "GET", f"{self.base}meta-data/{path}", headers)
            if status != 401:
                break
            self.token = None  # It expired.
        if status not in (200, 404):
            raise OSError(f"the instance's metadata answers `{path}` with status {status}")
        return body.decode() if status == 200 else None

    def keys(self):
        """Returns the role's keys. In their last ten minutes it asks for new ones again and again:
        EC2 has those at least five minutes before the old ones expire."""
        with self.lock:
            if not self.role_keys or now() > self.renew_at:
                role = (self.get("iam/security-credentials/") or "").strip()
                if not role:
                    raise OSError("no role is attached to this instance")
                keys = json.loads(self.get(f"iam/security-credentials/{role}") or "{}")
                if keys.get("Code") != "Success":
                    raise OSError(f"the role `{role}` gives no keys: {keys.get('Code')}")
                self.renew_at = max(instant(keys["Expiration"]) - timedelta(minutes=10),
                                    now() + timedelta(seconds=10))
                self.role_keys = keys
            return self.role_keys


class Cloud:
    """S3 and SSM, used with the rights of this machine's role."""

    def __init__(self, config, metadata, stopping):
        self.config, self.metadata, self.stopping = config, metadata, stopping
        self.region = config["region"]
        domain = "amazonaws.com" + ".cn" * self.region.startswith("cn-")
        bucket, s3 = config["bucket"], self.own_endpoint("s3")
        self.bucket = f"{s3}/{bucket}" if s3 else f"https://{bucket}.s3.{self.region}.{domain}"
        self.ssm = self.own_endpoint("ssm") or f"https://ssm.{self.region}.{domain}"

    def own_endpoint(self, service):
        """Returns an address of the environment or the configuration; None for Amazon's."""
        found = (os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}")
                 or os.environ.get("AWS_ENDPOINT_URL")
                 or (self.config.get("endpoints") or {}).get(service))
        return found and found.rstrip("/")

    def call(self, service, method, url, headers, body=None):
        """Returns status, headers and body; tries again what may pass, and raises Trouble."""
        for attempt in range(CALL_TRIES):
            self.stopping.wait(random.uniform(0.5, 1) * attempt)
            try:
                keys = self.metadata.keys()
                sent = signed(method, url, headers, body or b"", keys, self.region, service, now())
                status, answer, data = fetch(BY_PROXY, method, url, sent, body)
            except (OSError, ValueError) as error:
                cause = f"{method} {url}: {getattr(error, 'reason', error)}"
                continue
            if status in (200, 304):
                return status, answer, data
            cause = f"{method} {url}: status {status} {refusal(data)}"
            if "Expired" in cause:
                self.metadata.role_keys = None
            elif status < 500 and status != 429 and "Throttling" not in cause:
                break
        raise Trouble(f"{service.upper()} does not do what it is asked", cause.strip())

    def s3(self, method, key, headers, body=None):
        url = f"{self.bucket}/{urllib.parse.quote(key, safe='/-_.~')}"
        return self.call("s3", method, url, headers, body)

    def parameter(self, decrypted):
        headers = {"content-type": "application/x-amz-json-1.1",
                   "x-amz-target": "AmazonSSM.GetParameter"}
        body = json.dumps({"Name": self.config["parameter"], "WithDecryption": decrypted}).encode()
        return json.loads(self.call("ssm", "POST", self.ssm + "/", headers, body)[2])["Parameter"]


def refusal(data):
    """Returns code and message, of S3's XML or of SSM's JSON."""
    found = re.findall(r'(?:<(?:Code|Message)>|"(?:__type|[Mm]essage)": ?")([^<"]*)',
                       data.decode(errors="replace"))
    return ": ".join(found)[:400]


# ---- The bundle ----

# A public key as OpenSSH writes it.
KEY = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}( [^\r\n]*)?")


def parse_bundle(data, secret):
    """Returns the bundle with the secrets merged over it, and the secret values.

    What is wrong with the secrets is said without a word of them.
    """
    what = "the bundle cannot be used"
    try:
        bundle = json.loads(data)
        if bundle["format"] != "dsenv-boot/1":
            raise ValueError("its format is not `dsenv-boot/1`")
        shared, services = bundle.get("environment") or {}, bundle.get("services") or {}
        software, people = bundle.get("software"), bundle.get("people") or []
        if software and not re.fullmatch(r"3\.\d+", software["python"]):
            raise ValueError(f"`{software['python']}` is no minor version of Python")
        for key in [key for one in people for key in one["keys"]]:
            if not KEY.fullmatch(key):
                raise ValueError(f"`{key}` is no public key")
        for name, service in services.items():
            # `boot` is the name of the agent's own log.
            if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) or name == "boot":
                raise ValueError(f"a service cannot be called `{name}`")
            if not isinstance(service["run"], str):
                raise ValueError(f"the command of service `{name}` is no text")
            service["environment"] = service.get("environment") or {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Trouble(what, str(error) if type(error) is ValueError else repr(error))
    hidden = set()
    try:
        given = json.loads(secret or "{}")
        over = [(shared, given.get("environment"))]
        for name, service in (given.get("services") or {}).items():
            over.append((services[name]["environment"], service.get("environment")))
        for variables, values in over:
            variables.update(values or {})
            hidden.update((values or {}).values())
        assert all(isinstance(value, str) for value in hidden)
    except Exception:
        raise Trouble(what, "the parameter with its secrets does not fit it") from None
    for variables in [shared, *(service["environment"] for service in services.values())]:
        for name, value in variables.items():
            if not isinstance(value, str):
                raise Trouble(what, f"the variable `{name}` is no text")
    return {"software": software, "environment": shared, "services": services,
            "people": people, "mounts": bundle.get("mounts", [])}, hidden


def fill(template, facts):
    """Puts what `${self.…}` stands for into a text; `$${` becomes `${`. As on every provider."""
    filled, rest = "", template
    while "${" in rest:
        before, rest = rest.split("${", 1)
        if before.endswith("$"):
            filled += before[:-1] + "${"
            continue
        path, closed, rest = rest.partition("}")
        if not closed:
            raise ValueError("`${` is not closed by `}`")
        if facts.get(path) is None:
            raise ValueError(f"this machine has no `{path}`")
        filled += before + str(facts[path])
    return filled + rest


# ---- Processes ----


def stat(pid):
    """Returns state, session and start time of a process; Nones when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return fields[0], int(fields[3]), int(fields[19])
    except (OSError, IndexError):
        return None, None, None


def living(mark, sessions):
    """Returns pid and start time of each process that has a mark in its environment or belongs to
    one of the sessions: a program may lose the one or leave the other, and seldom does both."""
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        state, session, start = stat(pid)
        if state in (None, "Z", "X") or pid == os.getpid():
            continue
        try:
            environment = b"\0" + Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            environment = b""
        if session in sessions or f"\0DSENV_SERVICE={mark}".encode() in environment:
            found.append((pid, start))
    return found


def end(mark, sessions, grace_s, reap=lambda: None):
    """Ends all processes of a mark: asks them, waits, and kills until none is left. Whoever is
    started meanwhile is not asked: it may be what writes down the work that is to be saved."""
    asked_at = None
    while True:
        reap()
        processes = living(mark, sessions)
        if not processes:
            return
        if asked_at is None or time.monotonic() - asked_at > grace_s:
            for pid, start in processes:
                with contextlib.suppress(ProcessLookupError):
                    if stat(pid)[2] == start:  # Else the number is another process's by now.
                        os.kill(pid, signal.SIGTERM if asked_at is None else signal.SIGKILL)
        asked_at = asked_at or time.monotonic()
        time.sleep(0.1)


def boot_id():
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def sizeless(mount):
    """What grows, grows below whoever has files open."""
    return mount and {**mount, "size": 0}


class Service(threading.Thread):
    """Keeps one service running until it is told to stop."""

    def __init__(self, agent, name, spec):
        super().__init__(name=name, daemon=True)
        self.agent, self.spec, self.log = agent, spec, agent.place.logs / f"{name}.log"
        self.ending, self.grace_s = threading.Event(), STOP_S
        self.state, self.detail, self.pid = "starting", None, None
        self.restarts, self.deaths, self.was_up = 0, 0, False

    def run(self):
        pause = RESTART_FIRST_S
        while not self.ending.is_set():
            started = time.monotonic()
            try:
                ended = self.run_once()
            except Exception as error:
                ended = f"an error of its start: {error}"
            if self.ending.is_set():
                break
            self.deaths = 1 if time.monotonic() - started > STEADY_S else self.deaths + 1
            pause = RESTART_FIRST_S if self.deaths == 1 else min(pause * 2, RESTART_MAX_S)
            self.detail = f"it ended with {ended}"
            self.state = "failed" if self.deaths >= DEATHS_MAX else "starting"
            self.agent.say(f"service `{self.name}` ended with {ended}; starts again in {pause} s")
            self.ending.wait(pause)
            self.restarts += 1
        self.detail = None

    def run_once(self):
        """Starts the service, watches it to its end, ends what it left; returns how it ended.

        The mark is there before the process, the record after: by one or the other a successor of
        this agent finds the process, at whichever moment this one is killed.
        """
        mark, record = f"{self.agent.token}/{self.name}", self.agent.place.run / f"{self.name}.json"
        with open_log(self.log) as log:
            process = subprocess.Popen(
                ["/bin/sh", "-c", self.spec["run"]], cwd=self.agent.place.home,
                env={**self.spec["environment"], "DSENV_SERVICE": mark}, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True, **self.agent.owner)
        self.pid = process.pid
        try:
            write_private(record, json.dumps({"pgid": process.pid, "start": stat(process.pid)[2],
                                              "boot": boot_id()}))
            self.watch(process)
        finally:
            grace_s = self.grace_s if self.ending.is_set() else 2
            end(mark + "\0", {process.pid}, grace_s, process.poll)
            self.pid = None
            record.unlink(missing_ok=True)
        code = process.wait()
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def watch(self, process):
        started, due, misses, is_up = time.monotonic(), 0, 0, False
        while process.poll() is None and not self.ending.wait(0.2):
            ran_s = time.monotonic() - started
            if ran_s < due:
                continue
            open_log(self.log).close()
            ill = self.check(ran_s)
            misses = misses + 1 if ill else 0
            if not ill:
                is_up, self.was_up, self.state, self.detail = True, True, "healthy", None
            elif is_up and misses >= MISSES_MAX:
                self.state, self.detail = "unhealthy", ill
            elif not is_up and ran_s > STARTING_MAX_S:
                self.state, self.detail = "failed", ill
            elif self.state == "starting":
                self.detail = ill
            due = ran_s + (CHECK_S if is_up else CHECK_STARTING_S)

    def check(self, ran_s):
        """Returns what is wrong with the running service, or None."""
        health, address = self.spec["health"] or {}, (self.spec["address"], self.spec["port"])
        if not address[1] or not health:
            # There is nobody to ask: to live for a moment is all, for longer after it died.
            return None if ran_s > 0.3 + 3 * self.deaths else "it was started a moment ago"
        try:
            if not health.get("http"):
                socket.create_connection(address, CHECK_TIMEOUT_S).close()
                return None
            connection = http.client.HTTPConnection(*address, timeout=CHECK_TIMEOUT_S)
            try:
                connection.request("GET", health["http"], headers={"User-Agent": "dsenv"})
                status = connection.getresponse().status
            finally:
                connection.close()
            # Below 500 is life: a 403 without a token is one.
            return None if status < 500 else f"GET {health['http']} answers with status {status}"
        except (OSError, http.client.HTTPException) as error:
            return f"{address[0]}:{address[1]} does not answer: {error}"

    def report(self):
        port = self.spec["port"]
        state = "stopped" if self.ending.is_set() else self.state  # With a pid, until it is gone.
        return {"state": state, "restarts": self.restarts, "pid": self.pid,
                "url": f"http://{self.spec['address']}:{port}/" if port else None,
                "detail": self.detail}


# ---- Software ----

# Anything else in a line could be an option that steers pip.
LINE = re.compile(r"([A-Za-z0-9][\w.-]*)==[A-Za-z0-9][\w.+!-]*( ; ((?!--).)+?)?"
                  r"( --hash=sha256:[0-9a-f]{64})+", re.ASCII)
PROBE = """import sys, sysconfig
try:
    import venv, ensurepip
except ImportError as error: print(error)
else: print("able")
print("%d.%d" % sys.version_info[:2], sysconfig.get_platform())"""
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1", "NO_COLOR": "1",
         "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore",
         "PIP_PROGRESS_BAR": "off"}
UNREACHABLE = re.compile(r"(?:NewConnection|ConnectTimeout|ReadTimeout|Proxy|SSL)Error\(.*")


def stated_cause(output):
    """Returns what a program itself calls its error, else its last line."""
    unreachable = UNREACHABLE.search(output)
    if unreachable:  # pip goes on to say that there is no such package.
        return f"the package index cannot be reached: {unreachable[0]}"[:600]
    error = re.search(r"^(?:ERROR|Error|error|E): .*", output, re.MULTILINE | re.DOTALL)
    return (error[0] if error else last_lines(output).rpartition("\n")[2]).strip()[:600]


class Software:
    """A venv with what the lock names and nothing else; another lock gets another folder."""

    def __init__(self, base, run, wanted):
        self.run, self.python, self.platforms = run, wanted["python"], wanted["platforms"]
        self.names, self.text = set(), "".join(f"{line}\n" for line in wanted["packages"])
        for line in wanted["packages"]:
            if not LINE.fullmatch(line):
                raise Trouble("the bundle cannot be used", f"`{line}` is no package with a hash")
            self.names.add(re.sub(r"[-_.]+", "-", line.split("==")[0]).lower())
        text = f"{self.python}\n{self.platforms}\n{self.text}"
        self.digest = hashlib.sha256(text.encode()).hexdigest()
        self.folder = base / f"env-{self.digest[:16]}"

    def install(self):
        """Builds the venv unless it is complete. Services never run from an unfinished one."""
        stamp, python = self.folder / ".dsenv-complete", self.folder / "bin/python"
        if python.exists() and stamp.exists() and stamp.read_text() == self.digest:
            return
        interpreter, what = self.interpreter(), "the python packages cannot be installed"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.run([interpreter, "-I", "-m", "venv", str(self.folder)], "no venv can be made", 300)
        pip, requirements = [str(python), "-I", "-m", "pip"], self.folder / "requirements.txt"
        requirements.write_text(self.text)
        if self.names:
            # By force, since a lock may name what a venv comes with: that must have its hash too.
            # Compiled, since those who import it later may not write here.
            self.run([*pip, "install", "--require-hashes", "--no-deps", "--no-input",
                      "--force-reinstall", "-r", str(requirements)], what, 3600)
        extra = {"setuptools", "wheel", "pip"} - self.names
        if extra:
            self.run([*pip, "uninstall", "--yes", *sorted(extra)], what, 300)
        os.sync()  # The stamp must not survive a power failure that its packages do not.
        stamp.write_text(self.digest)

    def interpreter(self):
        """Returns an interpreter of the locked version that can make a venv, helped if need be."""
        what, found = "this machine cannot make the environment", []
        for name in (f"python{self.python}", "python3"):
            path = shutil.which(name)
            if not path:
                continue
            able, version, platform = self.probe(path)
            found.append(f"`{path}` is {version} on {platform}")
            if version != self.python or self.platforms not in ("universal", platform):
                continue
            if able != "able":
                self.install_venv(name, f"`{path}` cannot make a venv ({able})")
                able = self.probe(path)[0]
            if able == "able":
                return path
            raise Trouble(what, f"`{path}` cannot make a venv: {able}")
        found = ", ".join(found) or "there is no python3"
        raise Trouble(what, f"the lock is for Python {self.python} on {self.platforms}; {found}")

    def probe(self, path):
        output = self.run([path, "-I", "-c", PROBE], f"`{path}` does not work", 60)
        able, facts = output.strip().splitlines()[-2:]
        return [able, *facts.split()]

    def install_venv(self, name, why):
        """Debian has what makes a venv in a package of its own, Amazon Linux with pip."""
        install(self.run, f"{name}-venv", f"{name}-pip", why)


def install(run, debian, amazon, why):
    """Installs a package of the distribution."""
    if shutil.which("apt-get"):
        get = ["apt-get", "-o", "DPkg::Lock::Timeout=300"]
        what = f"{why}, and `{debian}` cannot be installed"
        run(["dpkg", "--configure", "-a"], what, 600)  # One may have been cut off.
        run([*get, "update"], what, 600)
        run([*get, "install", "--yes", "--no-install-recommends", debian], what, 900)
    elif shutil.which("dnf"):
        what = f"{why}, and `{amazon}` cannot be installed"
        run(["dnf", "--assumeyes", "install", amazon], what, 900)


# ---- The agent ----


class Agent:
    """What is wanted, what runs, and what went wrong."""

    def __init__(self, place):
        self.place, self.boot = place, BootLog(place.logs / "boot.log")
        self.say, self.stopping, self.metadata = self.boot.say, threading.Event(), Metadata()
        self.config = json.loads((place.base / "agent.json").read_text())
        self.cloud = Cloud(self.config, self.metadata, self.stopping)
        token = place.run / "token"
        if not token.exists() or len(token.read_text()) != 16:
            write_private(token, secrets.token_hex(8))
        self.token = token.read_text()
        self.owner, self.services, self.instance, self.address = {}, {}, None, None
        self.etag = self.data = self.version = self.secret = self.wanted = self.applied = None
        self.look_failure = self.look_failed_at = self.apply_failure = self.interruption = None
        self.ssh = None
        self.retry_at, self.retry_s, self.reporting = 0, RETRY_FIRST_S, threading.Lock()
        self.sent, self.sent_at, self.logs_at, self.sizes = None, 0, 0, {}

    def command(self, argv, what, limit_s):
        """Runs a program to its end and returns what it printed, which goes to boot.log at once.

        It gets the agent's own environment, for the settings of proxies and of pip.
        """
        self.say("$ " + " ".join(shlex.quote(part) for part in argv if "\n" not in part))
        mark, lines = f"{self.token}/:command", []
        environment = {**os.environ, **QUIET, "DSENV_SERVICE": mark}
        try:
            process = subprocess.Popen(argv, env=environment, cwd="/", stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                       errors="replace", start_new_session=True)
        except OSError as error:
            raise Trouble(what, str(error))

        def read():
            for line in process.stdout:
                lines.append(line)
                self.say("  " + line)

        reader, deadline = threading.Thread(target=read, daemon=True), time.monotonic() + limit_s
        reader.start()
        while process.poll() is None and not self.stopping.wait(0.05):
            if time.monotonic() > deadline:
                break
        is_cut_off = process.poll() is None
        end(mark + "\0", {process.pid}, 2, process.poll)
        reader.join(5)
        output = "".join(lines)
        if is_cut_off:
            cause = "the agent ends" if self.stopping.is_set() else f"it took over {limit_s} s"
            raise Trouble(what, cause, output)
        if process.returncode:
            raise Trouble(what, stated_cause(output), output)
        return output

    def end_predecessors(self):
        """Ends what an agent that was killed left running: by the mark, and by the recorded group
        if its leader is still the process that was recorded."""
        sessions = set()
        for record in self.place.run.glob("*.json"):
            with contextlib.suppress(ValueError, KeyError):  # A power failure may have emptied it.
                said = json.loads(record.read_text())
                if said["boot"] == boot_id() and stat(said["pgid"])[2] == said["start"]:
                    sessions.add(said["pgid"])
            record.unlink()
        left = living(f"{self.token}/", sessions)
        if left:
            self.say(f"ends what an earlier agent left running: {[pid for pid, _ in left]}")
            end(f"{self.token}/", sessions, STOP_S)

    def look(self):
        """Learns who this machine is and what is wanted of it."""
        if not self.instance:
            try:
                self.address = self.metadata.get("local-ipv4")
                self.instance = self.address and self.metadata.get("instance-id")
            except OSError as error:
                raise Trouble("the instance's metadata does not answer", str(error))
            if not self.instance:
                raise Trouble("the instance's metadata is not complete", "no address or no id")
            self.say(f"this is {self.instance} at {self.address}")
        headers = {"if-none-match": self.etag} if self.etag else {}
        status, answer, data = self.cloud.s3("GET", self.config["key"], headers)
        is_new = status == 200 and answer["etag"] != self.etag
        # The version can be had without decrypting, for which the key service would charge.
        if self.config.get("parameter") and (
                is_new or self.cloud.parameter(False)["Version"] != self.version):
            parameter = self.cloud.parameter(True)
            self.version, self.secret = parameter["Version"], parameter["Value"]
        if is_new:
            self.etag, self.data = answer["etag"], data
        if self.wanted != (self.etag, self.version):
            self.wanted, self.apply_failure = (self.etag, self.version), None
            self.retry_at, self.retry_s = 0, RETRY_FIRST_S
            self.say(f"wanted is the bundle {self.etag}, secrets of version {self.version}")

    def apply(self):
        """Converges to what is wanted; what did not change is left alone."""
        bundle, hidden = parse_bundle(self.data, self.secret)
        self.boot.hide(hidden)
        wanted = bundle["software"]
        software = Software(self.place.base, self.command, wanted) if wanted else None
        specs, variables = self.specs(bundle, software and software.folder, hidden)
        if self.place.is_system:
            self.make_user()
        self.place.home.mkdir(exist_ok=True)
        self.admit(bundle["people"])
        if software:
            software.install()
        # For shells of people.
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
        write_private(self.place.base / "environment", "".join(lines), self.owner)
        self.switch(specs, bundle["mounts"])
        for folder in self.place.base.glob("env-*"):
            if not software or folder != software.folder:
                shutil.rmtree(folder, ignore_errors=True)
        self.say(f"converged to {self.etag}")

    def specs(self, bundle, venv, hidden):
        """Returns for each service all that its process is made of, and the machine's variables."""
        services, home = bundle["services"], str(self.place.home)
        facts = {"self.address": self.address, "self.name": self.config["name"],
                 "self.index": self.config.get("index"),
                 **{f"self.ports.{name}": one.get("port") for name, one in services.items()}}

        def filled(what, template):
            try:
                text = fill(template, facts)
            except ValueError as error:
                cause = "it is secret and cannot be shown" if template in hidden else str(error)
                raise Trouble(f"{what} cannot be filled in", cause) from None
            self.boot.hide([text] if template in hidden else [])
            return text

        base = {"HOME": home, "LANG": "C.UTF-8", "LOGNAME": USER, "PATH": SYSTEM_PATH,
                "SHELL": "/bin/sh", "USER": USER}
        if venv:
            base.update(PATH=f"{venv}/bin:{SYSTEM_PATH}", VIRTUAL_ENV=str(venv))
        shared = {name: filled(f"the variable `{name}`", value)
                  for name, value in bundle["environment"].items()}
        specs = {}
        for name, one in services.items():
            own = {variable: filled(f"`{variable}` of service `{name}`", value)
                   for variable, value in one["environment"].items()}
            # Settings of Jupyter services apart, and a taken port an error instead of another port.
            folder = f"{home}/.dsenv/jupyter/{name}"
            jupyter = {"IPYTHONDIR": f"{folder}/ipython", "JUPYTER_CONFIG_DIR": f"{folder}/config",
                       "JUPYTER_DATA_DIR": f"{folder}/data", "JUPYTER_PORT_RETRIES": "0",
                       "JUPYTER_RUNTIME_DIR": f"{folder}/runtime"} if venv else {}
            specs[name] = {"run": filled(f"the command of service `{name}`", one["run"]),
                           "environment": {**base, **jupyter, **shared, **own},
                           "address": self.address, "port": one.get("port"),
                           "health": one.get("health"),
                           # Other disks below the same paths: whoever has files open must let go.
                           "mounts": [sizeless(one) for one in bundle["mounts"]]}
        return specs, {**base, **shared}

    def make_user(self):
        """Finds the user that services run as, made at the first boot."""
        try:
            user = pwd.getpwnam(USER)
        except KeyError:
            self.command(["useradd", "--system", "--user-group", "--create-home", "--home-dir",
                          str(self.place.home), "--shell", "/bin/bash", USER],
                         f"the user `{USER}` cannot be made", 60)
            user = pwd.getpwnam(USER)
        self.place.home.mkdir(exist_ok=True)
        os.chown(self.place.home, user.pw_uid, user.pw_gid)
        self.owner = {"user": user.pw_uid, "group": user.pw_gid,
                      "extra_groups": os.getgrouplist(USER, user.pw_gid)}

    def admit(self, people):
        """Lets people in by ssh as the services' user; sshd itself refuses a key after its day."""
        lines, file = [], self.place.home / ".ssh/authorized_keys"
        for one in people:
            end = one.get("until") and datetime.fromisoformat(one["until"]) + timedelta(days=1)
            limit = f'expiry-time="{end:%Y%m%d}" ' if end else ""
            lines += [f"{limit}{key}\n" for key in one["keys"]]
        if people or file.exists():
            file.parent.mkdir(mode=0o700, exist_ok=True)
            if self.owner:
                os.chown(file.parent, self.owner["user"], self.owner["group"])
            write_private(file, "".join(lines), self.owner)
        keys = sorted((self.place.root / "etc/ssh").glob("ssh_host_*_key.pub"))
        self.ssh = {"host_keys": [one.read_text().strip() for one in keys]} if people else None

    def mount(self, mounts):
        """Lets go of what is not wanted any more, and mounts what is."""
        root, record = self.place.root, self.place.base / "mounts"
        ours = json.loads(record.read_text()) if record.exists() else {}
        there = {line.split()[1] for line in (root / "proc/mounts").read_text().splitlines()}
        wanted = {str(root / one["path"][1:]): one for one in mounts}
        for path in list(ours):
            if sizeless(ours[path]) != sizeless(wanted.get(path)):
                if path in there:
                    self.command(["umount", path], f"`{path}` cannot be let go of", 60)
                    there.remove(path)
                del ours[path]
        for path, one in wanted.items():
            is_new, what = path not in there, f"`{path}` cannot be mounted"
            if is_new:  # Written down first: whatever comes next, it is ours.
                ours[path] = sizeless(one)
                write_private(record, json.dumps(ours))
                Path(path).mkdir(parents=True, exist_ok=True)
            elif path not in ours:
                raise Trouble(what, "something else is mounted there")
            mount = ["mount", "-o", "nosuid,nodev" + ",ro" * one["readonly"]]
            if one["volume"] and ours[path] != one:
                self.use_disk(one, is_new and [*mount, path], what)
            elif is_new:
                if not shutil.which("mount.nfs4"):
                    install(self.command, "nfs-common", "nfs-utils", what)
                self.command([*mount, "-t", "nfs4", "-o", NFS, one["nfs"], path], what, 300)
            if self.owner and not one["readonly"]:
                os.chown(path, self.owner["user"], self.owner["group"])
            ours[path] = one
        write_private(record, json.dumps(ours))

    def use_disk(self, one, mount, what):
        """Makes a file system on a disk that is blank, and on no other; fills a disk that grew."""
        link = (self.place.root / "dev/disk/by-id"
                / f"nvme-Amazon_Elastic_Block_Store_{one['volume'].replace('-', '')}")
        deadline = time.monotonic() + 120  # It is attached to a machine that runs already.
        while not link.exists():
            if time.monotonic() > deadline or self.stopping.wait(0.5):
                raise Trouble(what, f"the volume {one['volume']} is not attached")
        disk = os.path.realpath(link)
        try:
            with open(disk, "rb") as file:
                is_blank = not any(file.read(1 << 20))
            probe = subprocess.run(["blkid", "-p", disk], text=True, capture_output=True)
        except OSError as error:
            raise Trouble(what, str(error))
        found = probe.stdout + probe.stderr
        if mount and is_blank and probe.returncode == 2 and not found:
            self.command(["mkfs.ext4", "-q", disk], what, 300)
        elif probe.returncode:
            raise Trouble(what, f"{disk} is not blank and has no known file system", found)
        if mount:
            self.command([*mount[:-1], disk, mount[-1]], what, 300)
        if 'TYPE="ext' in found and not one["readonly"]:
            self.command(["resize2fs", disk], what, 300)

    def switch(self, specs, mounts):
        """Stops what is gone or changed, all at once, then mounts, then starts what is new."""
        going = [one for name, one in self.services.items() if specs.get(name) != one.spec]
        self.end_services(going)
        for service in going:
            del self.services[service.name]
        self.mount(mounts)
        for name in sorted(specs.keys() - self.services.keys()):
            if not self.stopping.is_set() and not self.interruption:
                self.services[name] = Service(self, name, specs[name])
                self.services[name].start()

    def end_services(self, services):
        for service in services:
            self.say(f"stops service `{service.name}`")
            service.ending.set()
        for service in services:
            service.join()

    def step(self):
        """Looks once, and converges when something else is wanted than there is."""
        try:
            self.look()
            self.look_failure = self.look_failed_at = None
        except Exception as error:
            self.look_failed_at = self.look_failed_at or time.monotonic()
            self.look_failure = self.told(error, self.look_failure)
            return
        if self.wanted == self.applied or time.monotonic() < self.retry_at:
            return
        try:
            self.apply()
            self.applied, self.apply_failure = self.wanted, None
        except Exception as error:
            self.apply_failure = self.told(error, None)
            self.retry_at = time.monotonic() + self.retry_s * random.uniform(1, 1.2)
            self.retry_s = min(self.retry_s * 2, RETRY_MAX_S)

    def told(self, error, known):
        """Writes to boot.log what failed, unless it is known, and returns it for the status."""
        if not isinstance(error, Trouble):
            self.say(traceback.format_exc())
            error = Trouble("the agent has a bug", repr(error))
        if error.report != known:
            self.say(f"{error}; it is tried again")
        return error.report

    def phase(self):
        """Returns where the machine stands. `failed` is not final: the agent goes on trying."""
        services = list(self.services.values())
        if self.interruption or self.stopping.is_set():
            return "interrupted" if self.interruption else "stopped"
        if self.apply_failure or any(one.state == "failed" for one in services):
            return "failed"
        if self.applied is None or self.applied != self.wanted:
            failed_at = self.look_failed_at or time.monotonic()
            return "failed" if time.monotonic() - failed_at > PATIENCE_S else "installing"
        return "ready" if all(one.was_up for one in services) else "installing"

    def status(self):
        services, failure = dict(self.services), self.apply_failure
        for name, service in services.items():
            if not failure and service.state == "failed":
                log = self.boot.end_of(service.log, 16 << 10).decode(errors="replace")
                failure = Trouble(f"service `{name}` does not work", service.detail, log).report
        return {"format": "dsenv-status/1", "instance": self.instance, "phase": self.phase(),
                "bundle": self.etag and self.etag.strip('"'), "interruption": self.interruption,
                "failure": failure or self.look_failure, "ssh": self.ssh,
                "services": {name: one.report() for name, one in sorted(services.items())}}

    def report(self, is_last=False):
        """Writes to S3 what changed since it was last written; after the last time nothing more."""
        with self.reporting:
            if not self.instance or self.stopping.is_set() and not is_last:
                return
            clock, status = time.monotonic(), self.status()
            if is_last or status != self.sent or clock - self.sent_at > STATUS_S:
                body = json.dumps({**status, "at": f"{now():%FT%TZ}"}, indent=1, ensure_ascii=False)
                self.put(f"status/{self.instance}.json", "application/json", body.encode())
                self.sent, self.sent_at = status, clock
            pause_s = LOGS_INSTALLING_S if status["phase"] == "installing" else LOGS_S
            if not is_last and clock - self.logs_at < pause_s:
                return
            self.logs_at = clock
            for path in sorted(self.place.logs.glob("*.log")):
                size = (path.stat().st_size, path.stat().st_mtime_ns)
                if size[0] and self.sizes.get(path) != size:
                    data = self.boot.end_of(path, UPLOAD_BYTES_MAX)
                    self.put(f"logs/{self.instance}/{path.name}", "text/plain", data)
                    self.sizes[path] = size

    def put(self, key, kind, data):
        self.cloud.s3("PUT", key, {"content-type": kind}, self.boot.clean(data))

    def keep_reporting(self):
        """Reports until the agent is stopped; what fails is tried again, ever more seldom."""
        pause_s, known = 1, None
        while not self.stopping.wait(pause_s * random.uniform(0.5, 1)):
            try:
                self.report()
                pause_s, known = 1, None
            except Exception as error:
                pause_s, known = min(pause_s * 2, STATUS_S), self.told(error, known)

    def await_interruption(self):
        """Waits for the notice that this instance is taken back, and gives the services what is
        left of two minutes to write down what they have."""
        while not self.stopping.wait(SPOT_S):
            try:
                notice = json.loads(self.metadata.get("spot/instance-action") or "null")
                if not notice:
                    continue
                left_s = (instant(notice["time"]) - now()).total_seconds() - 10
            except (OSError, ValueError, KeyError):
                continue  # The calls that cannot do without metadata say so.
            self.interruption = {"action": notice.get("action"), "time": notice["time"]}
            self.say(f"this instance is taken back: {self.interruption}")
            for service in list(self.services.values()):
                service.grace_s = min(max(left_s, STOP_S), 110)
                service.ending.set()
            return


def run(agent, is_once):
    """Converges until it is stopped; with `--once`, until the machine is ready or has failed."""
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: agent.stopping.set())
    agent.end_predecessors()
    for work in (agent.keep_reporting, agent.await_interruption):
        threading.Thread(target=work, daemon=True).start()
    due, phase = 0, "installing"
    while not agent.stopping.wait(0.2):
        if time.monotonic() >= due and not agent.interruption:
            agent.step()
            poll_s = agent.config.get("poll_seconds", POLL_S)
            due = time.monotonic() + poll_s * random.uniform(0.9, 1.1)
        phase = agent.phase()
        if is_once and phase != "installing":
            break
    if not is_once:
        agent.end_services(list(agent.services.values()))
    with contextlib.suppress(Trouble):
        agent.report(is_last=True)
    agent.stopping.set()
    agent.end_services(list(agent.services.values()))
    return 0 if phase == "ready" or not is_once else 1


def main():
    parser = argparse.ArgumentParser(description="Makes this machine what its bundle says.")
    parser.add_argument("--root", type=Path, default=Path("/"), help="put every path below this")
    parser.add_argument("--once", action="store_true", help="converge, report, stop, exit 0 or 1")
    options = parser.parse_args()
    if sys.version_info < (3, 9):
        sys.exit("agent.py needs Python 3.9 or newer")
    place = Place(options.root.resolve())
    lock = open(place.run / "lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit("another agent runs here")
    return run(Agent(place), options.once)


if __name__ == "__main__":
    sys.exit(main())
