#!/usr/bin/env python3
"""The running system is as its documents say: HTTP as api/openapi.yaml, which
schemathesis tries out, the topics as api/asyncapi.yaml."""

import json
import os
import re
import subprocess

from jsonschema import Draft202012Validator
import yaml

import stack

# nothing from elsewhere, no script in the page itself
POLICY = {"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
                                     "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; "
                                     "base-uri 'none'; form-action 'none'",
          "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
TYPES = {"css": "text/css", "js": "text/javascript", "png": "image/png", "yaml": "application/yaml"}

# the long run looks further
LONG = "FAULT_LONG" in os.environ
SEED = os.environ.get("FAULT_SEED", "1") if LONG else "1"


class Api(stack.Case):

    def test_schemathesis(self):
        s = self.s
        s.create_topics()
        s.start_daemon()
        s.start_nginx()
        for sku in "SKU123", "SKU456":
            self.assertEqual(s.post("increase", sku, 7)[0], 200)
        s.wait_caught_up()
        config = s.dir + "/schemathesis.toml"
        with open(config, "w") as f:
            f.write('hooks = "schemathesis_hooks"\n[generation]\ndatabase = "none"\n'
                    '[phases.stateful]\nenabled = false\n'
                    # conditions that are not met
                    '[checks]\npositive_data_acceptance.expected-statuses = '
                    '["2xx", "304", "404", "412", "416"]\n')
        r = subprocess.run(
            ["schemathesis", "--config-file", config, "run", stack.ROOT + "/api/openapi.yaml",
             "--url", "http://127.0.0.1:%d" % s.port, "--seed", SEED, "-n", "400" if LONG else "40",
             "--request-timeout", "20", "--no-color", "--continue-on-failure"],
            cwd=s.dir, capture_output=True, text=True, timeout=(20 if LONG else 4) * stack.DEADLINE)
        print("".join("# %s\n" % line for line in r.stdout.splitlines() if " generated" in line or "passed" in line))
        self.assertEqual(r.returncode, 0, r.stdout[-8000:] + r.stderr[-2000:])
        self.assertEqual(s.request("GET", "/items/SKU123")[0], 200)
        s.wait_caught_up()
        self.check()

    def test_topics(self):
        """Every record is what the document says of its channel."""
        s = self.s
        s.rejections = s.commands + "-rejections"
        s.write_conf()
        s.create_topics()
        s.start_daemon()
        key = [("idempotency-key", b"one")]
        s.produce(['{"action":"increase","sku":"A","qty":5}', '{"action":"decrease","sku":"A","qty":9}', "{}", ""],
                  key=b"A")
        s.produce(['{"action":"increase","sku":"\u00e9","qty":1}'] * 2, key=b"\xc3\xa9", headers=key)
        s.produce(['{"action":"decrease","sku":"\u00e9","qty":1}'], key=b"\xc3\xa9", headers=key)
        s.wait_caught_up()
        with open(stack.ROOT + "/api/asyncapi.yaml") as f:
            document = yaml.safe_load(f)
        outcomes = set()
        for name, topic in ("notification", s.notifications), ("rejection", s.rejections):
            message = document["components"]["messages"][name]
            for r in s.read(topic):
                value = json.loads(r.value)
                for what, schema in (value, message["payload"]), (stack.headers(r), message["headers"]):
                    Draft202012Validator({"components": document["components"], "unevaluatedProperties": False,
                                          "allOf": [schema]}).validate(what)
                outcomes.add(value.get("outcome", "applied"))
        self.assertEqual(outcomes, {"applied", "refused", "duplicate", "malformed"})

    def test_page(self):
        """/docs, as conf/nginx.conf serves it."""
        s = self.s
        s.start_nginx()
        status, headers, _ = s.request("GET", "/docs")
        self.assertEqual((status, headers["Location"]), (301, "/docs/"))
        status, headers, page = s.request("GET", "/docs/")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/html"))
        for name, value in POLICY.items():
            self.assertEqual(headers[name], value)
        for name in re.findall(r'(?:src|href)="([^"]+)"', page):
            status, headers, _ = s.request("HEAD", "/docs/" + name)
            self.assertEqual(status, 200, name)
            self.assertEqual(headers["Content-Type"], TYPES[name.rpartition(".")[2]], name)
        status, headers, _ = s.request("HEAD", "/docs/openapi.yaml", headers={"Accept-Encoding": "gzip"})
        self.assertEqual((status, headers["Content-Encoding"]), (200, "gzip"))
        self.assertEqual(s.request("GET", "/docs/none")[0], 404)
        for path in "/items", "/docs/none", "/health/live":
            self.assertEqual(s.request("GET", path)[1]["X-Content-Type-Options"], "nosniff", path)


if __name__ == "__main__":
    stack.main()
