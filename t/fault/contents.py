#!/usr/bin/env python3
"""Kafka holds something else than the daemon left there: topics recreated,
trimmed, compacted, written to by others; group offsets lost; another cluster."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess

import fault
import stack
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import MemberToRemove, NewTopic
from kafka.errors import TopicAlreadyExistsError
from kafka.structs import OffsetAndMetadata

GOOD = '{"action":"increase","sku":"A","qty":5}'


def commands(n, *names):
    chosen = fault.Commands(fault.rng(*names), "-".join(map(str, names)), keys=False)
    return [chosen.next()[0] for _ in range(n)]


class Case(fault.Case):

    keys = False

    def processed(self, n, *names):
        """Has n commands processed."""
        self.s.produce(commands(n, *names))
        self.s.wait_caught_up()

    def remove(self):
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.s.db + suffix)

    def backup(self):
        with contextlib.closing(sqlite3.connect(self.s.db)) as db, \
                contextlib.closing(sqlite3.connect(self.s.dir + "/backup")) as copy:
            db.backup(copy)

    def put_back(self):
        self.remove()
        shutil.copy(self.s.dir + "/backup", self.s.db)

    def items(self):
        return {sku: (qty, version)
                for sku, qty, version in self.s.sql("SELECT sku, qty, version FROM items")}

    def check_among(self, others):
        """As check(), with others' records among the notifications."""
        s = self.s
        s.wait_caught_up()
        ledger = stack.replay(s)
        self.assertEqual(self.items(), ledger.items)
        self.assertEqual([r.value.decode() for r in s.read(s.notifications)
                          if r.value not in others],
                         [text for text, _ in ledger.notifications])

    def delete_records(self, topic, before):
        part = TopicPartition(topic, 0)
        with self.s.admin() as admin:
            admin.delete_records({part: before})

        def gone():
            consumer = KafkaConsumer(bootstrap_servers=self.s.brokers)
            with contextlib.closing(consumer):
                return consumer.beginning_offsets([part])[part] == before
        stack.wait(gone, "the records to go")


class Recreated(Case):

    def setUp(self):
        super().setUp()
        self.s.create_topics()
        self.s.start_daemon()
        self.processed(100, "before")

    def recreate(self, topic, missed=False):
        """missed: by the daemon, in between."""
        with self.s.admin() as admin:
            admin.delete_topics([topic])
            stack.wait(lambda: topic not in admin.list_topics(), "the topic to go")
            if missed:
                stack.wait(lambda: self.s.logged("so it is not created"), "the daemon to miss it")
            stack.wait(lambda: self.create(admin, topic), "the new topic")
        stack.wait(lambda: self.s.end(topic) == 0, "the new topic")

    @staticmethod
    def create(admin, topic):
        with contextlib.suppress(TopicAlreadyExistsError):   # the daemon's, since the old is gone
            admin.create_topics([NewTopic(topic, 1, 1)])
        return True

    def test_commands(self):
        self.recreated_commands(missed=False)

    def test_commands_missed(self):
        self.recreated_commands(missed=True)

    def recreated_commands(self, missed):
        s = self.s
        ledger = stack.replay(s)
        self.recreate(s.commands, missed)
        s.produce(commands(10, "after"))
        self.stopped(s.commands, "recreated", "set commands_topic")
        self.assertEqual(self.items(), ledger.items)
        s.start_daemon(ready=False)
        self.stopped(s.commands, "recreated", "set commands_topic")
        # as the message says
        ledger.topic = s.commands = s.commands + "-new"
        with s.admin() as admin:
            admin.create_topics([NewTopic(s.commands, 1, 1)])
        s.write_conf()
        s.start_daemon()
        self.processed(100, "after")
        for r in s.read(s.commands):
            ledger.apply(r.value, r.partition, r.offset)
        self.assertEqual(self.items(), ledger.items)
        self.assertEqual([r.value.decode() for r in s.read(s.notifications)],
                         [text for text, _ in ledger.notifications])

    def recreated_notifications(self, n):
        s = self.s
        self.recreate(s.notifications)
        s.produce(commands(n, "after"))
        self.stopped(s.notifications, "recreated", "set notifications_topic")
        # as the message says: with the stock of the database
        s.notifications += "-new"
        with s.admin() as admin:
            admin.create_topics([NewTopic(s.notifications, 1, 1)])
        s.write_conf()
        s.start_daemon()
        s.wait_caught_up()
        self.assertEqual(self.items(), stack.replay(s).items)

    def test_notifications(self):
        self.recreated_notifications(10)

    def test_notifications_with_more_than_before(self):
        """One batch that ends behind the old position."""
        self.recreated_notifications(300)


class Trimmed(Case):

    def setUp(self):
        super().setUp()
        self.s.create_topics()
        self.s.start_daemon()

    def test_commands_while_behind(self):
        s = self.s
        s.produce([GOOD] * 10)
        s.wait_caught_up()
        s.daemon.send(signal.SIGSTOP)
        s.produce([GOOD] * 3000)
        self.delete_records(s.commands, 2000)
        s.daemon.send(signal.SIGCONT)
        # some may have reached it before they were deleted
        self.stopped("to 1999 of", "deleted before they were processed",
                     "--skip_trimmed_commands=yes")
        at, = s.positions().values()
        self.assertLess(at, 2000)
        self.assertEqual(self.items(), {"A": (5 * at, at)})
        s.start_daemon("--skip_trimmed_commands=yes")
        s.wait_caught_up()
        n = at + 3010 - 2000
        self.assertEqual(self.items(), {"A": (5 * n, n)})
        self.assertTrue(s.logged("passing over commands %d to 1999" % at))

    def test_notifications_before_a_rebuild(self):
        """The database goes while the daemon runs, and cannot come back."""
        s = self.s
        s.start_nginx()
        self.processed(300, "trimmed")
        self.backup()
        self.processed(100, "trimmed too")
        self.delete_records(s.notifications, 50)
        self.remove()
        self.stopped("from offset 0", "begins at 50", "backup")
        self.assertFalse(os.path.exists(s.db))
        self.assertEqual(s.items()[0], 503)
        self.put_back()
        s.start_daemon()
        s.wait_caught_up()
        self.assertEqual(self.items(), stack.replay(s).items)


class Compacted(Case):

    def verify(self, path):
        """Returns what verify prints of a copy of the database."""
        return subprocess.run([stack.BUILD + "/warehouse-consumer", "verify", "-c", self.s.conf,
                               "--database=" + path], capture_output=True, text=True,
                              timeout=2 * stack.DEADLINE).stdout.splitlines()[2:]

    def test_lost_database(self):
        s = self.s
        self.own_broker(extra="log.cleaner.backoff.ms=200\n"
                              "log.cleaner.min.cleanable.ratio=0.01")
        s.notifications += "-compacted"
        with s.admin() as admin:
            admin.create_topics([NewTopic(s.notifications, 1, 1, topic_configs={
                "cleanup.policy": "compact", "segment.ms": "200",
                "min.cleanable.dirty.ratio": "0.01", "max.compaction.lag.ms": "500",
                "delete.retention.ms": "0"})])
        s.write_conf()
        s.start_daemon()
        for n in range(6 if fault.LONG else 1):
            self.processed(400, "compacted", n)
            self.backup()
            written = s.processed()

            def compacted():
                # the active segment is rolled by what is written
                self.processed(5, "roll", n, s.end(s.commands))
                return len(s.read(s.notifications)) < written // 3
            stack.wait(compacted, "compaction", 120)
            # what the copy stands for is gone from the topic, all or in part
            for path in s.dir + "/backup", s.db:
                self.assertEqual(self.verify(path), ["0 differences"])
            with contextlib.closing(sqlite3.connect(s.dir + "/backup")) as db:
                db.execute("UPDATE items SET version = version + 100000 WHERE sku = "
                           "(SELECT min(sku) FROM items)")
                db.commit()
            self.assertEqual(self.verify(s.dir + "/backup")[1:], ["1 difference"])
            s.daemon.stop(signal.SIGKILL)
            self.remove()
            s.start_daemon()
            s.wait_caught_up()
            ledger = stack.replay(s)
            self.assertEqual(self.items(), ledger.items)
        self.assertTrue(s.logged("notifications read"))
        self.processed(200, "afterwards")
        self.assertEqual(self.items(), stack.replay(s).items)


class Foreign(Case):

    ODD = [b"", b"\xff\x00", b"[]", b"{}", b"x" * 5000, b'{"action":"increase","sku":"A","qty":1}',
           b'{"action":"increase","sku":"A","qty":1,"stock":-1,"version":1,'
           b'"source":{"topic":"commands","partition":0,"offset":0}}']

    def setUp(self):
        super().setUp()
        self.s.create_topics()
        self.s.start_daemon()

    def write(self, topic, *values):
        with contextlib.closing(KafkaProducer(bootstrap_servers=self.s.brokers)) as producer:
            for value in values:
                producer.send(topic, value, key=b"A")
            producer.flush()

    def stops(self, *args):
        """Starts the daemon and waits until it has stopped by itself."""
        s = self.s
        before = len(s.lines())
        s.start_daemon(*args, ready=False)
        stack.wait(lambda: not s.daemon.running() or any(
            "] processing " in line for line in s.lines()[before:]), "the daemon to stop")
        self.assertFalse(s.daemon.running(), s.lines()[-3:])

    def start_passing_over(self, *bad):
        """Starts the daemon as often as it stops for one of the notifications
        at these offsets, each time as the last line of its log says."""
        s = self.s
        args = []
        for offset in bad:
            self.stops(*args)
            self.stopped(s.notifications, "%d" % offset, "--skip_notification=%d" % offset)
            args = ["--skip_notification=%d" % offset]
        before = len(s.lines())
        s.start_daemon(*args)
        for offset in bad[-1:]:
            self.assertTrue([line for line in s.lines()[before:] if "[warn] " in line
                             and s.notifications in line and "%d" % offset in line])

    def bad(self):
        return [r.offset for r in self.s.read(self.s.notifications)
                if r.value in [None] + self.ODD]

    def test_no_notifications(self):
        """They may have been some: none is passed over unless it is said so."""
        s = self.s
        rnd = fault.rng("odd")
        odd = [None] + self.ODD
        rnd.shuffle(odd)
        for n in range(4 if fault.LONG else 2):
            with self.subTest(n):
                self.processed(20, "between", n)
                if n % 2:
                    s.daemon.stop(rnd.choice([signal.SIGTERM, signal.SIGKILL]))
                    known = s.end(s.notifications)
                else:
                    known = 0          # all of them are read again
                self.write(s.notifications, *odd[2 * n:2 * n + 2])
                if n % 2 == 0:
                    self.processed(20, "behind", n)
                    s.daemon.stop(signal.SIGKILL)
                    self.remove()
                bad = [offset for offset in self.bad() if offset >= known]
                self.assertGreaterEqual(len(bad), 2)
                self.start_passing_over(*bad)
                self.check_among(odd)
                self.processed(20, "then", n)
                self.check_among(odd)
                # once passed over, it is not read again
                s.daemon.stop()
                s.start_daemon()

    def test_each_kind(self):
        s = self.s
        for value in [None] + self.ODD:
            with self.subTest(value and value[:40]):
                s.daemon.stop()
                self.write(s.notifications, value)
                self.start_passing_over(s.end(s.notifications) - 1)
        self.processed(20, "then")
        self.check_among([None] + self.ODD)

    def test_another_than_the_one_to_pass_over(self):
        """Nothing is applied that comes behind it."""
        s = self.s
        self.processed(20, "before")
        s.daemon.stop()
        self.write(s.notifications, b"foreign")
        offset, items = s.end(s.notifications) - 1, self.items()
        for other in (0, offset - 1, offset + 1):
            self.stops("--skip_notification=%d" % other)
            self.stopped("--skip_notification=%d" % offset)
            self.assertEqual(self.items(), items)
        self.start_passing_over(offset)
        self.processed(20, "then")
        self.check_among([b"foreign"])

    def test_same_version_other_stock(self):
        s = self.s
        s.produce([GOOD] * 3)
        s.wait_caught_up()
        last = json.loads(s.read(s.notifications)[-1].value)
        last["stock"] += 1
        self.write(s.notifications, json.dumps(last).encode())
        for lost in (False, True):
            s.daemon.stop(signal.SIGKILL)
            if lost:
                self.remove()
            s.start_daemon(ready=False)
            self.stopped('item "A" version 3',
                         "stock 15 in one notification and 16 in another" if lost else
                         "stock 15 in the database and 16 in notifications")

    def test_among_commands(self):
        """Notifications, tombstones, aborted and committed transactions."""
        s = self.s
        producer = KafkaProducer(bootstrap_servers=s.brokers, transactional_id=s.id)
        with contextlib.closing(producer):
            producer.init_transactions()
            for n in range(20 if fault.LONG else 3):
                self.processed(10, "own", n)
                self.write(s.commands, None, *self.ODD, s.read(s.notifications)[-1].value)
                for end in (producer.abort_transaction, producer.commit_transaction):
                    producer.begin_transaction()
                    for c in commands(5, "transaction", n):
                        producer.send(s.commands, c.encode())
                    producer.flush()
                    s.produce(commands(3, "within", n))      # wait for its end
                    end()
                self.check()
        s.daemon.stop(signal.SIGKILL)
        self.remove()
        s.start_daemon()
        self.check()


class Rebuild(Case):
    """A rebuild that ends before its end goes on where it was, unless what it
    left behind is of no use."""

    CHUNK = 50000                      # notifications in one transaction
    SKUS = 2000

    @classmethod
    def setUpClass(cls):
        """Topics for all of the tests, which change nothing in them."""
        cls.stack = s = stack.Stack()
        cls.addClassCleanup(s.stop)
        s.create_topics()
        with open(s.dir + "/commands", "w") as f:
            f.writelines('{"action":"increase","sku":"S%04d","qty":%d}\n'
                         % (n % cls.SKUS, n % 7 + 1) for n in range(2 * cls.CHUNK + 5000))
        subprocess.run(["kcat", "-P", "-b", s.brokers, "-t", s.commands, "-l", s.dir + "/commands"],
                       check=True)
        for n in range(20):
            s.produce([GOOD], headers=[("idempotency-key", b"k%d" % n)])
        s.start_daemon()
        s.wait_caught_up()
        cls.built = cls.rows(s.db)
        s.daemon.stop()

    @staticmethod
    def rows(path):
        with contextlib.closing(sqlite3.connect(path)) as db:
            return [db.execute(sql).fetchall() for sql in (
                "SELECT * FROM items ORDER BY sku", "SELECT * FROM positions ORDER BY topic",
                "SELECT sku, key, change, time, offset FROM keys ORDER BY sku, key")]

    def setUp(self):
        super().setUp()
        for name in ("commands", "notifications", "group"):
            setattr(self.s, name, getattr(self.stack, name))
        self.s.write_conf()

    def interrupt(self, fail="follow_committed:kill@2"):
        """Has a rebuild die with two transactions done; returns the path of
        what it left behind."""
        s = self.s
        s.start_daemon(fail=fail, ready=False)
        stack.wait(lambda: not s.daemon.running(), "death")
        self.assertEqual(s.daemon.p.returncode, -signal.SIGKILL)
        self.assertFalse(os.path.exists(s.db))
        return s.db + ".new"

    def right(self, before, begins, rows=None):
        """Starts the daemon: where it begins to read, and what comes of it."""
        s = self.s
        s.start_daemon(fail="")
        firsts = [int(line.split("reading notifications ")[1].split()[0])
                  for line in s.lines()[before:] if "reading notifications " in line]
        self.assertTrue(begins(firsts[0]), firsts)
        self.assertEqual([a == b for a, b in zip(self.rows(s.db), rows or self.built)],
                         [True, True, True])
        self.assertFalse([n for n in os.listdir(s.db_dir) if ".new" in n])
        self.assertEqual(s.sql("PRAGMA integrity_check"), [("ok",)])

    def goes_on(self, first):
        return 2 * self.CHUNK <= first

    def from_zero(self, first):
        return first == 0

    def test_killed(self):
        self.interrupt()
        self.right(len(self.s.lines()), self.goes_on)

    def test_killed_again(self):
        self.interrupt("follow_committed:kill")
        self.interrupt("follow_committed:kill")
        self.interrupt("positions_written:kill")
        self.interrupt("rebuilt_closed:kill")
        self.s.start_daemon()
        self.assertEqual([a == b for a, b in zip(self.rows(self.s.db), self.built)],
                         [True, True, True])

    def test_asked_to_stop(self):
        s = self.s
        s.start_daemon(fail="follow_committed:wait=1000", ready=False)
        stack.wait(lambda: s.logged('failpoint "follow_committed"'), "a transaction")
        self.assertEqual(s.daemon.stop(), 0)
        self.assertFalse(os.path.exists(s.db))
        self.right(len(s.lines()), lambda first: first >= self.CHUNK)

    def test_while_it_runs(self):
        """The next session of the same process, behind the last transaction
        that was committed."""
        s = self.s
        for n in (1, 2):
            with self.subTest(n):
                s.remove_database()
                before = len(s.lines())
                s.start_daemon(fail="follow_committed:error@%d" % n)
                firsts = [int(line.split("reading notifications ")[1].split()[0])
                          for line in s.lines()[before:] if "reading notifications " in line]
                self.assertEqual([firsts[0] == 0, firsts[1] >= n * self.CHUNK], [True, True], firsts)
                self.assertEqual([a == b for a, b in zip(self.rows(s.db), self.built)],
                                 [True, True, True])
                s.daemon.stop()

    def test_in_use(self):
        """What cannot be opened yet is not thrown away."""
        s = self.s
        new = self.interrupt()
        before = len(s.lines())
        with contextlib.closing(sqlite3.connect(new)) as db:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
            db.execute("BEGIN IMMEDIATE")
            s.start_daemon(fail="", ready=False)
            self.told("locked; trying again in ", before)
            s.daemon.stop()
        self.right(before, self.goes_on)

    def spoiled(self, *sql):
        """Changes what was left behind: nothing of it may come through."""
        new = self.interrupt()
        with contextlib.closing(sqlite3.connect(new)) as db:
            with db:
                db.execute("INSERT INTO items VALUES('not ours', 1, 1)")
                db.execute("UPDATE items SET qty = 9, version = 1000 WHERE sku = 'S0000'")
                for one in sql:
                    db.execute(*one)
        self.right(len(self.s.lines()), self.from_zero)

    def test_other_cluster(self):
        self.spoiled(("UPDATE meta SET value = 'elsewhere' WHERE name = 'cluster_id'",))

    def test_topic_that_is_shorter(self):
        """As if it had been recreated: the copy is nobody's, so no reason to stop."""
        self.spoiled(("UPDATE positions SET next = 1000000000 WHERE topic = ?",
                      (self.stack.notifications,)))

    def test_other_schema(self):
        for version in (0, 1000):
            with self.subTest(version):
                self.s.remove_database()
                self.spoiled(("PRAGMA user_version = %d" % version,))
                self.s.daemon.stop()

    def test_other_topic(self):
        """The same path, but another warehouse's topics."""
        self.interrupt()
        other = stack.Stack()
        self.addCleanup(other.stop)
        other.create_topics()
        other.start_daemon()
        other.produce(commands(100, "other"))
        other.wait_caught_up()
        rows = self.rows(other.db)
        other.daemon.stop()
        for name in ("commands", "notifications", "group"):
            setattr(self.s, name, getattr(other, name))
        self.s.write_conf()
        self.right(len(self.s.lines()), self.from_zero, rows)

    def test_garbage(self):
        s = self.s
        rnd = fault.rng("garbage")
        for kind in ("noise", "nothing", "beginning", "torn"):
            with self.subTest(kind):
                s.remove_database()
                new = self.interrupt()
                with contextlib.closing(sqlite3.connect(new)) as db:
                    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                    leaves = [n for n, in db.execute("SELECT pageno FROM dbstat WHERE "
                                                     "name = 'items' AND pagetype = 'leaf'")]
                with open(new, "r+b") as f:
                    if kind == "noise":
                        f.write(rnd.randbytes(os.stat(new).st_size))
                    elif kind == "torn":
                        f.seek((rnd.choice(leaves) - 1) * 4096 + 2048)
                        f.write(bytes(2048))
                    else:
                        f.truncate({"nothing": 0, "beginning": 100}[kind])
                self.right(len(s.lines()), self.from_zero)
                s.daemon.stop()


class Transaction(Case):
    """Somebody's transaction on notifications is open when the daemon has
    committed in Kafka and dies before SQLite's commit."""

    def open_transaction(self, commit):
        s = self.s
        s.create_topics()
        s.start_daemon()
        self.processed(50, "before")
        self.backup()
        foreign = KafkaProducer(bootstrap_servers=s.brokers, transactional_id=s.id,
                                transaction_timeout_ms=600000)
        with contextlib.closing(foreign):
            foreign.init_transactions()
            foreign.begin_transaction()
            foreign.send(s.notifications, b"foreign")
            foreign.flush()
            self.processed(50, "last batch")
            s.daemon.stop(signal.SIGKILL)
            # what a SIGKILL between the two commits leaves behind
            self.put_back()
            was = self.items(), s.positions()
            s.produce(commands(50, "after"))
            before = len(s.lines())
            s.start_daemon(ready=False)
            self.told("waiting for notifications", before)
            self.assertEqual((self.items(), s.positions()), was)
            self.assertFalse([line for line in s.lines()[before:] if " position=" in line])
            if commit:
                foreign.commit_transaction()
            else:
                foreign.abort_transaction()
        if commit:
            stack.wait(lambda: not s.daemon.running() or any(
                "] processing " in line for line in s.lines()[before:]), "the daemon to stop")
            self.assertFalse(s.daemon.running(), s.lines()[-3:])
            offset = next(r.offset for r in s.read(s.notifications) if r.value == b"foreign")
            self.stopped(s.notifications, "--skip_notification=%d" % offset)
            s.start_daemon("--skip_notification=%d" % offset)
        self.told("] processing ", before)
        self.check_among([b"foreign"])

    def test_aborted(self):
        self.open_transaction(commit=False)

    def test_committed(self):
        self.open_transaction(commit=True)


class Group(Case):
    """The group's offset is not where the daemon left it."""

    def change(self, offset):
        """Sets the committed offset, or deletes it (None), while the daemon
        is away: its static membership is ended first."""
        s = self.s
        part = TopicPartition(s.commands, 0)
        with s.admin() as admin:
            left = admin.remove_group_members(s.group, [MemberToRemove(group_instance_id=s.group)])
            if offset is None:
                done = admin.delete_group_offsets(s.group, [part])
            else:
                done = admin.alter_group_offsets(s.group,
                                                 {part: OffsetAndMetadata(offset, "", -1)})
            for error in [*left.values(), *done.values()]:
                self.assertEqual(error.__name__, "NoError")

    def test_missing_or_set_back(self):
        s = self.s
        s.create_topics()
        s.start_daemon()
        rnd = fault.rng("group")
        for n in range(6 if fault.LONG else 1):
            for lost in (False, True):
                for missing in (False, True):
                    with self.subTest(lost=lost, missing=missing):
                        self.processed(100, lost, missing, n)
                        # the last one leaves no notification
                        s.produce(['{"action":"decrease","sku":"none","qty":1}'])
                        s.wait_caught_up()
                        s.daemon.stop(rnd.choice([signal.SIGTERM, signal.SIGKILL]))
                        self.change(None if missing else rnd.randrange(s.end(s.commands)))
                        if lost:
                            self.remove()
                        s.produce(commands(50, lost, missing, n, "meanwhile"))
                        s.start_daemon()
                        self.check()


class Cluster(Case):

    def test_another_at_the_same_address(self):
        s = self.s
        broker = self.own_broker()
        s.start_daemon()
        self.processed(50, "first")
        ledger = stack.replay(s)
        broker.stop()
        os.rename(broker.directory, broker.directory + ".first")
        broker.start()
        s.create_topics()
        s.produce(commands(100, "second"))
        for started in (False, True):
            if started:
                s.start_daemon(ready=False)
            self.stopped("the database belongs to Kafka cluster", "kafka.bootstrap.servers")
            self.assertEqual(self.items(), ledger.items)
        # the right one again
        broker.stop()
        shutil.rmtree(broker.directory)
        os.rename(broker.directory + ".first", broker.directory)
        broker.start()
        s.start_daemon()
        self.processed(50, "first again")
        self.check()


if __name__ == "__main__":
    stack.main()
