#!/usr/bin/env python3
"""Idempotency keys, and the topic of rejections."""

import base64
import contextlib
import json
import os
import signal
import sqlite3
import subprocess

import stack

# what version 3 of the schema added
OLDEST = "DELETE FROM meta WHERE name = 'min_reader';"
# what version 4 of the schema added
OLDER = """DROP TABLE outcomes; ALTER TABLE keys DROP COLUMN expected_version;
           ALTER TABLE keys DROP COLUMN expected_qty;"""
ADD = '{"action":"increase","sku":"A","qty":5}'
TAKE = '{"action":"decrease","sku":"A","qty":3}'
HOUR = 3600 * 1000
NOW = 1_700_000_000_000


def key(value):
    return [("idempotency-key", value)]


class Keys(stack.Case):

    def setUp(self):
        super().setUp()
        self.s.rejections = "rejections-" + self.s.id
        self.s.write_conf()
        self.s.create_topics()

    def stats(self):
        return dict(self.s.sql("SELECT name, value FROM stats"))

    def test_http(self):
        s = self.s
        s.start_daemon()
        s.start_nginx()
        for n, field in enumerate(["k1", '"k1"', "k1", "k2"]):
            status, headers, _ = s.request("POST", "/commands", ADD, {"Idempotency-Key": field})
            self.assertEqual((status, headers["Warehouse-Position"]), (200, "0:%d" % n))
        self.check()
        self.assertEqual(s.sql("SELECT qty, version FROM items"), [(10, 2)])
        self.assertEqual(self.stats(), {"applied": 2, "duplicates": 2})
        stack.wait(lambda: len(s.logged("] Duplicate: ")) == 2, "the log")
        self.assertIn("Duplicate: %s idempotency_key=k1 original=0:0 stock=5 position=0:2" % ADD,
                      s.logged("] Duplicate: ")[1])

    def test_kafka(self):
        """Batches of one and of many come to the same."""
        s = self.s
        for size in (1, 10000):
            with self.subTest(batch_size=size):
                s.write_conf(batch_size=size)
                s.start_daemon()
                for values, k in [([ADD, ADD], b"a"), ([TAKE], b"a"), ([TAKE] * 4, b"b%d" % size),
                                  ([TAKE, ADD], None), ([ADD], b""), ([ADD], b"x y"),
                                  ([ADD], None), ([b"no command"], b"c"), ([ADD], b'"quoted"'),
                                  ([ADD], b"k" * 255), ([ADD], b"k" * 256)]:
                    s.produce(values, headers=k is not None and key(k) or None)
                s.produce([ADD], headers=key(b"one") + key(b"two"))
                # a header without a value
                subprocess.run(["kcat", "-b", s.brokers, "-P", "-t", s.commands,
                                "-H", "idempotency-key"], input=ADD.encode(), check=True)
                self.check()
                self.assertEqual(s.daemon.stop(), 0)

    def test_refused_keeps_the_key(self):
        s = self.s
        s.start_daemon()
        s.produce([TAKE, ADD.replace("5", "1")], headers=key(b"k"))
        s.produce([TAKE, ADD], headers=key(b"m"))
        self.check()
        self.assertEqual(s.sql("SELECT qty, version FROM items"), [(6, 2)])

    def test_retention(self):
        """By the records' time: until a day after the first use."""
        s = self.s
        s.start_daemon()
        for hours in (0, 1, 23.9, 24, 25, 30, 47.9, 48, 0):
            s.produce([ADD], headers=key(b"k"), timestamp=int(NOW + hours * HOUR))
        self.check()
        self.assertEqual(s.sql("SELECT qty, version FROM items"), [(15, 3)])
        s.daemon.stop()
        s.write_conf(idempotency_retention=3600)
        s.start_daemon()
        s.produce([ADD], headers=key(b"k"), timestamp=NOW + 48 * HOUR + HOUR - 1)
        s.produce([ADD], headers=key(b"k"), timestamp=NOW + 49 * HOUR)
        s.wait_caught_up()
        self.assertEqual(s.sql("SELECT qty, version FROM items"), [(20, 4)])

    def test_bounded(self):
        s = self.s
        s.write_conf(idempotency_keys=3, batch_size=1)
        s.start_daemon()
        for k in b"abcdabcdd":
            s.produce([ADD], headers=key(bytes([k])))
        self.check(keys_max=3)
        self.assertEqual(s.sql("SELECT qty, version FROM items"), [(40, 8)])
        self.assertEqual(s.sql("SELECT count(*) FROM keys"), [(3,)])

    def test_recovered(self):
        """From the notifications, with the time they count from."""
        s = self.s
        s.start_daemon()
        for n in range(3):
            s.produce([ADD], headers=key(b"k%d" % n), timestamp=NOW + n)
        s.produce([TAKE], headers=key(b"k3"), timestamp=NOW)
        self.check()
        before = s.sql("SELECT sku, key, change, time, partition, offset FROM keys ORDER BY id")
        self.assertEqual(before[1], ("A", "k1", 5, NOW + 1, 0, 1))
        s.daemon.stop(signal.SIGKILL)
        s.remove_database()
        s.start_daemon()
        self.assertEqual(
            s.sql("SELECT sku, key, change, time, partition, offset FROM keys ORDER BY id"), before)
        s.produce([ADD], headers=key(b"k1"), timestamp=NOW)
        s.produce([ADD], headers=key(b"k3"), timestamp=NOW)
        self.check()

    def test_recovered_again(self):
        """Keys that are known cost no others, which are as many as are kept."""
        s = self.s
        s.write_conf(idempotency_keys=4)
        s.start_daemon()
        for k in b"abcd":
            before = s.sql("SELECT next FROM positions WHERE topic = ?", (s.notifications,))
            s.produce([ADD], headers=key(bytes([k])))
            self.check()
        self.assertEqual(s.daemon.stop(), 0)
        s.sql("UPDATE positions SET next = ? WHERE topic = ?", (*before[0], s.notifications))
        s.start_daemon()
        s.wait_caught_up()
        self.assertEqual(s.sql("SELECT key FROM keys ORDER BY id"), [("a",), ("b",), ("c",), ("d",)])

    def test_sku_is_the_scope(self):
        s = self.s
        s.start_daemon()
        s.produce([ADD, ADD.replace('"A"', '"B"'), ADD], headers=key(b"k"))
        self.check()
        self.assertEqual(s.sql("SELECT sku, qty FROM items"), [("A", 5), ("B", 5)])

    def test_conditions(self):
        """They are part of what a key stands for, also in the database."""
        s = self.s
        s.start_daemon()
        for condition in '"expected_version":0', '"expected_version":0', '"expected_qty":0', \
                '"expected_version":1', '"expected_version":0,"reference":"x"':
            s.produce([ADD[:-1] + "," + condition + "}"], headers=key(b"k"))
            s.wait_caught_up()
        ledger = self.check()
        self.assertEqual((ledger.duplicates, ledger.refused), (2, 2))
        # a rebuild learns them, too
        self.assertEqual(s.daemon.stop(), 0)
        s.remove_database()
        s.start_daemon()
        s.produce([ADD[:-1] + ',"expected_version":0}', ADD], headers=key(b"k"))
        ledger = self.check()
        self.assertEqual((ledger.duplicates, ledger.refused), (3, 3))

    def older(self, version, sql):
        """A database of that version is read as it is, upgraded, and goes on."""
        s = self.s
        s.start_daemon()
        s.produce([ADD])
        self.check()
        self.assertEqual(s.daemon.stop(), 0)
        with contextlib.closing(sqlite3.connect(s.db)) as db:
            db.executescript("PRAGMA user_version = %d;" % version + sql)
        s.start_nginx()
        self.assertEqual(s.items(), (200, '[{"sku":"A","qty":5}]'))
        s.start_daemon()
        s.produce([ADD, ADD], headers=key(b"k"))
        self.check()
        self.assertEqual(s.sql("PRAGMA user_version"), [(4,)])
        self.assertEqual(s.sql("SELECT value FROM meta WHERE name = 'min_reader'"), [("1",)])
        self.assertEqual(s.items(), (200, '[{"sku":"A","qty":10}]'))

    def test_schema_1_is_upgraded(self):
        self.older(1, OLDER + OLDEST + "DROP TABLE keys")

    def test_schema_2_is_upgraded(self):
        self.older(2, OLDER + OLDEST)

    def test_schema_3_is_upgraded(self):
        self.older(3, OLDER)

    def test_malformed_bytes(self):
        """They come back to the byte, the first 256 KiB of them."""
        s = self.s
        s.start_daemon()
        big = bytes(range(256)) * 3000
        s.produce([b"\x00\xff", b"", None, big, b"x" * (256 * 1024)], key=b"k")
        self.check()
        by_offset = {}
        for r in s.read(s.rejections):
            n = json.loads(r.value)
            by_offset[n["source"]["offset"]] = n
        self.assertEqual([by_offset[n]["size"] for n in range(5)], [2, 0, 0, len(big), 256 * 1024])
        self.assertEqual(by_offset[1]["value"], "")
        self.assertIsNone(by_offset[2]["value"])
        self.assertEqual(base64.b64decode(by_offset[3]["value"]), big[:256 * 1024])

    def test_rejections_topic_too_small(self):
        s = self.s
        s.rejections = "small-" + s.id
        s.write_conf()
        with s.admin() as admin:
            admin.create_topics([stack.NewTopic(s.rejections, 1, 1, topic_configs={
                "max.message.bytes": "1000"})])
        s.start_daemon()
        s.produce([b"x" * 5000])
        self.assertEqual(s.daemon.p.wait(stack.DEADLINE), 2)
        self.assertIn("do not allow messages of this size", s.lines()[-1])


if __name__ == "__main__":
    stack.main()
