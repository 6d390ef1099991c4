#!/usr/bin/env python3
"""Ten thousand commands at once, while the brokers are away, or the daemon whose
outcomes they wait for: every one is answered when it is back, and what they took
of memory is given back."""

import json
import os
import resource
import selectors
import signal
import socket

import stack

N = 10000
MOST = 12            # KiB for each, see docs/http.md
SANITIZED = stack.BUILD.endswith("/sanitize")
POST = (b"POST /commands HTTP/1.1\r\nHost: x\r\n%sContent-Length: 39\r\n\r\n"
        b'{"action":"increase","sku":"A","qty":1}')
ACCEPTED = b'{"status":"accepted"}'


class Crowd(stack.Case):

    def setUp(self):
        super().setUp()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 2 * N
        if hard != resource.RLIM_INFINITY and hard < wanted:
            if os.getuid() != 0:
                self.skipTest("no more than %d open files are allowed" % hard)
            hard = wanted
        # nginx inherits it
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))

    def memory(self):
        """KiB of its own that the worker has."""
        with open("/proc/%d/status" % self.s.worker()) as f:
            return int(next(line for line in f if line.startswith("RssAnon")).split()[1])

    def waiting(self, how="waiting"):
        text = self.s.request("GET", "/metrics")[2]
        return next(int(line.split()[1]) for line in text.splitlines()
                    if line.startswith("warehouse_nginx_requests_%s " % how))

    def crowd(self, field=b""):
        """Connections with a command each."""
        connections = []
        for _ in range(N):
            c = socket.create_connection(("127.0.0.1", self.s.port))
            self.addCleanup(c.close)
            c.sendall(POST % field)
            connections.append(c)
        return connections

    def replies(self, connections):
        """The replies, as they come."""
        found = {c: b"" for c in connections}
        with selectors.DefaultSelector() as selector:
            for c in connections:
                selector.register(c, selectors.EVENT_READ)

            def read():
                for key, _ in selector.select(0.1):
                    data = key.fileobj.recv(4096)
                    found[key.fileobj] += data
                    if not data or found[key.fileobj].endswith(b"}"):
                        selector.unregister(key.fileobj)
                return not selector.get_map()

            stack.wait(read, "all replies", 3 * stack.DEADLINE)
        return list(found.values())

    def test_crowd(self):
        s = self.s
        broker = self.own_broker()
        s.start_daemon()
        s.start_nginx(connections=2 * N, extra="warehouse_kafka message.timeout.ms 300000;")
        self.assertEqual(s.post("increase", "A", 1)[0], 200)
        before = self.memory()
        sizes = []
        for n in 1, 2:
            broker.stop(signal.SIGTERM)
            connections = self.crowd()
            stack.wait(lambda: self.waiting() == N, "all to wait")
            most = self.memory()
            broker.start()
            self.assertEqual([r for r in self.replies(connections)
                              if not (r.startswith(b"HTTP/1.1 200 ") and r.endswith(ACCEPTED))], [])
            for c in connections:
                c.close()
            stack.wait(lambda: self.waiting() == 0, "nobody to wait")
            self.assertLess((most - before) / N, MOST * (10 if SANITIZED else 1))
            # the sanitizer holds freed memory back
            stack.wait(lambda: SANITIZED or self.memory() < before + (most - before) // 5,
                       "the memory to be given back")
            sizes.append((most, self.memory()))
            print("# round %d: %.1f KiB for each that waits; %d KiB before, %d while, %d after"
                  % (n, (most - before) / N, before, *sizes[-1]))
            s.wait_caught_up()
            self.assertEqual(s.items()[1], '[{"sku":"A","qty":%d}]' % (1 + n * N))
        self.check()

    def test_followers(self):
        """Each is told what became of its own command."""
        s = self.s
        s.create_topics()
        s.start_daemon()
        s.start_nginx(connections=2 * N, extra="warehouse_wait 300s;")
        self.assertEqual(s.post("increase", "A", 1)[0], 200)
        s.wait_caught_up()
        before = self.memory()
        self.assertEqual(s.daemon.stop(), 0)
        connections = self.crowd(b"Prefer: wait=300\r\n")
        stack.wait(lambda: self.waiting("following") == N, "all to wait")
        most = self.memory()
        s.start_daemon()
        told = []
        for reply in self.replies(connections):
            head, _, body = reply.partition(b"\r\n\r\n")
            self.assertTrue(head.startswith(b"HTTP/1.1 200 "), reply)
            told.append(json.loads(body))
        self.assertEqual({t["status"] for t in told}, {"applied"})
        self.assertEqual(sorted(t["stock"] for t in told), list(range(2, N + 2)))
        for c in connections:
            c.close()
        stack.wait(lambda: self.waiting("following") == 0, "nobody to wait")
        print("# %.1f KiB for each that waits" % ((most - before) / N))
        self.assertLess((most - before) / N, MOST * (10 if SANITIZED else 1))
        stack.wait(lambda: SANITIZED or self.memory() < before + (most - before) // 5,
                   "the memory to be given back")
        self.check()


if __name__ == "__main__":
    stack.main()
