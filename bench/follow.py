"""What clients follow: batches, outcomes that are waited for, live changes; and
what it costs the daemon to keep outcomes."""

import os
import time

from back import Backlog, visible
from front import SECONDS, WARM, Front
from measure import launch, processor, program, result, row, say, wrk

ROUNDS = 5
WAIT = "Prefer: wait=5"
RATE = 1000                # waited POSTs a second
RATE_SECONDS = 20
BACKLOG = 2000000
STEADY = 20000             # commands a second
STEADY_SECONDS = 10
KEEPING = ("kept", {}), ("none", {"outcomes": 0})


def wrk_batches(port, connections, seconds):
    return 100 * wrk(port, "/commands", connections, seconds, post=True, script="batch.lua")


def batches():
    with Front() as f:
        f.post(256, WARM)
        wrk_batches(f.s.port, 64, 2)
        rates = [(wrk_batches(f.s.port, 64, SECONDS), f.post(64)) for _ in range(ROUNDS)]
        ours, single = zip(*rates)
        row("batches of 100, 64 connections, to single POSTs", ">= 5", ours, single, "commands/s")


def waited():
    """The reply with the outcome, to the notification at a reader and 5 ms."""
    with Front() as f:
        s = f.s
        s.start_daemon()
        f.post(256, WARM)
        s.wait_caught_up()
        ours, seen = [], []
        for _ in range(3):
            ours.append(program("load", s.port, "POST", "/commands", 64, RATE, RATE_SECONDS, WAIT))
            s.wait_caught_up()
            seen.append(visible(s, RATE * RATE_SECONDS, "load", s.port, "POST", "/commands", 64,
                                RATE, RATE_SECONDS))
            s.wait_caught_up()
            say("%d/s: outcome after p50 %d us, p99 %d us; notification visible after %d, %d"
                % (RATE, ours[-1]["p50"], ours[-1]["p99"], seen[-1]["p50"], seen[-1]["p99"]))
        row("POST that waits, %d/s, p50, to its notification visible and 5 ms" % RATE, "<= 1",
            [t["p50"] for t in ours], [t["p50"] + 5000 for t in seen], "us")


def keeping():
    """With and without, each as often before the other as behind it."""
    for n in range(ROUNDS + 1):
        yield from KEEPING if n % 2 else reversed(KEEPING)


def outcomes():
    """The daemon's processor time with outcomes kept, to without."""
    with Backlog(BACKLOG, 1000) as b:
        with b.stack() as s:
            b.copy(s)                    # the broker compiles itself while it runs
        used = {}
        for name, keys in keeping():
            with b.stack(**keys) as s:
                b.process(s)
                used.setdefault(name, []).append(processor(s.daemon.pid) / BACKLOG)
                s.daemon.stop()
        row("daemon's processor time, backlog, outcomes kept to none", "<= 1.1", used["kept"],
            used["none"], "us a command")
    with Front() as f:
        s = f.s
        used = {}
        f.post(256, WARM)
        for name, keys in keeping():
            s.write_conf(**keys)
            s.start_daemon()
            s.wait_caught_up()
            begin = processor(s.daemon.pid)
            program("load", s.port, "POST", "/commands", 256, STEADY, STEADY_SECONDS)
            s.wait_caught_up()
            used.setdefault(name, []).append((processor(s.daemon.pid) - begin)
                                             / (STEADY * STEADY_SECONDS))
            s.daemon.stop()
        row("daemon's processor time, %d/s, outcomes kept to none" % STEADY, "<= 1.1",
            used["kept"], used["none"], "us a command")


def subscribers():
    """From the last commit to the last event, with nobody cut off."""
    with Front() as f:
        s = f.s
        s.start_daemon()
        f.post(256, WARM)
        s.wait_caught_up()
        for clients, skus, rate in (1000, 1000, 10000), (100, 0, 1000):
            count = rate * RATE_SECONDS
            for _ in range(3):
                reader = launch("follow", s.port, clients, skus,
                                count if skus else count * clients)
                assert reader.stdout.readline() == "ready\n"
                time.sleep(0.1)              # the first tick of the last one
                program("load", s.port, "POST", "/commands", 64, rate, RATE_SECONDS)
                got = result(reader)
                assert got["closed"] == 0, got
                s.wait_caught_up()
                # to some ms, as the kernel tells it
                committed = os.stat(s.db + "-wal").st_mtime - time.time() + time.monotonic()
                say("%d subscribers of %s, %d commands/s: %d events, nobody cut off, the last one "
                    "%.0f ms after the last commit"
                    % (clients, "one sku each" if skus else "everything", rate, got["events"],
                       got["last"] / 1000 - committed * 1000))


def follow():
    batches()
    waited()
    outcomes()
    subscribers()
