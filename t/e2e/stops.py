#!/usr/bin/env python3
"""Where the daemon must not go on: it stops, says why and what to do; and its
command line, log and process behaviour."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import time

import stack
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

GOOD = '{"action":"increase","sku":"A","qty":5}'


class Stops(stack.Case):

    def stopped(self, *texts, status=2):
        """Waits for the daemon's end and checks status and last line."""
        self.assertEqual(self.s.daemon.p.wait(stack.DEADLINE), status)
        for text in texts:
            self.assertIn(text, self.s.lines()[-1])
        self.assertIn("[error] stopped: ", self.s.lines()[-1])

    def processed_once(self):
        s = self.s
        s.create_topics()
        s.start_daemon()
        s.produce([GOOD] * 3)
        s.wait_caught_up()
        self.assertEqual(s.daemon.stop(), 0)

    def change(self, *args):
        self.s.sql(*args)
        self.s.start_daemon(ready=False)

    def test_other_cluster(self):
        self.processed_once()
        self.change("UPDATE meta SET value = 'elsewhere' WHERE name = 'cluster_id'")
        self.stopped('cluster "elsewhere"', "kafka.bootstrap.servers")

    def test_other_schema(self):
        self.processed_once()
        self.change("PRAGMA user_version = 7")
        self.stopped("schema version 7")

    def test_notifications_ahead(self):
        self.processed_once()
        self.change("UPDATE positions SET next = 1000 WHERE topic = ?", (self.s.notifications,))
        self.stopped(self.s.notifications, "up to offset 1000", "recreated")

    def test_commands_ahead(self):
        self.processed_once()
        self.change("UPDATE positions SET next = 1000 WHERE topic = ?", (self.s.commands,))
        self.stopped(self.s.commands, "up to offset 1000", "recreated", "commands_topic")

    def test_same_version_other_stock(self):
        self.processed_once()
        s = self.s
        s.sql("UPDATE positions SET next = 0 WHERE topic = ?", (s.notifications,))
        self.change("UPDATE items SET qty = 99")
        self.stopped('item "A" version 3', "stock 99", "15 in notifications")

    def test_notifications_with_two_partitions(self):
        self.s.create_topics(notification_partitions=2)
        self.s.start_daemon(ready=False)
        self.stopped("has 2 partitions")

    def test_compacted_commands(self):
        self.s.create_topics(commands={"cleanup.policy": "compact"})
        self.s.start_daemon(ready=False)
        self.stopped("is compacted", "cleanup.policy")

    def delete_records(self, topic, before):
        with self.s.admin() as admin:
            admin.delete_records({TopicPartition(topic, 0): before})

        def gone():
            consumer = KafkaConsumer(bootstrap_servers=self.s.brokers)
            with contextlib.closing(consumer):
                part = TopicPartition(topic, 0)
                return consumer.beginning_offsets([part])[part] == before
        stack.wait(gone, "the records to go")

    def test_trimmed_commands(self):
        s = self.s
        self.processed_once()
        s.produce([GOOD] * 4)
        self.delete_records(s.commands, 5)
        s.start_daemon(ready=False)
        self.stopped("commands 3 to 4", "--skip_trimmed_commands=yes")
        s.start_daemon("--skip_trimmed_commands=yes")
        s.wait_caught_up()
        self.assertEqual(s.sql("SELECT qty, version FROM items"), [(25, 5)])
        self.assertTrue(s.logged("passing over commands 3 to 4"))

    def test_trimmed_notifications(self):
        s = self.s
        self.processed_once()
        self.delete_records(s.notifications, 2)
        s.sql("UPDATE positions SET next = 1 WHERE topic = ?", (s.notifications,))
        s.start_daemon(ready=False)
        self.stopped("from offset 1", "begins at 2", "backup")

    def test_all_notifications_expired(self):
        """Nothing is missing then: the database had them all."""
        s = self.s
        self.processed_once()
        self.delete_records(s.notifications, s.end(s.notifications))
        s.start_daemon()
        s.produce([GOOD])
        s.wait_caught_up()
        self.assertEqual(s.sql("SELECT qty, version FROM items"), [(20, 4)])

    def test_only_control_records_expired(self):
        """Commit markers and aborted commands of others are not lost commands."""
        s = self.s
        s.create_topics()
        s.start_daemon()
        producer = KafkaProducer(bootstrap_servers=s.brokers, transactional_id=s.id)
        with contextlib.closing(producer):
            producer.init_transactions()
            for end in (producer.commit_transaction, producer.abort_transaction):
                producer.begin_transaction()
                producer.send(s.commands, GOOD.encode())
                producer.flush()
                end()
        s.wait_caught_up()
        self.assertEqual(s.sql("SELECT qty, version FROM items"), [(5, 1)])
        self.assertEqual(s.daemon.stop(), 0)
        self.delete_records(s.commands, s.end(s.commands))
        s.start_daemon()
        s.produce([GOOD])
        s.wait_caught_up()
        self.assertEqual(s.sql("SELECT qty, version FROM items"), [(10, 2)])

    def test_lost_database_with_trimmed_notifications(self):
        s = self.s
        self.processed_once()
        self.delete_records(s.notifications, 2)
        os.unlink(s.db)
        s.start_daemon(ready=False)
        self.stopped("from offset 0", "begins at 2")
        self.assertFalse(os.path.exists(s.db))

    def test_second_daemon_of_the_same_database(self):
        s = self.s
        s.create_topics()
        s.start_daemon()
        first = s.daemon
        self.addCleanup(first.stop)
        s.start_daemon(ready=False)
        self.stopped("is locked", "another warehouse-consumer")
        self.assertTrue(first.running())
        with open(s.db_dir + "/consumer.pid") as f:
            self.assertEqual(int(f.read()), first.p.pid)

    def test_second_daemon_of_the_same_group(self):
        s = self.s
        s.create_topics()
        # after which it is sure that the second lives
        quick = {"kafka.session.timeout.ms": "6000"}
        s.write_conf(**quick)
        s.start_daemon()
        first = s.daemon
        self.addCleanup(first.stop)
        s.produce([GOOD])
        s.wait_caught_up()
        log = s.log
        s.log = s.dir + "/second.log"
        s.db = s.db_dir + "/second.db"
        s.write_conf(**quick)
        s.start_daemon()
        s.produce([GOOD])
        self.assertEqual(first.p.wait(stack.DEADLINE), 3)
        with open(log) as f:
            self.assertIn("another process runs with group_id", f.read().splitlines()[-1])
        self.check()

    # the group says who was replaced with a heartbeat, and these are rare
    RARE = {"kafka.heartbeat.interval.ms": "6000", "kafka.session.timeout.ms": "13000"}

    def test_second_daemon_with_rare_heartbeats(self):
        """The first, fenced right after it has joined, waits to be told why."""
        s = self.s
        s.create_topics()
        s.write_conf(**self.RARE)
        s.start_daemon()
        first, log = s.daemon, s.log
        self.addCleanup(first.stop)
        s.log = s.dir + "/second.log"
        s.db = s.db_dir + "/second.db"
        s.write_conf(pid_file="", **self.RARE)
        s.start_daemon(ready=False)
        second = s.daemon
        stack.wait(lambda: s.produce([GOOD]) or not first.running() or not second.running(),
                   "one of them to leave", 3 * stack.DEADLINE)
        with open(log) as f:
            told = f.read().splitlines()
        self.assertEqual((first.p.poll(), second.p.poll()), (3, None), told[-5:] + s.lines()[-5:])
        self.assertIn("another process runs with group_id", told[-1])
        s.produce([GOOD] * 10)
        self.check()
        # the second was never fenced
        self.assertFalse(s.logged("kafka: fatal"))
        self.assertTrue(second.running())

    def test_stopped_past_the_transaction_timeout(self):
        """Only slow, not replaced: goes on by itself, nothing lost or doubled."""
        self.stopped_past_the_timeout()

    def test_stopped_with_rare_heartbeats(self):
        self.stopped_past_the_timeout(**self.RARE)

    def stopped_past_the_timeout(self, **keys):
        s = self.s
        s.create_topics()
        s.write_conf(**{"kafka.transaction.timeout.ms": "1000", "batch_size": "50", **keys})
        s.start_daemon()
        s.produce([GOOD] * 3000)
        stack.wait(lambda: s.processed() > 100, "the first batches")
        s.daemon.send(signal.SIGSTOP)
        end = time.monotonic() + 3
        stack.wait(lambda: time.monotonic() > end, "the transaction to time out")
        s.daemon.send(signal.SIGCONT)
        self.check()
        self.assertTrue(s.daemon.running())

    def test_topics_created_later(self):
        s = self.s
        s.write_conf(create_topics="no")
        s.start_daemon(ready=False)
        stack.wait(lambda: s.logged('topic "' + s.notifications) or not s.daemon.running(),
                   "a word about the topic")
        self.assertTrue(s.daemon.running())
        s.create_topics()
        stack.wait(lambda: s.logged("] processing "), "the daemon")
        self.assertEqual(s.logged("created topic"), [])
        s.produce([GOOD])
        self.check()

    def test_partitions_added(self):
        s = self.s
        s.create_topics()
        s.write_conf(**{"kafka.topic.metadata.refresh.interval.ms": "500"})
        s.start_daemon()
        s.produce([GOOD])
        with s.admin() as admin:
            admin.create_partitions({s.commands: 3})
        stack.wait(lambda: s.logged("3 partition(s)"), "the new partitions")
        s.produce(['{"action":"increase","sku":"B%d","qty":1}' % n for n in range(100)])
        self.check()


class Process(stack.Case):

    def run_daemon(self, *args):
        return subprocess.run([stack.BUILD + "/warehouse-consumer", *args],
                              capture_output=True, text=True, timeout=stack.DEADLINE)

    def test_command_line(self):
        s = self.s
        r = self.run_daemon("-V")
        self.assertEqual(r.returncode, 0)
        self.assertRegex(r.stdout, r"^warehouse-consumer/\d+\.\d+\.\d+ librdkafka/")
        r = self.run_daemon("-c", s.conf, "-t")
        self.assertEqual((r.returncode, r.stderr),
                         (0, "configuration file %s test is successful\n" % s.conf))
        for args, text in [
                (["-x"], 'invalid argument "-x"'),
                (["-c"], 'invalid argument "-c"'),
                (["-c", "/nonexistent"], 'cannot open "/nonexistent"'),
                (["-c", s.conf, "-t", "--no_such_key=1"], 'unknown key "no_such_key"'),
                (["-c", s.conf, "-t", "--batch_size=0"], '"batch_size"'),
                (["-c", s.conf, "-t", "--kafka.acks=1"], '"kafka.acks" is reserved'),
                (["-c", s.conf, "-t", "--kafka.no.such=1"], "kafka.no.such"),
                (["-c", s.conf, "-t", "--kafka.security.protocol=sasl_ssl",
                  "--kafka.sasl.mechanism=PLAIN"], "sasl.username"),
                (["-c", s.conf, "-t", "--kafka.sasl.password=hush"],
                 'use the configuration file, or "kafka.sasl.password_file"'),
                (["-c", s.conf, "-t", "--kafka.sasl.password_file=/nonexistent"],
                 '"kafka.sasl.password_file": cannot open "/nonexistent"'),
                (["-c", s.conf, "-t", "--commands_topic=a b"], '"a b"'),
                (["-t"], "kafka.bootstrap.servers")]:
            r = self.run_daemon(*args)
            self.assertEqual(r.returncode, 1, args)
            self.assertIn(text, r.stderr)
            self.assertNotIn("hush", r.stderr)

    def test_log_reopened(self):
        s = self.s
        s.create_topics()
        s.start_daemon()
        os.rename(s.log, s.log + ".1")
        s.daemon.send(signal.SIGUSR1)
        stack.wait(lambda: s.logged("log reopened"), "the new log")
        s.produce([GOOD])
        s.wait_caught_up()
        stack.wait(lambda: s.logged("Processed and notified"), "a line in the new log")
        s.daemon.send(signal.SIGPIPE)
        s.produce([GOOD])
        self.check()
        self.assertEqual(s.daemon.stop(signal.SIGINT), 0)

    def test_files(self):
        s = self.s
        s.create_topics()
        s.write_conf(database_mode="0644")
        s.start_daemon()
        for suffix in ("", "-wal", "-shm"):
            self.assertEqual(os.stat(s.db + suffix).st_mode & 0o777, 0o644)
        with open(s.db_dir + "/consumer.pid") as f:
            self.assertEqual(int(f.read()), s.daemon.p.pid)
        s.daemon.stop()
        self.assertFalse(os.path.exists(s.db_dir + "/consumer.pid"))
        self.assertTrue(os.path.exists(s.db + "-wal"))

    def test_wal_is_truncated(self):
        s = self.s
        s.create_topics()
        s.write_conf(wal_limit="1m", batch_size="1000")
        s.start_daemon()
        biggest = 0
        for n in range(12):
            s.produce(['{"action":"increase","sku":"S%d","qty":1}' % k
                       for k in range(n * 1000, n * 1000 + 1000)])
            s.wait_caught_up()
            biggest = max(biggest, os.stat(s.db + "-wal").st_size)
        self.assertLess(biggest, 4 << 20)
        with contextlib.closing(sqlite3.connect(s.db)) as db:
            self.assertEqual(db.execute("PRAGMA integrity_check").fetchone(), ("ok",))


if __name__ == "__main__":
    stack.main()
