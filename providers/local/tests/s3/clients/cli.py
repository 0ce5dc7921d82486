"""The aws CLI."""

import os
import pathlib
import subprocess
import sys
import tempfile

from endpoint import URL, run, s3


def _aws(*args):
    env = {**os.environ, "AWS_ACCESS_KEY_ID": "WRITER", "AWS_SECRET_ACCESS_KEY": "writer-secret",
           "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": URL, "AWS_CONFIG_FILE": "/dev/null"}
    command = [sys.executable, "-B", "-m", "awscli", *args]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def sync_there_and_back():
    with tempfile.TemporaryDirectory() as folder:
        there, back = pathlib.Path(folder, "there"), pathlib.Path(folder, "back")
        (there / "sub/deep").mkdir(parents=True)
        (there / "a.txt").write_bytes(b"a")
        (there / "sub/b + c%.txt").write_bytes(b"b")
        (there / "sub/deep/ä.bin").write_bytes(os.urandom(20 * 1024 * 1024))
        _aws("s3", "sync", "--no-progress", str(there), "s3://lake/synced")
        _aws("s3", "sync", "--no-progress", "s3://lake/synced", str(back))
        assert _files(back) == _files(there)
        assert _aws("s3", "sync", "--no-progress", str(there), "s3://lake/synced") == "", "nothing is left to do"
        (there / "a.txt").unlink()
        assert "delete: s3://lake/synced/a.txt" in _aws(
            "s3", "sync", "--no-progress", "--delete", str(there), "s3://lake/synced")
        listed = _aws("s3", "ls", "--recursive", "s3://lake/synced")
        assert len(listed.splitlines()) == 2, listed
        _aws("s3", "mv", "--no-progress", "s3://lake/synced/sub/b + c%.txt", "s3://lake/moved")
        _aws("s3", "rm", "--recursive", "s3://lake/synced")
        assert [entry["Key"] for entry in s3.list_objects_v2(Bucket="lake")["Contents"]] == ["moved"]


run(globals())
