#!/usr/bin/env python3
"""A network and a broker that fail in the middle of everything: the daemon
goes on by itself, and every command takes effect and is notified once."""

import contextlib
import os
import signal
import threading
import time

from kafka import KafkaConsumer, TopicPartition

import fault
import proxy
import stack
from proxy import REQUEST, RESPONSE

SOCKET_TIMEOUT = 2                 # seconds
SESSION_TIMEOUT = 6
LANES = 9

# seconds after which the daemon no longer waits for the answer
TIMEOUT = {proxy.JOIN_GROUP: SESSION_TIMEOUT + 3}

PROPERTIES = {
    "kafka.socket.timeout.ms": SOCKET_TIMEOUT * 1000,
    "kafka.session.timeout.ms": SESSION_TIMEOUT * 1000,
    "kafka.max.poll.interval.ms": SESSION_TIMEOUT * 1000,
    "kafka.transaction.timeout.ms": SESSION_TIMEOUT * 1000,
    "kafka.heartbeat.interval.ms": 500,
    "kafka.reconnect.backoff.max.ms": 1000,
}

DROPS = [("drop", REQUEST), ("drop", RESPONSE)]
DELAYS = [("delay", REQUEST), ("delay", RESPONSE)]
CUTS = [("cut", REQUEST), ("cut", RESPONSE), ("cut after", RESPONSE)]

# sent when a session begins, and hardly later
AT_START = {proxy.INIT_PRODUCER_ID, proxy.FIND_COORDINATOR, proxy.JOIN_GROUP, proxy.OFFSET_FETCH,
            proxy.LIST_OFFSETS, proxy.METADATA, proxy.SYNC_GROUP, proxy.DESCRIBE_CONFIGS}

# what says that a request came too late, instead of doing anything
FENCED = {proxy.INVALID_PRODUCER_EPOCH, proxy.INVALID_PRODUCER_ID_MAPPING, proxy.PRODUCER_FENCED}

GOOD = '{"action":"increase","sku":"A","qty":1}'


class Network(fault.Case):

    lane = 0

    @classmethod
    def setUpClass(cls):
        """A broker with a listener for each lane, which advertises a proxy."""
        cls.broker = stack.Broker(os.environ["WAREHOUSE_TEST_DIR"] + "/network")
        ports = [stack.free_ports(1) for _ in range(LANES)]

        def listeners(which):
            return ["LANE%d://127.0.0.1:%d" % (n, pair[which]) for n, pair in enumerate(ports)]
        plain = "PLAINTEXT://" + cls.broker.address
        controller = "CONTROLLER://127.0.0.1:%d" % cls.broker.controller
        names = ["PLAINTEXT", "CONTROLLER"] + ["LANE%d" % n for n in range(LANES)]
        cls.broker.extra = "\n".join([
            "listeners=" + ",".join([plain, controller] + listeners(1)),
            "advertised.listeners=" + ",".join([plain] + listeners(0)),
            "listener.security.protocol.map=" + ",".join(n + ":PLAINTEXT" for n in names),
            "inter.broker.listener.name=PLAINTEXT",
            "transaction.abort.timed.out.transaction.cleanup.interval.ms=1000",
            # after SIGKILL the controller waits this long for the old process
            "broker.session.timeout.ms=2000",
            "broker.heartbeat.interval.ms=200",
        ])
        cls.addClassCleanup(cls.broker.stop)
        cls.proxies = [proxy.Proxy(*pair) for pair in ports]
        cls.broker.start()

    def setUp(self):
        self.proxy = self.proxies[self.lane]
        self.addCleanup(self.proxy.reset)
        super().setUp()
        self.s.brokers = self.broker.address
        self.configure()
        self.s.create_topics()

    def configure(self, **properties):
        self.s.write_conf(**{"kafka.bootstrap.servers": self.proxy.address, **properties})

    def go(self, properties=()):
        """Starts everything, with the small timeouts."""
        self.configure(**{**PROPERTIES, **dict(properties)})
        self.s.start_daemon()
        self.s.start_nginx()
        self.start_traffic(posters=1, pause=0.02)
        self.moves()

    def moves(self):
        """Waits until a command accepted from now on is processed."""
        replies = self.posters[0].replies
        n = len(replies) + 1           # one may be on its way
        position = stack.wait(lambda: next((p for _, _, p in replies[n:] if p), None),
                              "a command to be accepted", 120)
        offset = int(position.split(":")[1])
        stack.wait(lambda: self.revived() and self.s.positions()[0] > offset,
                   "command %d" % offset, 120)

    def revived(self):
        """True; librdkafka (seen with 2.0.2) aborts the process where a request of a
        transaction fails after that was given up: whoever watches it starts it anew."""
        process = self.s.daemon.p
        if process.poll() == -signal.SIGABRT:
            with open(self.s.dir + "/consumer.err") as f:
                self.assertIn("txn_req_cnt > 0' failed", f.read())
            print("# librdkafka has aborted the daemon", flush=True)
            self.s.start_daemon(ready=False)
        return True

    def hit(self, rule):
        stack.wait(lambda: rule.hits, str(rule), 120)

    def new_session(self):
        """A transaction whose end went without its answer begins one."""
        self.proxy.add("cut", proxy.END_TXN, RESPONSE)

    def others(self, n):
        """Cases of this class with a stack and a proxy of their own."""
        cases = [type(self)() for _ in range(n)]
        for lane, case in enumerate(cases, 1):
            case.lane = lane
            self.addCleanup(case.doCleanups)
            case.setUp()
        return cases

    def side_by_side(self, works):
        """Most of the time is spent waiting for timeouts: runs functions of a
        case at the same time, each with a case of its own."""
        threads = [Work(work, case) for work, case in zip(works, self.others(len(works)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for lane, thread in enumerate(threads, 1):
            if thread.trouble:
                thread.trouble.add_note("lane %d" % lane)
        troubles = [thread.trouble for thread in threads if thread.trouble]
        if troubles:
            raise BaseExceptionGroup("side by side", troubles)

    def stop_traffic(self):
        """At the end of a test, however far it came: the traffic ends and the
        next test begins with a broker."""
        self.broker.resume()
        super().stop_traffic()

    # single requests and responses

    def spoil(self, key, spoils=(*DROPS, *DELAYS, *CUTS)):
        """One after the other is spoilt, and the daemon goes on each time."""
        for action, direction in spoils:
            rule = self.proxy.add(action, key, direction,
                                  seconds=TIMEOUT.get(key, SOCKET_TIMEOUT) + 1)
            if key in AT_START:
                self.new_session()
            self.hit(rule)
            self.moves()

    def spoil_each(self, *spoils):
        def work(case):
            case.go()
            for spoil in spoils:
                case.spoil(*spoil)
            case.finish()
            case.assertTrue(case.s.daemon.running())
        return work

    def test_each_request_and_response(self):
        self.side_by_side([
            self.spoil_each([proxy.INIT_PRODUCER_ID], [proxy.PRODUCE]),
            self.spoil_each([proxy.ADD_PARTITIONS], [proxy.ADD_OFFSETS]),
            self.spoil_each([proxy.END_TXN], [proxy.TXN_OFFSET_COMMIT]),
            self.spoil_each([proxy.FIND_COORDINATOR], [proxy.FETCH]),
            self.spoil_each([proxy.OFFSET_FETCH], [proxy.HEARTBEAT]),
            self.spoil_each([proxy.LIST_OFFSETS], [proxy.METADATA]),
            self.spoil_each([proxy.JOIN_GROUP, DROPS]),
            self.spoil_each([proxy.JOIN_GROUP, DELAYS + CUTS]),
        ])

    # requests that come late

    def last_stable_offset(self):
        """Of notifications: in front of a transaction that is open."""
        consumer = KafkaConsumer(bootstrap_servers=self.s.brokers,
                                 isolation_level="read_committed")
        with contextlib.closing(consumer):
            part = TopicPartition(self.s.notifications, 0)
            return consumer.end_offsets([part])[part]

    def hold_open(self, key, stop=False):
        """Holds this request of a transaction that has notifications; stop: and
        the daemon stands still."""
        while True:
            rule = self.proxy.add("hold", key)
            self.hit(rule)
            if stop:
                self.s.daemon.send(signal.SIGSTOP)
            if self.last_stable_offset() < self.s.end(self.s.notifications):
                return rule
            rule.release()
            self.s.daemon.send(signal.SIGCONT)

    def test_end_of_a_transaction_comes_in_the_next(self):
        """The daemon has repeated EndTxn with success when the first one
        reaches the broker, where the next transaction is open."""
        s = self.s
        self.go()
        late = self.proxy.add("hold", proxy.END_TXN)
        self.hit(late)
        offsets = self.hold_open(proxy.TXN_OFFSET_COMMIT)
        self.assertTrue(self.proxy.seen(proxy.END_TXN, RESPONSE, error=0))
        stable = self.last_stable_offset()
        late.release()
        stack.wait(lambda: late.answers, "the answer to the late EndTxn")
        self.assertIn(late.answers[0].error, FENCED)
        self.assertEqual(self.last_stable_offset(), stable)
        self.assertTrue(s.logged("went without its answer: the producer is replaced"))
        offsets.release()
        self.moves()
        self.finish()

    def comes_late(self, key):
        """A request of a transaction, in the next one."""
        def work(case):
            s = case.s
            case.go()
            late = case.proxy.add("hold", key)
            case.hit(late)
            stack.wait(lambda: s.logged("the producer is replaced"), "a new producer")
            end = case.proxy.add("hold", proxy.END_TXN)
            case.hit(end)
            late.release()
            stack.wait(lambda: late.answers, "the answer to a late request")
            end.release()
            case.moves()
            case.finish()
        return work

    def join_comes_late(self):
        """To the group this looks like another process in our place."""
        s = self.s
        self.go()
        late = self.proxy.add("hold", proxy.JOIN_GROUP)
        ready = len(s.logged("] processing "))
        self.new_session()
        self.hit(late)
        stack.wait(lambda: len(s.logged("] processing ")) > ready, "another JoinGroup", 120)
        self.moves()
        late.release()
        stack.wait(lambda: s.logged("Static consumer fenced"), "the group to be mistaken")
        self.moves()
        self.finish()
        self.assertTrue(s.daemon.running())

    def both_look_replaced(self, away=False):
        """The same, while the process stands still in a transaction that times
        out: member and producer are fenced, and there is no other process; away:
        nor, for longer than a question may take, brokers that could say so."""
        s = self.s
        self.go({"kafka.transaction.timeout.ms": "2000"})
        late = self.proxy.add("hold", proxy.JOIN_GROUP)
        ready = len(s.logged("] processing "))
        self.new_session()
        self.hit(late)
        stack.wait(lambda: len(s.logged("] processing ")) > ready, "another JoinGroup", 120)
        self.moves()
        end = self.hold_open(proxy.END_TXN, stop=True)
        last = s.end(s.notifications)
        stack.wait(lambda: self.last_stable_offset() >= last, "the transaction to time out")
        late.release()
        stack.wait(lambda: late.answers, "the answer to the late JoinGroup")
        s.daemon.send(signal.SIGCONT)
        stack.wait(lambda: s.logged("Static consumer fenced"), "the group to be mistaken")
        stack.wait(lambda: s.logged("has been fenced by a newer"), "the producer to be fenced")
        if away:
            stack.wait(lambda: s.logged("to see whether another process is there"), "the question")
            self.proxy.refuse()
            stack.wait(lambda: s.logged('] group "'), "a question without an answer")
            self.proxy.listen()
        end.release()
        self.moves()
        self.finish()
        self.assertTrue(s.daemon.running())

    def test_other_requests_come_after_newer_ones(self):
        late = proxy.PRODUCE, proxy.ADD_PARTITIONS, proxy.ADD_OFFSETS, proxy.TXN_OFFSET_COMMIT
        self.side_by_side([
            Network.join_comes_late, Network.both_look_replaced,
            lambda case: case.both_look_replaced(away=True), *map(self.comes_late, late)])

    # connections

    def half_open(self):
        """New connections can be made meanwhile."""
        self.go()
        self.proxy.half_open()
        self.moves()
        self.proxy.mend()
        self.moves()
        self.finish()

    def parted(self):
        """They cannot."""
        self.go()
        for _ in range(5 if fault.LONG else 1):
            before = len(self.s.logged("request(s) timed out"))
            self.proxy.half_open(new=True)
            stack.wait(lambda: len(self.s.logged("request(s) timed out")) > before + 1,
                       "requests to time out")
            self.proxy.mend()
            self.moves()
        self.finish()

    def cut_by_chance(self):
        rnd = fault.rng("cuts")
        self.go()
        for _ in range(200 if fault.LONG else 20):
            time.sleep(rnd.uniform(0.05, 0.5))
            self.proxy.cut()
        self.moves()
        self.finish()

    def test_connections(self):
        self.side_by_side([Network.half_open, Network.parted, Network.cut_by_chance])

    def two_servers(self):
        """Nothing listens at the first address."""
        dead, = stack.free_ports()
        return {"kafka.bootstrap.servers": "127.0.0.1:%d,%s" % (dead, self.proxy.address)}

    def test_first_bootstrap_server_is_dead(self):
        self.go(self.two_servers())
        for signo in (signal.SIGTERM, signal.SIGKILL):
            self.s.daemon.stop(signo)
            self.s.start_daemon()
            self.moves()
        self.finish()

    # the broker

    def test_broker_killed_in_mid_transaction(self):
        """With the transaction open, and with it committed unknown to us."""
        cases = self.others(2)
        for case in cases:
            case.go()
        for _ in range(3 if fault.LONG else 1):
            ends = [case.proxy.add("hold", proxy.END_TXN, direction)
                    for case, direction in zip(cases, (REQUEST, RESPONSE))]
            for case, end in zip(cases, ends):
                case.hit(end)
            self.broker.stop()
            self.broker.start()
            for case, end in zip(cases, ends):
                end.release()
                case.moves()
        for case in cases:
            case.finish()

    def test_broker_stopped_past_every_timeout(self):
        """It has given up the group's member and the transaction before
        EndTxn comes."""
        self.go()
        for _ in range(4 if fault.LONG else 1):
            end = self.proxy.add("hold", proxy.END_TXN, count=None)
            self.hit(end)
            self.broker.process.send(signal.SIGSTOP)
            time.sleep(SESSION_TIMEOUT + 2)
            self.broker.process.send(signal.SIGCONT)
            stack.wait(lambda: self.last_stable_offset() == self.s.end(self.s.notifications),
                       "the transaction to be aborted")
            end.release()
            self.moves()
            self.proxy.clear()
        self.finish()
        self.assertTrue(self.s.daemon.running())

    def test_broker_away(self):
        """No busy waiting, whatever the daemon was doing, and a quiet log."""
        idle, busy, new = cases = self.others(3)
        idle.configure(**PROPERTIES, **idle.two_servers())
        idle.s.start_daemon()
        busy.go()
        end = busy.proxy.add("hold", proxy.END_TXN)
        busy.hit(end)
        self.broker.stop()
        for case in cases:
            case.proxy.refuse()
        new.configure(**PROPERTIES)
        new.s.start_daemon(ready=False)
        for case in cases:
            stack.wait(lambda s=case.s: s.logged("Connection refused"), "a word about the broker")
        before = [(time.monotonic(), cpu(c.s.daemon.p.pid), len(c.s.lines())) for c in cases]
        time.sleep(10)
        for case, (at, used, lines) in zip(cases, before):
            self.assertLess(cpu(case.s.daemon.p.pid) - used, 0.05 * (time.monotonic() - at))
            self.assertLess(len(case.s.lines()) - lines, 50)
        self.broker.start()
        for case in cases:
            case.proxy.listen()
        for case in cases:
            case.s.produce([GOOD])
            case.finish()

    # processing

    def test_daemon_killed_between_the_two_commits(self):
        """Kafka's was made: the recovery applies what SQLite has missed."""
        s = self.s
        s.start_daemon()
        end = self.proxy.add("hold", proxy.END_TXN, RESPONSE)
        s.produce([GOOD] * 3)
        self.hit(end)
        s.daemon.stop(signal.SIGKILL)
        end.release()
        s.start_daemon()
        self.assertTrue(s.logged("applied to the database"))
        s.produce([GOOD])
        self.check()

    def test_commands_come_behind_an_end_that_was_polled(self):
        """The offset is that of the commands, not that of the end."""
        s = self.s
        s.start_daemon()
        end = self.proxy.add("hold", proxy.END_TXN, RESPONSE)
        s.produce([GOOD])
        self.hit(end)
        s.produce([GOOD])
        n = len(self.proxy.seen(proxy.FETCH, RESPONSE))
        stack.wait(lambda: len(self.proxy.seen(proxy.FETCH, RESPONSE)) > n + 2, "the end")
        fetch = self.proxy.add("hold", proxy.FETCH)
        self.hit(fetch)
        s.produce([GOOD])
        again = self.proxy.add("hold", proxy.FETCH)
        fetch.release()
        self.hit(again)
        end.release()
        stack.wait(lambda: s.logged("position=0:2"), "the third command")
        s.daemon.stop(signal.SIGKILL)
        self.proxy.clear()
        s.start_daemon()
        s.produce([GOOD])
        self.check()

    # by chance

    def chance(self, name):
        rnd = fault.rng("chance", name)

        def work(case):
            case.go()
            for _ in range(60 if fault.LONG else 3):
                for _ in range(rnd.randint(1, 3)):
                    case.proxy.add(rnd.choice(proxy.ACTIONS), rnd.choice(list(proxy.NAMES)),
                                   rnd.choice([REQUEST, RESPONSE]), skip=rnd.randrange(4),
                                   count=rnd.randint(1, 4), rnd=rnd, chance=rnd.random(),
                                   seconds=rnd.uniform(0, 2 * SOCKET_TIMEOUT))
                if rnd.random() < 0.5:
                    case.new_session()
                if rnd.random() < 0.2:
                    case.s.daemon.stop(signal.SIGKILL)
                    case.s.start_daemon(ready=False)
                case.moves()
                if rnd.random() < 0.5:
                    case.proxy.clear()
                    case.moves()
            case.proxy.clear()
            case.moves()
            case.finish()
            case.assertTrue(case.s.daemon.running())
        return work

    def test_any_rules(self):
        self.side_by_side([self.chance(n) for n in range(4)])


class Work(threading.Thread):
    """A function of a case in a thread, with what it raised."""

    def __init__(self, work, case):
        super().__init__(daemon=True)
        self.work = work
        self.case = case
        self.trouble = None

    def run(self):
        try:
            self.work(self.case)
        except BaseException as e:
            self.trouble = e


def cpu(pid):
    """Seconds that a process has used."""
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    stack.main()
