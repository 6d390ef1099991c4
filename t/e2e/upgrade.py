#!/usr/bin/env python3
"""From version 0.1.0 and back, with its own programs, built from git's history:
its topics, its database, and what it leaves behind when it is killed."""

import contextlib
import functools
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import urllib.request

from kafka import KafkaConsumer, TopicPartition

import fault
import stack

# as 0.1.0's script/server and its docker-compose.yml made the topics
COMPACTED = {"cleanup.policy": "compact", "min.compaction.lag.ms": "172800000"}
KEPT = {"retention.ms": "-1"}
# as an operator may have made notifications, of which 0.1.0 said nothing
DELETING = {"cleanup.policy": "delete", "retention.ms": "604800000"}
SHORT_LAG = {"cleanup.policy": "compact", "min.compaction.lag.ms": "1000"}

SCHEMA, OLD_SCHEMA = 4, 2
VERSION = re.compile(r',"version":[0-9]+')
MODULE = "/ngx_http_warehouse_module.so"
ADD = '{"action":"increase","sku":"A","qty":5}'
HOSTILE = ["\u2028", "\\", '"', "a,b", "/../x?y#z", "%41%00", "=1+1", " ", "\ud7ff\U0010ffff",
           "e\u0301", "<b>&amp;", "'; DROP TABLE items; --", "k" * 255, "\u00e9" * 127]
ODD = [b"", None, b"\xff\x00", b"[]", b"[" * 70, b"x" * 300000, ADD[:-1],
       ADD.replace("5", "-5"), ADD.replace("5", "1e400"),
       ADD.replace('"A"', '"full"').replace("5", "9007199254740991")]


@functools.cache
def old_version():
    """What came of building 0.1.0, once: status and text."""
    r = subprocess.run([stack.ROOT + "/t/lib/old-version"], stdout=subprocess.PIPE, text=True)
    return r.returncode, r.stdout.strip()


class Case(fault.Case):
    """A stack of 0.1.0, with parts that become this version's one by one."""

    conditions = False             # 0.1.0 knows none
    topics = (KEPT, COMPACTED)
    user = "nobody" if os.getuid() == 0 else None    # nginx as www-data, as in production

    def setUp(self):
        status, self.old = old_version()
        if status == 3:
            self.skipTest(self.old)
        self.assertEqual(status, 0, "0.1.0 could not be built")
        super().setUp()
        s = self.s
        s.rejections = "rejections-" + s.id
        s.write_conf()
        s.create_topics(*self.topics)
        self.modules = s.dir + "/modules"
        os.mkdir(self.modules)
        self.install(self.old + "/build")

    # parts

    def install(self, build):
        """The module's file, as "make install" does it."""
        shutil.copy(build + MODULE, self.modules + MODULE + ".new")
        os.rename(self.modules + MODULE + ".new", self.modules + MODULE)

    def nginx(self, tree, **conf):
        self.s.start_nginx(user="www-data", build=self.modules, tree=tree, **conf)

    def upgrade_nginx(self):
        """With the configuration that it had."""
        self.install(stack.BUILD)
        self.assertEqual(self.s.nginx.stop(signal.SIGQUIT), 0)
        self.nginx(self.old)

    def old_daemon(self, fail=None, **kwargs):
        self.s.start_daemon(fail=fail, build=self.old + ("/build" if fail is None
                                                         else "/build/fault"), **kwargs)

    def upgrade_daemon(self):
        """Returns the number of the log's lines before."""
        self.assertEqual(self.s.daemon.stop(), 0)
        before = len(self.s.lines())
        self.s.start_daemon()
        return before

    def begin(self, n=100, fail=None, **nginx):
        """Has 0.1.0 do n commands of all kinds, and go on."""
        self.old_daemon(fail)
        self.nginx(self.old, **nginx)
        self.odd()
        self.keyed()
        self.start_traffic(posters=1, writers=1, pause=0.005)
        self.more(n)

    def check_rejections(self, s, ledger):
        """0.1.0's do not say which version the item has."""
        ledger.rejections = [(key, text if key is None else VERSION.sub("", text), headers)
                             for key, text, headers in ledger.rejections]
        super().check_rejections(s, ledger)

    def rejection(self, text):
        return VERSION.sub("", super().rejection(text))

    # commands

    def odd(self):
        """All in one partition, whatever the sku."""
        s = self.s
        for qty in (7, 8):
            s.produce([json.dumps({"action": action, "sku": sku, "qty": qty})
                       for sku in HOSTILE for action in ("decrease", "increase")], key=b"odd")
        s.produce(ODD, key=b"odd")
        s.produce([ADD], headers=[("idempotency-key", b"a b")], key=b"odd")

    def keyed(self):
        """With two keys, the second one's first use being refused."""
        for body, key in [(ADD, "first"), (ADD.replace("5", "6"), "first"),
                          (ADD.replace("increase", "decrease").replace("5", "1000000"), "second")]:
            self.assertEqual(self.raw("/commands", body, {"Idempotency-Key": key})[0], 200)

    def raw(self, path, body=None, headers=None):
        """Returns (status, headers, text), of which this version's document
        does not know how 0.1.0 has them."""
        request = urllib.request.Request("http://127.0.0.1:%d%s" % (self.s.port, path),
                                         body and body.encode(),
                                         {"Content-Type": "application/json", **(headers or {})})
        opener = urllib.request.build_opener(Plain)
        with opener.open(request, timeout=30) as reply:
            return reply.status, reply.headers, reply.read().decode()

    # what there is

    def schema(self):
        return self.s.sql("PRAGMA user_version")[0][0]

    def contents(self):
        """Of the database, what commands have made."""
        return (self.s.sql("SELECT sku, qty, version FROM items ORDER BY sku"),
                self.s.sql("SELECT sku, key, change, time, partition, offset FROM keys"
                           " ORDER BY sku, key"))

    def listed(self, text):
        """The list has the items of the database."""
        self.assertEqual([(i["sku"], i["qty"]) for i in json.loads(text)],
                         self.s.sql("SELECT sku, qty FROM items ORDER BY sku"))

    def warnings(self, before=0):
        """What the daemon says of topics."""
        return [line.partition(" [warn] ")[2] for line in self.s.lines()[before:]
                if " [warn] topic " in line]

    def still_known(self):
        """The keys of keyed() are, by the daemon that runs."""
        s = self.s
        before = len(s.lines())
        position = self.raw("/commands", ADD, {"Idempotency-Key": "first"})[1]["Warehouse-Position"]
        self.raw("/commands", ADD, {"Idempotency-Key": "second"})
        stack.wait(lambda: s.lines()[before:] and any(
            "Duplicate: %s idempotency_key=first" % ADD in line and "position=" + position in line
            for line in s.lines()[before:]), "a duplicate")


class Plain(urllib.request.HTTPErrorProcessor):
    """Errors are replies, too."""

    def http_response(self, request, response):
        return response

    https_response = http_response


class Order(Case):

    def test_nginx_first(self):
        """The order of docs/daemon.md, under load: nobody sees more than a restart."""
        s = self.s
        self.begin()
        self.upgrade_nginx()
        self.more(50)
        self.conditional()
        s.write_nginx_conf(user="www-data", build=self.modules)
        s.nginx.send(signal.SIGHUP)
        stack.wait(lambda: self.raw("/health/live")[0] == 200, "the new configuration")
        self.in_between()

        before = self.upgrade_daemon()
        self.more(50)
        self.assertEqual(self.schema(), SCHEMA)
        self.assertEqual(s.sql("SELECT value FROM meta WHERE name = 'min_reader'"), [("1",)])
        self.still_known()
        self.odd()
        self.finish()
        self.assertEqual(self.warnings(before), [])
        self.served()

    def conditional(self):
        """Lists have ETags, of a database that 0.1.0 writes to."""
        def unchanged():
            status, headers, text = self.raw("/items")
            self.assertEqual(status, 200, text)
            return self.raw("/items", headers={"If-None-Match": headers["ETag"]})[0] == 304
        stack.wait(unchanged, "a 304")

    def in_between(self):
        """With a daemon that has no metrics and does not say where it is."""
        s = self.s
        self.more(50)
        self.assertEqual(self.schema(), OLD_SCHEMA)
        status, headers, _ = s.request("GET", "/items?limit=2")
        self.assertEqual((status, headers["Warehouse-Notifications-Position"]), (200, None))
        for what in ("reads", "writes"):
            status, _, text = s.request("GET", "/health/" + what)
            self.assertEqual((status, json.loads(text)["daemon"]["status"]), (200, "failing"), text)
        status, _, text = s.request("GET", "/metrics")
        self.assertEqual(status, 200)
        self.assertNotIn("warehouse_consumer_state", text)

    def served(self):
        """What this version adds."""
        s = self.s
        status, headers, text = s.request("GET", "/items")
        self.assertEqual(status, 200)
        self.listed(text)
        self.assertRegex(str(headers["Warehouse-Notifications-Position"]), r"^0:\d+$")
        self.assertEqual(s.request("GET", "/items",
                                   headers={"If-None-Match": headers["ETag"]})[0], 304)
        self.assertEqual(s.request("GET", "/items/S1")[0], 200)
        for what in ("live", "reads", "writes"):
            status, _, text = s.request("GET", "/health/" + what)
            self.assertEqual(status, 200, text)
            self.assertEqual(json.loads(text)["daemon"]["status"], "ok", text)
        text = s.request("GET", "/metrics")[2]
        self.assertIn('warehouse_consumer_state{state="processing"} 1', text)
        self.assertIn("warehouse_consumer_lag_commands", text)

    def test_daemon_first(self):
        """0.1.0's module shows nothing then, and says why.

        It takes commands; it is upgraded while it runs, at last."""
        s = self.s
        self.addCleanup(self.stop_masters)
        self.begin(daemon=True)
        self.upgrade_daemon()
        self.more(50)
        self.assertEqual(self.schema(), SCHEMA)
        why = "the database has schema version %d, this program works with version %d" % (
            SCHEMA, OLD_SCHEMA)
        status, headers, text = self.raw("/items")
        self.assertEqual((status, json.loads(text)["detail"]), (503, why))
        self.assertEqual(headers["Retry-After"], "1")
        with open(s.dir + "/nginx/error.log") as f:
            self.assertIn("[error]", next(line for line in f if '"%s": %s' % (s.db, why) in line))
        self.still_known()

        # a reload is not enough: it goes on with the module that is loaded
        self.install(stack.BUILD)
        self.reload()
        self.assertEqual(self.raw("/items")[0], 503)
        self.replace_master()
        self.assertEqual(self.raw("/items")[0], 200)
        self.more(50)
        self.finish()
        # none where a connection was closed that a client kept
        self.assertLessEqual({status for p in self.posters for _, status, _ in p.replies},
                             {200, None})

    def reload(self):
        s = self.s
        before = s.workers()
        s.nginx.send(signal.SIGHUP)
        stack.wait(lambda: set(s.workers()) - set(before), "a new worker")
        stack.wait(lambda: not set(s.workers()) & set(before), "the old worker to leave")

    def replace_master(self):
        """By the procedure in nginx's manual."""
        s, old = self.s, self.s.nginx
        old.send(signal.SIGUSR2)
        stack.wait(lambda: s.nginx_pid() not in (None, old.pid), "the new master")
        s.nginx = stack.Adopted(s.nginx_pid())
        stack.wait(s.workers, "its workers")
        self.assertEqual(old.stop(signal.SIGQUIT), 0)

    def stop_masters(self):
        """Whatever has been left."""
        for suffix in (".oldbin", ""):
            pid = self.s.nginx_pid(suffix)
            if pid:
                stack.Adopted(pid).stop()


class Killed(Case):
    """0.1.0's daemon, in mid-batch: this version's starts on what it left."""

    partitions = 2

    def killed(self, point):
        """At that point.  Returns how many commands have an outcome that can
        be read in Kafka, and how many in the database."""
        s = self.s
        self.begin(0, fail=point + ":kill@25")
        self.assertEqual(s.daemon.p.wait(stack.DEADLINE), -signal.SIGKILL)
        self.upgrade_nginx()
        self.assertEqual(self.raw("/items")[0], 200)
        readable = len(s.read(s.notifications)) + len(s.read(s.rejections))
        # as a reader: others would tidy up
        with contextlib.closing(sqlite3.connect("file:%s?mode=ro" % s.db, uri=True)) as db:
            done, = db.execute("SELECT total(value) FROM stats WHERE name <> 'conflicts'").fetchone()
        return readable, done

    def recovered(self):
        s = self.s
        self.assertGreater(os.path.getsize(s.db + "-wal"), 0)
        self.assertTrue(os.path.exists(s.db_dir + "/consumer.pid"))
        s.start_daemon()
        self.more(50)
        self.still_known()
        self.finish()

    def open_transaction(self):
        """Whether a topic has records that nobody may read yet."""
        ends = []
        for level in ("read_committed", "read_uncommitted"):
            with contextlib.closing(KafkaConsumer(bootstrap_servers=self.s.brokers,
                                                  isolation_level=level)) as consumer:
                ends.append(consumer.end_offsets([
                    TopicPartition(topic, p) for topic in (self.s.notifications, self.s.rejections)
                    for p in consumer.partitions_for_topic(topic)]))
        return ends[0] != ends[1]

    def test_transaction_open(self):
        readable, done = self.killed("offsets_sent")
        self.assertTrue(self.open_transaction())
        self.assertEqual(readable, done)
        self.recovered()

    def test_between_the_commits(self):
        readable, done = self.killed("kafka_committed")
        self.assertFalse(self.open_transaction())
        self.assertGreater(readable, done)
        self.recovered()


class Lost(Case):

    topics = ({}, DELETING)

    def test_rebuilt(self):
        """Rebuilt from what 0.1.0 has written alone."""
        s = self.s
        self.begin()
        self.finish()
        contents = self.contents()
        self.assertEqual(s.daemon.stop(), 0)
        self.assertEqual(self.warnings(), [])
        s.remove_database()
        self.upgrade_nginx()
        before = len(s.lines())
        s.start_daemon()
        self.assertEqual(self.contents(), contents)
        self.listed(self.raw("/items")[2])
        self.still_known()
        self.odd()
        self.check()
        self.assertEqual([w.partition(":")[0] for w in self.warnings(before)],
                         ['topic "%s" deletes records past its retention' % s.notifications])


class Back(Case):

    topics = ({}, SHORT_LAG)

    def test_back(self):
        """0.1.0 refuses the database, and builds one from this version's topics."""
        s = self.s
        self.begin(30)
        self.upgrade_nginx()
        before = self.upgrade_daemon()
        self.more(100)
        self.odd()
        self.finish()
        self.assertEqual([w.partition(",")[0] for w in self.warnings(before)],
                         ['topic "%s" has a min.compaction.lag.ms of 1000' % s.notifications])
        contents = self.contents()
        self.assertEqual(s.daemon.stop(), 0)

        self.old_daemon(ready=False)
        self.assertEqual(s.daemon.p.wait(stack.DEADLINE), 2)
        self.assertIn("the database has schema version %d" % SCHEMA, s.lines()[-1])
        s.remove_database()
        self.old_daemon()
        self.assertEqual(self.schema(), OLD_SCHEMA)
        self.assertEqual(self.contents(), contents)
        self.assertEqual(self.raw("/items")[0], 200)
        self.install(self.old + "/build")
        self.assertEqual(s.nginx.stop(signal.SIGQUIT), 0)
        self.nginx(self.old)
        status, _, text = self.raw("/items")
        self.assertEqual(status, 200)
        self.listed(text)
        self.still_known()
        self.odd()
        self.check()

        # and once more
        self.upgrade_nginx()
        self.upgrade_daemon()
        self.still_known()
        self.check()
        self.assertEqual(self.raw("/items")[0], 200)


class Configuration(Case):

    def test_daemon(self):
        """0.1.0's file, and each of its keys."""
        path = self.old + "/conf/consumer.conf"
        args = ["-c", path]
        said = subprocess.run([self.old + "/build/warehouse-consumer", "--help"], check=True,
                              capture_output=True, text=True).stdout
        for key, default in re.findall(r"(?m)^  (\w+) +\S.*\n +\(default: (.*)\)$", said):
            args.append("--%s=%s" % (key, default.replace("none", "other")))
        self.assertGreater(len(args), 12, said)
        for build in (self.old + "/build", stack.BUILD):
            for given in (args[:2], args):
                r = subprocess.run([build + "/warehouse-consumer", *given, "-t"],
                                   capture_output=True, text=True)
                self.assertEqual((r.returncode, r.stderr),
                                 (0, "configuration file %s test is successful\n" % path), given)

    def test_nginx(self):
        """0.1.0's file, and each of its directives."""
        for build in (self.old + "/build", stack.BUILD):
            self.install(build)
            status, said = self.nginx_test("warehouse_items_buffer 64k;"
                                           " log_format p $warehouse_position;")
            self.assertEqual(status, 0, said)
            self.assertNotRegex(said, r"\[(warn|error|emerg)\]")

    def nginx_test(self, extra):
        s = self.s
        s.write_nginx_conf(build=self.modules, tree=self.old, extra=extra)
        r = subprocess.run([shutil.which("nginx"), "-t", "-c", s.dir + "/nginx/nginx.conf",
                            "-e", s.dir + "/nginx/error.log"], capture_output=True, text=True)
        return r.returncode, r.stderr

    def test_reserved_since(self):
        for name in ("statistics.interval.ms", "allow.auto.create.topics"):
            for build, taken in ((self.old + "/build", True), (stack.BUILD, False)):
                self.install(build)
                status, said = self.nginx_test("warehouse_kafka %s %d;" % (name, name[0] == "a"))
                self.assertEqual(status == 0, taken, said)
                self.assertEqual('"%s" is reserved' % name in said, not taken, said)


if __name__ == "__main__":
    stack.main()
