#!/usr/bin/env python3
"""What becomes of commands, as clients can follow it: outcomes, waiting, reads
of a state that new, batches, conditions, references and traces."""

import concurrent.futures
import contextlib
import functools
import http.client
import json
import signal
import socket
import time

import stack
from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic

ADD = '{"action":"increase","sku":"A","qty":5}'
TAKE = '{"action":"decrease","sku":"A","qty":100}'
WAIT = {"Prefer": "wait=20"}
NDJSON = {"Content-Type": "application/x-ndjson"}
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def lines(*commands):
    return "".join(c + "\n" for c in commands)


def increase(sku, **more):
    return json.dumps({"action": "increase", "sku": sku, "qty": 1, **more})


class Case(stack.Case):

    def setUp(self):
        super().setUp()
        self.s.rejections = "rejections-" + self.s.id
        self.s.write_conf()
        self.s.create_topics()

    def start(self, **nginx):
        self.s.start_daemon()
        self.s.start_nginx(**nginx)

    def post(self, body, headers=None, status=200):
        """Returns the reply's header and document."""
        got, header, text = self.s.request("POST", "/commands", body, headers)
        self.assertEqual(got, status, text)
        return header, json.loads(text)

    def get(self, path, status=200, headers=None):
        got, _, text = self.s.request("GET", path, headers=headers)
        self.assertEqual(got, status, text)
        return json.loads(text)

    def outcome(self, position, status=200):
        return self.get("/commands/%s" % position, status)

    def many(self, n, body, headers):
        """Sends n at once; returns futures of (status, header, text)."""
        pool = concurrent.futures.ThreadPoolExecutor(n)
        self.addCleanup(pool.shutdown)
        return [pool.submit(self.s.request, "POST", "/commands", body(i), headers, 60)
                for i in range(n)]

    def waiting(self, n):
        """Waits until so many requests wait for the daemon."""
        stack.wait(lambda: self.metric("warehouse_nginx_requests_following") == n,
                   "%d requests to wait" % n)

    def metric(self, name):
        for line in self.s.request("GET", "/metrics")[2].split("\n"):
            if line.startswith(name + " "):
                return int(line.split()[1])
        return None


class Outcomes(Case):

    partitions = 2

    def every(self, ledger):
        """Each outcome is told as it is, by its position."""
        for (partition, offset), expected in ledger.outcomes.items():
            got = self.outcome("%d:%d" % (partition, offset))
            notification = got.pop("notification", None)
            if expected["status"] == "applied":
                self.assertEqual(notification, "0:%d" % ledger.known[partition, offset])
            if expected["status"] == "malformed":
                got["reason"] = "*"
            self.assertEqual(got, expected)

    def test_of_all_kinds(self):
        s = self.s
        self.start()
        self.post(ADD)
        s.produce([ADD, TAKE, '{"action":"increase","sku":"B","qty":1,"expected_version":1}',
                   '{"action":"decrease","sku":"A","qty":1,"expected_qty":11}',
                   '{"action":"increase","sku":"B","qty":1,"expected_version":0,'
                   '"expected_qty":0,"reference":"\\u00e9\\n\\"\\\\"}',
                   b"", None, b"\xff", b"[]", b'{"action":"increase","sku":"A","qty":0}',
                   ADD[:-1] + ',"reference":""}', increase("\u2028\\" * 60)], key=b"A")
        s.produce([ADD, ADD, ADD.replace("5", "6")], headers=[("idempotency-key", b"k")], key=b"A")
        s.produce([ADD], headers=[("idempotency-key", b"a b")], key=b"A")
        for n in range(7):
            s.produce([increase("S%d" % n)] * 150, key=b"S%d" % n)
        ledger = self.check()
        self.assertEqual(ledger.known.keys(), ledger.outcomes.keys())
        self.assertEqual({o["status"] for o in ledger.outcomes.values()},
                         {"applied", "refused", "duplicate", "malformed"})
        self.every(ledger)

    def test_pending_and_never_written(self):
        s = self.s
        self.start()
        position = self.post(ADD, WAIT)[0]["Warehouse-Position"]
        partition, offset = map(int, position.split(":"))
        ahead = "/commands/%d:%d" % (partition, offset + 1)
        # once the daemon has said how far it sees
        stack.wait(lambda: s.request("GET", ahead)[0] == 404, "a 404")
        for never in ("%d:%d" % (1 - partition, 0), "%d:%d" % (partition, 10**15), "7:0",
                      "2147483647:0"):
            stack.wait(lambda: s.request("GET", "/commands/" + never)[0] == 404, "a 404 of " + never)
        for no_position in ("0", ":", "0:", ":0", "-1:0", "0:-1", "0:01", "00:1", "0:1:2", "0:1 ",
                            "2147483648:0", "0:9223372036854775808", "0%3A0x", "x", "0:1/"):
            self.outcome(no_position.replace(" ", "%20"), 404)
        self.assertEqual(s.daemon.stop(), 0)
        written = self.post(ADD)[0]["Warehouse-Position"]
        self.assertEqual(self.outcome(written), {"status": "pending"})
        for method in "POST", "PUT", "DELETE":
            status, headers, _ = s.request(method, "/commands/" + written, ADD)
            self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD"))
        self.assertEqual(s.request("GET", "/commands")[0], 405)
        s.start_daemon()
        self.check()
        self.assertEqual(self.outcome(written)["status"], "applied")

    def test_forgotten(self):
        """The last ones stay; what a backlog would push out is never written."""
        s = self.s
        s.write_conf(outcomes=10)
        self.start()
        for _ in range(30):
            s.produce([ADD], key=b"A")
            s.wait_caught_up()
        ledger = self.check()
        places = sorted(ledger.outcomes)
        self.assertEqual(sorted(ledger.known), places[-10:])
        for partition, offset in places[:20]:
            self.outcome("%d:%d" % (partition, offset), 410)
        self.assertEqual(s.daemon.stop(), 0)
        s.produce([ADD] * 500, key=b"A")
        s.start_daemon()
        ledger = self.check()
        places = sorted(ledger.outcomes)
        self.assertEqual(sorted(ledger.known), places[-10:])
        self.assertEqual(s.daemon.stop(), 0)
        s.write_conf(outcomes=0)
        s.start_daemon()
        s.produce([ADD], key=b"A")
        s.wait_caught_up()
        self.assertEqual(s.outcomes(), [])
        self.assertEqual(self.post(ADD, WAIT)[1], {"status": "accepted"})

    def test_rebuilt(self):
        """From notifications: applied commands are known, others are not."""
        s = self.s
        self.start()
        s.produce([ADD, TAKE, b"x", ADD, TAKE], key=b"A")
        ledger = self.check()
        self.assertEqual(s.daemon.stop(), 0)
        s.remove_database()
        s.start_daemon()
        rebuilt = self.check()
        self.assertEqual(rebuilt.known, {place: n for place, n in ledger.known.items()
                                         if ledger.outcomes[place]["status"] == "applied"})
        for place, expected in ledger.outcomes.items():
            applied = expected["status"] == "applied"
            self.outcome("%d:%d" % place, 200 if applied else 410)

    def test_rebuilt_from_single_ones(self):
        """Where a marker follows each notification, all that are asked for are known."""
        s = self.s
        s.write_conf(outcomes=20)
        self.start()
        for _ in range(15):
            self.post(ADD, WAIT)
        self.assertEqual(s.daemon.stop(), 0)
        s.remove_database()
        s.start_daemon()
        self.assertEqual(len(self.check().known), 15)

    def test_another_topic_of_notifications(self):
        """Positions in the one before say nothing of the new one."""
        s = self.s
        self.start()
        s.produce([ADD] * 5)
        s.wait_caught_up()
        self.assertEqual(s.daemon.stop(), 0)
        s.notifications += "-2"
        s.write_conf()
        s.start_daemon()
        s.produce([ADD] * 5)
        s.wait_caught_up()
        self.assertEqual(sum(len(row.outcomes) for row in s.outcomes()), 5)
        self.assertEqual(min(row.since for row in s.outcomes()), 0)

    def test_another_topic_half_read(self):
        """What was learned from it is not taken for the first one's later."""
        s = self.s
        self.start()
        s.produce([ADD] * 5, key=b"A")
        s.wait_caught_up()
        notification = json.loads(s.read(s.notifications)[0].value)
        self.assertEqual(s.daemon.stop(), 0)
        first, s.notifications = s.notifications, s.notifications + "-2"
        s.write_conf()
        with s.admin() as admin:
            admin.create_topics([stack.NewTopic(s.notifications, 1, 1)])
        # as many as are written at once, and one that ends the daemon
        with contextlib.closing(KafkaProducer(bootstrap_servers=s.brokers)) as producer:
            for n in range(50000):
                notification["source"] = {"topic": "other", "partition": 0, "offset": n}
                producer.send(s.notifications, json.dumps(notification).encode(), key=b"A")
            producer.send(s.notifications, b"x")
            producer.flush()
        s.start_daemon(ready=False)
        self.assertEqual(s.daemon.p.wait(stack.DEADLINE), 2, s.lines()[-3:])
        self.assertEqual({row.topic for row in s.outcomes()}, {"other"})
        s.notifications = first
        s.write_conf()
        s.start_daemon()
        s.produce([ADD] * 5, key=b"A")
        self.assertEqual(len(self.check().known), 5)


    def test_of_a_database_of_before(self):
        """It has none; and what is not processed is not said to be."""
        s = self.s
        self.start()
        self.post(ADD)
        s.wait_caught_up()
        self.assertEqual(s.daemon.stop(), 0)
        s.sql("PRAGMA user_version = 3")
        s.nginx.send(signal.SIGHUP)
        stack.wait(lambda: s.request("GET", "/commands/0:0")[0] == 410, "another worker")
        # the daemon is away, or was here just now
        self.assertIn(s.request("GET", "/commands/0:99")[0], (200, 404))


class Waiting(Case):

    def test_outcomes(self):
        s = self.s
        self.start(workers=2)
        header, document = self.post(ADD, WAIT)
        self.assertEqual(document, {"status": "applied", "sku": "A", "stock": 5, "version": 1})
        self.assertEqual(header["Preference-Applied"], "wait=10")   # warehouse_wait's default
        self.assertEqual(header["Warehouse-Position"], "0:0")
        header, document = self.post(TAKE, WAIT, 409)
        self.assertEqual((header["Preference-Applied"], header["Warehouse-Position"]),
                         ("wait=10", "0:1"))
        self.assertEqual([document[k] for k in ("reason", "stock", "version")],
                         ["insufficient_stock", 5, 1])

        # as the first one did, whatever came in between; or where that was
        keyed = {**WAIT, "Idempotency-Key": "k"}
        first = self.post(ADD, keyed)[1]
        self.post(ADD, WAIT)
        self.assertEqual(self.post(ADD, keyed)[1], first)
        document = self.post(ADD.replace("5", "7"), keyed, 409)[1]
        self.assertEqual(document["reason"], "idempotency_key_reused")
        s.sql("DELETE FROM outcomes WHERE first = 2")
        self.assertEqual(self.post(ADD, keyed)[1], {"status": "duplicate", "original": "0:2"})
        self.check_seen()

    def check_seen(self):
        """What was told is in the next answer, of whichever worker."""
        for n in range(50):
            stock = self.post(ADD, WAIT)[1]["stock"]
            self.assertGreaterEqual(self.get("/items/A")["qty"], stock)
            self.assertGreaterEqual(self.get("/items")[0]["qty"], stock)

    def test_preferences(self):
        self.start(extra="warehouse_wait 2s;")
        for value, applied in [("wait=1", "wait=1"), ("WAIT=1", "wait=1"), ('wait="1"', "wait=1"),
                               ("wait=3", "wait=2"), ("wait=99999999999999999999", "wait=2"),
                               ("respond-async, wait=1; foo=bar", "wait=1"),
                               ('a="x, wait=1", wait = 2', "wait=2"), ("wait=1, wait=2", "wait=1"),
                               ("wait=0", None), ("wait", None), ("wait=", None), ("wait=x", None),
                               ("wait=1x", None), ("wait=-1", None), ("await=1", None),
                               ('a="x, wait=1"', None), ("", None), ('wait="1', None)]:
            with self.subTest(value):
                header, document = self.post(ADD, {"Prefer": value})
                self.assertEqual(header["Preference-Applied"], applied)
                self.assertEqual(document["status"], "applied" if applied else "accepted")

    def test_off(self):
        self.start(extra="warehouse_wait 0;")
        header, document = self.post(ADD, WAIT)
        self.assertEqual((header["Preference-Applied"], document), (None, {"status": "accepted"}))
        # what is there already can be asked for all the same
        self.s.wait_caught_up()
        for _ in range(20):
            self.get("/items", headers={"Warehouse-Min-Position": header["Warehouse-Position"]})
        self.get("/items", 503, headers={"Warehouse-Min-Position": "0:100"})

    def test_another_topic(self):
        """A key's first command may be of the topic before: another one that lies at
        its position now is not what it did."""
        s = self.s
        self.start()
        headers = {**WAIT, "Idempotency-Key": "k"}
        self.assertEqual(self.post(ADD, headers)[1]["status"], "applied")
        position = self.post(ADD, headers)[0]["Warehouse-Position"]
        partition, offset = map(int, position.split(":"))
        self.assertEqual(s.daemon.stop(), 0)
        s.nginx.stop()
        s.commands += "-2"
        s.write_conf()
        with s.admin() as admin:
            admin.create_topics([NewTopic(s.commands, self.partitions, 1)])
        stack.wait(lambda: s.end(s.commands) is not None, "the topic")
        s.produce([increase("B"), increase("B")], key=b"A")
        self.start()
        s.wait_caught_up()
        self.assertEqual(self.outcome("%d:0" % partition)["sku"], "B")
        self.assertEqual(self.post(ADD, headers)[1],
                         {"status": "duplicate", "original": "%d:%d" % (partition, offset - 1)})

    def test_not_in_time(self):
        s = self.s
        s.start_nginx()
        for _ in range(2):                   # without a database, and with one that stands still
            begun = time.monotonic()
            header, document = self.post(ADD, {"Prefer": "wait=1"})
            self.assertEqual((header["Preference-Applied"], document),
                             ("wait=1", {"status": "accepted"}))
            self.assertGreaterEqual(time.monotonic() - begun, 1)
            if s.daemon is None:
                s.start_daemon()
                s.wait_caught_up()
                self.assertEqual(s.daemon.stop(), 0)
        s.start_daemon()
        self.check()

    def test_reload_and_quit(self):
        """Whoever waits gets the outcome, and a worker stays for that."""
        s = self.s
        self.start(workers=2)
        for signo in signal.SIGHUP, signal.SIGQUIT:
            self.post(ADD, WAIT)
            s.daemon.send(signal.SIGSTOP)
            futures = self.many(30, lambda i: increase("S%d" % (i % 3)), WAIT)
            self.waiting(30)
            before = s.workers()
            s.nginx.send(signo)
            if signo == signal.SIGHUP:
                stack.wait(lambda: set(s.workers()) - set(before), "new workers")
            s.daemon.send(signal.SIGCONT)
            for f in futures:
                status, header, text = f.result()
                self.assertEqual((status, json.loads(text)["status"]), (200, "applied"))
        self.assertEqual(s.nginx.p.wait(stack.DEADLINE), 0)
        self.check()

    def test_daemon_killed(self):
        """What was applied is told by the one that recovers."""
        s = self.s
        self.start()
        futures = []
        for point in "written", "kafka_committed", "sqlite_committed":
            self.assertEqual(s.daemon.stop(), 0)
            s.start_daemon(fail=point + ":kill")
            futures += self.many(20, lambda i: increase("S%d" % (i % 3)), WAIT)
            self.assertEqual(s.daemon.p.wait(stack.DEADLINE), -signal.SIGKILL)
            s.start_daemon()
            s.wait_caught_up()
        ledger = self.check()
        for f in futures:
            status, header, text = f.result()
            self.assertEqual(status, 200)
            place = tuple(map(int, header["Warehouse-Position"].split(":")))
            expected = ledger.outcomes[place]
            self.assertEqual(json.loads(text), {k: expected[k] for k in
                                                ("status", "sku", "stock", "version")})

    def test_database_replaced(self):
        s = self.s
        self.start()
        self.post(ADD, WAIT)
        self.assertEqual(s.daemon.stop(), 0)
        futures = self.many(5, lambda i: ADD, WAIT)
        self.waiting(5)
        s.remove_database()
        s.start_daemon()
        for f in futures:
            self.assertEqual(json.loads(f.result()[2])["status"], "applied")

    def test_topic_that_went_back(self):
        """What was at the position before is not told of another command."""
        s = self.s
        self.start()
        for _ in range(3):
            self.assertEqual(self.post(ADD, WAIT)[1]["status"], "applied")
        self.assertEqual((s.daemon.stop(), s.nginx.stop()), (0, 0))
        with s.admin() as admin:
            admin.delete_topics([s.commands])
            stack.wait(lambda: s.commands not in admin.list_topics(), "the topic to go")
            admin.create_topics([NewTopic(s.commands, self.partitions, 1)])
        s.start_nginx()
        other = increase("B")
        for body, headers in (other, WAIT), (lines(other, increase("C")), {**NDJSON, **WAIT}):
            header, document = self.post(body, headers)
            self.assertEqual(document["status"], "accepted")
            self.assertIn("0:", header["Warehouse-Position"])
            for line in document.get("lines", []):
                self.assertEqual(line["status"], "accepted")

    def test_position_in_the_log(self):
        """Also of a command that was refused, where a page of its own tells that."""
        s = self.s
        port, = stack.free_ports()
        log = s.dir + "/positions.log"
        # the tab: no line that write_nginx_conf() changes
        self.start(extra="""
            log_format position "$status $warehouse_position";
            server {
                listen 127.0.0.1:%d;
                access_log\t%s position;
                location = /commands {
                    warehouse_database %s;
                    error_page 409 /refused;
                    warehouse_commands commands;
                }
                location = /refused { return 409 "no\n"; }
            }""" % (port, log, s.db))
        for body, status in (ADD, 200), (TAKE, 409):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=stack.DEADLINE)
            with contextlib.closing(connection):
                connection.request("POST", "/commands", body, WAIT)
                reply = connection.getresponse()
                self.assertEqual(reply.status, status, reply.read())
        # behind the reply
        self.assertEqual(s.nginx.stop(signal.SIGQUIT), 0)
        with open(log) as f:
            self.assertEqual(f.read().splitlines(), ["200 0:0", "409 0:1"])

    def test_too_many(self):
        s = self.s
        self.start(extra="warehouse_max_waiting 3;")
        s.daemon.send(signal.SIGSTOP)
        futures = self.many(3, lambda i: ADD, WAIT)
        self.waiting(3)
        end = s.end(s.commands)
        status, headers, _ = s.request("POST", "/commands", ADD, WAIT)
        self.assertEqual((status, headers["Retry-After"]), (503, "1"))
        self.get("/items", 503, {"Warehouse-Min-Position": "0:0"})
        self.assertEqual(s.end(s.commands), end)
        self.assertEqual(self.metric("warehouse_nginx_following_refused_total"), 2)
        self.post(ADD)                         # who does not wait is not concerned
        s.daemon.send(signal.SIGCONT)
        for f in futures:
            self.assertEqual(f.result()[0], 200)
        self.waiting(0)

    def test_one_poll_for_all(self):
        """However many wait: a worker looks at most once in 2 ms, and not at all for nobody."""
        s = self.s
        self.start()
        s.daemon.send(signal.SIGSTOP)
        polls = functools.partial(self.metric, "warehouse_nginx_polls_total")
        self.assertEqual(polls(), 0)
        futures = self.many(200, lambda i: ADD, WAIT)
        self.waiting(200)
        before, begin = polls(), time.monotonic()
        stack.wait(lambda: polls() >= before + 100, "a hundred polls")
        done = polls() - before
        self.assertLessEqual(done, (time.monotonic() - begin) * 500 + 3)
        s.daemon.send(signal.SIGCONT)
        for f in futures:
            self.assertEqual(f.result()[0], 200)
        self.waiting(0)
        last = polls()
        self.metric("warehouse_nginx_workers")
        self.assertEqual(polls(), last)

    def test_clients_that_go_away(self):
        s = self.s
        self.start()
        s.daemon.send(signal.SIGSTOP)
        connection = stack.http.client.HTTPConnection("127.0.0.1", s.port)
        for path, headers in ("/items", {"Warehouse-Min-Position": "0:0"}), ("/items/A", {
                "Warehouse-Min-Position": "0:0, 1:7"}):
            connection.request("GET", path, headers=headers)
            self.waiting(1)
            connection.close()
            self.waiting(0)
        s.daemon.send(signal.SIGCONT)

    def test_min_position(self):
        s = self.s
        self.start(extra="warehouse_wait 1s;")
        s.daemon.send(signal.SIGSTOP)
        positions = [self.post(ADD)[0]["Warehouse-Position"] for _ in range(3)]
        for path in "/items", "/items/A", "/items?limit=5", "/commands/" + positions[1]:
            status, headers, _ = s.request("GET", path, headers={
                "Warehouse-Min-Position": positions[1]})
            self.assertEqual((status, headers["Retry-After"]), (503, "1"))
        for bad in "x", "0", "0:", "0:1;1:2", "0:1 1:2", "-1:0", "0:1,x":
            self.get("/items", 400, {"Warehouse-Min-Position": bad})
        s.daemon.send(signal.SIGCONT)
        for good in positions[2], "0:0, " + positions[2] + " ,0:1", positions[0] + ",,":
            self.assertEqual(self.get("/items/A", headers={"Warehouse-Min-Position": good})["qty"],
                             15 if positions[2] in good else self.get("/items/A")["qty"])
        self.assertEqual(self.get("/commands/" + positions[2], headers={
            "Warehouse-Min-Position": positions[2]})["status"], "applied")
        self.get("/items", 503, {"Warehouse-Min-Position": "0:0,1:0"})


class Positions(Case):

    partitions = 3

    def test_of_all_partitions(self):
        """In any order; those of partitions that nobody has heard of are waited for,
        too, and hold nobody up."""
        s = self.s
        self.start(extra="warehouse_wait 10s;")
        strangers = []
        for n in range(300):
            positions = ",".join("%d:0" % (1000 + 256 * n + i) for i in range(256))
            strangers.append(socket.create_connection(("127.0.0.1", s.port)))
            self.addCleanup(strangers[-1].close)
            strangers[-1].sendall(("GET /items HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                                   "Warehouse-Min-Position: %s\r\n\r\n" % positions).encode())
        self.waiting(300)
        for _ in range(5):
            header, document = self.post(increase("A"), {"Prefer": "wait=10"})
            self.assertEqual(document["status"], "applied")
        s.daemon.send(signal.SIGSTOP)
        header, _ = self.post(lines(*(increase("S%d" % n) for n in range(50))), NDJSON)
        positions = header["Warehouse-Position"].split(", ")
        self.assertEqual(len(positions), 3)
        pool = concurrent.futures.ThreadPoolExecutor(2)
        self.addCleanup(pool.shutdown)
        reads = [pool.submit(self.get, "/items", headers={"Warehouse-Min-Position": ",".join(order)})
                 for order in (positions, positions[::-1])]
        self.waiting(302)
        s.daemon.send(signal.SIGCONT)
        for read in reads:
            self.assertEqual({item["sku"] for item in read.result()},
                             {"A", *("S%d" % n for n in range(50))})
        # some of one partition are the last of them; a row that is none is none
        s.sql("INSERT INTO positions VALUES(?, 4294967296, 1)", (s.commands,))
        s.sql("INSERT INTO positions VALUES(?, 'x', 1)", (s.commands,))
        several = ",".join(["0:0"] * 255 + positions[:1])
        self.get("/items", headers={"Warehouse-Min-Position": several})
        self.get("/items", 400, {"Warehouse-Min-Position": several + ",0:0"})
        for stranger in strangers:
            stranger.settimeout(stack.DEADLINE)
            self.assertTrue(stranger.recv(100).startswith(b"HTTP/1.1 503 "))


class Batches(Case):

    partitions = 3

    def test_written(self):
        s = self.s
        self.start()
        commands = [increase("S%d" % (n % 7), n=n) for n in range(100)]
        for body in lines(*commands), lines(*commands).removesuffix("\n"), \
                lines(*commands).replace("\n", "\r\n"):
            header, document = self.post(body, NDJSON)
            self.assertEqual((document["status"], len(document["positions"])), ("accepted", 100))
            values = {"%d:%d" % (r.partition, r.offset): r.value.decode().strip()
                      for r in s.read(s.commands)}
            self.assertEqual([values[p] for p in document["positions"]], commands)
            last = {}
            for p in document["positions"]:
                last[p.split(":")[0]] = p
            self.assertEqual(header["Warehouse-Position"].split(", "), list(last.values()))
            self.get("/items", headers={"Warehouse-Min-Position": header["Warehouse-Position"]})
        self.assertEqual(self.metric("warehouse_nginx_batches_total"), 3)
        self.check()

    def test_outcomes(self):
        self.start()
        self.post(ADD, WAIT)
        document = self.post(lines(ADD, TAKE, increase("B"), increase("B", expected_version=7)),
                             {**NDJSON, **WAIT})[1]
        self.assertEqual(document["outcomes"], [
            {"status": "applied", "sku": "A", "stock": 10, "version": 2},
            {"status": "refused", "reason": "insufficient_stock", "stock": 10, "version": 2},
            {"status": "applied", "sku": "B", "stock": 1, "version": 1},
            {"status": "refused", "reason": "version_mismatch", "stock": 1, "version": 1}])
        self.s.daemon.send(signal.SIGSTOP)
        document = self.post(lines(ADD, ADD), {**NDJSON, "Prefer": "wait=1"})[1]
        self.assertEqual(document["outcomes"], [{"status": "pending"}] * 2)
        self.s.daemon.send(signal.SIGCONT)
        self.check()

    def test_sent_again(self):
        """Under its key a batch takes effect once, line by line."""
        self.start()
        headers = {**NDJSON, **WAIT, "Idempotency-Key": "b"}
        body = lines(ADD, ADD, increase("B"))
        first = self.post(body, headers)[1]["outcomes"]
        self.assertEqual(self.post(body, headers)[1]["outcomes"], first)
        # one line is a command of its own
        self.assertEqual(self.post(ADD, {**WAIT, "Idempotency-Key": "b:2"})[1], first[1])
        self.check()
        self.assertEqual(self.get("/items"), [{"sku": "A", "qty": 10}, {"sku": "B", "qty": 1}])
        self.post(body, {**headers, "Idempotency-Key": "k" * 244})
        self.post(body, {**headers, "Idempotency-Key": "k" * 245}, 400)

    def test_refused_as_a_whole(self):
        s = self.s
        self.start()
        end = s.end(s.commands)
        for body, line, pointer in [
                (lines(ADD, ADD.replace("5", "-5"), ADD), 2, "#/qty"),
                (lines(ADD, "", ADD), 2, None), (lines(ADD, ADD[:-1]), 2, None),
                ("\n", 1, None), (lines(ADD) + " ", 2, None), ("[%s]" % ADD, 1, None),
                (lines(ADD, ADD.replace('"A"', '""')), 2, "#/sku"), (ADD + ADD, 1, None),
                (lines(*[ADD] * 999, increase("A", expected_qty=-1)), 1000, "#/expected_qty")]:
            document = self.post(body, NDJSON, 422)[1]
            self.assertEqual((document["line"], document.get("pointer")), (line, pointer))
            self.assertTrue(document["detail"].startswith("line %d: " % line), document)
        self.post("", NDJSON, 400)
        self.post(lines(*[ADD] * 1001), NDJSON, 413)
        self.post(lines(*[ADD + " " * 1000] * 1000), NDJSON)
        end += 1000
        self.post(lines(*[ADD + " " * 1020] * 1000), NDJSON, 413)
        self.post(ADD + " " * 17000, None, 413)
        self.assertEqual(s.end(s.commands), end)
        self.check()

    def test_too_large(self):
        """A line that librdkafka would not take is found before any is written; one
        that the brokers do not take is told of, with what became of the others."""
        s = self.s
        s.start_daemon()
        s.start_nginx(extra="warehouse_kafka message.max.bytes 10000; warehouse_command_size 12k;")
        with s.admin() as admin:
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, s.commands,
                                                {"max.message.bytes": "4000"})])
        end = s.end(s.commands)
        for size in 9950, 9999, 12288, 13000:
            for key in {}, {"Idempotency-Key": "k" * 200}:
                document = self.post(lines(ADD, ADD + " " * (size - len(ADD))), {**NDJSON, **key}, 413)[1]
                self.assertEqual(document["line"], 2)
        self.assertEqual(s.end(s.commands), end)
        skus = ["S%d" % n for n in range(20)]
        bad = increase("S0", reference="x" * 200).replace(" ", " " * 1000)
        self.assertGreater(len(bad), 4000)
        document = self.post(lines(*map(increase, skus[1:]), bad), NDJSON, 503)[1]
        fates = document["lines"]
        self.assertEqual(fates[-1], {"status": "too_large"})
        written = {sku: fate["position"] for sku, fate in zip(skus[1:], fates) if fate["status"] == "accepted"}
        # those that came with it, in one batch of Kafka's, are not taken either
        self.assertEqual({fate["status"] for fate in fates}, {"accepted", "too_large"})
        records = {"%d:%d" % (r.partition, r.offset): json.loads(r.value)["sku"] for r in s.read(s.commands)}
        self.assertEqual(records, {position: sku for sku, position in written.items()})
        self.assertEqual(self.post(lines(bad), NDJSON, 413)[1]["lines"], [{"status": "too_large"}])
        self.check()

    def test_brokers_away(self):
        """Each line's fate is told, and the batch can be sent again under its key."""
        s = self.s
        broker = self.own_broker()
        s.start_daemon()
        s.start_nginx(extra="warehouse_kafka message.timeout.ms 1000;")
        headers = {**NDJSON, "Idempotency-Key": "b"}
        self.post(lines(ADD), headers)
        broker.stop()
        status, _, text = s.request("POST", "/commands", lines(ADD, increase("B")), headers)
        self.assertIn(status, (503, 504), text)
        fates = [line["status"] for line in json.loads(text)["lines"]]
        self.assertEqual(len(fates), 2)
        self.assertLessEqual(set(fates), {"not_written", "unknown"})
        self.assertEqual(status == 504, "unknown" in fates)
        broker.start()
        stack.wait(lambda: s.request("POST", "/commands", lines(ADD, increase("B")),
                                     headers)[0] == 200, "the broker to be back")
        self.check()
        self.assertEqual(self.get("/items"), [{"sku": "A", "qty": 5}, {"sku": "B", "qty": 1}])

    def test_conditions_not_understood(self):
        """By a database of before, or without one: nothing is written."""
        s = self.s
        self.start()
        conditional = increase("A", expected_version=0)
        self.assertEqual(s.daemon.stop(), 0)
        s.sql("PRAGMA user_version = 3")
        for body, headers in (conditional, None), (lines(ADD, conditional), NDJSON):
            self.post(body, headers, 503)
        self.post(ADD)
        s.remove_database()
        for body, headers in (conditional, None), (lines(ADD, conditional), NDJSON):
            self.post(body, headers, 503)
        self.assertEqual(s.end(s.commands), 1)


class Traces(Case):

    def test_handed_on(self):
        """From the request's header to what tells of the outcome; well-formed ones alone."""
        s = self.s
        self.start()
        for parent, state in [(PARENT, "a=b"), (PARENT, None), (PARENT.upper(), "a=b"), (None, "a=b"),
                              (PARENT[:-1], None), ("cc" + PARENT[2:] + "-more", "x" * 1024),
                              (PARENT, "x" * 1025), (PARENT, "\t a=b,c=d")]:
            headers = {k: v for k, v in (("traceparent", parent), ("tracestate", state)) if v}
            self.post(ADD, {**headers, **WAIT})
            self.post(TAKE.replace("100", "100000"), {**headers, **WAIT}, 409)
            s.produce([ADD, TAKE.replace("100", "100000"), b"x"],
                      headers=[(k, v.encode()) for k, v in headers.items()])
        s.produce([ADD], headers=[("traceparent", PARENT.encode())] * 2)
        ledger = self.check()
        self.assertEqual(sum("traceparent" in h for _, h in ledger.notifications), 10)

    def test_reference(self):
        s = self.s
        self.start()
        for reference in "", "po-4711", "\u00e9" * 127, "\n\"\\\u2028":
            self.post(increase("A", reference=reference), WAIT)
            self.post(TAKE[:-1] + ',"reference":%s}' % json.dumps(reference), WAIT, 409)
        self.post(increase("A", reference="x" * 256), status=422)
        self.check()
        self.assertTrue(s.logged('"reference":"po-4711"} stock=2 version=2 position=0:2'))
        self.assertTrue(s.logged('"reference":"po-4711"} reason=insufficient_stock'))


if __name__ == "__main__":
    stack.main()
