#!/usr/bin/env python3
"""GET /notifications: the topic notifications over HTTP, as it grows; where
something is missing, the client is told."""

import collections
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time
import urllib.parse

from kafka import KafkaProducer

import events
import stack


def increase(sku, **more):
    return json.dumps({"action": "increase", "sku": sku, "qty": 1, **more})


class Case(stack.Case):

    def setUp(self):
        super().setUp()
        self.s.create_topics()
        self.streams = []
        self.addCleanup(lambda: [stream.close() for stream in self.streams])

    def start(self, **nginx):
        self.s.start_daemon()
        self.s.start_nginx(**nginx)

    def stream(self, query="", last=None, **more):
        stream = events.Stream(self.s.port, query, last, **more)
        self.streams.append(stream)
        return stream

    def follow(self, query="", last=None, **more):
        """A stream whose events begin: it was told where they do."""
        stream = self.stream(query, last, **more)
        self.assertEqual(stream.status, 200, stream.raw)
        while stream.last is None:
            stream.step()
        return stream

    def sent(self):
        """The topic's records as events."""
        return [events.Event("message", r.offset, r.value.decode())
                for r in self.s.read(self.s.notifications)]

    def metric(self, name):
        for line in self.s.request("GET", "/metrics")[2].split("\n"):
            if line.startswith(name + " "):
                return int(line.split()[1])
        return None


class Notifications(Case):

    partitions = 2

    def test_all_of_them(self):
        """To the byte, in order, once."""
        s = self.s
        self.start()
        everything = [self.stream("?after=-1")]      # of which there is nothing yet
        s.produce([increase("A")])
        s.wait_caught_up()
        stream = self.follow()
        self.assertEqual(stream.headers["content-type"], "text/event-stream")
        self.assertEqual(stream.headers["cache-control"], "no-store")
        self.assertEqual(stream.headers["x-accel-buffering"], "no")
        from_the_first = self.follow("?after=0")
        everything.append(self.stream("?after=-1"))
        for n in range(5):
            s.produce([increase("S%d" % (i % 5), reference="\u2028\n%d" % i) for i in range(100)],
                      key=b"x")
            s.produce(['{"action":"decrease","sku":"none","qty":1}', b"x"])
            s.wait_caught_up()
        expected = self.sent()
        self.assertEqual(stream.wait(500), expected[1:])
        self.assertEqual(from_the_first.wait(500), expected[1:])
        for all_of_them in everything:
            self.assertEqual(all_of_them.wait(501), expected)
        late = self.stream(last=expected[99].id)
        self.assertEqual(late.wait(401), expected[100:])
        # what a browser says that comes back is newer than the address
        again = self.stream("?after=0", last=expected[-3].id)
        self.assertEqual(again.wait(2), expected[-2:])

    def test_filters(self):
        s = self.s
        self.start()
        s.produce([increase("first")])
        s.wait_caught_up()
        skus = ["A", "AB", "B", "a,b", "\u20ac", "A\u2028", "%", "&="]
        quoted = {sku: urllib.parse.quote(sku, safe="") for sku in skus}
        streams = {"?sku=" + q: [sku] for sku, q in quoted.items()}
        streams["?sku=A,B,nobody," + quoted["a,b"]] = ["A", "B", "a,b"]
        streams["?sku=A,A"] = ["A"]
        streams["?prefix=A"] = ["A", "AB", "A\u2028"]
        streams["?prefix=" + quoted["\u20ac"]] = ["\u20ac"]
        streams[""] = skus
        for after in "", "after=0":
            followed = {}
            for query in streams:
                more = query + ("&" if query else "?") + after if after else query
                followed[query] = self.follow(more) if not after else self.stream(more)
            before = len(self.sent())
            s.produce([increase(sku) for sku in skus * 3], key=b"x")
            s.wait_caught_up()
            sent = self.sent()
            for query, wanted in streams.items():
                expected = [e for e in sent[1 if after else before:]
                            if json.loads(e.data)["sku"] in wanted]
                self.assertEqual(followed[query].wait(len(expected)), expected, query)

    def test_many_at_once(self):
        """More than a worker reads in one turn: the next one goes on within a row."""
        s = self.s
        self.start(extra="warehouse_notifications_buffer 64m;")
        stream = self.follow()
        worker, = s.workers()
        os.kill(worker, signal.SIGSTOP)
        self.addCleanup(os.kill, worker, signal.SIGCONT)
        s.produce([increase("A")] * 5000)
        s.wait_caught_up()
        os.kill(worker, signal.SIGCONT)
        self.assertEqual(stream.wait(5000), self.sent())
        s.produce([increase("last")])
        self.assertEqual(stream.wait(5001)[-1:], self.sent()[-1:])

    def test_many_catch_up(self):
        """From anywhere, whatever they choose, while more comes: they go along with
        one another and get what they want, once, in order."""
        s = self.s
        self.start(extra="warehouse_notifications_buffer 16k;", workers=2)
        rnd = random.Random(1)
        skus = ["S%d" % n for n in range(10)]
        s.produce([increase(rnd.choice(skus), reference="x" * 200) for _ in range(3000)])
        s.wait_caught_up()
        there = self.sent()
        streams = []
        for n in range(60):
            wanted, after = rnd.sample(skus, 1 + n % 2), rnd.choice(there[:2900] + [there[0]] * 300)
            query = "?sku=" + ",".join(wanted) if n % 3 else rnd.choice(["", "?prefix=S"])
            stream = self.stream(query, after.id, buffer=4096 if n % 10 == 0 else None)
            streams.append((stream, wanted if n % 3 else skus, after.id))
        for _ in range(5):
            s.produce([increase(rnd.choice(skus)) for _ in range(200)])
        s.wait_caught_up()
        sent = self.sent()
        for stream, wanted, after in streams:
            expected = [e for e in sent if e.id > after and json.loads(e.data)["sku"] in wanted]
            self.assertEqual(stream.wait(len(expected)), expected)
            self.assertEqual(len(stream.events), len(expected))
        self.assertEqual(self.metric("warehouse_nginx_subscribers_reset_total"), 0)
        self.assertEqual(self.metric("warehouse_nginx_events_total"),
                         sum(len(stream.events) for stream, *_ in streams))

    def test_newcomers(self):
        """Who catches up gets there, however many come that have further to go."""
        s = self.s
        self.start()
        s.produce([increase("B")] * 30000 + [increase("A")], key=b"x")
        s.wait_caught_up()
        request = b"GET /notifications?sku=nobody&after=-1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
        enough, came = threading.Event(), []

        def come():
            there = collections.deque()
            while len(came) < 10000 and not enough.wait(0.001):
                there.append(socket.create_connection(("127.0.0.1", s.port)))
                there[-1].sendall(request)
                came.append(1)
                if len(there) > 100:
                    there.popleft().close()
            for newcomer in there:
                newcomer.close()

        thread = threading.Thread(target=come)
        thread.start()
        try:
            stack.wait(lambda: self.metric("warehouse_nginx_subscribers") > 50, "newcomers")
            self.assertEqual(self.stream("?sku=A&after=20000").wait(1), self.sent()[-1:])
            self.assertLess(len(came), 10000, "no more of them have to come first")
        finally:
            enough.set()
            thread.join()

    def test_http2_and_gzip(self):
        """Each event is there when it comes, not when a buffer is full."""
        s = self.s
        port, = stack.free_ports()
        s.start_daemon()
        s.start_nginx(extra="server { listen 127.0.0.1:%d http2; gzip on; gzip_types text/event-stream; "
                      "location = /notifications { warehouse_database %s; warehouse_notifications; } }"
                      % (port, s.db))
        for options in [], ["--compressed"]:
            head = s.dir + "/head"
            curl = subprocess.Popen(["curl", "-sSN", "--http2-prior-knowledge", "-D", head, *options,
                                     "http://127.0.0.1:%d/notifications?after=-1" % port],
                                    stdout=subprocess.PIPE, text=True)
            self.addCleanup(curl.stdout.close)
            self.addCleanup(curl.wait)
            self.addCleanup(curl.kill)
            watchdog = threading.Timer(stack.DEADLINE, curl.kill)
            watchdog.start()
            self.addCleanup(watchdog.cancel)
            for _ in range(3):
                s.produce([increase("A")], key=b"A")
                s.wait_caught_up()
                expected = self.sent()[-1].data
                while (line := curl.stdout.readline()) != "data: %s\n" % expected:
                    self.assertNotEqual(line, "", "ended before %s" % expected)
            with open(head) as f:
                text = f.read()
            self.assertIn("HTTP/2 200", text)
            self.assertEqual("content-encoding: gzip" in text, options != [])
            curl.kill()

    def test_bad_requests(self):
        self.start()
        for query in ("?x=1", "?after=x", "?after=-2", "?after=", "?after=01", "?limit=5", "?sku=",
                      "?sku=A&prefix=A", "?sku=%00", "?prefix=%ff", "?after=1&after=2"):
            status, headers, _ = self.s.request("GET", "/notifications" + query)
            self.assertEqual((status, headers["Content-Type"]), (400, "application/problem+json"))
        self.assertEqual(self.stream(last="x").status, 400)
        status, headers, _ = self.s.request("POST", "/notifications", "{}")
        self.assertEqual((status, headers["Allow"]), (405, "GET, HEAD"))
        status, headers, text = self.s.request("HEAD", "/notifications")
        self.assertEqual((status, headers["Content-Type"], text), (200, "text/event-stream", ""))

    def test_further_back_than_is_kept(self):
        """Whoever asks for that, or for what is not there yet, is to load the list."""
        s = self.s
        s.write_conf(outcomes=10)
        self.start()
        for _ in range(30):
            s.produce([increase("A")])
            s.wait_caught_up()
        sent = self.sent()
        for after in 0, sent[10].id, 10**9:
            stream = self.follow("?after=%d" % after)
            reset, = stream.wait(1)
            self.assertEqual((reset.type, json.loads(reset.data)),
                             ("reset", {"position": "0:%d" % s.end(s.notifications)}))
            self.assertEqual(reset.id, s.end(s.notifications) - 1)
            self.assertEqual(stream.last, s.end(s.notifications) - 1)
        self.assertEqual(self.metric("warehouse_nginx_subscribers_reset_total"), 3)
        stream = self.stream("?after=%d" % sent[-5].id)
        self.assertEqual(stream.wait(4), sent[-4:])

        # a backlog of which little is kept: those who follow are told, too
        self.assertEqual(s.daemon.stop(), 0)
        s.produce([increase("A")] * 500)
        s.start_daemon()
        s.wait_caught_up()
        self.assertEqual(stream.wait(5)[4].type, "reset")
        s.produce([increase("B")])
        # more than once, where the backlog came in parts
        last = stream.wait(6)[-1]
        while json.loads(last.data).get("sku") != "B":
            last = stream.wait(len(stream.events) + 1)[-1]
        self.assertEqual(last, self.sent()[-1])

    def test_aborted(self):
        """What nobody was shown is not missing, wherever it lies."""
        s = self.s
        self.start()
        stream = self.follow()
        for n in range(2):
            self.assertEqual(s.daemon.stop(), 0)
            with contextlib.closing(KafkaProducer(bootstrap_servers=s.brokers,
                                                  transactional_id=s.id)) as producer:
                producer.init_transactions()
                producer.begin_transaction()
                producer.send(s.notifications, b"nothing")
                producer.flush()
                producer.abort_transaction()
            s.start_daemon()
            s.produce([increase("A")], key=b"x")
            s.wait_caught_up()
            self.assertEqual(stream.wait(n + 1), self.sent())
        self.assertEqual(self.follow(last=-1).wait(2), self.sent())
        self.check()

    def test_lost_database(self):
        """Rebuilt, it goes on where it was; another one is another stock."""
        s = self.s
        self.start()
        s.produce([increase("A")] * 5)
        s.wait_caught_up()
        stream = self.follow()
        for _ in range(2):
            self.assertEqual(s.daemon.stop(), 0)
            s.remove_database()
            s.start_daemon()
            s.produce([increase("A")] * 5)
            s.wait_caught_up()
        self.assertEqual(stream.wait(10), self.sent()[5:])
        self.assertEqual(s.daemon.stop(), 0)
        s.remove_database()
        s.notifications += "-2"
        s.group += "-2"
        s.write_conf()
        s.start_daemon()
        s.wait_caught_up()
        self.assertEqual(stream.wait(11)[10].type, "reset")

    def test_daemon_killed(self):
        s = self.s
        self.start()
        s.produce([increase("A")], key=b"x")
        s.wait_caught_up()
        stream, n = self.follow(), 0
        for point in "written", "kafka_committed", "outcomes_written", "sqlite_committed":
            self.assertEqual(s.daemon.stop(), 0)
            s.start_daemon(fail=point + ":kill")
            s.produce([increase("A")] * 20, key=b"x")
            self.assertEqual(s.daemon.p.wait(stack.DEADLINE), -signal.SIGKILL)
            s.start_daemon()
            s.wait_caught_up()
            n += 20
            self.assertEqual(stream.wait(n), self.sent()[1:])
        self.check()


class Streams(Case):

    def test_heartbeats(self):
        """They say how far the client is, whatever it follows."""
        s = self.s
        self.start(extra="warehouse_notifications_heartbeat 200ms;")
        s.produce([increase("A")])
        s.wait_caught_up()
        stream = self.follow("?sku=nobody")
        while stream.comments < 3:
            stream.step()
        s.produce([increase("A")])
        s.wait_caught_up()
        end = s.end(s.notifications)
        while stream.last != end - 1:
            stream.step()
        self.assertEqual(stream.events, [])

    def test_reload_and_quit(self):
        """Streams end, whole, and go on elsewhere."""
        s = self.s
        self.start(workers=2)
        s.produce([increase("A")])
        s.wait_caught_up()
        for signo in signal.SIGHUP, signal.SIGQUIT:
            streams = [self.follow() for _ in range(10)]
            before = s.workers()
            s.nginx.send(signo)
            deadline = time.monotonic() + stack.DEADLINE
            for stream in streams:
                while not stream.ended:
                    # heartbeats go on
                    self.assertLess(time.monotonic(), deadline, "a stream does not end")
                    stream.step()
                self.assertEqual((stream.events, stream.body), ([], b""))
            if signo == signal.SIGHUP:
                stack.wait(lambda: not set(s.workers()) & set(before), "the old workers to leave")
                s.produce([increase("A")])
                s.wait_caught_up()
                again = self.stream(last=streams[0].last)
                self.assertEqual(again.wait(1), self.sent()[-1:])
                again.close()
        self.assertEqual(s.nginx.p.wait(stack.DEADLINE), 0)

    def test_reload_while_events_come(self):
        """A stream that is being sent ends with what it had when its worker was to
        leave; what comes later is for another one."""
        s = self.s
        self.start(extra="limit_rate 10k;")
        s.produce([increase("A")])
        s.wait_caught_up()
        stream = self.follow()
        s.produce([increase("A", reference="x" * 200)] * 150)
        s.wait_caught_up()
        stream.wait(1)
        before = s.workers()
        s.nginx.send(signal.SIGHUP)
        stack.wait(lambda: s.workers() and not set(s.workers()) & set(before), "other workers")
        s.produce([increase("A")] * 100)
        s.wait_caught_up()
        while not stream.ended:
            stream.step()
        sent = self.sent()
        self.assertEqual(stream.events, sent[1:151])
        self.assertEqual(self.stream(last=stream.last).wait(100), sent[151:])

    def test_slow_readers(self):
        """They are cut off at a bound; others do not notice."""
        s = self.s
        self.start(extra="warehouse_notifications_buffer 64k;")
        s.produce([increase("A")])
        s.wait_caught_up()
        slow, quick = self.follow(buffer=4096), self.follow()
        sku = "x" * 250
        n = 0
        while not self.metric("warehouse_nginx_subscribers_cut_total"):
            # fewer at once than the buffer holds: with more it might catch up instead
            self.assertLess(n, 30000, "nobody is cut off")
            s.produce([increase(sku)] * 100)
            n += 100
            quick.wait(n)
        self.assertEqual(quick.wait(n), self.sent()[1:])
        while not slow.closed:
            slow.step()
        self.assertFalse(slow.ended)
        got = slow.events
        self.assertEqual(got, self.sent()[1:len(got) + 1])
        stack.wait(lambda: self.metric("warehouse_nginx_subscribers") == 1, "the slow one to go")

    def test_slow_reader_over_http2(self):
        """nginx keeps its request until the connection can be written to, or times out;
        it is cut off once all the same."""
        s = self.s
        port, = stack.free_ports()
        self.start(extra="warehouse_notifications_buffer 64k; send_timeout 5s; "
                         "server { listen 127.0.0.1:%d http2; warehouse_database %s; "
                         "location /notifications { warehouse_notifications; } }"
                         % (port, s.db))
        curl = subprocess.Popen(["curl", "-sSN", "--http2-prior-knowledge", "-o", "/dev/null",
                                 "http://127.0.0.1:%d/notifications" % port])
        self.addCleanup(curl.wait)
        self.addCleanup(curl.kill)
        stack.wait(lambda: self.metric("warehouse_nginx_subscribers") == 1, "curl")
        curl.send_signal(signal.SIGSTOP)
        n = 0
        while not self.metric("warehouse_nginx_subscribers_cut_total"):
            # with more at once it might catch up instead, until send_timeout is over
            self.assertLess(n, 60000, "nobody is cut off")
            s.produce([increase("x" * 250)] * 100)
            s.wait_caught_up()
            n += 100
        stream = self.follow()
        for n in range(1, 6):
            s.produce([increase("A")])
            stream.wait(n)
        self.assertEqual(self.metric("warehouse_nginx_subscribers_cut_total"), 1)

    def test_ids(self):
        """Who gets no events knows how far it is, too, and comes back from there."""
        s = self.s
        self.start(extra="warehouse_notifications_heartbeat 60s;")
        empty = self.follow()
        self.assertEqual(empty.last, -1)
        empty.close()
        s.produce([increase("A")] * 3)
        s.wait_caught_up()
        sent = self.sent()
        self.assertEqual(self.follow(last=-1).wait(3), sent)
        other = self.follow("?sku=B&after=-1")
        self.assertEqual(other.events, [])
        self.assertGreaterEqual(other.last, sent[-1].id)

    def test_too_many(self):
        s = self.s
        self.start(extra="warehouse_max_subscribers 3;")
        streams = [self.stream() for _ in range(3)]
        refused = self.stream()
        self.assertEqual((refused.status, refused.headers["retry-after"]), (503, "1"))
        self.assertEqual(self.metric("warehouse_nginx_subscribers"), 3)
        self.assertEqual(self.metric("warehouse_nginx_subscribers_refused_total"), 1)
        streams[0].close()
        stack.wait(lambda: self.metric("warehouse_nginx_subscribers") == 2, "one to go")
        self.assertEqual(self.stream().status, 200)

    def test_without_a_daemon(self):
        s = self.s
        s.start_nginx()
        self.assertEqual(self.stream().status, 503)
        s.start_daemon()
        self.assertEqual(self.stream().status, 200)
        self.assertEqual(s.daemon.stop(), 0)
        s.sql("PRAGMA user_version = 3")
        s.nginx.send(signal.SIGHUP)
        stack.wait(lambda: self.stream().status == 503, "a module that has not read it before")


if __name__ == "__main__":
    stack.main()
