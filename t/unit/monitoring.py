#!/usr/bin/env python3
"""The alerts and the dashboard: understood by Prometheus, about metrics that there
are, and each alert explained."""

import json
import re
import subprocess
import tempfile

import stack

MONITORING = stack.ROOT + "/monitoring/"


def read(path):
    with open(stack.ROOT + "/" + path) as f:
        return f.read()


def promtool(*args):
    return subprocess.run(["promtool", *args], capture_output=True, text=True)


class Monitoring(stack.unittest.TestCase):

    def names(self):
        """What docs/http.md and docs/daemon.md say there is, as samples are named."""
        names = set()
        for path, prefix in ("docs/http.md", "warehouse_nginx_"), ("docs/daemon.md", "warehouse_consumer_"):
            section = read(path).split("## Metrics\n")[1].split("\n## ")[0]
            for row in re.findall(r"(?m)^\| (`.*?) \| (.*) \|$", section):
                for name in re.findall(r"`([a-z_]+)(?:\{[a-z,]+\})?`", row[0]):
                    names.add(prefix + name)
                    names |= {prefix + name + end for end in ("_bucket", "_sum", "_count")
                              if "histogram" in row[1]}
        self.assertGreater(len(names), 40)
        return names

    def dashboard(self):
        board = json.loads(read("monitoring/dashboard.json"))
        for panel in board["panels"]:
            for target in panel["targets"]:
                yield panel["title"], target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")

    def test_rules(self):
        for args in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"],
                     ["check", "config", "--syntax-only", "prometheus.yml"]):
            r = subprocess.run(["promtool", *args], cwd=MONITORING, capture_output=True, text=True)
            self.assertEqual(r.returncode, 0, r.stdout + r.stderr)

    def test_dashboard(self):
        """Its expressions, as rules."""
        rules = [{"record": "panel:%d" % n, "expr": expr} for n, (_, expr) in enumerate(self.dashboard())]
        self.assertGreater(len(rules), 20)
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as f:
            json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, f)
            f.flush()
            r = promtool("check", "rules", f.name)
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)

    def test_names(self):
        known = self.names()
        used = [("alerts.yml", read("monitoring/alerts.yml"))] + list(self.dashboard())
        for where, text in used:
            for name in set(re.findall(r"\bwarehouse_(?:nginx|consumer)_\w+", text)):
                with self.subTest("%s: %s" % (where, name)):
                    self.assertIn(name, known)

    def test_runbook(self):
        alerts = re.findall(r"- alert: (\w+)", read("monitoring/alerts.yml"))
        self.assertGreater(len(alerts), 10)
        text = read("docs/runbook.md")
        self.assertEqual(re.findall(r"(?m)^## (\w+)$", text), alerts)
        for section in text.split("\n## ")[1:]:
            self.assertGreater(len(section.split()), 30, section)
        tested = read("monitoring/alerts_test.yml")
        for alert in alerts:
            # both: that it rings, and that it does not
            self.assertGreaterEqual(len(re.findall(r"alertname: %s\b" % alert, tested)), 2, alert)


if __name__ == "__main__":
    stack.main()
