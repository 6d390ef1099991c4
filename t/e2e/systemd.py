#!/usr/bin/env python3
"""The unit file with a real systemd: in a container that sees this machine's
packages and network, and whose changes are gone with it.  What README says of
an installation is what is done there."""

import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
import unittest

import fault
import stack

UNIT = stack.ROOT + "/conf/warehouse-consumer.service"
NAME = "warehouse-consumer"
EXPOSURE = 2.0
WALL = 0x40000000      # __WALL of waitpid()

# a machine's root with changes in memory; $1: the folder for it
BOOT = r"""
mount --make-rprivate / && mount -t tmpfs tmpfs "$1" && cd "$1" && mkdir upper work root &&
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root || exit 99
exec systemd-nspawn --quiet --directory=root --boot --keep-unit --register=no --console=pipe \
    --bind="$2:/data" --bind-ro="$3:/source" --bind-ro="$4:/build" systemd.unit=basic.target < /dev/null
"""


def missing():
    """Why there can be no container, or None."""
    if os.getuid() != 0:
        return "a container wants root"
    for program in ("systemd-nspawn", "systemd-analyze", "nsenter"):
        if not shutil.which(program):
            return program + " is not installed"
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"],
                      capture_output=True).returncode != 0:
        return "mounts cannot be made"
    if stack.BUILD.endswith("sanitize"):
        return "the sanitizers read what the unit hides"
    return None


class Container:
    """systemd as the first process of a machine of its own."""

    def __init__(self, directory, data):
        os.mkdir(directory)
        self.log = directory + ".log"
        with open(self.log, "w") as log:
            self.process = stack.Process(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--",
                 "sh", "-c", BOOT, "sh", directory, data, stack.ROOT, stack.BUILD],
                stdout=log, stderr=log)
        self.init = stack.wait(self.find_init, "the container")
        stack.wait(lambda: "running" in self.out("systemctl", "is-system-running"), "systemd")

    def find_init(self):
        """nspawn's child, which is the first process of a third namespace."""
        assert self.process.running(), open(self.log).read()
        pids = [self.process.pid]
        for pid in pids:
            with contextlib.suppress(OSError):
                with open("/proc/%d/status" % pid) as f:
                    spaces = re.search(r"NSpid:\t(.*)", f.read()).group(1).split("\t")
                with open("/proc/%d/comm" % pid) as f:
                    if spaces[2:] == ["1"] and f.read() == "systemd\n":
                        return pid
                with open("/proc/{0}/task/{0}/children".format(pid)) as f:
                    pids += map(int, f.read().split())
        return None

    def run(self, *argv, **kwargs):
        """A command in there."""
        return subprocess.run(["nsenter", "--target", str(self.init), "--all", "--", *argv],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, **kwargs)

    def out(self, *argv):
        return self.run(*argv).stdout

    def ok(self, *argv):
        r = self.run(*argv)
        assert r.returncode == 0, (argv, r.stdout, r.stderr,
                                   self.out("journalctl", "--no-pager", "-n", "20"))
        return r.stdout

    def write(self, path, text):
        r = subprocess.run(["nsenter", "--target", str(self.init), "--all", "--",
                            "sh", "-c", 'mkdir -p "$(dirname "$0")" && cat > "$0"', path],
                           input=text, text=True)
        assert r.returncode == 0, path

    def stop(self):
        """All of it goes with its first process."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.init, signal.SIGKILL)
        self.process.stop(signal.SIGKILL)


class File(unittest.TestCase):

    def setUp(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("systemd-analyze is not installed")

    def analyze(self, *args):
        return subprocess.run(["systemd-analyze", "--no-pager", *args], capture_output=True,
                              text=True, env={**os.environ, "LC_ALL": "C.UTF-8"})

    def test_exposure(self):
        r = self.analyze("security", "--offline=true", "--threshold=%d" % (10 * EXPOSURE), UNIT)
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        exposure = float(re.search(r"Overall exposure level for \S+ ([0-9.]+)", r.stdout).group(1))
        print("# exposure", exposure)
        self.assertLessEqual(exposure, EXPOSURE)

    def test_no_key_is_unknown(self):
        r = self.analyze("verify", UNIT)
        said = [line for line in r.stderr.splitlines()
                if "is not executable" not in line and "warehouse" in line]
        self.assertEqual(said, [])


class Service(stack.Case):

    user = "nobody"        # its folder belongs to www-data, too

    def setUp(self):
        why = missing()
        if why:
            self.skipTest(why)
        super().setUp()
        s = self.s
        self.c = Container(s.dir + "/machine", s.db_dir)
        self.addCleanup(self.c.stop)
        self.addCleanup(self.keep_journal)
        for command in self.commands():
            self.c.ok("sh", "-c", "cd /source && " + command)
        # the folder of the database lies where the tests see it
        uid, gid = self.c.out("stat", "-c", "%u %g", "/var/lib/warehouse").split()
        os.chown(s.db_dir, int(uid), int(gid))
        self.assertEqual(self.c.out("stat", "-c", "%a", "/var/lib/warehouse"), "2750\n")
        self.c.ok("mount", "--bind", "/data", "/var/lib/warehouse")
        self.c.ok("install", "-m", "755", "/build/warehouse-consumer", "/usr/bin/")
        self.configure()

    def commands(self):
        """README's, up to the start."""
        with open(stack.ROOT + "/README.md") as f:
            block = re.search(r"^```\n(useradd .*?)^systemctl enable --now (\S+)\n```", f.read(),
                              re.M | re.S)
        self.assertEqual(block.group(2), NAME)
        return block.group(1).splitlines()

    def configure(self, **keys):
        s = self.s
        lines = {"kafka.bootstrap.servers": s.brokers, "commands_topic": s.commands,
                 "notifications_topic": s.notifications, "group_id": s.group, **keys}
        self.c.write("/etc/warehouse/consumer.conf",
                     "".join("%s = %s\n" % line for line in lines.items()))

    def drop_in(self, *lines):
        self.c.write("/etc/systemd/system/%s.service.d/test.conf" % NAME,
                     "[Service]\n" + "".join(line + "\n" for line in lines))
        self.c.ok("systemctl", "daemon-reload")

    def show(self, name):
        return self.c.ok("systemctl", "show", "--value", "--property", name, NAME).strip()

    def journal(self):
        return self.c.out("journalctl", "--no-pager", "-o", "cat", "-u", NAME)

    def keep_journal(self):
        with open(self.s.dir + "/journal", "w") as f:
            f.write(self.c.out("journalctl", "--no-pager"))

    def wait_status(self, text):
        stack.wait(lambda: self.show("StatusText") == text, "the status: " + text)

    def start(self):
        self.c.ok("systemctl", "enable", "--now", NAME)
        self.assertEqual(self.show("ActiveState"), "active")

    def works(self):
        self.s.produce(['{"action":"increase","sku":"A","qty":1}'] * 5)
        self.check()

    def pid(self):
        """Of the daemon, in there."""
        return self.show("MainPID")

    def test_from_start_to_stop(self):
        s, c = self.s, self.c
        s.create_topics()
        self.start()
        self.wait_status("processing, commands waiting: 0")
        self.works()
        with open("/proc/%d/root/proc/%s/status" % (c.init, self.pid())) as f:
            status = dict(line.split(":\t", 1) for line in f.read().splitlines() if ":\t" in line)
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"], int(status["CapEff"], 16),
                          int(status["CapBnd"], 16)), ("1", "2", 0, 0))
        for path in ("", "-wal", "-shm"):
            st = os.stat(s.db + path)
            self.assertEqual((st.st_mode & 0o777, st.st_gid), (0o640, os.stat(s.db_dir).st_gid))
        s.start_nginx(user="www-data")
        self.assertEqual(s.items(), (200, '[{"sku":"A","qty":5}]'))
        c.ok("systemctl", "stop", NAME)
        self.assertEqual((self.show("Result"), self.show("ExecMainStatus")), ("success", "0"))
        self.assertIn("stopped, as asked", self.journal())
        self.assertEqual(s.items()[0], 200)
        # killed, it comes again
        self.start()
        c.ok("systemctl", "kill", "--signal=KILL", NAME)
        stack.wait(lambda: self.show("NRestarts") == "1" and self.show("ActiveState") == "active",
                   "another start")
        self.works()

    def test_brokers_away(self):
        """It is up all the same: a wait is no failed start."""
        dead, = stack.free_ports()
        self.configure(**{"kafka.bootstrap.servers": "127.0.0.1:%d" % dead})
        self.start()
        self.wait_status("waiting, the log says for what")
        self.c.ok("systemctl", "stop", NAME)
        self.assertEqual(self.show("Result"), "success")

    def test_does_not_start(self):
        """What is wrong is said, and starting it again is no use."""
        self.configure(batch_size="0")
        self.assertNotEqual(self.c.run("systemctl", "start", NAME).returncode, 0)
        self.assertEqual((self.show("ActiveState"), self.show("ExecMainStatus"),
                          self.show("NRestarts")), ("failed", "1", "0"))
        self.assertIn('invalid value "0" of "batch_size"', self.journal())

    def test_credentials(self):
        """A file that root alone reads."""
        s, c = self.s, self.c
        s.create_topics()
        c.write("/etc/warehouse/password", "hush\n")
        c.ok("chmod", "600", "/etc/warehouse/password")
        path = "/run/credentials/%s.service/kafka-password" % NAME
        self.configure(**{"kafka.sasl.password_file": path})
        self.assertNotEqual(c.run("systemctl", "start", NAME).returncode, 0)
        self.assertIn('cannot open "%s"' % path, self.journal())
        self.drop_in("LoadCredential=kafka-password:/etc/warehouse/password")
        self.start()
        self.works()
        self.assertNotIn("hush", self.journal())

    def test_watchdog(self):
        """Fed while all is well, however short it is; a process that stands
        still is ended, and comes again."""
        s, c = self.s, self.c
        s.create_topics()
        self.drop_in("WatchdogSec=4", "RestartSec=0")
        self.start()
        self.works()
        since = self.show("WatchdogTimestampMonotonic")
        for _ in range(3):
            stack.wait(lambda: self.show("WatchdogTimestampMonotonic") != since, "a sign of life")
            since = self.show("WatchdogTimestampMonotonic")
        self.assertEqual(self.show("NRestarts"), "0")
        c.ok("systemctl", "kill", "--signal=STOP", NAME)
        stack.wait(lambda: self.show("NRestarts") == "1" and self.show("ActiveState") == "active",
                   "the watchdog")
        self.assertIn("Watchdog timeout", c.out("journalctl", "--no-pager", "-o", "cat"))
        self.works()

    def halt(self):
        """Stops the daemon's first thread alone, as a debugger does."""
        PTRACE_ATTACH = 16
        with open("/proc/{0}/task/{0}/children".format(self.c.init)) as f:
            pid, = (int(pid) for pid in f.read().split() if comm(pid) == NAME[:15])
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.ptrace(PTRACE_ATTACH, pid, None, None) != 0:
            raise OSError(ctypes.get_errno(), "ptrace")
        self.assertEqual(os.waitpid(pid, WALL)[0], pid)
        return pid

    @unittest.skipUnless(fault.LONG, "a step may take two minutes: with --long")
    def test_first_thread_stands_still(self):
        """The others go on, and one of them no longer vouches for it."""
        s = self.s
        s.create_topics()
        self.drop_in("WatchdogSec=4", "RestartSec=0")
        self.start()
        self.works()
        pid = self.halt()
        # who halted it has to see its end before systemd can
        stack.wait(lambda: os.waitpid(pid, WALL | os.WNOHANG)[0] == pid, "the watchdog", 180)
        stack.wait(lambda: self.show("NRestarts") == "1", "another start")
        self.assertIn("nothing has gone on for too long, in state", self.journal())
        self.works()


def comm(pid):
    with open("/proc/%s/comm" % pid) as f:
        return f.read().strip()


if __name__ == "__main__":
    stack.main()
