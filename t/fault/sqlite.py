#!/usr/bin/env python3
"""The database in trouble: no room, locked, not writable, damaged, replaced,
written to by somebody else."""

import atexit
import collections
import contextlib
import errno
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time

import fault
import stack

FULL = "database or disk is full; trying again in "
WIDE = "W%05d-" + "x" * 240        # skus that fill pages


def unmount(folder):
    """Though somebody may still use it."""
    subprocess.run(["umount", "-l", folder], stderr=subprocess.DEVNULL)


def wide(n, qty=1, first=0, step=1):
    return ['{"action":"increase","sku":"%s","qty":%d}' % (WIDE % k, qty)
            for k in range(first, first + n * step, step)]


class Filler(fault.Worker):
    """Takes all room of a folder but some, and what gets free later."""

    def __init__(self, folder, spare=0):
        super().__init__()
        self.folder = folder
        self.spare = spare
        self.size = 0
        self.f = open(folder + "/filler", "wb")
        self.step()
        self.start()

    def step(self):
        room = os.statvfs(self.folder)
        size = room.f_bavail * room.f_bsize - self.spare
        if size > 0:
            with contextlib.suppress(OSError):   # somebody else was faster
                os.posix_fallocate(self.f.fileno(), self.size, size)
                self.size += size
        self.done.wait(0.002)

    def leave_room(self):
        self.finish()
        self.f.close()
        os.unlink(self.f.name)


class Case(fault.Case):

    def setUp(self):
        super().setUp()
        self.addTypeEqualityFunc(dict, self.same)
        self.addTypeEqualityFunc(list, self.same)
        self.s.create_topics()

    def same(self, got, expected, msg=None):
        """unittest's own comparison takes minutes where much differs."""
        if got != expected:
            a, b = (sorted(x.items(), key=repr) if isinstance(x, dict) else x
                    for x in (got, expected))
            first = next((pair for pair in zip(a, b) if pair[0] != pair[1]), "the length")
            self.fail("%s differs, %d and %d in all" % (first, len(a), len(b)))

    def works(self, n=20):
        """Waits until n more commands are processed."""
        self.told(" position=", len(self.s.lines()), n)

    @staticmethod
    def pause(seconds):
        """For what makes a case likely; nothing depends on it."""
        end = time.monotonic() + seconds
        stack.wait(lambda: time.monotonic() > end, "time to pass")

    def remove(self, *suffixes):
        for suffix in suffixes or ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.s.db + suffix)

    def backup(self):
        """A copy of the database beside it; returns its path."""
        path = self.s.db_dir + "/copy"
        with contextlib.closing(sqlite3.connect(self.s.db, timeout=30)) as db, \
                contextlib.closing(sqlite3.connect(path)) as copy:
            db.backup(copy)
        return path

    def truncate_log(self):
        """Moves the write-ahead log into the database."""
        def done():
            return self.s.sql("PRAGMA wal_checkpoint(TRUNCATE)")[0][0] == 0
        stack.wait(done, "the checkpoint")

    def text(self):
        """What GET /items has to show once all is processed."""
        return "[%s]" % ",".join('{"sku":"%s","qty":%d}' % (sku, qty) for sku, (qty, _)
                                 in sorted(stack.replay(self.s).items.items()))


class Full(Case):

    def setUp(self):
        super().setUp()
        folder = self.s.db_dir
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=755", "tmpfs", folder],
                          capture_output=True).returncode:
            self.skipTest("cannot mount a tmpfs")
        self.addCleanup(unmount, folder)
        atexit.register(unmount, folder)         # Ctrl-C passes by the cleanups

    @contextlib.contextmanager
    def full(self, spare=0):
        filler = Filler(self.s.db_dir, spare)
        try:
            yield
        finally:
            filler.leave_room()

    def test_at_commit(self):
        """Kafka has the batch, and SQLite cannot follow until there is room."""
        s = self.s
        s.start_daemon()
        s.start_nginx()
        self.start_traffic()
        for _ in range(8 if fault.LONG else 2):
            self.more(fault.rng("commit").randrange(20, 200))
            before, served = len(s.lines()), self.readers[0].statuses[200]
            with self.full():
                self.told("committing to the database: " + FULL, before, 2)
                self.more(20)
                stack.wait(lambda: self.readers[0].statuses[200] > served, "lists")
            self.works()
        self.finish()

    def test_nothing_is_logged_before_the_commit(self):
        """An applied command that is not in the database has no line in the log,
        though Kafka has its notification.  One that was not applied has one:
        nobody will come back to it."""
        s = self.s
        s.start_daemon()
        s.start_nginx()
        before = len(s.lines())
        s.produce(wide(10))
        self.told(" position=", before, 10)
        before, notified = len(s.lines()), s.end(s.notifications)
        with self.full():
            s.produce(wide(5) + ["no command"])
            self.told("committing to the database: " + FULL, before, 2)
            self.assertGreater(s.end(s.notifications), notified)
            early = [line for line in s.lines()[before:] if "Processed and notified" in line]
        self.assertEqual(early, [])
        s.produce(wide(5))
        self.told("position=0:20", before)
        self.assertEqual(len(s.logged("Malformed: reason=invalid_json position=0:15")), 1)
        self.check()

    def test_at_a_write(self):
        """What SQLite's cache cannot hold is written before the commit."""
        s = self.s
        s.write_conf(database_cache="1m")
        s.start_daemon()
        s.start_nginx()
        s.produce(wide(10))
        s.wait_caught_up()
        copy = self.backup()
        s.produce(wide(12000))
        s.wait_caught_up()
        for _ in range(4 if fault.LONG else 1):
            s.daemon.stop()
            self.remove()
            shutil.copy(copy, s.db)
            with self.full(spare=1 << 18):
                before = len(s.lines())
                s.start_daemon(ready=False)
                self.told("writing an item: " + FULL, before, 2)
                self.assertIn(s.items()[0], (200, 503))
            self.told("] processing ", before)
        self.start_traffic()
        self.works()
        self.finish()

    def test_reading_ahead(self):
        """To read, SQLite may have to write what its cache cannot hold; without
        room for that it gives up the transaction of the batch in hand."""
        s = self.s
        s.write_conf(database_cache="1m", batch_size=6000, outcomes=1000)
        s.start_daemon()
        s.produce(wide(12000))
        s.wait_caught_up()

        for _ in range(5):            # the batch in hand may have been a short one
            s.daemon.stop()
            s.produce(wide(12000) * 5)
            before = len(s.lines())

            def said(text, before=before):
                return any(text in line for line in s.lines()[before:])

            s.start_daemon(fail="read_ahead:wait=1000@2", ready=False)
            stack.wait(lambda: said('failpoint "read_ahead"') or s.caught_up(), "the failpoint")
            with self.full():
                stack.wait(lambda: said(FULL) or s.caught_up(), "no room")
            s.wait_caught_up()
            if said("reading an item: " + FULL):
                break
        else:
            self.fail("reading ahead never failed")
        self.check()

    def test_in_a_checkpoint(self):
        """The log has room, the file behind it has none."""
        s = self.s
        self.few = True
        s.write_conf(wal_limit="1m", outcomes=100)
        s.start_daemon()
        s.start_nginx()
        s.produce(wide(10))
        s.wait_caught_up()
        with contextlib.closing(sqlite3.connect(s.db, isolation_level=None)) as other:
            other.execute("BEGIN")
            other.execute("SELECT * FROM items").fetchall()
            s.produce(wide(6000))                # the log cannot be moved, it grows
            s.wait_caught_up()
            self.assertGreater(os.stat(s.db + "-wal").st_size, 1 << 20)
            before = len(s.lines())
            with self.full(spare=1 << 20):
                other.execute("COMMIT")
                s.produce(wide(1500))            # past the log's limit once more
                self.told("checkpoint of the database: database or disk is full", before)
                self.start_traffic()
                self.told("committing to the database: " + FULL, before)
                self.more(20)
        self.works()
        self.finish()
        # and the log could be moved after all: who reads just then puts that off
        # until more has come
        def moved():
            s.produce(wide(1500))
            s.wait_caught_up()
            return os.stat(s.db + "-wal").st_size < 2 << 20
        stack.wait(moved, "a short log")
        self.check()

    def test_in_a_rebuild(self):
        s = self.s
        s.start_daemon()
        s.start_nginx()
        s.produce(wide(3000))
        s.wait_caught_up()
        self.start_traffic()
        self.more()
        rnd = fault.rng("rebuild")
        for spare in [0, rnd.randrange(1 << 21), *([rnd.randrange(1 << 22) for _ in range(8)]
                                                   if fault.LONG else [])]:
            before = len(s.lines())
            with self.full(spare):
                self.remove()
                self.told("full; trying again in ", before, 2)
                status = s.items()[0]
                if not os.path.exists(s.db):     # else there was room for all of it
                    self.assertEqual(status, 503)
            self.works()
        self.finish()


class Quota(Case):
    """A user who may write no more is told so by another error than by a full
    disk; no quota is set, the errors are made up."""

    def setUp(self):
        super().setUp()
        self.flag = self.s.dir + "/unwritable"
        library = self.flag + ".so"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library,
                        stack.ROOT + "/t/lib/unwritable.c"], check=True)
        # the sanitizers want to be the first, where they are
        self.env = {"LD_PRELOAD": library, "UNWRITABLE": self.flag,
                    "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        self.s.start_daemon(env=self.env)
        self.s.start_nginx()
        before = len(self.s.lines())
        self.s.produce(wide(10))
        self.told(" position=", before, 10)

    @contextlib.contextmanager
    def unwritable(self, error=errno.EDQUOT):
        with open(self.flag + ".new", "w") as f:
            f.write("%d" % error)
        os.rename(self.flag + ".new", self.flag)
        try:
            yield
        finally:
            os.unlink(self.flag)

    def waits(self, before):
        self.told("; trying again in ", before, 2)

    def test_while_it_runs(self):
        self.start_traffic()
        for _ in range(8 if fault.LONG else 2):
            self.more(20)
            before, served = len(self.s.lines()), self.readers[0].statuses[200]
            with self.unwritable():
                self.waits(before)
                self.more(20)
                stack.wait(lambda: self.readers[0].statuses[200] > served, "lists")
            self.works()
        self.finish()

    def test_at_the_start(self):
        s = self.s
        self.assertEqual(s.daemon.stop(), 0)
        s.produce(wide(20))
        before = len(s.lines())
        with self.unwritable():
            s.start_daemon(ready=False, env=self.env)
            self.waits(before)
        self.told("] processing ", before)
        self.check()

    def test_in_a_rebuild(self):
        s = self.s
        self.start_traffic()
        before = len(s.lines())
        with self.unwritable():
            self.remove()
            self.waits(before)
            self.assertEqual(s.items()[0], 503)
            self.more(20)
        self.works()
        self.finish()

    def test_another_error(self):
        """A disk that fails is not a full one."""
        s = self.s
        with self.unwritable(errno.EIO):
            s.produce(wide(10))
            self.stopped("disk I/O error")
        s.start_daemon()
        self.check()


class Locked(Case):

    def test_longer_than_the_daemon_waits(self):
        s = self.s
        s.start_daemon()
        s.start_nginx()
        self.start_traffic()
        self.works()
        with contextlib.closing(sqlite3.connect(s.db, isolation_level=None,
                                                timeout=60)) as other:
            for start in (False, True):
                if start:
                    s.daemon.stop(fault.rng("locked").choice([signal.SIGTERM, signal.SIGKILL]))
                other.execute("BEGIN IMMEDIATE")
                before, served = len(s.lines()), self.readers[0].statuses[200]
                if start:
                    s.start_daemon(ready=False)
                self.told("database is locked; trying again in ", before)
                self.more()
                stack.wait(lambda: self.readers[0].statuses[200] > served, "lists")
                other.execute("COMMIT")
                self.works()
        self.finish()


class ReadOnly(Case):

    user = "nobody"

    def test_file(self):
        s = self.s
        s.start_daemon()
        s.produce(wide(100))
        s.wait_caught_up()
        self.assertEqual(s.daemon.stop(), 0)
        os.chmod(s.db, 0o444)
        s.start_daemon(ready=False)
        self.stopped("readonly", "permissions")
        os.chmod(s.db, 0o640)
        s.produce(wide(100))
        s.start_daemon()
        self.check()

    def test_folder(self):
        """Whether it is the log or all of the database that cannot be made."""
        s = self.s
        s.write_conf(pid_file="")                # not the first thing to fail
        s.start_daemon()
        s.produce(wide(100))
        s.wait_caught_up()
        for suffixes, text in [(["-wal", "-shm"], "permissions"),
                               (["", "-wal", "-shm"], "Permission denied")]:
            self.assertEqual(s.daemon.stop(), 0)
            self.truncate_log()
            self.remove(*suffixes)
            os.chmod(s.db_dir, 0o555)
            s.start_daemon(ready=False)
            self.stopped(text)
            os.chmod(s.db_dir, 0o2750)
            s.produce(wide(100))
            s.start_daemon()
            self.check()


class Damaged(Case):

    SKUS = 600
    KINDS = ["half", "nothing", "beginning", "header", "interior", "leaf", "torn"]

    def setUp(self):
        super().setUp()
        self.s.start_daemon()
        self.s.produce(wide(self.SKUS))
        self.s.wait_caught_up()
        self.pages = self.find_pages()

    def find_pages(self):
        """The numbers of the items' pages, from 0."""
        pages = {"header": [0]}
        for kind, number in self.s.sql("SELECT pagetype, pageno FROM dbstat WHERE name = 'items'"):
            pages.setdefault("interior" if kind == "internal" else kind, []).append(number - 1)
        self.assertGreater(len(pages["leaf"]), 10)
        return pages

    def damage(self, kind, rnd):
        with open(self.s.db, "r+b") as f:
            if kind == "torn":                   # the half that the cells are in
                f.seek(rnd.choice(self.pages["leaf"]) * 4096 + 2048)
                f.write(bytes(2048))
            elif kind in self.pages:
                f.seek(rnd.choice(self.pages[kind]) * 4096)
                f.write(rnd.randbytes(4096))
            else:
                size = os.stat(self.s.db).st_size
                f.truncate({"half": size // 2, "nothing": 0, "beginning": 100}[kind])

    def right_or_error(self, text):
        status, got = self.s.items()
        if status == 200:
            self.assertTrue(got == text, "another list")
        else:
            self.assertEqual(status, 503)

    def notices(self, condition):
        """Waits until the daemon is through or has stopped; whether it stopped."""
        stack.wait(lambda: not self.s.daemon.running() or condition(), "the daemon")
        if self.s.daemon.running():
            return False
        self.stopped("the database is damaged: move it away", "rebuilt from Kafka")
        return True

    def caught_up(self):
        # who opens an empty file to write removes the log beside it, be it that of
        # the file that takes its place
        with contextlib.suppress(sqlite3.DatabaseError):
            return os.stat(self.s.db).st_size > 0 and self.s.caught_up()

    def rebuild(self):
        """At first, all of a rebuilt database is in its file."""
        self.remove()
        self.s.start_daemon()
        self.pages = self.find_pages()

    def test_stopped(self):
        s = self.s
        noticed = 0
        for n, kind in enumerate(self.KINDS * (5 if fault.LONG else 1)):
            with self.subTest(kind=kind):
                rnd = fault.rng("stopped", n)
                self.assertEqual(s.daemon.stop(), 0)
                if kind == "torn" or rnd.random() < 0.8:     # else the log may have it all
                    self.truncate_log()
                self.damage(kind, rnd)
                s.start_nginx()
                text = self.text()
                self.right_or_error(text)
                s.produce(wide(self.SKUS))       # every page is used
                s.start_daemon(ready=False)
                if self.notices(self.caught_up):
                    noticed += 1
                    self.right_or_error(text)
                    self.rebuild()
                self.check()
                self.assertTrue(s.items() == (200, self.text()), "another list")
                s.nginx.stop()
        self.assertGreater(noticed, 0)

    def test_running(self):
        s = self.s
        s.start_nginx()
        self.start_traffic(pause=0.005)
        rnd = fault.rng("running")
        self.assertEqual(s.daemon.stop(), 0)
        for kind in self.KINDS * 3 if fault.LONG else ["torn", *rnd.sample(self.KINDS, 2)]:
            self.rebuild()
            # it looks at each page when it starts, and then has them all in
            # memory: what is damaged later it may not see before it starts again
            self.assertEqual(s.daemon.stop(), 0)
            s.start_daemon()
            self.damage(kind, rnd)
            before = len(s.lines())
            if not self.notices(lambda: len(s.lines()) > before + 100):
                s.daemon.stop(signal.SIGKILL)
                before = len(s.lines())
                s.start_daemon(ready=False)
                if not self.notices(lambda: len(s.lines()) > before + 100):
                    self.assertEqual(s.daemon.stop(), 0)
        self.rebuild()
        self.works()
        self.finish()


class Replaced(Case):
    """Under the running daemon.  Readers may see time go back."""

    def replaced(self, replace):
        s = self.s
        s.start_daemon()
        s.start_nginx()
        s.produce(wide(600))
        s.wait_caught_up()
        copy = self.backup()
        s.produce(wide(600))                     # in the file, no more in its log
        s.wait_caught_up()
        self.truncate_log()
        self.start_traffic(readers=0)
        for _ in range(5 if fault.LONG else 1):
            self.works()
            before = len(s.lines())
            replace(copy)
            s.items()                            # nginx finds it as it is
            self.told("] processing ", before)
            self.works()
        self.finish()
        self.assertTrue(s.items() == (200, self.text()), "another list")
        self.assertEqual(s.sql("PRAGMA integrity_check"), [("ok",)])

    def test_older_copy(self):
        def replace(copy):
            shutil.copy(copy, copy + ".1")
            os.rename(copy + ".1", self.s.db)
        self.replaced(replace)

    def test_empty_file(self):
        def replace(copy):
            open(copy + ".1", "w").close()
            os.rename(copy + ".1", self.s.db)
        self.replaced(replace)

    def test_removed(self):
        rnd = fault.rng("removed")

        def replace(copy):
            self.remove(*rnd.choice([[""], ["", "-wal"], ["", "-wal", "-shm"]]))
        self.replaced(replace)

    def test_log_removed(self):
        """As SQLite does where who had an older file open at this path closes it."""
        rnd = fault.rng("log removed")

        def replace(copy):
            self.remove(*rnd.choice([["-wal"], ["-wal", "-shm"]]))
        self.replaced(replace)

    def inserted(self, first, step=1, n=40):
        self.s.produce(wide(n, first=first, step=step))
        self.s.wait_caught_up()

    @contextlib.contextmanager
    def half_copied(self):
        """A log without a name, and a reader, for whom not all of it is in the file:
        one page of that may not fit another."""
        s = self.s
        s.start_daemon()
        self.inserted(0, 100, 600)
        self.truncate_log()
        self.inserted(10001)                     # pages of the items above are split
        with contextlib.closing(sqlite3.connect(s.db, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM items").fetchall()
            self.inserted(10301)                 # below the same page
            busy, frames, copied = s.sql("PRAGMA wal_checkpoint(PASSIVE)")[0]
            self.assertLess(copied, frames)
            self.remove("-wal")
            s.produce(wide(1))
            yield

    def test_log_removed_and_half_copied(self):
        with self.half_copied():
            self.told("was removed", 0)
            self.pause(1)
        self.check()
        self.assertFalse(os.path.exists(self.s.db + ".damaged"))

    def test_log_removed_and_half_copied_at_a_stop(self):
        with self.half_copied():
            self.s.daemon.stop()
        self.s.start_daemon()
        self.check()

    def test_log_removed_and_begun_anew(self):
        """What cannot be saved any more is not gone on with."""
        s = self.s
        s.start_daemon()
        self.inserted(0)
        s.daemon.send(signal.SIGSTOP)
        stack.wait(s.daemon.stopped, "the daemon to stand still")
        self.remove("-wal", "-shm")
        s.sql("CREATE TABLE others(a)")
        self.assertGreater(os.path.getsize(s.db + "-wal"), 0)
        s.daemon.send(signal.SIGCONT)
        self.told("rebuilt from Kafka", 0)
        self.inserted(100)
        self.check()
        self.assertTrue(os.path.exists(s.db + ".damaged"))


class Positions(Case):

    def test_each_commit(self):
        """Each commit leaves the position in commands behind all commands that
        it applied: a restart would apply them again."""
        s = self.s
        s.write_conf(batch_size="20")
        s.start_daemon()
        s.sql("CREATE TABLE history(topic, next)")
        s.sql("CREATE TRIGGER moved AFTER UPDATE ON positions BEGIN "
              "INSERT INTO history VALUES(new.topic, new.next); END")
        with contextlib.closing(sqlite3.connect(s.db, isolation_level=None,
                                                timeout=60)) as other:
            for _ in range(30 if fault.LONG else 3):
                # what comes while the daemon waits has an end in its midst,
                # which the brokers tell after fetch.wait.max.ms
                other.execute("BEGIN IMMEDIATE")
                for n in (1, 2, 50):
                    s.produce(wide(n))
                    self.pause(0.3)
                other.execute("COMMIT")
                s.wait_caught_up()
        self.check()
        records = [(r.offset, json.loads(r.value)["source"]["offset"])
                   for r in s.read(s.notifications)]
        last = at = -1
        for topic, position in s.sql("SELECT topic, next FROM history ORDER BY rowid"):
            if topic == s.commands:
                self.assertGreater(position, at)
                at = position
                continue
            while records and records[0][0] < position:
                last = max(last, records.pop(0)[1])
            self.assertLess(last, at, "the position after the batch that applied this")


class Other(fault.Worker):
    """Changes items all the time, as others may."""

    def __init__(self, path, qty=1000):
        super().__init__()
        self.path = path
        self.qty = qty
        self.rnd = fault.rng("other")
        self.db = None
        self.changes = collections.Counter()
        self.start()

    def step(self):
        if self.db is None:
            self.db = sqlite3.connect(self.path, timeout=0, isolation_level=None)
        try:
            self.db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            self.done.wait(0.0005)               # sooner than SQLite would look again
            return
        for n in self.rnd.sample(range(fault.SKUS), 4):
            sku = "S%d" % n
            self.changes[sku] += self.db.execute(
                "UPDATE items SET qty = qty + ?, version = version + 1 WHERE sku = ?",
                (self.qty, sku)).rowcount
        self.done.wait(self.rnd.random() * 0.01)         # holding the lock
        self.db.execute("COMMIT")
        self.done.wait(self.rnd.random() * 0.01)

    def leave(self):
        if self.db is not None:
            self.db.close()


class OtherWriter(Case):

    def test_nothing_lost(self):
        s = self.s
        s.start_daemon()
        s.start_nginx()
        other = Other(s.db)
        self.addCleanup(other.done.set)
        self.start_traffic(readers=0, pause=0.01)

        stack.wait(lambda: self.conflicts() >= (500 if fault.LONG else 30), "conflicts", 600)
        for worker in self.posters + self.writers:
            worker.finish()
        s.wait_caught_up()
        other.finish()
        self.check_replies()
        self.check_sums(other)

    def test_in_a_backlog(self):
        """Items are read ahead after the whole batch before them, also where
        that had to be taken apart: each batch takes what the last has put."""
        s = self.s
        s.write_conf(batch_size=fault.SKUS)
        s.start_daemon()
        other = None
        while self.conflicts() < (200 if fault.LONG else 20):
            s.daemon.stop()
            s.produce(['{"action":"%s","sku":"S%d","qty":1}' % (action, n)
                       for _ in range(100) for action in ("increase", "decrease")
                       for n in range(fault.SKUS)])
            if other is None:
                other = Other(s.db, qty=0)
                self.addCleanup(other.done.set)
            s.start_daemon()
            stack.wait(lambda: s.caught_up() or self.endless(), "the daemon to catch up", 600)
            self.assertFalse(self.endless(), "an item is read again and again")
        other.finish()
        self.assertEqual([line for line in s.lines() if "Refused: " in line], [])
        self.check_sums(other)

    def endless(self):
        """Whether many conflicts are in a batch that does not come to its end."""
        return len(self.s.logged(": reading it again")) > self.conflicts() + 5 * fault.SKUS

    def conflicts(self):
        return self.s.sql("SELECT total(value) FROM stats WHERE name = 'conflicts'")[0][0]

    def check_sums(self, other):
        qty, version, offsets = collections.Counter(), collections.Counter(), set()
        for r in self.s.read(self.s.notifications):
            n = json.loads(r.value)
            sku = n["sku"]
            self.assertGreater(n["version"], version["last", sku])
            version["last", sku] = n["version"]
            version[sku] += 1
            qty[sku] += n["qty"] if n["action"] == "increase" else -n["qty"]
            offsets.add(n["source"]["offset"])
        self.assertEqual(self.s.sql("SELECT sku, qty, version FROM items ORDER BY sku"),
                         [(sku, qty[sku] + other.qty * other.changes[sku],
                           version[sku] + other.changes[sku]) for sku in sorted(qty)])
        # each command had one outcome
        refused = {int(line.rpartition(":")[2]) for line in self.s.lines()
                   if "Refused: " in line or "Malformed: " in line or "Duplicate: " in line}
        self.assertEqual(sorted(offsets | refused), list(range(self.s.end(self.s.commands))))
        self.assertFalse(offsets & refused)


if __name__ == "__main__":
    stack.main()
