"""Runs what is measured, pairs it with its baseline, and keeps the table."""

import json
import os
import platform
import re
import statistics
import subprocess
import time

import stack

BENCH = stack.BUILD + "/bench/"
RESULTS = stack.ROOT + "/bench/results.json"
README = stack.ROOT + "/bench/README.md"
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->\n"


def measured():
    """Today, and the commit, "-dirty" where more than results has changed."""
    git = ["git", "-C", stack.ROOT]
    commit = subprocess.run(git + ["describe", "--always"],
                            capture_output=True, text=True).stdout.strip()
    changed = subprocess.run(git + ["diff", "--quiet", "HEAD", "--", ":/",
                                    ":!/bench/results.json", ":!/bench/README.md"]).returncode
    return time.strftime("%Y-%m-%d ") + (commit or "?") + ("-dirty" if changed == 1 else "")


MEASURED = measured()
rows = []


def launch(name, *args):
    """Starts one of bench/*.c."""
    return subprocess.Popen([BENCH + name, *map(str, args)], stdout=subprocess.PIPE, text=True)


def result(process):
    """Waits for its end and returns what it printed, as JSON."""
    out, _ = process.communicate()
    if process.returncode:
        raise SystemExit("%s failed" % " ".join(process.args))
    return json.loads(out or "null")


def program(name, *args):
    return result(launch(name, *args))


def wrk(port, path, connections, seconds, post=False, script="post.lua", **fields):
    """Requests a second of one wrk thread, closed loop; fields of the header, with
    "_" for "-"."""
    script = ["-s", stack.ROOT + "/bench/" + script] if post else []
    for name, value in fields.items():
        script += ["-H", "%s: %s" % (name.replace("_", "-"), value)]
    out = subprocess.run(["wrk", "-t1", "-c%d" % connections, "-d%d" % seconds,
                          "--timeout", "30", *script, "http://127.0.0.1:%d%s" % (port, path)],
                         capture_output=True, text=True).stdout
    if "Non-2xx" in out or "Socket errors" in out:
        raise SystemExit(out)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))


def memory(pid, field="VmRSS"):
    """MiB of a process."""
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(field + r":\s+(\d+)", f.read()).group(1)) / 1024


def processor(pid):
    """us that all threads of a process have run."""
    total = 0
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/schedstat" % (pid, task)) as f:
            total += int(f.read().split()[0]) / 1000
    return total


def say(text):
    print("# " + text, flush=True)


def row(name, goal, ours, baseline, unit):
    """ours, baseline: a value of each round; goal: ">= 0.6"."""
    ratios = [a / b for a, b in zip(ours, baseline)]
    rows.append({"name": name, "goal": goal, "ratio": round(statistics.median(ratios), 3),
                 "ratio_min": round(min(ratios), 3), "ratio_max": round(max(ratios), 3),
                 "ours": figure(ours), "baseline": figure(baseline), "unit": unit,
                 "measured": MEASURED})
    print(line(rows[-1]), flush=True)


def figure(values):
    n = statistics.median(values)
    return round(n) if n >= 100 else round(n, 3)


def met(r):
    sign, limit = r["goal"].split()
    return r["ratio"] >= float(limit) if sign == ">=" else r["ratio"] <= float(limit)


def line(r):
    return "| %s | %s | %s | %s | %.2f (%.2f to %.2f) | %s | %s | %s |" % (
        r["name"], format(r["ours"], ","), format(r["baseline"], ","), r["unit"], r["ratio"],
        r["ratio_min"], r["ratio_max"], r["goal"], "yes" if met(r) else "**no**",
        r["measured"])


def machine():
    def out(*argv):
        p = subprocess.run(argv, capture_output=True, text=True)
        return (p.stdout + p.stderr).strip()
    with open("/proc/cpuinfo") as f:
        cpu = next((l.split(":")[1].strip() for l in f if "model name" in l), "unknown")
    with open("/proc/meminfo") as f:
        ram = int(f.readline().split()[1]) / (1 << 20)
    versions = [name + " " + out("dpkg-query", "-W", "-f", "${Version}", package)
                for name, package in [("nginx", "nginx"), ("librdkafka", "librdkafka1"),
                                      ("SQLite", "libsqlite3-0"), ("Java", "default-jre-headless")]]
    return "%s, %d cores, %.0f GiB, Linux %s; %s" % (cpu, os.cpu_count(), ram,
                                                     platform.release(), ", ".join(versions))


def save():
    """Puts the rows into results.json and README.md, in place of older ones."""
    where = machine()
    merged = {}
    if os.path.exists(RESULTS):
        with open(RESULTS) as f:
            merged = {r["name"]: r for r in json.load(f)}
    merged.update((r["name"], {**r, "machine": where}) for r in rows)
    with open(RESULTS, "w") as f:
        json.dump(list(merged.values()), f, indent=1)
        f.write("\n")
    with open(README) as f:
        before, _, rest = f.read().partition(BEGIN)
    with open(README, "w") as f:
        f.write(before + BEGIN + "\n" + tables(merged.values()) + END + rest.partition(END)[2])


def tables(merged):
    """One for each machine."""
    heading = ["what", "ours", "baseline", "unit", "ratio", "goal", "met", "measured"]
    text = ""
    for where in dict.fromkeys(r["machine"] for r in merged):
        text += "%s\n\n| %s |\n%s|\n" % (where, " | ".join(heading), "|---" * len(heading))
        text += "".join(line(r) + "\n" for r in merged if r["machine"] == where) + "\n"
    return text
