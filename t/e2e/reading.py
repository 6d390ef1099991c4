#!/usr/bin/env python3
"""Readers: what they see while the stock changes, and what they cost."""

import contextlib
import functools
import http.client
import itertools
import json
import os
import random
import signal
import sqlite3
import threading
import time

import command
import stack

GOOD = '{"action":"increase","sku":"W%06d-' + "x" * 200 + '","qty":1}'


class Reading(stack.Case):

    def setUp(self):
        super().setUp()
        self.s.create_topics()

    def fill(self, n):
        """Puts n items into the database, by hand."""
        s = self.s
        s.start_daemon()
        s.daemon.stop()
        with contextlib.closing(sqlite3.connect(s.db)) as db, db:
            db.executemany("INSERT INTO items VALUES(?, 7, 1)",
                           (("ITEM%08d" % k,) for k in range(n)))

    def memory(self, pid):
        """The most it ever had, in KiB."""
        with open("/proc/%d/status" % pid) as f:
            return int(next(line for line in f if line.startswith("VmHWM")).split()[1])

    def test_every_list_is_a_state_the_log_had(self):
        s = self.s
        s.start_daemon()
        s.start_nginx(workers=2)
        lists, done = [], threading.Event()

        def read(mine):
            while not done.wait(0.002):
                seen = s.items()
                if mine[-1:] != [seen]:
                    mine.append(seen)

        threads = []
        for _ in range(3):
            lists.append([])
            threads.append(threading.Thread(target=read, args=(lists[-1],)))
            threads[-1].start()
            self.addCleanup(threads[-1].join)
            self.addCleanup(done.set)

        rnd = random.Random(11)
        for _ in range(40):
            s.produce(['{"action":"%s","sku":"S%d","qty":%d}'
                       % (rnd.choice(["increase", "increase", "decrease"]), rnd.randrange(6),
                          rnd.randint(1, 9)) for _ in range(rnd.randint(1, 100))])
        s.wait_caught_up()
        done.set()
        for t in threads:
            t.join()

        ledger, states = command.Ledger(s.commands), {}
        states.setdefault("[]", []).append(0)
        for n, record in enumerate(s.read(s.commands), 1):
            ledger.apply(record.value, record.partition, record.offset)
            text = "[%s]" % ",".join('{"sku":%s,"qty":%d}' % (command.quote(sku), qty)
                                     for sku, (qty, _) in sorted(ledger.items.items()))
            states.setdefault(text, []).append(n)
        for mine in lists:
            self.assertGreater(len(mine), 3)
            at = 0
            for status, text in mine:
                self.assertEqual(status, 200)
                self.assertIn(text, states)
                later = [n for n in states[text] if n >= at]
                self.assertTrue(later, "a list went back in time")
                at = later[0]

    def test_position(self):
        """Every list is exactly the notifications before its position; an ETag
        that comes back stands for the same list; pages and items agree."""
        s = self.s
        s.start_daemon()
        s.start_nginx(workers=2)
        position, formats = "Warehouse-Notifications-Position", ("application/json", "text/csv")
        self.assertEqual(s.request("GET", "/items")[1][position], "0:0")
        seen, done = [], threading.Event()

        def read(path, accept):
            while not done.wait(0.002):
                status, headers, text = s.request("GET", path, headers={"Accept": accept})
                seen.append((path, accept, status, headers[position], headers["ETag"], text))

        for path, accept in itertools.product(("/items", "/items?limit=1000"), formats):
            thread = threading.Thread(target=read, args=(path, accept))
            thread.start()
            self.addCleanup(thread.join)
            self.addCleanup(done.set)

        rnd = random.Random(13)
        for _ in range(30):
            s.produce(['{"action":"%s","sku":"S%d","qty":%d}'
                       % (rnd.choice(["increase", "decrease", "increase"]), rnd.randrange(6),
                          rnd.randint(1, 9)) for _ in range(rnd.randint(1, 100))])
        s.wait_caught_up()
        before = len(seen)
        stack.wait(lambda: len(seen) > before + 20, "lists of the last state")
        done.set()

        stocks = [(r.offset, n["sku"], n["stock"]) for r in s.read(s.notifications)
                  for n in [json.loads(r.value)]]

        @functools.cache
        def want(accept, at):
            items = sorted({sku: stock for offset, sku, stock in stocks
                            if offset < int(at.split(":")[1])}.items())
            return ("[%s]" % ",".join('{"sku":"%s","qty":%d}' % i for i in items)
                    if accept == formats[0] else
                    "sku,qty\r\n" + "".join("%s,%d\r\n" % i for i in items))

        tags = {}
        for path, accept, status, at, tag, text in seen:
            self.assertEqual(status, 200)
            self.assertEqual((path, accept, at, text), (path, accept, at, want(accept, at)))
            self.assertEqual(tags.setdefault(tag, text), text)
        self.assertGreater(len({at for _, _, _, at, _, _ in seen}), 5)
        last = "0:%d" % s.end(s.notifications)
        self.assertEqual(s.request("GET", "/items/S1")[1][position], last)
        self.assertEqual(s.request("GET", "/items")[1][position], last)

        # rebuilt: the same bytes, the same ETag, the same position
        tags = [s.request("GET", p)[1]["ETag"] for p in ("/items", "/items/S1", "/items?sku=S1")]
        s.daemon.stop()
        s.remove_database()
        s.start_daemon()
        for p, tag in zip(("/items", "/items/S1", "/items?sku=S1"), tags):
            _, headers, _ = s.request("GET", p)
            self.assertEqual((headers["ETag"], headers[position]), (tag, last))

    def test_long_list(self):
        """A million items: the memory stays, and others are served meanwhile."""
        s = self.s
        self.fill(1000000)
        s.start_nginx()
        self.assertEqual(s.request("GET", "/elsewhere")[0], 404)
        worker = self.s.worker()
        before = self.memory(worker)

        first = http.client.HTTPConnection("127.0.0.1", s.port, timeout=120)
        other = http.client.HTTPConnection("127.0.0.1", s.port, timeout=120)
        with contextlib.closing(first), contextlib.closing(other):
            first.connect()
            first.sock.sendall(b"GET /items HTTP/1.1\r\nHost: x\r\n\r\n")
            first.sock.setblocking(False)
            others = 0
            while True:
                other.request("GET", "/elsewhere")
                other.getresponse().read()
                others += 1
                with contextlib.suppress(BlockingIOError):
                    data = first.sock.recv(1)
                    break
            # one go would have answered one or two of them before the list
            self.assertGreater(others, 20)
            self.assertEqual(data, b"H")

        status, text = s.items()
        self.assertEqual(status, 200)
        self.assertEqual(len(json.loads(text)), 1000000)
        self.assertTrue(text.startswith('[{"sku":"ITEM00000000","qty":7},'))
        self.assertLess(self.memory(worker) - before, 16 << 10)
        self.assertEqual([f for _, _, files in os.walk(s.dir + "/nginx/body") for f in files], [])

    def interrupted(self, change):
        """Three requests around a list that is being built: one before a
        commit, one after it, and one after the database has gone."""
        s = self.s
        self.fill(500000)
        s.start_nginx()
        self.assertEqual(s.request("GET", "/elsewhere")[0], 404)
        worker = self.s.worker()
        connections = []
        with contextlib.ExitStack() as closing:
            for step in (None, self.commit, change):
                if step:
                    step()
                c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=120)
                connections.append(closing.enter_context(contextlib.closing(c)))
                c.request("GET", "/items")
                # the worker has taken it once it answers this
                self.assertEqual(s.request("GET", "/elsewhere")[0], 404)
            replies = [c.getresponse() for c in connections]
            replies = [(r.status, r.read()) for r in replies]
        self.assertEqual(self.s.worker(), worker)
        return replies

    def commit(self):
        self.s.sql("UPDATE items SET qty = 8, version = 2 WHERE sku = 'ITEM00000000'")

    def test_database_removed_under_a_list(self):
        for status, body in self.interrupted(lambda: os.unlink(self.s.db)):
            self.assertIn(status, (200, 503))
            self.assertEqual(len(json.loads(body)), 500000 if status == 200 else 4)

    def test_database_replaced_under_a_list(self):
        def replace():
            with contextlib.closing(sqlite3.connect(self.s.db)) as db, \
                    contextlib.closing(sqlite3.connect(self.s.db + ".other")) as other:
                db.backup(other)
                with other:
                    other.execute("DELETE FROM items WHERE sku > 'ITEM00000009'")
                other.execute("PRAGMA journal_mode = WAL")
            os.rename(self.s.db + ".other", self.s.db)

        replies = self.interrupted(replace)
        for (status, body), length in zip(replies, (500000, 500000, 10)):
            self.assertIn(status, (200, 503))
            if status == 200:
                self.assertEqual(len(json.loads(body)), length)
        stack.wait(lambda: self.s.items()[0] == 200, "the other database")
        self.assertEqual(len(json.loads(self.s.items()[1])), 10)

    def test_quit_while_a_list_is_built(self):
        s = self.s
        self.fill(500000)
        for single in (False, True):
            s.start_nginx(single=single)
            c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=120)
            with contextlib.closing(c):
                c.request("GET", "/items")
                self.assertEqual(s.request("GET", "/elsewhere")[0], 404)
                s.nginx.send(signal.SIGQUIT)
                if not single:
                    self.assertEqual(len(json.loads(c.getresponse().read())), 500000)
                self.assertEqual(s.nginx.stop(signal.SIGQUIT), 0)

    def test_list_that_takes_too_long(self):
        """It would keep the log from being emptied: after ten seconds it is
        given up, and made anew for who asks again."""
        s = self.s
        self.fill(500000)
        s.start_nginx()
        c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=120)
        with contextlib.closing(c):
            c.request("GET", "/items")
            self.assertEqual(s.request("GET", "/elsewhere")[0], 404)
            os.kill(s.worker(), signal.SIGSTOP)
            end = time.monotonic() + 10.5
            stack.wait(lambda: time.monotonic() > end, "the time of a list to be over")
            os.kill(s.worker(), signal.SIGCONT)
            reply = c.getresponse()
            self.assertEqual((reply.status, reply.headers["Retry-After"]), (503, "1"))
        status, body = s.items()
        self.assertEqual((status, len(json.loads(body))), (200, 500000))
        with open(s.dir + "/nginx/error.log") as f:
            text = f.read()
        self.assertIn(s.db + ": reading the items takes too long", text)
        self.assertIn(s.db + ": works again", text)

    def test_wal_under_constant_reading(self):
        """Readers without a pause, a writer too: the log stays small."""
        s = self.s
        self.fill(100000)
        s.write_conf(wal_limit="1m")
        s.start_daemon()
        s.start_nginx()
        done = threading.Event()

        def read():
            while not done.is_set():
                s.items()

        threads = [threading.Thread(target=read) for _ in range(2)]
        for t in threads:
            t.start()
            self.addCleanup(t.join)
            self.addCleanup(done.set)

        biggest = 0
        for n in range(60):
            s.produce(['{"action":"increase","sku":"ITEM%08d","qty":1}' % (k * 97 + n)
                       for k in range(1000)])
            s.wait_caught_up()
            biggest = max(biggest, os.stat(s.db + "-wal").st_size)
        print("# the write-ahead log grew to %d KiB, with a limit of 1024" % (biggest >> 10))
        # 60 batches of up to 1000 pages each are 240 MiB
        self.assertLess(biggest, 24 << 20)

    def test_wal_under_readers_that_overlap(self):
        """Two readers in turn, each of whom takes his time: somebody always
        reads.  The log is emptied nevertheless, once the daemon has been
        patient enough for both."""
        s = self.s
        s.write_conf(wal_limit="1m")
        s.start_daemon()
        s.produce([GOOD % 0])
        s.wait_caught_up()
        done = threading.Event()
        begin = time.monotonic()

        def read(turn):
            """A transaction of two seconds in every two, a second apart."""
            with contextlib.closing(sqlite3.connect(s.db, isolation_level=None)) as db:
                for n in itertools.count():
                    done.wait(max(0, begin + turn + 2 * n - time.monotonic()))
                    if done.is_set():
                        break
                    db.execute("BEGIN")
                    db.execute("SELECT count(*) FROM items").fetchone()
                    done.wait(max(0, begin + turn + 2 * n + 1.95 - time.monotonic()))
                    db.execute("COMMIT")

        for turn in (0, 1):
            thread = threading.Thread(target=read, args=(turn,))
            thread.start()
            self.addCleanup(thread.join)
            self.addCleanup(done.set)

        def size():
            return os.stat(s.db + "-wal").st_size

        biggest, n = 0, 0
        while size() >= biggest / 2:
            self.assertLess(time.monotonic(), begin + 2 * stack.DEADLINE, "the log is never emptied")
            biggest = max(biggest, size())
            n += 1
            s.produce([GOOD % (k * 97 + n) for k in range(300)])
            s.wait_caught_up()
        print("# the write-ahead log grew to %d KiB, with a limit of 1024" % (biggest >> 10))


if __name__ == "__main__":
    stack.main()
