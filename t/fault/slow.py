#!/usr/bin/env python3
"""Brokers that take notifications slowly: a batch that cannot be sent within
the transaction's timeout is followed by smaller ones."""

import subprocess

import fault
import stack

COMMANDS = 12000
BYTES = 200000                         # a second: all in one batch would take some ten


class Quota(fault.Case):

    def setUp(self):
        super().setUp()
        # what went over within the window is waited for
        self.own_broker(extra="quota.window.num=2\n"
                              "transaction.abort.timed.out.transaction.cleanup.interval.ms=500")
        subprocess.run(["java", "-Xmx64m", "-cp", stack.ROOT + "/deps/kafka/lib/*",
                        "kafka.admin.ConfigCommand", "--bootstrap-server", self.s.brokers,
                        "--alter", "--entity-type", "clients", "--entity-name",
                        "warehouse-consumer", "--add-config", "producer_byte_rate=%d" % BYTES],
                       check=True, capture_output=True)

    def transactions(self):
        """How many notifications there are in each: each leaves a gap."""
        sizes, last = [], None
        for r in self.s.read(self.s.notifications):
            if last is None or r.offset != last + 1:
                sizes.append(0)
            sizes[-1] += 1
            last = r.offset
        return sizes

    def test_backlog(self):
        s = self.s
        s.write_conf(**{"kafka.transaction.timeout.ms": "3000"})
        with open(s.dir + "/commands", "w") as f:
            f.writelines('{"action":"increase","sku":"S%d","qty":1}\n' % (n % fault.SKUS)
                         for n in range(COMMANDS))
        subprocess.run(["kcat", "-P", "-b", s.brokers, "-t", s.commands, "-l", s.dir + "/commands"],
                       check=True)
        s.start_daemon()
        stack.wait(lambda: s.caught_up() or not s.daemon.running(), "the backlog", 90)
        self.assertTrue(s.daemon.running(), s.lines()[-3:])
        self.check()
        # one in which all of it was tried, and failed
        self.assertTrue(s.logged("; trying again in "))
        self.assertLess(max(self.transactions()), COMMANDS)


if __name__ == "__main__":
    stack.main()
