#!/usr/bin/env python3
"""The page at /, the API's page, and items, in a headless Chromium.  Screenshots
go to build/screenshots."""

import contextlib
import os
import re
import sqlite3
import subprocess
import sys
import urllib.parse

import stack

sys.path.append(stack.ROOT + "/deps/browser")
from axe_playwright_python.sync_playwright import Axe  # noqa: E402
from playwright.sync_api import expect, sync_playwright  # noqa: E402

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


class Page(stack.Case):
    """What conf/nginx.conf has at /."""

    user = None

    def setUp(self):
        super().setUp()
        os.makedirs(SHOTS, exist_ok=True)
        self.s.create_topics()
        self.s.start_daemon()
        self.s.start_nginx()
        for part in "reads", "writes":
            stack.wait(lambda: self.s.request("GET", "/health/" + part)[0] == 200, part)
        playwright = self.enterContext(sync_playwright())
        self.browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium-headless-shell", args=["--no-sandbox"])
        self.addCleanup(self.browser.close)
        expect.set_options(timeout=1000 * stack.DEADLINE)

    def open(self, **options):
        """The page, once it shows the stock; what goes wrong on it goes to self.wrong."""
        page = self.browser.new_page(**options)
        page.set_default_timeout(1000 * stack.DEADLINE)
        self.wrong = []
        page.on("console", lambda m: self.wrong.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: self.wrong.append(str(e)))
        page.goto("http://127.0.0.1:%d/" % self.s.port)
        expect(page.locator("#live span")).to_have_text("connected")
        return page

    def fill(self, n):
        """Puts n items into the database, by hand."""
        self.s.daemon.stop()
        with contextlib.closing(sqlite3.connect(self.s.db)) as db, db:
            db.executemany("INSERT INTO items VALUES(?, ?, 1)",
                           (("ITEM%06d" % k, k * 7919 % 100000 + 1) for k in range(n)))
        self.s.start_daemon()

    def rows(self, page):
        return page.evaluate("""Array.from(document.querySelectorAll('#items tr'),
            (tr) => [tr.cells[0].textContent, tr.cells[1].textContent])""")

    def send(self, page, action, sku, qty):
        page.get_by_label(action).check()
        page.get_by_label("Sku", exact=True).fill(sku)
        page.get_by_label("Quantity").fill(str(qty))
        page.get_by_role("button", name="Send", exact=True).click()

    def violations(self, page):
        found = Axe().run(page)
        self.assertEqual(found.violations_count, 0, found.generate_report())

    def test_follows(self):
        page = self.open()
        expect(page.locator("#count")).to_have_text("0 items")
        expect(page.locator("#none")).to_be_visible()
        for sku in "B", "A", "A":
            self.assertEqual(self.s.post("increase", sku, 7)[0], 200)
        expect(page.locator("#items tr")).to_have_count(2)
        expect(page.locator("#events li")).to_have_count(3)
        expect(page.locator("#items tr").first).to_contain_text("14")
        self.assertEqual(self.rows(page), [["A", "14"], ["B", "7"]])
        expect(page.locator("#events li").first).to_contain_text("A +7, now 14")
        # another browser begins with what there is, and both go on
        other = self.open()
        self.assertEqual(self.rows(other), [["A", "14"], ["B", "7"]])
        self.assertEqual(self.s.post("decrease", "B", 7)[0], 200)
        for one in page, other:
            expect(one.locator("#items tr").last.locator("td").nth(1)).to_have_text("0")
        for part in "reads", "writes", "daemon":
            expect(page.locator("#%s span" % part)).to_have_text("ok")
        # each goes on through a daemon that stops, and a database that is lost
        self.s.daemon.stop()
        self.s.remove_database()
        self.s.start_daemon()
        self.assertEqual(self.s.post("increase", "C", 1)[0], 200)
        expect(page.locator("#items tr")).to_have_count(3)
        self.assertEqual(self.rows(page), [["A", "14"], ["B", "0"], ["C", "1"]])
        # and nginx that is started again
        self.s.nginx.stop()
        expect(page.locator("#live span")).to_have_text("interrupted")
        expect(page.locator("#reads span")).to_have_text("no answer")
        self.s.start_nginx()
        expect(page.locator("#live span")).to_have_text("connected")
        self.assertEqual(self.s.post("increase", "D", 1)[0], 200)
        expect(page.locator("#items tr")).to_have_count(4)

    def test_commands(self):
        s = self.s
        page = self.open()
        result = page.locator("#result")
        self.send(page, "Increase", "SKU123", 10)
        expect(result).to_have_text("Applied: +10 SKU123, stock is 10 (version 1)")
        page.get_by_role("button", name="Change SKU123").click()
        expect(page.get_by_label("Quantity")).to_be_focused()
        self.send(page, "Decrease", "SKU123", 4)
        expect(result).to_have_text("Applied: \u22124 SKU123, stock is 6 (version 2)")
        self.send(page, "Decrease", "SKU123", 100)
        expect(result).to_have_text("Refused: \u2212100 SKU123, there is too little; stock is 6")
        self.send(page, "Decrease", "nothing", 1)
        expect(result).to_contain_text("there is no such item")
        self.send(page, "Increase", "x" * 256, 1)
        expect(result).to_contain_text("Not accepted: sku must be")
        for bad in "0", "-5", "1.5", "x", "":
            self.send(page, "Increase", "SKU123", bad)
            self.assertTrue(page.evaluate("document.querySelector('#qty:invalid') !== null"), bad)
        self.assertEqual([line for line in self.wrong if "409" not in line and "422" not in line], [])
        # nobody answers: what is sent again has its effect once
        s.nginx.stop()
        self.send(page, "Increase", "SKU123", 1)
        expect(result).to_contain_text("Nobody knows whether it was accepted (no answer")
        s.start_nginx()
        page.get_by_role("button", name="Send again").click()
        expect(result).to_have_text("Applied: +1 SKU123, stock is 7 (version 3)")
        # accepted, but the answer is lost: the form sends the same one again, too
        page.route("**/commands", lambda route: (route.fetch(), route.abort()))
        self.send(page, "Decrease", "SKU123", 1)
        expect(result).to_contain_text("Nobody knows")
        page.unroute("**/commands")
        stack.wait(lambda: s.items()[1] == '[{"sku":"SKU123","qty":6}]', "the stock of 6")
        self.send(page, "Decrease", "SKU123", 1)
        expect(result).to_have_text("Applied: \u22121 SKU123, stock is 6 (version 4)")
        page.route("**/commands", lambda route: route.fulfill(
            status=504, content_type="application/problem+json", body='{"detail":"too late"}'))
        self.send(page, "Increase", "SKU123", 1)
        expect(result).to_contain_text("Nobody knows whether it was accepted (too late)")
        page.unroute("**/commands")
        page.get_by_role("button", name="Send again").click()
        expect(result).to_have_text("Applied: +1 SKU123, stock is 7 (version 5)")
        # what somebody in between says, in his own words
        for status, told in (401, "Not accepted: status 401"), (429, "Not accepted: status 429"), \
                (502, "Nobody knows whether it was accepted (status 502)"):
            page.route("**/commands", lambda route: route.fulfill(status=status, body="<html>no</html>"))
            self.send(page, "Increase", "SKU123", 1)
            expect(result).to_contain_text(told)
            page.unroute("**/commands")
        # no daemon
        s.daemon.stop()
        self.send(page, "Increase", "SKU123", 1)
        expect(result).to_contain_text("Accepted: +1 SKU123, not processed yet.")
        expect(page.get_by_role("link", name="What became of it")).to_have_attribute(
            "href", re.compile(r"^commands/\d+:\d+$"))
        s.start_daemon()
        s.wait_caught_up()
        self.assertEqual(s.items(), (200, '[{"sku":"SKU123","qty":8}]'))

    def test_many(self):
        """A hundred thousand items, found, sorted and paged by keyboard alone."""
        self.fill(100000)
        page = self.open()
        expect(page.locator("#count")).to_have_text("100,000 items")
        expect(page.locator("#page")).to_have_text("Page 1 of 1,000")
        self.assertEqual(len(self.rows(page)), 100)
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="To the stock")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(page.get_by_role("searchbox")).to_be_focused()
        page.keyboard.type("tem0123")
        expect(page.locator("#count")).to_have_text("100 of 100,000 items")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Stock")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("th").nth(1)).to_have_attribute("aria-sort", "ascending")
        stock = [int(qty.replace(",", "")) for _, qty in self.rows(page)]
        self.assertEqual((len(stock), stock), (100, sorted(stock)))
        page.keyboard.press("Space")
        expect(page.locator("th").nth(1)).to_have_attribute("aria-sort", "descending")
        self.assertEqual([int(qty.replace(",", "")) for _, qty in self.rows(page)], sorted(stock)[::-1])
        page.get_by_role("searchbox").fill("")
        page.get_by_role("button", name="Sku").click()
        page.get_by_role("button", name="Last").click()
        expect(page.locator("#page")).to_have_text("Page 1,000 of 1,000")
        self.assertEqual(self.rows(page)[-1][0], "ITEM099999")
        page.get_by_role("button", name="Previous").click()
        self.assertEqual(self.rows(page)[-1][0], "ITEM099899")
        # under a button that has the focus no row becomes another item's
        button = page.get_by_role("button", name="Change ITEM099850")
        button.focus()
        self.assertEqual(self.s.post("increase", "ITEM0998", 1)[0], 200)
        expect(page.locator("#events li").first).to_contain_text("ITEM0998 ")
        page.evaluate("load()")               # nor where the list is loaded again
        expect(page.locator("#live span")).to_have_text("connected")
        page.wait_for_timeout(1000)
        expect(button).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_label("Sku", exact=True)).to_have_value("ITEM099850")
        expect(page.locator("#count")).to_have_text("100,001 items")
        # what changes on this page is seen, and elsewhere found
        self.assertEqual(self.s.post("increase", "ITEM099850", 1000000)[0], 200)
        expect(page.locator("#items tr", has_text="ITEM099850")).to_contain_text("1,0")
        self.assertEqual(self.s.post("increase", "new", 1)[0], 200)
        expect(page.locator("#count")).to_have_text("100,002 items")
        self.assertEqual(self.wrong, [])

    def test_one_stream(self):
        """However often the list is loaded, and the page not seen, one stream is there."""
        page = self.browser.new_page()
        page.set_default_timeout(1000 * stack.DEADLINE)
        page.add_init_script("""
            const streams = [];
            const Stream = EventSource;
            window.EventSource = class extends Stream {
                constructor(url) { super(url); streams.push(this); }
            };
            let hidden = false;
            Object.defineProperty(document, "hidden", { get: () => hidden });
            window.see = (seen) => {
                hidden = !seen;
                document.dispatchEvent(new Event("visibilitychange"));
            };
            window.open_streams = () => streams.filter((s) => s.readyState !== 2).length;""")
        page.clock.install()
        live = page.locator("#live span")
        held = []
        page.route("**/items", lambda route: route.fulfill(status=503))
        page.goto("http://127.0.0.1:%d/" % self.s.port)
        expect(live).to_contain_text("trying again")
        # unseen for so long while the next try is due
        page.evaluate("see(false)")
        page.clock.fast_forward(29900)
        expect(live).to_contain_text("trying again")
        page.clock.fast_forward(100)
        expect(live).to_have_text("asleep")
        self.assertEqual(page.evaluate("open_streams()"), 0)
        page.unroute("**/items")
        page.route("**/items", lambda route: held.append(route))
        page.evaluate("see(true)")
        expect(live).to_have_text("loading")
        page.clock.fast_forward(20000)
        page.evaluate("load()")
        stack.wait(lambda: page.evaluate("1") and len(held) >= 2, "two lists to be asked for")
        for route in held:
            route.continue_()
        page.unroute("**/items")
        page.clock.resume()
        expect(live).to_have_text("connected")
        self.assertEqual(page.evaluate("open_streams()"), 1)
        self.assertEqual(self.s.post("increase", "A", 7)[0], 200)
        expect(page.locator("#events li")).to_have_count(1)
        # asked for before it went to sleep, come after
        page.route("**/items", lambda route: held.append(route))
        del held[:]
        page.evaluate("load(), see(false)")
        stack.wait(lambda: page.evaluate("1") and held, "a list to be asked for")
        page.clock.fast_forward(31000)
        expect(live).to_have_text("asleep")
        held[0].continue_()
        page.unroute("**/items")
        page.wait_for_timeout(500)
        self.assertEqual(page.evaluate("open_streams()"), 0)
        expect(live).to_have_text("asleep")

    def test_markup(self):
        """A sku is text."""
        page = self.open()
        for sku in MARKUP, "\u202eevil", "<b>", "a  b", "&amp;":
            self.send(page, "Increase", sku, 1)
            expect(page.locator("#result")).to_contain_text("Applied: +1 " + sku)
        expect(page.locator("#items tr")).to_have_count(5)
        self.assertEqual(sorted(sku for sku, _ in self.rows(page)),
                         sorted([MARKUP, "\u202eevil", "<b>", "a  b", "&amp;"]))
        self.assertEqual(page.evaluate("document.querySelectorAll('img, b:not(#state b), main script').length"), 0)
        self.assertEqual((page.title(), self.wrong), ("Warehouse", []))

    def test_accessible(self):
        """axe-core finds nothing, whatever the page shows; screenshots."""
        for n in range(40):
            for qty in 30, 10 + n:
                self.assertEqual(self.s.post("increase", "SKU%03d" % (n * 37 % 100), qty)[0], 200)
        self.s.wait_caught_up()
        for scheme in "light", "dark":
            for name, width in (scheme, 1200), (scheme + "-narrow", 400):
                page = self.open(color_scheme=scheme, viewport={"width": width, "height": 900})
                self.violations(page)
                for n in range(14):
                    self.assertEqual(self.s.post("decrease" if n % 3 else "increase",
                                                 "SKU%03d" % (n * 37 % 100), 3)[0], 200)
                expect(page.locator("#events li")).to_have_count(14)
                expect(page.locator("#items tr.new")).to_have_count(0)
                self.send(page, "Decrease", "SKU037", 3)
                expect(page.locator("#result")).to_contain_text("Applied")
                expect(page.locator("#items tr.new")).to_have_count(1)
                expect(page.locator("#daemon span")).to_have_text("ok")
                self.violations(page)
                page.screenshot(path="%s/page-%s.png" % (SHOTS, name))
                self.send(page, "Decrease", "SKU037", 100000)
                expect(page.locator("#result")).to_contain_text("Refused")
                expect(page.locator("#items tr.new")).to_have_count(0)
                self.violations(page)
                self.assertEqual([line for line in self.wrong if "409" not in line], [])
                self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), width)
                page.close()


if __name__ == "__main__":
    stack.main()
