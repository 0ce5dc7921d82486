#!/usr/bin/env python3
"""Runs the tests of what cloud machines run; arguments go to unittest.

It makes a venv below target/ from requirements.txt, once for each text of it. What cannot be had
here is said as `SKIPPED: reason`, with exit code 77.
"""
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or HERE.parent.parent / "target")


def skip(reason):
    print(f"SKIPPED: {reason}", flush=True)
    sys.exit(77)


def make_venv():
    """Returns the interpreter of a venv that holds the requirements."""
    text = (HERE / "requirements.txt").read_text()
    digest = hashlib.sha256(f"{sys.version}\n{text}".encode()).hexdigest()[:16]
    folder = TARGET / "boot-tests" / f"venv-{digest}"
    python, stamp = folder / "bin/python", folder / ".complete"
    if stamp.exists() and python.exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    steps = [
        ("a venv cannot be made", [sys.executable, "-m", "venv", str(folder)]),
        ("moto and botocore cannot be installed", [
            str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
            "--only-binary", ":all:", "-r", str(HERE / "requirements.txt")]),
    ]
    for what, argv in steps:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            sys.stderr.write(done.stdout)
            lines = done.stdout.strip().splitlines() or ["no reason given"]
            skip(f"{what}: {lines[-1]}")
    stamp.touch()
    return python


def main():
    if sys.version_info < (3, 9):
        skip("the agent needs Python 3.9 or newer")
    if not Path("/proc/self/stat").exists():
        skip("the agent finds processes in /proc, which this system does not have")
    tests = sys.argv[1:] or sorted(path.stem for path in HERE.glob("test_*.py"))
    done = subprocess.run([str(make_venv()), "-B", "-m", "unittest", "--verbose", *tests],
                          cwd=HERE, stdin=subprocess.DEVNULL)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
