#!/usr/bin/env python3
"""warehouse-consumer doctor: finds nothing where nothing is wrong, and each thing
that is; changes nothing."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time

from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, MemberToRemove, NewTopic

import stack

GOOD = '{"action":"increase","sku":"A","qty":1}'

# with one broker these are as they are
EXPECTED = {"there is one, cluster", "one replica: what is in it is lost",
            "the kernel does not know it to be synchronized"}


class Doctor(stack.Case):

    user = "nobody"

    def doctor(self, *args):
        """Returns (exit status, the findings as dicts)."""
        before = self.files()
        r = subprocess.run([stack.BUILD + "/warehouse-consumer", "doctor", "-c", self.s.conf,
                            "--json", *args], capture_output=True, text=True, timeout=120)
        self.assertEqual(self.files(), before)
        self.assertEqual(r.stderr, "")
        report = json.loads(r.stdout)
        found = report["checks"]
        worst = max(found, key=lambda f: ["ok", "warning", "error"].index(f["status"]))
        self.assertEqual(report["status"], worst["status"])
        return r.returncode, found

    def files(self):
        """All that is beside the database but for what a daemon changes."""
        s = self.s
        running = s.daemon and s.daemon.running()
        found = {}
        for name in os.listdir(s.db_dir):
            if running and name.endswith((".prom", ".prom.new")):
                continue
            st = os.stat(s.db_dir + "/" + name)
            with open(s.db_dir + "/" + name, "rb") as f:
                found[name] = (st.st_ino, st.st_mode, st.st_uid, st.st_gid, st.st_mtime_ns,
                               st.st_ctime_ns, f.read())
        return found

    def finds(self, status, check, text, advice=None, exits=None):
        """One finding is this one."""
        code, found = self.doctor()
        self.assertEqual(code, exits if exits is not None else 2 if status == "error" else 0, found)
        self.assertTrue([f for f in found if f["status"] == status and f["check"] == check
                         and text in f["text"] and (advice or "") in f.get("advice", "")], found)

    def healthy(self):
        code, found = self.doctor()
        wrong = [f for f in found if f["status"] != "ok"
                 and not any(f["text"].startswith(e) for e in EXPECTED)]
        self.assertEqual((code, wrong), (0, []))
        return found

    def prepare(self, timestamp=None):
        self.s.create_topics(commands={"cleanup.policy": "delete"},
                             notifications={"cleanup.policy": "compact",
                                            "min.compaction.lag.ms": "172800000"})
        self.s.start_daemon()
        self.s.produce([GOOD] * 3, timestamp=timestamp)
        self.s.wait_caught_up()

    def delete_before(self, topic, offset):
        with self.s.admin() as admin:
            admin.delete_records({TopicPartition(topic, 0): offset})

    def configure(self, topic, configs):
        with self.s.admin() as admin:
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=configs)])

    def change(self, *sql):
        """The database, with the daemon stopped."""
        with contextlib.closing(sqlite3.connect(self.s.db)) as db:
            with db:
                for statement in sql:
                    db.execute(statement)

    def test_nothing_wrong(self):
        s = self.s
        self.prepare()
        stack.wait(lambda: 'state="processing"} 1' in open(s.db + ".prom").read(), "the metrics")
        found = {f["check"]: f["text"] for f in self.healthy()}
        self.assertIn('state "processing"', found["daemon"])
        self.assertIn("0 command(s) wait", found["topic " + s.commands])
        self.assertIn("stands for notifications before %d" % s.end(s.notifications),
                      found["database"])
        self.assertIn('user "www-data" can read', found["access"])
        # for people
        r = subprocess.run([stack.BUILD + "/warehouse-consumer", "doctor", "-c", s.conf],
                           capture_output=True, text=True)
        self.assertEqual((r.returncode, r.stderr), (0, ""))
        self.assertRegex(r.stdout, r"(?m)^ok       database: ")
        self.assertRegex(r.stdout, r"(?m)^warning  brokers: there is one, .*\n +-> three brokers")
        self.assertRegex(r.stdout, r"\n\n0 error\(s\), [1-9] warning\(s\)\n$")

    def test_without_a_daemon(self):
        self.prepare()
        self.s.daemon.stop()
        self.finds("warning", "daemon", "none works on this database", "start")
        self.s.start_daemon()
        self.s.produce([GOOD])
        self.s.wait_caught_up()
        self.s.daemon.stop(signal.SIGKILL)
        self.assertTrue(os.path.getsize(self.s.db + "-wal"))
        self.finds("ok", "database", "stands for notifications before")
        self.finds("ok", "integrity", "every page")

    def test_daemon_stands_still(self):
        s = self.s
        self.prepare()
        s.daemon.send(signal.SIGSTOP)
        stack.wait(s.daemon.stopped, "the daemon to stand still")
        os.utime(s.db + ".prom", (time.time() - 60,) * 2)
        self.finds("error", "daemon", "has told nothing of itself for 6")

    def test_before_the_first_start(self):
        s = self.s
        self.finds("warning", "database", "No such file", "builds it")
        self.finds("ok", "topic " + s.commands, "the daemon creates it")
        s.write_conf(create_topics="no")
        self.finds("error", "topic " + s.commands, "Unknown topic", "create it")
        s.write_conf(database=s.dir + "/nowhere/warehouse.db")
        self.finds("error", "disk", "nowhere", exits=2)

    def test_configuration(self):
        s = self.s
        s.write_conf(batch_size="0")
        code, found = self.doctor()
        self.assertEqual((code, [f["check"] for f in found]), (1, ["configuration"]))
        self.assertIn('invalid value "0" of "batch_size"', found[0]["text"])
        s.write_conf(**{"kafka.sasl.password": "hush"})
        os.chmod(s.conf, 0o644)
        self.finds("warning", "configuration", "every user can read it", "chmod", exits=0)
        os.chmod(s.conf, 0o640)
        self.finds("ok", "configuration", s.conf, exits=0)
        for args in (["--json"], ["-u", "root"], ["test", "--json"]):
            r = subprocess.run([stack.BUILD + "/warehouse-consumer", *args, "-c", s.conf],
                               capture_output=True, text=True, timeout=60)
            self.assertEqual(r.returncode, 1)
            self.assertIn("it is doctor's", r.stderr)

    def test_credentials(self):
        """Where systemd shows them to the unit alone, doctor does without."""
        s = self.s
        self.prepare()
        s.daemon.stop()
        secret = s.dir + "/secret"
        s.write_conf(**{"kafka.sasl.password_file": secret})
        self.finds("error", "configuration", 'cannot open "%s": No such file' % secret)
        self.finds("ok", "database", "stands for", exits=2)
        with open(secret, "w") as f:
            f.write("hush")
        os.chmod(secret, 0o644)
        self.finds("warning", "configuration", '"%s"' % secret, "chmod")
        os.chmod(secret, 0o640)
        self.finds("ok", "configuration", s.conf)

    def test_brokers(self):
        s = self.s
        self.prepare()
        s.daemon.stop()
        dead, = stack.free_ports()
        s.write_conf(**{"kafka.bootstrap.servers": "127.0.0.1:%d" % dead})
        self.finds("error", "brokers", "Connection refused", "kafka.bootstrap.servers")
        s.write_conf(**{"kafka.security.protocol": "ssl"})
        self.finds("error", "brokers", "in state SSL_HANDSHAKE")
        s.write_conf()
        self.change("UPDATE meta SET value = 'another' WHERE name = 'cluster_id'")
        self.finds("error", "brokers", 'the database is of cluster "another"')

    def test_topics(self):
        s = self.s
        with s.admin() as admin:
            admin.create_topics([
                NewTopic(s.commands, 1, 1, topic_configs={"cleanup.policy": "compact",
                                                          "min.insync.replicas": "2"}),
                NewTopic(s.notifications, 2, 1, topic_configs={"cleanup.policy": "delete",
                                                               "retention.ms": "86400000"})])
        stack.wait(lambda: s.end(s.commands) is not None and s.end(s.notifications) is not None,
                   "the topics")
        self.finds("error", "topic " + s.commands, "it is compacted", "delete")
        self.finds("error", "topic " + s.commands, "min.insync.replicas is 2: nothing can be")
        self.finds("error", "topic " + s.notifications, "it has 2 partitions")
        self.finds("warning", "topic " + s.notifications, "deletes records past", "compact",
                   exits=2)

    def test_short_lag(self):
        s = self.s
        s.create_topics(notifications={"cleanup.policy": "compact",
                                       "min.compaction.lag.ms": "1000"})
        self.finds("warning", "topic " + s.notifications, "min.compaction.lag.ms is 1000", "twice")

    def test_records_that_are_gone(self):
        s = self.s
        self.prepare()
        s.daemon.stop()
        s.produce([GOOD] * 5)
        self.delete_before(s.commands, 5)
        self.finds("error", "topic " + s.commands, "commands 0:3 to 4 were deleted",
                   "skip_trimmed_commands")
        self.change("UPDATE positions SET next = 100")
        self.finds("error", "topic " + s.commands, "partition 0 ends at 8, and the database",
                   "a topic of another name")
        # not to move the database away, which has the only copy of the stock
        self.finds("error", "topic " + s.notifications,
                   "it ends at %d, and the database stands" % s.end(s.notifications),
                   "a new, empty topic")
        self.change("UPDATE positions SET next = 1")
        self.configure(s.notifications, {"cleanup.policy": "compact,delete", "retention.ms": "-1"})
        self.delete_before(s.notifications, 3)
        self.finds("error", "topic " + s.notifications, "notifications 1 to 2 were deleted",
                   "backup")
        # the daemon cannot build one either
        self.gone = s.db + ".gone"
        os.rename(s.db, self.gone)
        self.finds("error", "topic " + s.notifications, "notifications 0 to 2 were deleted",
                   "backup")

    def test_restored_database(self):
        """Older than the topic's retention: what was processed since is in the
        notifications, and in the group's offset."""
        s = self.s
        self.prepare()
        s.daemon.stop()
        with contextlib.closing(sqlite3.connect(s.db)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(s.db, s.dir + "/backup")
        s.start_daemon()
        s.produce([GOOD] * 5)
        s.wait_caught_up()
        s.daemon.stop()
        shutil.copy(s.dir + "/backup", s.db)
        for beside in ("-wal", "-shm"):
            os.unlink(s.db + beside)
        self.delete_before(s.commands, 6)
        self.finds("ok", "topic " + s.commands, "0 command(s) wait")
        # without the group's offset only the notifications tell
        with s.admin() as admin:
            admin.remove_group_members(s.group, [MemberToRemove(group_instance_id=s.group)])
            admin.delete_group_offsets(s.group, [TopicPartition(s.commands, 0)])
        self.finds("warning", "topic " + s.commands, "commands 0:3 to 5 are deleted; whether they "
                   "were processed stands in the notifications", "start the daemon")
        s.start_daemon()
        s.wait_caught_up()
        self.healthy()

    def test_topic_that_is_gone(self):
        s = self.s
        self.prepare()
        s.daemon.stop()
        with s.admin() as admin:
            admin.delete_topics([s.commands])
            stack.wait(lambda: s.commands not in admin.list_topics(), "the topic to be gone")
        self.finds("error", "topic " + s.commands, "Unknown topic", "create it")

    def test_times(self):
        s = self.s
        old = int((time.time() - 20 * 86400) * 1000)
        self.prepare(old)
        s.daemon.stop()
        s.produce([GOOD], timestamp=old)
        s.produce([GOOD], timestamp=int((time.time() + 600) * 1000))
        self.configure(s.commands, {"cleanup.policy": "delete", "retention.ms": "2592000000"})
        stack.wait(lambda: "waits for longer" in str(self.doctor()[1]), "the topic's setting")
        self.finds("warning", "topic " + s.commands, "command 0:3 waits for longer than half")
        self.finds("warning", "clock", "command 0:4 is of the future")

    def test_all_commands_old(self):
        s = self.s
        old = int((time.time() - 20 * 86400) * 1000)
        self.prepare(old)
        s.daemon.stop()
        s.produce([GOOD], timestamp=old)
        self.configure(s.commands, {"cleanup.policy": "delete", "retention.ms": "2592000000"})
        stack.wait(lambda: "waits for longer" in str(self.doctor()[1]), "the topic's setting")
        self.finds("warning", "topic " + s.commands, "command 0:3 waits for longer than half")

    def test_database(self):
        s = self.s
        self.prepare()
        s.daemon.stop()
        self.change("UPDATE meta SET value = 'recovering' WHERE name = 'state'")
        self.finds("warning", "database", "a recovery was interrupted", "start the daemon")
        self.change("PRAGMA user_version = 99")
        self.finds("error", "database", "schema version 99")
        for content, text in [(b"", "empty"), (b"no database at all" * 500, "not a database")]:
            with open(s.db, "wb") as f:
                f.write(content)
            code, found = self.doctor()
            self.assertEqual(code, 2)
            self.assertTrue([f for f in found if f["check"] == "database"
                             and f["status"] == "error"], (text, found))

    def test_damaged_database(self):
        s = self.s
        self.prepare()
        s.produce(['{"action":"increase","sku":"%05d","qty":1}' % n for n in range(5000)])
        s.wait_caught_up()
        s.daemon.stop()
        with contextlib.closing(sqlite3.connect(s.db)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        half = os.path.getsize(s.db) // 2
        with open(s.db, "r+b") as f:
            f.seek(half)
            f.write(b"\xff" * half)
        self.finds("error", "integrity", "the database is damaged: move it away")

    def test_access(self):
        s = self.s
        self.prepare()
        os.chmod(s.db_dir, 0o700)
        self.finds("error", "access", 'user "www-data" cannot read "%s": Permission denied' % s.db,
                   "group")
        code, found = self.doctor("-u", "nobody")
        self.assertEqual(code, 0)
        self.assertIn('user "nobody" can read', str(found))
        code, found = self.doctor("-u", "no-such-user")
        self.assertIn('there is no user "no-such-user"', str(found))
        if os.getuid() == 0 and shutil.which("setpriv"):
            os.chmod(s.db_dir, 0o755)
            r = subprocess.run(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
                                stack.BUILD + "/warehouse-consumer", "doctor", "-c", s.conf],
                               capture_output=True, text=True)
            self.assertIn("is only to be seen as root", r.stdout)

    def test_disk(self):
        s = self.s
        self.prepare()
        s.daemon.stop()
        s.write_conf(wal_limit="1000000m")
        self.finds("error", "disk", "less than the write-ahead log may take", "make room")


if __name__ == "__main__":
    stack.main()
