#!/usr/bin/env python3
"""The daemon killed, stopped and failing at every step, with commands coming
in by HTTP and straight into Kafka, and readers of the list."""

import signal
import subprocess
import time

import fault
import stack

# how often a session passes a point, where not once; batches pass theirs all the time
PASSES = {"cluster_checked": 2, "offsets_fetched": 2, "watermark_read": 2,
          "positions_written": 2, "recovered": 2, "notification_applied": 20}
BATCH = ["polled", "read", "begun", "written", "first_sent", "last_sent", "flushed",
         "outcomes_written", "offsets_sent", "kafka_committed", "sqlite_committed", "logged",
         "checkpointed"]
REBUILD = ["notification_applied", "follow_written", "follow_committed", "rebuilt_closed",
           "rebuilt_renamed"]
STOP = ["stopping", "closing", "closed"]

KILLS = 1000 if fault.LONG else 30        # at least, over all rounds
ROUND = 50 if fault.LONG else 15          # kills with the same topics


def points():
    return subprocess.run([stack.FAULT_BUILD + "/warehouse-consumer"], check=True,
                          env={"WAREHOUSE_FAIL": "list"}, capture_output=True,
                          text=True).stdout.split()


class Kills(fault.Case):

    def setUp(self):
        self.rnd = fault.rng(self.id())
        self.partitions = self.rnd.choice([1, 3])
        super().setUp()

    def start(self, nginx="", **keys):
        s = self.s
        s.rejections = "rejections-" + s.id
        self.keys_of_conf = {"batch_size": self.rnd.choice([5, 100, 10000]), **keys}
        s.write_conf(**self.keys_of_conf)
        s.create_topics()
        s.start_daemon(fail="")
        s.start_nginx(extra=nginx)
        self.start_traffic(pause=0.01)
        s.wait_progress(100)           # notifications, for a rebuild to take its time
        s.daemon.stop(signal.SIGKILL)

    def entry(self, point, action):
        n = PASSES.get(point, 20 if point in BATCH else 1)
        return "%s:%s@%d" % (point, action, self.rnd.randint(1, n))

    def prepare(self, point):
        """Sees to it that a daemon will pass the point."""
        keys = dict(self.keys_of_conf)
        if point in REBUILD:
            self.more(40)          # for enough notifications
            self.s.remove_database()
        if point == "read_ahead":
            keys["batch_size"] = 5
            self.more(40)          # for full batches
        self.s.write_conf(**keys)

    def killed(self, point):
        """Starts the daemon, has it die at the point."""
        s = self.s
        self.prepare(point)
        s.start_daemon(fail=self.entry(point, "kill"), ready=point in STOP)
        if point in STOP:
            self.more(5)
            s.daemon.send(signal.SIGTERM)
        stack.wait(lambda: not s.daemon.running(), "death at " + point, 120)
        self.assertEqual(s.daemon.p.returncode, -signal.SIGKILL, point)

    def end(self):
        self.s.start_daemon(fail="")
        self.more(50)
        self.finish()
        self.assertGreater(self.readers[0].statuses[200], 0)

    def test_kill(self):
        order, kills = [], 0
        while kills < KILLS:
            if kills:
                self.doCleanups()
                self.setUp()
            self.start()
            for _ in range(ROUND):
                if not order:
                    order = points()
                    self.rnd.shuffle(order)
                self.killed(order.pop())
                kills += 1
            self.end()
        print("# %d kills, batches of at most %d at last" % (kills, self.keys_of_conf["batch_size"]),
              flush=True)

    def logged(self, before):
        return [line for line in self.s.lines()[before:] if " position=" in line]

    def test_log(self):
        """A command has its line after SQLite's commit, or none."""
        s = self.s
        self.start()
        self.stop_traffic()
        s.start_daemon(fail="")
        s.wait_caught_up()
        for point in ["kafka_committed", "sqlite_committed"]:
            with self.subTest(point=point):
                s.daemon.stop()
                before = len(s.lines())
                s.start_daemon(fail=point + ":wait=1000")
                s.produce(['{"action":"increase","sku":"LOG","qty":1}', "no command"],
                          key=b"LOG")
                stack.wait(lambda: self.logged(before), "a line")
                lines = s.lines()[before:]
                waited = next(n for n, line in enumerate(lines) if "failpoint" in line)
                self.assertEqual([line for line in lines[:waited] if " position=" in line], [])
                s.wait_caught_up()
        s.daemon.stop()
        before = len(s.lines())
        s.start_daemon(fail="kafka_committed:kill")
        s.produce(['{"action":"increase","sku":"LOG","qty":1}'], key=b"LOG")
        stack.wait(lambda: not s.daemon.running(), "death")
        self.assertEqual(self.logged(before), [])
        s.start_daemon(fail="")
        s.wait_caught_up()
        self.assertEqual(self.logged(before), [])
        self.finish()

    def applied(self):
        return self.s.sql("SELECT total(value) FROM stats WHERE name = 'applied'")[0][0]

    def test_counted(self):
        """What a recovery applies is counted, too, and once."""
        s = self.s
        self.start()
        for point in ["kafka_committed", "follow_written", "positions_written", "kafka_committed",
                      "follow_committed", "sqlite_committed", "offsets_sent"]:
            s.start_daemon(fail=point + ":kill", ready=False)
            stack.wait(lambda: not s.daemon.running(), "death at " + point, 120)
        s.start_daemon(fail="")
        ledger = self.finish()
        with self.subTest("after kills"):
            self.assertEqual(self.applied(), len(ledger.notifications))
        s.daemon.stop()
        s.remove_database()
        for point in ["notification_applied", "follow_committed", "rebuilt_closed"]:
            s.start_daemon(fail=point + ":kill", ready=False)
            stack.wait(lambda: not s.daemon.running(), "death at " + point, 120)
        s.start_daemon(fail="")
        with self.subTest("after a rebuild"):
            self.assertEqual(self.applied(), len(ledger.notifications))

    def test_error(self):
        """A failed step ends the session; the next one is right again."""
        s = self.s
        self.start()
        for point in points():
            if point in STOP:
                continue
            with self.subTest(point=point):
                self.prepare(point)
                s.start_daemon(fail=self.entry(point, "error"), ready=False)
                stack.wait(lambda: s.logged('failpoint "%s"; trying again' % point), point, 120)
                s.wait_progress()
                self.more(5)
                s.daemon.stop(signal.SIGKILL)
        self.end()

    def test_stand_still(self):
        """Stopped for longer than the group and the transaction wait."""
        s = self.s
        self.start(**{"kafka.session.timeout.ms": "6000", "kafka.transaction.timeout.ms": "2000"})
        chosen = BATCH + ["offsets_fetched", "recovered"]
        for point in chosen if fault.LONG else self.rnd.sample(chosen, 2):
            with self.subTest(point=point):
                s.start_daemon(fail=self.entry(point, "stop"), ready=False)
                stack.wait(s.daemon.stopped, "the stop at " + point, 120)
                end = time.monotonic() + 8
                stack.wait(lambda: time.monotonic() > end, "the timeouts")
                s.daemon.send(signal.SIGCONT)
                self.more(100)
                self.assertTrue(s.daemon.running())
                s.daemon.stop(signal.SIGKILL)
        self.end()

    def test_taken_over(self):
        """A second daemon takes over while the first stands still in
        mid-batch: the first, woken up, changes nothing and leaves."""
        s = self.s
        self.start()
        log, db = s.log, s.db
        chosen = BATCH[:-2]
        for n, point in enumerate(chosen if fault.LONG else self.rnd.sample(chosen, 3)):
            with self.subTest(point=point):
                s.start_daemon(fail=self.entry(point, "stop"), ready=False)
                first = s.daemon
                stack.wait(first.stopped, "the stop at " + point, 120)
                s.log, s.db = "%s.%d" % (log, n), "%s.%d" % (db, n)
                s.write_conf(**self.keys_of_conf)
                s.start_daemon(fail="")
                self.more(50)
                first.send(signal.SIGCONT)
                stack.wait(lambda: not first.running(), "the first to leave", 120)
                self.assertEqual(first.p.returncode, 3, point)
                self.more(20)
                s.daemon.stop(signal.SIGKILL)
                s.log, s.db = log, db
                s.write_conf(**self.keys_of_conf)
        self.end()

    def test_partitions_added(self):
        """The assignment changes while a batch is on its way.  nginx does not hear
        of it: a sku that moved to another partition would have no one order."""
        s = self.s
        self.start("warehouse_kafka topic.metadata.refresh.interval.ms 300000;",
                   **{"kafka.topic.metadata.refresh.interval.ms": "300"})
        for n, point in enumerate(["polled", "written", "flushed"]):
            with self.subTest(point=point):
                s.start_daemon(fail=point + ":wait=3000@20")
                stack.wait(lambda: s.logged('failpoint "%s"' % point), point, 120)
                with s.admin() as admin:
                    admin.create_partitions({s.commands: self.partitions + n + 1})
                stack.wait(lambda: s.logged("%d partition(s)" % (self.partitions + n + 1)),
                           "the new partitions", 120)
                self.more(20)
                s.daemon.stop(signal.SIGKILL)
        self.end()

    def test_slow(self):
        """Every step takes its time, for two batches."""
        s = self.s
        self.start()
        for n in range(0, len(BATCH), 4):
            s.start_daemon(fail=",".join("%s:wait=%d@%d" % (p, self.rnd.randint(1, 500), k)
                                         for p in BATCH[n:n + 4] for k in (1, 2)))
            self.more(60)
            s.wait_progress()
            s.daemon.stop(signal.SIGKILL)
        self.end()


if __name__ == "__main__":
    stack.main()
