#!/usr/bin/env python3
"""Kafka holds something else than the daemon left there: topics recreated,
trimmed, compacted, written to by others; group offsets lost; another cluster."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3

import fault
import stack
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import MemberToRemove, NewTopic
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

    def recreate(self, topic):
        with self.s.admin() as admin:
            admin.delete_topics([topic])
            stack.wait(lambda: topic not in admin.list_topics(), "the topic to go")
            stack.wait(lambda: self.create(admin, topic), "the new topic")
        stack.wait(lambda: self.s.end(topic) == 0, "the new topic")

    @staticmethod
    def create(admin, topic):
        with contextlib.suppress(Exception):     # the old one may still be there
            admin.create_topics([NewTopic(topic, 1, 1)])
            return True

    def test_commands(self):
        s = self.s
        ledger = stack.replay(s)
        self.recreate(s.commands)
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
            written = s.processed()

            def compacted():
                # the active segment is rolled by what is written
                self.processed(5, "roll", n, s.end(s.commands))
                return len(s.read(s.notifications)) < written // 3
            stack.wait(compacted, "compaction", 120)
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

    def test_no_notifications(self):
        s = self.s
        rnd = fault.rng("odd")
        for n in range(5 if fault.LONG else 2):
            self.processed(20, "between", n)
            self.write(s.notifications, None, *rnd.sample(self.ODD, len(self.ODD)))
            self.processed(20, "behind", n)
            if n % 2:
                s.daemon.stop(rnd.choice([signal.SIGTERM, signal.SIGKILL]))
                self.write(s.notifications, rnd.choice(self.ODD))
            else:
                s.daemon.stop(signal.SIGKILL)
                self.remove()
            s.start_daemon()
            self.check_among([None] + self.ODD)
        self.assertTrue(s.logged("is not a notification and is passed over"))

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
            self.stopped('item "A" version 3', "stock 15 in the database", "16 in notifications")

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
        self.told("] processing ", before)
        self.check_among([b"foreign"])
        self.assertEqual(bool(s.logged("is not a notification")), commit)

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
