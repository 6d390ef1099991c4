#!/usr/bin/env python3
"""First figures: acknowledged POSTs and the daemon's rate from a backlog.
Each rate is the median of several rounds, with the least and the most."""

import os
import platform
import random
import re
import statistics
import subprocess
import time

import stack

ROUNDS = 5
SECONDS = 5
BACKLOG = 1000000


def show(name, rates):
    print("%-57s %7.0f/s   (%.0f to %.0f)"
          % (name, statistics.median(rates), min(rates), max(rates)), flush=True)


def wrk(port, path, connections):
    out = subprocess.run(
        ["wrk", "-t1", "-c%d" % connections, "-d%d" % SECONDS, "-s",
         stack.ROOT + "/bench/post.lua", "http://127.0.0.1:%d" % port],
        env={**os.environ, "WAREHOUSE_PATH": path}, capture_output=True, text=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        raise SystemExit(out)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))


def posts():
    s = stack.Stack()
    try:
        s.create_topics()
        plain, = stack.free_ports()
        s.start_nginx(extra="server { listen 127.0.0.1:%d; location = /ok "
                            "{ return 200 '{\"status\":\"accepted\"}'; } }" % plain)
        wrk(s.port, "/commands", 256)
        rates = {"/commands": [], "/ok": []}
        for _ in range(ROUNDS):
            rates["/commands"].append(wrk(s.port, "/commands", 256))
            rates["/ok"].append(wrk(plain, "/ok", 256))
        show("POST acknowledged by the broker, 256 connections", rates["/commands"])
        show("the same POSTs to \"return 200\"", rates["/ok"])
        ratios = [a / b for a, b in zip(rates["/commands"], rates["/ok"])]
        print("%-57s %7.2f     (%.2f to %.2f)" % ("ratio", statistics.median(ratios),
                                                  min(ratios), max(ratios)), flush=True)
    finally:
        s.stop()


def backlog():
    rates = []
    for n in range(3):
        s = stack.Stack()
        try:
            s.create_topics()
            rnd = random.Random(n)
            lines = "".join('{"action":"%s","sku":"SKU%d","qty":%d}\n'
                            % (rnd.choice(["increase", "increase", "decrease"]),
                               rnd.randrange(1000), rnd.randint(1, 20)) for _ in range(BACKLOG))
            subprocess.run(["kcat", "-P", "-b", s.brokers, "-t", s.commands],
                           input=lines.encode(), check=True)
            s.start_daemon()
            start = time.monotonic()
            before = s.processed()
            stack.wait(lambda: s.processed() >= BACKLOG, "the backlog", 300)
            rates.append((BACKLOG - before) / (time.monotonic() - start))
        finally:
            s.stop()
    show("commands applied from a backlog of %d, 1,000 skus" % BACKLOG, rates)


if __name__ == "__main__":
    with open("/proc/cpuinfo") as f:
        cpu = next((line.split(":")[1].strip() for line in f if "model name" in line), "?")
    print("%s, %d cores, %s, %s" % (cpu, os.cpu_count(), platform.release(),
                                    time.strftime("%Y-%m-%d")), flush=True)
    posts()
    backlog()
