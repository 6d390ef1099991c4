#!/usr/bin/env python3
"""Faults around the module, under load: the broker killed and stopped, nginx's
workers killed, nginx reloaded, stopped and upgraded.  Clients may see no more
of it than they were promised."""

import contextlib
import http.client
import os
import signal

import fault
import stack


# where no command may fail, however slow the machine is
PATIENT = "warehouse_kafka message.timeout.ms 25000; "


def times(n):
    return 10 * n if fault.LONG else n


class Keeping(fault.Poster):
    """Keeps its connection.  nginx may close that between two requests, while
    the next one is already on its way: it was not read then, and is sent again
    on a new connection, where nothing may go wrong any more."""

    def post(self, body, headers):
        fresh = self.connection is None
        try:
            return super().post(body, headers)
        except ConnectionError:        # without a byte of a reply: RemoteDisconnected is one
            if fresh:
                raise
            self.leave()
            return super().post(body, headers)


class Passing(fault.Poster):
    """A new connection for each command; none may fail."""

    def post(self, body, headers):
        try:
            return super().post(body, headers)
        finally:
            self.leave()


class Module(fault.Case):

    def start(self, clients=(fault.Poster,) * 4, **nginx):
        """Daemon, nginx with two workers, traffic.  Posters are of the kinds
        given and do not pause."""
        s = self.s
        s.start_daemon()
        s.start_nginx(workers=2, **nginx)
        self.start_traffic(posters=0)
        self.posters = [kind(s, n, self.keys) for n, kind in enumerate(clients)]
        for poster in self.posters:
            poster.start()

    def sent(self):
        """more() is to wait for commands that the module accepted."""
        return sum(p.accepted() for p in self.posters)

    @staticmethod
    def statuses(poster, since=0):
        return {status for _, status, _ in poster.replies[since:]}

    def all_statuses(self):
        return set().union(*map(self.statuses, self.posters))

    def wait_workers(self, old=(), master=None):
        """Two workers, none of them an old one."""
        stack.wait(lambda: len(set(self.s.workers(master)) - set(old)) == 2, "the workers")

    def hup(self):
        old = self.s.workers()
        self.s.nginx.send(signal.SIGHUP)
        self.wait_workers(old)

    def check_accepted(self):
        """Not one request saw that anything happened to nginx."""
        for p in self.posters:
            for body, status, position in p.replies:
                self.assertEqual(status, 200, body)
                self.assertIsNotNone(position, body)

    def logged(self, *texts):
        """How often the error log has one of the texts."""
        with open(self.s.dir + "/nginx/error.log") as f:
            return sum(any(text in line for text in texts) for line in f)

    def check_log(self):
        """No worker crashed or left sockets open."""
        self.assertEqual(self.logged("[emerg]", "[alert]", "[crit]"), 0)

    def check_unread(self):
        """What got no answer was never read: it is not in the topic."""
        written = {r.value for r in self.s.read(self.s.commands)}
        for p in self.posters:
            for body, status, _ in p.replies:
                if status is None:
                    self.assertNotIn(body.encode(), written)

    # the broker

    def test_broker_killed(self):
        # every other time nginx reloads: its old workers wait for answers, the
        # new ones begin without a broker
        s = self.s
        broker = self.own_broker()
        self.start([Keeping] * 2 + [Passing] * 2)
        for n in range(times(2)):
            self.more(200)
            broker.stop()
            if n % 2 == 1:
                self.hup()
            broker.start()
            self.more(200)
        self.finish()
        self.assertLessEqual(self.all_statuses(), {200, 503, 504})
        self.assertTrue(s.daemon.running())
        self.check_log()

    def test_broker_stopped_past_the_timeout(self):
        # what was sent gets 504, what was not 503
        s = self.s
        broker = self.own_broker()
        self.start(extra="warehouse_kafka message.timeout.ms 1000;")
        for _ in range(times(1)):
            self.more(200)
            seen = [(p, len(p.replies)) for p in self.posters]
            broker.process.send(signal.SIGSTOP)
            stack.wait(lambda: all({503, 504} & self.statuses(p, n) for p, n in seen)
                       and {503, 504} <= set().union(*[self.statuses(p, n) for p, n in seen]),
                       "failures of both kinds")
            broker.process.send(signal.SIGCONT)
            self.more(200)
        self.finish()
        self.assertLessEqual(self.all_statuses(), {200, 503, 504})
        self.assertTrue(s.daemon.running())

    # nginx

    def test_workers_killed(self):
        # with this linger.ms there are commands at any time that only
        # librdkafka has
        s = self.s
        s.create_topics()
        self.start(extra=PATIENT + "warehouse_kafka linger.ms 20;")
        for n in range(times(6)):
            self.more(50)
            old = s.workers()
            for pid in old[:1] if n % 2 else old:
                os.kill(pid, signal.SIGKILL)
            self.wait_workers(old[:1] if n % 2 else old)
        self.more(50)
        self.finish()
        self.assertLessEqual(self.all_statuses(), {200, None})

    def test_reloads(self):
        s = self.s
        s.create_topics()
        self.start([Keeping] * 3 + [Passing] * 3, extra=PATIENT)
        for _ in range(times(20)):
            self.more(50)
            self.hup()
        self.more(50)
        self.finish()
        self.check_accepted()
        self.check_log()

    def test_quit(self):
        # as long as the broker is stopped, requests are in flight, and what
        # librdkafka sent is sent again, so the broker gets it twice
        s = self.s
        broker = self.own_broker()
        port, = stack.free_ports()
        extra = (PATIENT + "warehouse_kafka socket.timeout.ms 1000; "
                 "server { listen 127.0.0.1:%d; stub_status; }" % port)

        def writing():
            """Includes the request that asks, and maybe the reader's."""
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port,
                                                               timeout=30)) as connection:
                connection.request("GET", "/")
                text = connection.getresponse().read()
                return int(text.split(b"Writing: ")[1].split()[0])

        self.start([Keeping] * 8, extra=extra)
        for _ in range(times(1)):
            self.more(200)
            again = self.logged("Timed out ProduceRequest")
            broker.process.send(signal.SIGSTOP)
            stack.wait(lambda: writing() >= len(self.posters), "requests in flight")
            stack.wait(lambda: self.logged("Timed out ProduceRequest") > again, "a second try")
            seen = [(p, len(p.replies)) for p in self.posters]
            s.nginx.send(signal.SIGQUIT)
            stack.wait(self.refused, "nginx to close its ports")
            broker.process.send(signal.SIGCONT)
            self.assertEqual(s.nginx.stop(signal.SIGQUIT), 0)
            stack.wait(lambda: all(len(p.replies) > n for p, n in seen), "answers")
            answers = [p.replies[n][1] for p, n in seen]
            self.assertGreaterEqual(answers.count(200), len(seen) - 2, answers)
            s.start_nginx(workers=2, extra=extra)
            self.more(200)
        self.finish()
        self.assertLessEqual(self.all_statuses(), {200, None})
        self.check_unread()
        self.check_log()

    def refused(self):
        try:
            self.s.request("GET", "/")
        except ConnectionRefusedError:
            return True
        except OSError:
            return False

    def test_upgrade(self):
        # by the procedure in nginx's manual; the first one is taken back
        s = self.s
        s.create_topics()
        self.addCleanup(self.stop_masters)
        self.start([Keeping] * 3 + [Passing] * 3, extra=PATIENT, daemon=True)
        group = s.nginx.pid
        for n in range(times(2)):
            old, new = s.nginx, self.start_new_master()
            self.more(100)
            self.close_workers(old)
            self.more(100)
            if n % 2 == 0:
                old.send(signal.SIGHUP)
                self.wait_workers(master=old)
                self.more(100)
                new.stop(signal.SIGQUIT)
            else:
                self.assertEqual(old.stop(signal.SIGQUIT), 0)
                s.nginx = new
            stack.wait(lambda: s.nginx_pid() == s.nginx.pid, "the pid file")
            self.more(100)
        self.finish()
        self.check_accepted()
        self.assertEqual(s.nginx.stop(signal.SIGQUIT), 0)
        self.check_log()
        with self.assertRaises(ProcessLookupError):
            os.killpg(group, 0)        # they were in one group, and nobody is left

    def start_new_master(self):
        s = self.s
        s.nginx.send(signal.SIGUSR2)
        stack.wait(lambda: s.nginx_pid() not in (None, s.nginx.pid), "the new master")
        self.assertEqual(s.nginx_pid(".oldbin"), s.nginx.pid)
        new = stack.Adopted(s.nginx_pid())
        self.wait_workers(master=new)
        return new

    def close_workers(self, master):
        master.send(signal.SIGWINCH)
        stack.wait(lambda: not self.s.workers(master), "the old workers to leave")

    def stop_masters(self):
        """Whatever a test that failed has left."""
        for suffix in (".oldbin", ""):
            pid = self.s.nginx_pid(suffix)
            if pid:
                stack.Adopted(pid).stop()


if __name__ == "__main__":
    stack.main()
