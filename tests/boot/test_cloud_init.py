"""The user data of a machine: what cloud-init reads, and what EC2 takes."""
import base64
import bz2
import gzip
import json
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml

TEMPLATES = Path(__file__).resolve().parent.parent.parent / "templates/boot"
USER_DATA_BYTES_MAX = 16384

CONFIG = {"region": "ap-southeast-2", "bucket": "dsenv-boot-workbench-production-0123456789abcdef",
          "key": "machines/notebook-for-everybody/boot.json",
          "parameter": "/dsenv/workbench/production/notebook-for-everybody", "index": 12,
          "name": "notebook-for-everybody-12", "endpoints": {"s3": "https://vpce-1.s3.example.org"}}
ENVIRONMENT = 'PIP_INDEX_URL="https://pypi.example.org/simple"\nHTTPS_PROXY="http://proxy:3128"\n'


def render():
    """Renders as handlebars does; the template has comments, and variables that are not escaped."""
    packed = bz2.compress((TEMPLATES / "agent.py").read_bytes(), 9)
    values = {"agent": base64.b64encode(packed).decode(), "config": json.dumps(CONFIG),
              "environment": ENVIRONMENT}
    template = (TEMPLATES / "cloud-init.yaml.hbs").read_text()
    template = re.sub(r"^ *\{\{!--.*--\}\}\n", "", template, flags=re.MULTILINE)
    return re.sub(r"\{\{\{(\w+)\}\}\}",
                  lambda found: json.dumps(values[found[1]], ensure_ascii=False), template)


class UserData(unittest.TestCase):
    def setUp(self):
        self.text = render()
        self.files = {one["path"]: one for one in yaml.safe_load(self.text)["write_files"]}

    def content(self, path):
        return self.files[path]["content"].encode()

    def test_it_is_a_cloud_config_that_holds_what_was_put_in(self):
        self.assertTrue(self.text.startswith("#cloud-config\n"))
        self.assertNotIn("{{", self.text)
        self.assertEqual(json.loads(self.content("/opt/dsenv/agent.json")), CONFIG)
        self.assertEqual(self.content("/etc/dsenv-agent.env").decode(), ENVIRONMENT)
        self.assertEqual(self.files["/opt/dsenv/agent.json"]["permissions"], "0600")

    def test_the_agent_is_unpacked_as_it_is(self):
        packed = self.files["/opt/dsenv/agent.py.bz2"]
        self.assertEqual(packed["encoding"], "b64")
        python, flags, program = yaml.safe_load(self.text)["runcmd"][0]
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "agent.py.bz2").write_bytes(base64.b64decode(packed["content"]))
            subprocess.run([python, flags, program.replace("/opt/dsenv", folder)], check=True)
            unpacked = (Path(folder) / "agent.py").read_bytes()
        self.assertEqual(unpacked, (TEMPLATES / "agent.py").read_bytes())

    def test_it_starts_a_unit_that_it_writes(self):
        unit = self.content("/etc/systemd/system/dsenv-agent.service").decode()
        self.assertIn("\nExecStart=/usr/bin/python3 -I /opt/dsenv/agent.py\n", unit)
        self.assertIn("\nRestart=always\n", unit)
        commands = yaml.safe_load(self.text)["runcmd"][1:]
        self.assertTrue(all(command[0] == "systemctl" for command in commands))
        if shutil.which("systemd-analyze"):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "dsenv-agent.service"
                path.write_text(unit.replace("/opt/dsenv/agent.py", "/dev/null"))
                done = subprocess.run(["systemd-analyze", "verify", path], text=True,
                                      capture_output=True)
                self.assertNotIn("dsenv-agent.service", done.stderr)

    def test_ec2_takes_it(self):
        size = len(gzip.compress(self.text.encode(), 9, mtime=0))
        self.assertLess(size, USER_DATA_BYTES_MAX - 512, "user data is too large for EC2")

    @unittest.skipUnless(shutil.which("cloud-init"), "there is no cloud-init to ask")
    def test_cloud_init_knows_its_form(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(self.text)
            file.flush()
            done = subprocess.run(["cloud-init", "schema", "--config-file", file.name], text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout)
