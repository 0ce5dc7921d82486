"""The agent from the first boot to the last signal, against moto and strict instance metadata."""
import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import time
import unittest
from datetime import datetime, timedelta, timezone
from pathlib import Path

from world import AGENT, INSTANCE, PYTHON, SIX, CloudTest, server, sleeper

SECRET, OTHER = "correct-horse-\"battery\"", "staple-of-the-job"


def healthy(*names):
    return lambda status: all(status["services"].get(name, {}).get("state") == "healthy"
                              for name in names)


def variables(pid):
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    return dict(entry.split("=", 1) for entry in entries if entry)


class Boot(CloudTest):
    def software(self, *packages, python=PYTHON):
        return {"python": python, "platforms": "universal", "packages": list(packages)}

    def test_a_machine_from_first_boot_through_changes_to_its_end(self):
        self.put_secrets({"TOKEN": SECRET, "URL": "http://${self.address}/$${x}"},
                         job={"KEY": OTHER})
        say = ('echo "the token is $TOKEN"; '
               'python -c "import six; print(six.__version__, six.__file__)";')
        job = {**sleeper(MODE="slow"), "run": "echo key $KEY; exec sleep 1000"}
        etag = self.put_bundle({"web": server(say), "job": job},
                               {"WHO": "${self.name}/${self.index}", "HOME_OF": "$${HOME}"},
                               self.software(SIX))
        began = time.monotonic()
        self.start()
        installing = self.await_phase("installing")
        self.assertEqual((installing["bundle"], installing["failure"]), (etag, None))
        ready = self.await_phase("ready", 180)
        print(f"first boot took {time.monotonic() - began:.1f} s", flush=True)
        self.assertEqual({"format": "dsenv-status/1", "instance": INSTANCE, "bundle": etag,
                          "failure": None, "interruption": None, "phase": "ready", "ssh": None},
                         {key: ready[key] for key in ready if key not in ("at", "services")})
        web, job = ready["services"]["web"], ready["services"]["job"]
        self.assertEqual(web, {"state": "healthy", "restarts": 0, "pid": web["pid"],
                               "url": f"http://{self.address}:8080/", "detail": None})
        self.assertIsNone(job["url"])

        # What a service sees, and what nobody else does.
        seen = variables(web["pid"])
        self.assertEqual((seen["TOKEN"], seen["WHO"], seen["HOME_OF"], seen["URL"]),
                         (SECRET, "notebook/0", "${HOME}", f"http://{self.address}/${{x}}"))
        self.assertEqual(variables(job["pid"])["KEY"], OTHER)
        self.assertNotIn("KEY", seen)
        self.assertFalse([name for name in seen if name.startswith(("AWS_", "PIP_"))], seen)
        self.assertTrue(seen["PATH"].startswith(f"{seen['VIRTUAL_ENV']}/bin:"))
        printed = self.wait_for(lambda: "six.py" in self.log("web") and self.log("web"))
        self.assertIn(f"the token is (secret)\n1.17.0 {seen['VIRTUAL_ENV']}/", printed)
        self.assert_secrets_are_kept()

        # The packages are the locked ones alone.
        listed = subprocess.run([f"{seen['VIRTUAL_ENV']}/bin/python", "-c", (
            "import importlib.metadata as metadata\n"
            "print([one.metadata['Name'] for one in metadata.distributions()])")],
            text=True, capture_output=True)
        self.assertEqual(listed.stdout, "['six']\n")

        # Only what changed is restarted, by a bundle and by secrets.
        services = {"web": server(say), "job": {**sleeper(MODE="fast"), "run": "exec sleep 1001"}}
        environment = {"WHO": "${self.name}/${self.index}", "HOME_OF": "$${HOME}"}
        etag = self.put_bundle(services, environment, self.software(SIX))
        changed = self.await_status(lambda now: now["bundle"] == etag and now["phase"] == "ready")
        self.assertEqual(changed["services"]["web"], web)
        self.assertNotEqual(changed["services"]["job"]["pid"], job["pid"])
        self.assertFalse(Path(f"/proc/{job['pid']}").exists())
        job = changed["services"]["job"]["pid"]
        self.put_secrets({"TOKEN": SECRET, "URL": "http://${self.address}/$${x}"},
                         job={"KEY": "another-key"})
        newer = self.await_status(lambda now: now["services"]["job"]["pid"] not in (job, None)
                                  and now["phase"] == "ready")
        self.assertEqual(newer["services"]["web"], web)
        self.assertEqual(variables(newer["services"]["job"]["pid"])["KEY"], "another-key")

        # Without packages everything runs from the system, and the old venv is gone.
        etag = self.put_bundle({"job": services["job"]}, environment)
        self.await_status(lambda now: now["bundle"] == etag and list(now["services"]) == ["job"]
                          and now["phase"] == "ready")
        self.wait_for(lambda: not list((self.root / "opt/dsenv").glob("env-*")))
        self.assertEqual(self.stop(), 0)
        last = self.status()
        self.assertEqual((last["phase"], last["services"]["job"]["state"]), ("stopped", "stopped"))
        self.assertEqual(self.marked(), [])
        self.assertIn("stops service `job`", self.log("boot"))
        self.assert_secrets_are_kept()
        self.assertEqual(self.imds.refused, 0)

    def assert_secrets_are_kept(self):
        secrets = [SECRET, json.dumps(SECRET)[1:-1], OTHER, "key-of-the-role", "token-of-the-role"]
        texts = {**self.reported(), "stderr": (self.root / "stderr").read_bytes(),
                 "boot.log": (self.root / "var/log/dsenv/boot.log").read_bytes()}
        self.assertIn(f"logs/{INSTANCE}/boot.log", texts)
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                texts[f"command line {pid}"] = Path(f"/proc/{pid}/cmdline").read_bytes()
        for where, text in texts.items():
            for secret in secrets:
                self.assertNotIn(secret.encode(), text, where)
        for path in self.root.rglob("*"):
            if path.is_file() and not path.is_symlink() and SECRET.encode() in path.read_bytes():
                self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600, path)

    def test_a_wrong_hash_is_told_in_the_words_of_pip(self):
        etag = self.put_bundle({"job": sleeper()}, None,
                               self.software("six==1.17.0 --hash=sha256:" + "0" * 64))
        code, status = self.run_once()
        self.assertEqual((code, status["phase"], status["bundle"]), (1, "failed", etag))
        failure = status["failure"]
        self.assertEqual(failure["what"], "the python packages cannot be installed")
        self.assertIn("THESE PACKAGES DO NOT MATCH THE HASHES", failure["cause"])
        self.assertIn("Got        4721f391", failure["log_tail"])
        self.assertIn("Got        4721f391", self.log("boot"))
        self.assertEqual(status["services"], {})

    def test_a_python_that_is_not_there_is_named(self):
        self.put_bundle({}, None, self.software(SIX, python="3.4"))
        code, status = self.run_once()
        self.assertEqual((code, status["phase"]), (1, "failed"))
        self.assertRegex(status["failure"]["cause"],
                         rf"the lock is for Python 3\.4 on universal; `.*/python3` is {PYTHON} on ")

    def test_what_makes_a_venv_is_had_from_the_distribution_or_its_refusal_is_told(self):
        programs = self.root / "programs"
        programs.mkdir()
        real = os.path.realpath("/proc/self/exe")

        def program(name, text):
            (programs / name).write_text(f"#!/bin/sh\n{text}\n")
            (programs / name).chmod(0o755)

        able = self.root / "able"
        program(f"python{PYTHON}", f'''
            case "$*" in *ensurepip*) if [ ! -e {able} ]; then
                echo "No module named 'ensurepip'"; echo "{PYTHON} linux-x86_64"; exit; fi;; esac
            exec {real} "$@"''')
        program("dpkg", "exit 0")
        program("apt-get", 'echo "$@"; case "$*" in *install*) '
                           'echo "E: Unable to locate package x"; exit 100;; esac')
        self.path = f"{programs}:/usr/bin:/bin"
        self.put_bundle({"job": sleeper()}, None, self.software())
        code, status = self.run_once()
        self.assertEqual((code, status["failure"]["cause"]), (1, "E: Unable to locate package x"))
        self.assertIn("cannot make a venv (No module named 'ensurepip'), and "
                      f"`python{PYTHON}-venv` cannot be installed", status["failure"]["what"])
        program("apt-get", f'echo "$@"; case "$*" in *install*) touch {able};; esac')
        code, status = self.run_once()
        self.assertEqual((code, status["phase"]), (0, "ready"), status)

    def test_once_ends_with_what_came_of_it_and_leaves_nothing(self):
        self.put_bundle({"web": server(), "job": sleeper()})
        code, status = self.run_once()
        self.assertEqual((code, status["phase"]), (0, "ready"))
        self.assertTrue(healthy("web", "job")(status), status)
        self.assertEqual(self.marked(), [])

        self.put_bundle({"web": server(), "dies": {**sleeper(), "run": "echo no luck; exit 3"}})
        code, status = self.run_once()
        self.assertEqual((code, status["phase"]), (1, "failed"))
        self.assertEqual(status["failure"], {
            "what": "service `dies` does not work", "cause": "it ended with exit code 3",
            "log_tail": "no luck\nno luck\nno luck"})
        self.assertEqual(status["services"]["web"]["state"], "healthy")
        self.assertEqual(self.marked(), [])

    def test_what_cannot_be_filled_in_is_told_and_a_secret_is_not(self):
        self.put_bundle({"web": {**server(), "run": "serve ${self.ports.db}"}})
        _, status = self.run_once()
        self.assertEqual((status["failure"]["what"], status["failure"]["cause"]), (
            "the command of service `web` cannot be filled in",
            "this machine has no `self.ports.db`"))
        self.put_secrets({"TOKEN": "${" + SECRET})
        self.put_bundle({"web": server()})
        _, status = self.run_once()
        self.assertEqual(status["failure"]["what"], "the variable `TOKEN` cannot be filled in")
        self.assert_secrets_are_kept()


class Life(CloudTest):
    def test_a_service_that_died_is_started_again_and_the_others_do_not_notice(self):
        self.put_bundle({"web": server(), "job": sleeper()})
        self.start()
        before = self.await_status(healthy("web", "job"))["services"]
        os.kill(before["job"]["pid"], signal.SIGKILL)
        after = self.await_status(lambda now: now["services"]["job"]["restarts"] == 1
                                  and healthy("job")(now))["services"]
        self.assertEqual(after["web"], before["web"])
        self.assertNotEqual(after["job"]["pid"], before["job"]["pid"])
        self.assertIn("service `job` ended with signal 9; starts again in 1 s",
                      (self.root / "var/log/dsenv/boot.log").read_text())

    def test_a_service_that_does_not_answer_any_more_is_unhealthy(self):
        plain = server(port=8081, health={"tcp": True})
        plain["run"] = plain["run"].replace("ports.web", "ports.plain")
        self.put_bundle({"web": server(), "plain": plain})
        self.start()
        before = self.await_status(healthy("web", "plain"))["services"]
        for service in before.values():
            os.kill(service["pid"], signal.SIGSTOP)
        ill = self.await_status(lambda now: now["services"]["web"]["state"] == "unhealthy", 40)
        self.assertIn("does not answer: timed out", ill["services"]["web"]["detail"])
        # Its kernel still accepts connections, and for `tcp` that is life.
        self.assertTrue(healthy("plain")(ill))
        self.assertEqual((ill["phase"], ill["failure"]), ("ready", None))
        for service in before.values():
            os.kill(service["pid"], signal.SIGCONT)
        after = self.await_status(healthy("web", "plain"))["services"]
        self.assertEqual(after, before, "a service is not restarted for that")

    def test_s3_that_was_down_at_first_and_later_is_lived_through(self):
        self.put_bundle({"job": sleeper()})
        self.gate.shut()
        self.start()
        log = self.root / "var/log/dsenv/boot.log"
        self.wait_for(lambda: log.exists() and "Connection refused" in log.read_text())
        self.gate.open()
        before = self.await_phase("ready")["services"]
        self.gate.shut()
        said = len(log.read_text())
        self.wait_for(lambda: "S3 does not do what it is asked" in log.read_text()[said:])
        etag = self.put_bundle({"job": sleeper(), "more": sleeper()})
        self.gate.open()
        after = self.await_status(
            lambda now: now["bundle"] == etag and now["phase"] == "ready", 60)["services"]
        self.assertEqual(after["job"], before["job"])
        self.wait_for(lambda: "Connection refused" in self.log("boot"))

    def test_a_bundle_that_is_not_there_yet_is_waited_for_and_named(self):
        self.start()
        waiting = self.await_status(lambda now: now["failure"])
        self.assertEqual((waiting["phase"], waiting["bundle"]), ("installing", None))
        self.assertRegex(waiting["failure"]["cause"], "GET .*/boot.json: status 404 NoSuchKey: ")
        self.put_text("{")
        broken = self.await_phase("failed")
        self.assertEqual(broken["failure"]["what"], "the bundle cannot be used")
        self.put_bundle({"job": sleeper()})
        self.assertIsNone(self.await_phase("ready")["failure"])

    def test_keys_that_expire_are_renewed_and_an_old_token_is_replaced(self):
        self.imds.lifetime_s = 601
        self.put_bundle({"job": sleeper()})
        self.start()
        self.await_phase("ready")
        given = self.imds.keys_given
        self.imds.tokens.clear()
        self.wait_for(lambda: self.imds.keys_given > given, 40)
        etag = self.put_bundle({"job": sleeper(A="1")})
        self.await_status(lambda now: now["bundle"] == etag)

    def test_a_notice_of_interruption_ends_the_services_and_is_reported(self):
        service = {**sleeper(), "run": "trap 'echo saving; sleep 1 && echo saved; exit' "
                                       "TERM; while :; do read x < fifo; done"}
        self.put_bundle({"job": service})
        (self.root / "home/dsenv").mkdir(parents=True)
        os.mkfifo(self.root / "home/dsenv/fifo")
        self.start()
        self.await_phase("ready")
        at = f"{datetime.now(timezone.utc) + timedelta(minutes=2):%Y-%m-%dT%H:%M:%SZ}"
        self.imds.values["spot/instance-action"] = json.dumps({"action": "terminate", "time": at})
        seen = self.await_status(lambda now: now["phase"] == "interrupted"
                                 and now["services"]["job"]["pid"] is None)
        self.assertEqual(seen["services"]["job"]["state"], "stopped")
        self.assertEqual(seen["interruption"], {"action": "terminate", "time": at})
        self.stop()
        self.assertEqual(self.status()["phase"], "interrupted")
        # Neither the saving itself nor what it starts is interrupted.
        self.assertTrue(self.log("job").endswith("saving\nsaved\n"), self.log("job"))


class Death(CloudTest):
    # One that stays in the group, one that leaves it, and one that does not know its mark any more.
    FAMILY = ("sleep 1000 & setsid sleep 1001 & env -i /bin/sleep 1002 & "
              "trap '' TERM; sleep 1003; sleep 1004")

    def family(self):
        self.put_bundle({"web": server(), "job": {**sleeper(), "run": self.FAMILY}})
        self.start()
        self.await_status(healthy("web", "job"))
        self.wait_for(lambda: len(self.marked()) == 6)  # web, sh, and four that sleep
        return self.marked()

    def test_sigterm_leaves_no_process_even_if_one_does_not_listen(self):
        self.family()
        began = time.monotonic()
        self.assertEqual(self.stop(), 0)
        self.assertEqual(self.marked(), [])
        self.assertGreater(time.monotonic() - began, 8)
        self.assertEqual(self.status()["phase"], "stopped")

    def test_a_removed_service_takes_its_family_along(self):
        self.family()
        etag = self.put_bundle({"web": server()})
        self.await_status(lambda now: now["bundle"] == etag and list(now["services"]) == ["web"])
        self.assertEqual(len(self.marked()), 1)

    def test_after_kill_9_the_next_agent_ends_what_was_left_and_starts_each_once(self):
        before = self.family()
        bystander = subprocess.Popen(["sleep", "1005"], start_new_session=True)
        self.addCleanup(lambda: (bystander.kill(), bystander.wait()))
        record = self.root / "opt/dsenv/run/gone.json"
        self.agent.kill()
        self.agent.wait()
        self.assertEqual(self.marked(), before, "services outlive an agent that is killed")
        # A number that is another process's by now is recognised by its start.
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        record.write_text(json.dumps({"pgid": bystander.pid, "start": 1, "boot": boot}))
        self.start()
        self.wait_for(lambda: not set(self.marked()) & set(before))
        self.wait_for(lambda: len(self.marked()) == 6)
        self.await_status(lambda now: healthy("web", "job")(now)
                          and now["services"]["web"]["pid"] not in before)
        self.assertIsNone(bystander.poll())
        self.assertFalse(record.exists())
        self.assertIn("ends what an earlier agent left", (self.root / "stderr").read_text())

    def test_two_agents_do_not_share_a_root(self):
        self.put_bundle({"job": sleeper()})
        self.start()
        self.await_phase("ready")
        first = self.agent
        self.start()
        self.assertEqual(self.agent.wait(10), 1)
        self.agent = first
        self.assertIn("another agent runs here", (self.root / "stderr").read_text())

    def test_an_installation_that_is_cut_off_begins_anew(self):
        software = {"python": PYTHON, "platforms": "universal", "packages": [SIX]}
        self.put_bundle({"job": {**sleeper(), "run": "python -c 'import six' && exec sleep 1000"}},
                        None, software)
        self.start()
        folder = self.root / "opt/dsenv"
        self.wait_for(lambda: list(folder.glob("env-*/bin/python")))
        self.agent.kill()
        self.agent.wait()
        self.start()
        self.await_phase("ready", 180)
        self.assertEqual(len(list(folder.glob("env-*"))), 1)


def can_mount():
    if os.geteuid() or not shutil.which("unshare") or not shutil.which("useradd"):
        return False
    mount = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/opt"]
    return subprocess.run(mount, capture_output=True).returncode == 0


class System(CloudTest):
    @unittest.skipUnless(can_mount(), "needs root, and a mount namespace")
    def test_on_a_whole_machine_services_are_no_root(self):
        """What the agent writes goes to file systems in memory that end with the test."""
        self.put_secrets({"TOKEN": SECRET})
        look = ("id -un; id -u; pwd; touch mine; stat -c '%U %a' /opt/dsenv/environment; "
                "cat /opt/dsenv/agent.json; cat /var/log/dsenv/web.log;")
        web = {**server(), "run": look + "exec python3 -m http.server --bind ${self.address} 8080"}
        self.put_bundle({"web": web})
        script = f"""set -e
            for folder in /opt /home /var/log; do mount -t tmpfs tmpfs $folder; done
            cp -a /etc /var/log/etc
            mount --bind /var/log/etc /etc
            mkdir /opt/dsenv
            cp -a {self.root}/opt/dsenv/agent.json /opt/dsenv/
            chmod 0600 /opt/dsenv/agent.json
            exec /usr/bin/python3 -I {AGENT} --once"""
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                       "AWS_ENDPOINT_URL": self.gate.url,
                       "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.imds.url}
        done = subprocess.run(["unshare", "--mount", "sh", "-c", script], env=environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        self.assertEqual((done.returncode, self.status()["phase"]), (0, "ready"), done.stderr)
        printed = self.log("web").splitlines()
        self.assertNotEqual(printed.pop(1), "0")
        self.assertEqual(printed[:3], ["dsenv", "/home/dsenv", "dsenv 600"])
        self.assertEqual([line.rpartition(": ")[2] for line in printed[3:5]],
                         ["Permission denied"] * 2)
        self.assertNotIn("dsenv", Path("/etc/passwd").read_text())


if __name__ == "__main__":
    unittest.main()
