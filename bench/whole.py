"""The machine as a whole: nginx and the daemon at the same time."""

from back import Backlog, visible
from front import ROUNDS, Front
from measure import row, say

WARM = 150                 # seconds: more of the broker has to be compiled than in posts
CALM = 200                 # commands a second that come nearly alone
CALM_SECONDS = 20
LOADED_SECONDS = 10
MANY = 200                 # partitions
COMMANDS = 1000000


def whole():
    with Front() as f:
        s = f.s
        s.start_daemon()
        f.post(256, WARM)
        for connections in (64, 256):
            together(f, connections)
        calm(f)


def together(f, connections):
    """POSTs a second with the daemon processing and with the daemon stopped, in
    turns; how far it lags, and how old notifications are, under that load."""
    s = f.s
    rates, lags, ages = [], [], []
    f.post(connections, 2)
    for _ in range(ROUNDS):
        s.wait_caught_up()
        processing = f.post(connections)
        done = sum(s.positions().values())     # first: to ask for the end takes its time
        lags.append((s.end(s.commands) - done) / processing)
        s.wait_caught_up()
        s.daemon.stop()
        rates.append((processing, f.post(connections)))
        s.start_daemon()
    ours, alone = zip(*rates)
    row("POST acknowledged, %d connections, daemon processing, to the daemon stopped"
        % connections, ">= 0.9", ours, alone, "requests/s")
    row("lag when that load ends, %d connections, in seconds of it, to 0.1 s" % connections,
        "<= 1", lags, [0.1] * len(lags), "s")
    s.wait_caught_up()
    rate = int(min(ours) / 2)
    for _ in range(3):
        ages.append(visible(s, rate * LOADED_SECONDS, "load", s.port, "POST", "/commands",
                            connections, rate, LOADED_SECONDS))
        say("%d connections, %d/s: notified after p50 %d us, p99 %d us"
            % (connections, rate, ages[-1]["p50"], ages[-1]["p99"]))
    for share, limit in (("p50", 50000), ("p99", 200000)):
        row("POST to notification visible, half of that rate, %d connections, %s, to %d ms"
            % (connections, share, limit / 1000), "<= 1", [t[share] for t in ages],
            [limit] * len(ages), "us")


def calm(f):
    """From the time a POST is due to its notification at a reader, few a second."""
    s = f.s
    s.wait_caught_up()
    ours, bare = [], []
    for n in range(3):
        ours.append(visible(s, CALM * CALM_SECONDS, "load", s.port, "POST", "/commands", 64,
                            CALM, CALM_SECONDS))
        bare.append(visible(s, CALM, "transactions", s.brokers, s.notifications, CALM,
                            "bare-%s-%d" % (s.id, n)))
    for share, goal in (("p50", "<= 2"), ("p99", "<= 4")):
        row("POST to notification visible, %d/s, %s, to a transaction" % (CALM, share), goal,
            [t[share] for t in ours], [t[share] for t in bare], "us")


def partitions():
    """The same backlog in many partitions, to one."""
    ours, one = [], []
    for _ in range(3):
        for count, rates in ((MANY, ours), (1, one)):
            with Backlog(COMMANDS, 1000, count) as b, b.stack() as s:
                rates.append(b.process(s))
                s.daemon.stop()
    row("backlog of 1 million commands in %d partitions, to one" % MANY, ">= 0.5", ours, one,
        "commands/s")

