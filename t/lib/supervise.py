#!/usr/bin/env python3
"""Runs a command and passes its exit status on.  Whatever it started and left
running is ended by its id, named on stderr, and makes the status a failure."""

import contextlib
import ctypes
import os
import signal
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
PATIENCE = 10                      # seconds for what is about to end by itself


def parents():
    """The parent of each process that is there."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as f:
                state, parent = f.read().rpartition(")")[2].split()[:2]
        except OSError:            # it has just ended
            continue
        if state not in "ZX":
            found[int(pid)] = int(parent)
    return found


def descendants():
    """The processes below this one."""
    tree = parents()
    below = {os.getpid()}
    while True:
        more = {pid for pid, parent in tree.items() if parent in below} - below
        if not more:
            return below - {os.getpid()}
        below |= more


def reap():
    """Takes the status of children that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def command_line(pid):
    try:
        with open("/proc/%d/cmdline" % pid) as f:
            return f.read().replace("\0", " ").strip()
    except OSError:
        return "(ended)"


def end_descendants():
    """Returns what had to be killed."""
    deadline = time.monotonic() + PATIENCE
    while descendants() and time.monotonic() < deadline:
        reap()
        time.sleep(0.05)
    left = []
    while True:
        reap()
        pids = descendants()
        if not pids:
            return left
        for pid in pids:
            left.append("%d %s" % (pid, command_line(pid)))
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.05)


def main(argv):
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")

    child = os.spawnvp(os.P_NOWAIT, argv[0], argv)

    def pass_on(signo, frame):
        # a terminal's signal has reached it already
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signo)

    for signo in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signo, pass_on)

    status = None
    while status is None:
        pid, ended = os.waitpid(-1, 0)
        if pid == child:
            status = os.waitstatus_to_exitcode(ended)

    left = end_descendants()
    for line in left:
        print("left behind and killed: " + line, file=sys.stderr)

    return status if status > 0 else 128 - status if status < 0 else int(bool(left))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
