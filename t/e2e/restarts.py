#!/usr/bin/env python3
"""Each part stopped and started again in mid-stream."""

import os
import signal

import fault
import stack


class Restarts(fault.Case):

    keys = False

    def test_daemon_killed(self):
        s = self.s
        s.create_topics()
        s.start_daemon()
        s.start_nginx()
        self.start_traffic(posters=4, writers=0, pause=0)
        for n in range(4):
            self.more(200)
            s.daemon.stop(signal.SIGKILL if n % 2 == 0 else signal.SIGTERM)
            s.start_daemon()
        self.more(200)
        self.finish()

    def test_nginx_reloaded_and_restarted(self):
        s = self.s
        s.create_topics()
        s.start_daemon()
        s.start_nginx(workers=2)
        self.start_traffic(posters=4, writers=0, pause=0)
        for signo in [signal.SIGHUP] * 3:
            self.more(200)
            s.nginx.send(signo)
        self.more(200)
        self.assertEqual(s.nginx.stop(signal.SIGQUIT), 0)
        s.start_nginx(workers=2)
        self.more(200)
        self.finish()

    def test_broker_killed(self):
        s = self.s
        broker = self.own_broker()
        s.start_daemon()
        s.start_nginx()
        self.start_traffic(posters=4, writers=0, pause=0)
        for signo in (signal.SIGKILL, signal.SIGTERM):
            self.more(200)
            broker.stop(signo)
            broker.start()
            self.more(200)
        self.finish()
        self.assertTrue(s.daemon.running())

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
