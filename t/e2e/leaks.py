#!/usr/bin/env python3
"""Clients that go away in mid-request leave nothing behind in a worker."""

import contextlib
import os
import socket
import struct

import stack

POST = (b"POST /commands HTTP/1.1\r\nHost: x\r\nContent-Length: 39\r\n\r\n"
        b'{"action":"increase","sku":"A","qty":1}')
GET = b"GET /items HTTP/1.1\r\nHost: x\r\n\r\n"
ROUND = 3000


class Leaks(stack.Case):

    def leave(self, request):
        """Sends a request and resets the connection without reading."""
        with contextlib.closing(socket.create_connection(("127.0.0.1", self.s.port))) as c:
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            c.sendall(request)

    def memory(self):
        """Resident KiB of the worker, once it has nothing left to do."""
        self.assertEqual(self.s.request("GET", "/items")[0], 200)
        with open("/proc/%d/status" % self.s.worker()) as f:
            return int(next(line for line in f if line.startswith("VmRSS")).split()[1])

    def descriptors(self):
        return len(os.listdir("/proc/%d/fd" % self.s.worker()))

    @stack.unittest.skipIf(stack.BUILD.endswith("/sanitize"),
                           "the sanitizer holds freed memory back")
    def test_clients_that_leave(self):
        s = self.s
        s.create_topics()
        s.start_daemon()
        s.start_nginx()
        self.assertEqual(s.post("increase", "A", 1)[0], 200)
        sizes, files = [], []
        for _ in range(5):
            for n in range(ROUND):
                self.leave(POST if n % 2 else GET)
            s.wait_caught_up()
            sizes.append(self.memory())
            stack.wait(lambda: not files or self.descriptors() <= files[0],
                       "the connections to be closed")
            files.append(self.descriptors())
        # a request's pool has 4 KiB, so one lost in ten would show in each
        # round; how many wait at the same time differs from one to the other
        growth = min(b - a for a, b in zip(sizes[1:], sizes[2:]))
        self.assertLess(growth, ROUND * 4 // 10, sizes)
        self.check()


if __name__ == "__main__":
    stack.main()
