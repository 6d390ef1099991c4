#!/usr/bin/env python3
"""Who creates topics, and how: the daemon, where it may, and nobody else, on
brokers that would create any topic that is asked for."""

import os

import stack
from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic

GOOD = '{"action":"increase","sku":"A","qty":5}'
DAY = 24 * 3600 * 1000


class Case(stack.Case):

    @classmethod
    def setUpClass(cls):
        cls.broker = stack.Broker(os.environ["WAREHOUSE_TEST_DIR"] + "/topics",
                                  "auto.create.topics.enable=true")
        cls.addClassCleanup(cls.broker.stop)
        cls.broker.start()

    def setUp(self):
        super().setUp()
        self.s.brokers = self.broker.address
        self.s.write_conf()

    def names(self):
        """Our topics that there are.  Asking for one by its name would create it."""
        s = self.s
        with s.admin() as admin:
            return sorted(set(admin.list_topics()) & {s.commands, s.notifications, s.rejections})

    def configuration(self, topic):
        """What was set for the topic, and not for the brokers."""
        with self.s.admin() as admin:
            described = admin.describe_configs(
                [ConfigResource(ConfigResourceType.TOPIC, topic)])
        entries = described["topic"][topic] if isinstance(described, dict) else described
        return {name: entry["value"] for name, entry in entries.items()
                if entry["config_source"] == "DYNAMIC_TOPIC_CONFIG"}

    def count(self, topic):
        with self.s.admin() as admin:
            return len(admin.describe_topics([topic])[0]["partitions"])

    def create(self, topic, partitions=1, **configs):
        configs = {name.replace("_", "."): value for name, value in configs.items()}
        with self.s.admin() as admin:
            admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=configs)])

    def told(self, text, n=1):
        stack.wait(lambda: len(self.s.logged(text)) >= n or not self.s.daemon.running(), text)
        self.assertTrue(self.s.daemon.running(), self.s.lines()[-3:])

    def warnings(self, *texts):
        return [line for line in self.s.logged("[warn] ") if all(text in line for text in texts)]


class Created(Case):

    def created(self, lag, **keys):
        s = self.s
        s.rejections = "rejections-" + s.id
        s.write_conf(**keys)
        s.start_daemon()
        for topic, configuration in [
                (s.commands, {"cleanup.policy": "delete", "retention.ms": str(30 * DAY)}),
                (s.notifications, {"cleanup.policy": "compact",
                                   "min.compaction.lag.ms": str(lag)}),
                (s.rejections, {"cleanup.policy": "delete"})]:
            self.assertEqual(self.count(topic), 1)
            self.assertEqual({**self.configuration(topic), **configuration},
                             self.configuration(topic))
            self.assertEqual(len(s.logged('[notice] created topic "%s"' % topic)), 1)
        s.produce([GOOD, GOOD, "no command"])
        self.check()
        self.assertEqual(s.daemon.stop(), 0)
        s.start_daemon()
        self.assertEqual(len(s.logged("created topic")), 3)
        self.assertEqual(self.warnings("retention"), [])
        self.assertEqual(self.warnings("compact"), [])

    def test_all(self):
        self.created(2 * DAY)

    def test_keys_remembered_for_long(self):
        """Keys are to be found in notifications for as long as they count."""
        self.created(400_000_000, idempotency_retention=200_000, create_topics="yes")

    def test_without_rejections(self):
        s = self.s
        s.start_daemon()
        self.assertEqual(self.names(), sorted([s.commands, s.notifications]))
        s.produce([GOOD])
        self.check()

    def test_while_nginx_waits(self):
        """Commands are refused until there is a topic, then accepted."""
        s = self.s
        s.start_nginx(extra="warehouse_kafka message.timeout.ms 1000;")
        self.assertIn(s.post("increase", "A", 1)[0], (503, 504))
        s.start_daemon()
        stack.wait(lambda: s.post("increase", "A", 1)[0] == 200, "an accepted command")
        self.check()

    def test_existing_are_not_changed(self):
        s = self.s
        s.rejections = "rejections-" + s.id
        s.write_conf()
        self.create(s.commands, 3, retention_ms="1000000000")
        self.create(s.notifications, cleanup_policy="delete", retention_ms="604800000")
        before = [self.configuration(topic) for topic in (s.commands, s.notifications)]
        s.start_daemon()
        s.produce([GOOD] * 10, key=b"A")
        self.check()
        self.assertEqual([self.configuration(topic) for topic in (s.commands, s.notifications)],
                         before)
        self.assertEqual((self.count(s.commands), self.count(s.notifications)), (3, 1))
        self.assertEqual([line.split('"')[1] for line in s.logged("created topic")],
                         [s.rejections])


class NotCreated(Case):

    def test_by_nginx(self):
        s = self.s
        s.start_nginx(extra="warehouse_kafka message.timeout.ms 1000;")
        for _ in range(2):
            self.assertIn(s.post("increase", "A", 1)[0], (503, 504))
        self.assertEqual(self.names(), [])

    def test_by_the_daemon(self):
        s = self.s
        s.rejections = "rejections-" + s.id
        s.write_conf(create_topics="no")
        # one after the other, as the daemon asks for them
        missing = [s.notifications, s.rejections, s.commands]
        s.start_daemon(ready=False)
        while missing:
            n = len(s.lines())

            def tries(n=n):
                """Those that name one of them."""
                return [line for line in s.lines()[n:] if "; trying again in" in line
                        and any('topic "%s"' % topic in line for topic in missing)]
            stack.wait(lambda: not s.daemon.running() or len(tries()) >= 2, "two tries")
            self.assertTrue(s.daemon.running(), s.lines()[-3:])
            self.assertFalse(set(missing) & set(self.names()))
            self.create(missing.pop(0))
        self.told("] processing ")
        self.assertFalse(s.logged("created topic"))
        s.produce([GOOD])
        self.check()

    def test_compacted_commands(self):
        """Nothing is created beside them."""
        s = self.s
        self.create(s.commands, cleanup_policy="compact")
        self.create(s.notifications)
        s.start_daemon(ready=False)
        self.assertEqual(s.daemon.p.wait(stack.DEADLINE), 2)
        self.assertIn("is compacted", s.lines()[-1])
        self.assertIn("cleanup.policy", s.lines()[-1])
        self.assertEqual(self.configuration(s.commands), {"cleanup.policy": "compact"})


class Warnings(Case):
    """What notifications lose, or not, by how the topic was configured."""

    def warned(self, retention, lag, **configs):
        with self.subTest(**configs):
            s = self.s
            s.notifications += "x"
            s.group += "x"
            s.remove_database()
            self.create(s.notifications, **configs)
            s.write_conf()
            s.start_daemon()
            self.assertEqual(s.daemon.stop(), 0)
            told = self.warnings(s.notifications)
            by_lag = [line for line in told if "min.compaction.lag.ms" in line]
            self.assertEqual(bool(by_lag), lag, told)
            self.assertEqual(any("retention" in line for line in told if line not in by_lag),
                             retention, told)

    def test_deleted(self):
        self.create(self.s.commands)
        # on these brokers nothing is deleted, unless the topic says so
        self.warned(False, False)
        self.warned(False, False, cleanup_policy="delete", retention_ms="-1")
        self.warned(True, False, cleanup_policy="delete", retention_ms="604800000")
        self.warned(True, False, cleanup_policy="compact,delete", retention_ms="604800000",
                    min_compaction_lag_ms="172800000")

    def test_compacted(self):
        self.create(self.s.commands)
        self.warned(False, True, cleanup_policy="compact")
        self.warned(False, True, cleanup_policy="compact", min_compaction_lag_ms="86399999")
        self.warned(False, False, cleanup_policy="compact", min_compaction_lag_ms="86400000")
        self.warned(False, False, cleanup_policy="compact", min_compaction_lag_ms="172800000",
                    retention_ms="604800000")
        self.warned(False, True, cleanup_policy="compact,delete", retention_ms="-1")


class Partitions(Case):

    def test_added(self):
        """They are taken up soon, with what was written there before."""
        s = self.s
        s.create_topics()
        s.start_daemon()
        s.produce([GOOD])
        s.wait_caught_up()
        with s.admin() as admin:
            admin.create_partitions({s.commands: 3})
        stack.wait(lambda: self.count(s.commands) == 3, "the new partitions")
        producer = KafkaProducer(bootstrap_servers=s.brokers, acks="all")
        self.addCleanup(producer.close, timeout=10)

        def write(n):
            for partition in range(3):
                value = '{"action":"increase","sku":"P%d","qty":%d}' % (partition, n)
                producer.send(s.commands, value.encode(), partition=partition)
            producer.flush()
        write(1)
        stack.wait(lambda: s.logged("3 partition(s)"), "the new partitions to be taken up", 15)
        write(2)
        self.check()
        self.assertEqual(sorted(s.positions()), [0, 1, 2])
        self.assertTrue(s.daemon.running())


if __name__ == "__main__":
    stack.main()
