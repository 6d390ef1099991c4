#!/usr/bin/env python3
"""Runs each fuzzer for a minute, with FAULT_LONG for ten, from its corpus, and
prints TAP.  FUZZ=word takes only those whose name holds the word, FUZZ_SECONDS
says how long, FUZZ_JOBS how many at a time (at most two otherwise), FAULT_SEED
what they choose from.  What makes one fail is printed in base64:

    echo BASE64 | base64 -d > input; build/fuzz/fuzz_NAME input"""

import base64
import concurrent.futures
import glob
import os
import random
import re
import subprocess
import sys
import tempfile
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(HERE, "..", "..", "build", "fuzz")

SECONDS = int(os.environ.get("FUZZ_SECONDS")
              or (600 if os.environ.get("FAULT_LONG") else 60))
JOBS = int(os.environ.get("FUZZ_JOBS") or min(2, os.cpu_count() or 1))
SEED = os.environ.get("FAULT_SEED") or str(random.randrange(1, 32768))

LONGEST = 4096         # bytes of an input
SLOWEST = 10           # seconds for one
MEMORY = 1024          # MB for a fuzzer
FEWEST = 1000          # inputs: with less it was not tried
PATIENCE = 120         # seconds, past those it was given
SHOWN = 40             # lines of what it says


def targets():
    names = [os.path.basename(path)[len("fuzz_"):-len(".c")]
             for path in sorted(glob.glob(os.path.join(HERE, "fuzz_*.c")))]
    return [name for name in names if os.environ.get("FUZZ", "") in name]


def command(name, found):
    """The fuzzer's command line; what it finds goes to the folder found."""
    corpus = os.path.join(HERE, "corpus", name)
    words = os.path.join(HERE, name + ".dict")
    new = os.path.join(found, "new")
    os.mkdir(new)
    return ([os.path.join(BUILD, "fuzz_" + name),
             f"-max_total_time={SECONDS}", f"-max_len={LONGEST}",
             f"-timeout={SLOWEST}", f"-rss_limit_mb={MEMORY}",
             f"-seed={zlib.crc32(f'{SEED} {name}'.encode()) or 1}",
             f"-artifact_prefix={found}/", "-use_value_profile=1",
             "-print_final_stats=1"]
            + ([f"-dict={words}"] if os.path.exists(words) else [])
            + [new, corpus])


def run(name):
    """Returns (passed, title, lines for people)."""
    env = dict(os.environ, ASAN_OPTIONS="quarantine_size_mb=16",
               UBSAN_OPTIONS="print_stacktrace=1")
    with tempfile.TemporaryDirectory() as found:
        try:
            done = subprocess.run(command(name, found), env=env,
                                  stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT,
                                  timeout=SECONDS + PATIENCE)
            status, out = done.returncode, done.stdout
        except subprocess.TimeoutExpired as late:
            status, out = "none: it did not end", late.stdout or b""
        inputs = []
        for path in sorted(glob.glob(os.path.join(found, "*-*"))):
            with open(path, "rb") as file:
                inputs.append((os.path.basename(path), file.read()))

    text = out.decode("utf-8", "replace")
    number = re.search(r"^stat::number_of_executed_units: *(\d+)", text, re.M)
    places = re.findall(r"cov: (\d+)", text)
    tried = int(number.group(1)) if number else 0
    title = (f"{name}: {tried} inputs, {SECONDS} s,"
             f" {places[-1] if places else 0} places of the code")

    if status == 0 and tried >= FEWEST and not inputs:
        return True, title, []

    lines = [line for line in text.splitlines()
             if not re.match(r"(#\d+|INFO|stat::)", line)]
    lines = [f"exit status {status}"] + lines[:SHOWN]
    for file, data in inputs:
        lines.append(f"{file}, {len(data)} bytes:"
                     f" {base64.b64encode(data).decode()}")
    return False, title, lines


def main():
    names = targets()
    failed = 0

    print(f"# {SECONDS} s each, --seed={SEED} repeats this run")
    print(f"1..{len(names)}", flush=True)

    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for number, (ok, title, lines) in enumerate(pool.map(run, names), 1):
            failed += not ok
            print(f"{'ok' if ok else 'not ok'} {number} - {title}")
            for line in lines:
                print(f"# {line}", flush=True)
            sys.stdout.flush()

    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
