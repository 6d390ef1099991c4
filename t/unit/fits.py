#!/usr/bin/env python3
"""What is made of the code by putting text in the place of other text still fits
it: the baselines of script/bench, and what t/sabotage.py breaks."""

import subprocess
import sys
import tempfile

import stack

sys.path.append(stack.ROOT + "/t")
import sabotage  # noqa: E402


class Fits(stack.unittest.TestCase):

    def test_baselines(self):
        for name in "forget", "uncounted":
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                subprocess.run([stack.ROOT + "/bench/variants.py", name, folder], check=True)

    def test_sabotages(self):
        self.assertGreater(len(sabotage.SABOTAGES), 70)
        for what, changes, *_ in sabotage.SABOTAGES:
            for file, old, new in changes:
                with self.subTest("%s: %s" % (what, file)), open(stack.ROOT + "/" + file) as f:
                    self.assertEqual(f.read().count(old), 1, old)


if __name__ == "__main__":
    stack.main()
