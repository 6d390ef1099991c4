#!/usr/bin/env python3
"""The baselines that script/bench makes of the module still fit it."""

import os
import subprocess
import tempfile
import unittest

from tap import TAPTestRunner

BENCH = os.environ["WAREHOUSE_ROOT"] + "/bench/variants.py"


class Variants(unittest.TestCase):

    def test_they_fit(self):
        for name in "forget", "uncounted":
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                subprocess.run([BENCH, name, folder], check=True)


if __name__ == "__main__":
    runner = TAPTestRunner()
    runner.set_stream(True)
    unittest.main(testRunner=runner, verbosity=0)
