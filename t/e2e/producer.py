#!/usr/bin/env python3
"""The module's producer: it is refused by the brokers, waits for a name that
nobody answers for, or hears that a batch was there already.  One broker for
all tests, with ACLs, behind a proxy."""

import concurrent.futures
import contextlib
import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import threading
import time

from kafka.admin import (ACL, ACLFilter, ACLOperation, ACLPermissionType, ACLResourcePatternType,
                         ResourcePattern, ResourcePatternFilter, ResourceType)

import proxy
import stack

POST = '{"action":"increase","sku":"A","qty":1}'
INTERNALS = "(?i)rd_?kafka|producer|idempot|fatal|authori|cluster|transaction|acl"

CLUSTER = ResourceType.CLUSTER, "kafka-cluster"
TOPICS = ResourceType.TOPIC, "*"
# either of the two would do to get one
NO_PRODUCER_ID = (ACLOperation.IDEMPOTENT_WRITE, CLUSTER), (ACLOperation.WRITE, TOPICS)

SLOW = "slow.invalid:9092,slow.invalid:9093"     # see t/lib/slow_lookup.c
LOOKUP = 30                                      # seconds that one takes


class Asker(threading.Thread):
    """Sends one request after another, until done is set."""

    def __init__(self, s, pause, *request):
        super().__init__(daemon=True)
        self.s = s
        self.pause = pause
        self.what = request
        self.done = threading.Event()
        self.replies = []              # (status or None, headers, body)
        self.longest = 0
        self.start()

    def run(self):
        while not self.done.is_set():
            begin = time.monotonic()
            try:
                reply = self.s.request(*self.what, timeout=2 * LOOKUP)
            except (OSError, http.client.HTTPException):
                reply = None, {}, ""
            self.longest = max(self.longest, time.monotonic() - begin)
            self.replies.append(reply)
            self.done.wait(self.pause)


class Producer(stack.Case):

    @classmethod
    def setUpClass(cls):
        cls.broker = stack.Broker(os.environ["WAREHOUSE_TEST_DIR"] + "/producer-%d" % os.getpid())
        through, behind = stack.free_ports(1)
        cls.broker.extra = "\n".join([
            "listeners=PLAINTEXT://%s,CONTROLLER://127.0.0.1:%d,PROXIED://127.0.0.1:%d"
            % (cls.broker.address, cls.broker.controller, behind),
            "advertised.listeners=PLAINTEXT://%s,PROXIED://127.0.0.1:%d"
            % (cls.broker.address, through),
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,"
            "PROXIED:PLAINTEXT",
            "inter.broker.listener.name=PLAINTEXT",
            "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found=true",
        ])
        cls.addClassCleanup(cls.broker.stop)
        cls.proxy = proxy.Proxy(through, behind)
        cls.broker.start()
        cls.shim = cls.broker.directory + "-slow_lookup.so"
        subprocess.check_call(["cc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", cls.shim,
                               stack.ROOT + "/t/lib/slow_lookup.c"])

    def setUp(self):
        self.addCleanup(self.proxy.reset)
        super().setUp()
        self.s.brokers = self.broker.address
        self.s.create_topics()

    # helpers

    def start(self, extra="", slow=False):
        """slow: the proxy listens only once a name that takes its time is being
        looked up, so that it always is."""
        brokers, env = self.proxy.address, {}
        flag = self.s.dir + "/lookup"
        if slow:
            brokers += "," + SLOW
            env = {"LD_PRELOAD": self.shim, "SLOW_LOOKUP": flag}
            extra += " warehouse_kafka reconnect.backoff.max.ms 200;"
            self.proxy.refuse()
        try:
            self.s.start_nginx(brokers=brokers, extra=extra, env=env)
            if slow:
                stack.wait(lambda: os.path.exists(flag), "the lookup", LOOKUP)
                os.unlink(flag)
        finally:
            if slow:
                self.proxy.listen()

    def lines(self, *texts):
        """The lines of the error log that have all of the texts."""
        with open(self.s.dir + "/nginx/error.log") as f:
            return [line for line in f if all(text in line for text in texts)]

    def bad_lines(self):
        return [line for level in ("error", "crit", "alert", "emerg")
                for line in self.lines("[%s]" % level)]

    def ask(self, pause, *request):
        asker = Asker(self.s, pause, *request)
        self.addCleanup(asker.join)
        self.addCleanup(asker.done.set)
        return asker

    def accepted(self):
        return self.s.request("POST", "/commands", POST)[0] == 200

    def ends(self, signo):
        """Within seconds, by itself, although a lookup goes on."""
        begin = time.monotonic()
        self.s.nginx.send(signo)
        try:
            status = self.s.nginx.p.wait(LOOKUP + stack.DEADLINE)
        finally:
            took = time.monotonic() - begin
        self.assertEqual(status, 0)
        self.assertLess(took, 5, "seconds after %s" % signo.name)
        self.assertEqual(self.lines("[alert]"), [], "a worker had to be killed")

    def refuse(self, *denied):
        """What this user may no longer do, as (operation, resource)."""
        acls = [self.acl(ACLOperation.ALL, ACLPermissionType.ALLOW, *what) for _, what in denied]
        acls += [self.acl(operation, ACLPermissionType.DENY, *what) for operation, what in denied]
        self.addCleanup(self.permit)
        with self.s.admin() as admin:
            self.assertEqual(len(admin.create_acls(acls)["succeeded"]), len(acls))
        stack.wait(lambda: self.acls() == len(acls), "the ACLs")

    @staticmethod
    def acl(operation, permission, kind, name):
        return ACL("User:ANONYMOUS", "*", operation, permission, ResourcePattern(kind, name))

    def permit(self):
        with self.s.admin() as admin:
            admin.delete_acls([self.any_acl()])
        stack.wait(lambda: self.acls() == 0, "the ACLs to go")

    def acls(self):
        with self.s.admin() as admin:
            return len(admin.describe_acls(self.any_acl())[0])

    @staticmethod
    def any_acl():
        return ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ANY,
                         ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY))

    # tests

    def test_no_producer_id(self):
        """Waiting will not help, so clients are not told to; the brokers are
        not asked again with every request, and the log has it once."""
        self.refuse(*NO_PRODUCER_ID)
        self.start()
        worker = self.s.worker()
        posters = [self.ask(0.05, "POST", "/commands", POST) for _ in range(4)]
        begin = time.monotonic()
        stack.wait(lambda: time.monotonic() - begin > 5
                   and sum(len(p.replies) for p in posters) >= 200, "200 requests")
        seconds = time.monotonic() - begin
        for poster in posters:
            poster.done.set()
            poster.join()
        created = self.lines("[info]", "warehouse: kafka: a producer was created")
        asked = self.proxy.seen(proxy.INIT_PRODUCER_ID)
        bad = self.bad_lines()
        replies = [r for p in posters for r in p.replies]
        print("# %d requests in %.1f s: %d producers created, %d ids asked for,"
              " %d lines at [error] and above"
              % (len(replies), seconds, len(created), len(asked), len(bad)))

        for status, headers, body in replies:
            self.assertEqual(status, 503)
            self.assertEqual(headers["Content-Type"], "application/problem+json")
            self.assertNotRegex(body, INTERNALS)
        self.assertGreaterEqual(len(created), 1)
        self.assertLessEqual(len(created), seconds + 2)
        self.assertLessEqual(len(asked), 2 * seconds + 2)       # some ask again
        self.assertLessEqual(len(bad), 3, bad[:4])
        self.assertGreaterEqual(len(bad), 1)
        self.assertEqual(self.s.end(self.s.commands), 0)
        self.assertEqual(self.lines("works again"), [])
        self.assertEqual({headers["Retry-After"] for _, headers, _ in replies}, {None})

        self.permit()
        stack.wait(self.accepted, "a command to be accepted", 15)
        self.assertEqual(self.s.worker(), worker)
        self.assertEqual(len(self.lines("[notice]", "warehouse: kafka: works again")), 1)
        # and it does not go on for ever
        created = len(self.lines("a producer was created"))
        for _ in range(20):
            self.assertTrue(self.accepted())
        self.assertEqual(len(self.lines("a producer was created")), created)

    def test_topic_forbidden(self):
        """Taken away while nginx runs, and given back."""
        self.start()
        self.assertTrue(self.accepted())
        self.refuse((ACLOperation.WRITE, TOPICS))
        for _ in range(40):
            status, headers, body = self.s.request("POST", "/commands", POST)
            self.assertEqual((status, headers["Content-Type"]), (503, "application/problem+json"))
            self.assertNotRegex(body, INTERNALS)
        bad = self.bad_lines()
        self.assertLessEqual(len(bad), 5, "%d lines at [error] for 40 requests" % len(bad))
        self.assertGreaterEqual(len(bad), 1)
        self.permit()
        stack.wait(self.accepted, "a command to be accepted", 15)
        self.assertEqual(len(self.lines("[notice]", "warehouse: kafka: works again")), 1)

    def test_lookup_that_hangs(self):
        for signo in (signal.SIGQUIT, signal.SIGTERM):
            self.start(slow=True)
            asker = self.ask(0.02, "GET", "/items")
            stack.wait(self.accepted, "a command to be accepted")
            for _ in range(20):
                self.assertTrue(self.accepted())
            asker.done.set()
            asker.join()
            self.assertEqual({status for status, _, _ in asker.replies}, {503})
            self.assertLess(asker.longest, 3, "seconds for GET /items")
            self.ends(signo)

    def test_reload_while_a_lookup_hangs(self):
        self.start(slow=True)
        stack.wait(self.accepted, "a command to be accepted")
        old = self.s.worker()
        self.s.nginx.send(signal.SIGHUP)
        begin = time.monotonic()
        stack.wait(lambda: self.s.workers() and old not in self.s.workers()
                   and not os.path.exists("/proc/%d" % old), "the old worker to leave")
        self.assertLess(time.monotonic() - begin, 5, "seconds after SIGHUP")
        stack.wait(self.accepted, "a command to be accepted by the new worker")
        self.assertEqual(self.lines("[alert]"), [])

    def test_replaced_while_a_lookup_hangs(self):
        self.refuse(*NO_PRODUCER_ID)
        self.start(slow=True)
        asker = self.ask(0.02, "GET", "/items")
        posters = [self.ask(0.05, "POST", "/commands", POST) for _ in range(2)]
        begin = time.monotonic()
        stack.wait(lambda: len(self.proxy.seen(proxy.INIT_PRODUCER_ID)) >= 4
                   or time.monotonic() - begin > LOOKUP / 2, "some producers")
        for thread in [asker] + posters:
            thread.done.set()
            thread.join()
        self.assertLess(asker.longest, 3, "seconds for GET /items")
        self.assertEqual({status for p in posters for status, _, _ in p.replies}, {503})
        self.permit()
        stack.wait(self.accepted, "a command to be accepted", 3 * stack.DEADLINE)
        self.ends(signal.SIGQUIT)

    def test_a_batch_that_was_there(self):
        """The brokers do not say where it is, so nobody is told."""
        sizes = [10, 1300]
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < 3 * max(sizes):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.start(extra="warehouse_kafka linger.ms 1500;")
        self.assertTrue(self.accepted())
        made_up = []
        for n in sizes:
            rule = self.proxy.add("edit", proxy.PRODUCE, proxy.RESPONSE, count=None,
                                  edit=proxy.duplicate_sequence_number)
            replies = self.post_at_once(n)
            self.assertEqual(len(rule.hits), 1, "they did not come in one batch")
            self.assertEqual({(status, body) for status, _, body in replies},
                             {(200, b'{"status":"accepted"}')})
            made_up.append(sum(position is not None for _, position, _ in replies))
            self.proxy.clear()

        # all are there, and the next one's place is known again
        status, headers, _ = self.s.request("POST", "/commands", POST)
        self.assertEqual((status, headers["Warehouse-Position"]), (200, "0:%d" % (1 + sum(sizes))))
        self.assertEqual(made_up, [0, 0], "positions made up in batches of %s" % sizes)

    def test_written_and_not_answered(self):
        """When the first of some commands is not waited for any longer, the brokers
        have the others, too, and the answers are lost: none is written again."""
        s = self.s
        self.start(extra="warehouse_kafka message.timeout.ms 2000;")
        self.assertEqual(s.post("increase", "before", 1)[0], 200)
        lost = self.proxy.add("drop", proxy.PRODUCE, proxy.RESPONSE, count=None)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            replies = []
            for n in range(4):
                replies.append(pool.submit(s.post, "increase", "lost", n + 1))
                stack.wait(lambda n=n: s.end(s.commands) == n + 2, "the command to be written")
                time.sleep(0.3)                # apart from the others
            stack.wait(lambda: lost.hits, "an answer to be lost")
            self.proxy.clear()
            statuses = [reply.result()[0] for reply in replies]
        # whatever it has it sends before
        self.assertEqual(s.post("increase", "after", 1)[0], 200)
        written = [json.loads(r.value) for r in s.read(s.commands)]
        self.assertEqual([(c["sku"], c["qty"]) for c in written],
                         [("before", 1), *(("lost", n + 1) for n in range(4)), ("after", 1)])
        self.assertEqual(statuses, [504] * 4)

    def test_no_answers(self):
        """Another producer takes over, and goes on until it reaches a broker; what
        waited for an answer may have been written, what came later was not."""
        self.start(extra="warehouse_kafka message.timeout.ms 1000;")
        self.assertTrue(self.accepted())
        self.proxy.half_open(new=True)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            first = pool.submit(self.s.request, "POST", "/commands", POST)
            stack.wait(lambda: len(self.lines("a producer was created")) == 2
                       or self.s.request("POST", "/commands", POST)[0] == 200, "another one")
            self.assertEqual(first.result()[0], 504)
        posters = [self.ask(0.1, "POST", "/commands", POST) for _ in range(3)]
        stack.wait(lambda: sum(len(p.replies) for p in posters) > 9, "their answers")
        self.proxy.mend()
        stack.wait(self.accepted, "a command to be accepted", 15)
        for poster in posters:
            poster.done.set()
            poster.join()
            self.assertLessEqual({status for status, _, _ in poster.replies}, {503, 200})
            self.assertLess(poster.longest, 3)
        self.assertEqual(len(self.lines("a producer was created")), 2)

    def post_at_once(self, n):
        request = ("POST /commands HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
                   % (len(POST), POST)).encode()
        replies = []
        with contextlib.ExitStack() as closing:
            clients = [closing.enter_context(socket.create_connection(("127.0.0.1", self.s.port)))
                       for _ in range(n)]
            for client in clients:
                client.sendall(request)
            for client in clients:
                client.settimeout(stack.DEADLINE)
                reply = http.client.HTTPResponse(client)
                reply.begin()
                replies.append((reply.status, reply.headers["Warehouse-Position"], reply.read()))
        return replies


if __name__ == "__main__":
    stack.main()
