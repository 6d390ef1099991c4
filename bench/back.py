"""The daemon: backlogs, rebuilds, notifications, memory, start."""

import contextlib
import datetime
import math
import os
import random
import re
import shutil
import signal
import tempfile
import time

import front
import stack
from measure import launch, memory, program, result, row, say

COMMANDS = 5000000
BATCH = 50000              # the default of batch_size
ROUNDS = 3
GROWTH = 500000
NOTIFY_RATE = 1000
NOTIFY_SECONDS = 20
LIMIT = 96                 # MiB


class Backlog:
    """A commands topic that is filled once and processed several times."""

    def __init__(self, count, skus, partitions=1):
        self.count, self.skus = count, skus
        self.s = stack.Stack(partitions=partitions)

    def __enter__(self):
        self.s.create_topics()
        program("fill", self.s.brokers, self.s.commands, self.count, self.skus, 1)
        return self

    def __exit__(self, *_):
        self.delete(self.s)
        self.s.stop()

    @staticmethod
    def delete(s):
        """The topics: they take gigabytes."""
        with s.admin() as admin:
            admin.delete_topics([s.commands, s.notifications])

    @contextlib.contextmanager
    def stack(self, **keys):
        """The same commands for a daemon of its own; keys: of its configuration."""
        s = stack.Stack(partitions=self.s.partitions)
        s.create_topics()
        s.own, s.commands = s.commands, self.s.commands
        try:
            s.write_conf(**keys)
            yield s
        finally:
            s.commands = s.own
            self.delete(s)
            s.stop()

    def process(self, s):
        """Starts the daemon and returns commands a second."""
        s.start_daemon()
        before, begin = s.processed(), time.monotonic()
        stack.wait(lambda: s.processed() >= before + self.count or not s.daemon.running(),
                   "the backlog", 900)
        seconds = time.monotonic() - begin
        assert s.daemon.running()
        return (self.count - before) / seconds

    def copy(self, s, compression="none"):
        """The same with the least that reads and writes Kafka."""
        seconds = program("copy", s.brokers, s.commands, s.notifications, self.count,
                          s.group, BATCH, compression)["seconds"]
        return self.count / seconds


def cpu(pid):
    """Seconds that a process has used."""
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def backlog(skus):
    with Backlog(COMMANDS, skus) as b:
        ours, copies, rebuilt, consumed = [], [], [], []
        compressed, compressed_copies = [], []
        with b.stack() as s:
            b.copy(s)                    # the broker compiles itself while it runs
        for n in range(ROUNDS):
            with b.stack() as s:
                ours.append(b.process(s))
                size = memory(s.daemon.pid, "VmHWM")
                say("%d skus: %.0f/s, %.0f s of CPU, %.0f MiB at most"
                    % (skus, ours[-1], cpu(s.daemon.pid), size))
                s.daemon.stop()
                if n == ROUNDS - 1:
                    for _ in range(ROUNDS):
                        rebuilt.append(rebuild(s))
                        read = program("consume", s.brokers, s.notifications)
                        consumed.append(read["count"] / read["seconds"])
            with b.stack(**{"kafka.compression.type": "lz4"}) as s:
                compressed.append(b.process(s))
            for compression, rates in (("none", copies), ("lz4", compressed_copies)):
                with b.stack() as s:
                    rates.append(b.copy(s, compression))
        say("%d skus: SQLite alone takes, in us a command, %s" % (skus, alone(skus)))
        name = "%s million commands, %s skus, " % (COMMANDS // 1000000, format(skus, ","))
        row("backlog of " + name + "to copying", ">= 0.8", ours, copies, "commands/s")
        row("backlog with lz4 of " + name + "to copying with lz4", ">= 0.8", compressed,
            compressed_copies, "commands/s")
        row("rebuild after " + name + "to reading", ">= 0.6", rebuilt, consumed,
            "notifications/s")
        if skus >= 1000000:
            row("daemon's memory, backlog of " + name + "to %d MiB" % LIMIT, "<= 1", [size],
                [LIMIT], "MiB")


def alone(skus):
    with tempfile.TemporaryDirectory() as folder:
        return program("store", folder + "/warehouse.db", skus, BATCH, COMMANDS // BATCH)


def rebuild(s):
    """Notifications a second, until the daemon is ready."""
    s.remove_database()
    s.log += ".rebuild"
    s.write_conf()
    s.start_daemon(ready=False)
    stack.wait(lambda: s.logged("] processing ") or not s.daemon.running(), "the rebuild", 900)
    assert s.daemon.running()
    s.daemon.stop()
    begin, count, end = None, None, None
    for line in s.lines():
        if "reading notifications" in line and begin is None:
            begin = stamp(line)
        elif "notifications read" in line and count is None:
            count = int(re.search(r"(\d+) notifications read", line).group(1))
        elif "] processing " in line:
            end = stamp(line)
    os.unlink(s.log)
    return count / (end - begin)


def stamp(line):
    return datetime.datetime.fromisoformat(line[:23]).timestamp()


def backlogs():
    for skus in (1000, 1000000):
        backlog(skus)


def growth():
    """The cost of a command in databases of different sizes."""
    sizes = (1000, 100000, 1000000, 10000000)
    costs = []
    for skus in sizes:
        with Backlog(GROWTH, skus) as b:
            rounds = []
            with b.stack() as filled:
                filled.commands = filled.own     # empty
                filled.write_conf()
                front.fill_items(filled, skus)
                filled.sql("DELETE FROM positions")
                filled.sql("INSERT INTO positions VALUES(?, 0, 0)", (b.s.commands,))
                filled.sql("PRAGMA wal_checkpoint(TRUNCATE)")
                for _ in range(ROUNDS):
                    with b.stack() as s:
                        shutil.copy(filled.db, s.db)
                        rounds.append(1e6 / b.process(s))
            say("%d skus: %s us a command" % (skus, ", ".join("%.1f" % c for c in rounds)))
            costs.append(rounds)
    for skus, rounds in list(zip(sizes, costs))[1:]:
        row("cost of a command, %s skus, to 1,000 skus" % format(skus, ","),
            "<= %.2f" % (math.log(skus) / math.log(sizes[0])), rounds, costs[0], "us")


def notify():
    """From the time a POST is due to its notification at a reader."""
    ours, bare = [], []
    with front.Front() as f:
        f.s.start_daemon()
        for n in range(ROUNDS):
            ours.append(visible(f.s, NOTIFY_RATE * NOTIFY_SECONDS, "load", f.s.port, "POST",
                                "/commands", 64, NOTIFY_RATE, NOTIFY_SECONDS))
            bare.append(visible(f.s, NOTIFY_RATE, "transactions", f.s.brokers,
                                f.s.notifications, NOTIFY_RATE, "bare-%s-%d" % (f.s.id, n)))
    for share, goal in (("p50", "<= 2"), ("p99", "<= 4")):
        row("POST to notification visible, %d/s, %s, to a transaction" % (NOTIFY_RATE, share),
            goal, [t[share] for t in ours], [t[share] for t in bare], "us")


def visible(s, count, name, *args):
    reader = launch("visible", s.brokers, s.notifications, count)
    try:
        if reader.stdout.readline() != "ready\n":
            raise SystemExit("visible failed")
        program(name, *args)
        return result(reader)
    finally:
        reader.kill()


def start():
    """The daemon waits for the broker; from its answer to being ready."""
    s = stack.Stack()
    broker = stack.Broker(s.dir + "/broker")
    try:
        broker.start()
        s.brokers = broker.address
        s.write_conf()
        s.create_topics()
        front.fill_items(s, 1000000)
        seconds = []
        for _ in range(ROUNDS):
            broker.stop(signal.SIGTERM)
            s.log += "."
            s.write_conf()
            s.start_daemon(ready=False)
            stack.wait(lambda: s.logged("waiting for Kafka"), "the daemon to wait")
            time.sleep(random.Random(len(seconds)).uniform(3, 6))
            broker.start()
            begin = time.monotonic()
            stack.wait(lambda: s.logged("] processing "), "the daemon", 60)
            seconds.append(time.monotonic() - begin)
            s.daemon.stop()
        row("daemon ready after the broker, 1,000,000 skus, to 2 s", "<= 1", seconds,
            [2] * ROUNDS, "s")
    finally:
        s.stop()
        broker.stop()
