"""Runs the system's parts for a test: each in processes, folders, topics and
ports of its own, on the broker that script/test has started."""

import bisect
import contextlib
import ctypes
import http.client
import json
import os
import pwd
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
import unittest
import urllib.parse

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from tap import TAPTestRunner

import command
import kept

ROOT = os.environ["WAREHOUSE_ROOT"]
BUILD = os.environ["WAREHOUSE_BUILD"]
FAULT_BUILD = os.environ.get("WAREHOUSE_FAULT_BUILD")
BROKERS = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
KEEP = os.environ.get("WAREHOUSE_TEST_KEEP")     # a folder that the logs are copied to
DEADLINE = 60


def main():
    """Runs the test file's cases with TAP on stdout."""
    runner = TAPTestRunner()
    runner.set_stream(True)
    unittest.main(testRunner=runner, verbosity=0)


def wait(condition, what, deadline=DEADLINE):
    """Polls until condition() is true and returns its value."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("gave up waiting for " + what)
        time.sleep(0.02)


def free_ports(*distances):
    """A free port of loopback, and those at the distances given, none of them
    given to any other test of this run.  They lie below the range that outgoing
    connections take theirs from."""
    while True:
        first = random.randrange(10000, 20000)
        ports = [first] + [first + distance for distance in distances]
        with contextlib.ExitStack() as sockets:
            try:
                for port in ports:
                    s = sockets.enter_context(contextlib.closing(socket.socket()))
                    s.bind(("127.0.0.1", port))
                # a file that is there already raises OSError, too
                for port in ports:
                    open("%s/ports/%d" % (os.environ["WAREHOUSE_TEST_DIR"], port), "x").close()
            except OSError:
                continue
        return ports


class Process:
    """One child process, ended by its id, and at the latest with the test."""

    def __init__(self, argv, signo=signal.SIGKILL, **kwargs):
        """signo is what ends it at last, also where the test itself was killed.
        Its signals are the default ones, whatever the tests were started with:
        in the background of a shell, SIGINT would be ignored."""
        self.signo = signo
        self.p = subprocess.Popen(["setpriv", "--pdeathsig", signal.Signals(signo).name[3:], "--",
                                   "env", "--default-signal=INT,QUIT,TERM,HUP,PIPE", *argv],
                                  start_new_session=True, **kwargs)
        self.pid = self.p.pid

    def running(self):
        return self.p.poll() is None

    def send(self, signo):
        self.p.send_signal(signo)

    def stopped(self):
        """True if SIGSTOP has come to it."""
        with open("/proc/%d/stat" % self.p.pid) as f:
            return f.read().rpartition(")")[2].split()[0] == "T"

    def stop(self, signo=signal.SIGTERM, deadline=DEADLINE):
        """Returns the exit status, negative for a signal's."""
        if self.running():
            self.send(signo)
        try:
            return self.p.wait(deadline)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
            raise AssertionError("%s did not stop" % self.p.args)


class Adopted(Process):
    """A process that another one started, and leaves to this one when it ends
    itself.  Needs adopt()."""

    def __init__(self, pid):
        self.pid = pid
        self.signo = signal.SIGTERM
        self.status = None

    def running(self):
        if self.status is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:       # who started it is still there
                return os.path.exists("/proc/%d" % self.pid)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is None

    def send(self, signo):
        os.kill(self.pid, signo)

    def stop(self, signo=signal.SIGTERM):
        """Returns the exit status; None where another process got it."""
        if self.running():
            self.send(signo)
        try:
            wait(lambda: not self.running(), "process %d to stop" % self.pid)
        except AssertionError:
            self.send(signal.SIGKILL)
            wait(lambda: not self.running(), "process %d to be killed" % self.pid)
            raise
        return self.status


def adopt():
    """Makes this process the parent of its descendants whose own has ended."""
    PR_SET_CHILD_SUBREAPER = 36
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


class Broker:
    """A broker of the test's own, for tests that stop and start it."""

    def __init__(self, directory, extra=""):
        """extra: more lines of server.properties."""
        self.directory = directory
        self.extra = extra
        self.port, self.controller = free_ports(1)
        self.address = "127.0.0.1:%d" % self.port
        self.process = None

    def start(self):
        with open(self.directory + ".log", "w") as log:
            self.process = Process([ROOT + "/script/kafka", "run", self.directory,
                                    str(self.port), str(self.controller)],
                                   stdout=log, stderr=log,
                                   env={**os.environ, "KAFKA_EXTRA": self.extra})
        wait(self.answers, "the broker", 3 * DEADLINE)

    def answers(self):
        if not self.process.running():
            with open(self.directory + ".log") as log:
                raise AssertionError("the broker stopped: " + "".join(log.readlines()[-5:]))
        return subprocess.run(["kcat", "-b", self.address, "-L", "-m", "2"],
                              capture_output=True).returncode == 0

    def resume(self):
        """Starts it, or goes on with it where it was stopped by a signal."""
        if self.process and self.process.running():
            self.process.send(signal.SIGCONT)
        else:
            self.start()

    def stop(self, signo=signal.SIGKILL):
        if self.process:
            self.process.stop(signo)


class Stack:
    """Topics, database, daemon and nginx of one test."""

    count = 0

    def __init__(self, brokers=BROKERS, partitions=1, user=None):
        Stack.count += 1
        self.brokers = brokers
        self.id = "t%d-%d" % (os.getpid(), Stack.count)
        self.commands = "commands-" + self.id
        self.notifications = "notifications-" + self.id
        self.rejections = None     # a topic's name, where there is one
        self.group = "warehouse-" + self.id
        self.partitions = partitions
        self.user = user
        self.dir = tempfile.mkdtemp(prefix="e2e-", dir=os.environ["WAREHOUSE_TEST_DIR"])
        os.chmod(self.dir, 0o755)
        self.db_dir = self.dir + "/db"
        os.mkdir(self.db_dir)
        self.db = self.db_dir + "/warehouse.db"
        self.log = self.dir + "/consumer.log"
        self.daemon = None
        self.nginx = None
        self.processes = []        # all that were started
        self.port, = free_ports()
        if user:
            account = pwd.getpwnam(user)
            group = pwd.getpwnam("www-data").pw_gid
            os.chown(self.db_dir, account.pw_uid, group)
            os.chmod(self.db_dir, 0o2750)
            open(self.log, "w").close()
            os.chown(self.log, account.pw_uid, group)
        self.write_conf()

    # topics

    def admin(self):
        return contextlib.closing(KafkaAdminClient(bootstrap_servers=self.brokers))

    def create_topics(self, commands=None, notifications=None, notification_partitions=1):
        with self.admin() as admin:
            admin.create_topics([
                NewTopic(self.commands, self.partitions, 1, topic_configs=commands or {}),
                NewTopic(self.notifications, notification_partitions, 1,
                         topic_configs=notifications or {}),
            ] + ([NewTopic(self.rejections, 2, 1)] if self.rejections else []))
        wait(lambda: self.end(self.commands) is not None
             and self.end(self.notifications) is not None
             and (not self.rejections or self.end(self.rejections) is not None), "the topics")

    def read(self, topic):
        """All committed records, partition after partition, in order."""
        consumer = KafkaConsumer(bootstrap_servers=self.brokers, enable_auto_commit=False,
                                 isolation_level="read_committed",
                                 auto_offset_reset="earliest")
        with contextlib.closing(consumer):
            parts = [TopicPartition(topic, p)
                     for p in sorted(consumer.partitions_for_topic(topic))]
            consumer.assign(parts)
            ends = consumer.end_offsets(parts)
            consumer.seek_to_beginning()
            records = []
            wait(lambda: self.read_some(consumer, records, ends), "records of " + topic)
        return sorted(records, key=lambda r: (r.partition, r.offset))

    @staticmethod
    def read_some(consumer, records, ends):
        for batch in consumer.poll(timeout_ms=100).values():
            records.extend(batch)
        return all(consumer.position(p) >= end for p, end in ends.items())

    def end(self, topic):
        consumer = KafkaConsumer(bootstrap_servers=self.brokers)
        with contextlib.closing(consumer):
            known = consumer.partitions_for_topic(topic)
            if not known:
                return None
            parts = [TopicPartition(topic, p) for p in known]
            return sum(consumer.end_offsets(parts).values())

    def produce(self, values, key=None, headers=None, timestamp=None, partition=None):
        """Writes values (bytes, text or None) straight into commands; headers
        are (name, bytes), timestamp is in milliseconds."""
        producer = KafkaProducer(bootstrap_servers=self.brokers, acks="all",
                                 max_request_size=4 << 20)
        with contextlib.closing(producer):
            for v in values:
                producer.send(self.commands, v.encode() if isinstance(v, str) else v, key=key,
                              headers=headers, timestamp_ms=timestamp, partition=partition)
            producer.flush()

    # the daemon

    def write_conf(self, **keys):
        lines = {
            "kafka.bootstrap.servers": self.brokers,
            "database": self.db,
            "commands_topic": self.commands,
            "notifications_topic": self.notifications,
            "group_id": self.group,
            "log": self.log,
            "pid_file": self.db_dir + "/consumer.pid",
        }
        if self.rejections:
            lines["rejections_topic"] = self.rejections
        lines.update(keys)
        self.conf = self.dir + "/consumer.conf"
        with open(self.conf, "w") as f:
            f.writelines("%s = %s\n" % line for line in lines.items())

    def start_daemon(self, *args, ready=True, fail=None, env=None, build=None):
        """fail: what its failpoints do, see consumer/base/fail.h; "" for none.
        env: more variables.  build: the folder of another daemon."""
        before = len(self.lines())
        program = (build or (BUILD if fail is None else FAULT_BUILD)) + "/warehouse-consumer"
        kwargs = {"env": {**os.environ, **(env or {})}}
        if fail is not None:
            kwargs["env"]["WAREHOUSE_FAIL"] = fail
        if self.user:
            # the tree may lie where that user cannot go
            # and is copied by a process of its own: a child of another thread's
            # would hold the copy open for writing, and it could not be run
            subprocess.run(["cp", program, self.dir], check=True)
            program = self.dir + "/" + os.path.basename(program)
            account = pwd.getpwnam(self.user)
            kwargs.update(user=account.pw_uid, group=account.pw_gid, extra_groups=[])
        self.daemon = Process([program, "-c", self.conf, *args], stdout=subprocess.DEVNULL,
                              stderr=open(self.dir + "/consumer.err", "a"), **kwargs)
        self.processes.append(self.daemon)
        if ready:
            wait(lambda: self.ready(before), "the daemon")

    def ready(self, before):
        if not self.daemon.running():
            with open(self.dir + "/consumer.err") as err:
                said = self.lines()[-3:] + err.read().split("\n")[-3:]
            raise AssertionError("the daemon stopped with status %d: %s"
                                 % (self.daemon.p.returncode, "\n".join(said)))
        return any("[notice] processing " in line for line in self.lines()[before:])

    def wait_progress(self, n=20):
        """Waits until the daemon has processed n more commands."""
        goal = self.processed() + n
        wait(lambda: self.processed() >= goal, "%d commands to be processed" % n)

    def lines(self):
        try:
            with open(self.log) as f:
                # splitlines() would part lines at U+2028, too
                return f.read().removesuffix("\n").split("\n")
        except FileNotFoundError:
            return []

    def logged(self, text):
        return [line for line in self.lines() if text in line]

    # nginx

    def write_nginx_conf(self, workers=1, user="root", extra="", single=False, daemon=False,
                         build=None, brokers=None, connections=4096, tree=ROOT, level="info"):
        """build: the folder of another module.  brokers: others than the
        stack's.  connections: of each worker.  tree: where the configuration
        comes from.  level: of the error log."""
        directory = self.dir + "/nginx"
        os.makedirs(directory, exist_ok=True)
        with open(tree + "/conf/nginx.conf") as f:
            text = f.read()
        for pattern, value in [
                (r"load_module .*", "load_module %s/ngx_http_warehouse_module.so;"
                 % (build or BUILD)),
                (r"user .*", "user %s;" % user if os.getuid() == 0 else ""),
                (r"worker_processes .*", "worker_processes %d;" % workers),
                # a sanitizer's variables have to reach the binary that USR2 starts
                (r"pid .*", "daemon %s; master_process %s; pid %s/nginx.pid; "
                            "env LD_PRELOAD; env ASAN_OPTIONS; env UBSAN_OPTIONS;"
                 % ("on" if daemon else "off", "off" if single else "on", directory)),
                (r"error_log .*", "error_log %s/error.log %s;" % (directory, level)),
                (r"    worker_connections .*", "worker_connections %d;" % connections),
                (r"http \{", "http { client_body_temp_path %s/body; proxy_temp_path %s/proxy; "
                             "fastcgi_temp_path %s/fastcgi; uwsgi_temp_path %s/uwsgi; "
                             "scgi_temp_path %s/scgi; %s" % ((directory,) * 5 + (extra,)))]:
            text, n = re.subn("(?m)^" + pattern, lambda m: value, text, count=1)
            assert n == 1, pattern
        for pattern, value in [
                (r"access_log .*", "access_log %s/access.log;" % directory),
                (r"bootstrap.servers .*", "bootstrap.servers %s;" % (brokers or self.brokers)),
                (r"listen 8000", "listen 127.0.0.1:%d" % self.port),
                (r"warehouse_commands .*", "warehouse_commands %s;" % self.commands),
                (r"/var/lib/warehouse/warehouse\.db", self.db),
                (r"alias /usr/local/share/warehouse/docs/;", "alias %s/build/docs/;" % ROOT),
                (r"alias /usr/local/share/warehouse/page/;", "alias %s/page/;" % ROOT)]:
            text, n = re.subn(pattern, lambda m: value, text)
            assert n >= 1 or tree != ROOT, pattern
        with open(directory + "/nginx.conf", "w") as f:
            f.write(text)

    def start_nginx(self, daemon=False, env=None, **conf):
        """daemon: started as in production.  That is needed for USR2, which a
        master ignores as long as the process that started it is there.
        env: more variables.  conf: see write_nginx_conf()."""
        self.write_nginx_conf(daemon=daemon, **conf)
        directory = self.dir + "/nginx"
        if daemon:
            adopt()
        # USR2 starts what is said here, without looking at PATH
        self.nginx = Process([shutil.which("nginx"), "-c", directory + "/nginx.conf",
                              "-e", directory + "/error.log"],
                             signal.SIGTERM,         # it has children to take along
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             env={**os.environ, **(env or {})})
        if daemon:
            self.nginx.p.wait(DEADLINE)
            self.nginx = Adopted(wait(self.nginx_pid, "nginx's pid file"))
        self.processes.append(self.nginx)
        wait(self.serving, "nginx")

    def nginx_pid(self, suffix=""):
        """What the pid file says, or None."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            with open(self.dir + "/nginx/nginx.pid" + suffix) as f:
                return int(f.read())

    def workers(self, master=None):
        """The ids of nginx's workers that accept connections."""
        found = []
        with contextlib.suppress(FileNotFoundError):
            with open("/proc/{0}/task/{0}/children".format((master or self.nginx).pid)) as f:
                children = f.read().split()
            for pid in children:
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    with open("/proc/%s/cmdline" % pid) as f:
                        if f.read().strip("\0 ") == "nginx: worker process":
                            found.append(int(pid))
        return found

    def worker(self):
        """The id of nginx's first worker."""
        return wait(self.workers, "a worker")[0]

    def serving(self):
        """True if the port is nginx's own: with its sockets bound it has
        written its pid file."""
        if not self.nginx.running():
            with open(self.dir + "/nginx/error.log") as log:
                raise AssertionError("nginx stopped: " + "".join(log.readlines()[-5:]))
        with contextlib.suppress(OSError), \
                socket.create_connection(("127.0.0.1", self.port), 1):
            return self.nginx_pid() == self.nginx.pid

    def request(self, method, path, body=None, headers=None, timeout=30):
        """Returns (status, headers, body), as api/openapi.yaml has them."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        with contextlib.closing(connection):
            connection.request(method, path, body,
                               {"Content-Type": "application/json", **(headers or {})})
            reply = connection.getresponse()
            text = reply.read()
        import contract                    # takes a second, and not all need it
        contract.check(method, path, reply.status,
                       {k.lower(): v for k, v in reply.headers.items()}, text)
        return reply.status, reply.headers, text.decode()

    def post(self, action, sku, qty):
        return self.request("POST", "/commands",
                            json.dumps({"action": action, "sku": sku, "qty": qty}))

    def items(self):
        """The list as (status, text)."""
        status, _, text = self.request("GET", "/items")
        return status, text

    # the database

    def sql(self, *args):
        # one that is not there must not be made by looking at it
        uri = "file:%s?mode=rw" % urllib.parse.quote(self.db)
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=10)) as db:
            with db:
                return db.execute(*args).fetchall()

    def processed(self):
        """Commands processed, whatever became of them, as the database counts."""
        try:
            return self.sql("SELECT total(value) FROM stats WHERE name <> 'conflicts'")[0][0]
        except sqlite3.OperationalError:
            return 0

    def positions(self):
        return dict(self.sql("SELECT partition, next FROM positions WHERE topic = ?",
                             (self.commands,)))

    def outcomes(self):
        """The rows of outcomes, see kept.py."""
        return kept.rows(self.sql)

    def caught_up(self):
        try:
            return sum(self.positions().values()) >= self.end(self.commands)
        except sqlite3.OperationalError:
            return False

    def progress(self):
        try:
            return self.positions()
        except sqlite3.OperationalError:
            return None

    def wait_caught_up(self):
        """However long it takes, as long as it goes on."""
        while not self.caught_up():
            at = self.progress()
            wait(lambda: self.caught_up() or self.progress() != at, "the daemon to catch up")

    def remove_database(self):
        """With what an interrupted rebuild has left."""
        for suffix in ("", "-wal", "-shm", ".new", ".new-wal", ".new-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.db + suffix)

    # the end

    def stop(self):
        for process in reversed(self.processes):
            if process.running():
                process.send(signal.SIGCONT)
                process.stop(process.signo)
        if KEEP:
            shutil.copytree(self.dir, KEEP + "/" + self.id, ignore_dangling_symlinks=True)
        shutil.rmtree(self.dir, ignore_errors=True)


def headers(record):
    return {name: value.decode() for name, value in record.headers}


@contextlib.contextmanager
def read_once(s):
    """Nobody writes any more: each topic is read once for all that is done then."""
    read, seen = s.read, {}
    s.read = lambda topic: seen[topic] if topic in seen else seen.setdefault(topic, read(topic))
    try:
        yield
    finally:
        s.read = read


def replay(stack, **limits):
    """Replays commands: what the stock and the notifications have to be."""
    ledger = command.Ledger(stack.commands, **limits)
    for r in stack.read(stack.commands):
        ledger.apply(r.value, r.partition, r.offset, r.timestamp, r.headers)
    return ledger


def sort(records):
    return sorted(records, key=repr)


class Case(unittest.TestCase):
    """A test case with a fresh stack; check() compares it with the oracle."""

    maxDiff = 2000
    partitions = 1
    user = None
    broker = None              # the file's, of all cases

    def setUp(self):
        self.s = Stack(partitions=self.partitions, user=self.user)
        self.addCleanup(self.s.stop)

    def own_broker(self, extra=""):
        """A broker that the test may stop, with the stack's topics: the file's,
        or with more lines of server.properties the test's alone."""
        if extra:
            broker = Broker(self.s.dir + "/broker", extra)
            self.addCleanup(broker.stop)
            broker.start()
        else:
            broker = self.file_broker()
        self.s.brokers = broker.address
        self.s.write_conf()
        self.s.create_topics()
        return broker

    @staticmethod
    def file_broker():
        """In whatever state the last test has left it, it runs again."""
        if Case.broker is None:
            Case.broker = Broker(os.environ["WAREHOUSE_TEST_DIR"] + "/broker-%d" % os.getpid())
            unittest.addModuleCleanup(Case.broker.stop)
        Case.broker.resume()
        return Case.broker

    def check(self, stack=None, **limits):
        """Items, versions, notifications and rejections are those, and only
        those, that commands lead to."""
        s = stack or self.s
        s.wait_caught_up()
        with read_once(s):
            return self.check_all(s, limits)

    def check_all(self, s, limits):
        ledger = replay(s, **limits)
        items = {sku: (qty, version)
                 for sku, qty, version in s.sql("SELECT sku, qty, version FROM items")}
        self.assertEqual(items, ledger.items)
        self.assertEqual(sort((r.value.decode(), headers(r)) for r in s.read(s.notifications)),
                         sort(ledger.notifications))
        if s.rejections:
            self.check_rejections(s, ledger)
        self.check_outcomes(s, ledger)
        return ledger

    def check_outcomes(self, s, ledger):
        """What the database says of a command is what became of it, and a row
        leaves out no notification; leaves those that are known in ledger.known."""
        ledger.known = {}
        notified = [r.offset for r in s.read(s.notifications)]
        for row in s.outcomes():
            offsets = [o["notified"] for o in row.outcomes.values() if o["status"] == "applied"]
            between = slice(bisect.bisect_left(notified, row.since),
                            bisect.bisect_left(notified, row.until))
            self.assertEqual(offsets, notified[between], row)
            if row.topic != s.commands:
                continue
            self.assertEqual((min(row.outcomes), max(row.outcomes)), (row.first, row.last), row)
            if row.complete:
                self.assertEqual(sorted(row.outcomes), sorted(
                    o for p, o in ledger.outcomes if p == row.partition
                    and row.first <= o <= row.last), row)
            for offset, outcome in row.outcomes.items():
                place = row.partition, offset
                self.assertNotIn(place, ledger.known)
                ledger.known[place] = outcome.pop("notified", None)
                if outcome["status"] == "malformed":
                    outcome["reason"] = "*"
                self.assertEqual(outcome, ledger.outcomes.get(place), place)

    def rejection(self, text):
        """As it is compared with the oracle's."""
        if '"outcome":"malformed"' in text:
            return re.sub('"reason":"[a-z_0-9]+"', '"reason":"*"', text, count=1)
        return text

    def check_rejections(self, s, ledger):
        got = []
        for r in s.read(s.rejections):
            got.append((r.key and r.key.decode(), self.rejection(r.value.decode()), headers(r)))
        self.assertEqual(sort(got), sort(ledger.rejections))
