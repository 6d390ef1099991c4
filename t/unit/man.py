#!/usr/bin/env python3
"""The manual pages: made without a warning, with every subcommand, key and
directive that the programs know."""

import os
import re
import subprocess
import tempfile

import stack


class Man(stack.unittest.TestCase):

    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        subprocess.run([stack.ROOT + "/script/man", self.folder], check=True)

    def text(self, name):
        """As a terminal shows it, in one line."""
        r = subprocess.run(["groff", "-Kutf8", "-man", "-t", "-ww", "-Tutf8", "-P-cbou", "-rLL=300n", "%s/%s" % (self.folder, name)],
                           capture_output=True, text=True, env={**os.environ, "GROFF_NO_SGR": "1"})
        self.assertEqual((r.returncode, r.stderr), (0, ""))
        self.assertNotIn("@", re.sub(r"\S+@\S+\.\S+", "", r.stdout), "a section that was not found")
        return re.sub(r"\s+", " ", r.stdout.replace("\u2010", "-").replace("\u2212", "-"))

    def help(self):
        out = subprocess.run([stack.BUILD + "/warehouse-consumer", "--help"], check=True,
                             capture_output=True, text=True).stdout
        return out.split("subcommands:")[1].split("keys, in")

    def test_consumer(self):
        text = self.text("warehouse-consumer.8")
        for part in "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "FILES", "SEE ALSO":
            self.assertIn(" %s " % part, text)
        names = re.findall(r"(?m)^  (-*\w+)", self.help()[0])
        self.assertIn("verify", names)
        for name in names:
            self.assertIn(" %s " % name, text)

    def test_conf(self):
        text = self.text("warehouse-consumer.conf.5")
        keys = re.findall(r"(?m)^  ([a-z_]+) +\w.*\n +\(default: (.*)\)$", self.help()[1])
        self.assertGreater(len(keys), 15)
        for key, default in keys:
            self.assertRegex(text, r" %s \S.*?\(default: %s\)" % (key, re.escape(default)))

    def test_module(self):
        text = self.text("ngx_http_warehouse_module.5")
        with open(stack.ROOT + "/ngx_http_warehouse_module/ngx_http_warehouse_module.c") as f:
            names = re.findall(r'ngx_string\("(warehouse_\w+)"\),\s*NGX_', f.read())
        self.assertIn("warehouse_items", names)
        for name in names:
            self.assertIn(" %s" % name, text)
        self.assertIn("$warehouse_position", text)


if __name__ == "__main__":
    stack.main()
