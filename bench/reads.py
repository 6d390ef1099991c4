"""nginx: items, pages, formats and conditions over HTTP; what metrics cost."""

import contextlib
import threading

from front import LIST_CONNECTIONS, LIST_ROUNDS, ROUNDS, SECONDS, WARM, Front, fill_items
from measure import processor, program, row, say, wrk
import stack

ITEMS = 1000000
LISTED = (10000, 1000000)
TYPES = {"NDJSON": "application/x-ndjson", "CSV": "text/csv"}
POSTS_ROUNDS = 11
POSTS_SECONDS = 8
POSTS_RATE = 10000


def points():
    """One item, a page, and a 304 of the whole list."""
    with Front() as f:
        fill_items(f.s, ITEMS)
        paths = {"one item": "/items/SKU4711", "a page of 100": "/items?limit=100&after=SKU4711"}
        goals = {"one item": ">= 0.35", "a page of 100": ">= 0.15"}
        etag = f.s.request("GET", "/items")[1]["ETag"]
        f.server = "location = /none { return 204; }"
        for name, path in paths.items():
            f.server += " location = /%s { default_type application/json; return 200 '%s'; }" \
                % (name.replace(" ", "-"), f.s.request("GET", path)[2])
        f.s.nginx.stop()
        f.start()
        for name, path in paths.items():
            plain = "/" + name.replace(" ", "-")
            assert wrk(f.s.port, path, LIST_CONNECTIONS, 1) > 0
            row("GET %s of 1,000,000, to \"return 200\"" % name, goals[name],
                *zip(*[(wrk(f.s.port, path, LIST_CONNECTIONS, SECONDS),
                        wrk(f.plain, plain, LIST_CONNECTIONS, SECONDS)) for _ in range(ROUNDS)]),
                "requests/s")
        # the first one reads the list
        status = f.s.request("GET", "/items", headers={"If-None-Match": etag})[0]
        assert status == 304
        row("GET /items, 1,000,000 items, 304, to \"return 204\"", ">= 0.8",
            *zip(*[(wrk(f.s.port, "/items", LIST_CONNECTIONS, SECONDS, If_None_Match=etag),
                    wrk(f.plain, "/none", LIST_CONNECTIONS, SECONDS)) for _ in range(ROUNDS)]),
            "requests/s")


def formats():
    for n in LISTED:
        with Front() as f:
            fill_items(f.s, n)
            for name, media in TYPES.items():
                status, headers, text = f.s.request("GET", "/items", headers={"Accept": media})
                assert status == 200 and headers["Content-Type"].startswith(media)
                with open(f.s.dir + "/items.json", "w", newline="") as file:
                    file.write(text)
                row("GET /items as %s, %s items, to a static file" % (name, format(n, ",")), ">= 0.9",
                    *zip(*[(wrk(f.s.port, "/items", LIST_CONNECTIONS, SECONDS, Accept=media),
                            wrk(f.plain, "/items", LIST_CONNECTIONS, SECONDS))
                           for _ in range(LIST_ROUNDS)]), "requests/s")


class Scraper(threading.Thread):
    """Asks for the metrics once a second."""

    def __init__(self, s):
        super().__init__()
        self.s = s
        self.done = threading.Event()
        self.statuses = []

    def run(self):
        while not self.done.wait(1):
            self.statuses.append(self.s.request("GET", "/metrics")[0])

    def __enter__(self):
        self.start()

    def __exit__(self, *_):
        self.done.set()
        self.join()
        assert len(self.statuses) >= POSTS_SECONDS - 2 and set(self.statuses) == {200}, self.statuses


def metrics():
    """What a POST costs a worker, with metrics that are looked at and in a build
    without: at one rate, so that as many are answered at once."""
    with Front() as f, Front(stack.BUILD + "/uncounted") as uncounted:
        f.post(64, WARM)
        uncounted.post(64, SECONDS)
        rates = []
        for n in range(POSTS_ROUNDS):
            both = [cost(f, Scraper(f.s)), cost(uncounted, contextlib.nullcontext())] if n % 2 else \
                [cost(uncounted, contextlib.nullcontext()), cost(f, Scraper(f.s))][::-1]
            rates.append(both)
        say("%d POSTs/s" % POSTS_RATE)
        row("worker's processor time for a POST, with metrics, to without", "<= 1.03", *zip(*rates), "us")


def cost(f, scraper):
    worker = f.s.worker()
    before = processor(worker)
    with scraper:
        program("load", f.s.port, "POST", "/commands", 64, POSTS_RATE, POSTS_SECONDS)
    return (processor(worker) - before) / (POSTS_RATE * POSTS_SECONDS)
