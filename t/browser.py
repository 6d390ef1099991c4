#!/usr/bin/env python3
"""The API's page, and items, in a headless Chromium.  Screenshots go to
build/screenshots."""

import os
import re
import subprocess
import urllib.parse

import stack

SHOTS = stack.ROOT + "/build/screenshots"
MARKUP = '<img src=x onerror="document.title=1"><script>document.title=2</script>'


class Browser(stack.Case):

    def setUp(self):
        super().setUp()
        self.s.create_topics()
        self.s.start_daemon()
        self.s.start_nginx()
        for sku in MARKUP, "SKU123", '"><script>document.title=3</script>':
            self.assertEqual(self.s.post("increase", sku, 7)[0], 200)
        self.s.wait_caught_up()

    def browse(self, path, *options):
        """Returns (what the page has become, what the console says)."""
        url = path if ":" in path.partition("/")[0] else "http://127.0.0.1:%d%s" % (self.s.port, path)
        r = subprocess.run(["chromium-headless-shell", "--no-sandbox", "--user-data-dir=" + self.s.dir + "/chromium",
                            "--window-size=1200,1600", "--virtual-time-budget=10000", "--enable-logging=stderr",
                            *options, url],
                           capture_output=True, text=True, timeout=2 * stack.DEADLINE)
        self.assertEqual(r.returncode, 0, r.stderr)
        return r.stdout, [line for line in r.stderr.splitlines() if "CONSOLE" in line]

    def test_docs(self):
        self.assertIn("seen", self.browse("data:text/html,<script>console.error('seen')</script>")[1][0])
        os.makedirs(SHOTS, exist_ok=True)
        page, console = self.browse("/docs", "--dump-dom")
        self.assertEqual(console, [], "violations of the policy, or scripts that failed")
        for text in "Increase or decrease the stock of an item", "One item", "/health/reads", "OAS 3.1":
            self.assertIn(text, page)
        shot = SHOTS + "/docs.png"
        self.browse("/docs", "--screenshot=" + shot)
        self.browse("/docs/#/items/listItems", "--screenshot=" + SHOTS + "/docs-items.png")
        self.assertGreater(os.path.getsize(shot), 20000)

    def test_markup(self):
        """An item's name is text, whatever shows it."""
        for path in "/items", "/items/" + urllib.parse.quote(MARKUP, safe=""), \
                "/items?sku=" + urllib.parse.quote(MARKUP, safe=""):
            page, console = self.browse(path, "--dump-dom")
            self.assertEqual(console, [], path)
            self.assertEqual(re.findall(r"<img|<script|<title>", page), [], path)
            self.assertIn("&lt;script&gt;", page)
        # what errors repeat of a request is text, too
        page, console = self.browse("/items?" + MARKUP.replace(" ", "+").replace('"', "") + "=1", "--dump-dom")
        self.assertEqual((re.findall(r"<img|<script|<title>", page), console), ([], []))


if __name__ == "__main__":
    stack.main()
