#!/usr/bin/env python3
"""What the brokers have to allow: the commands in docs/security.md are enough,
and each of what they allow is needed, or missed in a way that is told."""

import contextlib
import json
import subprocess

import stack
from secure import LIBRDKAFKA, MECHANISM, Case

# without these it works, with a warning
WARNED = "DESCRIBE_CONFIGS"
GOOD = '{"action":"increase","sku":"A","qty":1}'


class Acls(Case):

    def properties(self):
        """Of both, which are let in with a password.  nginx is told of what it may
        no more by the brokers' metadata, soon, or by their answer to a message."""
        both = []
        for user, reader, more in (
                (self.nginx, "root", {"topic.metadata.refresh.interval.ms": 100}),
                (self.daemon, "nobody", {})):
            both.append({
                **more,
                "security.protocol": "sasl_ssl", "sasl.mechanism": MECHANISM,
                "ssl.ca.location": self.broker.authority.certificate, "sasl.username": user,
                "sasl.password_file": self.keep(user, self.password(user), user=reader)})
        return both

    def granted(self):
        """All of the documentation's."""
        acls = self.docs.acls()
        self.allow(self.ours(acls))
        return acls

    def prepare(self):
        """All works, with the least; the daemon stops, and the database is lost,
        so that everything has to be done anew."""
        s = self.s
        s.rejections = "rejections-" + s.id
        s.create_topics(notifications={"cleanup.policy": "compact",
                                       "min.compaction.lag.ms": "172800000"})
        self.start("SASL", *self.properties())
        self.works()
        s.produce(["no command"])
        self.works()
        self.assertEqual(s.daemon.stop(), 0)
        s.remove_database()

    def names(self, acl):
        """What the log has to name."""
        return self.ours([acl])[0][3]

    def told_of(self, acl):
        """(what the log has to say, which name goes with it)."""
        return self.docs.table()[acl].split("`")[-2], self.names(acl)

    def missing_words(self, acl, lines):
        """What is not said of an ACL in lines that say that something is amiss."""
        words, name = self.told_of(acl)
        amiss = [line for line in lines if words in line]
        return ([] if amiss else [words]) + ([] if any(name in line for line in amiss) else [name])

    def diagnosed(self, acl):
        """What doctor says of the resource, as far as it can be seen."""
        r = subprocess.run([stack.BUILD + "/warehouse-consumer", "doctor", "--json", "-c",
                            self.s.conf], capture_output=True, text=True, timeout=120)
        found = [f for f in json.loads(r.stdout)["checks"] if f["status"] != "ok"
                 and self.names(acl) in f["check"] + f["text"]]
        return [(f["status"], f["text"]) for f in found if "security.md" in f.get("advice", "")]

    def expected(self, acl):
        """The status and the words that doctor has for it, or None."""
        who, operation, kind, name = acl
        if operation == WARNED:
            return "warning", "the brokers do not tell its configuration"
        if kind == "GROUP":
            return "error", "Group authorization failed"
        if kind == "TOPIC" and name != "notifications":
            return "error", "Topic authorization failed"
        if kind == "TOPIC" and LIBRDKAFKA >= (2, 3):
            return "error", "do not allow the daemon to"
        return None

    def taken_from_daemon(self, acl):
        """It says so, goes on trying, and works once it is given back."""
        def work(case):
            s = case.s
            case.granted()
            case.prepare()
            case.withdraw(case.ours([acl]))
            before = len(s.lines())
            s.produce([GOOD, "no command"])
            s.start_daemon(ready=False)
            troubles = []
            expected, found = case.expected(acl), case.diagnosed(acl)
            if expected is None and found or expected and not [
                    f for f in found if f[0] == expected[0] and expected[1] in f[1]]:
                troubles.append("doctor says %s, not %s" % (found, expected))

            def missing():
                return case.missing_words(acl, s.lines()[before:])
            if acl[1] != WARNED:
                with contextlib.suppress(AssertionError):
                    stack.wait(lambda: not missing() or not s.daemon.running(), "the log", 10)
                case.assertFalse(s.caught_up())
                if not s.daemon.running():
                    troubles.append("it stopped, with status %d" % s.daemon.stop())
                    s.start_daemon(ready=False)
                case.allow(case.ours([acl]))
            if s.daemon.running():
                case.works()
            troubles += ["not said: " + word for word in missing()]
            case.assertEqual(troubles, [], s.lines()[before:before + 5])
        return work

    def taken_from_nginx(self, acl):
        def work(case):
            case.granted()
            case.prepare()
            case.withdraw(case.ours([acl]))
            stack.wait(lambda: case.post() == 503, "a command to be refused")
            words, name = case.told_of(acl)
            case.nginx_told(words)
            lines = case.nginx_lines("[error]")
            case.s.start_daemon()
            case.allow(case.ours([acl]))
            case.works()
            case.assertEqual(case.missing_words(acl, lines), [], lines)
        return work

    def test_each_is_needed(self):
        works = {}
        for acl in self.docs.acls():
            take = self.taken_from_nginx if acl[0] == "nginx" else self.taken_from_daemon
            if acl[1] != "CREATE":
                works[" ".join(acl)] = take(acl)
        self.side_by_side(works)

    # creating topics

    def creates(self):
        """What the daemon makes itself, and with nothing to make it by."""
        s = self.s
        s.rejections = "rejections-" + s.id
        self.granted()
        self.start("SASL", *self.properties())
        s.produce(["no command"])
        self.works()
        self.assertEqual(len(s.logged("created topic")), 3)

    def may_not_create(self):
        """One after the other is allowed."""
        s = self.s
        s.rejections = "rejections-" + s.id
        acls = self.granted()
        create = [acl for acl in acls if acl[1] == "CREATE"]
        self.withdraw(self.ours(create))
        self.start("SASL", *self.properties(), ready=False)
        # as the daemon asks for them
        for topic in ("notifications", "rejections", "commands"):
            acl = "warehouse", "CREATE", "TOPIC", topic
            create.remove(acl)
            self.told(*self.told_of(acl))
            self.assertTrue(s.daemon.running())
            self.allow(self.ours([acl]))
            self.told("created topic", self.names(acl))
        self.assertEqual(create, [])
        self.works()

    def by_the_cluster(self):
        """Create on the cluster does instead."""
        s = self.s
        acls = self.granted()
        self.withdraw(self.ours([acl for acl in acls if acl[1] == "CREATE"]))
        self.allow([(self.daemon, "CREATE", "CLUSTER", "kafka-cluster")])
        self.start("SASL", *self.properties())
        self.works()
        self.assertEqual(len(s.logged("created topic")), 2)

    def needs_none(self):
        """With create_topics off, nor those of a topic that is not used."""
        s = self.s
        acls = [acl for acl in self.docs.acls()
                if acl[1] != "CREATE" and acl[3] != "rejections"]
        self.allow(self.ours(acls))
        s.create_topics()
        self.start("SASL", *self.properties(), create_topics="no")
        self.works()

    def test_create(self):
        self.side_by_side({work.__name__: work for work in (
            Acls.creates, Acls.may_not_create, Acls.by_the_cluster, Acls.needs_none)})

    # the documentation

    def test_table(self):
        """It lists what the commands allow."""
        self.assertEqual(sorted(self.docs.table()), sorted(self.docs.acls()))
        self.assertGreater(len(self.docs.acls()), 10)


if __name__ == "__main__":
    stack.main()
