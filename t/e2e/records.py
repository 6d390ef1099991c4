#!/usr/bin/env python3
"""Commands that take their time, by what they hold or by what others left in
the database: they hold nobody up, and nothing wrong comes of them."""

import itertools
import os
import string

import stack

ADD = '{"action":"increase","sku":"A","qty":5}'
TAKE = '{"action":"decrease","sku":"A","qty":3}'
LARGE = {"max.message.bytes": "4000000"}
MAX = 2**53 - 1


def key(value, others=0, name="x"):
    """Headers: others of another name, then the key."""
    return [(name, b"")] * others + [("idempotency-key", value)]


class Case(stack.Case):

    def cpu(self):
        """Seconds of the processor that the daemon has taken."""
        with open("/proc/%d/stat" % self.s.daemon.pid) as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stopped(self, *texts):
        """Waits for the daemon's end with status 2, unless it gets through."""
        daemon = self.s.daemon
        stack.wait(lambda: not daemon.running() or self.s.caught_up(), "the daemon")
        self.assertFalse(daemon.running(), self.s.lines()[-3:])
        self.assertEqual(daemon.p.returncode, 2, self.s.lines()[-3:])
        for text in ("[error] stopped: ",) + texts:
            self.assertIn(text, self.s.lines()[-1])


class Large(Case):
    """Some records are as large as the brokers let them be."""

    def setUp(self):
        super().setUp()
        self.s.rejections = "rejections-" + self.s.id
        self.s.write_conf()
        self.s.create_topics(commands=LARGE)
        self.s.start_daemon()

    def takes(self, seconds, *sent):
        """The daemon is through with these in so much time of the processor."""
        before = self.cpu()
        for values, headers in sent:
            self.s.produce(values, headers=headers)
        self.s.wait_caught_up()
        self.assertLess(self.cpu() - before, seconds)

    def test_many_keys(self):
        s = self.s
        self.takes(2, ([ADD], [("idempotency-key", b"k")] * 60000), ([ADD] * 100, None))
        ledger = self.check()
        self.assertEqual((ledger.malformed, ledger.items), (1, {"A": (500, 100)}))
        stack.wait(lambda: len(s.logged("Processed and notified")) == 100, "the log")
        self.assertEqual(len(s.logged("Malformed: reason=too_many_headers position=0:0")), 1)

    def test_many_headers(self):
        """The key comes last, or there is none."""
        self.takes(2, ([ADD], key(b"k", 60000)), ([ADD], [("", b"")] * 60000),
                   ([ADD] * 100, None))
        self.assertEqual(self.check().malformed, 2)

    def test_how_many_headers(self):
        """1,000 are not too many, whatever they are called."""
        s = self.s
        s.produce([ADD, ADD], headers=key(b"k", 999))
        s.produce([ADD], headers=key(b"k"))
        s.produce([ADD], headers=[("x", b"y")] * 1000)
        s.produce([ADD], headers=key(b"new", 1000))
        s.produce([ADD], headers=[("x", b"y")] * 1001)
        s.produce([b"no command"], headers=[("x", b"y")] * 1001)
        s.produce([ADD], headers=key(b"new"))
        ledger = self.check()
        self.assertEqual((ledger.malformed, ledger.duplicates), (3, 2))
        stack.wait(lambda: s.logged("position=0:7"), "the log")
        for offset in (4, 5):
            self.assertTrue(s.logged("reason=too_many_headers position=0:%d" % offset))
            self.assertTrue(any(b'"too_many_headers"' in r.value and b'"offset":%d}' % offset
                                in r.value for r in s.read(s.rejections)))

    def test_many_members(self):
        """Names are compared with each other; all differ, or two are equal."""
        names = map("".join, itertools.product(string.ascii_letters + string.digits, repeat=3))
        many = ",".join('"%s":0' % name for name in itertools.islice(names, 125000)
                        if name not in ADD)
        values = [ADD[:-1] + "," + many + end for end in ("}", ',"aaa":0}', ',"\\u0061aa":0}')]
        for value in values:
            self.takes(1, ([value], None))
        ledger = self.check()
        self.assertEqual((ledger.malformed, ledger.items), (2, {"A": (5, 1)}))

    def test_many_escaped_members(self):
        many = ",".join('"\\u%04x%s":0' % (0x4e00 + n % 20000, chr(97 + n // 20000))
                        for n in range(80000))
        self.takes(1, ([ADD[:-1] + "," + many + "}"], None))
        self.assertEqual(self.check().items, {"A": (5, 1)})


class Overfull(Case):
    """Another writer put more into an item than the ledger knows."""

    def overfill(self, command, qty=MAX + 1):
        """Has the command meet it, in a batch with others."""
        s = self.s
        s.create_topics()
        s.start_daemon()
        s.produce([ADD])
        s.wait_caught_up()
        notified, positions = len(s.read(s.notifications)), s.positions()
        s.sql("UPDATE items SET qty = ?, version = version + 1 WHERE sku = 'A'", (qty,))
        s.produce([ADD.replace('"A"', '"B"'), command])
        for started in (False, True):
            if started:
                s.start_daemon(ready=False)
            self.stopped('"A"', str(qty))
            # B may have come in a batch before it, at first
            self.assertEqual([r for r in s.read(s.notifications)[notified:]
                              if b'"sku":"A"' in r.value], [])
            self.assertLessEqual(s.positions()[0], positions[0] + 1)
            self.assertEqual(s.sql("SELECT qty, version FROM items WHERE sku = 'A'"), [(qty, 2)])
        # put right by who did it
        s.sql("UPDATE items SET qty = 100, version = version + 1 WHERE sku = 'A'")
        s.start_daemon()
        s.wait_caught_up()
        qty = 105 if command == ADD else 97
        self.assertEqual(s.sql("SELECT sku, qty, version FROM items"),
                         [("A", qty, 4), ("B", 5, 1)])

    def test_decrease(self):
        self.overfill(TAKE)

    def test_increase(self):
        self.overfill(ADD)

    def test_much_more(self):
        self.overfill(TAKE, qty=2**63 - 1)

    def test_full(self):
        """As much as there may be is not too much."""
        s = self.s
        s.create_topics()
        s.start_daemon()
        s.produce([ADD])
        s.wait_caught_up()
        s.sql("UPDATE items SET qty = ?, version = version + 1 WHERE sku = 'A'", (MAX,))
        s.produce([ADD, TAKE])
        s.wait_caught_up()
        self.assertEqual(s.sql("SELECT qty, version FROM items"), [(MAX - 3, 3)])
        stack.wait(lambda: s.logged("reason=stock_limit stock=%d position=0:1" % MAX), "the log")


if __name__ == "__main__":
    stack.main()
