#!/usr/bin/env python3
"""make dist: all that is committed, the same each time, and it can be built and
installed from."""

import os
import re
import subprocess
import tarfile
import tempfile
import unittest

from tap import TAPTestRunner

ROOT = os.environ["WAREHOUSE_ROOT"]


def run(*argv, **kwargs):
    r = subprocess.run(argv, capture_output=True, text=True,
                       env={k: v for k, v in os.environ.items() if not k.startswith("MAKE")},
                       **kwargs)
    assert r.returncode == 0, (argv, r.stdout, r.stderr)
    return r.stdout


class Dist(unittest.TestCase):

    def setUp(self):
        if not os.path.exists(ROOT + "/.git"):
            self.skipTest("this is no clone of the repository")
        self.folder = tempfile.TemporaryDirectory(dir=os.environ["WAREHOUSE_TEST_DIR"])
        self.addCleanup(self.folder.cleanup)
        with open(ROOT + "/common/wh_version.h") as f:
            self.version = re.search('WH_VERSION  "(.*)"', f.read()).group(1)

    def make(self, name):
        folder = self.folder.name + "/" + name
        run("make", "-C", ROOT, "dist", "BUILD=" + folder)
        return "%s/warehouse-%s.tar.gz" % (folder, self.version)

    def test_contents(self):
        one, two = self.make("one"), self.make("two")
        with open(one, "rb") as a, open(two, "rb") as b:
            self.assertEqual(a.read(), b.read())
        with tarfile.open(one) as tar:
            names = {m.name for m in tar if not m.isdir()}
        committed = run("git", "-C", ROOT, "ls-tree", "-r", "-z", "--name-only", "HEAD")
        self.assertEqual(names, {"warehouse-%s/%s" % (self.version, name)
                                 for name in committed.strip("\0").split("\0")})

    def test_install(self):
        with tarfile.open(self.make("dist")) as tar:
            tar.extractall(self.folder.name)
        tree = "%s/warehouse-%s" % (self.folder.name, self.version)
        to = self.folder.name + "/to"
        run("make", "-C", tree, "install", "DESTDIR=" + to, "PREFIX=/usr")
        self.assertTrue(run(to + "/usr/bin/warehouse-consumer", "-V")
                        .startswith("warehouse-consumer/" + self.version))
        with open(to + "/usr/share/warehouse/warehouse-consumer.service") as f:
            self.assertIn("\nExecStart=/usr/bin/warehouse-consumer\n", f.read())
        conf = self.folder.name + "/nginx.conf"
        with open(conf, "w") as f:
            f.write("load_module %s/usr/lib/nginx/modules/ngx_http_warehouse_module.so;\n"
                    "pid %s/pid; events {}\n" % (to, self.folder.name))
        run(os.environ["TEST_NGINX_BINARY"], "-t", "-e", "stderr", "-c", conf)


if __name__ == "__main__":
    runner = TAPTestRunner()
    runner.set_stream(True)
    unittest.main(testRunner=runner, verbosity=0)
