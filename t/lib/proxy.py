"""A proxy on loopback between the daemon and a broker, which understands as
much of Kafka's protocol as it takes to spoil it: it knows each request by its
ApiKey and each response by the request that it answers.

A rule says what happens to which requests or responses:

    delay      passed on some seconds later, with all that comes behind
    hold       the same, but when release() is called; the broker's side stays
               open although the client has long gone
    drop       swallowed
    cut        the connection is cut instead of passing it on
    cut after  it is cut behind it
    half-open  from here on nothing of the connection is passed on, both ways
    edit       a response is passed on as the rule's function changes it

Everything seen is recorded; tests wait for it with conditions."""

import collections
import contextlib
import socket
import struct
import threading

PRODUCE, FETCH, LIST_OFFSETS, METADATA = 0, 1, 2, 3
OFFSET_FETCH, FIND_COORDINATOR, JOIN_GROUP, HEARTBEAT, SYNC_GROUP = 9, 10, 11, 12, 14
API_VERSIONS, DESCRIBE_CONFIGS = 18, 32
INIT_PRODUCER_ID, ADD_PARTITIONS, ADD_OFFSETS, END_TXN, TXN_OFFSET_COMMIT = 22, 24, 25, 26, 28

NAMES = {
    PRODUCE: "Produce", FETCH: "Fetch", LIST_OFFSETS: "ListOffsets", METADATA: "Metadata",
    OFFSET_FETCH: "OffsetFetch", FIND_COORDINATOR: "FindCoordinator", JOIN_GROUP: "JoinGroup",
    HEARTBEAT: "Heartbeat", SYNC_GROUP: "SyncGroup", API_VERSIONS: "ApiVersions",
    DESCRIBE_CONFIGS: "DescribeConfigs", INIT_PRODUCER_ID: "InitProducerId",
    ADD_PARTITIONS: "AddPartitionsToTxn", ADD_OFFSETS: "AddOffsetsToTxn", END_TXN: "EndTxn",
    TXN_OFFSET_COMMIT: "TxnOffsetCommit",
}

REQUEST, RESPONSE = "request", "response"
ACTIONS = ["delay", "hold", "drop", "cut", "cut after", "half-open"]

# responses that begin with throttle_time_ms and error_code, and the first
# version whose header has tagged fields (KIP-482)
WITH_ERROR = {INIT_PRODUCER_ID: 2, ADD_OFFSETS: 3, END_TXN: 3}

# error codes (Kafka protocol guide)
DUPLICATE_SEQUENCE_NUMBER = 46
INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE, INVALID_PRODUCER_ID_MAPPING = 47, 48, 49
PRODUCER_FENCED = 90

# error: of a response that begins with one; rule: the one that acted on it
Event = collections.namedtuple("Event", "key direction connection correlation error rule")


class Rule:
    """What happens to which requests or responses: those of key (None: of
    any), but for the first skip, up to count times (None: always), each with
    a chance where rnd is given."""

    def __init__(self, action, key, direction=REQUEST, skip=0, count=1, rnd=None, chance=0.5,
                 seconds=0, edit=None):
        """edit: is called with the response's frame, as bytearray, and its
        version."""
        assert action in ACTIONS or edit
        self.action = action
        self.key = key
        self.direction = direction
        self.skip = skip
        self.count = count
        self.rnd = rnd
        self.chance = chance
        self.seconds = seconds
        self.edit = edit
        self.gate = threading.Event()
        self.hits = []                 # events it acted on
        self.answers = []              # responses to requests it let through late

    def __str__(self):
        return "%s %s %s" % (self.action, NAMES.get(self.key, self.key), self.direction)

    def applies(self, key, direction):
        if direction != self.direction or self.key not in (None, key):
            return False
        if self.count is not None and len(self.hits) >= self.count:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        return self.rnd is None or self.rnd.random() < self.chance

    def release(self):
        self.gate.set()


class Proxy:
    """Listens on port for the broker at broker_port of loopback."""

    def __init__(self, port, broker_port):
        self.port = port
        self.broker_port = broker_port
        self.address = "127.0.0.1:%d" % port
        self.lock = threading.Lock()
        self.rules = []
        self.events = []
        self.connections = []
        self.silent = False
        self.listener = None
        self.listen()

    # what tests say

    def add(self, *args, **kwargs):
        """Adds a rule: see Rule."""
        rule = Rule(*args, **kwargs)
        with self.lock:
            self.rules.append(rule)
        return rule

    def clear(self):
        """Takes all rules away and lets go what they hold."""
        with self.lock:
            rules, self.rules = self.rules, []
        for rule in rules:
            rule.release()

    def seen(self, key, direction=REQUEST, error=None):
        """Events so far; with an error code, those that have it."""
        with self.lock:
            return [e for e in self.events if e.key == key and e.direction == direction
                    and error in (None, e.error)]

    def cut(self):
        """Cuts all connections."""
        with self.lock:
            connections = list(self.connections)
        for connection in connections:
            connection.cut()

    def half_open(self, new=False):
        """Nothing of the connections there are is passed on any more, nor of
        new ones if these are meant too."""
        with self.lock:
            self.silent = new
            for connection in self.connections:
                connection.silent = True

    def mend(self):
        """Half-open connections are cut, new ones work."""
        self.silent = False
        with self.lock:
            connections = [c for c in self.connections if c.silent]
        for connection in connections:
            connection.cut()

    def refuse(self):
        """Nobody listens any more, as if the broker were gone."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()

    def listen(self):
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def reset(self):
        """As new, for the next test."""
        self.mend()
        self.clear()
        self.cut()
        with self.lock:
            self.events = []

    # its threads

    def accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                client = listener.accept()[0]
                try:
                    broker = socket.create_connection(("127.0.0.1", self.broker_port))
                except OSError:
                    client.close()
                    continue
                connection = Connection(self, client, broker)
                with self.lock:
                    connection.silent = self.silent
                    self.connections.append(connection)
                threading.Thread(target=connection.run, daemon=True).start()

    def judge(self, connection, direction, key, correlation, error=None):
        """Records an event, with the rule to act by."""
        with self.lock:
            rule = next((r for r in self.rules if r.applies(key, direction)), None)
            event = Event(key, direction, connection, correlation, error, rule)
            self.events.append(event)
            if rule:
                rule.hits.append(event)
            return event

    def forget(self, connection):
        with self.lock:
            if connection in self.connections:
                self.connections.remove(connection)


class Connection:
    """One of the client's and the one to the broker that belongs to it; each
    direction has a thread."""

    def __init__(self, proxy, client, broker):
        self.proxy = proxy
        self.client = client
        self.broker = broker
        self.waiting = {}              # correlation id -> (key, version)
        self.late = {}                 # of requests that are passed on late -> rule
        self.silent = False
        self.client_gone = False
        self.over = threading.Event()
        for s in (client, broker):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def run(self):
        responses = threading.Thread(target=self.pump, args=(self.response,), daemon=True)
        responses.start()
        self.pump(self.request)
        responses.join()
        self.client.close()
        self.broker.close()
        self.proxy.forget(self)

    def cut(self):
        self.over.set()
        for s in (self.client, self.broker):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def pump(self, step):
        with contextlib.suppress(OSError):
            while not self.over.is_set() and step():
                pass
        if self.silent:
            self.over.wait()           # one end has gone: the other is not told
            return
        if step == self.request:
            self.client_gone = True
            if self.late and not self.over.is_set():
                return                 # what was held is on its way all the same
        self.cut()

    def request(self):
        """Passes one on; returns whether the connection goes on."""
        frame = receive(self.client)
        if frame is None:
            return False
        if self.silent:
            return True
        key, version, correlation = struct.unpack_from(">hhi", frame, 4)
        rule = self.proxy.judge(self, REQUEST, key, correlation).rule
        action = rule and rule.action
        if action in ("delay", "hold"):
            self.late[correlation] = rule
            self.linger(rule)
        if action == "half-open":
            self.silent = True
        if action == "cut" or self.over.is_set():
            self.cut()
        elif action not in ("drop", "half-open"):
            self.waiting[correlation] = key, version
            self.broker.sendall(frame)
        if action == "cut after":
            self.cut()
        return True

    def response(self):
        """The same for a response."""
        frame = receive(self.broker)
        if frame is None:
            return False
        if self.silent:
            return True
        correlation, = struct.unpack_from(">i", frame, 4)
        key, version = self.waiting.pop(correlation)
        event = self.proxy.judge(self, RESPONSE, key, correlation,
                                 error_code(frame, key, version))
        if correlation in self.late:
            self.late.pop(correlation).answers.append(event)
        action = event.rule and event.rule.action
        if action in ("delay", "hold"):
            self.linger(event.rule)
        if action == "edit":
            event.rule.edit(frame, version)
        if action == "half-open":
            self.silent = True
        if action == "cut" or self.over.is_set():
            self.cut()
        elif action not in ("drop", "half-open") and not self.client_gone:
            with contextlib.suppress(OSError):
                self.client.sendall(frame)
        if action == "cut after":
            self.cut()
        return self.late or not self.client_gone

    def linger(self, rule):
        """Waits as long as the rule says, or until the connection is cut."""
        if rule.action == "delay":
            self.over.wait(rule.seconds)
        while rule.action == "hold" and not rule.gate.wait(0.1) and not self.over.is_set():
            pass


def receive(s):
    """The next frame with its size in front, or None at the end."""
    head = receive_exactly(s, 4)
    body = head and receive_exactly(s, struct.unpack(">i", head)[0])
    return head + body if body else None


def receive_exactly(s, size):
    data = bytearray(size)
    view = memoryview(data)
    while view:
        n = s.recv_into(view)
        if n == 0:
            return None
        view = view[n:]
    return data


def error_code(frame, key, version):
    if key not in WITH_ERROR:
        return None
    # size, correlation id, an empty set of tagged fields, throttle_time_ms
    at = 4 + 4 + (version >= WITH_ERROR[key]) + 4
    return struct.unpack_from(">h", frame, at)[0]


def duplicate_sequence_number(frame, version):
    """For edit: has the first partition of a ProduceResponse say that the
    brokers have the batch, and not where."""
    at = 4 + 4                         # size, correlation id
    if version >= 9:                   # tagged fields, compact lengths (KIP-482)
        at, _ = varint(frame, at + 1)
        at, length = varint(frame, at)
        at, _ = varint(frame, at + length - 1)
    else:
        length, = struct.unpack_from(">h", frame, at + 4)
        at += 4 + 2 + length + 4
    # partition, error code, base offset, log append time
    struct.pack_into(">hqq", frame, at + 4, DUPLICATE_SEQUENCE_NUMBER, -1, -1)


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7f) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return at, value
