"""Parts of the agent that need no world: templates, bundles, packages, words of programs."""
import ast
import json
import tempfile
import unittest
from pathlib import Path

from test_signature import AGENT, agent

HASH = "--hash=sha256:" + "0" * 64


class Templates(unittest.TestCase):
    facts = {"self.address": "127.0.0.9", "self.name": "nb", "self.index": 3,
             "self.ports.web": 8888, "self.ports.job": None}

    def test_a_text_is_filled_in_and_a_literal_stays(self):
        template = "--ip=${self.address}:${self.ports.web} $${HOME} ${self.index} $HOME"
        self.assertEqual(agent.fill(template, self.facts), "--ip=127.0.0.9:8888 ${HOME} 3 $HOME")

    def test_what_is_not_there_is_an_error(self):
        for template in ("${self.ports.db}", "${self.ports.job}", "${db.host}", "${self.name"):
            with self.assertRaises(ValueError):
                agent.fill(template, self.facts)

    def test_doubling_the_first_sign_makes_any_text_a_literal(self):
        for text in ("${x}", "a$${b}", "$$${", "$", "${${", "no"):
            self.assertEqual(agent.fill(text.replace("${", "$${"), self.facts), text)


class Bundles(unittest.TestCase):
    def parse(self, secret=None, **parts):
        bundle = {"format": "dsenv-boot/1", "software": None, "environment": {}, "services": {}}
        return agent.parse_bundle(json.dumps({**bundle, **parts}), secret)

    def test_secrets_are_merged_over_and_known(self):
        own = {"s": {"environment": {"B": "h-2"}}}
        secret = json.dumps({"environment": {"A": "hidden-1"}, "services": own})
        bundle, hidden = self.parse(secret, environment={"A": "0", "C": "1"},
                                    services={"s": {"run": "x", "environment": {"B": "0"}}})
        self.assertEqual(bundle["environment"], {"A": "hidden-1", "C": "1"})
        self.assertEqual(bundle["services"]["s"]["environment"], {"B": "h-2"})
        self.assertEqual(hidden, {"hidden-1", "h-2"})

    def test_what_is_wrong_is_said(self):
        for parts, words in (({"format": "dsenv-boot/2"}, "dsenv-boot/1"),
                             ({"services": {"boot": {"run": "x"}}}, "boot"),
                             ({"services": {"../x": {"run": "x"}}}, "../x"),
                             ({"services": {"s": {}}}, "run"),
                             ({"environment": {"A": 1}}, "`A`")):
            with self.assertRaises(agent.Trouble) as raised:
                self.parse(**parts)
            self.assertIn(words, str(raised.exception))

    def test_a_secret_that_does_not_fit_is_not_quoted(self):
        for secret in ('{"environment": "pass-word"', '{"environment": {"A": ["pass-word"]}}',
                       '{"services": {"gone": {"environment": {"A": "pass-word"}}}}',
                       '"pass-word"'):
            with self.assertRaises(agent.Trouble) as raised:
                self.parse(secret)
            self.assertNotIn("pass-word", repr(raised.exception))
            self.assertIsNone(raised.exception.__cause__)


class Packages(unittest.TestCase):
    def test_lines_that_trust_or_steer_are_refused(self):
        marker = f"a-b.c==1.0+x!2 ; sys_platform == 'win32' and python_version < '4' {HASH} {HASH}"
        for line in (f"six==1.17.0 {HASH}", marker):
            self.assertTrue(agent.LINE.fullmatch(line), line)
        for line in ("six==1.17.0", f"six>=1.17.0 {HASH}", f"--index-url=x==1 {HASH}",
                     f"six==1.17.0 --pre {HASH}", f"six==1.17.0 ; --pre {HASH}",
                     f"six @ file:///x==1 {HASH}", "six==1.17.0 --hash=sha256:abc",
                     f"six==1.17.0 {HASH} --no-deps", f"six==1 {HASH}\n--pre"):
            self.assertFalse(agent.LINE.fullmatch(line), line)

    def test_the_cause_is_in_the_words_of_the_program(self):
        for output, cause in (
                ("Reading...\nE: Unable to locate package x\n", "E: Unable to locate package x"),
                ("WARNING: x\nERROR: HASHES\n  Got 1\n", "ERROR: HASHES\n  Got 1"),
                ("Collecting\nkilled\n", "killed"), ("", ""),
                ("WARNING: Retrying after NewConnectionError('no route')\nERROR: No match",
                 "the package index cannot be reached: NewConnectionError('no route')")):
            self.assertEqual(agent.stated_cause(output), cause)


class Logs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "boot.log"
        self.boot = agent.BootLog(self.path)

    def test_secrets_are_replaced_the_longest_first_and_in_lines(self):
        self.boot.hide(["pass", "password", "two\nlines of it", 'quo"ted', "abc"])
        cleaned = self.boot.clean(b'password pass abc; lines of it; quo\\"ted')
        self.assertEqual(cleaned, b"(secret) (secret) abc; (secret); (secret)")

    def test_a_log_that_grew_is_moved_aside_while_somebody_writes(self):
        self.boot.hide(["password"])
        with agent.open_log(self.path) as writer:
            writer.write(b"x" * agent.LOG_BYTES_MAX + b"pass")
            agent.open_log(self.path).close()
            writer.write(b"word\nend")
        self.assertEqual(self.path.read_bytes(), b"word\nend")
        self.assertEqual(self.boot.end_of(self.path, 14), b"xx(secret)\nend")
        for path in self.path.parent.iterdir():
            self.assertEqual(path.stat().st_mode & 0o077, 0, path)


class Source(unittest.TestCase):
    def test_it_is_read_by_the_oldest_python_that_is_promised(self):
        text = AGENT.read_text()
        ast.parse(text, feature_version=(3, 9))
        self.assertLessEqual(max(map(len, text.splitlines())), 100)
