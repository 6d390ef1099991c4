#!/usr/bin/env python3
"""The daemon's metrics, in the file beside its database."""

import json
import os
import re
import signal
import stat
import subprocess
import time

import stack


def samples(text):
    """{name with labels: value} of Prometheus' text."""
    return {m[1]: float(m[2]) for m in re.finditer(r"(?m)^([a-z_]+(?:\{[^}]*\})?) (\S+)$", text)}


class Metrics(stack.Case):

    def setUp(self):
        super().setUp()
        self.file = self.s.db + ".prom"

    def text(self):
        with open(self.file) as f:
            return f.read()

    def metrics(self):
        return samples(self.text())

    def wait_for(self, **wanted):
        """Until the metrics of the daemon, without their prefix, are these."""
        def all_there():
            if not os.path.exists(self.file):
                return None
            m = self.metrics()
            return all(m.get("warehouse_consumer_" + k) == v for k, v in wanted.items()) and m
        return stack.wait(all_there, "metrics " + str(wanted))

    def check(self):
        r = subprocess.run(["promtool", "check", "metrics"], input=self.text(),
                           capture_output=True, text=True)
        self.assertEqual((r.returncode, r.stdout + r.stderr), (0, ""))

    def test_figures(self):
        s = self.s
        s.partitions = 3
        s.create_topics()
        s.start_daemon()
        self.wait_for(**{'state{state="processing"}': 1})
        self.check()
        self.assertEqual(stat.S_IMODE(os.stat(self.file).st_mode),
                         stat.S_IMODE(os.stat(s.db).st_mode))
        begun = time.time()

        s.produce(['{"action":"increase","sku":"A","qty":5}', '{"action":"decrease","sku":"A","qty":9}',
                   '{"action":"decrease","sku":"B","qty":1}', "nonsense", '{"action":"increase","sku":"A","qty":1}'],
                  key=b"A")
        s.produce(['{"action":"increase","sku":"K","qty":1}'] * 2, key=b"K",
                  headers=[("idempotency-key", b"one")])
        s.wait_caught_up()                  # before its end is asked for
        m = self.wait_for(**{'commands_total{outcome="applied"}': 3,
                             'commands_total{outcome="refused"}': 2,
                             'commands_total{outcome="malformed"}': 1,
                             'commands_total{outcome="duplicate"}': 1,
                             "batch_commands_sum": 7, "idempotency_keys": 1, "outcomes": 7,
                             "notifications_position": s.end(s.notifications),
                             **{'lag_commands{topic="%s",partition="%d"}' % (s.commands, partition): 0
                                for partition in range(3)}})
        p = "warehouse_consumer_"
        self.assertEqual(sum(v for k, v in m.items() if k.startswith(p + "position{")), 7)
        self.assertEqual(m[p + "session_restarts_total"], 0)
        self.assertEqual(m[p + "conflicts_total"], 0)
        self.assertEqual(m[p + 'batch_commands_bucket{le="+Inf"}'], m[p + "batch_commands_count"])
        self.assertEqual(m[p + "batch_seconds_count"], m[p + "batch_commands_count"])
        self.assertLessEqual(m[p + 'batch_commands_bucket{le="1"}'], m[p + 'batch_commands_bucket{le="10"}'])
        self.assertGreater(m[p + "batch_seconds_sum"], 0)
        self.assertGreaterEqual(m[p + "last_progress_timestamp_seconds"], begun)
        self.assertLess(m[p + "start_time_seconds"], begun)
        self.assertEqual(sum(v for k, v in m.items() if k.startswith(p + "state{")), 1)
        stack.wait(lambda: self.metrics()[p + "wal_bytes"] == os.path.getsize(s.db + "-wal")
                   and self.metrics()[p + "database_bytes"] == os.path.getsize(s.db), "the sizes")
        self.check()

        # recovery: what it reads, and what was news
        s.daemon.stop()
        self.assertFalse(os.path.exists(self.file), "a daemon that has stopped has no metrics")
        s.remove_database()
        s.start_daemon()
        self.wait_for(**{'recovered_notifications_total{result="applied"}': 3,
                         'recovered_notifications_total{result="known"}': 0,
                         'commands_total{outcome="applied"}': 0,
                         "notifications_position": s.end(s.notifications)})

    def test_lag(self):
        """A daemon that stands still: its file gets old, and then tells the lag."""
        s = self.s
        s.create_topics()
        s.start_daemon(fail="kafka_committed:wait=3000")
        labels = '{topic="%s",partition="0"}' % s.commands
        s.produce(['{"action":"increase","sku":"A","qty":1}'])
        s.produce(['{"action":"increase","sku":"A","qty":1}'] * 9)
        stack.wait(lambda: s.processed() == 10, "all to be processed")
        m = self.wait_for(**{"lag_commands" + labels: 0, "position" + labels: 10})
        self.assertGreaterEqual(m['warehouse_consumer_batch_seconds_bucket{le="+Inf"}']
                                - m['warehouse_consumer_batch_seconds_bucket{le="2.5"}'], 1)

        s.daemon.send(signal.SIGSTOP)
        stack.wait(s.daemon.stopped, "the daemon to stand still")
        before = os.stat(self.file).st_mtime_ns
        s.produce(['{"action":"increase","sku":"A","qty":1}'] * 5)
        self.assertEqual(os.stat(self.file).st_mtime_ns, before)
        s.daemon.send(signal.SIGCONT)
        self.wait_for(**{"position" + labels: 15, "lag_commands" + labels: 0})

    def test_waiting(self):
        """Without brokers it says so, and its file is there all the same."""
        s = self.s
        s.write_conf(**{"kafka.bootstrap.servers": "127.0.0.1:1"})
        s.start_daemon(ready=False)
        m = self.wait_for(**{'state{state="waiting"}': 1, 'state{state="processing"}': 0})
        self.assertEqual([k for k in m if "lag" in k], [], "a lag that nobody knows")
        self.check()

    def test_brokers_silent(self):
        """A daemon that has nothing to do notices it, and that they are back."""
        broker = self.own_broker()
        self.s.start_daemon()
        lag = 'lag_commands{topic="%s",partition="0"}' % self.s.commands
        self.wait_for(**{'state{state="processing"}': 1, lag: 0})
        broker.process.send(signal.SIGSTOP)
        self.addCleanup(broker.process.send, signal.SIGCONT)
        self.wait_for(**{'state{state="waiting"}': 1, lag: None})
        broker.process.send(signal.SIGCONT)
        self.wait_for(**{'state{state="processing"}': 1, lag: 0})

    def test_busy(self):
        """Who works for longer than brokers may be silent has not lost them."""
        s = self.s
        s.create_topics()
        s.start_daemon(fail="kafka_committed:wait=12000")
        self.wait_for(**{'state{state="processing"}': 1})
        s.produce(['{"action":"increase","sku":"A","qty":1}'])
        states, written = set(), set()

        def look():
            states.update(re.findall(r'state="(\w+)"} 1', self.text()))
            written.add(os.stat(self.file).st_mtime_ns)
            return s.processed() == 1

        stack.wait(look, "the command")
        written.clear()
        stack.wait(lambda: look() and len(written) == 5, "its metrics of some seconds")
        self.assertEqual(states, {"processing"})

    def test_brokers_go(self):
        """A daemon that waits for them does not go on telling the last lag."""
        s = self.s
        s.create_topics()
        s.start_daemon(fail="polled:error@2,joined:wait=8000@2")
        lag = 'lag_commands{topic="%s",partition="0"}' % s.commands
        for n in range(2):
            s.produce(['{"action":"increase","sku":"A","qty":1}'])
            stack.wait(lambda: s.processed() > n or s.logged('failpoint "polled"'),
                       "a command or trouble")

        def gone():
            m = self.metrics()
            # brokers that have just been started may lead to one more
            return (m["warehouse_consumer_session_restarts_total"] >= 1
                    and "warehouse_consumer_" + lag not in m)

        stack.wait(gone, "no lag behind a restart")
        self.wait_for(**{'state{state="processing"}': 1, lag: 0})

    def test_through_nginx(self):
        """As conf/nginx.conf has it."""
        s = self.s
        s.create_topics()
        s.start_daemon()
        s.start_nginx(workers=2)
        for n in range(5):
            self.assertEqual(s.post("increase", "A", 1)[0], 200)
        stack.wait(lambda: s.processed() == 5, "the commands")
        self.wait_for(**{'commands_total{outcome="applied"}': 5})
        status, _, text = s.request("GET", "/metrics")
        self.assertEqual(status, 200)
        self.assertIn('warehouse_consumer_commands_total{outcome="applied"} 5\n', text)
        self.assertIn('warehouse_nginx_requests_total{location="commands",code="200"} 5\n', text)
        self.assertIn("warehouse_nginx_workers 2\n", text)
        r = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
        self.assertEqual((r.returncode, r.stdout + r.stderr), (0, ""))
        for path in "live", "reads", "writes":
            # the file is a second old, and may tell of a batch that was in hand
            stack.wait(lambda: self.healthy("/health/" + path), path)

        s.daemon.send(signal.SIGSTOP)
        stack.wait(s.daemon.stopped, "the daemon to stand still")
        stack.wait(lambda: s.request("GET", "/health/reads")[2].count('"failing"') == 1,
                   "the daemon to be missed")
        self.assertEqual(s.request("GET", "/health/reads")[0], 200)
        self.assertNotIn("warehouse_consumer_lag", s.request("GET", "/metrics")[2])
        s.daemon.send(signal.SIGCONT)

    def healthy(self, path):
        status, _, text = self.s.request("GET", path)
        health = json.loads(text)
        return status == 200 and health["daemon"]["status"] == "ok" and health.get("lag") == 0

    def test_cannot_be_written(self):
        """The daemon goes on, and the log says it once."""
        s = self.s
        s.create_topics()
        os.mkdir(self.file)
        s.start_daemon()
        s.produce(['{"action":"increase","sku":"A","qty":1}'])
        stack.wait(lambda: s.processed() == 1, "the command")
        stack.wait(lambda: s.logged("the metrics cannot be written"), "the log")
        os.rmdir(self.file)
        self.wait_for(**{'commands_total{outcome="applied"}': 1})
        self.assertEqual(len(s.logged("the metrics cannot be written")), 1)
        self.assertEqual(len(s.logged("the metrics are written again")), 1)


if __name__ == "__main__":
    stack.main()
