#!/usr/bin/env python3
"""Databases that are lost, old, replaced or written to by others."""

import contextlib
import glob
import json
import os
import random
import shutil
import signal
import sqlite3

import stack


def commands(n, seed, skus=20):
    rnd = random.Random(seed)
    return ['{"action":"%s","sku":"S%d","qty":%d}'
            % (rnd.choice(["increase", "increase", "decrease"]), rnd.randrange(skus),
               rnd.randint(1, 9)) for _ in range(n)]


class Recovery(stack.Case):

    def setUp(self):
        super().setUp()
        self.s.create_topics()

    def backup(self):
        with contextlib.closing(sqlite3.connect(self.s.db)) as db, \
                contextlib.closing(sqlite3.connect(self.s.dir + "/backup")) as copy:
            db.backup(copy)

    def test_lost_database(self):
        s = self.s
        s.start_daemon()
        s.produce(commands(25000, 1))
        before = self.check()
        s.daemon.stop()
        self.s.remove_database()
        s.produce(commands(100, 2))
        s.start_daemon()
        self.assertTrue(s.logged("%d notifications read" % len(before.notifications)))
        self.check()
        self.assertFalse(os.path.exists(s.db + ".new"))

    def test_lost_database_while_running(self):
        s = self.s
        s.start_daemon()
        s.start_nginx()
        s.produce(commands(500, 3))
        self.check()
        self.s.remove_database()
        # nobody has to send a command for it to be noticed
        stack.wait(lambda: s.logged("trying again"), "the loss to be noticed")
        stack.wait(lambda: s.items()[0] == 200, "the rebuilt database")
        s.produce(commands(500, 4))
        stack.wait(s.caught_up, "the new commands")
        ledger = self.check()
        self.assertEqual(json.loads(s.items()[1]),
                         [{"sku": sku, "qty": qty}
                          for sku, (qty, _) in sorted(ledger.items.items())])

    def test_backup_put_back(self):
        s = self.s
        s.start_daemon()
        s.produce(commands(1000, 5))
        s.wait_caught_up()
        self.backup()
        s.produce(commands(1000, 6, skus=40))
        s.wait_caught_up()
        s.daemon.stop(signal.SIGKILL)
        s.produce(commands(1000, 7))
        self.s.remove_database()
        shutil.copy(s.dir + "/backup", s.db)
        s.start_daemon()
        self.check()

    def test_lost_database_and_group_offsets(self):
        s = self.s
        s.start_daemon()
        s.produce(commands(1000, 8))
        self.check()
        s.daemon.stop()
        self.s.remove_database()
        s.write_conf(group_id=s.group + "-other")
        s.start_daemon()
        s.produce(commands(10, 9))
        self.check()

    def test_interrupted_rebuild(self):
        s = self.s
        s.start_daemon()
        s.produce(commands(30000, 10))
        s.wait_caught_up()
        s.daemon.stop()
        self.s.remove_database()
        s.start_daemon(ready=False)
        stack.wait(lambda: os.path.exists(s.db + ".new"), "the rebuild to begin")
        s.daemon.stop(signal.SIGKILL)
        s.start_daemon()
        self.check()

    def test_other_writer_between_read_and_write(self):
        s = self.s
        s.start_daemon()
        s.produce(['{"action":"increase","sku":"A","qty":10}'])
        self.check()
        with contextlib.closing(sqlite3.connect(s.db, isolation_level=None)) as other:
            # the daemon reads without the lock, and then has to wait for it
            other.execute("BEGIN IMMEDIATE")
            s.produce(['{"action":"decrease","sku":"A","qty":3}'])
            s.daemon_reads(other)
            other.execute("UPDATE items SET qty = 4, version = version + 1 WHERE sku = 'A'")
            other.execute("COMMIT")
        s.wait_caught_up()
        self.assertEqual(s.sql("SELECT qty, version FROM items"), [(1, 3)])
        self.assertEqual(s.sql("SELECT value FROM stats WHERE name = 'conflicts'"), [(1,)])
        self.assertTrue(s.logged('another process wrote item "A": reading it again'))
        last = json.loads(s.read(s.notifications)[-1].value)
        self.assertEqual((last["stock"], last["version"]), (1, 3))

    def test_other_writers_change_survives_recovery(self):
        """Notifications older than the item are not applied over it."""
        s = self.s
        s.start_daemon()
        s.produce(['{"action":"increase","sku":"A","qty":10}'] * 3)
        s.wait_caught_up()
        s.daemon.stop(signal.SIGKILL)
        s.sql("UPDATE items SET qty = 7, version = version + 1 WHERE sku = 'A'")
        s.sql("UPDATE positions SET next = 0 WHERE topic = ?", (s.notifications,))
        s.start_daemon()
        self.assertTrue(s.logged("3 notifications read, 0 applied"))
        self.assertEqual(s.sql("SELECT qty, version FROM items"), [(7, 4)])

    def test_busy_other_writer(self):
        """Two writers of one item: none of the changes gets lost."""
        s = self.s
        s.start_daemon()
        s.produce(['{"action":"increase","sku":"A","qty":1}'])
        s.wait_caught_up()
        s.produce(['{"action":"increase","sku":"A","qty":1}'] * 5000)
        mine = 0
        with contextlib.closing(sqlite3.connect(s.db, timeout=30)) as other:
            while not s.caught_up() or mine < 100:
                with other:
                    other.execute("UPDATE items SET qty = qty + 1000000, "
                                  "version = version + 1 WHERE sku = 'A'")
                mine += 1
        s.wait_caught_up()
        self.assertEqual(s.sql("SELECT qty, version FROM items"),
                         [(5001 + mine * 1000000, 5001 + mine)])
        self.assertEqual(len(s.read(s.notifications)), 5001)


def daemon_reads(self, other):
    """Waits until the daemon waits for the write lock that other holds: its
    busy handler sleeps, with the commands taken from the topic."""
    threads = glob.glob("/proc/%d/task/*/wchan" % self.daemon.p.pid)

    def sleeping_for_the_lock():
        for name in threads:
            with open(name) as f:
                if "nanosleep" in f.read():
                    return True
        return False
    stack.wait(sleeping_for_the_lock, "the daemon to wait for the lock")


stack.Stack.daemon_reads = daemon_reads


if __name__ == "__main__":
    stack.main()
