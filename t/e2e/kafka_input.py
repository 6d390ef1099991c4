#!/usr/bin/env python3
"""Commands written straight into Kafka, by whoever, whatever they hold."""

import random

import stack

GOOD = '{"action":"increase","sku":"A","qty":5}'

ODD = [
    b"", None, b"\x00\x01\x02\xff", b"null", b"[]", b"7", b'"x"', b"{}",
    b"\xef\xbb\xbf" + GOOD.encode(), GOOD.encode() + b"x", GOOD.encode() * 2,
    b'{"action":"increase","sku":"A","qty":1e400}',
    b'{"action":"increase","sku":"A","qty":1.5}',
    b'{"action":"increase","sku":"A","qty":0}',
    b'{"action":"increase","sku":"A","qty":-5}',
    b'{"action":"increase","sku":"A","qty":"3"}',
    b'{"action":"increase","sku":"A","qty":01}',
    b'{"action":"increase","sku":"A","qty":9007199254740992}',
    b'{"action":"increase","sku":"","qty":1}',
    b'{"action":"increase","sku":"a\\u0000b","qty":1}',
    b'{"action":"increase","sku":"\\ud800","qty":1}',
    b'{"action":"increase","sku":"\xff","qty":1}',
    b'{"action":"grow","sku":"A","qty":1}',
    b'{"action":"increase","sku":"A","qty":1,"qty":1}',
    b'{"action":"increase","sku":"A","qty":1,"qt\\u0079":1}',
    b'{"x":' + b"[" * 70 + b"]" * 70 + b',"action":"increase","sku":"A","qty":1}',
    b"[" * 100000,
    b'{"action":"increase","sku":"A","qty":1,"pad":"' + b"x" * (1 << 20) + b'"',
]

FINE = [
    b'{"action":"increase","sku":"A","qty":10.0}',
    b'{"action":"increase","sku":"A","qty":1e1}',
    b' {"qty":3,"sku":"A","action":"decrease","qty2":{"qty":1,"qty":2}}\n',
    '{"action":"increase","sku":"h\u00e9\\"\\\\\\/\\u00e9","qty":1}'.encode(),
    b'{"action":"increase","sku":"A","qty":1,"pad":"' + b"x" * 900000 + b'"}',
    b'{"action":"increase","sku":"' + b"k" * 255 + b'","qty":1}',
    b'{"action":"increase","sku":"BIG","qty":9007199254740991}',
    b'{"action":"increase","sku":"BIG","qty":1}',
    b'{"action":"decrease","sku":"BIG","qty":9007199254740991}',
    b'{"action":"decrease","sku":"NONE","qty":1}',
    b'{"action":"increase","sku":"A","qty":1.' + b"0" * 100 + b"}",
]


class KafkaInput(stack.Case):

    def test_odd_and_fine(self):
        s = self.s
        s.create_topics(commands={"max.message.bytes": "4000000"})
        s.start_daemon()
        s.produce([GOOD] + ODD + FINE + [GOOD], key=b"whatever")
        # this client writes no record that has neither key nor value
        s.produce(FINE + [value for value in ODD if value is not None])
        ledger = self.check()
        self.assertEqual(ledger.malformed, 2 * len(ODD) - 1)
        counts = dict(s.sql("SELECT name, value FROM stats"))
        self.assertEqual(counts["malformed"], ledger.malformed)
        self.assertEqual(counts["refused"], ledger.refused)
        self.assertEqual(counts["applied"], len(ledger.notifications))
        self.assertEqual(len(s.logged("Malformed: reason=")), ledger.malformed)
        self.assertEqual(len(s.logged("Refused: ")), ledger.refused)
        self.assertEqual(len(s.logged("Processed and notified: ")), len(ledger.notifications))
        for partition, offset in s.positions().items():
            self.assertEqual(partition, 0)
            self.assertEqual(offset, s.end(s.commands))

    def test_over_decrease(self):
        s = self.s
        s.create_topics()
        s.start_daemon()
        s.produce(['{"action":"increase","sku":"A","qty":3}',
                   '{"action":"decrease","sku":"A","qty":4}',
                   '{"action":"decrease","sku":"A","qty":3}',
                   '{"action":"decrease","sku":"A","qty":1}'])
        ledger = self.check()
        self.assertEqual(ledger.items, {"A": (0, 2)})
        self.assertEqual(ledger.refused, 2)
        self.assertTrue(s.logged('"qty":4} reason=insufficient_stock stock=3 position=0:1'))


class Partitions(stack.Case):

    partitions = 3

    def test_many_partitions(self):
        s = self.s
        s.create_topics()
        s.start_daemon()
        rnd = random.Random(7)
        for n in range(40):
            s.produce(['{"action":"%s","sku":"S%d","qty":%d}'
                       % (rnd.choice(["increase", "decrease"]), n, rnd.randint(1, 9))
                       for _ in range(50)], key=b"S%d" % n)
        self.check()
        self.assertEqual(sorted(s.positions()), [0, 1, 2])


if __name__ == "__main__":
    stack.main()
