"""nginx: commands and lists over HTTP."""

import contextlib
import random
import sqlite3
import threading
import time

import stack
from measure import launch, memory, program, result, row, say, wrk

ROUNDS = 5
LIST_ROUNDS = 11           # the kernel's copying differs much from round to round
SECONDS = 5
LATENCY_ROUNDS = 3
LATENCY_SECONDS = 10
WARM = 40                  # seconds: the broker compiles itself while it runs
LIST_CONNECTIONS = 64
BATCHES = 100              # changing batches a second
OTHERS = 500               # other requests a second

PLAIN = ("location = /commands { return 200 '{\"status\":\"accepted\"}'; } "
         "location = /items { default_type application/json; alias @DIR@/items.json; }")


class Front:
    """nginx with the module and, on another port, the baselines."""

    def __init__(self, build=None, plain=PLAIN):
        self.s = stack.Stack()
        self.plain, = stack.free_ports()
        self.build = build
        self.server = plain

    def __enter__(self):
        self.s.create_topics()
        self.start()
        return self

    def start(self):
        self.s.start_nginx(extra="server { listen 127.0.0.1:%d backlog=4096; %s }"
                           % (self.plain, self.server.replace("@DIR@", self.s.dir)), build=self.build)

    def __exit__(self, *_):
        self.s.stop()

    def post(self, connections, seconds=SECONDS):
        return wrk(self.s.port, "/commands", connections, seconds, post=True)

    def plain_post(self, connections):
        return wrk(self.plain, "/commands", connections, SECONDS, post=True)


def posts():
    with Front() as f, Front(stack.BUILD + "/forget") as forget:
        f.post(256, WARM)
        for connections in (256, 1024):
            f.post(connections, 2)
            forget.post(connections, 2)
            rates = [(f.post(connections), f.plain_post(connections), forget.post(connections))
                     for _ in range(ROUNDS)]
            ours, plain, forgotten = zip(*rates)
            row("POST acknowledged, %d connections, to \"return 200\"" % connections,
                ">= 0.6", ours, plain, "requests/s")
            row("POST acknowledged, %d connections, to fire-and-forget" % connections,
                ">= 0.8", ours, forgotten, "requests/s")


def latency():
    with Front() as f:
        f.post(256, WARM)
        rate = int(f.post(256) / 2)
        say("latencies at %d/s" % rate)
        ours, acks = [], []
        for _ in range(LATENCY_ROUNDS):
            ours.append(program("load", f.s.port, "POST", "/commands", 256, rate,
                                LATENCY_SECONDS))
            plain = program("load", f.plain, "POST", "/commands", 256, rate, LATENCY_SECONDS)
            say("\"return 200\" at the same rate: p50 %d us, p99 %d us"
                % (plain["p50"], plain["p99"]))
            acks.append(program("acks", f.s.brokers, f.s.commands, rate, LATENCY_SECONDS))
        for share in ("p50", "p99"):
            row("POST latency at half of that rate, %s, to produce-to-ack" % share, "<= 1.3",
                [t[share] for t in ours], [t[share] for t in acks], "us")


def fill_items(s, n):
    """A database with n items, as large as the daemon would write it."""
    s.start_daemon()
    s.daemon.stop()
    rnd = random.Random(n)
    with contextlib.closing(sqlite3.connect(s.db)) as db, db:
        skus = sorted("SKU%d" % i for i in range(n))
        db.executemany("INSERT INTO items(sku, qty, version) VALUES(?, ?, 1)",
                       ((sku, rnd.randrange(1, 100000)) for sku in skus))
    with contextlib.closing(sqlite3.connect(s.db)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def static_list(s):
    """Keeps the list as a file; returns its size."""
    status, text = s.items()
    assert status == 200
    with open(s.dir + "/items.json", "w") as f:
        f.write(text)
    return len(text)


class Writer(threading.Thread):
    """Changes an item BATCHES times a second, as other writers do."""

    def __init__(self, s, n):
        super().__init__()
        self.s = s
        self.n = n
        self.count = 0
        self.done = threading.Event()

    def run(self):
        rnd = random.Random(1)
        start = time.monotonic()
        with contextlib.closing(sqlite3.connect(self.s.db, timeout=30)) as db:
            db.execute("PRAGMA synchronous = NORMAL")
            while not self.done.wait(max(0, start + self.count / BATCHES - time.monotonic())):
                with db:
                    db.execute("UPDATE items SET qty = qty + 1, version = version + 1"
                               " WHERE sku = ?", ("SKU%d" % rnd.randrange(self.n),))
                self.count += 1
        self.rate = self.count / (time.monotonic() - start)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.join()


def lists():
    for n in (100, 10000, 1000000):
        with Front() as f:
            fill_items(f.s, n)
            say("%d items, %d bytes" % (n, static_list(f.s)))
            rates = [(wrk(f.s.port, "/items", LIST_CONNECTIONS, SECONDS),
                      wrk(f.plain, "/items", LIST_CONNECTIONS, SECONDS))
                     for _ in range(LIST_ROUNDS)]
            row("GET /items, %s items, to a static file" % format(n, ","), ">= 0.9",
                *zip(*rates), "requests/s")


def changing():
    for n in (100, 10000, 1000000):
        with Front() as f:
            fill_items(f.s, n)
            static_list(f.s)
            with Writer(f.s, n) as writer:
                rates = [(others(f, f.s.port), others(f, f.plain)) for _ in range(ROUNDS)]
            say("%d items, %.0f batches a second" % (n, writer.rate))
            ours, plain = zip(*rates)
            name = "GET /items, %s items, %d batches/s, " % (format(n, ","), BATCHES)
            row(name + "to a static file", ">= 0.5", [a[0] for a in ours], [a[0] for a in plain],
                "requests/s")
            row(name + "p99 of other requests", "<= 2", [a[1] for a in ours],
                [a[1] for a in plain], "us")


def others(f, port):
    """Lists a second, and the p99 of other requests meanwhile."""
    load = launch("load", f.plain, "POST", "/commands", 16, OTHERS, SECONDS)
    rate = wrk(port, "/items", LIST_CONNECTIONS, SECONDS)
    return rate, result(load)["p99"]


def flat():
    """A worker's memory over ten million POSTs."""
    with Front() as f:
        posted, sizes = 0, []
        f.post(256, SECONDS)
        while posted < 10000000:
            posted += f.post(256, 20) * 20
            sizes.append(memory(f.s.worker()))
        say("worker: %s MiB" % " ".join("%.1f" % m for m in sizes))
        row("nginx worker after 10 million POSTs, to after the first", "<= 1.05",
            [sizes[-1]], [sizes[0]], "MiB")


def start():
    """nginx with a million items, from its start to the first list."""
    with Front() as f:
        fill_items(f.s, 1000000)
        seconds = []
        for _ in range(ROUNDS):
            f.s.nginx.stop()
            begin = time.monotonic()
            f.start()
            assert f.s.items()[0] == 200
            seconds.append(time.monotonic() - begin)
        row("nginx start to the first list of 1,000,000 items, to 1 s", "<= 1", seconds,
            [1] * ROUNDS, "s")
