#!/usr/bin/env python3
"""Each part stopped and started again in mid-stream."""

import contextlib
import http.client
import json
import os
import random
import signal
import threading

import stack


class Load(threading.Thread):
    """Posts commands until told to stop, each with a sku of its own run; keeps
    what was answered.  A command that got 503 or no answer is not sent again."""

    def __init__(self, s, seed):
        super().__init__()
        self.s = s
        self.random = random.Random(seed)
        self.done = threading.Event()
        self.replies = []          # (body, status or None, position or None)

    def run(self):
        while not self.done.is_set():
            body = json.dumps({"action": self.random.choice(["increase", "decrease"]),
                               "sku": "S%d" % self.random.randrange(5),
                               "qty": self.random.randint(1, 9),
                               "n": "%d.%d" % (id(self), len(self.replies))})
            status = position = None
            with contextlib.suppress(OSError, http.client.HTTPException):
                status, headers, _ = self.s.request("POST", "/commands", body)
                position = headers["Warehouse-Position"]
            self.replies.append((body, status, position))

    def count(self):
        return sum(1 for _, status, _ in self.replies if status == 200)


class Restarts(stack.Case):

    def own_broker(self):
        """A broker for this test alone, with the topics, to stop and start."""
        broker = stack.Broker(self.s.dir + "/broker")
        self.addCleanup(broker.stop)
        broker.start()
        self.s.brokers = broker.address
        self.s.write_conf()
        self.s.create_topics()
        return broker

    def load(self, n=4):
        threads = [Load(self.s, seed) for seed in range(n)]
        for t in threads:
            t.start()
            self.addCleanup(t.join)
            self.addCleanup(t.done.set)
        return threads

    def more(self, threads, n=200):
        """Waits until n more commands were accepted."""
        goal = sum(t.count() for t in threads) + n
        stack.wait(lambda: sum(t.count() for t in threads) >= goal, "%d commands" % n)

    def finish(self, threads):
        """Every 200 is in the topic once, where the reply said; every 503 is
        not there; anything else at most once."""
        for t in threads:
            t.done.set()
        for t in threads:
            t.join()
        written = {}
        for record in self.s.read(self.s.commands):
            written.setdefault(record.value.decode(), []).append(
                "%d:%d" % (record.partition, record.offset))
        for t in threads:
            for body, status, position in t.replies:
                places = written.pop(body, [])
                if status == 200:
                    self.assertEqual(places, [position or places[0]], body)
                elif status == 503:
                    self.assertEqual(places, [], body)
                else:
                    self.assertIn(status, (None, 504))
                    self.assertLessEqual(len(places), 1, body)
        self.assertEqual(written, {})

    def test_daemon_killed(self):
        s = self.s
        s.create_topics()
        s.start_daemon()
        s.start_nginx()
        threads = self.load()
        for n in range(4):
            self.more(threads)
            s.daemon.stop(signal.SIGKILL if n % 2 == 0 else signal.SIGTERM)
            s.start_daemon()
        self.more(threads)
        self.finish(threads)
        self.check()

    def test_nginx_reloaded_and_restarted(self):
        s = self.s
        s.create_topics()
        s.start_daemon()
        s.start_nginx(workers=2)
        threads = self.load()
        for signo in [signal.SIGHUP] * 3:
            self.more(threads)
            s.nginx.send(signo)
        self.more(threads)
        self.assertEqual(s.nginx.stop(signal.SIGQUIT), 0)
        s.start_nginx(workers=2)
        self.more(threads)
        self.finish(threads)
        self.check()

    def test_broker_killed(self):
        s = self.s
        broker = self.own_broker()
        s.start_daemon()
        s.start_nginx()
        threads = self.load()
        for signo in (signal.SIGKILL, signal.SIGTERM):
            self.more(threads)
            broker.stop(signo)
            broker.start()
            self.more(threads)
        self.finish(threads)
        self.assertTrue(s.daemon.running())
        self.check()

    def test_broker_away_at_start(self):
        s = self.s
        broker = self.own_broker()
        broker.stop(signal.SIGTERM)
        s.start_daemon(ready=False)
        stack.wait(lambda: s.logged("waiting for Kafka"), "a word about the broker")
        self.assertTrue(s.daemon.running())
        broker.start()
        stack.wait(lambda: s.logged("] processing "), "the daemon")
        s.produce(['{"action":"increase","sku":"A","qty":1}'])
        self.check()
        self.assertEqual(s.daemon.stop(signal.SIGTERM), 0)

    def test_stop_while_the_broker_is_away(self):
        s = self.s
        broker = self.own_broker()
        s.start_daemon()
        s.produce(['{"action":"increase","sku":"A","qty":1}'])
        s.wait_caught_up()
        os.kill(broker.process.p.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, broker.process.p.pid, signal.SIGCONT)
        self.assertEqual(s.daemon.stop(signal.SIGTERM), 0)
        self.assertIn("stopped, as asked", s.lines()[-1])


if __name__ == "__main__":
    stack.main()
