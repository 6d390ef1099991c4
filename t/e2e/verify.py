#!/usr/bin/env python3
"""verify names every difference between a database and the notifications; and
backups that are made under load come back exactly."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import threading
import time

import stack
from kafka import KafkaProducer

ADD = '{"action":"increase","sku":"%s","qty":5}'
KEY = [("idempotency-key", b"k")]


class Case(stack.Case):

    def setUp(self):
        super().setUp()
        self.tmp = self.s.dir + "/tmp"
        os.mkdir(self.tmp)
        self.s.create_topics()
        self.s.start_daemon()

    def verify(self, *args, status=0, env=None):
        """Returns the lines: what is compared, the differences."""
        r = subprocess.run([stack.BUILD + "/warehouse-consumer", "verify", "-c", self.s.conf, *args],
                           capture_output=True, text=True, timeout=2 * stack.DEADLINE,
                           env={**os.environ, "TMPDIR": self.tmp, **(env or {})})
        self.assertEqual(r.returncode, status, (r.stdout, r.stderr))
        self.assertEqual(os.listdir(self.tmp), [])
        if status in (0, 5):
            head, topic, *differences, count = r.stdout.splitlines()
            self.assertIn(", stands for notifications before ", head)
            self.assertIn("notifications replayed", topic)
            self.assertEqual(count, "%d difference%s" % (len(differences),
                                                          "" if len(differences) == 1 else "s"))
            self.assertEqual(status, 5 if differences else 0)
            return differences
        return r.stderr.splitlines()[-1]

    def files(self):
        return {name: os.stat(self.s.db_dir + "/" + name).st_size for name in os.listdir(self.s.db_dir)}

    def some(self):
        s = self.s
        s.produce([ADD % "A", ADD % "B", ADD % "A"])
        s.produce([ADD % "C"], headers=KEY)
        s.produce([ADD % "C"], headers=KEY)
        s.produce(['{"action":"decrease","sku":"B","qty":100}', b"x",
                   '{"action":"decrease","sku":"B","qty":5}', ADD % '\\"\\\\\\u2028'])
        self.check()


class Verify(Case):

    def test_every_difference(self):
        s = self.s
        self.assertEqual(self.verify(), [])
        self.some()
        self.assertEqual(self.verify(), [])
        self.assertEqual(s.daemon.stop(), 0)
        before = self.files()
        self.assertEqual(self.verify(), [])
        self.assertEqual(self.files(), before)
        s.sql("UPDATE items SET qty = 11 WHERE sku = 'A'")
        s.sql("UPDATE items SET version = 7 WHERE sku = 'B'")
        s.sql("DELETE FROM items WHERE sku = 'C'")
        s.sql("INSERT INTO items VALUES('D' || char(10) || '\"', 1, 1)")
        s.sql("UPDATE keys SET change = 6")
        s.sql("INSERT INTO keys(sku, key, change, time, partition, offset) "
              "SELECT 'A', 'z', 1, max(time), 0, 0 FROM keys")
        s.sql("INSERT INTO keys(sku, key, change, time, partition, offset) VALUES('A', 'old', 1, 0, 0, 0)")
        s.sql("UPDATE positions SET next = 3 WHERE topic = ?", (s.commands,))
        self.assertEqual(self.verify(status=5), [
            'item "A": in the database stock 11, version 2, by notifications stock 10, version 2',
            'item "B": in the database stock 0, version 7, by notifications stock 0, version 2',
            'item "C": in the database it is not there, by notifications stock 5, version 1',
            'item "D\\u000a\\"": in the database stock 1, version 1, by notifications it is not there',
            'item "A", key "z": in the database used by command 0:0 for 1, by notifications it was not used',
            'item "C", key "k": in the database used by command 0:3 for 6, by notifications used by command 0:3 for 5',
            'commands of "%s", partition 0: processed before 3 by the database, before 9 by notifications'
            % s.commands])
        s.sql("DELETE FROM positions WHERE topic = ?", (s.commands,))
        self.assertIn("processed before 0 by the database", self.verify(status=5)[-1])
        # keys that are lost, or changed, are differences, too
        s.remove_database()
        s.start_daemon()
        self.check()
        self.assertEqual(s.daemon.stop(), 0)
        self.assertEqual(self.verify(), [])
        used = 'by notifications used by command 0:3 for 5'
        for change in "time = time - 1", "expected_qty = 0", "expected_version = 3", "offset = 2":
            was = s.sql("SELECT time, expected_qty, expected_version, offset FROM keys")[0]
            s.sql("UPDATE keys SET " + change)
            self.assertTrue(self.verify(status=5)[0].endswith(used), change)
            s.sql("UPDATE keys SET time = ?, expected_qty = ?, expected_version = ?, offset = ?", was)
        s.sql("DELETE FROM keys")
        self.assertEqual(self.verify(status=5),
                         ['item "C", key "k": in the database it was not used, ' + used])

    def test_ahead_of_its_position(self):
        """What the rest of the topic bears out is no difference."""
        s = self.s
        self.some()
        self.assertEqual(s.daemon.stop(), 0)
        s.sql("UPDATE positions SET next = 2 WHERE topic = ?", (s.notifications,))
        self.assertEqual(self.verify(), [])
        s.sql("UPDATE items SET qty = 11 WHERE sku = 'A'")
        self.assertEqual(len(self.verify(status=5)), 1)

    def test_through_a_link(self):
        s = self.s
        self.some()
        link = self.s.dir + "/link.db"
        os.symlink(s.db, link)
        s.produce([ADD % "A"] * 100)
        s.wait_caught_up()
        self.assertEqual(self.verify("--database=" + link), [])
        self.assertEqual(self.verify("--database=/" + s.db), [])

    def test_what_the_database_has_forgotten(self):
        """Keys that are old are no difference, nor are commands behind the position."""
        s = self.s
        self.assertEqual(s.daemon.stop(), 0)
        s.write_conf(idempotency_keys=1)
        s.start_daemon()
        for sku in "A", "B", "C":
            s.produce([ADD % sku], headers=KEY)
            s.wait_caught_up()
        self.assertLess(s.sql("SELECT count(*) FROM keys")[0][0], 3)
        self.assertEqual(self.verify(), [])
        self.assertEqual(s.daemon.stop(), 0)
        backup = self.backup()
        s.start_daemon()
        s.produce([ADD % "A"] * 100)
        s.wait_caught_up()
        self.assertEqual(self.verify("--database=" + backup), [])
        self.assertEqual(self.verify(), [])

    def test_what_was_compacted(self):
        """The database may have keys whose notifications are gone, and have forgotten
        one because of them."""
        s = self.s
        self.assertEqual(s.daemon.stop(), 0)
        s.write_conf(idempotency_keys=4)
        s.start_daemon()
        week_ago = int(time.time() - 7 * 86400) * 1000
        for n, sku in enumerate("ABCD"):
            s.produce([ADD % sku], headers=KEY, timestamp=week_ago + n)
            s.wait_caught_up()
        self.assertEqual(s.sql("SELECT id, sku, time FROM keys ORDER BY id"),
                         [(n + 1, sku, week_ago + n) for n, sku in enumerate("ABCD")])
        self.assertEqual(self.verify(), [])
        self.assertEqual(s.daemon.stop(), 0)
        # as if there had been another one before C
        s.sql("UPDATE keys SET id = 5 WHERE sku = 'D'")
        s.sql("UPDATE keys SET id = 4 WHERE sku = 'C'")
        s.sql("INSERT INTO keys(id, sku, key, change, time, partition, offset) "
              "VALUES(3, 'X', 'k', 5, ?, 0, 0)", (week_ago + 1,))
        s.sql("DELETE FROM keys WHERE sku = 'A'")
        self.assertEqual(self.verify(), [])
        s.sql("DELETE FROM keys WHERE sku = 'C'")
        self.assertEqual(len(self.verify(status=5)), 1)

    def test_many_keys(self):
        """Each is looked up."""
        s = self.s
        with contextlib.closing(KafkaProducer(bootstrap_servers=s.brokers, linger_ms=20)) as producer:
            for n in range(40000):
                producer.send(s.commands, (ADD % "A").encode(), partition=0,
                              headers=[("idempotency-key", b"%d" % n)])
        s.wait_caught_up()
        self.assertEqual(self.verify(), [])

    def test_folder(self):
        """TMPDIR may be any, also a relative one."""
        self.some()
        for folder in "%41?#", "a b":
            os.mkdir(self.s.dir + "/" + folder)
            for path in self.s.dir + "/" + folder, os.path.relpath(self.s.dir + "/" + folder):
                self.assertEqual(self.verify(env={"TMPDIR": path}), [])
                self.assertEqual(os.listdir(path), [])

    def test_not_comparable(self):
        s = self.s
        self.some()
        self.assertIn("No such file", self.verify("--database=/nowhere/x.db", status=2))
        self.assertIn("not verified: ", self.verify("--kafka.bootstrap.servers=127.0.0.1:1", status=2))
        self.assertIn("cannot make a folder", self.verify(status=2, env={"TMPDIR": "/proc"}))
        self.assertEqual(s.daemon.stop(), 0)
        for key in "notifications_topic", "commands_topic":
            self.assertIn("is from " + key, self.verify("--%s=other" % key, status=2))
        was, = s.sql("SELECT value FROM meta WHERE name = 'rebuilt_from'")[0]
        s.sql("UPDATE meta SET value = 'before commands' WHERE name = 'rebuilt_from'")
        self.assertIn('began with topics "before commands"', self.verify(status=2))
        s.sql("UPDATE meta SET value = ? WHERE name = 'rebuilt_from'", (was,))
        s.sql("UPDATE meta SET value = 'elsewhere' WHERE name = 'cluster_id'")
        self.assertIn('belongs to Kafka cluster "elsewhere"', self.verify(status=2))
        s.sql("DELETE FROM meta WHERE name = 'cluster_id'")
        s.sql("UPDATE positions SET next = 1000 WHERE topic = ?", (s.notifications,))
        self.assertIn("up to offset 1000", self.verify(status=2))
        with open(self.s.db_dir + "/empty", "w"):
            pass
        self.assertIn("not verified: ", self.verify("--database=%s/empty" % s.db_dir, status=2))
        with contextlib.closing(KafkaProducer(bootstrap_servers=s.brokers)) as producer:
            producer.send(s.notifications, b"x").get()
        end = s.end(s.notifications)
        s.sql("UPDATE positions SET next = ? WHERE topic = ?", (end, s.notifications))
        self.assertIn("is not a notification", self.verify(status=2))
        self.assertEqual(self.verify("--skip_notification=%d" % (end - 1)), [])

    def backup(self, name="copy.db"):
        """As docs/daemon.md has it."""
        path = "%s/%s" % (self.s.dir, name)
        subprocess.run(["sqlite3", self.s.db, ".timeout 5000", ".backup %s" % path], check=True)
        return path

    def copy(self, name):
        """As programs do that follow the write-ahead log (Litestream): a reader
        that keeps it from beginning anew, and the bytes of both files."""
        path = "%s/%s" % (self.s.dir, name)
        with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % self.s.db, uri=True,
                                                isolation_level=None)) as db:
            db.execute("BEGIN")
            db.execute("SELECT count(*) FROM items").fetchall()
            for suffix in "", "-wal":
                shutil.copyfile(self.s.db + suffix, path + suffix)
        # as it is restored: one file
        with contextlib.closing(sqlite3.connect(path)) as db:
            self.assertEqual(db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0][0], 0)
        return path

    def test_backups_under_load(self):
        """Each is a state that was, is what the notifications say, and, put in the
        database's place, goes on to the same stock."""
        s = self.s
        done, writer = threading.Event(), None

        def write():
            n = 0
            while not done.is_set():
                s.produce([ADD % ("S%d" % ((n + i) % 300)) for i in range(500)], key=b"S")
                n += 500

        writer = threading.Thread(target=write)
        writer.start()
        self.addCleanup(writer.join)
        self.addCleanup(done.set)
        stack.wait(lambda: s.sql("SELECT count(*) FROM items")[0][0] == 300, "all the items")
        backups = []
        for n in range(4):
            at = s.sql("SELECT next FROM positions WHERE topic = ?", (s.commands,))[0][0]
            backups.append(self.copy("%d.db" % n) if n % 2 else self.backup("%d.db" % n))
            self.assertEqual(self.verify(), [])
            stack.wait(lambda: s.sql("SELECT next FROM positions WHERE topic = ?", (s.commands,))[0][0] > at,
                       "the daemon to go on")
        done.set()
        writer.join()
        self.check()
        whole = s.sql("SELECT * FROM items")
        for path in backups:
            self.assertEqual(self.verify("--database=" + path), [])
            with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % path, uri=True)) as db:
                self.assertEqual(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        self.assertEqual(s.daemon.stop(), 0)
        for path in backups[0], backups[-1]:
            s.remove_database()
            os.rename(path, s.db)
            s.start_daemon()
            self.check()
            self.assertEqual(s.sql("SELECT * FROM items"), whole)
            self.assertEqual(self.verify(), [])
            self.assertEqual(s.daemon.stop(), 0)


class Partitions(Case):

    partitions = 2

    def test_keys_that_are_missing(self):
        """Those that the daemon would still have; whatever others there are, and in
        which partition."""
        s = self.s
        self.assertEqual(s.daemon.stop(), 0)
        s.write_conf(idempotency_keys=4)
        s.start_daemon()
        # a partition that falls silent, and more keys than are kept in another
        for partition, sku in (1, "silent"), (0, "A"), (0, "B"), (0, "C"), (0, "D"), (0, "E"):
            s.produce([ADD % sku], headers=KEY, partition=partition)
            s.wait_caught_up()
        self.assertEqual(s.sql("SELECT sku FROM keys ORDER BY id"), [("B",), ("C",), ("D",), ("E",)])
        self.assertEqual(self.verify(), [])
        self.assertEqual(s.daemon.stop(), 0)
        s.sql("DELETE FROM keys WHERE sku = 'D'")
        self.assertEqual(self.verify(status=5), ['item "D", key "k": in the database it was not used, '
                                                 'by notifications used by command 0:3 for 5'])


if __name__ == "__main__":
    stack.main()
