#!/usr/bin/env python3
"""Libraries that are too old are refused when the module is configured, not
when it runs: their headers are made to say so.  The checks of the system that
nginx's configure makes before are left out."""

import os
import re
import subprocess
import tempfile
import unittest

from tap import TAPTestRunner

SOURCE = os.environ.get("NGINX_SRC", "/usr/share/nginx/src")

# what nginx's configure does for "config", without its checks of the system
CONFIGURE = """
. auto/options
. auto/init
mkdir $NGX_OBJS
. auto/cc/conf
ngx_module_link=DYNAMIC
ngx_addon_dir=$WAREHOUSE_ROOT
. $ngx_addon_dir/config
"""


class Versions(unittest.TestCase):

    def configure(self, header, *changes):
        """Configures with a changed copy of a header in front of the others;
        returns configure's status and what it said."""
        with open("/usr/include/" + header) as f:
            text = f.read()
        for pattern, new in changes:
            text, n = re.subn(pattern, new, text)
            self.assertGreater(n, 0, pattern)
        with tempfile.TemporaryDirectory() as folder:
            copy = folder + "/include/" + header
            os.makedirs(os.path.dirname(copy))
            with open(copy, "w") as f:
                f.write(text)
            # what is not changed is taken from where the header was
            beside = os.path.dirname("/usr/include/" + header)
            for name in os.listdir(beside) if beside != "/usr/include" else []:
                if name != os.path.basename(header):
                    os.symlink(beside + "/" + name, os.path.dirname(copy) + "/" + name)
            r = subprocess.run(["sh", "-c", CONFIGURE, "configure", "--builddir=" + folder + "/objs"],
                               cwd=SOURCE, capture_output=True, text=True,
                               env={**os.environ, "CPATH": folder + "/include"})
        return r.returncode, r.stdout + r.stderr

    def refused(self, feature, header, *changes):
        status, said = self.configure(header, *changes)
        self.assertEqual(status, 1, said[-500:])
        self.assertRegex(said, "checking for %s.* not found" % feature)
        self.assertIn("ngx_http_warehouse_module needs", said)

    def test_as_they_are(self):
        status, said = self.configure("sqlite3.h")
        self.assertEqual(status, 0, said)
        self.assertEqual(len(re.findall("(?m)newer \\.\\.\\. found$", said)), 4, said)

    def test_sqlite(self):
        self.refused("SQLite, version 3.33", "sqlite3.h",
                     (r"(?m)^#define SQLITE_VERSION_NUMBER .*", "#define SQLITE_VERSION_NUMBER 3032003"))

    def test_librdkafka(self):
        self.refused("librdkafka, version 2.0", "librdkafka/rdkafka.h",
                     (r"(?m)^#define RD_KAFKA_VERSION .*", "#define RD_KAFKA_VERSION 0x010902ff"))

    def test_cjson(self):
        # nothing else in 1.7.12 is missing
        self.refused("cJSON, version 1.7.13", "cjson/cJSON.h",
                     (r"(?m)^.*cJSON_ParseWithLength\(.*$", ""))

    def test_xxhash(self):
        self.refused("xxHash, version 0.8", "xxhash.h", (r"XXH3_128bits_digest", "XXH3_128bits_older"))


if __name__ == "__main__":
    runner = TAPTestRunner()
    runner.set_stream(True)
    unittest.main(testRunner=runner, verbosity=0)
