"""Who comes in by ssh: a real sshd reads what the agent wrote."""
import os
import pwd
import shutil
import subprocess
import unittest
from datetime import date, timedelta
from pathlib import Path

from world import CloudTest, free_port

SSHD = shutil.which("sshd", path=os.environ["PATH"] + ":/usr/sbin")


def generate(path):
    """Makes a key without a passphrase; returns its public half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", path],
                   check=True)
    return path.with_name(path.name + ".pub").read_text().strip()


class Ssh(CloudTest):
    def setUp(self):
        if not SSHD:
            # Who installs what tests need has to install all of it.
            self.assertNotIn("CI", os.environ, "there is no sshd: install openssh-server")
            self.skipTest("there is no sshd: install openssh-server")
        super().setUp()
        self.host_key = generate(self.root / "etc/ssh/ssh_host_ed25519_key")
        self.keys = self.root / "home/dsenv/.ssh/authorized_keys"
        self.port = free_port("127.0.0.1")
        settings = {
            "ListenAddress": "127.0.0.1", "Port": self.port, "PidFile": "none", "UsePAM": "no",
            "HostKey": self.root / "etc/ssh/ssh_host_ed25519_key", "AuthorizedKeysFile": self.keys,
            "StrictModes": "no", "PasswordAuthentication": "no", "PermitRootLogin": "yes",
            "KbdInteractiveAuthentication": "no"}
        config = self.root / "sshd_config"
        config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        with open(self.root / "sshd.log", "wb") as log:
            self.sshd = subprocess.Popen([SSHD, "-D", "-e", "-f", config], stderr=log)
        self.addCleanup(self.end_sshd)

    def end_sshd(self):
        self.sshd.terminate()
        self.sshd.wait(10)

    def put_people(self, *people):
        return self.put_text(self.document({}, people=list(people)))

    def comes_in(self, name, host_keys):
        """Says whether whoever has this key comes in, to a host with these keys and no other."""
        known = self.root / "known_hosts"
        known.write_text("".join(f"machine {key}\n" for key in host_keys))
        options = {"UserKnownHostsFile": known, "GlobalKnownHostsFile": "/dev/null",
                   "StrictHostKeyChecking": "yes", "HostKeyAlias": "machine", "BatchMode": "yes",
                   "IdentitiesOnly": "yes", "IdentityFile": self.root / "people" / name}
        argv = ["ssh", "-F", "/dev/null", "-p", str(self.port),
                *(f"-o{option}={value}" for option, value in options.items())]
        user = pwd.getpwuid(os.geteuid()).pw_name
        done = subprocess.run([*argv, f"{user}@127.0.0.1", "echo in"], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True)
        if done.stdout != "in\n":
            self.assertIn("Permission denied", done.stderr)
        return done.stdout == "in\n"

    def test_who_has_a_key_comes_in_until_the_last_day_and_nobody_else(self):
        keys = {name: generate(self.root / "people" / name) for name in ("ada", "bob", "cy", "eve")}
        today = date.today()
        before, tomorrow = str(today - timedelta(days=1)), str(today + timedelta(days=1))
        people = [{"who": "ada", "keys": [keys["ada"]], "until": tomorrow},
                  {"who": "team", "keys": [keys["bob"]], "until": before},
                  {"who": "cy", "keys": [keys["cy"]], "until": None}]
        etag = self.put_people(*people)
        self.start()
        status = self.await_status(lambda now: now["bundle"] == etag and now["phase"] == "ready")
        host_keys = status["ssh"]["host_keys"]
        self.assertEqual(status["ssh"], {"host_keys": [self.host_key]})
        self.wait_for(lambda: "listening" in (self.root / "sshd.log").read_text())
        self.assertEqual([self.comes_in(name, host_keys) for name in keys],
                         [True, False, True, False])
        self.assertEqual(self.keys.stat().st_mode & 0o777, 0o600)

        # The last day counts; who is taken out is out.
        etag = self.put_people({"who": "ada", "keys": [keys["ada"]], "until": str(today)})
        self.await_status(lambda now: now["bundle"] == etag and now["phase"] == "ready")
        self.assertEqual([self.comes_in(name, host_keys) for name in keys],
                         [True, False, False, False])
        etag = self.put_people()
        status = self.await_status(lambda now: now["bundle"] == etag and now["phase"] == "ready")
        self.assertIsNone(status["ssh"])
        self.assertFalse(any(self.comes_in(name, host_keys) for name in keys))

    def test_what_is_no_key_lets_nobody_in(self):
        self.put_people({"who": "eve", "keys": ["ssh-ed25519 AAAA eve\nssh-ed25519 AAAA two"]})
        code, status = self.run_once()
        self.assertEqual((code, status["phase"]), (1, "failed"))
        self.assertIn("is no public key", status["failure"]["cause"])
        self.assertFalse(self.keys.exists())


if __name__ == "__main__":
    unittest.main()
