#!/usr/bin/env python3
"""The brokers have the notifications, but do not say where: the daemon makes no
position up."""

import os
import signal

import fault
import proxy
import stack
from proxy import RESPONSE

ADD = '{"action":"increase","sku":"S%d","qty":1}'
MANY = 3000                            # librdkafka counts up from -1001, say


class Offsets(fault.Case):

    @classmethod
    def setUpClass(cls):
        """A broker that advertises a proxy on a second listener."""
        outer, inner = stack.free_ports(1)
        cls.broker = stack.Broker(os.environ["WAREHOUSE_TEST_DIR"] + "/offsets")
        plain = "PLAINTEXT://" + cls.broker.address
        controller = "CONTROLLER://127.0.0.1:%d" % cls.broker.controller
        cls.broker.extra = "\n".join([
            "listeners=%s,%s,PROXY://127.0.0.1:%d" % (plain, controller, inner),
            "advertised.listeners=%s,PROXY://127.0.0.1:%d" % (plain, outer),
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,"
            "PROXY:PLAINTEXT",
            "inter.broker.listener.name=PLAINTEXT",
        ])
        cls.addClassCleanup(cls.broker.stop)
        cls.proxy = proxy.Proxy(outer, inner)
        cls.broker.start()

    def setUp(self):
        self.addCleanup(self.proxy.reset)
        super().setUp()
        self.s.brokers = self.broker.address
        # the messages of a batch go in one request
        self.s.write_conf(**{"kafka.bootstrap.servers": self.proxy.address,
                             "kafka.linger.ms": "200"})
        self.s.create_topics()

    def stored(self):
        """The position behind the notifications, or None."""
        rows = self.s.sql("SELECT next FROM positions WHERE topic = ?", (self.s.notifications,))
        return rows[0][0] if rows else None

    def largest(self):
        """The most notifications in one transaction: each leaves a gap."""
        offsets = [r.offset for r in self.s.read(self.s.notifications)]
        gaps = [-1] + [n for n in range(len(offsets) - 1) if offsets[n + 1] != offsets[n] + 1] \
            + [len(offsets) - 1]
        return max(b - a for a, b in zip(gaps, gaps[1:]))

    def unknown(self, before):
        """Has many commands processed with such answers; before: the position."""
        s = self.s
        rule = self.proxy.add("edit", proxy.PRODUCE, RESPONSE, count=None,
                              edit=proxy.duplicate_sequence_number)
        s.produce([ADD % (n % fault.SKUS) for n in range(MANY)])
        s.start_daemon()
        stack.wait(lambda: s.caught_up() or not s.daemon.running(), "the commands", 120)
        self.assertTrue(s.daemon.running(), s.lines()[-3:])
        self.assertTrue(rule.hits)
        self.proxy.clear()
        self.assertGreater(self.largest(), 1100)
        # a new database begins with 0
        self.assertIn(self.stored(), (before or 0, s.end(s.notifications)))

    def goes_on(self):
        """The next positions are true ones, and a restart finds its way."""
        s = self.s
        s.produce([ADD % n for n in range(fault.SKUS)])
        self.check()
        self.assertEqual(self.stored(), s.end(s.notifications))
        s.daemon.stop(signal.SIGKILL)
        s.produce([ADD % n for n in range(fault.SKUS)])
        s.start_daemon()
        self.check()
        self.assertEqual(self.stored(), s.end(s.notifications))

    def test_at_the_beginning(self):
        self.unknown(None)
        self.goes_on()

    def test_later(self):
        s = self.s
        s.start_daemon()
        s.produce([ADD % n for n in range(fault.SKUS)])
        s.wait_caught_up()
        before = self.stored()
        self.assertEqual(before, s.end(s.notifications))
        self.assertEqual(s.daemon.stop(), 0)
        self.unknown(before)
        self.goes_on()

    def test_killed_behind_it(self):
        """The recovery reads what is not known to have been applied."""
        self.unknown(None)
        self.s.daemon.stop(signal.SIGKILL)
        self.s.start_daemon()
        self.goes_on()


if __name__ == "__main__":
    stack.main()
