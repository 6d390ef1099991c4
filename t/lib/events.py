"""A client of server-sent events, by the letter of the WHATWG's HTML standard
(§9.2.6), for GET /notifications."""

import collections
import socket
import time

Event = collections.namedtuple("Event", "type id data")


class Stream:
    """One connection; read() gives what has come."""

    def __init__(self, port, query="", last=None, headers=None, timeout=20, buffer=None):
        """last: Last-Event-ID.  buffer: of the socket, for a slow reader."""
        self.socket = socket.socket()
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))
        lines = ["GET /notifications%s HTTP/1.1" % query, "Host: localhost", "Connection: close",
                 "Accept: text/event-stream"]
        if last is not None:
            lines.append("Last-Event-ID: %s" % last)
        lines += ["%s: %s" % h for h in (headers or {}).items()]
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.raw = b""
        self.ended = False             # by the last chunk
        self.closed = False            # by the connection's end
        self.text = ""
        self.last = None               # the last event id
        self.begun = None              # the one before the first event; -1: none
        self.comments = 0
        self.events = []
        self.status = None
        self.headers = {}
        self.head()

    def head(self):
        while b"\r\n\r\n" not in self.raw:
            self.receive()
            assert not self.closed, self.raw
        head, self.raw = self.raw.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}
        self.chunks()

    def receive(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.closed = data == b""
        self.raw += data

    def chunks(self):
        if self.status != 200:
            return
        while b"\r\n" in self.raw:
            size, rest = self.raw.split(b"\r\n", 1)
            n = int(size, 16)
            if len(rest) < n + 2:
                break
            assert rest[n:n + 2] == b"\r\n", rest
            self.raw = rest[n + 2:]
            self.ended = self.ended or n == 0
            self.body = getattr(self, "body", b"") + rest[:n]
        self.blocks()

    def blocks(self):
        text = getattr(self, "body", b"")
        while b"\n\n" in text:
            block, text = text.split(b"\n\n", 1)
            self.block(block.decode())
        self.body = text

    def block(self, block):
        kind, data = "message", []
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "":
                self.comments += line.startswith(":")
            elif name == "id":
                self.last = int(value)
            elif name == "event":
                kind = value
            elif name == "data":
                data.append(value)
            else:
                assert name == "retry", block
        if self.begun is None and (data or self.last is not None):
            self.begun = -1 if data else self.last
        if data:
            self.events.append(Event(kind, self.last, "\n".join(data)))

    def step(self):
        """Receives something."""
        self.receive()
        self.chunks()

    def wait(self, n):
        """Until there are n events, a minute at most; returns them."""
        deadline = time.monotonic() + 60
        while len(self.events) < n:
            # heartbeats go on
            assert time.monotonic() < deadline, "%d events, not %d" % (len(self.events), n)
            assert not self.closed, "closed after %d events" % len(self.events)
            self.step()
        return self.events[:n]

    def close(self):
        self.socket.close()
