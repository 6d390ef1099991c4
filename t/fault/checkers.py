#!/usr/bin/env python3
"""The checkers judged themselves: each must object to what it is there for, and
each sabotage must fit the code.  Needs no broker; what was observed is made up
here."""

import collections
import json
import sys
import unittest

import command
import events
import fault
import kept
import stack

sys.path.insert(0, stack.ROOT + "/t")
import sabotage

Record = collections.namedtuple("Record", "value partition offset timestamp headers key")

COMMANDS = [("increase", "A", 10), ("decrease", "A", 4), ("decrease", "A", 100),
            ("increase", "B", 7), ("decrease", "B", 7)]
BATCHES = [(0, 1), (2, 3), (4,)]       # indexes of COMMANDS


def body(n):
    return json.dumps(dict(zip(("action", "sku", "qty"), COMMANDS[n]), n=n))


class Seen:
    """What a stack shows after these commands, all of it right at first."""

    commands, notifications, rejections = "commands", "notifications", None

    def __init__(self):
        self.ledger = command.Ledger("commands")
        self.records = {"commands": [], "notifications": []}
        self.rows = []
        offset = 0
        for batch in BATCHES:
            since, found = offset, {}
            for n in batch:
                before = len(self.ledger.notifications)
                self.records["commands"].append(Record(body(n).encode(), 0, n, 0, [], None))
                self.ledger.apply(body(n).encode(), 0, n)
                for text, _ in self.ledger.notifications[before:]:
                    self.records["notifications"].append(
                        Record(text.encode(), 0, offset, 0, [], None))
                    offset += 1
                found[n] = dict(self.ledger.outcomes[0, n])
                if found[n]["status"] == "applied":
                    found[n]["notified"] = offset - 1
            offset += 1                # the commit marker
            self.rows.append(kept.Row(max(found), "commands", 0, min(found), max(found), since,
                                          offset, True, found))
        self.items = dict(self.ledger.items)
        self.log = []

    def logged(self, text):
        return [line for line in self.log if text in line]

    def wait_caught_up(self):
        pass

    def read(self, topic):
        return self.records[topic]

    def outcomes(self):
        return self.rows

    def sql(self, *args):
        return [(sku, qty, version) for sku, (qty, version) in self.items.items()]


class Reader:
    def __init__(self, *lists):
        self.lists = list(lists)
        self.statuses = collections.Counter({200: len(lists)})


class Poster:
    def __init__(self, *replies):
        self.replies = list(replies)


class Waiter:
    def __init__(self, *told, asked=(), listed=()):
        self.told = list(told)
        self.asked = asked
        self.listed = listed


class Subscriber:
    wanted = fault.Subscriber.wanted

    def __init__(self, begun, events, skus=None):
        self.begun = begun
        self.complete = True
        self.events = events
        self.skus = skus


RIGHT = ["[]", '[{"sku":"A","qty":6}]', '[{"sku":"A","qty":6},{"sku":"B","qty":7}]',
         '[{"sku":"A","qty":6},{"sku":"B","qty":0}]']


class Sabotages(unittest.TestCase):
    """Those that script/test sabotage tries, one after the other."""

    def test_each_fits_the_code(self):
        for what, changes, _, _ in sabotage.SABOTAGES:
            for name, old, _ in changes:
                with self.subTest(what), open(stack.ROOT + "/" + name) as f:
                    self.assertEqual(1, f.read().count(old), name)


class Checkers(unittest.TestCase):

    maxDiff = None

    def setUp(self):
        self.s = Seen()
        self.case = fault.Case()
        self.case.s = self.s
        self.case.posters = self.case.readers = self.case.waiters = self.case.batchers = []

    def objects(self, check):
        with self.assertRaises(AssertionError):
            check()

    def notification(self, n, **changes):
        r = self.s.records["notifications"][n]
        self.s.records["notifications"][n] = r._replace(
            value=json.dumps({**json.loads(r.value), **changes}, separators=(",", ":")).encode())

    def test_right(self):
        self.case.check()
        self.case.readers = [Reader(*RIGHT), Reader(RIGHT[0], RIGHT[3]), Reader()]
        self.case.check_readers()
        self.case.posters = [Poster(*((body(n), 200, "0:%d" % n) for n in range(5))),
                             Poster(("lost", 503, None), ("unknown", 504, None),
                                    ("gone", None, None), (body(1), 504, None))]
        self.case.check_replies()

    def test_stock_and_version(self):
        for items in ({"A": (7, 2)}, {"A": (6, 3)}, {"C": (1, 1)}):
            self.s = self.case.s = Seen()
            self.s.items.update(items)
            self.objects(self.case.check)

    def test_item_missing(self):
        del self.s.items["B"]
        self.objects(self.case.check)

    def test_notification_missing(self):
        del self.s.records["notifications"][1]
        self.objects(self.case.check)

    def test_notification_twice(self):
        self.s.records["notifications"].append(self.s.records["notifications"][0])
        self.objects(self.case.check)

    def test_refused_notified(self):
        self.s.records["notifications"].append(Record(command.notification(
            command.Command("decrease", "A", 100), 6, 3, "commands", 0, 2).encode(), 0, 9, 0, [], None))
        self.objects(self.case.check)

    def test_notification_wrong(self):
        for changes in ({"stock": 9}, {"version": 9}, {"qty": 9}, {"source": {}}):
            self.s = self.case.s = Seen()
            self.notification(0, **changes)
            self.objects(self.case.check)

    def test_command_forgotten(self):
        """One that nobody processed: as if it were in the topic alone."""
        self.s.records["commands"].append(Record(body(0).encode(), 0, 5, 0, [], None))
        self.objects(self.case.check)

    def test_outcome_wrong(self):
        """Another one, one of a command that there is not, or one twice."""
        for n, changes in [(0, {"stock": 9}), (0, {"status": "refused"}), (0, {"notified": 0}),
                           (1, {"reason": "unknown_sku"}), (1, {"notified": 4}),
                           (2, {"version": 3})]:
            self.s = self.case.s = Seen()
            row = self.s.rows[n]
            row.outcomes[row.last].update(changes)
            self.objects(self.case.check)
        for offset in 1, 9:
            self.s = self.case.s = Seen()
            row = self.s.rows[2]
            self.s.rows[2] = row._replace(first=offset, last=offset,
                                          outcomes={offset: row.outcomes[row.last]})
            self.objects(self.case.check)

    def test_outcome_left_out(self):
        """Of a command, and of a notification."""
        row = self.s.rows[0]
        self.s.rows[0] = row._replace(first=1, outcomes={1: row.outcomes[1]})
        self.objects(self.case.check)
        self.s = self.case.s = Seen()
        self.s.rows[1] = self.s.rows[1]._replace(since=0)
        self.objects(self.case.check)

    def test_reader_between_batches(self):
        self.case.readers = [Reader(RIGHT[0], '[{"sku":"A","qty":10}]')]
        self.objects(self.case.check_readers)

    def test_reader_negative(self):
        self.case.readers = [Reader('[{"sku":"A","qty":-94}]')]
        self.objects(self.case.check_readers)

    def test_reader_back_in_time(self):
        self.case.readers = [Reader(RIGHT[2], RIGHT[1])]
        self.objects(self.case.check_readers)

    def test_reader_error(self):
        reader = Reader(*RIGHT)
        reader.statuses[500] += 1
        self.case.readers = [reader]
        self.objects(self.case.check_readers)

    def test_replies(self):
        for reply in [("never written", 200, "0:9"), (body(0), 200, "0:1"), (body(0), 503, None),
                      (body(0), 500, None)]:
            self.case.posters = [Poster(reply)]
            self.objects(self.case.check_replies)

    def test_written_twice(self):
        self.s.records["commands"].append(Record(body(0).encode(), 0, 5, 0, [], None))
        for status in (200, 504, None):
            self.case.posters = [Poster((body(0), status, None))]
            self.objects(self.case.check_replies)

    def test_told(self):
        """Another stock, another verdict, a refusal called applied, and the other way."""
        right = [(200, "0:0", {"status": "applied", "sku": "A", "stock": 10, "version": 1}),
                 (409, "0:2", {"status": 409, "reason": "insufficient_stock", "stock": 6,
                               "version": 2}), (200, "0:4", {"status": "accepted"}),
                 (200, None, {"status": "accepted"})]
        self.case.waiters = [Waiter(*right)]
        self.case.check_told(self.s.ledger)
        for n, wrong in [(0, (200, "0:1", right[0][2])), (0, (409, "0:0", right[0][2])),
                         (0, (200, "0:0", {**right[0][2], "version": 2})),
                         (1, (409, "0:2", {**right[1][2], "reason": "unknown_sku"})),
                         (1, (409, "0:0", right[1][2])),
                         (1, (200, "0:2", {"status": "applied", "sku": "A", "stock": 6,
                                           "version": 2}))]:
            self.case.waiters = [Waiter(*right[:n], wrong, *right[n + 1:])]
            self.objects(lambda: self.case.check_told(self.s.ledger))
        self.case.waiters = [Waiter(*[right[2]] * 20)]       # as if nobody ever waited
        self.objects(lambda: self.case.check_told(self.s.ledger))

    def test_asked(self):
        """Another outcome than the one told; a pending, or none, of what was told."""
        told = [(200, "0:0", {"status": "applied", "sku": "A", "stock": 10, "version": 1}),
                (409, "0:2", {"status": 409, "reason": "insufficient_stock", "stock": 6,
                              "version": 2}), (200, "0:4", {"status": "accepted"})]
        a, b, c = (dict(self.s.ledger.outcomes[0, n]) for n in (0, 2, 4))
        pending = {"status": "pending"}
        right = [(0, 200, a), (1, 200, b), (2, 200, pending), (2, 200, c), (2, 410, None),
                 (0, 503, None)]
        check = lambda *asked: (self.case.__setattr__("waiters", [Waiter(*told, asked=asked)]),
                                self.case.check_told(self.s.ledger))
        check(*right)
        for wrong in [(0, 200, {**a, "stock": 9}), (0, 200, pending), (0, 410, None), (0, 404, None),
                      (1, 200, a), (1, 200, {**b, "reason": "unknown_sku"}), (2, 200, b)]:
            self.objects(lambda: check(*right, wrong))
        self.s.log = ["rebuilding it from the beginning"]
        check((1, 410, None), (0, 200, pending))

    def test_listed(self):
        """A list that is older than what was told."""
        told = (200, "0:1", {"status": "applied", "sku": "A", "stock": 6, "version": 2})
        for stands in 2, 3, 9:
            self.case.waiters = [Waiter(told, listed=[("0:1", stands), ("0:2", 0)])]
            self.case.check_told(self.s.ledger)
        self.case.waiters = [Waiter(told, listed=[("0:1", 1)])]
        self.objects(lambda: self.case.check_told(self.s.ledger))

    def test_batches(self):
        """A line that is not there, or twice, or not where the reply said."""
        self.case.batchers = [Poster((body(0), 200, "0:0"), ("lost", 503, None))]
        self.case.check_replies()
        for wrong in ("lost", 200, "0:9"), (body(0), 200, "0:1"), (body(0), 503, None):
            self.case.batchers = [Poster(wrong)]
            self.objects(self.case.check_replies)

    def test_events(self):
        """One missing, twice, out of order, changed; a reset allows for what it says."""
        sent = [events.Event("message", r.offset, r.value.decode())
                for r in self.s.records["notifications"]]
        reset = events.Event("reset", 2, '{"position":"0:3"}')
        for right in sent, [sent[0], reset] + sent[2:], [reset] + sent[2:]:
            self.case.subscribers = [Subscriber(-1, right), Subscriber(-1, sent[:2], ["A"])]
            # for no reason there is none
            if reset in right:
                self.objects(self.case.check_subscribers)
                self.s.log = ["rebuilding it from the beginning"]
            self.case.check_subscribers()
            self.s.log = []
        self.s.log = ["rebuilding it from the beginning"]
        self.case.subscribers = [Subscriber(-1, sent, ["A"])]
        self.objects(self.case.check_subscribers)
        for wrong in (sent[1:], sent[:1] + sent[2:], sent[:2] + sent, sent[::-1],
                      [sent[0]._replace(data="{}")] + sent[1:], [sent[0]._replace(id=1)] + sent[1:],
                      sent[:-1], [reset] + sent[3:], [reset] + sent):
            self.case.subscribers = [Subscriber(-1, wrong)]
            self.objects(self.case.check_subscribers)

    def test_keys(self):
        """A repeated key that took effect twice, or a header that is missing."""
        self.s.records["commands"][0:0] = [Record(
            body(0).encode(), 0, -n, 0, [("idempotency-key", b"k")], None) for n in (2, 1)]
        self.s.records["notifications"] = []
        self.s.rows = []
        ledger = stack.replay(self.s)
        self.assertEqual(ledger.duplicates, 1)
        self.s.items = dict(ledger.items)
        for text, headers in ledger.notifications:
            self.s.records["notifications"].append(Record(
                text.encode(), 0, 0, 0, [(k, v.encode()) for k, v in headers.items()], None))
        self.case.check()
        keyed = self.s.records["notifications"][0]
        self.s.records["notifications"][0] = keyed._replace(headers=[])
        self.objects(self.case.check)
        self.s.records["notifications"][0] = keyed
        self.s.records["notifications"].append(keyed)
        self.objects(self.case.check)


if __name__ == "__main__":
    stack.main()
