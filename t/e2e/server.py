#!/usr/bin/env python3
"""script/server as a newcomer runs it."""

import contextlib
import os
import pwd
import signal
import subprocess
import tempfile
import urllib.request

import stack


# each part may take its time to stop
SLOW = 3 * stack.DEADLINE


class Server:

    def __init__(self, directory, user=None):
        self.var = directory
        # nginx's, the broker's and its controller's
        self.port = stack.free_ports(1092, 11092)[0]
        self.user = user
        self.process = None

    def start(self):
        env = {k: v for k, v in os.environ.items() if k != "KAFKA_BOOTSTRAP_SERVERS"}
        env.update(WAREHOUSE_PORT=str(self.port), WAREHOUSE_VAR=self.var)
        kwargs = {}
        if self.user:
            account = pwd.getpwnam(self.user)
            kwargs = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        self.output = open(self.var + ".out", "w")
        self.process = stack.Process([stack.ROOT + "/script/server"], env=env,
                                     stdout=self.output, stderr=self.output, **kwargs)
        stack.wait(self.ready, "script/server", 120)

    def stop(self):
        """For the end of a test, however far it came."""
        if self.process:
            self.process.stop()

    def ready(self):
        if not self.process.running():
            with open(self.var + ".out") as f:
                raise AssertionError("script/server stopped: " + f.read())
        return os.path.exists(self.var + "/server.env")

    def env(self):
        text = subprocess.run(["bash", "-c", 'set -a; . "$0"; env -0', self.var + "/server.env"],
                              capture_output=True, text=True, env={}).stdout
        return dict(line.split("=", 1) for line in text.split("\0") if "=" in line)

    def post(self, body):
        request = urllib.request.Request(self.env()["WAREHOUSE_URL"] + "/commands", body.encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as reply:
            return reply.read().decode()

    def items(self):
        with urllib.request.urlopen(self.env()["WAREHOUSE_URL"] + "/items") as reply:
            return reply.read().decode()

    def children(self):
        """Processes whose command line names this server's folder."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open("/proc/%s/cmdline" % pid, "rb") as f:
                if (self.var + "/").encode() in f.read():
                    found.append(pid)
        return found


class ServerCase(stack.unittest.TestCase):

    def server(self, user=None):
        directory = tempfile.mkdtemp(prefix="server-", dir=os.environ["WAREHOUSE_TEST_DIR"])
        os.chmod(directory, 0o755)
        if user:
            os.chown(directory, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
        server = Server(directory, user)
        self.addCleanup(server.stop)
        server.start()
        return server

    def increase(self, server, stock):
        self.assertEqual(server.post('{"action":"increase","sku":"SKU123","qty":10}'),
                         '{"status":"accepted"}')
        stack.wait(lambda: server.items() == '[{"sku":"SKU123","qty":%d}]' % stock, "the stock")

    def test_side_by_side_and_restarted(self):
        one, two = self.server(), self.server()
        self.increase(one, 10)
        self.increase(two, 10)
        self.increase(one, 20)

        env = one.env()
        for name in ("WAREHOUSE_URL", "KAFKA_BOOTSTRAP_SERVERS", "WAREHOUSE_DB",
                     "NGINX_PID_FILE", "CONSUMER_PID_FILE", "CONSUMER_CONF", "NGINX_CONF"):
            self.assertIn(name, env)

        # a tool may kill the daemon and start it again
        with open(env["CONSUMER_PID_FILE"]) as f:
            pid = int(f.read())
        os.kill(pid, signal.SIGKILL)
        daemon = stack.Process([stack.ROOT + "/build/warehouse-consumer",
                                "-c", env["CONSUMER_CONF"]])
        self.addCleanup(daemon.stop)
        self.increase(one, 30)

        self.assertEqual(one.process.stop(signal.SIGINT, SLOW), 0)
        self.assertEqual(daemon.p.wait(stack.DEADLINE), 0)
        self.assertEqual(one.children(), [])
        self.assertFalse(os.path.exists(one.var + "/server.env"))
        self.increase(two, 20)

        one.start()
        self.increase(one, 40)
        self.assertEqual(one.process.stop(signal.SIGTERM, SLOW), 0)
        self.assertEqual(two.process.stop(signal.SIGTERM, SLOW), 0)
        self.assertEqual(one.children() + two.children(), [])

    @stack.unittest.skipUnless(
        os.getuid() == 0 and subprocess.run(
            ["runuser", "-u", "nobody", "--", "test", "-x", stack.ROOT + "/script/server"]
        ).returncode == 0, "needs root, and a tree that others can read")
    def test_plain_user(self):
        server = self.server(user="nobody")
        self.increase(server, 10)
        self.assertEqual(server.process.stop(signal.SIGTERM, SLOW), 0)
        self.assertEqual(server.children(), [])


if __name__ == "__main__":
    stack.main()
