"""What the fault tests share: the seed, traffic by HTTP and straight into
Kafka, readers of GET /items, and their checks.

Every choice comes from the seed that script/test prints: FAULT_SEED repeats a
run (but not the timing of processes).  FAULT_LONG asks for the long one."""

import bisect
import collections
import http.client
import json
import os
import random
import sys
import threading

from kafka import KafkaProducer

import command
import events
import stack

SEED = os.environ.get("FAULT_SEED", "1")
LONG = bool(os.environ.get("FAULT_LONG"))
NAME = os.path.basename(sys.argv[0])
SKUS = 20


def rng(*names):
    """A generator of its own for each use, from the seed."""
    return random.Random("-".join([SEED, NAME, *map(str, names)]))


class Worker(threading.Thread):
    """A thread that repeats step() until it is told to finish."""

    def __init__(self):
        super().__init__(daemon=True)
        self.done = threading.Event()
        self.trouble = None

    def run(self):
        try:
            try:
                while not self.done.is_set():
                    self.step()
            finally:
                self.leave()
        except Exception as e:
            self.trouble = e

    def leave(self):
        pass

    def finish(self):
        self.done.set()
        self.join()
        if self.trouble:
            raise self.trouble


class Commands:
    """Commands by chance: some with an idempotency key, some sent again."""

    def __init__(self, rnd, name, keys=True):
        self.rnd = rnd
        self.name = name
        self.keys = keys
        self.count = 0
        self.recent = collections.deque(maxlen=50)

    def next(self):
        """(body, key or None); the body tells one sending from another."""
        rnd = self.rnd
        self.count += 1
        if self.recent and rnd.random() < 0.1:
            action, sku, qty, key = rnd.choice(self.recent)
            if rnd.random() < 0.2:
                qty += 1               # the key again, for another command
        else:
            action = rnd.choice(["increase", "increase", "decrease"])
            sku = "S%d" % rnd.randrange(SKUS)
            qty = rnd.randint(1, 9)
            key = None
            if self.keys and rnd.random() < 0.3:
                key = "%s.%d" % (self.name, self.count)
                self.recent.append((action, sku, qty, key))
        return json.dumps({"action": action, "sku": sku, "qty": qty,
                           "n": "%s.%d" % (self.name, self.count)}), key


class Client(Worker):
    """One with a connection to nginx, which it keeps as long as it can."""

    def __init__(self, s):
        super().__init__()
        self.s = s
        self.connection = None

    def exchange(self, method, path, body=None, headers=None):
        """Returns status, fields and text."""
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.s.port, timeout=30)
        self.connection.request(method, path, body, headers or {})
        reply = self.connection.getresponse()
        return reply.status, reply.headers, reply.read().decode()

    def leave(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Poster(Client):
    """Posts commands one after another and keeps what was answered.  A
    command that got 503 or no answer is not sent again."""

    def __init__(self, s, name, keys=True, pause=0):
        super().__init__(s)
        self.commands = Commands(rng("poster", name), "p%s" % name, keys)
        self.pause = pause
        self.replies = []              # (body, status or None, position or None)

    def step(self):
        body, key = self.commands.next()
        headers = {"Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        status = position = None
        try:
            status, position = self.post(body, headers)
        except (OSError, http.client.HTTPException):
            self.leave()
        self.replies.append((body, status, position))
        if status != 200:
            self.done.wait(0.02)
        elif self.pause:
            self.done.wait(self.pause)

    def post(self, body, headers):
        status, fields, _ = self.exchange("POST", "/commands", body, headers)
        return status, fields["Warehouse-Position"]

    def accepted(self):
        return sum(1 for _, status, _ in self.replies if status == 200)


class Waiter(Poster):
    """Posts commands, some with a condition, waits for what becomes of them,
    and looks for what it was told in the next answers."""

    def __init__(self, s, name, keys=True, pause=0.03):
        super().__init__(s, name, keys, pause)
        self.versions = {}
        self.told = []                 # (status, position, document)
        self.asked = []                # (told's index, status, document): what GET says then
        self.listed = []               # (position, notifications' position of the list read then)

    def step(self):
        body, key = self.commands.next()
        command = json.loads(body)
        if self.commands.rnd.random() < 0.3:
            version = self.versions.get(command["sku"], 0)
            command["expected_version"] = version
            if self.commands.rnd.random() < 0.5:
                command["reference"] = command["n"]
        body = json.dumps(command)
        headers = {"Content-Type": "application/json", "Prefer": "wait=5"}
        if key:
            headers["Idempotency-Key"] = key
        status = position = None
        try:
            status, fields, text = self.exchange("POST", "/commands", body, headers)
            position = fields["Warehouse-Position"]
            if status in (200, 409):
                self.told.append((status, position, json.loads(text)))
                self.look(command["sku"])
                if position is not None:
                    self.ask(position)
        except (OSError, http.client.HTTPException):
            self.leave()
        # it was accepted, whatever became of it then
        self.replies.append((body, 200 if status == 409 else status, position))
        self.done.wait(self.pause if status in (200, 409) else 0.02)

    def look(self, sku):
        """A client that waited for an outcome sees it in every later read."""
        document = self.told[-1][2]
        if "version" not in document:
            return
        status, _, text = self.exchange("GET", "/items/" + sku)
        if status == 404:
            assert document["version"] == 0, "%s, then no item" % document
        if status == 200:
            item = json.loads(text)
            assert item["version"] >= document["version"], "%s, then %s" % (document, item)
            self.versions[sku] = item["version"]

    def ask(self, position):
        """What became of it, by its position; and a list that has it."""
        waited = self.told[-1][2]["status"] != "accepted"
        if self.commands.rnd.random() < 0.5:
            status, _, text = self.exchange("GET", "/commands/" + position)
            self.asked.append((len(self.told) - 1, status, json.loads(text) if status == 200 else None))
        if self.commands.rnd.random() < 0.5:
            status, fields, _ = self.exchange(
                "GET", "/items", headers={} if waited else {"Warehouse-Min-Position": position})
            if status == 200 and (stands := fields["Warehouse-Notifications-Position"]):
                self.listed.append((position, int(stands.split(":")[1])))


class Batcher(Poster):
    """Posts batches, and keeps what was answered for each line; one that failed
    is sent again under its key, as http.md has it."""

    def __init__(self, s, name, pause=0.3):
        super().__init__(s, name, False, pause)
        self.again = None              # key and commands

    def step(self):
        rnd = self.commands.rnd
        if self.again:
            key, commands = self.again
            # the same commands, told from those sent before by what nobody reads
            commands = [{**c, "n": c["n"] + "+"} for c in commands]
        else:
            key = "%s.%d" % (self.commands.name, self.commands.count) if rnd.random() < 0.5 else None
            commands = [json.loads(self.commands.next()[0]) for _ in range(rnd.randint(1, 20))]
        self.again = None
        headers = {"Content-Type": "application/x-ndjson"}
        if key:
            headers["Idempotency-Key"] = key
        bodies = [json.dumps(c) for c in commands]
        try:
            fates = self.send("".join(b + "\n" for b in bodies), headers)
        except (OSError, http.client.HTTPException):
            self.leave()
            fates = [(None, None)] * len(bodies)
        self.replies.extend((b, *fate) for b, fate in zip(bodies, fates, strict=True))
        if any(status != 200 for status, _ in fates):
            self.again = (key, commands) if key else None
            self.done.wait(0.02)
        self.done.wait(self.pause)

    def send(self, body, headers):
        """(status, position) of each line, as if it had been a request."""
        status, _, text = self.exchange("POST", "/commands", body, headers)
        document = json.loads(text)
        if status == 200:
            return [(200, position) for position in document["positions"]]
        if "lines" not in document:
            return [(status, None)] * body.count("\n")
        lines = [line["status"] for line in document["lines"]]
        assert status == (504 if "unknown" in lines else 503), (status, lines)
        return [({"accepted": 200, "not_written": 503, "unknown": 504}[line["status"]],
                 line.get("position")) for line in document["lines"]]


class Subscriber(Worker):
    """Follows the notifications, or those of some skus, and comes back behind the
    last one it got."""

    def __init__(self, s, skus=None):
        super().__init__()
        self.s = s
        self.skus = skus
        self.stream = None
        self.last = None
        self.begun = None              # the id before the first event
        self.complete = False          # it has all that there is
        self.events = []

    def step(self):
        try:
            if self.stream is None:
                self.stream = events.Stream(
                    self.s.port, "?sku=" + ",".join(self.skus) if self.skus else "",
                    last=self.last, timeout=5)
                if self.stream.status != 200:
                    raise ConnectionError("%d" % self.stream.status)
                self.stream.socket.settimeout(0.5)
            self.stream.step()
        except TimeoutError:
            if self.stream is None:
                return                 # not even a header yet
        except OSError:
            self.leave()
            self.done.wait(0.05)
            return
        except AssertionError:
            # closed in the middle of a header
            self.leave()
            return
        self.take()
        if self.stream.closed:
            self.leave()

    def wanted(self, records):
        return [r for r in records if self.skus is None or json.loads(r.value)["sku"] in self.skus]

    def take(self):
        if self.begun is None:
            self.begun = self.stream.begun
        self.events.extend(self.stream.events)
        self.stream.events = []
        if self.stream.last is not None:
            self.last = self.stream.last

    def leave(self):
        if self.stream is not None:
            self.stream.close()
            self.stream = None


class Writer(Worker):
    """Writes straight into commands: good ones, with and without key, and
    what is no command at all."""

    ODD = [b"", None, b"\xff\x00", b"[]", b'{"action":"increase","sku":"A","qty":-1}',
           b'{"action":"increase","sku":"A","qty":1}x', b"x" * 5000]

    def __init__(self, s, name, keys=True, pause=0.002, conditions=True):
        super().__init__()
        self.s = s
        self.rnd = rng("writer", name)
        self.commands = Commands(self.rnd, "w%s" % name, keys)
        self.conditions = conditions
        self.pause = pause
        self.producer = KafkaProducer(bootstrap_servers=s.brokers, acks="all",
                                      delivery_timeout_ms=120000,
                                      reconnect_backoff_max_ms=1000)
        self.count = 0

    def step(self):
        body, key = self.commands.next()
        headers = [("idempotency-key", key.encode())] if key else None
        value = body.encode()
        if self.rnd.random() < 0.05:
            value = self.rnd.choice(self.ODD)
        elif self.rnd.random() < 0.02 and self.commands.keys:
            headers = [("idempotency-key", b"a b")]
        elif self.conditions and self.rnd.random() < 0.1:
            value = json.dumps({**json.loads(body), "expected_qty": self.rnd.randrange(30),
                                "reference": self.commands.name}).encode()
        # as other producers would: the sku decides the partition
        sku = json.loads(body)["sku"]
        self.producer.send(self.s.commands, value, key=sku.encode(), headers=headers)
        self.count += 1
        self.done.wait(self.pause)

    def leave(self):
        try:
            self.producer.flush(180)
        finally:
            # without a limit it may wait for ever for a broker that is gone
            self.producer.close(timeout=10)


class Reader(Client):
    """Polls GET /items all the time and keeps each list that differs from the
    one before."""

    def __init__(self, s):
        super().__init__(s)
        self.lists = []
        self.statuses = collections.Counter()

    def step(self):
        try:
            status, _, text = self.exchange("GET", "/items")
        except (OSError, http.client.HTTPException):
            self.statuses[None] += 1
            self.leave()
            self.done.wait(0.02)
            return
        self.statuses[status] += 1
        if status != 200:
            self.done.wait(0.02)
        elif not self.lists or self.lists[-1] != text:
            self.lists.append(text)
        self.done.wait(0.005)


def states(records):
    """The texts GET /items may show, one for each batch: the notifications of
    one transaction lie together, and its commit marker leaves a gap."""
    stock, texts, last = {}, ["[]"], None

    def text():
        return "[%s]" % ",".join('{"sku":%s,"qty":%d}' % (command.quote(sku), qty)
                                 for sku, qty in sorted(stock.items()))

    for r in records:
        if last is not None and r.offset != last + 1:
            texts.append(text())
        last = r.offset
        n = json.loads(r.value)
        stock[n["sku"]] = n["stock"]
    texts.append(text())
    return texts


class Case(stack.Case):
    """A stack with traffic and readers; run_checks() compares all of it."""

    keys = True
    few = False                    # outcomes are kept: followers may be reset
    conditions = True              # of commands; and followers, who need this version

    def setUp(self):
        super().setUp()
        self.posters, self.writers, self.readers = [], [], []
        self.waiters, self.subscribers, self.batchers = [], [], []
        self.addCleanup(self.stop_traffic)

    def own_broker(self, extra=""):
        broker = super().own_broker(extra)
        self.addCleanup(self.stop_traffic)      # before the broker goes
        return broker

    def traffic(self):
        return (self.posters + self.writers + self.readers + self.waiters + self.batchers
                + self.subscribers)

    def stop_traffic(self):
        for worker in self.traffic():
            worker.done.set()
        for worker in self.traffic():
            worker.join()

    def start_traffic(self, posters=2, writers=1, readers=1, pause=0.002):
        """Needs a running nginx where there are posters or readers."""
        self.posters = [Poster(self.s, n, self.keys, pause) for n in range(posters)]
        self.writers = [Writer(self.s, n, self.keys, pause, self.conditions)
                        for n in range(writers)]
        self.readers = [Reader(self.s) for _ in range(readers)]
        if readers and self.conditions:
            self.waiters = [Waiter(self.s, "waiter", self.keys)]
            self.subscribers = [Subscriber(self.s), Subscriber(self.s, ["S1", "S2", "none"])]
            if self.keys:
                self.batchers = [Batcher(self.s, "batcher")]
        for worker in self.traffic():
            worker.start()

    def sent(self):
        return (sum(p.accepted() for p in self.posters)
                + sum(w.count for w in self.writers))

    def more(self, n=100):
        """Waits until n more commands were accepted or written."""
        goal = self.sent() + n
        stack.wait(lambda: self.sent() >= goal, "%d commands" % n, 120)

    def told(self, text, before=0, n=1):
        """Waits for n lines of the log, the first "before" not counted."""
        stack.wait(lambda: sum(text in line for line in self.s.lines()[before:]) >= n
                   or not self.s.daemon.running(), text)
        self.assertTrue(self.s.daemon.running(), self.s.lines()[-3:])

    def stopped(self, *texts):
        """Waits for the daemon's end with status 2 and a last line."""
        self.assertEqual(self.s.daemon.p.wait(3 * stack.DEADLINE), 2, self.s.lines()[-3:])
        for text in ("[error] stopped: ",) + texts:
            self.assertIn(text, self.s.lines()[-1])

    def finish(self, **limits):
        """Ends the traffic, lets the daemon catch up and checks everything;
        returns the oracle's ledger."""
        for worker in self.posters + self.writers + self.waiters + self.batchers:
            worker.finish()
        self.s.wait_caught_up()
        self.subscribers_up_to_date()
        for reader in self.readers + self.subscribers:
            reader.finish()
        with stack.read_once(self.s):
            ledger = self.check(**limits)
            self.check_replies()
            self.check_readers()
            self.check_told(ledger)
            self.check_subscribers()
        return ledger

    def subscribers_up_to_date(self):
        if self.s.nginx and self.s.nginx.running():
            records = self.s.read(self.s.notifications)
            for subscriber in self.subscribers:
                last = max((r.offset for r in subscriber.wanted(records)), default=-1)
                try:
                    stack.wait(lambda s=subscriber: s.last is not None and s.last >= last
                               or not s.is_alive(), "the events of a subscriber")
                except AssertionError as e:
                    raise AssertionError("%s: it has %s of %s, and a stream: %s" % (
                        e, subscriber.last, last, subscriber.stream is not None))
                # one that the test has stopped before is not
                subscriber.complete = subscriber.is_alive()

    def rebuilt(self):
        """Whether a database was lost, and with it what notifications do not tell."""
        return bool(self.s.logged("rebuilding it from the beginning"))

    def check_told(self, ledger):
        """What who waited was told is what became of the command."""
        for waiter in self.waiters:
            self.check_asked(waiter, ledger)
            self.check_listed(waiter)
            known = [d for _, _, d in waiter.told if d["status"] != "accepted"]
            self.assertTrue(known or len(waiter.told) < 20, "no wait had an end")
            for status, position, document in waiter.told:
                if position is None or document["status"] == "accepted":
                    continue
                expected = ledger.outcomes[tuple(map(int, position.split(":")))]
                if expected["status"] == "duplicate" and document["status"] == "applied":
                    expected = ledger.outcomes[tuple(map(int, expected["original"].split(":")))]
                names = {"applied": ("status", "sku", "stock", "version"),
                         "refused": ("reason", "stock", "version"),
                         "duplicate": ("status", "original")}[expected["status"]]
                self.assertEqual(status, 409 if expected["status"] == "refused" else 200,
                                 (position, document, expected))
                self.assertEqual([document.get(n) for n in names], [expected[n] for n in names],
                                 (position, document, expected))

    def check_asked(self, waiter, ledger):
        """What GET said of a command is what became of it; and who was told that it
        was processed is not told that it is pending."""
        for told, status, document in waiter.asked:
            _, position, waited = waiter.told[told]
            expected = ledger.outcomes[tuple(map(int, position.split(":")))]
            what = (position, waited, status, document, expected)
            if status == 200 and document["status"] != "pending":
                names = {"applied": ("sku", "qty", "stock", "version"), "malformed": (),
                         "refused": ("reason", "stock", "version"),
                         "duplicate": ("original",)}[expected["status"]]
                for name in ("status", *names):
                    self.assertEqual(document[name], expected[name], what)
            elif waited["status"] != "accepted":
                # a database that is away, or was lost meanwhile
                self.assertTrue(status == 503 or status in (410, 200) and self.rebuilt(), what)

    def check_listed(self, waiter):
        """The list read next has what it was told of."""
        notified = {}
        for r in self.s.read(self.s.notifications):
            source = json.loads(r.value)["source"]
            notified["%d:%d" % (source["partition"], source["offset"])] = r.offset
        for position, stands in waiter.listed:
            self.assertLess(notified.get(position, -1), stands, (position, stands))

    def check_subscribers(self):
        """No event twice, none missing, in order; after a reset, from there on, which
        comes only where a database was lost, or few are kept."""
        everything = self.s.read(self.s.notifications)

        for subscriber in self.subscribers:
            if subscriber.begun is None:
                continue
            if not self.rebuilt() and not self.few:
                self.assertEqual([e for e in subscriber.events if e.type == "reset"], [])
            records = subscriber.wanted(everything)
            offsets = [r.offset for r in records]

            def record_from(offset):
                """The first at an offset or behind it."""
                i = bisect.bisect_left(offsets, offset)
                return records[i] if i < len(records) else None

            next = subscriber.begun + 1
            for event in subscriber.events:
                if event.type == "reset":
                    next = int(json.loads(event.data)["position"].split(":")[1])
                    continue
                record = record_from(next)
                self.assertIsNotNone(record, "%s: it is not for him" % (event,))
                self.assertEqual((event.id, event.data), (record.offset, record.value.decode()))
                next = event.id + 1
            if subscriber.complete:
                self.assertIsNone(record_from(next), "events are missing")

    def check_replies(self):
        """Every 200 is in the topic once, where the reply said; a 503 is not
        there; anything else is there at most once."""
        written = collections.defaultdict(list)
        for r in self.s.read(self.s.commands):
            if r.value is not None:
                written[r.value].append("%d:%d" % (r.partition, r.offset))
        for p in self.posters + self.waiters + self.batchers:
            for body, status, position in p.replies:
                places = written.get(body.encode(), [])
                told = "%s, %s %s: at %s of %d values" % (body, status, position, places,
                                                          len(written))
                if status == 200:
                    self.assertEqual(len(places), 1, told)
                    self.assertIn(position, (places[0], None), told)
                elif status == 503:
                    self.assertEqual(places, [], told)
                else:
                    self.assertIn(status, (None, 504), told)
                    self.assertLessEqual(len(places), 1, told)

    def check_readers(self):
        """Every list was the stock after a batch, and time never went back."""
        texts = states(self.s.read(self.s.notifications))
        places = collections.defaultdict(list)
        for n, text in enumerate(texts):
            places[text].append(n)
        for reader in self.readers:
            self.assertLessEqual(set(reader.statuses), {200, 503, None})
            at = 0
            for text in reader.lists:
                later = [n for n in places[text] if n >= at]
                self.assertTrue(later, "GET /items showed %s %s" % (
                    text, "again, after newer lists" if places[text]
                    else "which the stock never was between two batches"))
                at = later[0]
